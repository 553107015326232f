#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""The worked examples of docs/ are true: the blocks of adding-a-device.md and adding-an-instruction.md,
applied to a copy of this tree and of what is built of it, build without a warning and pass their tests.

A block whose first line reads "```c file=PATH" is a new file; "append=PATH" is the end of an old one.
"""

import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
BLOCK = re.compile(r"^```\w+ (file|append)=(\S+)\n(.*?)^```$", re.M | re.S)


def blocks(page):
    with open(os.path.join(TOP, "docs", page), encoding="utf-8") as f:
        found = BLOCK.findall(f.read())
    assert len(found) == 3, f"{page}: {len(found)} blocks where three files are promised"
    return found


def apply(page, tree):
    for how, path, text in blocks(page):
        path = os.path.join(tree, path)
        assert os.path.exists(path) == (how == "append"), f"{page}: {how}={path}"
        with open(path, "a", encoding="utf-8") as f:
            f.write(text)


def redirect(path, old, new):
    """Changes a folder's name in a file, which does not get younger by that."""
    stat = os.stat(path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(rf"{re.escape(old)}(?=[/\s]|$)", lambda _: new, text))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def copy_tree(tree):
    """The sources, and of the build what is made of them, all as old as it is here."""
    build = os.getcwd()
    shutil.copytree(TOP, tree, symlinks=True,
                    ignore=lambda path, names: [n for n in names if n in (".git", "__pycache__", "config.mk")
                                                or os.path.exists(os.path.join(path, n, "config.mk"))])
    for base, folders, files in os.walk(build):
        folders[:] = [f for f in folders if not os.path.exists(os.path.join(base, f, "config.mk"))]
        for name in files:
            if name.endswith((".o", ".d", ".c", ".h", ".mk")) or name == "Makefile":
                into = os.path.join(tree, "made", os.path.relpath(base, build))
                os.makedirs(into, exist_ok=True)
                shutil.copy2(os.path.join(base, name), into)
    made = os.path.join(tree, "made")
    for name in ("config.mk", "Makefile"):
        redirect(os.path.join(made, name), TOP, tree)
    return made


def run(folder, *argv, **env):
    done = subprocess.run(argv, cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **env), check=False)
    assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stdout[-4000:]}"
    return done.stdout


@suite.test
def examples_build_and_pass():
    if os.path.exists(os.path.join(TOP, "config.mk")):
        raise tap.Skip("built in the source folder")
    with rhea.scratch() as folder:
        tree = os.path.join(folder, "tree")
        made = copy_tree(tree)
        for page in ("adding-a-device.md", "adding-an-instruction.md"):
            apply(page, tree)
        emulators = [n for n in ("rhea-system-riscv64", "rhea-system-x86_64") if os.path.exists(n)]
        text = run(made, "make", f"-j{os.cpu_count() or 1}", *emulators)
        assert "warning" not in text, text
        compiled = re.findall(r"^  CC +(\S+)", text, re.M)
        assert "hw/timer/egg-timer.o" in compiled and len(compiled) < 60, f"too much was built:\n{text}"
        emulator = os.path.join(made, "rhea-system-riscv64")
        test = os.path.join(tree, "tests", "insn", "riscv64", "vectors.py")
        text = run(made, sys.executable, test, RHEA_EMULATOR=emulator)
        assert "not ok" not in text, text
        test = os.path.join(tree, "tests", "qtest", "egg-timer-test.py")
        text = run(made, sys.executable, test, RHEA_EMULATOR=emulator)
        assert "not ok" not in text, text
        if "rhea-system-x86_64" in emulators and " # SKIP" not in text:
            assert "ok 1 rings-in-time" in text, text


sys.exit(suite.run())
