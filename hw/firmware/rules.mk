# SPDX-License-Identifier: MIT

obj-y += hw/firmware/acpi-tables.o
obj-y += hw/firmware/aml.o
obj-y += hw/firmware/boot-image.o
obj-y += hw/firmware/elf-image.o
obj-y += hw/firmware/fdt.o
obj-y += hw/firmware/fw-cfg.o
obj-y += hw/firmware/smbios.o
obj-y += hw/firmware/smbios-options.o
