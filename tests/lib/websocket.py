# SPDX-License-Identifier: MIT
"""A client of HTTP and of websockets (RFC 6455) for tests, on a Unix or a TCP socket."""

import base64
import hashlib
import os
import socket
import struct

CONTINUE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(Exception):
    """The peer has closed; the code that it gave, or None."""

    def __init__(self, code=None):
        super().__init__(f"the websocket was closed ({code})")
        self.code = code


def connect(at, timeout=60):
    """@at: the path of a Unix socket, or (host, port)."""
    if isinstance(at, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(at)                # blocks while many are waiting
        sock.settimeout(timeout)
        return sock
    return socket.create_connection(at, timeout)


def read_all(sock):
    data = b""
    while part := sock.recv(65536):
        data += part
    return data


def head_of(data):
    """Status and fields of an answer, and what follows."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), fields, body


def get(at, path, host="localhost", method="GET", fields=None):
    """One request of HTTP: status, fields, body."""
    text = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
    text += "".join(f"{n}: {v}\r\n" for n, v in (fields or {}).items()) + "\r\n"
    with connect(at) as sock:
        sock.sendall(text.encode("latin-1"))
        return head_of(read_all(sock))


def frame(opcode, payload=b"", fin=True, mask=b"\x12\x34\x56\x78"):
    head = bytes([fin << 7 | opcode])
    marked = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([marked | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack(">BH", marked | 126, len(payload))
    else:
        head += struct.pack(">BQ", marked | 127, len(payload))
    if not mask:
        return head + payload
    whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
    return head + mask + whole.to_bytes(len(payload), "big")


class Refused(Exception):
    """The answer was not a websocket; its status."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


class WebSocket:
    """Messages to and from; as a socket it is a stream of the bytes in its binary messages."""

    def __init__(self, at, path="/", host="localhost", origin=None, protocol=None, timeout=60):
        key = base64.b64encode(os.urandom(16))
        fields = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": key.decode(), "Origin": origin, "Sec-WebSocket-Protocol": protocol}
        self.sock = connect(at, timeout)
        self.sock.sendall(f"GET {path} HTTP/1.1\r\n".encode() + b"".join(
            f"{n}: {v}\r\n".encode() for n, v in fields.items() if v is not None) + b"\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(4096)
            if not part:
                raise Closed()
            data += part
        status, self.fields, self.data = head_of(data)
        if status != 101:
            self.sock.close()
            raise Refused(status)
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        assert self.fields["sec-websocket-accept"] == accept, self.fields
        self.stream = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def take(self, n):
        while len(self.data) < n:
            part = self.sock.recv(1 << 20)
            if not part:
                raise Closed()
            self.data += part
        data, self.data = self.data[:n], self.data[n:]
        return data

    def receive(self):
        """The next frame that is not a ping: (opcode, payload)."""
        first, length = self.take(2)
        assert first & 0x70 == 0 and first & 0x80, f"flags {first:#x}"
        assert not length & 0x80, "a server does not mask"
        if length == 126:
            length, = struct.unpack(">H", self.take(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.take(8))
        payload = self.take(length)
        if first & 15 == CLOSE:
            raise Closed(struct.unpack(">H", payload[:2])[0] if payload else None)
        return first & 15, payload

    def send(self, payload, opcode=BINARY):
        self.sock.sendall(frame(opcode, payload))

    # --- As a socket ---

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def recv(self, n):
        while not self.stream:
            try:
                self.stream = self.receive()[1]
            except Closed:
                return b""
        data, self.stream = self.stream[:n], self.stream[n:]
        return data

    def sendall(self, data):
        self.send(data)

    def close(self):
        self.sock.close()
