#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""savevm, loadvm, delvm and -loadvm: a machine with its disks, in the disks, all of them or none."""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "block")]
import images                                           # noqa: E402
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
# Two processes are running then, preempted by the timer.
MIDDLE = r"ok interrupt\.external"
END = r"rhea supervisor guest: \d+ ok, 0 failed"
LIST = "List of snapshots present on all disks:"


def accel():
    return next(a for a in ("tcg", "tci") if rhea.has_accel(a))


def arguments(disks):
    rhea.need_file(rhea.SUPERVISOR, "make guests")
    argv = ["-accel", accel(), "-smp", "2", "-kernel", rhea.SUPERVISOR]
    for i, (path, options) in enumerate(disks):
        argv += ["-drive", f"file={path},if=none,id=d{i},{options}", "-device", f"virtio-blk-device,drive=d{i}"]
    return argv


def machine(disks, *args):
    return rhea.Machine(*arguments(disks), *args, memory="64M", qmp=True)


def hmp(q, line):
    return q.command("human-monitor-command", command_line=line)


def tags(q):
    """The names in the list of those that can be loaded."""
    lines = hmp(q, "info snapshots").splitlines()
    if LIST not in lines:
        return []
    rest = lines[lines.index(LIST) + 2:]
    return [line.split()[1] for line in rest if line.startswith("--")]


def image(work, name, *options):
    path = work.file(name)
    images.img("create", "-q", "-f", "qcow2", *options, path, "3M")
    images.img("io", "-c", "write -P 1 0 3M", path)
    return path


def check(path):
    images.img("check", "-q", path)
    if images.HAVE_QEMU:
        images.qemu_img("check", path)


def saved_in_the_middle(disks, tag="middle"):
    """Runs to the middle, saves, goes on to the end, back, and to the end again."""
    with machine(disks) as m, m.qmp() as q:
        m.expect(MIDDLE)
        q.command("stop")
        assert hmp(q, f"savevm {tag}") == ""
        assert tags(q) == [tag], hmp(q, "info snapshots")
        q.command("cont")
        m.expect(END)
        assert m.wait() == 0


def goes_on(options):
    with images.Workdir() as work:
        a, b = image(work, "a", *options), image(work, "b", *options)
        disks = [(a, "format=qcow2"), (b, "format=qcow2")]
        saved_in_the_middle(disks)
        for path in a, b:
            images.img("io", "-c", "write -P 9 1M 1M", path)
            check(path)
        for _ in range(2):
            with machine(disks, "-loadvm", "middle") as m:
                m.expect(END)
                assert m.wait() == 0
                assert "OpenSBI" not in m.log, "it did not start from the beginning"
            for path in a, b:
                images.img("io", "-c", "read -P 1 0 3M", path)
                check(path)
        for path in a, b:
            images.img("resize", "-q", path, "700M")
            images.img("io", "-c", "read -P 0 3M 697M", path)
            images.img("snapshot", "-d", "middle", path)
            check(path)


@suite.test
def names():
    """A tag that is there is replaced; without one it is the time; what is deleted is gone."""
    with images.Workdir() as work:
        disks = [(image(work, "a"), "format=qcow2"), (image(work, "b"), "format=qcow2,copy-on-read=on")]
        with machine(disks, "-S") as m, m.qmp() as q:
            assert hmp(q, "info snapshots").startswith("There is no snapshot available.")
            assert hmp(q, "savevm one") == "" and hmp(q, "savevm") == "" and hmp(q, "savevm one") == ""
            found = tags(q)
            assert len(found) == 2 and found[1] == "one" and found[0].startswith("vm-20"), found
            assert hmp(q, f"delvm {found[0]}") == "" and tags(q) == ["one"]
            assert "Error: no disk has a snapshot 'bark'" in hmp(q, "delvm bark")
            assert "Error: disk 'd0' has no snapshot 'bark'" in hmp(q, "loadvm bark")
            assert q.command("query-status")["status"] == "prelaunch"
            assert hmp(q, "loadvm one") == ""
        for path, _ in disks:
            check(path)
            if images.HAVE_QEMU:
                assert " one " in images.qemu_img("snapshot", "-l", path)


