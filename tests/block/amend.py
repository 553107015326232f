#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""rhea-img amend: an image becomes another kind, and holds what it held."""
import json
import os
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from images import HAVE_QEMU, IMG, Workdir, img, qemu_img
from tap import Suite

suite = Suite()


def make(work, *options, backing=False):
    """An image of data, zeroes with and without clusters, and nothing; a raw copy beside it."""
    path = work.file("image")
    more = []
    if backing:
        img("create", "-q", "-f", "qcow2", work.file("base"), "3M")
        img("io", "-c", "write -P 7 0 3M", work.file("base"))
        more = ["-b", work.file("base"), "-F", "qcow2"]
    img("create", "-q", "-f", "qcow2", *options, *more, path, "3M")
    lines = ["write -P 3 100k 1M", "zero 200k 300k", "unmap 700k 200k", "zero 2M 200k", "write -P 4 2500k 10"]
    img("io", path, stdin="\n".join(lines) + "\n")
    img("convert", "-O", "raw", path, work.file("raw"))
    return path


def holds(work, path):
    img("check", "-q", path)
    img("compare", "-q", "-f", "qcow2", "-F", "raw", path, work.file("raw"))
    if HAVE_QEMU:
        qemu_img("check", path)
        qemu_img("compare", "-f", "qcow2", "-F", "raw", path, work.file("raw"))


def specific(path):
    return json.loads(img("info", "--output=json", path))["format-specific"]["data"]


def refused(path, option, reason):
    done = subprocess.run([IMG, "amend", "-o", option, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and reason in done.stderr, (option, done)


def versions(backing):
    with Workdir() as work:
        path = make(work, backing=backing)
        for compat, says in ("v2", "0.10"), ("1.1", "1.1"), ("0.10", "0.10"), ("v3", "1.1"):
            img("amend", "-q", "-o", f"compat={compat}", path)
            assert specific(path)["compat"] == says
            holds(work, path)
            img("io", "-c", "zero 1M 64k", "-c", "write -P 9 1100k 10k", path)
            img("convert", "-O", "raw", path, work.file("raw"))


def widths(options):
    with Workdir() as work:
        path = make(work, *options)
        for bits in 1, 64, 8, 32, 2, 16, 4:
            img("amend", "-o", f"refcount_bits={bits}", path)
            assert specific(path)["refcount-bits"] == bits
            holds(work, path)
            img("io", "-c", f"write -P {bits} 1M 200k", path)
            img("convert", "-O", "raw", path, work.file("raw"))
        img("snapshot", "-c", "one", path)
        refused(path, "refcount_bits=1", "would not fit")
        img("amend", "-o", "refcount_bits=16", path)
        holds(work, path)


@suite.test
def features():
    with Workdir() as work:
        path = make(work)
        img("amend", "-o", "lazy_refcounts=on,size=5M", path)
        assert specific(path)["lazy-refcounts"] is True
        img("io", "-c", "read -P 0 3M 2M", path)
        refused(path, "compat=v2", "lazy refcounts")
        img("amend", "-o", "lazy_refcounts=off,compat=v2", path)
        img("amend", "-o", "compat=v3,refcount_bits=32", path)
        refused(path, "compat=v2", "refcount_bits=16")
        img("amend", "-o", "refcount_bits=16,compat=v2,size=3M", path)
        holds(work, path)
        img("create", "-q", "-f", "raw", work.file("other"), "3M")
        img("amend", "-o", f"backing_file={work.file('other')},backing_fmt=raw", path)
        assert json.loads(img("info", "--output=json", path))["backing-filename"] == work.file("other")
        img("amend", "-o", "backing_file=", path)
        holds(work, path)


@suite.test
def refusals():
    with Workdir() as work:
        path = make(work)
        img("snapshot", "-c", "one", path)
        refused(path, "compat=v2", "snapshots")
        refused(path, "cluster_size=4k", "cluster_size")
        refused(path, "refcount_bits=3", "no power of two")
        holds(work, path)
        refused(work.file("raw"), "size=1M", "cannot be changed")
        for kind in "extended_l2=on", "compression_type=zstd", f"data_file={work.file('data')}":
            img("create", "-q", "-f", "qcow2", "-o", kind, work.file("k"), "1M")
            refused(work.file("k"), "compat=v2", "version 2 has no")
        assert "refcount_bits" in img("amend", "-f", "qcow2", "-o", "help")


suite.add("versions", versions, False)
suite.add("versions-above-something", versions, True)
for kind in "cluster_size=64k", "cluster_size=512", "cluster_size=16k,extended_l2=on":
    suite.add(f"widths-{kind}", widths, ["-o", kind])

if __name__ == "__main__":
    sys.exit(suite.run())
