# SPDX-License-Identifier: MIT
"""A VNC viewer for tests (RFC 6143), which keeps the screen that it has been told."""

import socket
import struct
import subprocess
import zlib

import ppm

RAW, HEXTILE, ZLIB, TIGHT, ZRLE = 0, 5, 6, 7, 16
QUALITY, COMPRESS = -32, -256       # of level 0; nine more follow
DESKTOP_SIZE, CURSOR, QEMU_POINTER, QEMU_KEY, EXT_DESKTOP_SIZE = -223, -239, -257, -258, -308
FENCE, CONTINUOUS, ALPHA_CURSOR = -312, -313, -314


class Refused(Exception):
    pass


def des(password, challenge):
    """VNC turns the bits of each byte of the key round."""
    key = password.encode()[:8].ljust(8, b"\0")
    key = bytes(int(f"{b:08b}"[::-1], 2) for b in key)
    return subprocess.run(["openssl", "enc", "-des-ecb", "-provider", "legacy", "-provider", "default", "-nopad",
                           "-K", key.hex()], input=challenge, stdout=subprocess.PIPE, check=True).stdout


class Viewer:
    """@at: the path of a Unix socket, or something connected that is used as a socket is."""

    unpacked = None         # what pixels are taken from while a rectangle is compressed

    def __init__(self, at, version=8, password=None, shared=1, timeout=60, tls=None):
        if isinstance(at, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(at)
        elif isinstance(at, tuple):
            self.sock = socket.create_connection(at)
        else:
            self.sock = at
        self.tls = tls
        self.sock.settimeout(timeout)
        assert self.take(12) == b"RFB 003.008\n"
        self.send(f"RFB 003.00{version}\n".encode())
        self.security(version, password)
        self.send(bytes([shared]))
        self.width, self.height = struct.unpack(">HH", self.take(4))
        form = self.take(16)
        assert form[:4] == bytes([32, 24, 0, 1]), form
        self.name = self.take(struct.unpack(">I", self.take(4))[0])
        self.order, self.size, self.depth = "little", 4, 24
        self.maxima, self.shifts = struct.unpack(">HHH", form[4:10]), tuple(form[10:13])
        self.qemu_keys, self.relative = False, None
        self.cursor, self.hot = None, None          # rows of (red, green, blue, alpha)
        self.size_told = None                       # reason, status
        self.fences = []
        self.ways = set()                           # in which tiles came
        self.streams = {}
        self.blank()

    def security(self, version, password):
        if version == 3:
            kind, = struct.unpack(">I", self.take(4))
        else:
            kinds = self.take(self.take(1)[0])
            kind = kinds[0]
            self.send(bytes([kind]))
        if self.tls:
            assert kind == 19, kind
            kind = self.vencrypt()
        assert kind == (2 if password is not None else 1), kind
        if kind == 2:
            self.send(des(password, self.take(16)))
        if kind == 2 or version == 8:
            if struct.unpack(">I", self.take(4))[0]:
                raise Refused(self.take(struct.unpack(">I", self.take(4))[0]) if version == 8 else b"")

    def vencrypt(self):
        """The kind of security that comes after TLS."""
        assert self.take(2) == b"\0\2"
        self.send(b"\0\2")
        assert self.take(2) == b"\0\1"
        subtype = self.take(4)
        self.send(subtype)
        assert self.take(1) == b"\1"
        self.subtype, = struct.unpack(">I", subtype)
        self.sock = self.tls.wrap_socket(self.sock, server_hostname="localhost")
        return {257: 1, 258: 2, 260: 1, 261: 2}[self.subtype]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def blank(self):
        self.rows = [[None] * self.width for _ in range(self.height)]

    def take(self, n):
        if self.unpacked is not None:
            data, self.unpacked = self.unpacked[:n], self.unpacked[n:]
            assert len(data) == n, "compressed data are short"
            return data
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
        depth = sum(m.bit_length() for m in maxima)
        self.send(struct.pack(">B3xBBBBHHHBBB3x", 0, bits, depth, order == "big", 1, *maxima, *shifts))
        self.order, self.size, self.depth, self.maxima, self.shifts = order, bits // 8, depth, maxima, shifts

    def wish_size(self, width, height, screens=1):
        self.send(struct.pack(">BxHHBx", 251, width, height, screens) +
                  struct.pack(">IHHHHI", 0, 0, 0, width, height, 0) * screens)

    def fence(self, flags, data):
        self.send(struct.pack(">B3xIB", 248, flags, len(data)) + data)

    def continuous(self, on):
        self.send(struct.pack(">BBHHHH", 150, on, 0, 0, self.width, self.height))

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

    def put_all(self, x, y, w, h, pixels):
        for j in range(h):
            self.rows[y + j][x:x + w] = pixels[j * w:(j + 1) * w]

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

    def inflate(self, stream, data):
        if stream not in self.streams:
            self.streams[stream] = zlib.decompressobj()
        return self.streams[stream].decompress(data)

    def compressed(self, stream, length, fn, *args):
        """Pixels come from the unpacked data, of which nothing may be left."""
        data = self.inflate(stream, self.take(length))
        self.unpacked = data
        fn(*args)
        assert not self.unpacked, f"{len(self.unpacked)} bytes too many"
        self.unpacked = None

    def zlib(self, x, y, w, h):
        self.compressed("zlib", struct.unpack(">I", self.take(4))[0], self.raw, x, y, w, h)

    # ZRLE

    def cpixel(self):
        used = 0
        for m, s in zip(self.maxima, self.shifts):
            used |= m << s
        if self.size < 4 or self.depth > 24 or used & 0xff and used >> 24:
            return self.pixel()
        value = int.from_bytes(self.take(3), self.order) << (8 if used >> 24 else 0)
        return tuple(value >> s & m for s, m in zip(self.shifts, self.maxima))

    def run_length(self):
        length = 1
        while True:
            more = self.take(1)[0]
            length += more
            if more != 255:
                return length

    def packed(self, palette, w, h):
        bits = 1 if len(palette) <= 2 else 2 if len(palette) <= 4 else 4
        row = (w * bits + 7) // 8
        for _ in range(h):
            value = int.from_bytes(self.take(row), "big")
            for i in range(w):
                yield palette[value >> (8 * row - bits * (i + 1)) & ((1 << bits) - 1)]

    def runs(self, palette, count):
        while count:
            index = self.take(1)[0] if palette else 128
            colour = palette[index & 127] if palette else self.cpixel()
            length = self.run_length() if index & 128 else 1
            count -= length
            assert count >= 0
            yield from [colour] * length

    def zrle_tile(self, w, h):
        kind = self.take(1)[0]
        assert kind not in range(17, 128) and kind != 129, kind
        self.ways.add("runs" if kind > 128 else {0: "plain", 1: "solid"}.get(kind, "packed"))
        palette = [self.cpixel() for _ in range(kind & 127)]
        if kind == 0:
            return [self.cpixel() for _ in range(w * h)]
        if kind == 1:
            return palette * (w * h)
        return list(self.packed(palette, w, h) if kind < 128 else self.runs(palette, w * h))

    def zrle_tiles(self, x, y, w, h):
        for ty in range(y, y + h, 64):
            for tx in range(x, x + w, 64):
                tw, th = min(64, x + w - tx), min(64, y + h - ty)
                self.put_all(tx, ty, tw, th, self.zrle_tile(tw, th))

    def zrle(self, x, y, w, h):
        self.compressed("zrle", struct.unpack(">I", self.take(4))[0], self.zrle_tiles, x, y, w, h)

    # Tight

    def tpixel(self):
        if self.size == 4 and self.depth == 24 and self.maxima == (255, 255, 255):
            return tuple(self.take(3))
        return self.pixel()

    def tpixels(self, x, y, w, h):
        self.put_all(x, y, w, h, [self.tpixel() for _ in range(w * h)])

    def tight_length(self):
        length = 0
        for i in range(3):
            byte = self.take(1)[0]
            length |= (byte if i == 2 else byte & 127) << 7 * i
            if not byte & 128:
                break
        return length

    def indexed(self, palette, x, y, w, h):
        if len(palette) == 2:
            self.put_all(x, y, w, h, list(self.packed(palette, w, h)))
        else:
            self.put_all(x, y, w, h, [palette[i] for i in self.take(w * h)])

    def tight_data(self, stream, size, fn, *args):
        if size < 12:
            fn(*args)
        else:
            self.compressed(stream, self.tight_length(), fn, *args)

    def tight(self, x, y, w, h):
        how = self.take(1)[0]
        for stream in range(4):
            if how >> stream & 1:
                self.streams.pop(stream, None)
        how >>= 4
        self.ways.add(how)
        if how == 8:
            self.put(x, y, w, h, self.tpixel())
        elif how == 9:
            self.picture_into(x, y, w, h, self.take(self.tight_length()))
        elif how & 4 and self.take(1)[0] == 1:
            palette = [self.tpixel() for _ in range(self.take(1)[0] + 1)]
            size = (w + 7) // 8 * h if len(palette) == 2 else w * h
            self.tight_data(how & 3, size, self.indexed, palette, x, y, w, h)
        else:
            assert how < 4, how
            pixel = 3 if self.size == 4 and self.depth == 24 else self.size
            self.tight_data(how & 3, w * h * pixel, self.tpixels, x, y, w, h)

    def picture_into(self, x, y, w, h, data):
        out = subprocess.run(["djpeg", "-ppm"], input=data, stdout=subprocess.PIPE, check=True).stdout
        picture = ppm.Picture.parse(out)
        assert picture.size == (w, h), picture.size
        self.put_all(x, y, w, h, [p for row in picture.rows for p in row])

    # What is no picture

    def take_cursor(self, x, y, w, h):
        pixels = [self.pixel() for _ in range(w * h)]
        mask = list(self.packed([0, 255], w, h))
        self.hot = x, y
        self.cursor = [[(*pixels[j * w + i], mask[j * w + i]) for i in range(w)] for j in range(h)]

    def take_alpha_cursor(self, x, y, w, h):
        assert struct.unpack(">i", self.take(4))[0] == RAW
        self.hot = x, y
        self.cursor = [[tuple(self.take(4)) for _ in range(w)] for _ in range(h)]

    def take_size(self, reason, status, w, h):
        count = self.take(4)[0]
        screens = [struct.unpack(">IHHHHI", self.take(16)) for _ in range(count)]
        assert screens == [(0, 0, 0, w, h, 0)], screens
        self.size_told = reason, status
        if (w, h) != (self.width, self.height):
            self.width, self.height = w, h
            self.blank()

    def take_other(self, kind):
        """Messages beside updates."""
        if kind == 248:
            flags, length = struct.unpack(">3xIB", self.take(8))
            self.fences.append((flags, self.take(length)))
        else:
            assert kind == 150, kind
            self.fences.append("end")

    def update(self):
        """Takes one; the encodings of its rectangles."""
        while (kind := self.take(1)[0]):
            self.take_other(kind)
        count, = struct.unpack(">xH", self.take(3))
        seen = []
        for _ in range(count):
            x, y, w, h, encoding = struct.unpack(">HHHHi", self.take(12))
            seen.append(encoding)
            if encoding == DESKTOP_SIZE:
                self.width, self.height = w, h
                self.blank()
            elif encoding == QEMU_KEY:
                self.qemu_keys = True
            elif encoding == QEMU_POINTER:
                self.relative = not x
            elif encoding < 0:
                {CURSOR: self.take_cursor, ALPHA_CURSOR: self.take_alpha_cursor,
                 EXT_DESKTOP_SIZE: self.take_size}[encoding](x, y, w, h)
            else:
                assert x + w <= self.width and y + h <= self.height, (x, y, w, h)
                {RAW: self.raw, HEXTILE: self.hextile, ZLIB: self.zlib, ZRLE: self.zrle,
                 TIGHT: self.tight}[encoding](x, y, w, h)
        return seen

    def picture(self):
        return ppm.Picture(self.rows)
