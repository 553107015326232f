#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 5400
"""Debian's installer: its first question after a start by -kernel, from a disc and from the network; and
through the partitioning of a disk, on each controller, with the disk looked at afterwards."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import cpio  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
from discs import isolinux_disc  # noqa: E402
from pc import pc, raw, write  # noqa: E402
from web import web_server  # noqa: E402

suite = tap.Suite()
IMAGES = "/usr/lib/debian-installer/images/12/amd64/text"
SECTOR = 512
# Everything but the first dialogue is answered here; the mirror is the test's.
PRESEED = """d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/choose_interface select auto
d-i netcfg/get_hostname string rhea
d-i netcfg/get_domain string test
d-i mirror/country string manual
d-i mirror/http/hostname string 10.0.2.2:{port}
d-i mirror/http/directory string /
d-i mirror/http/proxy string
d-i debian-installer/allow_unauthenticated boolean true
"""
CONTROLLERS = {
    "ide": ["-device", "ide-hd,drive=d"],
    "ahci": ["-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d"],
    "virtio-blk": ["-device", "virtio-blk-pci,drive=d"],
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d"],
}


def image(name):
    return rhea.need_file(f"{IMAGES}/debian-installer/amd64/{name}", "debian-installer-12-netboot-amd64")


def first_question(m):
    m.expect("Linux version", 240)
    m.expect("Select a language", 600)
    m.terminate()


@suite.test
def by_kernel():
    with pc("-kernel", image("linux"), "-initrd", image("initrd.gz"), "-append", "console=ttyS0",
            memory="1G") as m:
        first_question(m)


@suite.test
def from_a_disc():
    """The installer's kernel behind ISOLINUX on an El Torito disc."""
    with rhea.scratch() as folder:
        iso = isolinux_disc(folder, "DEFAULT linux\nLABEL linux\nKERNEL linux\nAPPEND initrd=initrd.gz "
                            "console=ttyS0\n", [image("linux"), image("initrd.gz")])
        with pc("-cdrom", iso, memory="1G") as m:
            first_question(m)


@suite.test
def from_the_network():
    """PXELINUX and the files as the package lays them out for a TFTP server."""
    image("linux")
    rhea.need_file("/usr/lib/ipxe/qemu/efi-virtio.rom", "ipxe-qemu")
    with rhea.scratch() as folder:
        shutil.copytree(f"{IMAGES}/debian-installer", f"{folder}/debian-installer")
        for name in ("pxelinux.0", "ldlinux.c32"):
            shutil.copy(f"{IMAGES}/{name}", folder)
        os.makedirs(f"{folder}/pxelinux.cfg")
        write(f"{folder}/pxelinux.cfg", "default",
              b"DEFAULT linux\nLABEL linux\nKERNEL debian-installer/amd64/linux\n"
              b"APPEND initrd=debian-installer/amd64/initrd.gz console=ttyS0\n")
        with pc("-nic", f"user,model=virtio,tftp={folder},bootfile=pxelinux.0", "-boot", "n", memory="1G") as m:
            first_question(m)


# --- Partitioning ---

def initrd(folder, port):
    """The installer's with the answers behind it."""
    out = os.path.join(folder, "initrd")
    with open(out, "wb") as f:
        with open(image("initrd.gz"), "rb") as original:
            shutil.copyfileobj(original, f)
        archive = cpio.Archive(f)
        archive.data("preseed.cfg", PRESEED.format(port=port))
        archive.close()
    return out


def file_system(folder, disk):
    """The partition of the file system, cut out of the disk."""
    table = subprocess.run([rhea.need_tool("sfdisk"), "-d", disk], check=True, capture_output=True, text=True).stdout
    assert "label: gpt" in table, table
    (_, _), (start, size) = [map(int, found) for found in
                             re.findall(r"start= *(\d+), size= *(\d+)", table)]
    with open(disk, "rb") as f:
        f.seek(start * SECTOR)
        return write(folder, "ext4", f.read(size * SECTOR))


def looked_at(folder, disk):
    """Clean, with the installer's log, and every file with the sum that it had there."""
    part = file_system(folder, disk)
    rhea.check_ext4(part)
    tree = os.path.join(folder, "tree")
    os.mkdir(tree)
    subprocess.run([rhea.need_tool("debugfs"), "-R", f"rdump / {tree}", part], check=True, capture_output=True)
    subprocess.run(["md5sum", "-c", "--quiet", "sums"], cwd=tree, check=True)
    with open(f"{tree}/sums", encoding="ascii") as f:
        assert len(f.readlines()) > 100
    with open(f"{tree}/syslog", encoding="utf-8", errors="replace") as f:
        assert "Menu item 'rhea-partition' selected" in f.read()


def partitions(controller):
    mirror = os.path.dirname(rhea.guest_file("installer/stamp", "scripts/installer-mirror"))
    with rhea.scratch() as folder, web_server(mirror) as (port, _):
        disk = write(folder, "disk", b"", 512 << 20)
        with pc("-kernel", image("linux"), "-initrd", initrd(folder, port), "-append",
                "console=ttyS0 DEBIAN_FRONTEND=text TERM=dumb", "-nic", "user,model=virtio,ipv6=off", *raw(disk),
                *CONTROLLERS[controller], memory="1G") as m:
            m.expect("Select a language", 600)
            m.expect("Prompt: ", 60)
            m.send("\n")
            m.expect("Select your location", 120)
            m.expect("Prompt: ", 60)
            m.send("\n")
            assert m.expect("rhea: (.*)\r", 900).group(1).startswith("the disk is /dev/")
            assert m.expect("rhea: (.*)\r", 600).group(1) == "partitioned"
            assert m.wait(120) == 0
        looked_at(folder, disk)


for CONTROLLER in CONTROLLERS:
    suite.add(f"partitions-{CONTROLLER}", partitions, CONTROLLER)

if __name__ == "__main__":
    sys.exit(suite.run())
