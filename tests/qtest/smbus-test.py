#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SMBus controllers of the PCs by their ports, and what the memory modules on them say."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()

PORTS, MEMORY, MODULE = 0x700, 0xfebf0000, 0x50
STATUS, CONTROL, COMMAND, ADDRESS, DATA0, DATA1, BLOCK, AUX = 0, 2, 3, 4, 5, 6, 7, 0x0d
BUSY, DONE, ERROR, FAILED, IN_USE, BYTE_DONE = 1, 2, 4, 0x10, 0x40, 0x80
QUICK, BYTE, BYTE_DATA, WORD, PROCESS_CALL, BLOCK_DATA, I2C_READ = range(7)
INTERRUPT, KILL, LAST, START = 1, 2, 0x20, 0x40
FREE = 0xb0     # a place that nobody has written-protected


class Smbus:
    """A controller set up as firmware does."""

    devfn, host_config, irq = 0x0b, 0xd2, ("PIIX4_PM", "smbus")

    def __init__(self, q):
        self.q = q
        q.set_config(self.devfn, 0x90, PORTS, 4)
        q.set_config(self.devfn, 0x04, 1, 2)
        q.set_config(self.devfn, self.host_config, 0x09, 1)

    def get(self, port):
        return self.q.inp(PORTS + port)

    def set(self, port, value):
        self.q.out(PORTS + port, value)

    def start(self, protocol, read, command=0, address=MODULE, flags=0, before=()):
        self.set(STATUS, 0x1e | BYTE_DONE)
        self.set(ADDRESS, address << 1 | read)
        self.set(COMMAND, command)
        for port, value in before:
            self.set(port, value)
        self.set(CONTROL, protocol << 2 | START | flags)
        return self.get(STATUS) & ~IN_USE

    def byte(self, at, address=MODULE):
        assert self.start(BYTE_DATA, 1, at, address) == DONE
        return self.get(DATA0)

    def put(self, at, data):
        for i, v in enumerate(data):
            assert self.start(BYTE_DATA, 0, at + i, before=[(DATA0, v)]) == DONE

    def contents(self, address=MODULE):
        return bytes(self.byte(i, address) for i in range(256))


class IchSmbus(Smbus):
    devfn, host_config = 0xfb, 0x40

    def __init__(self, q):
        super().__init__(q)
        q.set_config(self.devfn, 0x90, 0, 4)
        q.set_config(self.devfn, 0x10, MEMORY)
        q.set_config(self.devfn, 0x20, PORTS)
        q.set_config(self.devfn, 0x04, 3, 2)
        q.set_config(self.devfn, self.host_config, 1, 1)


def both(test):
    def piix4():
        with PcQtest("-m", "1G") as q:
            test(q, Smbus(q))

    def ich9():
        with PcQtest("-M", "q35", "-m", "1G") as q:
            test(q, IchSmbus(q))

    suite.add(f"{test.__name__}_piix4", piix4)
    suite.add(f"{test.__name__}_ich9", ich9)
    return test


def crc(data):
    total = 0
    for byte in data:
        total ^= byte << 8
        for _ in range(8):
            total = (total << 1 ^ 0x1021 if total & 0x8000 else total << 1) & 0xffff
    return total


def capacity(spd):
    """Bytes of a DDR3 module by its contents (JEDEC 21-C, annex K, byte 8)."""
    assert spd[2] == 0x0b and crc(spd[:117]) == int.from_bytes(spd[126:128], "little")
    density = 256 << 20 << (spd[4] & 15)
    width, ranks, bus = 4 << (spd[7] & 7), (spd[7] >> 3) + 1, 8 << (spd[8] & 7)
    rows, columns, banks = 12 + (spd[5] >> 3), 9 + (spd[5] & 7), 8 << (spd[4] >> 4)
    assert (1 << rows + columns) * banks * width == density, "a chip is what its addresses reach"
    return density // 8 * bus // width * ranks


@both
def protocols(_, bus):
    assert bus.start(QUICK, 0) == DONE and bus.start(QUICK, 1) == DONE
    assert bus.start(QUICK, 0, address=MODULE + 1) == ERROR, "nobody is there"
    assert bus.byte(2) == 0x0b
    assert bus.start(WORD, 1, 2) == DONE and (bus.get(DATA0), bus.get(DATA1)) == (0x0b, 0x02)
    assert bus.start(BYTE, 0, 2) == DONE
    assert bus.start(BYTE, 1) == DONE and bus.get(DATA0) == 0x0b
    assert bus.start(BYTE, 1) == DONE and bus.get(DATA0) == 0x02, "the module goes on by itself"
    assert bus.start(WORD, 0, FREE, before=[(DATA0, 0x12), (DATA1, 0x34)]) == DONE
    assert (bus.byte(FREE), bus.byte(FREE + 1)) == (0x12, 0x34)
    assert bus.start(BYTE_DATA, 0, 2, before=[(DATA0, 0xff)]) == ERROR and bus.byte(2) == 0x0b
    assert bus.start(WORD, 0, FREE + 15, before=[(DATA0, 1), (DATA1, 2)]) == DONE
    assert (bus.byte(FREE + 15), bus.byte(FREE)) == (1, 2), "writing stays in a page"
    assert bus.start(PROCESS_CALL, 0, FREE) == ERROR


