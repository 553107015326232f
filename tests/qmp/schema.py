#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The description of QMP is true: it is complete in itself, commands answer as it says, events are in
it, and what management tools ask first gets answers."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()


def machine(*args, board="virt"):
    return rhea.Machine("-M", board, "-S", "-bios", "none", *args, qmp=True, memory="32M")


class Schema:
    """Entries by name; commands and events apart from types."""

    def __init__(self, entries):
        self.commands = {e["name"]: e for e in entries if e["meta-type"] == "command"}
        self.events = {e["name"]: e for e in entries if e["meta-type"] == "event"}
        self.types = {e["name"]: e for e in entries if e["meta-type"] not in ("command", "event")}
        assert len(self.commands) + len(self.events) + len(self.types) == len(entries), "twice"

    def check(self, name, value, path):
        """Raises unless the value is of the type."""
        t = self.types[name]
        kind = t["meta-type"]
        if kind == "builtin":
            expected = {"string": str, "int": int, "number": (int, float), "boolean": bool,
                        "value": object}[t["json-type"]]
            assert isinstance(value, expected), f"{path}: {value!r} is no {name}"
            assert name != "int" or not isinstance(value, bool), f"{path}: {value!r} is no int"
        elif kind == "enum":
            assert value in t["values"], f"{path}: {value!r} is none of {t['values']}"
        elif kind == "array":
            assert isinstance(value, list), f"{path}: {value!r} is no array"
            for i, item in enumerate(value):
                self.check(t["element-type"], item, f"{path}[{i}]")
        else:
            self.check_object(t, value, path)

    def members(self, t, value):
        found = list(t["members"])
        for variant in t.get("variants", []):
            if variant["case"] == value.get(t["tag"]):
                found += self.members(self.types[variant["type"]], value)
        return {m["name"]: m for m in found}

    def check_object(self, t, value, path):
        assert isinstance(value, dict), f"{path}: {value!r} is no object"
        members = self.members(t, value)
        for name, member in members.items():
            if name in value:
                self.check(member["type"], value[name], f"{path}.{name}")
            else:
                assert "default" in member, f"{path}: {name} is missing"
        assert set(value) <= set(members), f"{path}: {set(value) - set(members)} is not described"

    def lookup(self, path):
        """What libvirt asks: COMMAND/arg-type|ret-type/MEMBER..., '^value' of an enum, '+variant'."""
        name, kind, *rest = path.split("/")
        t = self.types[self.commands[name][kind]]
        for step in rest:
            while t["meta-type"] == "array":
                t = self.types[t["element-type"]]
            if step[0] == "^":
                return step[1:] in t["values"]
            if step[0] == "+":
                found = [v["type"] for v in t.get("variants", []) if v["case"] == step[1:]]
            else:
                found = [m["type"] for m in t["members"] if m["name"] == step]
            if not found:
                return False
            t = self.types[found[0]]
        return True


@suite.test
def description_is_complete():
    with machine() as m, m.qmp() as q:
        s = Schema(q.command("query-qmp-schema"))
        assert {c["name"] for c in q.command("query-commands")} == set(s.commands)
        for c in s.commands.values():
            assert s.types[c["arg-type"]]["meta-type"] == "object", c
            assert c["ret-type"] in s.types, c
        for t in s.types.values():
            refs = [m["type"] for m in t.get("members", []) if "type" in m]
            refs += [v["type"] for v in t.get("variants", [])]
            refs += [t["element-type"]] if t["meta-type"] == "array" else []
            assert all(r in s.types for r in refs), t
            if "tag" in t:
                tag = [m for m in t["members"] if m["name"] == t["tag"]]
                assert set(s.types[tag[0]["type"]]["values"]) == {v["case"] for v in t["variants"]}, t
        assert q.command("query-qmp-schema") == q.command("query-qmp-schema"), "the same each time"


@suite.test
def answers_are_as_described():
    with rhea.scratch() as folder:
        image = os.path.join(folder, "disk")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        with machine("-object", "memory-backend-ram,id=r,size=32M", "-machine", "memory-backend=r",
                     "-smp", "2", "-name", "n", "-netdev", "user,id=u,restrict=on", "-device",
                     "virtio-balloon-device", "-blockdev", f"file,node-name=f,filename={image}",
                     "-device", "virtio-blk-device,drive=f", "-drive",
                     f"file={rhea.OWN_GUEST},format=raw,if=none,id=d,read-only=on") as m, m.qmp() as q:
            s = Schema(q.command("query-qmp-schema"))
            asked = 0
            for name, c in s.commands.items():
                needed = [x for x in s.types[c["arg-type"]]["members"] if "default" not in x]
                if not name.startswith("query-") or needed or name == "query-qmp-schema":
                    continue
                try:
                    answer = q.command(name)
                except AssertionError as e:
                    assert name in ("query-hotpluggable-cpus", "query-vm-generation-id"), e
                    continue
                s.check(c["ret-type"], answer, name)
                asked += 1
            assert asked > 20, asked
            s.check(s.commands["qom-list-types"]["ret-type"],
                    q.command("qom-list-types", abstract=True), "qom-list-types")
            for t in ("virtio-blk-pci", "virt-machine", "rng-random"):
                props = q.command("qom-list-properties", typename=t)
                s.check(s.commands["qom-list-properties"]["ret-type"], props, t)
            names = {p["name"] for p in q.command("device-list-properties", typename="virtio-blk-pci")}
            assert {"queue-size", "drive", "disable-legacy", "addr"} <= names, "its own and the device's"


