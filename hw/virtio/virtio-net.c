/* SPDX-License-Identifier: MIT */
/*
 * Virtio network device.  Spec: Virtual I/O Device 1.2, section 5.1.
 * Models one queue pair, mergeable receive buffers, checksum and TCP segmentation offload from the
 * guest, receive modes and MAC filter through the control queue, link status.
 * Not modelled: several queue pairs, offloaded reception of large segments, VLAN filter, RSS.
 * Frames with offloads are completed here (checksums filled in) before a backend sees them; large TCP
 * segments are passed on whole.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/virtio/virtio.h"
#include "net/net.h"
#include "rhea/defer.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum {
    F_CSUM = 0,
    F_GUEST_CSUM = 1,
    F_MAC = 5,
    F_HOST_TSO4 = 11,
    F_HOST_TSO6 = 12,
    F_HOST_ECN = 13,
    F_MRG_RXBUF = 15,
    F_STATUS = 16,
    F_CTRL_VQ = 17,
    F_CTRL_RX = 18,
    F_CTRL_RX_EXTRA = 20,
    F_CTRL_MAC_ADDR = 23
};

/* struct virtio_net_hdr (5.1.6): offsets and bits. */
enum {
    H_FLAGS = 0,
    H_GSO_TYPE = 1,
    H_CSUM_START = 6,
    H_CSUM_OFFSET = 8,
    H_NUM_BUFFERS = 10,
    HEADER_SIZE = 12
};
enum { HDR_F_NEEDS_CSUM = 1, HDR_F_DATA_VALID = 2 };

enum { RX_QUEUE, TX_QUEUE, CTRL_QUEUE };
enum {
    CTRL_RX = 0,
    CTRL_MAC = 1,
    CTRL_MAC_TABLE_SET = 0,
    CTRL_MAC_ADDR_SET = 1,
    CTRL_OK = 0,
    CTRL_ERR = 1
};
enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST, RX_MODES };

enum { CONFIG_SIZE = 12, C_MAC = 0, C_STATUS = 6, C_MAX_PAIRS = 8, STATUS_LINK_UP = 1 };
enum {
    FRAME_MAX = 65550,
    MAC_TABLE_MAX = 64,
    ETH_ALEN = 6,
    CTRL_MAX = 8 + 2 * MAC_TABLE_MAX * ETH_ALEN
};

typedef struct VirtioNet {
    VirtioDevice parent;
    /* wiring */
    VirtQueue *rx, *tx;
    NetCard card;
    /* properties: fixed once realized */
    char *netdev, *mac_text;
    uint32_t rx_queue_size, tx_queue_size;
    bool csum, guest_csum, host_tso4, host_tso6, mrg_rxbuf;
    /* guest-visible: all of it is in net_snapshot */
    uint8_t mac[ETH_ALEN];
    bool mode[RX_MODES];
    uint8_t table[MAC_TABLE_MAX * ETH_ALEN];
    uint32_t table_len; /* addresses */
    bool table_overflow;
    /* host-side */
    uint8_t default_mac[ETH_ALEN];
    bool tx_deferred;
    uint8_t frame[FRAME_MAX + HEADER_SIZE];
} VirtioNet;

/* --- Receiving --- */

static bool table_has(const VirtioNet *s, const uint8_t *mac)
{
    for (uint32_t i = 0; i < s->table_len; i++) {
        if (!memcmp(s->table + i * ETH_ALEN, mac, ETH_ALEN)) {
            return true;
        }
    }
    return s->table_overflow;
}

/* Section 5.1.6.5.1 and .2: whom the driver wants to hear. */
static bool net_wants(const VirtioNet *s, const uint8_t *dest)
{
    static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (s->mode[RX_PROMISC]) {
        return true;
    }
    if (!memcmp(dest, broadcast, ETH_ALEN)) {
        return !s->mode[RX_NOBCAST];
    }
    if (dest[0] & 1) {
        return !s->mode[RX_NOMULTI] && (s->mode[RX_ALLMULTI] || table_has(s, dest));
    }
    return !s->mode[RX_NOUNI] &&
           (s->mode[RX_ALLUNI] || !memcmp(dest, s->mac, ETH_ALEN) || table_has(s, dest));
}

