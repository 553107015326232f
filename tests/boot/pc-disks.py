#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Disks as installers leave them, with MBR and GPT, and hybrid discs, given as discs and as disks: GRUB by
SeaBIOS and by OVMF from every controller, Linux from it; partition tables that lie."""

import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from discs import flash  # noqa: E402
from pc import SECTOR, pc, raw, write  # noqa: E402

suite = tap.Suite()
SLOW = bool(os.environ.get("RHEA_SLOW"))
MIB = 1 << 20
BIOS_BOOT, ESP, LINUX = ("21686148-6449-6E6F-744E-656564454649", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
                         "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
# The loader says that it runs, and the text of the file that it finds.
SCRIPT = """serial
terminal_output serial
echo loader runs
search --set=root --file /hello
cat /hello
"""
MODULES = ("part_msdos part_gpt ext2 fat iso9660 search search_fs_file serial terminal echo cat linux normal "
           "test configfile halt ls").split()
CONTROLLERS = {
    "ide": ["-device", "ide-hd,drive=d"],
    "ahci": ["-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d"],
    "virtio-blk": ["-device", "virtio-blk-pci,drive=d"],
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d"],
}


# --- Making disks ---

def run(*argv, **kwargs):
    subprocess.run(argv, check=True, capture_output=True, **kwargs)


def script_for(target):
    """On UEFI keys come from its console, for it reads the serial line itself."""
    return (SCRIPT if target.endswith("efi") else f"serial\nterminal_input serial\n{SCRIPT}").encode()


def grub_image(folder, target, *more, commands=None):
    """GRUB for "i386-pc" or "x86_64-efi", with its script (or those commands) inside; the file's name."""
    rhea.need_file(f"/usr/lib/grub/{target}/kernel.img",
                   "grub-efi-amd64-bin" if target.endswith("efi") else "grub-pc-bin")
    script = write(folder, "script", commands.encode() if commands else script_for(target))
    out = os.path.join(folder, f"grub-{target}")
    run(rhea.need_tool("grub-mkimage"), "-O", target, "-c", script, "-p", "/boot/grub", "-o", out, *MODULES, *more)
    return out


def ext4(folder, files, mib):
    tree, out = os.path.join(folder, "tree"), write(folder, "ext4", b"", mib * MIB)
    os.makedirs(tree)
    for name, content in files.items():
        if os.path.exists(content):
            shutil.copy(content, f"{tree}/{name}")
        else:
            write(tree, name, content.encode())
    run(rhea.need_tool("mke2fs"), "-q", "-F", "-t", "ext4", "-d", tree, out)
    return out


