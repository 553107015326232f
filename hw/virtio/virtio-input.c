/* SPDX-License-Identifier: MIT */
/*
 * Virtio keyboard, mouse and tablet.  Spec: Virtual I/O Device 1.2, section 5.8; codes are Linux's evdev
 * protocol.
 * A device takes input only while a driver runs it, so that firmware without one keeps the keyboard that
 * it knows.  Reports that find no buffer wait, up to a bound that leaves room for releases.
 * Not modelled: LEDs are accepted and not shown, force feedback, multitouch.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/virtio/virtio.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"
#include "ui/input.h"

/* Configuration space (5.8.4). */
enum { C_SELECT = 0, C_SUBSEL = 1, C_SIZE = 2, C_UNION = 8, UNION_SIZE = 128 };
enum { CONFIG_SIZE = C_UNION + UNION_SIZE };
enum { ID_NAME = 1, ID_SERIAL = 2, ID_DEVIDS = 3, EV_BITS = 0x11, ABS_INFO = 0x12 };
enum { BUS_VIRTUAL = 6, VENDOR = 0x0627, VERSION = 1 };
/* Types and codes of events. */
enum { EV_SYN = 0, EV_KEY = 1, EV_REL = 2, EV_ABS = 3, EV_LED = 0x11, EV_REP = 0x14 };
enum { REL_X = 0, REL_Y = 1, REL_WHEEL = 8, ABS_X = 0, ABS_Y = 1, LEDS = 3, KEYS = 256 };
enum { BTN_FIRST = 0x110 }; /* numbered as INPUT_LEFT and so on */
enum { EVENT_SIZE = 8, QUEUE_SIZE = 64, STATUS_BURST = 256 };
/* Events that wait; the second half only for reports that release something. */
enum { PENDING_MAX = 256, PENDING_PRESS = 128, REPORT_MAX = 16 };

typedef struct VirtioInput {
    VirtioDevice parent;
    /* wiring */
    VirtQueue *events, *status;
    bool listening;
    /* properties: fixed once realized */
    char *serial;
    /* guest-visible: all of it is in input_snapshot */
    uint8_t select, subsel, buttons;
    uint8_t keys[KEYS / 8]; /* told to be down */
    uint8_t *pending;       /* the events that wait */
    uint32_t pending_len;   /* in bytes */
} VirtioInput;

/* One of the three devices. */
typedef struct InputKind {
    VirtioDeviceOps virtio;
    const char *name;
    uint16_t product;
    InputSink sink;
} InputKind;

static const InputKind *input_kind(const VirtioInput *s)
{
    return (const InputKind *)s->parent.dev.obj.type->ops;
}

static void set_bit(uint8_t *bits, unsigned n)
{
    bits[n / 8] |= 1 << n % 8;
}

/* --- Events to the driver --- */

/* Hands out what waits while there are buffers; each takes one event (5.8.6.1). */
static void input_drain(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioInput *s = (VirtioInput *)vdev;
    uint32_t done = 0;
    VirtqElement *e;

    while (done < s->pending_len && (e = vq_pop(vq))) {
        if (e->in_len < EVENT_SIZE) {
            vq_detach(vq, e);
            virtio_error(vdev, "a buffer for events has %zu bytes", e->in_len);
            break;
        }
        iov_from_buf(e->in, e->in_num, 0, s->pending + done, EVENT_SIZE);
        vq_push(vq, e, EVENT_SIZE);
        done += EVENT_SIZE;
    }
    if (done) {
        s->pending_len -= done;
        memmove(s->pending, s->pending + done, s->pending_len);
        vq_notify(vq);
    }
}

typedef struct Report {
    uint8_t data[REPORT_MAX * EVENT_SIZE];
    unsigned len;
} Report;

static void report_add(Report *r, uint16_t type, uint16_t code, int32_t value)
{
    uint8_t *at = r->data + r->len;

    g_assert(r->len + EVENT_SIZE <= sizeof(r->data));
    st16_le(at, type);
    st16_le(at + 2, code);
    st32_le(at + 4, (uint32_t)value);
    r->len += EVENT_SIZE;
}

/* Closes the report and sends it whole or, to a guest that does not look, not at all. */
static bool report_send(VirtioInput *s, Report *r, bool releases)
{
    unsigned room = (releases ? PENDING_MAX : PENDING_PRESS) * EVENT_SIZE;

    report_add(r, EV_SYN, 0, 0);
    if (s->pending_len + r->len > room) {
        return false;
    }
    s->pending = g_realloc(s->pending, PENDING_MAX * EVENT_SIZE);
    memcpy(s->pending + s->pending_len, r->data, r->len);
    s->pending_len += r->len;
    virtio_queue_kick(&s->parent, s->events->index);
    return true;
}

