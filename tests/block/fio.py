#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 3600
"""Debian's fio writes and verifies a disk on each kind of controller and image, while that is saved, snapshotted,
mirrored, backed up, committed and streamed: one test in "make check", all of them with RHEA_SLOW=1.  The guest
finds no difference, "check" no damage, and each copy is what the disk was at its moment.

RHEA_SEED=N is the seed of the mixes of jobs, in the guest and on the host."""
import os
import random
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import rhea
from images import HAVE_QEMU, KIB, MIB, img, qemu_img
from tap import Suite

suite = Suite()
SLOW = bool(os.environ.get("RHEA_SLOW"))
SEED = int(os.environ.get("RHEA_SEED", "1"))
SIZE, AREA = 40 * MIB, 8 * MIB
SECRET = ["--object", "secret,id=s,data=swordfish"]

# Emulator, machine, devices, what Linux calls the disk; fio itself is on another one, which nobody writes to.
CONTROLLERS = {
    "virtio-blk": ("x86_64", "pc", ["virtio-blk-pci,drive=d"], "vdb"),
    "virtio-scsi": ("x86_64", "q35", ["virtio-scsi-pci", "scsi-hd,drive=d"], "sda"),
    "ahci": ("x86_64", "q35", ["ide-hd,bus=ide.1,drive=d"], "sda"),
    "ahci-pc": ("x86_64", "pc", ["ich9-ahci,id=a", "ide-hd,bus=a.0,drive=d"], "sda"),
    "ide": ("x86_64", "pc", ["ide-hd,bus=ide.0,drive=d"], "sda"),
    "riscv-blk": ("riscv64", "virt", ["virtio-blk-device,drive=d"], "vda"),
    "riscv-scsi": ("riscv64", "virt", ["virtio-scsi-device", "scsi-hd,drive=d"], "sda"),
    "riscv-pci": ("riscv64", "virt", ["virtio-blk-pci,drive=d"], "vda"),
}
ROOT = {"x86_64": "virtio-blk-pci", "riscv64": "virtio-blk-device"}


# --- Images: each makes one in the folder and returns what -drive wants to know of it ---

def plain(fmt, options=""):
    def make(folder):
        path = os.path.join(folder, "disk")
        img("create", "-q", "-f", fmt, *(["-o", options] if options else []), path, SIZE)
        return f"file={path},format={fmt}"
    return make


