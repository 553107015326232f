#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""What SeaBIOS boots: a sector of our own from every kind of disk, floppies, El Torito discs of all kinds,
GRUB; in which order; and what is damaged."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from pc import SECTOR, boot_sector, ends, pc, raw, starts, write  # noqa: E402

suite = tap.Suite()
BLOCK, CATALOGUE, IMAGE = 2048, 19, 20
NO_EMULATION, FLOPPY, HARD_DISK = 0, 2, 4


def disc(content, media, sectors=1, **damage):
    """An ISO 9660 disc as far as firmware looks at it, with an El Torito catalogue."""
    def descriptor(kind, text):
        return (bytes([kind]) + b"CD001\1" + text).ljust(BLOCK, b"\0")

    record = descriptor(0, damage.get("name", b"EL TORITO SPECIFICATION").ljust(64, b"\0") +
                        struct.pack("<I", damage.get("catalogue", CATALOGUE)))
    header = bytearray(struct.pack("<BBH24sHBB", damage.get("header", 1), 0, 0, b"", 0, 0x55, 0xaa))
    struct.pack_into("<H", header, 28, -sum(struct.unpack("<16H", header)) & 0xffff)
    entry = struct.pack("<BBHBBHI", damage.get("bootable", 0x88), media, damage.get("segment", 0), 0, 0,
                        sectors, damage.get("image", IMAGE)).ljust(32, b"\0")
    return (bytes(16 * BLOCK) + descriptor(1, b"") + record + descriptor(255, b"") +
            bytes(header + entry).ljust(BLOCK, b"\0") + content)


DISKS = {
    "ide": ["-device", "ide-hd,drive=d"],
    "ahci": ["-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d"],
    "virtio-blk": ["-device", "virtio-blk-pci,drive=d"],
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d"],
}
DRIVES = {
    "ide": ["-device", "ide-cd,drive=d"],
    "ahci": ["-device", "ich9-ahci,id=a", "-device", "ide-cd,bus=a.0,drive=d"],
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=d"],
}


def from_disk(devices):
    with rhea.scratch() as folder:
        starts(("80",), *raw(write(folder, "disk", boot_sector(folder), 1 << 20)), *devices)


def from_disc(devices):
    with rhea.scratch() as folder:
        image = boot_sector(folder, read=False).ljust(BLOCK, b"\0")
        path = write(folder, "disc", disc(image, NO_EMULATION, 4), 1 << 20)
        starts(("e0", "e1"), *raw(path, "readonly=on"), *devices)


for NAME, DEVICES in DISKS.items():
    suite.add(f"disk-{NAME}", from_disk, DEVICES)
for NAME, DEVICES in DRIVES.items():
    suite.add(f"disc-{NAME}", from_disc, DEVICES)


@suite.test
def floppies():
    with rhea.scratch() as folder:
        for kib in (360, 720, 1200, 1440, 2880):
            path = write(folder, f"floppy{kib}", boot_sector(folder), kib * 1024)
            starts(("00",), "-fda", path)
        starts(("00",), *raw(path), "-nodefaults", "-device", "floppy,drive=d")


@suite.test
def emulated_floppy_and_disk():
    with rhea.scratch() as folder:
        floppy = boot_sector(folder).ljust(1440 * 1024, b"\0")
        starts(("00",), "-cdrom", write(folder, "floppy.iso", disc(floppy, FLOPPY)))
        disk = boot_sector(folder).ljust(64 * SECTOR, b"\0")
        starts(("80",), "-cdrom", write(folder, "disk.iso", disc(disk, HARD_DISK)))


@suite.test
def hybrid_disc_as_a_disk():
    with rhea.scratch() as folder:
        both = bytearray(disc(boot_sector(folder, read=False).ljust(BLOCK, b"\0"), NO_EMULATION, 4))
        both[:2 * SECTOR] = boot_sector(folder)
        path = write(folder, "hybrid.iso", both, 1 << 20)
        starts(("80",), *raw(path), *DISKS["ide"])
        starts(("e0", "e1"), "-cdrom", path)


@suite.test
def order():
    with rhea.scratch() as folder:
        good = boot_sector(folder)
        paths = [write(folder, name, good.replace(b"second sector\r", f"this is {name}\r".encode()), 1 << 20)
                 for name in "ABCDE"]
        floppy = write(folder, "F", good.replace(b"second sector\r", b"this is F\r"), 1440 * 1024)
        drives = [w for i, p in enumerate((*paths, floppy))
                  for w in ("-drive", f"file={p},format=raw,if=none,id=d{'ABCDEF'[i]}")]
        for first in "ABCDEF":
            index = {name: 0 if name == first else 5 + i for i, name in enumerate("ABCDEF")}
            with pc(*drives, "-device", "ich9-ahci,id=a", "-device", "virtio-scsi-pci",
                    "-device", f"ide-hd,bus=ide.1,unit=1,drive=dA,bootindex={index['A']}",
                    "-device", f"ide-hd,bus=a.3,drive=dB,bootindex={index['B']}",
                    "-device", f"virtio-blk-pci,drive=dC,bootindex={index['C']}",
                    "-device", f"scsi-hd,drive=dD,scsi-id=3,bootindex={index['D']}",
                    "-device", f"virtio-blk-pci,drive=dE,addr=9,bootindex={index['E']}",
                    "-device", f"floppy,drive=dF,bootindex={index['F']}") as m:
                found = m.expect(r"this is (\w)", 60).group(1)
                assert found == first, f"{found} started, not {first}"


@suite.test
def strict_order():
    with rhea.scratch() as folder:
        good, bad = write(folder, "good", boot_sector(folder), 1440 * 1024), write(folder, "bad", b"", 1 << 20)
        args = [*raw(bad), "-device", "virtio-blk-pci,drive=d,bootindex=1", "-fda", good]
        starts(("00",), *args)
        assert "boot sector" not in ends(*args, "-boot", "strict=on")


