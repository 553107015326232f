#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 180
"""Wrong command lines and wrong input get a clear answer: the name, the value, status 1, no hang."""

import gzip
import os
import re
import socket
import struct
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


# --- The exact line, for what users get wrong most -------------------------------------------

def says(line, args):
    """The line (a regular expression) is all that is said, after the program's name; status 1."""
    if not rhea.is_rhea():
        raise tap.Skip("the words are Rhea's own")
    argv = [rhea.emulator()] + BASE + [str(a) for a in args]
    done = subprocess.run(argv, text=True, capture_output=True, timeout=15, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1, f"status {done.returncode}: {' '.join(argv)}\n{done.stderr}"
    expected = re.escape(os.path.basename(rhea.emulator())) + ": " + line + "\n"
    assert re.fullmatch(expected, done.stderr), f"{' '.join(argv)}\n{done.stderr}\nis not\n{line}"


for _name, _line, _args in (
        ("missing-kernel", r"-kernel '/no/Image': cannot open: No such file or directory",
         ["-bios", "none", "-kernel", "/no/Image"]),
        ("kernel-is-a-folder", r"-kernel '/tmp': not a regular file",
         ["-bios", "none", "-kernel", "/tmp"]),
        ("empty-kernel", r"-kernel '/dev/null': the file is empty", ["-kernel", "/dev/null"]),
        ("unknown-option", r"-kernell: invalid option; did you mean '-kernel'\? \(see -help\)",
         ["-kernell", "x"]),
        ("argument-missing", r"-kernel: requires an argument \(FILE\)", ["-kernel"]),
        ("unknown-device",
         r"-device: type 'virtio-blk-devise' is not known; did you mean 'virtio-blk-device'\?",
         GUEST + ["-device", "virtio-blk-devise"]),
        ("unknown-property",
         r"-device virtio-rng-device: virtio-rng-device: property 'rngg' is not known; "
         r"did you mean 'rng'\? \(accepted: .*\)", GUEST + ["-device", "virtio-rng-device,rngg=1"]),
        ("wrong-value", r"-device virtio-blk-device: virtio-blk-device: property 'discard' does not take "
         r"'maybe' \(accepted: on, off\)", GUEST + ["-device", "virtio-blk-device,discard=maybe"]),
        ("websocket-without-port", r"-vnc: beside unix: websocket= needs a port",
         ["-vnc", "unix:/no/vnc,websocket=on"]),
        ("websocket-not-a-port", r"-vnc: websocket: '70000' .*", ["-vnc", "unix:/tmp/rhea-test-vnc,websocket=70000"]),
        ("unknown-machine", r"-machine: type 'virtt' is not known; did you mean 'virt'\? "
         r"\(accepted: .*virt.*\)", ["-M", "virtt"]),
        ("no-harts", r"-smp: cpus=0: at least 1 is needed", GUEST + ["-smp", "0"]),
        ("too-many-harts", r"-smp: machine 'virt' has at most 512 CPUs, 513 are asked for",
         GUEST + ["-smp", "513"]),
        ("memory-beyond-the-host", r"-m: 67108864 MiB is more than this host can give "
         r"\(\d+ MiB of memory and swap\)", GUEST + ["-m", "64T"]),
        ("missing-disk", r"-drive: file: cannot open '/no/disk': No such file or directory",
         GUEST + ["-drive", "file=/no/disk,format=raw"]),
        ("misspelled-drive-option", r"-drive: option 'formt' is not known; did you mean 'format'\?",
         GUEST + ["-drive", f"file={rhea.OWN_GUEST},formt=raw,readonly=on"]),
        ("nothing-goes-with-none", r"-nic: option 'mac' is not known", GUEST + ["-nic", "none,mac=1"]),
        ("misspelled-card-option", r"-net: option 'modell' is not known; did you mean 'model'\? "
         r"\(accepted: model, macaddr\)", GUEST + ["-net", "nic,modell=virtio"]),
        ("unwritable-device-tree", r"-machine: dumpdtb=/no/x: No such file or directory",
         ["-machine", "dumpdtb=/no/x"])):
    suite.add("says-" + _name, says, _line, _args)


@suite.test
def says_what_does_not_fit():
    with rhea.scratch() as folder:
        huge, dtb, cut = (os.path.join(folder, n) for n in ("huge", "dtb", "cut"))
        with open(huge, "wb") as f:
            f.truncate(64 << 20)
        says(rf"-kernel '{huge}': 67108864 bytes do not fit into the guest's memory \(-m\)",
             ["-m", "32M", "-kernel", huge])
        says(rf"-initrd '{huge}': 67108864 bytes do not fit into the guest's memory \(-m\)",
             GUEST + ["-m", "32M", "-initrd", huge])
        with open(dtb, "wb") as f:      # a header that promises much, and it is there
            f.write(struct.pack(">IIIIIIIIII", 0xd00dfeed, 64 << 20, 56, 48, 40, 17, 16, 0, 0, 8))
            f.truncate(64 << 20)
        says(rf"-dtb: '{dtb}' has 67108864 bytes; at most 1048576 fit", GUEST + ["-dtb", dtb])
        with open(dtb, "r+b") as f:
            f.truncate(4096)
        says(rf"-dtb: '{dtb}' is not a valid flattened device tree", GUEST + ["-dtb", dtb])
        with open(rhea.OWN_GUEST, "rb") as f:
            data = gzip.compress(f.read())
        with open(cut, "wb") as f:
            f.write(data[:-100])
        says(rf"-kernel '{cut}': the gzip data is damaged or truncated", ["-kernel", cut])
        # A Linux image is a PE program too: header, one section of 1 MiB from 4 KiB on.
        image = bytearray(8192)
        image[:2], image[0x3c:0x40], image[0x38:0x3c] = b"MZ", b"\x40\0\0\0", b"RSC\x05"
        image[0x40:0x58] = b"PE\0\0" + struct.pack("<HHIIIHH", 0x5064, 1, 0, 0, 0, 0, 0)
        image[0x58:0x80] = struct.pack("<8sIIIIIIHHI", b".text", 1 << 20, 4096, 1 << 20, 4096, 0, 0, 0, 0, 0)
        with open(cut, "wb") as f:
            f.write(image)
        says(rf"-kernel '{cut}': the file is truncated: it has 8192 bytes of 1052672", ["-kernel", cut])


@suite.test
def says_who_has_the_image():
    if not rhea.is_rhea():
        raise tap.Skip("the words are Rhea's own")
    with rhea.scratch() as folder:
        path = os.path.join(folder, "disk")
        with open(path, "wb") as out:
            out.truncate(1 << 20)
        drive = ["-drive", f"file={path},format=raw,if=none,id=d"]
        with rhea.Machine(*GUEST, "-append", "idle", *drive) as m:
            m.expect("idle")
            says(rf"-drive: file: image '{path}' is locked by process {m.process.pid} \(rhea-system-\w+\)",
                 GUEST + drive)
            says(rf"-drive: file: image '{path}' is locked by process {m.process.pid} \(rhea-system-\w+\)",
                 GUEST + ["-drive", drive[1] + ",read-only=on"])


@suite.test
def says_which_port_is_in_use():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        at = f"127.0.0.1:{s.getsockname()[1]}"
        for option in ("-gdb", "-qmp", "-serial", "-monitor"):
            says(rf"{option} tcp:{at},server=on,wait=off: character device: cannot listen on '{at}': "
                 r"Address already in use", GUEST + [option, f"tcp:{at},server=on,wait=off"])
        says(rf"-netdev user: hostfwd 'tcp:{at}-:80': cannot listen: Address already in use",
             GUEST + ["-netdev", f"user,id=n,hostfwd=tcp:{at}-:80"])


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
