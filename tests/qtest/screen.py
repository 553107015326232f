# SPDX-License-Identifier: MIT
"""A PC without CPUs whose linear framebuffer the test draws on, for the servers that show it."""

import random
import struct

from qtest import PcQtest
import ppm
import rhea

FRAMES, REGS = 0xe0000000, 0xe4000000
XRES, YRES, BPP, ENABLE = 1, 2, 3, 4


class Screen(PcQtest):
    """SOCKETS in the options stands for a folder of the test's own."""

    def __init__(self, *options):
        self.scratch = rhea.scratch()
        self.sockets = self.scratch.__enter__()
        super().__init__("-vga", "none", "-device", "bochs-display,addr=9,vgamem_mb=4",
                         *(o.replace("SOCKETS", self.sockets) for o in options), qmp=True)

    def __enter__(self):
        super().__enter__()
        self.set_config(9 << 3, 0x10, FRAMES)
        self.set_config(9 << 3, 0x18, REGS)
        self.set_config(9 << 3, 0x04, 2, 2)
        self.mode(72, 40)
        self.monitor = self.qmp()
        return self

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.scratch.__exit__(None, None, None)

    def mode(self, width, height):
        for index, value in ((ENABLE, 0), (XRES, width), (YRES, height), (BPP, 32), (ENABLE, 0xc1)):
            self.write(REGS + 0x500 + 2 * index, value, 2)

    def draw(self, pixels):
        data = b"".join(struct.pack("<I", p) for p in pixels)
        for at in range(0, len(data), 4096):
            part = data[at:at + 4096]
            self.command("write", FRAMES + at, len(part), "0x" + part.hex())

    def noise_and_text(self, width=72, height=40):
        """Tiles of one colour, of two, and of many."""
        rng = random.Random(3)
        self.draw(0x102030 if x < 20 else rng.choice((0xffffff, 0x0000aa)) if x < 45 else rng.getrandbits(24)
                  for y in range(height) for x in range(width))

    def shown(self):
        return ppm.screendump(self.monitor, self.folder)
