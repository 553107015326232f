/* SPDX-License-Identifier: MIT */
/*
 * Virtio network device.  Spec: Virtual I/O Device 1.2, section 5.1.
 * Models queue pairs (as many as the backend has, with mq=on), mergeable receive buffers, checksum and
 * TCP segmentation offload from the guest, the filters of the control queue (virtio-net-ctrl.c), link
 * status, MTU, announcements.
 * Not modelled: reception of segments larger than a frame (no backend has them), RSS and hash reports.
 * Frames with offloads are completed here (checksums filled in) before a backend sees them; large TCP
 * segments are passed on whole.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"
#include "virtio-net.h"

/* struct virtio_net_hdr (5.1.6): offsets and bits. */
enum {
    H_FLAGS = 0,
    H_GSO_TYPE = 1,
    H_CSUM_START = 6,
    H_CSUM_OFFSET = 8,
    H_NUM_BUFFERS = 10,
    LEGACY_HEADER = 10 /* without the number of buffers */
};
enum { HDR_F_NEEDS_CSUM = 1, HDR_F_DATA_VALID = 2 };

enum { CONFIG_SIZE = 12, C_MAC = 0, C_STATUS = 6, C_MAX_PAIRS = 8, C_MTU = 10 };
enum { STATUS_LINK_UP = 1, STATUS_ANNOUNCE = 2 };
enum { ETH_HEADER = 14, ETH_TYPE_IPV4 = 0x0800, ETH_TYPE_IPV6 = 0x86dd, CTRL_QUEUE_SIZE = 64 };
enum { MTU_MIN = 68, MTU_MAX = 65535 };

/* Legacy drivers that do not merge buffers have the shorter header (5.1.6.1). */
static size_t header_size(const VirtioNet *s)
{
    bool full =
        virtio_has(&s->parent, VIRTIO_F_VERSION_1) || virtio_has(&s->parent, NET_F_MRG_RXBUF);

    return full ? NET_HEADER_MAX : LEGACY_HEADER;
}

/* --- Queues: rx0 tx0 rx1 tx1 ... control (5.1.2) --- */

static VirtQueue *rx_queue(VirtioNet *s, unsigned pair)
{
    return virtio_queue(&s->parent, 2 * pair);
}

/* Where the control queue is depends on what the driver has accepted. */
static unsigned ctrl_index(const VirtioNet *s)
{
    return virtio_has(&s->parent, NET_F_MQ) ? 2 * s->max_pairs : 2;
}

/* --- Flows: answers come on the pair that was last sent from --- */

/* The same for both directions of a connection; 0 for what is no IP. */
static unsigned flow_hash(const uint8_t *frame, size_t len)
{
    unsigned addresses, addresses_len, ports, type = len < ETH_HEADER ? 0 : ld16_be(frame + 12);
    uint32_t h = 0;

    if (type == ETH_TYPE_IPV4 && len >= ETH_HEADER + 20) {
        bool fragment = ld16_be(frame + ETH_HEADER + 6) & 0x3fff;

        addresses = ETH_HEADER + 12;
        addresses_len = 8;
        ports = fragment ? 0 : ETH_HEADER + 4 * (frame[ETH_HEADER] & 15);
    } else if (type == ETH_TYPE_IPV6 && len >= ETH_HEADER + 40) {
        addresses = ETH_HEADER + 8;
        addresses_len = 32;
        ports = ETH_HEADER + 40;
    } else {
        return 0;
    }
    for (unsigned i = 0; i < addresses_len; i += 4) {
        h ^= ld32_be(frame + addresses + i);
    }
    if (ports && ports + 4 <= len) {
        h ^= ld16_be(frame + ports) ^ ld16_be(frame + ports + 2);
    }
    return (h ^ h >> 8 ^ h >> 16 ^ h >> 24) % NET_FLOWS;
}

static unsigned flow_pair(VirtioNet *s, const uint8_t *frame, size_t len)
{
    return s->pairs > 1 ? s->flow_pair[flow_hash(frame, len)] % s->pairs : 0;
}

/* --- Receiving --- */

