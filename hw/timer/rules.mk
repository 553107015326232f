# SPDX-License-Identifier: MIT

obj-y += hw/timer/riscv-aclint.o
obj-y += hw/timer/hpet.o
obj-y += hw/timer/i8254.o
