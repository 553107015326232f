#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The generator of opcode maps: what it must refuse, with file:line, and how rows are ordered."""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
sys.path.insert(0, os.path.join(TOP, "tcg", "gen"))

import mapgen  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
GENERATOR = os.path.join(TOP, "tcg", "gen", "mapgen.py")


def generate(folder, *tables):
    return subprocess.run([sys.executable, GENERATOR, os.path.join(folder, "maps.h"),
                           os.path.join(folder, "maps.c"), *tables],
                          capture_output=True, text=True, check=False)


def refused(path):
    """The table at @path is refused with the message and the line that it announces."""
    with open(path, encoding="utf-8") as f:
        words = f.readline().split("expect ")[1].split(" ", 1)
    line, message = words[0], words[1].strip()
    with rhea.scratch() as folder:
        done = generate(folder, path)
        assert done.returncode == 1, f"accepted: {done.stdout}"
        assert not os.listdir(folder), "output was written in spite of the error"
    assert done.stderr.startswith(f"{path}:{line}: error: "), done.stderr
    assert message in done.stderr, f"{done.stderr!r} lacks {message!r}"


for PATH in sorted(glob.glob(os.path.join(HERE, "err-*.map"))):
    suite.add(os.path.basename(PATH).removesuffix(".map"), refused, PATH)


def rows_of(text):
    """The rows of a table in the order in which the decoder tries them: (opcode, action)."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "t.map")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return [(row.opcode, row.action.name) for row in mapgen.load([path]).rows]


@suite.test
def one_line_stands_for_mmx_sse_and_avx():
    with rhea.scratch() as folder:
        path = os.path.join(folder, "t.map")
        with open(path, "w", encoding="utf-8") as f:
            f.write("action vec rw,r -\nmap 0f\n"
                    "fc msx.66 Vx,Wx vec avx2 ir=VADD.8 cpuid=SSE2 \"paddb\"\n")
        rows = mapgen.load([path]).rows
    got = {(row.text, row.vex, row.pfx, tuple(o.place + o.access for o in row.operands),
            row.features[0], row.ir) for row in rows}
    op = ("IR_VADD", "IR_L8", "0")
    assert got == {
        ("paddb", False, 1, ("Prw", "Qr"), "MMX", op),
        ("paddb", False, 2, ("Vrw", "Wr"), "SSE2", op),
        ("vpaddb", True, 2, ("Vw", "Hr", "Wr"), "AVX", op),
    }, got


@suite.test
def the_more_specific_row_comes_first():
    rows = rows_of("action a r -\naction b r -\naction c r -\naction d r -\nmap 0f\n"
                   "b8 - Ev a\nb8 f3 Ev b cpuid=POPCNT\nb8 f3|f2 Ev c\nb8/1r f3 Ev d\n")
    assert [name for _, name in rows] == ["d", "b", "c", "a"], rows


@suite.test
def low_bits_make_several_opcodes():
    assert [op for op, _ in rows_of("action inc rw -\nmap root\n40+r - Zv inc\n")] == \
        list(range(0x40, 0x48))
    assert len(rows_of("action jcc r -\nmap root\n70+c - Jb jcc\n")) == 16


@suite.test
def modes_and_vex_fields_do_not_overlap():
    rows_of("action a r -\naction b r -\nmap root\n63 - Ev a i64\n63 - Ev b o64\n")
    rows_of("action a r -\naction b r -\nmap 0f\n10 v.np Ev a w0\n10 v.np Ev b w1\n")
    rows_of("action a r -\naction b r -\nmap 0f\n10/1m - Ev a\n10/1r - Ev b\n")


@suite.test
def the_product_tables_are_accepted_and_output_is_stable():
    tables = glob.glob(os.path.join(TOP, "target", "x86_64", "insns", "*.map"))
    with rhea.scratch() as folder:
        assert generate(folder, *sorted(tables)).returncode == 0
        header = os.path.join(folder, "maps.h")
        os.utime(header, (1, 1))
        assert generate(folder, *sorted(tables)).returncode == 0
        assert os.stat(header).st_mtime == 1, "the header was written again"


if __name__ == "__main__":
    sys.exit(suite.run())
