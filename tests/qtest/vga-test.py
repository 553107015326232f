#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""What a VGA shows in each mode, pixel by pixel.

Modes are set by the registers that IBM's manuals list for them and memory is written through the window; what
must be seen comes from where the manuals say that a pixel of the mode lies, not from how the registers work."""

import os
import random
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import ppm  # noqa: E402
import tap  # noqa: E402
from vga import (BANK, BPP, BYTES_320, CGA_2, CGA_4, EGA_320, EGA_350, ENABLE, FRAMES, FRAME_NS, Screen, TEXT_40,
                 TEXT_80, VGA, VGA_480, VIRT_WIDTH, XRES, X_OFFSET, YRES, Y_OFFSET)  # noqa: E402

suite = tap.Suite()


def screen(test):
    """A test of a machine with a VGA."""
    def run():
        with PcQtest("-vga", "std", qmp=True) as q:
            s = Screen(q)
            with s.monitor:
                test(s)
    run.__name__ = test.__name__
    return suite.test(run)


def noise(n, seed=2):
    return random.Random(seed).randbytes(n)


def bit(data, at, x):
    return data[at + x // 8] >> (7 - x % 8) & 1


class Text:
    """A text screen and how it must look."""

    def __init__(self, s, columns, dot_width=1):
        self.s, self.columns, self.dots = s, columns, dot_width
        self.cells = noise(columns * 25 * 2)
        self.fonts = [noise(8192, 3), noise(8192, 4)]
        self.chosen = [0, 0]    # fonts for attribute bit 3
        self.cursor, self.cursor_lines, self.cursor_on, self.text_on, self.blink = 0, range(0), True, True, True
        s.font(self.fonts[0])
        s.font(self.fonts[1], 0x2000)
        s.fill(0xb8000, self.cells)

    def pixel(self, x, y):
        column, dot, row, line = x // self.dots // 9, x // self.dots % 9, y // 16, y % 16
        cell = row * self.columns + column
        code, attr = self.cells[2 * cell:2 * cell + 2]
        glyph = self.fonts[self.chosen[attr >> 3 & 1]][32 * code + line]
        on = glyph >> (7 - dot) & 1 if dot < 8 else glyph & 1 if 0xc0 <= code <= 0xdf else 0
        if self.blink and attr & 0x80 and not self.text_on:
            on = 0
        if cell == self.cursor and line in self.cursor_lines and self.cursor_on:
            on = 1
        return self.s.colour(attr & 15 if on else attr >> 4 & (7 if self.blink else 15))

    def expect(self, what):
        self.s.expect(what, self.columns * 9 * self.dots, 400, self.pixel)


@screen
def text_of_80_columns(s):
    s.mode(TEXT_80)
    text = Text(s, 80)
    text.cursor, text.cursor_lines = 0, range(13, 15)
    text.expect("as the BIOS leaves it")
    text.cursor, text.cursor_lines = 1000, range(3, 8)
    for index, value in ((0x0a, 3), (0x0b, 7), (0x0e, 1000 >> 8), (0x0f, 1000 & 255)):
        s.set(0x3d4, index, value)
    text.expect("with the cursor elsewhere")
    s.q.step(8 * FRAME_NS + FRAME_NS // 2)
    text.cursor_on = False
    text.expect("cursor hidden")
    s.q.step(8 * FRAME_NS)
    text.cursor_on, text.text_on = True, False
    text.expect("what blinks hidden")
    s.set(0x3d4, 0x0a, 0x23)
    s.attr(0x10, 4)
    text.cursor_lines, text.blink = range(0), False
    text.expect("bright backgrounds, no cursor")
    s.set(0x3c4, 3, 0x10)
    text.chosen = [1, 0]
    text.expect("two fonts")
    text.cells = text.cells[:500] + b"x" + text.cells[501:]
    s.fill(0xb8000 + 500, b"x")
    text.expect("one character changed")
    text.fonts[0] = noise(8192, 9)
    s.font(text.fonts[0])
    text.expect("a font changed")


@screen
def text_of_40_columns(s):
    s.mode(TEXT_40)
    s.set(0x3d4, 0x0a, 0x20)
    Text(s, 40, 2).expect("40 columns")


@screen
def monochrome_text_is_underlined(s):
    s.mode(TEXT_80)
    s.set(0x3d4, 0x0a, 0x20)
    s.set(0x3d4, 0x14, 0x0d)
    text = Text(s, 80)
    text.cells = bytes(b"\xdb\x01\xdb\x81\xdb\x11" + noise(3994, 7))
    text.cells = bytes(v if i % 2 == 0 or i < 6 else v & 0xf8 | 2 for i, v in enumerate(text.cells))
    s.fill(0xb8000, text.cells)
    s.expect("underlined", 720, 400, lambda x, y: s.colour(1) if y == 13 and x < 18 else text.pixel(x, y))


@screen
def four_colours(s):
    s.mode(CGA_4)
    data = noise(0x4000)
    s.fill(0xb8000, data)
    s.expect("320 by 200", 640, 400, lambda x, y: s.colour(
        data[(y // 4 * 80) + (y // 2 & 1) * 0x2000 + x // 8] >> (6 - (x // 2 & 3) * 2) & 3))


@screen
def two_colours(s):
    s.mode(CGA_2)
    data = noise(0x4000)
    s.fill(0xb8000, data)
    s.expect("640 by 200", 640, 400, lambda x, y: s.colour(bit(data, y // 4 * 80 + (y // 2 & 1) * 0x2000, x)))


def sixteen(planes, at, x):
    return sum(bit(plane, at, x) << n for n, plane in enumerate(planes))


@screen
def sixteen_colours(s):
    for mode, width, height, scale in ((EGA_320, 320, 200, 2), (EGA_350, 640, 350, 1), (VGA_480, 640, 480, 1)):
        s.mode(mode)
        planes = [noise(width * height // 8, n) for n in range(4)]
        s.planes(planes)
        s.expect(f"{width} by {height}", width * scale, height * scale, lambda x, y, w=width, z=scale, p=planes: s.colour(
            sixteen(p, y // z * w // 8, x // z)))


@screen
def windows_of_a_larger_picture(s):
    """Start address, wider lines, panning, a split screen, colours masked and selected."""
    s.mode(VGA_480)
    planes = [noise(0x10000, n) for n in range(4)]
    s.planes(planes)
    for index, value in ((0x0c, 0x12), (0x0d, 0x34), (0x13, 50), (0x18, 99), (0x07, 0x2e), (0x09, 0)):
        s.set(0x3d4, index, value)
    s.attr(0x13, 3)

    def pixel(x, y, pan_below=3):
        if y < 100:
            return s.colour(sixteen(planes, 0x1234 + 100 * y, x + 3))
        return s.colour(sixteen(planes, 100 * (y - 100), x + pan_below))
    s.expect("split, panned", 640, 480, pixel)
    s.attr(0x10, 0x21)
    s.expect("the lower part does not pan", 640, 480, lambda x, y: pixel(x, y, 0))
    s.attr(0x12, 0x06)
    s.attr(0x14, 0x0b)
    s.attr(0x10, 0xa1)
    masked = [planes[1] if n == 1 else planes[2] if n == 2 else bytes(0x10000) for n in range(4)]

    def selected(x, y):
        at, pan = (0x1234 + 100 * y, 3) if y < 100 else (100 * (y - 100), 0)
        return s.rgb(s.attrs[sixteen(masked, at, x + pan)] & 0x0f | 0xb0)
    s.expect("two planes, high bits selected", 640, 480, selected)


@screen
def bytes_chained(s):
    s.mode(BYTES_320)
    data = noise(0x10000)
    s.fill(0xa0000, data)
    s.expect("320 by 200", 640, 400, lambda x, y: s.rgb(data[y // 2 * 320 + x // 2]))
    s.fill(0xa0000 + 320 * 100 + 5, b"\1\2\3")
    data = data[:32005] + b"\1\2\3" + data[32008:]
    s.expect("three pixels changed", 640, 400, lambda x, y: s.rgb(data[y // 2 * 320 + x // 2]))
    s.q.out(0x3c6, 0x0f)
    s.expect("palette masked", 640, 400, lambda x, y: s.rgb(data[y // 2 * 320 + x // 2] & 15))
    s.set(0x3c4, 1, 0x21)
    s.expect("screen off", 640, 400, lambda x, y: (0, 0, 0))


@screen
def bytes_in_planes(s):
    """Mode X: 320 by 240 with square pixels, a page that is not the first."""
    s.mode(BYTES_320)
    s.q.out(0x3c2, 0xe3)
    s.set(0x3c4, 4, 6)
    for index, value in ((0x11, 0), (0x06, 0x0d), (0x07, 0x3e), (0x09, 0x41), (0x10, 0xea), (0x12, 0xdf), (0x14, 0),
                         (0x15, 0xe7), (0x16, 0x06), (0x17, 0xe3), (0x0c, 0x4b), (0x0d, 0)):
        s.set(0x3d4, index, value)
    planes = [noise(0x10000, n) for n in range(4)]
    s.planes(planes)
    s.expect("320 by 240", 640, 480, lambda x, y: s.rgb(planes[x // 2 & 3][(0x4b00 + y // 2 * 80 + x // 8) & 0xffff]))
    s.attr(0x13, 2)
    s.expect("panned by a pixel", 640, 480, lambda x, y: s.rgb(
        planes[(x // 2 + 1) & 3][(0x4b00 + y // 2 * 80 + (x // 2 + 1) // 4) & 0xffff]))


def widen(v, bits):
    return (v << (8 - bits)) | v >> (2 * bits - 8)


def of_bytes(s, bpp, part):
    """The colour of a pixel's bytes."""
    v = int.from_bytes(part, "little")
    if bpp == 8:
        return s.rgb(v)
    if bpp == 15:
        return tuple(widen(v >> n & 31, 5) for n in (10, 5, 0))
    if bpp == 16:
        return widen(v >> 11, 5), widen(v >> 5 & 63, 6), widen(v & 31, 5)
    return v >> 16 & 255, v >> 8 & 255, v & 255


