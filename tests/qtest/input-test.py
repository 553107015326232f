#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keys and pointers from the monitor to the devices that take them."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def hmp(control, line):
    return control.command("human-monitor-command", **{"command-line": line}).strip()


def fails(control, message, *events):
    try:
        control.command("input-send-event", events=list(events))
    except AssertionError as e:
        assert message in str(e), e
        return
    raise AssertionError(f"{events} are accepted")


def button(name, down):
    return {"type": "btn", "data": {"button": name, "down": down}}


def move(kind, axis, value):
    return {"type": kind, "data": {"axis": axis, "value": value}}


def key(name, down):
    return {"type": "key", "data": {"key": {"type": "qcode", "data": name}, "down": down}}


class Ps2:
    """The PC's keyboard and mouse with reports switched on."""

    def __init__(self, q):
        self.q = q
        for value in (0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf4):
            q.out(0x64, 0xd4)
            q.out(0x60, value)
        q.out(0x60, 0xf4)
        self.bytes()

    def bytes(self):
        got = []
        while self.q.inp(0x64) & 1:
            got.append(self.q.inp(0x60))
        return got


@suite.test
def relative_pointer():
    """mouse_move and mouse_button; a click is told where the pointer was then."""
    with PcQtest(qmp=True) as q, q.qmp() as control:
        ps2 = Ps2(q)
        assert hmp(control, "info mice") == "* Mouse #0: PS/2 mouse"
        assert control.command("query-mice") == [
            {"name": "PS/2 mouse", "index": 0, "current": True, "absolute": False}]
        assert hmp(control, "mouse_move 5 3") == ""
        assert ps2.bytes() == [0x28, 5, 0xfd, 0]
        assert hmp(control, "mouse_button 5") == ""
        assert ps2.bytes() == [0x0b, 0, 0, 0], "left and right"
        hmp(control, "mouse_move 0 0 1")
        assert ps2.bytes() == [0x0b, 0, 0, 1], "the buttons stay, the wheel turns"
        hmp(control, "mouse_button 0")
        assert ps2.bytes() == [0x08, 0, 0, 0]
        control.command("input-send-event", events=[
            move("rel", "x", 7), move("rel", "y", -2), button("middle", True), move("rel", "x", 1)])
        assert ps2.bytes() == [0x0c, 7, 2, 0, 0x0c, 1, 0, 0]
        control.command("input-send-event", events=[button("middle", False), button("wheel-up", True),
                                                    button("wheel-up", False)])
        assert ps2.bytes() == [0x08, 0, 0, 0, 0x08, 0, 0, 0xff, 0x08, 0, 0, 0]
        for line in ("mouse_move 1", "mouse_move 1 2 3 4", "mouse_move a b", "mouse_move 99999 0",
                     "mouse_button 8", "mouse_button", "mouse_set 7", "mouse_set x"):
            assert "Error" in hmp(control, line), line
        assert hmp(control, "mouse_set 0") == ""
        assert not ps2.bytes()


@suite.test
def key_events():
    """Keys through input-send-event; nothing is sent when one event of the list is wrong."""
    with PcQtest(qmp=True) as q, q.qmp() as control:
        ps2 = Ps2(q)
        control.command("input-send-event", events=[key("a", True), key("a", False)])
        # Set 2 unless the controller translates, which firmware switches on.
        assert ps2.bytes() in ([0x1e, 0x9e], [0x1c, 0xf0, 0x1c])
        fails(control, "nokey", key("a", True), key("nokey", True))
        fails(control, "axis", move("rel", "z", 1))
        fails(control, "'value' must be", move("abs", "x", 0x8000))
        fails(control, "'value' must be", move("abs", "x", -1))
        fails(control, "button", button("fourth", True))
        fails(control, "an event is", {"type": "key", "data": {"down": True}})
        fails(control, "an event is", {"type": "mtt", "data": {}})
        fails(control, "an event is", 5)
        fails(control, "at most", *[key("a", True)] * 1025)
        assert not ps2.bytes()
        # There is nobody for places on the screen.
        control.command("input-send-event", events=[move("abs", "x", 5)])
        assert not ps2.bytes()


if __name__ == "__main__":
    sys.exit(suite.run())
