#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Interrupt controllers of the PC: 8259s, I/O APIC, local APIC."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
APIC, IOAPIC = 0xfee00000, 0xfec00000


@suite.test
def the_8259_pair():
    """Priorities, masks, edges and levels, by polling."""
    with PcQtest() as q:
        # As firmware does: vectors 8 and 0x70, everything masked.
        for port, vector, cascade in ((0x20, 0x08, 4), (0xa0, 0x70, 2)):
            q.out(port, 0x11)
            for value in (vector, cascade, 1, 0xff):
                q.out(port + 1, value)
        pic = q.find("isa-i8259")

        def line(n, level):
            q.command("set_irq_in", pic, "unnamed-gpio-in", str(n), str(level))

        def poll(port):
            q.out(port, 0x0c)
            return q.inp(port)

        q.command("irq_intercept_out", pic)
        line(5, 1)
        assert q.take_irqs() == [], "it is masked"
        q.out(0x21, 0x00)
        assert q.take_irqs() == [(0, True)]
        line(3, 1)
        assert poll(0x20) == 0x83, "3 comes before 5"
        assert q.take_irqs() == [(0, False)], "5 waits for the end of 3"
        q.out(0x20, 0x0b)
        assert q.inp(0x20) == 0x08
        q.out(0x20, 0x20)
        assert poll(0x20) == 0x85
        q.out(0x20, 0x65)
        assert poll(0x20) == 0, "an edge counts once"
        # A level asks again after its end; the slave goes through input 2.
        q.out(0x4d1, 0xff)
        assert q.inp(0x4d1) == 0xde, "8 and 13 stay edges"
        q.out(0xa1, 0x00)
        line(10, 1)
        for _ in range(2):
            assert poll(0x20) == 0x82
            assert poll(0xa0) == 0x82
            q.out(0xa0, 0x20)
            q.out(0x20, 0x20)
        line(10, 0)
        assert poll(0x20) == 0
        q.command("rhea_snapshot")


@suite.test
def io_apic_to_local_apic():
    """An edge and a level from a pin through the bus to the CPU's pin, and the end of interrupt."""
    with PcQtest() as q:
        def entry(pin, value=None):
            """Writes a redirection entry, or reads its low half."""
            for half in (1, 0):
                q.write(IOAPIC, 0x10 + 2 * pin + half)
                if value is not None:
                    q.write(IOAPIC + 0x10, value >> 32 * half & 0xffffffff)
            return q.read(IOAPIC + 0x10)

        def pin(n, level):
            q.command("set_irq_in", q.find("ioapic"), "unnamed-gpio-in", str(n), str(level))

        def has(register, vector):
            return q.read(APIC + register + vector // 32 * 16) >> vector % 32 & 1

        q.command("irq_intercept_out", q.find("apic"), "intr")
        q.write(APIC + 0xf0, 0x1ff)
        entry(4, 0x51)
        pin(4, 1)
        assert q.take_irqs() == [(0, True)]
        assert has(0x200, 0x51) and not has(0x180, 0x51)
        pin(4, 0)
        entry(11, 0x8000 | 0x62)
        q.write(APIC + 0xf0, 0xff)
        pin(11, 1)
        assert not entry(11) & 1 << 14, "an APIC that is off takes nothing"
        q.write(APIC + 0xf0, 0x1ff)
        assert q.take_irqs() == [(0, False), (0, True)]
        assert has(0x200, 0x62) and has(0x180, 0x62)
        assert entry(11) & 1 << 14, "remote IRR"
        q.write(APIC + 0x80, 0x60)
        assert q.take_irqs() == [(0, False)], "the task priority holds both back"
        q.write(APIC + 0x80, 0)
        assert q.take_irqs() == [(0, True)]
        q.command("rhea_snapshot")
        # Messages as devices send them: to nobody, to everybody.
        q.write(APIC + 0x80000, 0x77)
        assert not has(0x200, 0x77)
        q.write(APIC + 0xff000, 0x78)
        assert has(0x200, 0x78)
        # An interrupt of this CPU to itself, and an illegal vector.
        q.write(APIC + 0x300, 0x40099)
        assert has(0x200, 0x99)
        q.write(APIC + 0x300, 0x40005)
        q.write(APIC + 0x280, 0)
        assert q.read(APIC + 0x280) & 0x20
        q.write(APIC + 0xf0, 0xff)
        assert q.take_irqs() == [(0, False)]


@suite.test
def local_timer():
    with PcQtest() as q:
        q.command("irq_intercept_out", q.find("apic"), "intr")
        q.write(APIC + 0xf0, 0x1ff)
        q.write(APIC + 0x3e0, 0xb)
        q.write(APIC + 0x320, 0x40)
        q.write(APIC + 0x380, 1000)
        q.step(400)
        assert q.read(APIC + 0x390) == 600
        q.step(599)
        assert q.take_irqs() == []
        q.step(1)
        assert q.take_irqs() == [(0, True)] and q.read(APIC + 0x390) == 0
        q.write(APIC + 0x320, 0x20041)
        q.write(APIC + 0x380, 50000)
        q.step(120000)
        assert q.read(APIC + 0x390) == 30000
        q.command("rhea_snapshot")
        q.write(APIC + 0x320, 0x42)
        assert q.read(APIC + 0x390) == 30000, "the period that runs is the last"
        q.step(29999)
        assert q.read(APIC + 0x220) & 4 == 0
        q.command("rhea_snapshot")
        q.step(1)
        assert q.read(APIC + 0x220) & 4 and q.read(APIC + 0x390) == 0
        q.command("rhea_snapshot")


sys.exit(suite.run())
