#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Devices behind bridges and ports of PCI Express: SeaBIOS and OVMF find and boot them, Linux uses them."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))
HERE = os.path.dirname(os.path.abspath(__file__))

ROOT_PORT = ["-M", "q35", "-device", "pcie-root-port,id=slot,chassis=1"]
SWITCH = ["-M", "q35", "-device", "pcie-root-port,id=r", "-device", "x3130-upstream,id=u,bus=r", "-device",
          "xio3130-downstream,bus=u,id=slot,chassis=2"]
TO_PCI = ["-M", "q35", "-device", "pcie-root-port,id=r", "-device", "pcie-pci-bridge,id=p,bus=r", "-device",
          "pci-bridge,id=slot,bus=p,chassis_nr=3"]
BRIDGE = ["-M", "pc", "-device", "pci-bridge,id=slot,chassis_nr=1"]
WAYS = {"root-port": ROOT_PORT, "switch": SWITCH, "to-pci": TO_PCI, "bridge": BRIDGE}
DISKS = {
    "virtio-blk": ["-device", "virtio-blk-pci,bus=slot,drive=d,bootindex=1"],
    "virtio-scsi": ["-device", "virtio-scsi-pci,bus=slot,id=s", "-device", "scsi-hd,bus=s.0,drive=d,bootindex=1"],
    "ahci": ["-device", "ahci,bus=slot,id=a", "-device", "ide-hd,bus=a.0,drive=d,bootindex=1"],
}


def pc(*args, memory="256M", **kwargs):
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    return rhea.Machine(*args, memory=memory, **kwargs)


def from_disk(way, disk):
    """SeaBIOS starts a sector of our own, and reads another through the disk's driver."""
    with rhea.scratch() as folder:
        objects, image = os.path.join(folder, "o"), os.path.join(folder, "disk")
        subprocess.run([rhea.need_tool("x86_64-linux-gnu-as"), "--32", "--defsym", "READ=1", "-o", objects,
                        os.path.join(HERE, "sector.S")], check=True)
        subprocess.run([rhea.need_tool("x86_64-linux-gnu-ld"), "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat",
                        "binary", "-o", image, objects], check=True)
        with open(image, "ab") as f:
            f.write(b"second sector\r\n\0")
            f.truncate(1 << 20)
        with pc(*WAYS[way], "-device", "isa-debug-exit", "-drive", f"file={image},format=raw,if=none,id=d",
                *DISKS[disk]) as m:
            m.expect("boot sector on 80", 60)
            m.expect("second sector", 60)
            assert m.wait(60) == 17


for WAY, DISK in (("root-port", "virtio-blk"), ("switch", "virtio-scsi"), ("to-pci", "virtio-blk"),
                  ("bridge", "ahci")):
    suite.add(f"disk-{WAY}-{DISK}", from_disk, WAY, DISK)


def linux(way, nic):
    """Linux numbers the buses as firmware did, and a disk and a card there work by their interrupts."""
    with rhea.scratch() as folder:
        image = rhea.copy_image("root-small.ext4", folder)
        other = [] if way == "bridge" else ["-device", "pcie-root-port,id=r2,chassis=9", "-device", "virtio-rng-pci,bus=r2"]
        bus = "r3" if way == "root-port" else "slot"
        more = ["-device", "pcie-root-port,id=r3,chassis=8"] if way == "root-port" else []
        if way == "switch":
            more, bus = ["-device", "xio3130-downstream,bus=u,id=d2,chassis=4"], "d2"
        with pc(*WAYS[way], *more, *other, "-drive", f"file={image},format=raw,if=none,id=d", "-device",
                "virtio-blk-pci,bus=slot,drive=d", "-netdev", "user,id=n", "-device", f"{nic},netdev=n,bus={bus}",
                "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
                "console=ttyS0 rhea.root=/dev/vda rhea.net", memory="512M") as m:
            m.expect("rhea-guest: ready", 300)
            assert "Debian" in m.run("chroot /mnt /bin/cat /etc/os-release")
            m.run("dd if=/dev/urandom of=/mnt/root/data bs=64k count=16 2>/dev/null && sync", 120)
            m.run("ping -c 2 10.0.2.2")
            bus_numbers = r"0000:00:\w+\.0/0000:0[1-9a]:\w+\.0/"
            assert re.search(bus_numbers, m.run("ls -l /sys/class/net/eth0 /sys/class/block/vda"))
            log = m.run("dmesg")
            for bad in ("can't claim", "no compatible bridge window", "failed to assign", "nobody cared", "WARNING:"):
                assert bad not in log, f"{bad} in the kernel log:\n{log}"
            m.send("exit\n")
            assert m.wait(60) == 0
        rhea.check_ext4(image)


suite.add("linux-switch", linux, "switch", "virtio-net-pci")
suite.add("linux-bridge", linux, "bridge", "virtio-net-pci")
if os.environ.get("RHEA_SLOW"):
    suite.add("linux-root-port", linux, "root-port", "virtio-net-pci")
    suite.add("linux-to-pci", linux, "to-pci", "virtio-net-pci")


@suite.test
def uefi():
    """OVMF drives a disk behind a root port."""
    code = rhea.need_file("/usr/share/OVMF/OVMF_CODE.fd", "ovmf")
    with rhea.scratch() as folder:
        variables, disk = os.path.join(folder, "vars"), os.path.join(folder, "disk")
        subprocess.run(["cp", "/usr/share/OVMF/OVMF_VARS.fd", variables], check=True)
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        with pc(*ROOT_PORT, "-nic", "none", "-drive", f"if=pflash,format=raw,readonly=on,file={code}", "-drive",
                f"if=pflash,format=raw,file={variables}", "-drive", f"file={disk},format=raw,if=none,id=d",
                "-device", "virtio-blk-pci,bus=slot,drive=d") as m:
            m.expect("Shell> ", 300)
            m.send("map -r\r")
            m.expect(r"BLK\d:[^\n]*\r*\n\s*PciRoot\(0x0\)/Pci\(0x\w+,0x0\)/Pci\(0x0,0x0\)", 60)
            m.terminate()


if __name__ == "__main__":
    sys.exit(suite.run())
