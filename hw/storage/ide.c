/* SPDX-License-Identifier: MIT */
/*
 * ATA channels and drives: the register interface, PIO and DMA as protocols, the types ide-hd and
 * ide-cd.  See hw/storage/ide.h.  Commands are in ide-ata.c and ide-atapi.c.
 * Specs: ATA/ATAPI-7 volume 2 (parallel interface), ATA8-ACS.
 * Not modelled: overlapped commands, CFA, media card pass through.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/machine.h"
#include "hw/storage/ide.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/iov.h"
#include "snapshot/snapshot.h"

enum {
    REG_DATA,
    REG_ERROR,
    REG_COUNT,
    REG_LBA_LOW,
    REG_LBA_MID,
    REG_LBA_HIGH,
    REG_DEVICE,
    REG_STATUS
};
enum { CMD_DEVICE_RESET = 0x08, CMD_DIAGNOSTIC = 0x90 };

/* --- Interrupt and ends of commands --- */

static void update_interrupt(IdeBus *bus)
{
    IdeDrive *d = ide_selected(bus);

    bus->ops->interrupt(bus, d, d && d->interrupt && !(bus->control & ATA_CTL_NIEN));
}

void ide_raise(IdeDrive *d)
{
    d->interrupt = true;
    update_interrupt(d->ide);
}

static void end_transfer(IdeDrive *d)
{
    d->transfer = IDE_IDLE;
    d->pos = d->end = 0;
    d->dma_bytes = 0;
}

void ide_done(IdeDrive *d)
{
    end_transfer(d);
    d->error = 0;
    d->status = ATA_DRDY | ATA_DSC;
    ide_raise(d);
}

void ide_fail(IdeDrive *d, uint8_t error)
{
    end_transfer(d);
    d->error = error;
    d->status = ATA_DRDY | ATA_DSC | ATA_ERR;
    ide_raise(d);
}

/* --- PIO and DMA --- */

void ide_pio_start(IdeDrive *d, IdeTransfer kind, uint32_t len, bool interrupt)
{
    g_assert(len <= IDE_BUFFER_SIZE);
    d->transfer = kind;
    d->pos = 0;
    d->end = len;
    d->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (interrupt) {
        ide_raise(d);
    }
    if (d->ide->ops->pio_ready) {
        d->ide->ops->pio_ready(d->ide, d);
    }
}

void ide_pio_block_done(IdeDrive *d)
{
    if (d->atapi) {
        ide_atapi_pio_block(d);
    } else {
        ide_ata_pio_block(d);
    }
}

void ide_dma_want(IdeDrive *d, IdeTransfer kind, uint64_t bytes)
{
    d->transfer = kind;
    d->dma_bytes = bytes;
    d->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    d->ide->ops->dma_request(d->ide, d);
}

void ide_dma_run(IdeDrive *d, const struct iovec *iov, int n)
{
    uint64_t len = iov_length(iov, n);

    d->dma_short = len < d->dma_bytes;
    d->status = ATA_DRDY | ATA_BSY;
    if (d->atapi) {
        ide_atapi_dma_run(d, iov, n);
    } else {
        ide_ata_dma_run(d, iov, n);
    }
}

void ide_dma_end(IdeDrive *d)
{
    end_transfer(d);
    d->ide->ops->dma_ended(d->ide, d);
}

void ide_dma_abort(IdeDrive *d)
{
    if (d->atapi) {
        ide_atapi_abandon(d);
    }
    ide_fail(d, ATA_ABRT);
}

/* --- Reset --- */

/* What a drive shows after a reset tells ATA from ATAPI (ATA/ATAPI-7 5.15). */
static void put_signature(IdeDrive *d)
{
    d->tf.count[0] = d->tf.lba_low[0] = 1;
    d->tf.lba_mid[0] = d->atapi ? 0x14 : 0;
    d->tf.lba_high[0] = d->atapi ? 0xeb : 0;
    d->tf.device = 0;
}

void ide_drive_reset(IdeDrive *d)
{
    if (d->blk) {
        blk_drain(d->blk);
    }
    if (d->atapi) {
        ide_atapi_abandon(d);
    }
    end_transfer(d);
    put_signature(d);
    d->error = 1; /* passed its diagnostics */
    d->status = d->atapi ? 0 : ATA_DRDY | ATA_DSC;
    d->interrupt = false;
}

static void bus_reset(IdeBus *bus)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->drive[i]) {
            ide_drive_reset(bus->drive[i]);
        }
    }
    bus->unit = 0;
    update_interrupt(bus);
}

/* --- Commands --- */