@suite.test
def all_or_none():
    """One disk that cannot is named, and the others are left as they were."""
    with images.Workdir() as work:
        raw = work.file("raw")
        images.img("create", "-q", "-f", "raw", raw, "1M")
        good, narrow = image(work, "good"), image(work, "narrow", "-o", "refcount_bits=1")
        crowded = image(work, "crowded", "-o", "refcount_bits=2")
        with machine([(good, "format=qcow2"), (raw, "format=raw")], "-S") as m, m.qmp() as q:
            for line in "savevm one", "loadvm one", "delvm one":
                assert "Error: disk 'd1' is writable, but raw images" in hmp(q, line), line
            assert "raw images" in hmp(q, "info snapshots")
        with machine([(good, "format=qcow2"), (raw, "format=raw,read-only=on")], "-S") as m, m.qmp() as q:
            assert hmp(q, "savevm one") == "" and hmp(q, "delvm one") == ""
        with machine([(good, "format=qcow2"), (narrow, "format=qcow2")], "-S") as m, m.qmp() as q:
            assert "refcounts are too narrow" in hmp(q, "savevm one")
            assert tags(q) == []
        for tag in "first", "second":
            images.img("snapshot", "-c", tag, crowded)
        with machine([(good, "format=qcow2"), (crowded, "format=qcow2")], "-S") as m, m.qmp() as q:
            assert "refcounts are too narrow" in hmp(q, "savevm one")
            assert "'d0'" not in hmp(q, "info snapshots")
            q.command("quit")
            assert m.wait() == 0
        images.img("io", "-c", "write -P 1 0 4k", crowded)  # whoever writes next counts again
        images.img("snapshot", "-d", "first", crowded)
        images.img("snapshot", "-d", "second", crowded)
        with machine([], "-S") as m, m.qmp() as q:
            assert "Error: there is no disk" in hmp(q, "savevm one")
        for path in good, narrow, crowded:
            assert images.img("snapshot", "-l", path) == "", path
            check(path)


@suite.test
def no_state_is_left():
    """The machine's state that no snapshot took is free space again."""
    with images.Workdir() as work:
        crowded = image(work, "crowded", "-o", "refcount_bits=2")
        for tag in "first", "second":
            images.img("snapshot", "-c", tag, crowded)
        before = json.loads(images.img("check", "--output=json", crowded))["image-end-offset"]
        with machine([(crowded, "format=qcow2")], "-S") as m, m.qmp() as q:
            assert "refcounts are too narrow" in hmp(q, "savevm one")
            q.command("quit")
            assert m.wait() == 0
        assert json.loads(images.img("check", "--output=json", crowded))["image-end-offset"] == before


@suite.test
def temporary_writes():
    """With snapshot=on the snapshot lives as long as the process, of whatever format the disk is."""
    with images.Workdir() as work:
        raw = work.file("raw")
        with open(raw, "wb") as f:
            f.write(bytes(range(256)) * 4096)
        with open(raw, "rb") as f:
            before = f.read()
        with machine([(raw, "format=raw,snapshot=on")]) as m, m.qmp() as q:
            m.expect(MIDDLE)
            q.command("stop")
            assert hmp(q, "savevm middle") == "" and tags(q) == ["middle"]
            assert hmp(q, "loadvm middle") == ""
            q.command("cont")
            m.expect(END)
            assert m.wait() == 0
        with open(raw, "rb") as f:
            assert f.read() == before


@suite.test
def parts():
    """What one disk lacks is listed apart and not loaded; so are the disks without a machine."""
    with images.Workdir() as work:
        a, b = image(work, "a"), image(work, "b")
        images.img("snapshot", "-c", "half", a)
        for path in a, b:
            images.img("snapshot", "-c", "disks", path)
        with machine([(a, "format=qcow2"), (b, "format=qcow2")], "-S") as m, m.qmp() as q:
            listed = hmp(q, "info snapshots")
            assert tags(q) == ["disks"] and "(non-loadable) snapshots on 'd0'" in listed, listed
            assert "disk 'd1' has no snapshot 'half'" in hmp(q, "loadvm half")
            assert "of the disks alone" in hmp(q, "loadvm disks")


