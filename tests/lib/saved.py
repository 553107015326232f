# SPDX-License-Identifier: MIT
"""Machines that are saved at some moment and go on in new processes."""

import contextlib
import os
import time

import rhea
import snapstate


def hmp(q, line):
    return q.command("human-monitor-command", command_line=line)


def save(q, path):
    answer = hmp(q, f"savevm-file {path}")
    assert answer == "", answer


def content(path):
    with open(path, "rb") as f:
        return f.read()


def same(first, second):
    """Two files hold the same state; fails with the first field that differs."""
    a, b = content(first), content(second)
    if a == b:
        return
    (at, size), (other, other_size) = snapstate.in_file(a), snapstate.in_file(b)
    found = snapstate.difference(a[at:at + size], b[other:other + other_size])
    raise AssertionError(f"a load changes {found or 'memory'}")


class Saved:
    """A machine that lives in one process after another.  start(*args, qmp=True) makes the next one; use
    as a context manager.  m is the machine as it is now, q its QMP client.  held: it does not run before
    its first move."""

    def __init__(self, start, held=False, timeout=120):
        self.start, self.held, self.timeout = start, held, timeout
        self.state = None
        self.m = self.q = None
        self.folder = rhea.scratch()

    def __enter__(self):
        self.state = os.path.join(self.folder.__enter__(), "state")  # pylint: disable=unnecessary-dunder-call
        self._begin(*(["-S"] if self.held else []))
        return self

    def __exit__(self, *exc):
        self._end()
        self.folder.__exit__(*exc)

    def _begin(self, *args):
        self.m = self.start(*args, qmp=True)
        self.q = rhea.Qmp(self.m.qmp_path, self.timeout)

    def _end(self):
        with contextlib.suppress(OSError):
            self.q.__exit__()
        self.m.__exit__()

    def move(self, compare=True):
        """Saves the machine wherever it is and goes on in a new process.  compare: what that one would save
        before it runs is the same, and so is what the old one saves after it loaded its own state."""
        self.q.command("stop")
        save(self.q, self.state)
        if compare:
            assert hmp(self.q, f"loadvm-file {self.state}") == ""
            save(self.q, self.state + ".2")
            same(self.state, self.state + ".2")
        self.q.command("quit")
        assert self.m.wait(60) == 0
        log, seen = self.m.log, self.m.seen
        self._end()
        self._begin("-S", "-loadvm", self.state)
        # A text may begin in one process and end in the next.
        self.m.log, self.m.seen = log, seen
        if compare:
            save(self.q, self.state + ".2")
            same(self.state, self.state + ".2")
        self._go()

    def _go(self):
        """A guest near its end may be through before the answer is read."""
        with contextlib.suppress(OSError):
            self.q.command("cont")

    def moves(self, count, seconds):
        """Moves again and again, with that time between; how often before the machine ended by itself."""
        for i in range(count):
            if self.held and not i:
                self._go()
            time.sleep(seconds)
            try:
                self.q.command("stop")
            except (OSError, AssertionError):
                self.m.wait(60)
                return i
            self.move()
        return count
