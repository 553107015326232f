# SPDX-License-Identifier: MIT
# CPU models: each test runs on fakes of RAM, clock and accelerator (riscv64/fake.h).

rv-test := tests/unit/target/riscv64
rv-test-objs := $(rv-test)/fake.o $(addprefix target/riscv64/,excp.o features.o mmu.o pmp.o \
    reset.o sysreg.o timer.o helper/cbo.o helper/csr.o helper/system.o) \
    softmmu/util/error.o softmmu/util/log.o softmmu/util/trace.o

unit-tests += $(addprefix $(rv-test)/,test-mmu test-sysreg test-excp test-fp)
$(rv-test)/test-mmu-objs := $(rv-test-objs)
$(rv-test)/test-sysreg-objs := $(rv-test-objs)
$(rv-test)/test-excp-objs := $(rv-test-objs)
$(rv-test)/test-fp-objs := target/riscv64/helper/fp.o tcg/softfloat.o tcg/softfloat-convert.o

unit-tests += $(rv-test)/test-translate
$(rv-test)/test-translate-objs := $(rv-test-objs) target/riscv64/decode.o target/riscv64/disas.o \
    $(addprefix target/riscv64/translate/,alu.o bitmanip.o branch.o core.o fp.o memory.o system.o) \
    $(addprefix target/riscv64/helper/,table.o fp.o) \
    $(addprefix tcg/,ir.o ir-print.o ir-verify.o op-helpers.o softfloat.o softfloat-convert.o \
    vec-crypto.o vec-fp.o vec-helpers.o vec-int.o)

x86-test := tests/unit/target/x86_64
x86-test-objs := $(x86-test)/fake.o $(addprefix target/x86_64/,cpuid.o excp.o features.o fpu.o mappings.o \
    mmu.o mode.o reset.o smm.o sysreg.o timer.o) \
    $(addprefix target/x86_64/helper/,debug.o far.o seg.o syscall.o system.o task.o) \
    softmmu/util/error.o softmmu/util/log.o softmmu/util/trace.o

unit-tests += $(addprefix $(x86-test)/,test-mmu test-excp test-seg test-sysreg)
$(x86-test)/test-mmu-objs := $(x86-test-objs)
$(x86-test)/test-excp-objs := $(x86-test-objs)
$(x86-test)/test-seg-objs := $(x86-test-objs)
$(x86-test)/test-sysreg-objs := $(x86-test-objs)

ifeq ($(HOST),x86_64)
unit-tests += $(x86-test)/test-fpu $(x86-test)/test-x87
$(x86-test)/test-x87-objs := target/x86_64/helper/x87-host.o
$(x86-test)/test-fpu-objs := $(x86-test-objs) \
    $(addprefix target/x86_64/helper/,fpstate.o vec.o x87.o x87-host.o)
endif