@screen
def vbe_modes(s):
    s.mode(BYTES_320)
    for bpp in (8, 15, 16, 24, 32):
        size, wide = (bpp + 7) // 8, 360
        s.vbe_mode(328, 120, bpp, 0x41)
        data = bytearray(noise(wide * 200 * size, bpp))
        s.fill(FRAMES, data)
        for x0, y0, width in ((0, 0, 328), (0, 0, wide), (13, 7, wide)):
            s.vbe({VIRT_WIDTH: width, X_OFFSET: x0, Y_OFFSET: y0})

            def pixel(x, y, at=(x0, y0, width)):
                place = ((y + at[1]) * at[2] + x + at[0]) * size
                return of_bytes(s, bpp, data[place:place + size])
            s.expect(f"{bpp} bits from {x0},{y0} in {width}", 328, 120, pixel)
        data[50000:50003] = b"abc"
        s.fill(FRAMES + 50000, b"abc")
        s.expect(f"{bpp} bits, three bytes changed", 328, 120, pixel)


@screen
def vbe_banks_and_planes(s):
    s.mode(VGA_480)
    s.vbe_mode(800, 600, 4, 1)
    planes = [noise(60000, n) for n in range(4)]
    s.set(0x3c4, 4, 6)
    s.planes(planes)
    s.expect("800 by 600 in 4 bits", 800, 600, lambda x, y: s.colour(sixteen(planes, y * 100, x)))
    s.mode(BYTES_320)
    s.vbe_mode(640, 400, 8, 1)
    data = noise(640 * 400)
    for bank in range(4):
        s.vbe({BANK: bank})
        s.fill(0xa0000, data[bank << 16:(bank + 1) << 16])
    s.expect("by banks", 640, 400, lambda x, y: s.rgb(data[640 * y + x]))
    s.vbe({ENABLE: 0x21})
    s.q.out(0x3c8, 7)
    for part in (0xfe, 0x81, 3):
        s.q.out(0x3c9, part)

    def wide(index):
        return (0xfe, 0x81, 3) if index == 7 else s.palette[index]
    s.expect("a palette of eight bits", 640, 400, lambda x, y: wide(data[640 * y + x]))


