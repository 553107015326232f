/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices: status, features, configuration space, queue set-up, state.
 * Spec: Virtual I/O Device 1.2, sections 2.1 to 2.5 and 3, with what they say of legacy drivers.
 * Not modelled: legacy drivers of big-endian guests, of which there are none.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/virtio/virtio.h"
#include "rhea/bits.h"
#include "rhea/defer.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { CONFIG_MAX = 256 };
/* Where a legacy queue's parts lie (2.7.2): a descriptor's size, flags, index and event of the ring. */
enum { LEGACY_ALIGN = 4096, DESC_SIZE = 16, AVAIL_EXTRA = 6 };

/* A virtio bus knows the transport that owns it. */
typedef struct VirtioBus {
    Bus bus;
    const VirtioTransportOps *ops;
    void *opaque;
    unsigned modes;
} VirtioBus;

const VirtioDeviceOps *virtio_ops(VirtioDevice *vdev)
{
    return qom_type_ops(vdev->dev.obj.type);
}

void virtio_error(VirtioDevice *vdev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_guest("%s: %s", vdev->dev.obj.type->name, text);
    if (vdev->status & VIRTIO_STATUS_NEEDS_RESET) {
        return;
    }
    vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
    virtio_config_changed(vdev);
}

/* --- Features and status --- */

static uint64_t virtio_offered(VirtioDevice *vdev)
{
    const VirtioDeviceOps *ops = virtio_ops(vdev);
    uint64_t f = 0;

    if (vdev->modes & VIRTIO_MODERN) {
        f |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET);
    }
    f |= vdev->modes & VIRTIO_LEGACY ? VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT) : 0;
    f |= vdev->indirect_desc ? VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC) : 0;
    f |= vdev->event_idx ? VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) : 0;
    return f | (ops->features ? ops->features(vdev) : 0);
}

void virtio_set_features(VirtioDevice *vdev, uint64_t features)
{
    if (vdev->legacy) { /* a driver that mixes both interfaces has no FEATURES_OK to be refused at */
        vdev->features = features & vdev->host_features;
    } else if (!(vdev->status & VIRTIO_STATUS_FEATURES_OK)) {
        vdev->features = features;
    } else {
        log_guest("%s: features written after FEATURES_OK", vdev->dev.obj.type->name);
    }
}

void virtio_legacy_set_features(VirtioDevice *vdev, uint32_t features)
{
    vdev->legacy = true;
    vdev->features = features & vdev->host_features;
    if (virtio_ops(vdev)->features_ready) {
        virtio_ops(vdev)->features_ready(vdev);
    }
}

static bool virtio_negotiated(const VirtioDevice *vdev)
{
    return vdev->legacy || (vdev->status & VIRTIO_STATUS_FEATURES_OK);
}

static void virtio_do_reset(VirtioDevice *vdev)
{
    device_reset(&vdev->dev);
}

/* FEATURES_OK sticks only for a subset of what is offered that has VERSION_1 (3.1.1, 6.1). */
static uint8_t virtio_check_features(VirtioDevice *vdev, uint8_t status)
{
    if (!(status & ~vdev->status & VIRTIO_STATUS_FEATURES_OK)) {
        return status;
    }
    if ((vdev->features & ~vdev->host_features) || !virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        return status & ~VIRTIO_STATUS_FEATURES_OK;
    }
    if (virtio_ops(vdev)->features_ready) {
        virtio_ops(vdev)->features_ready(vdev);
    }
    return status;
}

void virtio_set_status(VirtioDevice *vdev, uint8_t status)
{
    if (!status) {
        virtio_do_reset(vdev);
        return;
    }
    status |= vdev->status & VIRTIO_STATUS_NEEDS_RESET; /* only a reset clears it */
    vdev->status = virtio_check_features(vdev, status);
    if (virtio_ops(vdev)->status_changed) {
        virtio_ops(vdev)->status_changed(vdev);
    }
}

/* --- Configuration space --- */

static uint32_t get_le(const uint8_t *p, unsigned size)
{
    return size == 1 ? *p : size == 2 ? ld16_le(p) : ld32_le(p);
}

uint32_t virtio_config_read(VirtioDevice *vdev, uint32_t offset, unsigned size)
{
    const VirtioDeviceOps *ops = virtio_ops(vdev);
    uint8_t buf[CONFIG_MAX] = {0};

    if (offset > ops->config_size || size > ops->config_size - offset) {
        return 0;
    }
    ops->get_config(vdev, buf);
    return get_le(buf + offset, size);
}

