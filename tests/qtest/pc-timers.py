#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Timers and clocks of the PC: 8254, RTC, HPET."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
HPET = 0xfed00000


@suite.test
def interval_timer():
    """Rate generator, one-shot, latches, read-back, and the gate of port 61h."""
    with PcQtest("-M", "pc,hpet=off") as q:
        q.command("irq_intercept_out", q.find("isa-pit"))
        for port, value in ((0x43, 0x34), (0x40, 1000 & 0xff), (0x40, 1000 >> 8)):
            q.out(port, value)
        q.take_irqs()
        q.step(1000 * 10**9 // 1193182 - 10)
        assert q.take_irqs() == []
        q.step(30)
        assert q.take_irqs() == [(0, False), (0, True)]
        q.step(419000)
        q.out(0x43, 0x00)
        count = q.inp(0x40) | q.inp(0x40) << 8
        assert 490 < count < 510, count
        q.command("rhea_snapshot")
        for port, value in ((0x43, 0x30), (0x40, 0x10), (0x40, 0x00)):
            q.out(port, value)
        assert q.take_irqs()[-1] == (0, False)
        q.step(16 * 839)
        assert q.take_irqs() == [(0, True)]
        q.step(10**9)
        assert q.take_irqs() == []
        q.out(0x43, 0xe2)
        assert q.inp(0x40) == 0xb0, "status: output high, mode 0, two bytes"
        # Counter 2 counts when its gate rises.
        for port, value in ((0x61, 0), (0x43, 0xb6), (0x42, 0x00), (0x42, 0x10), (0x61, 1)):
            q.out(port, value)
        assert q.inp(0x61) & 0x20
        q.step(0x900 * 838)
        assert not q.inp(0x61) & 0x20, "the second half of a square wave"


@suite.test
def real_time_clock():
    """Time, formats, alarm, the three interrupts."""
    with PcQtest("-rtc", "base=2026-11-24T23:59:50", "-M", "pc,hpet=off") as q:
        def cmos(index, value=None):
            q.out(0x70, index)
            if value is None:
                return q.inp(0x71)
            return q.out(0x71, value)

        assert [cmos(i) for i in (0x32, 9, 8, 7, 4, 2)] == [0x20, 0x26, 0x11, 0x24, 0x23, 0x59]
        assert 0x50 <= cmos(0) <= 0x55, "as long as the start took"
        assert cmos(6) == 3, "a Tuesday"
        cmos(0x0b, 0x06)
        assert (cmos(4), cmos(2)) == (23, 59)
        cmos(0x0b, 0x00)
        assert cmos(4) == 0x91, "11 in the evening"
        cmos(0x0b, 0x02)
        q.command("irq_intercept_out", q.find("mc146818rtc"))
        for index in (1, 3, 5):
            cmos(index, 0)
        cmos(0x0c)
        cmos(0x0b, 0x22)
        q.step(11 * 10**9)
        assert q.take_irqs() == [(0, True), (0, True)], "the interrupt, and the alarm that wakes"
        assert cmos(0x0c) & 0xe0 == 0xe0 and cmos(0x0c) == 0
        assert q.take_irqs() == [(0, False), (0, False)]
        assert [cmos(i) for i in (8, 7, 4, 2)] == [0x11, 0x25, 0x00, 0x00]
        for enable, ns in ((0x12, 10**9), (0x42, 10**6)):
            cmos(0x0b, enable)
            q.take_irqs()
            q.step(ns)
            assert q.take_irqs() == [(0, True)], "update, 1024 Hz"
            cmos(0x0c)
        q.command("rhea_snapshot")
        cmos(0x0b, 0x82)
        for index, value in ((9, 0x30), (8, 0x02), (7, 0x28), (4, 0x23), (2, 0x59), (0, 0x59)):
            cmos(index, value)
        q.step(5 * 10**9)
        assert cmos(0) == 0x59, "it stands while it is set"
        cmos(0x0b, 0x02)
        q.step(10**9 + 1)
        assert [cmos(i) for i in (9, 8, 7, 4)] == [0x30, 0x03, 0x01, 0x00]
        cmos(0x40, 0x5a)
        q.command("system_reset")
        assert cmos(0x40) == 0x5a and cmos(9) == 0x30, "the battery keeps it"


@suite.test
def high_precision_timers():
    with PcQtest() as q:
        q.command("irq_intercept_out", q.find("hpet"))
        assert q.read(HPET + 4) == 10000000
        q.write(HPET + 0x10, 1, 8)
        q.step(1000)
        now = q.read(HPET + 0xf0, 8)
        assert now >= 100
        q.write(HPET + 0x100, 0x0004 | 16 << 9, 8)
        q.write(HPET + 0x108, now + 1000, 8)
        q.step(9980)
        assert q.take_irqs() == []
        q.step(20)
        assert q.take_irqs() == [(16, True), (16, False)]
        # Periodic, level: the line stays until its status is cleared.
        q.write(HPET + 0x120, 0x004e | 17 << 9, 8)
        q.write(HPET + 0x128, q.read(HPET + 0xf0, 8) + 10000, 8)
        q.write(HPET + 0x128, 10000, 8)
        for _ in range(2):
            q.step(100010)
            assert q.take_irqs() == [(17, True)]
            q.write(HPET + 0x20, 2, 8)
            assert q.take_irqs() == [(17, False)]
        q.command("rhea_snapshot")
        # A driver that was slow: its first moment is past when it comes to set the period.
        q.write(HPET + 0x120, 0x014c | 17 << 9, 8)
        q.write(HPET + 0x128, q.read(HPET + 0xf0, 8) - 500, 8)
        q.write(HPET + 0x128, 1000 * 1000, 8)
        q.step(9 * 10**6)
        assert q.take_irqs() == []
        q.command("rhea_snapshot")
        for _ in range(2):
            q.step(10**7)
            assert q.take_irqs() == [(17, True), (17, False)]
        q.write(HPET + 0x10, 0, 8)
        now = q.read(HPET + 0xf0, 8)
        q.step(10**6)
        assert q.read(HPET + 0xf0, 8) == now and q.take_irqs() == []


sys.exit(suite.run())
