/* SPDX-License-Identifier: MIT */
/* SCSI disks and CD-ROM drives as devices on a SCSI bus; what they do is in scsi.c. */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/iothread.h"
#include "hw/storage/scsi-bus.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

#define TYPE_SCSI_DISK "scsi-device"

typedef struct ScsiDisk {
    Device dev;
    /* properties: fixed once realized */
    char *drive, *serial, *vendor, *product, *version;
    uint32_t channel, target, lun, logical_block_size, rotation_rate;
    uint64_t wwn;
    int32_t bootindex;
    int on_read_error, on_write_error; /* BlockOnError */
    /* guest-visible */
    ScsiUnit unit;
} ScsiDisk;

/* --- The bus --- */

ScsiBus *scsi_bus_new(Device *owner, unsigned max_target, unsigned max_lun)
{
    g_autofree char *name = g_strdup_printf("%s.0", owner->id ? owner->id : "scsi");
    ScsiBus *bus = qom_cast(bus_new(owner, TYPE_SCSI_BUS, name, 0), TYPE_SCSI_BUS);

    bus->max_target = max_target;
    bus->max_lun = max_lun;
    return bus;
}

static ScsiDisk *bus_disk(const ScsiBus *bus, guint i)
{
    return qom_cast(g_ptr_array_index(bus->bus.devices, i), TYPE_SCSI_DISK);
}

ScsiUnit *scsi_bus_unit(ScsiBus *bus, unsigned target, unsigned lun)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        ScsiDisk *d = bus_disk(bus, i);

        if (d->target == target && d->lun == lun) {
            return &d->unit;
        }
    }
    return NULL;
}

ScsiUnit *scsi_bus_target(ScsiBus *bus, unsigned target)
{
    ScsiDisk *best = NULL;

    for (guint i = 0; i < bus->bus.devices->len; i++) {
        ScsiDisk *d = bus_disk(bus, i);

        if (d->target == target && (!best || d->lun < best->lun)) {
            best = d;
        }
    }
    return best ? &best->unit : NULL;
}

void scsi_bus_drain(ScsiBus *bus)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        ScsiDisk *d = bus_disk(bus, i);

        if (d->unit.blk) {
            blk_drain(d->unit.blk);
        }
    }
}

QOM_TYPE(scsi_bus_type, .name = TYPE_SCSI_BUS, .parent = TYPE_BUS, .size = sizeof(ScsiBus),
         .desc = "SCSI bus");

/* --- Life of a unit --- */

/* A free target for a unit that names none. */
static bool take_address(ScsiDisk *d, ScsiBus *bus, Error **errp)
{
    const char *type = d->dev.obj.type->name;

    if (d->target == UINT32_MAX) {
        for (d->target = 0; d->target <= bus->max_target && scsi_bus_target(bus, d->target);) {
            d->target++;
        }
    }
    if (d->channel) {
        return error_fail(errp, "%s: property 'channel' must be 0", type);
    }
    if (d->target > bus->max_target || d->lun > bus->max_lun) {
        return error_fail(errp, "%s: bus '%s' has no scsi-id %u lun %u (accepted: up to %u and %u)",
                          type, bus->bus.name, d->target, d->lun, bus->max_target, bus->max_lun);
    }
    if (scsi_bus_unit(bus, d->target, d->lun)) {
        return error_fail(errp, "%s: scsi-id %u lun %u of bus '%s' is taken", type, d->target,
                          d->lun, bus->bus.name);
    }
    return true;
}

static bool check_block_size(ScsiDisk *d, Error **errp)
{
    uint32_t size = d->logical_block_size;

    if (!is_power_of_2(size) || size < 512 || size > 32768) {
        return error_fail(errp,
                          "%s: property 'logical_block_size' must be a power of two from 512 to "
                          "32768",
                          d->dev.obj.type->name);
    }
    return true;
}

static ScsiBus *bus_of(const ScsiDisk *d)
{
    return qom_cast(d->dev.parent_bus, TYPE_SCSI_BUS);
}

static void tell_adapter(const ScsiDisk *d, ScsiChange what)
{
    const ScsiBus *bus = bus_of(d);

    if (bus->changed && bus->bus.owner->realized) {
        bus->changed(bus->bus.owner, d->target, d->lun, what);
    }
}

/* The next command says so, unless it has something else to say; and the adapter, if it can. */
static void disk_resized(void *owner)
{
    ScsiDisk *d = owner;

    if (!d->unit.cd && !d->unit.unit_attention) {
        d->unit.unit_attention = SENSE_CAPACITY_CHANGED;
    }
    tell_adapter(d, SCSI_UNIT_RESIZED);
}

