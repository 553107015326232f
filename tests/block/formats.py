#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""The formats beside qcow2 over a matrix of sizes and kinds, beside Debian's qemu-img where that is installed."""
import json
import os
import signal
import struct
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from images import HAVE_QEMU, IMG, KIB, MIB, Workdir, img, qemu_img, run
from packed import BZIP2, IGNORE, RAW, ZERO, ZLIB, make_cloop, make_dmg
from tap import Skip, Suite

GIB, TIB = 1 << 30, 1 << 40
suite = Suite()

# (format, options, largest size)
KINDS = [
    ("vmdk", "subformat=monolithicSparse", 2 * TIB),
    ("vmdk", "subformat=monolithicFlat", 8 * TIB),
    ("vmdk", "subformat=twoGbMaxExtentSparse", 64 * GIB),
    ("vmdk", "subformat=twoGbMaxExtentFlat", 64 * GIB),
    ("vmdk", "subformat=monolithicSparse,zeroed_grain=on,adapter_type=lsilogic", 2 * TIB),
    ("vpc", "subformat=dynamic,force_size=on", 2040 * GIB),
    ("vpc", "subformat=fixed,force_size=on", 2040 * GIB),
    ("vpc", "subformat=dynamic", 2040 * GIB),
    ("vdi", "static=off", 8 * TIB),
    ("vdi", "static=on", GIB),
    ("vhdx", "subformat=dynamic", 64 * TIB),
    ("vhdx", "subformat=dynamic,block_size=1M,log_size=2M", TIB),
    ("vhdx", "subformat=fixed,block_size=2M", GIB),
    ("qed", "cluster_size=64k", 8 * TIB),
    ("qed", "cluster_size=4k,table_size=16", 8 * GIB),
    ("parallels", "cluster_size=1M", 8 * TIB),
    ("parallels", "cluster_size=64k", TIB),
]
SIZES = [0, 512, 3 * MIB + 512, GIB + 17 * 512]
NO_CHECK = {"vpc"}


def need_qemu():
    if not HAVE_QEMU:
        raise Skip("no qemu-img (Debian package qemu-utils)")


def info(tool, fmt, path):
    return json.loads(tool("info", "-f", fmt, "--output=json", path))


def good(fmt, path):
    img("check", "-q", "-f", fmt, path)
    if HAVE_QEMU and fmt not in NO_CHECK:
        qemu_img("check", "-q", "-f", fmt, path)


