# SPDX-License-Identifier: MIT
# Machine state: fields, devices, files.

obj-y += softmmu/snapshot/devices.o
obj-y += softmmu/snapshot/disks.o
obj-y += softmmu/snapshot/file.o
obj-y += softmmu/snapshot/images.o
obj-y += softmmu/snapshot/machine.o
obj-y += softmmu/snapshot/pages.o
obj-y += softmmu/snapshot/stream.o
