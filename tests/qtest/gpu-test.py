#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The virtio GPU driven by commands: pictures, displays, limits and what must be refused."""

import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import ppm  # noqa: E402
import rfb  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402
from gpu import (  # noqa: E402
    ATTACH, BAD_PARAMETER, BAD_RESOURCE, BAD_SCANOUT, CREATE, DETACH, FLUSH, FORMATS, GET_EDID, GPU, INFO, MEMORY,
    MOVE_CURSOR, OK, OK_EDID, OK_INFO, SCANOUT, TRANSFER, UNREF, UNSPEC, UPDATE_CURSOR, Gpu)

suite = tap.Suite()
OFF = 640, 480               # of a display without a picture


def pixel(names, raw):
    return tuple(raw[names.index(c)] for c in "RGB")


def rows(names, data, width, height):
    return ppm.Picture([[pixel(names, data[4 * (width * y + x):4 * (width * y + x) + 4]) for x in range(width)]
                        for y in range(height)])


def gpu(*args, device="virtio-gpu-pci,id=gpu,addr=2"):
    def wrap(test):
        def run():
            with Qtest("-device", device, *args, qmp=True) as q, q.qmp() as monitor:
                test(Gpu(q), lambda **a: ppm.screendump(monitor, q.folder, **a))
        run.__name__ = test.__name__
        return suite.test(run)
    return wrap


@gpu()
def pictures_of_all_formats(g, dump):
    width, height = 40, 30
    for number, (names, code) in enumerate(FORMATS.items(), 1):
        data = random.Random(code).randbytes(width * height * 4)
        at = g.memory.put(data)
        g.does(OK, CREATE, number, code, width, height)
        # Three pieces, of which none ends with a line.
        assert g.attach(number, [(at, 1001), (at + 1001, 2000), (at + 3001, len(data) - 3001)]) == OK
        g.does(OK, TRANSFER, 0, 0, width, height, 0, 0, number, 0)
        g.does(OK, SCANOUT, 0, 0, width, height, 0, number)
        dump().same(rows(names, data, width, height), names)


@gpu()
def parts_of_a_picture(g, dump):
    """Rectangles are transferred, flushed and shown, each on its own."""
    width, height = 64, 48
    data = random.Random(1).randbytes(width * height * 4)
    at = g.memory.put(data)
    g.does(OK, CREATE, 7, 2, width, height)
    assert g.attach(7, [(at, len(data))]) == OK
    g.does(OK, SCANOUT, 10, 8, 32, 24, 0, 7)
    assert dump().colours() == {(0, 0, 0)} and dump().size == (32, 24)
    g.does(OK, TRANSFER, 12, 9, 20, 5, 4 * (width * 9 + 12), 0, 7, 0)
    assert dump().colours() == {(0, 0, 0)}, "nothing is flushed yet"
    g.does(OK, FLUSH, 0, 0, width, height, 7, 0)
    seen, whole = dump(), rows("BGRX", data, width, height)
    for y in range(24):
        for x in range(32):
            inside = 2 <= x < 22 and 1 <= y < 6
            assert seen.rows[y][x] == (whole.rows[y + 8][x + 10] if inside else (0, 0, 0)), (x, y)
    state = g.q.save()
    assert len(state) > len(data)
    g.does(OK, UNREF, 7)
    assert dump().size == OFF
    assert g.q.load().startswith("OK")
    dump().same(seen, "after loading the state")


