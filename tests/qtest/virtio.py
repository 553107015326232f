# SPDX-License-Identifier: MIT
"""A virtio driver for qtest: the four transports, split queues, and the requests that tests need.

Spec: Virtual I/O Device 1.2; the addresses are the riscv64 virt board's.
"""

import struct
import time

RAM = 0x80000000
MMIO_SLOTS = [0x10001000 + i * 0x1000 for i in range(8)]
ECAM, PCI_IO, PCI_MEM = 0x30000000, 0x03000000, 0x40000000

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 1, 2, 4, 8, 64
INDIRECT_DESC, EVENT_IDX, VERSION_1, RING_RESET = 28, 29, 32, 40
NET, BLOCK, CONSOLE, RNG, BALLOON = 1, 2, 3, 4, 5
NEXT, WRITE = 1, 2


def bit(*numbers):
    return sum(1 << n for n in numbers)


class Memory:
    """Hands out guest memory, zeroed, in order."""

    def __init__(self, q, start=RAM + 0x100000):
        self.q, self.at = q, start

    def take(self, size, align=16):
        start = (self.at + align - 1) // align * align
        self.at = start + size
        self.q.command("memset", start, hex(size), "0")
        return start

    def put(self, data):
        start = self.take(len(data))
        self.q.command("write", start, hex(len(data)), "0x" + data.hex())
        return start

    def get(self, addr, size):
        return bytes.fromhex(self.q.command("read", addr, hex(size))[2:])


