#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The virtio balloon: its target, pages it is given, and that its events cannot flood a monitor."""

import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

suite = tap.Suite()
RAM = virtio.RAM
MIB = 1 << 20


@suite.test
def pages_go_and_come_back_as_zeroes():
    with Qtest("-device", "virtio-balloon-device", qmp=True) as q, q.qmp() as control:
        memory = virtio.Memory(q)
        d = virtio.Mmio(q, memory, virtio.BALLOON)
        d.start()
        inflate = d.queue(0)
        d.queue(1)
        d.ready()
        control.command("balloon", value=60 * MIB)
        assert d.config(0, 4) == 4 * MIB // 4096, "64 MiB less 60"
        assert d.isr() & 2
        pages = [RAM + 0x800000, RAM + 0x802000]
        for page in pages + [RAM + 0x801000]:
            q.command("memset", page, "0x1000", "0xee")
        # Two pages, one that is not memory, and half an entry.
        data = struct.pack("<III", pages[0] >> 12, pages[1] >> 12, 5) + b"\0\0"
        inflate.add([(memory.put(data), len(data))], [])
        assert inflate.wait()[1] == 0
        for page in pages:
            assert q.read(page, 8) == 0 and q.read(page + 0xff8, 8) == 0
        assert q.read(RAM + 0x801000, 8) == q.read(RAM + 0x801ff8, 8) == 0xeeeeeeeeeeeeeeee
        d.set_config(4, 3, 4)
        assert control.command("query-balloon")["actual"] == 64 * MIB - 3 * 4096
        q.command("rhea_snapshot")


@suite.test
def events_are_limited():
    with Qtest("-device", "virtio-balloon-device", qmp=True) as q, q.qmp() as control:
        d = virtio.Mmio(q, virtio.Memory(q), virtio.BALLOON)
        start = time.monotonic()
        q.many([f"writel {d.base + 0x104:#x} {n}" for n in range(1, 200)])
        burst = time.monotonic() - start
        first = control.wait_event("BALLOON_CHANGE")["data"]["actual"]
        assert first == 64 * MIB - 4096, first
        second = control.wait_event("BALLOON_CHANGE")["data"]["actual"]
        if burst > 0.8:
            raise tap.Skip("this host is too slow for a burst")
        assert second == 64 * MIB - 199 * 4096, "the last of the burst"
        assert time.monotonic() - start > 0.9, "a second later"
        control.command("query-status")
        assert not [e for e in control.events if e["event"] == "BALLOON_CHANGE"]


if __name__ == "__main__":
    sys.exit(suite.run())
