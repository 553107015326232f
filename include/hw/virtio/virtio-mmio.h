/* SPDX-License-Identifier: MIT */
/* The MMIO transport: one region of 0x200 bytes, interrupt output "irq", one virtio bus. */
#ifndef HW_VIRTIO_VIRTIO_MMIO_H
#define HW_VIRTIO_VIRTIO_MMIO_H

#define TYPE_VIRTIO_MMIO     "virtio-mmio"
#define TYPE_VIRTIO_MMIO_BUS "virtio-mmio-bus"

enum { VIRTIO_MMIO_SIZE = 0x200 };

#endif
