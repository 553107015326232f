#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 1800
"""Debian's kernel on the PC: CPUs, disks on every controller, discs, network, power, snapshots; and the
ways to it: GRUB from an El Torito disc, UEFI.  On the board pc, and on q35 as well: all of it in check-slow."""

import hashlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from discs import flash, grub_disc  # noqa: E402

suite = tap.Suite()
SLOW = bool(os.environ.get("RHEA_SLOW"))
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))


def pc(machine, *args, **kwargs):
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    return rhea.Machine("-M", machine, *args, memory="512M", **kwargs)


def linux(machine, *args, append="", **kwargs):
    return pc(machine, "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
              f"console=ttyS0 {append}", *args, **kwargs)


def leave(m):
    m.send("exit\n")
    assert m.wait(60) == 0, "exit status after power off"


def clean(image):
    done = subprocess.run([rhea.need_tool("e2fsck"), "-fn", image], text=True, capture_output=True,
                          check=False)
    assert done.returncode == 0, f"e2fsck: {done.stdout}{done.stderr}"


def to_shell(machine, cpus, accel="tcg"):
    with linux(machine, "-smp", cpus, "-accel", accel) as m:
        m.expect("rhea-guest: ready", 300)
        assert m.run("nproc") == str(cpus)
        log = m.run("dmesg")
        for bad in ("Oops", "BUG:", "WARNING:", "Kernel panic", "rcu_sched self-detected"):
            assert bad not in log, f"{bad} in the kernel log:\n{log}"
        leave(m)


# Where a disk is, and what Linux calls it when it is the only one there.
CONTROLLERS = {
    "ide": (["-device", "ide-hd,bus=ide.0,drive=d"], "sda"),
    "ahci": (["-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d"], "sda"),
    "virtio-scsi": (["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d"], "sda"),
    "virtio-blk": (["-device", "virtio-blk-pci,drive=d"], "vda"),
}


def disk(machine, name):
    device, node = CONTROLLERS[name]
    with rhea.scratch() as folder:
        image = rhea.copy_image("root-small.ext4", folder)
        with linux(machine, "-drive", f"file={image},format=raw,if=none,id=d", *device,
                   append=f"rhea.root=/dev/{node}") as m:
            m.expect("rhea-guest: ready", 300)
            assert "Debian" in m.run("chroot /mnt /bin/cat /etc/os-release")
            m.run("dd if=/dev/urandom of=/mnt/root/data bs=64k count=64 2>/dev/null && sync", 120)
            digest = m.run("md5sum < /mnt/root/data").split()[0]
            leave(m)
        clean(image)
        data = os.path.join(folder, "data")
        subprocess.run([rhea.need_tool("debugfs"), "-R", f"dump /root/data {data}", image], check=True,
                       stderr=subprocess.DEVNULL)
        with open(data, "rb") as f:
            assert hashlib.md5(f.read()).hexdigest() == digest, "the disk holds other bytes"


def discs(machine):
    """The same disc in an IDE and a SCSI drive."""
    with rhea.scratch() as folder:
        data, image = os.path.join(folder, "data"), os.path.join(folder, "cd.iso")
        with open(data, "wb") as f:
            f.write(os.urandom(2 << 20))
        subprocess.run([rhea.need_tool("xorriso"), "-as", "mkisofs", "-quiet", "-o", image, data],
                       check=True, stderr=subprocess.DEVNULL)
        with open(data, "rb") as f:
            digest = hashlib.md5(f.read()).hexdigest()
        with linux(machine, "-cdrom", image, "-device", "virtio-scsi-pci", "-drive",
                   f"file={image},format=raw,if=none,id=c,readonly=on", "-device",
                   "scsi-cd,drive=c") as m:
            m.expect("rhea-guest: ready", 300)
            for node in ("sr0", "sr1"):
                m.run(f"mount -t iso9660 -o ro /dev/{node} /mnt")
                assert digest in m.run("md5sum /mnt/*", 60)
                m.run("umount /mnt")
            leave(m)


def network(machine):
    with linux(machine, "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n",
               append="rhea.net") as m:
        m.expect("rhea-guest: ready", 300)
        assert "10.0.2.15" in m.run("ifconfig eth0")
        m.run("ping -c 2 10.0.2.2")
        leave(m)


def numa(machine):
    """Two nodes with memory of their own, as the kernel sees them."""
    with linux(machine, "-smp", "2", "-object", "memory-backend-ram,id=a,size=320M", "-object",
               "memory-backend-memfd,id=b,size=192M", "-numa", "node,memdev=a,cpus=0", "-numa",
               "node,memdev=b,cpus=1", "-numa", "dist,src=0,dst=1,val=25") as m:
        m.expect("rhea-guest: ready", 300)
        node = "/sys/devices/system/node/node1"
        assert m.run(f"cat {node}/cpulist") == "1"
        assert m.run(f"cat {node}/distance") == "25 10"
        kib = int(m.run(f"grep MemTotal {node}/meminfo").split()[-2])
        assert 120 << 10 < kib <= 192 << 10, kib
        assert "SPCR: console: uart,io,0x3f8,115200" in m.log
        leave(m)


