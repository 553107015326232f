#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The 82540EM by its registers: EEPROM and PHY, rings, filters, VLAN tags, checksums, interrupts, reset,
nonsense.  The user network behind it answers.  Spec: Intel PCI/PCI-X Family SDM (317453)."""

import os
import random
import struct
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
DEVFN, MMIO, IO = 0x50, 0xe0000000, 0xc000
(CTRL, STATUS, EECD, EERD, MDIC, ICR, IMS, IMC, RCTL, TCTL, RDBAL, RDLEN, RDH, RDT, TDBAL, TDLEN, TDH, TDT,
 GPRC, RAL, RAH, VFTA, MTA) = (
    0x00, 0x08, 0x10, 0x14, 0x20, 0xc0, 0xd0, 0xd8, 0x100, 0x400, 0x2800, 0x2808, 0x2810, 0x2818, 0x3800,
    0x3808, 0x3810, 0x3818, 0x4074, 0x5400, 0x5404, 0x5600, 0x5200)
RESET, VME = 1 << 26, 1 << 30
RX_ON, PROMISCUOUS, BROADCASTS, NO_CRC, VLAN_FILTER = 1 << 1, 1 << 3, 1 << 15, 1 << 26, 1 << 18
EOP, IFCS, RS, DEXT, VLE = 1, 2, 8, 32, 64
RING, BUFFER = 16, 2048
OURS, ROUTER, US = bytes.fromhex("525400123456"), bytes([10, 0, 2, 2]), bytes([10, 0, 2, 15])


def arp(source=OURS):
    return b"\xff" * 6 + source + struct.pack(">HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + source + US + bytes(6) + ROUTER


def folded(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def dhcp(checksum):
    """A request that the user network answers when the header's checksum is right."""
    boot = struct.pack(">BBBBIHH16s16s64s128s", 1, 1, 6, 0, 7, 0, 0x8000, bytes(16), OURS + bytes(10), bytes(64),
                       bytes(128)) + b"\x63\x82\x53\x63\x35\x01\x01\xff" + bytes(60)
    udp = struct.pack(">HHHH", 68, 67, 8 + len(boot), 0) + boot
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    head = head[:10] + struct.pack(">H", folded(head) if checksum else 0) + head[12:]
    return b"\xff" * 6 + OURS + b"\x08\x00" + head + udp


class Card:
    """The card with its rings set up; receives broadcasts and its own frames without checksum."""

    def __init__(self, q):
        self.q = q
        q.set_config(DEVFN, 0x10, MMIO)
        q.set_config(DEVFN, 0x14, IO)
        q.set_config(DEVFN, 0x04, 7, 2)
        self.setup()

    def setup(self):
        self.memory = virtio.Memory(self.q, 0x200000)
        self.rx, self.tx = self.memory.take(16 * RING, 128), self.memory.take(16 * RING, 128)
        self.buffers = [self.memory.take(BUFFER) for _ in range(RING)]
        self.next_rx = self.next_tx = 0
        for i, at in enumerate(self.buffers):
            self.put(self.rx + 16 * i, struct.pack("<QQ", at, 0))
        for reg, value in ((RDBAL, self.rx), (RDLEN, 16 * RING), (RDH, 0), (TDBAL, self.tx), (TDLEN, 16 * RING),
                           (TDH, 0), (TDT, 0), (CTRL, 1 << 6), (RCTL, RX_ON | BROADCASTS | NO_CRC), (TCTL, 2),
                           (RDT, RING - 1)):
            self.set(reg, value)

    def put(self, at, data):
        self.q.command("write", at, hex(len(data)), "0x" + data.hex())

    def get(self, reg):
        return self.q.read(MMIO + reg)

    def set(self, reg, value):
        self.q.write(MMIO + reg, value)

    def queue(self, descriptor):
        self.put(self.tx + 16 * self.next_tx, descriptor)
        self.next_tx = (self.next_tx + 1) % RING

    def kick(self):
        last = (self.next_tx - 1) % RING
        self.set(TDT, self.next_tx)
        assert self.get(TDH) == self.next_tx
        assert self.memory.get(self.tx + 16 * last + 12, 1)[0] & 1, "the descriptor is not marked as done"

    def send(self, frame, command=EOP | IFCS | RS, tag=0):
        self.queue(struct.pack("<QHBBBBH", self.memory.put(frame), len(frame), 0, command, 0, 0, tag))
        self.kick()

    def receive(self):
        """(frame, status, tag), or None."""
        at = self.rx + 16 * self.next_rx
        _, length, _, status, _, tag = struct.unpack("<QHHBBH", self.memory.get(at, 16))
        if not status & 1:
            return None
        frame = self.memory.get(self.buffers[self.next_rx], length)
        self.put(at + 8, bytes(8))
        self.set(RDT, self.next_rx)
        self.next_rx = (self.next_rx + 1) % RING
        return frame, status, tag

    def asks(self, frame=None):
        """Whether the router's answer to an ARP request arrives."""
        self.send(frame or arp())
        got = self.receive()
        return bool(got) and got[0][12:14] == b"\x08\x06" and got[0][28:32] == ROUTER

    def eeprom(self, word):
        """A word by the four-wire interface."""
        def clock(bit):
            self.set(EECD, 0x42 | bit << 2)
            self.set(EECD, 0x43 | bit << 2)
            return self.get(EECD) >> 3 & 1
        self.set(EECD, 0x40)
        self.set(EECD, 0x42)
        for bit in f"110{word:06b}":
            clock(int(bit))
        value = 0
        for _ in range(16):
            value = value << 1 | clock(0)
        self.set(EECD, 0)
        return value


def machine(*args):
    return PcQtest("-netdev", "user,id=n", "-device", "e1000,netdev=n,mac=52:54:00:12:34:56,addr=0xa", *args)


