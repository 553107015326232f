/* SPDX-License-Identifier: MIT */
/*
 * Virtio console device with ports.  Spec: Virtual I/O Device 1.2, section 5.3.
 * "virtio-serial-device" carries a bus of ports: "virtconsole" (a terminal, hvc in Linux) and
 * "virtserialport" (a named byte channel, /dev/virtio-ports/NAME).
 * Not modelled: window sizes, the emergency write register.
 * Data that the guest sends to a port whose backend has no peer is dropped, as on an open wire.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "chardev/chardev.h"
#include "hw/machine.h"
#include "hw/virtio/virtio.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"
#include "softmmu/runstate.h"

#define TYPE_SERIAL_BUS  "virtio-serial-bus"
#define TYPE_SERIAL_PORT "virtio-serial-port"

enum { F_MULTIPORT = 1, CONFIG_SIZE = 12, C_MAX_PORTS = 4 };
enum {
    CTRL_DEVICE_READY,
    CTRL_PORT_ADD,
    CTRL_PORT_REMOVE,
    CTRL_PORT_READY,
    CTRL_CONSOLE_PORT,
    CTRL_RESIZE,
    CTRL_PORT_OPEN,
    CTRL_PORT_NAME,
    CTRL_SIZE = 8
};
enum {
    CONTROL_RX = 2,
    CONTROL_TX = 3,
    MAX_PORTS = 31,
    QUEUE_SIZE = 128,
    CONTROL_SIZE = 32,
    CHUNK = 4096,
    NAME_MAX_LEN = 128,
    CONTROL_BACKLOG = 256
};

typedef struct VirtioSerial VirtioSerial;

typedef struct SerialPort {
    Device dev;
    /* wiring */
    VirtioSerial *serial;
    VirtQueue *rx, *tx;
    CharFront chr;
    /* properties: fixed once realized */
    char *chardev, *name;
    uint32_t nr; /* UINT32_MAX: the first free one */
    /* guest-visible: all of it is in port_snapshot */
    bool guest_open, host_open;
    uint32_t pending_len; /* from the backend, for want of guest buffers */
    uint8_t pending[CHUNK];
    /* host-side: a chain that the backend took in part */
    VirtqElement *tx_chain;
    size_t tx_done;
} SerialPort;

struct VirtioSerial {
    VirtioDevice parent;
    VirtQueue *control_rx, *control_tx;
    Bus *bus;
    SerialPort *ports[MAX_PORTS];
    uint32_t max_ports;
    /* host-side: control messages for want of guest buffers */
    GQueue backlog; /* GBytes */
};

/* What tells the two kinds of port apart. */
typedef struct PortOps {
    bool console;
} PortOps;

static bool port_is_console(SerialPort *p)
{
    return ((const PortOps *)qom_type_ops(p->dev.obj.type))->console;
}

/* --- Control messages to the guest --- */

static void control_flush(VirtioSerial *s)
{
    GBytes *msg;
    bool sent = false;

    while ((msg = g_queue_peek_head(&s->backlog))) {
        VirtqElement *e = vq_pop(s->control_rx);
        gsize len;
        const void *data = g_bytes_get_data(msg, &len);

        if (!e) {
            break;
        }
        vq_push(s->control_rx, e, iov_from_buf(e->in, e->in_num, 0, data, len));
        g_bytes_unref(g_queue_pop_head(&s->backlog));
        sent = true;
    }
    if (sent) {
        vq_notify(s->control_rx);
    }
}

static void control_send(VirtioSerial *s, uint32_t port, uint16_t event, uint16_t value,
                         const char *text)
{
    size_t tail = text ? strlen(text) : 0;
    uint8_t *raw;

    /* A guest that takes no messages gets no more of them. */
    if (!virtio_has(&s->parent, F_MULTIPORT) || s->backlog.length >= CONTROL_BACKLOG) {
        return;
    }
    raw = g_malloc(CTRL_SIZE + tail);
    st32_le(raw, port);
    st16_le(raw + 4, event);
    st16_le(raw + 6, value);
    memcpy(raw + CTRL_SIZE, text ? text : "", tail);
    g_queue_push_tail(&s->backlog, g_bytes_new_take(raw, CTRL_SIZE + tail));
    control_flush(s);
}

/* --- Data from the backend to the guest --- */

/* The bytes of @buf that the guest's buffers took. */
static size_t port_fill(SerialPort *p, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        VirtqElement *e = vq_pop(p->rx);
        size_t n;

        if (!e) {
            break;
        }
        n = iov_from_buf(e->in, e->in_num, 0, buf + done, MIN(len - done, e->in_len));
        vq_push(p->rx, e, n);
        if (!n) {
            virtio_error(&p->serial->parent, "port %u: empty receive buffer", p->nr);
            break;
        }
        done += n;
    }
    if (done) {
        vq_notify(p->rx);
    }
    return done;
}