@suite.test
def another_machine():
    """Its state is refused before the disks change."""
    with images.Workdir() as work:
        a = image(work, "a")
        saved_in_the_middle([(a, "format=qcow2")])
        images.img("io", "-c", "write -P 5 0 1M", a)
        done = subprocess.run([rhea.emulator(), "-M", "virt", "-m", "128M", "-display", "none", "-monitor",
                               "none", "-serial", "null", *arguments([(a, "format=qcow2")]), "-loadvm", "middle"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "has memory" in done.stderr, done.stderr
        images.img("io", "-c", "read -P 5 0 1M", a)


def job(q, command, **arguments):
    """Runs a job to its end; its error, or None."""
    q.command(command, **arguments)
    deadline = time.monotonic() + 60
    while True:
        found, = [j for j in q.command("query-jobs") if j["id"] == arguments["job-id"]]
        if found["status"] == "concluded":
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    assert found["type"] == command
    q.command("job-dismiss", id=found["id"])
    return found.get("error")


@suite.test
def jobs():
    """The same in QMP: jobs that name the nodes."""
    with images.Workdir() as work:
        disks = [(image(work, name), f"format=qcow2,node-name=n{name}") for name in ("a", "b", "c")]
        with machine(disks) as m, m.qmp() as q:
            m.expect(MIDDLE)
            q.command("stop")
            part = {"tag": "t", "devices": ["nb", "na"]}
            assert job(q, "snapshot-save", **{"job-id": "j"}, vmstate="nb", **part) is None
            assert "'t' already" in job(q, "snapshot-save", **{"job-id": "j"}, vmstate="nb", **part)
            assert "not among" in job(q, "snapshot-load", **{"job-id": "j"}, vmstate="nc", **part)
            assert "of the disks alone" in job(q, "snapshot-load", **{"job-id": "j"}, vmstate="na", **part)
            assert "'bark'" in job(q, "snapshot-load", **{"job-id": "j"}, vmstate="na", tag="x", devices=["bark"])
            assert q.command("query-status")["status"] == "paused"
            assert job(q, "snapshot-load", **{"job-id": "j"}, vmstate="nb", **part) is None
            q.command("cont")
            m.expect(END)
            assert m.wait() == 0
        assert " t " in images.img("snapshot", "-l", disks[1][0])
        assert images.img("snapshot", "-l", disks[2][0]) == ""
        with machine(disks, "-S") as m, m.qmp() as q:
            assert job(q, "snapshot-delete", **{"job-id": "k"}, **part) is None
            assert "'t'" in job(q, "snapshot-delete", **{"job-id": "k"}, **part)
        for path, _ in disks:
            check(path)


@suite.test
def damaged_state():
    """Bytes of the state that are not what was written: an error, and the machine does not run."""
    with images.Workdir() as work:
        a = image(work, "a", "-o", "compat=v2")
        saved_in_the_middle([(a, "format=qcow2")])
        with open(a, "r+b") as f:
            data = bytearray(f.read())
            at = data.index(b"RHEADONE")
            f.seek(at)
            f.write(b"RHEABARK")
        with machine([(a, "format=qcow2")], "-S") as m, m.qmp() as q:
            answer = hmp(q, "loadvm middle")
            assert answer.startswith("Error: ") and "its end is missing" in answer, answer
            assert q.command("query-status")["running"] is False
        check(a)


for kind in ("", "cluster_size=512", "compat=v2", "cluster_size=64k,extended_l2=on", "cluster_size=2M"):
    suite.add(f"goes-on-{kind or 'default'}", goes_on, ["-o", kind] if kind else [])

sys.exit(suite.run())