@both
def block_by_buffer(q, bus):
    data = bytes(range(0x41, 0x41 + 7))
    bus.set(AUX, 2)
    bus.get(CONTROL)
    for v in data:
        bus.set(BLOCK, v)
    assert bus.start(BLOCK_DATA, 0, FREE, before=[(DATA0, len(data))]) == DONE
    assert [bus.byte(FREE + i) for i in range(8)] == [7, *data]
    assert bus.start(BLOCK_DATA, 1, FREE) == DONE and bus.get(DATA0) == 7
    bus.get(CONTROL)
    assert bytes(bus.get(BLOCK) for _ in range(3)) == data[:3]
    q.command("rhea_snapshot")
    assert bytes(bus.get(BLOCK) for _ in range(4)) == data[3:]
    for length in (0, 33, 0xff):
        bus.put(FREE, [length])
        assert bus.start(BLOCK_DATA, 1, FREE) == ERROR, "no length of a block"
        assert bus.start(BLOCK_DATA, 0, FREE, before=[(DATA0, length)]) == ERROR
    for _ in range(100):
        bus.set(BLOCK, 0x55)
    assert bus.start(BLOCK_DATA, 0, 0, before=[(DATA0, 32)]) == ERROR, "protected"


@both
def disabled_and_reset(q, bus):
    q.set_config(bus.devfn, bus.host_config, 0, 1)
    assert bus.start(QUICK, 0) == 0
    q.set_config(bus.devfn, bus.host_config, 1, 1)
    assert bus.start(QUICK, 0) == DONE
    q.set_config(bus.devfn, 0x04, 0, 2)
    assert bus.get(STATUS) == 0xff, "the ports are not decoded"
    q.set_config(bus.devfn, 0x04, 1, 2)
    assert bus.get(STATUS) & ~IN_USE == DONE
    bus.set(ADDRESS, 0xa1)
    assert bus.get(ADDRESS) == 0xa1


@suite.test
def interrupt_of_piix4():
    with PcQtest("-m", "1G") as q:
        bus = Smbus(q)
        q.command("irq_intercept_out", q.find("PIIX4_PM"), "smbus")
        assert bus.start(QUICK, 0) == DONE and not q.take_irqs()
        assert bus.start(QUICK, 0, flags=INTERRUPT) == DONE
        assert q.take_irqs() == [(0, True)]
        q.command("rhea_snapshot")
        q.take_irqs()
        bus.set(STATUS, DONE)
        assert q.take_irqs() == [(0, False)]
        assert bus.start(QUICK, 0, address=0x10, flags=INTERRUPT) == ERROR
        assert q.take_irqs() == [(0, True)], "errors too"
        q.set_config(bus.devfn, bus.host_config, 1, 1)
        assert q.take_irqs() == [(0, False)], "wired to the SMI"


@suite.test
def piix4_looks_as_drivers_expect():
    with PcQtest("-m", "1G") as q:
        assert q.config(0x0b, 0x90) & 0xffff == 1
        q.set_config(0x0b, 0x90, 0xffffffff)
        assert q.config(0x0b, 0x90) & 0xffff == 0xfff1
        q.set_config(0x0b, 0xd2, 0xff, 1)
        assert q.config(0x0b, 0xd2, 1) == 0x0f and q.config(0x0b, 0xd6, 1) == 0


@suite.test
def ich9_function():
    with PcQtest("-M", "q35", "-m", "1G") as q:
        bus = IchSmbus(q)
        assert q.config(0xfb, 0) == 0x29308086 and q.config(0xfb, 0x0a, 2) == 0x0c05
        assert q.config(0xfb, 0x3d, 1) == 1
        q.set_config(0xfb, 0x10, 0xffffffff)
        q.set_config(0xfb, 0x20, 0xffffffff)
        assert q.config(0xfb, 0x10) == 0xffffff04 and q.config(0xfb, 0x20) == 0xffffffe1
        bus = IchSmbus(q)
        bus.set(DATA0, 0x5a)
        assert q.read(MEMORY + DATA0, 1) == 0x5a and q.read(MEMORY + 0x40, 1) == 0
        q.write(MEMORY + DATA1, 0xa5, 1)
        assert bus.get(DATA1) == 0xa5
        assert bus.get(9) == 0x44 and bus.get(0x0e) == 7
        bus.set(STATUS, IN_USE)
        assert not bus.get(STATUS) & IN_USE and bus.get(STATUS) & IN_USE, "who reads has it"
        q.command("rhea_snapshot")
        assert bus.get(STATUS) & IN_USE


