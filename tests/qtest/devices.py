#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What holds for every device of the virt machine: register tables, reset, snapshot round trip, and no
write of a guest ends the emulator."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
RAM = 0x80000000
DEVICES = ["-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-device,netdev=n0",
           "-device", "virtio-rng-device"]
# Where the machine has registers, and how long the part is that matters.
REGIONS = [(0x101000, 0x24), (0x2000000, 0x10), (0x2004000, 0x10), (0x200bff8, 8), (0xc000000, 0x200),
           (0xc002000, 0x100), (0xc200000, 0x3000), (0x10000000, 8), (0x10100000, 0x18),
           (0x20000000, 0x100), (0x22000000, 0x100), (0x30000000, 0x1000)] + \
          [(0x10001000 + i * 0x1000, 0x200) for i in range(8)]


@suite.test
def register_tables():
    """Reset values, read-only bits and write masks of plain registers are what the tables say."""
    with Qtest(*DEVICES) as q:
        tested = 0
        for path, _ in q.devices():
            base, regs = q.registers(path)
            for name, offset, size, kind, reset, writable in regs:
                where = f"{path} {name}"
                if kind == "fn":
                    continue
                mask = (1 << 8 * size) - 1
                assert q.read(base + offset, size) == reset, where
                q.write(base + offset, mask, size)
                got = q.read(base + offset, size)
                if kind in ("ro", "const", "w1c"):
                    assert got == reset & (mask if kind != "w1c" else ~writable), where
                elif kind == "rw":
                    bits = writable or mask
                    assert got == (reset & ~bits) | bits, f"{where}: {got:#x}"
                    # A byte alone leaves the others as they are.
                    if size > 1:
                        q.write(base + offset, 0, 1)
                        assert q.read(base + offset, size) == (reset & ~bits | bits) & ~0xff, where
                q.command("system_reset")
                assert q.read(base + offset, size) == reset, f"{where} after reset"
                tested += 1
        assert tested >= 3


@suite.test
def snapshot_after_reset():
    with Qtest(*DEVICES) as q:
        q.command("rhea_snapshot")
        q.step(123456789)
        q.command("rhea_snapshot")


def random_lines(rng, count):
    """Accesses within and across registers, with values that tend to be small, large or addresses."""
    values = [0, 1, 2, 0xff, 0xffff, 0xffffffff, 0xffffffffffffffff, RAM, RAM + 0x1000, RAM - 8,
              0x80, 0x7fffffff, 0x74726976]
    for _ in range(count):
        base, span = rng.choice(REGIONS)
        letter, size = rng.choice([("b", 1), ("w", 2), ("l", 4), ("l", 4), ("l", 4), ("q", 8)])
        addr = base + rng.randrange(span) // size * size
        if rng.random() < 0.1:
            addr += 1
        if rng.random() < 0.3:
            yield f"read{letter} {addr:#x}"
        else:
            value = rng.choice(values) if rng.random() < 0.6 else rng.getrandbits(8 * size)
            yield f"write{letter} {addr:#x} {value & (1 << 8 * size) - 1:#x}"
        if rng.random() < 0.01:
            yield f"clock_step {rng.choice([1, 1000, 10**9])}"
        if rng.random() < 0.002:
            yield "system_reset"


@suite.test
def nonsense_in_registers():
    """The emulator answers all of it, and what comes out is still a state that can be saved."""
    for seed in range(4):
        rng = random.Random(seed)
        with Qtest(*DEVICES) as q:
            # Descriptors, rings and pointers out of RAM for whoever is told to look at them.
            data = "".join(rng.choice(("00", "01", "02", "80", "ff", f"{rng.randrange(256):02x}"))
                           for _ in range(0x3000))
            q.command("write", RAM, "0x3000", "0x" + data)
            answers = q.many(list(random_lines(rng, 3000)))
            assert all(a.startswith("OK") for a in answers), f"seed {seed}"
            q.command("rhea_snapshot")
            q.command("system_reset")
            q.command("rhea_snapshot")


