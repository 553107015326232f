#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Virtio devices behind each transport, modern and legacy: identity, features, requests, interrupts."""

import os
import random
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import Qtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402
from virtio import bit  # noqa: E402

suite = tap.Suite()
SECTOR = 512
LEGACY_MMIO = ["-global", "virtio-mmio.force-legacy=on"]


def disk_request(device, vq, kind, sector, data=b"", length=0):
    """Runs one request; (status, what was read)."""
    memory = device.memory
    header = memory.put(struct.pack("<IIQ", kind, 0, sector))
    status = memory.put(b"\xff")
    body, into = [], []
    if data:
        body = [(memory.put(data), len(data))]
    if length:
        into = [(memory.take(length), length)]
    vq.add([(header, 16)] + body, into + [(status, 1)])
    written = vq.wait()[1]
    assert written == length + 1 or kind != 0, f"{written} bytes for a read of {length}"
    return memory.get(status, 1)[0], memory.get(into[0][0], length) if into else b""


def disk_works(device, image, features=0):
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    device.start(features)
    vq = device.queue(0)
    device.ready()
    assert device.config(0, 4) == 2048, "capacity"
    pattern = bytes(range(256)) * 4
    assert disk_request(device, vq, 1, 3, data=pattern) == (0, b"")
    assert disk_request(device, vq, 4, 0)[0] == 0
    assert disk_request(device, vq, 0, 3, length=len(pattern)) == (0, pattern)
    with open(image, "rb") as f:
        f.seek(3 * SECTOR)
        assert f.read(len(pattern)) == pattern
    assert disk_request(device, vq, 0, 2048, length=SECTOR)[0] == 1, "behind the end"
    assert device.isr() & 1
    assert device.isr() == 0, "acknowledged"


TRANSPORTS = [
    ("mmio", virtio.Mmio, "virtio-blk-device", [], None),
    ("mmio-legacy", virtio.MmioLegacy, "virtio-blk-device", LEGACY_MMIO, None),
    ("pci", virtio.PciModern, "virtio-blk-pci", [], (0x1001, 0, 2)),
    ("pci-legacy", virtio.PciLegacy, "virtio-blk-pci", [], (0x1001, 0, 2)),
    ("pci-transitional-modern", virtio.PciModern, "virtio-blk-pci-transitional", [], (0x1001, 0, 2)),
    ("pci-transitional-legacy", virtio.PciLegacy, "virtio-blk-pci-transitional", [], (0x1001, 0, 2)),
    ("pci-non-transitional", virtio.PciModern, "virtio-blk-pci-non-transitional", [],
     (0x1042, 1, 0x1100)),
    ("pci-disable-legacy", virtio.PciModern, "virtio-blk-pci,disable-legacy=on", [],
     (0x1042, 1, 0x1100)),
    ("pci-disable-modern", virtio.PciLegacy, "virtio-blk-pci,disable-modern=on", [], (0x1001, 0, 2)),
]


def make(kind, q, memory):
    if issubclass(kind, virtio.Pci):
        return kind(q, memory, 2)
    return kind(q, memory, virtio.BLOCK)


def disk_on(kind, device, args, ids):
    place = ",addr=2" if "pci" in device else ""
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        with Qtest("-drive", f"file={image},format=raw,if=none,id=d", *args, "-device",
                   f"{device},drive=d{place}") as q:
            memory = virtio.Memory(q)
            d = make(kind, q, memory)
            if ids:
                assert d.ids() == ids, d.ids()
                modern = [c for c, _ in d.capabilities()].count(9)
                assert (modern == 0) == ("disable-modern" in device), "vendor capabilities"
                assert (0 in d.bars) == (ids[0] < 0x1040), "the legacy window"
            disk_works(d, image)
            q.command("rhea_snapshot")
            # And again from the start, with the queue in another place.
            disk_works(d, image)


for _name, _kind, _device, _args, _ids in TRANSPORTS:
    suite.add(f"disk-{_name}", disk_on, _kind, _device, _args, _ids)


