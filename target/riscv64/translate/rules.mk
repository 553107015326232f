# SPDX-License-Identifier: MIT
# The riscv64 decoder, generated from the tables, and the translator.

rv-insns := formats rvi rvm rva rvf rvd rvc zicsr zifencei zicond zb zfh zfa zawrs zicbo priv
rv-insns := $(rv-insns:%=$(SRC)/target/riscv64/insns/%.decode)

target/riscv64/decode.h target/riscv64/decode.c &: $(rv-insns) $(SRC)/tcg/gen/decodegen.py
	@mkdir -p target/riscv64
	$(call quiet,GEN)$(SRC)/tcg/gen/decodegen.py rv cpu.h target/riscv64/decode.h \
	    target/riscv64/decode.c $(rv-insns)
	@touch target/riscv64/decode.h target/riscv64/decode.c

generated += target/riscv64/decode.h target/riscv64/decode.c

obj-riscv64 += target/riscv64/decode.o
obj-riscv64 += target/riscv64/disas.o
obj-riscv64 += target/riscv64/translate/alu.o
obj-riscv64 += target/riscv64/translate/bitmanip.o
obj-riscv64 += target/riscv64/translate/branch.o
obj-riscv64 += target/riscv64/translate/core.o
obj-riscv64 += target/riscv64/translate/fp.o
obj-riscv64 += target/riscv64/translate/memory.o
obj-riscv64 += target/riscv64/translate/system.o
