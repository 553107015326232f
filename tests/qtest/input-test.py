#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keys and pointers from the monitor to the devices that take them."""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from inputs import ABS, KEY, LED, NAMES, REL, REP, REPORT_END, Events, Ps2, config, device  # noqa: E402
from qtest import PcQtest, Qtest  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402

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


# --- virtio ---

def bits(d, kind):
    data = config(d, 0x11, kind)
    return {i for i in range(8 * len(data)) if data[i // 8] >> i % 8 & 1}


def on_virtio(name, kind, check):
    extra = "pci,addr=2" if kind is virtio.PciModern else "device"
    with Qtest("-device", f"virtio-{name}-{extra},serial=abc", qmp=True) as q, q.qmp() as control:
        d = device(q, name, kind)
        if kind is virtio.PciModern:
            assert d.ids()[0] == 0x1052 and 0 not in d.bars, "no legacy interface"
        assert config(d, 2) == b"abc"
        assert config(d, 3) == struct.pack("<HHHH", 6, 0x0627, 1 + NAMES.index(name), 1)
        for select, subsel in ((0, 0), (1, 1), (3, 9), (0x10, 0), (0x12, 2), (0x77, 1), (0x11, 5)):
            assert config(d, select, subsel) == b"", (select, subsel)
        check(q, control, d)
        q.command("rhea_snapshot")


def keyboard(q, control, d):
    assert {1, 16, 28, 57, 88, 103, 125, 139} <= bits(d, KEY) and 0x110 not in bits(d, KEY)
    assert bits(d, LED) == {0, 1, 2} and config(d, 0x11, REP) == b"\0"
    assert not bits(d, REL) | bits(d, ABS)
    events = Events(d)
    events.give(4)
    control.command("input-send-event", events=[key("a", True), key("a", True), key("b", False)])
    assert events.take(2) == [(KEY, 30, 1), REPORT_END] and events.none()
    control.command("input-send-event", events=[key("a", False), key("shift", True)])
    assert events.take(2) == [(KEY, 30, 0), REPORT_END] and events.none(), "the buffers are used up"
    # One event of the report that waits has no buffer yet: it goes through a snapshot.
    q.command("rhea_snapshot")
    events.give(1)
    assert events.take(1) == [(KEY, 42, 1)]
    q.command("rhea_snapshot")
    events.give(2)
    assert events.take(1) == [REPORT_END] and events.none()
    addr = d.memory.put(struct.pack("<HHi", LED, 1, 1))
    events.status.add([(addr, 8)], [])
    assert events.status.wait()[1] == 0


def mouse(q, control, d):
    assert bits(d, KEY) == set(range(0x110, 0x115)) and bits(d, REL) == {0, 1, 8} and not bits(d, ABS)
    assert hmp(control, "info mice") == "No mouse devices connected", "its driver does not run"
    events = Events(d)
    assert hmp(control, "info mice") == "* Mouse #0: Virtio Mouse"
    events.give(30)
    hmp(control, "mouse_move -3 4 1")
    assert events.take(4) == [(REL, 0, -3), (REL, 1, 4), (REL, 8, -1), REPORT_END]
    hmp(control, "mouse_button 3")
    assert events.take(3) == [(KEY, 0x110, 1), (KEY, 0x112, 1), REPORT_END]
    control.command("input-send-event", events=[button("side", True), button("left", False)])
    assert events.take(4) == [(KEY, 0x113, 1), REPORT_END, (KEY, 0x110, 0), REPORT_END]
    hmp(control, "mouse_move 0 0")
    assert events.none()
    d.status(0)
    assert hmp(control, "info mice") == "No mouse devices connected"


def tablet(q, control, d):
    assert bits(d, ABS) == {0, 1} and bits(d, REL) == {8} and bits(d, KEY) == set(range(0x110, 0x115))
    assert config(d, 0x12, 1) == struct.pack("<IIIII", 0, 0x7fff, 0, 0, 0)
    events = Events(d)
    assert control.command("query-mice")[0]["absolute"] is True
    events.give(40)
    control.command("input-send-event", events=[
        move("abs", "x", 0x7fff), move("abs", "y", 100), button("left", True), button("left", False)])
    place = [(ABS, 0, 0x7fff), (ABS, 1, 100)]
    assert events.take(7) == [*place, (KEY, 0x110, 1), REPORT_END, *place, (KEY, 0x110, 0)]
    assert events.take(1) == [REPORT_END]
    hmp(control, "mouse_button 4")
    assert events.take(4) == [*place, (KEY, 0x111, 1), REPORT_END], "where the pointer is"


for _name, _check in zip(NAMES, (keyboard, mouse, tablet)):
    suite.add(f"virtio-{_name}-mmio", on_virtio, _name, virtio.Mmio, _check)
    suite.add(f"virtio-{_name}-pci", on_virtio, _name, virtio.PciModern, _check)


@suite.test
def the_current_pointer():
    """A tablet comes before mice while its driver runs; mouse_set chooses another."""
    with Qtest("-device", "virtio-tablet-device", "-device", "virtio-mouse-device", qmp=True) as q, \
            q.qmp() as control:
        pointer = Events(device(q, "tablet"))
        relative = Events(device(q, "mouse"))
        assert hmp(control, "info mice").split("\n") == ["* Mouse #0: Virtio Tablet (absolute)",
                                                         "  Mouse #1: Virtio Mouse"]
        for events in (pointer, relative):
            events.give(20)
        hmp(control, "mouse_button 1")
        assert pointer.take(4)[2] == (KEY, 0x110, 1) and relative.none()
        assert "Error" in hmp(control, "mouse_set 5")
        assert hmp(control, "mouse_set 1") == ""
        assert [m["index"] for m in control.command("query-mice")] == [1, 0]
        hmp(control, "mouse_button 2")
        assert relative.take(2) == [(KEY, 0x112, 1), REPORT_END] and pointer.none()
        q.command("rhea_snapshot")


@suite.test
def a_driver_that_sleeps():
    """What waits is bounded, keys that were told are released, and a short buffer is the driver's fault."""
    with Qtest("-device", "virtio-keyboard-device", qmp=True) as q, q.qmp() as control:
        d = device(q, "keyboard")
        events = Events(d)
        for _ in range(3):
            control.command("input-send-event",
                            events=[key(name, down) for name in "qwertyuiop" for down in (True, False)] * 10)
        control.command("input-send-event", events=[key("a", True), key("a", False)])
        q.command("rhea_snapshot")
        pressed, count = set(), 0
        while True:
            events.give(1)
            if events.none():
                break
            kind, code, value = events.take(1)[0]
            count += 1
            if kind == KEY:
                (pressed.add if value else pressed.remove)(code)
        assert 100 < count <= 256 and not pressed, (count, pressed)
        d.status(0)
        again = Events(d)
        again.vq.add([], [(d.memory.take(8), 7)])
        control.command("input-send-event", events=[key("a", True)])
        assert d.get_status() & 64, "NEEDS_RESET"
        q.command("rhea_snapshot")


if __name__ == "__main__":
    sys.exit(suite.run())
