#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The virtio network device: frames to and from the user network, queue pairs, the control queue."""

import base64
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import snapstate  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402
from virtio import bit  # noqa: E402

suite = tap.Suite()

(CSUM, GUEST_CSUM, CTRL_GUEST_OFFLOADS, MTU, MRG_RXBUF, STATUS, CTRL_VQ, CTRL_RX, CTRL_VLAN,
 CTRL_RX_EXTRA, GUEST_ANNOUNCE, MQ, CTRL_MAC_ADDR) = 0, 1, 2, 3, 15, 16, 17, 18, 19, 20, 21, 22, 23
RX, MAC, VLAN, ANNOUNCE, PAIRS, OFFLOADS = range(6)
OURS = bytes.fromhex("525400123456")
ROUTER = bytes([10, 0, 2, 2])
US = bytes([10, 0, 2, 15])
BROADCAST = b"\xff" * 6
CONTROL = bit(CTRL_VQ, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, CTRL_MAC_ADDR, STATUS)


def arp(target=ROUTER, source=OURS, to=BROADCAST):
    return to + source + struct.pack(">HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + source + US + \
        bytes(6) + target + bytes(18)


def dhcp_discover(port=68):
    """A UDP datagram that the user network answers to (broadcast, from the address 0)."""
    boot = struct.pack(">BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, 7, 0, 0x8000, bytes(4), bytes(4),
                       bytes(4), bytes(4), OURS + bytes(10), bytes(64), bytes(128)) + \
        b"\x63\x82\x53\x63\x35\x01\x01\xff" + bytes(60)
    udp = struct.pack(">HHHH", port, 67, 8 + len(boot), 0) + boot
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~total & 0xffff) + head[12:]
    return BROADCAST + OURS + b"\x08\x00" + head + udp


class Card:
    """The device with its queues set up; frames of up to 2 KiB a buffer."""

    def __init__(self, q, features, kind=virtio.Mmio, pairs=1, buffer=2048, buffers=4):
        self.memory = virtio.Memory(q)
        self.q, self.pairs, self.buffer = q, pairs, buffer
        self.d = kind(q, self.memory, 2 if issubclass(kind, virtio.Pci) else virtio.NET)
        self.offered = self.d.start(features)
        self.header = 12 if not kind.legacy or features & bit(MRG_RXBUF) else 10
        mq = features & bit(MQ)
        self.rx = [self.d.queue(2 * i) for i in range(pairs)]
        self.tx = [self.d.queue(2 * i + 1) for i in range(pairs)]
        most = self.d.config(8, 2) if mq else 1
        self.ctrl = self.d.queue(2 * most) if features & bit(CTRL_VQ) else None
        self.d.ready()
        self.at = {}
        for vq in self.rx:
            for _ in range(buffers):
                addr = self.memory.take(buffer)
                self.at[vq.index, vq.add([], [(addr, buffer)], kick=False)] = addr
            self.d.kick(vq.index)

    def send(self, frame, pair=0, header=b""):
        header = header + bytes(self.header - len(header))
        data = header + frame
        addr = self.memory.put(data)
        self.tx[pair].add([(addr, len(data))], [])
        assert self.tx[pair].wait()[1] == 0

    def receive(self, pair=0):
        """(header, frame), or None; a frame may lie in several buffers."""
        vq = self.rx[pair]
        got = vq.used()
        if not got:
            return None
        data = self.memory.get(self.at[vq.index, got[0]], got[1])
        count = struct.unpack("<H", data[10:12])[0] if self.header == 12 else 1
        for _ in range(count - 1):
            head, written = vq.used()
            data += self.memory.get(self.at[vq.index, head], written)
        return data[:self.header], data[self.header:]

    def control(self, kind, command, data=b""):
        """The device's answer: 0 when it agrees."""
        ack = self.memory.put(b"\x55")
        request = bytes([kind, command]) + data
        self.ctrl.add([(self.memory.put(request), len(request))], [(ack, 1)])
        assert self.ctrl.wait()[1] == 1
        return self.memory.get(ack, 1)[0]


def machine(*args, extra="", netdev="", device="virtio-net-device", qmp=False):
    return Qtest("-netdev", f"user,id=n{netdev}", "-device",
                 f"{device},netdev=n,mac=52:54:00:12:34:56{extra}", *args, qmp=qmp)


def answered(card, pair=0, frame=None, **kw):
    """Whether the router's answer to an ARP request arrives."""
    card.send(frame or arp(**kw), pair)
    got = card.receive(pair)
    return bool(got) and got[1][12:14] == b"\x08\x06" and got[1][28:32] == ROUTER


@suite.test
def frames_and_headers():
    for kind, args, device, features in (
            (virtio.Mmio, [], "virtio-net-device", 0),
            (virtio.Mmio, [], "virtio-net-device", bit(MRG_RXBUF)),
            (virtio.MmioLegacy, ["-global", "virtio-mmio.force-legacy=on"], "virtio-net-device", 0),
            (virtio.MmioLegacy, ["-global", "virtio-mmio.force-legacy=on"], "virtio-net-device",
             bit(MRG_RXBUF)),
            (virtio.PciModern, [], "virtio-net-pci", 0),
            (virtio.PciLegacy, [], "virtio-net-pci", 0)):
        extra = ",addr=2" if "pci" in device else ""
        with machine(*args, device=device, extra=extra) as q:
            card = Card(q, features, kind)
            assert answered(card), (kind, features)
            card.q.command("rhea_snapshot")


