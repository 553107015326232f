#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guests of the x86 privileged architecture (tests/guests/x86_64), built here and run as firmware."""

import os
import platform
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

EMULATOR = os.path.join(os.getcwd(), "rhea-system-x86_64")
EXIT_OK = 1  # isa-debug-exit: (0 << 1) | 1

suite = tap.Suite()


def build(folder):
    if platform.machine() != "x86_64":
        raise tap.Skip("the guests are built by an x86 host's compiler")
    rhea.need_tool("objcopy")
    subprocess.run([os.path.join(TOP, "tests/guests/x86_64/build"), folder], check=True)


def run(guest, cpu, accel, *more):
    if not os.path.exists(EMULATOR):
        raise tap.Skip("rhea-system-x86_64 is not built")
    with tempfile.TemporaryDirectory(prefix="rhea-test-") as folder:
        build(folder)
        done = subprocess.run(
            [EMULATOR, "-M", "pc", "-m", "32M", "-cpu", cpu, "-accel", accel, "-display", "none",
             "-monitor", "none", "-serial", "stdio", "-no-reboot",
             "-bios", os.path.join(folder, f"{guest}.bin"),
             "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *more],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False)
    failures = [line for line in done.stdout.splitlines() if line.startswith(("FAIL", "#"))]
    assert not failures, "\n".join(failures)
    assert re.search(r"rhea \w+ guest: \d+ ok, 0 failed", done.stdout), done.stdout + done.stderr
    assert done.returncode == EXIT_OK, f"status {done.returncode}: {done.stderr}"


for GUEST in ("prot", "long"):
    for CPU, ACCEL in (("qemu64", "tcg"), ("max", "tcg"), ("max", "tci")):
        suite.add(f"{GUEST}-{CPU}-{ACCEL}", run, GUEST, CPU, ACCEL)
for ACCEL in ("tcg", "tci"):
    suite.add(f"long-4-cpus-{ACCEL}", run, "long", "max", ACCEL, "-smp", "4")

if __name__ == "__main__":
    sys.exit(suite.run())
