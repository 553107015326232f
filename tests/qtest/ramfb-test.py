#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A frame buffer in RAM, as firmware of both machines sets it up through fw_cfg."""

import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest, Qtest  # noqa: E402
import ppm  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()

FILE, SIZE, VIRT_FW_CFG = "etc/ramfb", 28, 0x10100000


class Virt(Qtest):
    """The riscv64 machine, whose fw_cfg is in memory."""

    RAM = 0x80000000

    def dma(self, control, size, data):
        self.command("write", self.RAM, 16, "0x" + struct.pack(">IIQ", control, size, data).hex())
        self.write(VIRT_FW_CFG + 0x10, int.from_bytes(struct.pack(">Q", self.RAM), "little"), 8)
        return self.read(self.RAM) == 0

    def item(self, key, size):
        assert self.dma(key << 16 | 8 | 2, size, self.RAM + 0x1000)
        return bytes.fromhex(self.command("read", self.RAM + 0x1000, hex(size))[2:])

    def files(self):
        count = int.from_bytes(self.item(0x19, 4), "big")
        raw = self.item(0x19, 4 + 64 * count)[4:]
        entries = [struct.unpack_from(">IHH56s", raw, 64 * i) for i in range(count)]
        return {name.rstrip(b"\0").decode(): (key, size) for size, key, _, name in entries}

    def put_file(self, key, data):
        self.command("write", self.RAM + 0x1000, hex(len(data)), "0x" + data.hex())
        return self.dma(key << 16 | 8 | 16, len(data), self.RAM + 0x1000)


class Pc(PcQtest):
    RAM = 0


def widened(v, *bits):
    """Fields from the highest on, as eight bits each."""
    out, at = [], sum(bits)
    for n in bits:
        at -= n
        field = v >> at & (1 << n) - 1
        out.append(field << (8 - n) | field >> (2 * n - 8))
    return tuple(out)


FORMATS = {b"XR24": (4, (8, 8, 8)), b"AR24": (4, (8, 8, 8)), b"RG24": (3, (8, 8, 8)), b"RG16": (2, (5, 6, 5)),
           b"XR15": (2, (5, 5, 5))}


def picture(data, size, bits, width, height, stride):
    return ppm.Picture([[widened(int.from_bytes(data[y * stride + x * size:y * stride + (x + 1) * size], "little"), *bits)
                         for x in range(width)] for y in range(height)])


def shows(machine):
    with machine("-device", "ramfb,id=fb", qmp=True) as q, q.qmp() as monitor:
        key, size = q.files()[FILE]
        assert size == SIZE
        assert ppm.screendump(monitor, q.folder, device="fb").colours() == {(0, 0, 0)}
        width, height, at = 37, 50, q.RAM + 0x123456

        def put(fourcc, addr=at, wide=width, high=height, stride=0):
            assert q.put_file(key, struct.pack(">Q", addr) + fourcc[::-1] + struct.pack(">4I", 0, wide, high, stride))
        data = bytearray(random.Random(1).randbytes(200 * height))
        q.command("write", at, hex(len(data)), "0x" + data.hex())
        for fourcc, (size, bits) in FORMATS.items():
            for stride in (0, 190):
                put(fourcc, stride=stride)
                ppm.screendump(monitor, q.folder, device="fb").same(
                    picture(data, size, bits, width, height, stride or width * size), f"{fourcc}, {stride}")
        data[20 * 190:20 * 190 + 4] = b"four"
        q.command("write", at + 20 * 190, 4, "0x" + b"four".hex())
        wanted = picture(data, size, bits, width, height, 190)
        ppm.screendump(monitor, q.folder, device="fb").same(wanted, "after a change")
        q.save()
        # What is impossible changes nothing: no memory, not enough of it, overlapping lines, an unknown format.
        for bad in ({"addr": 1 << 62}, {"addr": (1 << 64) - 8}, {"addr": q.RAM + (64 << 20) - 100}, {"stride": 10},
                    {"wide": 1 << 31}, {"high": 0}, {"high": 0xffffffff, "stride": 0xffffffff}, {"fourcc": b"YUYV"}):
            put(**{"fourcc": b"XR24", **bad})
            ppm.screendump(monitor, q.folder, device="fb").same(wanted, str(bad))
        put(b"XR24", wide=8, high=8)
        assert ppm.screendump(monitor, q.folder, device="fb").size == (8, 8)
        assert q.load().startswith("OK")
        ppm.screendump(monitor, q.folder, device="fb").same(wanted, "after loading the state")


suite.add("riscv64", shows, Virt)
suite.add("pc", shows, Pc)

sys.exit(suite.run())