class Queue:
    """A split virtqueue as the driver sees it; add() gives buffers, used() what came back."""

    def __init__(self, device, index, size, base, align=None):
        self.device, self.index, self.size, self.q = device, index, size, device.q
        self.desc = base
        self.avail = base + 16 * size
        after = self.avail + 6 + 2 * size
        align = align or 4
        self.used_ring = (after + align - 1) // align * align
        self.next_desc = self.added = self.seen = 0

    @staticmethod
    def bytes_needed(size, align=4096):
        return 16 * size + 6 + 2 * size + align + 6 + 8 * size

    def descriptor(self, i, addr, length, flags, link):
        self.q.command("write", self.desc + 16 * i, "16",
                       "0x" + struct.pack("<QIHH", addr, length, flags, link).hex())

    def add(self, readable, writable, kick=True):
        """readable and writable are lists of (address, length); returns the head."""
        parts = [(a, n, 0) for a, n in readable] + [(a, n, WRITE) for a, n in writable]
        head = self.next_desc
        for i, (addr, length, flags) in enumerate(parts):
            last = i == len(parts) - 1
            self.descriptor((head + i) % self.size, addr, length, flags | (0 if last else NEXT),
                            0 if last else (head + i + 1) % self.size)
        self.next_desc = (head + len(parts)) % self.size
        self.q.write(self.avail + 4 + 2 * (self.added % self.size), head, 2)
        self.added += 1
        self.q.write(self.avail + 2, self.added & 0xffff, 2)
        if kick:
            self.device.kick(self.index)
        return head

    def used_index(self):
        return self.q.read(self.used_ring + 2, 2)

    def used(self):
        """(head, written) of the next chain that came back, or None."""
        if self.used_index() == self.seen & 0xffff:
            return None
        at = self.used_ring + 4 + 8 * (self.seen % self.size)
        self.seen += 1
        return self.q.read(at), self.q.read(at + 4)

    def wait(self, seconds=20):
        """The same, once there is one: disks answer from other threads."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            got = self.used()
            if got:
                return got
        raise AssertionError(f"queue {self.index}: nothing came back")


class Device:
    """What the transports share: the order of the initialisation."""

    legacy = False

    def __init__(self, q, memory):
        self.q, self.memory = q, memory

    def start(self, features=0):
        """Up to the queues; the features that the device offers."""
        self.status(0)
        self.status(ACKNOWLEDGE)
        self.status(ACKNOWLEDGE | DRIVER)
        offered = self.offered()
        if self.legacy:
            self.accept(features)
        else:
            self.accept(features | bit(VERSION_1))
            self.status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
            assert self.get_status() & FEATURES_OK, f"features {features:#x} are refused"
        return offered

    def ready(self):
        self.status(ACKNOWLEDGE | DRIVER | DRIVER_OK | (0 if self.legacy else FEATURES_OK))

    def new_queue(self, index, size, align=None):
        base = self.memory.take(Queue.bytes_needed(size), 4096)
        return Queue(self, index, size, base, align)


class Mmio(Device):
    """Virtio over MMIO, version 2 (section 4.2.2)."""

    def __init__(self, q, memory, device_id, number=0):
        super().__init__(q, memory)
        slots = [s for s in MMIO_SLOTS if q.read(s + 8) == device_id]
        self.base = slots[number]
        assert q.read(self.base + 4) == (1 if self.legacy else 2)

    def status(self, v):
        self.q.write(self.base + 0x70, v)

    def get_status(self):
        return self.q.read(self.base + 0x70)

    def offered(self):
        value = 0
        for word in (0, 1):
            self.q.write(self.base + 0x14, word)
            value |= self.q.read(self.base + 0x10) << 32 * word
        return value

    def accept(self, features):
        for word in (0, 1):
            self.q.write(self.base + 0x24, word)
            self.q.write(self.base + 0x20, features >> 32 * word & 0xffffffff)

    def queue(self, index, size=None):
        self.q.write(self.base + 0x30, index)
        most = self.q.read(self.base + 0x34)
        assert most, f"no queue {index}"
        vq = self.new_queue(index, size or min(most, 64))
        self.q.write(self.base + 0x38, vq.size)
        for offset, addr in ((0x80, vq.desc), (0x90, vq.avail), (0xa0, vq.used_ring)):
            self.q.write(self.base + offset, addr & 0xffffffff)
            self.q.write(self.base + offset + 4, addr >> 32)
        self.q.write(self.base + 0x44, 1)
        return vq

    def reset_queue(self, index):
        self.q.write(self.base + 0x30, index)
        self.q.write(self.base + 0xc0, 1)

    def kick(self, index):
        self.q.write(self.base + 0x50, index)

    def isr(self):
        v = self.q.read(self.base + 0x60)
        self.q.write(self.base + 0x64, v)
        return v

    def config(self, offset, size):
        return self.q.read(self.base + 0x100 + offset, size)

    def set_config(self, offset, value, size):
        self.q.write(self.base + 0x100 + offset, value, size)


class MmioLegacy(Mmio):
    """Version 1 (section 4.2.4)."""

    legacy = True

    def offered(self):
        self.q.write(self.base + 0x14, 0)
        return self.q.read(self.base + 0x10)

    def accept(self, features):
        self.q.write(self.base + 0x28, 4096)
        self.q.write(self.base + 0x24, 0)
        self.q.write(self.base + 0x20, features)

    def queue(self, index, size=None):
        self.q.write(self.base + 0x30, index)
        most = self.q.read(self.base + 0x34)
        assert most, f"no queue {index}"
        assert self.q.read(self.base + 0x40) == 0, "in use already"
        vq = self.new_queue(index, size or min(most, 64), 4096)
        self.q.write(self.base + 0x38, vq.size)
        self.q.write(self.base + 0x3c, 4096)
        self.q.write(self.base + 0x40, vq.desc // 4096)
        assert self.q.read(self.base + 0x40) == vq.desc // 4096
        return vq


class Pci(Device):
    """What both interfaces over PCI share: finding the function and its BARs."""

    def __init__(self, q, memory, slot):
        super().__init__(q, memory)
        self.ecam = ECAM + (slot << 15)
        self.bars = {}
        self._place_bars(slot)
        q.write(self.ecam + 4, 7, 2)

    def ids(self):
        """(device, revision, subsystem)"""
        return (self.q.read(self.ecam + 2, 2), self.q.read(self.ecam + 8, 1),
                self.q.read(self.ecam + 0x2e, 2))

    def _place_bars(self, slot):
        n = 0
        while n < 6:
            reg = self.ecam + 0x10 + 4 * n
            self.q.write(reg, 0xffffffff)
            probe = self.q.read(reg)
            if not probe:
                n += 1
                continue
            io, wide = probe & 1, not probe & 1 and probe & 4
            large = not io and -(probe & ~15) & 0xffffffff > 0x10000     # of those: up to 16 MiB
            start = (0x1000 * (slot + 1) if io else PCI_MEM + (0x1000000 * (slot + 1) if large else
                                                               0x100000 * slot + 0x10000 * n))
            self.q.write(reg, start)
            if wide:
                self.q.write(reg + 4, 0)
            self.bars[n] = PCI_IO + start if io else start
            n += 2 if wide else 1

    def capabilities(self):
        """(id, offset) of each."""
        at = self.q.read(self.ecam + 0x34, 1)
        while at:
            yield self.q.read(self.ecam + at, 1), at
            at = self.q.read(self.ecam + at + 1, 1)


class PciModern(Pci):
    """Section 4.1.4."""

    def __init__(self, q, memory, slot):
        super().__init__(q, memory, slot)
        self.part = {}
        for kind, at in self.capabilities():
            if kind == 9:
                base = self.bars.get(q.read(self.ecam + at + 4, 1), 0)
                self.part[q.read(self.ecam + at + 3, 1)] = base + q.read(self.ecam + at + 8)
        self.common = self.part[1]

    def status(self, v):
        self.q.write(self.common + 0x14, v, 1)

    def get_status(self):
        return self.q.read(self.common + 0x14, 1)

    def offered(self):
        value = 0
        for word in (0, 1):
            self.q.write(self.common, word)
            value |= self.q.read(self.common + 4) << 32 * word
        return value

    def accept(self, features):
        for word in (0, 1):
            self.q.write(self.common + 8, word)
            self.q.write(self.common + 0xc, features >> 32 * word & 0xffffffff)

    def queue(self, index, size=None):
        self.q.write(self.common + 0x16, index, 2)
        most = self.q.read(self.common + 0x18, 2)
        assert most, f"no queue {index}"
        vq = self.new_queue(index, size or min(most, 64))
        self.q.write(self.common + 0x18, vq.size, 2)
        for offset, addr in ((0x20, vq.desc), (0x28, vq.avail), (0x30, vq.used_ring)):
            self.q.write(self.common + offset, addr, 8)
        self.q.write(self.common + 0x1c, 1, 2)
        return vq

    def kick(self, index):
        self.q.write(self.part[2] + 4 * index, index, 2)

    def isr(self):
        return self.q.read(self.part[3], 1)

    def config(self, offset, size):
        return self.q.read(self.part[4] + offset, size)

    def set_config(self, offset, value, size):
        self.q.write(self.part[4] + offset, value, size)


class PciLegacy(Pci):
    """Section 4.1.4.10; MSI-X stays off."""

    legacy = True

    def __init__(self, q, memory, slot):
        super().__init__(q, memory, slot)
        self.io = self.bars[0]

    def status(self, v):
        self.q.write(self.io + 18, v, 1)

    def get_status(self):
        return self.q.read(self.io + 18, 1)

    def offered(self):
        return self.q.read(self.io)

    def accept(self, features):
        self.q.write(self.io + 4, features)

    def queue(self, index):
        self.q.write(self.io + 14, index, 2)
        size = self.q.read(self.io + 12, 2)
        assert size, f"no queue {index}"
        assert self.q.read(self.io + 8) == 0, "in use already"
        vq = self.new_queue(index, size, 4096)
        self.q.write(self.io + 8, vq.desc // 4096)
        assert self.q.read(self.io + 8) == vq.desc // 4096
        return vq

    def kick(self, index):
        self.q.write(self.io + 16, index, 2)

    def isr(self):
        return self.q.read(self.io + 19, 1)

    def config(self, offset, size):
        return self.q.read(self.io + 20 + offset, size)

    def set_config(self, offset, value, size):
        self.q.write(self.io + 20 + offset, value, size)
