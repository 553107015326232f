# SPDX-License-Identifier: MIT
"""NBD by hand: a client that may lie, and servers as programs.  Spec: doc/proto.md of NetworkBlockDevice/nbd."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import time

NBD = os.path.abspath("rhea-nbd")
READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
FUA, NO_HOLE, DF, REQ_ONE = 1, 2, 4, 8
EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO, STRUCTURED, LIST_META, SET_META = 1, 2, 3, 5, 6, 7, 8, 9, 10
ACK, SERVER, REP_INFO, META_CONTEXT = 1, 2, 3, 4
ERR_UNSUP, ERR_POLICY, ERR_INVALID, ERR_UNKNOWN, ERR_TOO_BIG = (0x80000000 + n for n in (1, 2, 3, 6, 9))


class Gone(Exception):
    """The server has hung up."""


def connect(path, timeout=60):
    """A connection to a server that may be on the point of listening."""
    end = time.monotonic() + 60
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        try:
            s.connect(path)
            return s
        except ConnectionRefusedError:
            s.close()
            assert time.monotonic() < end
            time.sleep(0.01)


class Client:
    """One connection, message by message."""

    def __init__(self, path, flags=3, timeout=60):
        self.s = connect(path, timeout)
        assert self.take(16) == b"NBDMAGICIHAVEOPT"
        self.server_flags, = struct.unpack(">H", self.take(2))
        self.s.sendall(struct.pack(">I", flags))
        self.cookie = 0

    def close(self):
        self.s.close()

    def take(self, length):
        data = b""
        while len(data) < length:
            try:
                piece = self.s.recv(length - len(data))
            except ConnectionError as e:
                raise Gone from e
            if not piece:
                raise Gone
            data += piece
        return data

    # --- The handshake ---

    def option(self, number, data=b"", length=None):
        self.s.sendall(struct.pack(">QII", 0x49484156454F5054, number, len(data) if length is None else length) + data)

    def replies(self):
        """(type, data) until the last of an option's."""
        found = []
        while not found or found[-1][0] in (SERVER, REP_INFO, META_CONTEXT):
            magic, _, kind, length = struct.unpack(">QIII", self.take(20))
            assert magic == 0x3E889045565A9
            found.append((kind, self.take(length)))
        return found

    def ask(self, number, data=b""):
        self.option(number, data)
        return self.replies()

    @staticmethod
    def text(text):
        return struct.pack(">I", len(text)) + text

    def contexts(self, name, *queries, option=SET_META):
        """Asks for metadata contexts; (number, name) of each."""
        data = self.text(name) + struct.pack(">I", len(queries)) + b"".join(map(self.text, queries))
        replies = self.ask(option, data)
        assert replies[-1][0] == ACK, replies
        return [(struct.unpack(">I", data[:4])[0], data[4:]) for kind, data in replies if kind == META_CONTEXT]

    def go(self, name=b"", structured=True, contexts=(b"base:allocation",)):
        """Into the transmission; its flags and the size."""
        if structured:
            assert self.ask(STRUCTURED)[-1][0] == ACK
            assert [context for _, context in self.contexts(name, *contexts)] == list(contexts)
        replies = self.ask(GO, self.text(name) + b"\0\0")
        assert replies[-1][0] == ACK, replies
        info = [data for kind, data in replies if kind == REP_INFO and data[:2] == b"\0\0"][0]
        size, flags = struct.unpack(">QH", info[2:])
        return size, flags

    # --- Requests ---

    def send(self, kind, offset=0, length=0, data=b"", flags=0):
        self.cookie += 1
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, self.cookie, offset, length) + data)
        return self.cookie

    def simple(self, length=0):
        magic, error, cookie = struct.unpack(">IIQ", self.take(16))
        assert magic == 0x67446698, hex(magic)
        return error, cookie, b"" if error else self.take(length)

    def chunks(self):
        """(type, payload) of one request's answer; no other may be on the way."""
        found, done = [], False
        while not done:
            magic, flags, kind, _, length = struct.unpack(">IHHQI", self.take(20))
            assert magic == 0x668E33EF, hex(magic)
            found.append((kind, self.take(length)))
            done = flags & 1
        return found

    def extents(self, offset, length, flags=0):
        """{context: [(length, flags)]} of a range."""
        self.send(BLOCK_STATUS, offset, length, flags=flags)
        found = {}
        for kind, payload in self.chunks():
            assert kind == 5, (kind, payload)
            found[struct.unpack(">I", payload[:4])[0]] = list(struct.iter_unpack(">II", payload[4:]))
        return found

    def error(self, *request, **more):
        """The error that a request ends with, 0: none."""
        self.send(*request, **more)
        kind, payload = self.chunks()[-1]
        return struct.unpack(">I", payload[:4])[0] if kind & 0x8000 else 0


def listening(path):
    """Somebody listens at the socket: between bind() and listen() there is a file already."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
        return any(line.split()[-1] == path and line.split()[3] == "00010000" for line in f)


@contextlib.contextmanager
def serving(argv, path):
    """A server as a program that listens at the socket @path."""
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: listening(path) or process.poll() is not None)
        assert process.poll() is None, f"{argv}: status {process.returncode}"
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def rhea_nbd(path, image, *options):
    return serving([NBD, "-k", path, "-t", *options, image], path)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.01)


def program(name):
    return shutil.which(name)


def uri(path, export=""):
    return f"nbd+unix:///{export}?socket={path}"
