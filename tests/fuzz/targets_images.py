# SPDX-License-Identifier: MIT
"""Damaged images of each format, and the tool on them."""
import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "block"))
import broken  # noqa: E402


def turn(fmt, rng, _folder):
    broken.case(rng, fmt)


TARGETS = {f"image-{fmt}": functools.partial(turn, fmt) for fmt in sorted({k[0] for k in broken.KINDS})}
