/* SPDX-License-Identifier: MIT */
/*
 * The control queue of the virtio network device, and the filters that drivers set with it.
 * Spec: Virtual I/O Device 1.2, section 5.1.6.5.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "virtio-net.h"

/* Classes and commands. */
enum { CTRL_RX = 0 };
enum { CTRL_MAC = 1, CTRL_MAC_TABLE_SET = 0, CTRL_MAC_ADDR_SET = 1 };
enum { CTRL_VLAN = 2, CTRL_VLAN_ADD = 0, CTRL_VLAN_DEL = 1 };
enum { CTRL_ANNOUNCE = 3, CTRL_ANNOUNCE_ACK = 0 };
enum { CTRL_MQ = 4, CTRL_MQ_PAIRS_SET = 0 };
enum { CTRL_OFFLOADS = 5, CTRL_OFFLOADS_SET = 0 };
enum { CTRL_OK = 0, CTRL_ERR = 1, CTRL_HEADER = 2 };
enum { CTRL_MAX = CTRL_HEADER + 8 + 2 * NET_MAC_TABLE_MAX * ETH_ALEN };
enum { ETH_TYPE = 2 * ETH_ALEN, ETH_TYPE_VLAN = 0x8100, VLAN_ID_MASK = 0xfff };

/* --- Filters --- */

static bool table_has(const VirtioNet *s, const uint8_t *mac)
{
    for (uint32_t i = 0; i < s->table_len; i++) {
        if (!memcmp(s->table + i * ETH_ALEN, mac, ETH_ALEN)) {
            return true;
        }
    }
    return s->table_overflow;
}

static bool wants_vlan(const VirtioNet *s, const uint8_t *frame, size_t len)
{
    unsigned id;

    if (!virtio_has(&s->parent, NET_F_CTRL_VLAN) || len < ETH_TYPE + 4 ||
        ld16_be(frame + ETH_TYPE) != ETH_TYPE_VLAN) {
        return true;
    }
    id = ld16_be(frame + ETH_TYPE + 2) & VLAN_ID_MASK;
    return s->vlans[id / 64] >> (id % 64) & 1;
}

/* Sections 5.1.6.5.1 to .3. */
bool net_wants(const VirtioNet *s, const uint8_t *frame, size_t len)
{
    static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (!wants_vlan(s, frame, len)) {
        return false;
    }
    if (s->mode[RX_PROMISC]) {
        return true;
    }
    if (!memcmp(frame, broadcast, ETH_ALEN)) {
        return !s->mode[RX_NOBCAST];
    }
    if (frame[0] & 1) {
        return !s->mode[RX_NOMULTI] && (s->mode[RX_ALLMULTI] || table_has(s, frame));
    }
    return !s->mode[RX_NOUNI] &&
           (s->mode[RX_ALLUNI] || !memcmp(frame, s->mac, ETH_ALEN) || table_has(s, frame));
}

void net_reset_filters(VirtioNet *s)
{
    memset(s->mode, 0, sizeof(s->mode));
    s->mode[RX_PROMISC] = true; /* until the driver says otherwise (5.1.5) */
    s->table_len = 0;
    s->table_overflow = false;
    memset(s->vlans, 0, sizeof(s->vlans));
}

/* --- Commands --- */

static bool ctrl_rx(VirtioNet *s, uint8_t command, const uint8_t *p, size_t len)
{
    unsigned feature = command <= RX_ALLMULTI ? NET_F_CTRL_RX : NET_F_CTRL_RX_EXTRA;

    if (command >= RX_MODES || len != 1 || !virtio_has(&s->parent, feature)) {
        return false;
    }
    s->mode[command] = p[0] & 1;
    return true;
}

/* One table of the two in MAC_TABLE_SET at @p; the bytes it takes, 0 when it is cut off. */
static size_t add_table(VirtioNet *s, const uint8_t *p, size_t len)
{
    uint32_t n = len < 4 ? 0 : ld32_le(p);

    if (len < 4 || n > (len - 4) / ETH_ALEN) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (s->table_len == NET_MAC_TABLE_MAX) {
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

    if (command == CTRL_MAC_ADDR_SET && len == ETH_ALEN &&
        virtio_has(&s->parent, NET_F_CTRL_MAC_ADDR)) {
        memcpy(s->mac, p, ETH_ALEN);
        memcpy(s->card.mac, p, ETH_ALEN);
        return true;
    }
    if (command != CTRL_MAC_TABLE_SET || !virtio_has(&s->parent, NET_F_CTRL_RX)) {
        return false;
    }
    s->table_len = 0;
    s->table_overflow = false;
    used = add_table(s, p, len);
    return used && add_table(s, p + used, len - used);
}

static bool ctrl_vlan(VirtioNet *s, uint8_t command, const uint8_t *p, size_t len)
{
    unsigned id = len == 2 ? ld16_le(p) : NET_VLANS;

    if (!virtio_has(&s->parent, NET_F_CTRL_VLAN) || id >= NET_VLANS || command > CTRL_VLAN_DEL) {
        return false;
    }
    if (command == CTRL_VLAN_ADD) {
        s->vlans[id / 64] |= 1ULL << (id % 64);
    } else {
        s->vlans[id / 64] &= ~(1ULL << (id % 64));
    }
    return true;
}

static bool ctrl_announce(VirtioNet *s, uint8_t command, size_t len)
{
    if (command != CTRL_ANNOUNCE_ACK || len || !s->announce) {
        return false;
    }
    s->announce = false;
    return true;
}

static bool ctrl_pairs(VirtioNet *s, uint8_t command, const uint8_t *p, size_t len)
{
    unsigned n = len == 2 ? ld16_le(p) : 0;

    if (!virtio_has(&s->parent, NET_F_MQ) || command != CTRL_MQ_PAIRS_SET || n < 1 ||
        n > s->max_pairs) {
        return false;
    }
    s->pairs = n;
    memset(s->flow_pair, 0, sizeof(s->flow_pair));
    return true;
}

static bool ctrl_offloads(VirtioNet *s, uint8_t command, const uint8_t *p, size_t len)
{
    uint64_t wanted = len == 8 ? ld64_le(p) : UINT64_MAX;

    if (!virtio_has(&s->parent, NET_F_CTRL_GUEST_OFFLOADS) || command != CTRL_OFFLOADS_SET ||
        wanted & ~(s->parent.features & VIRTIO_FEATURE(NET_F_GUEST_CSUM))) {
        return false;
    }
    s->offloads = wanted;
    return true;
}

static bool ctrl_run(VirtioNet *s, const uint8_t *cmd, size_t len)
{
    const uint8_t *p = cmd + CTRL_HEADER;

    if (len < CTRL_HEADER) {
        return false;
    }
    len -= CTRL_HEADER;
    switch (cmd[0]) {
    case CTRL_RX: return ctrl_rx(s, cmd[1], p, len);
    case CTRL_MAC: return ctrl_mac(s, cmd[1], p, len);
    case CTRL_VLAN: return ctrl_vlan(s, cmd[1], p, len);
    case CTRL_ANNOUNCE: return ctrl_announce(s, cmd[1], len);
    case CTRL_MQ: return ctrl_pairs(s, cmd[1], p, len);
    case CTRL_OFFLOADS: return ctrl_offloads(s, cmd[1], p, len);
    default: return false;
    }
}

void net_handle_ctrl(VirtioNet *s, VirtQueue *vq)
{
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
