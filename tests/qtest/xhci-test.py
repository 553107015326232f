#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The xHCI with a driver of our own: rings, slots, endpoints, ports, interrupts, HID devices, nonsense."""

import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
SUCCESS, TRANSACTION, TRB_ERROR, STALL, NO_SLOTS, NOT_ENABLED, SHORT, PARAMETER, STATE, RING_STOPPED = \
    1, 4, 5, 6, 9, 11, 13, 17, 19, 24
NORMAL, SETUP, DATA, STATUS, LINK, EVENT_DATA = 1, 2, 3, 4, 6, 7
ENABLE, DISABLE, ADDRESS, CONFIGURE, EVALUATE, RESET_EP, STOP_EP, SET_DEQUEUE, RESET_DEVICE, NOOP = \
    9, 10, 11, 12, 13, 14, 15, 16, 17, 23
TRANSFER_EVENT, COMMAND_EVENT, PORT_EVENT = 32, 33, 34
CYCLE, TOGGLE, ISP, CHAIN, IOC, IDT, IN = 1, 2, 4, 16, 32, 64, 1 << 16
OP, PORTS, RUNTIME, DOORBELLS = 0x40, 0x440, 0x1000, 0x2000
INTR = RUNTIME + 0x20
RUNNING, HALTED, STOPPED = 1, 2, 3
RING = 16


class Ring:
    """A ring of transfer request blocks with a link at its end."""

    def __init__(self, memory):
        self.memory, self.q = memory, memory.q
        self.base = memory.take(16 * RING, 64)
        self.at, self.cycle = 0, 1

    def put(self, parameter, status, control):
        addr = self.base + 16 * self.at
        self.q.command("write", addr, "16", "0x" + struct.pack("<QII", parameter, status, control | self.cycle).hex())
        self.at += 1
        if self.at == RING - 1:
            self.q.command("write", addr + 16, "16", "0x" + struct.pack(
                "<QII", self.base, 0, LINK << 10 | TOGGLE | self.cycle | control & CHAIN).hex())
            self.at, self.cycle = 0, self.cycle ^ 1
        return addr


