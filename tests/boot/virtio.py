#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""Virtio devices driven by Debian's kernel: console ports, balloon, several queues, legacy interfaces."""

import hashlib
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def linux(*args, append="", **kw):
    return rhea.Machine("-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"),
                        "-append", f"console=ttyS0 {append}".strip(), *args, memory="512M", **kw)


def ready(m):
    m.expect(r"rhea-guest: ready", 180)


def leave(m):
    m.send("exit\n")
    m.expect(r"reboot: Power down", 60)
    assert m.wait(30) == 0


def read_all(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(65536)
        assert part, f"closed after {len(data)} of {size} bytes"
        data += part
    return data


def client(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    return s


def ports(device):
    with rhea.scratch() as folder:
        port, console = os.path.join(folder, "port"), os.path.join(folder, "console")
        with linux("-device", device, "-chardev", f"socket,id=p,path={port},server=on,wait=off",
                   "-device", "virtserialport,chardev=p,name=org.rhea.port", "-chardev",
                   f"socket,id=c,path={console},server=on,wait=off", "-device",
                   "virtconsole,chardev=c") as m:
            ready(m)
            assert "org.rhea.port" in m.run("cat /sys/class/virtio-ports/vport0p1/name")
            with client(port) as s:
                s.sendall(b"hello\n")
                assert m.run("head -n 1 /dev/vport0p1") == "hello"
                m.run("echo from the guest > /dev/vport0p1")
                assert read_all(s, 15) == b"from the guest\n"
                # A megabyte there and back, faster than the guest reads it.
                data = os.urandom(1 << 20)
                threading.Thread(target=s.sendall, args=(data,), daemon=True).start()
                digest = m.run(f"head -c {len(data)} /dev/vport0p1 > /tmp/in; sha256sum /tmp/in", 120)
                assert digest.split()[0] == hashlib.sha256(data).hexdigest(), "other bytes arrived"
                m.send("cat /tmp/in > /dev/vport0p1\n")
                assert read_all(s, len(data)) == data, "other bytes came back"
            # A writer waits for a new peer (Linux has heard that the old one has gone).
            m.run("{ echo first > /dev/vport0p1 & }")
            with client(port) as s:
                assert read_all(s, 6) == b"first\n"
                m.run("wait; echo again > /dev/vport0p1")   # a port has one user at a time
                assert read_all(s, 6) == b"again\n"
            with client(console) as s:
                m.run("exec 3<>/dev/hvc0; stty raw -echo <&3; echo on hvc0 >&3")
                assert read_all(s, 8) == b"on hvc0\n"
                s.sendall(b"typed\n")
                assert m.run("head -n 1 <&3") == "typed"
            leave(m)


suite.add("console-ports-pci", ports, "virtio-serial-pci")
suite.add("console-ports-mmio", ports, "virtio-serial-device")


@suite.test
def ports_come_and_go():
    """Added and removed while the guest runs; it opens a port, and a monitor hears of it."""
    with linux("-device", "virtio-serial-pci,id=vs", qmp=True) as m, m.qmp() as q:
        ready(m)
        for name in ("first", "second"):
            q.command("chardev-add", id=name, backend={"type": "ringbuf", "data": {}})
            q.command("device_add", driver="virtserialport", id=name, bus="vs.0", chardev=name,
                      name=name)
            m.run("for i in $(seq 50); do [ -e /dev/vport0p1 ] && break; sleep 0.1; done")
            assert m.run("cat /sys/class/virtio-ports/vport0p1/name") == name
            m.run(f"echo this is {name} > /dev/vport0p1")
            assert q.command("ringbuf-read", device=name, size=100) == f"this is {name}\n"
            assert q.wait_event("VSERPORT_CHANGE")["data"] == {"id": name, "open": True}
            assert q.wait_event("VSERPORT_CHANGE")["data"] == {"id": name, "open": False}
            q.command("device_del", id=name)
            assert q.wait_event("DEVICE_DELETED")["data"]["device"] == name
            m.run("for i in $(seq 50); do [ -e /dev/vport0p1 ] || break; sleep 0.1; done")
            assert m.run("ls /dev | grep -c vport", status=None) == "0"
            q.command("chardev-remove", id=name)
        leave(m)


def total_kib(m):
    return int(m.run("sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"))


def resident_kib(m):
    with open(f"/proc/{m.process.pid}/status", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(("RssAnon", "RssShmem")))


def balloon(device):
    with linux("-device", device, qmp=True) as m, m.qmp() as q:
        ready(m)
        assert q.command("query-balloon") == {"actual": 512 << 20}
        before = total_kib(m)
        # Pages that the guest has used, and that the host therefore has given.
        m.run("dd if=/dev/zero of=/tmp/x bs=1M count=150 2>/dev/null; rm /tmp/x", 120)
        used = resident_kib(m)
        q.command("balloon", value=256 << 20)
        deadline = time.monotonic() + 60
        while q.command("query-balloon")["actual"] > 256 << 20:
            assert time.monotonic() < deadline, q.command("query-balloon")
            time.sleep(0.1)
        if "deflate-on-oom" not in device:      # then Linux counts the pages as the guest's
            assert before - total_kib(m) == 256 << 10, "the guest has 256 MiB less"
        assert used - resident_kib(m) > 64 << 10, f"{used - resident_kib(m)} KiB came back"
        q.command("balloon", value=512 << 20)
        deadline = time.monotonic() + 60
        while q.command("query-balloon")["actual"] < 512 << 20 or total_kib(m) < before:
            assert time.monotonic() < deadline, "it does not deflate"
            time.sleep(0.1)
        m.run("dd if=/dev/urandom of=/tmp/x bs=1M count=32 2>/dev/null; sha256sum /tmp/x", 120)
        leave(m)


suite.add("balloon-pci", balloon, "virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=on")
suite.add("balloon-mmio", balloon, "virtio-balloon-device")


def everything(blk, net, rng, extra, harts=1, check=None):
    """Disk, network and random device of one kind."""
    with rhea.scratch() as folder:
        image = rhea.copy_image("root-small.ext4", folder)
        with linux("-smp", harts, "-drive", f"file={image},format=raw,if=none,id=d0,snapshot=on",
                   "-device", f"{blk},drive=d0", "-netdev", f"user,id=n0,restrict=on,queues={harts}",
                   "-device", f"{net},netdev=n0", "-device", rng, *extra,
                   append="rhea.root=/dev/vda rhea.net") as m:
            ready(m)
            assert "Debian" in m.run("chroot /mnt /bin/cat /etc/os-release")
            m.run("dd if=/dev/urandom of=/mnt/root/data bs=64k count=64 2>/dev/null && sync", 180)
            first = m.run("sha256sum /mnt/root/data", 60)
            m.run("echo 3 > /proc/sys/vm/drop_caches")
            assert m.run("sha256sum /mnt/root/data", 60) == first
            assert "10.0.2.15" in m.run("ip addr show dev eth0")
            assert "virtio_rng" in m.run("cat /sys/class/misc/hw_random/rng_current")
            assert len(m.run("dd if=/dev/hwrng bs=32 count=1 2>/dev/null | od -An -tx1").split()) == 32
            if check:
                check(m)
            leave(m)


def no_version_1(m):
    """Feature bit 32 is at that place of the string; legacy drivers have not taken it."""
    for line in m.run("cat /sys/bus/virtio/devices/*/features").split():
        assert line[32] == "0", line


def queues(m):
    assert len(m.run("ls /sys/block/vda/mq").split()) == 4
    assert m.run("ls /sys/class/net/eth0/queues").split() == \
        [f"{d}-{n}" for d in ("rx", "tx") for n in range(4)]


suite.add("legacy-mmio", everything, "virtio-blk-device", "virtio-net-device", "virtio-rng-device",
          ["-global", "virtio-mmio.force-legacy=on"], 1, no_version_1)
suite.add("legacy-pci", everything, "virtio-blk-pci,disable-modern=on", "virtio-net-pci,disable-modern=on",
          "virtio-rng-pci,disable-modern=on", [], 1, no_version_1)
suite.add("non-transitional-pci", everything, "virtio-blk-pci-non-transitional",
          "virtio-net-pci-non-transitional", "virtio-rng-pci-non-transitional", [])
suite.add("several-queues", everything, "virtio-blk-pci,num-queues=4", "virtio-net-pci,mq=on",
          "virtio-rng-pci", [], 4, queues)


if __name__ == "__main__":
    sys.exit(suite.run())