@suite.test
def people_can_read_it_too():
    with machine() as m, m.qmp() as q:
        text = q.command("human-monitor-command", **{"command-line": "info qmp"})
        lines = text.splitlines()
        assert "query-status -> {running: bool, status: RunState}" in lines, text
        assert "stop" in lines and "SHUTDOWN {guest: bool, reason: ShutdownCause}" in lines
        names = {line.split()[0] for line in lines[:lines.index("Events:")]}
        assert names == {c["name"] for c in q.command("query-commands")}


@suite.test
def events_are_described():
    with machine() as m, m.qmp() as q:
        s = Schema(q.command("query-qmp-schema"))
        found = subprocess.run(["git", "-C", rhea.TOP, "grep", "-hoE", r'event_emit(_cause)?\("[A-Z_]+"',
                                "--", "*.c"], capture_output=True, text=True, check=False).stdout
        names = set(re.findall(r'"(\w+)"', found))
        if not names:
            raise tap.Skip("no git here")
        assert names <= set(s.events), names - set(s.events)
        q.command("cont")
        q.command("system_reset")
        q.command("stop")
        q.command("quit")
        event = q.wait_event("SHUTDOWN")
        for event in q.events + [event]:
            s.check(s.events[event["event"]]["arg-type"], event.get("data", {}), event["event"])


@suite.test
def arguments_are_checked_by_type():
    cases = [
        ("qom-get", {"path": "/machine"}, "Parameter 'property' is missing"),
        ("qom-get", {"path": 1, "property": "x"}, "Invalid parameter type for 'path', expected: string"),
        ("stop", {"x": 1}, "Parameter 'x' is unexpected"),
        ("qom-list-types", {"abstract": "yes"}, "Invalid parameter type for 'abstract', expected: boolean"),
        ("ringbuf-read", {"device": "x", "size": "4"}, "Invalid parameter type for 'size', expected: integer"),
        ("ringbuf-read", {"device": "x", "size": 1, "format": "hex"},
         "Parameter 'format' does not accept value 'hex'"),
        ("set-action", {"reboot": "explode"}, "Parameter 'reboot' does not accept value 'explode'"),
        ("chardev-add", {"id": "c", "backend": {"type": "socket", "data": {}}},
         "Parameter 'backend.data.addr' is missing"),
        ("chardev-add", {"id": "c", "backend": {"type": "null", "data": {"path": "/"}}},
         "Parameter 'backend.data.path' is unexpected"),
        ("chardev-add", {"id": "c", "backend": {"type": "nul", "data": {}}},
         "Parameter 'backend.type' does not accept value 'nul'"),
        ("object-add", {"qom-type": "rng-random", "id": "r", "fliename": "x"},
         "Parameter 'fliename' is unexpected"),
        ("object-add", {"qom-type": "rng-bark", "id": "r"},
         "Parameter 'qom-type' does not accept value 'rng-bark'"),
        ("netdev_add", {"type": "user", "id": "n", "hostfwd": [{"str": 5}]},
         "Invalid parameter type for 'hostfwd[0].str', expected: string"),
        ("qmp_capabilities", {}, "has not been found"),
    ]
    with machine() as m, m.qmp() as q:
        for name, arguments, message in cases:
            q.file.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            q.file.flush()
            answer = json.loads(q.file.readline())
            assert message in answer["error"]["desc"], (name, answer)


@suite.test
def probe_of_a_management_tool():
    """The order in which libvirt asks a machine that has nothing."""
    argv = ["-no-user-config", "-nodefaults", "-nographic"]
    with machine(*argv, board="none") as m, m.qmp() as q:
        assert q.command("query-version")["qemu"]["major"] >= 11
        assert q.command("query-target")["arch"] == "riscv64"
        s = Schema(q.command("query-qmp-schema"))
        assert q.command("query-kvm") == {"enabled": False, "present": False}
        types = {t["name"] for t in q.command("qom-list-types")}
        assert {"virtio-blk-pci", "virtio-net-pci-non-transitional", "virt-machine", "rng-random"} <= types
        for t in sorted(types):
            q.command("qom-list-properties", typename=t)
        machines = {x["name"]: x for x in q.command("query-machines")}
        assert machines["virt"]["is-default"] is True and "none" in machines
        names = {c["name"]: c for c in q.command("query-cpu-definitions")}
        assert names[machines["virt"]["default-cpu-type"].split("-")[0]]["typename"] == \
            machines["virt"]["default-cpu-type"]
        assert q.command("query-tpm-models") == q.command("query-tpm-types") == []
        options = {o["option"]: {p["name"] for p in o["parameters"]}
                   for o in q.command("query-command-line-options")}
        for option, parameter in (("chardev", "logfile"), ("chardev", "reconnect"), ("name", "guest"),
                                  ("name", "debug-threads"), ("drive", "discard"), ("machine", "kernel"),
                                  ("smp", "maxcpus"), ("add-fd", "opaque")):
            assert parameter in options[option], (option, sorted(options[option]))
        for path in ("object-add/arg-type/qom-type/^rng-random", "netdev_add/arg-type/type/^user",
                     "netdev_add/arg-type/+user/hostfwd", "chardev-add/arg-type/backend/+socket/data/reconnect",
                     "query-hotpluggable-cpus/ret-type/props/die-id",
                     "query-named-block-nodes/arg-type/flat", "object-add/arg-type/+rng-random/filename"):
            assert s.lookup(path), path
        assert not s.lookup("object-add/arg-type/qom-type/^bark")
        assert "json-cli-hotplug" in s.commands["device_add"]["features"]
        q.command("quit")
        assert m.wait(20) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