@screen
def large_and_impossible_modes(s):
    """Of 4096 by 2160 there is memory for a part: what is beyond is not shown, or black when the start moves."""
    s.mode(BYTES_320)
    s.vbe_mode(4096, 2160, 32, 0x41)
    s.fill(FRAMES, b"\x11\x22\x33\x44" * 8)
    picture = s.dump()
    assert picture.size == (4096, 1024) and picture.rows[0][7] == (0x33, 0x22, 0x11)
    s.vbe({Y_OFFSET: 1})
    assert set(s.dump().rows[1023]) == {(0, 0, 0)}
    s.vbe({X_OFFSET: 0xffff, Y_OFFSET: 0xffff})
    assert s.dump().colours() == {(0, 0, 0)}
    s.vbe_mode(0, 0, 8, 0x41)
    assert s.dump().colours() == {(0, 0, 0)}


@screen
def nonsense_is_shown_somehow(s):
    rng = random.Random(5)
    for mode in (TEXT_80, CGA_4, VGA_480, BYTES_320) * 4:
        s.mode(mode)
        for _ in range(rng.randrange(1, 12)):
            port, most = rng.choice(((0x3c4, 5), (0x3d4, 25), (0x3ce, 9)))
            s.set(port, rng.randrange(most), rng.getrandbits(8))
        for _ in range(rng.choice((0, 0, 5))):
            s.vbe({rng.choice((XRES, YRES, BPP, ENABLE, VIRT_WIDTH, X_OFFSET, Y_OFFSET)): rng.choice(
                (0, 1, 4, 8, 15, 24, 32, 0x41, 1023, 0x7fff, 0xffff, rng.getrandbits(10)))})
        width, height = s.dump().size
        assert 0 < width <= 16000 and 0 < height <= 12000


