/* SPDX-License-Identifier: MIT */
/*
 * System devices with memory-mapped regions, and banks of registers served from a table.
 *
 * A bank answers aligned accesses of 1, 2, 4 and 8 bytes.  An access within one register takes part of
 * it; one that covers several registers is carried out register by register in rising order.  Partial
 * writes to a register keep its other bytes.
 */
#include "rhea/osdep.h"

#include "hw/mmio-device.h"

#include "rhea/bits.h"
#include "rhea/log.h"

void mmio_device_add_region(MmioDevice *d, MemRegion *mr)
{
    g_assert(d->nregions < MMIO_MAX_REGIONS);
    d->regions[d->nregions++] = mr;
}

void mmio_device_map(MmioDevice *d, unsigned n, MemRegion *container, uint64_t addr)
{
    g_assert(n < d->nregions);
    mem_add(container, addr, d->regions[n]);
}

/* --- Registers --- */

static void *reg_field(Device *dev, const RegDesc *r)
{
    return (char *)dev + r->field;
}

static bool reg_has_field(const RegDesc *r)
{
    return r->field != UINT32_MAX;
}

static uint64_t reg_load(Device *dev, const RegDesc *r)
{
    void *field = reg_field(dev, r);

    switch (r->size) {
    case 1: return *(uint8_t *)field;
    case 2: return *(uint16_t *)field;
    case 4: return *(uint32_t *)field;
    default: return *(uint64_t *)field;
    }
}

static void reg_store(Device *dev, const RegDesc *r, uint64_t v)
{
    void *field = reg_field(dev, r);

    switch (r->size) {
    case 1: *(uint8_t *)field = v; break;
    case 2: *(uint16_t *)field = v; break;
    case 4: *(uint32_t *)field = v; break;
    default: *(uint64_t *)field = v; break;
    }
}

static uint64_t reg_read(Device *dev, const RegDesc *r)
{
    if (r->read) {
        return r->read(dev);
    }
    if (r->kind == REG_KIND_CONST) {
        return r->reset;
    }
    return r->kind != REG_KIND_WO && reg_has_field(r) ? reg_load(dev, r) : 0;
}

/* What a write to part of the register is completed with: the present bits, or none for W1C. */
static uint64_t reg_background(Device *dev, const RegDesc *r)
{
    return r->kind == REG_KIND_RW && reg_has_field(r) ? reg_load(dev, r) : 0;
}

static void reg_write(Device *dev, const RegDesc *r, uint64_t v)
{
    uint64_t mask = r->writable ? r->writable : MASK_ULL(8 * r->size);

    if (r->write) {
        r->write(dev, v);
        return;
    }
    if (r->kind == REG_KIND_RO || r->kind == REG_KIND_CONST || !reg_has_field(r)) {
        log_guest("%s: write to read-only register %s", dev->obj.type->name, r->name);
        return;
    }
    if (r->kind == REG_KIND_W1C) {
        reg_store(dev, r, reg_load(dev, r) & ~(v & mask));
    } else {
        reg_store(dev, r, (reg_load(dev, r) & ~mask) | (v & mask));
    }
    if (r->written) {
        r->written(dev);
    }
}

/* --- Accesses --- */

/* The register that holds byte @offset, or NULL.  Tables are short and accesses local: a scan will do. */
static const RegDesc *bank_find(const RegDesc *regs, uint64_t offset)
{
    for (const RegDesc *r = regs; r->name; r++) {
        if (offset >= r->offset && offset - r->offset < r->size) {
            return r;
        }
    }
    return NULL;
}

/* Calls for the part of [offset, offset + size) that @r covers, in bits of the access and of @r. */
typedef struct RegPart {
    unsigned bytes;
    unsigned reg_shift;
} RegPart;

static RegPart reg_part(const RegDesc *r, uint64_t offset, unsigned size)
{
    unsigned skip = offset - r->offset;

    return (RegPart){.bytes = MIN(r->size - skip, size), .reg_shift = 8 * skip};
}

static void bank_trace(MmioDevice *d, const RegDesc *r, bool write, uint64_t value, unsigned size)
{
    const char *name = d->dev.obj.type->name;

    if (write) {
        TRACE(mmio_bank_write, "device=%s reg=%s size=%u value=0x%" PRIx64, name, r->name, size,
              value);
    } else {
        TRACE(mmio_bank_read, "device=%s reg=%s size=%u value=0x%" PRIx64, name, r->name, size,
              value);
    }
}

static uint64_t bank_read(void *opaque, uint64_t offset, unsigned size)
{
    MmioDevice *d = opaque;
    uint64_t value = 0;
    unsigned done = 0;

    while (done < size) {
        const RegDesc *r = bank_find(d->regs, offset + done);
        RegPart part;
        uint64_t v;

        if (!r) {
            if (!done) {
                log_guest("%s: read of unknown register at offset 0x%" PRIx64,
                          d->dev.obj.type->name, offset);
            }
            done++;
            continue;
        }
        part = reg_part(r, offset + done, size - done);
        v = extract64(reg_read(&d->dev, r) & MASK_ULL(8 * r->size), part.reg_shift, 8 * part.bytes);
        bank_trace(d, r, false, v, part.bytes);
        value |= v << (8 * done);
        done += part.bytes;
    }
    return value;
}

static void bank_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    MmioDevice *d = opaque;
    unsigned done = 0;

    while (done < size) {
        const RegDesc *r = bank_find(d->regs, offset + done);
        RegPart part;
        uint64_t v;

        if (!r) {
            if (!done) {
                log_guest("%s: write to unknown register at offset 0x%" PRIx64,
                          d->dev.obj.type->name, offset);
            }
            done++;
            continue;
        }
        part = reg_part(r, offset + done, size - done);
        v = extract64(value, 8 * done, 8 * part.bytes);
        bank_trace(d, r, true, v, part.bytes);
        if (part.bytes < r->size) {
            v = deposit64(reg_background(&d->dev, r), part.reg_shift, 8 * part.bytes, v);
        }
        reg_write(&d->dev, r, v);
        done += part.bytes;
    }
}

static const MemOps bank_ops = {
    .read = bank_read,
    .write = bank_write,
};

void mmio_device_add_bank(MmioDevice *d, const RegDesc *regs, const char *name, uint64_t span)
{
    g_assert(!d->regs); /* one table a device */
    d->regs = regs;
    mem_init_io(&d->bank, &d->dev.obj, &bank_ops, d, name, span);
    mmio_device_add_region(d, &d->bank);
}

void mmio_device_reset_bank(MmioDevice *d)
{
    for (const RegDesc *r = d->regs; r->name; r++) {
        if (reg_has_field(r)) {
            reg_store(&d->dev, r, r->reset);
        }
    }
}

/* --- Type --- */

/* Regions that a failed or undone realize leaves mapped would outlive the device. */
static void mmio_device_unrealize(Device *dev)
{
    MmioDevice *d = dev_state(dev, MmioDevice);

    for (unsigned i = 0; i < d->nregions; i++) {
        if (d->regions[i]->container) {
            mem_remove(d->regions[i]);
        }
    }
    if (d->regs) {
        mem_fini(&d->bank);
    }
    d->nregions = 0;
    d->regs = NULL;
}

static const DeviceOps mmio_device_ops =
    DEVICE_OPS(device_no_state, .unrealize = mmio_device_unrealize);

QOM_TYPE(mmio_device_type, .name = TYPE_MMIO_DEVICE, .parent = TYPE_DEVICE,
         .size = sizeof(MmioDevice), .abstract = true, .dev = &mmio_device_ops);