static void input_take_key(void *opaque, unsigned code, bool down)
{
    VirtioInput *s = opaque;
    Report r = {.len = 0};

    /* A release of what was never told is not told either; a second press is the guest's repeat. */
    if (code >= KEYS || (s->keys[code / 8] >> code % 8 & 1) == down) {
        return;
    }
    report_add(&r, EV_KEY, code, down);
    if (report_send(s, &r, !down)) {
        s->keys[code / 8] ^= 1 << code % 8;
    }
}

/* The end of both kinds of pointers' reports: wheel and buttons that changed. */
static void report_buttons(VirtioInput *s, Report *r, int dz, unsigned buttons)
{
    unsigned changed = (s->buttons ^ buttons) & ((1 << INPUT_BUTTONS) - 1);

    if (dz) {
        report_add(r, EV_REL, REL_WHEEL, -CLAMP(dz, INT16_MIN, INT16_MAX)); /* positive is away */
    }
    for (unsigned i = 0; i < INPUT_BUTTONS; i++) {
        if (changed >> i & 1) {
            report_add(r, EV_KEY, BTN_FIRST + i, buttons >> i & 1);
        }
    }
    if (r->len && report_send(s, r, (changed & ~buttons) != 0)) {
        s->buttons ^= changed;
    }
}

static void input_take_movement(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    Report r = {.len = 0};

    if (dx) {
        report_add(&r, EV_REL, REL_X, dx);
    }
    if (dy) {
        report_add(&r, EV_REL, REL_Y, dy);
    }
    report_buttons(opaque, &r, dz, buttons);
}

static void input_take_place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    Report r = {.len = 0};

    report_add(&r, EV_ABS, ABS_X, (int32_t)x);
    report_add(&r, EV_ABS, ABS_Y, (int32_t)y);
    report_buttons(opaque, &r, dz, buttons);
}

static void input_listen(VirtioInput *s, bool on)
{
    if (on != s->listening) {
        s->listening = on;
        if (on) {
            input_add_sink(&input_kind(s)->sink, s);
        } else {
            input_remove_sink(s);
        }
    }
}

/* --- The status queue: LEDs --- */

static void input_status(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *e;

    for (unsigned i = 0; i < STATUS_BURST; i++) {
        if (!(e = vq_pop(vq))) {
            return;
        }
        vq_push(vq, e, 0);
        vq_notify(vq);
    }
    vq_handle_later(vq);
}

/* --- Configuration space --- */

/* The codes of one type of event that the device has; the number of bytes, 0: none. */
static unsigned input_event_bits(const InputKind *kind, unsigned type, uint8_t *bits)
{
    bool pointer = kind->sink.pointer || kind->sink.pointer_abs;

    if (type == EV_KEY && kind->sink.key) {
        for (unsigned i = 1; i < KEYS; i++) {
            if (input_key_name(i)) {
                set_bit(bits, i);
            }
        }
    } else if (type == EV_KEY) {
        for (unsigned i = 0; i < INPUT_BUTTONS; i++) {
            set_bit(bits, BTN_FIRST + i);
        }
    } else if (type == EV_REL && pointer) {
        set_bit(bits, REL_WHEEL);
        if (kind->sink.pointer) {
            set_bit(bits, REL_X);
            set_bit(bits, REL_Y);
        }
    } else if (type == EV_ABS && kind->sink.pointer_abs) {
        set_bit(bits, ABS_X);
        set_bit(bits, ABS_Y);
    } else if (type == EV_LED && kind->sink.key) {
        bits[0] = (1 << LEDS) - 1;
    } else if (type == EV_REP && kind->sink.key) {
        return 1; /* the driver repeats; there is nothing to set */
    }
    for (unsigned n = UNION_SIZE; n; n--) {
        if (bits[n - 1]) {
            return n;
        }
    }
    return 0;
}

static unsigned put_text(uint8_t *out, const char *text)
{
    size_t len = text ? MIN(strlen(text), UNION_SIZE) : 0;

    memcpy(out, text ? text : "", len);
    return len;
}