@suite.test
def legacy_driver_sets_its_address():
    with machine("-global", "virtio-mmio.force-legacy=on") as q:
        card = Card(q, 0, virtio.MmioLegacy)
        for i, byte in enumerate(b"\x52\x54\x00\x99\x99\x99"):
            card.d.set_config(i, byte, 1)
        assert [card.d.config(i, 1) for i in range(6)] == [0x52, 0x54, 0, 0x99, 0x99, 0x99]
    with machine() as q:
        card = Card(q, 0)
        card.d.set_config(5, 0x99, 1)
        assert card.d.config(5, 1) == 0x56, "a modern driver has the control queue for that"


@suite.test
def buffers_are_merged():
    """A frame that no buffer holds is spread when the driver says so, and dropped when not."""
    with machine() as q:
        card = Card(q, bit(MRG_RXBUF), buffer=200, buffers=16)
        card.send(dhcp_discover())
        header, frame = card.receive()
        assert header[10] == (len(frame) + 12 + 199) // 200 and header[10] > 1, header
        assert frame[12:14] == b"\x08\x00" and frame[42] == 2, "a BOOTP reply"
    with machine() as q:
        card = Card(q, 0, buffer=200)
        card.send(dhcp_discover())
        assert card.receive() is None
        assert answered(card), "the buffer is still there"


@suite.test
def receive_modes():
    """The user network answers to broadcast frames, and to the asker's address."""
    with machine() as q:
        card = Card(q, CONTROL)
        assert card.control(RX, 0, b"\0") == 0, "promiscuous off"
        assert answered(card)
        other = bytes.fromhex("525400777777")
        assert not answered(card, source=other), "not our address"
        assert card.control(MAC, 0, struct.pack("<I", 1) + other + struct.pack("<I", 0)) == 0
        assert answered(card, source=other), "in the table"
        assert card.control(MAC, 0, bytes(8)) == 0
        assert card.control(RX, 2, b"\1") == 0
        assert answered(card, source=other), "all unicast"
        assert card.control(RX, 4, b"\1") == 0
        assert not answered(card), "no unicast at all"
        assert card.control(RX, 4, b"\0") == 0
        assert card.control(RX, 2, b"\0") == 0
        assert card.control(MAC, 1, other) == 0, "the address is changed"
        assert answered(card, source=other)
        assert [card.d.config(i, 1) for i in range(6)] == list(other)
        q.command("rhea_snapshot")


@suite.test
def control_messages_that_lie():
    with machine() as q:
        card = Card(q, CONTROL)
        for kind, command, data in (
                (RX, 0, b""), (RX, 0, b"\0\0"), (RX, 9, b"\0"), (MAC, 0, b""), (MAC, 0, b"\1\0\0\0"),
                (MAC, 0, b"\xff" * 8), (MAC, 1, b"\0" * 5), (MAC, 7, b""), (VLAN, 0, b"\0\x10"),
                (VLAN, 2, b"\0\0"), (VLAN, 0, b"\0"), (ANNOUNCE, 0, b""), (PAIRS, 0, b"\1\0"),
                (OFFLOADS, 0, bytes(8)), (77, 0, b""), (MAC, 0, b"\xff" * 3000)):
            assert card.control(kind, command, data) == 1, (kind, command, data)
        assert answered(card)


@suite.test
def vlans():
    def tagged(vlan):
        frame = arp()
        return frame[:12] + struct.pack(">HH", 0x8100, vlan) + frame[12:]

    # The user network sends no tagged frames; what the filter lets through is tested in tests/unit/hw.
    with machine() as q:
        card = Card(q, CONTROL)
        for vlan in (1, 63, 64, 4095):
            assert card.control(VLAN, 0, struct.pack("<H", vlan)) == 0
        assert card.control(VLAN, 1, struct.pack("<H", 64)) == 0
        q.command("rhea_snapshot")
        card.send(tagged(63))
        assert answered(card), "frames without a tag pass"


@suite.test
def handler_that_was_to_run_later():
    """What the driver adds while a full ring is being sent is not kicked for: a loaded machine sends it, too."""
    def bools(state):
        return [f for f in snapstate.fields(state) if f.section == "virtio" and f.kind == b"b"]

    with machine() as q:
        card = Card(q, 0)
        vq, frame = card.tx[0], bytes(card.header) + arp()
        addr = card.memory.put(frame)
        before = q.save()
        vq.add([(addr, len(frame))], [], kick=False)
        q.step()
        assert vq.used() is None, "nobody looks at the ring"
        # The interface's own, then of each queue: ready, signalled_valid, notify_disabled, later.
        later = bools(before)[1 + 4 * vq.index + 3]
        assert q.load([snapstate.change(later, 1)]) == "OK"
        assert vq.wait() == (0, 0)
        assert q.save() != before
        # A ring's worth in one go: the state tells that the handler wants to look again.
        for _ in range(vq.size):
            vq.add([(addr, len(frame))], [], kick=False)
        kick = f"writel {card.d.base + 0x50:#x} {vq.index}"
        state = base64.b64decode(q.many([kick, "rhea_save"])[1].split()[1])
        assert bools(state)[1 + 4 * vq.index + 3].of(state) == b"\1"
        q.step()
        state = q.save()
        assert bools(state)[1 + 4 * vq.index + 3].of(state) == b"\0"


