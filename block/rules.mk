# SPDX-License-Identifier: MIT
# Objects of block/, one line a file; sub-folders have a rules.mk of their own.


obj-y += block/backend.o
obj-y += block/file-direct.o
obj-y += block/file-posix.o
obj-y += block/graph.o
obj-y += block/node.o
obj-y += block/on-error.o
obj-y += block/overlay.o
obj-y += block/raw.o
obj-y += block/snapshot.o
obj-y += block/qcow2-cache.o
obj-y += block/qcow2-check.o
obj-y += block/qcow2-compress.o
obj-y += block/qcow2-create.o
obj-y += block/qcow2-header.o
obj-y += block/qcow2-io.o
obj-y += block/qcow2-map.o
obj-y += block/qcow2-refcount.o
obj-y += block/qcow2-snapshot.o
obj-y += block/image.o
obj-$(CONFIG_ZSTD) += block/qcow2-zstd.o
obj-$(if $(CONFIG_ZSTD),,y) += block/qcow2-nozstd.o
obj-y += block/export.o
obj-y += block/nbd-negotiate.o
obj-y += block/nbd-requests.o
obj-y += block/nbd-server.o
obj-y += block/nbd-wire.o
obj-$(if $(CONFIG_LIBNBD),,y) += block/nbd-nolist.o
obj-$(CONFIG_LIBNBD) += block/nbd-client.o
obj-$(CONFIG_LIBNBD) += block/nbd-lib.o
obj-$(CONFIG_LIBNBD) += block/nbd-link.o
obj-$(CONFIG_LIBNBD) += block/nbd-list.o
obj-$(CONFIG_LIBNBD) += block/nbd-place.o
obj-y += block/blockmap.o
obj-y += block/blockmap-check.o
obj-y += block/blockmap-meta.o
obj-y += block/parallels.o
obj-y += block/qed.o
obj-y += block/vdi.o
obj-y += block/vhdx.o
obj-y += block/vhdx-log.o
obj-y += block/vmdk.o
obj-y += block/vmdk-create.o
obj-y += block/vmdk-sparse.o
obj-y += block/vpc.o
