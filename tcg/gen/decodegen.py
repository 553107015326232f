#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decode tables to C: matcher, argument structs, extraction and disassembly text.

usage: decodegen.py PREFIX MODEL.h OUT.h OUT.c TABLE.decode...

A table is lines of these kinds ('#' starts a comment; README.md of this folder has the details):

    width N                                    bits of the encodings below: 16 or 32
    field LETTER NAME KIND [PLACES]            [12|10:5] places bits as manuals write them
    form NAME PATTERN [args STRUCT] [NAME=V]   0 1 fixed, letter field, '.' open, '-' ignored
    needs [FEATURE[|FEATURE]...]               for the rows below, until the next 'needs'
    insn NAME FORM PATTERN "TEXT" [as BODY] [where FIELD!=N] [NAME=V]
    prefer ... end                             rows between may overlap: the first match wins

The order of rows decides nothing outside 'prefer'; overlapping rows are an error.  The module is
also the parser of the tests that generate random instructions: see load() and Row.encode().
"""
import os
import re
import shlex
import sys

# Kind of a field -> (signed, added to the encoded value, letter in the disassembly text)
KINDS = {
    "reg": (False, 0, "x"), "freg": (False, 0, "f"), "creg": (False, 8, "x"),
    "cfreg": (False, 8, "f"), "simm": (True, 0, "d"), "uimm": (False, 0, "d"),
    "rel": (True, 0, "p"), "csr": (False, 0, "c"), "rm": (False, 0, "m"), "aqrl": (False, 0, "q"),
    "fence": (False, 0, "o"), "upper": (True, 0, "u"), "fli": (False, 0, "l"),
}


class DecodeError(Exception):
    """What is wrong in a table, with file:line in front."""


class Field:
    """A named operand: where its bits go, given where they are in the encoding."""

    def __init__(self, letter, name, kind, places):
        self.letter, self.name, self.kind, self.places = letter, name, kind, places
        self.signed, self.bias, self.print_as = KINDS[kind]

    def dest_bits(self, count):
        """Destination bit of each of the @count encoding bits, most significant first."""
        return self.places if self.places else list(range(count - 1, -1, -1))


class Placed:
    """A field in one form: pairs (encoding bit, destination bit)."""

    def __init__(self, field, enc_bits):
        self.field = field
        self.pairs = list(zip(enc_bits, field.dest_bits(len(enc_bits))))
        self.top = max(d for _, d in self.pairs) + 1
        self.mask = sum(1 << e for e, _ in self.pairs)

    def decode(self, insn):
        """The operand's value in @insn."""
        v = sum((insn >> e & 1) << d for e, d in self.pairs)
        if self.field.signed and v >> (self.top - 1):
            v -= 1 << self.top
        return v + self.field.bias

    def encode(self, value):
        """The encoding bits that hold @value (bits that do not fit are lost)."""
        value -= self.field.bias
        return sum((value >> d & 1) << e for e, d in self.pairs)

    def c_expr(self):
        """The C expression that extracts it from 'insn'."""
        runs = []
        for e, d in self.pairs:
            if runs and runs[-1][0] - runs[-1][2] == e and runs[-1][1] - runs[-1][2] == d:
                runs[-1][2] += 1
            else:
                runs.append([e, d, 1])
        parts = [f"bits(insn, {e - n + 1}, {n}, {d - n + 1})" for e, d, n in runs]
        expr = " | ".join(parts)
        if self.field.signed:
            return f"sext({expr}, {self.top})"
        if self.field.bias:
            return f"{expr} + {self.field.bias}" if len(parts) == 1 else f"({expr}) + {self.field.bias}"
        return expr


class Args:
    """An argument struct, shared by the forms that name it."""

    def __init__(self, name, members):
        self.name, self.members = name, members


class Form:
    """An encoding layout: fields and fixed bits that rows refine."""

    def __init__(self, name, pattern, args, placed, assign):
        self.name, self.pattern, self.args = name, pattern, args
        self.placed, self.assign = placed, assign

    def printer(self, member):
        """Disassembly letter of argument @member."""
        if member in self.placed:
            return self.placed[member].field.print_as
        return self.printer(self.assign[member]) if self.assign[member] in self.placed else "x"


