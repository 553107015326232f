# SPDX-License-Identifier: MIT

fast-checks += tests/insn/riscv64/encodings.py
slow-checks += tests/insn/riscv64/differential.py
