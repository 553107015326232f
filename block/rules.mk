# SPDX-License-Identifier: MIT
# Objects of block/, one line a file; sub-folders have a rules.mk of their own.


obj-y += block/backend.o
obj-y += block/file-posix.o
obj-y += block/graph.o
obj-y += block/node.o
obj-y += block/overlay.o
obj-y += block/raw.o
