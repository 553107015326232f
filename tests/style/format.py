#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every .c and .h file is as clang-format (version 14, settings in .clang-format) writes it; with
--fix, makes it so: `make format`."""
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from style import TOP, finish, read, skip, tracked

# Laid out by hand, in columns.
BY_HAND = ("include/tcg/ir-ops.def",)


def formatted(name):
    done = subprocess.run(["clang-format", "--style=file", name], cwd=TOP, capture_output=True,
                          text=True)
    return name, done.stdout


def main():
    tool = shutil.which("clang-format")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout if tool \
        else ""
    if " 14." not in version:
        skip("layout", "clang-format 14 is missing (Debian package clang-format)")
    failures = []
    names = [n for n in tracked(".c", ".h") if n not in BY_HAND]
    with ThreadPoolExecutor(2) as pool:
        for name, text in pool.map(formatted, names):
            if text == read(name):
                continue
            if "--fix" in sys.argv:
                with open(os.path.join(TOP, name), "w", encoding="utf-8") as f:
                    f.write(text)
            else:
                failures.append(f"{name}: run `make format`")
    finish("layout", failures)


main()
