/* SPDX-License-Identifier: MIT */
/*
 * Two cascaded 8237A DMA controllers as a PC has them, with the page registers.
 * Spec: Intel 8237A data sheet (231466); IBM PC/AT technical reference for ports and pages.
 * Models the registers and transfers that a device on the bus asks for, in all address modes.  Not
 * modelled: memory-to-memory transfers, priorities (nothing here competes), timing.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/dma/i8237.h"
#include "hw/isa/isa.h"
#include "hw/machine.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { CHIPS = 2, CHANNELS = 4, CHIP_REGS = 16, PAGES = 16, CASCADE = 4 };
enum { LOW_PORT = 0x00, HIGH_PORT = 0xc0, PAGE_PORT = 0x80 };
enum {
    REG_STATUS = 8, /* read; command on writes */
    REG_REQUEST = 9,
    REG_MASK = 10,
    REG_MODE = 11,
    REG_CLEAR_FLIPFLOP = 12,
    REG_MASTER_CLEAR = 13, /* write; temporary register on reads */
    REG_CLEAR_MASK = 14,
    REG_ALL_MASK = 15
};
enum { MODE_WRITE = 0x04, MODE_READ = 0x08, MODE_TYPE = 0x0c, MODE_AUTO = 0x10, MODE_DOWN = 0x20 };
/* Which page register a channel has, from port 80h. */
static const uint8_t page_of[CHIPS * CHANNELS] = {7, 3, 1, 2, 15, 11, 9, 10};

typedef struct Channel {
    uint16_t base_addr, base_count, addr, count;
    uint8_t mode;
} Channel;

typedef struct Chip {
    Channel channel[CHANNELS];
    uint8_t command, mask, status;
    bool flipflop; /* the high byte comes next */
} Chip;

typedef struct I8237 {
    IsaDevice parent;
    MemRegion low_ports, high_ports, page_ports;
    /* guest-visible: all of it is in dma_snapshot */
    Chip chip[CHIPS];
    uint8_t page[PAGES];
} I8237;

/* --- Transfers --- */

uint32_t i8237_transfer(Device *dev, unsigned n, void *buf, uint32_t len, bool to_memory,
                        bool *terminal)
{
    I8237 *s = dev_state(dev, I8237);
    Chip *chip = &s->chip[n / CHANNELS];
    Channel *c = &chip->channel[n % CHANNELS];
    unsigned shift = n / CHANNELS; /* the second chip moves words */
    uint8_t page = s->page[page_of[n % (CHIPS * CHANNELS)]];
    uint8_t *bytes = buf;
    uint32_t moved = 0;

    g_assert(n < CHIPS * CHANNELS && n != CASCADE);
    *terminal = false;
    if ((chip->mask & BIT(n % CHANNELS)) ||
        (c->mode & MODE_TYPE) != (to_memory ? MODE_WRITE : MODE_READ)) {
        return 0;
    }
    while (moved + (1u << shift) <= len && !*terminal) {
        uint64_t at = shift ? (uint64_t)(page & 0xfe) << 16 | (uint32_t)c->addr << 1
                            : (uint64_t)page << 16 | c->addr;

        if (to_memory) {
            mem_write(dev->machine->memory, at, bytes + moved, 1u << shift);
        } else {
            mem_read(dev->machine->memory, at, bytes + moved, 1u << shift);
        }
        moved += 1u << shift;
        c->addr += c->mode & MODE_DOWN ? -1 : 1;
        *terminal = c->count-- == 0;
    }
    if (*terminal) {
        chip->status |= BIT(n % CHANNELS);
        if (c->mode & MODE_AUTO) {
            c->addr = c->base_addr;
            c->count = c->base_count;
        } else {
            chip->mask |= BIT(n % CHANNELS);
        }
    }
    return moved;
}

/* --- Registers --- */

/* Address and count are written and read as two bytes, low first, by the flip-flop. */
static void half_write(Chip *chip, uint16_t *base, uint16_t *current, uint8_t v)
{
    *base = deposit64(*base, chip->flipflop ? 8 : 0, 8, v);
    *current = *base;
    chip->flipflop = !chip->flipflop;
}

static uint8_t half_read(Chip *chip, uint16_t current)
{
    uint8_t v = chip->flipflop ? current >> 8 : current;

    chip->flipflop = !chip->flipflop;
    return v;
}

static void chip_clear(Chip *chip)
{
    chip->command = chip->status = 0;
    chip->mask = 0x0f;
    chip->flipflop = false;
}