void ide_execute(IdeDrive *d, uint8_t code)
{
    d->command = code;
    d->interrupt = false;
    d->error = 0;
    d->status = ATA_DRDY | ATA_BSY;
    update_interrupt(d->ide);
    if (!(d->atapi ? ide_atapi_execute(d, code) : ide_ata_execute(d, code))) {
        ide_fail(d, ATA_ABRT);
    }
}

static void write_command(IdeBus *bus, uint8_t code)
{
    IdeDrive *d = ide_selected(bus);

    if (code == CMD_DIAGNOSTIC) { /* both drives, whichever is selected */
        bus_reset(bus);
        if (bus->drive[0]) {
            ide_raise(bus->drive[0]);
        }
    } else if (d && code == CMD_DEVICE_RESET && d->atapi) {
        ide_drive_reset(d);
        update_interrupt(bus);
    } else if (d && !(d->status & (ATA_BSY | ATA_DRQ))) {
        ide_execute(d, code);
    }
}

/* --- Registers of a parallel channel --- */

static uint8_t read_task_file(const IdeBus *bus, const IdeDrive *d, unsigned reg)
{
    unsigned old = bus->control & ATA_CTL_HOB ? 1 : 0;

    switch (reg) {
    case REG_ERROR: return old ? d->tf.feature[1] : d->error;
    case REG_COUNT: return d->tf.count[old];
    case REG_LBA_LOW: return d->tf.lba_low[old];
    case REG_LBA_MID: return d->tf.lba_mid[old];
    case REG_LBA_HIGH: return d->tf.lba_high[old];
    default: return d->tf.device | 0xa0 | (d->unit ? ATA_DEV_UNIT : 0);
    }
}

uint8_t ide_alternate_status(IdeBus *bus)
{
    IdeDrive *d = ide_selected(bus);

    /* Drive 0 answers for an absent drive 1; an empty channel reads as its pull-down says. */
    return d ? d->status : 0;
}

uint32_t ide_read_register(IdeBus *bus, unsigned reg)
{
    IdeDrive *d = ide_selected(bus);
    uint8_t status;

    if (!bus->drive[0] && !bus->drive[1]) {
        return reg == REG_STATUS ? 0 : 0xff;
    }
    if (reg == REG_STATUS) {
        status = ide_alternate_status(bus);
        if (d) {
            d->interrupt = false;
            update_interrupt(bus);
        }
        return status;
    }
    return d ? read_task_file(bus, d, reg) : 0;
}

static void shift_in(uint8_t reg[2], uint8_t value)
{
    reg[1] = reg[0];
    reg[0] = value;
}

static void write_task_file(IdeTaskFile *tf, unsigned reg, uint8_t value)
{
    switch (reg) {
    case REG_ERROR: shift_in(tf->feature, value); break;
    case REG_COUNT: shift_in(tf->count, value); break;
    case REG_LBA_LOW: shift_in(tf->lba_low, value); break;
    case REG_LBA_MID: shift_in(tf->lba_mid, value); break;
    case REG_LBA_HIGH: shift_in(tf->lba_high, value); break;
    default: tf->device = value;
    }
}

/* Both drives of a channel see every write. */
void ide_write_register(IdeBus *bus, unsigned reg, uint8_t value)
{
    bus->control &= ~ATA_CTL_HOB;
    if (reg == REG_STATUS) {
        write_command(bus, value);
        return;
    }
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        IdeDrive *d = bus->drive[i];

        if (d && !(d->status & (ATA_BSY | ATA_DRQ))) {
            write_task_file(&d->tf, reg, value);
        }
    }
    if (reg == REG_DEVICE) {
        bus->unit = value & ATA_DEV_UNIT ? 1 : 0;
        update_interrupt(bus);
    }
}

void ide_write_control(IdeBus *bus, uint8_t value)
{
    uint8_t was = bus->control;

    bus->control = value;
    if ((was & ATA_CTL_SRST) && !(value & ATA_CTL_SRST)) {
        bus_reset(bus);
    } else if (value & ATA_CTL_SRST) {
        for (unsigned i = 0; i < IDE_UNITS; i++) {
            if (bus->drive[i]) {
                ide_drive_reset(bus->drive[i]);
                bus->drive[i]->status = ATA_BSY;
            }
        }
    }
    update_interrupt(bus);
}

/* True when the host may move @size bytes now. */
static bool data_ready(const IdeDrive *d, IdeTransfer kind)
{
    return d && d->transfer == kind && (d->status & ATA_DRQ) && d->pos < d->end;
}

