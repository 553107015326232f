#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bridges, ports of PCI Express and MSI: bus numbers, windows, interrupt lines, resets; and nonsense in
every configuration space."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest, Qtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
NUMBERS, IO, MEMORY, PREFETCH, CONTROL = 0x18, 0x1c, 0x20, 0x24, 0x3e
BRIDGE, PVPANIC, E1000 = 0x00011b36, 0x00111b36, 0x100e8086


def config(q, bus, devfn, offset, size=4):
    q.out(0xcf8, 0x80000000 | bus << 16 | devfn << 8 | offset & 0xfc, 4)
    return q.inp(0xcfc + (offset & 3), size)


def set_config(q, bus, devfn, offset, value, size=4):
    q.out(0xcf8, 0x80000000 | bus << 16 | devfn << 8 | offset & 0xfc, 4)
    q.out(0xcfc + (offset & 3), value, size)


def open_bridge(q, bus, devfn, secondary, subordinate):
    """Bus numbers; 16 KiB of I/O at 0xc000, memory 0xe0000000 to 0xe1ffffff; all of it on."""
    set_config(q, bus, devfn, NUMBERS, bus | secondary << 8 | subordinate << 16)
    set_config(q, bus, devfn, IO, 0xf0c0, 2)
    set_config(q, bus, devfn, MEMORY, 0xe1f0e000)
    set_config(q, bus, devfn, 4, 7, 2)


@suite.test
def numbers_and_windows():
    """What lies behind two bridges answers where both of them let it through, and nowhere else."""
    with PcQtest("-device", "pci-bridge,id=a,addr=8,chassis_nr=7", "-device", "pci-bridge,id=b,bus=a,addr=3",
                 "-device", "pvpanic-pci,bus=b,addr=1f,events=3", "-device", "e1000,bus=b,addr=2") as q:
        bridge = 8 << 3
        assert config(q, 0, bridge, 0) == BRIDGE and config(q, 0, bridge, 0xe, 1) == 1
        assert config(q, 0, bridge, 0x34, 1) and config(q, 0, bridge, config(q, 0, bridge, 0x34, 1)) >> 24 == 7
        assert config(q, 1, 3 << 3, 0) == 0xffffffff, "no bus has number 1 yet"
        open_bridge(q, 0, bridge, 1, 2)
        assert config(q, 1, 3 << 3, 0) == BRIDGE
        assert config(q, 2, 0x1f << 3, 0) == 0xffffffff
        open_bridge(q, 1, 3 << 3, 2, 2)
        assert config(q, 2, 0x1f << 3, 0) == PVPANIC and config(q, 2, 2 << 3, 0) == E1000
        assert config(q, 3, 2 << 3, 0) == 0xffffffff
        set_config(q, 2, 0x1f << 3, 0x10, 0xe0100000)
        set_config(q, 2, 0x1f << 3, 4, 2, 2)
        set_config(q, 2, 2 << 3, 0x14, 0xd000)
        set_config(q, 2, 2 << 3, 4, 1, 2)
        assert q.read(0xe0100000, 1) == 3
        q.out(0xd000, 8, 4)     # IOADDR: the status register
        assert q.inp(0xd000, 4) == 8
        q.command("rhea_snapshot")
        for where, offset, closed, opened in ((0, MEMORY, 0xe000e010, 0xe1f0e000), (1, MEMORY, 0xe000e010, 0xe1f0e000),
                                              (0, 4, 5, 7), (1, 4, 5, 7)):
            bus, devfn = ((0, bridge), (1, 3 << 3))[where]
            set_config(q, bus, devfn, offset, closed, 4 if offset == MEMORY else 2)
            assert q.read(0xe0100000, 1) != 3 and q.inp(0xd000, 4) == 8
            set_config(q, bus, devfn, offset, opened, 4 if offset == MEMORY else 2)
            assert q.read(0xe0100000, 1) == 3
        set_config(q, 0, bridge, IO, 0x10f0, 2)
        assert q.inp(0xd000, 4) == 0xffffffff and q.read(0xe0100000, 1) == 3
        set_config(q, 0, bridge, IO, 0xf0c0, 2)
        # The reset of the bus behind takes the functions' registers and those of the bridge there.
        set_config(q, 0, bridge, CONTROL, 0x40, 2)
        set_config(q, 0, bridge, CONTROL, 0, 2)
        assert config(q, 1, 3 << 3, NUMBERS) == 0 and config(q, 0, bridge, NUMBERS) == 0x20100
        open_bridge(q, 1, 3 << 3, 2, 2)
        assert config(q, 2, 0x1f << 3, 0x10) == 0 and config(q, 2, 2 << 3, 4, 2) == 0
        q.command("system_reset")
        assert config(q, 1, 3 << 3, 0) == 0xffffffff


