# SPDX-License-Identifier: MIT
"""Forked machines: processes that are not ours, which must not outlive a test."""

import contextlib
import os
import re
import signal
import time


def until(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def gone(pid):
    """It has ended with all its threads, which hold its files; its parent may not have noticed."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            zombie = f.read().rsplit(")", 1)[1].split()[0] == "Z"
        return zombie and len(os.listdir(f"/proc/{pid}/task")) == 1
    except FileNotFoundError:
        return True


def shared_mib(pid):
    """What it has in memory, and its share of that when each page is divided among those who have it."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        text = f.read()
    return [int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) / 1024 for name in ("Rss", "Pss")]


class Forks:
    """Those that one machine was asked for; killed at the end of the block."""

    def __init__(self, q):
        self.q = q
        self.pids = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()

    def kill(self):
        """Ends those that have not ended yet; how many they were."""
        alive = [pid for pid in self.pids if not gone(pid)]
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in alive:
            until(lambda pid=pid: gone(pid))
        return len(alive)

    def fork(self, *options, **arguments):
        """x-fork; the numbers of the new machines."""
        new = self.q.command("x-fork", options=list(options), **arguments)
        self.pids += [f["pid"] for f in new]
        return [f["n"] for f in new]

    def hmp(self, arguments):
        """The monitor's command; what it says."""
        said = self.q.command("human-monitor-command", command_line=f"fork {arguments}")
        self.pids += [int(pid) for pid in re.findall(r"^fork \d+: pid (\d+)$", said, re.M)]
        return said
