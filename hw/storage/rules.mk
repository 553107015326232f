# SPDX-License-Identifier: MIT

obj-y += hw/storage/ahci.o
obj-y += hw/storage/dma-list.o
obj-y += hw/storage/fdc.o
obj-y += hw/storage/floppy.o
obj-y += hw/storage/ide-ata.o
obj-y += hw/storage/ide-atapi.o
obj-y += hw/storage/ide-piix.o
obj-y += hw/storage/ide.o
obj-y += hw/storage/pflash-cfi01.o
obj-y += hw/storage/scsi-disk.o
obj-y += hw/storage/scsi-info.o
obj-y += hw/storage/scsi.o
