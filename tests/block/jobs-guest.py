#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Linux copies and compares files on a disk whose image meanwhile is backed up, gets snapshots that are committed
and streamed, and moves to another file.  The guest finds no difference, fsck none, and qemu-img no damage."""
import os
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import rhea
from images import HAVE_QEMU, img, qemu_img
from tap import Suite

suite = Suite()

# Each round writes the file anew, and compares what the disk gives back.
WORK = r"""
cat > /tmp/work.sh <<'END'
cd /mnt/root
dd if=/dev/urandom of=ref bs=64k count=24 2>/dev/null
want=$(sha256sum < ref)
n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    cp ref copy$((n % 3)) && sync && echo 3 > /proc/sys/vm/drop_caches
    [ "$(sha256sum < copy$((n % 3)))" = "$want" ] || echo "DISK MISMATCH $n"
    echo "round $n"
done
echo "disk work ended"
END
sh /tmp/work.sh &
"""

CONTROLLERS = {
    "virtio-blk": (["-object", "iothread,id=io", "-device", "virtio-blk-device,drive=d,iothread=io"], "/dev/vda"),
    "scsi": (["-object", "iothread,id=io", "-device", "virtio-scsi-device,iothread=io", "-device", "scsi-hd,drive=d"],
             "/dev/sda"),
    "ahci": (["-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d"], "/dev/sda"),
}


class Rig:
    """The machine at work, and what the test does to its disk."""

    def __init__(self, folder, controller):
        self.folder = folder
        devices, root = CONTROLLERS[controller]
        raw = rhea.copy_image("root-small.ext4", folder)
        img("convert", "-O", "qcow2", raw, self.file("root"))
        os.unlink(raw)
        self.m = rhea.Machine("-smp", "2", "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"),
                              "-append", f"console=ttyS0 rhea.root={root}", *devices,
                              "-drive", f"file={self.file('root')},format=qcow2,if=none,id=d", memory="384M", qmp=True)

    def file(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        self.m.__enter__()
        self.q = self.m.qmp()
        self.q.__enter__()
        self.m.expect(r"rhea-guest: ready", 300)
        self.m.send(WORK)
        self.rounds()
        return self

    def __exit__(self, *what):
        self.q.__exit__(*what)
        self.m.__exit__(*what)

    def rounds(self, count=2):
        for _ in range(count):
            self.m.expect(r"round \d+\r?\n", 300)

    def job_is(self, job, status):
        while True:
            data = self.q.wait_event("JOB_STATUS_CHANGE")["data"]
            if data == {"id": job, "status": status}:
                return
            assert data["status"] not in ("aborting", "null"), data

    def job(self, command, job, completes=False, **arguments):
        self.q.command(command, job_id=job, device="d", **arguments)
        if completes:
            self.job_is(job, "ready")
            self.rounds(1)
            self.q.command("job-complete", id=job)
        self.job_is(job, "null")

    def backup(self, name, below=None):
        """Takes an incremental backup above the one @below."""
        img("create", "-q", "-f", "qcow2", "-b", self.file(below), "-F", "qcow2", self.file(name))
        self.job("drive-backup", name, target=self.file(name), sync="incremental", bitmap="b", mode="existing")

    def good(self, name):
        img("check", "-q", self.file(name))
        if HAVE_QEMU:
            qemu_img("check", "-q", self.file(name))


def backups(r):
    """Three at work and one at rest; the last is what a full one has."""
    full = {"job-id": "full", "device": "d", "target": r.file("full"), "format": "qcow2", "sync": "full"}
    r.q.command("transaction", actions=[
        {"type": "block-dirty-bitmap-add", "data": {"node": "d", "name": "b"}},
        {"type": "drive-backup", "data": full}])
    r.job_is("full", "null")
    below = "full"
    for name in "inc1", "inc2":
        r.rounds()
        r.backup(name, below)
        below = name
    r.rounds()
    r.q.command("stop")
    r.backup("inc3", below)
    r.job("drive-backup", "again", target=r.file("again"), format="qcow2", sync="full")
    r.q.command("cont")
    for name in "full", "inc1", "inc2", "inc3", "again":
        r.good(name)
    img("compare", r.file("inc3"), r.file("again"))
    if HAVE_QEMU:
        qemu_img("compare", r.file("inc3"), r.file("again"))


def snapshots(r):
    for name in "s1", "s2", "s3":
        r.q.command("blockdev-snapshot-sync", device="d", snapshot_file=r.file(name))
        r.rounds()
    r.job("block-commit", "down", top=r.file("s2"), base=r.file("root"))
    r.rounds()
    r.job("block-stream", "up")
    r.rounds()
    r.q.command("blockdev-snapshot-sync", device="d", snapshot_file=r.file("s4"))
    r.rounds()
    r.job("block-commit", "active", completes=True)
    drive, = r.q.command("query-block")
    assert drive["inserted"]["file"] == r.file("s3") and drive["inserted"]["backing_file_depth"] == 0, drive


def moves(r):
    r.job("drive-mirror", "move", completes=True, target=r.file("moved"), format="qcow2", sync="full")
    r.rounds()
    r.job("drive-mirror", "again", completes=True, target=r.file("end"), format="qcow2", sync="full",
          copy_mode="write-blocking")
    r.rounds()


def all_of_it(controller):
    with rhea.scratch() as folder, Rig(folder, controller) as r:
        backups(r)
        snapshots(r)
        moves(r)
        r.m.send("touch /tmp/stop\n")
        r.m.expect(r"disk work ended", 300)
        r.m.run("wait", 300)
        r.m.send("exit\n")
        r.m.expect(r"reboot: Power down", 120)
        assert r.m.wait(60) == 0
        assert "DISK MISMATCH" not in r.m.log.replace('echo "DISK', ""), r.m.log[-3000:]
        for name in "root", "s3", "moved", "end":
            r.good(name)
        img("convert", "-O", "raw", r.file("end"), r.file("raw"))
        rhea.check_ext4(r.file("raw"))


@suite.test
def a_disk_that_grows():
    """Linux sees what block_resize did, on virtio-blk and on SCSI."""
    with rhea.scratch() as folder:
        disks = [os.path.join(folder, name) for name in ("a", "b")]
        for disk in disks:
            img("create", "-q", "-f", "qcow2", disk, "8M")
        machine = rhea.Machine("-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
                               "console=ttyS0", "-device", "virtio-blk-device,drive=a", "-device", "virtio-scsi-device",
                               "-device", "scsi-hd,drive=b", "-drive", f"file={disks[0]},format=qcow2,if=none,id=a",
                               "-drive", f"file={disks[1]},format=qcow2,if=none,id=b", memory="384M", qmp=True)
        with machine as m, m.qmp() as q:
            m.expect(r"rhea-guest: ready", 300)
            m.run("test $(cat /sys/block/vda/size) = 16384 && test $(cat /sys/block/sda/size) = 16384", 120)
            for disk, size in ("a", 24 << 20), ("b", 12 << 20):
                q.command("block_resize", device=disk, size=size)
            m.run("while [ $(cat /sys/block/vda/size) != 49152 ]; do sleep 0.1; done", 120)
            m.run("while [ $(cat /sys/block/sda/size) != 24576 ]; do sleep 0.1; done", 120)


@suite.test
def disks_that_come_and_go():
    """SCSI disks are there, and are gone, without anybody asking Linux to look."""
    with rhea.scratch() as folder:
        img("create", "-q", "-f", "qcow2", os.path.join(folder, "a"), "8M")
        machine = rhea.Machine("-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
                               "console=ttyS0", "-device", "virtio-scsi-device,id=s", "-drive",
                               f"file={os.path.join(folder, 'a')},format=qcow2,if=none,id=a", memory="384M", qmp=True)
        with machine as m, m.qmp() as q:
            m.expect(r"rhea-guest: ready", 300)
            m.run("test ! -e /sys/block/sda", 120)
            for lun in 0, 3, 300:
                q.command("device_add", driver="scsi-hd", drive="a", id="d", bus="s.0", scsi_id=1, lun=lun)
                m.run("while [ ! -e /sys/block/sda ]; do sleep 0.1; done; dd if=/dev/sda of=/dev/null count=1", 120)
                q.command("device_del", id="d")
                q.wait_event("DEVICE_DELETED")
                m.run("while [ -e /sys/block/sda ]; do sleep 0.1; done", 120)


for which in CONTROLLERS:
    suite.add(which, all_of_it, which)

if __name__ == "__main__":
    sys.exit(suite.run())
