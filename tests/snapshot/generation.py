#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Linux hears that it is another machine now: Debian's kernel seeds its random numbers again."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from pc import pc  # noqa: E402
from saved import save  # noqa: E402

suite = tap.Suite()
SAYS = "crng reseeded due to virtual machine fork"


def linux(board, *args, **kwargs):
    return pc("-M", board, "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
              "console=ttyS0", "-device", "vmgenid", *args, memory="512M", qmp=True, **kwargs)


def others(board, cpus):
    """Two machines from one file: each has a number of its own and random numbers of its own."""
    with rhea.scratch() as folder:
        state = os.path.join(folder, "state")
        with linux(board, "-smp", cpus) as m, m.qmp() as q:
            m.expect("rhea-guest: ready", 300)
            # Numbers that are not ready yet are not seeded again; this waits until they are.
            m.run("head -c 16 /dev/random > /dev/null", 240)
            assert SAYS not in m.run("dmesg")
            numbers = [q.command("query-vm-generation-id")["guid"]]
            q.command("stop")
            save(q, state)
        randoms = []
        for _ in range(2):
            with linux(board, "-smp", cpus, "-loadvm", state) as m, m.qmp() as q:
                m.run(f"until dmesg | grep '{SAYS}'; do sleep 0.1; done", 120)
                randoms.append(m.run("head -c 16 /dev/urandom | md5sum"))
                numbers.append(q.command("query-vm-generation-id")["guid"])
        assert len(set(numbers)) == 3 and len(set(randoms)) == 2, (numbers, randoms)


suite.add("others-pc", others, "pc", 1)
suite.add("others-q35", others, "q35", 4)

if __name__ == "__main__":
    sys.exit(suite.run())