def pattern(path, size, step):
    """A raw file in which every other step is a hole."""
    with open(path, "wb") as f:
        for at in range(0, size, 2 * step):
            f.seek(at)
            f.write((bytes([1 + at // step % 255]) * step)[:size - at])
        f.truncate(size)
    return path


def sizes_of(fmt, options, largest):
    """An image of each size is what both tools take it for, to its last byte."""
    with Workdir() as w:
        for size in SIZES + [largest]:
            path = w.file(f"i{size}.{fmt}")
            img("create", "-q", "-f", fmt, "-o", options, path, size)
            real = info(img, fmt, path)["virtual-size"]
            assert real == size or (fmt == "vpc" and "force" not in options and real > size), real
            if size:
                last = size - 512
                img("io", "-f", fmt, "-c", f"write -P 5 {last} 512", "-c", f"read -P 5 {last} 512",
                    "-c", f"read -P 0 0 {min(last, 4 * KIB)}", path)
            img("check", "-q", "-f", fmt, path)
            if HAVE_QEMU and (size or fmt not in ("vmdk", "vpc", "vhdx")):  # it does not open those
                good(fmt, path)
                assert info(qemu_img, fmt, path)["virtual-size"] == real, (fmt, options, size)
                if size:
                    run("qemu-io", "-f", fmt, "-c", f"read -P 5 {size - 512} 512", path)
            for name in os.listdir(w.path):
                os.unlink(w.file(name))


def conversions(fmt, options):
    """From raw and back, by both tools in turn, and to the format of the next one."""
    with Workdir() as w:
        raw = pattern(w.file("raw"), 5 * MIB + 512, 60 * KIB)
        path = w.file("to." + fmt)
        for to, back in ((img, img), (img, qemu_img), (qemu_img, img)):
            if not HAVE_QEMU and qemu_img in (to, back):
                continue
            to("convert", "-f", "raw", "-O", fmt, "-o", options, raw, path)
            good(fmt, path)
            back("convert", "-f", fmt, "-O", "raw", path, w.file("back"))
            with open(raw, "rb") as a, open(w.file("back"), "rb") as b:
                want, got = a.read(), b.read()
            assert got[:len(want)] == want and not any(got[len(want):]), (fmt, options, to, back)


def same_info(fmt, options):
    """What our tool says of an image that the other one made."""
    need_qemu()
    with Workdir() as w:
        path = w.file("i." + fmt)
        qemu_img("create", "-q", "-f", fmt, "-o", options, path, 3 * GIB // 2)
        run("qemu-io", "-f", fmt, "-c", "write 0 64k", path)
        ours, theirs = info(img, fmt, path), info(qemu_img, fmt, path)
        for answer in ours, theirs:
            answer.pop("children", None)
            if fmt == "parallels":      # the other one does not tell these
                answer.pop("cluster-size", None)
                answer.pop("dirty-flag", None)
        assert ours == theirs, (ours, theirs)


for kind in KINDS:
    name = f"{kind[0]}-{kind[1].replace(',', '-').replace('=', '-')}"
    suite.add(f"sizes-{name}", sizes_of, *kind)
    suite.add(f"convert-{name}", conversions, *kind[:2])
    if kind[1] != "static=on":
        suite.add(f"info-{name}", same_info, *kind[:2])


@suite.test
def stream_optimized():
    with Workdir() as w:
        raw = pattern(w.file("raw"), 5 * MIB + 512, 60 * KIB)
        ours, again = w.file("ours.vmdk"), w.file("again.vmdk")
        stream = ("-O", "vmdk", "-o", "subformat=streamOptimized")
        img("convert", "-f", "raw", *stream, raw, ours)
        img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, ours)
        good("vmdk", ours)
        assert os.stat(ours).st_size < MIB, os.stat(ours).st_size
        if HAVE_QEMU:
            qemu_img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, ours)
            theirs = w.file("theirs.vmdk")
            qemu_img("convert", "-f", "raw", *stream, raw, theirs)
            img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, theirs)
            img("convert", "-f", "vmdk", *stream, theirs, again)
            qemu_img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, again)
        # Grains change as wholes, and others stay.
        img("io", "-f", "vmdk", "-c", "write -P 9 70000 1000", "-c", "zero 128k 64k",
            "-c", "read -P 9 70000 1000", "-c", "read -P 0 128k 64k", "-c", "read -P 1 0 60k", ours)
        good("vmdk", ours)


def at_end(data):
    """A stream whose directory is named by a footer, as VMware writes it."""
    header = bytearray(data[:512])
    struct.pack_into("<Q", header, 56, (1 << 64) - 1)
    marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
    return bytes(header) + data[512:-512] + marker + data[:512] + bytes(512)


@suite.test
def stream_with_footer():
    with Workdir() as w:
        raw, path, foot = pattern(w.file("raw"), MIB, 60 * KIB), w.file("s"), w.file("f")
        img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, path)
        with open(path, "rb") as f, open(foot, "wb") as g:
            g.write(at_end(f.read()))
        img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, foot)
        if HAVE_QEMU:
            qemu_img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, foot)
        img("io", "-f", "vmdk", "-c", "write 0 512", foot, ok=(1,))
        img("compare", "-q", "-f", "raw", "-F", "vmdk", raw, foot)


