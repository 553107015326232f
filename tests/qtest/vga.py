# SPDX-License-Identifier: MIT
"""A VGA for tests: its modes by the registers that IBM's manuals list for them, and a machine that has one."""

import random

import ppm

VGA, VBE_INDEX, VBE_DATA, FRAMES = 0x11111234, 0x1ce, 0x1cf, 0xe0000000
XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, X_OFFSET, Y_OFFSET = 1, 2, 3, 4, 5, 6, 8, 9
FRAME_NS = 14268000     # of 70 Hz
NO_ATTR = [*range(16)]
EGA = [0, 1, 2, 3, 4, 5, 0x14, 7, *range(0x38, 0x40)]
# Miscellaneous, sequencer, CRTC, graphics controller, attribute controller.
TEXT_80 = (0x67, "0300030002", "5f4f50825581bf1f004f0d0e00000000 9c8e8f281f96b9a3ff", "00000000 00100e00ff",
           EGA + [0x0c, 0, 0x0f, 8, 0])
TEXT_40 = (0x67, "0308030002", "2d2728902ba0bf1f004f0d0e00000000 9c8e8f141f96b9a3ff", "0000000000100e00ff",
           EGA + [0x0c, 0, 0x0f, 8, 0])
CGA_4 = (0x63, "0309030002", "2d2728902b80bf1f00c1000000000000 9c8e8f140096b9a2ff", "0000000000300f00ff",
         [0, 0x13, 0x15, 0x17, 2, 4, 6, 7, *range(0x10, 0x18), 1, 0, 3, 0, 0])
CGA_2 = (0x63, "0301010006", "5f4f50825480bf1f00c1000000000000 9c8e8f280096b9c2ff", "0000000000000d00ff",
         [0] + [0x17] * 15 + [1, 0, 1, 0, 0])
EGA_320 = (0x63, "03090f0006", "2d2728902b80bf1f00c0000000000000 9c8e8f140096b9e3ff", "000000000000050fff",
           [*range(8), *range(0x10, 0x18), 1, 0, 0x0f, 0, 0])
EGA_350 = (0xa3, "03010f0006", "5f4f50825480bf1f0040000000000000 83855d280f63bae3ff", "000000000000050fff",
           EGA + [1, 0, 0x0f, 0, 0])
VGA_480 = (0xe3, "03010f0006", "5f4f508254800b3e0040000000000000 ea8cdf2800e704e3ff", "000000000000050fff",
           EGA + [1, 0, 0x0f, 0, 0])
BYTES_320 = (0x63, "03010f000e", "5f4f50825480bf1f0041000000000000 9c8e8f284096b9a3ff", "000000000040050fff",
             NO_ATTR + [0x41, 0, 0x0f, 0, 0])


class Screen:
    """A machine with a VGA, as its firmware would have it."""

    def __init__(self, q, ids=VGA):
        self.q, self.monitor = q, q.qmp()
        self.devfn = next(n for n in range(0x100) if q.config(n, 0) == ids)
        q.set_config(self.devfn, 0x10, FRAMES)
        q.set_config(self.devfn, 0x04, 3, 2)
        rng = random.Random(1)
        self.palette = [tuple(rng.randrange(64) for _ in range(3)) for _ in range(256)]
        q.out(0x3c8, 0)
        for colour in self.palette:
            for part in colour:
                q.out(0x3c9, part)

    def indexed(self, port, values):
        self.q.many([line for i, v in enumerate(values)
                     for line in (f"outb {port:#x} {i:#x}", f"outb {port + 1:#x} {v:#x}")])

    def set(self, port, index, value):
        self.q.out(port, index)
        self.q.out(port + 1, value)

    def attr(self, index, value):
        self.q.inp(0x3da)
        self.q.out(0x3c0, index)
        self.q.out(0x3c0, value)
        self.q.out(0x3c0, 0x20)

    def mode(self, mode):
        misc, seq, crtc, gfx, attr = mode
        self.attrs = attr
        self.vbe({ENABLE: 0})
        self.q.out(0x3c2, misc)
        self.indexed(0x3c4, bytes.fromhex(seq))
        self.set(0x3d4, 0x11, 0)
        self.indexed(0x3d4, bytes.fromhex(crtc))
        self.indexed(0x3ce, bytes.fromhex(gfx))
        self.q.inp(0x3da)
        for i, v in enumerate(attr):
            self.q.out(0x3c0, i)
            self.q.out(0x3c0, v)
        self.q.out(0x3c0, 0x20)

    def vbe(self, values):
        for index, value in values.items():
            self.q.out(VBE_INDEX, index, 2)
            self.q.out(VBE_DATA, value, 2)

    def vbe_mode(self, width, height, bpp, enable):
        self.vbe({ENABLE: 0, XRES: width, YRES: height, BPP: bpp})
        self.vbe({ENABLE: enable})

    def fill(self, address, data):
        for at in range(0, len(data), 4096):
            part = bytes(data[at:at + 4096])
            self.q.command("write", address + at, len(part), "0x" + part.hex())

    def planes(self, planes):
        """Writes each plane through the map mask."""
        for n, data in enumerate(planes):
            self.set(0x3c4, 2, 1 << n)
            self.fill(0xa0000, data)
        self.set(0x3c4, 2, 15)

    def font(self, data, place=0):
        """Glyphs go to plane 2 with flat addressing, as the BIOS does it."""
        self.set(0x3c4, 2, 4)
        self.set(0x3c4, 4, 6)
        self.set(0x3ce, 5, 0)
        self.set(0x3ce, 6, 4)
        self.fill(0xa0000 + place, data)
        self.set(0x3c4, 2, 3)
        self.set(0x3c4, 4, 2)
        self.set(0x3ce, 5, 0x10)
        self.set(0x3ce, 6, 0x0e)

    def rgb(self, index):
        return tuple(v << 2 | v >> 4 for v in self.palette[index])

    def colour(self, n):
        """Of sixteen."""
        return self.rgb(self.attrs[n])

    def dump(self):
        return ppm.screendump(self.monitor, self.q.folder)

    def expect(self, what, width, height, pixel):
        """pixel(x, y) is what must be seen."""
        self.dump().same(ppm.Picture([[pixel(x, y) for x in range(width)] for y in range(height)]), what)