class Xhci(virtio.Pci):
    """A driver of the controller: commands, control transfers, events."""

    def __init__(self, q, slot=2):
        super().__init__(q, virtio.Memory(q), slot)
        self.base = self.bars[0]
        assert self.reg(0) == 0x01000040 and self.reg(0x14) == DOORBELLS and self.reg(0x18) == RUNTIME
        self.start_over()

    def reg(self, offset):
        return self.q.read(self.base + offset)

    def set(self, offset, value):
        self.q.write(self.base + offset, value)

    def set64(self, offset, value):
        self.set(offset, value & 0xffffffff)
        self.set(offset + 4, value >> 32)

    def start_over(self, run=True):
        self.set(OP, 2)
        assert self.reg(OP) == 0 and self.reg(OP + 4) == 1
        self.commands = Ring(self.memory)
        self.contexts = self.memory.take(8 * 64, 64)
        self.events = self.memory.take(16 * 32, 64)
        table = self.memory.take(64, 64)
        self.q.command("write", table, "16", "0x" + struct.pack("<QII", self.events, 32, 0).hex())
        self.seen, self.event_cycle = 0, 1
        self.set(OP + 0x38, 8)
        self.set64(OP + 0x30, self.contexts)
        self.set64(OP + 0x18, self.commands.base | 1)
        self.set(INTR + 4, 0)
        self.set(INTR + 8, 1)
        self.set64(INTR + 0x18, self.events)
        self.set64(INTR + 0x10, table)
        self.set(INTR, 2)
        if run:
            self.set(OP, 5)
            assert not self.reg(OP + 4) & 1

    def event(self):
        """(parameter, code, length, type, endpoint, slot) of the next event, or None."""
        at = self.events + 16 * self.seen
        parameter, status, control = struct.unpack("<QII", self.memory.get(at, 16))
        if control & 1 != self.event_cycle:
            return None
        self.seen += 1
        if self.seen == 32:
            self.seen, self.event_cycle = 0, self.event_cycle ^ 1
        self.set64(INTR + 0x18, self.events + 16 * self.seen | 8)
        return parameter, status >> 24, status & 0xffffff, control >> 10 & 63, control >> 16 & 31, control >> 24

    def drain(self):
        while self.event():
            pass

    def command(self, kind, parameter=0, slot=0, endpoint=0, flags=0):
        """(completion code, slot)"""
        addr = self.commands.put(parameter, 0, kind << 10 | slot << 24 | endpoint << 16 | flags)
        self.set(DOORBELLS, 0)
        got = self.event()
        assert got and got[0] == addr and got[3] == COMMAND_EVENT, got
        return got[1], got[5]

    def reset_port(self, port):
        at = PORTS + 0x10 * (port - 1)
        self.set(at, 0x210)
        assert self.reg(at) & 0x200003 == 0x200003, f"{self.reg(at):#x}"
        self.set(at, 0xfe0200)
        assert self.reg(at) & 0xfe0000 == 0
        self.drain()

    def input(self, add, contexts):
        """An input context; @contexts by their place, 0 is the slot's."""
        data = bytearray(33 * 32)
        struct.pack_into("<II", data, 0, 0, add)
        for index, words in contexts.items():
            struct.pack_into(f"<{len(words)}I", data, 32 * (index + 1), *words)
        at = self.memory.take(len(data), 64)
        self.q.command("write", at, hex(len(data)), "0x" + bytes(data).hex())
        return at

    def attach(self, port):
        """A device with its address: an object for its transfers."""
        self.reset_port(port)
        code, slot = self.command(ENABLE)
        assert code == SUCCESS
        device = UsbDevice(self, slot, port)
        self.q.write(self.contexts + 8 * slot, device.context, 8)
        ring = device.rings[1]
        context = self.input(3, {0: [1 << 27 | 1 << 20, port << 16],
                                 1: [0, 4 << 3 | 8 << 16 | 3 << 1, ring.base | 1, 0, 8]})
        assert self.command(ADDRESS, context, slot)[0] == SUCCESS
        assert device.slot_state() == 2 and device.state(1) == RUNNING
        return device


class UsbDevice:
    def __init__(self, hc, slot, port):
        self.hc, self.slot, self.port = hc, slot, port
        self.context = hc.memory.take(32 * 32, 64)
        self.rings = {1: Ring(hc.memory)}

    def slot_state(self):
        return self.hc.q.read(self.context + 12) >> 27

    def state(self, dci):
        return self.hc.q.read(self.context + 32 * dci) & 7

    def ring(self, dci):
        self.hc.set(DOORBELLS + 4 * self.slot, dci)

    def control(self, kind, request, value=0, index=0, length=0, data=None):
        """(completion code, bytes)"""
        ring, memory = self.rings[1], self.hc.memory
        into = bool(kind & 0x80) and length
        ring.put(kind | request << 8 | value << 16 | index << 32 | length << 48, 8,
                 SETUP << 10 | IDT | (3 if into else 2 if length else 0) << 16)
        at = 0
        if length:
            at = memory.put(data) if data else memory.take(length)
            ring.put(at, length, DATA << 10 | (IN | ISP if into else 0))
        ring.put(0, 0, STATUS << 10 | IOC | (0 if into else IN))
        self.ring(1)
        got, left, code = self.hc.event(), 0, None
        while got:
            assert got[3] == TRANSFER_EVENT and got[5] == self.slot and got[4] == 1, got
            left, code = max(left, got[2]), max(code or 0, got[1]) if got[1] != SHORT else SUCCESS
            got = self.hc.event()
        return code, memory.get(at, length - left) if into and code == SUCCESS and length > left else b""

    def configure(self, dci=3):
        ring = self.rings[dci] = Ring(self.hc.memory)
        context = self.hc.input(1 | 1 << dci, {0: [dci << 27 | 1 << 20, self.port << 16],
                                               dci: [6 << 16, 7 << 3 | 8 << 16 | 3 << 1, ring.base | 1, 0, 8]})
        assert self.hc.command(CONFIGURE, context, self.slot)[0] == SUCCESS
        assert self.slot_state() == 3 and self.state(dci) == RUNNING
        assert self.control(0, 9, 1)[0] == SUCCESS

    def want(self, dci=3, length=8, flags=IOC):
        addr = self.hc.memory.take(8)
        self.rings[dci].put(addr, length, NORMAL << 10 | flags)
        self.ring(dci)
        return addr


