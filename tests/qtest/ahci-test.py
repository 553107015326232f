#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""AHCI with ATA and ATAPI drives, by registers: identity, PIO, DMA, queued commands, packets, TRIM, what
goes wrong, snapshots.  Specs: AHCI 1.3.1, ATA8-ACS, MMC-6."""

import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
HBA, CONFIG = virtio.PCI_MEM, virtio.ECAM + (1 << 15)
GHC, IS, PORT = 0x04, 0x08, 0x100
CLB, FB, PIS, PIE, CMD, TFD, SIG, SSTS, SCTL, SERR, SACT, CI = (
    0x00, 0x08, 0x10, 0x14, 0x18, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38)
ERR, HBFS, TFES = 1, 1 << 29, 1 << 30
IDENTIFY, IDENTIFY_PACKET, PACKET = 0xec, 0xa1, 0xa0
READ_DMA_EXT, WRITE_DMA_EXT, READ_PIO, WRITE_PIO = 0x25, 0x35, 0x20, 0x30
READ_QUEUED, WRITE_QUEUED, TRIM = 0x60, 0x61, 0x06
SECTOR, DISK = 512, 4 << 20


class Port:
    """One port with its command list; commands use one slot at a time unless told otherwise."""

    def __init__(self, q, number):
        self.q, self.base = q, HBA + PORT + 0x80 * number
        self.memory = virtio.Memory(q, virtio.RAM + 0x100000 * (1 + number))
        self.list, self.fis = self.memory.take(1024, 1024), self.memory.take(256, 256)
        self.tables = [self.memory.take(0x80 + 16 * 8, 128) for _ in range(32)]
        self.set(CLB, self.list)
        self.set(FB, self.fis)
        self.set(CMD, self.get(CMD) | 1 << 4)
        self.set(CMD, self.get(CMD) | 1)

    def get(self, reg):
        return self.q.read(self.base + reg)

    def set(self, reg, value):
        self.q.write(self.base + reg, value)

    def write(self, addr, data):
        self.q.command("write", addr, hex(len(data)), "0x" + data.hex())

    def put_command(self, slot, command, lba=0, count=0, feature=0, data=(), packet=b"", write=False):
        fis = bytes([0x27, 0x80, command, feature & 0xff, lba & 0xff, lba >> 8 & 0xff, lba >> 16 & 0xff,
                     0x40, lba >> 24 & 0xff, lba >> 32 & 0xff, lba >> 40 & 0xff, feature >> 8,
                     count & 0xff, count >> 8, 0, 0]) + bytes(4)
        prdt = b"".join(struct.pack("<QII", a, 0, n - 1) for a, n in data)
        table = self.tables[slot]
        self.write(table, fis)
        if packet:
            self.write(table + 0x40, packet.ljust(16, b"\0"))
        if prdt:
            self.write(table + 0x80, prdt)
        flags = 5 | (1 << 5 if packet else 0) | (1 << 6 if write else 0) | len(data) << 16
        self.write(self.list + 32 * slot, struct.pack("<IIQ", flags, 0, table))

    def issue(self, slots, queued=False):
        if queued:
            self.set(SACT, slots)
        self.set(CI, slots)

    def wait(self, slots, reg=CI):
        """Until the slots are free or the port shows an error; the task file."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if not self.get(reg) & slots or self.get(PIS) & (TFES | HBFS):
                return self.get(TFD)
        raise AssertionError(f"commands {slots:#x} do not end")

    def run(self, command, length=0, data=None, **options):
        """One command in slot 0: (task file, what was read)."""
        size = length or len(data or b"")
        at = self.memory.put(data) if data else self.memory.take(size, 2) if size else 0
        self.put_command(0, command, data=[(at, size)] if size else (), write=bool(data), **options)
        self.set(PIS, 0xffffffff)
        self.issue(1)
        tfd = self.wait(1)
        return tfd, self.memory.get(at, length) if length else b""

    def recover(self):
        """What a driver does after an error: stop, clear, start."""
        self.set(CMD, self.get(CMD) & ~1)
        self.set(SERR, 0xffffffff)
        self.set(PIS, 0xffffffff)
        self.set(CMD, self.get(CMD) | 1)

    def packet(self, cdb, length=0, dma=True):
        return self.run(PACKET, length, packet=bytes(cdb), feature=1 if dma else 0,
                        lba=0xfffe00 if not dma else 0)


