#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Virtio console ports: a backend that takes output slowly, and what is saved meanwhile."""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402
from virtio import bit  # noqa: E402

suite = tap.Suite()
MULTIPORT = 1
CHUNK = 256 << 10           # more than a socket's buffer takes at once
READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME = range(8)


class Port:
    """A console whose backend is a socket that nobody reads until read_all()."""

    def __init__(self, q, path):
        self.q, self.memory = q, virtio.Memory(q)
        self.d = virtio.Mmio(q, self.memory, virtio.CONSOLE)
        self.d.start(bit(virtio.RING_RESET))
        self.rx, self.tx = self.d.queue(0), self.d.queue(1)
        self.d.ready()
        self.connect(path)

    def connect(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.q.raw("readl 0x80000000")  # the connection is taken between two lines

    def send(self, byte, length=CHUNK):
        addr = self.memory.take(length)
        self.q.command("memset", addr, hex(length), hex(byte))
        self.tx.add([(addr, length)], [])

    def read(self, length):
        data = b""
        while len(data) < length:
            part = self.sock.recv(65536)
            assert part, f"closed after {len(data)} bytes"
            data += part
        return data

    def read_rest(self):
        """What comes until nothing does for a moment."""
        data = b""
        self.sock.settimeout(0.5)
        try:
            while True:
                data += self.sock.recv(65536)
        except TimeoutError:
            self.sock.settimeout(20)
            return data


def port(folder):
    path = os.path.join(folder, "s")
    return path, Qtest("-chardev", f"socket,id=c,path={path},server=on,wait=off", "-device",
                       "virtio-serial-device", "-device", "virtconsole,chardev=c")


@suite.test
def slow_backend_holds_the_queue():
    with rhea.scratch() as folder:
        path, machine = port(folder)
        with machine as q:
            p = Port(q, path)
            for i in range(3):
                p.send(0x41 + i)
            assert p.tx.used_index() == 0, "nothing is taken as a whole"
            data = p.read(3 * CHUNK)
            assert data == b"A" * CHUNK + b"B" * CHUNK + b"C" * CHUNK
            assert [p.tx.wait()[0] for _ in range(3)] == [0, 1, 2]


@suite.test
def chain_in_hand_is_saved_as_not_taken():
    """After a load the chain that was sent in part is sent from its start, and answered once."""
    with rhea.scratch() as folder:
        path, machine = port(folder)
        with machine as q:
            p = Port(q, path)
            p.send(0x41)
            p.send(0x42)
            assert p.tx.used_index() == 0
            q.command("rhea_snapshot")              # saves, loads, saves: all three agree
            q.command("rhea_snapshot")
            head = p.read(2 * CHUNK)
            data = head + p.read_rest()
            assert data.endswith(b"A" * CHUNK + b"B" * CHUNK), "both are whole at the end"
            assert data[:-2 * CHUNK].strip(b"A") == b"", "before them only what had gone already"
            assert len(data) > 2 * CHUNK, "the part that had gone comes again"
            assert [p.tx.wait()[0] for _ in range(2)] == [0, 1]
            assert p.tx.used() is None, "each is answered once"
            p.send(0x43, 5)
            assert p.read(5) == b"CCCCC" and p.tx.wait()[0] == 2


@suite.test
def chain_in_hand_goes_with_its_queue():
    """A queue, or the device, that is reset while a chain waits for its backend starts afresh."""
    with rhea.scratch() as folder:
        path, machine = port(folder)
        with machine as q:
            p = Port(q, path)
            p.send(0x41)
            p.d.reset_queue(1)
            p.tx = p.d.queue(1)
            p.read_rest()
            assert p.tx.used_index() == 0, "the old chain is not answered in the new queue"
            p.send(0x42, 4)
            assert p.read(4) == b"BBBB" and p.tx.wait() == (0, 0)
            p.send(0x43)
            q.command("system_reset")
            p.read_rest()
            q.command("rhea_snapshot")


@suite.test
def chain_in_hand_goes_with_its_peer():
    """A driver does not wait for a peer that has left; the next one does not get the rest."""
    with rhea.scratch() as folder:
        path, machine = port(folder)
        with machine as q:
            p = Port(q, path)
            p.send(0x41)
            p.send(0x42)
            assert p.tx.used_index() == 0
            p.sock.close()
            assert [p.tx.wait()[0] for _ in range(2)] == [0, 1]
            p.connect(path)
            p.send(0x43, 5)
            assert p.read(5) == b"CCCCC" and p.tx.wait()[0] == 2


@suite.test
def named_ports():
    """The control queues: the driver learns of ports, their names, and of peers that come and go."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "s")
        with Qtest("-chardev", f"socket,id=c,path={path},server=on,wait=off", "-device",
                   "virtio-serial-device", "-device", "virtserialport,chardev=c,name=org.rhea.test") as q:
            memory = virtio.Memory(q)
            d = virtio.Mmio(q, memory, virtio.CONSOLE)
            d.start(bit(MULTIPORT))
            queues = [d.queue(i) for i in range(6)]
            d.ready()
            into, out = queues[2], queues[3]
            at = {}
            for _ in range(8):
                addr = memory.take(64)
                at[into.add([], [(addr, 64)])] = addr

            def hear():
                got = into.wait()
                data = memory.get(at[got[0]], got[1])
                return struct.unpack("<IHH", data[:8]) + (data[8:],)

            def say(number, event, value):
                out.add([(memory.put(struct.pack("<IHH", number, event, value)), 8)], [])
                assert out.wait()

            say(0, READY, 1)
            assert hear() == (1, ADD, 1, b"")
            say(1, PORT_READY, 1)
            assert hear() == (1, NAME, 1, b"org.rhea.test")
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                assert hear() == (1, OPEN, 1, b"")
                say(1, OPEN, 1)
                addr = memory.take(64)
                queues[4].add([], [(addr, 64)])
                s.sendall(b"from the host")
                deadline = time.monotonic() + 20
                while not (got := queues[4].used()):
                    assert time.monotonic() < deadline
                assert memory.get(addr, got[1]) == b"from the host"
                queues[5].add([(memory.put(b"from the guest"), 14)], [])
                s.settimeout(20)
                assert s.recv(100) == b"from the guest"
                q.command("rhea_snapshot")
            assert hear() == (1, OPEN, 0, b"")
            say(7, OPEN, 1)                         # a port that does not exist
            say(1, 99, 1)
            assert d.get_status() & virtio.NEEDS_RESET == 0


if __name__ == "__main__":
    sys.exit(suite.run())
