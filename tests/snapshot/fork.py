#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine is forked in the middle of its work: each of the new ones goes on by itself, and ends with the old one."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402
from saved import hmp                                   # noqa: E402

suite = tap.Suite()
# Two processes are running in the guest then, preempted by the timer.
MIDDLE = r"ok interrupt\.external"
END = "rhea supervisor guest: "


def machine(*args, **kwargs):
    rhea.need_file(rhea.SUPERVISOR, "make guests")
    # The first must not end before those that end with it.
    return rhea.Machine("-kernel", rhea.SUPERVISOR, "-no-shutdown", *args, memory="64M", qmp=True, **kwargs)


def until(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def text(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def gone(pid):
    """It has ended, though its new parent may not have noticed."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def go_on(cpus):
    """Three by two commands, and the one they are from; each says to its own port that all is well."""
    with rhea.scratch() as folder, machine("-smp", cpus) as m, m.qmp() as q:
        m.expect(MIDDLE)
        said = hmp(q, f"fork -n 2 -serial 'file:{folder}/out.{{n}}'")
        assert said.startswith("fork 1: pid ") and "\nfork 2: pid " in said, said
        more = q.command("x-fork", options=["-serial", f"file:{folder}/out.{{n}}"])
        assert [f["n"] for f in more] == [3], more
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
        with machine() as m, m.qmp() as q:
            m.expect(MIDDLE)
            pids = []
            for keep in (False, True):
                answer = q.command("x-fork", keep=keep, options=["-S", "-qmp", f"unix:{folder}/q{{n}},server=on,wait=off"])
                pids.append(answer[0]["pid"])
            for n in (1, 2):
                until(lambda n=n: os.path.exists(f"{folder}/q{n}"))
            with rhea.Qmp(f"{folder}/q1") as own:
                assert own.command("query-status") == {"running": False, "status": "prelaunch"}
            q.command("quit")
            assert m.wait() == 0
        until(lambda: gone(pids[0]))
        assert not gone(pids[1])
        with rhea.Qmp(f"{folder}/q2") as own:
            own.command("quit")
        until(lambda: gone(pids[1]))


@suite.test
def what_is_written_is_not_shared():
    """Disks that can change must be replaced by option; with an overlay each they may be."""
    with rhea.scratch() as folder:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.write(bytes(1 << 20))
        with machine("-drive", f"file={disk},format=raw,if=none,id=d0", "-device", "virtio-blk-device,drive=d0") as m, \
                m.qmp() as q:
            m.expect(MIDDLE)
            assert "disk 'd0' is writable" in hmp(q, "fork")
            assert q.command("query-status")["running"], "it goes on all the same"
            q.command("stop")
            q.command("blockdev-snapshot-sync", **{"device": "d0", "snapshot-file": f"{folder}/parent", "format": "qcow2"})
            q.command("x-fork", options=["-serial", f"file:{folder}/out.{{n}}", "-drive",
                                         f"file={disk},format=raw,if=none,id=d0,snapshot=on"])
            q.command("cont")
            until(lambda: " ok, 0 failed" in text(f"{folder}/out.1"))
            m.expect(END + r"\d+ ok, 0 failed")
            q.command("quit")
            assert m.wait() == 0


@suite.test
def refusals():
    with machine("-S") as m, m.qmp() as q:
        for line, reason in (("-n 0", "not a number from 1 to 256"), ("-n 257", "not a number"), ("-n x", "not a number"),
                             ("-n", "'-n' is no option"), ("bark", "'bark' is no option"), ("-serial", "without an argument"),
                             ("-serial 'x", "fork: ")):
            said = hmp(q, f"fork {line}")
            assert reason in said and said.count("\n") == 1, (line, said)
        assert q.command("query-status")["status"] == "prelaunch"
    with machine("-S", "-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-M", "memory-backend=ram") as m, m.qmp() as q:
        assert "shared with other processes" in hmp(q, "fork")
        assert not os.path.exists(f"/proc/{m.process.pid}/task/{m.process.pid}/children") or \
            not text(f"/proc/{m.process.pid}/task/{m.process.pid}/children").strip()


if __name__ == "__main__":
    sys.exit(suite.run())
