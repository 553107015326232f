# SPDX-License-Identifier: MIT

fast-checks += tests/insn/riscv64/encodings.py tests/insn/riscv64/vectors.py
slow-checks += tests/insn/riscv64/differential.py
