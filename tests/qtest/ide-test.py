#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The PIIX3's IDE by its ports: identity, PIO, multiple sectors, 48-bit addresses, bus mastering with good
and bad tables, packets, interrupts, resets, nonsense.  Specs: ATA/ATAPI-7, SFF-8038i, MMC-6."""

import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
SECTOR, DISK, DISC_BLOCK = 512, 4 << 20, 2048
DATA, ERROR, COUNT, LOW, MID, HIGH, DEVICE, STATUS = range(8)
BSY, DRQ, ERR, ABRT, IDNF = 0x80, 0x08, 0x01, 0x04, 0x10
READ_PIO, READ_PIO_EXT, WRITE_PIO, WRITE_PIO_EXT = 0x20, 0x24, 0x30, 0x34
READ_MULTIPLE, WRITE_MULTIPLE, SET_MULTIPLE = 0xc4, 0xc5, 0xc6
READ_DMA, READ_DMA_EXT, WRITE_DMA, WRITE_DMA_EXT = 0xc8, 0x25, 0xca, 0x35
IDENTIFY, IDENTIFY_PACKET, PACKET, DEVICE_RESET, DIAGNOSTIC = 0xec, 0xa1, 0xa0, 0x08, 0x90
FLUSH, READ_MAX, READ_MAX_EXT = 0xe7, 0xf8, 0x27
IDE_DEVFN, BUS_MASTER = 0x09, 0xc000
BM_ERROR, BM_INTERRUPT = 2, 4


class Channel:
    """One channel; drive 0 unless told otherwise."""

    def __init__(self, q, number):
        self.q, self.number = q, number
        self.base, self.control = ((0x1f0, 0x3f6), (0x170, 0x376))[number]
        self.bm = BUS_MASTER + 8 * number
        self.memory = virtio.Memory(q, 0x200000 + 0x800000 * number)

    def get(self, reg):
        return self.q.inp(self.base + reg)

    def set(self, reg, value):
        self.q.out(self.base + reg, value)

    def wait(self):
        """The status once the drive is not busy; the interrupt is acknowledged."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if not self.q.inp(self.control) & BSY:
                return self.get(STATUS)
        raise AssertionError("the drive stays busy")

    def start(self, command, lba=0, count=1, feature=0, unit=0, ext=False):
        if ext:
            self.set(COUNT, count >> 8 & 0xff)
            for i, reg in enumerate((LOW, MID, HIGH)):
                self.set(reg, lba >> (24 + 8 * i) & 0xff)
        self.set(DEVICE, 0xe0 | unit << 4 | (0 if ext else lba >> 24 & 15))
        self.set(ERROR, feature)
        self.set(COUNT, count & 0xff)
        for i, reg in enumerate((LOW, MID, HIGH)):
            self.set(reg, lba >> 8 * i & 0xff)
        self.set(STATUS, command)

    def take(self, size, width=2):
        words = self.q.many([f"in{'wl'[width // 4]} {self.base:#x}"] * (size // width))
        return b"".join(int(w.split()[1], 0).to_bytes(width, "little") for w in words)

    def give(self, data, width=2):
        self.q.many([f"out{'wl'[width // 4]} {self.base:#x} {int.from_bytes(data[i:i + width], 'little'):#x}"
                     for i in range(0, len(data), width)])

    def pio_in(self, command, size, block=SECTOR, width=2, **where):
        self.start(command, **where)
        data = b""
        while len(data) < size:
            status = self.wait()
            assert status & (DRQ | ERR) == DRQ, f"{command:#x}: status {status:#x}"
            data += self.take(min(block, size - len(data)), width)
        assert self.wait() & (DRQ | ERR) == 0
        return data

    def pio_out(self, command, data, block=SECTOR, width=2, **where):
        self.start(command, **where)
        for i in range(0, len(data), block):
            assert self.wait() & (DRQ | ERR) == DRQ
            self.give(data[i:i + block], width)
        assert self.wait() & (DRQ | ERR) == 0

    def refused(self, command, **where):
        """The error register of a command that must fail."""
        self.start(command, **where)
        status = self.wait()
        assert status & (DRQ | ERR) == ERR, f"{command:#x}: status {status:#x}"
        return self.get(ERROR)

    def table(self, pieces, last=True):
        """A table of physical regions, (address, bytes) each."""
        rows = [struct.pack("<IHH", at, n & 0xffff, 0) for at, n in pieces]
        if last:
            rows[-1] = rows[-1][:6] + b"\0\x80"
        return self.memory.put(b"".join(rows))

    def dma(self, command, table, write=False, **where):
        """(status of the drive, of the bus master) after a transfer."""
        self.q.out(self.bm + 4, table, 4)
        self.q.out(self.bm, 0 if write else 8)
        self.q.out(self.bm + 2, BM_ERROR | BM_INTERRUPT)
        self.start(command, **where)
        self.q.out(self.bm, 1 if write else 9)
        status = self.wait()
        found = self.q.inp(self.bm + 2)
        self.q.out(self.bm, 0)
        return status, found

    def packet(self, cdb, length=0, limit=0xfffe):
        """(status, data) of a packet command by PIO."""
        self.start(PACKET, lba=limit << 8)
        assert self.wait() & (DRQ | ERR) == DRQ and self.get(COUNT) & 3 == 1, "no request for a packet"
        self.give(bytes(cdb).ljust(12, b"\0"))
        data = b""
        while (status := self.wait()) & DRQ:
            n = self.get(MID) | self.get(HIGH) << 8
            assert self.get(COUNT) & 3 == 2 and 0 < n <= limit, f"{n} bytes of at most {limit}"
            data += self.take(n)
        assert self.get(COUNT) & 3 == 3 and (not length or len(data) == length)
        return status, data


class Rig:
    """A PC with a disk as the first channel's drive 0 and a disc as the second's."""

    def __init__(self, folder, *args, **kwargs):
        self.image, disc = os.path.join(folder, "disk"), os.path.join(folder, "disc")
        self.data = random.Random(3).randbytes(DISK)
        self.disc = random.Random(4).randbytes(40 * DISC_BLOCK)
        for path, data in ((self.image, self.data), (disc, self.disc)):
            with open(path, "wb") as f:
                f.write(data)
        self.q = PcQtest("-drive", f"file={self.image},format=raw,if=ide,index=0", "-cdrom", disc, *args,
                         **kwargs)

    def __enter__(self):
        q = self.q.__enter__()
        q.set_config(IDE_DEVFN, 0x20, BUS_MASTER | 1)
        q.set_config(IDE_DEVFN, 0x04, 5, 2)
        return q, Channel(q, 0), Channel(q, 1)

    def __exit__(self, *exc):
        self.q.__exit__(*exc)


def words(data):
    return struct.unpack("<256H", data)


@suite.test
def identity():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, cd):
        assert q.config(IDE_DEVFN, 0) == 0x70108086 and q.config(IDE_DEVFN, 8) >> 8 == 0x010180
        disk.set(DEVICE, 0xa0)
        assert [disk.get(r) for r in (COUNT, LOW, MID, HIGH)] == [1, 1, 0, 0]
        cd.set(DEVICE, 0xa0)
        assert [cd.get(r) for r in (COUNT, LOW, MID, HIGH)] == [1, 1, 0x14, 0xeb]
        w = words(disk.pio_in(IDENTIFY, SECTOR))
        assert w[60] | w[61] << 16 == DISK // SECTOR == w[100] | w[101] << 16
        assert w[49] & 0x300 == 0x300 and w[83] & 1 << 10
        assert w[1] * w[3] * w[6] <= DISK // SECTOR
        assert cd.refused(IDENTIFY) & ABRT
        assert words(cd.pio_in(IDENTIFY_PACKET, SECTOR))[0] >> 8 == 0x85
        disk.set(DEVICE, 0xb0)
        assert disk.get(STATUS) == 0, "a drive 1 that is not there"


@suite.test
def pio():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, disk, _):
            rng, model = random.Random(5), bytearray(rig.data)
            disk.start(SET_MULTIPLE, count=0)
            assert disk.wait() & ERR == 0
            assert disk.refused(READ_MULTIPLE) & ABRT, "READ MULTIPLE is off"
            disk.start(SET_MULTIPLE, count=8)
            assert disk.wait() & ERR == 0
            for command in (READ_PIO, WRITE_PIO, READ_PIO_EXT, WRITE_PIO_EXT, READ_MULTIPLE, WRITE_MULTIPLE) * 3:
                multiple = command in (READ_MULTIPLE, WRITE_MULTIPLE)
                count, lba = rng.randrange(1, 20), rng.randrange(DISK // SECTOR - 20)
                where = {"lba": lba, "count": count, "ext": command in (READ_PIO_EXT, WRITE_PIO_EXT),
                         "block": SECTOR * (8 if multiple else 1), "width": rng.choice((2, 4))}
                start, end = lba * SECTOR, (lba + count) * SECTOR
                if command in (READ_PIO, READ_PIO_EXT, READ_MULTIPLE):
                    assert disk.pio_in(command, end - start, **where) == model[start:end], where
                else:
                    model[start:end] = rng.randbytes(end - start)
                    disk.pio_out(command, model[start:end], **where)
            disk.start(FLUSH)
            assert disk.wait() & ERR == 0
            with open(rig.image, "rb") as f:
                assert f.read() == model


@suite.test
def cylinders_heads_sectors():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, disk, _):
            disk.set(DEVICE, 0xa0 | 3)
            for reg, value in ((COUNT, 1), (LOW, 5), (MID, 2), (HIGH, 0)):
                disk.set(reg, value)
            disk.set(STATUS, READ_PIO)
            assert disk.wait() & (DRQ | ERR) == DRQ
            start = ((2 * 16 + 3) * 63 + 4) * SECTOR
            assert disk.take(SECTOR) == rig.data[start:start + SECTOR]
            disk.set(LOW, 0)
            disk.set(STATUS, READ_PIO)
            assert disk.wait() & ERR and disk.get(ERROR) & IDNF, "there is no sector 0"


