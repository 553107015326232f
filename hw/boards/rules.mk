# SPDX-License-Identifier: MIT

obj-riscv64 += hw/boards/virt-riscv64.o
obj-riscv64 += hw/boards/virt-riscv64-boot.o
obj-riscv64 += hw/boards/virt-riscv64-fdt.o

obj-x86_64 += hw/boards/pc.o
obj-x86_64 += hw/boards/pc-acpi.o
obj-x86_64 += hw/boards/pc-boot-order.o
obj-x86_64 += hw/boards/pc-cpus.o
obj-x86_64 += hw/boards/pc-devices.o
obj-x86_64 += hw/boards/pc-dsdt.o
obj-x86_64 += hw/boards/pc-firmware.o
obj-x86_64 += hw/boards/pc-flat.o
obj-x86_64 += hw/boards/pc-i440fx.o
obj-x86_64 += hw/boards/pc-kernel.o
obj-x86_64 += hw/boards/pc-multiboot.o
obj-x86_64 += hw/boards/pc-numa.o
obj-x86_64 += hw/boards/pc-vmgenid.o
obj-x86_64 += hw/boards/pc-pvh.o
obj-x86_64 += hw/boards/pc-q35.o
