#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Every field of every device of the PC and of virt with values that it cannot have: a load refuses the state,
or the machine goes on with it, however badly; and the good state can be loaded over either."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pcspace  # noqa: E402
from qtest import PcQtest, Qtest  # noqa: E402
import rhea  # noqa: E402
import snapstate  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


class Pc(PcQtest):
    MACHINE = []


def values(field):
    """What indexes, counts and states of a machine are least prepared for."""
    top = 1 << 8 * field.width
    return [top - 1] if field.kind == b"b" else [top - 1, top >> 1, 0x7f, 0]


def break_all(q, noise):
    """All fields in turn; the number of states that were refused and that were loaded."""
    good = q.save()
    refused = loaded = 0
    for field in snapstate.fields(good):
        for value in values(field):
            change = snapstate.change(field, value)
            if snapstate.changed(good, [change]) == good:
                continue
            answer = q.load([change])
            if answer == "OK":
                loaded += 1
                q.many(noise())
            else:
                refused += 1
                assert field.path in answer or field.path == "clock", f"{field}: {answer}"
            assert q.load() == "OK", f"{field}: after {value:#x}"
            if q.raw("rhea_same") != "OK":
                raise AssertionError(f"{field}: {value:#x} left traces: {snapstate.difference(good, q.save())}")
    return refused, loaded


def pc(machine):
    rng = random.Random(machine)
    with rhea.scratch() as folder, Pc(*pcspace.devices(folder, machine)) as q:
        space = pcspace.Space(q)
        q.many(list(space.lines(rng, 300)))
        refused, loaded = break_all(q, lambda: list(space.lines(rng, 20)))
        assert refused > 100 and loaded > 1000, f"{refused} refused, {loaded} loaded"


suite.add("pc", pc, "pc")
suite.add("q35", pc, "q35")


@suite.test
def virt():
    bases = [0x101000, 0x2004000, 0xc000000, 0xc200000, 0x10000000, 0x10100000, 0x20000000, 0x30000000,
             *range(0x10001000, 0x10009000, 0x1000)]
    rng = random.Random(1)

    def noise():
        return [f"{rng.choice(['read', 'write'])}l {rng.choice(bases) + 4 * rng.randrange(64):#x}" for _ in range(10)]

    with Qtest("-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-device,netdev=n0", "-device",
               "virtio-rng-device", "-device", "virtio-balloon-pci", "-device", "virtio-tablet-device",
               "-device", "virtio-keyboard-pci", "-smp", "2") as q:
        break_all(q, lambda: [line + " 0x1" if line.startswith("w") else line for line in noise()])


if __name__ == "__main__":
    sys.exit(suite.run())
