#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Images on web and FTP servers: that we read what is there, and are not taken in by servers that lie."""
import json
import os
import random
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import rhea
from images import IMG, KIB, MIB, Workdir, img
from tap import Skip, Suite
from web import ftp_server, parts_server

suite = Suite()


def need_curl():
    done = subprocess.run([IMG, "info", "--image-opts", "driver=http"], capture_output=True, text=True, check=False)
    if "not known" in done.stderr:
        raise Skip("this build has no HTTP (libcurl)")


def some_bytes(length):
    return random.Random(length).randbytes(length)


def make(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def fails(part, *argv):
    done = subprocess.run([IMG, *argv], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (1, 2) and part in done.stdout + done.stderr, (argv, done)


@suite.test
def reads_what_is_there():
    need_curl()
    with Workdir() as w:
        data = some_bytes(5 * MIB + 512)
        raw = make(w.file("raw"), data)
        with parts_server({"/base/raw": data, "/empty": b"", "/small": data[:1000]}) as (port, parts):
            where = f"http://127.0.0.1:{port}"
            img("compare", "-q", "-f", "raw", "-F", "raw", raw, f"{where}/base/raw")
            assert max(last - first for _, first, last in parts.asked) < 2 * MIB
            assert sum(last - first + 1 for _, first, last in parts.asked) <= len(data) + 256 * KIB, "read twice"
            img("convert", "-f", "raw", "-O", "qcow2", f"{where}/moved/base/raw", w.file("copy"))
            img("compare", "-q", "-f", "raw", "-F", "qcow2", raw, w.file("copy"))
            assert json.loads(img("info", "--output=json", f"{where}/empty"))["virtual-size"] == 0
            img("io", "-r", "-f", "raw", "-c", "read 0 1000", f"{where}/small")
            parts.asked.clear()
            img("io", "-r", "--image-opts", "-c", "read 1M 512", "-c", "read 1M 4k",
                f"driver=raw,file.driver=http,file.url={where}/base/raw,file.readahead=64k,file.cookie=who=me")
            assert parts.asked == [("/base/raw", 0, 65535), ("/base/raw", MIB, MIB + 65535)], parts.asked
            assert "who=me" in parts.cookies
            fails("can only be read", "io", "-f", "raw", "-c", "write 0 1k", f"{where}/base/raw")
            fails("can only be read", "create", f"{where}/new", "1M")
            fails("404", "info", f"{where}/other")


@suite.test
def chains_that_lie_there():
    need_curl()
    with Workdir() as w:
        img("create", "-q", "-f", "qcow2", w.file("base"), "4M")
        img("io", "-c", "write -P 1 0 1M", w.file("base"))
        img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", w.file("top"))
        img("io", "-c", "write -P 2 1M 1M", w.file("top"))
        files = {}
        for name in "base", "top":
            with open(w.file(name), "rb") as f:
                files[f"/images/{name}"] = f.read()
        with parts_server(files) as (port, _):
            top = f"http://127.0.0.1:{port}/images/top"
            img("io", "-r", "-c", "read -P 1 0 1M", "-c", "read -P 2 1M 1M", "-c", "read -P 0 2M 2M", top)
            img("create", "-q", "-f", "qcow2", "-b", top, "-F", "qcow2", w.file("mine"))
            img("io", "-c", "write -P 3 64k 64k", "-c", "read -P 3 64k 64k", "-c", "read -P 2 1M 1M", w.file("mine"))
            chain = json.loads(img("info", "--output=json", "--backing-chain", w.file("mine")))
            assert [i["filename"] for i in chain][1:] == [top, top.replace("top", "base")], chain


@suite.test
def servers_that_fail_sometimes():
    need_curl()
    with Workdir() as w:
        data = some_bytes(3 * MIB)
        raw = make(w.file("raw"), data)
        with parts_server({"/raw": data}) as (port, parts):
            for behaviour in "busy", "hangs-up":
                parts.behaviour, parts.count = behaviour, 2
                img("compare", "-q", "-f", "raw", "-F", "raw", raw, f"http://127.0.0.1:{port}/raw")


@suite.test
def servers_that_lie():
    need_curl()
    data = some_bytes(3 * MIB)
    with parts_server({"/raw": data}) as (port, parts):
        where = f"http://127.0.0.1:{port}/raw"
        for behaviour, words in (("whole", "does not send parts"), ("shifted", "not send what"), ("long", "not send what"),
                                 ("fewer", "not send what"), ("unknown", "not send what"), ("cuts-off", "not send what"),
                                 ("missing", "404"), ("endless", "not send what")):
            parts.behaviour = behaviour
            fails(words, "info", "-f", "raw", where)
        for behaviour in "growing", "changing", "silent":
            parts.behaviour, parts.count = behaviour, 0
            fails("Input/output error", "io", "-r", "--image-opts", "-c", "read 0 3M",
                  f"driver=raw,file.driver=http,file.url={where},file.timeout=1")
    fails("connect", "info", where)
    for options, words in ((f"driver=http,url=ftp{where[4:]}", "begin with http"), ("driver=http", "begin with http"),
                           (f"driver=http,url={where},readahead=1000", "multiples of 512"),
                           (f"driver=https,url={where}", "begin with https")):
        fails(words, "info", "--image-opts", options + ",read-only=on")
    fails("", "info", f"https://127.0.0.1:{port}/raw")


@suite.test
def images_on_ftp_servers():
    need_curl()
    with Workdir() as w:
        data = some_bytes(MIB + 100)
        raw = make(w.file("raw"), data)
        with ftp_server({"raw": data}) as port:
            img("compare", "-q", "-f", "raw", "-F", "raw", raw, f"ftp://127.0.0.1:{port}/raw")
            fails("ftp", "info", f"ftp://127.0.0.1:{port}/other")


@suite.test
def disks_of_machines():
    need_curl()
    data = some_bytes(MIB)
    with parts_server({"/cd.iso": data}) as (port, _):
        where = f"http://127.0.0.1:{port}/cd.iso"
        with rhea.Machine("-bios", "none", "-S", "-drive", f"file={where},format=raw,if=none,id=r,readonly=on",
                          "-drive", f"file={where},format=raw,if=none,id=s,snapshot=on", "-device",
                          "virtio-blk-device,drive=r", "-device", "virtio-blk-device,drive=s", qmp=True) as m, \
                m.qmp() as q:
            drives = q.command("query-block")
            assert [(d["inserted"]["image"]["virtual-size"], d["inserted"]["ro"]) for d in drives] == \
                [(MIB, True), (MIB, False)], drives
            assert drives[0]["inserted"]["file"] == where
            q.command("blockdev-add", driver="raw", node_name="n", read_only=True,
                      file={"driver": "http", "url": where, "readahead": 65536, "timeout": 10, "sslverify": True})


if __name__ == "__main__":
    sys.exit(suite.run())
