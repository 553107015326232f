# SPDX-License-Identifier: MIT
# Guest-physical memory and interrupt lines.

obj-y += softmmu/memory/access.o
obj-y += softmmu/memory/backend.o
obj-y += softmmu/memory/dirty.o
obj-y += softmmu/memory/flatview.o
obj-y += softmmu/memory/irq.o
obj-y += softmmu/memory/mtree.o
obj-y += softmmu/memory/ram.o
obj-y += softmmu/memory/reclaim.o
obj-y += softmmu/memory/region.o

# What a unit test of anything that touches guest memory links.
memory-objs := softmmu/machine-lock.o softmmu/memory/access.o softmmu/memory/dirty.o \
               softmmu/memory/flatview.o softmmu/memory/mtree.o softmmu/memory/ram.o \
               softmmu/memory/reclaim.o softmmu/memory/region.o
