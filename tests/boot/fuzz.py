#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 240
"""A hostile guest: nonsense in every device register, virtqueues that lie.  The emulator survives.

$RHEA_FUZZ_SECONDS (default 20) says how long the register fuzzing goes on; use a build with
--enable-sanitizers=address,undefined and minutes before a release.
"""

import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

SECONDS = float(os.environ.get("RHEA_FUZZ_SECONDS", "20"))
ROUNDS = 100000

suite = tap.Suite()


def devices(folder, transport):
    disk = os.path.join(folder, "disk")
    with open(disk, "wb") as f:
        f.truncate(1 << 20)
    return ["-drive", f"file={disk},format=raw,if=none,id=d", "-device", f"virtio-blk-{transport},drive=d",
            "-netdev", "user,id=n", "-device", f"virtio-net-{transport},netdev=n",
            "-device", f"virtio-rng-{transport}", "-device", f"virtio-balloon-{transport}",
            "-device", f"virtio-serial-{transport}"]


def judge(m):
    text = m.errors()
    if "Sanitizer" in text or "runtime error" in text:
        m.fail("a sanitizer found something")


def fuzz(transport, first_seed):
    """Seeds follow one another until the time is over; a guest that killed itself is let go."""
    end, seed = time.monotonic() + SECONDS / 2, first_seed
    with rhea.scratch() as folder:
        while time.monotonic() < end:
            with rhea.Machine("-bios", "none", "-kernel", rhea.OWN_GUEST, "-append",
                              f"fuzz={seed} rounds={ROUNDS}", *devices(folder, transport),
                              memory="64M") as m:
                limit = min(end, time.monotonic() + 10)
                while time.monotonic() < limit and m._read(limit - time.monotonic()):
                    pass
                with contextlib.suppress(Exception):
                    m.process.wait(0.2)
                judge(m)
                if m.process.poll() not in (None, 0):
                    m.fail(f"seed {seed}: the emulator ended with {m.process.returncode}")
            seed += 1


suite.add("registers-mmio", fuzz, "device", 1)
suite.add("registers-pci", fuzz, "pci", 1000)


@suite.test
def queues_that_lie():
    with rhea.scratch() as folder:
        with rhea.Machine("-bios", "none", "-kernel", rhea.OWN_GUEST, "-append", "badqueue",
                          *devices(folder, "device"), memory="64M") as m:
            status = m.wait(60)
            judge(m)
            if status != 0 or "ok badqueue.reset-recovers" not in m.log:
                m.fail(f"status {status}")
            assert len(m.errors()) < 100000, "the guest can fill the log"


if __name__ == "__main__":
    sys.exit(suite.run())
