#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every header compiles alone, given only what its own includes bring."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from style import TOP, finish, skip, tracked


def library_flags():
    out = subprocess.run(["pkg-config", "--cflags", "glib-2.0", "json-glib-1.0", "pixman-1"],
                         capture_output=True, text=True)
    return out.stdout.split()


def main():
    build = os.getcwd()
    if not os.path.exists(os.path.join(build, "config.h")):
        skip("headers compile alone", "run ./configure first")
    headers = [n for n in tracked(".h") if n.startswith("include/")]
    flags = ["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
             "-x", "c", f"-I{build}", f"-I{TOP}/include"] + library_flags()

    def check(name):
        done = subprocess.run([os.environ.get("CC", "gcc"), *flags, os.path.join(TOP, name)],
                              capture_output=True, text=True)
        return None if done.returncode == 0 else f"{name}: {done.stderr.strip().splitlines()[0]}"

    with ThreadPoolExecutor(2) as pool:
        failures = [f for f in pool.map(check, headers) if f]
    finish("headers compile alone", failures)


main()
