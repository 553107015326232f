# SPDX-License-Identifier: MIT
"""What the style checks share: the tracked files, and reporting in TAP."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tracked(*suffixes):
    """Tracked files that exist, by suffix (none: all), relative to the top."""
    out = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], capture_output=True)
    if out.returncode:  # a release without its history
        names = [os.path.relpath(os.path.join(d, f), TOP)
                 for d, dirs, files in os.walk(TOP) for f in files
                 if not dirs.sort() and "/.git" not in d]
    else:
        names = out.stdout.decode().split("\0")
    return sorted(n for n in names
                  if n and n.endswith(suffixes or "") and os.path.isfile(os.path.join(TOP, n)))


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def finish(test, failures, warnings=()):
    """One TAP line for the whole check; every failure and warning as a comment. Ends the program."""
    print("TAP version 13\n1..1")
    for w in warnings:
        print(f"# warning: {w}")
    for f in failures:
        print(f"# {f}")
    print(("not " if failures else "") + f"ok 1 {test}")
    sys.exit(1 if failures else 0)


def skip(test, reason):
    print(f"TAP version 13\n1..1\nok 1 {test} # SKIP {reason}")
    sys.exit(0)
