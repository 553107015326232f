/* SPDX-License-Identifier: MIT */
/*
 * Intel 82540EM Gigabit Ethernet controller ("e1000").  See e1000-int.h for the specification.
 * Models descriptor rings, address and VLAN filters, checksum offload and TCP segmentation
 * (e1000-tx.c), EEPROM and PHY (e1000-eeprom.c), statistics, link changes.
 * Not modelled: interrupt moderation (ITR and the delay timers are kept and mean nothing), wake-up,
 * split headers, flow control frames, diagnostics.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include <zlib.h>

#include "e1000-int.h"
#include "hw/machine.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { ETH_ADDR = 6, ETH_HEADER = 14, VLAN_TYPE = 0x8100, VLAN_TAG = 4, CRC_SIZE = 4 };
/* Receive descriptor status */
enum { RX_DD = 1, RX_EOP = 2, RX_IXSM = 4, RX_VP = 8 };
enum { IO_ADDR = 0, IO_DATA = 4, IO_SPAN = 8 };

AddressSpace *e1000_memory(E1000 *s)
{
    return s->pci.dev.machine->memory;
}

GuestPA e1000_descriptor(E1000 *s, unsigned base_reg, uint32_t n)
{
    uint64_t base = *e1000_reg(s, base_reg) | (uint64_t)*e1000_reg(s, base_reg + 4) << 32;

    return (base & ~15ull) + (uint64_t)n * DESC_SIZE;
}

/* --- Interrupts and statistics --- */

static void update_irq(E1000 *s)
{
    pci_set_intx(&s->pci, *e1000_reg(s, R_ICR) & *e1000_reg(s, R_IMS));
}

void e1000_interrupt(E1000 *s, uint32_t causes)
{
    *e1000_reg(s, R_ICR) |= causes;
    update_irq(s);
}

void e1000_count(E1000 *s, unsigned reg, uint32_t n)
{
    uint32_t *r = e1000_reg(s, reg);

    *r = *r > UINT32_MAX - n ? UINT32_MAX : *r + n;
}

void e1000_count64(E1000 *s, unsigned reg, uint64_t n)
{
    uint32_t *r = e1000_reg(s, reg);
    uint64_t v = r[0] | (uint64_t)r[1] << 32;

    v = v > UINT64_MAX - n ? UINT64_MAX : v + n;
    r[0] = v;
    r[1] = v >> 32;
}

/* --- Filters (3.2.1) --- */

static bool exact_match(E1000 *s, const uint8_t *to)
{
    for (unsigned reg = R_RAL; reg < R_RA_END; reg += 8) {
        uint32_t low = *e1000_reg(s, reg), high = *e1000_reg(s, reg + 4);

        if ((high >> 31) && low == ld32_le(to) && (uint16_t)high == ld16_le(to + 4)) {
            return true;
        }
    }
    return false;
}

/* The multicast table holds a bit for twelve bits of the address, chosen by RCTL.MO. */
static bool multicast_match(E1000 *s, const uint8_t *to)
{
    static const uint8_t shifts[4] = {4, 3, 2, 0};
    unsigned hash = (ld16_le(to + 4) >> shifts[*e1000_reg(s, R_RCTL) >> 12 & 3]) & 0xfff;

    return *e1000_reg(s, R_MTA + 4 * (hash >> 5)) >> (hash & 31) & 1;
}

static bool tagged(const uint8_t *frame, size_t len)
{
    return len >= ETH_HEADER + VLAN_TAG && ld16_be(frame + 12) == VLAN_TYPE;
}

static bool vlan_match(E1000 *s, const uint8_t *frame, size_t len)
{
    unsigned id;

    if (!(*e1000_reg(s, R_RCTL) & RCTL_VFE) || !tagged(frame, len)) {
        return true;
    }
    id = ld16_be(frame + 14) & 0xfff;
    return *e1000_reg(s, R_VFTA + 4 * (id >> 5)) >> (id & 31) & 1;
}

static bool wanted(E1000 *s, const uint8_t *frame, size_t len)
{
    static const uint8_t broadcast[ETH_ADDR] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t rctl = *e1000_reg(s, R_RCTL);

    if (!vlan_match(s, frame, len)) {
        return false;
    }
    if (!memcmp(frame, broadcast, ETH_ADDR)) {
        return rctl & RCTL_BAM;
    }
    if (frame[0] & 1) {
        return (rctl & RCTL_MPE) || multicast_match(s, frame);
    }
    return (rctl & RCTL_UPE) || exact_match(s, frame);
}