/* Puts header and frame into one or more chains; false (and nothing taken) when there is no room. */
static bool net_fill(VirtioNet *s, const uint8_t *frame, size_t len)
{
    uint8_t header[HEADER_SIZE] = {0};
    VirtqElement *chains[VIRTQ_MAX_SIZE];
    size_t total = len + HEADER_SIZE, room = 0, done = 0;
    unsigned n = 0;

    if (len > FRAME_MAX) {
        return true; /* no wire carries it */
    }
    while (room < total) {
        VirtqElement *e = n < (virtio_has(&s->parent, F_MRG_RXBUF) ? ARRAY_SIZE(chains) : 1)
                              ? vq_pop(s->rx)
                              : NULL;

        if (!e) {
            bool too_small = n && !virtio_has(&s->parent, F_MRG_RXBUF);

            while (n) {
                vq_unpop(s->rx, chains[--n]);
            }
            return too_small; /* such a buffer can never hold it: the frame is dropped */
        }
        chains[n++] = e;
        room += e->in_len;
    }
    header[H_FLAGS] = virtio_has(&s->parent, F_GUEST_CSUM) ? HDR_F_DATA_VALID : 0;
    st16_le(header + H_NUM_BUFFERS, n);
    memcpy(s->frame, header, HEADER_SIZE);
    memcpy(s->frame + HEADER_SIZE, frame, len);
    for (unsigned i = 0; i < n; i++) {
        size_t part = iov_from_buf(chains[i]->in, chains[i]->in_num, 0, s->frame + done,
                                   MIN(total - done, chains[i]->in_len));

        done += part;
        vq_push(s->rx, chains[i], part);
    }
    return true;
}

static bool net_receive(void *opaque, const uint8_t *frame, size_t len)
{
    VirtioNet *s = opaque;

    if (!virtio_driver_ok(&s->parent) || len < 2 * ETH_ALEN || !net_wants(s, frame)) {
        return true; /* nobody listens: the frame is gone, as on a wire */
    }
    if (!net_fill(s, frame, len)) {
        vq_set_notification(s->rx, true);
        if (vq_empty(s->rx) || !net_fill(s, frame, len)) {
            return false;
        }
    }
    vq_notify(s->rx);
    return true;
}

static void net_handle_rx(VirtioDevice *vdev, VirtQueue *vq)
{
    net_card_flush(&((VirtioNet *)vdev)->card);
}

/* --- Sending --- */

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
    uint64_t acc = sum;

    for (; len > 1; len -= 2, p += 2) {
        acc += ld16_be(p);
    }
    acc += len ? *p << 8 : 0;
    while (acc >> 16) {
        acc = (acc & 0xffff) + (acc >> 16);
    }
    return acc;
}

/* Completes a partial checksum: the field holds the pseudo-header's sum (5.1.6.2.1). */
static void net_complete_checksum(uint8_t *frame, size_t len, const uint8_t *header)
{
    size_t start = ld16_le(header + H_CSUM_START);
    size_t field = start + ld16_le(header + H_CSUM_OFFSET);
    uint16_t sum;

    if (!(header[H_FLAGS] & HDR_F_NEEDS_CSUM) || start >= len || field + 2 > len) {
        return;
    }
    sum = ~sum16(frame + start, len - start, 0);
    st16_be(frame + field, sum ? sum : 0xffff);
}

static void net_send_chain(VirtioNet *s, VirtqElement *e)
{
    uint8_t header[HEADER_SIZE];
    size_t len;

    if (e->out_len < HEADER_SIZE || e->out_len > sizeof(s->frame)) {
        virtio_error(&s->parent, "frame of %zu bytes with its header", e->out_len);
        return;
    }
    iov_to_buf(e->out, e->out_num, 0, header, HEADER_SIZE);
    len = iov_to_buf(e->out, e->out_num, HEADER_SIZE, s->frame, FRAME_MAX);
    net_complete_checksum(s->frame, len, header);
    net_card_send(&s->card, s->frame, len);
}

static void net_handle_tx(VirtioDevice *vdev, VirtQueue *vq);

static void net_tx_again(void *opaque)
{
    VirtioNet *s = opaque;

    s->tx_deferred = false;
    net_handle_tx(&s->parent, s->tx);
    qom_put(&s->parent.dev.obj);
}

/* A queue that other vCPUs keep filling must not hold the machine lock for ever. */
static void net_handle_tx(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioNet *s = (VirtioNet *)vdev;
    VirtqElement *e;
    unsigned sent = 0;

    while (sent < vq->size && (e = vq_pop(vq))) {
        net_send_chain(s, e);
        vq_push(vq, e, 0);
        sent++;
    }
    if (sent) {
        vq_notify(vq);
    }
    if (sent && sent == vq->size && !s->tx_deferred) {
        s->tx_deferred = true;
        qom_get_ref(&s->parent.dev.obj);
        main_loop_defer(net_tx_again, s);
    }
}

