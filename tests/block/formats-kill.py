#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""A process that writes to an image is killed in the middle of each of its writes, or its machine loses power, and
with it some of the sectors that were not flushed: the image stays good, and has all that a flush has acknowledged.

Random requests with flushes between them; RHEA_SEED=N runs those of one seed.
"""
import os
import random
import re
import shutil
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from damage import sanitized
from images import HAVE_QEMU, IMG, KIB, MIB, Failed, Workdir, img, qemu_img
from tap import Skip, Suite

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kill-shim.c")
EVERY = int(os.environ.get("RHEA_EVERY", "1" if os.environ.get("RHEA_SLOW") else "11"))
KILLED = 99
SIZE = 2 * MIB + 512
KINDS = [("vmdk", "subformat=monolithicSparse"), ("vmdk", "subformat=twoGbMaxExtentSparse"),
         ("vpc", "force_size=on"), ("vdi", "static=off"), ("vhdx", "block_size=1M"),
         ("qed", "cluster_size=4k,table_size=2"), ("qed", "cluster_size=64k"),
         ("parallels", "cluster_size=64k"), ("qcow2", "cluster_size=4k")]


def build_shim(work):
    if sanitized():
        raise Skip("sanitizers want to be first in the process")
    with open("config.mk", encoding="utf-8") as f:
        cc = re.search(r"^CC := (.*)$", f.read(), re.M)
    out = work.file("shim.so")
    subprocess.run([*(cc[1].split() if cc else ["cc"]), "-shared", "-fPIC", "-O1", "-o", out, SHIM,
                    "-ldl"], check=True)
    return out


def make_requests(rng):
    """[(what, byte, offset, length)], a flush after every few."""
    requests = []
    for number in range(14):
        offset = rng.randrange(SIZE)
        length = min(SIZE - offset, rng.randint(1, rng.choice([3 * KIB, 200 * KIB])))
        what = "flush" if number % 3 == 2 else rng.choice(["write", "write", "write", "unmap"])
        requests.append((what, rng.randint(1, 255), offset, length))
    return requests


def script(requests):
    """Each flush is followed by a line of output, which acknowledges it."""
    lines = []
    for what, byte, offset, length in requests:
        lines.append({"write": f"write -P {byte} {offset} {length}", "flush": "flush\nlength",
                      "unmap": f"unmap {offset} {length}"}[what])
    return "\n".join(lines) + "\n"


def certain(requests, flushes):
    """(bytes that a flush acknowledged, which of them nothing after it has touched)."""
    data, sure = bytearray(SIZE), bytearray(b"\1") * SIZE
    for what, byte, offset, length in requests:
        if what == "flush":
            flushes -= 1
            continue
        if flushes > 0:
            data[offset:offset + length] = bytes([byte if what == "write" else 0]) * length
        else:
            sure[offset:offset + length] = bytes(length)
    return data, sure


def verify(work, fmt, path, requests, flushes):
    raw = work.file("raw")
    img("check", "-f", fmt, path, ok=(0, 3))
    img("convert", "-f", fmt, "-O", "raw", path, raw)
    data, sure = certain(requests, flushes)
    with open(raw, "rb") as f:
        got = f.read()
    for i, byte in enumerate(got):
        if sure[i] and byte != data[i]:
            raise Failed(f"byte {i} is {byte}, and was {data[i]} when it was flushed")
    their_opinion(fmt, path, raw)
    img("io", "-f", fmt, "-c", "write -P 99 100k 300k", "-c", "read -P 99 100k 300k", path)
    img("check", "-f", fmt, path, ok=(0, 3))
    if HAVE_QEMU and fmt == "vdi":
        qemu_img("check", "-f", fmt, path)


def their_opinion(fmt, path, raw):
    """The other tool, which may mend what it can, finds it good and reads the same."""
    if not HAVE_QEMU:
        return
    copy = path
    if fmt in ("qed", "vhdx", "parallels", "qcow2"):
        copy = path + ".theirs"
        shutil.copy(path, copy)
        qemu_img("check", "-r", "all", "-f", fmt, copy, ok=(0, 3))
    elif fmt == "vmdk":
        qemu_img("check", "-f", fmt, copy, ok=(0, 3))
    # VDI's count of blocks is right again after the next write, and not before; VHD has no check.
    qemu_img("compare", "-f", "raw", "-F", fmt, raw, copy)


def kill_at(work, shim, fmt, options, requests, number, cut):
    """False: the process came to its end before."""
    for name in os.listdir(work.path):
        if name.startswith("i"):
            os.unlink(work.file(name))
    path = work.file("i." + fmt)
    img("create", "-q", "-f", fmt, "-o", options, path, SIZE)
    done = subprocess.run([IMG, "io", "-f", fmt, path], input=script(requests), text=True,
                          capture_output=True, timeout=120,
                          env={**os.environ, "LD_PRELOAD": shim, "RHEA_KILL_AT": str(number),
                               "RHEA_POWER_CUT": str(cut)})
    if done.returncode not in (0, KILLED):
        raise Failed(f"{done.returncode} {done.stderr}")
    flushes = sum(line[0].isdigit() and "ops" not in line for line in done.stdout.split("\n") if line)
    try:
        verify(work, fmt, path, requests, flushes)
    except Failed as e:
        raise Failed(f"killed at {number} (power cut: {cut}), {flushes} flushes acknowledged\n"
                     f"{script(requests)}\n{e}") from None
    return done.returncode == KILLED


def kills(seed, fmt, options, power):
    rng = random.Random(f"{seed} {fmt} {options}")
    requests = make_requests(rng)
    with Workdir() as work:
        shim = build_shim(work)
        number = rng.randint(1, EVERY)
        while kill_at(work, shim, fmt, options, requests, number, number if power else 0):
            number += EVERY


def main():
    suite = Suite()
    for fmt, options in KINDS:
        name = f"{fmt}-{options.replace(',', '-').replace('=', '-')}"
        for what in "kill", "power":
            suite.add(f"{what}-{name}", kills, int(os.environ.get("RHEA_SEED", "1")), fmt, options,
                      what == "power")
    return suite.run()


if __name__ == "__main__":
    sys.exit(main())