/* Puts header and frame into one or more chains; false (and nothing taken) when there is no room. */
static bool net_fill(VirtioNet *s, VirtQueue *rx, const uint8_t *frame, size_t len)
{
    uint8_t header[NET_HEADER_MAX] = {0};
    VirtqElement *chains[VIRTQ_MAX_SIZE];
    size_t head = header_size(s), total = len + head, room = 0, done = 0;
    bool merge = virtio_has(&s->parent, NET_F_MRG_RXBUF);
    unsigned n = 0;

    if (len > NET_FRAME_MAX) {
        return true; /* no wire carries it */
    }
    while (room < total) {
        VirtqElement *e = n < (merge ? ARRAY_SIZE(chains) : 1) ? vq_pop(rx) : NULL;

        if (!e) {
            bool too_small = n && !merge;

            while (n) {
                vq_unpop(rx, chains[--n]);
            }
            return too_small; /* such a buffer can never hold it: the frame is dropped */
        }
        chains[n++] = e;
        room += e->in_len;
    }
    header[H_FLAGS] = s->offloads & VIRTIO_FEATURE(NET_F_GUEST_CSUM) ? HDR_F_DATA_VALID : 0;
    st16_le(header + H_NUM_BUFFERS, n);
    memcpy(s->frame, header, head);
    memcpy(s->frame + head, frame, len);
    for (unsigned i = 0; i < n; i++) {
        size_t part = iov_from_buf(chains[i]->in, chains[i]->in_num, 0, s->frame + done,
                                   MIN(total - done, chains[i]->in_len));

        done += part;
        vq_push(rx, chains[i], part);
    }
    return true;
}

static bool net_receive(void *opaque, const uint8_t *frame, size_t len)
{
    VirtioNet *s = opaque;
    VirtQueue *rx;

    if (!virtio_driver_ok(&s->parent) || len < 2 * ETH_ALEN || !net_wants(s, frame, len)) {
        return true; /* nobody listens: the frame is gone, as on a wire */
    }
    rx = rx_queue(s, flow_pair(s, frame, len));
    if (!net_fill(s, rx, frame, len)) {
        vq_set_notification(rx, true);
        if (vq_empty(rx) || !net_fill(s, rx, frame, len)) {
            return false;
        }
    }
    vq_notify(rx);
    return true;
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

static void net_send_chain(VirtioNet *s, unsigned pair, VirtqElement *e)
{
    uint8_t header[NET_HEADER_MAX];
    size_t head = header_size(s), len;

    if (e->out_len < head || e->out_len > sizeof(s->frame)) {
        virtio_error(&s->parent, "frame of %zu bytes with its header", e->out_len);
        return;
    }
    iov_to_buf(e->out, e->out_num, 0, header, head);
    len = iov_to_buf(e->out, e->out_num, head, s->frame, NET_FRAME_MAX);
    net_complete_checksum(s->frame, len, header);
    if (s->pairs > 1) {
        s->flow_pair[flow_hash(s->frame, len)] = pair;
    }
    net_card_send(&s->card, s->frame, len);
}

/* A queue that other vCPUs keep filling must not hold the machine lock for ever. */
static void net_handle_tx(VirtioNet *s, VirtQueue *vq)
{
    unsigned pair = vq->index / 2, sent = 0;
    VirtqElement *e;

    while (sent < vq->size && (e = vq_pop(vq))) {
        net_send_chain(s, pair, e);
        vq_push(vq, e, 0);
        sent++;
    }
    if (sent) {
        vq_notify(vq);
    }
    if (sent && sent == vq->size) {
        vq_handle_later(vq);
    }
}

static void net_handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioNet *s = (VirtioNet *)vdev;

    if (vq->index == ctrl_index(s)) {
        if (virtio_has(vdev, NET_F_CTRL_VQ)) {
            net_handle_ctrl(s, vq);
        }
    } else if (vq->index & 1) {
        net_handle_tx(s, vq);
    } else {
        net_card_flush(&s->card);
    }
}

/* --- Features and configuration --- */

static uint64_t feature_if(bool on, unsigned bit)
{
    return on ? VIRTIO_FEATURE(bit) : 0;
}

static uint64_t net_ctrl_features(const VirtioNet *s)
{
    if (!s->ctrl_vq) {
        return 0;
    }
    return VIRTIO_FEATURE(NET_F_CTRL_VQ) | feature_if(s->ctrl_rx, NET_F_CTRL_RX) |
           feature_if(s->ctrl_rx_extra, NET_F_CTRL_RX_EXTRA) |
           feature_if(s->ctrl_vlan, NET_F_CTRL_VLAN) |
           feature_if(s->ctrl_mac_addr, NET_F_CTRL_MAC_ADDR) |
           feature_if(s->ctrl_guest_offloads, NET_F_CTRL_GUEST_OFFLOADS) |
           feature_if(s->guest_announce && s->status, NET_F_GUEST_ANNOUNCE) |
           feature_if(s->max_pairs > 1, NET_F_MQ);
}

