#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opcode maps in the notation of the x86 manuals to C: the table that the decoder searches.

usage: mapgen.py OUT.h OUT.c TABLE.map...

A table is lines of these kinds ('#' starts a comment; README.md of this folder has the details):

    action NAME ACCESS FLAGS            ACCESS: one of r w rw a for each operand, with commas, or -
                                        FLAGS: written[/undefined][<read], letters of oszapc, - none
    map root|0f|0f38|0f3a               for the rows below
    OPCODE PREFIX OPERANDS ACTION [ATTRIBUTE...] ["TEXT"]

OPCODE is two hex digits and then: +r (eight opcodes, register in the low bits), +c (sixteen, condition
in the low bits), /N (ModRM.reg), m or r (memory or register form), =HH (the whole ModRM byte).
PREFIX is - (any), or alternatives of np 66 f3 f2 joined by |, with letters in front: v.
for VEX; x. for AVX; sx. for two rows, SSE and AVX; msx. for three, the first being MMX (no prefix, P for V, Q
for W).  The AVX row of an instruction that changes its first operand has a source H of its own.

Of the rows that match an encoding the most specific one counts: ModRM first, then the prefix, then
CPUID features and VEX fields.  Two that are equally specific and overlap are an error.
"""
import os
import re
import shlex
import sys

FLAGS = "cpazso"
MAPS = ["root", "0f", "0f38", "0f3a"]
PREFIXES = {"np": 1, "66": 2, "f3": 4, "f2": 8}
ANY_PREFIX = 15

# Attributes: what C knows as X86_A_<NAME>.
ATTRS = {
    "lock": "LOCK may precede it when the first operand is memory",
    "i64": "invalid in 64-bit mode", "o64": "only in 64-bit mode",
    "d64": "operand size defaults to 64 bits in 64-bit mode",
    "f64": "operand size is 64 bits in 64-bit mode",
    "cpl0": "#GP unless at CPL 0", "pe": "#UD in real and virtual-8086 mode",
    "w0": "VEX.W clear", "w1": "VEX.W set", "l0": "VEX.L clear", "l1": "VEX.L set",
    "novvvv": "VEX.vvvv must be 1111b",
    "byte": "operand size is 8 bits: of string and similar instructions without operands",
    "x87": "#NM rules of x87", "mmx": "#NM and #UD rules of MMX", "sse": "rules of SSE",
    "avx": "rules of AVX", "avx2": "VEX.L needs AVX2",
    "vsib": "memory operands at an index register of lanes",
    "swap": "the IR op takes the sources in the other order",
    "aligned": "memory operand of AVX must be aligned", "unaligned": "memory operand of SSE may be misaligned",
}

# Places of operands: where the value is.
PLACES = {
    "E": "ModRM.rm, register or memory", "G": "ModRM.reg", "M": "ModRM.rm, memory only",
    "R": "ModRM.rm, register (mod is ignored for control registers)", "I": "immediate",
    "SI": "immediate, sign-extended", "J": "relative target", "O": "memory at an absolute offset",
    "A": "far address in the instruction", "Z": "register in the opcode",
    "S": "segment register in ModRM.reg", "C": "control register", "D": "debug register",
    "B": "VEX.vvvv, general register", "X": "memory at DS:rSI", "Y": "memory at ES:rDI",
    "V": "XMM/YMM register in ModRM.reg", "W": "XMM/YMM register or memory", "H": "VEX.vvvv",
    "L": "XMM/YMM register in imm8[7:4]", "U": "XMM/YMM register in ModRM.rm",
    "N": "MMX register in ModRM.rm", "P": "MMX register in ModRM.reg", "Q": "MMX register or memory",
    "FIXED": "a general register", "SEG": "a segment register", "ONE": "the number 1",
    "ST": "x87 stack register in ModRM.rm", "ST0": "top of the x87 stack",
}

# Sizes: name in the manual -> bytes, or how it follows from the instruction.
SIZES = {
    "": "0", "b": "1", "w": "2", "d": "4", "q": "8", "t": "10", "dq": "16", "qq": "32",
    "ss": "4", "sd": "8", "v": "X86_SIZE_V", "z": "X86_SIZE_Z", "y": "X86_SIZE_Y",
    "p": "X86_SIZE_P", "a": "X86_SIZE_A", "s": "X86_SIZE_S", "x": "X86_SIZE_X",
    "ps": "X86_SIZE_X", "pd": "X86_SIZE_X", "h": "X86_SIZE_H", "j": "X86_SIZE_J",
    "k": "X86_SIZE_K",
}

FIXED = {"AL": (0, "b"), "eAX": (0, "z"), "CL": (1, "b"), "AX": (0, "w"), "DX": (2, "w"), "EAX": (0, "d"),
         "rAX": (0, "v"), "rCX": (1, "v"), "rDX": (2, "v"), "XMM0": (0, "dq")}
SEGMENTS = ["ES", "CS", "SS", "DS", "FS", "GS"]


class MapError(Exception):
    """What is wrong in a table, with file:line in front."""


class Action:
    """What an instruction does: the C function x86_op_NAME(), its operands' use, its flags."""

    def __init__(self, name, access, written, undefined, read, at):
        self.name, self.access, self.at = name, access, at
        self.written, self.undefined, self.read = written, undefined, read
        self.used = False


