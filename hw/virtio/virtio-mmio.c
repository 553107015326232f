/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO.  Spec: Virtual I/O Device 1.2, section 4.2; with force-legacy=on the version 1
 * registers of section 4.2.4 instead.
 * Not modelled: shared memory regions (answers "none"), legacy drivers of big-endian guests.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/mmio-device.h"
#include "hw/virtio/virtio-mmio.h"
#include "hw/virtio/virtio.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    VENDOR_ID = 0x00c,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_READY = 0x044,
    LEGACY_GUEST_PAGE_SIZE = 0x028,
    LEGACY_QUEUE_ALIGN = 0x03c,
    LEGACY_QUEUE_PFN = 0x040,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC_LOW = 0x080,
    QUEUE_DESC_HIGH = 0x084,
    QUEUE_DRIVER_LOW = 0x090,
    QUEUE_DRIVER_HIGH = 0x094,
    QUEUE_DEVICE_LOW = 0x0a0,
    QUEUE_DEVICE_HIGH = 0x0a4,
    SHM_LEN_LOW = 0x0b0,
    SHM_BASE_HIGH = 0x0bc,
    QUEUE_RESET = 0x0c0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,
};
enum {
    MAGIC_VALUE = 0x74726976,
    VENDOR_VALUE = 0x554d4551
}; /* "virt", "QEMU" as drivers print it */

typedef struct VirtioMmio {
    MmioDevice parent;
    /* wiring */
    MemRegion regs;
    IrqLine irq;
    Bus *bus;
    /* properties: fixed once realized */
    char *bus_name;
    bool legacy;
    /* guest-visible: all of it is in mmio_snapshot */
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    uint64_t driver_features;
    uint32_t page_size; /* legacy: what queue addresses count in; 0: not told */
} VirtioMmio;

static void mmio_update_irq(VirtioMmio *s)
{
    VirtioDevice *vdev = virtio_bus_device(s->bus);

    irq_set(&s->irq, vdev && vdev->isr);
}

static void mmio_notify(void *opaque, VirtQueue *vq)
{
    mmio_update_irq(opaque);
}

static const VirtioTransportOps mmio_transport_ops = {.notify = mmio_notify};

/* --- Reading --- */

static uint32_t mmio_read_queue(VirtioMmio *s, VirtioDevice *vdev, uint64_t offset)
{
    VirtQueue *vq = virtio_queue(vdev, s->queue_sel);

    if (!vq) {
        return 0; /* a queue that does not exist has size 0 (4.2.2) */
    }
    return offset == QUEUE_NUM_MAX ? vq->max_size : vq->ready;
}

/* True for registers that version 1 has differently, or has not. */
static bool mmio_read_legacy(VirtioMmio *s, VirtioDevice *vdev, uint64_t offset, uint32_t *value)
{
    VirtQueue *vq = virtio_queue(vdev, s->queue_sel);

    *value = 0;
    switch (offset) {
    case DEVICE_FEATURES:
        *value = s->device_features_sel ? 0 : (uint32_t)vdev->host_features;
        return true;
    case LEGACY_QUEUE_PFN:
        *value = vq && vq->ready && s->page_size ? vq->desc / s->page_size : 0;
        return true;
    case QUEUE_READY:
    case CONFIG_GENERATION:
    case SHM_LEN_LOW ... SHM_BASE_HIGH: return true;
    default: return false;
    }
}

static uint32_t mmio_read_register(VirtioMmio *s, VirtioDevice *vdev, uint64_t offset)
{
    uint32_t value;

    switch (offset) {
    case MAGIC: return MAGIC_VALUE;
    case VERSION: return s->legacy ? 1 : 2;
    case DEVICE_ID: return vdev ? virtio_ops(vdev)->device_id : 0;
    case VENDOR_ID: return VENDOR_VALUE;
    }
    if (!vdev) {
        return 0; /* an empty slot */
    }
    if (s->legacy && mmio_read_legacy(s, vdev, offset, &value)) {
        return value;
    }
    switch (offset) {
    case DEVICE_FEATURES:
        return s->device_features_sel < 2 ? vdev->host_features >> (32 * s->device_features_sel)
                                          : 0;
    case QUEUE_NUM_MAX:
    case QUEUE_READY: return mmio_read_queue(s, vdev, offset);
    case INTERRUPT_STATUS: return vdev->isr;
    case STATUS: return vdev->status;
    case CONFIG_GENERATION: return vdev->config_generation;
    case SHM_LEN_LOW ... SHM_BASE_HIGH: return UINT32_MAX; /* no such region (4.2.2) */
    default: return 0;
    }
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    VirtioMmio *s = opaque;
    VirtioDevice *vdev = virtio_bus_device(s->bus);

    if (offset >= CONFIG) {
        return vdev ? virtio_config_read(vdev, offset - CONFIG, size) : 0;
    }
    if (size != 4 || (offset & 3)) {
        log_guest("virtio-mmio: register 0x%" PRIx64 " read in %u bytes", offset, size);
        return 0;
    }
    return mmio_read_register(s, vdev, offset);
}

