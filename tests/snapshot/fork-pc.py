#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a forked machine has of the first one's surroundings: devices that were plugged in come along, connections do not,
and options make others."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from forks import Forks, gone, until  # noqa: E402
from pc import pc  # noqa: E402
from saved import hmp  # noqa: E402

suite = tap.Suite()


def own_qmp(folder):
    return ["-S", "-qmp", f"unix:{folder}/qmp.{{n}},server=on,wait=off"]


def chardevs(q):
    return {c["label"]: c["filename"] for c in q.command("query-chardev")}


@suite.test
def plugged_in_later():
    with rhea.scratch() as folder:
        with pc("-S", "-usb", "-device", "virtio-serial-pci", qmp=True) as m, m.qmp() as q, Forks(q) as forks:
            q.exact("device_add", {"driver": "usb-kbd", "id": "keys"})
            q.exact("chardev-add", {"id": "c0", "backend": {"type": "ringbuf", "data": {}}})
            q.exact("device_add", {"driver": "virtserialport", "id": "port", "chardev": "c0"})
            forks.fork(*own_qmp(folder), count=2)
            for n in (1, 2):
                with rhea.Qmp(f"{folder}/qmp.{n}") as own:
                    ids = [d["name"] for d in own.exact("qom-list", {"path": "/machine/peripheral"})]
                    assert "keys" in ids and "port" in ids and "c0" in chardevs(own), (ids, chardevs(own))
                    own.exact("device_del", {"id": "port"})
            assert "port" in [d["name"] for d in q.exact("qom-list", {"path": "/machine/peripheral"})]


@suite.test
def connections_stay():
    """The first one's peers hear nothing of a fork, not even of its end; its sockets stay where they are."""
    with rhea.scratch() as folder:
        with pc("-S", "-chardev", f"socket,id=c0,path={folder}/c0,server=on,wait=off", "-device", "isa-serial,chardev=c0",
                "-vnc", f"unix:{folder}/vnc", "-gdb", f"unix:{folder}/gdb,server=on,wait=off", "-pidfile", f"{folder}/pid",
                qmp=True) as m, m.qmp() as q, Forks(q) as forks, socket.socket(socket.AF_UNIX) as peer, \
                socket.socket(socket.AF_UNIX) as viewer:
            peer.connect(f"{folder}/c0")
            viewer.connect(f"{folder}/vnc")
            viewer.settimeout(60)
            assert viewer.recv(12).startswith(b"RFB ")
            forks.fork(*own_qmp(folder))
            with rhea.Qmp(f"{folder}/qmp.1") as own:
                assert chardevs(own)["c0"] == "null" and "gdb" not in chardevs(own), chardevs(own)
                assert own.command("query-vnc")["enabled"] is False
                own.command("quit")
            until(lambda: gone(forks.pids[0]))
            assert chardevs(q)["c0"].startswith("unix:")
            for name in ("c0", "vnc", "gdb", "pid"):
                assert os.path.exists(f"{folder}/{name}"), name
            viewer.sendall(b"RFB 003.008\n")
            assert viewer.recv(1), "the viewer is connected still"
            peer.settimeout(0.01)
            try:
                assert peer.recv(1), "the peer was hung up on"
            except TimeoutError:
                pass


@suite.test
def new_surroundings():
    """Character devices, ports that are forwarded, VNC, the debugger, logs and more serial ports."""
    with rhea.scratch() as folder:
        with pc("-S", "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{rhea.free_port()}-:22", "-device", "e1000,netdev=n0",
                "-serial", "null", "-chardev", "null,id=c0", "-device", "isa-serial,index=2,chardev=c0", qmp=True) as m, \
                m.qmp() as q, Forks(q) as forks:
            port = rhea.free_port()
            forks.fork(*own_qmp(folder), "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:22", "-chardev",
                       f"socket,id=c0,path={folder}/c0.{{n}},server=on,wait=off", "-serial", f"file:{folder}/s0.{{n}}", "-serial",
                       f"file:{folder}/s1.{{n}}", "-vnc", f"unix:{folder}/vnc.{{n}}", "-gdb",
                       f"unix:{folder}/gdb.{{n}},server=on,wait=off", "-D", f"{folder}/log.{{n}}", "-name", "fork-{n}")
            with rhea.Qmp(f"{folder}/qmp.1") as own:
                found = chardevs(own)
                assert found["c0"] == f"disconnected:unix:{folder}/c0.1,server=on", found
                assert own.command("query-name") == {"name": "fork-1"}
                assert str(port) in hmp(own, "info network")
            for name in ("c0.1", "s0.1", "s1.1", "vnc.1", "gdb.1", "log.1"):
                assert os.path.exists(f"{folder}/{name}"), name
            with socket.create_connection(("127.0.0.1", port), 60):
                pass


@suite.test
def forks_of_forks():
    with rhea.scratch() as folder:
        with pc("-S", qmp=True) as m, m.qmp() as q, Forks(q) as forks:
            forks.fork(*own_qmp(folder))
            with rhea.Qmp(f"{folder}/qmp.1") as child, Forks(child) as grand:
                assert grand.fork("-S", "-qmp", f"unix:{folder}/grand.{{n}},server=on,wait=off") == [1]
                with rhea.Qmp(f"{folder}/grand.1") as own:
                    own.command("cont")
                    assert own.command("query-status")["status"] == "running"
                child.command("quit")
                until(lambda: gone(forks.pids[0]) and gone(grand.pids[0]))
            assert q.command("query-status")["status"] == "prelaunch"


@suite.test
def refusals():
    with rhea.scratch() as folder:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.write(bytes(1 << 20))
        with pc("-S", "-drive", f"file={disk},format=raw,if=none,id=d0", "-device", "virtio-blk-pci,drive=d0", qmp=True) as m, \
                m.qmp() as q:
            for arguments, reason in (({"count": 0}, "from 1 to 256"), ({"count": 257}, "from 1 to 256"),
                                      ({"options": ["-drive", "file=x"]}, "'-drive' is no option for"),
                                      ({"overlay": "/no/such/folder/{n}"}, "disk 'd0': "),
                                      ({"count": 3, "options": ["-S", "-gdb", f"tcp:127.0.0.1:{rhea.free_port()}"]}, "cannot listen"),
                                      ({"options": ["-qmp", "unix:/no/such/folder/q,server=on"]}, "fork 1: ")):
                try:
                    q.command("x-fork", **arguments)
                    raise AssertionError(f"{arguments}: it is not refused") from None
                except AssertionError as e:
                    assert reason in str(e), (arguments, e)
                assert q.command("query-block")[0]["inserted"]["file"] == disk, "the disk is what it was"
                assert os.listdir(folder) == ["disk"], os.listdir(folder)
                with open(f"/proc/{m.process.pid}/task/{m.process.pid}/children", encoding="ascii") as f:
                    assert not f.read().strip(), "one that was ready has gone with the others"
            q.command("nbd-server-start", addr={"type": "unix", "data": {"path": f"{folder}/nbd"}})
            assert "the NBD server has connections of its own" in hmp(q, "fork")
            q.command("nbd-server-stop")
            q.command("drive-mirror", device="d0", target=f"{folder}/copy", sync="full", format="raw")
            assert "is under way" in hmp(q, "fork")


if __name__ == "__main__":
    sys.exit(suite.run())
