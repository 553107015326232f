# SPDX-License-Identifier: MIT

obj-y += hw/input/i8042.o
obj-y += hw/input/ps2-keyboard.o
obj-y += hw/input/ps2-mouse.o
