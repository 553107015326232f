# SPDX-License-Identifier: MIT
"""What the web page (-display web) does, for tests: its messages, and the screen that it has been told."""

import json
import re
import struct

import ppm
import websocket

STATE, SIZE, PICTURE, CURSOR, PLACE, TERMINAL = 0, 1, 2, 3, 4, 5
KEY, POINT, MOVE, SEEN, TYPED, COMMAND, HEAD, WISH = 1, 2, 3, 4, 5, 6, 7, 8
POWERDOWN, RESET, PAUSE, CONTINUE = 0, 1, 2, 3
RGBA, QOI = 0, 1


def token(monitor):
    """Of the page, as a QMP monitor tells it."""
    return re.search(r"token=(\w+)", monitor.command("human-monitor-command", command_line="info web"))[1]


def unpack_qoi(data, count):
    """The chunks of a Quite OK Image without header, as (red, green, blue) each."""
    pixels, seen, last, at = [], [None] * 64, (0, 0, 0), 0
    while at < len(data):
        op = data[at]
        at += 1
        r, g, b = last
        if op == 0xfe:
            last = tuple(data[at:at + 3])
            at += 3
        elif op >= 0xc0:
            pixels += [last] * (op & 63)
        elif op >= 0x80:
            dg = (op & 63) - 32
            last = ((r + dg + (data[at] >> 4) - 8) & 255, (g + dg) & 255, (b + dg + (data[at] & 15) - 8) & 255)
            at += 1
        elif op >= 0x40:
            last = ((r + (op >> 4 & 3) - 2) & 255, (g + (op >> 2 & 3) - 2) & 255, (b + (op & 3) - 2) & 255)
        else:
            last = seen[op]
        if op < 0xc0 or op == 0xfe:
            seen[(last[0] * 3 + last[1] * 5 + last[2] * 7 + 255 * 11) % 64] = last
        pixels.append(last)
    assert len(pixels) == count, f"{len(pixels)} pixels for {count}"
    return pixels


class Page(websocket.WebSocket):
    def __init__(self, at, secret, host="localhost", timeout=60):
        super().__init__(at, f"/socket?token={secret}", host, f"http://{host}", timeout=timeout)
        self.state, self.kinds = None, set()
        self.width = self.height = 0
        self.rows, self.output = [], {}
        self.cursor = self.place = self.pong = None

    def tell(self, kind, fmt="", *values):
        self.send(struct.pack(">B" + fmt, kind, *values))

    def take_rect(self, data, at):
        x, y, w, h, kind, length = struct.unpack_from(">HHHHBI", data, at)
        part = data[at + 13:at + 13 + length]
        if kind == RGBA:
            pixels = [tuple(part[i:i + 3]) for i in range(0, len(part), 4)]
            assert set(part[3::4]) <= {255}
        else:
            pixels = unpack_qoi(part, w * h)
        self.kinds.add(kind)
        assert len(pixels) == w * h
        for row in range(h):
            self.rows[y + row][x:x + w] = pixels[row * w:row * w + w]
        return at + 13 + length

    def step(self, seen=True):
        """Takes one message; its kind, None for the answer to a ping."""
        opcode, data = self.receive()
        if opcode == websocket.PONG:
            self.pong = data
            return None
        if opcode == websocket.TEXT:
            self.state = json.loads(data)
            return STATE
        kind, rest = data[0], data[1:]
        if kind == SIZE:
            self.width, self.height = struct.unpack(">HH", rest)
            self.rows = [[None] * self.width for _ in range(self.height)]
        elif kind == PICTURE:
            at = 2
            for _ in range(struct.unpack_from(">H", rest)[0]):
                at = self.take_rect(rest, at)
            assert at == len(rest)
            if seen:
                self.tell(SEEN)
        elif kind == TERMINAL:
            self.output[rest[0]] = self.output.get(rest[0], b"") + rest[1:]
        elif kind == CURSOR:
            self.cursor = struct.unpack_from(">HHHH", rest), rest[8:]
        elif kind == PLACE:
            self.place = struct.unpack(">hhB", rest)
        return kind

    def until(self, condition):
        while not condition():
            self.step()

    def settle(self):
        """What was sent before has been taken: the answer to a ping has come."""
        self.send(b"x", websocket.PING)
        while self.step() is not None:
            pass

    def shows(self, wanted):
        """Whether the screen is that picture."""
        return (self.width, self.height) == wanted.size and self.rows == wanted.rows

    def picture(self):
        return ppm.Picture(self.rows)
