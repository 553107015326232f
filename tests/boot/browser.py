#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 2400
"""A real browser, headless Chromium, at the web page, and with noVNC at VNC's websocket: what it shows is what
screendump writes, and what is done there reaches the guest."""

import base64
import contextlib
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "qtest"))

from browser import Browser  # noqa: E402
import discs  # noqa: E402
import ppm  # noqa: E402
import rhea  # noqa: E402
from screen import FRAMES, Screen  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
NOVNC = "/usr/share/novnc"
PIXELS = """(() => {
  const c = document.querySelector('%s'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let text = "";
  for (let i = 0; i < d.length; i += 4096) {
    text += String.fromCharCode(...d.subarray(i, i + 4096));
  }
  return [c.width, c.height, btoa(text)];
})()"""


def address(monitor):
    return re.search(r"http://\S+", monitor.command("human-monitor-command", command_line="info web"))[0]


def canvas(browser, selector):
    """The pixels of a canvas."""
    width, height, text = browser.evaluate(PIXELS % selector)
    data = base64.b64decode(text)
    pixels = list(zip(data[0::4], data[1::4], data[2::4]))
    return ppm.Picture([pixels[y * width:(y + 1) * width] for y in range(height)])


def becomes(what, condition, seconds=100, step=0.2):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} not within {seconds} s"
        time.sleep(step)


def shows(browser, selector, wanted, what):
    becomes(what, lambda: canvas(browser, selector).rows == wanted().rows)


def codes(q):
    got = []
    while q.inp(0x64) & 1:
        got.append(q.inp(0x60))
    return got


def enable_keyboard(q):
    q.out(0x64, 0x60)               # the command byte: translation to set 1, no interrupts
    q.out(0x60, 0x40)
    q.out(0x60, 0xf4)
    codes(q)


def typed(q, browser, selector):
    """An a, with Shift, on whatever layout."""
    enable_keyboard(q)
    browser.click(selector)
    codes(q)
    browser.press("Shift+a")
    got = []

    def complete():
        got.extend(codes(q))
        return len(got) >= 4
    becomes("the keys", complete)
    assert got == [0x2a, 0x1e, 0x9e, 0xaa], got


@suite.test
def the_page_shows_the_screen():
    with Browser() as b, Screen("-display", "web=127.0.0.1:0") as q:
        q.mode(320, 200)
        q.noise_and_text(320, 200)
        b.open(address(q.monitor))
        shows(b, "#screen", q.shown, "the whole screen")
        q.write(FRAMES + 4 * (72 * 5 + 7), 0xff8001)
        shows(b, "#screen", q.shown, "one pixel")
        # What the browser's own picture of it has, in its actual size.
        b.click("#actual")
        path = os.path.join(q.folder, "shot.png")
        b.screenshot("#screen", path)
        ppm.Picture.load_png(path).same(q.shown(), "the screenshot")
        q.mode(640, 480)
        shows(b, "#screen", q.shown, "another mode")
        assert b.complaints() == [], b.complaints()


@suite.test
def the_page_takes_keys_and_buttons():
    with Browser() as b, Screen("-display", "web=127.0.0.1:0") as q:
        b.open(address(q.monitor))
        b.wait("document.querySelector('#screen').clientWidth > 0")
        typed(q, b, "#screen")
        b.evaluate("document.exitPointerLock()")    # without a tablet the click has given the guest the mouse
        b.wait("document.pointerLockElement === null")
        b.click("#pause")
        b.wait("document.querySelector('#state-text').textContent === 'paused'")
        assert q.monitor.command("query-status")["status"] == "paused"
        b.click("#pause")
        b.wait("document.querySelector('#state-text').textContent === 'running'")
        b.click("#reset")
        q.monitor.wait_event("RESET")
        b.click("#power")
        q.monitor.wait_event("POWERDOWN")
        assert b.complaints() == [], b.complaints()