/* --- Writing --- */

static void mmio_write_queue(VirtQueue *vq, uint64_t offset, uint32_t v)
{
    if (vq->ready && offset != QUEUE_READY && offset != QUEUE_RESET) {
        log_guest("virtio-mmio: queue %u is changed while ready", vq->index);
        return;
    }
    switch (offset) {
    case QUEUE_NUM: virtio_queue_set_size(vq, v); break;
    case QUEUE_READY:
        if (v & 1) {
            virtio_queue_enable(vq);
        } else {
            vq->ready = false;
        }
        break;
    case QUEUE_RESET:
        if (v == 1) {
            virtio_queue_reset(vq);
        }
        break;
    case QUEUE_DESC_LOW: vq->desc = deposit64(vq->desc, 0, 32, v); break;
    case QUEUE_DESC_HIGH: vq->desc = deposit64(vq->desc, 32, 32, v); break;
    case QUEUE_DRIVER_LOW: vq->avail = deposit64(vq->avail, 0, 32, v); break;
    case QUEUE_DRIVER_HIGH: vq->avail = deposit64(vq->avail, 32, 32, v); break;
    case QUEUE_DEVICE_LOW: vq->used = deposit64(vq->used, 0, 32, v); break;
    case QUEUE_DEVICE_HIGH: vq->used = deposit64(vq->used, 32, 32, v); break;
    }
}

static void mmio_write_features(VirtioMmio *s, VirtioDevice *vdev, uint32_t v)
{
    if (s->driver_features_sel < 2) {
        s->driver_features = deposit64(s->driver_features, 32 * s->driver_features_sel, 32, v);
        virtio_set_features(vdev, s->driver_features);
    }
}

static void mmio_write_legacy_queue(VirtioMmio *s, VirtQueue *vq, uint64_t offset, uint32_t v)
{
    if (offset == LEGACY_QUEUE_PFN) {
        if (v && !s->page_size) {
            log_guest("virtio-mmio: queue %u is placed before the page size is set", vq->index);
            return;
        }
        virtio_legacy_set_queue(vq, (uint64_t)v * s->page_size);
    } else if (vq->ready) {
        log_guest("virtio-mmio: queue %u is changed while in use", vq->index);
    } else if (offset == QUEUE_NUM) {
        virtio_queue_set_size(vq, v);
    } else if (is_power_of_2(v)) {
        vq->align = v;
    } else {
        log_guest("virtio-mmio: alignment %u of queue %u is no power of two", v, vq->index);
    }
}

/* True for registers that version 1 has differently, or has not. */
static bool mmio_write_legacy(VirtioMmio *s, VirtioDevice *vdev, uint64_t offset, uint32_t v)
{
    VirtQueue *vq = virtio_queue(vdev, s->queue_sel);

    switch (offset) {
    case DRIVER_FEATURES:
        if (!s->driver_features_sel) {
            virtio_legacy_set_features(vdev, v);
        }
        return true;
    case LEGACY_GUEST_PAGE_SIZE: s->page_size = is_power_of_2(v) ? v : 0; return true;
    case QUEUE_NUM:
    case LEGACY_QUEUE_ALIGN:
    case LEGACY_QUEUE_PFN:
        if (vq) {
            mmio_write_legacy_queue(s, vq, offset, v);
        }
        return true;
    case QUEUE_READY:
    case QUEUE_RESET:
    case QUEUE_DESC_LOW ... QUEUE_DEVICE_HIGH:
        log_guest("virtio-mmio: register 0x%" PRIx64 " is not in version 1", offset);
        return true;
    default: return false;
    }
}