static uint64_t net_features(VirtioDevice *vdev)
{
    VirtioNet *s = (VirtioNet *)vdev;
    uint64_t f = VIRTIO_FEATURE(NET_F_MAC) | net_ctrl_features(s);

    f |= feature_if(s->status, NET_F_STATUS);
    f |= feature_if(s->host_mtu, NET_F_MTU);
    f |= feature_if(s->mrg_rxbuf, NET_F_MRG_RXBUF);
    f |= feature_if(s->guest_csum, NET_F_GUEST_CSUM);
    if (!s->csum) {
        return f;
    }
    f |= VIRTIO_FEATURE(NET_F_CSUM);
    f |= feature_if(s->host_tso4, NET_F_HOST_TSO4) | feature_if(s->host_tso6, NET_F_HOST_TSO6);
    return f | feature_if(s->host_ecn && (s->host_tso4 || s->host_tso6), NET_F_HOST_ECN);
}

/* What was accepted is on until the control queue switches it off (5.1.6.5.6.1). */
static void net_features_ready(VirtioDevice *vdev)
{
    VirtioNet *s = (VirtioNet *)vdev;

    s->offloads = vdev->features & VIRTIO_FEATURE(NET_F_GUEST_CSUM);
}

static void net_get_config(VirtioDevice *vdev, uint8_t *buf)
{
    VirtioNet *s = (VirtioNet *)vdev;
    bool up = s->card.peer && !s->card.link_down;

    memcpy(buf + C_MAC, s->mac, ETH_ALEN);
    st16_le(buf + C_STATUS, (up ? STATUS_LINK_UP : 0) | (s->announce ? STATUS_ANNOUNCE : 0));
    st16_le(buf + C_MAX_PAIRS, s->max_pairs);
    st16_le(buf + C_MTU, s->host_mtu);
}

/* Legacy drivers set the address here, others by the control queue (5.1.4.1). */
static void net_set_config(VirtioDevice *vdev, const uint8_t *buf)
{
    VirtioNet *s = (VirtioNet *)vdev;

    if (!virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        memcpy(s->mac, buf + C_MAC, ETH_ALEN);
        memcpy(s->card.mac, buf + C_MAC, ETH_ALEN);
    }
}

static void net_link_changed(void *opaque, bool up)
{
    virtio_config_changed(&((VirtioNet *)opaque)->parent);
}

static bool net_announce(void *opaque)
{
    VirtioNet *s = opaque;

    if (!virtio_driver_ok(&s->parent) || !virtio_has(&s->parent, NET_F_GUEST_ANNOUNCE) ||
        !virtio_has(&s->parent, NET_F_CTRL_VQ)) {
        return false;
    }
    s->announce = true;
    virtio_config_changed(&s->parent);
    return true;
}

/* The driver goes on with the one that it knows: what is sent to that must not be filtered out. */
static void net_set_mac(void *opaque, const uint8_t mac[6])
{
    memcpy(((VirtioNet *)opaque)->default_mac, mac, ETH_ALEN);
}

static const NetCardOps net_card_ops = {
    .receive = net_receive,
    .link_changed = net_link_changed,
    .announce = net_announce,
    .set_mac = net_set_mac,
};

/* --- Life --- */

static void net_reset(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;

    memcpy(s->mac, s->default_mac, ETH_ALEN);
    memcpy(s->card.mac, s->default_mac, ETH_ALEN);
    net_reset_filters(s);
    s->pairs = 1;
    s->offloads = 0;
    s->announce = false;
    memset(s->flow_pair, 0, sizeof(s->flow_pair));
}

static bool queue_size_ok(const char *prop, uint32_t size, Error **errp)
{
    if (size < 64 || size > VIRTQ_MAX_SIZE || (size & (size - 1))) {
        return error_fail(errp, "virtio-net: property '%s' must be a power of two from 64 to %d",
                          prop, VIRTQ_MAX_SIZE);
    }
    return true;
}

static void net_add_queues(VirtioNet *s)
{
    for (uint32_t pair = 0; pair < s->max_pairs; pair++) {
        virtio_add_queue(&s->parent, s->rx_queue_size, net_handle_queue);
        virtio_add_queue(&s->parent, s->tx_queue_size, net_handle_queue);
    }
    virtio_add_queue(&s->parent, CTRL_QUEUE_SIZE, net_handle_queue);
}

