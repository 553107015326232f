# SPDX-License-Identifier: MIT
# Objects of the x86_64 CPU model.

obj-x86_64 += target/x86_64/cpu.o
obj-x86_64 += target/x86_64/cpuid.o
obj-x86_64 += target/x86_64/dump.o
obj-x86_64 += target/x86_64/excp.o
obj-x86_64 += target/x86_64/fault.o
obj-x86_64 += target/x86_64/features.o
obj-x86_64 += target/x86_64/fpu.o
obj-x86_64 += target/x86_64/gdb.o
obj-x86_64 += target/x86_64/mappings.o
obj-x86_64 += target/x86_64/mmu.o
obj-x86_64 += target/x86_64/mode.o
obj-x86_64 += target/x86_64/reset.o
obj-x86_64 += target/x86_64/smm.o
obj-x86_64 += target/x86_64/snapshot.o
obj-x86_64 += target/x86_64/sysreg.o
obj-x86_64 += target/x86_64/timer.o
obj-x86_64 += target/x86_64/helper/debug.o
obj-x86_64 += target/x86_64/helper/far.o
obj-x86_64 += target/x86_64/helper/seg.o
obj-x86_64 += target/x86_64/helper/syscall.o
obj-x86_64 += target/x86_64/helper/system.o
obj-x86_64 += target/x86_64/helper/table.o
obj-x86_64 += target/x86_64/helper/task.o
obj-x86_64 += target/x86_64/helper/vec.o
obj-x86_64 += target/x86_64/helper/fpstate.o
obj-x86_64 += target/x86_64/helper/x87.o
# The host's x87, or none.
obj-x86_64 += target/x86_64/helper/x87-$(if $(filter x86_64,$(HOST)),host,soft).o

include $(SRC)/target/x86_64/translate/rules.mk