/* --- Receiving --- */

static uint32_t buffer_size(E1000 *s)
{
    uint32_t rctl = *e1000_reg(s, R_RCTL), size = 2048 >> (rctl >> 16 & 3);

    return rctl & RCTL_BSEX ? size * 16 : size;
}

static uint32_t ring_size(E1000 *s)
{
    return *e1000_reg(s, R_RDLEN) / DESC_SIZE;
}

/* Descriptors that the driver has given. */
static uint32_t free_descriptors(E1000 *s)
{
    uint32_t head = *e1000_reg(s, R_RDH), tail = *e1000_reg(s, R_RDT), count = ring_size(s);

    if (head >= count || tail >= count) {
        return 0;
    }
    return tail >= head ? tail - head : count - head + tail;
}

/* Spreads @len bytes over descriptors; there are enough. @tag < 0: none was taken off. */
static void fill_ring(E1000 *s, const uint8_t *frame, size_t len, int tag)
{
    uint32_t size = buffer_size(s), *head = e1000_reg(s, R_RDH);

    for (size_t done = 0; done < len;) {
        GuestPA at = e1000_descriptor(s, R_RDBAL, *head);
        size_t part = MIN(size, len - done);
        uint8_t d[DESC_SIZE];

        if (mem_read(e1000_memory(s), at, d, sizeof(d)) == MEM_OK && ld64_le(d)) {
            mem_write(e1000_memory(s), ld64_le(d), frame + done, part);
        }
        done += part;
        st16_le(d + 8, part);
        st16_le(d + 10, 0);
        d[12] = RX_DD | RX_IXSM | (done == len ? RX_EOP : 0) | (tag >= 0 ? RX_VP : 0);
        d[13] = 0;
        st16_le(d + 14, tag >= 0 ? tag : 0);
        mem_write(e1000_memory(s), at + 8, d + 8, 8);
        *head = *head + 1 >= ring_size(s) ? 0 : *head + 1;
    }
}

static void count_received(E1000 *s, const uint8_t *frame, size_t len)
{
    e1000_count(s, S_GPRC, 1);
    e1000_count(s, S_TPR, 1);
    e1000_count64(s, S_GORCL, len);
    e1000_count64(s, S_TORL, len);
    if (frame[0] & 1) {
        e1000_count(s, frame[0] == 0xff ? S_BPRC : S_MPRC, 1);
    }
}

static bool receiver_on(E1000 *s)
{
    return (*e1000_reg(s, R_RCTL) & RCTL_EN) && pci_master(&s->pci) &&
           (*e1000_reg(s, R_STATUS) & STATUS_LU);
}

/* Takes the frame unless the ring is full: then it waits with its sender for the tail to move. */
static bool e1000_receive(void *opaque, const uint8_t *frame, size_t len)
{
    E1000 *s = opaque;
    bool strip = *e1000_reg(s, R_CTRL) & CTRL_VME;
    size_t limit = *e1000_reg(s, R_RCTL) & RCTL_LPE ? FRAME_MAX : 1518 + VLAN_TAG, total;
    uint8_t buf[FRAME_MAX + CRC_SIZE] = {0};
    uint32_t before = free_descriptors(s), threshold;
    int tag = -1;

    if (!receiver_on(s) || len < ETH_HEADER || len + CRC_SIZE > limit || !wanted(s, frame, len)) {
        return true;
    }
    total = MAX(len, FRAME_MIN);
    memcpy(buf, frame, len);
    if (strip && tagged(buf, len)) {
        tag = ld16_be(buf + 14);
        total -= VLAN_TAG;
        memmove(buf + 12, buf + 12 + VLAN_TAG, total - 12);
    }
    if (!(*e1000_reg(s, R_RCTL) & RCTL_SECRC)) {
        st32_le(buf + total, crc32(0, buf, total));
        total += CRC_SIZE;
    }
    if (before < (total + buffer_size(s) - 1) / buffer_size(s)) {
        e1000_interrupt(s, I_RXO);
        return false;
    }
    fill_ring(s, buf, total, tag);
    count_received(s, frame, total);
    threshold = ring_size(s) >> (1 + (*e1000_reg(s, R_RCTL) >> 8 & 3));
    e1000_interrupt(s, I_RXT0 | (free_descriptors(s) <= threshold ? I_RXDMT0 : 0));
    return true;
}

static void e1000_link_changed(void *opaque, bool up)
{
    E1000 *s = opaque;
    uint32_t *status = e1000_reg(s, R_STATUS);

    *status = up ? *status | STATUS_LU : *status & ~STATUS_LU;
    e1000_interrupt(s, I_LSC);
}