def features_on(kind, device, args, legacy):
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        with Qtest("-drive", f"file={image},format=raw,if=none,id=d", *args, "-device", device) as q:
            d = make(kind, q, virtio.Memory(q))
            offered = d.start()
            assert bool(offered & bit(virtio.VERSION_1)) != legacy, f"{offered:#x}"
            assert offered & bit(virtio.INDIRECT_DESC) and offered & bit(virtio.EVENT_IDX)
            if legacy:
                assert offered < 1 << 32
                # What was not offered is not there afterwards; old drivers do not ask.
                d.accept(0xffffffff)
                d.ready()


suite.add("features-mmio", features_on, virtio.Mmio, "virtio-blk-device,drive=d", [], False)
suite.add("features-mmio-legacy", features_on, virtio.MmioLegacy, "virtio-blk-device,drive=d",
          LEGACY_MMIO, True)
suite.add("features-pci-legacy", features_on, virtio.PciLegacy, "virtio-blk-pci,drive=d,addr=2", [],
          True)


@suite.test
def features_asked_for_in_vain():
    """They are refused, and do not stand in the way of a snapshot."""
    with Qtest("-device", "virtio-balloon-device") as q:
        d = virtio.Mmio(q, virtio.Memory(q), virtio.BALLOON)
        d.status(0)
        d.status(virtio.ACKNOWLEDGE | virtio.DRIVER)
        d.accept((1 << 64) - 1)
        d.status(virtio.ACKNOWLEDGE | virtio.DRIVER | virtio.FEATURES_OK)
        assert not d.get_status() & virtio.FEATURES_OK
        q.command("rhea_snapshot")
    # The same, and then the queue of a legacy driver.
    with Qtest("-device", "virtio-rng-pci,addr=2") as q:
        memory = virtio.Memory(q)
        virtio.PciModern(q, memory, 2).accept((1 << 64) - 1)
        d = virtio.PciLegacy(q, memory, 2)
        vq = d.queue(0)
        vq.add([], [(memory.take(64), 64)])
        assert vq.wait() == (0, 64)
        q.command("rhea_snapshot")
        virtio.PciModern(q, memory, 2).accept((1 << 64) - 1)      # and the other way round
        q.command("rhea_snapshot")


@suite.test
def modern_driver_needs_a_modern_device():
    """FEATURES_OK does not stick on a device that has the legacy interface only."""
    with Qtest("-device", "virtio-rng-pci,addr=2,disable-modern=on") as q:
        d = virtio.PciLegacy(q, virtio.Memory(q), 2)
        d.status(0)
        d.status(virtio.ACKNOWLEDGE | virtio.DRIVER | virtio.FEATURES_OK)
        assert not d.get_status() & virtio.FEATURES_OK


@suite.test
def legacy_driver_may_be_early():
    """Section 3.1.2: devices are used before DRIVER_OK, even before the features."""
    for kind, args in ((virtio.MmioLegacy, ["-device", "virtio-rng-device"] + LEGACY_MMIO),
                       (virtio.PciLegacy, ["-device", "virtio-rng-pci,addr=2"])):
        with Qtest(*args) as q:
            memory = virtio.Memory(q)
            d = kind(q, memory, 2 if kind is virtio.PciLegacy else virtio.RNG)
            d.status(0)
            d.status(virtio.ACKNOWLEDGE | virtio.DRIVER)
            if kind is virtio.MmioLegacy:
                q.write(d.base + 0x28, 4096)
            vq = d.queue(0)
            vq.add([], [(memory.take(64), 64)])
            assert vq.wait() == (0, 64)
            d.status(0)
            assert d.get_status() == 0
            vq.add([], [(memory.take(64), 64)])
            assert vq.used() is None, "a reset device still answers"


@suite.test
def legacy_vectors_move_the_configuration():
    """With MSI-X enabled the two vector registers come before the device's configuration."""
    with Qtest("-netdev", "user,id=n,restrict=on", "-device",
               "virtio-net-pci,netdev=n,addr=2,mac=52:54:00:aa:bb:cc") as q:
        d = virtio.PciLegacy(q, virtio.Memory(q), 2)
        mac = [d.config(i, 1) for i in range(6)]
        assert mac == [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc], mac
        msix = dict(d.capabilities())[0x11]
        q.write(d.ecam + msix + 2, 0x8000, 2)
        assert [d.config(4 + i, 1) for i in range(6)] == mac
        assert q.read(d.io + 20, 2) == 0xffff, "no vector yet"
        q.write(d.io + 20, 1, 2)
        assert q.read(d.io + 20, 2) == 1
        q.write(d.io + 14, 0, 2)
        q.write(d.io + 22, 77, 2)
        assert q.read(d.io + 22, 2) == 0xffff, "there is no such vector"
        q.write(d.io + 22, 2, 2)
        assert q.read(d.io + 22, 2) == 2
        q.command("rhea_snapshot")


