#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pointer in the window of -display sdl, under Xvfb, as devices get it."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from inputs import ABS, KEY, REPORT_END, Events, Ps2, device  # noqa: E402
from qtest import PcQtest, Qtest  # noqa: E402
import tap  # noqa: E402
from xscreen import XScreen  # noqa: E402

suite = tap.Suite()


def moved(data):
    """The sum of the movements in packets of a PS/2 mouse with a wheel, and their buttons."""
    x = y = 0
    for at in range(0, len(data) - 3, 4):
        flags, dx, dy, _wheel = data[at:at + 4]
        x += dx - 256 * (flags >> 4 & 1)
        y += dy - 256 * (flags >> 5 & 1)
    return x, y, [p & 7 for p in data[0::4]]


@suite.test
def relative_pointer():
    """Nothing before the click that grabs it, movements and buttons after, and nothing after the release."""
    with XScreen() as screen, PcQtest("-display", "sdl") as q:
        window = screen.window("^Rhea")
        ps2 = Ps2(q)
        window.move(300, 200)
        window.move(310, 200)
        screen.do("click", "1")
        window.expect_title("Press")
        assert not ps2.bytes()
        screen.do("mousemove_relative", "--sync", "--", "7", "-4")
        got = []

        def arrived(count):
            got.extend(ps2.bytes())
            return len(got) >= 4 * count
        screen.wait(lambda: arrived(1), "no movement")
        x, y, buttons = moved(got)
        assert x > 0 and y > 0 and not any(buttons), got
        del got[:]
        screen.do("click", "3")
        screen.wait(lambda: arrived(2), "no button")
        assert moved(got)[2][-2:] == [2, 0], got
        window.keys("ctrl+alt+g")
        window.expect_title("^Rhea$")
        ps2.bytes()
        window.move(100, 100)
        window.move(120, 120)
        assert not ps2.bytes()


@suite.test
def absolute_pointer():
    """Places in the window are places on the screen, and there is no grab."""
    with XScreen() as screen, Qtest("-device", "virtio-tablet-device", "-device", "bochs-display", "-display",
                                    "sdl") as q:
        window = screen.window("^Rhea")
        window.expect_size(640, 480)
        events = Events(device(q, "tablet"))
        events.give(40)
        window.move(10, 10)
        window.move(639, 479)
        seen = []

        def wait_for(*wanted):
            screen.wait(lambda: found(wanted), lambda: f"no {wanted} in {seen}")

        def found(wanted):
            while not events.none():
                seen.extend(events.take(1))
            return all(w in seen for w in wanted)
        wait_for((ABS, 0, 0x7fff), (ABS, 1, 0x7fff), REPORT_END)
        del seen[:]
        window.move(0, 240)
        wait_for((ABS, 0, 0), (ABS, 1, 0x7fff * 240 // 479))
        screen.do("click", "1")
        wait_for((KEY, 0x110, 1), (KEY, 0x110, 0))
        assert window.title() == "Rhea"


sys.exit(suite.run())
