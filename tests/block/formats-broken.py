#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Damaged images of the formats beside qcow2: an error, never a crash, a hang or memory without bound.

Random damage as broken.py does it (RHEA_SEED=N runs one case), and malice of certain kinds.
"""
import os
import random
import signal
import struct
import sys
import zlib

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import broken
from damage import run_cases, survives
from images import MIB, Workdir, img
from tap import Suite

CASES = int(os.environ.get("RHEA_CASES", "1500" if os.environ.get("RHEA_SLOW") else "80"))


def case(seed):
    broken.case(random.Random(seed))


def fails(*argv):
    """One line of error."""
    assert survives(*argv) == 1, argv


def parent_loop():
    with Workdir() as w:
        a, b = w.file("a"), w.file("b")
        img("create", "-q", "-f", "vmdk", a, "1M")
        img("create", "-q", "-f", "vmdk", "-b", "a", "-F", "vmdk", b)
        with open(b, "r+b") as f:
            data = f.read()
            f.seek(0)
            f.write(data.replace(b'parentFileNameHint="a"', b'parentFileNameHint="b"'))
        fails("info", "--backing-chain", b)
        fails("io", "-c", "read 0 512", b)


def extents_of_malice():
    """Files that are not there, that are the descriptor itself, that are devices; sizes that overflow."""
    head = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"x\"\n"
    huge = (1 << 64) - 1
    for lines in ('RW 100 FLAT "none" 0', 'RW 100 SPARSE "d"', 'RW 100 FLAT "/dev/null" 0',
                  f'RW {huge} FLAT "d" 0', f'RW 100 FLAT "d" {huge}', "RW 100 DEVICE \"d\" 0",
                  f"RW {huge // 1024} ZERO\n" * 3, "RW 1 ZERO\n" * 5000, "RDONLY 1 ZERO", ""):
        with Workdir() as w:
            with open(w.file("d"), "w", encoding="ascii") as f:
                f.write(head + lines + "\n")
            fails("info", "-f", "vmdk", w.file("d"))
            fails("io", "-f", "vmdk", "-c", "read 0 512", w.file("d"))


def bomb():
    """A compressed grain that would become a gigabyte."""
    with Workdir() as w:
        path = w.file("i")
        img("create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized", path, "1M")
        img("io", "-f", "vmdk", "-c", "write -P 1 0 64k", path)
        packed = zlib.compress(bytes(1 << 26), 9)
        with open(path, "r+b") as f:
            f.seek(0x10000)
            f.write(struct.pack("<QI", 0, len(packed)) + packed)
        fails("io", "-r", "-f", "vmdk", "-c", "read 0 64k", path)


def tables_shared():
    """A QED image whose tables are one table: looking at all of it would take years."""
    with Workdir() as w:
        path = w.file("i")
        img("create", "-q", "-f", "qed", "-o", "cluster_size=64k,table_size=16", path, "512T")
        entries = 16 * 65536 // 8
        with open(path, "r+b") as f:
            f.seek(65536)
            f.write(struct.pack("<Q", 17 * 65536) * entries)
            f.truncate(33 * 65536)
        assert survives("check", "-f", "qed", path) == 2
        assert survives("io", "-r", "-f", "qed", "-c", "read 1T 1M", path) == 0


def beyond_the_directory():
    """A QED image of a cluster more than its tables can name."""
    with Workdir() as w:
        path, entries = w.file("i"), 4096 // 8
        img("create", "-q", "-f", "qed", "-o", "cluster_size=4k,table_size=1", path, entries ** 2 * 4096)
        assert survives("io", "-f", "qed", "-c", f"write {entries ** 2 * 4096 - 512} 512", path) == 0
        with open(path, "r+b") as f:
            f.seek(48)
            f.write(struct.pack("<Q", entries ** 2 * 4096 + 1))
        fails("info", "-f", "qed", path)


def log_of_zeroes():
    """A VHDX image whose log says of terabytes that they are zeroes."""
    with Workdir() as w:
        path, count = w.file("i"), 126
        img("create", "-q", "-f", "vhdx", "-o", "block_size=1M", path, "8M")
        img("io", "-f", "vhdx", "-c", "write 0 1k", "-c", "abort", path, ok=(-signal.SIGABRT,))
        with open(path, "r+b") as f:
            data = bytearray(f.read())
            at = next(at for at in (MIB, MIB + MIB // 2) if data[at:at + 4] == b"loge")
            sequence, = struct.unpack_from("<Q", data, at + 16)
            struct.pack_into("<I", data, at + 8, 4096)
            struct.pack_into("<I", data, at + 24, count)
            for i in range(count):
                struct.pack_into("<4sIQQQ", data, at + 64 + 32 * i, b"zero", 0, 64 * MIB,
                                 (i + 1) << 30, sequence)
            broken.seal_vhdx(data, at, 4096)
            f.seek(0)
            f.write(data)
        fails("info", "-f", "vhdx", path)


def main():
    suite = Suite()
    if "RHEA_SEED" in os.environ:
        suite.add("seed", case, int(os.environ["RHEA_SEED"]))
        return suite.run()
    for test in (parent_loop, extents_of_malice, bomb, tables_shared, beyond_the_directory,
                 log_of_zeroes):
        suite.add(test.__name__.replace("_", "-"), test)
    for first in range(1, CASES + 1, 20):
        suite.add(f"seeds-{first}-to-{first + 19}", run_cases, case, first, first + 20)
    return suite.run()


if __name__ == "__main__":
    sys.exit(main())