def keys(control, *names, down=True):
    control.command("input-send-event", events=[
        {"type": "key", "data": {"key": {"type": "qcode", "data": n}, "down": down}} for n in names])


def machine(*args):
    return Qtest("-device", "qemu-xhci,addr=2,id=x", *args, qmp=True)


def hmp(control, line):
    return control.command("human-monitor-command", **{"command-line": line}).strip()


@suite.test
def registers_and_commands():
    with machine() as q, q.qmp() as control:
        hc = Xhci(q)
        assert hc.reg(4) == 0x08000410
        assert [hc.reg(0x20) & 0xff000000, hc.reg(0x30) & 0xff000000] == [0x02000000, 0x03000000]
        assert q.read(hc.ecam + 8) >> 8 == 0x0c0330 and q.read(hc.ecam + 0x60, 1) == 0x30
        for _ in range(40):     # the rings wrap
            assert hc.command(NOOP) == (SUCCESS, 0)
        assert hc.command(DISABLE, slot=3)[0] == NOT_ENABLED
        assert hc.command(ADDRESS, slot=200)[0] == NOT_ENABLED
        slots = [hc.command(ENABLE) for _ in range(9)]
        assert slots == [(SUCCESS, n) for n in range(1, 9)] + [(NO_SLOTS, 0)]
        assert hc.command(60, slot=1)[0] == TRB_ERROR
        for kind in (RESET_EP, STOP_EP, SET_DEQUEUE, RESET_DEVICE, CONFIGURE, EVALUATE):
            assert hc.command(kind, slot=1, endpoint=3)[0] == STATE, kind
        assert hc.command(ADDRESS, hc.input(1, {}), 1)[0] == PARAMETER
        assert hc.command(ADDRESS, hc.input(3, {0: [0, 99 << 16]}), 1)[0] == PARAMETER
        assert hc.command(ADDRESS, hc.input(3, {0: [0, 1 << 16]}), 1)[0] == TRANSACTION, "nothing is plugged in"
        assert hc.command(DISABLE, slot=1)[0] == SUCCESS
        assert hc.command(ENABLE) == (SUCCESS, 1)
        hc.set(OP + 0x18, 2)
        assert hc.event()[1] == RING_STOPPED and not hc.reg(OP + 0x18) & 8
        assert hmp(control, "info usb") == ""
        q.command("rhea_snapshot")
        hc.start_over()
        assert hc.command(NOOP) == (SUCCESS, 0)


