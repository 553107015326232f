# SPDX-License-Identifier: MIT

obj-y += hw/display/canvas.o
obj-y += hw/display/dirty-pages.o
obj-y += hw/display/edid.o
obj-y += hw/display/gpu-cursor.o
obj-y += hw/display/gpu-resource.o
obj-y += hw/display/pixels.o
obj-y += hw/display/ramfb.o
obj-y += hw/display/vga-console.o
obj-y += hw/display/vga-draw.o
obj-y += hw/display/vga-mem.o
obj-y += hw/display/vga-mode.o
obj-y += hw/display/vga-pci.o
obj-y += hw/display/vga-regs.o
obj-y += hw/display/virtio-gpu.o