@gpu(device="virtio-gpu-pci,id=gpu,addr=2,max_outputs=2,xres=1024,yres=600")
def displays(g, dump):
    assert g.dev.config(8, 4) == 2
    got, info = g.command(INFO)
    assert got == OK_INFO and len(info) == 16 * 24
    assert struct.unpack_from("<12I", info) == (0, 0, 1024, 600, 1, 0) + (0,) * 6
    got, edid = g.command(GET_EDID, 0, 0)
    block = edid[8:136]
    assert got == OK_EDID and struct.unpack_from("<I", edid)[0] == 128 and sum(block) & 255 == 0
    assert block[54 + 2] | block[54 + 4] >> 4 << 8 == 1024
    g.does(BAD_SCANOUT, GET_EDID, 2, 0)
    g.does(OK, CREATE, 1, 2, 8, 8)
    g.does(OK, SCANOUT, 0, 0, 8, 4, 0, 1)
    g.does(OK, SCANOUT, 0, 4, 4, 4, 1, 1)
    assert dump(device="gpu", head=0).size == (8, 4) and dump(device="gpu", head=1).size == (4, 4)
    g.does(BAD_SCANOUT, SCANOUT, 0, 0, 8, 8, 2, 1)
    g.does(OK, SCANOUT, 0, 0, 0, 0, 1, 0)
    assert dump(device="gpu", head=1).size == OFF
    assert g.command(INFO, fence=0x123456789abcdef)[0] == OK_INFO
    g.dev.status(0)
    assert dump(device="gpu", head=0).size == OFF, "nothing is left after a reset"


@gpu(device="virtio-gpu-pci,id=gpu,addr=2,max_hostmem=1M")
def what_is_refused(g, dump):
    g.does(BAD_RESOURCE, CREATE, 0, 2, 8, 8)
    g.does(BAD_PARAMETER, CREATE, 1, 5, 8, 8)
    g.does(BAD_PARAMETER, CREATE, 1, 2, 0, 8)
    g.does(BAD_PARAMETER, CREATE, 1, 2, 0xffffffff, 0xffffffff)
    g.does(MEMORY, CREATE, 1, 2, 513, 512)
    g.does(OK, CREATE, 1, 2, 512, 256)
    g.does(BAD_RESOURCE, CREATE, 1, 2, 8, 8)
    g.does(MEMORY, CREATE, 2, 2, 512, 257)
    refused = 0
    for number in range(100, 900):
        refused = refused or (g.command(CREATE, number, 2, 1, 1)[0] == MEMORY and number)
    assert 500 < refused < 700, f"what is small costs, too: {refused}"
    for number in range(100, refused):
        g.does(OK, UNREF, number, 0)
    for rect in ((0, 0, 513, 1), (512, 0, 1, 1), (1, 0, 0xffffffff, 1), (0, 0, 0, 0), (0, 0xffffffff, 1, 1)):
        g.does(BAD_PARAMETER, SCANOUT, *rect, 0, 1)
        g.does(BAD_PARAMETER, FLUSH, *rect, 1, 0)
    g.does(BAD_RESOURCE, TRANSFER, 0, 0, 1, 1, 0, 0, 1, 0)      # it has no backing
    g.does(BAD_RESOURCE, DETACH, 1, 0)
    g.does(UNSPEC, ATTACH, 1, 2, 0, 0, 0, 0)                    # an entry is missing
    g.does(UNSPEC, ATTACH, 1, 0xffffffff)
    assert g.attach(1, [((1 << 64) - 4096, 4097)]) == BAD_PARAMETER
    # Registers, nothing at all, the end of RAM: what cannot be read stays as it was.
    assert g.attach(1, [(0x10000000, 4096), (1 << 63, 0xffffffff), (virtio.RAM + (64 << 20) - 64, 4096)]) == OK
    assert g.attach(1, [(virtio.RAM, 4096)]) == UNSPEC, "it has a backing"
    g.does(OK, TRANSFER, 0, 0, 512, 256, 0, 0, 1, 0)
    g.does(OK, TRANSFER, 0, 0, 512, 256, 0xffffffff, 0xffffffff, 1, 0)
    g.does(OK, SCANOUT, 0, 0, 512, 256, 0, 1)
    assert dump().colours() == {(0, 0, 0)}
    g.does(OK, DETACH, 1, 0)
    for number in (2, 0, 0xffffffff):
        g.does(BAD_RESOURCE, UNREF, number)
    g.does(OK, UNREF, 1)
    g.does(OK, CREATE, 2, 2, 512, 511)
    g.does(UNSPEC, 0x108, 0, 0)
    assert g.raw(b"\0\1")[:4] == struct.pack("<I", UNSPEC)
    assert g.raw(struct.pack("<IIQII", INFO, 0, 0, 0, 0), 10) == struct.pack("<IIH", OK_INFO, 0, 0)