@suite.test
def legacy_queues_that_lie():
    """Page numbers outside RAM and queues placed before the page size is known."""
    with Qtest("-device", "virtio-rng-device", *LEGACY_MMIO, "-device", "virtio-rng-pci,addr=2") as q:
        memory = virtio.Memory(q)
        mmio = virtio.MmioLegacy(q, memory, virtio.RNG)
        q.write(mmio.base + 0x30, 0)
        q.write(mmio.base + 0x40, 0x80100)
        assert q.read(mmio.base + 0x40) == 0, "placed without a page size"
        for page_size in (1, 3, 4096, 0x80000000):
            q.write(mmio.base + 0x28, page_size)
            for align in (0, 3, 4, 0x80000000):
                q.write(mmio.base + 0x3c, align)
                for pfn in (1, 0xffffffff, 0x80000, 0):
                    q.write(mmio.base + 0x40, pfn)
                    mmio.kick(0)
        pci = virtio.PciLegacy(q, memory, 2)
        for pfn in (1, 0xffffffff, 0x10001, 0):
            q.write(pci.io + 8, pfn)
            pci.kick(0)
            pci.kick(7)
        q.command("rhea_snapshot")


def broken_ring_on(kind, device, args, legacy):
    """What a ring cannot be stops the device, which says so and works again after a reset."""
    with Qtest("-d", "guest_errors", *args, "-device", device) as q:
        memory = virtio.Memory(q)
        d = kind(q, memory, 2 if issubclass(kind, virtio.Pci) else virtio.RNG)
        buffer = memory.take(64)
        outside = 0x40
        for what in ("buffer", "ring", "loop", "next", "index", "indirect"):
            d.start()
            vq = d.queue(0)
            d.ready()
            size, link, flags, addr = 64, 0, virtio.WRITE, buffer
            if what == "buffer":
                addr = outside
            elif what == "loop":
                flags |= virtio.NEXT
            elif what == "next":
                flags, link = flags | virtio.NEXT, 60000
            elif what == "indirect":
                flags = 4                               # was not negotiated
            vq.descriptor(0, addr, size, flags, link)
            q.write(vq.avail + 2, 40000 if what == "index" else 1, 2)
            if what == "ring":
                if legacy:
                    continue                            # its ring is one piece with the rest
                q.write(d.base + 0x44, 0)
                q.write(d.base + 0x90, outside)
                q.write(d.base + 0x94, 0)
                q.write(d.base + 0x44, 1)
            d.kick(0)
            assert d.get_status() & virtio.NEEDS_RESET, what
            assert d.isr() & 2 or legacy, f"{what}: the driver is told"
            assert vq.used() is None, what
            q.command("rhea_snapshot")
            d.kick(0)
            d.start()
            vq = d.queue(0)
            d.ready()
            vq.add([], [(buffer, 64)])
            assert vq.wait() == (0, 64), f"{what}: it works again"
        q.errors.seek(0)
        log = q.errors.read().decode()
        for text in ("buffer at 0x40 is not memory", "loops", "is outside its table", "runs ahead of",
                     "bad indirect table"):
            assert text in log, (text, log)


suite.add("broken-rings-mmio", broken_ring_on, virtio.Mmio, "virtio-rng-device", [], False)
suite.add("broken-rings-mmio-legacy", broken_ring_on, virtio.MmioLegacy, "virtio-rng-device", LEGACY_MMIO,
          True)
suite.add("broken-rings-pci-legacy", broken_ring_on, virtio.PciLegacy, "virtio-rng-pci,addr=2", [], True)


