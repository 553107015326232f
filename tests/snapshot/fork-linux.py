#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Linux at a shell is forked into eight, which work on files of their own, each on an overlay of the same disk."""

import hashlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from forks import Forks, gone, shared_mib, until  # noqa: E402

suite = tap.Suite()
COUNT = 8
MACHINES = {
    "x86_64": ["-M", "q35", "-device", "vmgenid", "-device", "virtio-blk-pci,drive=d0,iothread=t0", "-object",
               "iothread,id=t0", "-device", "virtio-net-pci,netdev=n0"],
    "riscv64": ["-device", "virtio-blk-device,drive=d0", "-device", "virtio-net-device,netdev=n0"],
}


def linux(arch, cpus, disk):
    os.environ["RHEA_EMULATOR"] = os.path.join(os.getcwd(), f"rhea-system-{arch}")
    return rhea.Machine("-smp", cpus, "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"),
                        "-append", "console=ttyS0 rhea.root=/dev/vda rhea.net", "-drive",
                        f"file={disk},format=raw,if=none,id=d0", "-netdev", "user,id=n0,restrict=on", *MACHINES[arch],
                        memory="512M", qmp=True)


def work(console, name):
    """What a guest says of the file that it writes; it powers off afterwards."""
    digest = console.run(f"head -c 3000000 /dev/urandom > /mnt/root/{name}; sync; md5sum < /mnt/root/{name}", 240).split()[0]
    console.send("exit\n")
    console.expect("powering off", 240)
    return digest


def check_disk(folder, overlay, name, digest):
    """The file system and the image are whole, and hold that one's file, and nobody else's."""
    raw, data = os.path.join(folder, "raw"), os.path.join(folder, "data")
    subprocess.run([rhea.need_tool("qemu-img"), "check", "-q", overlay], check=True)
    subprocess.run(["./rhea-img", "convert", "-O", "raw", overlay, raw], check=True)
    rhea.check_ext4(raw)
    files = subprocess.run([rhea.need_tool("debugfs"), "-R", "ls -p /root", raw], check=True, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    assert f"/{name}/" in files and files.count("/own-") == 1 and "/before/" in files, files
    subprocess.run(["debugfs", "-R", f"dump /root/{name} {data}", raw], check=True, stderr=subprocess.DEVNULL)
    with open(data, "rb") as f:
        assert hashlib.md5(f.read()).hexdigest() == digest
    os.unlink(data)
    os.unlink(raw)


def other_address(console):
    """The network card has the old address until it is set up again, and works with both."""
    console.run("ping -c 1 10.0.2.2", 120)
    old = console.run("cat /sys/class/net/eth0/address")
    console.run("cd /sys/bus/virtio/drivers/virtio_net; d=$(basename $(readlink /sys/class/net/eth0/device)); "
                "echo $d > unbind; echo $d > bind; cd /; ifconfig eth0 10.0.2.15 up", 120)
    new = console.run("cat /sys/class/net/eth0/address")
    console.run("ping -c 1 10.0.2.2", 120)
    assert new.startswith("52:54:00:") and new != old, (old, new)
    return new


def another_machine(console, arch):
    """What a guest can tell of the fork; its network address now."""
    if arch == "x86_64":
        console.run("until dmesg | grep 'crng reseeded due to virtual machine fork'; do sleep 0.1; done", 120)
    return other_address(console)


def eight(arch, cpus):
    with rhea.scratch() as folder:
        disk = rhea.copy_image("root-small.ext4", folder)
        with linux(arch, cpus, disk) as m, m.qmp() as q, Forks(q) as forks:
            m.expect("rhea-guest: ready", 300)
            m.run("date > /mnt/root/before; sync; head -c 50000000 /dev/urandom > /tmp/memory")
            numbers = forks.fork("-serial", f"unix:{folder}/console.{{n}},server=on,wait=off", count=COUNT,
                                 overlay=f"{folder}/{{disk}}.{{n}}")
            assert numbers == list(range(1, COUNT + 1))
            rss, pss = shared_mib(forks.pids[-1])
            assert pss < rss / 3, f"{rss:.0f} MiB, of which {pss:.0f} are its own"
            digests, addresses = {}, set()
            for n in numbers:
                with rhea.SocketConsole(f"{folder}/console.{n}") as console:
                    if n < 3:
                        addresses.add(another_machine(console, arch))
                    digests[n] = work(console, f"own-{n}")
            assert len(addresses) == 2, addresses
            for pid in forks.pids:
                until(lambda pid=pid: gone(pid))
            assert "crng reseeded" not in m.run("dmesg")
            m.run("ping -c 1 10.0.2.2", 120)
            digests[0] = work(m, "own-0")
            assert m.wait(60) == 0
        for n, digest in digests.items():
            check_disk(folder, f"{folder}/d0.{n}", f"own-{n}", digest)


for ARCH in MACHINES:
    for CPUS in (1, 4):
        suite.add(f"eight-{ARCH}-{CPUS}", eight, ARCH, CPUS)

if __name__ == "__main__":
    sys.exit(suite.run())