static bool port_hears(SerialPort *p)
{
    return p->guest_open || !virtio_has(&p->serial->parent, F_MULTIPORT);
}

static size_t port_can_receive(void *opaque)
{
    SerialPort *p = opaque;

    return p->pending_len || !port_hears(p) || vq_empty(p->rx) ? 0 : CHUNK;
}

static void port_receive(void *opaque, const uint8_t *buf, size_t len)
{
    SerialPort *p = opaque;
    size_t done = port_fill(p, buf, len);

    p->pending_len = MIN(len - done, sizeof(p->pending));
    memcpy(p->pending, buf + done, p->pending_len);
}

static void port_handle_rx(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerial *s = (VirtioSerial *)vdev;

    for (unsigned i = 0; i < s->max_ports; i++) {
        SerialPort *p = s->ports[i];

        if (p && p->rx == vq) {
            size_t done = port_fill(p, p->pending, p->pending_len);

            p->pending_len -= done;
            memmove(p->pending, p->pending + done, p->pending_len);
            chr_accept_input(&p->chr);
        }
    }
}

/* --- Data from the guest to the backend --- */

/* Sends the chain in hand; false when the backend takes no more now. */
static bool port_send_chain(SerialPort *p)
{
    VirtqElement *e = p->tx_chain;
    uint8_t buf[CHUNK];

    while (p->tx_done < e->out_len) {
        size_t n = iov_to_buf(e->out, e->out_num, p->tx_done, buf, sizeof(buf));
        size_t taken = chr_connected(&p->chr) ? chr_write(&p->chr, buf, n) : n;

        p->tx_done += taken;
        if (taken < n) {
            return false;
        }
    }
    p->tx_chain = NULL;
    vq_push(p->tx, e, 0);
    return true;
}

static void port_transmit(void *opaque)
{
    SerialPort *p = opaque;
    unsigned sent = 0;

    while (sent < QUEUE_SIZE) {
        if (!p->tx_chain) {
            p->tx_chain = vq_pop(p->tx);
            p->tx_done = 0;
        }
        if (!p->tx_chain || !port_send_chain(p)) {
            break;
        }
        sent++;
    }
    if (sent) {
        vq_notify(p->tx);
    }
    if (sent == QUEUE_SIZE) {
        vq_handle_later(p->tx);
    }
}

static void port_handle_tx(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerial *s = (VirtioSerial *)vdev;

    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] && s->ports[i]->tx == vq) {
            port_transmit(s->ports[i]);
        }
    }
}

static void port_event(void *opaque, CharEvent ev)
{
    SerialPort *p = opaque;

    if (ev == CHAR_OPENED || ev == CHAR_CLOSED) {
        p->host_open = ev == CHAR_OPENED;
        control_send(p->serial, p->nr, CTRL_PORT_OPEN, p->host_open, NULL);
    }
    if (ev == CHAR_CLOSED && p->tx_chain) {
        /* The rest of it was for the peer that has gone.  chr_write() may be what noticed, so not here. */
        p->tx_done = p->tx_chain->out_len;
        vq_handle_later(p->tx);
    }
}

static const CharHandlers port_handlers = {
    .can_receive = port_can_receive,
    .receive = port_receive,
    .event = port_event,
    .can_write = port_transmit,
};

/* --- Control messages from the guest --- */

static void control_port_ready(VirtioSerial *s, SerialPort *p)
{
    if (port_is_console(p)) {
        control_send(s, p->nr, CTRL_CONSOLE_PORT, 1, NULL);
    }
    if (p->name) {
        control_send(s, p->nr, CTRL_PORT_NAME, 1, p->name);
    }
    if (p->host_open) {
        control_send(s, p->nr, CTRL_PORT_OPEN, 1, NULL);
    }
}

/* Management tools wait for the guest's agent to open its port. */
static void port_set_guest_open(SerialPort *p, bool open)
{
    g_autofree char *data = NULL;

    if (p->guest_open == open) {
        return;
    }
    p->guest_open = open;
    if (p->dev.id) {
        data =
            g_strdup_printf("{\"id\": \"%s\", \"open\": %s}", p->dev.id, open ? "true" : "false");
        event_emit_limited("VSERPORT_CHANGE", p->dev.id, data);
    }
}

static void control_run(VirtioSerial *s, uint32_t id, uint16_t event, uint16_t value)
{
    SerialPort *p = id < s->max_ports ? s->ports[id] : NULL;

    if (event == CTRL_DEVICE_READY) {
        for (unsigned i = 0; value && i < s->max_ports; i++) {
            if (s->ports[i]) {
                control_send(s, i, CTRL_PORT_ADD, 1, NULL);
            }
        }
        return;
    }
    if (!p) {
        log_guest("virtio-serial: control message %u for port %u, which does not exist", event, id);
    } else if (event == CTRL_PORT_READY && value) {
        control_port_ready(s, p);
    } else if (event == CTRL_PORT_OPEN) {
        port_set_guest_open(p, value);
        chr_accept_input(&p->chr);
    }
}

