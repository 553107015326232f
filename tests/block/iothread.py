#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""-object iothread: what the monitor tells of such threads, and what is refused (jobs-guest.py has Linux with them)."""
import os
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import nbdpeer as nbd
import rhea
from tap import Suite

suite = Suite()
FLAGS = ("-bios", "none", "-S", "-drive", "driver=null-co,if=none,id=d")


def refused(word, *args):
    m = rhea.Machine(*FLAGS, *args)
    assert m.wait() == 1 and word in m.errors(), m.errors()


@suite.test
def what_the_monitor_tells():
    args = ["-object", "iothread,id=a,poll-max-ns=0", "-object", "iothread,id=b",
            "-device", "virtio-scsi-device,iothread=a,id=s", "-device", "virtio-blk-device,drive=d,iothread=b,id=v"]
    with rhea.Machine(*FLAGS, *args, qmp=True) as m, m.qmp() as q:
        threads = q.command("query-iothreads")
        assert [t["id"] for t in threads] == ["a", "b"] and threads[0]["poll-max-ns"] == 0, threads
        assert threads[1]["poll-max-ns"] == 32768 and threads[1]["aio-max-batch"] == 0, threads
        for t in threads:
            with open(f"/proc/{m.process.pid}/task/{t['thread-id']}/comm", encoding="ascii") as f:
                assert f.read() == "iothread\n"
        assert "b:\n  thread_id=" in q.command("human-monitor-command", command_line="info iothreads").replace("\r", "")
        try:
            q.command("object-del", id="b")
        except AssertionError as e:
            assert "in use" in str(e), e
        else:
            raise AssertionError("a thread that is in use goes")
        q.command("object-add", qom_type="iothread", id="c")
        c = q.command("query-iothreads")[2]["thread-id"]
        q.command("object-del", id="c")
        nbd.wait_for(lambda: not os.path.exists(f"/proc/{m.process.pid}/task/{c}"))


@suite.test
def what_is_refused():
    refused("iothread", "-device", "virtio-blk-device,drive=d,iothread=x")
    refused("'iothread'", "-object", "rng-builtin,id=r", "-device", "virtio-blk-device,drive=d,iothread=r")
    refused("poll-max-ns", "-object", "iothread,id=i,poll-max-ns=x")


if __name__ == "__main__":
    sys.exit(suite.run())
