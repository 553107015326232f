# SPDX-License-Identifier: MIT

obj-y += hw/char/uart-16550.o
obj-y += hw/char/serial-mm.o
obj-y += hw/char/serial-isa.o
obj-y += hw/char/isa-debugcon.o
