# SPDX-License-Identifier: MIT
"""An X server without a screen (Xvfb), whose pixels tests read."""

import os
import struct
import subprocess
import time

import ppm
import rhea


class XServer:
    """Use as a context; env() is for its clients."""

    def __init__(self, width=1024, height=768):
        rhea.need_tool("Xvfb")
        self.size = width, height
        self.scratch = rhea.scratch()

    def __enter__(self):
        self.folder = self.scratch.__enter__()
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{self.size[0]}x{self.size[1]}x24", "-fbdir", self.folder,
             "-noreset", "-nolisten", "tcp"], pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as told:
            self.display = ":" + told.readline().strip()
        assert self.display != ":", "Xvfb does not start"
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()
        self.scratch.__exit__(None, None, None)

    def env(self, **more):
        return {**os.environ, "DISPLAY": self.display, **more}

    def do(self, *words):
        """What a person does, as xdotool spells it."""
        rhea.need_tool("xdotool")
        return subprocess.run(["xdotool", *map(str, words)], env=self.env(), check=True, timeout=100,
                              stdout=subprocess.PIPE, text=True).stdout

    def picture(self):
        """All of the screen, out of the XWD file that the server keeps; its pointer is drawn into it."""
        with open(os.path.join(self.folder, "Xvfb_screen0"), "rb") as f:
            data = f.read()
        head = struct.unpack_from(">25I", data)
        start, width, height, order, line = head[0] + 12 * head[19], head[4], head[5], head[7], head[12]
        form = "<" if order == 0 else ">"
        rows = []
        for y in range(height):
            pixels = struct.unpack_from(f"{form}{width}I", data, start + y * line)
            rows.append([(p >> 16 & 255, p >> 8 & 255, p & 255) for p in pixels])
        return ppm.Picture(rows)

    def find(self, wanted, timeout=100):
        """Waits until the picture is somewhere on the screen; where."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            place = _place(self.picture().rows, wanted.rows)
            if place:
                return place
            time.sleep(0.2)
        raise AssertionError("the picture is not on the X screen")


def _place(rows, wanted):
    width, first = len(wanted[0]), wanted[0]
    for y in range(len(rows) - len(wanted) + 1):
        row = rows[y]
        for x in range(len(row) - width + 1):
            if row[x] == first[0] and row[x:x + width] == first and \
                    all(rows[y + j][x:x + width] == wanted[j] for j in range(len(wanted))):
                return x, y
    return None