static void control_handle_tx(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerial *s = (VirtioSerial *)vdev;
    VirtqElement *e;
    unsigned n;

    for (n = 0; n < CONTROL_SIZE && (e = vq_pop(vq)); n++) {
        uint8_t raw[CTRL_SIZE];
        size_t len = iov_to_buf(e->out, e->out_num, 0, raw, sizeof(raw));

        vq_push(vq, e, 0);
        if (len == sizeof(raw)) {
            control_run(s, ld32_le(raw), ld16_le(raw + 4), ld16_le(raw + 6));
        }
    }
    vq_notify(vq);
    if (n == CONTROL_SIZE) {
        vq_handle_later(vq);
    }
}

static void control_handle_rx(VirtioDevice *vdev, VirtQueue *vq)
{
    control_flush((VirtioSerial *)vdev);
}

/* --- The device --- */

static uint64_t serial_features(VirtioDevice *vdev)
{
    return VIRTIO_FEATURE(F_MULTIPORT);
}

static void serial_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    st32_le(buf + C_MAX_PORTS, ((VirtioSerial *)vdev)->max_ports);
}

/* Lets go of the chain that the backend took in part. */
static void port_drop_chain(SerialPort *p)
{
    if (p->tx_chain) {
        vq_detach(p->tx, p->tx_chain);
        p->tx_chain = NULL;
    }
}

static void serial_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerial *s = (VirtioSerial *)vdev;

    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] && s->ports[i]->tx == vq) {
            port_drop_chain(s->ports[i]);
        }
    }
}

static void serial_reset(Device *dev)
{
    VirtioSerial *s = (VirtioSerial *)dev;

    g_queue_clear_full(&s->backlog, (GDestroyNotify)g_bytes_unref);
    for (unsigned i = 0; i < s->max_ports; i++) {
        SerialPort *p = s->ports[i];

        if (p) {
            port_drop_chain(p);
            port_set_guest_open(p, false);
            p->pending_len = 0;
        }
    }
}

/* Queues 0 and 1 are port 0's, 2 and 3 the control queues', then two a port (5.3.2). */
static bool serial_realize(Device *dev, Error **errp)
{
    VirtioSerial *s = (VirtioSerial *)dev;
    g_autofree char *bus =
        dev->id ? g_strdup_printf("%s.0", dev->id) : g_strdup("virtio-serial-bus.0");

    if (!s->max_ports || s->max_ports > MAX_PORTS) {
        return error_fail(errp, "virtio-serial: property 'max_ports' must be 1 to %d", MAX_PORTS);
    }
    g_queue_init(&s->backlog);
    virtio_add_queue(&s->parent, QUEUE_SIZE, port_handle_rx);
    virtio_add_queue(&s->parent, QUEUE_SIZE, port_handle_tx);
    s->control_rx = virtio_add_queue(&s->parent, CONTROL_SIZE, control_handle_rx);
    s->control_tx = virtio_add_queue(&s->parent, CONTROL_SIZE, control_handle_tx);
    for (unsigned i = 1; i < s->max_ports; i++) {
        virtio_add_queue(&s->parent, QUEUE_SIZE, port_handle_rx);
        virtio_add_queue(&s->parent, QUEUE_SIZE, port_handle_tx);
    }
    s->bus = bus_new(dev, TYPE_SERIAL_BUS, bus, s->max_ports);
    return true;
}

static void serial_unrealize(Device *dev)
{
    g_queue_clear_full(&((VirtioSerial *)dev)->backlog, (GDestroyNotify)g_bytes_unref);
}

static void serial_snapshot(Device *dev, Snapshot *sn)
{
    snap_section(sn, "virtio-serial", 1); /* its ports have the state */
}

static const VirtioDeviceOps serial_virtio_ops = {
    .device_id = VIRTIO_ID_CONSOLE,
    .config_size = CONFIG_SIZE,
    .features = serial_features,
    .get_config = serial_get_config,
    .queue_reset = serial_queue_reset,
};

static const PropDesc serial_props[] = {
    PROP_U32("max_ports", VirtioSerial, max_ports, MAX_PORTS, "number of ports, 1 to 31"),
    PROP_END};

static const DeviceOps serial_ops =
    DEVICE_OPS(serial_snapshot, .realize = serial_realize, .unrealize = serial_unrealize,
               .reset = serial_reset, .category = "Input devices", .user_creatable = true);
