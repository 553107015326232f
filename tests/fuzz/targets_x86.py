# SPDX-License-Identifier: MIT
"""Nonsense with every privilege of an x86 CPU: the guest of tests/guests/x86_64/c-chaos.c, seeded."""

import functools
import os
import platform
import select
import subprocess
import tempfile
import time

import rhea

EMULATOR = os.path.join(os.getcwd(), "rhea-system-x86_64")
SEED_FIELD = b"SEED00000001"
SECONDS = 3
SETUPS = [("-cpu", "max"), ("-cpu", "max", "-smp", "3", "-M", "q35"), ("-cpu", "qemu64", "-accel", "tci"),
          ("-cpu", "max", "-smp", "2", "-accel", "tci"), ("-cpu", "Haswell", "-smp", "2")]


@functools.cache
def firmware():
    with tempfile.TemporaryDirectory(prefix="rhea-test-") as folder:
        subprocess.run([os.path.join(rhea.TOP, "tests/guests/x86_64/build"), folder], check=True)
        with open(os.path.join(folder, "chaos.bin"), "rb") as f:
            image = f.read()
    assert image.count(SEED_FIELD) == 1
    return image


def watch(process, qmp):
    """Resets the guest whenever it has run into a loop; the number of its rounds."""
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        if select.select([process.stdout], [], [], 0.2)[0]:
            data = os.read(process.stdout.fileno(), 4096)
            if not data:
                return rounds                   # it has switched itself off
            rounds += data.count(b".")
        else:
            qmp.command("system_reset")
    qmp.command("quit")
    return rounds


def cpu(rng, folder):
    image, socket = os.path.join(folder, "chaos.bin"), os.path.join(folder, "qmp")
    with open(image, "wb") as f:
        f.write(firmware().replace(SEED_FIELD, b"SEED%08d" % rng.randrange(10 ** 8)))
    argv = [EMULATOR, "-m", "16M", "-nodefaults", "-display", "none", "-bios", image, "-chardev", "stdio,id=o,signal=off",
            "-device", "isa-debugcon,chardev=o,iobase=0xe9", "-qmp", f"unix:{socket},server=on,wait=off",
            *rng.choice(SETUPS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            with rhea.Qmp(socket, timeout=60) as qmp:
                rounds = watch(process, qmp)
            status = process.wait(60)
        except (AssertionError, OSError):
            status, rounds = process.wait(60), 1    # the connection's end, and what it ended with
        finally:
            process.kill()
    assert status == 0, f"the emulator ended with {status}"
    assert rounds, "the guest did not run"


HERE = platform.machine() == "x86_64" and os.path.exists(EMULATOR)    # the host's compiler builds the guest
TARGETS = {"x86-cpu": cpu} if HERE else {}