class Operand:
    """One operand: its place, its size, and the register where the row names one."""

    def __init__(self, text, place, size, reg=0):
        self.text, self.place, self.size, self.reg = text, place, size, reg
        self.access = ""

    @property
    def in_modrm(self):
        return self.place in ("E", "G", "M", "R", "S", "C", "D", "V", "W", "U", "N", "P", "Q", "ST")


def parse_operand(text):
    """An Operand from the manual's notation, None when there is no such thing."""
    if text in FIXED:
        place = "H" if text == "XMM0" else "FIXED"
        return Operand(text, place, FIXED[text][1], FIXED[text][0])
    if text in SEGMENTS:
        return Operand(text, "SEG", "w", SEGMENTS.index(text))
    if text == "1":
        return Operand(text, "ONE", "b")
    if text == "ST0":
        return Operand(text, "ST0", "t")
    m = re.fullmatch(r"(SI|ST|[A-Z])([a-z]*)", text)
    if m and m[1] in PLACES and m[2] in SIZES:
        return Operand(text, m[1], m[2])
    return None


class Row:
    """One line of a map: for one opcode (a +r or +c line becomes several)."""

    def __init__(self, at, map_name, opcode):
        self.at, self.map, self.opcode = at, map_name, opcode
        self.mask = self.value = 0          # of the ModRM byte
        self.memory_only = False
        self.pfx, self.vex = ANY_PREFIX, False
        self.operands, self.attrs, self.features = [], [], []
        self.action = None
        self.ir = ("0", "0", "0")           # op, lane, immediate
        self.mmx_feature = "MMX"
        self.forms = ""                     # letters of the prefix: m, s, x or v
        self.text = None
        self.in_opcode = ""                 # r or c

    @property
    def has_modrm(self):
        return bool(self.mask or self.memory_only or any(o.in_modrm for o in self.operands))

    def rank(self):
        """Sorts the more specific first."""
        fields = sum(a in self.attrs for a in ("w0", "w1", "l0", "l1"))
        return (-bin(self.mask).count("1") - self.memory_only, bin(self.pfx).count("1"),
                -len(self.features), -fields)

    def exclusive(self, other):
        """No encoding can match both in the same mode."""
        def differ(a, b):
            return (a in self.attrs and b in other.attrs) or (b in self.attrs and a in other.attrs)

        if self.vex != other.vex or not self.pfx & other.pfx:
            return True
        if (self.value ^ other.value) & self.mask & other.mask:
            return True
        register = [r.mask & 0xc0 == 0xc0 for r in (self, other)]
        if (self.memory_only and register[1]) or (other.memory_only and register[0]):
            return True
        return differ("i64", "o64") or differ("w0", "w1") or differ("l0", "l1")