void virtio_config_write(VirtioDevice *vdev, uint32_t offset, uint32_t value, unsigned size)
{
    const VirtioDeviceOps *ops = virtio_ops(vdev);
    uint8_t buf[CONFIG_MAX] = {0}, raw[4];

    if (offset > ops->config_size || size > ops->config_size - offset || !ops->set_config) {
        log_guest("%s: configuration write at %u ignored", vdev->dev.obj.type->name, offset);
        return;
    }
    ops->get_config(vdev, buf);
    st32_le(raw, value);
    memcpy(buf + offset, raw, size);
    ops->set_config(vdev, buf);
}

void virtio_config_changed(VirtioDevice *vdev)
{
    vdev->config_generation++;
    if (!(vdev->status & VIRTIO_STATUS_DRIVER_OK) || !vdev->transport) {
        return;
    }
    vdev->isr |= VIRTIO_ISR_CONFIG;
    vdev->transport->notify(vdev->transport_opaque, NULL);
}

/* --- Queues --- */

static void queue_clear(VirtQueue *vq)
{
    vq->size = vq->max_size;
    vq->ready = vq->signalled_valid = vq->notify_disabled = vq->later = false;
    vq->desc = vq->avail = vq->used = 0;
    vq->align = LEGACY_ALIGN;
    vq->vector = VIRTIO_NO_VECTOR;
    vq->last_avail = vq->used_idx = vq->signalled_used = 0;
}

VirtQueue *virtio_add_queue(VirtioDevice *vdev, unsigned size, VirtqHandler handler)
{
    VirtQueue *vq;

    g_assert(vdev->nqueues < VIRTIO_MAX_QUEUES && size <= VIRTQ_MAX_SIZE && is_power_of_2(size));
    if (!vdev->vqs) {
        vdev->vqs = g_new0(VirtQueue, VIRTIO_MAX_QUEUES);
    }
    vq = &vdev->vqs[vdev->nqueues];
    *vq = (VirtQueue){.vdev = vdev, .index = vdev->nqueues++, .handler = handler, .max_size = size};
    queue_clear(vq);
    return vq;
}

VirtQueue *virtio_queue(VirtioDevice *vdev, uint32_t n)
{
    return n < vdev->nqueues ? &vdev->vqs[n] : NULL;
}

void virtio_queue_set_size(VirtQueue *vq, uint32_t size)
{
    if (vq->ready || !is_power_of_2(size) || size > vq->max_size) {
        log_guest("%s: queue %u: size %u refused", vq->vdev->dev.obj.type->name, vq->index, size);
        return;
    }
    vq->size = size;
}

void virtio_queue_enable(VirtQueue *vq)
{
    if ((vq->desc & 15) || (vq->avail & 1) || (vq->used & 3)) {
        virtio_error(vq->vdev, "queue %u: misaligned rings", vq->index);
        return;
    }
    vq->ready = true;
}

void virtio_queue_reset(VirtQueue *vq)
{
    if (virtio_ops(vq->vdev)->queue_reset) {
        virtio_ops(vq->vdev)->queue_reset(vq->vdev, vq);
    }
    queue_clear(vq);
}

void virtio_legacy_set_queue(VirtQueue *vq, uint64_t addr)
{
    if (!addr) {
        virtio_queue_reset(vq);
        return;
    }
    vq->vdev->legacy = true;
    vq->vdev->features &= vq->vdev->host_features;
    vq->desc = addr;
    vq->avail = addr + (uint64_t)vq->size * DESC_SIZE;
    vq->used = align_up(vq->avail + AVAIL_EXTRA + 2 * vq->size, vq->align);
    vq->ready = true;
}

void virtio_queue_kick(VirtioDevice *vdev, uint32_t n)
{
    VirtQueue *vq = virtio_queue(vdev, n);

    if (vq && vq->handler && vq->ready && virtio_driver_ok(vdev)) {
        vq->handler(vdev, vq);
    }
}

static void virtio_run_later(void *opaque)
{
    VirtioDevice *vdev = opaque;

    vdev->later = false;
    for (unsigned i = 0; i < vdev->nqueues; i++) {
        if (vdev->vqs[i].later) {
            vdev->vqs[i].later = false;
            virtio_queue_kick(vdev, i);
        }
    }
    qom_put(&vdev->dev.obj);
}

/* Sees to it that the handlers that wait for it run. */
static void virtio_plan_later(VirtioDevice *vdev)
{
    if (!vdev->later) {
        vdev->later = true;
        qom_get_ref(&vdev->dev.obj); /* it may be unplugged meanwhile */
        main_loop_defer(virtio_run_later, vdev);
    }
}

void vq_handle_later(VirtQueue *vq)
{
    vq->later = true;
    virtio_plan_later(vq->vdev);
}

/* --- Bus --- */

