#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 120
"""blockdev-reopen: options and children of nodes that are in use, all changes or none."""
import json
import os
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
import nbdpeer as nbd
from images import MIB, Workdir, img
from nodes import Rig, file_node
from tap import Suite

suite = Suite()
EIO, EPERM = 5, 1


def nodes_of(rig):
    return {n["node-name"]: n for n in rig.q.command("query-named-block-nodes")}


def reopen(rig, *options):
    rig.q.command("blockdev-reopen", options=list(options))


def refused(rig, part, *options):
    rig.refused(part, "blockdev-reopen", options=list(options))


def top(w, **more):
    return dict({"driver": "qcow2", "node-name": "n", "file": file_node(w.file("top")), "backing": "b"}, **more)


def chain(w):
    """An image n over b, whose file has the name bf; another one, o."""
    img("create", "-q", "-f", "qcow2", w.file("base"), "8M")
    img("io", "-c", "write -P 7 0 1M", w.file("base"))
    img("create", "-q", "-f", "qcow2", "-b", w.file("base"), "-F", "qcow2", w.file("top"))
    img("create", "-q", "-f", "qcow2", w.file("other"), "8M")
    img("io", "-c", "write -P 9 0 1M", w.file("other"))
    return [dict(file_node(w.file("base")), **{"node-name": "bf", "read-only": True}),
            {"driver": "qcow2", "node-name": "b", "file": "bf", "read-only": True},
            {"driver": "qcow2", "node-name": "o", "file": file_node(w.file("other")), "read-only": True}, top(w)]


def first_byte(client):
    client.send(nbd.READ, 0, 512)
    return b"".join(d[8:] for kind, d in client.chunks() if kind == 1)[:1]


@suite.test
def what_is_refused():
    with Workdir() as w, Rig(w, *chain(w)) as r:
        refused(r, "node-name not specified", {"driver": "qcow2"})
        refused(r, "node-name='x'", {"driver": "qcow2", "node-name": "x"})
        refused(r, "option 'driver'", top(w, driver="raw"))
        refused(r, "backing is missing for 'n'", {k: v for k, v in top(w).items() if k != "backing"})
        refused(r, "file is missing for 'n'", {k: v for k, v in top(w).items() if k != "file"})
        refused(r, "option 'filename'", top(w, file=file_node(w.file("base"))))
        refused(r, "another file would be another qcow2 image", top(w, file="bf"))
        refused(r, "node-name='zz'", top(w, file="zz"))
        refused(r, "would create a cycle", top(w, backing="n"))
        refused(r, "option 'zork'", top(w, zork=1))
        refused(r, "named twice", top(w), top(w))
        refused(r, "option 'locking'", top(w, file=dict(file_node(w.file("top")), locking="off")))
        refused(r, "option 'node-name'", top(w, file=dict(file_node(w.file("top")), **{"node-name": "y"})))
        reopen(r, top(w))


@suite.test
def another_backing_file():
    with Workdir() as w, Rig(w, *chain(w)) as r:
        c = r.export()
        assert first_byte(c) == b"\7"
        reopen(r, top(w, backing="o"))
        assert first_byte(c) == b"\t"
        r.q.command("blockdev-del", node_name="b")
        r.refused("in use", "blockdev-del", node_name="o")
        reopen(r, top(w, backing=None))
        assert first_byte(c) == b""  # a hole
        r.q.command("blockdev-del", node_name="o")


@suite.test
def read_only_and_cache():
    with Workdir() as w, Rig(w, *chain(w)) as r:
        base = {"driver": "qcow2", "node-name": "b", "file": "bf"}
        file = dict(file_node(w.file("base")), **{"node-name": "bf"})
        # The file below must become writable, too.
        reopen(r, base, file)
        assert not nodes_of(r)["b"]["ro"] and not nodes_of(r)["bf"]["ro"]
        refused(r, "is written to by 'b'", dict(file, **{"read-only": True}))
        reopen(r, dict(file, **{"read-only": True}), dict(base, **{"read-only": True}))
        assert nodes_of(r)["b"]["ro"] and nodes_of(r)["bf"]["ro"]
        c = r.export()
        refused(r, "in use by", top(w, **{"read-only": True}))
        cache = {"direct": True, "no-flush": True}
        reopen(r, top(w, cache=cache, **{"detect-zeroes": "unmap", "discard": "unmap"}))
        assert nodes_of(r)["n"]["cache"] == dict(cache, writeback=True), nodes_of(r)["n"]
        assert c.error(nbd.WRITE, 0, MIB, b"x" * MIB) == 0
        reopen(r, top(w))
        assert not nodes_of(r)["n"]["cache"]["direct"]
        assert first_byte(c) == b"x"
        c.close()
        r.q.command("block-export-del", id="e", mode="hard")
        r.q.wait_event("BLOCK_EXPORT_DELETED")
        reopen(r, top(w, **{"read-only": True}))
        r.refused("read-only", "block-export-add", type="nbd", id="f", node_name="n", name="f", writable=True)
        # The tool may have it for reading now, and only then.
        img("info", w.file("top"))


