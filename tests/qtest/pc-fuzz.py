#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every port and register bank of the PC under nonsense, seeded ($SEED): the machine goes on answering."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
SEED = int(os.environ.get("SEED", "15"))
PORTS = [*range(0x00, 0x10), *range(0x20, 0x22), *range(0x40, 0x44), *range(0x60, 0x65), *range(0x70, 0x72),
         *range(0x80, 0x93), *range(0xa0, 0xa2), *range(0xb2, 0xb4), *range(0xc0, 0xe0), *range(0x170, 0x178),
         *range(0x1ce, 0x1d1), *range(0x1f0, 0x1f8), 0x376, *range(0x3b4, 0x3e0), *range(0x3f0, 0x400),
         *range(0x4d0, 0x4d2), 0x505, *range(0x510, 0x518), *range(0xaf00, 0xaf20), *range(0xcf8, 0xd00)]
BANKS = [(0xfec00000, 0x40), (0xfed00000, 0x400), (0xfee00000, 0x400), (0xa0000, 0x20000), (0xfffc0000, 0x1000)]


def line(rng, ports):
    """One access in the qtest protocol."""
    size = rng.choice("bwl")
    value = rng.choice((0, 1, 0xff, rng.getrandbits(8), rng.getrandbits(32))) & {"b": 0xff, "w": 0xffff}.get(size, ~0)
    if rng.random() < .85:
        port = rng.choice(ports) if rng.random() < .9 else rng.randrange(0x10000)
        return f"in{size} {port:#x}" if rng.random() < .4 else f"out{size} {port:#x} {value:#x}"
    base, span = rng.choice(BANKS)
    at = base + rng.randrange(0, span, {"b": 1, "w": 2, "l": 4}[size])
    return f"read{size} {at:#x}" if rng.random() < .4 else f"write{size} {at:#x} {value:#x}"


def nonsense(seed, ports):
    rng = random.Random(seed)
    with rhea.scratch() as folder:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.truncate(4 << 20)
        with PcQtest("-no-shutdown", "-hda", disk, "-cdrom", disk, "-snapshot", "-nic", "user,model=e1000",
                     "-device", "isa-debugcon,chardev=n", "-chardev", "null,id=n") as q:
            q.set_config(0x09, 0x20, 0xaf01)      # bus mastering of the IDE
            q.set_config(0x09, 0x04, 5, 2)
            for _ in range(12):
                q.many([line(rng, ports) for _ in range(500)])
                q.step(rng.choice((1000, 1000000, 100000000)))
            q.command("system_reset")
            assert q.inp(0x64) & 0x80 == 0 and q.config(0, 0) == 0x12378086


suite.add("ports-1", nonsense, SEED, PORTS)
suite.add("ports-2", nonsense, SEED + 1, PORTS)
suite.add("interrupts-and-timers", nonsense, SEED + 2, [p for p in PORTS if p < 0xe0])
suite.add("disks", nonsense, SEED + 3, [p for p in PORTS if 0x170 <= p < 0x400 or p >= 0xaf00])

if __name__ == "__main__":
    sys.exit(suite.run())