static void e1000_set_mac(void *opaque, const uint8_t mac[6])
{
    e1000_eeprom_init(opaque, mac);
}

static const NetCardOps e1000_card_ops = {
    .receive = e1000_receive,
    .link_changed = e1000_link_changed,
    .set_mac = e1000_set_mac,
};

/* --- Reset --- */

/* What the controller's own reset does; the addresses come from the EEPROM again (14.4). */
static void reset_registers(E1000 *s)
{
    memset(s->regs, 0, sizeof(s->regs));
    s->offload = (E1000Offload){0};
    s->tx_len = 0;
    s->eecd_count = 0;
    s->eecd_in = s->eecd_out = 0;
    e1000_phy_reset(s);
    *e1000_reg(s, R_CTRL) = 0x00000a09; /* full duplex, speed 1000 */
    *e1000_reg(s, R_STATUS) =
        STATUS_FD | STATUS_1000 | (s->card.peer && !s->card.link_down ? STATUS_LU : 0);
    *e1000_reg(s, R_EECD) = 0x100;
    *e1000_reg(s, R_PBA) = 0x00100030;
    *e1000_reg(s, R_RAL) = s->eeprom[0] | (uint32_t)s->eeprom[1] << 16;
    *e1000_reg(s, R_RAH) = s->eeprom[2] | 1u << 31;
    update_irq(s);
}

static void write_ctrl(E1000 *s, uint32_t value)
{
    if (value & CTRL_RST) {
        reset_registers(s);
        return;
    }
    *e1000_reg(s, R_CTRL) = value & ~CTRL_PHY_RST;
    if (value & CTRL_PHY_RST) {
        e1000_phy_reset(s);
    }
}

/* --- Registers --- */

static uint32_t read_register(E1000 *s, uint32_t offset)
{
    uint32_t value = *e1000_reg(s, offset);

    if (offset == R_ICR) {
        *e1000_reg(s, R_ICR) = 0;
        update_irq(s);
    } else if (offset == R_ICS || offset == R_IMC) {
        return 0;
    } else if (offset >= R_STATS && offset < R_STATS_END) {
        *e1000_reg(s, offset) = 0; /* statistics are cleared when they are read */
    }
    return value;
}

static void receive_again(E1000 *s)
{
    if (receiver_on(s) && free_descriptors(s)) {
        net_card_flush(&s->card);
    }
}

static void write_register(E1000 *s, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case R_CTRL: write_ctrl(s, value); return;
    case R_STATUS: return;
    case R_EECD: e1000_write_eecd(s, value); return;
    case R_EERD: e1000_write_eerd(s, value); return;
    case R_MDIC: e1000_write_mdic(s, value); return;
    case R_ICR: *e1000_reg(s, R_ICR) &= ~value; break;
    case R_ICS: *e1000_reg(s, R_ICR) |= value; break;
    case R_IMS: *e1000_reg(s, R_IMS) |= value; break;
    case R_IMC: *e1000_reg(s, R_IMS) &= ~value; break;
    case R_RDLEN:
    case R_TDLEN: *e1000_reg(s, offset) = value & 0xfff80; return;
    case R_RDH:
    case R_TDH: *e1000_reg(s, offset) = value & 0xffff; return;
    case R_RDT:
    case R_RCTL:
        *e1000_reg(s, offset) = offset == R_RDT ? value & 0xffff : value;
        receive_again(s);
        return;
    case R_TDT:
    case R_TCTL:
        *e1000_reg(s, offset) = offset == R_TDT ? value & 0xffff : value;
        e1000_transmit(s);
        return;
    default:
        if (offset < R_STATS || offset >= R_STATS_END) {
            *e1000_reg(s, offset) = value;
        }
        return;
    }
    update_irq(s);
}

static uint64_t e1000_mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset < E1000_REGS ? read_register(opaque, offset) : 0;
}

static void e1000_mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset < E1000_REGS) {
        write_register(opaque, offset, value);
    }
}

static const MemOps e1000_mmio_ops = {
    .read = e1000_mmio_read, .write = e1000_mmio_write, .impl_min = 4, .impl_max = 4};

/* The I/O window: an address register and a data register (13.2.2.2). */
static uint64_t e1000_io_read(void *opaque, uint64_t offset, unsigned size)
{
    E1000 *s = opaque;

    return offset == IO_ADDR ? s->io_addr : e1000_mmio_read(s, s->io_addr & ~3u, 4);
}

