#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every source names its licence in its first three lines; no file names a path of a developer's
machine, and none has tabs where spaces belong, blanks at line ends, or no newline at its end."""
import os
import re

from style import TOP, finish, tracked

SOURCES = (".c", ".h", ".def", ".py", ".sh", ".S", ".mk", ".decode", ".ld")
SCRIPTS = ("Makefile", "configure", "tests/run")
HOST_PATHS = re.compile(rb"(?<![\w.])/(?:home|work|Users)/\w+")


def main():
    failures = []
    for name in tracked():
        with open(os.path.join(TOP, name), "rb") as f:
            data = f.read()
        if b"\0" in data:
            continue  # a binary: pc-bios/MANIFEST answers for it
        if (name.endswith(SOURCES) or name in SCRIPTS) and \
                b"SPDX-License-Identifier: MIT" not in b"\n".join(data.split(b"\n")[:3]):
            failures.append(f"{name}: no SPDX line at the top")
        for number, line in enumerate(data.split(b"\n"), 1):
            where = f"{name}:{number}"
            if HOST_PATHS.search(line) and name != "tests/style/text.py":
                failures.append(f"{where}: names a path of one machine")
            if line.endswith((b" ", b"\t")):
                failures.append(f"{where}: blanks at the end of the line")
            if b"\t" in line and name.endswith((".c", ".h", ".def", ".py")):
                failures.append(f"{where}: a tab")
        if data and not data.endswith(b"\n"):
            failures.append(f"{name}: no newline at the end")
    finish("licences and text", failures)


main()
