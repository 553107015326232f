# SPDX-License-Identifier: MIT
"""The riscv64 decode tables for tests: rows by name, random encodings, the first matching row."""

import glob
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, "tcg", "gen"))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import decodegen  # noqa: E402

FOLDER = os.path.join(TOP, "target", "riscv64", "insns")


def load():
    """All tables, the formats first as in the build."""
    paths = glob.glob(os.path.join(FOLDER, "*.decode"))
    return decodegen.load(sorted(paths, key=lambda p: (not p.endswith("formats.decode"), p)))


def file_of(row):
    """The table that @row is in: 'rvi', 'zb', ..."""
    return os.path.basename(row.at.split(":")[0]).removesuffix(".decode")


def random_fields(row, rng):
    """Random values for the fields of @row, within their widths."""
    values = {}
    for name, placed in row.form.placed.items():
        bits = rng.getrandbits(32)
        encoded = sum((bits >> i & 1) << e for i, (e, _) in enumerate(placed.pairs))
        values[name] = placed.decode(encoded)
    return values


def taken_by(tables, row, insn):
    """Whether the generated matcher finds @row for @insn when all features are there: rows overlap
    only in a 'prefer' block, where the first one wins."""
    if not row.matches(insn):
        return False
    if row.block is None:
        return True
    return next(r for r in tables.rows if r.block == row.block and r.matches(insn)) is row


def random_insn(tables, row, rng):
    """A random encoding of @row."""
    while True:
        insn = row.encode(random_fields(row, rng))
        if taken_by(tables, row, insn):
            return insn