class Tables:
    """The contents of a set of map files."""

    def __init__(self):
        self.actions, self.rows = {}, []
        self.map = self.at = None

    def fail(self, message):
        raise MapError(f"{self.at}: error: {message}")

    def read(self, path, actions):
        """Takes the actions of a file, or all else."""
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.at = f"{path}:{number}"
                try:
                    words = shlex.split(line, comments=True, posix=False)
                except ValueError as e:
                    self.fail(str(e))
                if words and (words[0] == "action") == actions:
                    self.line(words)
        self.map = None

    def line(self, words):
        if words[0] == "action":
            self.add_action(words[1:])
        elif words[0] == "map":
            if len(words) != 2 or words[1] not in MAPS:
                self.fail(f"a map is one of {', '.join(MAPS)}")
            self.map = words[1]
        else:
            self.add_rows(words)

    def add_action(self, words):
        if len(words) != 3:
            self.fail("an action has a name, operand accesses and flags")
        name, access, flags = words
        m = re.fullmatch(r"(-|[oszapc]*)(?:/([oszapc]+))?(?:<([oszapc]+))?", flags)
        if not m or not flags:
            self.fail(f"bad flags '{flags}'")
        access = [] if access == "-" else access.split(",")
        if any(a not in ("r", "w", "rw", "a") for a in access):
            self.fail(f"bad access '{words[1]}'")
        if name in self.actions:
            self.fail(f"action '{name}' is already defined ({self.actions[name].at})")
        written, undefined, read = m[1].strip("-"), m[2] or "", m[3] or ""
        self.actions[name] = Action(name, access, written, undefined, read, self.at)

    def add_rows(self, words):
        if self.map is None:
            self.fail(f"'{words[0]}' outside a map")
        if len(words) < 4:
            self.fail("a row has an opcode, a prefix, operands and an action")
        row = Row(self.at, self.map, 0)
        count = self.opcode(row, words[0])
        self.prefix(row, words[1])
        self.operands(row, words[2])
        self.action(row, words[3])
        for word in words[4:]:
            self.attribute(row, word)
        for i in range(count):
            copy = Row(row.at, row.map, row.opcode + i)
            copy.__dict__.update(row.__dict__, opcode=row.opcode + i)
            self.rows += self.vector_forms(copy) if row.forms else [copy]

    def vector_forms(self, row):
        """The rows for MMX, SSE and AVX that one line stands for."""
        rows = []
        for form in row.forms:
            copy = Row(row.at, row.map, row.opcode)
            copy.__dict__.update(row.__dict__, vex=form in "vx", operands=list(row.operands))
            if form == "v":
                pass
            elif form != "x":
                copy.attrs = [a for a in row.attrs if a not in ("w0", "w1", "l0", "l1", "avx2")]
                copy.attrs.append("mmx" if form == "m" else "sse")
            else:
                copy.attrs = row.attrs + ["avx"]
                self.vex_form(copy)
            if form == "m":
                self.mmx_form(copy)
            rows.append(copy)
        return rows

    def vex_form(self, row):
        row.text = "v" + (row.text or row.action.name)
        if row.forms == "x":
            return
        first = row.operands[0]
        row.features = ["AVX"] + [f for f in row.features if not f.startswith(("SSE", "SSSE"))]
        if first.access == "rw":
            second = Operand("H", "H", first.size)
            second.access = "r"
            row.operands[0] = Operand(first.text, first.place, first.size)
            row.operands[0].access = "w"
            row.operands.insert(1, second)
        else:
            row.attrs = row.attrs + ["novvvv"]

    def mmx_form(self, row):
        row.pfx = PREFIXES["np"]
        row.features = [row.mmx_feature]
        places = {"V": "P", "W": "Q", "U": "N"}
        for i, o in enumerate(row.operands):
            if o.place in places:
                row.operands[i] = Operand(o.text, places[o.place], "q")
                row.operands[i].access = o.access

    def opcode(self, row, text):
        m = re.fullmatch(r"([0-9a-f]{2})(\+[rc])?(?:/([0-7]))?([mr])?(?:=([0-9a-f]{2}))?", text)
        if not m:
            self.fail(f"bad opcode '{text}'")
        row.opcode = int(m[1], 16)
        if m[2]:
            row.in_opcode = m[2][1]
            count = 8 if m[2] == "+r" else 16
            if row.opcode & (count - 1):
                self.fail(f"the low bits of opcode '{m[1]}' are not free")
        if m[3]:
            row.mask, row.value = 0x38, int(m[3]) << 3
        if m[4] == "r":
            row.mask, row.value = row.mask | 0xc0, row.value | 0xc0
        row.memory_only = m[4] == "m"
        if m[5]:
            row.mask, row.value = 0xff, int(m[5], 16)
        return count if m[2] else 1

    def prefix(self, row, text):
        m = re.fullmatch(r"(m?s?x?|v)\.(.*)", text)
        if m:
            row.forms, text = m[1], m[2]
        if text == "-":
            return
        row.pfx = 0
        for p in text.split("|"):
            if p not in PREFIXES:
                self.fail(f"bad prefix '{p}'")
            row.pfx |= PREFIXES[p]

    def operands(self, row, text):
        for t in [] if text == "-" else text.split(","):
            o = parse_operand(t)
            if o is None:
                self.fail(f"bad operand '{t}'")
            row.operands.append(o)
            if o.place == "M":
                row.memory_only = True
            elif o.place in ("U", "N"):
                row.mask, row.value = row.mask | 0xc0, row.value | 0xc0
        if len(row.operands) > 4:
            self.fail("more than four operands")
        if any(o.place == "Z" for o in row.operands) != (row.in_opcode == "r"):
            self.fail("a register in the opcode needs both +r and an operand Z")

    def action(self, row, name):
        if name not in self.actions:
            self.fail(f"action '{name}' is not defined")
        row.action = self.actions[name]
        row.action.used = True
        if len(row.action.access) != len(row.operands):
            self.fail(f"action '{name}' has {len(row.action.access)} operands")
        for o, access in zip(row.operands, row.action.access):
            o.access = access

    def attribute(self, row, word):
        if word[0] == '"':
            row.text = word[1:-1]
        elif word.startswith("cpuid="):
            row.features.append(word[6:])
        elif word.startswith("mmx="):
            row.mmx_feature = word[4:]
        elif word.startswith("ir="):
            m = re.fullmatch(r"ir=(V[A-Z0-9]+)(?:\.(8|16|32|64|ss|sd|ps|pd))?(?::(0x[0-9a-f]+|[0-9]+))?", word)
            if not m:
                self.fail(f"bad IR op '{word}'")
            lane = m[2] or "8"
            row.ir = (f"IR_{m[1]}", f"IR_L{lane}" if lane.isdigit() else f"IR_{lane.upper()}",
                      m[3] or "0")
        elif word in ATTRS:
            row.attrs.append(word)
        else:
            self.fail(f"unknown attribute '{word}'")
        if len(row.features) > 2:
            self.fail("more than two features")

    # --- Checks over everything ---

    def check(self):
        for a in self.actions.values():
            if not a.used:
                raise MapError(f"{a.at}: error: action '{a.name}' is not used")
        groups = {}
        for row in self.rows:
            groups.setdefault((row.map, row.opcode), []).append(row)
        for rows in groups.values():
            for i, a in enumerate(rows):
                for b in rows[:i]:
                    if a.rank() == b.rank() and not a.exclusive(b):
                        raise MapError(f"{a.at}: error: '{a.action.name}' overlaps "
                                       f"'{b.action.name}' ({b.at})")
                    same_mode = not ({"i64", "o64"} <= {*a.attrs, *b.attrs})
                    if same_mode and a.vex == b.vex and a.has_modrm != b.has_modrm:
                        raise MapError(f"{a.at}: error: '{a.action.name}' and '{b.action.name}' "
                                       f"({b.at}) disagree about a ModRM byte")
        self.rows.sort(key=lambda r: (MAPS.index(r.map), r.opcode, r.rank()))


