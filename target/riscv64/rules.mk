# SPDX-License-Identifier: MIT
# Objects of the riscv64 CPU model: obj-riscv64 += target/riscv64/x.o
