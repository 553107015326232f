/* SPDX-License-Identifier: MIT */
/* Virtio memory balloon: what the monitor asks of it.  Machine lock. */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "qom/device.h"

#define TYPE_VIRTIO_BALLOON "virtio-balloon-device"

/* Bytes of memory that the guest has left. */
uint64_t virtio_balloon_actual(Device *dev);
/* Asks the guest to keep @bytes only. */
void virtio_balloon_set_target(Device *dev, uint64_t bytes);

#endif