QOM_TYPE(serial_type, .name = "virtio-serial-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioSerial), .desc = "virtio console and serial ports",
         .props = serial_props, .dev = &serial_ops, .ops = &serial_virtio_ops);
QOM_TYPE(serial_bus_type, .name = TYPE_SERIAL_BUS, .parent = TYPE_BUS, .size = sizeof(Bus),
         .desc = "place of ports on a virtio serial device");

/* --- Ports --- */

static bool port_take_number(SerialPort *p, Error **errp)
{
    VirtioSerial *s = p->serial;

    if (p->nr == UINT32_MAX) {
        /* Port 0 is a console to drivers without MULTIPORT: others leave it alone. */
        p->nr = port_is_console(p) ? 0 : 1;
        while (p->nr < s->max_ports && s->ports[p->nr]) {
            p->nr++;
        }
    }
    if (p->nr >= s->max_ports) {
        return error_fail(errp, "%s: property 'nr': bus '%s' has ports 0 to %u only",
                          p->dev.obj.type->name, s->bus->name, s->max_ports - 1);
    }
    if (s->ports[p->nr]) {
        return error_fail(errp, "%s: property 'nr': port %u is taken", p->dev.obj.type->name,
                          p->nr);
    }
    return true;
}

static bool port_realize(Device *dev, Error **errp)
{
    SerialPort *p = (SerialPort *)dev;

    p->serial = (VirtioSerial *)dev->parent_bus->owner;
    if (p->name && strlen(p->name) > NAME_MAX_LEN) {
        return error_fail(errp, "%s: property 'name' has more than %d characters",
                          dev->obj.type->name, NAME_MAX_LEN);
    }
    if (!port_take_number(p, errp)) {
        return false;
    }
    if (p->chardev && !chr_attach(&p->chr, p->chardev, errp)) {
        return false;
    }
    p->rx = virtio_queue(&p->serial->parent, p->nr ? 2 * p->nr + 2 : 0);
    p->tx = virtio_queue(&p->serial->parent, p->nr ? 2 * p->nr + 3 : 1);
    p->serial->ports[p->nr] = p;
    p->host_open = chr_connected(&p->chr);
    chr_set_handlers(&p->chr, &port_handlers, p);
    /* Others are announced when the driver says that it is there. */
    if (virtio_driver_ok(&p->serial->parent)) {
        control_send(p->serial, p->nr, CTRL_PORT_ADD, 1, NULL);
    }
    return true;
}

static void port_unrealize(Device *dev)
{
    SerialPort *p = (SerialPort *)dev;

    chr_detach(&p->chr);
    port_drop_chain(p);
    if (p->nr < MAX_PORTS && p->serial->ports[p->nr] == p) {
        p->serial->ports[p->nr] = NULL;
        control_send(p->serial, p->nr, CTRL_PORT_REMOVE, 1, NULL);
    }
}

static void port_snapshot(Device *dev, Snapshot *sn)
{
    SerialPort *p = (SerialPort *)dev;

    /* Saved as not taken (see virtio.c); what this machine had in hand is not the loaded one's. */
    if (snap_loading(sn)) {
        port_drop_chain(p);
    }
    snap_section(sn, "virtio-serial-port", 1);
    snap_bool(sn, &p->guest_open);
    snap_u32_max(sn, &p->pending_len, CHUNK);
    snap_bytes(sn, p->pending, sizeof(p->pending));
}

/* The driver has kicked for what waits in the ring; it does not do so again. */
static void port_after_load(Device *dev)
{
    port_transmit(dev);
}

static const PropDesc port_props[] = {
    PROP_STR("chardev", SerialPort, chardev, NULL, "character backend"),
    PROP_STR("name", SerialPort, name, NULL, "name that the guest sees"),
    PROP_U32("nr", SerialPort, nr, UINT32_MAX, "port number (default: the first free one)"),
    PROP_END};

static const DeviceOps port_ops =
    DEVICE_OPS(port_snapshot, .realize = port_realize, .unrealize = port_unrealize,
               .after_load = port_after_load, .bus = TYPE_SERIAL_BUS, .category = "Input devices",
               .user_creatable = true, .hotpluggable = true);
QOM_TYPE(port_type, .name = TYPE_SERIAL_PORT, .parent = TYPE_DEVICE, .size = sizeof(SerialPort),
         .abstract = true, .props = port_props, .dev = &port_ops);

static const PortOps console_port = {.console = true}, data_port = {.console = false};
QOM_TYPE(virtconsole_type, .name = "virtconsole", .parent = TYPE_SERIAL_PORT,
         .desc = "console on a virtio serial device", .ops = &console_port);
QOM_TYPE(virtserialport_type, .name = "virtserialport", .parent = TYPE_SERIAL_PORT,
         .desc = "named port of a virtio serial device", .ops = &data_port);
