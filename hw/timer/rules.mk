# SPDX-License-Identifier: MIT

obj-y += hw/timer/riscv-aclint.o
