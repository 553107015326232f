#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine is forked in the middle of its work: each of the new ones goes on by itself, and ends with the old one."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402
from forks import Forks, gone, until                    # noqa: E402
from saved import hmp                                   # noqa: E402

suite = tap.Suite()
# Two processes are running in the guest then, preempted by the timer.
MIDDLE = r"ok interrupt\.external"
END = "rhea supervisor guest: "


def machine(*args, **kwargs):
    rhea.need_file(rhea.SUPERVISOR, "make guests")
    # The first must not end before those that end with it.
    return rhea.Machine("-kernel", rhea.SUPERVISOR, "-no-shutdown", *args, memory="64M", qmp=True, **kwargs)


def text(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def go_on(cpus):
    """Three by two commands, and the one they are from; each says to its own port that all is well."""
    with rhea.scratch() as folder, machine("-smp", cpus) as m, m.qmp() as q, Forks(q) as forks:
        m.expect(MIDDLE)
        said = forks.hmp(f"-n 2 -serial 'file:{folder}/out.{{n}}'")
        assert said.startswith("fork 1: pid ") and "\nfork 2: pid " in said, said
        assert forks.fork("-serial", f"file:{folder}/out.{{n}}") == [3]
        m.expect(END + r"\d+ ok, 0 failed")
        for n in (1, 2, 3):
            until(lambda n=n: " ok, 0 failed" in text(f"{folder}/out.{n}"))
            assert "OpenSBI" not in text(f"{folder}/out.{n}"), "it did not start from the beginning"
        q.command("quit")
        assert m.wait() == 0


for CPUS in (1, 4):
    suite.add(f"go-on-{CPUS}", go_on, CPUS)


@suite.test
def end_with_the_first():
    """Each has a monitor of its own; those that were not to be kept get SIGTERM when the first one ends."""
    with rhea.scratch() as folder:
        with machine() as m, m.qmp() as q, Forks(q) as forks:
            m.expect(MIDDLE)
            for keep in (False, True):
                forks.fork("-S", "-qmp", f"unix:{folder}/q{{n}},server=on,wait=off", keep=keep)
            with rhea.Qmp(f"{folder}/q1") as own:
                assert own.command("query-status") == {"running": False, "status": "paused"}
            q.command("quit")
            assert m.wait() == 0
            until(lambda: gone(forks.pids[0]))
            assert not gone(forks.pids[1])
            with rhea.Qmp(f"{folder}/q2") as own:
                own.command("quit")
            until(lambda: gone(forks.pids[1]))


@suite.test
def disks_get_overlays():
    """What was written freezes; the first one and the new ones go on in overlays, named or without a name."""
    with rhea.scratch() as folder:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.write(bytes(1 << 20))
        with machine("-drive", f"file={disk},format=raw,if=none,id=d0", "-device", "virtio-blk-device,drive=d0") as m, \
                m.qmp() as q, Forks(q) as forks:
            m.expect(MIDDLE)
            said = forks.hmp(f"-serial 'file:{folder}/out.{{n}}'")
            assert f"disk 'd0' is written to {disk}.fork-1 from now on" in said, said
            forks.fork("-serial", f"file:{folder}/out.{{n}}", overlay=f"{folder}/{{disk}}.{{n}}")
            m.expect(END + r"\d+ ok, 0 failed")
            for n in (1, 2):
                until(lambda n=n: " ok, 0 failed" in text(f"{folder}/out.{n}"))
            assert q.command("query-block")[0]["inserted"]["file"] == f"{folder}/d0.0"
            q.command("stop")
            assert "is locked by process" in hmp(q, "commit d0"), "the new ones read what it would write to"
            assert forks.kill() == 2
            said = hmp(q, "commit d0")
            assert said == "", said
            q.command("quit")
            assert m.wait() == 0
        for image, base in ((f"{disk}.fork-1", disk), (f"{folder}/d0.0", f"{disk}.fork-1"), (f"{folder}/d0.2", f"{disk}.fork-1")):
            info = json.loads(subprocess.run([os.path.join(os.getcwd(), "rhea-img"), "info", "--output=json", "-U", image], check=True,
                                             stdout=subprocess.PIPE).stdout)
            assert info["full-backing-filename"] == base, info
        with open(disk, "rb") as f:
            assert not any(f.read()), "the guest wrote after the fork"


@suite.test
def refusals():
    with machine("-S") as m, m.qmp() as q:
        for line, reason in (("-n 0", "not a number from 1 to 256"), ("-n 257", "not a number"), ("-n x", "not a number"),
                             ("-n", "'-n' is no option"), ("bark", "'bark' is no option"), ("-serial", "without an argument"),
                             ("-serial 'x", "fork: "), ("-m 1G", "'-m' is no option for a machine that is there already"),
                             ("-serial file:/no/such/folder", "fork 1: character device: cannot open '/no/such/folder'"),
                             ("-serial null -serial null", "fork 1: -serial: the machine has 1 serial ports"),
                             ("-netdev user,id=bark", "there is no 'bark' of type 'user'")):
            said = hmp(q, f"fork {line}")
            assert reason in said and said.count("\n") == 1, (line, said)
        assert q.command("query-status")["status"] == "prelaunch"
    with machine("-S", "-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-M", "memory-backend=ram") as m, m.qmp() as q:
        assert "shared with other processes" in hmp(q, "fork")
        assert not text(f"/proc/{m.process.pid}/task/{m.process.pid}/children").strip()


if __name__ == "__main__":
    sys.exit(suite.run())
