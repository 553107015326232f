#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sizes of files and functions: warn and fail limits by kind.  size-exceptions.txt lists what may be
larger, each with a reason."""
import os
import re

from style import TOP, finish, read, tracked

# (what a path looks like, warn, fail), first match counts.
FILE_LIMITS = [
    (r"\.(decode|map)$", 1200, 2000),
    (r"\.(h|def)$", 300, 500),
    (r"^tcg/host/.*\.c$", 1500, 2000),
    (r"^hw/.*\.c$", 700, 1000),
    (r"\.c$", 900, 1200),
]
FUNCTION_WARN, FUNCTION_FAIL = 60, 100


def exceptions():
    lines = read("tests/style/size-exceptions.txt").splitlines()
    return dict(l.split(None, 1) for l in lines if l.strip() and not l.startswith("#"))


def functions(text):
    """(name, lines, body) of each function definition: a '{' in column 0 to the next '}' there."""
    lines = text.splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 6):start])
            names = re.findall(r"(\w+)\s*\([^;{}]*\)\s*$", head) or re.findall(r"(\w+)\s*\(", head)
            yield (names[-1] if names else f"line {start + 1}", i - start + 1, lines[start:i])
            start = None


def flat_dispatch(body):
    """A switch that only hands out: most lines are cases, and nothing is nested deeply."""
    code = [l for l in body if l.strip()]
    cases = sum(bool(re.match(r"\s*(case\b.*|default):", l)) for l in code)
    deep = sum(l.startswith(" " * 16) for l in code)
    return cases >= len(code) / 4 and deep <= len(code) / 8


def main():
    known = exceptions()
    used, failures, warnings = set(), [], []

    def judge(key, what, size, warn, fail):
        if size > fail and key not in known:
            failures.append(f"{what}: {size} lines, at most {fail}")
        elif size > warn and key not in known:
            warnings.append(f"{what}: {size} lines, better at most {warn}")
        if size > warn:
            used.add(key)

    for name in tracked(".c", ".h", ".def", ".decode", ".map"):
        text = read(name)
        size = text.count("\n")
        for pattern, warn, fail in FILE_LIMITS:
            if re.search(pattern, name):
                judge(name, name, size, warn, fail)
                break
        if not name.endswith(".c"):
            continue
        for function, length, body in functions(text):
            if not flat_dispatch(body):
                judge(f"{name}:{function}", f"{name}: {function}()", length, FUNCTION_WARN,
                      FUNCTION_FAIL)
    for key in sorted(set(known) - used):
        if not os.path.exists(os.path.join(TOP, key.split(":")[0])):
            failures.append(f"size-exceptions.txt: {key} is gone")
    finish("sizes of files and functions", failures, warnings)


main()
