#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 1800
"""Linux on the PC moves from process to process while it works on everything that the boards have at once:
disks on every kind of controller, discs, network cards, a virtio-serial port; and other systems at work."""

import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from pc import boot_sector, expect_screen, pc, screen, write  # noqa: E402
from saved import Saved  # noqa: E402
from web import web_server  # noqa: E402

suite = tap.Suite()
SLOW = bool(os.environ.get("RHEA_SLOW"))
MIB = 1 << 20
IDE, AHCI = ["ide-hd,bus=ide.0,unit=1"], ["ich9-ahci,id=a", "ide-hd,bus=a.1"]
SCSI, BLK = ["virtio-scsi-pci", "scsi-hd"], ["virtio-blk-pci"]

# A worker for each disk (it writes, reads back past the cache and compares) and for each disc, pings through
# each card, and one that only computes.  Each counts its rounds in a file; what is wrong goes to /tmp/bad.
WORK = r"""
dmesg -n 1
count() { n=$(($(cat /tmp/n.$1 2>/dev/null || echo 0) + 1)); echo $n > /tmp/n.$1.new; mv /tmp/n.$1.new /tmp/n.$1; }
disk() {
    head -c 1048576 /dev/urandom > /tmp/ref.$1; want=$(md5sum < /tmp/ref.$1)
    while [ ! -e /tmp/stop ]; do
        dd if=/tmp/ref.$1 of=/dev/$1 bs=64k 2>/dev/null && sync
        echo 1 > /proc/sys/vm/drop_caches
        got=$(dd if=/dev/$1 bs=64k count=16 2>/dev/null | md5sum)
        [ "$got" = "$want" ] && count $1 || echo "$1: $got" >> /tmp/bad
    done
}
disc() {
    while [ ! -e /tmp/stop ]; do
        echo 1 > /proc/sys/vm/drop_caches
        got=$(head -c 2097152 /dev/$1 | md5sum)
        [ -e /tmp/disc ] || echo "$got" > /tmp/disc
        [ "$got" = "$(cat /tmp/disc)" ] && count $1 || echo "$1: $got" >> /tmp/bad
    done
}
pings() {
    router=$(ifconfig $1 | sed -n 's/.*inet addr:\(10.0.[0-9]*\).*/\1.2/p')
    while [ ! -e /tmp/stop ]; do ping -c 1 -w 5 $router > /dev/null 2>&1 && count $1; done
}
sums() {
    want=$(sha256sum < /bin/busybox)
    while [ ! -e /tmp/stop ]; do
        [ "$(sha256sum < /bin/busybox)" = "$want" ] && count sums || echo sums >> /tmp/bad
    done
}
for d in /sys/block/[sv]d[a-z]; do disk ${d##*/} & done
for d in /sys/block/sr*; do disc ${d##*/} & done
cards=$(cd /sys/class/net; echo eth*) # the kernel may have no driver for e1000
for e in $cards; do
    ifconfig $e up; udhcpc -q -n -i $e -s /etc/udhcpc.script > /dev/null 2>&1
done
for e in $cards; do pings $e & done
sums &
echo work''ing
"""


def devices(folder, board):
    """All kinds of disk controllers, disc drives and cards, each with its file in the folder."""
    disc = write(folder, "disc", os.urandom(2 * MIB))
    args = ["-device", "virtio-serial-pci", "-chardev", f"socket,id=c0,path={folder}/port,server=on,wait=off", "-device",
            "virtserialport,chardev=c0,name=rhea.test", "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci",
            "-netdev", "user,id=n0,restrict=on", "-device", "e1000,netdev=n0", "-netdev", "user,id=n1,restrict=on,net=10.0.3.0/24",
            "-device", "virtio-net-pci,netdev=n1", "-cdrom", disc]
    kinds = [AHCI, SCSI, BLK] if board == "q35" else [IDE, AHCI, SCSI, BLK]
    for i, kind in enumerate(kinds):
        path = write(folder, f"disk{i}", b"", 4 * MIB)
        args += ["-drive", f"file={path},format=raw,if=none,id=d{i}"]
        for device in kind:
            args += ["-device", device + (f",drive=d{i}" if device == kind[-1] else "")]
    args += ["-drive", f"file={disc},format=raw,if=none,id=dc,readonly=on", "-device", "scsi-cd,drive=dc"]
    return args, len(kinds) + 2 + 1


def rounds(m):
    """How many rounds each of the workers has done."""
    out = m.run("cd /tmp; for f in n.*; do case $f in *.new|'n.*') ;; *) echo $f=$(cat $f);; esac; done; cat /tmp/bad "
                "2>/dev/null; cd /", 120)
    found = re.findall(r"n\.(\w+)=(\d+)", out)
    assert len(found) == len(out.split()), out
    return {name: int(n) for name, n in found}


def all_go_on(m, workers, seconds=240):
    """Every worker does at least one more round."""
    deadline = time.monotonic() + seconds
    before = rounds(m)
    while True:
        now = rounds(m)
        still = [w for w in now if now[w] <= before.get(w, 0)]
        if len(now) == workers and not still:
            return
        assert time.monotonic() < deadline, f"{still} of {now} stand still"
        time.sleep(0.5)