static bool take_backend(ScsiDisk *d, Error **errp)
{
    const char *type = d->dev.obj.type->name;
    BlockBackend *blk;

    if (!d->drive) {
        return d->unit.cd || error_fail(errp, "%s: property 'drive' is not set", type);
    }
    blk = blk_by_name(d->drive);
    if (!blk) {
        return error_fail(errp, "%s: property 'drive': there is no drive or node '%s'", type,
                          d->drive);
    }
    if (!blk_set_on_error(blk, d->on_read_error, d->on_write_error, errp) ||
        !blk_attach(blk, d, d->dev.id ? d->dev.id : type, errp)) {
        return false;
    }
    d->unit.blk = blk;
    blk_set_iothread(blk, bus_of(d)->iothread);
    blk_on_resize(blk, disk_resized);
    return true;
}

static bool disk_realize(Device *dev, Error **errp)
{
    ScsiDisk *d = (ScsiDisk *)dev;
    bool cd = qom_is(&dev->obj, "scsi-cd");

    if (d->rotation_rate > UINT16_MAX) {
        return error_fail(errp, "%s: property 'rotation_rate' must be below 65536",
                          dev->obj.type->name);
    }
    if (!cd && !check_block_size(d, errp)) {
        return false;
    }
    d->unit = (ScsiUnit){.cd = cd,
                         .block_size = cd ? 2048 : d->logical_block_size,
                         .vendor = d->vendor ? d->vendor : "RHEA",
                         .product = d->product ? d->product
                                    : cd       ? "CD-ROM"
                                               : "HARDDISK",
                         .version = d->version ? d->version : "1.0",
                         .serial = d->serial,
                         .wwn = d->wwn,
                         .rotation_rate = d->rotation_rate};
    if (!take_address(d, bus_of(d), errp) || !take_backend(d, errp)) {
        return false;
    }
    tell_adapter(d, SCSI_UNIT_ADDED);
    return true;
}

static void disk_unrealize(Device *dev)
{
    ScsiDisk *d = (ScsiDisk *)dev;

    if (d->unit.blk) {
        blk_detach(d->unit.blk, d);
        d->unit.blk = NULL;
    }
    tell_adapter(d, SCSI_UNIT_REMOVED);
}

static void disk_reset(Device *dev)
{
    ScsiDisk *d = (ScsiDisk *)dev;

    if (d->unit.blk) {
        blk_drain(d->unit.blk);
    }
    scsi_unit_reset(&d->unit);
}

static void disk_snapshot(Device *dev, Snapshot *sn)
{
    scsi_unit_snapshot(&((ScsiDisk *)dev)->unit, sn);
}

#define SCSI_COMMON_PROPS                                                                          \
    PROP_STR("drive", ScsiDisk, drive, NULL, "id of the drive or node that holds the data"),       \
        PROP_STR("serial", ScsiDisk, serial, NULL, "serial number"),                               \
        PROP_STR("vendor", ScsiDisk, vendor, NULL, "vendor, at most 8 characters"),                \
        PROP_STR("product", ScsiDisk, product, NULL, "product, at most 16 characters"),            \
        PROP_STR("ver", ScsiDisk, version, NULL, "revision, at most 4 characters"),                \
        PROP_U32("channel", ScsiDisk, channel, 0, "channel of the adapter: 0"),                    \
        PROP_U32("scsi-id", ScsiDisk, target, UINT32_MAX, "target; default: the first free one"),  \
        PROP_U32("lun", ScsiDisk, lun, 0, "logical unit of the target"),                           \
        PROP_U64("wwn", ScsiDisk, wwn, 0, "world-wide name"),                                      \
        PROP_I32("bootindex", ScsiDisk, bootindex, -1, "place in the boot order"),                 \
        BLOCK_ON_ERROR_PROPS(ScsiDisk, on_read_error, on_write_error)

static const PropDesc hd_props[] = {
    SCSI_COMMON_PROPS, PROP_U32("logical_block_size", ScsiDisk, logical_block_size, 512, "bytes"),
    PROP_U32("rotation_rate", ScsiDisk, rotation_rate, 0, "rpm; 1: no moving parts, 0: not told"),
    PROP_END};
static const PropDesc cd_props[] = {SCSI_COMMON_PROPS, PROP_END};

static const DeviceOps disk_ops =
    DEVICE_OPS(disk_snapshot, .realize = disk_realize, .unrealize = disk_unrealize,
               .reset = disk_reset, .bus = TYPE_SCSI_BUS, .category = "Storage devices",
               .user_creatable = true, .hotpluggable = true);
QOM_TYPE(scsi_disk_type, .name = TYPE_SCSI_DISK, .parent = TYPE_DEVICE, .size = sizeof(ScsiDisk),
         .abstract = true, .dev = &disk_ops);
QOM_TYPE(scsi_hd_type, .name = "scsi-hd", .parent = TYPE_SCSI_DISK, .desc = "SCSI hard disk",
         .props = hd_props);
QOM_TYPE(scsi_cd_type, .name = "scsi-cd", .parent = TYPE_SCSI_DISK, .desc = "SCSI CD-ROM drive",
         .props = cd_props);