static void input_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioInput *s = (VirtioInput *)vdev;
    const InputKind *kind = input_kind(s);
    uint8_t *out = buf + C_UNION;

    buf[C_SELECT] = s->select;
    buf[C_SUBSEL] = s->subsel;
    if (s->select == EV_BITS) {
        buf[C_SIZE] = input_event_bits(kind, s->subsel, out);
    } else if (s->select == ABS_INFO && kind->sink.pointer_abs && s->subsel <= ABS_Y) {
        st32_le(out + 4, INPUT_ABS_MAX); /* after the least, before fuzz, flat and resolution */
        buf[C_SIZE] = 20;
    } else if (!s->subsel && s->select == ID_NAME) {
        buf[C_SIZE] = put_text(out, kind->name);
    } else if (!s->subsel && s->select == ID_SERIAL) {
        buf[C_SIZE] = put_text(out, s->serial);
    } else if (!s->subsel && s->select == ID_DEVIDS) {
        st16_le(out, BUS_VIRTUAL);
        st16_le(out + 2, VENDOR);
        st16_le(out + 4, kind->product);
        st16_le(out + 6, VERSION);
        buf[C_SIZE] = 8;
    }
}

static void input_set_config(VirtioDevice *vdev, const uint8_t *buf)
{
    VirtioInput *s = (VirtioInput *)vdev;

    s->select = buf[C_SELECT];
    s->subsel = buf[C_SUBSEL];
}

/* --- Life --- */

static void input_status_changed(VirtioDevice *vdev)
{
    input_listen((VirtioInput *)vdev, virtio_driver_ok(vdev));
}

static void input_reset(Device *dev)
{
    VirtioInput *s = (VirtioInput *)dev;

    input_listen(s, false);
    s->select = s->subsel = s->buttons = 0;
    s->pending_len = 0;
    memset(s->keys, 0, sizeof(s->keys));
}

static bool input_realize(Device *dev, Error **errp)
{
    VirtioInput *s = (VirtioInput *)dev;

    s->events = virtio_add_queue(&s->parent, QUEUE_SIZE, input_drain);
    s->status = virtio_add_queue(&s->parent, QUEUE_SIZE, input_status);
    return true;
}

static void input_unrealize(Device *dev)
{
    VirtioInput *s = (VirtioInput *)dev;

    input_listen(s, false);
    g_clear_pointer(&s->pending, g_free);
}

static void input_snapshot(Device *dev, Snapshot *sn)
{
    VirtioInput *s = (VirtioInput *)dev;

    snap_section(sn, "virtio-input", 1);
    snap_fields(sn, &s->select, &s->subsel, &s->buttons);
    snap_bytes(sn, s->keys, sizeof(s->keys));
    snap_buffer(sn, &s->pending, &s->pending_len, PENDING_MAX * EVENT_SIZE);
    if (snap_loading(sn) && s->pending_len % EVENT_SIZE) {
        snap_fail(sn, "half an event");
    }
}

static void input_after_load(Device *dev)
{
    VirtioInput *s = (VirtioInput *)dev;

    input_listen(s, virtio_driver_ok(&s->parent));
}

static const PropDesc input_props[] = {
    PROP_STR("serial", VirtioInput, serial, NULL, "serial number that the guest reads"), PROP_END};

static const DeviceOps input_ops =
    DEVICE_OPS(input_snapshot, .realize = input_realize, .unrealize = input_unrealize,
               .reset = input_reset, .after_load = input_after_load);
QOM_TYPE(input_type, .name = "virtio-input-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioInput), .abstract = true, .props = input_props, .dev = &input_ops);

/* One kind of device; the rest of the arguments are the events it takes. */
#define INPUT_DEVICE(ident, NAME, PRODUCT, DESC, ...)                                              \
    static const InputKind ident##_kind = {                                                        \
        .virtio = {.device_id = VIRTIO_ID_INPUT,                                                   \
                   .config_size = CONFIG_SIZE,                                                     \
                   .get_config = input_get_config,                                                 \
                   .set_config = input_set_config,                                                 \
                   .status_changed = input_status_changed},                                        \
        .name = DESC,                                                                              \
        .product = (PRODUCT),                                                                      \
        .sink = {.name = DESC, __VA_ARGS__},                                                       \
    };                                                                                             \
    static const DeviceOps ident##_ops =                                                           \
        DEVICE_OPS(device_no_state, .category = "Input devices", .user_creatable = true);          \
    QOM_TYPE(ident##_type, .name = "virtio-" NAME "-device", .parent = "virtio-input-device",      \
             .size = sizeof(VirtioInput), .desc = "virtio " NAME, .dev = &ident##_ops,             \
             .ops = &ident##_kind.virtio)

INPUT_DEVICE(keyboard, "keyboard", 1, "Virtio Keyboard", .key = input_take_key);
INPUT_DEVICE(mouse, "mouse", 2, "Virtio Mouse", .pointer = input_take_movement);
INPUT_DEVICE(tablet, "tablet", 3, "Virtio Tablet", .pointer_abs = input_take_place);
