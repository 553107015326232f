# SPDX-License-Identifier: MIT
"""Random riscv64 instruction sequences from the decode tables, for differential tests.

Reserved registers: sp, a5 and t6 point into the data area, t5 is an aligned address in it; they are
never written, so that every load, store and atomic has an address that works.
"""

import struct

import guest
import rvtables

SP, A5, T5, T6 = 2, 15, 30, 31
RESERVED = {SP, A5, T5, T6}
BRANCHES = {"beq", "bne", "blt", "bge", "bltu", "bgeu", "c_beqz", "c_bnez", "jal", "c_j"}
# Left out: traps, what differs by machine (counters, waiting), indirect jumps, which have an atom.
SKIPPED = {"ecall", "ebreak", "c_ebreak", "jalr", "c_jr", "c_jalr", "csrrw", "csrrs", "csrrc",
           "csrrwi", "csrrsi", "csrrci", "c_addi16sp", "cbo_inval", "cbo_clean", "cbo_flush",
           "fence_i", "fcvtmod_w_d",
           "ctzw"}  # of a zero word: 32, but Debian's emulator 7.2 looks on into the upper half
FLOAT_CSRS = (1, 2, 3)
LOADS = {0x03, 0x07}
SPECIAL_INTS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff,
                0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
                0xffffffff80000000, 0xffffffff7fffffff, 0x0102030405060708]
SPECIAL_DOUBLES = [0, 0x3ff0000000000000, 0x7ff0000000000000, 0x7ff8000000000000,
                   0x7ff0000000000001, 0x7fefffffffffffff, 0x0010000000000000, 1,
                   0x000fffffffffffff, 0x3fe0000000000000, 0x3fefffffffffffff, 0x41dfffffffc00000,
                   0x41e0000000000000, 0x41efffffffe00000, 0x43e0000000000000, 0x43f0000000000000,
                   0x4340000000000001, 0x3ff8000000000000, 0x4004000000000000, 0x36a0000000000000,
                   0x47efffffe0000000, 0x47effffff0000000, 0x3810000000000000, 0x380fffffc0000000]
SPECIAL_SINGLES = [0, 0x3f800000, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7f7fffff, 0x00800000, 1,
                   0x007fffff, 0x3f000000, 0x3f7fffff, 0x4effffff, 0x4f000000, 0x4f7fffff,
                   0x5f000000, 0x5f800000, 0x3fc00000, 0x40200000, 0x33000000, 0x477fe000]
SPECIAL_HALVES = [0, 0x3c00, 0x7c00, 0x7e00, 0x7c01, 0x7bff, 0x0400, 1, 0x03ff, 0x3800, 0x5640]


