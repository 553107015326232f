# SPDX-License-Identifier: MIT
"""Running the tool on damaged images: an end without a signal, and memory within bounds."""
import resource
import struct
import subprocess

from images import IMG, Failed

MEMORY = 2 << 30
BAD_WORDS = "Sanitizer", "runtime error", "failed to allocate"    # of sanitizers, and of GLib
EVIL = [0, 1, 511, 512, 65535, 65536, 1 << 31, 1 << 32, (1 << 56) - 512, 1 << 62, 1 << 63,
        (1 << 63) | 65536, (1 << 63) | (1 << 62) | 5, (1 << 64) - 1]


def sanitized():
    """An address sanitizer wants terabytes of address space for itself."""
    with open("config.mk", encoding="utf-8") as f:
        return "SANITIZERS := address" in f.read()


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def survives(*argv, stdin=None):
    """Any status will do, but no signal, and an end."""
    done = subprocess.run([IMG, *map(str, argv)], input=stdin, capture_output=True, text=True,
                          timeout=120, preexec_fn=None if sanitized() else limit_memory,
                          errors="replace")
    if done.returncode < 0 or any(word in done.stderr for word in BAD_WORDS):
        raise Failed(f"{argv}: status {done.returncode}\n{done.stdout[-500:]}\n{done.stderr[-3000:]}")
    return done.returncode


def damage_at(data, at, rng, order=">"):
    """Changes a byte, a bit, or a number in @order to one that is picked to hurt."""
    how = rng.random()
    if how < 0.4:
        data[at] = rng.randrange(256)
    elif how < 0.6:
        data[at] ^= 1 << rng.randrange(8)
    elif how < 0.8:
        struct.pack_into(order + "Q", data, at & ~7, rng.choice(EVIL))
    else:
        struct.pack_into(order + "I", data, at & ~3, rng.choice(EVIL) & 0xffffffff)


def cut(data, rng):
    """Now and then, the end is missing."""
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)):]


def run_cases(case, first, last):
    for seed in range(first, last):
        try:
            case(seed)
        except (Failed, subprocess.TimeoutExpired) as e:
            raise Failed(f"seed {seed}: {e}") from None