@suite.test
def shown_in_the_monitor():
    with PcQtest("-device", "pci-bridge,id=a,addr=8", "-device", "pvpanic-pci,bus=a,addr=3", qmp=True) as q:
        open_bridge(q, 0, 8 << 3, 5, 6)
        set_config(q, 5, 3 << 3, 0x10, 0xe0100000)
        set_config(q, 5, 3 << 3, 4, 2, 2)
        with q.qmp() as c:
            text = c.command("human-monitor-command", command_line="info pci")
        for part in ("Bus  0, device   1, function 3:", "0680: 8086:7113 (PIIX4_PM)",
                     "leads to bus 5 ('a'), up to bus 6", "Bus  5, device   3, function 0:",
                     "BAR0: memory at 0xe0100000 [0x"):
            assert part in text, f"no {part!r} in\n{text}"


@suite.test
def window_above_4g():
    """The prefetchable window takes 64-bit addresses, up to all there are."""
    with PcQtest("-M", "q35", "-device", "pcie-root-port,id=p,addr=6", "-device", "virtio-rng-pci,bus=p") as q:
        port = 6 << 3
        set_config(q, 0, port, NUMBERS, 0x10100)
        set_config(q, 0, port, PREFETCH, 0xfff10011)
        set_config(q, 0, port, 0x28, 8)
        set_config(q, 0, port, 0x2c, 8)
        set_config(q, 0, port, 4, 6, 2)
        set_config(q, 1, 0, 0x20, 0xc)
        set_config(q, 1, 0, 0x24, 8)
        set_config(q, 1, 0, 4, 6, 2)
        assert q.read(0x800000012, 2) != 1, "it is below the window of the bridge"
        set_config(q, 0, port, PREFETCH, 0x00010001)
        assert q.read(0x800000012, 2) == 1, "one queue"
        set_config(q, 0, port, 0x28, 0)
        set_config(q, 0, port, 0x2c, 0xffffffff)
        assert q.read(0x800000012, 2) == 1
        q.command("rhea_snapshot")
        assert config(q, 1, 0, 0) == 0x10441af4, "no legacy interface in a slot of PCI Express"
        assert config(q, 1, 0, 0x10) == 0


@suite.test
def lines_turn_at_each_bridge():
    """Pin A of slot 2 behind slot 3 of a bridge in slot 8: 2 + 3 lines on, then the board's rule."""
    for slot, deep in ((2, False), (2, True)):
        where = ["-device", "pci-bridge,id=a,addr=8", "-device", "pci-bridge,id=b,bus=a,addr=3"]
        with PcQtest(*where, "-device", f"e1000,bus={'b' if deep else 'a'},addr={slot}") as q:
            open_bridge(q, 0, 8 << 3, 1, 2)
            if deep:
                open_bridge(q, 1, 3 << 3, 2, 2)
            bus = 2 if deep else 1
            set_config(q, bus, slot << 3, 0x10, 0xe0000000)
            set_config(q, bus, slot << 3, 4, 6, 2)
            pin = (slot + (3 if deep else 0)) % 4
            for n in range(4):
                q.set_config(8, 0x60 + n, 10 if (8 - 1 + pin) % 4 == n else 11, 1)
            q.out(0x4d1, 0x0c)

            def asked():
                """The slave 8259's inputs 10 and 11, which are levels."""
                q.out(0xa0, 0x0a)
                return q.inp(0xa0) & 0x0c

            q.write(0xe00000d0, 4)      # IMS, then ICS: link status
            q.write(0xe00000c8, 4)
            assert asked() == 4, f"slot {slot}, deep {deep}"
            q.command("rhea_snapshot")
            assert asked() == 4
            q.write(0xe00000d8, 4)
            assert asked() == 0
            q.write(0xe00000d0, 4)
            assert asked() == 4
            q.command("system_reset")
            assert asked() == 0


@suite.test
def messages():
    """AHCI with MSI: one at each rise, for what is left after a clearing, and no line beside."""
    with PcQtest("-M", "q35") as q:
        hba, base = 0xfa, 0xe0000000
        q.set_config(hba, 0x24, base)
        q.set_config(hba, 4, 6, 2)
        cap = q.config(hba, 0x34, 1)
        assert q.config(hba, cap, 1) == 5
        q.set_config(hba, cap + 4, 0x1003)
        assert q.config(hba, cap + 4) == 0x1000, "the low bits are not there"
        q.set_config(hba, cap + 8, 0)
        q.set_config(hba, cap + 12, 0x4321, 2)
        q.set_config(hba, cap + 2, 1, 2)
        q.command("irq_intercept_out", q.find("ICH9-LPC"), "gsi")

        def message():
            got = q.read(0x1000)
            q.write(0x1000, 0)
            return got

        q.write(base + 4, 0x80000002)
        port = base + 0x100 + 0x80 * 2          # where the empty disc drive is
        q.write(port + 0x14, 0x40)              # connect status change
        q.write(port + 0x2c, 1)
        assert message() == 0
        q.write(port + 0x2c, 0)
        assert message() == 0x4321 and message() == 0
        q.command("rhea_snapshot")
        assert message() == 0, "a load sends nothing"
        assert q.read(base + 8) == 4
        q.write(base + 8, 4)
        assert message() == 0x4321, "the port still wants to be heard"
        q.write(port + 0x10, 0xffffffff)
        q.write(base + 8, 4)
        assert message() == 0 and q.read(base + 8) == 0
        assert q.take_irqs() == []


