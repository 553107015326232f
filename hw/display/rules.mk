# SPDX-License-Identifier: MIT

obj-y += hw/display/vga-mem.o
obj-y += hw/display/vga-pci.o
obj-y += hw/display/vga-regs.o