@suite.test
def a_size_that_a_viewer_wishes_for():
    with rhea.scratch() as folder, Qtest("-device", "virtio-gpu-pci,addr=2", "-vnc", f"unix:{folder}/vnc") as q:
        g = Gpu(q)
        while g.dev.isr():
            pass
        with rfb.Viewer(f"{folder}/vnc") as v:
            def wish(width, height):
                v.encodings(rfb.RAW, rfb.EXT_DESKTOP_SIZE)
                v.wish_size(width, height)
                v.size_told = None
                while v.size_told != (1, 4):
                    v.request(incremental=True)
                    v.update()
            wish(1000, 600)
            assert g.dev.config(0, 4) == 1 and g.dev.isr() & 2, "the driver is told"
            assert struct.unpack_from("<5I", g.command(INFO)[1]) == (0, 0, 1000, 600, 1)
            block = g.command(GET_EDID, 0, 0)[1][8:]
            assert block[56] | block[58] >> 4 << 8 == 1000 and block[59] | block[61] >> 4 << 8 == 600
            g.dev.set_config(4, 1, 4)
            assert g.dev.config(0, 4) == 0
            wish(1000, 600)
            assert not g.dev.isr() & 2, "it has that size"
            wish(8, 5000)
            width, height = struct.unpack_from("<8x2I", g.command(INFO)[1])
            assert width >= 8 and height <= 4095, (width, height)


@gpu(device="virtio-gpu-pci,id=gpu,addr=2,max_outputs=2")
def pointers(g, dump):
    """What the state holds shows which picture was taken (tests/unit/hw/test-gpu-cursor.c has the rest)."""
    arrow, other = (random.Random(n).randbytes(64 * 64 * 4) for n in (1, 2))
    g.picture(1, 64, 64, arrow)
    g.picture(2, 64, 65, other + bytes(256))
    g.pointer(UPDATE_CURSOR, 1, 10, 20, 0, 1, 3, 4, 0)
    g.does(OK, UNREF, 1, 0)
    shown = g.q.save()
    assert shown.count(arrow) == 1, "a copy is kept"
    g.pointer(UPDATE_CURSOR, 2, 0, 0, 0, 2, 0, 0, 0)         # there is no such display
    g.pointer(UPDATE_CURSOR, 0xffffffff, 0, 0, 0, 2, 0, 0, 0)
    g.pointer(UPDATE_CURSOR, 0, 0, 0, 0, 2, 0, 0, 0)         # not 64 by 64
    g.pointer(0x302, 1, 0, 0, 0, 2, 0, 0, 0)
    g.raw(b"\0\3", 0, g.cursor)
    assert g.q.save().count(other) == 1, "only the resource"
    g.pointer(MOVE_CURSOR, 1, 0xfffffff0, 7, 0)
    assert g.q.save().count(arrow) == 1
    g.dev.status(0)
    assert g.q.load().startswith("OK") and g.q.save().count(arrow) == 1
    g.dev.status(0)
    assert arrow not in g.q.save()


@gpu(device="virtio-gpu-pci,id=gpu,addr=2,max_outputs=3,max_hostmem=1M")
def surfaces_are_limited_too(g, dump):
    g.does(OK, CREATE, 1, 2, 512, 256)
    g.does(OK, SCANOUT, 0, 0, 512, 256, 0, 1)
    g.does(OK, SCANOUT, 0, 0, 512, 256, 1, 1)
    g.does(MEMORY, SCANOUT, 0, 0, 1, 1, 2, 1)
    assert dump(device="gpu", head=2).size == OFF
    g.does(OK, SCANOUT, 0, 0, 511, 256, 1, 1)
    g.does(OK, SCANOUT, 0, 0, 1, 1, 2, 1)
    assert dump(device="gpu", head=1).size == (511, 256)


