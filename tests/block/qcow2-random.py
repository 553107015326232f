#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Random requests on qcow2 images of many kinds, by our tool and by Debian's in turn, against a model.

Each case is one seed: RHEA_SEED=N runs that one, RHEA_CASES=N that many.  A case that fails is tried again
with less and less of its operations, and what still fails is printed.
"""
import os
import random
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from cases import Model, apply_requests, main, verify
from images import HAVE_QEMU, KIB, MIB, Failed, Workdir, img, qemu_img

CASES = int(os.environ.get("RHEA_CASES", "200" if os.environ.get("RHEA_SLOW") else "14"))


def make_kind(rng):
    """Options of create, as a dictionary."""
    cluster = rng.choice([512, 1024, 4096, 16384, 65536, 65536, 262144, 2 * MIB])
    kind = {"cluster_size": cluster}
    if rng.random() < 0.2:
        kind["compat"] = "v2"
        return kind
    if cluster >= 16384 and rng.random() < 0.4:
        kind["extended_l2"] = "on"
    if rng.random() < 0.6:
        kind["refcount_bits"] = rng.choice([1, 2, 4, 8, 32, 64])
    if rng.random() < 0.4:
        kind["compression_type"] = "zstd"
    if rng.random() < 0.2:
        kind["lazy_refcounts"] = "on"
    if rng.random() < 0.15:
        kind["data_file"] = "data"
        kind.pop("compression_type", None)
        if rng.random() < 0.5:
            kind["data_file_raw"] = "on"
    return kind


def random_ops(rng, kind, size):
    """A list of (tool, operations); an operation is a name with numbers."""
    batches, names, count = [], [], 0
    snapshots = "data_file" not in kind and kind.get("refcount_bits", 16) > 4  # others overflow
    for _ in range(rng.randint(2, 6)):
        ops = []
        for _ in range(rng.randint(1, 12)):
            offset = rng.randrange(size)
            length = rng.randint(1, min(size - offset, rng.choice([3 * KIB, 64 * KIB, 600 * KIB])))
            what = rng.choice(["write"] * 5 + ["zero", "unmap", "compress", "flush"])
            if what == "compress":
                offset -= offset % kind["cluster_size"]
                length = min(kind["cluster_size"], size - offset)
                if "data_file" in kind:
                    continue
            ops.append((what, rng.randint(1, 255), offset, length))
        batches.append((rng.choice(["rhea", "qemu"]), ops))
        roll = rng.random()
        if snapshots and roll < 0.3:
            count += 1
            names.append(f"s{count}")
            batches.append((rng.choice(["rhea", "qemu"]), [("snapshot", names[-1])]))
        elif names and roll < 0.4:
            batches.append((rng.choice(["rhea", "qemu"]), [("apply", rng.choice(names))]))
        elif names and roll < 0.5:
            name = names.pop(rng.randrange(len(names)))
            batches.append((rng.choice(["rhea", "qemu"]), [("delete", name)]))
        elif not names and roll < 0.65:
            new = max(512, size + rng.randint(-size // 3, size // 3)) // 512 * 512
            batches.append(("rhea", [("resize", new)]))
            size = new
    return batches


def apply_whole(tool, path, op, model):
    run_tool = img if tool == "rhea" or not HAVE_QEMU else qemu_img
    if op[0] == "snapshot":
        run_tool("snapshot", "-c", op[1], path)
        model.snapshots[op[1]] = bytearray(model.data)
    elif op[0] == "apply":
        run_tool("snapshot", "-a", op[1], path)
        model.data = bytearray(model.snapshots[op[1]])
    elif op[0] == "delete":
        run_tool("snapshot", "-d", op[1], path)
    else:
        img("resize", "-q", "--shrink", path, op[1])
        model.resize(op[1])


def make_backing(work, rng, size):
    """(options of create, bytes below)."""
    if rng.random() < 0.5:
        return [], bytearray(size)
    below = max(512, rng.choice([size, size // 2, size + 4096])) // 512 * 512
    data = bytearray(rng.randint(1, 255) for _ in range(64)) * (below // 64)
    with open(work.file("base.raw"), "wb") as f:
        f.write(data)
    base, fmt = "base.raw", "raw"
    if rng.random() < 0.5:
        img("convert", "-f", "raw", "-O", "qcow2", work.file("base.raw"), work.file("base.qcow2"))
        base, fmt = "base.qcow2", "qcow2"
    return ["-b", base, "-F", fmt], (data + bytearray(size))[:size]


def run_case(seed, keep):
    """Runs a case, or those of its batches whose numbers are in @keep; the batches that there are."""
    rng = random.Random(seed)
    kind = make_kind(rng)
    size = rng.choice([100 * KIB, 1 * MIB, 3 * MIB + 512, 7 * MIB])
    with Workdir() as work:
        backing, data = ([], bytearray(size)) if "data_file_raw" in kind else \
            make_backing(work, rng, size)
        batches = random_ops(rng, kind, size)
        model, path = Model(data), work.file("test.qcow2")
        if "data_file" in kind:
            kind["data_file"] = work.file("data")
        options = ",".join(f"{k}={v}" for k, v in kind.items())
        maker = img if not HAVE_QEMU or rng.random() < 0.5 else qemu_img
        maker("create", "-q", "-f", "qcow2", *backing, "-o", options, path, size)
        try:
            for number, (tool, ops) in enumerate(batches):
                if keep is not None and number not in keep:
                    continue
                if len(ops[0]) == 2:
                    if ops[0][0] in ("apply", "delete") and ops[0][1] not in model.snapshots:
                        continue
                    apply_whole(tool, path, ops[0], model)
                else:
                    apply_requests(tool, path, "qcow2", ops, model)
                verify(work, path, "qcow2", model)
        except Failed as e:
            kept = [b for n, b in enumerate(batches) if keep is None or n in keep]
            raise Failed(f"seed {seed}: {maker.__name__} {kind} {size} bytes {backing}\n"
                         f"batches {kept}\n{e}") from None
    return batches


if __name__ == "__main__":
    sys.exit(main(run_case, CASES))
