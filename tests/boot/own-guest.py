#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The project's own bare-metal guest on the machine: needs no package and no network."""

import contextlib
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def own_guest(*args, append="", **kw):
    words = ["-append", append] if append else []
    return rhea.Machine("-bios", "none", "-kernel", rhea.OWN_GUEST, *words, *args, memory="128M", **kw)


def whole_test(accel, harts):
    rhea.need_accel(accel)
    with own_guest("-accel", accel, "-smp", harts) as m:
        status = m.wait(60)
        failures = [line for line in m.log.splitlines() if line.startswith("FAIL")]
        if failures or "rhea guest: " not in m.log or status != 0:
            m.fail(f"status {status}: {failures}")
        m.seen = 0
        m.expect(rf"hart \d+ of {harts}\r*\n")
        m.expect(r"rhea guest: \d+ ok, 0 failed")


for ACCEL in ("tcg", "tci"):
    for HARTS in (1, 4):
        suite.add(f"whole-{ACCEL}-{HARTS}", whole_test, ACCEL, HARTS)


for HARTS in (1, 4):
    suite.add(f"whole-lockstep-{HARTS}", whole_test, "tcg,lockstep=on", HARTS)


def traps(accel, harts, sleep):
    """The log of traps, with the number of instructions at each, of a run that counts them."""
    with tempfile.NamedTemporaryFile("r", prefix="rhea-test-", encoding="ascii") as f:
        with own_guest("-accel", accel, "-smp", harts, "-icount", f"shift=4,sleep={sleep}",
                       "-d", "int", "-D", f.name) as m:
            m.expect(r"rhea guest: \d+ ok, 0 failed", 60)
            assert m.wait(20) == 0
        with open(f.name, encoding="ascii") as log:
            return log.read()


def repeatable(harts, sleep):
    rhea.need_accel("tcg")
    log = traps("tcg", harts, sleep)
    assert log.count("insns") > 15, log
    assert log == traps("tcg", harts, sleep), "two runs differ"
    assert log == traps("tci", harts, sleep), "the interpreter's run differs"


for HARTS in (1, 4):
    for SLEEP in ("on", "off"):
        suite.add(f"repeatable-{HARTS}-sleep-{SLEEP}", repeatable, HARTS, SLEEP)

suite.add("turns-4", whole_test, "tcg,thread=single", 4)
suite.add("counting-lockstep-2", whole_test, "tcg,lockstep=on,icount=auto", 2)


def kept_run(folder, harts):
    """The own guest's start and end with a folder of kept translations; blocks (translated, recalled)."""
    with own_guest("-accel", f"tcg,cache={folder}", "-smp", harts, "-no-shutdown", append="exit=0",
                   qmp=True) as m:
        m.expect("# memory: 128 MiB", 60)
        with m.qmp() as q:
            while q.command("query-status")["running"]:  # it is about to turn the power off
                time.sleep(0.05)
            info = q.command("human-monitor-command", command_line="info jit")
            q.command("quit")
        assert m.wait(20) == 0
        assert "warning" not in m.errors(), m.errors()
    return [int(re.search(rf"(?m)^{row} +(\d+)", info)[1]) for row in ("translations", "blocks recalled")]


def kept_translations(harts):
    rhea.need_accel("tcg")
    with rhea.scratch() as folder:
        made, recalled = kept_run(folder, harts)
        assert made > 50 and recalled == 0, (made, recalled)
        for _ in range(2):
            again, recalled = kept_run(folder, harts)
            assert again < made / 10 and recalled > made / 2, (made, again, recalled)
        spoil(folder)
        assert kept_run(folder, harts)[0] > made / 100  # some blocks are lost, the guest does not notice


@suite.test
def size_of_kept_translations_has_bounds():
    rhea.need_accel("tcg")
    for size in ("0", "8193", str(2**64 - 1)):
        with own_guest("-accel", f"tcg,cache-size={size}") as m:
            assert m.wait(60) == 1
            assert "out of range (1 to 8192 MiB)" in m.errors(), m.errors()