@suite.test
def upper_bytes_of_the_task_file():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, _):
        disk.set(DEVICE, 0xe0)
        disk.start(READ_MAX_EXT)
        assert disk.wait() & ERR == 0
        low = [disk.get(r) for r in (LOW, MID, HIGH)]
        q.out(disk.control, 0x80)
        high = [disk.get(r) for r in (LOW, MID, HIGH)]
        assert bytes(low + high) == (DISK // SECTOR - 1).to_bytes(6, "little")
        disk.set(COUNT, 7)
        assert disk.get(COUNT) == 7, "a write of a register ends the view of the older bytes"


@suite.test
def interrupts():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, cd):
        q.command("irq_intercept_out", q.find("piix3-ide"))
        disk.start(IDENTIFY)
        assert disk.get(STATUS) & DRQ and q.take_irqs() == [(0, True), (0, False)]
        disk.take(SECTOR)
        q.out(disk.control, 2)
        disk.start(FLUSH)
        assert disk.wait() & ERR == 0 and q.take_irqs() == [], "nIEN is set"
        q.out(disk.control, 0)
        cd.start(IDENTIFY)
        assert cd.get(STATUS) & ERR and q.take_irqs() == [(1, True), (1, False)]
        disk.start(FLUSH)
        while q.inp(disk.control) & BSY:
            pass
        assert q.take_irqs() == [(0, True)], "alternate status acknowledges nothing"
        disk.get(STATUS)
        assert q.take_irqs() == [(0, False)]


