# SPDX-License-Identifier: MIT

obj-y += hw/virtio/virtio-balloon.o
obj-y += hw/virtio/virtio-blk.o
obj-y += hw/virtio/virtio-input.o
obj-y += hw/virtio/virtio-mmio.o
obj-y += hw/virtio/virtio-net-ctrl.o
obj-y += hw/virtio/virtio-net.o
obj-y += hw/virtio/virtio-pci-legacy.o
obj-y += hw/virtio/virtio-pci.o
obj-y += hw/virtio/virtio-rng.o
obj-y += hw/virtio/virtio-scsi.o
obj-y += hw/virtio/virtio-serial.o
obj-y += hw/virtio/virtio.o
obj-y += hw/virtio/virtqueue.o
