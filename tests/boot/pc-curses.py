#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""-display curses in a terminal (tmux): what a boot sector draws in all colours, keys, sizes, and the shell's
terminal as it was after every kind of end."""

import os
import shlex
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from pc import assemble, write  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
from tmux import Tmux  # noqa: E402

suite = tap.Suite()
CP437 = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼" + bytes(range(32, 127)).decode() + "⌂" + \
    bytes(range(128, 256)).decode("cp437")
STTY = "stty -g | md5sum | sed s/^/state=/"


class Curses(Tmux):
    """A PC that boots the sector, started from the shell."""

    def __init__(self, *args, accel="tcg", **kwargs):
        rhea.need_file("/usr/share/seabios/vgabios-stdvga.bin", "seabios")
        self.holder = rhea.scratch()
        self.folder = self.holder.__enter__()
        disk = write(self.folder, "disk", assemble(self.folder, "colours.S"), 1 << 20)
        self.qmp_path = os.path.join(self.folder, "qmp")
        self.pidfile = os.path.join(self.folder, "pid")
        self.command = shlex.join([
            rhea.emulator(), "-M", "pc", "-m", "16", "-nic", "none", "-accel", accel, "-display", "curses",
            "-drive", f"file={disk},format=raw", "-device", "isa-debug-exit", "-pidfile", self.pidfile,
            "-qmp", f"unix:{self.qmp_path},server=on,wait=off", *args])
        super().__init__(self.folder, **kwargs)

    def __enter__(self):
        self.expect("^shell>")
        self.line(f"{STTY}; {self.command}; echo status=$?; {STTY}")
        self.wait(lambda: os.path.exists(self.qmp_path), "the machine does not start")
        return self

    def __exit__(self, *exc):
        try:
            os.kill(self.pid(), signal.SIGKILL)
        except (OSError, ValueError):
            pass
        super().__exit__(*exc)
        self.holder.__exit__(*exc)

    def pid(self):
        with open(self.pidfile, encoding="ascii") as f:
            return int(f.read())

    def drawn(self):
        """The sector has drawn its screen."""
        self.wait(lambda: self.text().startswith(" ☺☻♥♦♣♠•◘○"), "the sector does not draw")

    def ended(self, status):
        """The shell goes on, on its old screen and with its old settings."""
        self.expect(rf"status={status}$")
        self.expect(r"(?s)state=(\w+) .*status=.*state=\1 ")
        assert "☺☻♥♦" not in self.text()
        assert self.cursor()[2], "the cursor is hidden"
        assert self.show("#{alternate_on}") == "0"


def ansi(vga):
    """IBM counts blue, green, red; ANSI the other way round."""
    return (vga & 1) << 2 | (vga & 2) | (vga >> 2 & 1) | (vga & 8)


def cell_differs(seen, n, sixteen):
    char, ink, paper, attributes = seen
    attribute = n // 7 & 0xff
    want_ink, want_paper, bold = ansi(attribute & 15), ansi(attribute >> 4), False
    if not sixteen:
        want_ink, want_paper, bold = want_ink & 7, want_paper & 7, want_ink & 8 != 0
    if not sixteen and (want_ink, want_paper) == (7, 0):
        ink, paper = (7 if ink < 0 else ink), (0 if paper < 0 else paper)
    want = (CP437[n & 0xff], want_ink, want_paper, bold)
    return None if (char, ink, paper, 1 in attributes) == want else (seen, want)


def colours(term):
    with Curses(term=term) as t:
        t.drawn()
        t.wait(lambda: "".join(t.text().split("\n")[23:24]).endswith(CP437[127]), "the sector does not draw all")
        rows = t.cells()
        for n in range(24 * 80):
            if CP437[n & 0xff] not in " \xa0" or term != "screen":
                wrong = cell_differs(rows[n // 80][n % 80], n, term != "screen")
                assert not wrong, f"cell {n % 80},{n // 80}: {wrong[0]}, not {wrong[1]}"
        assert t.cursor() == (0, 24, True)


suite.add("colours-16", colours, "tmux-256color")
suite.add("colours-8", colours, "screen")


KEYS = {"a": "1e61", "Z": "2c5a", "%": "0625", "Enter": "1c0d", "Escape": "011b", "Tab": "0f09", "BSpace": "0e08",
        "C-c": "2e03", "C-z": "2c1a", "F1": "3b00", "F12": "8600", "S-F3": "5600", "C-F3": "6000", "M-F3": "6a00",
        "Up": "48e0", "PageDown": "51e0", "DC": "53e0", "C-Left": "73e0", "M-x": "2d00", "S-Up": "48e0"}


@suite.test
def keys_reach_the_guest():
    with Curses() as t:
        t.drawn()
        seen = ""
        for key, code in KEYS.items():
            t.keys(key)
            seen = (seen + code)[-60:]
            t.wait(lambda: t.text().replace("\n", "").endswith(seen), f"{key} is not {code}")
        t.keys("F10")
        t.ended(2 * 4 + 1)


@suite.test
def consoles():
    """Alt-2 is the monitor, Alt-3 the serial port, each with its own keys and screen."""
    with Curses() as t:
        t.drawn()
        t.keys("a")
        t.wait(lambda: t.text().rstrip().endswith("1e61"), "no key")
        t.keys("M-2")
        t.expect(r"^\(qemu\) *$")
        t.line("info status")
        t.expect("^VM status: running$")
        t.keys("i", "n", "f", "o", "Space", "x", "BSpace", "v", "e", "r", "s", "i", "o", "x", "Left", "DC", "n", "Enter")
        t.expect("^[0-9]+[.][0-9.]+")
        t.keys("M-3")
        t.expect("^1e61$")
        t.keys("M-9", "M-1")
        t.drawn()
        assert t.text().rstrip().endswith("1e61")


@suite.test
def scroll_back():
    with Curses() as t:
        t.drawn()
        t.keys("M-2")
        t.line("help")
        t.wait(lambda: t.text().rstrip().endswith("(qemu)"), "no help")
        assert "monitor - type 'help'" not in t.text()
        for _ in range(40):
            t.keys("S-PPage")
        t.expect("monitor")
        t.keys("x")
        t.expect(r"^\(qemu\) x")


@suite.test
def layout():
    """On a German keyboard y is where z is elsewhere."""
    with Curses("-k", "de") as t:
        t.drawn()
        t.keys("y", "?")
        t.wait(lambda: t.text().rstrip().endswith("2c7a0c5f"), "keys of the layout")


@suite.test
def sizes():
    """A small terminal shows where the cursor is; a graphic mode is named; and back."""
    with Curses() as t:
        t.drawn()
        t.resize(50, 10)
        t.expect(r"\A.{40,}")
        t.wait(lambda: t.cursor() == (0, 9, True), "the cursor is out of sight")
        t.resize(90, 30)
        t.drawn()
        assert t.cursor() == (0, 24, True)
        t.keys("F9")
        t.expect("^ +640x480 graphic mode$")
        assert not t.cursor()[2]
        t.keys("F10")
        t.ended(2 * 4 + 1)


def killed(signum, status):
    with Curses() as t:
        t.drawn()
        os.kill(t.pid(), signum)
        t.ended(status)
        if signum == signal.SIGTERM:
            t.expect("terminating on signal 15")


suite.add("end-sigterm", killed, signal.SIGTERM, 0)
suite.add("end-crash", killed, signal.SIGSEGV, 139)


@suite.test
def end_qmp():
    with Curses() as t:
        t.drawn()
        with rhea.Qmp(t.qmp_path) as q:
            q.command("quit")
        t.ended(0)


@suite.test
def stopped():
    """The shell has its terminal while the process is stopped; afterwards the screen is there again."""
    with Curses() as t:
        t.drawn()
        os.kill(t.pid(), signal.SIGTSTP)
        t.expect("Stopped|suspended")
        t.wait(lambda: t.show("#{alternate_on}") == "0", "the screen is not left")
        t.line("echo in$((1))between")
        t.expect("^in1between")
        t.line("fg")
        t.drawn()
        t.keys("x")
        t.wait(lambda: t.text().rstrip().endswith("2d78"), "no keys after the stop")


def refused(t, args, message, environment=""):
    t.line("clear")
    t.wait(lambda: "status" not in t.text(), "clear does not work")
    t.line(f"{environment} {shlex.join([rhea.emulator(), '-display', 'curses'])} {args}; echo status=$?")
    t.expect("status=1$")
    assert message in t.text().replace("\n", ""), t.text()


@suite.test
def errors():
    with rhea.scratch() as folder, Tmux(folder) as t:
        refused(t, "</dev/null", "standard input and output are no terminal")
        refused(t, "-serial stdio", "the terminal is taken by")
        refused(t, "-drive file=/nonexistent", "/nonexistent")
        refused(t, "", "TERM=nosuch is not known", "TERM=nosuch")


sys.exit(suite.run())