class Row:
    """One instruction: where it is, what it matches, how it reads."""

    def __init__(self, **kw):
        self.__dict__.update(kw)

    def encode(self, values):
        """An encoding with field values from the dict @values (absent ones are 0)."""
        insn = self.value
        for name, placed in self.form.placed.items():
            insn |= placed.encode(values.get(name, placed.field.bias)) & ~self.mask
        return insn

    def matches(self, insn):
        """Whether @insn is this row, regardless of other rows."""
        return (insn & self.mask) == self.value and all(
            self.form.placed[f].decode(insn) != v for f, v in self.where)


class Tables:
    """All that the decode files say."""

    def __init__(self):
        self.fields, self.forms, self.args, self.rows = {}, {}, {}, []
        self.width, self.needs, self.block, self.nblocks = 0, [], None, 0
        self.used_forms = set()
        self.where = ""

    def fail(self, text):
        raise DecodeError(f"{self.where}: error: {text}")

    # --- Reading lines ---

    def read(self, path):
        """Adds the table at @path."""
        self.width, self.needs, self.block = 0, [], None
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.where = f"{path}:{number}"
                try:
                    words = shlex.split(line, comments=True)
                except ValueError as e:
                    self.fail(str(e))
                if words:
                    self.line(words)
        if self.block is not None:
            self.fail("'prefer' without 'end'")

    def line(self, words):
        handler = getattr(self, "do_" + words[0], None)
        if not handler:
            self.fail(f"unknown word '{words[0]}'")
        handler(words[1:])

    def do_width(self, words):
        if words not in (["16"], ["32"]):
            self.fail("width must be 16 or 32")
        self.width = int(words[0])

    def do_needs(self, words):
        self.needs = words

    def do_prefer(self, words):
        if words or self.block is not None:
            self.fail("'prefer' takes nothing and does not nest")
        self.nblocks += 1
        self.block = self.nblocks

    def do_end(self, words):
        if words or self.block is None:
            self.fail("'end' without 'prefer'")
        self.block = None

    def do_field(self, words):
        if len(words) not in (3, 4):
            self.fail("field needs LETTER NAME KIND [PLACES]")
        letter, name, kind = words[:3]
        if len(letter) != 1 or not letter.isalpha():
            self.fail(f"field letter '{letter}' is not one letter")
        if kind not in KINDS:
            self.fail(f"unknown kind '{kind}' (one of {', '.join(KINDS)})")
        if (self.width, letter) in self.fields:
            self.fail(f"field '{letter}' is already defined")
        self.fields[self.width, letter] = Field(letter, name, kind, self.places(words[3:]))

    def places(self, words):
        if not words:
            return None
        if not re.fullmatch(r"\[[0-9:|]+\]", words[0]):
            self.fail(f"bad places '{words[0]}'")
        bits = []
        for part in words[0][1:-1].split("|"):
            hi, _, lo = part.partition(":")
            bits += list(range(int(hi), int(lo or hi) - 1, -1))
        if len(set(bits)) != len(bits):
            self.fail(f"a bit appears twice in '{words[0]}'")
        return bits

    def pattern(self, words):
        """Joins the pattern words in front of @words; returns it and the rest."""
        text = ""
        while words and len(text) < self.width and re.fullmatch(r"[01.\-A-Za-z]+", words[0]):
            text, words = text + words[0], words[1:]
        if not self.width:
            self.fail("'width' must come first")
        if len(text) != self.width:
            self.fail(f"pattern has {len(text)} bits, not {self.width}")
        return text, words

    def assignments(self, words):
        found = {}
        for w in words:
            name, eq, value = w.partition("=")
            if not eq or not name or not value:
                self.fail(f"unexpected '{w}'")
            found[name] = value
        return found

    def do_form(self, words):
        if len(words) < 2:
            self.fail("form needs NAME PATTERN")
        name, words = words[0], words[1:]
        text, rest = self.pattern(words)
        struct = name
        if rest[:1] == ["args"] and len(rest) > 1:
            struct, rest = rest[1], rest[2:]
        if name in self.forms:
            self.fail(f"form '{name}' is already defined")
        placed = self.place_fields(text)
        assign = self.assignments(rest)
        members = [m for m in placed] + [m for m in assign if m not in placed]
        if struct not in self.args:
            self.args[struct] = Args(struct, members)
        elif set(members) != set(self.args[struct].members):
            self.fail(f"form '{name}' fills {', '.join(members)}, but args {struct} has "
                      f"{', '.join(self.args[struct].members)}")
        for value in assign.values():
            if value not in placed and not re.fullmatch(r"-?\d+", value):
                self.fail(f"'{value}' is neither a field of the form nor a number")
        self.forms[name] = Form(name, text, self.args[struct], placed, assign)
        self.forms[name].where, self.forms[name].width = self.where, self.width

    def place_fields(self, text):
        placed = {}
        for letter in dict.fromkeys(c for c in text if c.isalpha()):
            field = self.fields.get((self.width, letter))
            if not field:
                self.fail(f"letter '{letter}' names no field")
            enc = [self.width - 1 - i for i, c in enumerate(text) if c == letter]
            if field.places and len(field.places) != len(enc):
                self.fail(f"field '{letter}' places {len(field.places)} bits, "
                          f"the form has {len(enc)}")
            if field.name in placed:
                self.fail(f"two fields named '{field.name}' in one form")
            placed[field.name] = Placed(field, enc)
        return placed

    def do_insn(self, words):
        if len(words) < 3:
            self.fail("insn needs NAME FORM PATTERN TEXT")
        name, form_name, words = words[0], words[1], words[2:]
        form = self.forms.get(form_name)
        if not form:
            self.fail(f"unknown form '{form_name}'")
        if form.width != self.width:
            self.fail(f"form '{form_name}' is {form.width} bits wide, not {self.width}")
        text, rest = self.pattern(words)
        if not rest:
            self.fail("the disassembly text is missing")
        row = Row(name=name, form=form, text=rest[0], body=name, where=[], needs=self.needs,
                  width=self.width, at=self.where, block=self.block, assign={})
        self.row_options(row, rest[1:])
        self.row_bits(row, text)
        self.check_text(row)
        if any(r.name == name for r in self.rows):
            self.fail(f"instruction '{name}' is already defined")
        self.used_forms.add(form_name)
        self.rows.append(row)

    def row_options(self, row, rest):
        while rest:
            if rest[0] == "as" and len(rest) > 1:
                row.body, rest = rest[1], rest[2:]
            elif rest[0] == "where" and len(rest) > 1:
                name, _, value = rest[1].partition("!=")
                if name not in row.form.placed or not re.fullmatch(r"-?\d+", value):
                    self.fail(f"bad condition '{rest[1]}'")
                row.where.append((name, int(value)))
                rest = rest[2:]
            else:
                row.assign.update(self.assignments(rest[:1]))
                rest = rest[1:]
        for name in row.assign:
            if name not in row.form.args.members or name in row.form.placed:
                self.fail(f"'{name}' is not an open argument of form '{row.form.name}'")

    def row_bits(self, row, text):
        row.mask = row.value = 0
        for i, (own, deferred) in enumerate(zip(text, row.form.pattern)):
            if own not in "01.-":
                self.fail(f"a row's pattern has only 0 1 . -, not '{own}'")
            if deferred in "01" and own not in (".", deferred):
                self.fail(f"bit {row.width - 1 - i} is fixed by the form")
            bit = deferred if own == "." else own
            if bit == ".":
                self.fail(f"bit {row.width - 1 - i} is left open")
            if bit in "01":
                row.mask |= 1 << (row.width - 1 - i)
                row.value |= int(bit) << (row.width - 1 - i)

    def check_text(self, row):
        for name in re.findall(r"{(\w+)}", row.text):
            if name not in row.form.args.members:
                self.fail(f"text names '{name}', which form '{row.form.name}' lacks")

    # --- Checks over everything ---

    def check(self):
        for name, form in self.forms.items():
            if name not in self.used_forms:
                raise DecodeError(f"{form.where}: error: form '{name}' is not used")
        used = {(f.width, p.field.letter) for f in self.forms.values() for p in f.placed.values()}
        for width, letter in self.fields:
            if (width, letter) not in used:
                raise DecodeError(f"error: field '{letter}' of width {width} is not used")
        bodies = {}
        for row in self.rows:
            other = bodies.setdefault(row.body, row)
            if other.form.args is not row.form.args:
                raise DecodeError(f"{row.at}: error: body '{row.body}' takes args "
                                  f"{other.form.args.name} ({other.at})")
        for i, a in enumerate(self.rows):
            for b in self.rows[:i]:
                if (a.width == b.width and not (a.value ^ b.value) & a.mask & b.mask
                        and (a.block is None or a.block != b.block)):
                    raise DecodeError(f"{a.at}: error: '{a.name}' overlaps '{b.name}' ({b.at})")


