# SPDX-License-Identifier: MIT
"""Browsers that lie: HTTP, websocket frames and the page's messages, at the web page and at VNC's websocket."""

import contextlib
import os
import re
import socket
import struct
import time

import targets_guests
import targets_streams
import webpage
import websocket

WORDS = ["GET ", "POST ", "/", "/socket", "/page.js", "?", "token=", "&", "=", " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n\r\n",
         "Host: ", "localhost", "[::1]:", "127.0.0.1", "Origin: ", "http://", "Upgrade: websocket", "Connection: Upgrade",
         "Sec-WebSocket-Key: ", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: binary",
         ":", " ", "\t", "\x00", "\xff", "%00", "#", ",", "A" * 5000, "F: x\r\n" * 70]
OPCODES = [websocket.CONTINUE, websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG, 3, 11, 15]


def some_pc(rng):
    return [targets_guests.emulator("x86_64"), "-M", rng.choice(["pc", "q35"]), "-device", "virtio-tablet-pci", "-serial",
            "web", "-monitor", "web"]


def request(rng, secret):
    """A good one for the websocket with something changed, or words."""
    if rng.random() < 0.3:
        return "".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 40))).encode("latin-1")
    lines = [f"GET /socket?token={secret} HTTP/1.1", "Host: localhost", "Origin: http://localhost", "Upgrade: websocket",
             "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
    for _ in range(rng.choice([0, 1, 1, 3])):
        at = rng.randrange(len(lines))
        lines[at] = rng.choice([rng.choice(WORDS), lines[at][:rng.randrange(len(lines[at]) + 1)], lines[at] + rng.choice(WORDS)])
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def message(rng):
    """Of the page."""
    kind = rng.choice([webpage.KEY, webpage.POINT, webpage.MOVE, webpage.SEEN, webpage.TYPED, webpage.COMMAND, webpage.HEAD,
                       webpage.WISH, rng.randrange(256)])
    size = {webpage.KEY: 3, webpage.POINT: 6, webpage.MOVE: 6, webpage.WISH: 4}.get(kind, 1)
    return bytes([kind]) + rng.randbytes(rng.choice([size, size, size, rng.randrange(12), 3000]))


def frames(rng, payload):
    """As one frame, in pieces, or wrong in some way."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(1, 40))
    if rng.random() < 0.1:
        return struct.pack(">BBQ", 0x82, 0xff, rng.choice([1 << 63, (1 << 63) - 1, 1 << 32, 70000])) + rng.randbytes(20)
    cut = rng.randrange(len(payload) + 1) if rng.random() < 0.3 else len(payload)
    first = rng.choice(OPCODES) if rng.random() < 0.2 else websocket.BINARY
    out = websocket.frame(first, payload[:cut], cut == len(payload), rng.randbytes(4) if rng.random() < 0.97 else b"")
    if cut < len(payload):
        out += websocket.frame(websocket.PING, b"x") * rng.randrange(3) + websocket.frame(websocket.CONTINUE, payload[cut:])
    return out


def talk(rng, path, process, secret, payload):
    for _ in range(12):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            if not targets_streams.connected(s, path, process):
                return
            s.settimeout(10)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
                s.sendall(request(rng, secret))
                for _ in range(rng.randrange(40)):
                    s.sendall(frames(rng, payload(rng)))
                    if rng.random() < 0.3:              # a peer may also not read at all
                        s.settimeout(0.02)
                        with contextlib.suppress(TimeoutError):
                            s.recv(1 << 20)
                        s.settimeout(10)


def page_secret(folder, process):
    """The emulator tells it on its standard error."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with open(os.path.join(folder, "err"), encoding="utf-8", errors="replace") as f:
            found = re.search(r"token=(\w+) ", f.read())
        if found:
            return found[1]
        time.sleep(0.02)
    return ""


def page(rng, folder):
    with targets_streams.running(some_pc(rng), folder, "-display", "web=unix:@") as (path, process):
        talk(rng, path, process, page_secret(folder, process), message)


def rfb(rng):
    """What a VNC viewer may say, in any order."""
    return rng.choice([b"RFB 003.008\n", b"RFB 003.003\n", b"\1", b"\1\1", struct.pack(">BxHii", 2, 2, 5, -223),
                       struct.pack(">BBHHHH", 3, rng.randrange(2), 0, 0, 640, 480), rng.randbytes(rng.randrange(20)),
                       struct.pack(">BBHH", 5, rng.randrange(256), 10, 10), struct.pack(">BB2xI", 4, 1, 0x61)])


def vnc(rng, folder):
    with targets_streams.running(some_pc(rng), folder, "-vnc", f"unix:{folder}/vnc,websocket=unix:@") as (path, process):
        talk(rng, path, process, "", rfb)


TARGETS = {"web": page, "vnc-websocket": vnc}
