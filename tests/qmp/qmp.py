#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""QMP: greeting, negotiation, commands, events, and what hostile peers send."""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()


def machine(*args):
    return rhea.Machine("-S", "-bios", "none", *args, qmp=True, memory="32M")


class Raw:
    """A QMP connection without a client's manners."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.file = self.sock.makefile("rb")
        self.greeting = self.read()

    def send(self, data):
        self.sock.sendall(data)

    def read(self):
        return json.loads(self.file.readline())

    def ask(self, data):
        self.send(data)
        return self.read()

    def close(self):
        self.file.close()
        self.sock.close()


@suite.test
def greeting_and_version():
    with machine() as m, m.qmp() as q:
        version = q.greeting["QMP"]["version"]
        assert version["qemu"]["major"] >= 11, version
        assert q.command("query-version") == version
        assert q.greeting["QMP"]["capabilities"] == []


@suite.test
def status_and_events():
    with machine() as m, m.qmp() as q:
        assert q.command("query-status") == {"running": False, "status": "prelaunch"}
        q.command("cont")
        assert q.command("query-status") == {"running": True, "status": "running"}
        event = q.wait_event("RESUME")
        assert event["timestamp"]["seconds"] > 1600000000, event
        q.command("stop")
        q.wait_event("STOP")
        assert q.command("query-status") == {"running": False, "status": "paused"}
        q.command("system_reset")
        reset = q.wait_event("RESET")
        assert reset["data"] == {"guest": False, "reason": "host-qmp-system-reset"}, reset
        q.command("quit")
        shutdown = q.wait_event("SHUTDOWN")
        assert shutdown["data"] == {"guest": False, "reason": "host-qmp-quit"}, shutdown
        assert m.wait(20) == 0


@suite.test
def objects():
    with machine("-smp", "2") as m, m.qmp() as q:
        names = {c["name"] for c in q.command("qom-list", path="/machine")}
        assert {"peripheral", "peripheral-anon", "unattached"} <= names, names
        cpus = q.command("query-cpus-fast")
        assert [c["cpu-index"] for c in cpus] == [0, 1], cpus
        path = cpus[1]["qom-path"]
        assert q.command("qom-get", path=path, property="hartid") == 1
        assert q.command("qom-get", path=path, property="realized") is True
        types = {t["name"] for t in q.command("qom-list-types")}
        assert {"virt-machine", "tci-accel"} <= types, sorted(types)
        props = {p["name"] for p in q.command("device-list-properties", typename="serial-mm")}
        assert "chardev" in props, props
        machines = {i["name"] for i in q.command("query-machines")}
        assert {"virt", "none"} <= machines, machines
        output = q.command("human-monitor-command", command_line="info status")
        assert output.startswith("VM status: paused"), output


@suite.test
def id_is_echoed_and_errors_have_a_class():
    with machine() as m:
        m.qmp().sock.close()
    with machine() as m:
        q = m.qmp()
        q.file.close()
        q.sock.close()
        raw = Raw(m.qmp_path)
        before = raw.ask(b'{"execute": "query-status"}')
        assert before["error"]["class"] == "CommandNotFound", before
        assert raw.ask(b'{"execute": "qmp_capabilities", "id": [1, {"a": "b"}]}') == \
            {"return": {}, "id": [1, {"a": "b"}]}
        unknown = raw.ask(b'{"execute": "no-such", "id": 9223372036854775807}')
        assert unknown["error"]["class"] == "CommandNotFound", unknown
        assert unknown["id"] == 9223372036854775807, unknown
        lost = raw.ask(b'{"execute": "qom-get", "arguments": {"path": "/x", "property": "y"}}')
        assert lost["error"]["class"] == "DeviceNotFound", lost
        missing = raw.ask(b'{"execute": "qom-get", "arguments": {"path": "/x"}}')
        assert missing["error"]["desc"] == "Parameter 'property' is missing", missing
        extra = raw.ask(b'{"execute": "stop", "arguments": {"now": true}}')
        assert extra["error"]["desc"] == "Parameter 'now' is unexpected", extra
        kind = raw.ask(b'{"execute": "qom-list", "arguments": {"path": 7}}')
        assert "expected: string" in kind["error"]["desc"], kind
        raw.close()


@suite.test
def garbage_is_answered():
    rounds = [
        b"hello there\n", b"}\n", b"[1, 2, 3]\n", b"{\n}\n", b'{"execute": 5}\n',
        b'{"execute": "stop", "arguments": []}\n', b'{"execute" "stop"}\n', b"\xff\xfe\x00\n",
        b'{"a": "\xff"}\n', b"[" * 100000 + b"\n", b'{"a":' * 1000 + b"\n", b'{"x": nul}\n',
        b'{"execute": "stop", "control": 1}\n',
    ]
    with machine() as m:
        q = m.qmp()
        q.file.close()
        q.sock.close()
        raw = Raw(m.qmp_path)
        assert raw.ask(b'{"execute": "qmp_capabilities"}') == {"return": {}}
        for data in rounds:
            answer = raw.ask(data)
            assert "error" in answer, (data[:40], answer)
        # And it still works, also byte by byte and several in one packet.
        for byte in b'{"execute": "query-status"}':
            raw.send(bytes([byte]))
        assert raw.read()["return"]["status"] == "prelaunch"
        raw.send(b'{"execute": "query-name"}{"execute": "query-uuid"}')
        assert raw.read() == {"return": {}}
        assert "UUID" in raw.read()["return"]
        raw.close()


@suite.test
def peers_come_and_go():
    with machine() as m:
        for _ in range(20):
            with m.qmp() as q:
                q.file.write(b'{"execute": "que')
                q.file.flush()
        with m.qmp() as q:
            assert q.command("query-status")["status"] == "prelaunch"


if __name__ == "__main__":
    sys.exit(suite.run())