def load(paths):
    """Parses and checks the tables in @paths."""
    tables = Tables()
    for path in paths:
        tables.read(path)
    tables.check()
    return tables


# --- Writing C ---

def runs_of(mask):
    """Contiguous runs (low bit, length) of @mask."""
    runs, bit = [], 0
    while mask >> bit:
        if mask >> bit & 1:
            n = 1
            while mask >> (bit + n) & 1:
                n += 1
            runs.append((bit, n))
            bit += n
        else:
            bit += 1
    return runs


class Writer:
    """Emits the header and the C file for one set of tables."""

    def __init__(self, tables, prefix, model, header_name):
        self.t, self.p, self.model, self.header_name = tables, prefix, model, header_name
        self.camel, self.upper = prefix.capitalize(), prefix.upper()
        self.out = []

    def put(self, *lines):
        self.out += lines

    def insn_id(self, row):
        return f"{self.upper}_INSN_{row.name.upper()}"

    def header(self):
        guard = f"{self.upper}_DECODE_H"
        camel, p = self.camel, self.p
        self.out = []
        self.put("/* SPDX-License-Identifier: MIT */",
                 "/* Generated by tcg/gen/decodegen.py from the decode tables: do not edit. */",
                 f"#ifndef {guard}", f"#define {guard}", "",
                 '#include "rhea/base.h"', "",
                 f"struct {camel}Model;", f"typedef struct {camel}Trans {camel}Trans;", "")
        for args in self.t.args.values():
            self.put(f"typedef struct {camel}Args{args.name} {{")
            self.put(*[f"    int32_t {m};" for m in args.members] or ["    int32_t unused;"])
            self.put(f"}} {camel}Args{args.name};", "")
        self.put(f"typedef enum {camel}InsnId {{", f"    {self.upper}_INSN_NONE,")
        self.put(*[f"    {self.insn_id(r)}," for r in self.t.rows])
        self.put(f"    {self.upper}_NINSNS", f"}} {camel}InsnId;", "",
                 "/* One of these per body: emits the instruction; false: a reserved encoding. */")
        for body, row in sorted({r.body: r for r in self.t.rows}.items()):
            self.put(f"bool {p}_{body}({camel}Trans *t, const {camel}Args{row.form.args.name} *a);")
        self.put("", "typedef struct " + camel + "InsnInfo {",
                 "    const char *name;",
                 "    /* '%' and a kind letter and an argument number stand for an operand */",
                 "    const char *text;",
                 "    bool (*translate)(" + camel + "Trans *t, uint32_t insn);",
                 "    /* writes the arguments in struct order; at most 8 */",
                 "    void (*extract)(int32_t *args, uint32_t insn);",
                 "} " + camel + "InsnInfo;", "",
                 f"extern const {camel}InsnInfo {p}_insn_info[{self.upper}_NINSNS];", "",
                 "/* The instruction that @insn is on a CPU with the features of @model, or NONE. */")
        for width in sorted({r.width for r in self.t.rows}):
            self.put(f"{camel}InsnId {p}_match{width}(const struct {camel}Model *model, "
                     f"uint32_t insn);")
        self.put("", "#endif", "")
        return "\n".join(self.out)

    def source(self):
        camel, p = self.camel, self.p
        self.out = []
        self.put("/* SPDX-License-Identifier: MIT */",
                 "/* Generated by tcg/gen/decodegen.py from the decode tables: do not edit. */",
                 '#include "rhea/osdep.h"', f'#include "{self.header_name}"',
                 f'#include "{self.model}"', "",
                 "static inline int32_t bits(uint32_t insn, unsigned low, unsigned n, unsigned to)",
                 "{", "    return (int32_t)((insn >> low & ((1U << n) - 1)) << to);", "}", "",
                 "static inline int32_t sext(int32_t v, unsigned n)",
                 "{", "    return (int32_t)((uint32_t)v << (32 - n)) >> (32 - n);", "}", "")
        for name in [f for f in self.t.forms]:
            self.extractor(self.t.forms[name])
        for row in self.t.rows:
            self.row_functions(row)
        self.put(f"const {camel}InsnInfo {p}_insn_info[{self.upper}_NINSNS] = {{")
        for row in self.t.rows:
            ex = f"extract_{row.name}" if row.assign else f"extract_form_{row.form.name.lower()}"
            self.put(f"    [{self.insn_id(row)}] = {{\"{row.name}\", \"{self.text(row)}\", "
                     f"translate_{row.name}, {ex}}},")
        self.put("};", "")
        for width in sorted({r.width for r in self.t.rows}):
            self.put(f"{camel}InsnId {p}_match{width}(const {camel}Model *model, uint32_t insn)",
                     "{")
            rows = [r for r in self.t.rows if r.width == width]
            if not any(r.needs for r in rows):
                self.put("    (void)model;")
            self.match(rows, 0, "    ")
            self.put(f"    return {self.upper}_INSN_NONE;", "}", "")
        return "\n".join(self.out)

    def text(self, row):
        members = row.form.args.members
        return re.sub(r"{(\w+)}",
                      lambda m: f"%{row.form.printer(m[1])}{members.index(m[1])}", row.text)

    def extractor(self, form):
        self.put(f"static void extract_form_{form.name.lower()}(int32_t *v, uint32_t insn)", "{")
        if not form.placed:
            self.put("    (void)insn;")
        if not form.args.members:
            self.put("    v[0] = 0; /* unused */")
        for i, m in enumerate(form.args.members):
            if m in form.placed:
                self.put(f"    v[{i}] = {form.placed[m].c_expr()}; /* {m} */")
        for i, m in enumerate(form.args.members):
            if m not in form.placed:
                v = form.assign[m]
                source = f"v[{form.args.members.index(v)}]" if v in form.placed else v
                self.put(f"    v[{i}] = {source}; /* {m} */")
        self.put("}", "")

    def row_functions(self, row):
        base = f"extract_form_{row.form.name.lower()}"
        struct = f"{self.camel}Args{row.form.args.name}"
        if row.assign:
            members = row.form.args.members
            self.put(f"static void extract_{row.name}(int32_t *v, uint32_t insn)", "{",
                     f"    {base}(v, insn);")
            for name, v in row.assign.items():
                source = f"v[{members.index(v)}]" if v in members else v
                self.put(f"    v[{members.index(name)}] = {source}; /* {name} */")
            self.put("}", "")
            base = f"extract_{row.name}"
        self.put(f"static bool translate_{row.name}({self.camel}Trans *t, uint32_t insn)", "{",
                 f"    {struct} a;", "",
                 f"    {base}((int32_t *)&a, insn);",
                 f"    return {self.p}_{row.body}(t, &a);", "}", "")

    # --- The matcher: nested switches on the bits that all candidates fix ---

    def match(self, rows, tested, indent):
        """Emits tests for @rows, of which the bits in @tested are known to match."""
        common = ~tested & 0xffffffff
        for row in rows:
            common &= row.mask
        best, distinct = None, 1
        for low, n in runs_of(common):
            values = {row.value >> low & ((1 << n) - 1) for row in rows}
            if len(values) > distinct:
                best, distinct = (low, n), len(values)
        if best is None:
            for row in rows:
                self.leaf(row, tested, indent)
            return
        low, n = best
        mask = (1 << n) - 1
        shifted = f"insn >> {low} & {mask:#x}" if low else f"insn & {mask:#x}"
        self.put(f"{indent}switch ({shifted}) {{")
        for value in sorted({row.value >> low & mask for row in rows}):
            group = [row for row in rows if row.value >> low & mask == value]
            self.put(f"{indent}case {value:#x}:")
            self.match(group, tested | mask << low, indent + "    ")
            self.put(f"{indent}    break;")
        self.put(f"{indent}}}")

    def leaf(self, row, tested, indent):
        conds = []
        rest = row.mask & ~tested
        if rest:
            conds.append(f"(insn & {rest:#x}) == {row.value & rest:#x}")
        for name, value in row.where:
            placed = row.form.placed[name]
            conds.append(f"(insn & {placed.mask:#x}) != {placed.encode(value):#x}")
        for need in row.needs:
            has = [f"{self.p}_has(model, {self.upper}_EXT_{n.upper()})" for n in need.split("|")]
            conds.append(has[0] if len(has) == 1 else f"({' || '.join(has)})")
        if not conds:
            self.put(f"{indent}return {self.insn_id(row)};")
            return
        self.put(f"{indent}if (" + f" &&\n{indent}    ".join(conds) + ") {",
                 f"{indent}    return {self.insn_id(row)};", f"{indent}}}")


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
    if len(argv) < 6:
        print(__doc__, file=sys.stderr)
        return 2
    prefix, model, header, source = argv[1:5]
    try:
        tables = load(argv[5:])
    except (DecodeError, OSError) as e:
        print(e, file=sys.stderr)
        return 1
    writer = Writer(tables, prefix, model, os.path.basename(header))
    write_if_changed(header, writer.header())
    write_if_changed(source, writer.source())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
