#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Jobs on images that somebody writes to: stream, commit, mirror, backup with and without dirty bitmaps,
transactions.  The writer is an NBD client of the same node, and knows what must be read."""
import os
import random
import sys
import threading
from errno import EIO, ENOSPC

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import nbdpeer as nbd
import rhea
from images import HAVE_QEMU, KIB, MIB, Workdir, img, qemu_img
from nbdpeer import Client
from tap import Suite

suite = Suite()
SIZE = 16 * MIB
SECTOR = 512


class Writer(threading.Thread):
    """Writes at random until it is stopped; self.model is what the disk holds."""

    def __init__(self, socket, model, seed):
        super().__init__(daemon=True)
        self.client, self.model, self.rand = Client(socket), model, random.Random(seed)
        self.client.go(b"n")
        self.lock, self.stopping, self.failed, self.writes = threading.Lock(), False, None, 0

    def one(self):
        rand = self.rand
        length = rand.choice([1, 8, 128, 300]) * SECTOR
        at = rand.randrange((SIZE - length) // SECTOR) * SECTOR
        if rand.random() < 0.15:
            data, error = bytes(length), self.client.error(nbd.WRITE_ZEROES, at, length)
        else:
            data = bytes([rand.randrange(256)]) * length
            error = self.client.error(nbd.WRITE, at, length, data)
        assert error == 0, error
        self.model[at:at + length] = data
        self.writes += 1

    def run(self):
        try:
            while not self.stopping:
                with self.lock:
                    self.one()
        except Exception as e:  # pylint: disable=broad-except
            self.failed = e

    def stop(self):
        self.stopping = True
        self.join(60)
        assert not self.failed and not self.is_alive(), self.failed


class Rig:
    """A machine with a chain of images under the node n, from file 0 at the bottom to the last."""

    def __init__(self, w, chain=1, seed=1, fmt="qcow2"):
        self.w, self.fmt, self.rand = w, fmt, random.Random(seed)
        self.model, self.files = bytearray(SIZE), []
        for i in range(chain):
            path = w.file(str(i))
            below = ["-b", self.files[-1], "-F", fmt] if i else []
            img("create", "-q", "-f", fmt, *below, path, str(SIZE))
            self.files.append(path)
            for _ in range(12):
                at, byte = self.rand.randrange(SIZE // (64 * KIB)) * 64 * KIB, self.rand.randrange(1, 256)
                length = min(self.rand.randrange(1, 40) * 16 * KIB, SIZE - at)
                img("io", "-f", fmt, "-c", f"write -P {byte} {at} {length}", path)
                self.model[at:at + length] = bytes([byte]) * length
        self.m = rhea.Machine("-bios", "none", "-S", qmp=True)
        self.base_model = bytes(self.model)

    def __enter__(self):
        self.m.__enter__()
        self.q = self.m.qmp()
        self.q.__enter__()
        self.open("n", self.files, 0)
        socket = self.w.file("s")
        self.command("nbd-server-start", addr={"type": "unix", "data": {"path": socket}})
        self.command("block-export-add", type="nbd", id="e", node_name="n", name="n", writable=True)
        self.writer = Writer(socket, self.model, self.rand.random())
        return self

    def open(self, name, files, first):
        """A node for each file; the uppermost is @name, those below are @name and their number."""
        below = None
        for i, path in enumerate(files):
            last = i == len(files) - 1
            this = name if last else f"{name}{first + i}"
            more = {"backing": below} if below else {}
            if not last:
                more["read_only"] = True
                more["auto_read_only"] = True
            self.command("blockdev-add", driver=self.fmt, node_name=this, file={"driver": "file", "filename": path},
                         **more)
            below = this

    def __exit__(self, *what):
        self.q.__exit__(*what)
        self.m.__exit__(*what)

    def command(self, name, /, **arguments):
        return self.q.command(name, **arguments)

    def refused(self, part, command, /, **arguments):
        try:
            self.q.command(command, **arguments)
        except AssertionError as e:
            assert part in str(e), e
        else:
            raise AssertionError(f"{command} {arguments} is not refused")

    def wait_status(self, job, status):
        while True:
            data = self.q.wait_event("JOB_STATUS_CHANGE")["data"]
            if data["id"] == job:
                if data["status"] == status:
                    return
                assert data["status"] not in ("aborting", "null"), f"{data}, not {status}: {self.jobs()}"

    def wait_cancelled(self, job):
        while self.q.wait_event("JOB_STATUS_CHANGE")["data"] != {"id": job, "status": "null"}:
            pass
        self.q.wait_event("BLOCK_JOB_CANCELLED")

    def jobs(self):
        return self.command("query-jobs")

    def finish(self):
        """Stops the writer and the machine, so that the files are whole."""
        self.writer.stop()
        self.writer.client.close()
        self.command("block-export-del", id="e", mode="hard")
        self.command("quit")
        self.m.wait()

    def holds(self, path, model=None, backing=None):
        """The image has what the model says, and is in order."""
        raw = self.w.file("raw")
        img("convert", "-O", "raw", path, raw)
        with open(raw, "rb") as f:
            data = f.read()
        model = self.model if model is None else model
        if data != model:
            at = next(i for i in range(SIZE) if data[i] != model[i])
            raise AssertionError(f"{path} differs at {at:#x}: {data[at]}, not {model[at]}")
        for check in (img, qemu_img) if HAVE_QEMU else (img,):
            check("check", "-q", path)
        info = img("info", path)
        assert ("backing file" in info) == bool(backing) and (backing or "") in info, info


def started(rig, writes=30):
    """The writer is at it."""
    rig.writer.start()
    nbd.wait_for(lambda: rig.writer.writes >= writes or rig.writer.failed)


@suite.test
def stream_everything():
    with Workdir() as w, Rig(w, 3) as r:
        started(r)
        r.command("block-stream", job_id="s", device="n")
        r.wait_status("s", "null")
        done = r.q.wait_event("BLOCK_JOB_COMPLETED")["data"]
        assert done == {"type": "stream", "device": "s", "len": SIZE, "offset": SIZE, "speed": 0}, done
        r.command("blockdev-del", node_name="n1")
        r.command("blockdev-del", node_name="n0")
        r.finish()
        r.holds(r.files[2])


@suite.test
def stream_to_a_base():
    with Workdir() as w, Rig(w, 3) as r:
        started(r)
        r.refused("not in the chain", "block-stream", job_id="s", device="n", base=w.file("x"))
        r.command("block-stream", job_id="s", device="n", base_node="n0")
        r.wait_status("s", "null")
        r.command("blockdev-del", node_name="n1")
        r.refused("in use", "blockdev-del", node_name="n0")
        r.finish()
        r.holds(r.files[2], backing=r.files[0])


@suite.test
def commit_below():
    with Workdir() as w, Rig(w, 4) as r:
        started(r)
        r.command("block-commit", job_id="c", device="n", top_node="n2", base_node="n0")
        r.wait_status("c", "null")
        r.command("blockdev-del", node_name="n2")
        r.command("blockdev-del", node_name="n1")
        r.finish()
        r.holds(r.files[3], backing=r.files[0])


def short_in_the_middle(r, w):
    """A node "t" over a "m" that ends before "b", which has data behind that; what is read of it."""
    for name, size, below in (("b", SIZE, ()), ("m", SIZE // 2, ("-b", w.file("b"), "-F", "qcow2")),
                              ("t", SIZE, ("-b", w.file("m"), "-F", "qcow2"))):
        img("create", "-q", "-f", "qcow2", *below, w.file(name), str(size))
    img("io", "-c", f"write -P 1 0 {SIZE}", w.file("b"))
    img("io", "-c", "write -P 2 64k 64k", w.file("m"))
    chain = {"driver": "qcow2", "file": {"driver": "file", "filename": w.file("t")}, "node-name": "t"}
    r.q.exact("blockdev-add", chain)
    model = bytearray(b"\1" * (SIZE // 2) + bytes(SIZE // 2))
    model[64 * KIB:128 * KIB] = b"\2" * (64 * KIB)
    return model


@suite.test
def a_file_that_ends_early_goes_away():
    for job, more in (("block-stream", {"base": "b"}), ("block-commit", {"top": "m", "base": "b"})):
        with Workdir() as w, Rig(w) as r:
            started(r)
            model = short_in_the_middle(r, w)
            r.command(job, job_id="j", device="t", **{key: w.file(name) for key, name in more.items()})
            r.wait_status("j", "null")
            r.finish()
            r.holds(w.file("t"), model, backing=w.file("b"))


@suite.test
def commit_active():
    with Workdir() as w, Rig(w, 3) as r:
        started(r)
        r.command("block-commit", job_id="c", device="n", base=r.files[0])
        r.wait_status("c", "ready")
        assert r.command("query-block-jobs")[0]["ready"]
        r.refused("is busy", "block-stream", job_id="s", device="n")
        r.command("block-job-complete", device="c")
        r.wait_status("c", "null")
        r.command("blockdev-del", node_name="n")
        r.finish()
        r.holds(r.files[0])


def mirror(write_blocking):
    mode = "write-blocking" if write_blocking else "background"
    with Workdir() as w, Rig(w, 2) as r:
        started(r)
        r.command("drive-mirror", job_id="m", device="n", target=w.file("t"), format="qcow2", sync="full",
                  copy_mode=mode, node_name="t")
        r.wait_status("m", "ready")
        with r.writer.lock:
            r.command("block-job-complete", device="m")
            r.wait_status("m", "null")
        r.command("blockdev-del", node_name="n")
        written = r.writer.writes
        nbd.wait_for(lambda: r.writer.writes > written + 20 or r.writer.failed)
        r.finish()
        r.holds(w.file("t"))


@suite.test
def mirror_in_the_background():
    mirror(False)


@suite.test
def mirror_with_the_writes():
    mirror(True)


@suite.test
def mirror_in_large_granules():
    with Workdir() as w, Rig(w) as r:
        started(r)
        r.command("drive-mirror", job_id="m", device="n", target=w.file("t"), format="qcow2", sync="full",
                  granularity=4 * MIB)
        r.wait_status("m", "ready")
        with r.writer.lock:
            r.command("job-complete", id="m")
            r.wait_status("m", "null")
        r.finish()
        r.holds(w.file("t"))


@suite.test
def what_is_below_cannot_be_above():
    with Workdir() as w, Rig(w, 2) as r:
        img("create", "-q", "-f", "qcow2", w.file("o"), str(SIZE))
        r.command("blockdev-add", driver="qcow2", node_name="o", file={"driver": "file", "filename": w.file("o")})
        r.refused("cannot be its overlay", "blockdev-snapshot", node="o", overlay="o")
        r.refused("cannot be its overlay", "blockdev-snapshot", node="n", overlay="n0")
        r.refused("cannot be the target", "blockdev-mirror", job_id="m", device="n", target="n0", sync="full")
        r.refused("cannot be the target", "blockdev-backup", job_id="b", device="n", target="n0", sync="full")


@suite.test
def mirror_of_the_top():
    with Workdir() as w, Rig(w, 2) as r:
        started(r)
        r.command("drive-mirror", job_id="m", device="n", target=w.file("t"), sync="top")
        r.wait_status("m", "ready")
        r.command("job-complete", id="m")
        r.wait_status("m", "null")
        r.finish()
        r.holds(w.file("t"), backing=r.files[0])


@suite.test
def mirror_that_only_copies():
    with Workdir() as w, Rig(w) as r:
        started(r)
        img("create", "-q", "-f", "qcow2", w.file("t"), str(SIZE))
        r.command("blockdev-add", driver="qcow2", node_name="t", file={"driver": "file", "filename": w.file("t")})
        r.refused("Cannot find", "blockdev-mirror", job_id="m", device="n", target="x", sync="full")
        r.command("blockdev-mirror", job_id="m", device="n", target="t", sync="full")
        r.wait_status("m", "ready")
        with r.writer.lock:
            then = bytes(r.model)
            r.command("block-job-cancel", device="m")
            r.wait_status("m", "null")
        assert r.q.wait_event("BLOCK_JOB_COMPLETED")["data"]["type"] == "mirror"
        r.finish()
        r.holds(w.file("t"), then)
        r.holds(r.files[0])


@suite.test
def backup_of_one_moment():
    with Workdir() as w, Rig(w, 2) as r:
        started(r)
        with r.writer.lock:
            then = bytes(r.model)
            r.command("drive-backup", job_id="b", device="n", target=w.file("t"), format="qcow2", sync="full",
                      speed=8 * MIB)
        written = r.writer.writes
        nbd.wait_for(lambda: r.writer.writes > written + 50 or r.writer.failed)
        r.command("block-job-set-speed", device="b", speed=0)
        r.wait_status("b", "null")
        r.finish()
        r.holds(w.file("t"), then)
        r.holds(r.files[1], backing=r.files[0])


@suite.test
def backup_to_large_clusters():
    """A granule that has been copied is not copied again when the guest writes to it twice."""
    with Workdir() as w, Rig(w) as r:
        started(r)
        img("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", w.file("t"), str(SIZE))
        with r.writer.lock:
            then = bytes(r.model)
            r.command("drive-backup", job_id="b", device="n", target=w.file("t"), format="qcow2", mode="existing",
                      sync="full", speed=4 * MIB)
        written = r.writer.writes
        nbd.wait_for(lambda: r.writer.writes > written + 100 or r.writer.failed)
        r.command("block-job-set-speed", device="b", speed=0)
        r.wait_status("b", "null")
        r.finish()
        r.holds(w.file("t"), then)


@suite.test
def compressed_backups():
    """Of a source whose data and holes are no whole clusters of the target."""
    for cluster in ("64k", "2M"):
        with Workdir() as w, Rig(w, fmt="raw") as r:
            started(r)
            r.refused("not supported", "drive-backup", job_id="b", device="n", target=w.file("r"), format="raw",
                      sync="full", compress=True)
            img("create", "-q", "-f", "qcow2", "-o", f"cluster_size={cluster}", w.file("t"), str(SIZE))
            with r.writer.lock:
                then = bytes(r.model)
                r.command("drive-backup", job_id="b", device="n", target=w.file("t"), format="qcow2", mode="existing",
                          sync="full", compress=True)
            r.wait_status("b", "null")
            r.finish()
            r.holds(w.file("t"), then)


def bitmaps(r):
    node = [n for n in r.command("query-named-block-nodes") if n.get("node-name") == "n"][0]
    return {b["name"]: b for b in node.get("dirty-bitmaps", [])}


@suite.test
def incremental_backups():
    with Workdir() as w, Rig(w) as r:
        def add(job, kind, **more):
            return {"type": kind, "data": {"job-id": job, "device": "n", "target": w.file("t" + job),
                                           "format": "qcow2", **more}}

        started(r)
        with r.writer.lock:
            r.command("transaction", actions=[
                {"type": "block-dirty-bitmap-add", "data": {"node": "n", "name": "b", "granularity": 4096}},
                add("0", "drive-backup", sync="full")])
        r.wait_status("0", "null")
        below, then = w.file("t0"), None
        for step in "12":
            written = r.writer.writes
            nbd.wait_for(lambda: r.writer.writes > written + 20 or r.writer.failed)
            img("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", w.file("t" + step))
            with r.writer.lock:
                then, count = bytes(r.model), bitmaps(r)["b"]["count"]
                r.command("transaction", actions=[add(step, "drive-backup", sync="incremental", bitmap="b",
                                                      mode="existing", speed=1)])
                assert 0 < count < SIZE and bitmaps(r)["b"]["busy"]
            r.refused("in use", "block-dirty-bitmap-clear", node="n", name="b")
            r.command("block-job-set-speed", device=step, speed=0)
            r.wait_status(step, "null")
            below = w.file("t" + step)
        r.finish()
        r.holds(w.file("t2"), then, backing=w.file("t1"))


@suite.test
def a_backup_that_fails_leaves_its_bitmap():
    with Workdir() as w, Rig(w) as r:
        r.command("block-dirty-bitmap-add", node="n", name="b")
        for _ in range(20):
            r.writer.one()
        before = bitmaps(r)["b"]
        r.command("drive-backup", job_id="j", device="n", target=w.file("t"), sync="incremental", bitmap="b",
                  format="qcow2", speed=1)
        assert bitmaps(r)["b"]["count"] == 0
        r.command("job-cancel", id="j")
        r.wait_cancelled("j")
        assert bitmaps(r)["b"] == before, (bitmaps(r), before)


@suite.test
def bitmaps_and_their_errors():
    with Workdir() as w, Rig(w) as r:
        r.command("block-dirty-bitmap-add", node="n", name="a", granularity=65536)
        r.refused("already exists: a", "block-dirty-bitmap-add", node="n", name="a")
        r.refused("power of 2", "block-dirty-bitmap-add", node="n", name="b", granularity=1000)
        r.refused("Cannot find", "block-dirty-bitmap-add", node="x", name="b")
        r.refused("'x' not found", "block-dirty-bitmap-clear", node="n", name="x")
        r.command("block-dirty-bitmap-add", node="n", name="off", disabled=True)
        client = r.writer.client
        assert client.error(nbd.WRITE, 0, 4096, b"x" * 4096) == 0
        assert bitmaps(r)["a"] == {"name": "a", "count": 65536, "granularity": 65536, "recording": True,
                                   "busy": False, "persistent": False}, bitmaps(r)
        assert bitmaps(r)["off"]["count"] == 0
        abort = [{"type": "block-dirty-bitmap-clear", "data": {"node": "n", "name": "a"}},
                 {"type": "block-dirty-bitmap-merge", "data": {"node": "n", "target": "off", "bitmaps": ["a"]}},
                 {"type": "block-dirty-bitmap-enable", "data": {"node": "n", "name": "off"}},
                 {"type": "block-dirty-bitmap-remove", "data": {"node": "n", "name": "off"}},
                 {"type": "block-dirty-bitmap-add", "data": {"node": "n", "name": "new"}},
                 {"type": "abort", "data": {}}]
        before = bitmaps(r)
        r.refused("bort", "transaction", actions=abort)
        assert bitmaps(r) == before, bitmaps(r)
        r.command("block-dirty-bitmap-merge", node="n", target="off", bitmaps=[{"node": "n", "name": "a"}])
        assert bitmaps(r)["off"]["count"] == 65536
        r.command("transaction", actions=abort[:-1])
        assert set(bitmaps(r)) == {"a", "new"} and bitmaps(r)["a"]["count"] == 0


@suite.test
def bitmaps_that_stay():
    with Workdir() as w, Rig(w) as r:
        r.command("blockdev-add", driver="null-co", node_name="null")
        r.refused("bitmaps", "block-dirty-bitmap-add", node="null", name="b", persistent=True)
        r.command("block-dirty-bitmap-add", node="n", name="stays", persistent=True)
        r.command("block-dirty-bitmap-add", node="n", name="goes")
        assert bitmaps(r)["stays"]["persistent"] and not bitmaps(r)["goes"]["persistent"]
        started(r)
        r.finish()
        info = img("info", r.files[0])
        assert "stays" in info and "goes" not in info, info
        r.holds(r.files[0])


@suite.test
def a_transaction_takes_a_snapshot_back():
    with Workdir() as w, Rig(w) as r:
        started(r)
        snap = {"type": "blockdev-snapshot-sync", "data": {"node-name": "n", "snapshot-file": w.file("snap"),
                                                           "snapshot-node-name": "s"}}
        r.refused("bort", "transaction", actions=[snap, {"type": "abort", "data": {}}])
        r.command("blockdev-del", node_name="s")
        written = r.writer.writes
        nbd.wait_for(lambda: r.writer.writes > written + 20 or r.writer.failed)
        with r.writer.lock:
            then = bytes(r.model)
            r.command("transaction", actions=[snap])
        written = r.writer.writes
        nbd.wait_for(lambda: r.writer.writes > written + 20 or r.writer.failed)
        r.finish()
        r.holds(w.file("snap"), backing=r.files[0])
        r.holds(r.files[0], then)


@suite.test
def what_users_ask_of_jobs():
    with Workdir() as w, Rig(w) as r:
        started(r)
        r.refused("Block job 'x' not found", "block-job-cancel", device="x")
        r.refused("Job not found", "job-cancel", id="x")
        r.refused("expects a non-negative", "drive-backup", job_id="b", device="n", target=w.file("x"), sync="full",
                  speed=-1)
        r.command("drive-backup", job_id="b", device="n", target=w.file("t"), sync="full", speed=1,
                  auto_finalize=False, auto_dismiss=False)
        r.wait_status("b", "running")
        r.refused("is busy", "drive-backup", job_id="b2", device="n", target=w.file("x"), sync="full")
        r.command("job-pause", id="b")
        r.wait_status("b", "paused")
        job, = r.command("query-block-jobs")
        assert job["paused"] and not job["busy"] and job["speed"] == 1 and job["type"] == "backup", job
        r.refused("cannot accept command verb 'complete'", "block-job-complete", device="b")
        r.refused("cannot accept command verb 'dismiss'", "job-dismiss", id="b")
        r.command("block-job-set-speed", device="b", speed=0)
        r.command("block-job-resume", device="b")
        r.wait_status("b", "pending")
        r.q.wait_event("BLOCK_JOB_PENDING")
        r.command("block-job-finalize", id="b")
        r.wait_status("b", "concluded")
        assert [j["status"] for j in r.jobs()] == ["concluded"]
        r.refused("already in use", "drive-backup", job_id="b", device="n", target=w.file("x"), sync="full")
        r.command("job-dismiss", id="b")
        assert not r.jobs()
        assert "No active jobs" in r.command("human-monitor-command", command_line="info block-jobs")
        r.finish()
        r.holds(r.files[0])


def failing_source(r, w, rules):
    """A node "bad" with other data than 0, whose first requests fail by the rules."""
    with open(w.file("bad"), "wb") as f:
        f.write(b"data" * (MIB // 4))
    r.command("blockdev-add", driver="raw", node_name="bad",
              file={"driver": "blkdebug", "inject-error": rules,
                    "image": {"driver": "file", "filename": w.file("bad")}})


def copy_of(w, name):
    with open(w.file(name), "rb") as f:
        return f.read()


@suite.test
def errors_that_stop():
    """on-source-error=stop: the job pauses, says why, and goes on from there when it is told to."""
    for errno, status in (EIO, "failed"), (ENOSPC, "nospace"):
        with Workdir() as w, Rig(w) as r:
            failing_source(r, w, [{"event": "read_aio", "errno": errno, "sector": 1000, "once": True}])
            r.command("drive-backup", job_id="b", device="bad", target=w.file("t"), format="raw", sync="full",
                      on_source_error="stop", auto_dismiss=False)
            r.wait_status("b", "paused")
            assert r.q.wait_event("BLOCK_JOB_ERROR")["data"] == {"device": "b", "operation": "read", "action": "stop"}
            job, = r.command("query-block-jobs")
            assert job["io-status"] == status and job["paused"], job
            r.command("job-resume", id="b")
            r.wait_status("b", "concluded")
            job, = r.command("query-block-jobs")
            assert job["io-status"] == "ok" and "error" not in job, job
            r.command("quit")
            r.m.wait()
            assert copy_of(w, "t") == copy_of(w, "bad")


@suite.test
def errors_that_end_or_not():
    """report fails the job, ignore does not."""
    for policy, text in ("report", "Input/output error"), ("ignore", None):
        with Workdir() as w, Rig(w) as r:
            failing_source(r, w, [{"event": "read_aio", "sector": 1000, "once": True}])
            r.command("drive-backup", job_id="b", device="bad", target=w.file("t"), format="raw", sync="full",
                      on_source_error=policy, auto_dismiss=False)
            while r.jobs()[0]["status"] != "concluded":
                r.q.wait_event("JOB_STATUS_CHANGE")
            assert r.q.wait_event("BLOCK_JOB_ERROR")["data"]["action"] == policy
            assert r.jobs()[0].get("error") == text, r.jobs()
            r.command("quit")
            r.m.wait()


@suite.test
def ignored_errors_of_a_mirror():
    """What could not be read is tried again: a mirror that is complete is whole."""
    with Workdir() as w, Rig(w) as r:
        failing_source(r, w, [{"event": "read_aio", "sector": 1000, "once": True}])
        r.command("drive-mirror", job_id="m", device="bad", target=w.file("t"), format="raw", sync="full",
                  on_source_error="ignore")
        r.wait_status("m", "ready")
        assert r.q.wait_event("BLOCK_JOB_ERROR")["data"]["action"] == "ignore"
        r.command("job-complete", id="m")
        r.wait_status("m", "null")
        r.command("quit")
        r.m.wait()
        assert copy_of(w, "t") == copy_of(w, "bad")


@suite.test
def through_filters():
    """The errors of a filter in front of the image are those of a job on the filter, and of no other."""
    with Workdir() as w, Rig(w) as r:
        r.command("blockdev-add", driver="blkdebug", node_name="bad", read_only=True, image="n",
                  inject_error=[{"event": "read_aio", "errno": ENOSPC}])
        r.command("blockdev-add", driver="copy-on-read", node_name="cor", read_only=True, file="n")
        started(r)
        for job in "drive-backup", "drive-mirror":
            r.command(job, job_id="b", device="bad", target=w.file("x"), format="raw", sync="full",
                      auto_dismiss=False)
            while r.jobs()[0]["status"] != "concluded":
                r.q.wait_event("JOB_STATUS_CHANGE")
            assert r.jobs()[0]["error"] == "No space left on device", r.jobs()
            r.command("job-dismiss", id="b")
        for name in "n", "cor":
            r.command("drive-backup", job_id=name, device=name, target=w.file("t"), format="raw", sync="full")
            r.wait_status(name, "null")
        r.finish()
        r.holds(r.files[0])


@suite.test
def by_hand():
    """HMP commands, on a drive."""
    with Workdir() as w, Rig(w, 2) as r:
        def hmp(line, answer=""):
            got = r.command("human-monitor-command", command_line=line)
            assert answer in got and (answer or not got), f"{line}: {got}"

        hmp(f"drive_backup -f n {w.file('full')} qcow2")
        r.wait_status("n", "null")
        hmp(f"drive_backup -c n {w.file('top')}")
        r.wait_status("n", "null")
        hmp(f"drive_mirror -f n {w.file('mirror')} qcow2")
        r.wait_status("n", "ready")
        hmp("block_job_pause n")
        r.wait_status("n", "standby")
        hmp("block_job_resume n")
        r.wait_status("n", "ready")
        hmp("block_job_complete n")
        r.wait_status("n", "null")
        hmp("block_job_cancel n", "Block job 'n' not found")
        hmp("block_resize mirror 1", "Cannot find")
        hmp("block_stream", "a drive is needed")
        hmp("block_stream n 0")
        r.wait_status("n", "null")
        hmp("block_job_set_speed n 1M", "not found")
        hmp("block_resize n 32")
        assert r.command("query-named-block-nodes")[-1]["image"]["virtual-size"] == 32 * MIB
        r.command("quit")
        r.m.wait()
        for name in "full", "top", "mirror":
            r.holds(w.file(name), backing=r.files[0] if name == "top" else None)


@suite.test
def machine_snapshots_beside_jobs():
    """A disk whose job copies it does not go back to a snapshot; one with limits may."""
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("d"), "8M")
        img("io", "-c", "write -P 1 0 4M", w.file("d"))
        drive = f"file={w.file('d')},format=qcow2,if=none,id=d,throttling.bps-total=100000000"
        m = rhea.Machine("-bios", "none", "-S", "-drive", drive, "-device", "virtio-blk-device,drive=d", qmp=True)
        with m, m.qmp() as q:
            def hmp(line):
                return q.command("human-monitor-command", command_line=line)

            assert hmp("savevm tag") == ""
            q.command("drive-mirror", job_id="m", device="d", target=w.file("t"), sync="full", speed=1)
            assert "is busy" in hmp("loadvm tag")
            q.command("job-cancel", id="m")
            while q.wait_event("JOB_STATUS_CHANGE")["data"]["status"] != "null":
                pass
            assert hmp("loadvm tag") == ""
            q.command("quit")
            m.wait()
        img("check", "-q", w.file("d"))


@suite.test
def the_end_with_a_job_on():
    with Workdir() as w, Rig(w) as r:
        started(r)
        r.command("drive-mirror", job_id="m", device="n", target=w.file("t"), sync="full", speed=1)
        r.wait_status("m", "running")
        assert "type mirror, status running" in r.command("human-monitor-command", command_line="info block-jobs")
        r.finish()
        r.holds(r.files[0])


if __name__ == "__main__":
    sys.exit(suite.run())
