#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""Boot from the network by the cards' option ROMs (iPXE): TFTP, HTTP, a script; when it is tried; UEFI."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from pc import boot_sector, ends, pc, raw, starts, write  # noqa: E402
from web import web_server  # noqa: E402

suite = tap.Suite()
NETWORK = b"came by network\r\n\0"
CARDS = ("e1000", "virtio-net-pci")


def need_roms():
    for name in ("e1000", "virtio"):
        rhea.need_file(f"/usr/lib/ipxe/qemu/efi-{name}.rom", "ipxe-qemu")


def program(folder):
    """A boot program for PXE: it goes where a boot sector goes, but whole."""
    return boot_sector(folder, read=False, text=NETWORK)


def card(name, folder, bootfile, *more):
    return ["-netdev", f"user,id=n,tftp={folder},bootfile={bootfile}", "-device",
            ",".join((name, "netdev=n", *more))]


def from_network(*args):
    starts(None, *args, text="came by network", timeout=120)


def by_tftp(machine, name):
    need_roms()
    with rhea.scratch() as folder:
        write(folder, "program", program(folder))
        from_network("-M", machine, *card(name, folder, "program"), "-boot", "n")


for MACHINE in ("pc", "q35"):
    for CARD in CARDS:
        suite.add(f"tftp-{MACHINE}-{CARD}", by_tftp, MACHINE, CARD)


@suite.test
def http_script():
    """A script that comes by TFTP fetches the program from a web server of the host."""
    need_roms()
    with rhea.scratch() as folder, rhea.scratch() as web, web_server(web) as (port, asked):
        write(web, "program", program(folder), 300 << 10)
        write(folder, "script", b"#!ipxe\necho the script runs\n"
              b"chain http://10.0.2.2:%d/program || shell\n" % port)
        from_network("-nic", f"user,model=virtio-net-pci,tftp={folder},bootfile=script", "-boot", "n")
        assert "/program" in asked


@suite.test
def http_from_dhcp():
    """A URL instead of a file's name in the answer of DHCP."""
    need_roms()
    with rhea.scratch() as folder, web_server(folder) as (port, asked):
        write(folder, "program", program(folder))
        from_network(*card("e1000", folder, f"http://10.0.2.2:{port}/program"), "-boot", "n")
        assert asked == ["/program"], asked


@suite.test
def order():
    """bootindex= of cards and disks; a network that has nothing is passed over; no ROM, no network."""
    need_roms()
    with rhea.scratch() as folder:
        write(folder, "program", program(folder))
        disk = [*raw(write(folder, "disk", boot_sector(folder), 1 << 20)), "-device"]
        for name in CARDS:
            from_network(*card(name, folder, "program", "bootindex=1"), *disk,
                         "virtio-blk-pci,drive=d,bootindex=2")
            starts(("80",), *card(name, folder, "program", "bootindex=2"), *disk,
                   "virtio-blk-pci,drive=d,bootindex=1")
            starts(("80",), *card(name, folder, "missing", "bootindex=1"), *disk,
                   "virtio-blk-pci,drive=d,bootindex=2", timeout=120)
        for without in ("romfile=", "rombar=0"):
            assert "iPXE" not in ends(*card("e1000", folder, "program", without), "-boot", "n")


@suite.test
def uefi():
    """OVMF with the card's own UEFI driver: GRUB comes by TFTP, its script with it."""
    need_roms()
    code = rhea.need_file("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
    rhea.need_file("/usr/lib/grub/x86_64-efi/tftp.mod", "grub-efi-amd64-bin")
    with rhea.scratch() as folder:
        script = write(folder, "script", b"serial\nterminal_output serial\necho came by network\nhalt\n")
        subprocess.run([rhea.need_tool("grub-mkimage"), "-O", "x86_64-efi", "-c", script, "-p", "/", "-o",
                        f"{folder}/grub.efi", "serial", "terminal", "echo", "halt"], check=True)
        with pc("-drive", f"if=pflash,format=raw,readonly=on,file={code}", *card("e1000", folder, "grub.efi"),
                "-boot", "n", memory="256M") as m:
            m.expect("came by network", 240)
            assert m.wait(60) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
