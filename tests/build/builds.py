#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 1200
"""Clang builds the tree without a warning, in the source folder's copy as well as out of it."""

import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def run(folder, *argv, **env):
    done = subprocess.run(argv, cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **env), check=False)
    assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stdout[-4000:]}"
    return done.stdout


def jobs():
    return f"-j{os.cpu_count() or 1}"


def guest_runs(emulator):
    run(TOP, sys.executable, os.path.join(TOP, "tests", "boot", "own-guest.py"), RHEA_EMULATOR=emulator)


@suite.test
def clang_out_of_tree():
    rhea.need_tool("clang")
    with rhea.scratch() as folder:
        run(folder, os.path.join(TOP, "configure"), "--cc=clang", "--enable-werror")
        text = run(folder, "make", jobs())
        assert "warning" not in text, text
        guest_runs(os.path.join(folder, "rhea-system-riscv64"))


@suite.test
def in_tree_and_clean():
    """A tree that was configured and built in place is what it was after distclean."""
    with rhea.scratch() as folder:
        copy = os.path.join(folder, "tree")
        shutil.copytree(TOP, copy, symlinks=True,
                        ignore=lambda path, names: [n for n in names if n == ".git" or path == TOP and n == "build"])
        run(copy, "make", "distclean")
        before = listing(copy)
        # What is tested is the make files, so the code may stay as slow as it compiles fast.
        run(copy, "./configure", "--extra-cflags=-O0")
        run(copy, "make", jobs())
        guest_runs(os.path.join(copy, "rhea-system-riscv64"))
        run(copy, "make", "clean")
        left = listing(copy) - before
        assert left == {"config.h", "config.mk"}, left
        run(copy, "make", "distclean")
        assert listing(copy) == before, listing(copy) ^ before


def listing(folder):
    return {os.path.relpath(os.path.join(base, f), folder)
            for base, _, files in os.walk(folder) for f in files if not f.endswith(".pyc")}


sys.exit(suite.run())
