#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 180
"""Wrong command lines and wrong input get a clear answer: the name, the value, status 1, no hang."""

import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()

BASE = ["-M", "virt", "-display", "none", "-monitor", "none", "-serial", "null"]


def refused(args, *fragments, base=None):
    """The emulator must end with status 1 and name every fragment on stderr, in a few lines."""
    argv = [rhea.emulator()] + (BASE if base is None else base) + [str(a) for a in args]
    try:
        done = subprocess.run(argv, text=True, capture_output=True, timeout=15, check=False,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"accepted: {' '.join(argv)}") from None
    text = done.stderr
    assert done.returncode == 1, f"status {done.returncode}: {' '.join(argv)}\n{text}"
    for fragment in fragments:
        assert fragment in text, f"{fragment!r} is not in the message of {' '.join(argv)}:\n{text}"
    assert len(text.splitlines()) <= 6, f"long-winded:\n{text}"


def add(name, args, *fragments, base=None):
    suite.add(name, lambda: refused(args, *fragments, base=base))


GUEST = ["-bios", "none", "-kernel", rhea.OWN_GUEST]

add("missing-kernel", ["-bios", "none", "-kernel", "/nonexistent/Image"], "/nonexistent/Image")
add("missing-firmware", ["-bios", "/nonexistent/bios.bin"], "/nonexistent/bios.bin")
add("missing-initrd", GUEST + ["-initrd", "/nonexistent/initrd"], "/nonexistent/initrd")
add("missing-device-tree", GUEST + ["-dtb", "/nonexistent/x.dtb"], "/nonexistent/x.dtb")
add("missing-disk", GUEST + ["-drive", "file=/nonexistent/disk,format=raw,if=none,id=d"],
    "/nonexistent/disk")
add("unknown-machine", ["-M", "virtt"], "virtt", base=[])
add("unknown-cpu", GUEST + ["-cpu", "rv65"], "rv65")
add("unknown-cpu-property", GUEST + ["-cpu", "rv64,zbz=on"], "zbz")
add("unknown-accel", GUEST + ["-accel", "tcgg"], "tcgg")
add("unknown-device", GUEST + ["-device", "virtio-blk-devise"], "virtio-blk-devise")
add("unknown-property", GUEST + ["-device", "virtio-rng-device,rngg=1"], "rngg")
add("unknown-drive", GUEST + ["-device", "virtio-blk-device,drive=nosuch"], "nosuch")
add("unknown-netdev", GUEST + ["-device", "virtio-net-device,netdev=nosuch"], "nosuch")
add("unknown-netdev-type", GUEST + ["-netdev", "userr,id=n"], "userr")
add("unknown-chardev-type", GUEST + ["-chardev", "stdioo,id=c"], "stdioo")
add("unknown-object", GUEST + ["-object", "rng-randon,id=r"], "rng-randon")
add("no-harts", GUEST + ["-smp", "0"], "0")
add("too-many-harts", GUEST + ["-smp", "100000"], "100000")
add("harts-not-a-number", GUEST + ["-smp", "two"], "two")
add("memory-not-a-size", GUEST + ["-m", "lots"], "lots")
add("memory-beyond-the-host", GUEST + ["-m", "4096T"])
add("unknown-option", ["-kernell", "x"], "-kernell")


def suggests(args, wrong, right):
    if not rhea.is_rhea():
        raise tap.Skip("suggestions are Rhea's own")
    refused(GUEST + args, wrong, right)


suite.add("suggests-option", suggests, ["-netdef", "user"], "-netdef", "-netdev")
suite.add("suggests-device", suggests, ["-device", "virtio-blk-devise"], "virtio-blk-devise",
          "virtio-blk-device")
suite.add("suggests-property", suggests, ["-device", "virtio-rng-device,rngg=1"], "rngg", "rng")


@suite.test
def truncated_elf_kernel():
    with rhea.scratch() as folder, open(rhea.OWN_GUEST, "rb") as f:
        path = os.path.join(folder, "cut.elf")
        data = f.read()
        with open(path, "wb") as out:
            out.write(data[:len(data) // 2])
        refused(["-bios", "none", "-kernel", path], path)


@suite.test
def device_tree_that_is_none():
    with rhea.scratch() as folder:
        path = os.path.join(folder, "garbage.dtb")
        with open(path, "wb") as out:
            out.write(b"not a device tree" * 100)
        refused(GUEST + ["-dtb", path], path)


@suite.test
def kernel_larger_than_memory():
    with rhea.scratch() as folder:
        path = os.path.join(folder, "huge")
        with open(path, "wb") as out:
            out.truncate(64 << 20)
        refused(["-m", "32M", "-bios", "none", "-kernel", path], path)


@suite.test
def port_in_use():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        refused(GUEST + ["-chardev", f"socket,id=c,host=127.0.0.1,port={port},server=on,wait=off"],
                "in use")
        refused(GUEST + ["-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80",
                         "-device", "virtio-net-device,netdev=n"], str(port))


@suite.test
def image_in_use_by_another_process():
    with rhea.scratch() as folder:
        path = os.path.join(folder, "disk")
        with open(path, "wb") as out:
            out.truncate(1 << 20)
        drive = ["-drive", f"file={path},format=raw,if=none,id=d", "-device",
                 "virtio-blk-device,drive=d"]
        with rhea.Machine(*GUEST, "-append", "idle", *drive) as m:
            m.expect("idle")
            refused(GUEST + drive, path, "lock")
        # Free again once the other is gone.
        with rhea.Machine(*GUEST, "-append", "hello", *drive) as m:
            assert m.wait(20) == 0


@suite.test
def failed_start_leaves_nothing():
    with rhea.scratch() as folder:
        pidfile, sock = os.path.join(folder, "pid"), os.path.join(folder, "qmp")
        refused(["-pidfile", pidfile, "-qmp", f"unix:{sock},server=on,wait=off", "-device",
                 "virtio-blk-device,drive=nosuch"] + GUEST, "nosuch")
        assert not os.path.exists(pidfile), "a pidfile is left"


@suite.test
def garbage_on_the_qmp_socket():
    with rhea.Machine(*GUEST, "-append", "idle", qmp=True) as m:
        m.expect("idle")
        time.sleep(0.1)
        for garbage in (b"\x00\xff\xfe garbage\n", b"[" * 100000 + b"\n", b'{"execute": 5}\n',
                        b'{"execute": "no-such-command"}\n', b"}}}}\n", b'"' + b"x" * 300000 + b'"\n'):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(10)
                s.connect(m.qmp_path)
                assert b"QMP" in s.recv(65536)
                s.sendall(garbage)
                assert b"error" in s.recv(65536), f"no error for {garbage[:30]!r}"
            assert m.process.poll() is None, f"ended by {garbage[:30]!r}"
        with m.qmp() as q:
            assert q.command("query-status")["running"] is True
            q.command("quit")
        assert m.wait(20) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