static void mmio_write_register(VirtioMmio *s, VirtioDevice *vdev, uint64_t offset, uint32_t v)
{
    VirtQueue *vq = virtio_queue(vdev, s->queue_sel);

    switch (offset) {
    case DEVICE_FEATURES_SEL: s->device_features_sel = v; break;
    case DRIVER_FEATURES_SEL: s->driver_features_sel = v; break;
    case DRIVER_FEATURES: mmio_write_features(s, vdev, v); break;
    case QUEUE_SEL: s->queue_sel = v; break;
    case QUEUE_NOTIFY: virtio_queue_kick(vdev, v & 0xffff); break;
    case INTERRUPT_ACK:
        vdev->isr &= ~v;
        mmio_update_irq(s);
        break;
    case STATUS:
        virtio_set_status(vdev, v);
        if (!(v & 0xff)) {
            s->driver_features = 0;
            mmio_update_irq(s);
        }
        break;
    case QUEUE_NUM:
    case QUEUE_READY:
    case QUEUE_RESET:
    case QUEUE_DESC_LOW ... QUEUE_DEVICE_HIGH:
        if (vq) {
            mmio_write_queue(vq, offset, v);
        }
        break;
    default: log_guest("virtio-mmio: write of register 0x%" PRIx64, offset);
    }
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    VirtioMmio *s = opaque;
    VirtioDevice *vdev = virtio_bus_device(s->bus);

    if (!vdev) {
        return;
    }
    if (offset >= CONFIG) {
        virtio_config_write(vdev, offset - CONFIG, value, size);
    } else if (size != 4 || (offset & 3)) {
        log_guest("virtio-mmio: register 0x%" PRIx64 " written in %u bytes", offset, size);
    } else if (!s->legacy || !mmio_write_legacy(s, vdev, offset, value)) {
        mmio_write_register(s, vdev, offset, value);
    }
}

static const MemOps mmio_mem_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .valid_min = 1,
    .valid_max = 4,
    .impl_min = 1,
    .impl_max = 4,
};

/* --- Life --- */

static void mmio_reset(Device *dev)
{
    VirtioMmio *s = dev_state(dev, VirtioMmio);

    s->device_features_sel = s->driver_features_sel = s->queue_sel = 0;
    s->driver_features = 0;
    s->page_size = 0;
    mmio_update_irq(s);
}

static bool mmio_realize(Device *dev, Error **errp)
{
    VirtioMmio *s = dev_state(dev, VirtioMmio);

    irq_line_init(&s->irq, dev, "irq");
    mem_init_io(&s->regs, &dev->obj, &mmio_mem_ops, s, "virtio-mmio", VIRTIO_MMIO_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    s->bus = bus_new(dev, TYPE_VIRTIO_MMIO_BUS, s->bus_name, 1);
    virtio_bus_init(s->bus, &mmio_transport_ops, s, s->legacy ? VIRTIO_LEGACY : VIRTIO_MODERN);
    return true;
}

static void mmio_snapshot(Device *dev, Snapshot *sn)
{
    VirtioMmio *s = dev_state(dev, VirtioMmio);

    snap_section(sn, "virtio-mmio", 1);
    snap_fields(sn, &s->device_features_sel, &s->driver_features_sel, &s->queue_sel,
                &s->driver_features, &s->page_size);
}

static void mmio_after_load(Device *dev)
{
    mmio_update_irq(dev_state(dev, VirtioMmio));
}

static const PropDesc mmio_props[] = {
    PROP_STR("bus-name", VirtioMmio, bus_name, "virtio-mmio-bus", "name of the bus it offers"),
    PROP_BOOL("force-legacy", VirtioMmio, legacy, false,
              "have the registers of version 1, for drivers older than virtio 1.0"),
    PROP_END};

static const DeviceOps mmio_ops = DEVICE_OPS(mmio_snapshot, .realize = mmio_realize,
                                             .reset = mmio_reset, .after_load = mmio_after_load);
QOM_TYPE(mmio_type, .name = TYPE_VIRTIO_MMIO, .parent = TYPE_MMIO_DEVICE,
         .size = sizeof(VirtioMmio), .desc = "virtio over MMIO", .props = mmio_props,
         .dev = &mmio_ops);
QOM_TYPE(mmio_bus_type, .name = TYPE_VIRTIO_MMIO_BUS, .parent = TYPE_VIRTIO_BUS,
         .desc = "place of a virtio device behind MMIO");