@screen
def retrace_by_the_clock(s):
    """Status says what the timing registers say: 2 of 449 lines are the retrace."""
    s.mode(TEXT_80)
    seen = []
    for _ in range(449 * 4):
        seen.append(s.q.inp(0x3da))
        s.q.step(31777 // 4)
    share = sum(v >> 3 & 1 for v in seen) / len(seen)
    assert 1.5 / 449 < share < 2.5 / 449, share
    assert any(v & 9 == 1 for v in seen) and any(v & 9 == 0 for v in seen)


@screen
def pictures_as_files(s):
    """Both formats from both monitors, by name of the device, and what cannot be had."""
    s.mode(BYTES_320)
    s.fill(0xa0000, noise(64000))
    wanted = s.dump()
    one, two = os.path.join(s.q.folder, "1.png"), os.path.join(s.q.folder, "2.ppm")
    path = next(p for p, t in s.q.devices() if t == "VGA")
    s.monitor.command("screendump", filename=one, format="png", device=path, head=0)
    ppm.Picture.load_png(one).same(wanted, "PNG")
    s.monitor.command("human-monitor-command", command_line=f"screendump {two}")
    ppm.Picture.load(two).same(wanted, "PPM")
    s.monitor.command("human-monitor-command", command_line=f"screendump {one} -f png {path} 0")
    ppm.Picture.load_png(one).same(wanted, "PNG of HMP")
    for arguments, text in (({"device": "x"}, "no device"), ({"device": path, "head": 1}, "no console 1"),
                            ({"format": "gif"}, "format"), ({"head": 0}, "needs 'device'")):
        try:
            s.monitor.command("screendump", filename=two, **arguments)
        except Exception as e:      # pylint: disable=broad-except
            assert text in str(e), e
        else:
            raise AssertionError(f"{arguments} was taken")


def two_screens(device, test):
    """A device beside the VGA, of which only the BARs are used; test(q, monitor, regs)."""
    def run():
        with PcQtest("-device", f"{device},addr=9,id=two,xres=1600,yres=900,vgamem_mb=4", qmp=True) as q:
            q.set_config(9 << 3, 0x10, FRAMES)
            q.set_config(9 << 3, 0x18, FRAMES + (64 << 20))
            q.set_config(9 << 3, 0x04, 2, 2)
            assert q.config(9 << 3, 8) >> 16 == 0x0380, "not a VGA"
            with q.qmp() as monitor:
                test(q, monitor, FRAMES + (64 << 20))
    suite.add(f"{device}-{test.__name__.replace('_', '-')}", run)


def shows_a_linear_mode(q, monitor, regs):
    data = noise(64 * 40 * 4)
    q.command("write", FRAMES, len(data), "0x" + data.hex())
    for index, value in ((XRES, 64), (YRES, 40), (BPP, 32), (ENABLE, 0xc1)):
        q.write(regs + 0x500 + 2 * index, value, 2)
    if q.read(regs + 0x40c, 1) != 0xff:         # it has VGA registers
        assert ppm.screendump(monitor, q.folder, device="two").colours() == {(0, 0, 0)}
        q.write(regs + 0x400, 0x20, 1)
    ppm.screendump(monitor, q.folder, device="two").same(ppm.Picture([[of_bytes(None, 32, data[
        (64 * y + x) * 4:(64 * y + x) * 4 + 4]) for x in range(64)] for y in range(40)]), "64 by 40")
    q.write(FRAMES + 4 * 64, 0xabcdef)
    assert ppm.screendump(monitor, q.folder, device="two").rows[1][0] == (0xab, 0xcd, 0xef)
    assert ppm.screendump(monitor, q.folder).size != (64, 40), "the other one"


def has_edid(q, monitor, regs):
    block = b"".join(q.read(regs + 4 * n).to_bytes(4, "little") for n in range(64))
    assert block[:8] == b"\0" + b"\xff" * 6 + b"\0" and sum(block[:128]) & 255 == 0 and not any(block[128:])
    detail = block[54:72]
    assert (detail[2] | detail[4] >> 4 << 8, detail[5] | detail[7] >> 4 << 8) == (1600, 900)
    if shutil.which("edid-decode"):
        told = subprocess.run(["edid-decode", "--check"], input=block[:128], capture_output=True, timeout=60, check=False)
        assert b"EDID conformity: PASS" in told.stdout, told.stdout.decode()
        assert b"1600x900" in told.stdout


for name in ("secondary-vga", "bochs-display"):
    two_screens(name, shows_a_linear_mode)
    two_screens(name, has_edid)

sys.exit(suite.run())
