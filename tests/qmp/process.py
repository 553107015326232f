#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The process: daemon, pid file, logs, run-state options, exit status."""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
GUEST = ["-bios", "none", "-accel", "tci", "-kernel", rhea.OWN_GUEST]


def run(*args, timeout=30):
    return subprocess.run([rhea.emulator(), *args], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, check=False)


@suite.test
def help_and_version():
    version = run("--version")
    assert version.returncode == 0
    assert version.stdout.startswith("QEMU emulator version "), version.stdout
    text = run("-help").stdout
    for name in ("-machine, -M", "-accel", "-drive", "-netdev", "-chardev", "-gdb", "-daemonize"):
        assert f"\n{name}" in text, name
    assert run("--help").stdout == text == run("-h").stdout
    for args in (["-machine", "?"], ["-cpu", "help"], ["-device", "?"], ["-object", "help"],
                 ["-accel", "help"], ["-d", "help"], ["-chardev", "help"], ["-netdev", "help"],
                 ["-trace", "help"], ["-M", "virt,help"], ["-device", "virtio-blk-device,help"]):
        done = run(*args)
        assert done.returncode == 0 and done.stdout and not done.stderr, (args, done)


@suite.test
def daemon_returns_when_its_sockets_listen():
    with rhea.scratch() as folder:
        qmp, pidfile = os.path.join(folder, "qmp"), os.path.join(folder, "pid")
        done = run("-M", "none", "-S", "-display", "none", "-daemonize", "-pidfile", pidfile, "-qmp",
                   f"unix:{qmp},server=on,wait=off")
        assert done.returncode == 0, done
        with open(pidfile, encoding="ascii") as f:
            pid = int(f.read())
        try:
            second = run("-M", "none", "-display", "none", "-pidfile", pidfile)
            assert second.returncode == 1 and "locked by another process" in second.stderr, second
            with rhea.Qmp(qmp, timeout=10) as q:
                assert q.command("query-status")["status"] == "prelaunch"
                q.command("quit")
            deadline = time.monotonic() + 10
            while os.path.exists(pidfile) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert not os.path.exists(pidfile) and not os.path.exists(qmp)
        finally:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@suite.test
def daemon_reports_failure():
    done = run("-M", "none", "-display", "none", "-daemonize", "-serial", "file:/no/such/dir/x")
    assert done.returncode == 1 and "/no/such/dir/x" in done.stderr, done


@suite.test
def quit_while_the_guest_ends():
    """Whichever comes first, the process ends: the guest's own end does not swallow the command."""
    for i in range(12):
        with rhea.Machine(*GUEST, "-append", "exit=0", "-no-shutdown", "-S", qmp=True) as m, m.qmp() as q:
            q.command("cont")
            time.sleep(i / 1000)
            q.command("quit")
            assert m.wait() == 0


@suite.test
def power_off_pauses_with_no_shutdown():
    with rhea.Machine(*GUEST, "-append", "exit=0", "-no-shutdown", "-S", qmp=True) as m:
        with m.qmp() as q:
            q.command("cont")
            assert q.wait_event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-shutdown"}
            q.wait_event("STOP")
            assert q.command("query-status") == {"running": False, "status": "shutdown"}
            try:
                q.command("cont")
                raise AssertionError("a machine that is off went on")
            except AssertionError as e:
                assert "Resetting" in str(e), e
            q.command("system_reset")
            q.wait_event("RESET")
            q.command("cont")
            q.wait_event("SHUTDOWN")
            q.command("quit")
        assert m.wait(20) == 0


@suite.test
def log_goes_to_its_file():
    with rhea.scratch() as folder:
        done = run("-M", "none", "-display", "none", "-D", os.path.join(folder, "log-%d"), "-trace",
                   "event_*", "-monitor", "none", "-S", "-serial", "none", "-qmp", "none", "-pidfile",
                   os.path.join(folder, "no", "such"))
        assert done.returncode == 1 and "-pidfile" in done.stderr, done
        names = os.listdir(folder)
        assert len(names) == 1 and names[0].startswith("log-"), names
        assert "%" not in names[0]


@suite.test
def memory_size_needs_sense():
    for args, message in ((["-m", "64T"], "more than this host can give"), (["-m", "0"], "-m"),
                          (["-m", "1Q"], "is not a size"), (["-smp", "0"], "cpus=0"),
                          (["-smp", "2,cores=3"], "not the number of CPUs"),
                          (["-action", "reboot=explode"], "accepted: reset, shutdown"),
                          (["-echr", "300"], "-echr"), (["-uuid", "x"], "-uuid"),
                          (["-name", "a,nonsense=1"], "nonsense"), (["-d", "guest_eror"], "guest_errors"),
                          (["-display", "sdk"], "-display"), (["-kernle", "x"], "did you mean '-kernel'"),
                          (["-m"], "requires an argument")):
        done = run("-display", "none", *args)
        assert done.returncode == 1 and message in done.stderr, (args, done.stderr)
        assert done.stderr.count("\n") == 1, (args, done.stderr)


if __name__ == "__main__":
    sys.exit(suite.run())
