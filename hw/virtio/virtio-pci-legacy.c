/* SPDX-License-Identifier: MIT */
/*
 * The legacy interface of virtio over PCI: one I/O window with everything in it, and queues by page
 * number.  Spec: Virtual I/O Device 1.2, section 4.1.4.10 (and "Legacy Interface" sections elsewhere).
 * Not modelled: big-endian guests.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/virtio/virtio-pci.h"
#include "rhea/bits.h"
#include "rhea/log.h"

enum {
    L_DEVICE_FEATURES = 0,
    L_DRIVER_FEATURES = 4,
    L_QUEUE_ADDRESS = 8, /* in pages */
    L_QUEUE_SIZE = 12,
    L_QUEUE_SELECT = 14,
    L_QUEUE_NOTIFY = 16,
    L_STATUS = 18,
    L_ISR = 19,
    L_CONFIG = 20,
    /* With MSI-X enabled two vectors come first. */
    L_CONFIG_VECTOR = 20,
    L_QUEUE_VECTOR = 22,
    L_CONFIG_MSIX = 24,
    QUEUE_PAGE_SHIFT = 12
};

static uint32_t legacy_config_start(VirtioPci *s)
{
    return pci_msix_enabled(&s->pci) ? L_CONFIG_MSIX : L_CONFIG;
}

static uint64_t legacy_read(void *opaque, uint64_t offset, unsigned size)
{
    VirtioPci *s = opaque;
    VirtioDevice *vdev = vpci_vdev(s);
    VirtQueue *vq = virtio_queue(vdev, s->queue_select);
    uint32_t config = legacy_config_start(s);

    if (offset >= config) {
        return virtio_config_read(vdev, offset - config, size);
    }
    switch (offset) {
    case L_DEVICE_FEATURES: return (uint32_t)vdev->host_features;
    case L_DRIVER_FEATURES: return (uint32_t)vdev->features;
    case L_QUEUE_ADDRESS: return vq && vq->ready ? vq->desc >> QUEUE_PAGE_SHIFT : 0;
    case L_QUEUE_SIZE: return vq ? vq->max_size : 0;
    case L_QUEUE_SELECT: return s->queue_select;
    case L_STATUS: return vdev->status;
    case L_ISR: return vpci_take_isr(s);
    case L_CONFIG_VECTOR: return s->config_vector;
    case L_QUEUE_VECTOR: return vq ? vq->vector : VIRTIO_NO_VECTOR;
    default: return 0;
    }
}

static void legacy_write_queue(VirtioPci *s, uint64_t offset, uint32_t v)
{
    VirtQueue *vq = virtio_queue(vpci_vdev(s), s->queue_select);

    if (!vq) {
        return;
    }
    if (offset == L_QUEUE_VECTOR) {
        vq->vector = vpci_checked_vector(s, v);
    } else {
        virtio_legacy_set_queue(vq, (uint64_t)v << QUEUE_PAGE_SHIFT);
    }
}

static void legacy_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    VirtioPci *s = opaque;
    uint32_t config = legacy_config_start(s);

    if (offset >= config) {
        virtio_config_write(vpci_vdev(s), offset - config, v, size);
        return;
    }
    switch (offset) {
    case L_DRIVER_FEATURES: virtio_legacy_set_features(vpci_vdev(s), v); break;
    case L_QUEUE_ADDRESS:
    case L_QUEUE_VECTOR: legacy_write_queue(s, offset, v); break;
    case L_QUEUE_SELECT: s->queue_select = v; break;
    case L_QUEUE_NOTIFY: virtio_queue_kick(vpci_vdev(s), v & 0xffff); break;
    case L_STATUS: vpci_write_status(s, v); break;
    case L_CONFIG_VECTOR: s->config_vector = vpci_checked_vector(s, v); break;
    default: log_guest("virtio-pci: write of legacy register %" PRIu64, offset);
    }
}

static const MemOps legacy_ops = {
    .read = legacy_read,
    .write = legacy_write,
    .valid_min = 1,
    .valid_max = 4,
    .impl_min = 1,
    .impl_max = 4,
    .unaligned = true, /* the device's fields lie where the vectors leave them */
};

void vpci_legacy_init(VirtioPci *s)
{
    uint64_t used = L_CONFIG_MSIX + virtio_ops(vpci_vdev(s))->config_size, size = 32;

    while (size < used) {
        size *= 2;
    }
    mem_init_io(&s->legacy_mr, &s->pci.dev.obj, &legacy_ops, s, "virtio-pci-legacy", size);
}
