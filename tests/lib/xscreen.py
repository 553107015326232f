# SPDX-License-Identifier: MIT
"""An X screen for tests: Xvfb with a window manager, windows as pictures, keys and pointer by xdotool."""

import os
import re
import struct
import subprocess
import time

import ppm
import rhea


class XScreen:
    """Programs started while it is there open their windows on it."""

    def __init__(self, width=1280, height=1024):
        self.size = width, height
        self.processes = []
        for tool in ("xdotool", "xwd", "evilwm"):
            rhea.need_tool(tool)
        read, write = os.pipe()
        self.start(rhea.need_tool("Xvfb"), "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24",
                   "-nolisten", "tcp", "-noreset", pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as f:
            self.name = ":" + f.readline().strip()
        assert self.name != ":", "Xvfb does not start"
        self.before = {name: os.environ.get(name) for name in ("DISPLAY", "SDL_VIDEODRIVER", "XMODIFIERS")}
        os.environ.update(DISPLAY=self.name, SDL_VIDEODRIVER="x11", XMODIFIERS="@im=none")
        # Ctrl and Alt are not its own, as they would be otherwise.
        self.start("evilwm", "-fn", "fixed", "-snap", "0", "-mask1", "mod4", "-mask2", "mod4")
        self.wait(lambda: self.do("get_num_desktops").strip() not in ("", "0"), "the window manager does not start")

    def start(self, *argv, **kwargs):
        self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL, **kwargs))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def do(self, *args):
        return subprocess.run(("xdotool",) + args, check=False, capture_output=True, text=True, timeout=60).stdout

    def wait(self, condition, what, timeout=100):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, what() if callable(what) else what
            time.sleep(0.1)

    def window(self, title):
        """The one whose title matches; it gets the keys."""
        found = []

        def look():
            found[:] = self.do("search", "--onlyvisible", "--name", title).split()
            return found
        self.wait(look, f"no window is called {title!r}")
        return Window(self, found[0])


class Window:
    def __init__(self, screen, number):
        self.screen, self.number = screen, number
        self.do("windowfocus", "--sync")

    def do(self, command, *args):
        return self.screen.do(command, *(args if args and args[0].startswith("--") else ()), self.number,
                              *(args if not args or not args[0].startswith("--") else ()))

    def title(self):
        return self.do("getwindowname").strip()

    def size(self):
        found = re.search(r"Geometry: (\d+)x(\d+)", self.do("getwindowgeometry"))
        return tuple(map(int, found.groups())) if found else None

    def expect_title(self, pattern):
        self.screen.wait(lambda: re.search(pattern, self.title()), lambda: f"the title is {self.title()!r}")

    def expect_size(self, *size):
        self.screen.wait(lambda: self.size() == size, lambda: f"{self.size()}, not {size}")

    def keys(self, *names):
        """As xdotool names them: "a", "shift+z", "ctrl+alt+f"; to whom has the focus."""
        self.screen.do("key", *names)

    def move(self, x, y):
        """The pointer to a place in the window."""
        self.screen.do("mousemove", "--window", self.number, str(x), str(y))

    def picture(self):
        data = subprocess.run(["xwd", "-silent", "-id", self.number], check=False, capture_output=True,
                              timeout=60).stdout
        if len(data) < 100:
            return None
        header = struct.unpack(">25I", data[:100])
        size, width, height, order, depth, line, colours = (header[i] for i in (0, 4, 5, 7, 11, 12, 19))
        assert depth == 32 and order == 0, header
        at = size + 12 * colours
        rows = []
        for y in range(height):
            row = data[at + y * line:at + y * line + 4 * width]
            rows.append(list(zip(row[2::4], row[1::4], row[0::4])))
        return ppm.Picture(rows)

    def expect_picture(self, wanted):
        """Waits until the window shows wanted(), a picture that may change."""
        seen = []

        def look():
            seen[:] = [self.picture(), wanted()]
            return seen[0] and seen[0].rows == seen[1].rows
        try:
            self.screen.wait(look, "", timeout=30)
        except AssertionError:
            seen[0].same(seen[1], "the window")
            raise