PCI_DEVICES = ["virtio-net-pci,netdev=n", "virtio-rng-pci", "virtio-balloon-pci,free-page-reporting=on",
               "virtio-serial-pci", "virtio-blk-pci,drive=d,num-queues=2",
               "virtio-rng-pci-non-transitional", "virtio-net-pci,disable-modern=on,mq=on,netdev=m"]


def random_pci_lines(rng, devices, count):
    """Accesses to BARs and configuration space, with values that tend to mean something."""
    values = [0, 1, 2, 3, 4, 7, 8, 15, 0x80, 0xff, 0xffff, 0xffffffff, 0x80000, 0x80001, 0x7fffffff,
              virtio.RAM, virtio.RAM + 0x1000, virtio.PCI_MEM, 0x1000]
    for _ in range(count):
        d = rng.choice(devices)
        if rng.random() < 0.15:
            base, span = d.ecam, 0x100
        else:
            bar = rng.choice(list(d.bars))
            base = d.bars[bar]
            # The parts of the modern BAR are 4 KiB apart, and short.
            span = 0x40
            if bar == 4:
                base += rng.choice([0, 0x1000, 0x2000, 0x3000])
        letter, size = rng.choice([("b", 1), ("w", 2), ("l", 4), ("l", 4)])
        addr = base + rng.randrange(span) // size * size
        if rng.random() < 0.25:
            yield f"read{letter} {addr:#x}"
        else:
            value = rng.choice(values) if rng.random() < 0.7 else rng.getrandbits(32)
            yield f"write{letter} {addr:#x} {value & (1 << 8 * size) - 1:#x}"
        if rng.random() < 0.001:
            yield "system_reset"


@suite.test
def nonsense_in_pci_functions():
    """The emulator answers all of it, and what comes out can be saved and loaded."""
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        args = ["-netdev", "user,id=n,restrict=on", "-netdev", "user,id=m,restrict=on,queues=3", "-drive",
                f"file={image},format=raw,if=none,id=d"]
        for i, device in enumerate(PCI_DEVICES):
            args += ["-device", f"{device},addr={i + 2}"]
        for seed in range(3):
            rng = random.Random(seed)
            with Qtest(*args) as q:
                memory = virtio.Memory(q)
                data = "".join(rng.choice(("00", "01", "02", "03", "80", "ff")) for _ in range(0x3000))
                for page in (0, 0x1000):
                    q.command("write", virtio.RAM + page, "0x3000", "0x" + data)
                for _ in range(4):
                    devices = [virtio.Pci(q, memory, i + 2) for i in range(len(PCI_DEVICES))]
                    answers = q.many(list(random_pci_lines(rng, devices, 2000)))
                    assert all(a.startswith("OK") for a in answers), f"seed {seed}"
                    q.command("rhea_snapshot")


@suite.test
def no_interface_is_refused():
    done = subprocess.run([rhea.emulator(), "-M", "virt", "-display", "none", "-bios", "none",
                           "-device", "virtio-rng-pci,disable-legacy=on,disable-modern=on"],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "leave no interface" in done.stderr, done.stderr


@suite.test
def disk_queues_are_independent():
    """A virtio-blk with several queues: each has its ring, and one that is reset leaves the others."""
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        with Qtest("-drive", f"file={image},format=raw,if=none,id=d", "-device",
                   "virtio-blk-device,drive=d,num-queues=4") as q:
            d = virtio.Mmio(q, virtio.Memory(q), virtio.BLOCK)
            offered = d.start(bit(12, virtio.RING_RESET))
            assert offered & bit(12), "VIRTIO_BLK_F_MQ"
            queues = [d.queue(i) for i in range(4)]
            d.ready()
            assert d.config(34, 2) == 4, "num_queues"
            for i, vq in enumerate(queues):
                assert disk_request(d, vq, 1, i, data=bytes([i + 1]) * SECTOR) == (0, b"")
            d.reset_queue(1)
            for i in (0, 2, 3):
                assert disk_request(d, queues[i], 0, i, length=SECTOR) == (0, bytes([i + 1]) * SECTOR)
            again = d.queue(1)
            assert disk_request(d, again, 0, 1, length=SECTOR) == (0, b"\x02" * SECTOR)
            q.command("rhea_snapshot")


if __name__ == "__main__":
    sys.exit(suite.run())
