#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 120
"""Filters in front of images: injected errors, copies on read, power that fails; and images that forget."""
import json
import os
import sys
import time

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import nbdpeer as nbd
import rhea
from images import MIB, Workdir, img
from nbdpeer import Client
from nodes import Rig, file_node
from tap import Suite

suite = Suite()
EIO, ENOSPC = 5, 28


@suite.test
def errors_by_rule():
    rules = [{"event": "none", "iotype": "write", "errno": ENOSPC, "sector": 8},
             {"event": "read_aio", "once": True},
             {"event": "flush_to_disk"}]
    with Workdir() as w:
        img("create", "-q", "-f", "raw", w.file("d"), "1M")
        node = {"driver": "blkdebug", "node-name": "n", "image": file_node(w.file("d")), "inject-error": rules}
        with Rig(w, node) as r:
            c = r.export()
            assert c.error(nbd.WRITE, 7 * 512, 512, b"x" * 512) == 0
            assert c.error(nbd.WRITE, 0, 16 * 512, b"x" * 8192) == ENOSPC
            assert c.error(nbd.WRITE, 9 * 512, 512, b"x" * 512) == 0
            assert c.error(nbd.READ, 0, 512) == EIO
            assert c.error(nbd.READ, 0, 512) == 0
            assert c.error(nbd.FLUSH) == EIO == c.error(nbd.FLUSH)
            try:
                r.q.command("blockdev-add", driver="blkdebug", node_name="m", image={"driver": "null-co"},
                            inject_error=[{"event": "l1_update"}])
            except AssertionError as e:
                assert "l1_update" in str(e), e
            else:
                raise AssertionError("an unknown event is accepted")


@suite.test
def a_format_above_errors():
    """A format over blkdebug works, grows its file, and reports what fails."""
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("d"), "8M")

        def io(rules, *commands, ok=(0,)):
            options = {"driver": "qcow2", "file": {"driver": "blkdebug", "image": file_node(w.file("d")),
                                                   "inject-error": rules}}
            return img("io", *(x for c in commands for x in ("-c", c)), "json:" + json.dumps(options), ok=ok)

        io([], "write -P 7 1M 3M", "read -P 7 1M 3M")
        io([{"event": "write_aio", "errno": ENOSPC}], "write -P 8 5M 1M", ok=(1,))
        img("check", "-q", w.file("d"))
        img("io", "-c", "read -P 7 1M 3M", "-c", "read -P 0 4M 4M", w.file("d"))


@suite.test
def power_that_fails_in_the_end_of_a_format():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("d"), "8M")
        options = {"driver": "qcow2", "file": {"driver": "power-cut", "cut-after": 4, "seed": 1,
                                               "file": file_node(w.file("d"))}}
        img("io", "-c", "write -P 7 1M 1M", "-c", "flush", "json:" + json.dumps(options), ok=(1,))
        img("check", "-q", w.file("d"), ok=(0, 3))


@suite.test
def copies_on_read():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("base"), "8M")
        img("io", "-c", "write -P 7 1M 2M", w.file("base"))
        img("create", "-q", "-f", "qcow2", "-b", w.file("base"), "-F", "qcow2", w.file("top"))
        node = {"driver": "copy-on-read", "node-name": "n",
                "file": {"driver": "qcow2", "file": file_node(w.file("top"))}}
        with Rig(w, node) as r:
            c = r.export()
            c.send(nbd.READ, MIB, MIB)
            assert b"".join(d[8:] for kind, d in c.chunks() if kind == 1) == b"\7" * MIB
            c.close()
            r.end()
        have = json.loads(img("map", "--output=json", w.file("top")))
        assert {(e["start"], e["length"]) for e in have if e["depth"] == 0 and e["data"]} == {(MIB, MIB)}, have
        img("check", "-q", w.file("top"))
        # The same by -drive, in front of what a device uses.
        args = ["-drive", f"file={w.file('top')},format=qcow2,if=none,id=d,copy-on-read=on",
                "-device", "virtio-blk-device,drive=d"]
        with Rig(w, args=args) as r:
            drive, = r.q.command("query-block")
            assert drive["inserted"]["drv"] == "qcow2" and drive["inserted"]["backing_file_depth"] == 1, drive
            r.q.command("drive-backup", job_id="b", device="d", target=w.file("t"), format="qcow2", sync="full")
            while r.q.wait_event("JOB_STATUS_CHANGE")["data"]["status"] != "null":
                pass
            r.end()
        img("compare", w.file("t"), w.file("base"))