def reboots(machine):
    with linux(machine, append="panic=-1") as m:
        m.expect("rhea-guest: ready", 300)
        m.send("reboot -f\n")
        m.expect("Linux version", 120)
        m.expect("rhea-guest: ready", 300)
        leave(m)


def panic_ends_without_reboot(machine):
    with linux(machine, "-no-reboot", append="panic=-1") as m:
        m.expect("rhea-guest: ready", 300)
        m.send("echo c > /proc/sysrq-trigger\n")
        m.expect("Kernel panic", 60)
        assert m.wait(60) == 0


def goes_on(machine, cpus):
    """Saved at work, loaded into a new process: it goes on, and its sums stay right."""
    with rhea.scratch() as folder:
        image = rhea.copy_image("root-small.ext4", folder)
        state = os.path.join(folder, "state")
        args = ["-smp", cpus, "-hda", image]
        with linux(machine, *args, append="rhea.root=/dev/sda", qmp=True) as m, m.qmp() as q:
            m.expect("rhea-guest: ready", 300)
            m.run("(while sleep 0.1; do md5sum < /bin/busybox; done) > /tmp/log & true")
            m.run("dd if=/dev/urandom of=/mnt/root/half bs=64k count=16 2>/dev/null; sync")
            before = m.run("md5sum < /mnt/root/half")
            q.command("stop")
            assert q.command("human-monitor-command", command_line=f"savevm-file {state}") == ""
        with linux(machine, *args, "-loadvm", state, append="rhea.root=/dev/sda") as m:
            assert m.run("md5sum < /mnt/root/half", 120) == before
            count = int(m.run("wc -l < /tmp/log"))
            m.run("sleep 2")
            assert int(m.run("wc -l < /tmp/log")) > count, "the loop in the background stands still"
            assert m.run("sort -u /tmp/log | wc -l") == "1", "a sum that changed"
            leave(m)
        clean(image)


def grub_from_a_disc(machine):
    """GRUB by El Torito, its prompt, and Linux from the same disc."""
    with rhea.scratch() as folder:
        iso = grub_disc(folder, **{name: rhea.guest_file(name) for name in ("Image", "initrd.cpio")})
        with pc(machine, "-cdrom", iso) as m:
            m.expect("grub> ", 120)
            for line in ("linux /boot/Image console=ttyS0", "initrd /boot/initrd.cpio", "boot"):
                m.send(line + "\r")
            m.expect("rhea-guest: ready", 300)
            leave(m)


def uefi_shell(machine):
    """Debian's OVMF from flash; a variable that is there after the next start."""
    with rhea.scratch() as folder:
        # Without a card: the firmware would try its boot protocols first, each for its minute.
        args = ["-nic", "none", *flash(folder, "")]
        with pc(machine, *args) as m:
            m.expect("Shell> ", 240)
            m.send("set rhea kept-in-flash\r")
            m.expect("Shell> ", 60)
            m.terminate()
        with open(f"{folder}/vars", "rb") as f:
            assert "kept-in-flash".encode("utf-16-le") in f.read(), "the variable is not in the file"
        with pc(machine, *args, "-smbios", "type=1,serial=Rhea-1") as m:
            m.expect("Shell> ", 240)
            m.send("set rhea\r")
            m.expect("kept-in-flash", 60)
            m.expect("Shell> ", 60)
            m.send("smbiosview -t 1\r")
            m.expect("Rhea-1", 60)
            m.terminate()


TESTS = {"shell-1": (to_shell, 1), "shell-4": (to_shell, 4), **{f"disk-{c}": (disk, c) for c in CONTROLLERS},
         "discs": (discs,), "network": (network,), "numa": (numa,), "reboots": (reboots,),
         "panic-ends-without-reboot": (panic_ends_without_reboot,), "goes-on-1": (goes_on, 1),
         "goes-on-4": (goes_on, 4), "grub-from-a-disc": (grub_from_a_disc,), "uefi-shell": (uefi_shell,)}
ON_Q35_TOO = ("disk-ide", "reboots", "grub-from-a-disc")

for NAME, (TEST, *ARGS) in TESTS.items():
    suite.add(NAME, TEST, "pc", *ARGS)
    if SLOW or NAME in ON_Q35_TOO:
        suite.add(f"{NAME}-q35", TEST, "q35", *ARGS)

if __name__ == "__main__":
    sys.exit(suite.run())