def start_queue(q, base, desc, driver, device):
    """A virtio-mmio device up to DRIVER_OK with 8-entry queue 0 at the given places."""
    for offset, value in ((0x70, 0), (0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 0xb),
                          (0x30, 0), (0x38, 8), (0x80, desc), (0x84, 0), (0x90, driver), (0x94, 0),
                          (0xa0, device), (0xa4, 0), (0x44, 1), (0x70, 0xf)):
        q.write(base + offset, value)


@suite.test
def virtqueues_that_lie():
    """Rings outside RAM, in device registers, and descriptors that loop or run over the end."""
    with Qtest(*DEVICES) as q:
        slots = [0x10001000 + i * 0x1000 for i in range(8)]
        used = [s for s in slots if q.read(s + 8) != 0]
        assert len(used) >= 2, "both virtio devices have a slot"
        for base in used:
            for desc, driver, device in ((0, 0, 0), (0x10000000, 0x10000000, 0x10000000),
                                         (RAM + 0x3fffff8, RAM, RAM), (RAM, RAM, RAM),
                                         (RAM, RAM + 0x1000, 0xfffffff0)):
                start_queue(q, base, desc, driver, device)
                q.write(base + 0x50, 0)
            # Descriptor 0 leads to itself; 1 is an indirect table that holds itself; 2 has no end.
            for i, (addr, length, flags, link) in enumerate((
                    (RAM + 0x4000, 16, 1, 0), (RAM + 0x1000, 16, 4, 0),
                    (RAM + 0x3fffff0, 0xffffffff, 2, 0), (RAM, 16, 1, 999))):
                q.write(RAM + 0x1000 + 16 * i, addr, 8)
                q.write(RAM + 0x1008 + 16 * i, length)
                q.write(RAM + 0x100c + 16 * i, flags | link << 16)
            for head in (0, 1, 2, 3, 7, 0xffff):
                start_queue(q, base, RAM + 0x1000, RAM + 0x2000, RAM + 0x3000)
                q.write(RAM + 0x2004, head, 2)
                q.write(RAM + 0x2002, 1, 2)
                q.write(base + 0x50, 0)
            # An index that claims more than the ring has.
            start_queue(q, base, RAM + 0x1000, RAM + 0x2000, RAM + 0x3000)
            q.write(RAM + 0x2002, 0x8000, 2)
            q.write(base + 0x50, 0)
        q.command("rhea_snapshot")


@suite.test
def alarm_of_the_clock():
    """The RTC's alarm raises its line at the nanosecond, and only when it may."""
    with Qtest() as q:
        q.command("irq_intercept_out", q.find("goldfish_rtc"))
        rtc = 0x101000
        low = q.read(rtc)
        now = q.read(rtc + 4) << 32 | low
        alarm = now + 5000
        q.write(rtc + 0x10, 1)
        q.write(rtc + 0xc, alarm >> 32)
        q.write(rtc + 8, alarm & 0xffffffff)
        assert q.read(rtc + 0x18) == 1
        q.step(4999)
        assert q.take_irqs() == []
        q.command("rhea_snapshot")
        q.step(1)
        assert q.take_irqs() == [(0, True)]
        assert q.read(rtc + 0x18) == 0
        q.write(rtc + 0x1c, 1)
        assert q.take_irqs() == [(0, False)]


@suite.test
def timer_of_a_hart():
    """mtimecmp of the ACLINT: the line follows mtime >= mtimecmp."""
    with Qtest() as q:
        q.command("irq_intercept_out", q.find("riscv.aclint.mtimer"))
        compare, mtime = 0x2004000, 0x200bff8
        q.write(compare, q.read(mtime, 8) + 10, 8)  # 10 MHz: a microsecond
        q.take_irqs()
        q.step(999)
        assert q.take_irqs() == []
        q.step()
        assert q.take_irqs() == [(0, True)]
        q.write(compare, (1 << 64) - 1, 8)
        assert q.take_irqs() == [(0, False)]


sys.exit(suite.run())
