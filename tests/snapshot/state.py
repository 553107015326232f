#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine saved in the middle of its work goes on from the file, in the same process and in a new
one; files that are wrong are refused with a reason."""

import contextlib
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
ARGS = ["-smp", "2", "-kernel", rhea.SUPERVISOR]
# Two processes are running then, preempted by the timer.
MIDDLE = r"ok interrupt\.external"
END = r"rhea supervisor guest: \d+ ok, 0 failed"


def accel():
    return next(a for a in ("tcg", "tci") if rhea.has_accel(a))


def machine(*args, **kwargs):
    rhea.need_file(rhea.SUPERVISOR, "make guests")
    return rhea.Machine("-accel", accel(), *ARGS, *args, memory="64M", **kwargs)


def hmp(q, line):
    return q.command("human-monitor-command", command_line=line)


def save_middle(path):
    """Runs to the middle, saves twice around a load, and returns both files' contents."""
    with machine(qmp=True) as m, m.qmp() as q:
        m.expect(MIDDLE)
        q.command("stop")
        assert hmp(q, f"savevm-file {path}") == ""
        assert hmp(q, f"loadvm-file {path}") == ""
        assert hmp(q, f"savevm-file {path}.2") == ""
        with open(path, "rb") as a, open(path + ".2", "rb") as b:
            assert a.read() == b.read(), "a load changes nothing"
        q.command("cont")
        m.expect(END)
        assert m.wait() == 0


@suite.test
def goes_on():
    with rhea.scratch() as folder:
        path = os.path.join(folder, "state")
        save_middle(path)
        assert os.stat(path).st_blocks * 512 < 16 << 20, "zero pages are holes"
        assert sorted(os.listdir(folder)) == ["state", "state.2"], "nothing temporary is left"
        with machine("-loadvm", path) as first, machine("-loadvm", path) as second:
            for m in (first, second):
                m.expect(END)
                assert m.wait() == 0
                assert "OpenSBI" not in m.log, "it did not start from the beginning"
        with open(path, "rb") as a, open(path + ".2", "rb") as b:
            assert a.read() == b.read(), "what the two wrote to their memory is theirs"


@suite.test
def starts_again():
    """What a reset puts into memory is left out before a load, and comes with the guest's next reset."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "state")
        save_middle(path)
        with machine("-S", "-loadvm", path, qmp=True) as m, m.qmp() as q:
            q.command("system_reset")
            q.command("cont")
            m.expect("OpenSBI")
            m.expect(END)
            assert m.wait() == 0


@suite.test
def memory_that_others_map():
    """A memfd is not mapped from the file but filled; and the other way round."""
    shared = ["-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-M", "memory-backend=ram"]
    with rhea.scratch() as folder:
        path = os.path.join(folder, "state")
        for saver, loader in ((shared, shared), (["-M", "memory-backend=ram", "-object",
                                                  "memory-backend-ram,id=ram,size=64M"], shared)):
            with machine(*saver, qmp=True) as m, m.qmp() as q:
                m.expect(MIDDLE)
                q.command("stop")
                assert hmp(q, f"savevm-file {path}") == ""
            with machine(*loader, "-loadvm", path) as m:
                m.expect(END)
                assert m.wait() == 0


def refused(reason, path, *args):
    argv = [rhea.emulator(), "-M", "virt", "-accel", accel(), "-m", "64M", "-display", "none",
            "-monitor", "none", "-serial", "null", *ARGS, "-loadvm", path, *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, f"{reason}: status {done.returncode}"
    assert reason in done.stderr and done.stderr.count("\n") == 1, f"{reason}: {done.stderr}"


@suite.test
def monitor_says_why():
    with machine("-S", qmp=True) as m, m.qmp() as q:
        for command in ("savevm-file", "loadvm-file"):
            answer = hmp(q, f"{command} /nonexistent/file")
            assert answer.startswith("Error: snapshot: cannot") and "/nonexistent/file" in answer, answer


@suite.test
def wrong_files():
    with rhea.scratch() as folder:
        good = os.path.join(folder, "good")
        save_middle(good)
        with open(good, "rb") as f:
            data = f.read()
        bad = os.path.join(folder, "bad")

        def write(content):
            with open(bad, "wb") as f:
                f.write(content)

        refused("cannot open", os.path.join(folder, "none"))
        refused("has memory", good, "-m", "128M")
        refused("where", good, "-smp", "1")
        write(b"")
        refused("ends too early", bad)
        write(b"garbage garbage garbage")
        refused("is not a snapshot", bad)
        for size in (9, 30, 200, 5000, len(data) // 2, len(data) - 1):
            write(data[:size])
            refused("ends too early", bad)
        write(data[:8] + b"\xff\xff\xff\xff" + data[12:])
        refused("has version", bad)
        os.mkfifo(os.path.join(folder, "pipe"))
        refused("is no regular file", os.path.join(folder, "pipe"))
        refused("is no regular file", folder)
        end = data.rindex(b"RHEADONE", 0, data.index(bytes(4096)))
        for at in range(500, end - 32, (end - 532) // 7):
            write(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
            refused("its checksum is another", bad)
        write(data[:end] + b"RHEABARK" + data[end + 8:])
        refused("its end is missing", bad)


@suite.test
def a_file_that_is_cut_off_later():
    """The memory is gone: the process ends, and says why."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "state")
        save_middle(path)
        with machine("-S", "-loadvm", path, qmp=True) as m, m.qmp() as q:
            os.truncate(path, 4096)
            with contextlib.suppress(AssertionError, OSError):  # it may end before it answers
                q.command("cont")
            assert m.wait() == -signal.SIGBUS
            assert "bus error" in m.errors() and "-loadvm" in m.errors(), m.errors()


sys.exit(suite.run())
