# SPDX-License-Identifier: MIT
# The x86_64 decoder, with its tables, and the translator.

x86-maps := actions root 0f vec vex x87
x86-maps := $(x86-maps:%=$(SRC)/target/x86_64/insns/%.map)

target/x86_64/maps.h target/x86_64/maps.c &: $(x86-maps) $(SRC)/tcg/gen/mapgen.py
	@mkdir -p target/x86_64
	$(call quiet,GEN)$(SRC)/tcg/gen/mapgen.py target/x86_64/maps.h target/x86_64/maps.c $(x86-maps)
	@touch target/x86_64/maps.h target/x86_64/maps.c

generated += target/x86_64/maps.h target/x86_64/maps.c

obj-x86_64 += target/x86_64/decode.o
obj-x86_64 += target/x86_64/disas.o
obj-x86_64 += target/x86_64/eflags.o
obj-x86_64 += target/x86_64/maps.o
obj-x86_64 += target/x86_64/helper/integer.o
obj-x86_64 += target/x86_64/helper/string.o
obj-x86_64 += target/x86_64/translate/alu.o
obj-x86_64 += target/x86_64/translate/bits.o
obj-x86_64 += target/x86_64/translate/branch.o
obj-x86_64 += target/x86_64/translate/core.o
obj-x86_64 += target/x86_64/translate/flags.o
obj-x86_64 += target/x86_64/translate/move.o
obj-x86_64 += target/x86_64/translate/operand.o
obj-x86_64 += target/x86_64/translate/shift.o
obj-x86_64 += target/x86_64/translate/stack.o
obj-x86_64 += target/x86_64/translate/string.o
obj-x86_64 += target/x86_64/translate/system.o
obj-x86_64 += target/x86_64/translate/vec.o
obj-x86_64 += target/x86_64/translate/vec-cross.o
obj-x86_64 += target/x86_64/translate/vec-gpr.o
obj-x86_64 += target/x86_64/translate/x87.o