@suite.test
def eeprom_and_phy():
    with machine() as q:
        card = Card(q)
        assert q.config(DEVFN, 0) == 0x100e8086 and q.config(DEVFN, 8) >> 8 == 0x020000
        by_wire = [card.eeprom(n) for n in range(64)]
        assert struct.pack("<3H", *by_wire[:3]) == OURS and sum(by_wire) & 0xffff == 0xbaba
        for n in (0, 1, 2, 63):
            card.set(EERD, n << 8 | 1)
            assert card.get(EERD) & 0x10 and card.get(EERD) >> 16 == by_wire[n]
        for reg, value in ((2, 0x0141), (3, 0x0c20)):
            card.set(MDIC, 2 << 26 | 1 << 21 | reg << 16)
            assert card.get(MDIC) >> 28 & 1 and card.get(MDIC) & 0xffff == value
        card.set(MDIC, 2 << 26 | 1 << 21 | 1 << 16)
        assert card.get(MDIC) & 4 and card.get(STATUS) & 2, "the link is up"
        assert card.get(RAL) == 0x12005452 and card.get(RAH) == 0x80005634
        q.out(IO, STATUS, 4)
        assert q.inp(IO + 4, 4) == card.get(STATUS)


@suite.test
def frames_round_the_rings():
    with machine() as q:
        card = Card(q)
        for _ in range(3 * RING):
            assert card.asks(), "no answer"
        assert card.get(GPRC) == 3 * RING and card.get(GPRC) == 0
        card.set(RCTL, RX_ON | BROADCASTS)
        card.send(arp())
        frame, status, _ = card.receive()
        assert len(frame) >= 64 and status & 3 == 3
        assert zlib.crc32(frame[:-4]) == int.from_bytes(frame[-4:], "little")


@suite.test
def filters():
    with machine() as q:
        card = Card(q)
        other = bytes.fromhex("020000000001")
        assert not card.asks(arp(other)), "an answer to somebody else"
        card.set(RCTL, RX_ON | BROADCASTS | NO_CRC | PROMISCUOUS)
        assert card.asks(arp(other))
        card.set(RCTL, RX_ON | NO_CRC)
        card.set(RAL, int.from_bytes(other[:4], "little"))
        card.set(RAH, 1 << 31 | int.from_bytes(other[4:], "little"))
        assert card.asks(arp(other)) and not card.asks()
        card.set(RCTL, 0)
        assert not card.asks(arp(other)), "the receiver is off"


@suite.test
def checksum_by_the_card():
    with machine() as q:
        card = Card(q)
        card.send(dhcp(True))
        assert card.receive()[0][23] == 17
        card.send(dhcp(False))
        assert card.receive() is None, "a wrong checksum was answered"
        frame = dhcp(False)
        card.queue(struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 40, 0, DEXT << 24, 0, 0, 0))
        half = len(frame) // 2
        for i, (part, command) in enumerate(((frame[:half], DEXT), (frame[half:], DEXT | EOP | RS))):
            word = len(part) | 1 << 20 | command << 24
            card.queue(struct.pack("<QIBBH", card.memory.put(part), word, 0, 1 if i == 0 else 0, 0))
        card.kick()
        answer = card.receive()
        assert answer and folded(answer[0][14:34]) == 0, "no answer to what the card has summed"


@suite.test
def interrupts():
    with machine() as q:
        card = Card(q)

        def line():
            return q.config(DEVFN, 0x06, 2) >> 3 & 1
        card.get(ICR)
        card.send(arp())
        assert line() == 0, "nobody wants to hear"
        card.set(IMS, 0x80)
        assert line() == 1 and card.get(ICR) & 0x81 == 0x81 and line() == 0 and card.get(ICR) == 0
        card.send(arp())
        assert line() == 1
        card.set(IMC, 0x80)
        assert line() == 0


@suite.test
def a_full_ring_waits():
    with machine() as q:
        card = Card(q)
        for _ in range(RING):
            card.send(arp())
        got = [card.receive() for _ in range(RING)]
        assert sum(g is not None for g in got) >= RING - 1
        assert card.asks() or card.receive(), "the ring does not go on"


@suite.test
def reset_and_snapshot():
    with machine() as q:
        card = Card(q)
        assert card.asks()
        q.command("rhea_snapshot")
        assert card.asks()
        card.set(CTRL, RESET)
        assert card.get(RCTL) == 0 and card.get(RDLEN) == 0 and card.get(RAH) == 0x80005634
        card.setup()
        assert card.asks()


@suite.test
def random_writes_end_nothing():
    rng = random.Random(int(os.environ.get("SEED", "14")))
    with machine() as q:
        card = Card(q)
        for _ in range(200):
            for at in (card.tx, card.rx):
                body = bytearray(rng.randbytes(16 * RING))
                for i in range(RING):
                    body[16 * i:16 * i + 8] = struct.pack("<Q", rng.choice((0x200000, 0x3fffff0, rng.getrandbits(64))))
                card.put(at, body)
            regs = [RCTL, TCTL, RDLEN, TDLEN, RDH, RDT, TDH, CTRL, IMS, EECD, MDIC, rng.randrange(0, 0x20000, 4)]
            for reg in rng.sample(regs, 5):
                card.set(reg, rng.choice((0, 2, rng.getrandbits(7), rng.getrandbits(32) & ~RESET)))
            card.set(TCTL, 2)
            card.set(TDLEN, 16 * RING)
            card.set(TDT, rng.randrange(2 * RING))
        card.set(CTRL, RESET)
        card.setup()
        assert card.asks() or card.receive() or card.asks()


if __name__ == "__main__":
    sys.exit(suite.run())
