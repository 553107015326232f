# SPDX-License-Identifier: MIT
"""VNC viewers that send nonsense with structure, read slowly or not at all, and leave at any moment."""

import contextlib
import socket
import struct

import targets_guests
from targets_streams import connected, running

ENCODINGS = [0, 5, 6, 7, 16, -1, -23, -28, -32, -223, -224, -239, -247, -252, -256, -257, -258, -261, -308, -312, -313,
             -314, 0x7fffffff, -0x80000000]


def number(rng, bits):
    """Edges more often than what lies between them."""
    return rng.choice((0, 1, 7, 8, 16, 255, 640, 720, 0x7fff, 0x8000, 0xffff, rng.getrandbits(bits))) & ((1 << bits) - 1)


def u16(rng):
    return number(rng, 16)


def pixel_format(rng):
    if rng.random() < 0.5:
        return struct.pack(">B3xBBBBHHHBBB3x", 0, *rng.choice([
            (8, 8, 0, 1, 7, 7, 3, 0, 3, 6), (16, 16, 0, 1, 31, 63, 31, 11, 5, 0), (32, 24, 1, 1, 255, 255, 255, 0, 8, 16),
            (32, 24, 0, 1, 255, 255, 255, 24, 16, 8), (32, 30, 0, 1, 1023, 1023, 1023, 20, 10, 0)]))
    return struct.pack(">B3xBBBBHHHBBB3x", 0, rng.choice((0, 8, 16, 24, 32, 255)), rng.randrange(40), rng.getrandbits(1),
                       rng.getrandbits(1) | 1, u16(rng), u16(rng), u16(rng), *(rng.randrange(40) for _ in range(3)))


def encodings(rng):
    chosen = [rng.choice(ENCODINGS) for _ in range(rng.randrange(12))]
    count = len(chosen) if rng.random() < 0.95 else u16(rng)
    return struct.pack(f">BxH{len(chosen)}i", 2, count, *chosen)


def request(rng):
    whole = rng.random() < 0.6
    return struct.pack(">BBHHHH", 3, rng.getrandbits(1), *((0, 0, 720, 400) if whole else (u16(rng) for _ in range(4))))


def size(rng):
    count = rng.choice((0, 1, 1, 1, 2, 255))
    return struct.pack(">BxHHBx", 251, u16(rng), u16(rng), count) + rng.randbytes(16 * count)


def fence(rng):
    length = rng.choice((0, 8, 64, 65, 255))
    return struct.pack(">B3xIB", 248, rng.getrandbits(32), length) + rng.randbytes(length)


def cut(rng):
    length = rng.choice((0, 5, 5000))
    return struct.pack(">B3xI", 6, length if rng.random() < 0.9 else rng.getrandbits(32)) + rng.randbytes(length)


MESSAGES = [pixel_format, encodings, encodings, request, request, request, size, fence, cut,
            lambda rng: struct.pack(">BBxxI", 4, rng.getrandbits(1), rng.choice((97, 0xff0d, 0xff52, rng.getrandbits(32)))),
            lambda rng: struct.pack(">BBHH", 5, rng.getrandbits(8), u16(rng), u16(rng)),
            lambda rng: struct.pack(">BBHHHH", 150, rng.getrandbits(1), *(u16(rng) for _ in range(4))),
            lambda rng: struct.pack(">BBHII", 255, rng.choice((0, 0, 0, 1)), u16(rng), rng.getrandbits(32),
                                    number(rng, 32)),
            lambda rng: rng.randbytes(rng.randrange(1, 30))]


def handshake(rng, security):
    version = rng.choice((b"RFB 003.008\n", b"RFB 003.007\n", b"RFB 003.003\n", b"RFB 003.008\n", rng.randbytes(12)))
    after = {1: b"", 2: rng.randbytes(16), 19: b"\0\2" + struct.pack(">I", rng.choice((257, 258, 260, 0)))}
    choice = bytes([security]) if version != b"RFB 003.003\n" else b""
    if rng.random() < 0.1:
        choice = rng.randbytes(1)
    return version + choice + after[security] + bytes([rng.getrandbits(1)])


def visit(rng, s, security):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        s.sendall(handshake(rng, security))
        for _ in range(rng.randrange(60)):
            data = rng.choice(MESSAGES)(rng)
            s.sendall(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.02 else data)
            if rng.random() < 0.5:
                s.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    s.recv(rng.choice((10, 1 << 20)))
                s.settimeout(10)


def viewers(rng, folder):
    options, security = rng.choice((("", 1), (",lossy=on,share=ignore", 1), (",password=on", 2),
                                    (",tls-creds=t,password=on", 19)))
    objects = ["-object", "tls-creds-anon,id=t,endpoint=server"] if security == 19 else []
    guest = [targets_guests.emulator("x86_64"), "-M", "pc", "-vga", rng.choice(("std", "virtio"))]
    with running(guest, folder, *objects, "-vnc", f"unix:@{options}") as (path, process):
        with contextlib.ExitStack() as open_ones:
            for _ in range(10):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(10)
                if not connected(s, path, process):
                    return
                visit(rng, s, security)
                if rng.random() < 0.5:
                    s.close()
                else:
                    open_ones.enter_context(contextlib.closing(s))


TARGETS = {"vnc": viewers} if "x86_64" in targets_guests.architectures() else {}
