# SPDX-License-Identifier: MIT
# Objects of the riscv64 CPU model.

obj-riscv64 += target/riscv64/excp.o
obj-riscv64 += target/riscv64/mmu.o
obj-riscv64 += target/riscv64/pmp.o
obj-riscv64 += target/riscv64/reset.o
obj-riscv64 += target/riscv64/sysreg.o
obj-riscv64 += target/riscv64/timer.o
obj-riscv64 += target/riscv64/helper/cbo.o
obj-riscv64 += target/riscv64/helper/csr.o
obj-riscv64 += target/riscv64/helper/system.o
obj-riscv64 += target/riscv64/cpu.o
obj-riscv64 += target/riscv64/features.o
obj-riscv64 += target/riscv64/gdb.o
obj-riscv64 += target/riscv64/snapshot.o
obj-riscv64 += target/riscv64/helper/fp.o
obj-riscv64 += target/riscv64/helper/table.o

include $(SRC)/target/riscv64/translate/rules.mk
