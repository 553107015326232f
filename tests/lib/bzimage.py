# SPDX-License-Identifier: MIT
"""The kernel proper, an ELF program, out of Linux's bzImage.  Spec: Linux Documentation/arch/x86/boot.rst."""

import bz2
import gzip
import lzma
import struct
import subprocess

import rhea


def zstd(data):
    done = subprocess.run([rhea.need_tool("zstd"), "-d", "-c", "-q"], input=data, capture_output=True,
                          check=False)
    # What follows the compressed data (its size) is no frame, and zstd says so.
    assert done.stdout, done.stderr.decode()
    return done.stdout


def xz(data):
    return lzma.LZMADecompressor().decompress(data)


METHODS = {b"\x1f\x8b": gzip.decompress, b"BZ": bz2.decompress, b"\xfd7": xz, b"\x5d\x00": xz,
           b"\x28\xb5": zstd}


def vmlinux(path):
    """The bytes of the ELF program in the bzImage at path."""
    with open(path, "rb") as f:
        image = f.read()
    assert image[0x202:0x206] == b"HdrS" and struct.unpack_from("<H", image, 0x206)[0] >= 0x208
    start = ((image[0x1f1] or 4) + 1) * 512
    offset, size = struct.unpack_from("<II", image, 0x248)
    payload = image[start + offset:start + offset + size]
    elf = METHODS[payload[:2]](payload[:-4] if payload[:2] == b"\x1f\x8b" else payload)
    assert elf[:4] == b"\x7fELF"
    return elf
