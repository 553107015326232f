/* SPDX-License-Identifier: MIT */
/*
 * The 82540EM's transmitter: descriptors, checksum insertion, TCP segmentation.  See e1000-int.h.
 * Spec: the SDM, sections 3.3 to 3.6.
 */
#include "rhea/osdep.h"

#include "e1000-int.h"
#include "rhea/endian.h"

/* Command byte of descriptors */
enum {
    CMD_EOP = 1,
    CMD_IC = 4,
    CMD_TSE = 4,
    CMD_RS = 8,
    CMD_RPS = 16,
    CMD_DEXT = 32,
    CMD_VLE = 64
};
enum { TUCMD_TCP = 1, TUCMD_IP = 2 };
enum { TYPE_CONTEXT = 0, TYPE_DATA = 1, OPTION_IP = 1, OPTION_TCP = 2, STATUS_DD = 1 };
enum {
    ETHER_TYPE_AT = 12,
    VLAN_TAG = 4,
    VLAN_TYPE = 0x8100,
    TCP_FLAGS_AT = 13,
    TCP_FIN_PSH = 0x09
};

/* --- Checksums --- */

static uint32_t sum_words(const uint8_t *p, size_t len, uint32_t sum)
{
    for (; len > 1; p += 2, len -= 2) {
        sum += ld16_be(p);
    }
    return len ? sum + (*p << 8) : sum;
}

/* Puts the one's-complement sum of [start, end] (end 0: all) at @at, whose bytes hold the seed. */
static void insert_sum(uint8_t *frame, size_t len, unsigned start, unsigned at, unsigned end,
                       uint32_t extra)
{
    uint32_t sum;
    size_t stop = end ? MIN((size_t)end + 1, len) : len;

    if (at + 2 > len || start >= stop) {
        return;
    }
    sum = sum_words(frame + start, stop - start, extra);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    st16_be(frame + at, ~sum);
}

/* --- Sending --- */

static void send_frame(E1000 *s, uint8_t *frame, size_t len)
{
    uint8_t padded[FRAME_MIN] = {0};

    if (len < FRAME_MIN) {
        memcpy(padded, frame, len); /* the wire knows no shorter ones */
        frame = padded;
        len = FRAME_MIN;
    }
    e1000_count(s, S_GPTC, 1);
    e1000_count(s, S_TPT, 1);
    e1000_count64(s, S_GOTCL, len + 4);
    e1000_count64(s, S_TOTL, len + 4);
    if (s->card.peer && !s->card.link_down) {
        net_card_send(&s->card, frame, len);
    }
}

/* Inserts the tag of the packet, if it asked for one; @frame has room for it. */
static size_t add_tag(E1000 *s, uint8_t *frame, size_t len)
{
    if (!s->tx_vlan || !(*e1000_reg(s, R_CTRL) & CTRL_VME) || len < ETHER_TYPE_AT) {
        return len;
    }
    memmove(frame + ETHER_TYPE_AT + VLAN_TAG, frame + ETHER_TYPE_AT, len - ETHER_TYPE_AT);
    st16_be(frame + ETHER_TYPE_AT, VLAN_TYPE);
    st16_be(frame + ETHER_TYPE_AT + 2, s->tx_tag);
    return len + VLAN_TAG;
}

/* Headers of segment @n, which carries @payload bytes from @offset of the data on (3.5.6). */
static void fix_headers(E1000 *s, uint8_t *frame, size_t len, unsigned n, size_t offset, bool last)
{
    const E1000Offload *o = &s->offload;
    uint32_t tcp_len = len - o->tcp_start;

    if (o->ip_start + 6u > len || o->tcp_start + TCP_FLAGS_AT + 1u > len) {
        return;
    }
    if (o->ipv4) {
        st16_be(frame + o->ip_start + 2, len - o->ip_start);
        st16_be(frame + o->ip_start + 4, ld16_be(frame + o->ip_start + 4) + n);
    } else {
        st16_be(frame + o->ip_start + 4, len - o->ip_start - 40);
    }
    if (o->tcp) {
        uint8_t *tcp = frame + o->tcp_start;

        st32_be(tcp + 4, ld32_be(tcp + 4) + offset);
        tcp[TCP_FLAGS_AT] &= last ? 0xff : ~TCP_FIN_PSH;
    } else {
        st16_be(frame + o->tcp_start + 4, tcp_len);
    }
    if (s->tx_options & OPTION_IP) {
        insert_sum(frame, len, o->ip_start, o->ip_at, o->ip_end, 0);
    }
    /* The driver's seed is the pseudo header without its length. */
    if (s->tx_options & OPTION_TCP) {
        insert_sum(frame, len, o->tcp_start, o->tcp_at, o->tcp_end, tcp_len);
    }
}