def port_answers(folder, m):
    """A line goes through the virtio-serial port both ways."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(f"{folder}/port")
        m.send("P=$(echo /dev/vport*p1); until read -r line < $P; do sleep 0.1; done; echo \"got $line\" > $P\n")
        s.sendall(b"bark\n")
        with s.makefile("rb") as f:
            assert f.readline() == b"got bark\n"


def at_work(board, cpus, moves):
    with rhea.scratch() as folder:
        args, workers = devices(folder, board)
        with Saved(lambda *more, **kw: pc("-M", board, "-smp", cpus, "-kernel", rhea.guest_file("Image"), "-initrd",
                                          rhea.guest_file("initrd.cpio"), "-append", "console=ttyS0", "-nic", "none",
                                          *args, *more, memory="512M", **kw)) as s:
            s.m.expect("rhea-guest: ready", 300)
            s.m.send(WORK)
            s.m.expect("working", 120)
            cards = len(s.m.run("ls -d /sys/class/net/eth*").split())
            port = s.m.run("ls /dev/vport*p1", status=None).startswith("/dev/vport")
            workers += cards
            all_go_on(s.m, workers)
            for i in range(moves):
                time.sleep(0.2)
                s.move(compare=False)
                if port and i % 3 == 0:
                    port_answers(folder, s.m)
            all_go_on(s.m, workers)
            s.m.run("touch /tmp/stop; wait", 240)
            assert s.m.run("cat /tmp/bad 2>/dev/null", status=None) == "", s.m.log[-3000:]
            log = s.m.run("dmesg")
            for bad in ("timed out", "exception Emask", "nobody cared", "stall", "Oops", "BUG:", "lockup", "WARNING:"):
                assert bad not in log, log
            s.m.send("poweroff -f\n")
            assert s.m.wait(60) == 0


for BOARD, CPUS in (("pc", 1), ("q35", 4), ("pc", 4), ("q35", 1)):
    suite.add(f"at-work-{BOARD}-{CPUS}", at_work, BOARD, CPUS, 4)

# --- Other systems ---

@suite.test
def network_boot():
    """iPXE in the middle of a transfer: the host's end of it is gone in the next process, the card is not."""
    rhea.need_file("/usr/lib/ipxe/qemu/efi-virtio.rom", "ipxe-qemu")
    with rhea.scratch() as folder, web_server(folder) as (port, _):
        write(folder, "program", boot_sector(folder, read=False, text=b"came by network\r\n\0"), 8 * MIB)
        write(folder, "script", b"#!ipxe\necho the script runs\n:again\nimgfetch --timeout 2000 "
              b"http://10.0.2.2:%d/program || goto again\necho fetched\n:rest\nsleep 1\necho at rest\ngoto rest\n" % port)
        nic = f"user,model=virtio-net-pci,tftp={folder},bootfile=script"
        with Saved(lambda *more, **kw: pc("-machine", "graphics=off", "-nic", nic, "-boot", "n", *more, memory="128M", **kw)) as s:
            s.m.expect("the script runs", 120)
            s.moves(2, 0.05)
            s.m.expect("fetched", 240)
            s.m.expect("at rest", 60)
            s.move()
            s.m.expect("at rest", 60)


@suite.test
def debian_32_bit():
    kernel = "686-bookworm"
    image, initrd = (rhea.guest_file(f"{kernel}/{name}", f"scripts/guest-assets --kernel {kernel}")
                     for name in ("Image", "initrd.cpio"))
    with Saved(lambda *more, **kw: pc("-kernel", image, "-initrd", initrd, "-append", "console=ttyS0", *more,
                                      memory="512M", **kw)) as s:
        s.m.expect("Linux version", 120)
        s.moves(3, 0.5)
        s.m.expect("rhea-guest: ready", 400)
        s.move()
        assert "i686" in s.m.run("uname -m")


def installer():
    """At its first question, which is answered in the next process."""
    images = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"
    kernel = rhea.need_file(f"{images}/linux", "debian-installer-12-netboot-amd64")
    with Saved(lambda *more, **kw: pc("-kernel", kernel, "-initrd", f"{images}/initrd.gz", "-append",
                                      "console=ttyS0 DEBIAN_FRONTEND=text TERM=dumb", *more, memory="1G", **kw)) as s:
        s.m.expect("Linux version", 240)
        s.moves(2, 1)
        s.m.expect("Select a language", 600)
        s.m.expect("Prompt: ", 60)
        s.move()
        s.m.send("\n")
        s.m.expect("Select your location", 240)


def memtest():
    """memtest86+ in the middle of its pass, which it completes without an error."""
    iso = rhea.need_file("/usr/lib/memtest86+/memtest86+x64.iso", "memtest86+")
    with Saved(lambda *more, **kw: pc("-cdrom", iso, *more, memory="16M", **kw)) as s:
        expect_screen(s.m, s.q, r"Memtest86\+", 120)
        s.moves(4, 3)
        expect_screen(s.m, s.q, r"Pass: *[1-9]", 900)
        assert re.search(r"Errors: *0\b", screen(s.m, s.q)), screen(s.m, s.q)


if SLOW:
    suite.add("installer", installer)
    suite.add("memtest", memtest)

if __name__ == "__main__":
    sys.exit(suite.run())
