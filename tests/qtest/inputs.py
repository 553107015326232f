# SPDX-License-Identifier: MIT
"""Input devices for tests without a CPU: the PC's keyboard and mouse, and a driver of virtio's."""

import struct

import virtio


class Ps2:
    """A PC's keyboard and mouse with reports switched on."""

    def __init__(self, q):
        self.q = q
        for value in (0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf4):
            q.out(0x64, 0xd4)
            q.out(0x60, value)
        q.out(0x60, 0xf4)
        self.bytes()

    def bytes(self):
        got = []
        while self.q.inp(0x64) & 1:
            got.append(self.q.inp(0x60))
        return got


INPUT = 18
SYN, KEY, REL, ABS, LED, REP = 0, 1, 2, 3, 0x11, 0x14
REPORT_END = (SYN, 0, 0)
NAMES = ("keyboard", "mouse", "tablet")


def config(d, select, subsel=0):
    d.set_config(0, select, 1)
    d.set_config(1, subsel, 1)
    size = d.config(2, 1)
    return bytes(d.config(8 + i, 1) for i in range(size))


class Events:
    """A driver of an input device: buffers that it gives, events that it gets."""

    def __init__(self, d):
        self.d = d
        d.start()
        self.vq, self.status = d.queue(0), d.queue(1)
        d.ready()
        self.waiting = []

    def give(self, count):
        for _ in range(count):
            addr = self.d.memory.take(8)
            self.waiting.append(addr)
            self.vq.add([], [(addr, 8)])

    def take(self, count):
        got = []
        for _ in range(count):
            assert self.vq.wait()[1] == 8
            got.append(struct.unpack("<HHi", self.d.memory.get(self.waiting.pop(0), 8)))
        return got

    def none(self):
        return self.vq.used_index() == self.vq.seen & 0xffff


def device(q, name, kind=virtio.Mmio):
    memory = virtio.Memory(q, virtio.RAM + 0x100000 * (1 + NAMES.index(name)))
    if kind is virtio.PciModern:
        return kind(q, memory, 2)
    number = 0
    while True:
        d = kind(q, memory, INPUT, number)
        if config(d, 1).decode().lower() == f"virtio {name}":
            return d
        number += 1