class Rig:
    """A machine with an AHCI controller: a disk in port 0, a disc in port 1."""

    def __init__(self, folder, disc=bytes(range(256)) * 8 * 40):
        self.image, self.disc = os.path.join(folder, "disk"), os.path.join(folder, "disc")
        self.data = random.Random(3).randbytes(DISK)
        for path, data in ((self.image, self.data), (self.disc, disc)):
            with open(path, "wb") as f:
                f.write(data)
        self.q = Qtest("-device", "ich9-ahci,id=a,addr=1",
                       "-drive", f"file={self.image},format=raw,if=none,id=d,discard=unmap",
                       "-device", "ide-hd,bus=a.0,drive=d,serial=S123,wwn=0x5000000000000001",
                       "-drive", f"file={self.disc},format=raw,if=none,id=c,readonly=on",
                       "-device", "ide-cd,bus=a.1,drive=c")

    def __enter__(self):
        q = self.q.__enter__()
        q.write(CONFIG + 0x24, HBA)
        q.write(CONFIG + 0x04, 6, 2)
        q.write(HBA + GHC, 1 << 31 | 2)
        return q, Port(q, 0), Port(q, 1)

    def __exit__(self, *exc):
        self.q.__exit__(*exc)


def words(data):
    return struct.unpack("<256H", data)


def text(data, first, last):
    return b"".join(struct.pack(">H", w) for w in words(data)[first:last]).decode().strip()


@suite.test
def identity():
    with rhea.scratch() as folder, Rig(folder) as (_, disk, cd):
        assert disk.get(SSTS) == 0x113 and disk.get(SIG) == 0x101
        assert cd.get(SIG) == 0xeb140101
        tfd, data = disk.run(IDENTIFY, SECTOR)
        assert tfd & ERR == 0 and text(data, 10, 20) == "S123"
        w = words(data)
        assert w[100] | w[101] << 16 == DISK // SECTOR and w[60] | w[61] << 16 == DISK // SECTOR
        assert w[76] & 1 << 8 and w[75] == 31, "no queued commands"
        assert w[108:112] == (0x5000, 0, 0, 1)
        tfd, _ = cd.run(IDENTIFY, SECTOR)
        assert tfd & ERR, "a CD-ROM drive is no disk"
        cd.recover()
        tfd, data = cd.run(IDENTIFY_PACKET, SECTOR)
        assert tfd & ERR == 0 and words(data)[0] == 0x85c0


@suite.test
def reads_and_writes():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, disk, _):
            rng, model = random.Random(5), bytearray(rig.data)
            for command in (READ_DMA_EXT, WRITE_DMA_EXT, READ_PIO, WRITE_PIO) * 4:
                count, lba = rng.randrange(1, 40), rng.randrange(DISK // SECTOR - 40)
                start, end = lba * SECTOR, (lba + count) * SECTOR
                if command in (WRITE_DMA_EXT, WRITE_PIO):
                    data = rng.randbytes(count * SECTOR)
                    tfd, _ = disk.run(command, data=data, lba=lba, count=count)
                    model[start:end] = data
                else:
                    tfd, got = disk.run(command, count * SECTOR, lba=lba, count=count)
                    assert got == model[start:end], f"command {command:#x} at {lba}"
                assert tfd & ERR == 0
            tfd, _ = disk.run(0xea)     # flush
            assert tfd & ERR == 0
            with open(rig.image, "rb") as f:
                assert f.read() == model


@suite.test
def queued_commands():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, disk, _):
            where = {}
            for slot in range(0, 32):
                where[slot] = disk.memory.take(8 * SECTOR)
                disk.put_command(slot, READ_QUEUED, lba=slot * 64, feature=8, count=slot << 3,
                                 data=[(where[slot], 1000), (where[slot] + 1000, 8 * SECTOR - 1000)])
            disk.issue(0xffffffff, queued=True)
            disk.wait(0xffffffff, SACT)
            for slot, at in where.items():
                assert disk.memory.get(at, 8 * SECTOR) == rig.data[slot * 64 * SECTOR:][:8 * SECTOR]
            data = bytes(range(256)) * 2
            disk.put_command(7, WRITE_QUEUED, lba=9, feature=1, count=7 << 3, write=True,
                             data=[(disk.memory.put(data), SECTOR)])
            disk.issue(1 << 7, queued=True)
            disk.wait(1 << 7, SACT)
            assert disk.run(READ_DMA_EXT, SECTOR, lba=9, count=1)[1] == data