@suite.test
def letters():
    with rhea.scratch() as folder:
        disk, floppy = (write(folder, name, boot_sector(folder), 1440 * 1024) for name in ("disk", "floppy"))
        starts(("80",), "-hda", disk, "-fda", floppy, "-boot", "c")
        starts(("00",), "-hda", disk, "-fda", floppy, "-boot", "order=a")


@suite.test
def once():
    """The first start is from a floppy that resets the machine, all others are from the disk."""
    reset = bytes([0xba, 0xf8, 0x03, 0xb0, ord("F"), 0xee,     # mov $0x3f8, %dx; mov $'F', %al; out
                   0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4])  # mov $0xcf9, %dx; mov $6, %al; out; hlt
    with rhea.scratch() as folder:
        floppy = write(folder, "floppy", reset.ljust(510, b"\0") + b"\x55\xaa", 1440 * 1024)
        disk = write(folder, "disk", boot_sector(folder), 1 << 20)
        with pc("-hda", disk, "-fda", floppy, "-boot", "order=c,once=a") as m:
            m.expect("second sector", 60)
            assert m.log.startswith("Fboot sector on 80"), m.log
            assert m.wait(60) == 17


@suite.test
def menu():
    """Nobody touches a key: the first disk; the menu's second entry; no menu, no waiting for a key."""
    with rhea.scratch() as folder:
        good = boot_sector(folder)
        drives = ["-machine", "graphics=off"]
        for name in "AB":
            path = write(folder, name, good.replace(b"second sector\r", f"this is {name}\r".encode()), 1 << 20)
            drives += ["-drive", f"file={path},format=raw,if=none,id=d{name}", "-device",
                       f"virtio-blk-pci,drive=d{name},bootindex={ord(name)}"]
        with pc(*drives, "-boot", "menu=on,splash-time=1") as m:
            m.expect("Press ESC for boot menu", 60)
            m.expect("this is A", 60)
        with pc(*drives, "-boot", "menu=on,splash-time=60000", qmp=True) as m, m.qmp() as q:
            m.expect("Press ESC for boot menu", 60)
            q.command("send-key", keys=[{"type": "qcode", "data": "esc"}])
            m.expect(r"(?s)1\. Virtio disk.*2\. Virtio disk", 60)
            q.command("send-key", keys=[{"type": "qcode", "data": "2"}])
            m.expect("this is B", 60)
        with pc(*drives, "-boot", "menu=off,splash-time=60000") as m:
            m.expect("this is A", 60)
            assert "Press ESC" not in m.log


@suite.test
def the_same_index_twice():
    with rhea.scratch() as folder:
        disk = write(folder, "disk", b"", 1 << 20)
        with pc(*raw(disk), "-device", "virtio-blk-pci,drive=d,bootindex=1",
                "-device", "ide-cd,bootindex=1") as m:
            assert m.wait(20) == 1 and "bootindex=1" in m.errors(), m.errors()


@suite.test
def damaged_discs():
    with rhea.scratch() as folder:
        image = boot_sector(folder, read=False).ljust(BLOCK, b"\0")
        for damage in ({"name": b"EL TORITO"}, {"catalogue": 0xffffffff}, {"catalogue": 0}, {"header": 7},
                       {"bootable": 0}, {"image": 0xfffffff0}, {"image": 1000}):
            path = write(folder, "disc", disc(image, NO_EMULATION, 4, **damage))
            assert "boot sector on" not in ends("-cdrom", path), damage
        assert "boot sector on" not in ends("-cdrom", write(folder, "disc", disc(b"", FLOPPY)))
        ends("-cdrom", write(folder, "disc", b"", 100 * BLOCK))
        ends("-cdrom", write(folder, "disc", b"short"))


@suite.test
def damaged_disks():
    with rhea.scratch() as folder:
        good = boot_sector(folder)
        for data, size in ((b"", 1 << 20), (good[:510], 1 << 20), (good[:300], 300), (b"", 512)):
            assert "boot sector on" not in ends("-hda", write(folder, "disk", data, size))
        ends("-fda", write(folder, "floppy", b"", 1440 * 1024))
        partitions = good[:446] + b"\xff" * 64 + b"\x55\xaa" + good[SECTOR:]
        starts(("80",), "-hda", write(folder, "disk", partitions, 1 << 20))


@suite.test
def floppies_of_no_size():
    with rhea.scratch() as folder, pc("-fda", write(folder, "floppy", b"", 5 << 20)) as m:
        assert m.wait(20) == 1 and "no floppy disk" in m.errors(), m.errors()


@suite.test
def what_nobody_asked_for():
    """A card on the user network, an empty drive for floppies and one for discs, unless told otherwise."""
    for args, present in (([], True), (["-nodefaults"], False)):
        with pc(*args, "-S", qmp=True) as m, m.qmp() as qmp:
            text = qmp.command("human-monitor-command", command_line="info qtree")
            for device in ("e1000", "floppy", "ide-cd"):
                assert (f"dev: {device}" in text) == present, f"{device} with {args}:\n{text}"
    with pc("-nic", "none", "-S", qmp=True) as m, m.qmp() as qmp:
        assert "e1000" not in qmp.command("human-monitor-command", command_line="info qtree")
    with rhea.scratch() as folder:
        disk = write(folder, "disk", b"", 1 << 20)
        with pc(*raw(disk), "-device", "ide-hd,bus=ide.1,unit=0,drive=d", "-S", qmp=True) as m, m.qmp() as qmp:
            assert "ide-cd" not in qmp.command("human-monitor-command", command_line="info qtree")


if __name__ == "__main__":
    sys.exit(suite.run())
