#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Firmware, loaders and other systems of the PC are saved at work and go on in new processes, which hold the
same state as the one that was saved."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from discs import flash, grub_disc, menu_disc  # noqa: E402
from pc import boot_sector, pc, raw, write  # noqa: E402
from saved import Saved  # noqa: E402

suite = tap.Suite()
SLOW = bool(os.environ.get("RHEA_SLOW"))


def machine(*args, memory="64M", held=False):
    return Saved(lambda *more, **kwargs: pc(*args, *more, memory=memory, **kwargs), held)


def key(s, name):
    s.q.command("send-key", keys=[{"type": "qcode", "data": name}])


# --- SeaBIOS ---

@suite.test
def boot_menu():
    """Firmware waits for a key; in its menu; while it starts what was chosen."""
    with rhea.scratch() as folder:
        args = ["-machine", "graphics=off", "-boot", "menu=on,splash-time=60000"]
        good = boot_sector(folder)
        for name in "AB":
            path = write(folder, name, good.replace(b"second sector\r", f"this is {name}\r".encode()), 1 << 20)
            args += ["-drive", f"file={path},format=raw,if=none,id=d{name}", "-device",
                     f"virtio-blk-pci,drive=d{name},bootindex={ord(name)}"]
        with machine(*args) as s:
            s.m.expect("Press ESC for boot menu", 60)
            s.move()
            key(s, "esc")
            s.m.expect(r"(?s)1\. Virtio disk.*2\. Virtio disk", 60)
            s.move()
            key(s, "2")
            s.m.expect("this is B", 60)
            assert s.m.wait(60) == 17


@suite.test
def nothing_to_boot():
    """The firmware's time to the next attempt goes on where it was."""
    with machine("-machine", "graphics=off", "-boot", "reboot-timeout=4000") as s:
        s.m.expect("No bootable device", 120)
        s.move()
        s.m.expect("SeaBIOS", 60)
        s.m.expect("No bootable device", 120)


def power_on(board):
    """All of the firmware's way from power-on to a boot sector, in pieces."""
    with rhea.scratch() as folder:
        floppy = write(folder, "floppy", boot_sector(folder), 1440 * 1024)
        disk = write(folder, "disk", b"", 1 << 20)
        with machine("-M", board, "-smp", "2", "-fda", floppy, *raw(disk), "-device", "virtio-scsi-pci", "-device",
                     "scsi-hd,drive=d", "-boot", "order=a", held=True) as s:
            assert s.moves(12, 0.003) > 1
            s.m.expect("second sector", 60)
            assert s.m.wait(60) == 17


for BOARD in ("pc", "q35"):
    suite.add(f"power-on-{BOARD}", power_on, BOARD)


# --- Own guests ---

def sector(folder, source):
    """A boot sector of tests/snapshot, assembled."""
    out = os.path.join(folder, source)
    subprocess.run([rhea.need_tool("x86_64-linux-gnu-as"), "--32", "-o", f"{out}.o", os.path.join(HERE, source)],
                   check=True)
    subprocess.run([rhea.need_tool("x86_64-linux-gnu-ld"), "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat",
                    "binary", "-o", out, f"{out}.o"], check=True)
    with open(out, "rb") as f:
        return f.read()


def reader(*devices, size=1440 * 1024):
    """A sector that reads its drive over and over through the BIOS and compares the sums; by PIO and DMA."""
    with rhea.scratch() as folder:
        data = sector(folder, "reader.S") + bytes(i * 7 & 0xff for i in range(60 * 1024))
        disk = write(folder, "disk", data, size)
        with machine(*[d.format(disk) for d in devices]) as s:
            s.m.expect("reading", 60)
            for _ in range(4):
                s.m.expect("=" * 3, 120)
                s.move()
            s.m.expect("=" * 3, 120)
            assert "!" not in s.m.log, s.m.log


suite.add("floppy-read", reader, "-fda", "{}")
suite.add("ide-read", reader, "-hda", "{}")
suite.add("ahci-read", reader, *raw("{}"), "-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d")
suite.add("virtio-blk-read", reader, *raw("{}"), "-device", "virtio-blk-pci,drive=d")
suite.add("virtio-scsi-read", reader, *raw("{}"), "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d")


def privileged(guest, cpus, *accels):
    """The guests of the privileged architecture (v86 mode, tasks, local APICs among it), moved while they check."""
    with rhea.scratch() as folder:
        subprocess.run([os.path.join(rhea.TOP, "tests/guests/x86_64/build"), folder], check=True)
        turn = [0]

        def start(*more, **kwargs):
            turn[0] += 1
            return rhea.Machine("-M", "pc", "-cpu", "max", "-smp", cpus, "-accel", accels[turn[0] % len(accels)],
                                "-no-reboot", "-bios", f"{folder}/{guest}.bin", "-device",
                                "isa-debug-exit,iobase=0xf4,iosize=4", *more, memory="32M", **kwargs)

        # The guests are quick: on a busy host one may be through before it could be moved twice.
        for _ in range(20):
            with Saved(start, held=True) as s:
                moves = s.moves(12, 0.003)
                s.m.expect(r"rhea \w+ guest: \d+ ok, 0 failed", 200)
                assert s.m.wait(60) == 1
                assert not any(line.startswith(("FAIL", "#")) for line in s.m.log.splitlines()), s.m.log
            if moves > 1:
                return
        raise AssertionError(f"never moved twice, {moves} at last")


