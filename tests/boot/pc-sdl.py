#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""-display sdl in a window under Xvfb: the picture dot by dot, keys, shortcuts, sizes, title, close."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from pc import assemble, write  # noqa: E402
import ppm  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
from xscreen import XScreen  # noqa: E402

suite = tap.Suite()


class Sdl:
    """A PC that boots tests/boot/colours.S in a window."""

    def __init__(self, *args, display="sdl", name="guest"):
        rhea.need_file("/usr/share/seabios/vgabios-stdvga.bin", "seabios")
        self.holder = rhea.scratch()
        self.folder = self.holder.__enter__()
        self.screen = XScreen()
        disk = write(self.folder, "disk", assemble(self.folder, "colours.S"), 1 << 20)
        self.serial = os.path.join(self.folder, "serial")
        self.qmp_path = os.path.join(self.folder, "qmp")
        self.process = subprocess.Popen(
            [rhea.emulator(), "-M", "pc", "-m", "16", "-nic", "none", "-display", display, "-name", name, "-drive",
             f"file={disk},format=raw", "-device", "isa-debug-exit", "-serial", f"file:{self.serial}", "-qmp",
             f"unix:{self.qmp_path},server=on,wait=off", *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        self.screen.wait(lambda: os.path.exists(self.qmp_path), "the machine does not start")
        self.qmp = rhea.Qmp(self.qmp_path)
        self.window = self.screen.window("^Rhea")
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.screen.__exit__(*exc)
        self.holder.__exit__(*exc)

    def shown(self):
        return ppm.screendump(self.qmp, self.folder)

    def drawn(self):
        """The sector has drawn, and the window shows it."""
        self.screen.wait(lambda: len(self.shown().colours()) == 16, "the sector does not draw")
        # The cursor stands still for the comparison.
        self.qmp.command("stop")
        self.window.expect_picture(self.shown)
        self.qmp.command("cont")

    def typed(self, *names, code):
        """Keys until the guest has read this."""
        self.window.keys(*names)

        def read():
            with open(self.serial, encoding="ascii") as f:
                return f.read()
        self.screen.wait(lambda: read().endswith(code), lambda: f"{names}: {read()!r}")

    def ended(self, status):
        assert self.process.wait(60) == status, self.process.stderr.read()


@suite.test
def picture_keys_and_title():
    with Sdl() as m:
        m.drawn()
        assert m.window.size() == (720, 400)
        m.window.expect_title(r"^Rhea \(guest\)$")
        m.typed("a", "shift+z", "F1", "Up", "ctrl+c", code="1e612c5a3b0048e02e03")
        m.qmp.command("stop")
        m.window.expect_title(r"^Rhea \(guest\) \[Paused\]$")
        m.qmp.command("cont")
        m.window.expect_title(r"^Rhea \(guest\)$")
        m.window.keys("F9")
        m.window.expect_size(640, 480)
        m.window.keys("F10")
        m.ended(2 * 4 + 1)


@suite.test
def sizes():
    """Larger, smaller, full screen; and as it was."""
    with Sdl() as m:
        m.drawn()
        m.window.keys("ctrl+alt+equal")
        m.window.expect_size(770, 427)
        m.window.keys("ctrl+alt+minus", "ctrl+alt+minus")
        m.window.expect_size(670, 372)
        m.window.keys("ctrl+alt+u")
        m.window.expect_size(720, 400)
        m.drawn()
        m.window.keys("ctrl+alt+f")
        m.window.expect_size(1280, 1024)
        # 1280 by 711, in the middle.
        m.screen.wait(lambda: all(156 <= n < 200 for n in bars(m.window.picture())), "no bars above and below")
        m.window.keys("ctrl+alt+f")
        m.window.expect_size(720, 400)
        m.drawn()
        m.window.do("windowsize", "1080", "600")
        m.window.expect_size(1080, 600)
        m.screen.wait(lambda: bars(m.window.picture())[0] < 30, "it is not scaled")
        m.typed("x", code="2d78")


def bars(picture):
    """How many rows are black above and below."""
    full = [any(p != (0, 0, 0) for p in row) for row in picture.rows]
    return full.index(True), full[::-1].index(True)


@suite.test
def consoles():
    """Ctrl-Alt-2 is the monitor, where one can type."""
    with Sdl() as m:
        m.drawn()
        m.typed("a", code="1e61")
        m.window.keys("ctrl+alt+2")
        m.window.expect_size(640, 384)
        m.screen.wait(lambda: m.window.picture().colours() == {(0, 0, 0), (0xaa,) * 3}, "no text console")
        m.window.keys("ctrl+alt+1")
        m.window.expect_size(720, 400)
        m.typed("b", code="3062")
        m.window.keys("ctrl+alt+2")
        m.window.expect_size(640, 384)
        m.window.keys("s", "t", "o", "x", "BackSpace", "p", "Return")
        m.window.expect_title("Paused")
        m.window.keys("q", "u", "i", "t", "Return")
        m.ended(0)


@suite.test
def grab():
    """A click takes a relative pointer, the shortcut lets it go."""
    with Sdl() as m:
        m.drawn()
        m.window.move(100, 100)
        m.screen.do("click", "1")
        m.window.expect_title("Press Ctrl-Alt-G to release the pointer$")
        m.window.keys("ctrl+alt+g")
        m.window.expect_title(r"^Rhea \(guest\)$")


@suite.test
def other_grab_keys():
    with Sdl(display="sdl,grab-mod=rctrl") as m:
        m.drawn()
        m.window.keys("Control_R+2")
        m.window.expect_size(640, 384)
        m.window.keys("Control_R+g")
        m.window.expect_title("Press Right-Ctrl-G")


@suite.test
def full_screen_from_the_start():
    for options in ({"display": "sdl,full-screen=on"}, {"args": ["-full-screen"]}):
        with Sdl(*options.pop("args", []), **options) as m:
            m.window.expect_size(1280, 1024)
            assert m.qmp.command("query-display-options") == {"type": "sdl", "full-screen": True}


@suite.test
def close():
    """The window manager's close ends the machine, unless it must not."""
    with Sdl() as m:
        m.drawn()
        m.window.move(100, 100)
        m.window.keys("super+Escape")
        m.ended(0)
    with Sdl(display="sdl,window-close=off") as m:
        m.drawn()
        m.window.move(100, 100)
        m.window.keys("super+Escape")
        m.typed("x", code="2d78")
        assert m.process.poll() is None


def refused(display, message, **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([rhea.emulator(), "-M", "none", "-display", display], env=dict(env, **environment),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


@suite.test
def a_window_is_not_forked():
    with Sdl() as m:
        said = m.qmp.command("human-monitor-command", command_line="fork")
        assert "'-display sdl' belongs to one process" in said, said


@suite.test
def errors():
    refused("sdl", "-display sdl: no window can be opened", SDL_VIDEODRIVER="x11")
    refused("sdl,gl=on", "gl")
    refused("sdl,grab-mod=super", "lshift-lctrl-lalt")
    refused("sdl,fullscreen=on", "did you mean 'full-screen'")
    refused("sdk", "did you mean 'sdl'")


sys.exit(suite.run())
