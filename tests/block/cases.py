# SPDX-License-Identifier: MIT
"""Random cases: what the guest must see, requests on both sides, and the way to the smallest that fails."""
import os

from images import HAVE_QEMU, Failed, QemuIo, RheaIo, img, qemu_img
from tap import Suite


class Model:
    """What the guest must see, and what it saw at each snapshot."""

    def __init__(self, data):
        self.data, self.snapshots = data, {}

    def fill(self, byte, offset, length):
        self.data[offset:offset + length] = bytes([byte]) * length

    def resize(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))


def apply_requests(tool, path, fmt, ops, model):
    """Requests (name, byte, offset, length) by rhea-img or qemu-io, and on the model."""
    io = RheaIo(path, fmt) if tool == "rhea" or not HAVE_QEMU else QemuIo(path, fmt)
    for what, byte, offset, length in ops:
        if what == "write":
            io.write(byte, offset, length)
            model.fill(byte, offset, length)
        elif what == "compress":
            # The other tool refuses clusters that are not empty any more.
            (io.compress if type(io) is RheaIo else io.write)(byte, offset, length)
            model.fill(byte, offset, length)
        elif what in ("zero", "unmap"):
            io.zero(offset, length, what == "unmap")
            model.fill(0, offset, length)
        else:
            io.flush()
    io.run()


def verify(work, path, fmt, model, their_check=True):
    """Both tools find the image consistent, and the bytes of the model in it."""
    with open(work.file("model"), "wb") as f:
        f.write(model.data)
    img("check", "-f", fmt, path)
    img("compare", "-f", "raw", "-F", fmt, work.file("model"), path)
    if HAVE_QEMU:
        if their_check:
            qemu_img("check", "-f", fmt, path)
        qemu_img("compare", "-f", "raw", "-F", fmt, work.file("model"), path)


def shrink(run_case, seed, count):
    """The smallest set of batches that still fails, by leaving out one after the other."""
    keep, last = set(range(count)), None
    for number in range(count):
        try:
            run_case(seed, keep - {number})
        except Failed as e:
            keep, last = keep - {number}, e
    return last


def try_case(run_case, seed):
    try:
        run_case(seed, None)
    except Failed as e:
        less = shrink(run_case, seed, 32)
        raise less or e from None


def main(run_case, count):
    """@count seeds, or that of RHEA_SEED; run_case(seed, keep) runs the batches whose numbers are in @keep."""
    first = int(os.environ["RHEA_SEED"]) if "RHEA_SEED" in os.environ else None
    suite = Suite()
    for seed in [first] if first is not None else range(1, count + 1):
        suite.add(f"seed-{seed}", try_case, run_case, seed)
    return suite.run()
