#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Disks of a running machine that NBD clients read and write: QMP and HMP commands, and what a drive's other
users see of them."""
import os
import sys
import threading

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import nbdpeer as nbd
import rhea
from images import KIB, MIB, Workdir, img
from nbdpeer import Client, Gone, wait_for
from tap import Skip, Suite

suite = Suite()


class Exporter:
    """A machine that stands still, with a disk d and a node n, and a server at self.socket."""

    def __init__(self, w):
        self.w, self.socket = w, w.file("s")
        for name in "disk", "node":
            img("create", "-q", "-f", "qcow2", w.file(name), "8M")
            img("io", "-c", "write -P 1 1M 1M", w.file(name))
        self.m = rhea.Machine("-bios", "none", "-S", "-drive", f"file={w.file('disk')},format=qcow2,if=none,id=d",
                              "-device", "virtio-blk-device,drive=d", "-blockdev",
                              f"driver=qcow2,node-name=n,file.driver=file,file.filename={w.file('node')}", qmp=True)

    def __enter__(self):
        self.m.__enter__()
        self.q = self.m.qmp()
        self.q.__enter__()
        return self

    def __exit__(self, *what):
        self.q.__exit__(*what)
        self.m.__exit__(*what)

    def start(self, **more):
        self.q.command("nbd-server-start", addr={"type": "unix", "data": {"path": self.socket}}, **more)

    def add(self, node="n", export="e", **more):
        self.q.command("block-export-add", type="nbd", id=export, node_name=node, **more)

    def refused(self, part, command, **arguments):
        try:
            self.q.command(command, **arguments)
        except AssertionError as e:
            assert part in str(e), e
        else:
            raise AssertionError(f"{command} {arguments} is not refused")

    def hmp(self, line):
        return self.q.command("human-monitor-command", command_line=line)


def ends(client):
    """The server hangs up."""
    try:
        while True:
            client.take(1)
    except Gone:
        client.close()


@suite.test
def reads_and_writes():
    with Workdir() as w, Exporter(w) as e:
        e.refused("not running", "block-export-add", type="nbd", id="e", node_name="n")
        e.start()
        e.refused("already running", "nbd-server-start", addr={"type": "unix", "data": {"path": e.socket}})
        e.add(writable=True, name="the node", description="of a test")
        c = Client(e.socket)
        size, flags = c.go(b"the node")
        assert size == 8 * MIB and not flags & 2 and flags & 0x100
        c.send(nbd.READ, 0, 8 * MIB)
        chunks = c.chunks()
        assert [(kind, len(data)) for kind, data in chunks] == [(2, 12), (1, 8 + MIB), (2, 12), (0, 0)], chunks
        for at in range(0, MIB, 64 * KIB):
            c.send(nbd.WRITE, 4 * MIB + at, 64 * KIB, b"w" * 64 * KIB)
        answered = [c.chunks() for _ in range(16)]
        assert answered == [[(0, b"")]] * 16
        assert c.error(nbd.WRITE_ZEROES, MIB, 64 * KIB, flags=nbd.FUA) == 0
        assert c.error(nbd.TRIM, 0, 64 * KIB) == 0 and c.error(nbd.FLUSH) == 0
        c.send(nbd.BLOCK_STATUS, 0, 8 * MIB)
        assert len(c.chunks()[0][1]) == 4 + 8 * 5
        exports = e.q.command("query-block-exports")
        assert exports == [{"id": "e", "type": "nbd", "node-name": "n", "shutting-down": False}], exports
        assert [d["device"] for d in e.q.command("query-block")] == ["d"]
        e.refused("still in use", "block-export-del", id="e")
        e.refused("in use", "blockdev-del", node_name="n")
        c.send(nbd.DISC)
        ends(c)
        e.q.command("block-export-del", id="e", mode="hard")
        assert e.q.wait_event("BLOCK_EXPORT_DELETED")["data"] == {"id": "e"}
        e.q.command("blockdev-del", node_name="n")
        e.q.command("nbd-server-stop")
        assert not os.path.exists(e.socket)
        img("check", "-q", w.file("node"))
        img("io", "-c", f"read -P {ord('w')} 4M 1M", "-c", "read -P 0 1M 64k", "-c", "read -P 1 1088k 960k",
            w.file("node"))


@suite.test
def who_may_write():
    with Workdir() as w, Exporter(w) as e:
        e.start(max_connections=1)
        e.refused("node-name='x'", "block-export-add", type="nbd", id="e", node_name="x")
        e.refused("in use by", "block-export-add", type="nbd", id="e", node_name="d", writable=True)
        e.add("d")
        e.refused("already in use", "block-export-add", type="nbd", id="e", node_name="n")
        e.refused("already", "block-export-add", type="nbd", id="f", node_name="n", name="d")
        e.add("n", "g", writable=True)
        c = Client(e.socket)
        assert c.go(b"d")[1] & 2
        assert c.error(nbd.WRITE, 0, 4, b"data") == 1
        c.close()
        e.q.command("block-export-del", id="g")


@suite.test
def clients_do_not_keep_an_export():
    with Workdir() as w, Exporter(w) as e:
        e.start()
        e.add(writable=True)
        silent, stuck, busy = Client(e.socket), Client(e.socket), Client(e.socket)
        stuck.go(b"n", structured=False)
        stuck.s.setblocking(False)
        try:
            while True:
                stuck.send(nbd.READ, 0, MIB)
        except BlockingIOError:
            pass
        busy.go(b"n")

        def write():
            try:
                while True:
                    busy.error(nbd.WRITE, 0, 64 * KIB, b"b" * 64 * KIB)
            except (Gone, OSError):
                pass

        thread = threading.Thread(target=write)
        thread.start()
        e.q.command("block-export-del", id="e", mode="hard")
        assert e.q.command("query-block-exports") == []
        thread.join(60)
        assert not thread.is_alive()
        assert silent.ask(nbd.GO, silent.text(b"n") + b"\0\0")[-1][0] == nbd.ERR_UNKNOWN
        e.q.command("nbd-server-stop")
        ends(silent)
        e.start()                                        # once more, and the machine ends with clients
        e.add(writable=True)
        last = Client(e.socket)
        last.go(b"n")
        last.error(nbd.WRITE, 0, 4, b"last")
        e.q.command("quit")
        assert e.m.wait() == 0
        ends(last)
        img("check", "-q", w.file("node"))
        img("convert", "-O", "raw", w.file("node"), w.file("raw"))
        with open(w.file("raw"), "rb") as f:
            assert f.read(4) == b"last"


@suite.test
def bitmaps_of_what_was_written():
    with Workdir() as w, Exporter(w) as e:
        try:
            e.q.command("block-dirty-bitmap-add", node="n", name="b", granularity=65536)
        except AssertionError as error:
            if "CommandNotFound" in str(error):
                raise Skip("there are no bitmaps") from None
            raise
        e.start()
        e.refused("not found", "block-export-add", type="nbd", id="e", node_name="n", bitmaps=["c"])
        e.add(writable=True, bitmaps=["b"])
        e.refused("in use", "block-dirty-bitmap-remove", node="n", name="b")
        c = Client(e.socket)
        c.go(b"n", contexts=[b"base:allocation", b"qemu:dirty-bitmap:b"])
        assert c.extents(0, MIB)[2] == [(MIB, 0)]
        assert c.error(nbd.WRITE, 100 * KIB, 4, b"data") == 0
        assert c.extents(0, MIB) == {1: [(64 * KIB, 3), (64 * KIB, 0), (896 * KIB, 3)],
                                     2: [(64 * KIB, 0), (64 * KIB, 1), (896 * KIB, 0)]}
        e.q.command("block-export-del", id="e", mode="hard")
        e.q.command("block-dirty-bitmap-remove", node="n", name="b")


@suite.test
def follows_the_drive():
    with Workdir() as w, Exporter(w) as e:
        e.start()
        e.add("d")
        c = Client(e.socket)
        c.go(b"d")
        e.q.command("blockdev-snapshot-sync", device="d", snapshot_file=w.file("top"), format="qcow2")
        c.send(nbd.READ, MIB, 512)
        assert c.chunks()[0][1][8:] == b"\1" * 512


@suite.test
def by_hand():
    with Workdir() as w, Exporter(w) as e:
        assert "usage" in e.hmp("nbd_server_start nowhere")
        assert "usage" in e.hmp(f"nbd_server_start -w unix:{e.socket}")
        assert e.hmp(f"nbd_server_start unix:{e.socket}") == ""
        assert "usage" in e.hmp("nbd_server_add") and "usage" in e.hmp("nbd_server_remove")
        assert e.hmp("nbd_server_add -w n other") == ""
        assert "already" in e.hmp("nbd_server_add d other")
        c = Client(e.socket)
        c.go(b"other")
        assert c.error(nbd.WRITE, 0, 4, b"data") == 0
        assert "in use" in e.hmp("nbd_server_remove other")
        assert e.hmp("nbd_server_remove -f other") == ""
        ends(c)
        assert e.hmp("nbd_server_stop") == "" and "not running" in e.hmp("nbd_server_stop")
        assert e.hmp(f"nbd_server_start -a unix:{e.socket}") == ""
        c = Client(e.socket)
        assert c.go(b"d")[1] & 2
        e.q.command("nbd-server-stop")
        port = rhea.free_port()
        assert e.hmp(f"nbd_server_start 127.0.0.1:{port}") == ""
        wait_for(lambda: nbd.socket.create_connection(("127.0.0.1", port), 10).recv(8) == b"NBDMAGIC")


if __name__ == "__main__":
    sys.exit(suite.run())
