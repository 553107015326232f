#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The qtest protocol itself: memory, time, interrupts, and what is wrong."""

import base64
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
RAM = 0x80000000


@suite.test
def memory():
    with Qtest() as q:
        q.write(RAM, 0x1122334455667788, 8)
        assert q.read(RAM, 1) == 0x88
        assert q.read(RAM + 2, 2) == 0x5566
        assert q.read(RAM, 4) == 0x55667788
        assert q.raw(f"readq {RAM:#x}") == "OK 0x1122334455667788"
        q.command("write", RAM + 0x100, "3", "0xabcdef")
        assert q.command("read", RAM + 0x0ff, "5") == "0x00abcdef00"
        q.command("b64write", RAM + 0x200, "5", base64.b64encode(b"hello").decode())
        assert base64.b64decode(q.command("b64read", RAM + 0x200, "5")) == b"hello"
        q.command("memset", RAM + 0x300, "0x1000", "0xee")
        assert q.read(RAM + 0x12ff, 1) == 0xee
        assert q.read(RAM + 0x1300, 1) == 0
        assert q.command("endianness") == "little"
        assert q.read(0x40, 4) == 0, "nothing is there"


@suite.test
def wrong_lines():
    with Qtest() as q:
        for line in ("bark", "readl", "readl x", "readl 1 2", "writel 0x80000000", "read 0x80000000 0",
                     "read 0x80000000 0xffffffffffffffff", "write 0x80000000 2 0x11", "readl -1",
                     "write 0x80000000 1 0xzz", "memset 0x80000000 0xfffffffffff 1", "inb 0x60",
                     "clock_step -1", "clock_step 0xffffffffffffffff", "irq_intercept_in /nowhere",
                     "irq_intercept_in /machine", "set_irq_in /machine x 0 1", "rhea_regs /machine",
                     "b64write 0x80000000 9 aGVsbG8="):
            answer = q.raw(line)
            assert answer.startswith("FAIL "), f"{line}: {answer}"
        assert q.read(RAM) == 0
        assert q.raw("   readl \t 0x80000000  ") == "OK 0x0000000000000000"


@suite.test
def time_stands_still():
    with Qtest() as q:
        assert q.step() == 0, "no timer is armed"
        assert q.step(1000) == 1000
        assert int(q.command("clock_set", "5000")) == 5000
        assert int(q.command("clock_set", "10")) == 5000, "never back"


@suite.test
def interrupts():
    with Qtest() as q:
        plic = q.find("riscv.sifive.plic")
        q.command("irq_intercept_in", plic)
        assert q.raw(f"irq_intercept_in {q.find('goldfish_rtc')}").startswith("FAIL ")
        assert q.raw(f"set_irq_in {plic} unnamed-gpio-in 100000 1").startswith("FAIL ")
        assert q.raw(f"set_irq_in {plic} bark 0 1").startswith("FAIL ")
        q.command("set_irq_in", plic, "unnamed-gpio-in", "3", "1")


sys.exit(suite.run())
