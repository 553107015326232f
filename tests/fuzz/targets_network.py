# SPDX-License-Identifier: MIT
"""Peers of the block layer that do not keep to their protocol: clients of the NBD server, NBD servers and web
servers that have images."""

import contextlib
import os
import socket
import struct
import subprocess
import threading

import nbdpeer
import web

SIZE = 1 << 20
NUMBERS = [0, 1, 2, 3, 4, 8, 12, 511, 512, 4095, 4096, 65535, 65536, SIZE - 1, SIZE, SIZE + 1, 1 << 25, (1 << 25) + 1,
           1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def number(rng, bits):
    return (rng.choice(NUMBERS) + rng.choice((0, 0, 0, -1, 1))) & ((1 << bits) - 1)


def noise(rng, longest=200):
    return rng.randbytes(rng.randrange(longest))


def image(rng, folder):
    path = os.path.join(folder, "image")
    with open(path, "wb") as f:
        f.write(rng.randbytes(SIZE // 2))
        f.truncate(SIZE)
    return path


def tool(*argv):
    """A tool of ours that may fail, but not crash nor hang."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    text = done.stderr.decode("utf-8", "replace")
    assert done.returncode >= 0 and "Sanitizer" not in text and "runtime error" not in text, (argv, done)


# --- Clients of the server ---

def option(rng):
    name = rng.choice([b"", b"x", noise(rng, 20), b"n" * 5000])
    text = struct.pack(">I", rng.choice([len(name)] * 5 + [number(rng, 32)])) + name
    query = rng.choice([b"base:allocation", b"base:", noise(rng, 20)])
    queries = struct.pack(">I", rng.choice([0, 1, 1, number(rng, 32)])) + struct.pack(">I", len(query)) + query
    data = rng.choice([b"", text, text + b"\0\0", text + b"\0\1\0\3", text + queries, noise(rng)])
    length = rng.choice([len(data)] * 8 + [number(rng, 32)])
    magic = 0x49484156454F5054 if rng.random() < 0.97 else number(rng, 64)
    return struct.pack(">QII", magic, rng.choice([1, 2, 3, 5, 6, 7, 8, 8, 9, 10, 10, number(rng, 32)]), length) + data


def request(rng):
    kind, length = rng.choice([0, 0, 1, 1, 2, 3, 4, 5, 6, 7, number(rng, 16)]), number(rng, 32)
    data = rng.randbytes(length) if kind == 1 and length <= 1 << 16 else noise(rng) if rng.random() < 0.1 else b""
    magic = 0x25609513 if rng.random() < 0.98 else number(rng, 32)
    return struct.pack(">IHHQQI", magic, rng.choice([0, 0, 0, 1, 2, 4, 8, number(rng, 16)]), kind, number(rng, 64),
                       number(rng, 64), length) + data


def drain(s):
    with contextlib.suppress(OSError):
        while s.recv(1 << 16):
            pass


def hostile_client(rng, path):
    """One connection: a handshake that is more or less right, then requests that are."""
    s = nbdpeer.connect(path, 20)
    reader = threading.Thread(target=drain, args=(s,))
    if rng.random() < 0.8:
        reader.start()
    with contextlib.suppress(OSError):
        s.sendall(struct.pack(">I", rng.choice([3, 3, 3, 1, 0, number(rng, 32)])))
        s.sendall(b"".join(option(rng) for _ in range(rng.randrange(8))))
        if rng.random() < 0.8:
            s.sendall(struct.pack(">QII", 0x49484156454F5054, 7, 6) + bytes(6))
        s.sendall(b"".join(request(rng) for _ in range(rng.randrange(30))))
        if rng.random() < 0.5:
            s.sendall(noise(rng, 2000))
    with contextlib.suppress(OSError):
        s.shutdown(rng.choice([socket.SHUT_WR, socket.SHUT_RDWR]))
    if reader.ident:
        reader.join(30)
        assert not reader.is_alive(), "the server does not hang up"
    s.close()


def nbd_server(rng, folder):
    """Several clients at a time, and then one that is in order."""
    path = os.path.join(folder, "s")
    with nbdpeer.rhea_nbd(path, image(rng, folder), "-f", "raw", "-e", "0") as server:
        hostile = [threading.Thread(target=hostile_client, args=(type(rng)(rng.random()), path)) for _ in range(4)]
        for thread in hostile:
            thread.start()
        for thread in hostile:
            thread.join(60)
            assert not thread.is_alive()
        assert server.poll() is None, f"status {server.returncode}"
        well = nbdpeer.Client(path)
        assert well.go()[0] == SIZE
        well.send(nbdpeer.READ, 0, 4096)
        assert well.chunks()
        well.close()
        server.terminate()
        assert server.wait(60) == 0


# --- Servers ---

class Liar(web.socketserver.StreamRequestHandler):
    """Sends what it is told, whatever the client says."""

    def handle(self):
        with contextlib.suppress(OSError):
            self.server.lie(self)


@contextlib.contextmanager
def lying(lie):
    server = web.Server(("127.0.0.1", 0), Liar)
    server.lie = lie
    with web.running(server) as port:
        yield port


def nbd_client(rng, folder):
    """An NBD server whose answers are wrong here and there."""
    seed = rng.random()

    def lie(peer):
        rnd = type(rng)(seed)
        size = number(rnd, 22) if rnd.random() < 0.2 else SIZE     # of a larger one there may be a lot to read
        peer.wfile.write(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        peer.rfile.read(4)
        while True:
            _, kind, length = struct.unpack(">QII", peer.rfile.read(16))
            peer.rfile.read(length)
            head = struct.pack(">QI", 0x3E889045565A9, kind)
            if kind == 7:
                for info in (struct.pack(">HQH", 0, size, 0x56F), struct.pack(">HIII", 3, rnd.choice([1, 1, 512, number(rnd, 32)]),
                                                                              4096, rnd.choice([1 << 25, number(rnd, 32)]))):
                    peer.wfile.write(head + struct.pack(">II", 3, len(info)) + info)
            if kind == 10:
                peer.wfile.write(head + struct.pack(">III", 4, 19, 1) + b"base:allocation")
            peer.wfile.write(head + struct.pack(">II", 1 if rnd.random() < 0.95 else number(rnd, 32), 0))
            if kind == 7:
                break
        while True:
            _, _, kind, cookie, offset, length = struct.unpack(">IHHQQI", peer.rfile.read(28))
            if kind == 1:
                peer.rfile.read(length)
            payload = {0: struct.pack(">Q", offset) + bytes(length),
                       7: struct.pack(">III", 1, rnd.choice([length, 4096, number(rnd, 32) | 4096]), rnd.choice([0, 3]))}.get(kind, b"")
            reply = {0: 1, 7: 5}.get(kind, 0)
            if rnd.random() < 0.1:
                payload, reply = noise(rnd), rnd.choice([0, 1, 2, 5, 0x8001, 0x8002, number(rnd, 16)])
            done = rnd.random() < 0.9
            peer.wfile.write(struct.pack(">IHHQI", 0x668E33EF, done, reply, cookie, len(payload)) + payload)
            if not done:
                peer.wfile.write(struct.pack(">IHHQI", 0x668E33EF, 1, 0, cookie, 0))

    with lying(lie) as port:
        where = f"nbd://127.0.0.1:{port}/"
        tool(IMG, "convert", "-f", "raw", "-O", "raw", where, os.path.join(folder, "to"))
        tool(IMG, "io", "-f", "raw", "-c", "read 0 64k", "-c", "write 1k 64k", "-c", "write -z 0 1M", "-c", "discard 0 1M",
             "-c", "flush", "-c", "map", where)


def web_client(rng, folder):
    """A web server whose answers are wrong here and there."""
    seed = rng.random()
    data = bytes(SIZE)

    def lie(peer):
        rnd = type(rng)(seed)
        while True:
            lines = []
            while (line := peer.rfile.readline()) not in (b"\r\n", b""):
                lines.append(line)
            if not lines:
                return
            wanted = [line for line in lines if line.lower().startswith(b"range")]
            first, last = map(int, wanted[0].split(b"=")[1].split(b"-"))
            last = min(last, SIZE - 1)
            if rnd.random() < 0.15:
                first, last = rnd.choice(NUMBERS), rnd.choice(NUMBERS)
            total = SIZE if rnd.random() < 0.9 else rnd.choice(NUMBERS + ["*", "", "x" * 300])
            body = data[first:last + 1] if rnd.random() < 0.9 else noise(rnd, 5000)
            status = "206 Part" if rnd.random() < 0.9 else rnd.choice(["200 OK", "416 No", "500 No", "302 There", "x"])
            length = len(body) if rnd.random() < 0.95 else rnd.choice(NUMBERS)
            headers = [f"HTTP/1.1 {status}", f"Content-Range: bytes {first}-{last}/{total}", f"Content-Length: {length}"]
            if rnd.random() < 0.1:
                headers.insert(rnd.randrange(1, 4), noise(rnd).decode("latin-1"))
            if rnd.random() < 0.2:
                headers.append(f"ETag: {rnd.choice(['a', 'b', 'c' * 1000])}")
            peer.wfile.write("\r\n".join(headers).encode("latin-1") + b"\r\n\r\n" + body)
            if length != len(body):
                return

    with lying(lie) as port:
        tool(IMG, "convert", "--image-opts", "-O", "raw",
             f"driver=raw,file.driver=http,file.url=http://127.0.0.1:{port}/x,file.timeout=1,file.readahead=64k",
             os.path.join(folder, "to"))


IMG = os.path.abspath("rhea-img")
TARGETS = {"nbd-server": nbd_server, "nbd-client": nbd_client, "web-client": web_client}
