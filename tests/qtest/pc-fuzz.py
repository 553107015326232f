#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every port and register bank of the PC under nonsense, seeded ($SEED): the machine goes on answering."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pcspace  # noqa: E402
from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
SEED = int(os.environ.get("SEED", "15"))


class Pc(PcQtest):
    MACHINE = []        # devices() says it


def nonsense(seed, machine, groups=None):
    rng = random.Random(seed)
    with rhea.scratch() as folder, Pc(*pcspace.devices(folder, machine)) as q:
        space = pcspace.Space(q)
        for _ in range(12):
            lines = list(space.lines(rng, 500, groups))
            for line, answer in zip(lines, q.many(lines)):
                assert answer.startswith("OK"), f"{line}: {answer}"
        q.command("rhea_snapshot")
        q.command("system_reset")
        assert q.inp(0x64) & 0x80 == 0 and q.config(0, 0) in (0x12378086, 0x29c08086)


suite.add("everything-pc", nonsense, SEED, "pc")
suite.add("everything-q35", nonsense, SEED + 1, "q35")
suite.add("interrupts-and-timers", nonsense, SEED + 2, "pc",
          ["dma", "pic", "pit", "rtc", "i8042", "ioapic", "hpet", "apic", "pm"])
suite.add("disks", nonsense, SEED + 3, "pc", ["ide", "fdc", "dma", "pci"])

if __name__ == "__main__":
    sys.exit(suite.run())
