# SPDX-License-Identifier: MIT

obj-y += hw/misc/sifive-test.o
obj-y += hw/misc/isa-debug-exit.o
obj-y += hw/misc/pvpanic.o
obj-y += hw/misc/port92.o
obj-y += hw/misc/fpu-error.o