@suite.test
def bus_mastering():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, disk, cd):
            rng, model = random.Random(6), bytearray(rig.data)
            for command in (READ_DMA, WRITE_DMA, READ_DMA_EXT, WRITE_DMA_EXT) * 4:
                write = command in (WRITE_DMA, WRITE_DMA_EXT)
                count, lba = rng.randrange(1, 200), rng.randrange(DISK // SECTOR - 200)
                start, size = lba * SECTOR, count * SECTOR
                at = disk.memory.put(rng.randbytes(size)) if write else disk.memory.take(size)
                cuts = sorted({0, size, *(rng.randrange(0, size, 2) for _ in range(5))})
                pieces = [(at + a + i, min(65536, b - a - i)) for a, b in zip(cuts, cuts[1:])
                          for i in range(0, b - a, 65536)]
                found = disk.dma(command, disk.table(pieces), write, lba=lba, count=count,
                                 ext=command in (READ_DMA_EXT, WRITE_DMA_EXT))
                assert found[0] & (DRQ | ERR) == 0 and found[1] & 7 == BM_INTERRUPT, (command, found)
                if write:
                    model[start:start + size] = disk.memory.get(at, size)
                assert disk.memory.get(at, size) == model[start:start + size], command
            at = cd.memory.take(3 * DISC_BLOCK)
            cd.packet([0])
            cd.q.out(cd.bm + 4, cd.table([(at, 3 * DISC_BLOCK)]), 4)
            cd.q.out(cd.bm, 8)
            cd.start(PACKET, feature=1)
            assert cd.wait() & DRQ
            cd.give(bytes([0x28, 0, 0, 0, 0, 7, 0, 0, 3, 0, 0, 0]))
            cd.q.out(cd.bm, 9)
            assert cd.wait() & (DRQ | ERR) == 0
            assert cd.memory.get(at, 3 * DISC_BLOCK) == rig.disc[7 * DISC_BLOCK:10 * DISC_BLOCK]


@suite.test
def bad_tables():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (q, disk, _):
            at = disk.memory.take(SECTOR)
            assert disk.dma(READ_DMA, disk.table([(at, SECTOR)]), count=2)[0] & ERR, "a table that is too short"
            status, found = disk.dma(READ_DMA, disk.table([(0xd0000000, SECTOR)]))
            assert status & ERR and found & BM_ERROR, "memory that is not there"
            status, found = disk.dma(READ_DMA, 0xd0000000)
            assert status & ERR and found & BM_ERROR, "a table that is not there"
            disk.dma(READ_DMA, disk.table([(at, 2)] * 300, last=False), count=2)    # no last row
            assert disk.wait() & (BSY | DRQ) == 0
            status, found = disk.dma(READ_DMA, disk.table([(at, SECTOR)]), write=True)
            assert status & ERR and found & BM_ERROR, "the wrong direction"
            q.set_config(IDE_DEVFN, 0x04, 1, 2)
            assert disk.dma(READ_DMA, disk.table([(at, SECTOR)]))[0] & ERR, "bus mastering is off"
            q.set_config(IDE_DEVFN, 0x04, 5, 2)
            assert disk.dma(READ_DMA, disk.table([(at, SECTOR)]), lba=9)[0] & ERR == 0
            assert disk.memory.get(at, SECTOR) == rig.data[9 * SECTOR:10 * SECTOR]


@suite.test
def packets():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, _, cd):
            assert cd.packet([0])[0] & ERR and cd.get(ERROR) >> 4 == 6, "unit attention after power on"
            data = cd.packet([0x12, 0, 0, 0, 36], 36)[1]
            assert data[0] == 5 and data[1] == 0x80 and len(data) == 36
            assert struct.unpack(">II", cd.packet([0x25], 8)[1]) == (39, DISC_BLOCK)
            for limit in (0xfffe, 2048, 1000, 512):
                data = cd.packet([0x28, 0, 0, 0, 0, 5, 0, 0, 4], 4 * DISC_BLOCK, limit)[1]
                assert data == rig.disc[5 * DISC_BLOCK:9 * DISC_BLOCK], limit
            assert cd.packet([0x28, 0, 0, 0, 0, 40, 0, 0, 1])[0] & ERR and cd.get(ERROR) >> 4 == 5
            sense = cd.packet([3, 0, 0, 0, 18], 18)[1]
            assert sense[2] == 5 and sense[12] == 0x21
            assert cd.packet([0xee])[0] & ERR


