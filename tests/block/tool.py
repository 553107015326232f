#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""rhea-img: what it prints and does, beside Debian's qemu-img where that is installed."""
import json
import os
import random
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from images import HAVE_QEMU, IMG, KIB, MIB, Workdir, img, qemu_img
from tap import Skip, Suite

suite = Suite()


def need_qemu():
    if not HAVE_QEMU:
        raise Skip("no qemu-img (Debian package qemu-utils)")


def pattern(path, size, step=4096):
    """A raw file in which every other step is a hole."""
    with open(path, "wb") as f:
        for at in range(0, size, 2 * step):
            f.seek(at)
            f.write(bytes([1 + at // step % 255]) * step)
        f.truncate(size)
    return path


def same(a, fa, b, fb):
    img("compare", "-q", "-f", fa, "-F", fb, a, b)


@suite.test
def info_says_what_the_other_says():
    need_qemu()
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", "-o", "cluster_size=16k,extended_l2=on,refcount_bits=32",
            w.file("base"), "5M")
        img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", w.file("top"), "7M")
        img("snapshot", "-c", "first", w.file("top"))
        for name in "base", "top":
            ours = json.loads(img("info", "--output=json", w.file(name)))
            theirs = json.loads(qemu_img("info", "--output=json", w.file(name)))
            for answer in ours, theirs:
                answer.pop("children", None)
                for snapshot in answer.get("snapshots", []):
                    snapshot.pop("icount", None)
            assert ours == theirs, (ours, theirs)
        chain = json.loads(img("info", "--output=json", "--backing-chain", w.file("top")))
        assert [os.path.basename(i["filename"]) for i in chain] == ["top", "base"]


@suite.test
def map_says_what_the_other_says():
    need_qemu()
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("base"), "1M")
        img("io", "-c", "write 0 200k", w.file("base"))
        img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", w.file("top"), "2M")
        img("io", "-c", "write 512k 64k", "-c", "zero 64k 64k", "-c", "write 1900k 64k",
            w.file("top"))
        ours = json.loads(img("map", "--output=json", w.file("top")))
        theirs = json.loads(qemu_img("map", "--output=json", w.file("top")))
        for extent in ours + theirs:
            extent.pop("compressed", None)
        assert ours == theirs, (ours, theirs)


@suite.test
def check_finds_and_repairs():
    with Workdir() as w:
        path = w.file("i")
        img("create", "-q", "-f", "qcow2", path, "1M")
        img("io", "-c", "write 0 256k", path)
        good = json.loads(img("check", "--output=json", path))
        assert good["allocated-clusters"] == 4 and good["check-errors"] == 0, good
        with open(path, "r+b") as f:
            f.seek(2 * 65536 + 2 * 5)       # refcounts of clusters 5 and 6
            f.write(b"\0\0\0\3")
        bad = json.loads(img("check", "--output=json", path, ok=(2,)))
        assert bad["corruptions"] >= 1 and bad["leaks"] == 1, bad
        img("check", "-q", "-r", "all", path)
        again = json.loads(img("check", "--output=json", path))
        assert "corruptions" not in again and "leaks" not in again, again
        img("check", w.file("i"), "-f", "raw", ok=(63,))


@suite.test
def convert_between_formats():
    with Workdir() as w:
        raw = pattern(w.file("raw"), 3 * MIB + 512)
        kinds = [("qcow2", []), ("qcow2", ["-c"]), ("qcow2", ["-c", "-o", "compression_type=zstd"]),
                 ("qcow2", ["-c", "-o", "cluster_size=2M"]),
                 ("qcow2", ["-o", "cluster_size=1k,compat=v2"]), ("raw", ["-S", "0"])]
        for number, (fmt, options) in enumerate(kinds):
            to, back = w.file(f"to{number}"), w.file(f"back{number}")
            img("convert", "-f", "raw", "-O", fmt, *options, raw, to)
            same(raw, "raw", to, fmt)
            img("convert", "-f", fmt, "-O", "raw", to, back)
            with open(raw, "rb") as a, open(back, "rb") as b:
                assert a.read() == b.read(), (fmt, options)
            if HAVE_QEMU:
                qemu_img("compare", "-f", "raw", "-F", fmt, raw, to)
        assert os.stat(w.file("to1")).st_size < os.stat(w.file("to0")).st_size
        img("convert", "-f", "raw", "-O", "raw", raw, raw, w.file("twice"))
        assert os.stat(w.file("twice")).st_size == 2 * (3 * MIB + 512)


@suite.test
def convert_of_a_snapshot():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("i"), "1M")
        img("io", "-c", "write -P 1 0 1M", w.file("i"))
        img("snapshot", "-c", "then", w.file("i"))
        img("io", "-c", "write -P 2 100k 100k", w.file("i"))
        img("convert", "-l", "then", "-O", "raw", w.file("i"), w.file("then"))
        img("io", "-f", "raw", "-c", "read -P 1 0 1M", w.file("then"))
        img("convert", "-l", "never", "-O", "raw", w.file("i"), w.file("x"), ok=(1,))


