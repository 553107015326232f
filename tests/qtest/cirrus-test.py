#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""The Cirrus CL-GD5446: packed modes and the pointer pixel by pixel, ways into memory, and the BLT engine
against a model of it made from the manual's tables."""

import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import ppm  # noqa: E402
import tap  # noqa: E402
from vga import FRAMES, VGA_480, Screen  # noqa: E402

suite = tap.Suite()
CIRRUS, MMIO, APERTURE, VRAM = 0x00b81013, 0xe4000000, FRAMES + (16 << 20), 4 << 20
WIDTH, HEIGHT = 160, 120
SEQ, GFX, CRTC = 0x3c4, 0x3ce, 0x3d4
# Bits of a pixel: SR7, and the hidden DAC register.
MODES = {8: (0x11, 0x00), 15: (0x17, 0xc0), 16: (0x17, 0xc1), 24: (0x15, 0xc5), 32: (0x19, 0xc5)}
# GR32: what becomes of a source and a destination bit.
ROPS = {0x00: lambda s, d: 0, 0x05: lambda s, d: s & d, 0x06: lambda s, d: d, 0x09: lambda s, d: s & ~d,
        0x0b: lambda s, d: ~d, 0x0d: lambda s, d: s, 0x0e: lambda s, d: 0xff, 0x50: lambda s, d: ~s & d,
        0x59: lambda s, d: s ^ d, 0x6d: lambda s, d: s | d, 0x90: lambda s, d: ~s & ~d,
        0x95: lambda s, d: ~(s ^ d), 0xad: lambda s, d: s | ~d, 0xd0: lambda s, d: ~s,
        0xd6: lambda s, d: ~s | d, 0xda: lambda s, d: ~s | ~d}
BACKWARDS, FROM_CPU, TRANSPARENT, PATTERN, EXPAND = 1, 4, 8, 0x40, 0x80
DWORDS, INVERT, SOLID = 1, 2, 4


