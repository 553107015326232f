# SPDX-License-Identifier: MIT
"""Pictures that screendump writes."""

import os


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
