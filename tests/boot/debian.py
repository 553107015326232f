#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Debian's riscv64 kernel to a shell, with disk, network, random device, harts, power and reset."""

import contextlib
import functools
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

FIRMWARE = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"

suite = tap.Suite()


def linux(*args, append="", memory="512M", **kw):
    rhea.need_file(FIRMWARE, "opensbi")
    return rhea.Machine("-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"),
                        "-append", f"console=ttyS0 {append}".strip(), *args, memory=memory, **kw)


def drive(path, device, extra="", fmt="raw"):
    return ["-drive", f"file={path},format={fmt},if=none,id=d0", "-device",
            f"{device},drive=d0{extra}"]


@contextlib.contextmanager
def in_format(image, fmt):
    """An image of another format, whose contents go back to @image at the end: qcow2 above it, others a copy."""
    def img(*args):
        subprocess.run([os.path.abspath("rhea-img"), *args], check=True, stdout=sys.stderr)

    top = f"{image}.{fmt}"
    if fmt == "raw":
        yield image
    elif fmt == "qcow2":
        img("create", "-q", "-f", fmt, "-b", image, "-F", "raw", top)
        yield top
        img("check", top)
        img("commit", "-q", top)
    else:
        img("convert", "-f", "raw", "-O", fmt, image, top)
        yield top
        img("check", "-f", fmt, top)
        img("convert", "-f", fmt, "-O", "raw", top, image)


def leave(m):
    m.send("exit\n")
    m.expect(r"reboot: Power down", 60)
    status = m.wait(30)
    assert status == 0, f"exit status {status} after power off"


def to_shell(accel, harts, timeout):
    rhea.need_accel(accel)
    with linux("-accel", accel, "-smp", harts) as m:
        m.expect(r"Linux version \d", timeout)
        m.expect(r"rhea-guest: ready", timeout)
        assert m.run("nproc", timeout) == str(harts)
        assert "processor" in m.run("cat /proc/cpuinfo", timeout)
        log = m.run("dmesg", timeout)
        for bad in ("Oops", "BUG:", "WARNING:", "Kernel panic", "rcu_sched self-detected"):
            assert bad not in log, f"{bad} in the kernel log:\n{log}"
        leave(m)


suite.add("shell-tcg-1", to_shell, "tcg", 1, 120)
suite.add("shell-tcg-4", to_shell, "tcg", 4, 180)
suite.add("shell-tci-1", to_shell, "tci", 1, 400)