@suite.test
def interrupts():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, _):
        q.command("irq_intercept_in", q.find("riscv.sifive.plic"))
        disk.set(PIE, 1)
        disk.run(READ_DMA_EXT, SECTOR, count=1)
        assert [level for _, level in q.take_irqs()] == [True]
        disk.set(PIS, 0xffffffff)
        q.write(HBA + IS, 1)
        assert [level for _, level in q.take_irqs()] == [False]


@suite.test
def packets():
    with rhea.scratch() as folder, Rig(folder) as (_, _, cd):
        assert cd.packet([0x00])[0] >> 12 == 6, "unit attention after power on"
        assert cd.get(PIS) & 3 == 1, "a packet is asked for without interrupt"
        cd.recover()
        for dma in (True, False):
            data = cd.packet([0x12, 0, 0, 0, 36], 36, dma)[1]
            assert data[0] == 5 and data[1] == 0x80 and data[8:12] == b"RHEA", data
            data = cd.packet([0x25], 8, dma)[1]
            assert struct.unpack(">II", data) == (39, 2048)
            data = cd.packet([0x28, 0, 0, 0, 0, 7, 0, 0, 3], 3 * 2048, dma)[1]
            assert data == bytes(range(256)) * 24
        toc = cd.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20], 20)[1]
        assert toc[:4] == b"\0\x12\1\1" and struct.unpack(">I", toc[16:])[0] == 40
        assert cd.packet([0x28, 0, 0, 0, 0, 40, 0, 0, 1], 2048)[0] >> 12 == 5, "beyond the disc"
        cd.recover()
        sense = cd.packet([0x03, 0, 0, 0, 18], 18)[1]
        assert sense[2] == 5 and sense[12] == 0x21
        assert cd.packet([0xee])[0] >> 12 == 5


@suite.test
def tray():
    with rhea.scratch() as folder, Rig(folder) as (_, _, cd):
        cd.packet([0x00])
        cd.recover()
        cd.packet([0x1e, 0, 0, 0, 1])
        assert cd.packet([0x1b, 0, 0, 0, 2])[0] >> 12 == 5, "a locked tray opened"
        cd.recover()
        cd.packet([0x1e, 0, 0, 0, 0])
        assert cd.packet([0x1b, 0, 0, 0, 2])[0] & ERR == 0
        assert cd.packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1], 2048)[0] >> 12 == 2, "read with an open tray"
        cd.recover()
        assert cd.packet([0x1b, 0, 0, 0, 3])[0] & ERR == 0
        assert cd.packet([0x00])[0] >> 12 == 6, "a medium that changed"
        cd.recover()
        assert cd.packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1], 2048)[1][:4] == b"\0\1\2\3"


