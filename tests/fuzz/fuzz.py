#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""Fuzzing of everything that a guest, a file or a peer can reach.

  fuzz.py [--seconds N] [--target NAME] [--seed N]

Targets take turns, each turn with a seed of its own, until the time is over ($FUZZ_SECONDS, 20 without).
A turn is all in its seed: a failure prints the command that repeats it.  "make fuzz" runs this on a
build with sanitizers.
"""

import argparse
import os
import random
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "qtest"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

import rhea  # noqa: E402
import targets_browsers  # noqa: E402
import targets_devices  # noqa: E402
import targets_guests  # noqa: E402
import targets_images  # noqa: E402
import targets_network  # noqa: E402
import targets_pc  # noqa: E402
import targets_streams  # noqa: E402
import targets_viewers  # noqa: E402
import targets_x86  # noqa: E402

TARGETS = {**targets_devices.TARGETS, **targets_pc.TARGETS, **targets_guests.TARGETS, **targets_x86.TARGETS,
           **targets_streams.TARGETS, **targets_network.TARGETS, **targets_images.TARGETS,
           **targets_viewers.TARGETS, **targets_browsers.TARGETS}


class Tally:
    """What a target did."""

    def __init__(self):
        self.turns, self.failures = 0, []


def turn(name, seed):
    """One turn; the text of a failure, or None."""
    try:
        with rhea.scratch() as folder:
            TARGETS[name](random.Random(f"{name} {seed}"), folder)
    except Exception:                                   # pylint: disable=broad-except
        return traceback.format_exc()
    return None


def fuzz(names, first_seed, seconds, once):
    tallies = {name: Tally() for name in names}
    end, seed = time.monotonic() + seconds, first_seed
    # Every target has its turn, however short the time is.
    while seed == first_seed or (time.monotonic() < end and not once):
        for name in names:
            if seed != first_seed and time.monotonic() >= end:
                break
            tally = tallies[name]
            tally.turns += 1
            text = turn(name, seed)
            if text:
                tally.failures.append(seed)
                print("\n".join("# " + line for line in text.splitlines()))
                print(f"# again: {sys.argv[0]} --target {name} --seed {seed}", flush=True)
        seed += 1
    return tallies


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS", "20")))
    parser.add_argument("--target", choices=sorted(TARGETS))
    parser.add_argument("--seed", type=int, help="this seed alone")
    args = parser.parse_args()
    # A sanitizer's word is a failure that the emulator ends with.
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    names = [args.target] if args.target else list(TARGETS)
    first = 1 if args.seed is None else args.seed
    tallies = fuzz(names, first, args.seconds, args.seed is not None)
    print(f"TAP version 13\n1..{len(names)}")
    for number, name in enumerate(names, 1):
        tally = tallies[name]
        verdict = "not ok" if tally.failures else "ok"
        print(f"{verdict} {number} {name}: seeds {first} to {first + tally.turns - 1}")
    return 1 if any(t.failures for t in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