@suite.test
def resets():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, cd):
        disk.start(READ_PIO, count=4)
        assert disk.wait() & DRQ
        q.out(disk.control, 4)
        assert q.inp(disk.control) & BSY
        q.out(disk.control, 0)
        assert disk.wait() & (DRQ | ERR) == 0 and disk.get(ERROR) == 1
        assert [disk.get(r) for r in (COUNT, LOW, MID, HIGH)] == [1, 1, 0, 0]
        cd.start(PACKET, lba=0xfffe00)
        assert cd.wait() & DRQ
        cd.set(STATUS, DEVICE_RESET)
        assert cd.get(STATUS) & (DRQ | BSY | ERR) == 0 and cd.get(MID) == 0x14 and cd.get(HIGH) == 0xeb
        cd.set(STATUS, DIAGNOSTIC)
        assert cd.wait() & ERR == 0 and cd.get(ERROR) == 1
        assert len(disk.pio_in(READ_PIO, SECTOR)) == SECTOR


@suite.test
def what_goes_wrong():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, _):
        last = DISK // SECTOR
        assert disk.refused(READ_PIO, lba=last) & IDNF
        assert disk.refused(READ_PIO_EXT, lba=1 << 40, ext=True) & IDNF
        assert disk.refused(WRITE_PIO, lba=last - 1, count=2) & IDNF
        assert disk.refused(0xff) & ABRT and disk.refused(PACKET) & ABRT
        assert q.inp(disk.base, 2) == 0xffff, "data without a command"
        assert disk.refused(SET_MULTIPLE, count=3) & ABRT


