#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every row of the riscv64 tables against GNU binutils: same mnemonic for random encodings."""

import os
import random
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import rvtables  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
PER_ROW = 6
MARCH = ("rv64imafdc_zicsr_zifencei_zba_zbb_zbc_zbs_zfh_zicbom_zicboz_zawrs_svinval")
EXACT = {"fcvt_d_w", "fcvt_d_wu", "fcvt_d_s", "fcvt_s_h", "fcvt_d_h"}
# Binutils 2.40 and older know nothing of these; newer ones that do are not asked for them either.
UNKNOWN = ("zfa", "zicond")
UNKNOWN_ROWS = {"c_lbu", "c_lhu", "c_lh", "c_sb", "c_sh", "c_zext_b", "c_not", "c_mul", "c_sext_b",
                "c_zext_h", "c_sext_h", "c_zext_w"}
# What binutils calls differently even with no aliases.
NAMES = {"c.addi": {"c.addi", "c.nop"}, "fence": {"fence", "fence.tso", "pause"}}


def disassemble(insns):
    """What objdump says about each (width, encoding): its text."""
    assembler = rhea.need_tool("riscv64-linux-gnu-as")
    objdump = rhea.need_tool("riscv64-linux-gnu-objdump")
    with rhea.scratch() as folder:
        path = os.path.join(folder, "code.o")
        # A 16-bit instruction is followed by another one so that all slots have one size.
        lines = [f".insn {insn:#x}" + ("" if width == 32 else "\n.insn 0x1")
                 for width, insn in insns]
        subprocess.run([assembler, "-march=" + MARCH, "-o", path], input="\n".join(lines) + "\n",
                       text=True, check=True)
        out = subprocess.run([objdump, "-d", "-M", "no-aliases", path], capture_output=True,
                             text=True, check=True).stdout
    texts = {}
    for line in out.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+[0-9a-f]+\s+(.*)", line)
        if found:
            texts[int(found[1], 16)] = found[2].split("#")[0].strip()
    return [texts.get(4 * i, "") for i in range(len(insns))]


@suite.test
def mnemonics_agree():
    rng = random.Random(1)
    tables = rvtables.load()
    rows = [r for r in tables.rows if rvtables.file_of(r) not in UNKNOWN
            and r.name not in UNKNOWN_ROWS for _ in range(PER_ROW)]
    asked = [(r, rvtables.random_insn(tables, r, rng)) for r in rows]
    asked = [(r, insn) for r, insn in asked if not unknown_variant(r, insn)]
    wrong = []
    for (row, insn), text in zip(asked, disassemble([(r.width, insn) for r, insn in asked])):
        name = row.text.split()[0].replace("{aqrl}", "").split("{")[0]
        found = re.sub(r"\.(aqrl|aq|rl)$", "", text.split()[0]) if text else ""
        if found not in NAMES.get(name, {name}):
            wrong.append(f"{insn:#x}: ours {name}, objdump's '{text}'")
    assert not wrong, "\n".join(wrong[:40])


def unknown_variant(row, insn):
    """Operands that binutils does not decode: reserved rounding modes and fence modes, and rounding
    modes where none is needed."""
    placed = row.form.placed
    if "rm" in placed:
        rm = placed["rm"].decode(insn)
        return rm in (5, 6) or (rm != 0 and row.name in EXACT)
    return "fm" in placed and placed["fm"].decode(insn) != 0


if __name__ == "__main__":
    sys.exit(suite.run())
