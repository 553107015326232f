/* SPDX-License-Identifier: MIT */
/*
 * The IDE function of the PIIX3 and PIIX4 south bridges: two channels at their legacy ports, with bus
 * mastering.  Specs: Intel 82371FB/SB (PIIX/PIIX3) and 82371AB (PIIX4) data sheets, SFF-8038i.
 * Not modelled: timing (the registers can be written and mean nothing), turning single channels off.
 * Outputs "irq" 0 and 1: the channels' interrupts, which a board wires to ISA 14 and 15.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "hw/storage/dma-list.h"
#include "hw/storage/ide.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { CHANNELS = 2, BM_SPAN = 8, BM_BAR = 4 };
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };
enum { BM_START = 1 << 0, BM_TO_MEMORY = 1 << 3 };
enum { BM_ACTIVE = 1 << 0, BM_ERROR = 1 << 1, BM_INTERRUPT = 1 << 2, BM_DRIVE_BITS = 3 << 5 };
enum { PRD_SIZE = 8, PRD_TABLE_MAX = 65536 / PRD_SIZE };
#define PRD_END (1u << 31)

enum { IDETIM = 0x40, IDETIM_SPAN = 16 };

typedef struct PiixChannel {
    struct PiixIde *owner;
    IdeBus *bus;
    IrqLine irq;
    MemRegion command, control;
    /* guest-visible */
    uint8_t bm_command, bm_status;
    uint32_t bm_table;
    bool level; /* of the drive's interrupt: its rise is what the status keeps */
    /* host-side: the transfer under way */
    DmaList list;
} PiixChannel;

typedef struct PiixIde {
    PciDevice pci;
    MemRegion bus_master;
    PiixChannel channel[CHANNELS];
} PiixIde;

/* --- Bus mastering --- */

static AddressSpace *piix_memory(const PiixChannel *ch)
{
    return ch->owner->pci.dev.machine->memory;
}

/* Maps what the physical region descriptors name, as far as the drive wants it (SFF-8038i 1.2). */
static bool map_table(PiixChannel *ch, uint64_t wanted)
{
    uint32_t at = ch->bm_table;

    for (unsigned i = 0; ch->list.bytes < wanted && i < PRD_TABLE_MAX; i++, at += PRD_SIZE) {
        uint8_t prd[PRD_SIZE];
        uint32_t count;

        if (mem_read(piix_memory(ch), at, prd, sizeof(prd)) != MEM_OK) {
            return false;
        }
        count = ld16_le(prd + 4) & ~1u;
        count = count ? count : 65536;
        if (!dma_list_add(&ch->list, ld32_le(prd) & ~1u, MIN(count, wanted - ch->list.bytes))) {
            return false;
        }
        if (ld32_le(prd + 4) & PRD_END) {
            break;
        }
    }
    return true;
}

/* Starts when both sides are ready: the drive asks and the guest has set the start bit. */
static void piix_dma_request(IdeBus *bus, IdeDrive *d)
{
    PiixChannel *ch = bus->opaque;
    bool to_memory = ch->bm_command & BM_TO_MEMORY;

    if (!(ch->bm_command & BM_START) || ch->list.iov) {
        return;
    }
    dma_list_init(&ch->list, piix_memory(ch), d->transfer == IDE_DMA_IN);
    if (!pci_master(&ch->owner->pci) || to_memory != ch->list.to_guest ||
        !map_table(ch, d->dma_bytes)) {
        dma_list_clear(&ch->list);
        ch->bm_status = (ch->bm_status & ~BM_ACTIVE) | BM_ERROR;
        ide_dma_abort(d);
        return;
    }
    ide_dma_run(d, dma_list_iov(&ch->list), ch->list.iov->len);
}

static void piix_dma_ended(IdeBus *bus, IdeDrive *d)
{
    PiixChannel *ch = bus->opaque;

    dma_list_clear(&ch->list);
    ch->bm_status &= ~BM_ACTIVE;
}

static void piix_interrupt(IdeBus *bus, IdeDrive *d, bool level)
{
    PiixChannel *ch = bus->opaque;

    if (level && !ch->level) {
        ch->bm_status |= BM_INTERRUPT;
    }
    ch->level = level;
    irq_set(&ch->irq, level);
}

static const IdePortOps piix_port_ops = {
    .interrupt = piix_interrupt,
    .dma_request = piix_dma_request,
    .dma_ended = piix_dma_ended,
};

static void write_bm_command(PiixChannel *ch, uint8_t value)
{
    bool was = ch->bm_command & BM_START;
    IdeDrive *d = ide_selected(ch->bus);

    ch->bm_command = value & (BM_START | BM_TO_MEMORY);
    if (was || !(value & BM_START)) {
        if (!(value & BM_START)) {
            ch->bm_status &= ~BM_ACTIVE;
        }
        return;
    }
    ch->bm_status |= BM_ACTIVE;
    if (d && (d->transfer == IDE_DMA_IN || d->transfer == IDE_DMA_OUT)) {
        piix_dma_request(ch->bus, d);
    }
}

static uint64_t bm_read(void *opaque, uint64_t offset, unsigned size)
{
    PiixIde *s = opaque;
    PiixChannel *ch = &s->channel[offset / BM_SPAN];
    unsigned reg = offset % BM_SPAN;

    switch (reg) {
    case BM_COMMAND: return ch->bm_command;
    case BM_STATUS: return ch->bm_status;
    default: return reg >= BM_TABLE ? ch->bm_table >> (8 * (reg - BM_TABLE)) & 0xff : 0;
    }
}