@suite.test
def ich9_interrupt():
    with PcQtest("-M", "q35", "-m", "1G") as q:
        bus = IchSmbus(q)
        assert bus.start(QUICK, 0, flags=INTERRUPT) == DONE
        assert q.config(0xfb, 6, 2) & 8
        q.command("rhea_snapshot")
        assert q.config(0xfb, 6, 2) & 8
        bus.set(STATUS, DONE)
        assert not q.config(0xfb, 6, 2) & 8


def read_by_bytes(q, bus, count, **start):
    """The bytes as a driver takes them, the state saved and loaded between two."""
    status, got = bus.start(flags=LAST if count == 1 else 0, read=1, **start), b""
    while status & BYTE_DONE:
        assert status & BUSY
        got += bytes([bus.get(BLOCK)])
        if len(got) == count - 1:
            bus.set(CONTROL, start["protocol"] << 2 | LAST)
        if len(got) == 2:
            q.command("rhea_snapshot")
        bus.set(STATUS, BYTE_DONE)
        status = bus.get(STATUS) & ~IN_USE
        assert len(got) <= count
    assert status == DONE
    return got


@suite.test
def ich9_byte_by_byte():
    with PcQtest("-M", "q35", "-m", "1G") as q:
        bus = IchSmbus(q)
        data = b"\x05abcde"
        status, sent = bus.start(BLOCK_DATA, 0, FREE, before=[(DATA0, 5), (BLOCK, data[1])]), 1
        while status & BYTE_DONE:
            sent += 1
            if sent < len(data):
                bus.set(BLOCK, data[sent])
            bus.set(STATUS, BYTE_DONE)
            status = bus.get(STATUS) & ~IN_USE
        assert (status, sent) == (DONE, 6)
        assert bytes(bus.byte(FREE + i) for i in range(6)) == data
        assert read_by_bytes(q, bus, 5, protocol=BLOCK_DATA, command=FREE) == data[1:]
        for count in (1, 2, 6, 40):
            got = read_by_bytes(q, bus, count, protocol=I2C_READ, before=[(DATA1, FREE)])
            assert got[:6] == data[:count] and len(got) == count
        assert bus.start(I2C_READ, 1) & BUSY
        bus.set(CONTROL, KILL)
        assert bus.get(STATUS) & ~IN_USE & ~BYTE_DONE == FAILED
        assert bus.start(BLOCK_DATA, 0, 0, before=[(DATA0, 5)]) == ERROR, "protected"
        assert bus.start(I2C_READ, 1, address=0x10) == ERROR
        q.set_config(0xfb, 0x40, 5, 1)
        assert bus.start(BLOCK_DATA, 0, FREE + 8, before=[(DATA0, 1), (BLOCK, 0x77)]) == BUSY | BYTE_DONE
        bus.set(STATUS, BYTE_DONE)
        assert bus.get(STATUS) & ~IN_USE == DONE and bus.byte(FREE + 8) == 0x77, "I2C: no length"


@suite.test
def modules_make_up_memory():
    for size, modules in (("64M", []), ("128M", [128]), ("1G", [1024]), ("3584M", [2048, 1024, 512]),
                          ("1000M", [512, 256, 128])):
        with PcQtest("-m", size) as q:
            bus, found = Smbus(q), []
            while bus.start(QUICK, 0, address=MODULE + len(found)) == DONE:
                found.append(bus.contents(MODULE + len(found)))
            assert [capacity(spd) >> 20 for spd in found] == modules, size
            assert len({spd[122:126] for spd in found}) == len(found), "serial numbers"
            assert all(spd[128:146] == b"RHEA".ljust(18) for spd in found)


@suite.test
def what_is_stored_moves():
    """A snapshot has the free half of a module and the place it is at."""
    with PcQtest("-m", "1G") as q:
        bus = Smbus(q)
        bus.put(FREE, b"kept")
        assert bus.start(BYTE, 0, FREE) == DONE
        state = q.save()
        assert b"kept" in state
        bus.put(FREE, b"lost")
        assert q.load().startswith("OK")
        found = bytes(bus.start(BYTE, 1) and bus.get(DATA0) for _ in range(4))
        assert found == b"kept"


sys.exit(suite.run())