static bool net_realize(Device *dev, Error **errp)
{
    VirtioNet *s = (VirtioNet *)dev;

    if (!queue_size_ok("rx_queue_size", s->rx_queue_size, errp) ||
        !queue_size_ok("tx_queue_size", s->tx_queue_size, errp)) {
        return false;
    }
    if (s->host_mtu && s->host_mtu < MTU_MIN) {
        return error_fail(errp, "virtio-net: property 'host_mtu' must be %d to %d, or 0", MTU_MIN,
                          MTU_MAX);
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
    s->max_pairs = s->mq ? MIN(net_card_queues(&s->card), NET_MAX_PAIRS) : 1;
    net_add_queues(s);
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
    snap_u32_max(sn, &s->table_len, NET_MAC_TABLE_MAX);
    snap_bytes(sn, s->table, sizeof(s->table));
    snap_bool(sn, &s->table_overflow);
    snap_u64_array(sn, s->vlans, ARRAY_SIZE(s->vlans));
    snap_u32_max(sn, &s->pairs, s->max_pairs);
    snap_fields(sn, &s->offloads, &s->announce);
    snap_bytes(sn, s->flow_pair, sizeof(s->flow_pair));
    if (snap_loading(sn) && !s->pairs) {
        snap_fail(sn, "virtio-net: no queue pair is in use");
    }
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
    .features_ready = net_features_ready,
    .get_config = net_get_config,
    .set_config = net_set_config,
};

static const PropDesc net_props[] = {
    PROP_STR("netdev", VirtioNet, netdev, NULL, "id of the network backend"),
    PROP_STR("mac", VirtioNet, mac_text, NULL, "Ethernet address (default: 52:54:00:12:34:56 ...)"),
    PROP_I32("bootindex", VirtioNet, bootindex, -1, "place in the boot order"),
    PROP_U32("rx_queue_size", VirtioNet, rx_queue_size, 256, "descriptors of the receive queue"),
    PROP_U32("tx_queue_size", VirtioNet, tx_queue_size, 256, "descriptors of the send queue"),
    PROP_BOOL("csum", VirtioNet, csum, true, "fill in checksums for the guest"),
    PROP_BOOL("guest_csum", VirtioNet, guest_csum, true, "tell the guest that checksums are good"),
    PROP_BOOL("host_tso4", VirtioNet, host_tso4, true, "take large TCP segments over IPv4"),
    PROP_BOOL("host_tso6", VirtioNet, host_tso6, true, "take large TCP segments over IPv6"),
    PROP_BOOL("host_ecn", VirtioNet, host_ecn, true, "take such segments with ECN too"),
    PROP_BOOL("mrg_rxbuf", VirtioNet, mrg_rxbuf, true, "offer mergeable receive buffers"),
    PROP_BOOL("status", VirtioNet, status, true, "tell the guest whether the link is up"),
    PROP_U16("host_mtu", VirtioNet, host_mtu, 0, "tell the guest this MTU (0: none)"),
    PROP_BOOL("mq", VirtioNet, mq, false, "as many queue pairs as the backend has (queues=)"),
    PROP_BOOL("ctrl_vq", VirtioNet, ctrl_vq, true, "offer the control queue"),
    PROP_BOOL("ctrl_rx", VirtioNet, ctrl_rx, true, "offer receive modes and an address filter"),
    PROP_BOOL("ctrl_rx_extra", VirtioNet, ctrl_rx_extra, true, "offer the further receive modes"),
    PROP_BOOL("ctrl_vlan", VirtioNet, ctrl_vlan, true, "offer a VLAN filter"),
    PROP_BOOL("ctrl_mac_addr", VirtioNet, ctrl_mac_addr, true, "let the guest set its address"),
    PROP_BOOL("ctrl_guest_offloads", VirtioNet, ctrl_guest_offloads, true,
              "let the guest switch receive offloads while it runs"),
    PROP_BOOL("guest_announce", VirtioNet, guest_announce, true,
              "let the guest announce itself when asked (announce_self)"),
    PROP_END};

static const DeviceOps net_ops =
    DEVICE_OPS(net_snapshot, .realize = net_realize, .unrealize = net_unrealize, .reset = net_reset,
               .after_load = net_after_load, .category = "Network devices", .user_creatable = true);
QOM_TYPE(net_type, .name = "virtio-net-device", .parent = TYPE_VIRTIO_DEVICE,
         .size = sizeof(VirtioNet), .desc = "virtio network card", .props = net_props,
         .dev = &net_ops, .ops = &net_virtio_ops);