@suite.test
def vmdk_parents():
    with Workdir() as w:
        base, top = w.file("base.vmdk"), w.file("top.vmdk")
        img("create", "-q", "-f", "vmdk", base, "4M")
        img("io", "-f", "vmdk", "-c", "write -P 1 0 4M", base)
        img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", top)
        img("io", "-f", "vmdk", "-c", "write -P 2 1000 1000", "-c", "zero 1M 100k", top)
        checks = ["read -P 1 0 1000", "read -P 2 1000 1000", "read -P 0 1M 100k", "read -P 1 2M 2M"]
        img("io", "-r", "-f", "vmdk", *(x for c in checks for x in ("-c", c)), top)
        told = info(img, "vmdk", top)
        assert told["backing-filename"] == "base.vmdk", told
        below = info(img, "vmdk", base)["format-specific"]["data"]["cid"]
        assert told["format-specific"]["data"]["parent-cid"] == below, (told, below)
        if HAVE_QEMU:
            run("qemu-io", "-r", "-f", "vmdk", *(x for c in checks for x in ("-c", c)), top)
        # The content identifier tells that the parent is not what it was.
        img("io", "-f", "vmdk", "-c", "write 0 512", base)
        assert info(img, "vmdk", base)["format-specific"]["data"]["cid"] != below
        img("io", "-r", "-f", "vmdk", "-c", "read 0 512", top, ok=(1,))


@suite.test
def vmdk_spellings():
    """A descriptor as others write it is written to, too."""
    with Workdir() as w:
        path = w.file("i.vmdk")
        img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", path, "4M")
        with open(path, "r+", encoding="ascii") as f:
            text = f.read()
            cid = info(img, "vmdk", path)["format-specific"]["data"]["cid"]
            f.seek(0)
            f.write(text.replace(f"CID={cid:08x}", 'Cid = "ab"', 1))
            f.truncate()
        assert info(img, "vmdk", path)["format-specific"]["data"]["cid"] == 0xab
        img("io", "-f", "vmdk", "-c", "write -P 1 0 512", path)
        assert info(img, "vmdk", path)["format-specific"]["data"]["cid"] != 0xab
        img("io", "-f", "vmdk", "-c", "read -P 1 0 512", path)


@suite.test
def commit_into_the_backing_file():
    with Workdir() as w:
        for fmt, options in (("qed", "cluster_size=64k"), ("vmdk", "subformat=monolithicSparse"),
                             ("vmdk", "subformat=twoGbMaxExtentSparse,zeroed_grain=on")):
            base, top = w.file(f"base.{fmt}"), w.file(f"top.{fmt}")
            img("create", "-q", "-f", fmt, base, "4M")
            img("io", "-f", fmt, "-c", "write -P 1 0 4M", base)
            img("create", "-q", "-f", fmt, "-o", options, "-b", base, "-F", fmt, top)
            img("io", "-f", fmt, "-c", "write -P 2 100k 1M", "-c", "zero 2M 64k", top)
            img("commit", "-q", "-f", fmt, top)
            for path in base, top:
                good(fmt, path)
                img("io", "-r", "-f", fmt, "-c", "read -P 1 0 100k", "-c", "read -P 2 100k 1M",
                    "-c", "read -P 0 2M 64k", path)
            if HAVE_QEMU:
                run("qemu-io", "-r", "-f", fmt, "-c", "read -P 2 100k 1M", top)
            extents = json.loads(img("map", "-f", fmt, "--output=json", top))
            assert not any(e["present"] and e["depth"] == 0 for e in extents), extents
            assert sum(os.stat(w.file(f)).st_size for f in os.listdir(w.path) if "top" in f) < MIB
            img("io", "-f", fmt, "-c", "write -P 3 3M 100k", "-c", "read -P 3 3M 100k",
                "-c", "read -P 2 100k 1M", top)
            good(fmt, top)


def vhd_sum(data, field):
    return ~(sum(data[:field]) + sum(data[field + 4:])) & 0xffffffff


def make_differencing(work, parent, path):
    """A differencing image above a dynamic one, whose single block has every other sector."""
    with open(parent, "rb") as f:
        footer, header = bytearray(f.read(512)), bytearray(f.read(1024))
    struct.pack_into(">I", footer, 60, 4)
    struct.pack_into(">I", footer, 64, vhd_sum(footer, 64))
    name = os.path.basename(parent)
    header[64:64 + 2 * len(name)] = name.encode("utf-16-be")
    relative = (".\\" + name).encode("utf-16-le")
    struct.pack_into(">4sIIIQ", header, 576, b"W2ru", 1, len(relative), 0, 2048)
    struct.pack_into(">I", header, 36, vhd_sum(header, 36))
    table = struct.pack(">I", 5).ljust(512, b"\xff")
    block = bytes([0xaa]) * 512 + b"\x07" * (2 * MIB)
    with open(path, "wb") as f:
        f.write(bytes(footer) + bytes(header) + table + relative.ljust(512, b"\0") + block +
                bytes(footer))


