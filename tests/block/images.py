# SPDX-License-Identifier: MIT
"""Images in files, the tools that work on them, and a model of what an image must hold."""
import os
import shutil
import subprocess
import tempfile

IMG = os.path.abspath("rhea-img")
IO = os.path.abspath("rhea-io")
QEMU_IMG = shutil.which("qemu-img")
QEMU_IO = shutil.which("qemu-io")
HAVE_QEMU = bool(QEMU_IMG and QEMU_IO)
KIB, MIB = 1 << 10, 1 << 20


class Failed(AssertionError):
    """A tool ended with another status than it should."""


def run(*argv, ok=(0,), stdin=None):
    """Runs a tool; its output."""
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True, errors="replace",
                          timeout=600)
    if done.returncode not in ok:
        raise Failed(f"{' '.join(map(str, argv))}: status {done.returncode}\n{stdin or ''}\n"
                     f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def img(*argv, **more):
    return run(IMG, *argv, **more)


def qemu_img(*argv, **more):
    return run(QEMU_IMG, *argv, **more)


class Workdir:
    """A directory of images that goes with the test."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="rhea-block-")
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.path, name)


# --- Requests, as each tool wants to hear them ---

class QemuIo:
    """A batch of requests for qemu-io; a request that failed shows in its output only."""

    tool = QEMU_IO

    def __init__(self, path, fmt="qcow2"):
        self.argv, self.lines = [self.tool, "-f", fmt, path], []

    def write(self, byte, offset, length):
        self.lines.append(f"write -P {byte} {offset} {length}")

    def compress(self, byte, offset, length):
        self.lines.append(f"write -c -P {byte} {offset} {length}")

    def zero(self, offset, length, unmap):
        self.lines.append(f"write -z{' -u' if unmap else ''} {offset} {length}")

    def flush(self):
        self.lines.append("flush")

    def truncate(self, size):
        self.lines.append(f"truncate {size}")

    def run(self):
        out = run(*self.argv, stdin="\n".join(self.lines) + "\nquit\n")
        if "failed" in out or "rror" in out:
            raise Failed(f"{self.lines}\n{out}")


class RheaIo(QemuIo):
    """The same for rhea-io."""

    tool = IO