static void moved(IdeDrive *d, unsigned size)
{
    d->pos += size;
    if (d->pos >= d->end) {
        d->status = ATA_DRDY | ATA_DSC | ATA_BSY;
        ide_pio_block_done(d);
    }
}

uint32_t ide_read_data(IdeBus *bus, unsigned size)
{
    IdeDrive *d = ide_selected(bus);
    uint8_t raw[4] = {0xff, 0xff, 0xff, 0xff};

    if (!data_ready(d, IDE_PIO_IN)) {
        return ld32_le(raw);
    }
    memcpy(raw, d->buf + d->pos, MIN(size, d->end - d->pos));
    moved(d, size);
    return ld32_le(raw);
}

void ide_write_data(IdeBus *bus, uint32_t value, unsigned size)
{
    IdeDrive *d = ide_selected(bus);
    uint8_t raw[4];

    if (data_ready(d, IDE_PIO_OUT)) {
        st32_le(raw, value);
        memcpy(d->buf + d->pos, raw, MIN(size, d->end - d->pos));
        moved(d, size);
    }
}

/* --- Channels --- */

IdeBus *ide_bus_new(Device *owner, unsigned n, bool sata, const IdePortOps *ops, void *opaque)
{
    g_autofree char *name = g_strdup_printf("%s.%u", owner->id ? owner->id : "ide", n);
    IdeBus *bus = qom_cast(bus_new(owner, TYPE_IDE_BUS, name, sata ? 1 : IDE_UNITS), TYPE_IDE_BUS);

    bus->sata = sata;
    bus->ops = ops;
    bus->opaque = opaque;
    return bus;
}

IdeBus *ide_bus_find(Device *owner, unsigned n)
{
    return owner->buses && n < owner->buses->len
               ? qom_cast(g_ptr_array_index(owner->buses, n), TYPE_IDE_BUS)
               : NULL;
}

QOM_TYPE(ide_bus_type, .name = TYPE_IDE_BUS, .parent = TYPE_BUS, .size = sizeof(IdeBus),
         .desc = "ATA channel");

/* --- Drives: life --- */

static bool take_unit(IdeDrive *d, Error **errp)
{
    IdeBus *bus = d->ide;
    unsigned units = bus->bus.max_devices;

    if (d->unit == UINT32_MAX) {
        d->unit = bus->drive[0] && units > 1 ? 1 : 0;
    }
    if (d->unit >= units) {
        return error_fail(errp, "%s: property 'unit' must be below %u on bus '%s'",
                          d->dev.obj.type->name, units, bus->bus.name);
    }
    if (bus->drive[d->unit]) {
        return error_fail(errp, "%s: unit %u of bus '%s' is taken", d->dev.obj.type->name, d->unit,
                          bus->bus.name);
    }
    return true;
}

static bool take_backend(IdeDrive *d, Error **errp)
{
    const char *type = d->dev.obj.type->name;

    if (!d->drive) {
        return d->atapi || error_fail(errp, "%s: property 'drive' is not set", type);
    }
    d->blk = blk_by_name(d->drive);
    if (!d->blk) {
        return error_fail(errp, "%s: property 'drive': there is no drive or node '%s'", type,
                          d->drive);
    }
    if (!blk_set_on_error(d->blk, d->on_read_error, d->on_write_error, errp) ||
        !blk_attach(d->blk, d, d->dev.id ? d->dev.id : type, errp)) {
        d->blk = NULL;
        return false;
    }
    return true;
}

static bool ide_realize(Device *dev, Error **errp)
{
    IdeDrive *d = (IdeDrive *)dev;

    d->ide = qom_cast(dev->parent_bus, TYPE_IDE_BUS);
    d->atapi = qom_is(&dev->obj, "ide-cd");
    if (d->rotation_rate > UINT16_MAX) {
        return error_fail(errp, "%s: property 'rotation_rate' must be below 65536",
                          dev->obj.type->name);
    }
    if (!take_unit(d, errp) || !take_backend(d, errp)) {
        return false;
    }
    d->scsi = (ScsiUnit){.blk = d->blk,
                         .cd = true,
                         .block_size = 2048,
                         .vendor = "RHEA",
                         .product = "DVD-ROM",
                         .version = "1.0",
                         .serial = d->serial};
    d->ide->drive[d->unit] = d;
    return true;
}

static void ide_unrealize(Device *dev)
{
    IdeDrive *d = (IdeDrive *)dev;

    if (d->blk) {
        blk_detach(d->blk, d);
    }
    if (d->ide && d->unit < IDE_UNITS && d->ide->drive[d->unit] == d) {
        d->ide->drive[d->unit] = NULL;
    }
}

