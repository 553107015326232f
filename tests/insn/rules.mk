# SPDX-License-Identifier: MIT

fast-checks += tests/insn/riscv64/encodings.py tests/insn/riscv64/vectors.py
slow-checks += tests/insn/riscv64/differential.py

# x86_64: this host's own processor is the judge.
ifneq ($(and $(filter x86_64,$(TARGETS)),$(filter x86_64,$(HOST))),)
x86-judge := tests/insn/x86_64
unit-tests += $(x86-judge)/test-judge
slow-checks += $(x86-judge)/segments.py
$(x86-judge)/test-judge-objs := $(addprefix $(x86-judge)/,emulated.o native.o random-insn.o) \
    $(addprefix target/x86_64/,decode.o disas.o eflags.o maps.o fpu.o helper/integer.o helper/string.o \
      helper/seg.o helper/vec.o helper/x87.o helper/x87-host.o helper/fpstate.o) \
    $(patsubst %,target/x86_64/translate/%.o,alu bits branch core flags move operand shift stack \
      string system vec vec-cross vec-gpr x87) \
    $(filter tcg/%,$(obj-y))
endif
