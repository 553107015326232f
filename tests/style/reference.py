#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/reference.md says what the built emulator says of itself."""

import os
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

made = subprocess.run([os.path.join(TOP, "scripts", "make-reference"),
                       os.path.join(os.getcwd(), "rhea-system-riscv64")],
                      stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True).stdout
with open(os.path.join(TOP, "docs", "reference.md"), encoding="utf-8") as f:
    kept = f.read()
print("1..1")
if made == kept:
    print("ok 1 reference")
else:
    for a, b in zip(made.splitlines(), kept.splitlines()):
        if a != b:
            print(f"# built: {a}\n# kept:  {b}")
            break
    print("not ok 1 reference # scripts/make-reference ./rhea-system-riscv64 > docs/reference.md")
    sys.exit(1)
