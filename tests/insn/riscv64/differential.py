#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Random instruction sequences: the same registers, flags and memory as on Debian's emulator.

usage: differential.py [NAME...] [--seed=N] [--cases=N]     (environment: RHEA_EMULATOR)

A difference is reduced to the fewest instructions that show it and printed with its registers.
"""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import rvtables
import guest
import randomcode
import rhea
import tap

suite = tap.Suite()
OPTIONS = {"seed": 1, "cases": 400}
REFERENCE_CPU = "rv64,zba=on,zbb=on,zbc=on,zbs=on,Zfh=true"
BASE = ["zca", "zicsr", "zifencei"]
NOT_IN_REFERENCE = ["zfa", "zicond", "zcb", "zicbom", "zicboz", "zawrs"]
# Features that sequences draw their instructions from; the reference has no Zfa, Zicond, Zcb.
GROUPS = {
    "integer": (["zca", "m"], 40),
    "atomic": (["zca", "a", "m"], 25),
    "bits": (["zba", "zbb", "zbc", "zbs", "zca"], 40),
    "single": (["f", "zca"], 20),
    "double": (["f", "d", "zca", "zcd"], 20),
    "half": (["f", "d", "zfh", "zfhmin"], 20),
    "mixed": (["zca", "m", "a", "f", "d", "zcd", "zba", "zbb", "zbc", "zbs", "zfh", "zfhmin"],
               40),
}


class Pair:
    """The two emulators that must agree."""

    def __init__(self, folder, accel, cpu="max"):
        self.folder = folder
        self.runner = guest.build_runner(folder)
        self.theirs = guest.reference(REFERENCE_CPU)
        self.ours = guest.ours(accel, cpu)

    def results(self, cases, long_mode=False):
        """(ours, theirs) of all @cases."""
        return (guest.run(self.ours, self.folder, self.runner, cases, long_mode),
                guest.run(self.theirs, self.folder, self.runner, cases, long_mode))

    def differs(self, case):
        a, b = self.results([case], long_mode=True)
        return {n: (a[0][n], b[0][n]) for n in guest.NAMES if a[0][n] != b[0][n]}


def reduced(pair, case, atoms):
    """Drops atoms as long as the case still differs."""
    step = max(1, len(atoms) // 2)
    while step:
        i = 0
        while i < len(atoms):
            fewer = atoms[:i] + atoms[i + step:]
            smaller = guest.Case(randomcode.assemble(fewer), case.x, case.f, case.fcsr, case.seed)
            if fewer and pair.differs(smaller):
                case, atoms = smaller, fewer
            else:
                i += step
        step //= 2
    return case, atoms


def report(case, difference):
    """What a reader needs to see the bug."""
    text = [f"code {case.code.hex(' ', -4)}, fcsr {case.fcsr:#x}, data seed {case.seed:#x}"]
    for name, (ours, theirs) in difference.items():
        text.append(f"{name}: ours {ours:#018x}, reference {theirs:#018x}")
    text.append(" ".join(f"x{n}={v:#x}" for n, v in enumerate(case.x) if n))
    text.append(" ".join(f"f{n}={v:#x}" for n, v in enumerate(case.f)))
    return "\n".join(text)


def compare(group, accel):
    """One run of random cases of @group on both emulators."""
    rhea.need_accel(accel)
    needs, length = GROUPS[group]
    rng = random.Random(f"{OPTIONS['seed']} {group}")
    generator = randomcode.Generator(rvtables.load(), needs + BASE, rng)
    made = [generator.case(rng.randrange(1, length)) for _ in range(OPTIONS["cases"])]
    with rhea.scratch() as folder:
        pair = Pair(folder, accel)
        ours, theirs = pair.results([case for case, _ in made])
        for (case, atoms), a, b in zip(made, ours, theirs):
            if a != b:
                case, atoms = reduced(pair, case, atoms)
                raise AssertionError(report(case, pair.differs(case)))


def verdict(registers):
    """Whether the instruction was illegal, and then its trap value.  What else may differ is open:
    the address of a fault in a misaligned access, whether a failing SC faults."""
    if registers["mcause"] != guest.CAUSE_ILLEGAL:
        return "legal"
    return f"illegal with mtval {registers['mtval']:#x}"


def same_encodings_are_illegal(accel):
    """Near misses of encodings trap or not like the reference's, with equal features."""
    rhea.need_accel(accel)
    rng = random.Random(f"{OPTIONS['seed']} encodings")
    tables = rvtables.load()
    cases = [guest.Case(randomcode.near_miss(tables, rng), [0] + [guest.DATA_MIDDLE] * 31)
             for _ in range(5 * OPTIONS["cases"])]
    with rhea.scratch() as folder:
        pair = Pair(folder, accel, "max," + ",".join(f"{e}=off" for e in NOT_IN_REFERENCE))
        ours, theirs = pair.results(cases, long_mode=True)
    wrong = [f"{case.code.hex()}: ours {verdict(a)}, reference {verdict(b)}"
             for case, a, b in zip(cases, ours, theirs) if verdict(a) != verdict(b)]
    assert not wrong, "\n".join(wrong[:20])


for ACCEL in ("tci", "tcg"):
    suite.add(f"encodings-{ACCEL}", same_encodings_are_illegal, ACCEL)
    for GROUP in GROUPS:
        suite.add(f"{GROUP}-{ACCEL}", compare, GROUP, ACCEL)

if __name__ == "__main__":
    names = []
    for arg in sys.argv[1:]:
        key, eq, value = arg.removeprefix("--").partition("=")
        if eq:
            OPTIONS[key] = int(value)
        else:
            names.append(arg)
    sys.exit(suite.run(names))
