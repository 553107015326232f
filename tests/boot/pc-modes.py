#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A boot sector draws in the modes of Debian's VGA BIOS; each pixel is where the mode's description puts it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from pc import assemble, pc, write  # noqa: E402
import ppm  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()

EGA = [0, 1, 2, 3, 4, 5, 0x14, 7, *range(0x38, 0x40)]


def colour(n):
    """The palette that the sector loads, as eight bits."""
    return tuple(v << 2 | v >> 4 for v in (n >> 2, n & 63, 63 - (n >> 2)))


def byte(at, plane=0):
    """What the sector writes."""
    return (at ^ at >> 8 ^ plane * 0x55) & 0xff


def planar(width, palette):
    def pixel(x, y):
        at = (y * width + x) // 8
        return colour(palette[sum((byte(at, n) >> (7 - x % 8) & 1) << n for n in range(4))])
    return pixel


def cga(bits, palette):
    def pixel(x, y):
        per = 8 // bits
        v = byte(y // 2 * 80 + (y & 1) * 0x2000 + x // per)
        return colour(palette[v >> (per - 1 - x % per) * bits & (1 << bits) - 1])
    return pixel


# Mode: segment, bytes, planes, width, height, dots and lines to a pixel, the colour of one.
MODES = {
    0x04: (0xb800, 0x4000, 1, 320, 200, 2, 2, cga(2, [0, 0x13, 0x15, 0x17])),
    0x06: (0xb800, 0x4000, 1, 640, 200, 1, 2, cga(1, [0, 0x17])),
    0x0d: (0xa000, 8000, 4, 320, 200, 2, 2, planar(320, [*range(8), *range(0x10, 0x18)])),
    0x0e: (0xa000, 16000, 4, 640, 200, 1, 2, planar(640, [*range(8), *range(0x10, 0x18)])),
    0x10: (0xa000, 28000, 4, 640, 350, 1, 1, planar(640, EGA)),
    0x12: (0xa000, 38400, 4, 640, 480, 1, 1, planar(640, EGA)),
    0x13: (0xa000, 64000, 1, 320, 200, 2, 2, lambda x, y: colour(byte(320 * y + x))),
}


def mode(number, vga="std", bios="stdvga"):
    rhea.need_file(f"/usr/share/seabios/vgabios-{bios}.bin", "seabios")
    segment, size, planes, width, height, dots, lines, pixel = MODES[number]
    with rhea.scratch() as folder:
        disk = write(folder, "disk", assemble(folder, "modes.S", MODE=number, SEGMENT=segment, BYTES=size, PLANES=planes), 1 << 20)
        with pc("-drive", f"file={disk},format=raw", "-nic", "none", "-vga", vga, qmp=True) as m, m.qmp() as monitor:
            m.expect("!", 120)
            seen = ppm.screendump(monitor, folder)
    seen.same(ppm.Picture([[pixel(x // dots, y // lines) for x in range(width * dots)] for y in range(height * lines)]),
              f"mode {number:#x}")


for NUMBER in MODES:
    suite.add(f"mode-{NUMBER:x}", mode, NUMBER)
for NUMBER in 0x12, 0x13:
    suite.add(f"virtio-mode-{NUMBER:x}", mode, NUMBER, "virtio", "virtio")
for NUMBER in MODES:
    suite.add(f"cirrus-mode-{NUMBER:x}", mode, NUMBER, "cirrus", "cirrus")

sys.exit(suite.run())