@contextlib.contextmanager
def files(folder):
    """A server for the files there; its port."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):       # pylint: disable=redefined-builtin
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@suite.test
def novnc_shows_the_screen_and_takes_keys():
    rhea.need_file(NOVNC + "/vnc_lite.html", "novnc")
    port = rhea.free_port()
    with Browser() as b, Screen("-vnc", f"unix:SOCKETS/vnc,websocket=127.0.0.1:{port}") as q, files(NOVNC) as web:
        q.mode(320, 200)
        q.noise_and_text(320, 200)
        wanted = q.shown()
        b.open(f"http://127.0.0.1:{web}/vnc_lite.html?host=127.0.0.1&port={port}&path=websockify")
        b.wait("document.querySelector('#screen canvas') !== null")
        shows(b, "#screen canvas", lambda: wanted, "the whole screen")
        q.write(FRAMES, 0xff8001)
        shows(b, "#screen canvas", q.shown, "one pixel")
        typed(q, b, "#screen canvas")


# --- Guests ---

@contextlib.contextmanager
def machine(arch, *options):
    """An emulator with a page; (browser at the page, monitor)."""
    emulator = os.path.join(os.path.dirname(rhea.emulator()), "rhea-system-" + arch)
    with rhea.scratch() as folder, Browser() as b:
        path = os.path.join(folder, "qmp")
        argv = [emulator, *options, "-display", "web=127.0.0.1:0", "-qmp", f"unix:{path},server=on,wait=off"]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                with rhea.Qmp(path) as monitor:
                    b.open(address(monitor))
                    yield b, monitor
            finally:
                process.kill()


def terminal_has(b, text):
    b.wait(f"[...document.querySelectorAll('.terminal')].some((t) => t.textContent.includes({text!r}))")


@suite.test
def a_shell_in_the_terminal():
    with machine("riscv64", "-M", "virt", "-m", "512M", "-kernel", rhea.guest_file("Image"), "-initrd",
                 rhea.guest_file("initrd.cpio"), "-append", "console=ttyS0") as (b, _):
        terminal_has(b, "rhea-guest: ready")
        terminal_has(b, "# ")
        b.click(".terminal")
        b.type("printf '\\033[31m%s\\033[0m\\n' $((6 * 7))is\n")
        terminal_has(b, "42is")
        b.type("vi /etc/passwd\n")
        terminal_has(b, "/etc/passwd 1/1")
        b.type(":q\n")
        b.type("echo left $((5 * 5))\n")
        terminal_has(b, "left 25")


GRUB = """serial
insmod all_video
insmod gfxterm
loadfont unicode
set gfxmode=640x480
terminal_output gfxterm
set timeout=-1
menuentry "First entry" { terminal_output serial; echo "chosen: the first"; sleep 1000 }
menuentry "Second entry" { terminal_output serial; echo "chosen: the second"; sleep 1000 }
"""


@suite.test
def grubs_graphical_menu():
    with rhea.scratch() as folder:
        disc = discs.grub_disc(folder, GRUB)
        with machine("x86_64", "-M", "q35", "-m", "512M", "-cdrom", disc, "-boot", "d", "-nic", "none") as (b, monitor):
            b.wait("document.querySelector('#screen').width === 640 && document.querySelector('#screen').height === 480")

            def same():
                wanted = ppm.screendump(monitor, folder)
                return len(wanted.colours()) > 1 and canvas(b, "#screen").rows == wanted.rows
            becomes("the menu", same)
            before = ppm.screendump(monitor, folder)
            b.click("#screen")
            b.press("ArrowDown")
            becomes("the second entry", lambda: same() and ppm.screendump(monitor, folder).rows != before.rows)
            b.press("Enter")
            terminal_has(b, "chosen: the second")


INSTALLER = "/usr/lib/debian-installer/images/12/amd64/gtk/debian-installer/amd64"


def chosen(picture, y):
    """Whether the line of the installer's list there is the chosen one: green."""
    red, green, _ = picture.rows[y][600]
    return green > red + 50


@suite.test
def debians_graphical_installer():
    rhea.need_file(INSTALLER + "/initrd.gz", "debian-installer-12-netboot-amd64")
    with rhea.scratch() as folder, machine(
            "x86_64", "-M", "q35", "-m", "1G", "-nic", "none", "-device", "qemu-xhci", "-device", "usb-tablet", "-kernel",
            INSTALLER + "/linux", "-initrd", INSTALLER + "/initrd.gz", "-append", "vga=788") as (b, monitor):
        def screen():
            return ppm.screendump(monitor, folder)
        def asks():
            picture = screen()
            return picture.size == (1280, 800) and chosen(picture, 454)
        becomes("the list of languages", asks, 400, 5)
        b.wait("document.querySelector('#hint').hidden")    # the tablet is in use
        b.evaluate("document.querySelector('#screen').focus()")
        b.press("ArrowDown")
        becomes("Esperanto", lambda: chosen(screen(), 477) and not chosen(screen(), 454))
        b.press("ArrowUp")
        becomes("English", lambda: chosen(screen(), 454))
        shows(b, "#screen", screen, "the installer")
        width, height = b.evaluate("[document.querySelector('#screen').clientWidth, document.querySelector('#screen').clientHeight]")
        b.click("#screen", 1218 * width / 1280, 775 * height / 800)     # Continue
        becomes("the next question", lambda: not chosen(screen(), 454), step=2)

        def asks_again():
            picture = screen()
            return any(chosen(picture, y) for y in range(170, 730, 4))
        becomes("its list", asks_again, step=2)
        shows(b, "#screen", screen, "the next question")


sys.exit(suite.run())