def load(paths):
    """Parses and checks the tables in @paths."""
    tables = Tables()
    for actions in (True, False):
        for path in paths:
            tables.read(path, actions)
    tables.check()
    return tables


# --- Writing C ---

def c_flags(letters):
    return sum(1 << FLAGS.index(c) for c in letters)


def header(tables):
    out = ["/* SPDX-License-Identifier: MIT */",
           "/* Generated by tcg/gen/mapgen.py from the opcode maps: do not edit. */",
           "#ifndef X86_MAPS_H", "#define X86_MAPS_H", "", '#include "rhea/base.h"', "",
           "typedef struct X86Trans X86Trans;", "",
           "/* Where an operand is. */", "typedef enum X86Place {", "    X86_P_NONE,"]
    out += [f"    X86_P_{name}, /* {what} */" for name, what in PLACES.items()]
    out += ["} X86Place;", "", "/* X86Row.attrs */", "enum {"]
    out += [f"    X86_A_{name.upper()} = 1 << {i}, /* {what} */"
            for i, (name, what) in enumerate(ATTRS.items())]
    out += ["};", "", "enum {"]
    out += [f"    X86_MAP_{name.upper()}," for name in MAPS]
    out += ["    X86_NMAPS,", "};", "", f"enum {{ X86_NROWS = {len(tables.rows)} }};", "",
            "/* Each emits the IR of one instruction. */"]
    out += [f"void x86_op_{name}(X86Trans *t);" for name in sorted(tables.actions)]
    return "\n".join(out + ["", "#endif", ""])


