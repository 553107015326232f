#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The decoder generator: what it must refuse, with file:line, and what its output does.

Each err-*.decode says in its first line which message is expected.  The good table is compiled with a
driver (match.c) and asked about every encoding of interest.
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
sys.path.insert(0, os.path.join(TOP, "tcg", "gen"))

import decodegen  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
GENERATOR = os.path.join(TOP, "tcg", "gen", "decodegen.py")


def generate(folder, *tables):
    return subprocess.run([sys.executable, GENERATOR, "toy", "toy-model.h",
                           os.path.join(folder, "toy.h"), os.path.join(folder, "toy.c"), *tables],
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
    where = f"{path}:{line}: " if line != "-" else ""
    assert done.stderr.startswith(f"{where}error: "), done.stderr
    assert message in done.stderr, f"{done.stderr!r} lacks {message!r}"


for PATH in sorted(glob.glob(os.path.join(HERE, "err-*.decode"))):
    suite.add(os.path.basename(PATH).removesuffix(".decode"), refused, PATH)


@suite.test
def output_matches_and_extracts():
    cc = rhea.need_tool("cc")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0"], capture_output=True,
                           text=True, check=True).stdout.split()
    with rhea.scratch() as folder:
        done = generate(folder, os.path.join(HERE, "good.decode"))
        assert done.returncode == 0, done.stderr
        with open(os.path.join(folder, "config.h"), "w", encoding="utf-8"):
            pass    # osdep.h wants one; nothing in it matters here
        program = os.path.join(folder, "match")
        subprocess.run([cc, "-Wall", "-Wextra", "-Werror", "-I" + folder, "-I" + HERE,
                        "-I" + os.path.join(TOP, "include"), "-o", program,
                        os.path.join(HERE, "match.c"), os.path.join(folder, "toy.c"), *flags],
                       check=True)
        subprocess.run([program], check=True)


@suite.test
def output_is_left_alone_when_it_would_be_the_same():
    with rhea.scratch() as folder:
        table = os.path.join(HERE, "good.decode")
        assert generate(folder, table).returncode == 0
        header = os.path.join(folder, "toy.h")
        os.utime(header, (1, 1))
        assert generate(folder, table).returncode == 0
        assert os.stat(header).st_mtime == 1, "the header was written again"


@suite.test
def fields_round_trip():
    tables = decodegen.load([os.path.join(HERE, "good.decode")])
    row = next(r for r in tables.rows if r.name == "hop")
    for offset in (0, 2, -2, 4094, -4096, 0x556):
        insn = row.encode({"off": offset, "a": 3})
        assert row.matches(insn)
        assert row.form.placed["off"].decode(insn) == offset
        assert row.form.placed["a"].decode(insn) == 3


if __name__ == "__main__":
    sys.exit(suite.run())