@suite.test
def commit_and_rebase():
    with Workdir() as w:
        pattern(w.file("base"), 2 * MIB)
        img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", w.file("top"), "3M")
        img("io", "-c", "write -P 9 300k 100k", "-c", "zero 1M 64k", "-c", "write -P 8 2500k 10k",
            w.file("top"))
        img("convert", "-O", "raw", w.file("top"), w.file("want"))
        pattern(w.file("other"), 2 * MIB, 8192)
        img("rebase", "-b", "other", "-F", "raw", w.file("top"))
        same(w.file("top"), "qcow2", w.file("want"), "raw")
        img("commit", "-q", w.file("top"))
        same(w.file("other"), "raw", w.file("want"), "raw")
        same(w.file("top"), "qcow2", w.file("want"), "raw")
        extents = json.loads(img("map", "--output=json", w.file("top")))
        assert not any(e["present"] and e["depth"] == 0 for e in extents), extents
        img("rebase", "-b", "", w.file("top"))
        assert "backing-filename" not in json.loads(img("info", "--output=json", w.file("top")))
        same(w.file("top"), "qcow2", w.file("want"), "raw")
        img("check", "-q", w.file("top"))


@suite.test
def resize():
    with Workdir() as w:
        path = w.file("i")
        img("create", "-q", "-f", "qcow2", path, "100k")
        img("io", "-c", "write -P 5 0 100k", path)
        img("resize", "-q", path, "+1M")
        img("io", "-c", "read -P 5 0 100k", "-c", "read -P 0 100k 1M", path)
        img("resize", "-q", path, "50k", ok=(1,))
        img("resize", "-q", "--shrink", path, "-1M")
        assert json.loads(img("info", "--output=json", path))["virtual-size"] == 100 * KIB
        img("resize", "-q", path, "8T")
        img("io", "-c", "write -P 6 7T 64k", "-c", "read -P 6 7T 64k", "-c", "read -P 0 6T 64k", path)
        img("check", "-q", path)
        if HAVE_QEMU:
            qemu_img("check", path)


@suite.test
def measure():
    with Workdir() as w:
        pattern(w.file("raw"), 10 * MIB, 65536)
        for options in "cluster_size=64k", "cluster_size=512", "cluster_size=4k,refcount_bits=64":
            args = "--output=json", "-O", "qcow2", "-o", options, "-f", "raw", w.file("raw")
            ours = json.loads(img("measure", *args))
            img("convert", "-f", "raw", "-O", "qcow2", "-o", options, w.file("raw"), w.file("i"))
            size = os.stat(w.file("i")).st_size
            assert size <= ours["required"] + 3 * 65536, (options, ours, size)
            if HAVE_QEMU:
                theirs = json.loads(qemu_img("measure", *args))
                assert abs(ours["required"] - theirs["required"]) <= 65536, (ours, theirs)
        img("measure", "-O", "vmdk", "--size", "1G", ok=(1,))


@suite.test
def locks_name_their_owner():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("i"), "1M")
        holder = subprocess.Popen([IMG, "io", w.file("i")], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        holder.stdin.write("length\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "1 MiB\n"
        done = subprocess.run([IMG, "info", w.file("i")], capture_output=True, text=True)
        assert done.returncode == 1 and f"process {holder.pid} (rhea-img)" in done.stderr, done
        img("info", "-U", w.file("i"))
        holder.stdin.close()
        assert holder.wait(60) == 0


@suite.test
def compressed_clusters_of_every_size():
    with Workdir() as w:
        raw = pattern(w.file("raw"), 5 * MIB, 64 * KIB)
        for size in "512", "64k", "1M", "2M":
            img("convert", "-c", "-O", "qcow2", "-o", f"cluster_size={size}", raw, w.file("packed"))
            same(raw, "raw", w.file("packed"), "qcow2")
            img("check", "-q", w.file("packed"))


@suite.test
def preallocation():
    with Workdir() as w:
        for mode, least in ("off", 0), ("metadata", 0), ("falloc", 4 * MIB), ("full", 4 * MIB):
            path = w.file(mode)
            img("create", "-q", "-f", "qcow2", "-o", f"preallocation={mode}", path, "4M")
            info = json.loads(img("info", "--output=json", path))
            assert info["actual-size"] >= least, (mode, info)
            img("io", "-c", "read -P 0 0 4M", path)
            img("check", "-q", path)
            if HAVE_QEMU:
                qemu_img("check", path)


@suite.test
def what_can_be_compressed_is():
    """Noise is not tried; what only looks even, or repeats itself, is."""
    noise = random.Random(1).randbytes(MIB)
    for name, data, small in (("noise", noise, False), ("repeats", noise[:2048] * 512, True),
                              ("ramp", bytes(range(256)) * 4096, True), ("halves", noise[:512 * KIB] + bytes(512 * KIB), True),
                              ("nibbles", bytes(b & 15 for b in noise), True)):
        with Workdir() as w:
            raw, path = w.file("raw"), w.file("compressed")
            with open(raw, "wb") as f:
                f.write(data)
            img("convert", "-c", "-f", "raw", "-O", "qcow2", raw, path)
            size = os.path.getsize(path) - 5 * 64 * KIB
            assert (size < len(data) * 0.8) == small, (name, size)
            img("compare", "-f", "raw", "-F", "qcow2", raw, path)
            if HAVE_QEMU:
                qemu_img("compare", "-f", "raw", "-F", "qcow2", raw, path)


if __name__ == "__main__":
    sys.exit(suite.run())
