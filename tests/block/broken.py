# SPDX-License-Identifier: MIT
"""Small images of the formats beside qcow2, and damage to them.

Random bytes, and values that are picked to hurt, go into headers, descriptors and tables; checksums are mended
afterwards, so that what they protect is looked at.  Then the tool informs, checks, repairs, reads and writes:
an error is an answer, a crash, a hang or memory without bound is none.
"""
import os
import re
import signal
import struct

from damage import cut, damage_at, survives
from images import MIB, Workdir, img
from packed import BZIP2, RAW, ZERO, ZLIB, make_cloop, make_dmg

# (format, options, little- or big-endian, places where damage tells: (offset, length))
KINDS = [
    ("vmdk", "subformat=monolithicSparse", "<", [(0, 80), (0, 80), (512, 400), (0x2a00, 64), (0x3200, 64)]),
    ("vmdk", "subformat=twoGbMaxExtentSparse", "<", [(0, 400)]),
    ("vmdk", "subformat=monolithicFlat", "<", [(0, 400)]),
    ("vmdk", "subformat=streamOptimized", "<", [(0, 80), (512, 400), (0x10000, 0x400)]),
    ("vpc", "subformat=dynamic", ">", [(0, 90), (512, 96), (512 + 576, 64), (1536, 64), (2048, 64)]),
    ("vpc", "subformat=fixed", ">", [(-512, 90)]),
    ("vdi", "static=off", "<", [(64, 32), (0x154, 64), (0x154, 128), (512, 64)]),
    ("vhdx", "block_size=1M", "<", [(0x10000, 80), (0x20000, 80), (0x30000, 80), (0x40000, 80),
                                    (MIB, 192), (MIB + 4096, 4096), (2 * MIB, 256),
                                    (2 * MIB + 65536, 40), (3 * MIB, 96)]),
    ("qed", "cluster_size=4k,table_size=2", "<", [(0, 64), (0, 64), (4096, 64), (0x3000, 4096)]),
    ("parallels", "cluster_size=64k", "<", [(0, 64), (16, 48), (64, 64)]),
    ("cloop", None, ">", [(128, 64), (128, 8), (200, 2000)]),
    ("dmg", None, ">", [(-512, 240), (-512, 240), (-2000, 1400)]),
]


def make_image(work, rng, only):
    """(format, byte order, places, file that is damaged)."""
    fmt, options, order, places = rng.choice([k for k in KINDS if only in (None, k[0])])
    path = work.file("i." + fmt)
    if not options:
        data = bytes(rng.randrange(256) for _ in range(1000)) * 500
        if fmt == "dmg":
            make_dmg(path, data[:len(data) // 512 * 512], [ZLIB, RAW, ZERO, BZIP2])
        else:
            make_cloop(path, data)
        return fmt, order, places, path
    lines = ["write -P 7 1000 200000", "write -P 9 2M 70000", "zero 100k 20k", "unmap 2M 8k", "flush"]
    backing = []
    if fmt in ("qed", "vmdk") and "Flat" not in options and rng.random() < 0.3:
        img("create", "-q", "-f", fmt, work.file("base"), 3 * MIB)
        backing = ["-b", "base", "-F", fmt]
    img("create", "-q", "-f", fmt, "-o", options, *backing, path, 3 * MIB)
    if fmt == "vhdx" and rng.random() < 0.6:
        lines.append("abort")       # its log is not empty
    img("io", "-f", fmt, path, stdin="\n".join(lines) + "\n", ok=(0, -signal.SIGABRT))
    parts = [f for f in os.listdir(work.path) if re.search(r"-s\d+", f)]
    if parts and rng.random() < 0.6:
        return fmt, order, KINDS[0][3][:1] + [(512, 2048)], work.file(parts[0])
    return fmt, order, places, path


# --- Checksums ---

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def seal_vhdx(data, at, length):
    if at + length <= len(data):
        struct.pack_into("<I", data, at + 4, 0)
        struct.pack_into("<I", data, at + 4, crc32c(data[at:at + length]))


def seal_log(data):
    for at in MIB, MIB + MIB // 2:
        if data[at:at + 4] == b"loge" and len(data) > at + 16:
            length, = struct.unpack_from("<I", data, at + 8)
            seal_vhdx(data, at, min(length, 8192))


def seal_vhd(data, at, length, field):
    if 0 <= at and at + length <= len(data):
        rest = sum(data[at:at + field]) + sum(data[at + field + 4:at + length])
        struct.pack_into(">I", data, at + field, ~rest & 0xffffffff)


def seal(fmt, data, touched):
    """Mends the checksums of what was damaged."""
    if fmt == "vpc":
        seal_vhd(data, 0, 512, 64)
        seal_vhd(data, 512, 1024, 36)
        seal_vhd(data, len(data) - 512, 512, 64)
    elif fmt == "vhdx":
        for at in touched & {0x10000, 0x20000}:
            seal_vhdx(data, at, 4096)
        if touched & {0x30000, 0x40000}:  # one of them is enough
            struct.pack_into("<4s", data, 0x40000, b"none")
            seal_vhdx(data, 0x30000, 65536)
        if touched & {MIB, MIB + 4096}:
            seal_log(data)


def damage(fmt, order, places, data, rng):
    touched = set()
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at, length = rng.choice(places)
        touched.add(at)
        at = at % len(data) + rng.randrange(length)
        damage_at(data, min(at, len(data) - 8), rng, order)
    if rng.random() < 0.9:
        seal(fmt, data, touched)
    cut(data, rng)


def case(rng, only=None):
    """One image, of the format @only or any, damaged and used."""
    with Workdir() as work:
        fmt, order, places, path = make_image(work, rng, only)
        with open(path, "rb") as f:
            data = bytearray(f.read())
        damage(fmt, order, places, data, rng)
        with open(path, "wb") as f:
            f.write(data)
        path = work.file("i." + fmt)
        args = ["-f", fmt]
        survives("info", *args, path)
        survives("check", *args, path)
        survives("map", *args, "--max-length=64M", path)
        survives("io", *args, "-r", "-c", "read 0 3M", path)
        survives("io", *args, "-c", "write 10k 400k", "-c", "zero 1M 1M", "-c", "flush", path)
        survives("check", *args, "-r", "all", path)
        survives("io", *args, "-c", "write 0 1M", "-c", "write 2M 1M", "-c", "compress 0 64k", path)
