# SPDX-License-Identifier: MIT
"""A terminal for tests: tmux without anybody attached, a shell in it, and its screen cell by cell."""

import os
import re
import subprocess
import time

import rhea

DEFAULT = -1        # the terminal's own colour


class Tmux:
    """One window; folder is where the server's socket goes."""

    def __init__(self, folder, width=80, height=25, term="tmux-256color", **environment):
        self.base = [rhea.need_tool("tmux"), "-u", "-S", os.path.join(folder, "tmux"), "-f", "/dev/null"]
        env = dict(os.environ, LC_ALL="C.UTF-8", PS1="shell> ", ENV="", SHELL="/bin/sh", **environment)
        subprocess.run(self.base + ["set", "-g", "default-terminal", term, ";", "set", "-g", "status", "off", ";",
                                    "set", "-sg", "escape-time", "0", ";",
                                    "new-session", "-d", "-x", str(width), "-y", str(height), "sh -i"],
                       env=env, check=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.do("kill-server", check=False)

    def do(self, *args, check=True):
        return subprocess.run(self.base + list(args), check=check, capture_output=True, text=True, timeout=60).stdout

    def keys(self, *names):
        """Keys as tmux names them: "a", "F1", "M-x", "C-c", "S-Up"."""
        self.do("send-keys", *names)

    def line(self, text):
        self.do("send-keys", "-l", text)
        self.keys("Enter")

    def resize(self, width, height):
        self.do("resize-window", "-x", str(width), "-y", str(height))

    def show(self, what):
        return self.do("display-message", "-p", what).strip()

    def cursor(self):
        """Column, row and whether it can be seen."""
        x, y, flag = self.show("#{cursor_x} #{cursor_y} #{cursor_flag}").split()
        return int(x), int(y), flag == "1"

    def text(self):
        return self.do("capture-pane", "-p")

    def expect(self, pattern, timeout=60):
        """Waits until the screen has it."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.text()
            found = re.search(pattern, text, re.M)
            if found:
                return found
            assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{text}"
            time.sleep(0.1)

    def wait(self, condition, what, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{what}; the screen:\n{self.text()}"
            time.sleep(0.1)

    def cells(self):
        """Rows of (character, ink, paper, attributes): colours from 0 in ANSI's order, DEFAULT; attributes as
        SGR numbers them."""
        return [cells_of_line(line) for line in self.lines_with_colours()]

    def lines_with_colours(self):
        """Each begins with its own colours; tmux goes on with those of the line before."""
        colours, lines = "", []
        for line in self.do("capture-pane", "-p", "-e", "-N").split("\n"):
            lines.append(colours + line)
            colours += "".join(re.findall(r"\033\[[\d;]*m", line))
        return lines


def apply_sgr(numbers, ink, paper, attributes):
    numbers = [int(n or 0) for n in numbers]
    while numbers:
        n = numbers.pop(0)
        if n == 0:
            ink, paper, attributes = DEFAULT, DEFAULT, set()
        elif n in (38, 48):
            assert numbers.pop(0) == 5
            colour = numbers.pop(0)
            ink, paper = (colour, paper) if n == 38 else (ink, colour)
        elif 30 <= n <= 39:
            ink = n - 30 if n < 38 else DEFAULT
        elif 40 <= n <= 49:
            paper = n - 40 if n < 48 else DEFAULT
        elif 90 <= n <= 97:
            ink = n - 82
        elif 100 <= n <= 107:
            paper = n - 92
        else:
            attributes = attributes | {n}
    return ink, paper, attributes


def cells_of_line(line):
    state, cells = (DEFAULT, DEFAULT, set()), []
    for sgr, shift, char in re.findall(r"\033\[([\d;]*)m|([\016\017])|(.)", line):
        if char:
            cells.append((char, *state))
        elif not shift:
            state = apply_sgr(sgr.split(";"), *state)
    return cells