@suite.test
def keyboard():
    """Descriptors, reports, an endpoint that is stopped, reset and moved on."""
    with machine("-device", "usb-kbd") as q, q.qmp() as control:
        hc = Xhci(q)
        assert hmp(control, "info usb") == "Bus x.0, Port 1, Product USB Keyboard"
        assert hc.event()[:2] == (1 << 24, SUCCESS), "it was there when the controller started"
        d = hc.attach(1)
        code, device = d.control(0x80, 6, 0x100, 0, 64)
        assert code == SUCCESS and len(device) == 18 and device[:2] == b"\x12\x01" and device[7] == 8
        code, config = d.control(0x80, 6, 0x200, 0, 255)
        assert code == SUCCESS and len(config) == 34 == struct.unpack_from("<H", config, 2)[0]
        assert d.control(0x80, 6, 0x302, 0x409, 255)[1][2:].decode("utf-16le") == "USB Keyboard"
        assert d.control(0x80, 6, 0x300, 0, 255)[1] == b"\4\3\x09\4"
        assert len(d.control(0x81, 6, 0x2200, 0, 255)[1]) == config[9 + 9 + 7]
        assert d.control(0x80, 6, 0x2100, 0, 9)[1] == config[18:27]
        d.configure()
        assert d.control(0x80, 8, 0, 0, 1)[1] == b"\1"
        assert d.control(0x21, 0x0a, 0x500)[0] == SUCCESS and d.control(0xa1, 2, 0, 0, 1)[1] == b"\5"
        assert d.control(0x21, 9, 0x200, 0, 1, b"\2")[0] == SUCCESS, "LEDs"
        assert d.control(0x21, 0x0b, 0)[0] == SUCCESS and d.control(0xa1, 3, 0, 0, 1)[1] == b"\0"
        buffers = [d.want() for _ in range(2)]
        assert hc.event() is None, "nothing has happened"
        q.command("rhea_snapshot")
        keys(control, "shift", "a", "f1")
        for expected in (b"\2\0\0\0\0\0\0\0", b"\2\0\4\0\0\0\0\0"):
            assert hc.event()[1:3] == (SUCCESS, 0)
            assert hc.memory.get(buffers.pop(0), 8) == expected
        assert hc.event() is None
        q.command("rhea_snapshot")
        at = d.want()
        assert hc.event()[1] == SUCCESS and hc.memory.get(at, 8) == b"\2\0\4\x3a\0\0\0\0"
        # A larger buffer: the packet is short, and the block says so.
        at = d.want(length=8 + 5, flags=ISP)
        keys(control, "f1", down=False)
        assert hc.event()[1:3] == (SHORT, 5) and hc.memory.get(at, 8) == b"\2\0\4\0\0\0\0\0"
        keys(control, *"bcdefgh")
        for _ in range(7):
            at = d.want()
        hc.drain()
        assert hc.memory.get(at, 8) == b"\2\0" + b"\1" * 6, "too many keys"
        stop_and_go(q, control, hc, d)


def stop_and_go(q, control, hc, d):
    assert hc.command(RESET_EP, slot=d.slot, endpoint=3)[0] == STATE
    assert hc.command(STOP_EP, slot=d.slot, endpoint=3)[0] == SUCCESS and d.state(3) == STOPPED
    keys(control, "b", down=False)
    assert hc.event() is None
    ring = d.rings[3] = Ring(hc.memory)
    assert hc.command(SET_DEQUEUE, ring.base | 1, d.slot, 3)[0] == SUCCESS
    assert q.read(d.context + 3 * 32 + 8, 8) == ring.base | 1
    d.want()
    assert hc.event()[1] == SUCCESS and d.state(3) == RUNNING
    # A stalled endpoint halts; SET_FEATURE and CLEAR_FEATURE are the device's side of it.
    assert d.control(2, 3, 0, 0x81)[0] == SUCCESS and d.control(0x82, 0, 0, 0x81, 2)[1] == b"\1\0"
    d.want()
    assert hc.event()[1] == STALL and d.state(3) == HALTED
    q.command("rhea_snapshot")
    assert hc.command(RESET_EP, slot=d.slot, endpoint=3)[0] == SUCCESS
    assert d.control(2, 1, 0, 0x81)[0] == SUCCESS
    # So does endpoint 0 after a request that is not known.
    assert d.control(0x80, 0x77, 0, 0, 4)[0] == STALL and d.state(1) == HALTED
    ring = d.rings[1] = Ring(hc.memory)
    assert hc.command(RESET_EP, slot=d.slot, endpoint=1)[0] == SUCCESS
    assert hc.command(SET_DEQUEUE, ring.base | 1, d.slot, 1)[0] == SUCCESS
    assert d.control(0x80, 8, 0, 0, 1)[1] == b"\1"
    assert hc.command(RESET_DEVICE, slot=d.slot)[0] == SUCCESS and d.slot_state() == 1
    q.command("rhea_snapshot")


