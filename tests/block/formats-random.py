#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Random requests on images of the formats beside qcow2, by our tool and by Debian's in turn, against a model.

Each case is one seed: RHEA_SEED=N runs that one, RHEA_CASES=N that many.  A case that fails is tried again
with less and less of its operations, and what still fails is printed.
"""
import os
import random
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from cases import Model, apply_requests, main, verify
from images import HAVE_QEMU, KIB, MIB, Failed, Workdir, img, qemu_img

CASES = int(os.environ.get("RHEA_CASES", "300" if os.environ.get("RHEA_SLOW") else "36"))
NO_CHECK = {"vpc"}       # not by the other tool
BACKING = {"qed", "vmdk"}
FORMATS = ["qed", "vdi", "vpc", "vhdx", "parallels", "vmdk"]


def make_kind(fmt, rng):
    """Options of create, as a dictionary, and whether a backing file is possible."""
    if fmt == "qed":
        return {"cluster_size": rng.choice([4096, 65536, MIB]), "table_size": rng.choice([2, 4, 16])}  # the other refuses 1
    if fmt == "vdi":
        return {"static": rng.choice(["on", "off", "off"])}
    if fmt == "vpc":
        return {"force_size": "on", "subformat": rng.choice(["fixed", "dynamic", "dynamic"])}
    if fmt == "vhdx":
        return {"subformat": rng.choice(["fixed", "dynamic", "dynamic"]),
                "block_size": rng.choice([MIB, MIB, 2 * MIB])}
    if fmt == "parallels":
        return {"cluster_size": rng.choice([4096, 65536, MIB, 63 * 512])}
    sub = rng.choice(["monolithicSparse", "monolithicSparse", "monolithicFlat",
                      "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
    kind = {"subformat": sub, "adapter_type": rng.choice(["ide", "lsilogic"])}
    if sub.endswith("Sparse") and rng.random() < 0.4:
        kind["zeroed_grain"] = "on"
    return kind


def random_ops(rng, size):
    """A list of (tool, operations)."""
    batches = []
    for _ in range(rng.randint(2, 6)):
        ops = []
        for _ in range(rng.randint(1, 12)):
            offset = rng.randrange(size)
            length = rng.randint(1, min(size - offset, rng.choice([3 * KIB, 64 * KIB, 1100 * KIB])))
            what = rng.choice(["write"] * 4 + ["zero", "unmap", "flush"])
            ops.append((what, rng.randint(1, 255), offset, length))
        batches.append((rng.choice(["rhea", "rhea", "qemu"]), ops))
    return batches


def make_backing(work, fmt, rng, size):
    """(options of create, bytes below)."""
    below = max(512, rng.choice([size, size // 2, size + 4096])) // 512 * 512
    data = bytearray(rng.randint(1, 255) for _ in range(64)) * (below // 64)
    with open(work.file("base.raw"), "wb") as f:
        f.write(data)
    base = "base." + fmt
    img("convert", "-f", "raw", "-O", fmt, work.file("base.raw"), work.file(base))
    return ["-b", base, "-F", fmt], (data + bytearray(size))[:size]


def run_case(seed, keep):
    """Runs a case, or those of its batches whose numbers are in @keep; the batches that there are."""
    rng = random.Random(seed)
    fmt = FORMATS[seed % len(FORMATS)]
    kind = make_kind(fmt, rng)
    size = rng.choice([64 * KIB, 1 * MIB, 3 * MIB + 512, 9 * MIB])
    with Workdir() as work:
        backing, data = [], bytearray(size)
        if fmt in BACKING and not kind.get("subformat", "").endswith("Flat") and rng.random() < 0.4:
            backing, data = make_backing(work, fmt, rng, size)
        batches = random_ops(rng, size)
        model, path = Model(data), work.file("test." + fmt)
        options = ",".join(f"{k}={v}" for k, v in kind.items())
        maker = img if not HAVE_QEMU or rng.random() < 0.6 else qemu_img
        maker("create", "-q", "-f", fmt, *backing, "-o", options, path, size)
        try:
            for number, (tool, ops) in enumerate(batches):
                if fmt == "qed" and backing:
                    tool = "rhea"  # the other one loses zeroes above a backing file, now and then
                if keep is None or number in keep:
                    apply_requests(tool, path, fmt, ops, model)
                    verify(work, path, fmt, model, fmt not in NO_CHECK)
        except Failed as e:
            kept = [b for n, b in enumerate(batches) if keep is None or n in keep]
            raise Failed(f"seed {seed}: {fmt} {maker.__name__} {kind} {size} bytes {backing}\n"
                         f"batches {kept}\n{e}") from None
    return batches


if __name__ == "__main__":
    sys.exit(main(run_case, CASES))