@suite.test
def all_or_none():
    with Workdir() as w, Rig(w, *chain(w)) as r:
        c = r.export()
        raw = dict(file_node(w.file("base")), **{"node-name": "bf", "read-only": False})
        img("create", "-q", "-f", "raw", w.file("raw"), "8M")
        r.q.command("blockdev-add", driver="raw", node_name="part", file=file_node(w.file("raw")))
        before = nodes_of(r)
        refused(r, "reach beyond", top(w, backing="o", cache={"no-flush": True}),
                {"driver": "qcow2", "node-name": "b", "file": "bf"}, raw,
                {"driver": "raw", "node-name": "part", "file": file_node(w.file("raw")), "offset": 16 * MIB})
        after = nodes_of(r)
        assert before == after, (before, after)
        assert first_byte(c) == b"\7"


@suite.test
def a_part_of_a_file():
    with Workdir() as w:
        img("create", "-q", "-f", "raw", w.file("d"), "8M")
        img("io", "-f", "raw", "-c", "write -P 5 1M 1M", w.file("d"))
        node = {"driver": "raw", "node-name": "n", "file": file_node(w.file("d"))}
        with Rig(w, node) as r:
            reopen(r, dict(node, offset=MIB, size=2 * MIB))
            assert nodes_of(r)["n"]["image"]["virtual-size"] == 2 * MIB
            assert first_byte(r.export()) == b"\5"
            reopen(r, node)
            assert nodes_of(r)["n"]["image"]["virtual-size"] == 8 * MIB


@suite.test
def filters_come_and_go():
    for fmt in "qcow2", "vdi", "raw":
        filter_comes_and_goes(fmt)


def filter_comes_and_goes(fmt):
    """Errors between an image and its file, limits of one group and then of another, and gone again."""
    with Workdir() as w:
        img("create", "-q", "-f", fmt, w.file("d"), "8M")
        nodes = [dict(file_node(w.file("d")), **{"node-name": "f"}), {"driver": fmt, "node-name": "n", "file": "f"}]
        rules = {"driver": "blkdebug", "node-name": "e", "image": "f",
                 "inject-error": [{"event": "write_aio", "iotype": "write", "once": True}]}
        limits = {"driver": "throttle", "node-name": "t", "throttle-group": "g", "file": "f"}
        with Rig(w, *nodes, args=["-object", "throttle-group,id=g", "-object", "throttle-group,id=h"]) as r:
            c = r.export()
            r.q.command("blockdev-add", **rules)
            r.q.command("blockdev-add", **limits)
            # Nobody writes past the one who does.
            r.refused("is written to by n", "block-export-add", type="nbd", id="x", node_name="t", name="x",
                      writable=True)
            refused(r, "option 'inject-error.0.event'",
                    dict(rules, **{"inject-error": [{"event": "read_aio", "iotype": "write"}]}))
            reopen(r, {"driver": fmt, "node-name": "n", "file": "e"})
            assert c.error(nbd.WRITE, 0, MIB, b"x" * MIB) == EIO
            reopen(r, {"driver": fmt, "node-name": "n", "file": "t"})
            r.q.command("blockdev-del", node_name="e")
            assert c.error(nbd.WRITE, 0, MIB, b"x" * MIB) == 0
            refused(r, "group 'x' does not exist", dict(limits, **{"throttle-group": "x"}))
            reopen(r, dict(limits, **{"throttle-group": "h"}))
            r.refused("in use", "blockdev-del", node_name="t")
            reopen(r, {"driver": fmt, "node-name": "n", "file": "f"})
            r.q.command("blockdev-del", node_name="t")
            assert c.error(nbd.WRITE, 2 * MIB, MIB, b"y" * MIB) == 0
            c.close()
            r.end()
        if fmt != "raw":
            img("check", "-q", "-f", fmt, w.file("d"))
        img("io", "-f", fmt, "-c", "read -P 120 0 1M", "-c", "read -P 121 2M 1M", w.file("d"))


@suite.test
def commit_at_once():
    """HMP's commit: the image's data moves down, and the image is empty."""
    with Workdir() as w:
        chain(w)
        img("create", "-q", "-f", "qcow2", "-b", w.file("base"), "-F", "qcow2", w.file("longer"), "16M")
        img("io", "-c", "write -P 3 2M 1M", "-c", "write -P 4 15M 1M", w.file("longer"))
        args = ["-drive", f"file={w.file('longer')},if=none,id=d", "-drive", f"file={w.file('other')},if=none,id=e"]
        with Rig(w, args=args) as r:
            def hmp(line):
                return r.q.command("human-monitor-command", command_line=line)

            assert "Cannot find" in hmp("commit x")
            assert "has no backing file" in hmp("commit e")
            assert hmp("commit d") == ""
            c = r.export("d")
            assert c.error(nbd.WRITE, 0, MIB, b"x" * MIB) == 0
            said = hmp("commit all")
            assert said == "", said
            c.close()
            r.end()
        have = json.loads(img("map", "--output=json", w.file("longer")))
        assert all(e["depth"] for e in have), have
        img("io", "-c", "read -P 120 0 1M", "-c", "read -P 3 2M 1M", "-c", "read -P 4 15M 1M", w.file("base"))


if __name__ == "__main__":
    sys.exit(suite.run())