static void e1000_io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    E1000 *s = opaque;

    if (offset == IO_ADDR) {
        s->io_addr = value & (E1000_WINDOW - 1);
    } else if (offset == IO_DATA) {
        e1000_mmio_write(s, s->io_addr & ~3u, value, 4);
    }
}

static const MemOps e1000_io_ops = {
    .read = e1000_io_read, .write = e1000_io_write, .impl_min = 4, .impl_max = 4};

/* --- Life --- */

static void e1000_reset(Device *dev)
{
    E1000 *s = (E1000 *)dev;

    s->io_addr = 0;
    reset_registers(s);
}

static bool e1000_realize(Device *dev, Error **errp)
{
    E1000 *s = (E1000 *)dev;

    if (s->mac && !net_parse_mac(s->mac, s->card.mac, errp)) {
        error_prepend(errp, "e1000: property 'mac': ");
        return false;
    }
    if (!s->mac) {
        net_default_mac(s->card.mac);
    }
    s->card.ops = &e1000_card_ops;
    s->card.opaque = s;
    s->card.name = g_strdup(dev->id ? dev->id : "e1000");
    if (!net_card_attach(&s->card, s->netdev, errp)) {
        return false;
    }
    e1000_eeprom_init(s, s->card.mac);
    mem_init_io(&s->mmio, &dev->obj, &e1000_mmio_ops, s, "e1000-mmio", E1000_WINDOW);
    mem_init_io(&s->io, &dev->obj, &e1000_io_ops, s, "e1000-io", 64);
    pci_register_bar(&s->pci, 0, 0, &s->mmio);
    pci_register_bar(&s->pci, 1, PCI_BAR_IO, &s->io);
    return true;
}

static void e1000_unrealize(Device *dev)
{
    E1000 *s = (E1000 *)dev;

    net_card_detach(&s->card);
    g_clear_pointer(&s->card.name, g_free);
}

static void offload_snapshot(E1000Offload *o, Snapshot *sn)
{
    snap_fields(sn, &o->ip_start, &o->ip_at, &o->tcp_start, &o->tcp_at, &o->ip_end, &o->tcp_end);
    snap_fields(sn, &o->mss, &o->header_len, &o->tcp, &o->ipv4);
}

static void e1000_snapshot(Device *dev, Snapshot *sn)
{
    E1000 *s = (E1000 *)dev;

    snap_section(sn, "e1000", 1);
    snap_u32_array(sn, s->regs, ARRAY_SIZE(s->regs));
    snap_fields(sn, &s->io_addr, &s->eecd_in, &s->eecd_count, &s->eecd_out);
    snap_bytes(sn, s->phy, sizeof(s->phy));
    offload_snapshot(&s->offload, sn);
    snap_fields(sn, &s->tx_tse, &s->tx_vlan, &s->tx_options, &s->tx_tag);
    snap_u32_max(sn, &s->tx_len, TX_MAX);
    snap_bytes(sn, s->tx, s->tx_len);
}

static void e1000_after_load(Device *dev)
{
    E1000 *s = (E1000 *)dev;

    s->io_addr &= E1000_WINDOW - 1;
    update_irq(s);
    receive_again(s);
}

static const PciDeviceOps e1000_pci_ops = {.vendor = 0x8086,
                                           .device = 0x100e,
                                           .class_id = PCI_CLASS_ETHERNET,
                                           .subsystem_vendor = 0x8086,
                                           .subsystem = 0x001e,
                                           .revision = 3,
                                           .romfile = "efi-e1000.rom",
                                           .intx = true};

static const PropDesc e1000_props[] = {
    PROP_STR("netdev", E1000, netdev, NULL, "id of the network backend"),
    PROP_STR("mac", E1000, mac, NULL, "MAC address"),
    PROP_I32("bootindex", E1000, bootindex, -1, "place in the boot order"), PROP_END};

static const DeviceOps e1000_ops = DEVICE_OPS(
    e1000_snapshot, .realize = e1000_realize, .unrealize = e1000_unrealize, .reset = e1000_reset,
    .after_load = e1000_after_load, .category = "Network devices", .user_creatable = true);
QOM_TYPE(e1000_type, .name = "e1000", .parent = TYPE_PCI_DEVICE, .size = sizeof(E1000),
         .desc = "Intel 82540EM Gigabit Ethernet", .props = e1000_props, .ops = &e1000_pci_ops,
         .dev = &e1000_ops);
QOM_TYPE(e1000_82540_type, .name = "e1000-82540em", .parent = "e1000",
         .desc = "Intel 82540EM Gigabit Ethernet");