class Cirrus(Screen):
    def __init__(self, q):
        super().__init__(q, CIRRUS)
        q.set_config(self.devfn, 0x14, MMIO)
        self.set(SEQ, 6, 0x12)

    def hidden(self, value):
        for _ in range(4):
            self.q.inp(0x3c6)
        self.q.out(0x3c6, value)

    def packed(self, bits, pitch=640, start=0):
        """A small screen; lines of so many bytes."""
        self.mode(VGA_480)
        for index, value in ((0x11, 0), (1, WIDTH // 8 - 1), (7, 0x10), (0x12, HEIGHT - 1)):
            self.set(CRTC, index, value)
        sr7, hidden = MODES[bits]
        for port, index, value in ((SEQ, 7, sr7), (SEQ, 4, 0x0e), (GFX, 5, 0x40), (GFX, 6, 5), (CRTC, 0x13, pitch // 8 & 255),
                                   (CRTC, 0x1b, 0x22 | pitch // 8 >> 8 << 4 | start >> 18 & 1 | start >> 17 & 12),
                                   (CRTC, 0x0c, start >> 10 & 255), (CRTC, 0x0d, start >> 2 & 255)):
            self.set(port, index, value)
        self.hidden(hidden)

    def get(self, address, size):
        return bytes.fromhex(self.q.command("read", address, size)[2:])

    def noise(self, size, seed):
        data = random.Random(seed).randbytes(size)
        self.fill(FRAMES, data)
        return data


def cirrus(test):
    def run():
        with PcQtest("-vga", "cirrus", qmp=True) as q:
            s = Cirrus(q)
            with s.monitor:
                test(s)
    run.__name__ = test.__name__
    return suite.test(run)


# --- Registers ---

@cirrus
def registers(s):
    q = s.q

    def got(port, index):
        q.out(port, index)
        return q.inp(port + 1)
    q.out(0x3c2, 0x67)
    assert got(CRTC, 0x27) == 0xb8 and got(SEQ, 6) == 0x12
    assert got(SEQ, 0x0f) & 0x98 == 0x98, "4 MiB"
    s.set(SEQ, 6, 0)
    assert got(SEQ, 6) == 0x0f
    s.set(GFX, 0, 0xa5)
    s.set(GFX, 0x23, 0xff)
    assert got(GFX, 0) == 0xa5 and got(GFX, 0x23) == 7
    s.hidden(0xc5)
    assert [q.inp(0x3c6) for _ in range(6)] == [0xff] * 4 + [0xc5, 0xff]
    for _ in range(4):
        q.inp(0x3c6)
    q.inp(0x3c8)                            # begins the count again
    q.out(0x3c6, 0x77)
    assert q.inp(0x3c6) == 0x77
    q.out(0x3c6, 0xff)
    q.out(CRTC, 0x27)
    assert q.read(MMIO + 0x14, 1) == 0x27 and q.read(MMIO + 0x15, 1) == 0xb8, "the ports are in BAR 1"
    q.save()
    s.set(GFX, 0, 0)
    s.set(CRTC, 0x1b, 0x77)
    s.hidden(0)
    assert q.load().startswith("OK") and got(GFX, 0) == 0xa5 and got(CRTC, 0x1b) == 0
    assert [q.inp(0x3c6) for _ in range(5)][4] == 0xc5


# --- Pictures ---

def rgb(bits, raw, palette):
    v = int.from_bytes(raw, "little")
    if bits == 8:
        return palette(v)
    if bits > 16:
        return v >> 16 & 255, v >> 8 & 255, v & 255
    parts = (v >> 10 & 31, v >> 5 & 31, v & 31) if bits == 15 else (v >> 11, v >> 5 & 63, v & 31)
    return tuple(p << 3 | p >> 2 if n != 1 or bits == 15 else p << 2 | p >> 4 for n, p in enumerate(parts))


def picture(s, bits, data, pitch, start=0):
    size = (bits + 7) // 8
    return ppm.Picture([[rgb(bits, data[start + y * pitch + x * size:][:size], s.rgb) for x in range(WIDTH)]
                        for y in range(HEIGHT)])


def packed_mode(bits):
    with PcQtest("-vga", "cirrus", qmp=True) as q:
        s = Cirrus(q)
        with s.monitor:
            size = (bits + 7) // 8
            pitch, start = WIDTH * size + 64, 0x42004
            s.packed(bits, pitch, start)
            data = s.noise(start + pitch * HEIGHT, bits)
            s.dump().same(picture(s, bits, data, pitch, start), f"{bits} bits")
            # As the VGA BIOS and Linux's driver leave them: the screen is not blank.
            s.set(SEQ, 1, 0x21)
            s.set(CRTC, 0x17, 0x63)
            s.fill(FRAMES + start, b"\x12\x34\x56\x78")
            data = data[:start] + b"\x12\x34\x56\x78" + data[start + 4:]
            s.dump().same(picture(s, bits, data, pitch, start), "some bytes")


for depth in MODES:
    suite.add(f"packed-{depth}", packed_mode, depth)


@cirrus
def a_start_high_in_memory(s):
    """All bits of the start address; what lies behind the end of memory is black."""
    s.packed(8)
    s.set(CRTC, 0x1b, 0x22 | 0x0d)
    s.set(CRTC, 0x1d, 0x80)
    s.set(CRTC, 0x0c, 0xff)
    start = 0xfff00 * 4
    s.fill(FRAMES + start, bytes(range(256)) * 4)
    seen = s.dump()
    assert seen.rows[0] == [s.rgb(n) for n in range(WIDTH)]
    assert seen.rows[1] == [s.rgb((640 + n) % 256) for n in range(WIDTH)]
    assert set(seen.rows[2]) == {(0, 0, 0)}


@cirrus
def a_screen_of_no_lines(s):
    """Lines of a mode that are fewer than those of a row."""
    for bits in 8, 32:
        s.packed(bits)
        for index, value in ((0x12, 0), (7, 0), (9, 0x9f)):
            s.set(CRTC, index, value)
        assert s.dump().size == (WIDTH, 1)


# --- The pointer ---

def pointer(s, side, x, y, pattern):
    """pattern(x, y) is what the manual has: 0 transparent, 1 inverted, 2 and 3 the colours."""
    number = 5
    place = VRAM - 16384 + number * 1024
    lines = [[sum((pattern(c, r) >> plane & 1) << (side - 1 - c) for c in range(side)).to_bytes(side // 8, "big")
              for r in range(side)] for plane in (0, 1)]
    if side == 64:
        data = b"".join(a + b for a, b in zip(*lines))
    else:
        data = b"".join(lines[0] + lines[1])
    s.fill(FRAMES + place, data)
    s.set(SEQ, 0x12, 2)
    for index, colour in ((0, (63, 0, 10)), (15, (0, 63, 20))):
        s.q.out(0x3c8, index)
        for part in colour:
            s.q.out(0x3c9, part)
    s.set(SEQ, 0x13, number * 4)
    s.set(SEQ, 0x12, 1 | (4 if side == 64 else 0))
    s.set(SEQ, 0x10 | (x & 7) << 5, x >> 3)
    s.set(SEQ, 0x11 | (y & 7) << 5, y >> 3)


def with_pointer(bare, side, x0, y0, pattern):
    rows = [list(row) for row in bare.rows]
    for y in range(y0, min(y0 + side, HEIGHT)):
        for x in range(x0, min(x0 + side, WIDTH)):
            kind = pattern(x - x0, y - y0)
            under = rows[y][x]
            rows[y][x] = (under, tuple(255 - p for p in under), (255, 0, 40), (0, 255, 81))[kind]
    return ppm.Picture(rows)


@cirrus
def pointers(s):
    rng = random.Random(9)
    dots = [[rng.randrange(4) for _ in range(64)] for _ in range(64)]

    def pattern(x, y):
        return dots[y][x]
    for bits, side in ((8, 64), (32, 32), (32, 64), (16, 32)):
        pitch = WIDTH * ((bits + 7) // 8)
        s.packed(bits, pitch)
        s.set(SEQ, 0x12, 0)
        s.noise(pitch * HEIGHT, bits + side)
        bare = s.dump()
        for x, y in ((40, 20), (41, 23), (WIDTH - 30, HEIGHT - 10), (700, 600)):
            pointer(s, side, x, y, pattern)
            s.dump().same(with_pointer(bare, side, x, y, pattern), f"{bits} bits, {side} pixels, at {x},{y}")
        s.set(SEQ, 0x12, 0)
        s.dump().same(bare, "it is off")
    assert s.rgb(0) != (255, 0, 40)


# --- Ways into memory ---

@cirrus
def banks(s):
    s.packed(8)
    data = s.noise(1 << 20, 1)
    for extensions, unit in ((0, 4096), (0x20, 16384)):
        s.set(GFX, 0x0b, extensions)
        s.set(GFX, 9, 3)
        assert s.get(0xa0000, 0x10000) == data[3 * unit:3 * unit + 0x10000]
    s.set(GFX, 0x0b, 1)
    s.set(GFX, 0x0a, 0x40)
    assert s.get(0xa0000, 0x10000) == data[3 * 4096:3 * 4096 + 0x8000] + data[0x40000:0x48000]
    s.fill(0xa8000, b"hello")
    assert s.get(FRAMES + 0x40000, 5) == b"hello"
    s.set(GFX, 9, 0xff)
    s.set(GFX, 0x0b, 0x20)
    s.fill(0xaffff, b"!")
    assert s.get(FRAMES + (0xff * 16384 + 0xffff) % VRAM, 1) == b"!"


@cirrus
def extended_write_modes(s):
    """Each bit is a pixel of the two colours."""
    bits = [0xa5 >> (7 - n) & 1 for n in range(8)]
    s.packed(8)
    for port, value in ((0, 0x11), (1, 0x22), (0x10, 0x33), (0x11, 0x44)):
        s.set(GFX, port, value)
    for extensions, mode, scale, pixels in (
            (0x06, 5, 8, [b"\x11", b"\x22"]), (0x06, 4, 8, [b"\xee", b"\x22"]), (0x04, 5, 1, [b"\x11", b"\x22"]),
            (0x14, 5, 16, [b"\x11\x33", b"\x22\x44"]), (0x14, 4, 16, [b"\xee\xee", b"\x22\x44"])):
        for window in (0xa0000, FRAMES):
            s.set(GFX, 5, 0x40)
            s.set(GFX, 0x0b, 0)
            s.fill(FRAMES, b"\xee" * 256)
            s.set(GFX, 0x0b, extensions)
            s.set(GFX, 5, 0x40 | mode)
            s.q.write(window + 3, 0xa5, 1)
            s.set(GFX, 5, 0x40)
            s.set(GFX, 0x0b, 0)
            wanted = b"".join(pixels[b] for b in bits)
            assert s.get(FRAMES + 3 * scale, len(wanted)) == wanted, (extensions, mode, hex(window))
            rest = s.get(FRAMES, 3 * scale) + s.get(FRAMES + 3 * scale + len(wanted), 64)
            assert set(rest) == {0xee}


# --- BLTs ---

class Blt:
    """A BLT's registers, and what it makes of memory by the manual."""

    def __init__(self, width, height, mode, pixel=1, rop=0x0d, src=0x10000, dst=0x1000, src_pitch=700, dst_pitch=700,
                 skip=0, extensions=0, key=b"\0\0", seed=0):
        self.__dict__.update(vars_of(locals()))
        rng = random.Random(seed)
        self.background, self.foreground = rng.randbytes(4), rng.randbytes(4)

    def registers(self):
        """As they lie in memory."""
        mode = self.mode | (self.pixel - 1) << 4
        return (self.background + self.foreground + struct.pack("<HHHH", self.width * self.pixel - 1, self.height - 1,
                                                                self.dst_pitch, self.src_pitch) +
                struct.pack("<II", self.dst, self.src | self.skip << 24) +
                bytes([mode, 0, self.rop, self.extensions]) + self.key)

    def bits(self, source, n):
        return source[n // 8] >> (7 - n % 8) & 1

    def line_bytes(self):
        if not self.mode & EXPAND:
            return self.width * self.pixel
        if self.mode & FROM_CPU and self.extensions & DWORDS:
            return (self.width + 31) // 32 * 4
        return (self.width + 7) // 8

    def source(self, memory, fed, y):
        """Of line y: its bytes, and pixels that are transparent by a bit."""
        pixels, clear = [], set()
        if self.mode & PATTERN:
            row = (self.src + y) % 8
            pitch = 32 if self.pixel == 3 else 8 * self.pixel
            if self.extensions & SOLID:
                return self.foreground[:self.pixel] * self.width, clear
            if not self.mode & EXPAND:
                at = self.src // (8 * pitch) * 8 * pitch + row * pitch
                line = memory[at:at + 8 * self.pixel]
                return b"".join(line[x % 8 * self.pixel:][:self.pixel] for x in range(self.width)), clear
            line = bytes([memory[self.src // 8 * 8 + row]]) * (self.width // 8 + 1)
        elif self.mode & FROM_CPU:
            size = self.line_bytes() if self.mode & EXPAND else (self.line_bytes() + 3) // 4 * 4
            line = fed[y * size:(y + 1) * size]
        else:
            pitch = self.line_bytes() if self.mode & EXPAND else self.src_pitch
            line = memory[self.src + y * pitch:][:self.line_bytes()]
        if not self.mode & EXPAND:
            return line[:self.width * self.pixel], clear
        for x in range(self.width):
            bit = self.bits(line, x)
            pixels.append((self.foreground if bit else self.background)[:self.pixel])
            if self.mode & TRANSPARENT and bit == bool(self.extensions & INVERT):
                clear.add(x)
        return b"".join(pixels), clear

    def apply(self, memory, fed=b""):
        """Lines and pixels one after the other; directions do not matter where nothing overlaps."""
        out = bytearray(memory)
        skip = self.skip if self.mode & (EXPAND | PATTERN) else 0
        for y in range(self.height):
            line, clear = self.source(memory, fed, y)
            for x in range(skip, self.width):
                at = self.dst + y * self.dst_pitch + x * self.pixel
                new = bytes(ROPS[self.rop](s, d) & 255 for s, d in zip(line[x * self.pixel:(x + 1) * self.pixel],
                                                                      memory[at:at + self.pixel]))
                keyed = self.mode & TRANSPARENT and not self.mode & EXPAND and new == self.key[:self.pixel]
                if x not in clear and not keyed:
                    out[at:at + self.pixel] = new
        return bytes(out)


def vars_of(values):
    return {k: v for k, v in values.items() if k not in ("self", "seed")}


def store(s, place, data):
    s.q.many([f"writeb {place + i:#x} {v:#x}" for i, v in enumerate(data)])


def start(s, blt):
    store(s, MMIO + 0x100, blt.registers())
    s.q.write(MMIO + 0x140, 2, 1)


SIZE = 0x18000


def check(s, blt, what, memory=None, fed=b"", to=APERTURE):
    memory = memory or s.noise(SIZE, 77)
    start(s, blt)
    if blt.mode & FROM_CPU:
        assert s.q.read(MMIO + 0x140, 1) & 1, "it waits"
        for i in range(0, len(fed), 4):
            s.q.command("write", to + i, len(fed[i:i + 4]), "0x" + fed[i:i + 4].hex())
    assert not s.q.read(MMIO + 0x140, 1) & 1, "it is over"
    after, wanted = s.get(FRAMES, SIZE), blt.apply(memory, fed)
    if after != wanted:
        at = next(i for i in range(SIZE) if after[i] != wanted[i])
        raise AssertionError(f"{what}: at {(at - blt.dst) // blt.dst_pitch},{(at - blt.dst) % blt.dst_pitch} is "
                             f"{after[at:at + 8].hex()} and not {wanted[at:at + 8].hex()}")
    return after


@cirrus
def raster_operations(s):
    s.packed(8)
    memory = s.noise(SIZE, 77)
    for rop in [*ROPS, 0x77]:
        ROPS.setdefault(0x77, ROPS[0x06])   # not defined: nothing happens
        memory = check(s, Blt(37, 5, 0, rop=rop, dst=0x1000 + rop * 64), f"copy, {rop:#x}", memory)
        memory = check(s, Blt(19, 9, PATTERN | EXPAND, 2, rop, dst=0x8000 + rop * 32, src=0x14003, seed=rop),
                       f"pattern of bits, {rop:#x}", memory)


@cirrus
def sources(s):
    """All kinds of source in all widths of pixels."""
    s.packed(8)
    memory, rng = s.noise(SIZE, 77), random.Random(4)
    for pixel in 1, 2, 3, 4:
        for mode, extensions in ((0, 0), (EXPAND, 0), (EXPAND | TRANSPARENT, 0), (EXPAND | TRANSPARENT, INVERT),
                                 (EXPAND, INVERT), (PATTERN, 0), (PATTERN | EXPAND, 0),
                                 (PATTERN | EXPAND | TRANSPARENT, 0), (PATTERN | EXPAND, SOLID)):
            skip = rng.randrange(8) if mode & (EXPAND | PATTERN) and not extensions & SOLID and pixel != 3 else 0
            src = 0x14000 + rng.randrange(8) if mode & PATTERN else 0x14000
            blt = Blt(rng.randrange(9, 70), rng.randrange(1, 20), mode, pixel, rng.choice([*ROPS]), src,
                      pixel * rng.randrange(1000, 6000), 1000, 720, skip, extensions, seed=rng.random())
            memory = check(s, blt, f"mode {mode:#x}, {extensions:#x}, {pixel} bytes", memory)


@cirrus
def skipped_pixels_of_three_bytes(s):
    """A pattern counts bytes there, bits of a picture count pixels."""
    s.packed(24)
    blt = Blt(20, 3, EXPAND, 3, src=0x14000, skip=5)
    memory = check(s, blt, "bits")
    blt = Blt(20, 3, PATTERN, 3, src=0x14000, dst=0x9000, skip=5)
    wanted = blt.apply(memory)
    registers = bytearray(blt.registers())
    registers[0x17] = 15
    store(s, MMIO + 0x100, registers)
    s.q.write(MMIO + 0x140, 2, 1)
    assert s.get(FRAMES, SIZE) == wanted


@cirrus
def colour_keys(s):
    s.packed(8)
    for pixel in 1, 2:
        colours = [random.Random(n).randbytes(pixel) for n in range(3)]
        rng = random.Random(pixel)
        memory = b"".join(rng.choice(colours) for _ in range(SIZE // pixel))
        s.fill(FRAMES, memory)
        key = (colours[1] * 2)[:2]
        blt = Blt(50, 12, TRANSPARENT, pixel, key=key)
        assert blt.apply(memory) != Blt(50, 12, 0, pixel).apply(memory)
        check(s, blt, f"{pixel} bytes", memory)


@cirrus
def source_from_the_cpu(s):
    """Through the aperture, linear memory and the window."""
    s.packed(8)
    memory, rng = s.noise(SIZE, 77), random.Random(8)
    for to in (APERTURE, FRAMES + 0x200, 0xa0000):
        for pixel, mode, extensions in ((1, 0, 0), (3, 0, 0), (2, EXPAND, 0), (4, EXPAND | TRANSPARENT, DWORDS),
                                        (1, EXPAND, DWORDS)):
            blt = Blt(rng.randrange(1, 80), rng.randrange(1, 9), FROM_CPU | mode, pixel, extensions=extensions, src=0,
                      dst=4 * rng.randrange(1000, 9000), seed=rng.random())
            size = blt.line_bytes() if mode & EXPAND else (blt.line_bytes() + 3) // 4 * 4
            memory = check(s, blt, f"{pixel} bytes, mode {mode:#x} to {to:#x}", memory, rng.randbytes(size * blt.height), to)
    for n in range(100):                    # afterwards it is memory again
        s.q.write(FRAMES + 4 * n, n * 0x01010101)
    assert s.get(FRAMES, 400) == b"".join(bytes([n] * 4) for n in range(100))


@cirrus
def overlapping_copies(s):
    s.packed(8)
    memory = s.noise(SIZE, 3)
    # A rectangle a line down and three pixels to the right: from its last byte backwards.
    width, height, pitch, at = 100, 40, 640, 0x3000
    last = at + (height - 1) * pitch + width - 1
    start(s, Blt(width, height, BACKWARDS, src=last, dst=last + pitch + 3, src_pitch=pitch, dst_pitch=pitch))
    wanted = bytearray(memory)
    for y in range(height):
        wanted[at + (y + 1) * pitch + 3:at + (y + 1) * pitch + 3 + width] = memory[at + y * pitch:at + y * pitch + width]
    assert s.get(FRAMES, SIZE) == wanted
    start(s, Blt(width, height, 0, src=at + pitch + 3, dst=at, src_pitch=pitch, dst_pitch=pitch))
    again = bytes(wanted)
    for y in range(height):
        wanted[at + y * pitch:at + y * pitch + width] = again[at + (y + 1) * pitch + 3:at + (y + 1) * pitch + 3 + width]
    assert s.get(FRAMES, SIZE) == wanted


@cirrus
def ways_to_the_registers(s):
    """By ports, in the window, at the end of linear memory; and started by the destination's last byte."""
    s.packed(8)
    memory = s.noise(SIZE, 77)
    index = [0, 0x10, 0x12, 0x14, 1, 0x11, 0x13, 0x15, *range(0x20, 0x2b), None, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, None, 0x32, 0x33,
             0x34, 0x35]
    blt = Blt(40, 4, 0, rop=0x59)
    for n, v in zip(index, blt.registers()):
        if n is not None:
            s.set(GFX, n, v)
    s.set(GFX, 0x31, 2)
    memory = blt.apply(memory)
    assert s.get(FRAMES, SIZE) == memory
    for config, place in ((0x24, 0xb8000), (0x64, FRAMES + VRAM - 256)):
        s.set(SEQ, 0x17, config)
        store(s, place, blt.registers())
        s.q.write(place + 0x40, 2, 1)
        s.set(SEQ, 0x17, 0x20)
        memory = blt.apply(memory)
        assert s.get(FRAMES, SIZE) == memory, hex(place)
    s.q.write(MMIO + 0x140, 0x80, 1)
    store(s, MMIO + 0x110, blt.registers()[0x10:0x13])
    assert s.get(FRAMES, SIZE) == blt.apply(memory)


@cirrus
def a_blt_that_waits_is_saved(s):
    s.packed(8)
    blt = Blt(8, 2, FROM_CPU, src=0)
    start(s, blt)
    for n in range(3):
        s.q.write(APERTURE, 0x01020304 * (n + 1))
    s.q.save()
    s.q.write(MMIO + 0x140, 4, 1)           # a reset of the engine
    assert not s.q.read(MMIO + 0x140, 1) & 1
    assert s.q.load().startswith("OK") and s.q.read(MMIO + 0x140, 1) & 1
    s.q.write(APERTURE, 0x55667788)
    assert not s.q.read(MMIO + 0x140, 1) & 1
    assert s.get(FRAMES + blt.dst + blt.dst_pitch, 8) == struct.pack("<II", 0x0306090c, 0x55667788)


@cirrus
def at_the_ends_of_memory(s):
    """All addresses wrap; the largest BLTs with any registers do no harm."""
    s.packed(8)
    s.fill(FRAMES + VRAM - 8, b"ABCDEFGH")
    s.fill(FRAMES, b"abcdefgh")
    start(s, Blt(16, 1, 0, src=VRAM - 8, dst=0x2000))
    assert s.get(FRAMES + 0x2000, 16) == b"ABCDEFGHabcdefgh"
    start(s, Blt(16, 1, 0, src=0x2000, dst=VRAM - 4))
    assert s.get(FRAMES + VRAM - 4, 4) + s.get(FRAMES, 12) == b"ABCDEFGHabcdefgh"
    rng = random.Random(6)
    for n in range(60):
        store(s, MMIO + 0x100, rng.randbytes(0x22))
        s.q.write(MMIO + 0x10a, rng.randrange(64), 1)
        s.q.write(MMIO + 0x10b, 0, 1)
        s.q.write(MMIO + 0x140, 2, 1)
        for _ in range(rng.randrange(20)):
            s.q.write(APERTURE, rng.getrandbits(32))
        if not n % 8:
            s.set(SEQ, rng.randrange(7, 32), rng.randrange(256))
            s.set(CRTC, rng.randrange(0x19, 0x28), rng.randrange(256))
            s.q.write(MMIO + 0x140, 0, 1)
            s.dump()


sys.exit(suite.run())