@suite.test
def two_drives_on_a_cable():
    with rhea.scratch() as folder:
        second = os.path.join(folder, "second")
        with open(second, "wb") as f:
            f.write(b"second".ljust(64 * SECTOR, b"\0"))
        rig = Rig(folder, "-drive", f"file={second},format=raw,if=ide,index=1")
        with rig as (_, disk, _):
            assert disk.pio_in(READ_PIO, SECTOR, unit=1)[:6] == b"second"
            assert disk.pio_in(READ_PIO, SECTOR) == rig.data[:SECTOR]
            assert disk.refused(READ_PIO, lba=64, unit=1) & IDNF


@suite.test
def snapshot():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (q, disk, cd):
            disk.start(READ_PIO, lba=3, count=2)
            assert disk.wait() & DRQ
            first = disk.take(100)
            cd.packet([0x1e, 0, 0, 0, 1])
            cd.packet([0x12, 0, 0, 0, 36], 36)
            q.command("rhea_snapshot")      # also between commands: the last one's data are gone
            assert first + disk.take(SECTOR - 100) == rig.data[3 * SECTOR:4 * SECTOR]
            assert disk.wait() & DRQ and disk.take(SECTOR) == rig.data[4 * SECTOR:5 * SECTOR]


@suite.test
def packet_goes_on_elsewhere():
    """A disc's PIO read of several blocks, saved after its first one, is taken on by a machine that is new."""
    with rhea.scratch() as folder:
        rig, state = Rig(folder, qmp=True), os.path.join(folder, "state")
        with rig as (q, _, cd):
            cd.packet([0])
            cd.start(PACKET, lba=DISC_BLOCK << 8)
            assert cd.wait() & DRQ
            cd.give(bytes([0x28, 0, 0, 0, 0, 5, 0, 0, 2]).ljust(12, b"\0"))
            assert cd.wait() & DRQ
            data = cd.take(100)
            with q.qmp() as qmp:
                assert qmp.command("human-monitor-command", command_line=f"savevm-file {state}") == ""
        with Rig(folder, "-loadvm", state) as (_, _, cd):
            data += cd.take(DISC_BLOCK - 100)
            assert cd.wait() & DRQ
            data += cd.take(DISC_BLOCK)
            assert not cd.wait() & (DRQ | ERR) and data == rig.disc[5 * DISC_BLOCK:7 * DISC_BLOCK]


