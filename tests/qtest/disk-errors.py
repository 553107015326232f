#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What happens when the host's file does not take a guest's write: rerror=, werror=, and the way back.
The host's refusal is a limit on the size of files, which the test lifts again."""

import os
import resource
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
SECTOR, LIMIT, FAR = 512, 64 << 10, 1024  # FAR: a sector behind the limit
DATA = b"kept" * 128


class Disk:
    """A virtio disk with one queue on a machine whose files cannot grow."""

    def __init__(self, folder, policy):
        self.image = os.path.join(folder, "disk")
        with open(self.image, "wb") as f:
            f.truncate(1 << 20)
        self.q = Qtest("-drive", f"file={self.image},format=raw,if=none,id=d{policy}", "-device",
                       "virtio-blk-device,drive=d", qmp=True)
        self.limit(LIMIT)
        self.start()

    def start(self):
        memory = virtio.Memory(self.q)
        self.d = virtio.Mmio(self.q, memory, virtio.BLOCK)
        self.d.start()
        self.vq = self.d.queue(0)
        self.d.ready()

    def limit(self, size):
        resource.prlimit(self.q.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def write(self, sector):
        """Asks for a write; the address of its status."""
        memory = self.d.memory
        header, status = memory.put(struct.pack("<IIQ", 1, 0, sector)), memory.put(b"\xff")
        self.vq.add([(header, 16), (memory.put(DATA), len(DATA))], [(status, 1)])
        return status

    def result(self, status):
        self.vq.wait()
        return self.d.memory.get(status, 1)[0]

    def contents(self, sector):
        with open(self.image, "rb") as f:
            f.seek(sector * SECTOR)
            return f.read(len(DATA))


def wait_for(what, found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def status_of(qmp):
    return qmp.command("query-status")["status"]


def stopped(disk, qmp):
    """A write that fails, and the VM that stands still for it."""
    address = disk.write(FAR)
    wait_for("the VM stops", lambda: status_of(qmp) == "io-error")
    assert disk.vq.used() is None, "the guest has no answer yet"
    assert qmp.command("query-block")[0]["io-status"] == "failed"
    event = [e for e in qmp.events if e["event"] == "BLOCK_IO_ERROR"][0]["data"]
    assert event == {"device": "d", "operation": "write", "action": "stop", "nospace": False,
                     "reason": "File too large"}, event
    assert "tried again" in disk.q.raw("rhea_snapshot")
    return address


@suite.test
def goes_on_when_there_is_room():
    with rhea.scratch() as folder:
        disk = Disk(folder, ",werror=stop")
        with disk.q, disk.q.qmp() as qmp:
            address = stopped(disk, qmp)
            disk.limit(resource.RLIM_INFINITY)
            qmp.command("cont")
            assert disk.result(address) == 0
            assert disk.contents(FAR) == DATA
            assert status_of(qmp) == "running"
            assert qmp.command("query-block")[0]["io-status"] == "ok"
            disk.q.command("rhea_snapshot")


@suite.test
def stops_again_while_there_is_none():
    with rhea.scratch() as folder:
        disk = Disk(folder, ",werror=stop")
        with disk.q, disk.q.qmp() as qmp:
            address = stopped(disk, qmp)
            qmp.events.clear()
            qmp.command("cont")
            wait_for("the VM stops again", lambda: status_of(qmp) == "io-error" and
                     [e["event"] for e in qmp.events].count("STOP") == 1)
            disk.limit(resource.RLIM_INFINITY)
            qmp.command("cont")
            assert disk.result(address) == 0
            assert disk.contents(FAR) == DATA


@suite.test
def a_reset_gives_up():
    with rhea.scratch() as folder:
        disk = Disk(folder, ",werror=stop")
        with disk.q, disk.q.qmp() as qmp:
            stopped(disk, qmp)
            qmp.command("system_reset")
            wait_for("nothing waits", lambda: qmp.command("query-block")[0]["io-status"] == "ok")
            disk.limit(resource.RLIM_INFINITY)
            qmp.command("cont")
            assert disk.contents(FAR) == bytes(len(DATA))
            disk.start()
            assert disk.result(disk.write(FAR)) == 0
            assert disk.contents(FAR) == DATA


@suite.test
def a_load_gives_up():
    """What waits is of a machine that is no more: it reaches neither the disk nor the queue of the loaded one."""
    with rhea.scratch() as folder:
        disk, state = Disk(folder, ",werror=stop"), os.path.join(folder, "state")
        with disk.q, disk.q.qmp() as qmp:
            def hmp(line):
                return qmp.command("human-monitor-command", command_line=line)

            disk.limit(resource.RLIM_INFINITY)
            assert hmp(f"savevm-file {state}") == ""
            disk.limit(LIMIT)
            stopped(disk, qmp)
            disk.limit(resource.RLIM_INFINITY)
            assert "Error" in hmp(f"loadvm-file {disk.image}")
            assert qmp.command("query-block")[0]["io-status"] == "failed", "a file that is no state changes nothing"
            assert hmp(f"loadvm-file {state}") == ""
            assert qmp.command("query-block")[0]["io-status"] == "ok"
            assert status_of(qmp) == "paused"
            qmp.command("cont")
            disk.q.step()
            assert disk.vq.used() is None
            assert disk.contents(FAR) == bytes(len(DATA))


def told(policy, status):
    """The VM goes on; what the guest hears."""
    with rhea.scratch() as folder:
        disk = Disk(folder, policy)
        with disk.q, disk.q.qmp() as qmp:
            assert disk.result(disk.write(FAR)) == status
            assert status_of(qmp) == "running"
            assert disk.result(disk.write(3)) == 0 and disk.contents(3) == DATA
            assert disk.contents(FAR) == bytes(len(DATA))


suite.add("report", told, ",werror=report", 1)
suite.add("ignore", told, ",werror=ignore", 0)
suite.add("enospc-is-another-error", told, "", 1)


if __name__ == "__main__":
    sys.exit(suite.run())