def disk_round_trip(device, harts, *controller, disk="vda", fmt="raw"):
    """Writes in the guest, reads on the host what the guest says it wrote."""
    with rhea.scratch() as folder:
        image = rhea.copy_image("root-small.ext4", folder)
        with in_format(image, fmt) as path, linux(
                "-smp", harts, *controller, *drive(path, device, ",serial=RHEA-DISK-7", fmt),
                append=f"rhea.root=/dev/{disk}") as m:
            m.expect(r"rhea-guest: ready", 180)
            serial = f"/sys/block/{disk}/" + ("serial" if disk == "vda" else "device/vpd_pg80")
            assert "RHEA-DISK-7" in m.run(f"cat {serial}")
            assert "Debian" in m.run("chroot /mnt /bin/cat /etc/os-release")
            m.run("chroot /mnt /bin/bash -c 'for i in {1..200}; do echo $i > /root/f$i; done'")
            m.run("dd if=/dev/urandom of=/mnt/root/data bs=64k count=256 2>/dev/null && sync", 180)
            m.run("rm /mnt/root/f1?? && mv /mnt/root/f7 /mnt/root/seven && sync")
            digest = m.run("chroot /mnt /usr/bin/sha256sum /root/data", 120).split()[0]
            leave(m)
        rhea.check_ext4(image)
        data, seven = os.path.join(folder, "data"), os.path.join(folder, "seven")
        subprocess.run([rhea.need_tool("debugfs"), "-R", f"dump /root/data {data}", image],
                       check=True, stderr=subprocess.DEVNULL)
        subprocess.run([rhea.need_tool("debugfs"), "-R", f"dump /root/seven {seven}", image],
                       check=True, stderr=subprocess.DEVNULL)
        with open(data, "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == digest, "the disk holds other bytes"
        with open(seven, "rb") as f:
            assert f.read() == b"7\n"


suite.add("disk-mmio-1", disk_round_trip, "virtio-blk-device", 1)
suite.add("disk-pci-4", disk_round_trip, "virtio-blk-pci", 4)
suite.add("disk-qcow2", disk_round_trip, "virtio-blk-device", 2, fmt="qcow2")
suite.add("disk-vhdx", disk_round_trip, "virtio-blk-pci", 4, fmt="vhdx")
for other in ("vmdk", "vpc", "vdi", "qed", "parallels") if "RHEA_SLOW" in os.environ else ("vmdk",):
    suite.add(f"disk-{other}", disk_round_trip, "virtio-blk-device", 2, fmt=other)
suite.add("disk-ahci", disk_round_trip, "ide-hd", 2, "-device", "ich9-ahci", disk="sda")
suite.add("disk-virtio-scsi", disk_round_trip, "scsi-hd", 2, "-device", "virtio-scsi-pci", disk="sda")


def disc(device, *controller):
    """An ISO 9660 image in a CD-ROM drive: the guest reads what the host put there."""
    with rhea.scratch() as folder:
        data, image = os.path.join(folder, "data"), os.path.join(folder, "cd.iso")
        with open(data, "wb") as f:
            f.write(os.urandom(3 << 20))
        subprocess.run([rhea.need_tool("xorriso"), "-as", "mkisofs", "-quiet", "-o", image, data],
                       check=True, stderr=subprocess.DEVNULL)
        with linux(*controller, "-drive", f"file={image},format=raw,if=none,id=c,readonly=on",
                   "-device", f"{device},drive=c") as m:
            m.expect(r"rhea-guest: ready", 180)
            m.run("mount -t iso9660 -o ro /dev/sr0 /mnt")
            with open(data, "rb") as f:
                assert hashlib.md5(f.read()).hexdigest() in m.run("md5sum /mnt/*", 60)
            m.run("umount /mnt; echo x > /dev/sr0", status=None)
            leave(m)


suite.add("cdrom-ahci", disc, "ide-cd", "-device", "ich9-ahci")
suite.add("cdrom-virtio-scsi", disc, "scsi-cd", "-device", "virtio-scsi-pci")


@suite.test
def read_only_disk_refuses_writes():
    with rhea.scratch() as folder:
        image = rhea.copy_image("root-small.ext4", folder)
        with open(image, "rb") as f:
            before = hashlib.sha256(f.read()).digest()
        args = ["-drive", f"file={image},format=raw,if=none,id=d0,readonly=on",
                "-device", "virtio-blk-device,drive=d0"]
        with linux(*args) as m:
            m.expect(r"rhea-guest: ready", 180)
            assert m.run("cat /sys/block/vda/ro") == "1"
            m.run("echo x > /dev/vda", status=None)
            assert "bin" in m.run("mount -t ext4 -o ro,noload /dev/vda /mnt && ls /mnt")
            leave(m)
        with open(image, "rb") as f:
            assert hashlib.sha256(f.read()).digest() == before, "a read-only image changed"


# --- network --------------------------------------------------------------------------------

@contextlib.contextmanager
def web_server(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *args: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def echo_through(port, data, timeout=30):
    """Sends data to the guest through hostfwd and returns as many bytes of its answer."""
    deadline = time.monotonic() + timeout
    while True:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
            threading.Thread(target=s.sendall, args=(data,), daemon=True).start()
            answer = b""
            while len(answer) < len(data):
                part = s.recv(65536)
                if not part:
                    break
                answer += part
        # slirp accepts before the guest listens, and then closes.
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.5)


def network(device):
    with rhea.scratch() as folder, web_server(folder) as web:
        payload = os.urandom(3 << 20)
        with open(os.path.join(folder, "payload"), "wb") as f:
            f.write(payload)
        port = rhea.free_port()
        with linux("-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:7777",
                   "-device", f"{device},netdev=n0", append="rhea.net") as m:
            m.expect(r"rhea-guest: ready", 180)
            assert "10.0.2.15" in m.run("ip addr show dev eth0")
            assert "10.0.2.3" in m.run("cat /etc/resolv.conf")
            m.run(f"wget -q -O /tmp/payload http://10.0.2.2:{web}/payload", 120)
            digest = m.run("sha256sum /tmp/payload", 120).split()[0]
            assert digest == hashlib.sha256(payload).hexdigest(), "wget got other bytes"
            m.run("(nc -l -p 7777 -e cat &) ; sleep 1")
            message = os.urandom(200000)
            assert echo_through(port, message) == message, "hostfwd lost or changed bytes"
            leave(m)


suite.add("network-mmio", network, "virtio-net-device")
suite.add("network-pci", network, "virtio-net-pci")


# --- the rest -------------------------------------------------------------------------------

@suite.test
def random_device():
    with linux("-object", "rng-random,filename=/dev/urandom,id=r0",
               "-device", "virtio-rng-device,rng=r0") as m:
        m.expect(r"rhea-guest: ready", 180)
        assert "virtio_rng" in m.run("cat /sys/class/misc/hw_random/rng_current")
        first = m.run("dd if=/dev/hwrng bs=32 count=1 2>/dev/null | od -An -tx1")
        second = m.run("dd if=/dev/hwrng bs=32 count=1 2>/dev/null | od -An -tx1")
        assert len(first.split()) == 32 and first != second, f"{first!r} and {second!r}"
        leave(m)


@suite.test
def clock_and_firmware_config():
    with linux() as m:
        m.expect(r"rhea-guest: ready", 180)
        guest = int(m.run("date +%s"))
        assert abs(guest - time.time()) < 30, f"guest clock is {guest - time.time():.0f} s off"
        start, before = time.monotonic(), float(m.run("cut -d' ' -f1 /proc/uptime"))
        m.run("sleep 3")
        passed = float(m.run("cut -d' ' -f1 /proc/uptime")) - before
        assert 2.5 < passed and abs(passed - (time.monotonic() - start)) < 1.5, f"{passed} s"
        leave(m)


@suite.test
def reboot_boots_again():
    with linux() as m:
        m.expect(r"rhea-guest: ready", 180)
        m.send("reboot -f\n")
        m.expect(r"reboot: Restarting system", 30)
        m.expect(r"Linux version \d", 60)
        m.expect(r"rhea-guest: ready", 180)
        leave(m)


@suite.test
def no_reboot_ends_at_reboot():
    with linux("-no-reboot") as m:
        m.expect(r"rhea-guest: ready", 180)
        m.send("reboot -f\n")
        assert m.wait(30) == 0


@suite.test
def kernel_panic_reboots_out():
    with linux("-no-reboot", append="panic=-1 rdinit=/nonexistent root=/dev/none") as m:
        m.expect(r"Kernel panic", 120)
        assert m.wait(60) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