@suite.test
def offloads_are_switched():
    with machine() as q:
        card = Card(q, CONTROL | bit(GUEST_CSUM, CTRL_GUEST_OFFLOADS))
        card.send(arp())
        assert card.receive()[0][0] == 2, "checksums are good"
        assert card.control(OFFLOADS, 0, bytes(8)) == 0
        card.send(arp())
        assert card.receive()[0][0] == 0
        assert card.control(OFFLOADS, 0, struct.pack("<Q", bit(7))) == 1, "was not accepted"
        assert card.control(OFFLOADS, 0, struct.pack("<Q", bit(GUEST_CSUM))) == 0
        card.send(arp())
        assert card.receive()[0][0] == 2


@suite.test
def checksum_is_completed():
    """With NEEDS_CSUM the field holds the pseudo-header's sum; the network drops wrong sums."""
    with machine() as q:
        card = Card(q, bit(CSUM))
        echo = bytes([8, 0, 0, 0]) + b"rhea" + bytes(24)
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(echo), 1, 0, 64, 1, 0, US, ROUTER)
        total = sum(struct.unpack(">10H", head))
        total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack(">H", ~total & 0xffff) + head[12:]
        answered(card)
        frame = bytes.fromhex("525500000202") + OURS + b"\x08\x00" + head + echo
        card.send(frame)
        assert card.receive() is None, "a wrong checksum is not answered"
        card.send(frame, header=struct.pack("<BBHHHH", 1, 0, 0, 0, 34, 2))
        deadline = time.monotonic() + 5
        while not (got := card.receive()):
            if time.monotonic() > deadline:
                raise tap.Skip("this host lets nobody ping")
        assert got[1][34] == 0, "an echo reply"


@suite.test
def pairs_and_steering():
    with machine(netdev=",queues=4", extra=",mq=on") as q:
        card = Card(q, CONTROL | bit(MQ), pairs=4)
        assert card.offered & bit(MQ) and card.d.config(8, 2) == 4
        card.send(dhcp_discover(), pair=3)
        assert card.receive(0) and not card.receive(3), "one pair until the driver says more"
        assert card.control(PAIRS, 0, struct.pack("<H", 0)) == 1
        assert card.control(PAIRS, 0, struct.pack("<H", 5)) == 1
        assert card.control(PAIRS, 0, struct.pack("<H", 4)) == 0
        for pair in (2, 1, 3, 0):
            assert answered(card, pair), f"the answer comes on pair {pair}"
            q.command("rhea_snapshot")
        assert card.control(PAIRS, 0, struct.pack("<H", 1)) == 0
        card.send(arp(), 2)
        assert card.receive(0) and not card.receive(2)
    # A driver that does not take MQ has its control queue at 2.
    with machine(netdev=",queues=4", extra=",mq=on") as q:
        card = Card(q, CONTROL)
        assert card.control(RX, 0, b"\1") == 0
        assert answered(card)
    with machine(netdev=",queues=4") as q:
        assert not Card(q, 0).offered & bit(MQ), "mq=off"
    with machine(extra=",mq=on") as q:
        assert not Card(q, 0).offered & bit(MQ), "one queue only"


@suite.test
def announcement_is_asked_for():
    with machine(qmp=True) as q:
        card = Card(q, CONTROL | bit(GUEST_ANNOUNCE))
        assert card.control(ANNOUNCE, 0) == 1, "nothing was asked"
        with q.qmp() as control:
            assert control.command("human-monitor-command", command_line="announce_self") == ""
        assert card.d.config(6, 2) == 3, "link up, announce"
        assert card.d.isr() & 2, "configuration changed"
        q.command("rhea_snapshot")
        assert card.control(ANNOUNCE, 0) == 0
        assert card.d.config(6, 2) == 1


@suite.test
def mtu_and_switches():
    with machine(extra=",host_mtu=1400") as q:
        card = Card(q, bit(MTU))
        assert card.d.config(10, 2) == 1400
    with machine(extra=",ctrl_vq=off,status=off,mrg_rxbuf=off,csum=off,guest_csum=off") as q:
        offered = Card(q, 0).offered
        assert not offered & (CONTROL | bit(MQ, GUEST_ANNOUNCE, MRG_RXBUF, CSUM, GUEST_CSUM)), hex(offered)
        assert offered & bit(5), "it always has an address"


if __name__ == "__main__":
    sys.exit(suite.run())