@suite.test
def places():
    """What goes where, and the sentence when it does not."""
    switch = ["-device", "pcie-root-port,id=r,addr=8", "-device", "x3130-upstream,bus=r,id=u"]
    with PcQtest("-M", "q35", *switch, "-device", "xio3130-downstream,bus=u,id=d,slot=9,port=3", "-device",
                 "pcie-pci-bridge,bus=d,id=p", "-device", "e1000,bus=p,addr=1f", "-device", "pcie-root-port,addr=9",
                 "-device", "ioh3420,chassis=5,addr=a") as q:
        for number, port in ((1, 8 << 3), (0, 9 << 3), (0, 10 << 3)):
            cap = q.config(port, 0x34, 1)
            assert q.config(port, cap, 1) == 0x10 and q.config(port, cap + 2, 2) == 0x142
            assert bool(q.config(port, cap + 0x12, 2) & 0x2000) == bool(number), "the link is up"
            assert q.config(port, cap + 0x1a, 2) == 0x40 * number, "something is plugged in"
        assert q.config(10 << 3, q.config(10 << 3, 0x34, 1) + 0x14) >> 19 == 5
    for args, words in (
            (["-M", "pc", "-device", "pcie-root-port"], ("pcie-root-port", "PCIE")),
            (["-M", "q35", "-device", "pcie-root-port,id=r", "-device", "pcie-root-port,bus=r"], ("root bus", "'r'")),
            (["-M", "q35", "-device", "xio3130-downstream"], ("x3130-upstream",)),
            (["-M", "q35", *switch, "-device", "e1000,bus=u"], ("e1000", "'u'")),
            (["-M", "q35", "-device", "pcie-root-port,id=r", "-device", "e1000,bus=r,addr=1"], ("'r'", "slot")),
            (["-M", "q35", "-device", "pcie-root-port,id=r", "-device", "e1000,bus=r", "-device", "e1000,bus=r"],
             ("'r'", "free")),
            (["-M", "q35", "-device", "pcie-root-port,slot=8192"], ("slot", "8191")),
            (["-device", "pci-bridge,id=b", "-device", "e1000,bus=c"], ("'c'", "b"))):
        try:
            with PcQtest(*args) as q:
                q.command("rhea_devices")
        except (AssertionError, BrokenPipeError) as e:
            assert isinstance(e, BrokenPipeError) or "status 1" in str(e) and all(w in str(e) for w in words), e
        else:
            raise AssertionError(f"{args} were accepted")


TREE = ["-device", "pcie-root-port,id=r1", "-device", "x3130-upstream,bus=r1,id=u", "-device",
        "xio3130-downstream,bus=u,id=d1", "-device", "xio3130-downstream,bus=u,id=d2", "-device",
        "virtio-net-pci,bus=d1", "-device", "pcie-root-port,id=r2", "-device", "pcie-pci-bridge,id=p,bus=r2",
        "-device", "pci-bridge,id=b,bus=p", "-device", "e1000,bus=b", "-device", "ahci,bus=d2", "-device",
        "virtio-rng-pci,bus=b"]


def nonsense(machine, seed):
    """Random writes to configuration registers of all buses, sane bus numbers among them."""
    rng = random.Random(seed)

    def line():
        bus = rng.choice((0, 0, 1, 2, 3, 4, 5, 6, 255))
        devfn = rng.choice((0, 8, 16, 24, 32, 0xf8, 0xfa))
        offset = rng.choice((4, 0x10 + 4 * rng.randrange(6), NUMBERS, IO, MEMORY, PREFETCH, 0x28, 0x2c, 0x3c,
                             rng.randrange(64) * 4, rng.randrange(1024) * 4 if machine is Qtest else 0))
        value = rng.choice((0, 7, 0xffffffff, rng.getrandbits(32), 0x030201, 0x060500, 0xf0e0f0e0, 0xfff0e000))
        if rng.random() < .02:
            return [rng.choice(("system_reset", f"readl {rng.getrandbits(32) & ~3:#x}"))]
        if machine is Qtest:
            at = 0x30000000 + (bus << 20 | devfn << 12 | offset)
            return [f"writel {at:#x} {value:#x}" if rng.random() < .8 else f"readl {at:#x}"]
        return [f"outl 0xcf8 {0x80000000 | bus << 16 | devfn << 8 | offset:#x}",
                f"outl 0xcfc {value:#x}" if rng.random() < .8 else "inl 0xcfc"]

    args = ["-M", "q35"] if machine is PcQtest else []
    with machine(*args, *TREE) as q:
        for _ in range(4):
            answers = q.many([part for _ in range(400) for part in line()])
            assert all(a.startswith("OK") for a in answers), f"seed {seed}"
            q.command("rhea_snapshot")


suite.add("nonsense-q35", nonsense, PcQtest, int(os.environ.get("SEED", "3")))
suite.add("nonsense-virt", nonsense, Qtest, int(os.environ.get("SEED", "3")))

sys.exit(suite.run())