static void send_segments(E1000 *s)
{
    const E1000Offload *o = &s->offload;
    size_t data = s->tx_len - MIN(s->tx_len, o->header_len), mss = MIN(o->mss, FRAME_MAX);
    uint8_t frame[FRAME_MAX + 256 + VLAN_TAG];
    unsigned n = 0;

    if (!mss || !data || !o->header_len) {
        return;
    }
    for (size_t offset = 0; offset < data; offset += mss, n++) {
        size_t part = MIN(mss, data - offset), len = o->header_len + part;

        memcpy(frame, s->tx, o->header_len);
        memcpy(frame + o->header_len, s->tx + o->header_len + offset, part);
        fix_headers(s, frame, len, n, offset, offset + part == data);
        send_frame(s, frame, add_tag(s, frame, len));
    }
    e1000_count(s, S_TSCTC, 1);
}

static void send_packet(E1000 *s)
{
    const E1000Offload *o = &s->offload;

    if (s->tx_tse) {
        send_segments(s);
        return;
    }
    if (s->tx_options & OPTION_IP) {
        insert_sum(s->tx, s->tx_len, o->ip_start, o->ip_at, o->ip_end, 0);
    }
    if (s->tx_options & OPTION_TCP) {
        insert_sum(s->tx, s->tx_len, o->tcp_start, o->tcp_at, o->tcp_end, 0);
    }
    if (s->tx_len + VLAN_TAG <= FRAME_MAX) {
        send_frame(s, s->tx, add_tag(s, s->tx, s->tx_len));
    }
}

/* --- Descriptors --- */

static void take_context(E1000 *s, const uint8_t *d)
{
    uint8_t command = d[11];

    s->offload = (E1000Offload){.ip_start = d[0],
                                .ip_at = d[1],
                                .ip_end = ld16_le(d + 2),
                                .tcp_start = d[4],
                                .tcp_at = d[5],
                                .tcp_end = ld16_le(d + 6),
                                .header_len = d[13],
                                .mss = ld16_le(d + 14),
                                .tcp = command & TUCMD_TCP,
                                .ipv4 = command & TUCMD_IP};
}

/* Appends the descriptor's data; what does not fit into the largest packet is left off. */
static void take_data(E1000 *s, GuestPA addr, uint32_t len)
{
    len = MIN(len, TX_MAX - s->tx_len);
    if (mem_read(e1000_memory(s), addr, s->tx + s->tx_len, len) == MEM_OK) {
        s->tx_len += len;
    }
}

/* A legacy or data descriptor: one more part of the packet, and its end. */
static void take_part(E1000 *s, const uint8_t *d)
{
    uint8_t command = d[11];
    bool extended = command & CMD_DEXT;
    uint32_t len = extended ? ld32_le(d + 8) & 0xfffff : ld16_le(d + 8);

    if (!s->tx_len) { /* options stand in the first one */
        s->tx_options = extended ? d[13] : 0;
        s->tx_tse = extended && (command & CMD_TSE);
    }
    take_data(s, ld64_le(d), len);
    if (!(command & CMD_EOP)) {
        return;
    }
    s->tx_vlan = command & CMD_VLE;
    s->tx_tag = ld16_le(d + 14);
    if (!extended && (command & CMD_IC)) {
        insert_sum(s->tx, s->tx_len, d[13], d[10], 0, 0);
    }
    if (s->tx_len) {
        send_packet(s);
    }
    s->tx_len = 0;
}

/* One descriptor; the causes of interrupt that it asks for. */
static uint32_t take_descriptor(E1000 *s, GuestPA at)
{
    uint8_t d[DESC_SIZE];
    unsigned type;

    if (mem_read(e1000_memory(s), at, d, sizeof(d)) != MEM_OK) {
        return 0;
    }
    type = d[10] >> 4;
    if (!(d[11] & CMD_DEXT) || type == TYPE_DATA) {
        take_part(s, d);
    } else if (type == TYPE_CONTEXT) {
        take_context(s, d);
    }
    if (!(d[11] & (CMD_RS | CMD_RPS))) {
        return 0;
    }
    d[12] |= STATUS_DD;
    mem_write(e1000_memory(s), at + 12, d + 12, 1);
    return I_TXDW;
}

void e1000_transmit(E1000 *s)
{
    uint32_t count = *e1000_reg(s, R_TDLEN) / DESC_SIZE, causes = 0;
    uint32_t *head = e1000_reg(s, R_TDH);

    if (!(*e1000_reg(s, R_TCTL) & TCTL_EN) || !pci_master(&s->pci) || !count) {
        return;
    }
    /* A full turn is the most that a driver can have put there. */
    for (uint32_t n = 0; n < count && *head != *e1000_reg(s, R_TDT); n++) {
        causes |= take_descriptor(s, e1000_descriptor(s, R_TDBAL, *head));
        *head = *head + 1 >= count ? 0 : *head + 1;
    }
    e1000_interrupt(s, causes | I_TXQE);
}
