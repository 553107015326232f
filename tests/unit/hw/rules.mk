# SPDX-License-Identifier: MIT

unit-tests += tests/unit/hw/test-virtio-net
tests/unit/hw/test-virtio-net-objs := hw/virtio/virtio-net-ctrl.o softmmu/util/iov.o
unit-tests += tests/unit/hw/test-virtqueue
tests/unit/hw/test-virtqueue-objs := hw/virtio/virtqueue.o
unit-tests += tests/unit/hw/test-spd
tests/unit/hw/test-spd-objs := hw/i2c/spd.o
unit-tests += tests/unit/hw/test-gpu-cursor
tests/unit/hw/test-gpu-cursor-objs := hw/display/gpu-cursor.o ui/console.o ui/cp437.o softmmu/snapshot/stream.o \
                                      softmmu/clock/clock.o softmmu/util/error.o