void virtio_bus_init(Bus *bus, const VirtioTransportOps *ops, void *opaque, unsigned modes)
{
    VirtioBus *vbus = qom_cast(bus, TYPE_VIRTIO_BUS);

    vbus->ops = ops;
    vbus->opaque = opaque;
    vbus->modes = modes;
}

VirtioDevice *virtio_bus_device(Bus *bus)
{
    return bus->devices->len ? g_ptr_array_index(bus->devices, 0) : NULL;
}

QOM_TYPE(virtio_bus_type, .name = TYPE_VIRTIO_BUS, .parent = TYPE_BUS, .size = sizeof(VirtioBus),
         .desc = "place of a virtio device on its transport");

/* --- Life --- */

static bool virtio_realize(Device *dev, Error **errp)
{
    VirtioDevice *vdev = (VirtioDevice *)dev;
    VirtioBus *vbus = qom_cast(dev->parent_bus, TYPE_VIRTIO_BUS);

    g_assert(virtio_ops(vdev)->config_size <= CONFIG_MAX);
    vdev->transport = vbus->ops;
    vdev->transport_opaque = vbus->opaque;
    vdev->modes = vbus->modes;
    vdev->as = dev->machine->memory;
    return true;
}

static void virtio_unrealize(Device *dev)
{
    VirtioDevice *vdev = (VirtioDevice *)dev;

    g_clear_pointer(&vdev->vqs, g_free);
    vdev->nqueues = 0;
}

static void virtio_reset(Device *dev)
{
    VirtioDevice *vdev = (VirtioDevice *)dev;

    vdev->status = vdev->isr = 0;
    vdev->legacy = false;
    vdev->features = 0;
    vdev->host_features = virtio_offered(vdev);
    for (unsigned i = 0; i < vdev->nqueues; i++) {
        queue_clear(&vdev->vqs[i]);
    }
}

static void virtio_snapshot(Device *dev, Snapshot *sn)
{
    VirtioDevice *vdev = (VirtioDevice *)dev;

    snap_section(sn, "virtio", 2);
    snap_fields(sn, &vdev->features, &vdev->status, &vdev->isr, &vdev->config_generation,
                &vdev->legacy);
    for (unsigned i = 0; i < vdev->nqueues; i++) {
        VirtQueue *vq = &vdev->vqs[i];

        snap_fields(sn, &vq->size, &vq->ready, &vq->desc, &vq->avail, &vq->used, &vq->align,
                    &vq->vector);
        /* A chain in hand was not answered: the loaded machine takes it from the ring again. */
        uint16_t unanswered = vq->last_avail - vq->in_flight;

        snap_u16(sn, &unanswered);
        if (snap_loading(sn)) {
            vq->last_avail = unanswered;
        }
        snap_fields(sn, &vq->used_idx, &vq->signalled_used, &vq->signalled_valid,
                    &vq->notify_disabled, &vq->later);
        if (snap_loading(sn) && ((vq->size && !is_power_of_2(vq->size)) ||
                                 vq->size > vq->max_size || !is_power_of_2(vq->align))) {
            snap_fail(sn, "%s: queue %u has the impossible size %u or alignment %u",
                      dev->obj.type->name, i, vq->size, vq->align);
        }
    }
    /* What a driver asks for in vain is remembered, too: the snapshot fails by what is in force. */
    if (snap_loading(sn) && virtio_negotiated(vdev) && (vdev->features & ~virtio_offered(vdev))) {
        snap_fail(sn, "%s: the snapshot has features that this device was not given",
                  dev->obj.type->name);
    }
}

static void virtio_after_load(Device *dev)
{
    VirtioDevice *vdev = (VirtioDevice *)dev;

    for (unsigned i = 0; i < vdev->nqueues; i++) {
        if (vdev->vqs[i].later) {
            virtio_plan_later(vdev);
        }
    }
}

const PropDesc virtio_common_props[] = {
    PROP_BOOL("event_idx", VirtioDevice, event_idx, true, "offer VIRTIO_F_EVENT_IDX"),
    PROP_BOOL("indirect_desc", VirtioDevice, indirect_desc, true, "offer VIRTIO_F_INDIRECT_DESC"),
    PROP_END};

static const DeviceOps virtio_dev_ops =
    DEVICE_OPS(virtio_snapshot, .realize = virtio_realize, .unrealize = virtio_unrealize,
               .reset = virtio_reset, .after_load = virtio_after_load, .bus = TYPE_VIRTIO_BUS);
QOM_TYPE(virtio_device_type, .name = TYPE_VIRTIO_DEVICE, .parent = TYPE_DEVICE,
         .size = sizeof(VirtioDevice), .abstract = true, .props = virtio_common_props,
         .dev = &virtio_dev_ops);
