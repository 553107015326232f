# SPDX-License-Identifier: MIT
"""Images of the formats that are only read, made here: compressed loops, Apple disk images."""
import base64
import bz2
import struct
import zlib

ZERO, RAW, IGNORE, ZLIB, BZIP2, END = 0, 1, 2, 0x80000005, 0x80000006, 0xffffffff


def make_cloop(path, data, block=65536):
    """Of whole blocks."""
    packed = [zlib.compress(data[at:at + block].ljust(block, b"\0"))
              for at in range(0, len(data), block)]
    offset, offsets = 136 + 8 * (len(packed) + 1), []
    for p in packed:
        offsets.append(offset)
        offset += len(p)
    offsets.append(offset)
    head = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
    with open(path, "wb") as f:
        f.write(head.ljust(128, b"\n") + struct.pack(">II", block, len(packed)))
        f.write(struct.pack(f">{len(offsets)}Q", *offsets) + b"".join(packed))


def pack_chunk(kind, data):
    if kind == ZLIB:
        return zlib.compress(data)
    return bz2.compress(data) if kind == BZIP2 else data if kind == RAW else b""


def dmg_table(first, sectors, chunks):
    """chunks: (kind, sector, count, offset, length)."""
    head = struct.pack(">4sIQQQII", b"mish", 1, first, sectors, 0, 520, len(chunks))
    entries = b"".join(struct.pack(">IIQQQQ", k, 0, s, c, o, n) for k, s, c, o, n in chunks)
    return head.ljust(200, b"\0") + struct.pack(">I", len(chunks)) + entries


def make_dmg(path, data, kinds, step=65536):
    """Chunks of @step bytes, of @kinds in turn; in two tables.  The bytes of ZERO and IGNORE chunks are lost."""
    fork, tables, total = b"", [], len(data) // 512
    half = (total // 2) // (step // 512) * (step // 512)
    for first, end in ((0, half), (half, total)):
        chunks = []
        for number, at in enumerate(range(first * 512, end * 512, step)):
            part = data[at:min(at + step, end * 512)]
            kind = kinds[number % len(kinds)]
            packed = pack_chunk(kind, part)
            chunks.append((kind, at // 512 - first, len(part) // 512, len(fork), len(packed)))
            fork += packed
        chunks.append((END, end - first, 0, len(fork), 0))
        tables.append(dmg_table(first, end - first, chunks))
    text = "".join(f"<dict><key>Attributes</key><string>0x0050</string><key>Data</key>\n<data>\n"
                   f"{base64.encodebytes(t).decode()}</data></dict>" for t in tables)
    plist = ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
             '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0"><dict>'
             f"<key>resource-fork</key><dict><key>blkx</key><array>{text}</array>"
             "<key>plst</key><array/></dict></dict></plist>").encode()
    koly = bytearray(512)
    struct.pack_into(">4sIIIQQQ", koly, 0, b"koly", 4, 512, 1, 0, 0, len(fork))
    struct.pack_into(">QQ", koly, 216, len(fork), len(plist))
    struct.pack_into(">IQ", koly, 488, 1, total)
    with open(path, "wb") as f:
        f.write(fork + plist + koly)
