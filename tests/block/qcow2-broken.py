#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Damaged qcow2 images: an error, never a crash, a hang or memory without bound.

Random bytes, and values that are picked to hurt, go into headers and tables of images of many kinds; then
the tool informs, checks, repairs, reads, writes and converts.  RHEA_SEED=N runs one case.
"""
import os
import random
import struct
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from damage import cut, damage_at, run_cases, survives
from images import MIB, Failed, Workdir, img
from tap import Suite

CASES = int(os.environ.get("RHEA_CASES", "1500" if os.environ.get("RHEA_SLOW") else "60"))
KINDS = ["", "cluster_size=512", "cluster_size=16k,extended_l2=on", "refcount_bits=1",
         "cluster_size=4k,refcount_bits=64", "compat=v2", "cluster_size=2M"]


def make_image(work, rng):
    path = work.file("good.qcow2")
    kind = rng.choice(KINDS)
    options = ["-o", kind] if kind else []
    img("create", "-q", "-f", "qcow2", *options, path, 3 * MIB)
    lines = ["write -P 7 1000 200000", "write -P 9 2M 70000", "zero 100k 20k", "unmap 2M 8k"]
    img("io", path, stdin="\n".join(lines) + "\n")
    if kind != "refcount_bits=1" and rng.random() < 0.7:
        img("snapshot", "-c", "one", path)
        img("io", "-c", "write -P 3 0 300000", path)
        img("snapshot", "-c", "two", path)
    if kind != "compat=v2" and rng.random() < 0.4:
        img("bitmap", "--add", path, "records")
        img("bitmap", "--add", "--disable", "-g", "512", path, "fine")
        img("io", "-c", "write 100k 300k", path)
        img("bitmap", "--merge", "records", path, "fine")
        return path
    if rng.random() < 0.5:
        packed = work.file("packed.qcow2")
        img("convert", "-c", "-O", "qcow2", *options, path, packed)
        return packed
    return path


def tables(data):
    """Offsets where damage tells most: the header, the start of each table."""
    bits, = struct.unpack_from(">I", data, 20)
    cluster = 1 << bits
    l1_size, l1, rt = struct.unpack_from(">IQQ", data, 36)
    places = [0, l1, rt, struct.unpack_from(">Q", data, 64)[0]]
    extension = data.find(b"\x23\x85\x28\x75", 72, cluster)
    if extension > 0:
        directory, = struct.unpack_from(">Q", data, extension + 24)
        places += [extension, extension, directory, directory, *struct.unpack_from(">Q", data, directory)]
    for offset, count in ((l1, l1_size), (rt, 64)):
        for i in range(count):
            if offset + i * 8 + 8 <= len(data):
                entry, = struct.unpack_from(">Q", data, offset + i * 8)
                places.append(entry & 0x00fffffffffffe00)
    return [p for p in places if p + min(cluster, 512) <= len(data)]


def damage(data, rng):
    places = tables(data)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        base = rng.choice(places)
        span = rng.choice([112, 112, 256, 4096]) if base == 0 else rng.choice([16, 64, 512])
        at = min(base + rng.randrange(span), len(data) - 8)
        damage_at(data, at, rng)
    cut(data, rng)


def case(seed):
    rng = random.Random(seed)
    with Workdir() as work:
        with open(make_image(work, rng), "rb") as f:
            data = bytearray(f.read())
        damage(data, rng)
        path = work.file("bad.qcow2")
        with open(path, "wb") as f:
            f.write(data)
        survives("info", path)
        survives("check", path)
        survives("map", "--max-length=64M", path)
        survives("io", "-r", "-c", "read 0 3M", path)
        survives("io", "-c", "write 10k 400k", "-c", "zero 1M 1M", "-c", "flush", path)
        survives("snapshot", "-c", "three", path)
        survives("snapshot", "-a", "one", path)
        survives("snapshot", "-d", "two", path)
        repaired = survives("check", "-r", "all", path)
        if repaired == 0 and survives("check", path) != 0:
            raise Failed("what the repair called good is not")
        survives("bitmap", "--merge", "records", "--disable", path, "fine")
        survives("bitmap", "--remove", path, "records")
        survives("amend", "-o", rng.choice(["compat=v2", "refcount_bits=8", "compat=v3,refcount_bits=64"]), path)
        survives("io", "-c", "write 0 1M", "-c", "write 2M 1M", path)
        survives("resize", "--shrink", path, "1M")


def backing_loop():
    with Workdir() as work:
        a, b = work.file("a"), work.file("b")
        img("create", "-q", "-f", "qcow2", a, "1M")
        img("create", "-q", "-f", "qcow2", "-b", "a", "-F", "qcow2", b)
        img("rebase", "-u", "-b", "b", "-F", "qcow2", a)
        assert survives("info", "--backing-chain", a) == 1
        assert survives("io", "-c", "read 0 512", a) == 1
        assert survives("convert", "-O", "raw", a, work.file("c")) == 1


def main():
    suite = Suite()
    if "RHEA_SEED" in os.environ:
        suite.add("seed", case, int(os.environ["RHEA_SEED"]))
        return suite.run()
    suite.add("backing-loop", backing_loop)
    for first in range(1, CASES + 1, 20):
        suite.add(f"seeds-{first}-to-{first + 19}", run_cases, case, first, first + 20)
    return suite.run()


if __name__ == "__main__":
    sys.exit(main())
