#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""QMP commands that change what the machine is connected to: chardevs, descriptors, networks, disks,
objects; and memory that is saved to files."""

import array
import json
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
RAM = 0x80000000


def machine(*args):
    return rhea.Machine("-S", "-bios", "none", *args, qmp=True, memory="32M")


def fails(q, name, message, /, **arguments):
    try:
        q.command(name, **arguments)
    except AssertionError as e:
        assert message in str(e), e
        return
    raise AssertionError(f"{name} {arguments} is accepted")


def with_fd(q, fd, name, **arguments):
    """Sends a command with a descriptor; its answer."""
    text = json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n"
    q.sock.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    return json.loads(q.file.readline())["return"]


def labels(q):
    return {c["label"] for c in q.command("query-chardev")}


@suite.test
def chardevs_come_and_go():
    with rhea.scratch() as folder, machine() as m, m.qmp() as q:
        path, out = os.path.join(folder, "s"), os.path.join(folder, "out")
        for id_, backend in (
                ("n", {"type": "null", "data": {}}),
                ("r", {"type": "ringbuf", "data": {"size": 16}}),
                ("f", {"type": "file", "data": {"out": out, "append": True}}),
                ("s", {"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": path}}}}),
                ("t", {"type": "socket", "data": {"addr": {"type": "inet", "data": {
                    "host": "127.0.0.1", "port": str(rhea.free_port())}}, "server": True,
                    "wait": False, "telnet": True}})):
            assert q.command("chardev-add", id=id_, backend=backend) == {}
            fails(q, "chardev-add", "taken", id=id_, backend=backend)
        pty = q.command("chardev-add", id="p", backend={"type": "pty", "data": {}})["pty"]
        assert os.path.exists(pty)
        assert {"n", "r", "f", "s", "t", "p"} <= labels(q)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)                             # a server, and it does not wait
        q.command("ringbuf-write", device="r", data="hello")
        assert q.command("ringbuf-read", device="r", size=3) == "hel"
        q.command("ringbuf-write", device="r", data="AAEC", format="base64")
        assert q.command("ringbuf-read", device="r", size=9, format="base64") == "bG8AAQI="
        fails(q, "ringbuf-write", "not a ringbuf", device="n", data="x")
        fails(q, "chardev-send-break", "does not exist", id="q")
        fails(q, "chardev-remove", "in use", id="serial0")
        for id_ in "nrfstp":
            q.command("chardev-remove", id=id_)
        assert not labels(q) & set("nrfstp")
        assert os.path.exists(out) and not os.path.exists(path)


@suite.test
def descriptors_are_handed_over():
    with rhea.scratch() as folder, machine() as m, m.qmp() as q:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        fails(q, "add-fd", "No file descriptor supplied")
        with open(image, "rb") as f:
            first = with_fd(q, f.fileno(), "add-fd", opaque="reader")
        with open(image, "r+b") as f:
            second = with_fd(q, f.fileno(), "add-fd", **{"fdset-id": first["fdset-id"]})
        sets = q.command("query-fdsets")
        assert len(sets) == 1 and [x["fd"] for x in sets[0]["fds"]] == [first["fd"], second["fd"]]
        assert sets[0]["fds"][0]["opaque"] == "reader"
        name = f"/dev/fdset/{first['fdset-id']}"
        q.command("blockdev-add", driver="file", **{"node-name": "n", "filename": name})
        node = q.command("query-named-block-nodes")[0]
        assert node["image"]["virtual-size"] == 1 << 20 and node["ro"] is False, node
        q.command("remove-fd", **{"fdset-id": first["fdset-id"], "fd": second["fd"]})
        fails(q, "blockdev-add", "Permission denied", driver="file", **{"node-name": "o", "filename": name})
        q.command("blockdev-del", **{"node-name": "n"})
        fails(q, "blockdev-del", "Failed to find node", **{"node-name": "n"})
        q.command("blockdev-add", driver="file",
                  **{"node-name": "o", "filename": name, "read-only": True})
        q.command("remove-fd", **{"fdset-id": first["fdset-id"]})
        assert q.command("query-fdsets") == []
        fails(q, "remove-fd", "not found", **{"fdset-id": 7})
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with_fd(q, theirs.fileno(), "getfd", fdname="peer")
            q.command("chardev-add", id="c", backend={"type": "socket", "data": {
                "addr": {"type": "fd", "data": {"str": "peer"}}, "server": False}})
            q.command("human-monitor-command", **{"command-line": "info status"})
            fails(q, "closefd", "'peer' not found", fdname="peer")
            with_fd(q, theirs.fileno(), "getfd", fdname="again")
            q.command("closefd", fdname="again")
            fails(q, "closefd", "not found", fdname="again")


@suite.test
def a_drive_goes_on_in_a_new_image():
    with rhea.scratch() as folder:
        base, top = os.path.join(folder, "base"), os.path.join(folder, "top")
        with open(base, "wb") as f:
            f.truncate(1 << 20)
        with machine("-drive", f"file={base},format=raw,if=none,id=d") as m, m.qmp() as q:
            fails(q, "blockdev-snapshot-sync", "is needed", **{"snapshot-file": top})
            fails(q, "blockdev-snapshot-sync", "Cannot find", device="e", **{"snapshot-file": top})
            q.command("blockdev-snapshot-sync", device="d", **{"snapshot-file": top})
            inserted = q.command("query-block")[0]["inserted"]
            assert inserted["drv"] == "qcow2" and inserted["file"] == top, inserted
            assert inserted["backing_file"] == base, inserted
            assert inserted["backing_file_depth"] == 1, inserted
        with open(top, "rb") as f:
            assert base.encode() in f.read(65536)


@suite.test
def descriptors_of_the_command_line():
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        with open(image, "r+b") as f:
            argv = [rhea.emulator(), "-M", "virt", "-S", "-display", "none", "-bios", "none", "-monitor",
                    "stdio", "-serial", "none", "-add-fd", f"fd={f.fileno()},set=2,opaque=x", "-drive",
                    "file=/dev/fdset/2,format=raw,if=none,id=d"]
            done = subprocess.run(argv, input="info block\nquit\n", text=True, timeout=20, check=False,
                                  capture_output=True, pass_fds=[f.fileno()])
        assert done.returncode == 0 and "/dev/fdset/2" in done.stdout, done
        for args, message in ((["-add-fd", "fd=77,set=1"], "Bad file descriptor"),
                              (["-add-fd", "fd=5"], "set= is missing"),
                              (["-add-fd", "set=5"], "fd= is missing"),
                              (["-add-fd", "fd=1,set=1"], "standard input"),
                              (["-add-fd", "fd=5,set=1,opauqe=x"], "did you mean 'opaque'"),
                              (["-drive", "file=/dev/fdset/9,format=raw"], "No such file")):
            done = subprocess.run([rhea.emulator(), "-M", "virt", "-display", "none", "-bios", "none",
                                   *args], text=True, capture_output=True, timeout=20, check=False)
            assert done.returncode == 1 and message in done.stderr, (args, done.stderr)


@suite.test
def networks_come_and_go():
    port = rhea.free_port()
    with machine("-netdev", "user,id=n,restrict=on", "-device", "virtio-net-device,netdev=n,id=card") as m, \
            m.qmp() as q:
        q.command("netdev_add", type="user", id="u", restrict=False, net="10.9.0.0/24",
                  hostfwd=[{"str": f"tcp:127.0.0.1:{port}-:80"}, {"str": "udp:127.0.0.1:0-:81"}])
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass
        info = q.command("human-monitor-command", **{"command-line": "info network"})
        assert "net=10.9.0.0/24" in info, info
        fails(q, "netdev_add", "in use", type="user", id="u")
        fails(q, "netdev_add", "is not an IPv4 address", type="user", id="v", dns="x")
        q.command("netdev_del", id="u")
        fails(q, "netdev_del", "not found", id="u")
        for name in ("card", "n"):
            q.command("set_link", name=name, up=False)
            info = q.command("human-monitor-command", **{"command-line": "info network"})
            assert "link=off" in info, info
            q.command("set_link", name=name, up=True)
        fails(q, "set_link", "not found", name="nobody", up=True)
        q.command("announce-self", initial=1, max=2, rounds=3, step=1)
        fails(q, "announce-self", "'rounds' expects", initial=1, max=2, rounds=0, step=1)
        time.sleep(0.05)
        q.command("netdev_del", id="n")
        assert q.command("query-status")["status"] == "prelaunch"


@suite.test
def objects_come_and_go():
    with machine() as m, m.qmp() as q:
        q.command("object-add", id="r0", **{"qom-type": "rng-random", "filename": "/dev/urandom"})
        assert "r0" in {c["name"] for c in q.command("qom-list", path="/objects")}
        assert q.command("qom-get", path="/objects/r0", property="filename") == "/dev/urandom"
        fails(q, "object-add", "taken", id="r0", **{"qom-type": "rng-random"})
        q.command("object-del", id="r0")
        fails(q, "object-del", "not found", id="r0")
        q.command("object-add", id="ram", size=1 << 20, **{"qom-type": "memory-backend-ram"})
        memdev = q.command("query-memdev")
        assert memdev == [{"id": "ram", "size": 1 << 20, "share": False, "prealloc": False}], memdev


@suite.test
def memory_is_saved():
    with rhea.scratch() as folder, machine("-kernel", rhea.OWN_GUEST) as m, m.qmp() as q:
        path = os.path.join(folder, "memory")
        dump = q.command("human-monitor-command", **{"command-line": f"xp /4xb {RAM}"})
        expected = bytes(int(x, 16) for x in re.findall(r"0x(\w\w)\b", dump.split(":", 1)[1]))
        q.command("pmemsave", val=RAM, size=100001, filename=path)
        with open(path, "rb") as f:
            data = f.read()
        assert len(data) == 100001 and data[:4] == expected != bytes(4), dump
        q.command("memsave", val=RAM + 5, size=4095, filename=path)
        with open(path, "rb") as f:
            assert f.read() == data[5:4100], "addresses are physical after a reset"
        fails(q, "pmemsave", "Cannot access memory at 0x82000000", val=RAM + (32 << 20) - 16, size=32,
              filename=path)
        fails(q, "pmemsave", "cannot open", val=RAM, size=1, filename="/no/such/file")
        fails(q, "memsave", "cpu-index", val=RAM, size=1, filename=path, **{"cpu-index": 5})
        text = q.command("human-monitor-command", **{"command-line": f"pmemsave {RAM} 4k {path}"})
        assert text == "" and os.path.getsize(path) == 4096
        text = q.command("human-monitor-command", **{"command-line": f"memsave {RAM} 16"})
        assert "needed" in text, text


@suite.test
def disks_are_described():
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(3 << 20)
        with machine("-drive", f"file={image},format=raw,if=none,id=d,cache=unsafe", "-device",
                     "virtio-blk-device,drive=d,id=blk") as m, m.qmp() as q:
            drive = q.command("query-block")[0]
            assert drive["device"] == "d" and drive["qdev"] == "blk", drive
            inserted = drive["inserted"]
            assert inserted["file"] == image and inserted["image"]["virtual-size"] == 3 << 20
            assert inserted["cache"] == {"writeback": True, "direct": False, "no-flush": True}
            stats = q.command("query-blockstats")[0]["stats"]
            assert stats["rd_bytes"] == stats["wr_bytes"] == 0, stats


if __name__ == "__main__":
    sys.exit(suite.run())
