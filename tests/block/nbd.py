#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""NBD: our server before others' clients and a client that lies; our client before others' servers."""
import json
import os
import random
import signal
import struct
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import certificates
import nbdpeer as nbd
import rhea
from images import HAVE_QEMU, IMG, KIB, MIB, QEMU_IO, Workdir, img, qemu_img, run
from nbdpeer import Client, Gone, program, rhea_nbd, serving, uri, wait_for
from tap import Skip, Suite

suite = Suite()


def need(*programs):
    for name in programs:
        if not program(name):
            raise Skip(f"no {name} (Debian packages qemu-utils, libnbd-bin, nbdkit)")


def need_client():
    done = subprocess.run([IMG, "info", "nbd:127.0.0.1"], capture_output=True, text=True, check=False)
    if "accepted are nbd:HOST:PORT" not in done.stderr:
        raise Skip("this build has no NBD client (libnbd)")


def raw(path, size=4 * MIB):
    """Data, a hole, data; the first byte of a kibibyte is its number."""
    with open(path, "wb") as f:
        for start, length in (0, MIB), (2 * MIB, MIB):
            f.seek(start)
            f.write(b"".join(bytes([(start + at) // 1024 % 251]) * 1024 for at in range(0, length, 1024)))
        f.truncate(size)
    return path


def contents(path):
    with open(path, "rb") as f:
        return f.read()


# --- The server before other clients ---

@suite.test
def others_read_what_we_export():
    need("qemu-img", "nbdcopy", "nbdinfo")
    with Workdir() as w:
        source, s = raw(w.file("raw")), w.file("s")
        img("convert", "-f", "raw", "-O", "qcow2", source, w.file("i"))
        with rhea_nbd(s, w.file("i"), "-e", "0", "-x", "a name", "-D", "what it is", "-r"):
            where = uri(s, "a%20name")
            info = json.loads(run("nbdinfo", "--json", where))["exports"][0]
            assert info["export-name"] == "a name" and info["description"] == "what it is", info
            assert info["is_read_only"] and info["can_multi_conn"] and info["contexts"] == ["base:allocation"], info
            extents = json.loads(run("nbdinfo", "--map", "--json", where))
            assert [(e["offset"], e["length"], e["type"]) for e in extents] == \
                [(0, MIB, 0), (MIB, MIB, 3), (2 * MIB, MIB, 0), (3 * MIB, MIB, 3)], extents
            run("nbdcopy", where, w.file("copy"))
            qemu_img("convert", "-f", "raw", "-O", "raw", where, w.file("other"))
            assert contents(w.file("copy")) == contents(w.file("other")) == contents(source)
            listed = run("nbdinfo", "--list", uri(s))
            assert 'export="a name"' in listed, listed
            if os.path.exists(nbd.NBD) and "no NBD client" not in listed:
                ours = subprocess.run([nbd.NBD, "-L", "-k", s], capture_output=True, text=True, check=False)
                assert "export: 'a name'" in ours.stdout or "no NBD client" in ours.stderr, ours


@suite.test
def others_write_what_we_export():
    if not HAVE_QEMU:
        raise Skip("no qemu-io (Debian package qemu-utils)")
    with Workdir() as w:
        s = w.file("s")
        img("create", "-q", "-f", "qcow2", w.file("i"), "64M")
        with rhea_nbd(s, w.file("i"), "-f", "qcow2", "--discard=unmap"):
            out = run(QEMU_IO, "-f", "raw", *sum((["-c", c] for c in (
                "write -P 1 0 5M", "write -P 2 1000001 333333", "write -f -P 3 60M 4M", "write -z 2M 1M",
                "write -z -u 3M 1M", "discard 4M 1M", "aio_write -P 4 10M 2M", "aio_write -P 5 12M 2M", "aio_flush",
                "flush", "read -P 2 1000001 333333", "read -P 0 2M 2M", "read -P 4 10M 2M", "read -P 5 12M 2M",
                "read -P 3 60M 4M")), []), uri(s))
            assert "failed" not in out, out
        img("check", "-q", w.file("i"))
        qemu_img("check", w.file("i"))
        img("io", "-c", "read -P 2 1000001 333333", "-c", "read -P 0 2M 2M", "-c", "read -P 3 60M 4M", w.file("i"))


@suite.test
def copies_both_ways_at_once():
    need("nbdcopy")
    with Workdir() as w:
        source, s = w.file("raw"), w.file("s")
        with open(source, "wb") as f:
            f.write(random.Random(1).randbytes(16 * MIB))
        img("create", "-q", "-f", "qcow2", w.file("i"), "16M")
        with rhea_nbd(s, w.file("i"), "-e", "8"):
            run("nbdcopy", "--connections=4", "--requests=32", source, uri(s))
            run("nbdcopy", "--connections=4", "--requests=32", "--request-size=8192", uri(s), w.file("back"))
        assert contents(source) == contents(w.file("back"))
        img("compare", "-q", "-f", "raw", "-F", "qcow2", source, w.file("i"))


@suite.test
def a_part_a_snapshot_and_what_is_forgotten():
    with Workdir() as w:
        source, s = raw(w.file("raw")), w.file("s")

        def read(offset, length):
            client = Client(s)
            client.go(structured=False)
            client.send(nbd.READ, offset, length)
            error, _, data = client.simple(length)
            client.close()
            assert not error, error
            return data

        with rhea_nbd(s, source, "-f", "raw", "-o", "2M"):
            assert read(5000, 3000) == contents(source)[2 * MIB + 5000:2 * MIB + 8000]
        with rhea_nbd(s, source, "-f", "raw", "-s"):
            client = Client(s)
            client.go()
            assert client.error(nbd.WRITE, 0, 4, data=b"new!", flags=nbd.FUA) == 0
            client.close()
        assert contents(source)[:4] == b"\0\0\0\0"
        img("create", "-q", "-f", "qcow2", w.file("i"), "1M")
        img("io", "-c", "write -P 1 0 64k", w.file("i"))
        img("snapshot", "-c", "then", w.file("i"))
        img("io", "-c", "write -P 2 0 64k", w.file("i"))
        with rhea_nbd(s, w.file("i"), "-l", "then"):
            assert read(0, 4) == b"\1\1\1\1"
        with rhea_nbd(s, f"driver=qcow2,file.driver=file,file.filename={w.file('i')}", "--image-opts"):
            assert read(0, 4) == b"\2\2\2\2"


# --- The server before a client that lies ---

@suite.test
def dirty_bitmaps():
    need("qemu-img")
    if subprocess.run([IMG, "bitmap"], capture_output=True, text=True, check=False).stderr.startswith("rhea-img: command"):
        raise Skip("images have no bitmaps here")
    with Workdir() as w:
        s, image = w.file("s"), w.file("i")
        qemu_img("create", "-q", "-f", "qcow2", image, "8M")
        for name, request in ("one", "write 1M 128k"), ("two", "write 5M 1M"):
            qemu_img("bitmap", "--add", "-g", "64k", "-f", "qcow2", image, name)
            run(QEMU_IO, "-c", request, image)
        with rhea_nbd(s, image, "-B", "one", "-B", "two", "-r"):
            c = Client(s)
            assert c.ask(nbd.STRUCTURED)[-1][0] == nbd.ACK
            names = [b"base:allocation", b"qemu:dirty-bitmap:one", b"qemu:dirty-bitmap:two"]
            for queries, found in ((), names), ((b"qemu:",), names[1:]), ((b"base:",), names[:1]), ((b"qemu",), []):
                assert [name for _, name in c.contexts(b"", *queries, option=nbd.LIST_META)] == found, (queries, found)
            assert c.contexts(b"", names[2], names[0], b"qemu:") == [(1, names[0]), (3, names[2])]
            c = Client(s)
            c.go(contexts=names[1:])
            assert c.extents(0, 8 * MIB) == {
                2: [(MIB, 0), (128 * KIB, 1), (4 * MIB - 128 * KIB, 0), (MIB, 1), (2 * MIB, 0)],
                3: [(5 * MIB, 0), (MIB, 1), (2 * MIB, 0)]}
            assert c.extents(5 * MIB + 512, 512) == {2: [(512, 1)], 3: [(512, 1)]}
            assert c.extents(0, 8 * MIB, nbd.REQ_ONE) == {2: [(MIB, 0)], 3: [(5 * MIB, 0)]}
        for wrong in ("-B", "none"), ("-B", "one", "-B", "one"), ("-B", "one", "-o", "1M"):
            assert subprocess.run([nbd.NBD, "-k", s, *wrong, image], capture_output=True, check=False).returncode == 1


@suite.test
def negotiation():
    with Workdir() as w:
        s = w.file("s")
        with rhea_nbd(s, raw(w.file("raw")), "-f", "raw", "-x", "x", "-e", "0"):
            c = Client(s)
            assert c.server_flags == 3
            kinds = [(nbd.LIST, b"x", nbd.ERR_INVALID), (nbd.STARTTLS, b"", nbd.ERR_POLICY), (77, b"", nbd.ERR_UNSUP),
                     (nbd.GO, b"", nbd.ERR_INVALID), (nbd.GO, b"\xff" * 6, nbd.ERR_INVALID),
                     (nbd.GO, c.text(b"no") + b"\0\0", nbd.ERR_UNKNOWN),
                     (nbd.INFO, c.text(b"x") + b"\0\2\0\0", nbd.ERR_INVALID),
                     (nbd.SET_META, c.text(b"x") + struct.pack(">I", 0), nbd.ERR_INVALID),  # not structured yet
                     (nbd.STRUCTURED, b"x", nbd.ERR_INVALID), (nbd.STRUCTURED, b"", nbd.ACK),
                     (nbd.SET_META, c.text(b"x") + struct.pack(">I", 1 << 30), nbd.ERR_INVALID),
                     (nbd.SET_META, c.text(b"no") + struct.pack(">I", 0), nbd.ERR_UNKNOWN),
                     (nbd.SET_META, c.text(b"x") + struct.pack(">I", 1) + c.text(b"other:"), nbd.ACK),
                     (nbd.LIST_META, c.text(b"x") + struct.pack(">I", 0), nbd.ACK),
                     (nbd.INFO, b"\0" * 65537, nbd.ERR_TOO_BIG)]
            for number, data, kind in kinds:
                assert c.ask(number, data)[-1][0] == kind, (number, data[:20], kind)
            asked = c.ask(nbd.INFO, c.text(b"x") + b"\0\3" + b"\0\1\0\2\0\3")
            assert [data[:2] for kind, data in asked if kind == nbd.REP_INFO] == [b"\0\0", b"\0\1", b"\0\3"], asked
            assert c.ask(nbd.LIST)[0] == (nbd.SERVER, c.text(b"x"))
            assert c.ask(nbd.ABORT)[-1][0] == nbd.ACK
            old = Client(s, flags=1)                     # without NO_ZEROES
            old.option(nbd.EXPORT_NAME, b"x")
            size, flags = struct.unpack(">QH", old.take(10))
            assert size == 4 * MIB and flags & 1 and old.take(124) == bytes(124)
            old.send(nbd.READ, 1024, 2)
            assert old.simple(2) == (0, 1, b"\1\1")
            for wrong in (lambda x: x.option(nbd.EXPORT_NAME, b"no"), lambda x: x.option(nbd.GO, b"", 1 << 31),
                          lambda x: x.s.sendall(b"?" * 16)):
                bad = Client(s)
                wrong(bad)
                try:
                    bad.take(1)
                    raise AssertionError("the server goes on")
                except Gone:
                    pass


@suite.test
def requests_that_are_wrong():
    with Workdir() as w:
        s, size = w.file("s"), 4 * MIB
        with rhea_nbd(s, raw(w.file("raw")), "-f", "raw", "-e", "0"):
            c = Client(s)
            assert c.go()[0] == size
            for request, flags, error in (
                    ((nbd.READ, size, 1), 0, 22), ((nbd.READ, 0, size + 1), 0, 22), ((nbd.READ, 1 << 63, 1), 0, 22),
                    ((nbd.READ, (1 << 64) - 1, 2), 0, 22), ((nbd.READ, 0, 0), 0, 22), ((nbd.READ, 0, 1), 8, 22),
                    ((nbd.WRITE, size, 4, b"data"), 0, 28), ((nbd.WRITE, 0, 4, b"data"), 2, 22),
                    ((nbd.TRIM, size - 1, 2), 0, 22), ((nbd.WRITE_ZEROES, 1, size), 0, 28),
                    ((nbd.BLOCK_STATUS, 0, 0), 0, 22), ((nbd.BLOCK_STATUS, size, 1), 0, 22),
                    ((nbd.FLUSH, 1, 0), 0, 22), ((9, 0, 0), 0, 22), ((0xffff, 0, 0), 0, 22)):
                assert c.error(*request, flags=flags) == error, (request, flags, error)
            c.send(nbd.READ, 0, size)
            chunks = c.chunks()
            assert [(k, p[:12] if k == 2 else p[:8]) for k, p in chunks[:4]] == [
                (1, struct.pack(">Q", 0)), (2, struct.pack(">QI", MIB, MIB)), (1, struct.pack(">Q", 2 * MIB)),
                (2, struct.pack(">QI", 3 * MIB, MIB))], [(k, len(p)) for k, p in chunks]
            c.send(nbd.READ, 0, size, flags=nbd.DF)
            assert c.chunks() == [(1, bytes(8) + contents(w.file("raw")))]
            c.send(nbd.BLOCK_STATUS, 0, size, flags=nbd.REQ_ONE)
            assert c.chunks() == [(5, struct.pack(">III", 1, MIB, 0))]
            c.send(nbd.WRITE, 0, 1 << 26)
            try:
                c.take(1)
                raise AssertionError("the server goes on")
            except Gone:
                pass
            plain = Client(s)
            plain.go(structured=False)
            plain.send(nbd.BLOCK_STATUS, 0, 512)
            assert plain.simple()[0] == 22
        with rhea_nbd(s, w.file("raw"), "-f", "raw", "-r"):
            c = Client(s)
            assert c.go()[1] & 2
            for request in (nbd.WRITE, 0, 4, b"data"), (nbd.TRIM, 0, 512), (nbd.WRITE_ZEROES, 0, 512):
                assert c.error(*request) == 1, request
            c.send(nbd.READ, 0, 1024)
            assert c.chunks()[-1] == (1, bytes(8 + 1024))


@suite.test
def who_is_stuck_holds_nobody_up():
    with Workdir() as w:
        s = w.file("s")
        with rhea_nbd(s, raw(w.file("raw"), 64 * MIB), "-f", "raw", "-e", "0") as server:
            silent = [Client(s) for _ in range(20)]
            stuck = [Client(s, timeout=None) for _ in range(4)]
            for c in stuck:
                c.go(structured=False)
                c.s.setblocking(False)
                try:
                    while True:
                        c.send(nbd.READ, 0, 16 * MIB)
                except BlockingIOError:
                    pass
            with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
                peak = [line for line in f if line.startswith("VmHWM")][0]
            assert int(peak.split()[1]) < 400 * KIB, peak
            well = Client(s)
            well.go()
            for at in range(0, MIB, 64 * KIB):
                well.send(nbd.READ, at, 64 * KIB)
                well.chunks()
            well.close()
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
            del silent, stuck


@suite.test
def how_many_and_how_long():
    with Workdir() as w:
        s = w.file("s")
        image = raw(w.file("raw"))
        with serving([nbd.NBD, "-k", s, "-f", "raw", image], s) as server:
            first = Client(s)
            first.go()
            second = Client.__new__(Client)
            second.s = nbd.socket.socket(nbd.socket.AF_UNIX)
            second.s.settimeout(0.2)
            second.s.connect(s)
            try:
                second.take(1)
                raise AssertionError("a second client is served")
            except TimeoutError:
                pass
            second.s.close()
            first.send(nbd.DISC)
            assert server.wait(60) == 0
            assert not os.path.exists(s)
        pid_file = w.file("pid")
        run(nbd.NBD, "-k", s, "-f", "raw", "-t", "--fork", f"--pid-file={pid_file}", image)
        pid = int(contents(pid_file))
        Client(s).go()
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not os.path.exists(pid_file))
        done = subprocess.run([nbd.NBD, "--fork", "-k", s, w.file("none")], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "No such file" in done.stderr, done
        for wrong in ("-c", "/dev/nbd0", image), ("-e", "x", image), (image, image), ("-k", s, "-p", "1", image), ():
            assert subprocess.run([nbd.NBD, *wrong], capture_output=True, check=False).returncode == 1, wrong


@suite.test
def started_by_its_client():
    need("nbdinfo")
    with Workdir() as w:
        image = raw(w.file("raw"))
        out = run("nbdinfo", "--size", "--", "[", nbd.NBD, "-f", "raw", image, "]")
        assert int(out) == 4 * MIB, out


# --- Our client ---

def client_checks(w, where, source, can_write=True):
    """Requests of ours on another's server that has a copy of @source."""
    img("compare", "-q", "-f", "raw", "-F", "raw", source, where)
    img("convert", "-f", "raw", "-O", "qcow2", where, w.file("copy"))
    img("compare", "-q", "-f", "raw", "-F", "qcow2", source, w.file("copy"))
    if can_write:
        img("io", "-f", "raw", "-c", "write -P 7 1000001 555555", "-c", "zero 2500000 100000", "-c", "discard 0 64k",
            "-c", "flush", "-c", "read -P 7 1000001 555555", "-c", "read -P 0 2500000 100000", where)
        img("convert", "-n", "-f", "raw", "-O", "raw", source, where)
        img("compare", "-q", "-f", "raw", "-F", "raw", source, where)


@suite.test
def images_on_others_servers():
    need_client()
    need("qemu-nbd", "nbdkit")
    with Workdir() as w:
        source, s = raw(w.file("raw")), w.file("s")
        qemu_img("convert", "-f", "raw", "-O", "qcow2", source, w.file("i"))
        with serving(["qemu-nbd", "-k", s, "-t", "-e", "0", "-x", "ex", w.file("i")], s):
            client_checks(w, uri(s, "ex"), source)
            client_checks(w, f"nbd:unix:{s}:exportname=ex", source)
            extents = json.loads(img("map", "--output=json", "-f", "raw", uri(s, "ex")))
            assert [(e["start"], e["data"], e["zero"]) for e in extents] == \
                [(0, True, False), (MIB, False, True), (2 * MIB, True, False), (3 * MIB, False, True)], extents
            options = f"driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={s},file.export="
            assert "virtual size: 4 MiB" in img("info", "--image-opts", options + "ex")
            img("info", "--image-opts", options + "other", ok=(1,))
        for options, parameters in ((["--filter=blocksize-policy"], ["blocksize-minimum=4096", "blocksize-maximum=1M",
                                                                     "blocksize-error-policy=error"]),
                                    ([], []), (["--no-sr"], [])):
            with open(w.file("copy2"), "wb") as f:
                f.write(contents(source))
            with serving(["nbdkit", "-f", "-U", s, *options, "file", f"file={w.file('copy2')}", *parameters], s):
                client_checks(w, uri(s), source)
        with serving(["nbdkit", "-f", "-r", "-U", s, "file", w.file("copy2")], s):
            img("io", "-f", "raw", "-c", "read 0 1k", uri(s), ok=(1,))
            img("io", "-r", "-f", "raw", "-c", "read 0 1k", uri(s))


@suite.test
def formats_on_our_own_server():
    need_client()
    with Workdir() as w:
        s = w.file("s")
        img("create", "-q", "-f", "raw", w.file("space"), "8M")
        with rhea_nbd(s, w.file("space"), "-f", "raw", "-e", "0"):
            img("create", "-q", "-f", "qcow2", w.file("i"), "16M")
            img("convert", "-n", "-f", "raw", "-O", "raw", w.file("i"), uri(s))   # a qcow2 image as bytes
            img("io", "-f", "qcow2", "-c", "write -P 3 5M 1M", "-c", "read -P 3 5M 1M", "-c", "flush", uri(s))
            img("check", "-q", "-f", "qcow2", uri(s))
            img("create", "-q", "-f", "qcow2", "-b", uri(s), "-F", "qcow2", w.file("top"))
            img("io", "-c", "read -P 3 5M 1M", "-c", "write -P 4 5M 64k", w.file("top"))
            img("io", "-f", "qcow2", "-c", "write 6M 12M", uri(s), ok=(1,))       # there is no more room
        img("check", "-f", "qcow2", w.file("space"), ok=(0, 3))


@suite.test
def with_tls():
    need_client()
    need("nbdkit")
    with Workdir() as w:
        s, keys, other = w.file("s"), w.file("keys"), w.file("other")
        for path, key in (keys, "a" * 64), (other, "b" * 64):
            with open(path, "w", encoding="ascii") as f:
                f.write(f"somebody:{key}\n")
        options = f"driver=raw,file.driver=nbd,file.path={s},file.tls-psk-file="
        with serving(["nbdkit", "-f", "-U", s, "--tls=require", f"--tls-psk={keys}", "memory", "1M"], s):
            img("io", "--image-opts", "-c", "write -P 5 0 64k", "-c", "read -P 5 0 64k",
                f"{options}{keys},file.tls-username=somebody")
            for wrong in f"{other},file.tls-username=somebody", f"{keys},file.tls-username=nobody", f"{w.file('none')}":
                img("info", "--image-opts", options + wrong, ok=(1,))
            img("info", uri(s), ok=(1,))


@suite.test
def disks_of_machines():
    need_client()
    with Workdir() as w:
        s = w.file("s")
        node = {"driver": "raw", "node-name": "n", "file": {
            "driver": "nbd", "server": {"type": "unix", "path": s}, "export": "ex", "reconnect-delay": 10}}
        with rhea_nbd(s, raw(w.file("raw")), "-f", "raw", "-x", "ex", "-e", "0"):
            with rhea.Machine("-bios", "none", "-S", "-drive", f"file={uri(s, 'ex')},format=raw,if=none,id=d", "-drive",
                              f"file=nbd:unix:{s}:exportname=ex,format=raw,if=none,id=c,media=cdrom", "-device",
                              "virtio-blk-device,drive=d", "-blockdev", json.dumps(node), qmp=True) as m, m.qmp() as q:
                drives = q.command("query-block")
                assert [(d["inserted"]["image"]["virtual-size"], d["inserted"]["file"], d["inserted"]["ro"])
                        for d in drives] == [(4 * MIB, uri(s, "ex"), False), (4 * MIB, uri(s, "ex"), True)], drives
                q.command("blockdev-add", driver="nbd", node_name="m", export="ex", read_only=True,
                          server={"type": "unix", "path": s})
                nodes = {n["node-name"]: n["file"] for n in q.command("query-named-block-nodes")}
                assert nodes == {"n": uri(s, "ex"), "m": uri(s, "ex")}, nodes
                q.command("blockdev-del", node_name="m")


def tls_server(w, s, image, *objects):
    """Ours; skips where it was built without."""
    argv = [nbd.NBD, *objects, "--tls-creds=t", "-k", s, "-t", "-e", "0", "-f", "raw", image]
    probe = subprocess.run([nbd.NBD, *objects, "--tls-creds=t", w.file("none")], capture_output=True, text=True,
                           timeout=60, check=False)
    if "do not speak TLS" in probe.stderr:
        raise Skip("this build has no GnuTLS")
    return serving(argv, s)


@suite.test
def our_server_with_certificates():
    need_client()
    need("certtool")
    need("nbdcopy")
    with Workdir() as w:
        s, image = w.file("s"), raw(w.file("raw"))
        certificates.make(w.file("."))
        objects = ["--object", f"tls-creds-x509,id=t,endpoint=server,dir={w.file('server')}"]
        with tls_server(w, s, image, *objects):
            address = f"nbds+unix://localhost/?socket={s}&tls-certificates="
            run("nbdcopy", address + w.file("client"), w.file("copy"))
            img("compare", "-U", "-f", "raw", "-F", "raw", image, w.file("copy"))
            run("nbdinfo", address + w.file("stranger"), ok=(1,))
            run("nbdinfo", uri(s), ok=(1,))
            run("nbdinfo", "--list", uri(s), ok=(1,))
            ours = f"driver=raw,file.driver=nbd,file.path={s},file.tls-creds=c"
            for who, status in ("client", 0), ("stranger", 1):
                creds = ["--object", f"tls-creds-x509,id=c,endpoint=client,dir={w.file(who)},verify-peer=off"]
                img("io", *creds, "--image-opts", "-c", "write -P 9 1k 300k", "-c", "read -P 9 1k 300k", ours,
                    ok=(status,))
            if HAVE_QEMU:
                theirs = f"driver=nbd,path={s},tls-creds=c,tls-hostname=localhost"
                qemu_img("convert", "--object", f"tls-creds-x509,id=c,endpoint=client,dir={w.file('client')}",
                         "--image-opts", "-O", "raw", theirs, w.file("copy"))
                img("compare", "-U", "-f", "raw", "-F", "raw", image, w.file("copy"))
        open_to_all = objects[:1] + [objects[1] + ",verify-peer=off"]
        with tls_server(w, s, image, *open_to_all):
            run("nbdinfo", address + w.file("stranger"))
        for wrong in (["--object", f"tls-creds-x509,id=t,endpoint=server,dir={w.file('client')}"],
                      ["--object", f"tls-creds-x509,id=t,endpoint=client,dir={w.file('client')}"],
                      ["--object", "tls-creds-x509,id=t,endpoint=server"], []):
            run(nbd.NBD, *wrong, "--tls-creds=t", "-k", s, "-f", "raw", image, ok=(1,))


@suite.test
def our_server_with_shared_keys():
    need_client()
    need("nbdinfo")
    with Workdir() as w:
        s, image = w.file("s"), raw(w.file("raw"))
        for who, key in ("good", "a" * 64), ("bad", "b" * 64):
            os.mkdir(w.file(who))
            with open(w.file(f"{who}/keys.psk"), "w", encoding="ascii") as f:
                f.write(f"somebody:{key}\n")
        with tls_server(w, s, image, "--object", f"tls-creds-psk,id=t,endpoint=server,dir={w.file('good')}"):
            ours = f"driver=raw,file.driver=nbd,file.path={s},file.tls-creds=c"
            for who, status in ("good", 0), ("bad", 1):
                run("nbdinfo", f"nbds+unix://somebody@/?socket={s}&tls-psk-file={w.file(who)}/keys.psk", ok=(status,))
                run(nbd.NBD, "-L", "--object", f"tls-creds-psk,id=c,dir={w.file(who)},username=somebody",
                    "--tls-creds=c", "-k", s, ok=(status,))
                img("info", "--object", f"tls-creds-psk,id=c,dir={w.file(who)},username=somebody", "--image-opts", ours,
                    ok=(status,))
            # Somebody who begins and says nothing more, or nonsense, holds nobody up.
            for rest in b"", b"\x16\x03\x01\xff\xff" + bytes(100):
                peer = Client(s)
                peer.ask(nbd.STARTTLS)
                peer.s.sendall(rest)
                run("nbdinfo", f"nbds+unix://somebody@/?socket={s}&tls-psk-file={w.file('good')}/keys.psk")
                peer.close()


@suite.test
def a_machine_serves_with_tls():
    need("nbdinfo")
    with Workdir() as w:
        s = w.file("s")
        os.mkdir(w.file("keys"))
        with open(w.file("keys/keys.psk"), "w", encoding="ascii") as f:
            f.write(f"somebody:{'a' * 64}\n")
        with rhea.Machine("-bios", "none", "-S", "-drive", f"file={raw(w.file('raw'))},format=raw,if=none,id=d",
                          qmp=True) as m, m.qmp() as q:
            address = {"type": "unix", "data": {"path": s}}
            try:
                q.command("object-add", **{"qom-type": "tls-creds-psk", "id": "t", "endpoint": "server",
                                           "dir": w.file("keys")})
            except AssertionError as e:
                if "do not speak TLS" in str(e):
                    raise Skip("this build has no GnuTLS") from e
                raise
            try:
                q.command("nbd-server-start", addr=address, **{"tls-creds": "none"})
            except AssertionError as e:
                assert "no TLS credentials" in str(e), e
            else:
                raise RuntimeError("credentials that are not there")
            q.command("nbd-server-start", addr=address, **{"tls-creds": "t"})
            q.command("object-del", id="t")  # the server has its own reference
            q.command("block-export-add", type="nbd", id="e", **{"node-name": "d", "name": "e"})
            run("nbdinfo", f"nbds+unix://somebody@/e?socket={s}&tls-psk-file={w.file('keys')}/keys.psk")
            run("nbdinfo", uri(s, "e"), ok=(1,))
            q.command("nbd-server-stop")


@suite.test
def more_sockets_than_one_are_refused():
    with Workdir() as w:
        done = subprocess.run(["sh", "-c", f"LISTEN_PID=$$ LISTEN_FDS=2 exec {nbd.NBD} -f raw {raw(w.file('raw'))}"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "LISTEN_FDS" in done.stderr, done


@suite.test
def a_connection_that_breaks():
    need_client()
    with Workdir() as w:
        s, image = w.file("s"), raw(w.file("raw"))
        options = f"driver=raw,file.driver=nbd,file.path={s},file.reconnect-delay=60"
        server = subprocess.Popen([nbd.NBD, "-k", s, "-f", "raw", "-t", image])
        wait_for(lambda: os.path.exists(s))
        io = subprocess.Popen([IMG, "io", "--image-opts", options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
        for wait in False, True:
            io.stdin.write("write -P 9 4k 64k\nread -P 9 4k 64k\nlength\n")
            io.stdin.flush()
            if wait:
                server = subprocess.Popen([nbd.NBD, "-k", s, "-f", "raw", "-t", image])
            assert "4 MiB\n" in iter(io.stdout.readline, "")
            if not wait:
                server.kill()
                server.wait()
                os.unlink(s)
        io.stdin.close()
        assert io.wait(60) == 0
        server.terminate()
        server.wait(60)
        assert contents(image)[4096:4096 + 65536] == b"\x09" * 65536
        done = subprocess.run([IMG, "info", uri(s)], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "cannot connect" in done.stderr, done


if __name__ == "__main__":
    sys.exit(suite.run())
