/* SPDX-License-Identifier: MIT */
/* What the VGA in a virtio GPU asks of it.  Threading: the machine lock. */
#ifndef VIRTIO_GPU_H
#define VIRTIO_GPU_H

#include "hw/virtio/virtio.h"
#include "ui/console.h"

/* How the first display is: the VGA in front of it tells the same. */
typedef struct VirtioGpuDisplay {
    Console *con;
    uint32_t width, height;
    bool edid;
} VirtioGpuDisplay;

VirtioGpuDisplay virtio_gpu_display(VirtioDevice *vdev);
/*
 * The first display has what @ops draw on its console until the driver sets a scanout up, and again after a
 * reset.  They are called with @opaque, which must live as long as the device.
 */
void virtio_gpu_set_vga(VirtioDevice *vdev, const ConsoleOps *ops, void *opaque);

#endif