static uint8_t chip_read(Chip *chip, unsigned reg)
{
    const Channel *c = &chip->channel[reg / 2 % CHANNELS];
    uint8_t v;

    if (reg < REG_STATUS) {
        return half_read(chip, reg & 1 ? c->count : c->addr);
    }
    switch (reg) {
    case REG_STATUS:
        v = chip->status;
        chip->status &= 0xf0; /* reading clears the terminal counts */
        return v;
    case REG_ALL_MASK: return chip->mask | 0xf0;
    default: return 0;
    }
}

static void chip_write(Chip *chip, unsigned reg, uint8_t v)
{
    Channel *c = &chip->channel[reg / 2 % CHANNELS];

    if (reg < REG_STATUS) {
        if (reg & 1) {
            half_write(chip, &c->base_count, &c->count, v);
        } else {
            half_write(chip, &c->base_addr, &c->addr, v);
        }
        return;
    }
    switch (reg) {
    case REG_STATUS: chip->command = v; break;
    case REG_MASK: chip->mask = v & 4 ? chip->mask | BIT(v & 3) : chip->mask & ~BIT(v & 3); break;
    case REG_MODE: chip->channel[v & 3].mode = v & ~3; break;
    case REG_CLEAR_FLIPFLOP: chip->flipflop = false; break;
    case REG_MASTER_CLEAR: chip_clear(chip); break;
    case REG_CLEAR_MASK: chip->mask = 0; break;
    case REG_ALL_MASK: chip->mask = v & 0x0f; break;
    default: break; /* REG_REQUEST: software requests of channels that no device serves */
    }
}

static uint64_t low_read(void *opaque, uint64_t offset, unsigned size)
{
    return chip_read(&((I8237 *)opaque)->chip[0], offset);
}

static void low_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    chip_write(&((I8237 *)opaque)->chip[0], offset, value);
}

/* The second chip's registers are at even ports. */
static uint64_t high_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset & 1 ? 0xff : chip_read(&((I8237 *)opaque)->chip[1], offset / 2);
}

static void high_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (!(offset & 1)) {
        chip_write(&((I8237 *)opaque)->chip[1], offset / 2, value);
    }
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((I8237 *)opaque)->page[offset];
}

static void page_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((I8237 *)opaque)->page[offset] = value;
}

static const MemOps low_ops = ISA_BYTE_PORTS(low_read, low_write);
static const MemOps high_ops = ISA_BYTE_PORTS(high_read, high_write);
static const MemOps page_ops = ISA_BYTE_PORTS(page_read, page_write);

/* --- Life --- */

static void dma_reset(Device *dev)
{
    I8237 *s = dev_state(dev, I8237);

    memset(s->chip, 0, sizeof(s->chip));
    memset(s->page, 0, sizeof(s->page));
    chip_clear(&s->chip[0]);
    chip_clear(&s->chip[1]);
}

static bool dma_realize(Device *dev, Error **errp)
{
    I8237 *s = dev_state(dev, I8237);

    mem_init_io(&s->low_ports, &dev->obj, &low_ops, s, "dma-low", CHIP_REGS);
    mem_init_io(&s->high_ports, &dev->obj, &high_ops, s, "dma-high", 2 * CHIP_REGS);
    mem_init_io(&s->page_ports, &dev->obj, &page_ops, s, "dma-page", PAGES);
    isa_add_ports(&s->parent, LOW_PORT, &s->low_ports);
    isa_add_ports(&s->parent, HIGH_PORT, &s->high_ports);
    isa_add_ports(&s->parent, PAGE_PORT, &s->page_ports);
    return true;
}

static void dma_snapshot(Device *dev, Snapshot *sn)
{
    I8237 *s = dev_state(dev, I8237);

    snap_section(sn, "i8237", 1);
    for (unsigned i = 0; i < CHIPS; i++) {
        Chip *chip = &s->chip[i];

        snap_fields(sn, &chip->command, &chip->mask, &chip->status, &chip->flipflop);
        for (unsigned n = 0; n < CHANNELS; n++) {
            Channel *c = &chip->channel[n];

            snap_fields(sn, &c->base_addr, &c->base_count, &c->addr, &c->count, &c->mode);
        }
    }
    snap_bytes(sn, s->page, PAGES);
}

static const DeviceOps dma_ops =
    DEVICE_OPS(dma_snapshot, .realize = dma_realize, .reset = dma_reset);
QOM_TYPE(dma_type, .name = TYPE_I8237, .parent = TYPE_ISA_DEVICE, .size = sizeof(I8237),
         .desc = "8237A DMA controllers", .dev = &dma_ops);