for GUEST, CPUS in (("prot", 1), ("long", 1), ("long", 4)):
    suite.add(f"{GUEST}-{CPUS}", privileged, GUEST, CPUS, "tcg")
    suite.add(f"{GUEST}-{CPUS}-tci", privileged, GUEST, CPUS, "tci", "tcg")


# --- Loaders ---

def grub(board):
    """At the prompt, while it reads the kernel from the disc, while the kernel starts."""
    with rhea.scratch() as folder:
        iso = grub_disc(folder, **{name: rhea.guest_file(name) for name in ("Image", "initrd.cpio")})
        with machine("-M", board, "-cdrom", iso, "-smp", "2", memory="512M") as s:
            s.m.expect("grub> ", 120)
            s.move()
            s.m.send("linux /boot/Image console=ttyS0\r")
            s.moves(3, 0.1)
            s.m.expect("grub> ", 120)
            s.m.send("initrd /boot/initrd.cpio\r")
            s.moves(3, 0.1)
            s.m.expect("grub> ", 120)
            s.m.send("boot\r")
            s.moves(3, 0.3)
            s.m.expect("rhea-guest: ready", 300)
            s.m.send("poweroff -f\n")
            assert s.m.wait(60) == 0


for BOARD in ("pc", "q35"):
    suite.add(f"grub-{BOARD}", grub, BOARD)


@suite.test
def isolinux():
    with rhea.scratch() as folder, machine("-cdrom", menu_disc(folder)) as s:
        s.moves(3, 0.1)
        s.m.expect("Rhea discs", 120)
        s.m.expect("edit options", 60)
        s.move()
        s.m.send("\x1b[B")
        time.sleep(1)
        s.move()
        s.m.send("\r")
        s.m.expect("/isolinux/second", 60)


# --- Asleep ---

def asleep(board, wake):
    """Suspended to RAM, it sleeps on in the next process, and is woken there."""
    with machine("-M", board, "-smp", "2", "-kernel", rhea.guest_file("Image"), "-initrd",
                 rhea.guest_file("initrd.cpio"), "-append", "console=ttyS0", memory="256M") as s:
        s.m.expect("rhea-guest: ready", 300)
        s.m.run("dmesg -n 1; echo kept > /tmp/file")
        s.m.send("echo mem > /sys/power/state; echo AWA''KE\n")
        s.q.wait_event("SUSPEND")
        s.move()
        assert s.q.command("query-status") == {"running": False, "status": "suspended"}
        s.move()
        time.sleep(0.5)
        s.q.command(wake)
        s.q.wait_event("WAKEUP")
        s.m.expect("AWAKE", 120)
        assert s.m.run("cat /tmp/file; nproc").split() == ["kept", "2"]
        s.m.send("exit\n")
        assert s.m.wait(60) == 0


suite.add("asleep-pc", asleep, "pc", "system_wakeup")
suite.add("asleep-q35", asleep, "q35", "system_powerdown")


# --- UEFI ---

def kept(folder, text):
    with open(f"{folder}/vars", "rb") as f:
        assert text.encode("utf-16-le") in f.read(), f"{text} is not in the file of the variables"


def uefi(moves, args, kind, memory):
    """While it starts; at the shell; its variables after that; it ends the machine."""
    with rhea.scratch() as folder, machine(*args, *flash(folder, kind), memory=memory) as s:
        s.moves(moves, 0.25)
        s.m.expect("Shell> ", 300)
        s.m.send("set rhea first-value\r")
        s.m.expect("Shell> ", 60)
        s.move()
        s.m.send("set rhea\r")
        s.m.expect("first-value", 60)
        s.m.expect("Shell> ", 60)
        s.m.send("set rhea second-value\r")
        s.m.expect("Shell> ", 60)
        kept(folder, "second-value")
        s.m.send("reset -s\r")
        assert s.m.wait(60) == 0


suite.add("uefi", uefi, 6, ["-nic", "none"], "", "128M")
suite.add("uefi-smm", uefi, 6, ["-M", "q35,smm=on", "-smp", "2", "-nic", "none", "-global",
                                "driver=cfi.pflash01,property=secure,value=on"], "_4M.secboot", "256M")

if __name__ == "__main__":
    sys.exit(suite.run())