@suite.test
def vhd_differencing():
    with Workdir() as w:
        parent, path = w.file("parent.vhd"), w.file("child.vhd")
        img("create", "-q", "-f", "vpc", "-o", "force_size=on", parent, "6M")
        img("io", "-f", "vpc", "-c", "write -P 1 0 6M", parent)
        make_differencing(w, parent, path)
        told = info(img, "vpc", path)
        assert told["backing-filename"] == "parent.vhd", told
        img("io", "-r", "-f", "vpc", "-c", "read -P 7 0 512", "-c", "read -P 1 512 512",
            "-c", "read -P 7 1024 512", "-c", "read -P 1 2M 4M", path)
        img("io", "-f", "vpc", "-c", "write -P 9 600 10", "-c", "write -P 8 5M 100", path)
        img("io", "-r", "-f", "vpc", "-c", "read -P 7 0 512", "-c", "read -P 1 512 88",
            "-c", "read -P 9 600 10", "-c", "read -P 1 610 414", "-c", "read -P 7 1024 512",
            "-c", "read -P 1 2M 3M", "-c", "read -P 8 5M 100", "-c", "read -P 1 5242980 900000", path)
        img("check", "-q", "-f", "vpc", path)


@suite.test
def vhd_fixed_and_its_guest():
    """What a guest writes into the first sector of a fixed image does not make another one of it."""
    with Workdir() as w:
        secret, child, fixed = w.file("secret.vhd"), w.file("child.vhd"), w.file("fixed.vhd")
        img("create", "-q", "-f", "vpc", "-o", "force_size=on", secret, "6M")
        make_differencing(w, secret, child)
        img("create", "-q", "-f", "vpc", "-o", "force_size=on,subformat=fixed", fixed, "4M")
        with open(child, "rb") as f, open(fixed, "r+b") as g:
            g.write(f.read(2560))
        told = info(img, "vpc", fixed)
        assert told["virtual-size"] == 4 * MIB and "backing-filename" not in told, told
        img("io", "-f", "vpc", "-c", "write -P 5 4095k 1k", "-c", "read -P 0 3k 1M", fixed)
        with open(fixed, "r+b") as f:       # one that is cut in the middle, with its footer
            footer = f.read()[-512:]
            f.seek(MIB)
            f.truncate()
            f.write(footer)
        img("info", "-f", "vpc", fixed, ok=(1,))


@suite.test
def parallels_in_sectors():
    """The first kind of header, whose entries count sectors."""
    with Workdir() as w:
        path = w.file("i")
        header = struct.pack("<16sIIIIIQII", b"WithoutFreeSpace", 2, 16, 10, 63, 40, 2000, 0, 1)
        with open(path, "wb") as f:
            f.write(header.ljust(512, b"\0"))
        img("io", "-f", "parallels", "-c", "write -P 3 0 100k", "-c", "write -P 4 900k 10k", path)
        img("io", "-r", "-c", "read -P 3 0 100k", "-c", "read -P 0 100k 800k",
            "-c", "read -P 4 900k 10k", path)
        good("parallels", path)
        if HAVE_QEMU:
            run("qemu-io", "-f", "parallels", "-c", "write -P 5 500k 100k", path)
            img("io", "-r", "-c", "read -P 5 500k 100k", "-c", "read -P 3 0 100k", path)


