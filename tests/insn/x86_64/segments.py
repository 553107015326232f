#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Random segment loads, far transfers, flags and limits: this host's processor and a Linux guest agree."""

import os
import platform
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from initrd import with_modules  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))
HERE = os.path.dirname(os.path.abspath(__file__))
# The program lies above 4 GiB, where 32-bit code that runs astray does not come.
FLAGS = ("-std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -fcf-protection=none "
         "-mno-red-zone -mgeneral-regs-only -fpie -static -nostdlib -no-pie -Wl,-Ttext-segment=0x7000000000 "
         "-Wl,--build-id=none")


def build(folder):
    path = os.path.join(folder, "segments")
    subprocess.run(["cc", *shlex.split(FLAGS), "-o", path, os.path.join(HERE, "segments.c")], check=True)
    return path


def natively(program, *args):
    """What the program prints here.  A host that interrupts a piece may change it: twice the same counts."""
    def once():
        done = subprocess.run([program, *args], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        if done.returncode == 77:
            raise tap.Skip("this host has not got the addresses")
        assert done.returncode == 0, done
        return done.stdout.splitlines()

    seen = once()
    for _ in range(10):
        again = once()
        if again == seen:
            return seen
        seen = again
    raise AssertionError("no two runs are the same here")


def first_difference(program, m, bits, block):
    """The first piece of a block that differs."""
    wanted = natively(program, bits, str(block))
    found = m.run(f"/more/segments {bits} {block} > /tmp/out; cat /tmp/out", 300).splitlines()
    for host, guest in zip(wanted, found):
        if host != guest:
            return f"\nhost:  {host}\nguest: {guest}"
    return f"block {block}: {len(found)} pieces, wanted {len(wanted)}"


def judge(bits, kernel, *args):
    """Kernels differ in whether they allow 16-bit segments: bits tells."""
    if platform.machine() != "x86_64":
        raise tap.Skip("the host is no x86_64")
    image = rhea.guest_file(f"{kernel}Image")
    with rhea.scratch() as folder:
        program = build(folder)
        wanted = natively(program, bits)
        initrd = with_modules(folder, (), image, rhea.guest_file(f"{kernel}initrd.cpio"), [program])
        with rhea.Machine("-M", "pc", "-cpu", "max", "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 quiet",
                          *args, memory="256M") as m:
            m.expect("rhea-guest: ready", 300)
            m.run("stty cols 1000; chmod +x /more/segments; ulimit -c 0")
            found = m.run(f"/more/segments {bits} > /tmp/out; cat /tmp/out", 600).splitlines()
            assert len(found) == len(wanted) == 100, found
            for block, (host, guest) in enumerate(zip(wanted, found)):
                assert host == guest, first_difference(program, m, bits, block)


suite.add("32bit", judge, "32", "")
if os.environ.get("RHEA_SLOW"):
    suite.add("16bit", judge, "16", "stock-bookworm/")
    suite.add("16bit-tci", judge, "16", "stock-bookworm/", "-accel", "tci")


if __name__ == "__main__":
    sys.exit(suite.run())
