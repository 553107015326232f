#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The floppy controller by its ports: resets, seeks, sectors by DMA and by PIO, formatting, what goes wrong,
nonsense.  Spec: Intel 82077AA."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
SECTOR, SPT = 512, 18
DOR, MSR, FIFO, DIR = 0x3f2, 0x3f4, 0x3f5, 0x3f7
READY, TO_HOST, BUSY = 0x80, 0x40, 0x10
READ, WRITE, FORMAT, READ_ID, VERIFY, READ_TRACK = 0xe6, 0xc5, 0x4d, 0x4a, 0xf6, 0x42
SEEK, RECALIBRATE, SENSE, SENSE_DRIVE, SPECIFY, DUMP, VERSION, CONFIGURE, LOCK, UNLOCK = (
    0x0f, 0x07, 0x08, 0x04, 0x03, 0x0e, 0x10, 0x13, 0x94, 0x14)
BUFFER = 0x20000


class Fdc:
    """The controller, started, with DMA channel 2 at hand."""

    def __init__(self, q):
        self.q = q
        self.memory = virtio.Memory(q, BUFFER)
        q.out(DOR, 0x1c)
        for unit in range(4):
            assert self.command(SENSE) == [0xc0 | unit, 0], "four reports follow a reset"
        assert self.command(SENSE) == [0x80]
        self.command(SPECIFY, 0xdf, 2)

    def ready(self):
        """The main status once the controller wants a byte or has one."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            status = self.q.inp(MSR)
            if status & READY:
                return status
        raise AssertionError(f"the controller stays busy (status {status:#x})")

    def start(self, *bytes_):
        for b in bytes_:
            assert self.ready() & TO_HOST == 0
            self.q.out(FIFO, b)

    def result(self):
        out = []
        while self.ready() & TO_HOST:
            out.append(self.q.inp(FIFO))
        return out

    def command(self, *bytes_):
        self.start(*bytes_)
        return self.result()

    def program_dma(self, addr, length, mode):
        """Channel 2; mode 4: into memory, 8: out of it."""
        for port, value in ((0x0a, 6), (0x0c, 0), (0x04, addr & 0xff), (0x04, addr >> 8 & 0xff), (0x81, addr >> 16),
                            (0x05, (length - 1) & 0xff), (0x05, (length - 1) >> 8), (0x0b, 0x42 | mode), (0x0a, 2)):
            self.q.out(port, value)

    def seek(self, cylinder, unit=0):
        self.command(SEEK, unit, cylinder)
        assert self.command(SENSE) == [0x20 | unit, cylinder]

    def transfer(self, command, cylinder, head, sector, count, last=SPT, unit=0):
        self.program_dma(BUFFER, count * SECTOR, 8 if command == WRITE else 4)
        return self.command(command, unit | head << 2, cylinder, head, sector, 2, last, 27, 255)


class Rig:
    """A PC with a floppy disk in drive A, or without."""

    def __init__(self, folder, *args, size=1440 * 1024, options=""):
        self.image = os.path.join(folder, "floppy")
        self.data = random.Random(7).randbytes(size)
        with open(self.image, "wb") as f:
            f.write(self.data)
        self.q = PcQtest("-drive", f"file={self.image},format=raw,if=floppy{options}", *args)

    def __enter__(self):
        self.q.__enter__()
        return self.q, Fdc(self.q)

    def __exit__(self, *exc):
        self.q.__exit__(*exc)


def offset(cylinder, head, sector, spt=SPT):
    return ((cylinder * 2 + head) * spt + sector - 1) * SECTOR


@suite.test
def registers():
    with rhea.scratch() as folder, Rig(folder) as (_, fdc):
        assert fdc.command(VERSION) == [0x90]
        fdc.command(CONFIGURE, 0, 0x57, 3)
        assert fdc.command(LOCK) == [0x10]
        fdc.q.out(0x3f4, 0x80)
        assert fdc.command(SENSE) == [0xc0, 0]
        dump = fdc.command(DUMP)
        assert len(dump) == 10 and dump[4:6] == [0xdf, 2] and dump[7] & 0x80 and dump[8:] == [0x57, 3]
        fdc.q.command("rhea_snapshot")      # the longest result has been read
        assert fdc.command(UNLOCK) == [0]
        fdc.q.out(DOR, 0x18)
        assert fdc.q.inp(MSR) == 0, "held in reset"
        fdc.q.out(DOR, 0x1c)
        assert fdc.command(DUMP)[8:] == [0x20, 0]
        assert fdc.command(0x1f) == [0x80], "no such command"


@suite.test
def heads_and_disk_change():
    with rhea.scratch() as folder, Rig(folder, options=",readonly=on") as (q, fdc):
        q.command("irq_intercept_out", q.find("isa-fdc"))
        assert q.inp(DIR) & 0x80, "a disk that nobody has looked at"
        fdc.seek(40)
        assert q.take_irqs() == [(0, True), (0, False)]
        assert q.inp(DIR) & 0x80 == 0
        assert fdc.command(SENSE_DRIVE, 0) == [0x68]
        fdc.command(0xcf, 0, 5)
        assert fdc.command(SENSE) == [0x20, 45]
        fdc.command(0x8f, 0, 100)
        assert fdc.command(SENSE) == [0x20, 0]
        fdc.command(RECALIBRATE, 0)
        assert fdc.command(SENSE) == [0x20, 0] and fdc.command(SENSE_DRIVE, 0) == [0x78]
        fdc.command(RECALIBRATE, 1)
        assert fdc.command(SENSE)[0] == 0x71, "there is no drive B"


@suite.test
def sectors_by_dma():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (q, fdc):
            rng, model = random.Random(8), bytearray(rig.data)
            for _ in range(12):
                cylinder, head, sector = rng.randrange(80), rng.randrange(2), rng.randrange(1, SPT + 1)
                count = rng.randrange(1, (SPT if head else 2 * SPT) - sector + 2)
                start, size = offset(cylinder, head, sector), count * SECTOR
                fdc.seek(cylinder)
                command = rng.choice((READ, WRITE))
                if command == WRITE:
                    model[start:start + size] = rng.randbytes(size)
                    q.command("write", BUFFER, hex(size), "0x" + model[start:start + size].hex())
                found = fdc.transfer(command, cylinder, head, sector, count)
                assert found[0] & 0xc0 == 0 and found[1:3] == [0, 0], (cylinder, head, sector, count, found)
                after = start // SECTOR + count
                assert found[3:6] == [after // 36, after // 18 % 2, after % 18 + 1], found
                assert fdc.memory.get(BUFFER, size) == model[start:start + size]
        with open(rig.image, "rb") as f:
            assert f.read() == model


@suite.test
def sectors_by_pio():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (q, fdc):
            fdc.command(SPECIFY, 0xdf, 3)
            fdc.start(READ, 0, 0, 0, 17, 2, 18, 27, 255)
            data = bytearray()
            for _ in range(2 * SECTOR):
                assert fdc.ready() & (TO_HOST | 0x20) == TO_HOST | 0x20
                data.append(q.inp(FIFO))
            while len(data) < 20 * SECTOR:      # both sides
                data.append(q.inp(FIFO) if fdc.ready() else 0)
            assert data == rig.data[16 * SECTOR:36 * SECTOR]
            assert fdc.result()[:3] == [0x40, 0x80, 0], "nobody said that it is enough"
            fdc.start(0x45, 4, 0, 1, 18, 2, 18, 27, 255)
            for b in bytes(range(256)) * 2:
                assert fdc.ready() & TO_HOST == 0
                q.out(FIFO, b)
            assert fdc.result()[0] & 0xc0 == 0x40
        with open(rig.image, "rb") as f:
            assert f.read()[35 * SECTOR:36 * SECTOR] == bytes(range(256)) * 2


@suite.test
def identities_and_tracks():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, fdc):
            fdc.seek(7)
            seen = [fdc.command(READ_ID, 4)[3:] for _ in range(SPT)]
            assert sorted(seen) == [[7, 1, n, 2] for n in range(1, SPT + 1)]
            found = fdc.transfer(READ_TRACK, 7, 0, 9, SPT)
            assert found[0] & 0xc0 == 0 and fdc.memory.get(BUFFER, SPT * SECTOR) == rig.data[offset(7, 0, 1):][:SPT * SECTOR]
            assert fdc.command(VERIFY, 0x80, 7, 0, 1, 2, SPT, 27, 10)[:3] == [0, 0, 0]


@suite.test
def format_track():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (q, fdc):
            fdc.seek(3)
            ids = b"".join(bytes([3, 1, n, 2]) for n in range(1, SPT + 1))
            q.command("write", BUFFER, hex(len(ids)), "0x" + ids.hex())
            fdc.program_dma(BUFFER, len(ids), 8)
            assert fdc.command(FORMAT, 4, 2, SPT, 0x50, 0xf6)[:3] == [4, 0, 0]
            fdc.program_dma(BUFFER, len(ids), 8)
            assert fdc.command(FORMAT, 0, 2, SPT, 0x50, 0xf6)[:2] == [0x40, 4], "numbers of the other side"
        with open(rig.image, "rb") as f:
            data = f.read()
        start, end = offset(3, 1, 1), offset(4, 0, 1)
        assert data == rig.data[:start] + b"\xf6" * (end - start) + rig.data[end:]


@suite.test
def formats_and_drives():
    for kib, kind, spt, rate in ((360, 2, 9, 1), (720, 4, 9, 2), (1200, 2, 15, 0), (1440, 4, 18, 0), (2880, 5, 36, 3)):
        with rhea.scratch() as folder:
            rig = Rig(folder, size=kib * 1024)
            with rig as (q, fdc):
                fdc.q.out(DIR, rate ^ 1)
                assert fdc.command(READ_ID, 0)[:2] == [0x40, 1], "the wrong data rate"
                fdc.q.out(DIR, rate)
                fdc.seek(2)
                found = fdc.transfer(READ, 2, 1, spt, 1, last=spt)
                assert found[0] & 0xc0 == 0, (kib, found)
                assert fdc.memory.get(BUFFER, SECTOR) == rig.data[offset(2, 1, spt, spt):][:SECTOR]
                assert fdc.transfer(READ, 2, 1, spt + 1, 1, last=spt + 1)[:2] == [0x44, 4]


@suite.test
def what_goes_wrong():
    with rhea.scratch() as folder, Rig(folder, options=",readonly=on") as (q, fdc):
        assert fdc.transfer(WRITE, 0, 0, 1, 1)[:2] == [0x40, 2], "a protected disk"
        assert fdc.transfer(READ, 5, 0, 1, 1)[:3] == [0x40, 4, 0x10], "the wrong cylinder"
        assert fdc.transfer(READ, 0, 0, 0, 1)[:2] == [0x40, 4], "sector 0"
        assert fdc.transfer(READ, 0, 0, 1, 1, unit=1)[:2] == [0x41, 1], "no drive B"
        fdc.program_dma(BUFFER, SECTOR, 8)
        assert fdc.command(READ, 0, 0, 0, 1, 2, SPT, 27, 255)[:2] == [0x40, 0x10], "DMA the wrong way"
        fdc.program_dma(BUFFER, 40 * SECTOR, 4)
        assert fdc.command(READ, 0, 0, 0, 1, 2, SPT, 27, 255)[:2] == [0x40, 0x80], "beyond the cylinder"
        assert fdc.transfer(READ, 0, 0, 1, 1)[:3] == [0, 0, 0]
    with rhea.scratch() as folder, Rig(folder, size=1000) as (q, fdc):
        assert fdc.transfer(READ, 0, 0, 1, 1)[:3] == [0, 0, 0]
        assert fdc.transfer(READ, 0, 0, 2, 1)[:2] == [0x40, 4], "behind the end of a short image"
    with PcQtest() as q:
        fdc = Fdc(q)
        assert fdc.transfer(READ, 0, 0, 1, 1)[:2] == [0x40, 1], "an empty drive"


@suite.test
def snapshot():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (q, fdc):
            fdc.command(SPECIFY, 0xdf, 3)
            fdc.start(READ, 0, 0, 0, 1, 2, 18, 27, 255)
            first = bytes(q.inp(FIFO) for _ in range(10) if fdc.ready())
            q.command("rhea_snapshot")
            assert first + bytes(q.inp(FIFO) for _ in range(502) if fdc.ready()) == rig.data[:SECTOR]


@suite.test
def random_writes_end_nothing():
    rng = random.Random(int(os.environ.get("SEED", "13")))
    with rhea.scratch() as folder, Rig(folder) as (q, fdc):
        for _ in range(400):
            fdc.program_dma(rng.getrandbits(24), rng.randrange(1, 65536), rng.choice((0, 4, 8, 0x14)))
            lines = []
            if rng.random() < .2:
                lines += [f"outb {DOR:#x} {rng.getrandbits(8):#x}", f"outb {DOR:#x} 0x1c"]
            lines += [f"outb {FIFO:#x} {rng.choice((READ, WRITE, FORMAT, 0x46, 0x45, 0x13, 3, rng.getrandbits(8))):#x}"]
            lines += [f"outb {FIFO:#x} {rng.choice((0, 1, 2, rng.getrandbits(8))):#x}" for _ in range(9)]
            lines += [f"inb {rng.choice((MSR, FIFO, FIFO, DIR)):#x}" for _ in range(12)]
            q.many(lines)
        q.out(DOR, 0)
        fdc = Fdc(q)
        q.out(DIR, 0)
        fdc.command(RECALIBRATE, 0)
        fdc.command(SENSE)
        assert fdc.transfer(READ, 0, 0, 1, 1)[:3] == [0, 0, 0]


sys.exit(suite.run())
