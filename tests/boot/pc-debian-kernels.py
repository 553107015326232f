#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 2400
"""Debian's kernels of other kinds and releases on the PC: stock and cloud, 6.1 and 6.12, 64 and 32 bits;
with a disk and a network card, on both boards, with 1 and 4 CPUs.  scripts/guest-assets --kernel NAME
fetches them."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from initrd import with_modules  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))

KERNELS = ("stock-trixie", "stock-bookworm", "cloud-bookworm", "686-bookworm", "686-pae-bookworm")
COMPLAINTS = ("Oops", "BUG:", "WARNING:", "Kernel panic", "ACPI Error", "ACPI BIOS Error", "nobody cared")


def files(kernel):
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    made_by = f"scripts/guest-assets --kernel {kernel}"
    return [rhea.guest_file(f"{kernel}/{name}", made_by) for name in ("Image", "initrd.cpio")]


def check_log(m):
    log = m.run("dmesg")
    for line in log.splitlines():
        assert not any(c in line for c in COMPLAINTS), log
    return log


def to_shell(kernel, machine, cpus, disks, card):
    image, initrd = files(kernel)
    with rhea.scratch() as folder:
        disk = rhea.copy_image("root-small.ext4", folder)
        node = "vda" if disks == "virtio" else "sda"
        with rhea.Machine("-M", machine, "-smp", cpus, "-kernel", image, "-initrd", initrd, "-append",
                          f"console=ttyS0 rhea.root=/dev/{node} rhea.net", "-drive",
                          f"file={disk},format=raw,if={disks}", "-nic", f"user,model={card},restrict=on",
                          memory="512M") as m:
            m.expect("rhea-guest: ready", 400)
            assert m.run("nproc") == str(cpus)
            assert ("i686" in m.run("uname -m")) == kernel.startswith("686")
            m.run("dd if=/dev/urandom of=/mnt/root/data bs=64k count=16 2>/dev/null && sync", 120)
            assert "10.0.2.15" in m.run("ifconfig eth0")
            m.run("ping -c 2 10.0.2.2")
            check_log(m)
            m.send("exit\n")
            assert m.wait(60) == 0
        rhea.check_ext4(disk)


def smbus(kernel, machine, driver, greeting):
    """The chipset's driver finds its controller without a complaint, and reads the memory module with it."""
    image, initrd = files(kernel)
    with rhea.scratch() as folder:
        initrd = with_modules(folder, ("i2c-smbus", driver, "at24"), image, initrd)
        with rhea.Machine("-M", machine, "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0",
                          memory="512M") as m:
            m.expect("rhea-guest: ready", 400)
            for name in ("i2c-smbus", driver, "at24"):
                m.run(f"insmod /more/{name}.ko")
            lines = [line for line in check_log(m).splitlines() if "smbus" in line]
            assert any(greeting in line for line in lines), lines
            assert not any(word in line for line in lines for word in ("rror", "ailed", "imeout", "busy")), lines
            m.run("echo spd 0x50 > /sys/bus/i2c/devices/i2c-0/new_device")
            contents = m.run("hexdump -v -e '1/1 \"%02x\"' /sys/bus/i2c/devices/0-0050/eeprom", 60)
            spd = bytes.fromhex(contents.strip())
            assert len(spd) == 256 and spd[2] == 0x0b and spd[128:132] == b"RHEA", contents
            m.send("exit\n")
            assert m.wait(60) == 0


VIRTUAL = ("virtio", "virtio-net-pci")
for KERNEL in KERNELS:
    # Cloud kernels have no drivers of disks and cards that were ever made.
    REAL = VIRTUAL if "cloud" in KERNEL else ("ide", "e1000")
    for MACHINE, CPUS, WITH in (("pc", 1, REAL), ("q35", 4, VIRTUAL), ("pc", 4, VIRTUAL), ("q35", 1, REAL)):
        suite.add(f"{KERNEL}-{MACHINE}-{CPUS}", to_shell, KERNEL, MACHINE, CPUS, *WITH)

for KERNEL in ("stock-trixie", "stock-bookworm"):
    suite.add(f"{KERNEL}-smbus-pc", smbus, KERNEL, "pc", "i2c-piix4", "SMBus Host Controller at")
    suite.add(f"{KERNEL}-smbus-q35", smbus, KERNEL, "q35", "i2c-i801", "SMBus using PCI interrupt")

if __name__ == "__main__":
    sys.exit(suite.run())