@suite.test
def trim():
    with rhea.scratch() as folder:
        rig = Rig(folder)
        with rig as (_, disk, _):
            ranges = struct.pack("<QQ", 128 | 64 << 48, 1024 | 8 << 48)
            tfd, _ = disk.run(TRIM, data=ranges.ljust(SECTOR, b"\0"), feature=1, count=1)
            assert tfd & ERR == 0
            assert disk.run(READ_DMA_EXT, 64 * SECTOR, lba=128, count=64)[1] == bytes(64 * SECTOR)
            assert disk.run(READ_DMA_EXT, SECTOR, lba=127, count=1)[1] == rig.data[127 * SECTOR:][:SECTOR]
            bad = struct.pack("<Q", DISK // SECTOR | 1 << 48)
            assert disk.run(TRIM, data=bad.ljust(SECTOR, b"\0"), feature=1, count=1)[0] & ERR


@suite.test
def what_goes_wrong():
    with rhea.scratch() as folder, Rig(folder) as (_, disk, _):
        assert disk.run(READ_DMA_EXT, SECTOR, lba=DISK // SECTOR, count=1)[0] & ERR, "beyond the end"
        assert disk.get(PIS) & TFES
        disk.recover()
        assert disk.run(READ_DMA_EXT, SECTOR, count=2)[0] & ERR, "a table that is too short"
        disk.recover()
        disk.put_command(0, READ_DMA_EXT, count=1, data=[(0x12345000, SECTOR)])
        disk.issue(1)
        assert disk.wait(1) & ERR and disk.get(PIS) & HBFS, "memory that is not there"
        disk.recover()
        disk.put_command(3, READ_QUEUED, lba=0, feature=1, count=5 << 3, data=[(virtio.RAM, SECTOR)])
        disk.issue(1 << 3, queued=True)
        assert disk.wait(1 << 3, SACT) & ERR, "a tag of another slot"
        disk.recover()
        assert disk.run(0xff)[0] & ERR, "no such command"
        disk.recover()
        disk.write(disk.list, struct.pack("<IIQ", 5 | 0xffff << 16, 0, 0xffffffffffffff80))
        disk.issue(1)
        disk.wait(1)
        disk.recover()
        assert disk.run(IDENTIFY, SECTOR)[0] & ERR == 0, "the port does not work any more"


@suite.test
def resets():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, _):
        disk.run(0xff)
        disk.set(CMD, disk.get(CMD) & ~1)
        disk.set(SCTL, 0x301)
        disk.set(SCTL, 0x300)
        assert disk.get(SSTS) == 0x113 and disk.get(SERR) & 1 << 26 and disk.get(TFD) & 0xff == 0x50
        q.write(HBA + GHC, 1)
        assert q.read(HBA + GHC) == 1 << 31 and disk.get(CLB) == 0


@suite.test
def snapshot():
    with rhea.scratch() as folder, Rig(folder) as (q, disk, cd):
        disk.run(READ_DMA_EXT, SECTOR, lba=5, count=1)
        cd.packet([0x00])
        cd.recover()
        cd.packet([0x12, 0, 0, 0, 36], 36)      # a command with data is over ...
        q.command("rhea_snapshot")              # ... and leaves none behind
        cd.packet([0x1e, 0, 0, 0, 1])
        q.command("rhea_snapshot")
        assert disk.run(IDENTIFY, SECTOR)[0] & ERR == 0


@suite.test
def random_writes_end_nothing():
    """Registers, lists and tables full of nonsense, seeded: the machine goes on answering."""
    rng = random.Random(int(os.environ.get("SEED", "11")))
    with rhea.scratch() as folder, Rig(folder) as (q, disk, cd):
        for _ in range(60):
            port = rng.choice((disk, cd))
            slot = rng.randrange(32)
            port.write(port.list + 32 * slot, rng.randbytes(4) + bytes(4) +
                       struct.pack("<Q", port.tables[slot] if rng.random() < .8 else rng.getrandbits(64)))
            body = bytearray(rng.randbytes(0x100))
            body[0:3] = bytes([0x27, 0x80, rng.choice([0x25, 0x35, 0x20, 0xc4, 0x60, 0x61, 0xa0, 0xec,
                                                       0x06, 0xef, 0xb0, 0xc6, rng.randrange(256)])])
            for i in range(8):
                body[0x80 + 16 * i:][:8] = struct.pack("<Q", virtio.RAM + rng.randrange(1 << 24))
                body[0x8c + 16 * i + 2] &= 1
            port.write(port.tables[slot], body)
            for _ in range(8):
                port.set(rng.randrange(0, 0x48, 4), rng.choice([0, 1, 0x11, 0xffffffff, 1 << slot]))
            for reg, value in ((CMD, 0), (CLB, port.list), (0x04, 0), (FB, port.fis), (0x0c, 0),
                               (PIS, 0xffffffff), (SCTL, 0x301), (SCTL, 0x300), (CMD, 0x11)):
                port.set(reg, value)
            if rng.random() < .9:
                port.set(SACT, 1 << slot)
            port.set(CI, 1 << slot)
        for port in (disk, cd):
            port.set(CMD, 0)
            port.set(SCTL, 0x301)
            port.set(SCTL, 0x300)
            port.set(CMD, 0x11)
        assert disk.run(IDENTIFY, SECTOR)[0] & ERR == 0


sys.exit(suite.run())
