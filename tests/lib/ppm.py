# SPDX-License-Identifier: MIT
"""Pictures that screendump and browsers write."""

import os
import struct
import zlib


class Picture:
    """Rows of (red, green, blue)."""

    def __init__(self, rows):
        self.rows = [[tuple(p) for p in row] for row in rows]

    @classmethod
    def load(cls, path):
        with open(path, "rb") as f:
            return cls.parse(f.read())

    @classmethod
    def parse(cls, data):
        kind, width, height, most, pixels = _header(data)
        assert kind == b"P6" and int(most) == 255, data[:20]
        width, height = int(width), int(height)
        assert len(pixels) == 3 * width * height, f"{width} by {height} pixels in {len(pixels)} bytes"
        rows = []
        for y in range(height):
            line = pixels[3 * width * y:3 * width * (y + 1)]
            rows.append([tuple(line[3 * x:3 * x + 3]) for x in range(width)])
        return cls(rows)

    @classmethod
    def load_png(cls, path):
        """The pixels of a PNG of 8-bit colours, with all kinds of filters for its lines."""
        with open(path, "rb") as f:
            data = f.read()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        at, packed = 8, b""
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at:at + 8])
            if kind == b"IHDR":
                width, height, depth, colours = struct.unpack(">IIBB", data[at + 8:at + 18])
            packed += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
            at += size + 12
        assert (depth, colours) == (8, 2)
        raw, rows, above = zlib.decompress(packed), [], bytes(3 * width)
        for y in range(height):
            line = bytearray(raw[y * (3 * width + 1):(y + 1) * (3 * width + 1)])
            kind = line.pop(0)
            for i, v in enumerate(line):
                a, b, c = (line[i - 3] if i > 2 else 0), above[i], (above[i - 3] if i > 2 else 0)
                near = min((a, b, c), key=lambda n, p=a + b - c: abs(p - n))
                line[i] = v + (0, a, b, (a + b) // 2, near)[kind] & 255
            rows.append([tuple(line[3 * x:3 * x + 3]) for x in range(width)])
            above = line
        return cls(rows)

    @property
    def size(self):
        return len(self.rows[0]), len(self.rows)

    def same(self, other, what):
        """Fails with the first pixel that differs."""
        assert self.size == other.size, f"{what}: {self.size} and not {other.size}"
        for y, (mine, wanted) in enumerate(zip(self.rows, other.rows)):
            if mine != wanted:
                x = next(x for x in range(len(mine)) if mine[x] != wanted[x])
                raise AssertionError(f"{what}: at {x},{y} is {mine[x]} and not {wanted[x]}")

    def colours(self):
        return {p for row in self.rows for p in row}


def _header(data):
    """Exactly one white space byte comes after the header, whatever the pixels are."""
    kind, width, height, rest = data.split(maxsplit=3)
    at = len(data) - len(rest)
    end = data.index(b"\n", at)
    return kind, width, height, data[at:end], data[end + 1:]


def screendump(qmp, folder, **arguments):
    path = os.path.join(folder, "screen.ppm")
    qmp.command("screendump", filename=path, **arguments)
    return Picture.load(path)
