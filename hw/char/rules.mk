# SPDX-License-Identifier: MIT

obj-y += hw/char/uart-16550.o