static void bm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PiixIde *s = opaque;
    PiixChannel *ch = &s->channel[offset / BM_SPAN];
    unsigned reg = offset % BM_SPAN, shift = 8 * (reg - BM_TABLE);

    if (reg == BM_COMMAND) {
        write_bm_command(ch, value);
    } else if (reg == BM_STATUS) {
        ch->bm_status &= ~(value & (BM_ERROR | BM_INTERRUPT)) & ~BM_DRIVE_BITS;
        ch->bm_status |= value & BM_DRIVE_BITS;
    } else if (reg >= BM_TABLE) {
        ch->bm_table = ((ch->bm_table & ~(0xffu << shift)) | (uint32_t)value << shift) & ~3u;
    }
}

static const MemOps bm_ops = {
    .read = bm_read, .write = bm_write, .impl_min = 1, .impl_max = 1, .unaligned = true};

/* --- The legacy ports --- */

static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    PiixChannel *ch = opaque;

    return offset ? ide_read_register(ch->bus, offset) : ide_read_data(ch->bus, size);
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PiixChannel *ch = opaque;

    if (offset) {
        ide_write_register(ch->bus, offset, value);
    } else {
        ide_write_data(ch->bus, value, size);
    }
}

/* Only the data register is wider than a byte: a wide access elsewhere takes its first byte. */
static const MemOps command_ops = {
    .read = command_read, .write = command_write, .valid_max = 4, .impl_max = 4, .unaligned = true};

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    return ide_alternate_status(((PiixChannel *)opaque)->bus);
}

static void control_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ide_write_control(((PiixChannel *)opaque)->bus, value);
}

static const MemOps control_ops = {
    .read = control_read, .write = control_write, .impl_min = 1, .impl_max = 1};

/* --- Life --- */

static void piix_reset(Device *dev)
{
    PiixIde *s = (PiixIde *)dev;

    for (unsigned i = 0; i < CHANNELS; i++) {
        s->channel[i].bm_command = 0;
        s->channel[i].bm_status = 0;
        s->channel[i].bm_table = 0;
    }
}

static bool piix_realize(Device *dev, Error **errp)
{
    static const uint16_t ports[CHANNELS][2] = {{0x1f0, 0x3f6}, {0x170, 0x376}};
    PiixIde *s = (PiixIde *)dev;
    MemRegion *io = dev->machine->system_io;

    if (!io) {
        return error_fail(errp, "%s: this machine has no I/O ports", dev->obj.type->name);
    }
    s->pci.config[PCI_CLASS_PROG] = 0x80; /* bus master, legacy ports only */
    memset(s->pci.writable + IDETIM, 0xff, IDETIM_SPAN);
    mem_init_io(&s->bus_master, &dev->obj, &bm_ops, s, "piix-bmdma", CHANNELS * BM_SPAN);
    pci_register_bar(&s->pci, BM_BAR, PCI_BAR_IO, &s->bus_master);
    for (unsigned i = 0; i < CHANNELS; i++) {
        PiixChannel *ch = &s->channel[i];

        ch->owner = s;
        ch->bus = ide_bus_new(dev, i, false, &piix_port_ops, ch);
        irq_line_init(&ch->irq, dev, "irq");
        mem_init_io(&ch->command, &dev->obj, &command_ops, ch, "ide-command", 8);
        mem_init_io(&ch->control, &dev->obj, &control_ops, ch, "ide-control", 1);
        mem_add(io, ports[i][0], &ch->command);
        mem_add_overlap(io, ports[i][1], &ch->control,
                        1); /* inside the floppy controller's ports */
    }
    return true;
}

static void piix_unrealize(Device *dev)
{
    PiixIde *s = (PiixIde *)dev;

    for (unsigned i = 0; i < CHANNELS; i++) {
        PiixChannel *ch = &s->channel[i];

        if (ch->bus) {
            dma_list_clear(&ch->list);
            mem_remove(&ch->command);
            mem_remove(&ch->control);
        }
    }
}

static void piix_snapshot(Device *dev, Snapshot *sn)
{
    PiixIde *s = (PiixIde *)dev;

    snap_section(sn, "piix-ide", 2);
    for (unsigned i = 0; i < CHANNELS; i++) {
        PiixChannel *ch = &s->channel[i];

        snap_fields(sn, &ch->bm_command, &ch->bm_status, &ch->bm_table, &ch->level);
    }
}

static const PciDeviceOps piix3_pci_ops = {.vendor = 0x8086, .device = 0x7010, .class_id = 0x0101};
static const PciDeviceOps piix4_pci_ops = {.vendor = 0x8086, .device = 0x7111, .class_id = 0x0101};

static const DeviceOps piix_ops = DEVICE_OPS(piix_snapshot, .realize = piix_realize,
                                             .unrealize = piix_unrealize, .reset = piix_reset);
QOM_TYPE(piix_type, .name = "piix-ide", .parent = TYPE_PCI_DEVICE, .size = sizeof(PiixIde),
         .abstract = true, .dev = &piix_ops);
QOM_TYPE(piix3_type, .name = "piix3-ide", .parent = "piix-ide", .desc = "IDE of the PIIX3",
         .ops = &piix3_pci_ops);
QOM_TYPE(piix4_type, .name = "piix4-ide", .parent = "piix-ide", .desc = "IDE of the PIIX4",
         .ops = &piix4_pci_ops);
