#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Persistent bitmaps: what is written is recorded, by whichever program, and Debian's tools read ours."""
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import rhea
from images import HAVE_QEMU, IMG, KIB, MIB, QEMU_IO, Workdir, img, qemu_img, run
from tap import Skip, Suite

suite = Suite()
SIZE = 40 * MIB
QEMU_NBD = shutil.which("qemu-nbd")


def flags(path):
    data = json.loads(img("info", "--output=json", path))["format-specific"]["data"]
    if HAVE_QEMU:
        theirs = json.loads(qemu_img("info", "--output=json", path))["format-specific"]["data"]
        assert theirs.get("bitmaps") == data.get("bitmaps"), (theirs, data)
    return {b["name"]: b["flags"] for b in data.get("bitmaps", [])}


def check(path):
    img("check", "-q", path)
    if HAVE_QEMU:
        qemu_img("check", path)


def refused(*argv, reason):
    done = subprocess.run([IMG, *argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and reason in done.stderr, (argv, done)


def dirty(work, path, name, size=SIZE):
    """The bytes that are dirty, as Debian's NBD server says, in units of 4 KiB."""
    if not (HAVE_QEMU and QEMU_NBD):
        raise Skip("no qemu-nbd (Debian package qemu-utils)")
    sock = work.file("sock")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sock)
    server = subprocess.Popen([QEMU_NBD, "-r", "-f", "qcow2", "-B", name, "-k", sock, path])
    try:
        while not os.path.exists(sock):
            assert server.poll() is None
            time.sleep(0.01)
        found = json.loads(qemu_img("map", "--output=json", "--image-opts",
                                    "driver=nbd,server.type=unix,server.path=" + sock +
                                    f",x-dirty-bitmap=qemu:dirty-bitmap:{name}"))
    finally:
        server.terminate()
        server.wait(60)
    units = set()
    for part in found:
        if not part["data"]:
            units.update(range(part["start"] // 4096, (part["start"] + part["length"]) // 4096))
    return {u for u in units if u * 4096 < size}


class Model:
    """Which units of 4 KiB are dirty, for a granularity."""

    def __init__(self, granularity):
        self.step, self.units = granularity // 4096 or 1, set()

    def write(self, offset, length):
        first, last = offset // 4096 // self.step, (offset + length - 1) // 4096 // self.step
        self.units.update(range(first * self.step, min((last + 1) * self.step, SIZE // 4096)))


def random_writes(path, rng, models, tool):
    lines = []
    for _ in range(rng.randrange(1, 8)):
        length = rng.choice([512, 4096, 65536, 3 * MIB])
        offset = rng.randrange((SIZE - length) // 512) * 512
        lines.append(f"write -P {rng.randrange(256)} {offset} {length}" if rng.random() < 0.7 else
                     f"write -z {offset} {length}" if tool == QEMU_IO else f"zero {offset} {length}")
        for m in models:
            m.write(offset, length)
    run(*([QEMU_IO, "-f", "qcow2", path] if tool == QEMU_IO else [IMG, "io", path]),
        stdin="\n".join(lines) + "\n")


def records(seed):
    rng = random.Random(seed)
    with Workdir() as work:
        path = work.file("i")
        options = rng.choice(["cluster_size=64k", "cluster_size=512", "cluster_size=16k,extended_l2=on"])
        img("create", "-q", "-f", "qcow2", "-o", options, path, SIZE)
        fine, coarse = Model(4096), Model(1 << 20)
        img("bitmap", "--add", "-g", "4k", path, "fine")
        img("bitmap", "--add", "-g", "1M", path, "coarse")
        img("bitmap", "--add", "--disable", "-g", "4k", path, "off")
        for _ in range(6):
            random_writes(path, rng, [fine, coarse], rng.choice([IMG, QEMU_IO]) if HAVE_QEMU else IMG)
            check(path)
        assert flags(path) == {"fine": ["auto"], "coarse": ["auto"], "off": []}
        assert dirty(work, path, "fine") == fine.units
        assert dirty(work, path, "coarse") == coarse.units
        assert dirty(work, path, "off") == set()
        img("bitmap", "--merge", "fine", path, "off")
        img("bitmap", "--clear", path, "fine")
        assert dirty(work, path, "off") == fine.units and dirty(work, path, "fine") == set()
        img("bitmap", "--clear", "--merge", "coarse", path, "off")
        assert dirty(work, path, "off") == coarse.units
        check(path)


@suite.test
def between_images():
    with Workdir() as work:
        a, b = work.file("a"), work.file("b")
        for path, granularity in (a, "64k"), (b, "4k"):
            img("create", "-q", "-f", "qcow2", path, SIZE)
            img("bitmap", "--add", "-g", granularity, path, "one")
        img("io", "-c", "write 1M 4k", a)
        img("io", "-c", "write 3M 4k", b)
        img("bitmap", "--add", "--merge", "one", "-b", a, "-F", "qcow2", "-g", "8k", b, "both")
        img("bitmap", "--merge", "one", b, "both")
        img("create", "-q", "-f", "qcow2", work.file("small"), "1M")
        img("bitmap", "--add", work.file("small"), "one")
        refused("bitmap", "--merge", "one", "-b", work.file("small"), b, "both", reason="cannot be merged")
        check(b)
        assert dirty(work, b, "both") == set(range(256, 272)) | {768, 769}


@suite.test
def refusals():
    with Workdir() as work:
        path = work.file("i")
        img("create", "-q", "-f", "qcow2", "-o", "compat=v2", path, "1M")
        refused("bitmap", "--add", path, "b", reason="version 2")
        img("amend", "-o", "compat=v3", path)
        img("bitmap", "--add", path, "b")
        refused("bitmap", "--add", path, "b", reason="exists")
        refused("bitmap", "--remove", path, "c", reason="not found")
        refused("bitmap", "--clear", path, "c", reason="not found")
        refused("bitmap", "--add", "-g", "1000", path, "c", reason="ranularity")
        refused("bitmap", "--clear", "-g", "4k", path, "b", reason="--add")
        refused("bitmap", path, "b", reason="--add")
        refused("amend", "-o", "compat=v2", path, reason="bitmaps")
        img("create", "-q", "-f", "raw", work.file("raw"), "1M")
        refused("bitmap", "--add", "-f", "raw", work.file("raw"), "b", reason="raw images have no bitmaps")
        img("bitmap", "--remove", path, "b")
        img("amend", "-o", "compat=v2", path)
        check(path)


@suite.test
def not_closed():
    """A program that is killed leaves bitmaps that can only be removed."""
    with Workdir() as work:
        path = work.file("i")
        img("create", "-q", "-f", "qcow2", path, SIZE)
        img("bitmap", "--add", path, "b")
        with subprocess.Popen([IMG, "io", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            p.stdin.write(b"write 0 64k\nflush\nread 0 64k\n")
            p.stdin.flush()
            while "in-use" not in flags_shared(path):
                time.sleep(0.01)
            p.kill()
        assert flags(path) == {"b": ["in-use", "auto"]}
        for action in ["--clear"], ["--disable"], ["--merge", "b"]:
            refused("bitmap", *action, path, "b", reason="nconsistent")
        img("io", "-c", "write 1M 64k", path)
        assert flags(path) == {"b": ["in-use", "auto"]}
        refused("convert", "--bitmaps", "-O", "qcow2", path, work.file("o"), reason="bitmap 'b' is inconsistent")
        img("convert", "--bitmaps", "--skip-broken-bitmaps", "-O", "qcow2", path, work.file("o"))
        assert flags(work.file("o")) == {}
        img("bitmap", "--remove", path, "b")
        assert flags(path) == {}
        img("check", "-q", "-r", "all", path)
        check(path)


def flags_shared(path):
    return img("info", "-U", path)


@suite.test
def other_changes():
    """A disk that grows, shrinks or goes back to a snapshot."""
    with Workdir() as work:
        path = work.file("i")
        img("create", "-q", "-f", "qcow2", path, SIZE)
        img("bitmap", "--add", "-g", "4k", path, "b")
        img("snapshot", "-c", "s", path)
        img("resize", "-q", path, SIZE + 2 * MIB)
        check(path)
        img("resize", "-q", "--shrink", path, SIZE)
        img("bitmap", "--clear", path, "b")
        img("io", "-c", "write 1M 64k", path)
        check(path)
        assert dirty(work, path, "b") == set(range(256, 272))
        img("snapshot", "-a", "s", path)
        assert dirty(work, path, "b") == set(range(SIZE // (4 * KIB)))
        img("snapshot", "-d", "s", path)
        check(path)


@suite.test
def converted():
    """They go with the data, bit by bit and with their state; measure knows what they take."""
    with Workdir() as work:
        path, out, raw = work.file("i"), work.file("o"), work.file("raw")
        img("create", "-q", "-f", "qcow2", path, SIZE)
        img("bitmap", "--add", "-g", "4k", path, "on")
        img("io", "-c", "write 1M 20k", "-c", "write 30M 1M", path)
        img("bitmap", "--add", "--disable", path, "off")
        args = ("measure", "--output=json", "-O", "qcow2", path)
        ours = json.loads(img(*args))
        assert ours["bitmaps"] and (not HAVE_QEMU or ours == json.loads(qemu_img(*args))), ours
        img("convert", "--bitmaps", "-O", "qcow2", "-o", "cluster_size=4k", path, out)
        img("compare", "-q", path, out)
        check(out)
        assert flags(out) == flags(path) == {"on": ["auto"], "off": []}
        img("create", "-q", "-f", "raw", raw, SIZE)
        refused("convert", "--bitmaps", "-O", "raw", path, work.file("x"), reason="raw images have no bitmaps")
        refused("convert", "--bitmaps", "-O", "qcow2", "-f", "raw", raw, work.file("x"), reason="have no bitmaps")
        refused("convert", "--bitmaps", "-O", "qcow2", path, path, out, reason="one source")
        refused("convert", "--skip-broken-bitmaps", "-O", "qcow2", path, out, reason="goes with --bitmaps")
        for name in "on", "off":
            assert dirty(work, out, name) == dirty(work, path, name), name


@suite.test
def of_a_machine():
    """Made while it runs, kept from process to process; not where the image cannot."""
    with Workdir() as work:
        path, old = work.file("i"), work.file("old")
        img("create", "-q", "-f", "qcow2", path, SIZE)
        img("create", "-q", "-f", "qcow2", "-o", "compat=v2", old, SIZE)
        argv = ["-S", "-blockdev", f"qcow2,node-name=n,file.driver=file,file.filename={path}",
                "-blockdev", f"qcow2,node-name=o,file.driver=file,file.filename={old}"]
        with rhea.Machine(*argv, qmp=True) as m, m.qmp() as q:
            for name, persistent in ("kept", True), ("lost", False):
                q.command("block-dirty-bitmap-add", node="n", name=name, persistent=persistent)
            try:
                q.command("block-dirty-bitmap-add", node="o", name="b", persistent=True)
                raise AssertionError("version 2 kept a bitmap")
            except AssertionError as e:
                assert "version 2 has no bitmaps" in str(e), e
            q.command("quit")
            assert m.wait() == 0
        assert flags(path) == {"kept": ["auto"]}
        with rhea.Machine(*argv, qmp=True) as m, m.qmp() as q:
            node, = [n for n in q.command("query-named-block-nodes") if n["node-name"] == "n"]
            kept, = node["dirty-bitmaps"]
            assert kept["name"] == "kept" and kept["persistent"] and kept["recording"], kept
            assert "in-use" in flags_shared(path)
            q.command("quit")
            assert m.wait() == 0
        check(path)


for number in range(1, 5):
    suite.add(f"records-{number}", records, number)

if __name__ == "__main__":
    sys.exit(suite.run())