@suite.test
def idle_rate():
    """Without news a report comes when the idle rate says so, through a snapshot too; never at rate 0."""
    with machine("-device", "usb-kbd,id=k") as q, q.qmp() as control:
        hc = Xhci(q)
        hc.drain()
        d = hc.attach(1)
        d.configure()
        assert d.control(0x21, 0x0a, 5 << 8)[0] == SUCCESS, "20 ms"
        keys(control, "a")
        first, second = d.want(), d.want()
        assert hc.event()[1] == SUCCESS and hc.memory.get(first, 8) == b"\0\0\4\0\0\0\0\0"
        q.step(19 * 10**6)
        assert hc.event() is None
        q.command("rhea_snapshot")
        q.step(2 * 10**6)
        assert hc.event()[1] == SUCCESS and hc.memory.get(second, 8) == b"\0\0\4\0\0\0\0\0"
        assert d.control(0x21, 0x0a, 0)[0] == SUCCESS
        d.want()
        q.step(10**9)
        assert hc.event() is None
        # It is pulled while a report is due.
        assert d.control(0x21, 0x0a, 5 << 8)[0] == SUCCESS
        d.ring(3)
        control.command("device_del", id="k")
        hc.drain()
        q.step(10**9)
        assert hc.event() is None


@suite.test
def pointers():
    with machine("-device", "usb-tablet,port=3", "-device", "usb-mouse") as q, q.qmp() as control:
        hc = Xhci(q)
        hc.drain()
        assert hmp(control, "info mice") == "No mouse devices connected"
        tablet, mouse = hc.attach(3), hc.attach(1)
        tablet.configure()
        mouse.configure()
        assert hmp(control, "info mice").split("\n")[0] == "* Mouse #0: USB Tablet (absolute)"
        at, other = tablet.want(length=6), mouse.want(length=4)
        control.command("input-send-event", events=[
            {"type": "abs", "data": {"axis": "x", "value": 0x7fff}}, {"type": "abs", "data": {"axis": "y", "value": 2}},
            {"type": "btn", "data": {"button": "right", "down": True}},
            {"type": "btn", "data": {"button": "wheel-up", "down": True}}])
        assert hc.event()[1] == SUCCESS and hc.memory.get(at, 6) == b"\2\xff\x7f\2\0\0"
        at = tablet.want(length=6)
        assert hc.event()[1] == SUCCESS and hc.memory.get(at, 6) == b"\2\xff\x7f\2\0\1"
        hmp(control, "mouse_move -200 7 1")
        assert hc.event()[1] == SUCCESS and hc.memory.get(other, 4) == b"\2\x81\7\xff"
        other = mouse.want(length=4)
        assert hc.event()[1] == SUCCESS and hc.memory.get(other, 4) == struct.pack("<Bbbb", 2, -73, 0, 0)
        hmp(control, "mouse_move 1 1")
        q.command("rhea_snapshot")
        hc.set(OP, 2)
        q.command("rhea_snapshot")


@suite.test
def hot_plug():
    with machine() as q, q.qmp() as control:
        hc = Xhci(q)
        control.command("device_add", driver="usb-kbd", id="k", bus="x.0", port="2")
        assert hc.event()[::3] == (2 << 24, PORT_EVENT) and hc.reg(PORTS + 0x10) & 0x20001 == 0x20001
        d = hc.attach(2)
        d.configure()
        control.command("device_del", id="k")
        assert hc.event()[::3] == (2 << 24, PORT_EVENT) and hc.reg(PORTS + 0x10) & 0x20003 == 0x20000
        assert d.control(0x80, 8, 0, 0, 1)[0] == TRANSACTION and d.state(1) == HALTED
        assert hmp(control, "info usb") == ""
        q.command("rhea_snapshot")