@gpu(device="virtio-gpu-pci,id=gpu,addr=2")
def much_work_is_done_in_parts(g, dump):
    """Each of the commands moves 16 MiB: all are answered, though the device does not do them in one go."""
    at, count = g.memory.take(4096), 12
    g.does(OK, CREATE, 1, 2, 2048, 2048)
    assert g.attach(1, [(at, 4096)]) == OK
    g.does(OK, SCANOUT, 0, 0, 2048, 2048, 0, 1)
    request = g.memory.put(struct.pack("<IIQII6I", FLUSH, 0, 0, 0, 0, 0, 0, 2048, 2048, 1, 0))
    answers = [g.memory.take(24) for _ in range(count)]
    for answer in answers:
        g.control.add([(request, 48)], [(answer, 24)], kick=False)
    g.dev.kick(0)
    for answer in answers:
        assert g.control.wait(100)[1] == 24
        assert struct.unpack_from("<I", g.memory.get(answer, 24))[0] == OK


VBE = 0x500                                 # in the page of VGA registers
XRES, YRES, BPP, ENABLE = 1, 2, 3, 4


def vbe_mode(g, width, height, colour):
    """The VGA shows a picture of one colour."""
    regs, memory = g.dev.bars[2] + VBE, g.dev.bars[0]
    for index, value in ((ENABLE, 0), (XRES, width), (YRES, height), (BPP, 32), (ENABLE, 0x41)):
        g.q.write(regs + 2 * index, value, 2)
    g.q.write(g.dev.bars[2] + 0x400, 0x20, 1)                   # the attribute controller: show it
    g.q.command("write", memory, 4 * width * height, "0x" + (struct.pack("<I", colour) * width * height).hex())


@gpu(device="virtio-vga,id=gpu,addr=2,max_outputs=2,xres=1000,yres=700,vgamem_mb=4")
def a_vga_in_front(g, dump):
    """It is seen until a scanout is set up, and after a reset of the virtio part."""
    assert g.q.read(g.dev.ecam + 8) >> 8 == 0x030000 and g.dev.ids()[0] == 0x1050
    assert [g.dev.part[kind] - g.dev.bars[2] for kind in (1, 3, 4, 2)] == [0x1000, 0x1800, 0x2000, 0x3000]
    edid = struct.pack("<32I", *(g.q.read(g.dev.bars[2] + at) for at in range(0, 128, 4)))
    assert g.command(GET_EDID, 0, 0)[1][8:136] == edid
    vbe_mode(g, 60, 40, 0x102030)
    assert dump().size == (60, 40) and dump().colours() == {(0x10, 0x20, 0x30)}
    data = random.Random(5).randbytes(60 * 40 * 4)
    g.picture(1, 60, 40, data)
    assert dump().colours() == {(0x10, 0x20, 0x30)}, "nothing is set up"
    g.does(BAD_RESOURCE, SCANOUT, 0, 0, 60, 40, 0, 2)
    assert dump().colours() == {(0x10, 0x20, 0x30)}, "a command that failed"
    g.does(OK, SCANOUT, 0, 0, 60, 40, 0, 1)
    picture = rows("BGRA", data, 60, 40)
    dump().same(picture, "the scanout")
    vbe_mode(g, 60, 40, 0x00ff00)
    dump().same(picture, "the VGA draws behind it")
    g.q.save()
    g.dev.status(0)
    assert dump().colours() == {(0, 0xff, 0)}, "after a reset"
    assert g.q.load().startswith("OK")
    dump().same(picture, "loaded while the VGA was seen")
    g.dev.status(0)
    g.q.save()
    g.restart()
    g.does(OK, SCANOUT, 0, 0, 0, 0, 1, 0)
    assert dump().size == OFF, "the driver has taken over, and shows nothing"
    assert g.q.load().startswith("OK")
    assert dump().colours() == {(0, 0xff, 0)}, "loaded while the driver had the display"


@suite.test
def behind_mmio():
    with Qtest("-device", "virtio-gpu-device") as q:
        g = Gpu(q, virtio.Mmio, GPU)
        assert struct.unpack_from("<4I", g.command(INFO)[1]) == (0, 0, 1280, 800)


sys.exit(suite.run())