def seconds(c, length, count):
    """How long so many writes take."""
    start = time.monotonic()
    for _ in range(count):
        assert c.error(nbd.WRITE, 0, length, bytes(length)) == 0
    return time.monotonic() - start


@suite.test
def limits_of_a_group():
    with Workdir() as w:
        nodes = [{"driver": "throttle", "node-name": "n", "throttle-group": "g", "file": {"driver": "null-co"}},
                 {"driver": "throttle", "node-name": "m", "throttle-group": "x", "file": {"driver": "null-co"}}]
        with Rig(w, nodes[0], args=["-object", "throttle-group,id=g,x-bps-write=2097152,limits.iops-read=20"]) as r:
            try:
                r.q.command("blockdev-add", **nodes[1])
            except AssertionError as e:
                assert "'x' does not exist" in str(e), e
            else:
                raise AssertionError("a group that is not there is accepted")
            c = r.export()
            # A tenth of a second's is free.
            assert seconds(c, MIB // 2, 5) > 0.7
            start = time.monotonic()
            for _ in range(14):
                assert c.error(nbd.READ, 0, 512) == 0
            assert time.monotonic() - start > 0.5


@suite.test
def limits_of_a_drive():
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("d"), "8M")
        drive = f"file={w.file('d')},format=qcow2,if=none,id=d,throttling.bps-total=2097152,iops_rd=100"
        with Rig(w, args=["-drive", drive]) as r:
            inserted = r.q.command("query-block")[0]["inserted"]
            assert inserted["drv"] == "qcow2" and inserted["bps"] == 2097152 and inserted["iops_rd"] == 100, inserted
            c = r.export("d")
            assert seconds(c, MIB // 2, 5) > 0.7
            none = {key: 0 for key in ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")}
            r.q.exact("block_set_io_throttle", dict(none, device="d", bps_wr=1))
            assert r.q.command("query-block")[0]["inserted"]["bps_wr"] == 1
            try:
                r.q.exact("block_set_io_throttle", dict(none, device="d", iops=1, iops_size=-1))
            except AssertionError as e:
                assert "iops_size" in str(e), e
            else:
                raise AssertionError("a size below zero is accepted")
            hmp = "block_set_io_throttle d "
            assert "same time" in r.q.command("human-monitor-command", command_line=hmp + "5 1 0 0 0 0")
            assert r.q.command("human-monitor-command", command_line=hmp + "0 0 2 0 0 0") == ""
            assert r.q.command("query-block")[0]["inserted"]["bps_wr"] == 2
            # Whoever drains does not wait for the limit.
            c.send(nbd.WRITE, 0, MIB, bytes(MIB))
            c.send(nbd.WRITE, 0, MIB, bytes(MIB))
            r.q.command("block_resize", device="d", size=16 * MIB)
            # What filters in front of the image say of its size follows.
            r.q.command("block-export-add", type="nbd", id="longer", node_name="d", name="longer")
            assert Client(r.w.file("s")).go(b"longer")[0] == 16 * MIB
            r.end()
        both = rhea.Machine("-drive", "file=x,if=none,throttling.iops-total=5,throttling.iops-read=5")
        assert both.wait() == 1 and "iops-total" in both.errors()
        low = rhea.Machine("-object", "throttle-group,id=g,x-iops-total=9,x-iops-total-max=8")
        assert low.wait() == 1 and "iops-total-max cannot be lower" in low.errors()


@suite.test
def images_that_forget():
    with Workdir() as w:
        nodes = [{"driver": "null-co", "node-name": "n", "size": 1 << 40, "read-zeroes": True},
                 {"driver": "null-aio", "node-name": "m", "latency-ns": 1000}]
        with Rig(w, *nodes) as r:
            c = r.export()
            assert c.error(nbd.WRITE, (1 << 40) - 512, 512, b"x" * 512) == 0
            assert c.error(nbd.READ, (1 << 40) - 512, 512) == 0
            sizes = {n["node-name"]: n["image"]["virtual-size"] for n in r.q.command("query-named-block-nodes")}
            assert sizes == {"n": 1 << 40, "m": 1 << 30}, sizes


if __name__ == "__main__":
    sys.exit(suite.run())
