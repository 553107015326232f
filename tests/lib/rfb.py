# SPDX-License-Identifier: MIT
"""A VNC viewer for tests (RFC 6143), which keeps the screen that it has been told."""

import socket
import struct
import subprocess

import ppm

RAW, HEXTILE, DESKTOP_SIZE, QEMU_KEY = 0, 5, -223, -258


class Refused(Exception):
    pass


def des(password, challenge):
    """VNC turns the bits of each byte of the key round."""
    key = password.encode()[:8].ljust(8, b"\0")
    key = bytes(int(f"{b:08b}"[::-1], 2) for b in key)
    return subprocess.run(["openssl", "enc", "-des-ecb", "-provider", "legacy", "-provider", "default", "-nopad",
                           "-K", key.hex()], input=challenge, stdout=subprocess.PIPE, check=True).stdout


class Viewer:
    def __init__(self, path, version=8, password=None, shared=1, timeout=60):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(timeout)
        assert self.take(12) == b"RFB 003.008\n"
        self.send(f"RFB 003.00{version}\n".encode())
        self.security(version, password)
        self.send(bytes([shared]))
        self.width, self.height = struct.unpack(">HH", self.take(4))
        form = self.take(16)
        assert form[:4] == bytes([32, 24, 0, 1]), form
        self.name = self.take(struct.unpack(">I", self.take(4))[0])
        self.order, self.size = "little", 4
        self.maxima, self.shifts = struct.unpack(">HHH", form[4:10]), tuple(form[10:13])
        self.qemu_keys = False
        self.blank()

    def security(self, version, password):
        if version == 3:
            kind, = struct.unpack(">I", self.take(4))
        else:
            kinds = self.take(self.take(1)[0])
            kind = kinds[0]
            self.send(bytes([kind]))
        assert kind == (2 if password is not None else 1), kind
        if kind == 2:
            self.send(des(password, self.take(16)))
        if kind == 2 or version == 8:
            if struct.unpack(">I", self.take(4))[0]:
                raise Refused(self.take(struct.unpack(">I", self.take(4))[0]) if version == 8 else b"")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def blank(self):
        self.rows = [[None] * self.width for _ in range(self.height)]

    def take(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise ConnectionError("the server has closed the connection")
            data += part
        return data

    def send(self, data):
        self.sock.sendall(data)

    def closed(self):
        """Waits for the end."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass

    # Messages

    def encodings(self, *numbers):
        self.send(struct.pack(f">BxH{len(numbers)}i", 2, len(numbers), *numbers))

    def pixel_format(self, bits, order, maxima, shifts):
        self.send(struct.pack(">B3xBBBBHHHBBB3x", 0, bits, 24, order == "big", 1, *maxima, *shifts))
        self.order, self.size, self.maxima, self.shifts = order, bits // 8, maxima, shifts

    def request(self, incremental=False):
        self.send(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def key(self, keysym, down):
        self.send(struct.pack(">BBxxI", 4, down, keysym))

    def qemu_key(self, keysym, scancode, down):
        self.send(struct.pack(">BBHII", 255, 0, down, keysym, scancode))

    def pointer(self, x, y, buttons=0):
        self.send(struct.pack(">BBHH", 5, buttons, x, y))

    # Updates

    def pixel(self):
        value = int.from_bytes(self.take(self.size), self.order)
        return tuple(value >> s & m for s, m in zip(self.shifts, self.maxima))

    def put(self, x, y, w, h, colour):
        for row in self.rows[y:y + h]:
            row[x:x + w] = [colour] * w

    def raw(self, x, y, w, h):
        for j in range(h):
            for i in range(w):
                self.rows[y + j][x + i] = self.pixel()

    def hextile(self, x, y, w, h):
        back = front = None
        for ty in range(y, y + h, 16):
            for tx in range(x, x + w, 16):
                tw, th = min(16, x + w - tx), min(16, y + h - ty)
                how = self.take(1)[0]
                if how & 1:
                    self.raw(tx, ty, tw, th)
                    back = front = None
                    continue
                back = self.pixel() if how & 2 else back
                front = self.pixel() if how & 4 else front
                self.put(tx, ty, tw, th, back)
                for _ in range(self.take(1)[0] if how & 8 else 0):
                    colour = self.pixel() if how & 16 else front
                    place, size = self.take(2)
                    self.put(tx + (place >> 4), ty + (place & 15), (size >> 4) + 1, (size & 15) + 1, colour)

    def update(self):
        """Takes one; the encodings of its rectangles."""
        kind, count = struct.unpack(">BxH", self.take(4))
        assert kind == 0, kind
        seen = []
        for _ in range(count):
            x, y, w, h, encoding = struct.unpack(">HHHHi", self.take(12))
            seen.append(encoding)
            if encoding == DESKTOP_SIZE:
                self.width, self.height = w, h
                self.blank()
            elif encoding == QEMU_KEY:
                self.qemu_keys = True
            else:
                assert x + w <= self.width and y + h <= self.height, (x, y, w, h)
                {RAW: self.raw, HEXTILE: self.hextile}[encoding](x, y, w, h)
        return seen

    def picture(self):
        return ppm.Picture(self.rows)