@suite.test
def bus_master_interrupt_in_a_snapshot():
    """The bit keeps the rise of the line: loading a state in which the line is high is none."""
    with rhea.scratch() as folder, Rig(folder) as (q, disk, _):
        table = disk.table([(disk.memory.take(SECTOR), SECTOR)])
        q.out(disk.bm + 4, table, 4)
        disk.start(READ_DMA)
        q.out(disk.bm, 9)
        while q.inp(disk.control) & BSY:
            pass
        assert q.inp(disk.bm + 2) & BM_INTERRUPT
        q.out(disk.bm + 2, BM_INTERRUPT)
        q.command("rhea_snapshot")
        assert not q.inp(disk.bm + 2) & BM_INTERRUPT
        disk.get(STATUS)
        assert disk.dma(READ_DMA, table)[1] & BM_INTERRUPT, "the next one counts"


@suite.test
def stop_waits_for_the_disk():
    """A VM that stands still has nothing under way that its saved state would lack."""
    with rhea.scratch() as folder, Rig(folder, qmp=True) as (q, disk, _), q.qmp() as qmp:
        table = disk.table([(disk.memory.take(0x10000, 0x10000), 0)] * (DISK // 0x10000))
        for _ in range(10):
            qmp.command("cont")
            q.out(disk.bm + 4, table, 4)
            disk.start(READ_DMA_EXT, count=DISK // SECTOR, ext=True)
            q.out(disk.bm, 9)
            qmp.command("stop")
            assert not q.inp(disk.control) & BSY
            disk.get(STATUS)
            q.out(disk.bm, 0)


@suite.test
def random_writes_end_nothing():
    """Ports and tables full of nonsense, seeded: the drives go on answering."""
    rng = random.Random(int(os.environ.get("SEED", "12")))
    with rhea.scratch() as folder, Rig(folder) as (q, disk, cd):
        commands = [READ_PIO, WRITE_PIO, READ_MULTIPLE, SET_MULTIPLE, READ_DMA, WRITE_DMA, PACKET, IDENTIFY,
                    IDENTIFY_PACKET, 0x06, 0xef, 0xb0, DIAGNOSTIC, DEVICE_RESET]
        for _ in range(300):
            c = rng.choice((disk, cd))
            rows = [(rng.choice((0x400000, 0x3fffff0, rng.getrandbits(32))) & ~1, rng.getrandbits(16))
                    for _ in range(4)]
            q.out(c.bm + 4, c.table(rows, rng.random() < .9), 4)
            lines = []
            for _ in range(20):
                port, size = rng.choice(((c.base + rng.randrange(7), 1), (c.base, 2), (c.base, 4),
                                         (c.bm + rng.choice((0, 2)), 1), (c.control, 1)))
                lines.append(f"out{'?bw?l'[size]} {port:#x} {rng.getrandbits(8 * size):#x}")
            lines.append(f"outb {c.base + 7:#x} {rng.choice(commands + [rng.randrange(256)]):#x}")
            lines += [f"outw {c.base:#x} {rng.choice((0x28, 0x2a, 0x43, rng.getrandbits(16))):#x}"] * 6
            lines += [f"inw {c.base:#x}"] * 8 + [f"outb {c.bm:#x} {rng.choice((0, 1, 8, 9))}"]
            q.many(lines)
        for c, command in ((disk, IDENTIFY), (cd, IDENTIFY_PACKET)):
            q.out(c.bm, 0)
            q.out(c.control, 4)
            q.out(c.control, 0)
            assert len(c.pio_in(command, SECTOR)) == SECTOR


sys.exit(suite.run())