@suite.test
def refusals():
    for args, message in ((("-device", "usb-kbd,port=9"), "port"), (("-device", "usb-kbd,port=1",) * 2, "in use"),
                          (("-device", "usb-kbd") * 5, "")):
        with machine(*args) as q:
            try:
                q.read(0)
            except AssertionError as e:
                assert "status 1" in str(e) and message in str(e), e
                continue
            raise AssertionError(f"{args} are accepted")


@suite.test
def rings_that_make_no_sense():
    """Links in circles, rings into the controller's own registers, addresses without memory."""
    with machine("-device", "usb-tablet") as q:
        hc = Xhci(q)
        hc.drain()
        d = hc.attach(1)
        d.configure()
        loop = hc.memory.take(64, 64)
        q.command("write", loop, "16", "0x" + struct.pack("<QII", loop, 0, LINK << 10 | 1).hex())
        chain = hc.memory.take(64, 64)
        q.command("write", chain, "32", "0x" + (struct.pack("<QII", loop, 4, NORMAL << 10 | CHAIN | 1) +
                                               struct.pack("<QII", chain, 0, LINK << 10 | 1)).hex())
        for start in (loop, chain, hc.base + DOORBELLS, 0xffffffffffffff00):
            assert hc.command(STOP_EP, slot=d.slot, endpoint=3)[0] in (SUCCESS, STATE)
            hc.command(RESET_EP, slot=d.slot, endpoint=3)
            assert hc.command(SET_DEQUEUE, start | 1, d.slot, 3)[0] == SUCCESS
            d.ring(3)
            hc.drain()
        q.write(hc.contexts + 8, hc.base + OP, 8)   # contexts in the registers
        code, slot = hc.command(ENABLE)
        q.write(hc.contexts + 8 * slot, hc.base, 8)
        hc.command(ADDRESS, hc.input(3, {0: [1 << 27, 1 << 16], 1: [0, 4 << 3, hc.base | 1, 0, 8]}), slot)
        hc.set(DOORBELLS + 4 * slot, 1)
        q.command("rhea_snapshot")


@suite.test
def noise():
    """Random words in registers and rings."""
    rng = random.Random(5)
    with machine("-device", "usb-kbd", "-device", "usb-tablet") as q:
        hc = Xhci(q)
        area = hc.memory.take(0x2000, 64)
        for _ in range(40):
            hc.start_over()
            devices = [hc.attach(port) for port in (1, 2)]
            lines = []
            for _ in range(120):
                pick = rng.random()
                value = rng.choice((0, 1, 0xffffffff, rng.getrandbits(32), area + rng.randrange(0x2000), hc.base))
                if pick < 0.4:
                    lines.append(f"writel {area + rng.randrange(0x800) * 4:#x} {value:#x}")
                elif pick < 0.6:
                    ring = rng.choice([hc.commands, devices[0].rings[1], devices[1].rings[1]])
                    kind = rng.choice((*range(1, 18), 23, rng.randrange(64)))
                    lines.append(f"writeq {ring.base + 16 * rng.randrange(RING):#x} {area + rng.randrange(0x200) * 16:#x}")
                    lines.append(f"writel {ring.base + 16 * rng.randrange(RING) + 12:#x} "
                                 f"{kind << 10 | rng.getrandbits(10) | rng.randrange(3) << 24 | rng.randrange(5) << 16:#x}")
                elif pick < 0.8:
                    lines.append(f"writel {hc.base + DOORBELLS + 4 * rng.randrange(4):#x} {rng.randrange(6)}")
                else:
                    at = rng.choice((OP, PORTS, INTR)) + 4 * rng.randrange(16)
                    lines.append(f"writel {hc.base + at:#x} {value:#x}")
            q.many(lines)
            q.command("rhea_snapshot")


if __name__ == "__main__":
    sys.exit(suite.run())
