#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions with the results that the specifications give: vectors.txt on every accelerator; and
that every row of the decode tables is in a vector or in the random sequences of differential.py."""

import os
import random
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import rvtables
import differential
import guest
import randomcode
import rhea
import tap

suite = tap.Suite()
HERE = os.path.dirname(os.path.abspath(__file__))
MODES = ["rne", "rtz", "rdn", "rup", "rmm", "5", "6"]


class Assembler:
    """Turns the disassembly texts of the tables round (registers by number, fields as numbers)."""

    def __init__(self, tables):
        self.tables = tables
        self.patterns = [(r, re.compile(self.pattern(r))) for r in tables.rows]

    @staticmethod
    def pattern(row):
        text = re.escape(row.text)
        for name in re.findall(r"{(\w+)}", row.text):
            placed = row.form.placed.get(name)
            kind = placed.field.kind if placed else "reg"
            operand = {"rm": rf"(?:, (?P<{name}>\w+))?", "aqrl": rf"(?P<{name}>)",
                       "fli": rf"\{{(?P<{name}>\d+)\}}",
                       }.get(kind, rf"(?P<{name}>[xf]?-?\w+)")
            text = text.replace(re.escape("{" + name + "}"), operand)
        return text.replace(r"\ ", " ") + "$"

    def insn(self, text):
        """The row (None for raw data) and the bytes of one instruction."""
        word = re.fullmatch(r"\.(half|word) (\w+)", text)
        if word:
            return None, struct.pack("<H" if word[1] == "half" else "<I", int(word[2], 0))
        for row, pattern in self.patterns:
            found = pattern.match(text)
            if found:
                values = {n: self.value(row, n, v) for n, v in found.groupdict().items()
                          if n in row.form.placed}
                code = row.encode(values)
                return row, struct.pack("<I" if row.width == 32 else "<H", code)
        raise AssertionError(f"vectors.txt: no instruction reads '{text}'")

    @staticmethod
    def value(row, name, text):
        kind = row.form.placed[name].field.kind
        if kind == "rm":
            return MODES.index(text) if text else 7
        if kind == "aqrl":
            return 0
        v = int(text.lstrip("xf") if text[0] in "xf" else text, 0)
        return v << 12 if kind == "upper" else v


class Vector:
    """One line of vectors.txt."""

    def __init__(self, line, assembler):
        self.text = line
        code, registers = line.split(" ; ")
        before, after = registers.split("->")
        made = [assembler.insn(t.strip()) for t in code.split(" / ")]
        self.rows = [r for r, _ in made if r]
        before, self.after = self.numbers(before), self.numbers(after)
        data = b"".join(b for _, b in made)
        self.end = len(data)
        x = [before.get(f"x{n}", guest.DATA_MIDDLE if n in (2, 15, 31) else 0) for n in range(32)]
        f = [before.get(f"f{n}", 0) for n in range(32)]
        self.case = guest.Case(data, x, f, before.get("fcsr", 0))
        self.after.setdefault("mcause", guest.CAUSE_BREAK)
        if self.after["mcause"] == guest.CAUSE_BREAK:
            self.after.setdefault("pc", self.end)

    @staticmethod
    def numbers(text):
        return {n: int(v, 0) for n, v in (w.split("=") for w in text.split())}


def load_vectors(tables):
    assembler = Assembler(tables)
    with open(os.path.join(HERE, "vectors.txt"), encoding="utf-8") as f:
        lines = [line.strip() for line in f]
    return [Vector(line, assembler) for line in lines if line and not line.startswith("#")]


def results_are_as_specified(accel):
    rhea.need_accel(accel)
    vectors = load_vectors(rvtables.load())
    with rhea.scratch() as folder:
        got = guest.run(guest.ours(accel), folder, guest.build_runner(folder),
                        [v.case for v in vectors], long_mode=True)
    wrong = []
    for vector, registers in zip(vectors, got):
        registers["pc"] = registers["mepc"] - vector.case.address
        bad = {n: hex(registers[n]) for n, v in vector.after.items() if registers[n] != v}
        if bad:
            wrong.append(f"{vector.text}: got {bad}")
    assert not wrong, "\n".join(wrong)


for ACCEL in ("tci", "tcg"):
    suite.add(f"vectors-{ACCEL}", results_are_as_specified, ACCEL)


@suite.test
def every_row_is_tested():
    tables = rvtables.load()
    tested = {r.name for v in load_vectors(tables) for r in v.rows}
    for needs, _ in differential.GROUPS.values():
        generator = randomcode.Generator(tables, needs + differential.BASE, random.Random(0))
        tested |= {r.name for r in generator.rows}
    missing = [f"{r.at}: {r.name}" for r in tables.rows if r.name not in tested]
    assert not missing, "in no vector and no random sequence:\n" + "\n".join(missing)


if __name__ == "__main__":
    sys.exit(suite.run())