def random_int(rng):
    """A register value: often a boundary."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(SPECIAL_INTS)
    if kind == 1:
        return (rng.choice(SPECIAL_INTS) + rng.randrange(-3, 4)) & (1 << 64) - 1
    v = rng.getrandbits(rng.randrange(1, 65))
    return v if kind == 2 else v ^ (1 << 64) - 1


def random_float(rng):
    """A floating-point register: any format, mostly properly boxed."""
    sign = rng.getrandbits(1)
    kind = rng.randrange(10)
    if kind < 3:
        return rng.choice(SPECIAL_DOUBLES) | sign << 63
    if kind < 5:
        return sign << 63 | (1023 + rng.randrange(-60, 60)) << 52 | rng.getrandbits(52)
    if kind < 7:
        return 0xffffffff << 32 | sign << 31 | rng.choice(SPECIAL_SINGLES)
    if kind < 8:
        return 0xffffffff << 32 | sign << 31 | (127 + rng.randrange(-30, 30)) << 23 | rng.getrandbits(23)
    if kind < 9:
        return 0xffffffffffff << 16 | sign << 15 | rng.choice([*SPECIAL_HALVES, rng.getrandbits(15)])
    return rng.getrandbits(64)


class Atom:
    """One instruction (or two that belong together); a branch knows how many atoms it skips."""

    def __init__(self, width, words, row=None, values=None, skip=0):
        self.width, self.words, self.row, self.values, self.skip = width, words, row, values, skip

    def size(self):
        return sum(2 if (w & 3) != 3 else 4 for w in self.words)


class Generator:
    """Makes cases out of the rows that the given features allow."""

    def __init__(self, tables, needs, rng):
        self.tables, self.rng = tables, rng
        self.other_width = ()
        have = set(needs)
        self.rows = [r for r in tables.rows if r.name not in SKIPPED
                     and rvtables.file_of(r) not in ("priv", "zawrs")
                     and all(any(n in have for n in need.split("|")) for need in r.needs)]

    def case(self, length):
        """A random case and its atoms."""
        rng = self.rng
        x = [0] + [random_int(rng) for _ in range(31)]
        x[SP] = x[A5] = x[T6] = guest.DATA_MIDDLE
        x[T5] = guest.DATA_MIDDLE + 64 * rng.randrange(-8, 8)
        f = [random_float(rng) for _ in range(32)]
        frm = rng.choice([0, 0, 0, 0, 1, 2, 3, 4])
        fcsr = frm << 5 | (rng.getrandbits(5) if rng.randrange(4) == 0 else 0)
        # Whether an SC may follow an LR of the other width is left open: a case has one of them.
        self.other_width = rng.choice([("lr_w", "sc_w"), ("lr_d", "sc_d")])
        atoms = [self.atom() for _ in range(length)]
        return guest.Case(assemble(atoms), x, f, fcsr, rng.getrandbits(32)), atoms

    def atom(self):
        kind = self.rng.randrange(40)
        if kind == 0:
            return self.csr_atom()
        if kind == 1:
            return self.jalr_atom()
        while True:
            row = self.rng.choice(self.rows)
            values = self.values(row)
            if row.name in self.other_width:
                continue
            if row.name in BRANCHES:
                return Atom(row.width, [0], row, values, self.rng.randrange(1, 4))
            insn = row.encode(values)
            if rvtables.taken_by(self.tables, row, insn):
                return Atom(row.width, [insn])

    def values(self, row):
        """Operands that respect the reserved registers."""
        rng = self.rng
        values = rvtables.random_fields(row, rng)
        opcode = row.value & 0x7f
        for name, placed in row.form.placed.items():
            kind = placed.field.kind
            if name == "rd" and kind in ("reg", "creg"):
                free = [n for n in (range(8, 15) if kind == "creg" else range(32))
                        if n not in RESERVED]
                values[name] = rng.choice(free)
            elif kind in ("freg", "reg") and rng.getrandbits(1) and name != "rs1":
                values[name] = values[name] & 7 | 8 if values[name] & 7 != 7 else values[name]
            elif kind == "rm":
                values[name] = rng.choice([0, 1, 2, 3, 4, 7, 7, 7, 7, 7])
        self.address(row, opcode, values)
        if "rd" in values and row.form.placed["rd"].field.kind in ("reg", "creg"):
            if values["rd"] in RESERVED:
                values["rd"] = 10
        return values

    def address(self, row, opcode, values):
        """Points the base register of memory operations into the data area."""
        if row.width == 32:
            if opcode in (0x03, 0x07, 0x23, 0x27):
                values["rs1"] = T6
            elif opcode == 0x2f or row.name == "cbo_zero":
                values["rs1"] = T5
        elif row.body in ("lb", "lbu", "lh", "lhu", "lw", "ld", "sb", "sh", "sw", "sd", "fld",
                          "fsd") and "rs1" in row.form.placed:
            values["rs1"] = A5

    def csr_atom(self):
        """An access to fflags, frm or fcsr (frm stays a valid mode: at most 4)."""
        rng = self.rng
        csr, rd = rng.choice(FLOAT_CSRS), rng.choice([0, 10, 11, 12])
        if csr == 1:
            return Atom(32, [1 << 20 | rng.randrange(32) << 15 | rng.choice([5, 6, 7]) << 12
                             | rd << 7 | 0x73])
        if csr == 2:
            return Atom(32, [2 << 20 | rng.randrange(5) << 15 | 5 << 12 | rd << 7 | 0x73])
        return Atom(32, [3 << 20 | 2 << 12 | rd << 7 | 0x73])

    def jalr_atom(self):
        """auipc and a jalr just behind itself."""
        reg, link = self.rng.choice([5, 6, 7, 10]), self.rng.choice([0, 1, 5, 6])
        return Atom(32, [reg << 7 | 0x17, 8 << 20 | reg << 15 | link << 7 | 0x67])


def near_miss(tables, rng):
    """A single encoding of 16 or 32 bits that may be no instruction: random, or one of a row with a
    bit or two turned.  Branches, jumps, returns and system instructions are left out."""
    while True:
        if rng.getrandbits(1):
            row = rng.choice([r for r in tables.rows if r.width == 32])
            insn = row.encode(rvtables.random_fields(row, rng)) ^ 1 << rng.randrange(2, 32)
            insn ^= rng.getrandbits(1) << rng.randrange(2, 32)
            if insn & 0x7f not in (0x63, 0x67, 0x6f, 0x73):
                return struct.pack("<I", insn)
        else:
            insn = rng.getrandbits(16)
            quadrant, kind = insn & 3, insn >> 13
            branch = quadrant == 1 and kind in (5, 6, 7) or quadrant == 2 and kind == 4
            if quadrant != 3 and not branch:
                return struct.pack("<H", insn)


def assemble(atoms):
    """The code of @atoms; branches get their offsets."""
    starts, here = [], 0
    for atom in atoms:
        starts.append(here)
        here += atom.width // 8 if atom.row else atom.size()
    starts += [here] * 4
    code = b""
    for i, atom in enumerate(atoms):
        words = atom.words
        if atom.row:
            values = {**atom.values, "imm": starts[min(i + atom.skip, len(atoms))] - starts[i]}
            words = [atom.row.encode(values)]
        for w in words:
            code += struct.pack("<I", w) if (w & 3) == 3 else struct.pack("<H", w)
    return code