def c_row(row):
    ops = ", ".join(f"{{X86_P_{o.place}, {SIZES[o.size]}, {o.reg}, "
                    f"{'r' in o.access:d} | {'w' in o.access:d} << 1}}" for o in row.operands)
    attrs = " | ".join(f"X86_A_{a.upper()}" for a in row.attrs) or "0"
    features = ", ".join([f"X86_F_{f}" for f in row.features] + ["X86_NO_FEATURE"] *
                         (2 - len(row.features)))
    a = row.action
    text = row.text if row.text is not None else a.name
    return (f"    {{x86_op_{a.name}, \"{text}\", {{{ops}}}, {len(row.operands)}, {row.pfx}, "
            f"{row.vex:d}, {row.has_modrm:d}, {row.memory_only:d}, {row.mask:#x}, {row.value:#x}, "
            f"{c_flags(a.written + a.undefined):#x}, {c_flags(a.undefined):#x}, "
            f"{c_flags(a.read):#x}, {{{features}}}, {attrs}, {', '.join(row.ir)}}}, "
            f"/* {row.map} {row.opcode:02x} */")


def source(tables, header_name):
    out = ["/* SPDX-License-Identifier: MIT */",
           "/* Generated by tcg/gen/mapgen.py from the opcode maps: do not edit. */",
           '#include "rhea/osdep.h"', '#include "decode.h"', f'#include "{header_name}"', "",
           "const X86Row x86_rows[X86_NROWS] = {"]
    out += [c_row(row) for row in tables.rows]
    out += ["};", "", "const uint16_t x86_first_row[X86_NMAPS * 256 + 1] = {"]
    index = 0
    for number in range(len(MAPS) * 256 + 1):
        out.append(f"    {index},")
        while index < len(tables.rows) and (MAPS.index(tables.rows[index].map) * 256 +
                                            tables.rows[index].opcode) == number:
            index += 1
    return "\n".join(out + ["};", ""])


def write_if_changed(path, text):
    """Leaves the file alone when it already holds @text, so that nothing is rebuilt."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".tmp", path)


def main(argv):
    if len(argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        tables = load(argv[3:])
    except (MapError, OSError) as e:
        print(e, file=sys.stderr)
        return 1
    write_if_changed(argv[1], header(tables))
    write_if_changed(argv[2], source(tables, os.path.basename(argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
