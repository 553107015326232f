/* SPDX-License-Identifier: MIT */
/*
 * Floppy drives and their media.  The medium's format follows from the size of its image.
 * Specs: ECMA-125, ECMA-147 (formats); Intel 82077AA data sheet, chapter 3 (what drives tell).
 * Not modelled: motors, head movement in time, media that are not of 512-byte sectors.
 */
#include "rhea/osdep.h"

#include "floppy.h"

#include "snapshot/snapshot.h"

enum { RATE_500K = 0, RATE_300K = 1, RATE_250K = 2, RATE_1M = 3 };
enum { LAST_CYLINDER = 84 };

#define DD   {RATE_250K, RATE_300K}, true
#define DD35 {RATE_250K, RATE_250K}, false
#define HD5  {RATE_500K, RATE_500K}, true
#define HD   {RATE_500K, RATE_500K}, false
#define ED   {RATE_1M, RATE_1M}, false

static const FloppyFormat formats[] = {
    {40, 1, 8, DD},    {40, 1, 9, DD},    {40, 2, 8, DD},   {40, 2, 9, DD},  {80, 2, 9, DD35},
    {80, 2, 10, DD35}, {82, 2, 10, DD35}, {80, 2, 15, HD5}, {80, 2, 18, HD}, {80, 2, 20, HD},
    {80, 2, 21, HD},   {82, 2, 21, HD},   {83, 2, 21, HD},  {80, 2, 22, HD}, {80, 2, 23, HD},
    {80, 2, 24, HD},   {80, 2, 36, ED},   {80, 2, 39, ED},  {80, 2, 40, ED}, {80, 2, 44, ED},
    {80, 2, 48, ED}};
static const FloppyFormat fallback = {80, 2, 18, HD};

static uint64_t format_size(const FloppyFormat *f)
{
    return (uint64_t)f->cylinders * f->heads * f->sectors * FLOPPY_SECTOR;
}

/* An image of another size is the beginning of a 1.44 MB medium; NULL: too large for that. */
static const FloppyFormat *format_of_size(uint64_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (format_size(&formats[i]) == size) {
            return &formats[i];
        }
    }
    return size <= format_size(&fallback) ? &fallback : NULL;
}

const FloppyFormat *floppy_format(const FloppyDrive *d)
{
    return d && d->blk && blk_inserted(d->blk) ? format_of_size(blk_size(d->blk)) : NULL;
}

uint8_t floppy_rate(const FloppyDrive *d, const FloppyFormat *f)
{
    return f->rate[d->kind == FLOPPY_120];
}

void floppy_seek(FloppyDrive *d, unsigned cylinder)
{
    d->track = MIN(cylinder, LAST_CYLINDER);
    if (floppy_format(d)) {
        d->changed = false;
    }
}

/* --- Life --- */

static int kind_for(const FloppyFormat *f)
{
    if (!f || f->rate[0] != RATE_1M) {
        return f && f->five_inch ? FLOPPY_120 : FLOPPY_144;
    }
    return FLOPPY_288;
}

static bool take_unit(FloppyDrive *d, FloppyBus *bus, Error **errp)
{
    if (d->unit == UINT32_MAX) {
        d->unit = bus->drive[0] ? 1 : 0;
    }
    if (d->unit >= FLOPPY_DRIVES) {
        return error_fail(errp, "floppy: property 'unit' must be 0 or 1");
    }
    return !bus->drive[d->unit] ||
           error_fail(errp, "floppy: unit %u of bus '%s' is taken", d->unit, bus->bus.name);
}

static bool take_medium(FloppyDrive *d, Error **errp)
{
    BlockBackend *blk;

    if (!d->drive) {
        return true;
    }
    blk = blk_by_name(d->drive);
    if (!blk) {
        return error_fail(errp, "floppy: property 'drive': there is no drive or node '%s'",
                          d->drive);
    }
    if (blk_inserted(blk) && !format_of_size(blk_size(blk))) {
        return error_fail(errp,
                          "floppy: '%s' has %" PRIu64 " bytes, which no floppy disk has (the "
                          "largest have 2949120)",
                          d->drive, blk_size(blk));
    }
    if (!blk_set_on_error(blk, d->on_read_error, d->on_write_error, errp) ||
        !blk_attach(blk, d, d->dev.id ? d->dev.id : "floppy", errp)) {
        return false;
    }
    d->blk = blk;
    return true;
}

static bool floppy_realize(Device *dev, Error **errp)
{
    FloppyDrive *d = dev_state(dev, FloppyDrive);
    FloppyBus *bus = qom_cast(dev->parent_bus, TYPE_FLOPPY_BUS);

    if (!take_unit(d, bus, errp) || !take_medium(d, errp)) {
        return false;
    }
    if (d->kind == FLOPPY_AUTO) {
        d->kind = kind_for(floppy_format(d));
    }
    bus->drive[d->unit] = d;
    return true;
}

static void floppy_unrealize(Device *dev)
{
    FloppyDrive *d = dev_state(dev, FloppyDrive);
    FloppyBus *bus = qom_cast(dev->parent_bus, TYPE_FLOPPY_BUS);

    if (d->blk) {
        blk_detach(d->blk, d);
    }
    if (d->unit < FLOPPY_DRIVES && bus->drive[d->unit] == d) {
        bus->drive[d->unit] = NULL;
    }
}

static void floppy_reset(Device *dev)
{
    FloppyDrive *d = dev_state(dev, FloppyDrive);

    d->track = 0;
    d->changed = true;
}

static void floppy_snapshot(Device *dev, Snapshot *sn)
{
    FloppyDrive *d = dev_state(dev, FloppyDrive);

    snap_section(sn, "floppy", 1);
    snap_fields(sn, &d->track, &d->changed);
}

static const char *const kind_names[] = {"144", "288", "120", "auto", NULL};
static const PropDesc floppy_props[] = {
    PROP_STR("drive", FloppyDrive, drive, NULL, "id of the drive or node that holds the data"),
    PROP_U32("unit", FloppyDrive, unit, UINT32_MAX, "0: drive A, 1: drive B [the first free one]"),
    PROP_I32("bootindex", FloppyDrive, bootindex, -1, "place in the boot order"),
    BLOCK_ON_ERROR_PROPS(FloppyDrive, on_read_error, on_write_error),
    PROP_ENUM("drive-type", FloppyDrive, kind, FLOPPY_AUTO, kind_names,
              "what the drive takes: 1.44 MB, 2.88 MB, 1.2 MB (5.25\"); auto: by its medium"),
    PROP_END};

static const DeviceOps floppy_ops =
    DEVICE_OPS(floppy_snapshot, .realize = floppy_realize, .unrealize = floppy_unrealize,
               .reset = floppy_reset, .bus = TYPE_FLOPPY_BUS, .category = "Storage devices",
               .user_creatable = true);
QOM_TYPE(floppy_type, .name = TYPE_FLOPPY_DRIVE, .parent = TYPE_DEVICE, .size = sizeof(FloppyDrive),
         .desc = "Floppy drive", .props = floppy_props, .dev = &floppy_ops);
QOM_TYPE(floppy_bus_type, .name = TYPE_FLOPPY_BUS, .parent = TYPE_BUS, .size = sizeof(FloppyBus),
         .desc = "cable of floppy drives");
