#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Differencing VHDX and VDI images: chains against a model, parents that are not what they were, and images put
together here as the specification has them.  (qemu-img opens only what has no parent: it judges parents and
flattened images.)"""
import json
import os
import random
import struct
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from cases import Model, apply_requests
from images import HAVE_QEMU, KIB, MIB, Workdir, img, qemu_img
from tap import Suite

suite = Suite()
SIZE = 24 * MIB
FORMATS = {"vhdx": "block_size=1M", "vdi": ""}


def create(fmt, path, *more):
    options = ["-o", FORMATS[fmt]] if FORMATS[fmt] else []
    img("create", "-q", "-f", fmt, *options, *more, path, SIZE)


def child(fmt, path, parent):
    options = ["-o", FORMATS[fmt]] if FORMATS[fmt] else []
    img("create", "-q", "-f", fmt, *options, "-b", parent, "-F", fmt, path)


def some_requests(rand):
    kinds = ["write", "write", "write", "zero", "unmap", "flush"]
    for _ in range(12):
        length = rand.choice([512, 4 * KIB, 100 * KIB, 3 * MIB])
        yield rand.choice(kinds), rand.randrange(1, 256), rand.randrange((SIZE - length) // 512) * 512, length


def holds(w, fmt, path, model):
    with open(w.file("model"), "wb") as f:
        f.write(model.data)
    img("check", "-q", "-f", fmt, path)
    img("compare", "-q", "-f", "raw", "-F", fmt, w.file("model"), path)


def info(fmt, path):
    return json.loads(img("info", "-f", fmt, "--output=json", path))


def chains(fmt, seed):
    """Three images above each other, written to, committed, rebased and flattened."""
    rand = random.Random(seed)
    with Workdir() as w:
        a, b, c = (w.file(f"{name}.{fmt}") for name in "abc")
        model = Model(bytearray(SIZE))
        create(fmt, a)
        apply_requests("rhea", a, fmt, some_requests(rand), model)
        child(fmt, b, a)
        assert info(fmt, b)["virtual-size"] == SIZE and os.path.basename(info(fmt, b)["backing-filename"]) == f"a.{fmt}"
        apply_requests("rhea", b, fmt, some_requests(rand), model)
        child(fmt, c, b)
        apply_requests("rhea", c, fmt, some_requests(rand), model)
        holds(w, fmt, c, model)
        chain = json.loads(img("info", "-f", fmt, "--backing-chain", "--output=json", c))
        assert [i["filename"] for i in chain] == [c, b, a], chain
        img("commit", "-q", "-f", fmt, c)
        holds(w, fmt, b, model)
        holds(w, fmt, c, model)
        apply_requests("rhea", c, fmt, some_requests(rand), model)
        img("rebase", "-f", fmt, "-b", a, "-F", fmt, c)
        assert os.path.basename(info(fmt, c)["backing-filename"]) == f"a.{fmt}"
        holds(w, fmt, c, model)
        img("rebase", "-f", fmt, "-b", "", c)
        assert "backing-filename" not in info(fmt, c)
        holds(w, fmt, c, model)
        if HAVE_QEMU:
            qemu_img("check", "-q", "-f", fmt, c)
            qemu_img("check", "-q", "-f", fmt, a)
            qemu_img("compare", "-q", "-f", "raw", "-F", fmt, w.file("model"), c)
        img("rebase", "-u", "-f", fmt, "-b", a, "-F", fmt, c)
        holds(w, fmt, c, model)


def strangers(fmt):
    """A parent that was written to, or that is another, is refused, until a rebase says that it is right."""
    with Workdir() as w:
        a, b, other = (w.file(f"{name}.{fmt}") for name in ("a", "b", "other"))
        create(fmt, a)
        create(fmt, other)
        child(fmt, b, a)
        img("io", "-f", fmt, "-c", "write -P 1 0 512", a)
        img("io", "-f", fmt, "-c", "read 0 512", b, ok=(1,))
        img("io", "-c", "read 0 512", f"json:{json.dumps(opened(fmt, b, other))}", ok=(1,))
        img("rebase", "-u", "-f", fmt, "-b", a, "-F", fmt, b)
        img("io", "-f", fmt, "-c", "read -P 1 0 512", b)
        img("io", "-c", "read -P 1 0 512", f"json:{json.dumps(opened(fmt, b, a))}")
        img("create", "-q", "-f", "raw", w.file("raw"), SIZE)
        img("create", "-q", "-f", fmt, "-b", w.file("raw"), "-F", "raw", w.file(f"no.{fmt}"), ok=(1,))
        os.unlink(a)
        img("io", "-f", fmt, "-c", "read 0 512", b, ok=(1,))
        img("info", "-f", fmt, b)


def opened(fmt, path, parent):
    def file(name):
        return {"driver": "file", "filename": name}

    return {"driver": fmt, "file": file(path), "backing": {"driver": fmt, "file": file(parent)}}


@suite.test
def vdi_elsewhere():
    """VDI images name parents by identifiers alone: one in another folder would not be found."""
    with Workdir() as w:
        os.mkdir(w.file("x"))
        create("vdi", w.file("x/a.vdi"))
        img("create", "-q", "-f", "vdi", "-b", w.file("x/a.vdi"), "-F", "vdi", w.file("b.vdi"), ok=(1,))
        assert not os.path.exists(w.file("b.vdi"))
        child("vdi", w.file("x/b.vdi"), w.file("x/a.vdi"))
        os.rename(w.file("x/a.vdi"), w.file("x/renamed.vdi"))
        assert info("vdi", w.file("x/b.vdi"))["backing-filename"].endswith("renamed.vdi")
        os.rename(w.file("x/b.vdi"), w.file("b.vdi"))
        img("io", "-c", "read 0 512", f"json:{json.dumps(opened('vdi', w.file('b.vdi'), w.file('x/renamed.vdi')))}")


def make_partial(path, sectors):
    """Block 2 of a child becomes one of which only @sectors are there, filled with 9 (MS-VHDX 2.5.1)."""
    with open(path, "r+b") as f:
        data = f.read()
        regions = data[192 * KIB:192 * KIB + 512]
        bat = next(struct.unpack_from("<Q", regions, at + 16)[0] for at in (16, 48)
                   if regions[at:at + 2] == b"\x66\x77")
        end = (len(data) + MIB - 1) // MIB * MIB
        bitmap = bytearray(MIB)
        for s in sectors:
            bit = 2 * MIB // 512 + s
            bitmap[bit // 8] |= 1 << bit % 8
        f.seek(end)
        f.write(bytes(bitmap) + b"\x09" * MIB)
        f.seek(bat + 2 * 8)
        f.write(struct.pack("<Q", end + MIB | 7))
        f.seek(bat + (1 << 23) * 512 // MIB * 8)
        f.write(struct.pack("<Q", end | 6))


@suite.test
def vhdx_in_parts():
    with Workdir() as w:
        a, b = w.file("a.vhdx"), w.file("b.vhdx")
        create("vhdx", a)
        img("io", "-f", "vhdx", "-c", "write -P 1 0 8M", a)
        child("vhdx", b, a)
        make_partial(b, [0, 1, 9, 2047])
        checks = ["read -P 9 2M 1k", "read -P 1 2098176 3584", "read -P 9 2101760 512", "read -P 1 2102272 1000",
                  "read -P 9 3145216 512", "read -P 1 3M 1M"]
        img("io", "-r", "-f", "vhdx", *(x for c in checks for x in ("-c", c)), b)
        img("check", "-q", "-f", "vhdx", b)
        img("io", "-f", "vhdx", "-c", "write -P 5 2500000 100", b)
        img("io", "-r", "-f", "vhdx", *(x for c in checks for x in ("-c", c)), "-c", "read -P 5 2500000 100", b)
        # Without a parent such blocks cannot be.
        create("vhdx", w.file("c.vhdx"))
        make_partial(w.file("c.vhdx"), [0])
        img("io", "-r", "-f", "vhdx", "-c", "read 2M 512", w.file("c.vhdx"), ok=(1,))


for which in FORMATS:
    for number in 1, 2:
        suite.add(f"{which}-chain-{number}", chains, which, number)
    suite.add(f"{which}-strangers", strangers, which)

if __name__ == "__main__":
    sys.exit(suite.run())