/* --- Control queue (5.1.6.5) --- */

/* One table of the two in MAC_TABLE_SET at @p; the bytes it takes, 0 when it is cut off. */
static size_t add_table(VirtioNet *s, const uint8_t *p, size_t len)
{
    uint32_t n = len < 4 ? 0 : ld32_le(p);

    if (len < 4 || n > (len - 4) / ETH_ALEN) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (s->table_len == MAC_TABLE_MAX) {
            s->table_overflow = true;
            break;
        }
        memcpy(s->table + s->table_len++ * ETH_ALEN, p + 4 + i * ETH_ALEN, ETH_ALEN);
    }
    return 4 + (size_t)n * ETH_ALEN;
}

static bool ctrl_mac(VirtioNet *s, uint8_t command, const uint8_t *p, size_t len)
{
    size_t used;

    if (command == CTRL_MAC_ADDR_SET && len == ETH_ALEN) {
        memcpy(s->mac, p, ETH_ALEN);
        memcpy(s->card.mac, p, ETH_ALEN);
        return true;
    }
    if (command != CTRL_MAC_TABLE_SET) {
        return false;
    }
    s->table_len = 0;
    s->table_overflow = false;
    used = add_table(s, p, len);
    return used && add_table(s, p + used, len - used);
}

static bool ctrl_run(VirtioNet *s, const uint8_t *cmd, size_t len)
{
    if (len < 3) {
        return false;
    }
    switch (cmd[0]) {
    case CTRL_RX:
        if (cmd[1] >= RX_MODES || len != 3) {
            return false;
        }
        s->mode[cmd[1]] = cmd[2] & 1;
        return true;
    case CTRL_MAC: return ctrl_mac(s, cmd[1], cmd + 2, len - 2);
    default: return false;
    }
}

static void net_handle_ctrl(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioNet *s = (VirtioNet *)vdev;
    VirtqElement *e;

    while ((e = vq_pop(vq))) {
        uint8_t cmd[CTRL_MAX], ack = CTRL_ERR;
        size_t len = iov_to_buf(e->out, e->out_num, 0, cmd, sizeof(cmd));

        if (len == e->out_len && ctrl_run(s, cmd, len)) {
            ack = CTRL_OK;
        }
        vq_push(vq, e, iov_from_buf(e->in, e->in_num, 0, &ack, 1));
        vq_notify(vq);
    }
}

/* --- Features and configuration --- */

static uint64_t net_features(VirtioDevice *vdev)
{
    VirtioNet *s = (VirtioNet *)vdev;
    uint64_t f = VIRTIO_FEATURE(F_MAC) | VIRTIO_FEATURE(F_STATUS) | VIRTIO_FEATURE(F_CTRL_VQ) |
                 VIRTIO_FEATURE(F_CTRL_RX) | VIRTIO_FEATURE(F_CTRL_RX_EXTRA) |
                 VIRTIO_FEATURE(F_CTRL_MAC_ADDR);

    f |= s->mrg_rxbuf ? VIRTIO_FEATURE(F_MRG_RXBUF) : 0;
    f |= s->guest_csum ? VIRTIO_FEATURE(F_GUEST_CSUM) : 0;
    if (!s->csum) {
        return f;
    }
    f |= VIRTIO_FEATURE(F_CSUM);
    f |= s->host_tso4 ? VIRTIO_FEATURE(F_HOST_TSO4) : 0;
    f |= s->host_tso6 ? VIRTIO_FEATURE(F_HOST_TSO6) : 0;
    return f | (s->host_tso4 || s->host_tso6 ? VIRTIO_FEATURE(F_HOST_ECN) : 0);
}

static void net_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioNet *s = (VirtioNet *)vdev;

    memcpy(buf + C_MAC, s->mac, ETH_ALEN);
    st16_le(buf + C_STATUS, s->card.link_down || !s->card.peer ? 0 : STATUS_LINK_UP);
    st16_le(buf + C_MAX_PAIRS, 1);
}

static void net_link_changed(void *opaque, bool up)
{
    virtio_config_changed(&((VirtioNet *)opaque)->parent);
}

static const NetCardOps net_card_ops = {.receive = net_receive, .link_changed = net_link_changed};

/* --- Life --- */