def chain(folder):
    """A compressed image below an empty one."""
    raw, base, path = (os.path.join(folder, name) for name in ("raw", "base", "disk"))
    with open(raw, "wb") as f:
        for at in range(0, SIZE, 48 * KIB):
            f.write(bytes([at // KIB % 255]) * (48 * KIB))
        f.truncate(SIZE)
    img("convert", "-c", "-f", "raw", "-O", "qcow2", raw, base)
    os.unlink(raw)
    img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path)
    return f"file={path},format=qcow2"


def data_file(folder):
    path = os.path.join(folder, "disk")
    img("create", "-q", "-f", "qcow2", "-o", f"data_file={path}.data", path, SIZE)
    return f"file={path},format=qcow2"


def luks(folder):
    path = os.path.join(folder, "disk")
    img("create", *SECRET, "-q", "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", path, SIZE)
    return f"file={path},format=qcow2,encrypt.key-secret=s"


# Each with what it can do: "in": snapshots in it, "over": snapshots over it, by name alone.
IMAGES = {
    "qcow2": (plain("qcow2"), {"in", "over"}),
    "qcow2-small": (plain("qcow2", "cluster_size=4k,lazy_refcounts=on"), {"in", "over"}),
    "qcow2-extended": (plain("qcow2", "extended_l2=on,cluster_size=128k"), {"in", "over"}),
    "qcow2-chain": (chain, {"in", "over"}),
    "qcow2-data": (data_file, {"over"}),
    "qcow2-luks": (luks, {"in"}),
    "raw": (plain("raw"), {"over"}),
    "vmdk": (plain("vmdk"), {"over"}),
    "vhdx": (plain("vhdx"), {"over"}),
    "vdi": (plain("vdi"), {"over"}),
    "vpc": (plain("vpc", "force_size=on"), {"over"}),
    "qed": (plain("qed"), {"over"}),
    "parallels": (plain("parallels"), {"over"}),
}


# --- What the guest does: a mix of fio's jobs, each in an area of its own, again and again ---

def mix(rand, node, discards):
    """No randrw: with blocks of several sizes fio looks for some that it has not written, on any emulator."""
    lines = ["[global]", f"filename=/dev/{node}", "thread=1", "verify_fatal=1", "verify_state_save=0", "group_reporting=1",
             "allow_file_create=0"]
    for number in range(SIZE // AREA - 1):
        engine = rand.choice(["libaio", "psync", "io_uring", "pvsync"])
        low = rand.choice([512, 4096])
        lines += [f"[job{number}]", f"ioengine={engine}", f"rw={rand.choice(['randwrite', 'write'])}",
                  f"offset={number * AREA}", f"size={AREA}", f"io_size={rand.choice([1, 2, 3]) * MIB}",
                  f"bsrange={low}-{rand.choice([4, 16, 64, 256]) * KIB}", f"blockalign={low}",
                  f"verify={rand.choice(['crc32c', 'md5', 'sha1', 'xxhash', 'crc64'])}", "direct=1"]
        lines += [f"iodepth={rand.choice([4, 16, 32])}"] if engine in ("libaio", "io_uring") else []
        lines += [f"fsync={rand.choice([8, 64])}"] if rand.random() < 0.3 else []
        lines += [f"verify_backlog={rand.choice([16, 64])}"] if rand.random() < 0.3 else []
    if discards:
        at = SIZE - AREA
        lines += ["[trims]", "ioengine=psync", "rw=randtrim", f"offset={at}", f"size={AREA // 2}", "bs=64k", "io_size=1m", "direct=1"]
    return "\n".join(lines) + "\n"


WORK = r"""
fio() { chroot /mnt /usr/bin/fio --randseed=$1 $2 /run/mix > /tmp/fio.out 2>&1; }
work() {
    n=%d
    while [ ! -e /tmp/stop ]; do
        n=$((n + 1))
        fio $n || { cat /tmp/fio.out; echo "FIO FAIL""ED"; return; }
        echo "round $n"
    done
    fio $n --verify_only || { cat /tmp/fio.out; echo "FIO FAIL""ED"; }
    echo "fio's work ended"
}
work &
"""


class Rig:
    """The machine at work, and what the test does to its disk."""

    def __init__(self, folder, controller, image, seed):
        self.folder, self.rand = folder, random.Random(f"{seed} {controller} {image}")
        make, self.can = IMAGES[image]
        self.arch, board, devices, self.node = CONTROLLERS[controller]
        os.environ["RHEA_EMULATOR"] = os.path.abspath(f"rhea-system-{self.arch}")
        kernel, initrd = rhea.guest_file("Image"), rhea.guest_file("initrd.cpio")
        root = rhea.guest_file("root-fio.ext4", "scripts/guest-assets --root fio")
        self.drive = make(folder)
        self.files, self.seed = 1, seed
        args = ["-drive", f"file={root},format=raw,if=none,id=root,readonly=on", "-device", f"{ROOT[self.arch]},drive=root",
                "-drive", f"{self.drive},if=none,id=d,discard=unmap", "-object", SECRET[1]]
        args += [word for device in devices for word in ("-device", device)]
        self.m = rhea.Machine("-M", board, "-smp", "2", "-kernel", kernel, "-initrd", initrd, "-append",
                              f"console=ttyS0 rhea.root=/dev/{'vdb' if self.node == 'vda' else 'vda'}", *args, memory="384M", qmp=True)

    def file(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        self.m.__enter__()
        self.q = rhea.Qmp(self.m.qmp_path, 600)
        self.q.__enter__()
        self.m.expect(r"rhea-guest: ready", 600)
        self.m.send(f"cat > /mnt/run/mix <<'END'\n{mix(self.rand, self.node, 'blk' in self.node)}END\n")
        self.m.send(WORK % (self.seed * 1000))
        self.rounds(1)
        return self

    def __exit__(self, *what):
        self.q.__exit__(*what)
        self.m.__exit__(*what)

    def rounds(self, count):
        for _ in range(count):
            found = self.m.expect(r"round \d+\r*\n|FIO FAILED", 600)
            assert "FAILED" not in found.group(0), self.m.log[-4000:]

    # --- Steps ---

    def hmp(self, line):
        answer = self.q.command("human-monitor-command", command_line=line)
        assert answer == "", (line, answer)

    def job_is(self, job, status, may_abort=False):
        while True:
            data = self.q.wait_event("JOB_STATUS_CHANGE")["data"]
            if data["id"] == job:
                if data["status"] == status:
                    return
                assert data["status"] != "null" and (may_abort or data["status"] != "aborting"), data

    def new(self, kind):
        self.files += 1
        return self.file(f"{kind}{self.files}")

    def start(self, command, job, **arguments):
        self.q.command(command, job_id=job, device="d", **arguments)

    def depth(self):
        """How many images are in the chain, and their names from the top."""
        image, = (d["inserted"]["image"] for d in self.q.command("query-block") if d["device"] == "d")
        names = []
        while image:
            names.append(image["filename"])
            image = image.get("backing-image")
        return names

    def save_and_load(self):
        """Goes back to where it was some rounds ago."""
        self.hmp("savevm there")
        self.rounds(1)
        if self.rand.random() < 0.5:
            self.hmp("savevm there2")
            self.rounds(1)
            self.hmp("delvm there2")
        self.hmp("loadvm there")
        self.m.forget()
        self.rounds(1)
        self.hmp("delvm there")

    def snapshot(self):
        self.q.command("blockdev-snapshot-sync", device="d", snapshot_file=self.new("snap"))
        self.rounds(1)

    def commit(self):
        """The part of the chain below the top into its base, and then the top as well."""
        names = self.depth()
        if len(names) > 2:
            self.start("block-commit", "commit", top=names[1], base=names[2])
            self.job_is("commit", "null")
        elif len(names) == 2:
            self.start("block-commit", "commit")
            self.job_is("commit", "ready")
            self.rounds(1)
            self.q.command("job-complete", id="commit")
            self.job_is("commit", "null")

    def stream(self):
        self.start("block-stream", "stream")
        self.job_is("stream", "null")

    def mirror(self, complete=True):
        self.start("drive-mirror", "mirror", target=self.new("mirror"), format="qcow2", sync="full",
                   copy_mode=self.rand.choice(["background", "write-blocking"]))
        self.job_is("mirror", "ready")
        self.rounds(1)
        if complete:
            self.q.command("job-complete", id="mirror")
        else:
            self.q.command("block-job-cancel", device="mirror", force=True)
        self.job_is("mirror", "null", not complete)

    def mirror_for_nothing(self):
        self.mirror(False)

    def backups(self):
        """One of a moment, what changed since, and of a machine at rest the change once more and all: those are equal."""
        names = [self.new("backup") for _ in range(4)]
        self.transaction({"type": "block-dirty-bitmap-add", "data": {"node": "d", "name": "b"}},
                         self.backup("full", names[0], "full", speed=8 * MIB))
        self.rounds(1)
        self.job_is("full", "null")
        self.increment("first", names[1], names[0], speed=MIB)
        self.rounds(1)
        self.job_is("first", "null")
        self.q.command("stop")
        self.increment("second", names[2], names[1])
        self.job_is("second", "null")
        self.transaction(self.backup("rest", names[3], "full"))
        self.job_is("rest", "null")
        self.q.command("cont")
        self.q.command("block-dirty-bitmap-remove", node="d", name="b")
        for name in names:
            self.good(name)
        self.same(names[2], names[3])

    def increment(self, job, name, below, **more):
        img("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name)
        self.transaction(self.backup(job, name, "incremental", bitmap="b", mode="existing", **more))

    def transaction(self, *actions):
        self.q.command("transaction", actions=list(actions))

    def backup(self, job, target, sync, **more):
        return {"type": "drive-backup", "data": {"job-id": job, "device": "d", "target": target, "format": "qcow2",
                                                 "sync": sync, **more}}

    # --- The end ---

    def good(self, path):
        img("check", "-q", path)
        if HAVE_QEMU:
            qemu_img("check", "-q", path)

    def same(self, *paths):
        for tool in (img, qemu_img) if HAVE_QEMU else (img,):
            tool("compare", *paths)

    def options(self, path):
        """The image with all that is to be known of it: the one from the start may be encrypted."""
        if path == self.file("disk"):
            return self.drive.replace("file=", "file.filename=").replace("format=", "driver=")
        return f"driver=qcow2,file.filename={path}"

    def end(self):
        """A mirror of the disk at rest, and a backup of it; the guest's last look; and all files."""
        self.start("drive-mirror", "last", target=self.file("last"), format="qcow2", sync="full")
        self.m.send("touch /tmp/stop\n")
        self.job_is("last", "ready")
        found = self.m.expect(r"fio's work ended|FIO FAILED", 600)
        assert "FAILED" not in found.group(0), self.m.log[-4000:]
        self.q.command("stop")
        self.q.command("block-job-cancel", device="last")
        self.job_is("last", "null")
        self.transaction(self.backup("rest", self.file("rest"), "full"))
        self.job_is("rest", "null")
        names = self.depth()
        self.q.command("quit")
        assert self.m.wait(120) == 0
        for name in [n for n in names if self.file("disk") != n] + [self.file("last"), self.file("rest")]:
            self.good(name)
        fmt = self.drive.split("format=")[1].split(",")[0]
        if fmt not in ("raw", "vpc"):
            img("check", *SECRET, "--image-opts", self.options(self.file("disk")))
            if HAVE_QEMU:
                qemu_img("check", *SECRET, "--image-opts", self.options(self.file("disk")))
        self.same(self.file("last"), self.file("rest"))
        for tool in (img, qemu_img) if HAVE_QEMU else (img,):
            tool("compare", *SECRET, "--image-opts", self.options(names[0]), self.options(self.file("last")))


def storm(controller, image, steps):
    with rhea.scratch() as folder, Rig(folder, controller, image, SEED) as r:
        for step in steps or r.rand.choices(steps_of(r), k=8):
            getattr(r, step)()
        r.end()


def steps_of(r):
    """What may be done to that kind of image, more often what others build on."""
    steps = ["mirror_for_nothing", "backups", "mirror"]
    steps += ["save_and_load"] * 2 if "in" in r.can else []
    steps += ["snapshot"] * 4 + ["commit"] * 2 + ["stream"] if "over" in r.can else []
    return steps


def all_tests():
    suite.add("virtio-blk-qcow2", storm, "virtio-blk", "qcow2", ["save_and_load", "snapshot", "mirror"])
    if SLOW:
        for image in IMAGES:
            suite.add(f"virtio-blk-{image}-mixed", storm, "virtio-blk", image, None)
        for number, controller in enumerate(CONTROLLERS):
            for image in "qcow2", list(IMAGES)[1 + number % (len(IMAGES) - 1)]:
                suite.add(f"{controller}-{image}-mixed", storm, controller, image, None)


all_tests()

if __name__ == "__main__":
    sys.exit(suite.run())
