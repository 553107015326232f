# SPDX-License-Identifier: MIT

obj-riscv64 += hw/boards/virt-riscv64.o
obj-riscv64 += hw/boards/virt-riscv64-boot.o
obj-riscv64 += hw/boards/virt-riscv64-fdt.o