static void net_reset(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;

    memcpy(s->mac, s->default_mac, ETH_ALEN);
    memcpy(s->card.mac, s->default_mac, ETH_ALEN);
    memset(s->mode, 0, sizeof(s->mode));
    s->mode[RX_PROMISC] = true; /* until the driver says otherwise (5.1.5) */
    s->table_len = 0;
    s->table_overflow = false;
}

static bool queue_size_ok(const char *prop, uint32_t size, Error **errp)
{
    if (size < 64 || size > VIRTQ_MAX_SIZE || (size & (size - 1))) {
        return error_fail(errp, "virtio-net: property '%s' must be a power of two from 64 to %d",
                          prop, VIRTQ_MAX_SIZE);
    }
    return true;
}

static bool net_realize(Device *dev, Error **errp)
{
    VirtioNet *s = (VirtioNet *)dev;

    if (!queue_size_ok("rx_queue_size", s->rx_queue_size, errp) ||
        !queue_size_ok("tx_queue_size", s->tx_queue_size, errp)) {
        return false;
    }
    if (s->mac_text) {
        if (!net_parse_mac(s->mac_text, s->default_mac, errp)) {
            error_prepend(errp, "virtio-net: property 'mac': ");
            return false;
        }
    } else {
        net_default_mac(s->default_mac);
    }
    s->card.ops = &net_card_ops;
    s->card.opaque = s;
    s->card.name = g_strdup(dev->id ? dev->id : dev->obj.type->name);
    if (!net_card_attach(&s->card, s->netdev, errp)) {
        error_prepend(errp, "virtio-net: ");
        return false;
    }
    s->rx = virtio_add_queue(&s->parent, s->rx_queue_size, net_handle_rx);
    s->tx = virtio_add_queue(&s->parent, s->tx_queue_size, net_handle_tx);
    virtio_add_queue(&s->parent, 64, net_handle_ctrl);
    return true;
}

static void net_unrealize(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;

    net_card_detach(&s->card);
    g_clear_pointer(&s->card.name, g_free);
}

static void net_snapshot(Device *dev, Snapshot *sn)
{
    VirtioNet *s = (VirtioNet *)dev;

    snap_section(sn, "virtio-net", 1);
    snap_bytes(sn, s->mac, sizeof(s->mac));
    for (int i = 0; i < RX_MODES; i++) {
        snap_bool(sn, &s->mode[i]);
    }
    snap_u32_max(sn, &s->table_len, MAC_TABLE_MAX);
    snap_bytes(sn, s->table, sizeof(s->table));
    snap_bool(sn, &s->table_overflow);
}

static void net_after_load(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;

    memcpy(s->card.mac, s->mac, ETH_ALEN);
    net_card_flush(&s->card);
}

static const VirtioDeviceOps net_virtio_ops = {
    .device_id = VIRTIO_ID_NET,
    .config_size = CONFIG_SIZE,
    .features = net_features,
    .get_config = net_get_config,
};

static const PropDesc net_props[] = {
    PROP_STR("netdev", VirtioNet, netdev, NULL, "id of the network backend"),
    PROP_STR("mac", VirtioNet, mac_text, NULL, "Ethernet address (default: 52:54:00:12:34:56 ...)"),
    PROP_U32("rx_queue_size", VirtioNet, rx_queue_size, 256, "descriptors of the receive queue"),
    PROP_U32("tx_queue_size", VirtioNet, tx_queue_size, 256, "descriptors of the send queue"),
    PROP_BOOL("csum", VirtioNet, csum, true, "fill in checksums for the guest"),
    PROP_BOOL("guest_csum", VirtioNet, guest_csum, true, "tell the guest that checksums are good"),
    PROP_BOOL("host_tso4", VirtioNet, host_tso4, true, "take large TCP segments over IPv4"),
    PROP_BOOL("host_tso6", VirtioNet, host_tso6, true, "take large TCP segments over IPv6"),
    PROP_BOOL("mrg_rxbuf", VirtioNet, mrg_rxbuf, true, "offer mergeable receive buffers"),
    PROP_END};

static const DeviceOps net_ops =
    DEVICE_OPS(net_snapshot, .realize = net_realize, .unrealize = net_unrealize, .reset = net_reset,
               .after_load = net_after_load, .category = "Network devices", .user_creatable = true);
QOM_TYPE(net_type, .name = "virtio-net-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioNet), .desc = "virtio network card", .props = net_props,
         .dev = &net_ops, .ops = &net_virtio_ops);