def esp(folder, loader):
    """A FAT file system with the loader where firmware looks for it on any disk."""
    out = write(folder, "esp", b"", 8 * MIB)
    run(rhea.need_tool("mformat"), "-i", out, "::")
    run("mmd", "-i", out, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", out, loader, "::/EFI/BOOT/BOOTX64.EFI")
    return out


def install_grub(disk, core, sector):
    """What grub-bios-setup does: the boot sector knows the loader's place, its first sector the rest's."""
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as f:
        boot = bytearray(f.read(440))
    with open(core, "rb") as f:
        core = bytearray(f.read())
    struct.pack_into("<Q", boot, 0x5c, sector)
    struct.pack_into("<Q", core, 0x1f4, sector + 1)
    with open(disk, "r+b") as f:
        f.write(boot)
        f.seek(sector * SECTOR)
        f.write(core)


def put(disk, mib, path):
    with open(disk, "r+b") as out, open(path, "rb") as f:
        out.seek(mib * MIB)
        shutil.copyfileobj(f, out)


def make_disk(folder, label, files=None, mib=16):
    """A disk whose last partition is ext4, with the files and /hello; GRUB starts from it by BIOS, with
    GPT by UEFI too."""
    sfdisk, core = rhea.need_tool("sfdisk"), grub_image(folder, "i386-pc", "biosdisk")
    parts = {"dos": f"start=1MiB, size={mib}MiB, type=83, bootable\n",
             "gpt": f"start=1MiB, size=1MiB, type={BIOS_BOOT}\nstart=2MiB, size=8MiB, type={ESP}\n"
                    f"start=10MiB, size={mib}MiB, type={LINUX}\n"}[label]
    disk = write(folder, "disk", b"", (mib + 12) * MIB)
    run(sfdisk, "-q", disk, input=f"label: {label}\n{parts}".encode())
    put(disk, {"dos": 1, "gpt": 10}[label], ext4(folder, {"hello": "read from ext4\n", **(files or {})}, mib))
    if label == "gpt":
        put(disk, 2, esp(folder, grub_image(folder, "x86_64-efi")))
    install_grub(disk, core, {"dos": 1, "gpt": MIB // SECTOR}[label])
    return disk


# --- GRUB ---

def grub(m, text="read from ext4"):
    """The loader reads its file and takes commands; it ends the machine by ACPI or by UEFI."""
    m.expect("loader runs", 300)
    m.expect(text, 60)
    m.expect("grub> ", 60)
    m.send("halt\r")
    assert m.wait(60) == 0


def by_bios(label, controller):
    with rhea.scratch() as folder:
        disk = make_disk(folder, label)
        with pc(*raw(disk), *CONTROLLERS[controller]) as m:
            grub(m)


def by_uefi(controller):
    with rhea.scratch() as folder:
        disk = make_disk(folder, "gpt")
        with pc(*flash(folder), *raw(disk), *CONTROLLERS[controller], memory="256M") as m:
            grub(m)


for CONTROLLER in CONTROLLERS:
    suite.add(f"mbr-{CONTROLLER}", by_bios, "dos", CONTROLLER)
    suite.add(f"gpt-{CONTROLLER}", by_bios, "gpt", CONTROLLER)
    if SLOW or CONTROLLER in ("ahci", "virtio-blk"):
        suite.add(f"uefi-{CONTROLLER}", by_uefi, CONTROLLER)


@suite.test
def hybrid_disc():
    """One image, its catalogue with an entry for BIOS and one for UEFI, and with partition tables: as a disc
    and as a disk."""
    rhea.need_tool("grub-mkrescue")
    rhea.need_tool("xorriso")
    rhea.need_tool("mformat")
    rhea.need_file("/usr/lib/grub/x86_64-efi/kernel.img", "grub-efi-amd64-bin")
    with rhea.scratch() as folder:
        tree, iso = os.path.join(folder, "tree"), os.path.join(folder, "grub.iso")
        os.makedirs(f"{tree}/boot/grub")
        write(tree, "hello", b"read from iso9660\n")
        write(f"{tree}/boot/grub", "grub.cfg", b"serial\nif [ $grub_platform = pc ]; then terminal_input serial; fi\n" +
              SCRIPT.encode())
        run("grub-mkrescue", "-o", iso, tree)
        disk = [*raw(iso, "readonly=on"), *CONTROLLERS["virtio-scsi"]]
        for args in (["-cdrom", iso], disk):
            for firmware in ([], flash(folder)):
                with pc(*firmware, *args, memory="256M") as m:
                    grub(m, "read from iso9660")


@suite.test
def uefi_order():
    """OVMF starts from the disk with the lowest bootindex=, wherever it is."""
    places = {"A": "ide-hd,bus=ide.1,unit=1", "B": "ide-hd,bus=a.3", "C": "virtio-blk-pci,addr=9",
              "D": "scsi-hd,scsi-id=3"}
    with rhea.scratch() as folder:
        sfdisk, args = rhea.need_tool("sfdisk"), ["-device", "ich9-ahci,id=a", "-device", "virtio-scsi-pci"]
        for name in places:
            loader = grub_image(folder, "x86_64-efi",
                                commands=f"serial\nterminal_output serial\necho this is {name}\nhalt\n")
            disk = write(folder, f"disk{name}", b"", 10 * MIB)
            run(sfdisk, "-q", disk, input=f"label: gpt\nstart=1MiB, size=8MiB, type={ESP}\n".encode())
            put(disk, 1, esp(folder, loader))
            args += ["-drive", f"file={disk},format=raw,if=none,id=d{name}"]
        for first in places if SLOW else "D":
            devices = [w for name, place in places.items()
                       for w in ("-device", f"{place},drive=d{name},bootindex={ord(name) * (name != first)}")]
            with pc(*flash(folder), *args, *devices, memory="256M") as m:
                found = m.expect(r"this is (\w)", 300).group(1)
                assert found == first, f"{found} started, not {first}"
                assert m.wait(60) == 0


# --- Linux ---

def to_linux(m):
    """From the loader's prompt to the guest's shell on the disk's last partition; the kernel's log."""
    m.expect("grub> ", 300)
    for line in ("linux /Image console=ttyS0", "initrd /initrd.cpio", "boot"):
        m.send(line + "\r")
    m.expect("rhea-guest: ready", 300)
    log = m.run("dmesg")
    assert "RHEA" in log and "ACPI: Interpreter enabled" in log, log
    for bad in ("ACPI Error", "ACPI BIOS Error", "Oops", "WARNING:"):
        assert bad not in log, log
    m.run("mount -o ro $(ls -d /dev/[sv]d?3) /mnt")
    assert m.run("cat /mnt/hello") == "read from ext4"
    m.send("poweroff -f\n")
    assert m.wait(60) == 0
    return log


def installed(controller, firmware, machine="pc"):
    files = {name: rhea.guest_file(name) for name in ("Image", "initrd.cpio")}
    with rhea.scratch() as folder:
        disk = make_disk(folder, "gpt", files, 64)
        uefi = flash(folder) if firmware == "uefi" else []
        with pc("-M", machine, *uefi, *raw(disk), *CONTROLLERS[controller], memory="512M") as m:
            log = to_linux(m)
            assert ("efi: EFI v" in log) == bool(uefi), log


suite.add("linux-bios", installed, "ide", "bios")
suite.add("linux-uefi", installed, "virtio-scsi", "uefi", "q35")
if SLOW:
    for CONTROLLER in CONTROLLERS:
        for FIRMWARE in ("bios", "uefi"):
            suite.add(f"linux-{FIRMWARE}-{CONTROLLER}", installed, CONTROLLER, FIRMWARE)


# --- Tables that lie ---

def damaged(folder, label, at, content):
    disk = make_disk(folder, label)
    with open(disk, "r+b") as f:
        f.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        f.write(content)
    return disk


@suite.test
def damaged_tables():
    """The loader comes up, or firmware says that there is none; nobody reads outside the disk."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\xff" * 3, 0x83, b"\xff" * 3, 0xfffffff0, 0xffffffff)
    loop = struct.pack("<B3sB3sII", 0, b"\0" * 3, 5, b"\0" * 3, 0, 0xffffffff)  # extended: it contains itself
    for label, at, content in (("dos", 446, entry * 4), ("dos", 446, loop * 4), ("gpt", SECTOR + 16, b"\xff" * 4),
                               ("gpt", SECTOR + 72, b"\xff" * 20), ("gpt", 2 * SECTOR, b"\xff" * 16384),
                               ("gpt", -SECTOR, b"\xff" * SECTOR)):
        with rhea.scratch() as folder:
            disk = damaged(folder, label, at, content)
            with pc(*raw(disk), *CONTROLLERS["virtio-blk"]) as m:
                m.expect("loader runs", 120)
                m.expect("grub> ", 120)
                m.send("ls (hd0,1)/\r")
                m.expect("grub> ", 60)
                assert m.process.poll() is None and not m.errors()
                m.terminate()


if __name__ == "__main__":
    sys.exit(suite.run())