static void ide_device_reset(Device *dev)
{
    IdeDrive *d = (IdeDrive *)dev;

    ide_drive_reset(d);
    scsi_unit_reset(&d->scsi);
    d->tf.device = 0;
    d->multiple = 16;
    d->udma = 1 << 5;
    d->mdma = d->pio_mode = 0;
    d->write_cache = true;
    d->smart = true;
    if (d->unit == 0) {
        d->ide->unit = d->ide->control = 0;
    }
    update_interrupt(d->ide);
}

/* Saved with nothing in flight in the block layer; a PIO block or a wanted DMA may be half way. */
static void ide_snapshot(Device *dev, Snapshot *sn)
{
    IdeDrive *d = (IdeDrive *)dev;
    uint32_t transfer = d->transfer;

    snap_section(sn, "ide", 1);
    snap_bytes(sn, &d->tf, sizeof(d->tf));
    snap_fields(sn, &d->status, &d->error, &d->command, &d->multiple, &d->udma, &d->mdma,
                &d->pio_mode);
    snap_fields(sn, &d->write_cache, &d->interrupt, &d->smart, &d->fua, &d->lba, &d->remaining);
    snap_u32_max(sn, &transfer, IDE_DMA_OUT);
    snap_u32_max(sn, &d->pos, IDE_BUFFER_SIZE);
    snap_u32_max(sn, &d->end, IDE_BUFFER_SIZE);
    snap_fields(sn, &d->dma_bytes, &d->packet_pos);
    snap_bytes(sn, d->buf, IDE_BUFFER_SIZE);
    scsi_unit_snapshot(&d->scsi, sn);
    scsi_command_snapshot(&d->packet, sn);
    snap_u8(sn, &d->ide->control);
    snap_u8(sn, &d->ide->unit);
    d->transfer = transfer;
    d->ide->unit &= 1;
    if (d->multiple > IDE_BUFFER_SIZE / 512) {
        snap_fail(sn, "ide: a block of %u sectors", d->multiple);
    }
    if (d->packet.phase == SCSI_DATA_OUT &&
        (d->packet_pos > d->packet.len || d->end > d->packet.len - d->packet_pos)) {
        snap_fail(sn, "ide: a packet's data beyond its end");
    }
}

static void ide_after_load(Device *dev)
{
    IdeDrive *d = (IdeDrive *)dev;

    ide_atapi_wire(d); /* a packet may be half way */
    update_interrupt(d->ide);
}

#define IDE_COMMON_PROPS                                                                           \
    PROP_STR("drive", IdeDrive, drive, NULL, "id of the drive or node that holds the data"),       \
        PROP_STR("serial", IdeDrive, serial, NULL, "serial number, at most 20 characters"),        \
        PROP_STR("model", IdeDrive, model, NULL, "model name, at most 40 characters"),             \
        PROP_STR("ver", IdeDrive, version, NULL, "firmware revision, at most 8 characters"),       \
        PROP_U32("unit", IdeDrive, unit, UINT32_MAX, "0: first drive of the channel, 1: second"),  \
        PROP_U64("wwn", IdeDrive, wwn, 0, "world-wide name"),                                      \
        PROP_I32("bootindex", IdeDrive, bootindex, -1, "place in the boot order"),                 \
        BLOCK_ON_ERROR_PROPS(IdeDrive, on_read_error, on_write_error)

static const PropDesc ide_hd_props[] = {
    IDE_COMMON_PROPS,
    PROP_U32("rotation_rate", IdeDrive, rotation_rate, 0, "rpm; 1: no moving parts, 0: not told"),
    PROP_END};
static const PropDesc ide_cd_props[] = {IDE_COMMON_PROPS, PROP_END};

static const DeviceOps ide_ops =
    DEVICE_OPS(ide_snapshot, .realize = ide_realize, .unrealize = ide_unrealize,
               .reset = ide_device_reset, .after_load = ide_after_load, .bus = TYPE_IDE_BUS,
               .category = "Storage devices", .user_creatable = true);
QOM_TYPE(ide_drive_type, .name = TYPE_IDE_DRIVE, .parent = TYPE_DEVICE, .size = sizeof(IdeDrive),
         .abstract = true, .dev = &ide_ops);
QOM_TYPE(ide_hd_type, .name = "ide-hd", .parent = TYPE_IDE_DRIVE, .desc = "ATA hard disk",
         .props = ide_hd_props);
QOM_TYPE(ide_cd_type, .name = "ide-cd", .parent = TYPE_IDE_DRIVE, .desc = "ATAPI CD-ROM drive",
         .props = ide_cd_props);