def kept_whole(harts):
    """The whole test finds nothing wrong with kept translations."""
    with rhea.scratch() as folder:
        for _ in range(2):
            whole_test(f"tcg,cache={folder}", harts)


def spoil(folder):
    """Other bytes here and there in every file of the folder."""
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "r+b") as f:
            data = bytearray(f.read())
            for at in range(1000, len(data), 4999):
                data[at] ^= 0x5a
            f.seek(0)
            f.write(data)


for HARTS in (1, 4):
    suite.add(f"kept-translations-{HARTS}", kept_translations, HARTS)
    suite.add(f"kept-whole-{HARTS}", kept_whole, HARTS)


@suite.test
def kept_translations_of_several_machines():
    rhea.need_accel("tcg")
    with rhea.scratch() as folder:
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                machines = [stack.enter_context(own_guest("-accel", f"tcg,cache={folder}", append="exit=5"))
                            for _ in range(3)]
                assert [m.wait(60) for m in machines] == [5] * 3
        assert kept_run(folder, 1)[1] > 50
        assert len(os.listdir(folder)) == 1, os.listdir(folder)


@suite.test
def status_comes_from_the_guest():
    for status in (0, 1, 7, 255):
        with own_guest(append=f"exit={status}") as m:
            found = m.wait(20)
            assert found == status, f"guest left with {status}, emulator with {found}"


@suite.test
def loads_as_firmware():
    with rhea.Machine("-bios", rhea.OWN_GUEST, memory="64M") as m:
        m.expect(r"# memory: 64 MiB at 80000000")
        m.expect(r"rhea guest: \d+ ok, 0 failed")
        assert m.wait(20) == 0


@suite.test
def reset_starts_again():
    with own_guest(append="reset") as m:
        m.expect("rhea guest: .*hart")
        m.expect("rhea guest: .*hart")


@suite.test
def loaded_files_stay_out_of_memory():
    with tempfile.NamedTemporaryFile(prefix="rhea-test-") as f:
        f.write(os.urandom(8 << 20))
        f.flush()
        with own_guest("-initrd", f.name, append="idle", qmp=True) as m:
            for _ in range(2):
                m.expect("idle")
                resident, mapped = 0, False
                with open(f"/proc/{m.process.pid}/smaps", encoding="utf-8") as maps:
                    for line in maps:
                        if re.match("[0-9a-f]+-", line):
                            mapped = f.name in line
                        elif mapped and line.startswith("Rss:"):
                            resident += int(line.split()[1])
                assert resident < 1024, f"{resident} KiB of the initrd's file are resident"
                with m.qmp() as q:  # what was let go is read again
                    q.command("system_reset")


@suite.test
def no_reboot_ends_at_reset():
    with own_guest("-no-reboot", append="reset") as m:
        assert m.wait(20) == 0
        assert m.log.count("rhea guest:") == 1, m.log


@suite.test
def console_carries_bytes_both_ways():
    text = "".join(chr(c) for c in range(32, 127)) * 40
    with own_guest(append="echo") as m:
        m.expect("echo: ready\r*\n")
        m.send(text + "\x04")
        assert m.wait(30) == 0
        assert m.log[m.seen:].strip("\r\n") == text.strip("\r\n"), "bytes lost or changed"


@suite.test
def idle_guest_uses_no_host_cpu():
    with own_guest("-smp", "2", append="idle") as m:
        m.expect("idle\r*\n")
        before = sum(os_times(m.process.pid))
        m._read(1.5)
        used = sum(os_times(m.process.pid)) - before
        assert used < 0.3, f"{used:.2f} s of CPU in 1.5 s idle"
        assert m.terminate() in (0, -15)


def os_times(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


@suite.test
def stops_and_quits_by_qmp():
    with own_guest(append="idle", qmp=True) as m:
        m.expect("idle")
        with m.qmp() as q:
            assert "QMP" in q.greeting
            assert q.command("query-status")["status"] == "running"
            q.command("stop")
            assert q.command("query-status")["status"] == "paused"
            q.wait_event("STOP")
            q.command("cont")
            q.wait_event("RESUME")
            q.command("quit")
        assert m.wait(20) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