@suite.test
def parallels_extension():
    """It may be behind the last cluster, and is no leak."""
    with Workdir() as w:
        path = w.file("i")
        img("create", "-q", "-f", "parallels", "-o", "cluster_size=64k", path, "1M")
        img("io", "-f", "parallels", "-c", "write -P 3 0 64k", path)
        end = os.stat(path).st_size
        with open(path, "r+b") as f:
            f.seek(56)
            f.write(struct.pack("<Q", end // 512))
            f.seek(end)
            f.write(b"E" * 64 * KIB)
        img("check", "-q", "-f", "parallels", path)
        img("check", "-q", "-r", "all", "-f", "parallels", path)
        img("io", "-f", "parallels", "-c", "write -P 4 512k 64k", path)
        with open(path, "rb") as f:
            f.seek(end)
            assert f.read(64 * KIB) == b"E" * 64 * KIB


def logged(path):
    """A VHDX image that was left open: its log says more than its table."""
    img("create", "-q", "-f", "vhdx", "-o", "block_size=1M", path, "8M")
    img("io", "-f", "vhdx", "-c", "write -P 3 0 1M", "-c", "flush", "-c", "write -P 4 3M 1M",
        "-c", "flush", "-c", "abort", path, ok=(-signal.SIGABRT,))
    with open(path, "r+b") as f:         # as before the last change reached the table
        f.seek(3 * MIB)
        table = f.read(64)
        f.seek(3 * MIB)
        f.write(table[:24] + struct.pack("<Q", 2) + table[32:])


@suite.test
def vhdx_log():
    reads = ("-c", "read -P 3 0 1M", "-c", "read -P 0 1M 2M", "-c", "read -P 4 3M 1M")
    with Workdir() as w:
        path = w.file("i.vhdx")
        logged(path)
        with open(path, "rb") as f:
            before = f.read()
        img("io", "-r", "-f", "vhdx", *reads, path)         # replayed in memory
        with open(path, "rb") as f:
            assert f.read() == before
        assert info(img, "vhdx", path)["dirty-flag"] is True
        img("io", "-f", "vhdx", "-c", "write -P 5 5M 10k", path)
        img("io", "-r", "-f", "vhdx", *reads, "-c", "read -P 5 5M 10k", path)
        assert info(img, "vhdx", path)["dirty-flag"] is False
        good("vhdx", path)
        logged(path)
        with open(path, "rb") as f:
            before = f.read()
        img("io", "-f", "vhdx", *reads, "-c", "flush", path)    # no change, which would need the log's place
        with open(path, "rb") as f:
            assert f.read() == before
        img("check", "-q", "-r", "all", "-f", "vhdx", path)
        good("vhdx", path)
        if HAVE_QEMU:
            logged(path)
            run("qemu-io", "-f", "vhdx", *reads, path)      # our log, replayed by the other tool
            good("vhdx", path)


def some_data(size):
    return b"".join(struct.pack("<Q", at * 0x9e3779b97f4a7c15 & (1 << 62) - 1)
                    for at in range(0, size, 64)).ljust(size, b"x")[:size]


def have_bzip2():
    with open("config.mk", encoding="utf-8") as f:
        return "CONFIG_BZIP2 := y" in f.read()


def read_only_image(w, fmt, path, data):
    """It holds the data, says how much, and nothing is written to it."""
    with open(w.file("raw"), "wb") as f:
        f.write(data)
    img("compare", "-q", "-f", fmt, "-F", "raw", path, w.file("raw"))
    assert info(img, fmt, path)["virtual-size"] == len(data)
    img("convert", "-f", fmt, "-O", "raw", path, w.file("back"))
    img("io", "-f", fmt, "-c", "write 0 512", path, ok=(1,))
    extents = json.loads(img("map", "-f", fmt, "--output=json", path))
    assert sum(e["length"] for e in extents) == len(data), extents


@suite.test
def cloop():
    with Workdir() as w:
        path, data = w.file("i.cloop"), some_data(300 * KIB).ljust(320 * KIB, b"\0")
        make_cloop(path, data)
        read_only_image(w, "cloop", path, data)
        if HAVE_QEMU:
            qemu_img("compare", "-q", "-f", "cloop", "-F", "raw", path, w.file("raw"))


@suite.test
def dmg():
    with Workdir() as w:
        path, data, step = w.file("i.dmg"), bytearray(some_data(700 * KIB + 512)), 64 * KIB
        make_dmg(path, bytes(data), [ZLIB, RAW, BZIP2] if have_bzip2() else [ZLIB, RAW], step)
        read_only_image(w, "dmg", path, data)
        if HAVE_QEMU:   # without its module for bzip2
            make_dmg(path, bytes(data), [ZLIB, RAW], step)
            qemu_img("compare", "-q", "-f", "dmg", "-F", "raw", path, w.file("raw"))
        make_dmg(path, bytes(data), [ZERO, IGNORE], step)
        read_only_image(w, "dmg", path, bytes(len(data)))
        make_dmg(path, bytes(data), [0x80000007], step)     # LZFSE
        img("info", "-f", "dmg", path, ok=(1,))


@suite.test
def check_finds():
    with Workdir() as w:
        for fmt, table, entry, options in (("vdi", 512, "<I", "static=off"),
                                           ("qed", None, "<Q", "cluster_size=64k"),
                                           ("parallels", 64, "<I", "cluster_size=64k")):
            path = w.file("i." + fmt)
            img("create", "-q", "-f", fmt, "-o", options, path, "10M")
            img("io", "-f", fmt, "-c", "write -P 1 0 10M", path)
            width = struct.calcsize(entry)
            with open(path, "r+b") as f:
                if table is None:
                    f.seek(65536)
                    table, = struct.unpack("<Q", f.read(8))
                f.seek(table)
                first = f.read(width)
                f.write(first)                              # the second one is where the first is
                f.seek(table + 2 * width)
                f.write(struct.pack(entry, 0x40000000))     # outside the file
            bad = json.loads(img("check", "-f", fmt, "--output=json", path, ok=(2,)))
            assert bad["corruptions"] == 2, (fmt, bad)
            img("check", "-q", "-r", "all", "-f", fmt, path, ok=(2,))
            left = json.loads(img("check", "-f", fmt, "--output=json", path, ok=(2,)))
            assert left["corruptions"] == 1, (fmt, left)


@suite.test
def mending_is_a_change():
    """It comes with the marks that a guest's first write makes, and so does a discard."""
    with Workdir() as w:
        path = w.file("i.vhdx")
        img("create", "-q", "-f", "vhdx", "-o", "block_size=1M", path, "8M")
        img("io", "-f", "vhdx", "-c", "write -P 3 0 2M", path)
        with open(path, "r+b") as f:
            f.seek(3 * MIB + 8)
            f.write(struct.pack("<Q", 5))           # a state that there is not
            f.seek(64 * KIB)
            before = f.read(128 * KIB)
        img("check", "-q", "-f", "vhdx", path, ok=(2,))
        with open(path, "rb") as f:
            f.seek(64 * KIB)
            assert f.read(128 * KIB) == before
        img("check", "-q", "-r", "all", "-f", "vhdx", path)
        with open(path, "rb") as f:
            f.seek(64 * KIB)
            assert f.read(128 * KIB) != before
        good("vhdx", path)
        img("io", "-r", "-f", "vhdx", "-c", "read -P 3 0 1M", "-c", "read -P 0 1M 1M", path)

        path = w.file("i.vmdk")
        img("create", "-q", "-f", "vmdk", path, "1M")
        img("io", "-f", "vmdk", "-c", "write -P 3 0 1M", path)
        before = info(img, "vmdk", path)["format-specific"]["data"]["cid"]
        img("io", "--image-opts", "-c", "discard 0 64k", f"driver=vmdk,discard=unmap,file.filename={path}")
        assert info(img, "vmdk", path)["format-specific"]["data"]["cid"] != before


@suite.test
def errors_in_one_line():
    with Workdir() as w:
        for fmt, options in (("vmdk", "subformat=monolithicSparse,size=3T"),
                             ("vmdk", "subformat=none,size=1M"), ("vpc", "size=3T"),
                             ("vhdx", "block_size=3M,size=1M"), ("qed", "cluster_size=5k,size=1M"),
                             ("qed", "cluster_size=4k,table_size=1,size=8T"), ("vdi", "size=65T"),
                             ("parallels", "cluster_size=1000,size=1M"), ("vdi", "static=maybe")):
            done = run(IMG, "create", "-f", fmt, "-o", options, w.file("x"), ok=(1,))
            assert not done, done


if __name__ == "__main__":
    sys.exit(suite.run())
