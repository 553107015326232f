#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 400
"""Debian's OpenSBI and U-Boot: alone, on top of each other, and U-Boot booting Linux from a disk."""

import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

UBOOT = "/usr/lib/u-boot/qemu-riscv64/u-boot.bin"
UBOOT_S = "/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf"
OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"

suite = tap.Suite()


def opensbi_alone(accel, harts):
    rhea.need_file(OPENSBI, "opensbi")
    rhea.need_accel(accel)
    with rhea.Machine("-accel", accel, "-smp", harts) as m:
        m.expect(r"OpenSBI v\d+\.\d+")
        m.expect(rf"Platform HART Count\s*: {harts}\r*\n")
        m.expect(r"Platform Timer Device\s*: aclint-mtimer")
        m.expect(r"Platform Console Device\s*: uart8250")
        m.expect(r"Boot HART ID\s*: \d")
        m.expect(r"Boot HART MEDELEG\s*: 0x")


for ACCEL, HARTS in (("tcg", 1), ("tcg", 4), ("tci", 1)):
    suite.add(f"opensbi-alone-{ACCEL}-{HARTS}", opensbi_alone, ACCEL, HARTS)


def to_prompt(m):
    m.expect(r"U-Boot 20\d\d\.\d\d")
    m.expect(r"Model: riscv-virtio")
    m.expect(r"Hit any key to stop autoboot")
    m.send("\n")
    m.expect(r"=> ")


def power_off(m):
    m.send("poweroff\n")
    status = m.wait(20)
    assert status == 0, f"exit status {status} after poweroff"


def supervisor(accel, harts, device):
    """The project's own S-mode kernel above OpenSBI, with a disk that it may write to."""
    rhea.need_file(OPENSBI, "opensbi")
    rhea.need_accel(accel)
    with rhea.scratch() as folder:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.write(b"rhea scratch disk")
            f.truncate(1 << 20)
        with rhea.Machine("-accel", accel, "-smp", harts, "-kernel", rhea.SUPERVISOR, "-drive",
                          f"file={disk},format=raw,if=none,id=d", "-device", device) as m:
            status = m.wait(60)
            failures = [line for line in m.log.splitlines() if line.startswith("FAIL")]
            if failures or status != 0:
                m.fail(f"status {status}: {failures}")
            m.expect(rf"hart \d+ of {harts}\r*\n")
            m.expect(r"rhea supervisor guest: \d+ ok, 0 failed")
        with open(disk, "rb") as f:
            f.seek(512)
            assert f.read(4096) == bytes((i * 7 + i // 512) & 255 for i in range(4096))


for ACCEL, HARTS in (("tcg", 1), ("tcg", 4), ("tci", 1)):
    suite.add(f"supervisor-{ACCEL}-{HARTS}", supervisor, ACCEL, HARTS, "virtio-blk-device,drive=d")


@suite.test
def u_boot_alone_in_machine_mode():
    rhea.need_file(UBOOT, "u-boot-qemu")
    with rhea.Machine("-bios", UBOOT) as m:
        to_prompt(m)
        m.send("md.l 80000000 4\n")
        m.expect(r"80000000: [0-9a-f]{8} [0-9a-f]{8} ")
        m.expect(r"=> ")
        power_off(m)


@suite.test
def u_boot_on_opensbi():
    rhea.need_file(UBOOT_S, "u-boot-qemu")
    rhea.need_file(OPENSBI, "opensbi")
    with rhea.Machine("-kernel", UBOOT_S) as m:
        m.expect(r"OpenSBI v")
        to_prompt(m)
        m.send("bdinfo\n")
        m.expect(r"-> start\s*= 0x0*80000000")
        m.expect(r"=> ")
        power_off(m)


def bootable_disk(folder):
    """A disk with one ext2 partition holding the kernel and an extlinux.conf."""
    tree, disk, start = os.path.join(folder, "tree"), os.path.join(folder, "disk"), 2048
    os.makedirs(tree + "/extlinux")
    for name in ("Image", "initrd.cpio"):
        subprocess.run(["cp", "--reflink=auto", rhea.guest_file(name), f"{tree}/{name}"], check=True)
    with open(tree + "/extlinux/extlinux.conf", "w", encoding="ascii") as f:
        f.write("default rhea\ntimeout 1\nlabel rhea\n kernel /Image\n initrd /initrd.cpio\n"
                " append console=ttyS0 rhea.from=disk\n")
    sectors = 96 * 2048
    entry = struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\0\2\0", start, sectors)
    with open(disk, "wb") as f:
        f.truncate((start + sectors) * 512)
        f.write(b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa")
    subprocess.run([rhea.need_tool("mke2fs"), "-q", "-F", "-t", "ext2", "-d", tree, "-E",
                    f"offset={start * 512}", disk, f"{sectors // 2}k"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return disk


@suite.test
def u_boot_boots_linux_from_disk():
    rhea.need_file(UBOOT_S, "u-boot-qemu")
    rhea.need_file(OPENSBI, "opensbi")
    with rhea.scratch() as folder:
        disk = bootable_disk(folder)
        with rhea.Machine("-kernel", UBOOT_S, "-drive", f"file={disk},format=raw,if=none,id=d",
                          "-device", "virtio-blk-device,drive=d", memory="1G") as m:
            m.expect(r"extlinux/extlinux.conf", 60)
            m.expect(r"Linux version \d", 120)
            m.expect(r"rhea-guest: ready", 120)
            assert "rhea.from=disk" in m.run("cat /proc/cmdline")
            m.send("exit\n")
            assert m.wait(30) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
