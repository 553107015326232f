#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The web page as a browser meets it: who gets in, pictures, keys, pointer, terminals, buttons, bad peers."""

import contextlib
import os
import random
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import screen  # noqa: E402
from screen import FRAMES  # noqa: E402
import tap  # noqa: E402
import webpage  # noqa: E402
import websocket  # noqa: E402
from webpage import Page  # noqa: E402

suite = tap.Suite()
UART = 0x3f8


class Screen(screen.Screen):
    """With a page."""

    def __init__(self, *options):
        super().__init__("-display", "web=unix:SOCKETS/web", *options)
        self.path = os.path.join(self.sockets, "web")

    def __enter__(self):
        super().__enter__()
        self.secret = webpage.token(self.monitor)
        return self

    def page(self):
        return Page(self.path, self.secret)

    def get(self, path, **more):
        return websocket.get(self.path, path, **more)


# --- Who gets in ---

@suite.test
def the_page_and_its_files():
    with Screen() as q:
        status, fields, body = q.get(f"/?token={q.secret}")
        assert status == 200 and fields["content-type"].startswith("text/html"), (status, fields)
        assert "default-src 'self'" in fields["content-security-policy"]
        names = set(re.findall(rb'(?:href|src)="([\w.]+)"', body))
        assert names == {b"page.css", b"page.js"}, names
        script = q.get("/page.js")[2]
        names |= set(re.findall(rb'from "\./([\w.]+)"', script))
        for name in names:
            status, fields, body = q.get("/" + name.decode())
            assert status == 200 and len(body) == int(fields["content-length"]) > 500, name


@suite.test
def only_with_the_token():
    with Screen() as q:
        for query in ("", "?token=", "?token=" + "0" * 32, f"?token={q.secret}0", f"?x={q.secret}", f"?token={q.secret[:-1]}"):
            assert q.get("/" + query)[0] == 403, query
            try:
                websocket.WebSocket(q.path, "/socket" + query, origin="http://localhost")
                raise AssertionError(f"let in with {query}")
            except websocket.Refused as e:
                assert e.status == 403
        q.page().close()


@suite.test
def only_from_the_page_itself():
    with Screen() as q:
        for origin in (None, "http://elsewhere", "http://localhost:81", "null", "localhost"):
            try:
                websocket.WebSocket(q.path, f"/socket?token={q.secret}", origin=origin)
                raise AssertionError(f"let in from {origin}")
            except websocket.Refused as e:
                assert e.status == 403
        websocket.WebSocket(q.path, f"/socket?token={q.secret}", origin="https://localhost").close()


@suite.test
def only_under_our_names():
    port = rhea.free_port()
    with PcQtest("-vga", "none", "-display", f"web=127.0.0.1:{port}", qmp=True) as q, q.qmp() as monitor:
        secret, at = webpage.token(monitor), ("127.0.0.1", port)
        for host in ("localhost", f"localhost:{port}", "127.0.0.1:1", "[::1]:80"):
            assert websocket.get(at, f"/?token={secret}", host)[0] == 200, host
        for host in ("elsewhere", "elsewhere:80", "127.0.0.1.elsewhere", "localhost.elsewhere", "", "[", "]:"):
            assert websocket.get(at, f"/?token={secret}", host)[0] == 403, host


@suite.test
def other_requests():
    with Screen() as q:
        assert q.get("/nothing")[0] == 404
        assert q.get("/../page.js")[0] == 404
        assert q.get("/page.js", method="POST")[0] == 405
        assert q.get(f"/socket?token={q.secret}", fields={"Origin": "http://localhost"})[0] == 426
        assert q.get("/page.js", fields={f"F{i}": i for i in range(100)})[0] == 400
        assert q.get("/page.js", fields={"F": "x" * 9000})[0] == 431
        for text in (b"GET /page.js\r\n\r\n", b"\r\n\r\n", b"\x00\r\n\r\n", b"GET /page.js HTTP/1.1\r\nA\r\n\r\n"):
            with websocket.connect(q.path) as sock:
                sock.sendall(text)
                assert websocket.head_of(websocket.read_all(sock))[0] == 400, text


@suite.test
def silent_connections_lock_out_nobody():
    with Screen() as q:
        peers = [websocket.connect(q.path) for _ in range(100)]
        with q.page() as page:
            page.until(lambda: page.state)
        for peer in peers:
            peer.close()


# --- The screen ---

@suite.test
def the_screen_is_the_guests():
    with Screen() as q:
        q.noise_and_text()
        wanted = q.shown()
        with q.page() as page:
            page.until(lambda: page.shows(wanted))
            q.write(FRAMES + 4 * (72 * 5 + 7), 0xff8001)
            wanted = q.shown()
            page.until(lambda: page.shows(wanted))
            # Pixels that no chunk makes smaller come as they are.
            rng = random.Random(7)
            q.draw(rng.getrandbits(24) for _ in range(72 * 40))
            wanted = q.shown()
            page.until(lambda: page.shows(wanted))
            assert page.kinds == {webpage.QOI, webpage.RGBA}, page.kinds
            # Shades: small differences of all kinds, and long runs.
            q.draw((x * 3 + y) << 16 | (x + y * 2) << 8 | (255 - x) if y < 20 else 0x204060 for y in range(40) for x in range(72))
            wanted = q.shown()
            page.until(lambda: page.shows(wanted))
            q.mode(64, 48)
            wanted = q.shown()
            page.until(lambda: page.shows(wanted))


@suite.test
def one_of_several_screens():
    with Screen("-device", "bochs-display,addr=10") as q, q.page() as page:
        q.noise_and_text()
        wanted = q.shown()
        page.until(lambda: page.state and page.shows(wanted))
        assert page.state["heads"] == ["bochs-display", "bochs-display"] and page.state["head"] == 0, page.state
        page.tell(webpage.HEAD, "B", 77)            # there is none
        page.tell(webpage.HEAD, "B", 1)
        page.until(lambda: page.state["head"] == 1 and not page.shows(wanted))
        page.tell(webpage.HEAD, "B", 0)
        page.until(lambda: page.state["head"] == 0 and page.shows(wanted))


@suite.test
def a_page_that_shows_nothing_gets_nothing():
    with Screen() as q:
        q.noise_and_text()
        wanted = q.shown()
        with q.page() as hidden, q.page() as page:
            while hidden.step(seen=False) != webpage.PICTURE:
                pass
            for i in range(40):
                q.write(FRAMES + 4 * i, 0x123456 + i)
                wanted = q.shown()
                page.until(lambda w=wanted: page.shows(w))
            hidden.send(b"are you there", websocket.PING)
            pictures = 1
            while (kind := hidden.step(seen=False)) is not None:
                pictures += kind == webpage.PICTURE
            assert hidden.pong == b"are you there" and pictures == 2, pictures
            hidden.tell(webpage.SEEN)
            hidden.tell(webpage.SEEN)
            hidden.until(lambda: hidden.shows(wanted))


@suite.test
def a_page_that_does_not_read_holds_up_nobody():
    with Screen() as q:
        q.mode(1024, 768)
        with q.page() as slow, q.page() as page:
            for i in range(30):
                for _ in range(20):
                    slow.tell(webpage.SEEN)
                q.write(FRAMES + 4 * i, 0x123456 + i)
                wanted = q.shown()
                page.until(lambda w=wanted: page.shows(w))


# --- Input ---

def codes(q):
    got = []
    while q.inp(0x64) & 1:
        got.append(q.inp(0x60))
    return got


def settled(q, page):
    page.settle()
    return codes(q)


@suite.test
def keys_reach_the_keyboard():
    with Screen() as q, q.page() as page:
        q.out(0x64, 0x60)               # the command byte: translation to set 1, no interrupts
        q.out(0x60, 0x40)
        q.out(0x60, 0xf4)
        settled(q, page)
        page.tell(webpage.KEY, "HB", 30, 1)
        page.tell(webpage.KEY, "HB", 30, 0)
        page.tell(webpage.KEY, "HB", 103, 1)
        page.tell(webpage.KEY, "HB", 103, 0)
        page.tell(webpage.KEY, "HB", 44, 0)     # was not down
        page.tell(webpage.KEY, "HB", 0xffff, 1)
        assert settled(q, page) == [0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]
        page.tell(webpage.KEY, "HB", 30, 1)
        assert settled(q, page) == [0x1e]
        page.close()                    # what is held is released
        with q.page() as other:
            assert settled(q, other) == [0x9e]


@suite.test
def the_pointer_moves_the_mouse():
    with Screen() as q, q.page() as page:
        page.until(lambda: page.state)
        assert page.state["absolute"] is False
        q.out(0x64, 0x60)
        q.out(0x60, 0)
        q.out(0x64, 0xd4)
        q.out(0x60, 0xf4)               # movements are reported
        settled(q, page)
        page.tell(webpage.MOVE, "hhbB", 3, -1, 0, 0)
        assert settled(q, page) == [0x08, 3, 1]
        page.tell(webpage.MOVE, "hhbB", 0, 0, 0, 1)
        assert settled(q, page) == [0x09, 0, 0], "left"
        page.tell(webpage.MOVE, "hhbB", 0, 0, 0, 0xe6)
        assert settled(q, page) == [0x0e, 0, 0], "middle and right"


# --- Terminals, buttons, state ---

@suite.test
def the_serial_port_is_a_terminal():
    with Screen("-serial", "web", "-serial", "web") as q:
        for c in b"before ":
            q.out(UART, c)
        with q.page() as page, q.page() as other:
            page.until(lambda: page.state)
            names = page.state["terminals"]
            assert names[:2] == ["serial0", "serial1"], names
            for c in b"and after":
                q.out(UART, c)
            for p in (page, other):
                p.until(lambda p=p: p.output.get(0) == b"before and after")
            q.out(UART - 0x100, 0x21)
            page.until(lambda: page.output.get(1) == b"!")
            page.send(bytes([webpage.TYPED, 0]) + b"ls\r")
            page.send(bytes([webpage.TYPED, 7]) + b"nobody")
            got = b""
            while len(got) < 3:
                page.send(b"", websocket.PING)
                while q.inp(UART + 5) & 1:
                    got += bytes([q.inp(UART)])
            assert got == b"ls\r", got


@suite.test
def the_end_of_much_output_is_kept():
    with Screen("-serial", "none", "-chardev", "web,id=more", "-device", "virtio-serial-pci", "-device",
                "virtconsole,chardev=more") as q:
        with q.page() as page:
            page.until(lambda: page.state)
            assert "more" in page.state["terminals"]


@suite.test
def the_buttons():
    with Screen() as q, q.page() as page:
        page.until(lambda: page.state)
        assert page.state["running"] and page.state["state"] == "running" and page.state["power"], page.state
        page.tell(webpage.COMMAND, "B", webpage.PAUSE)
        page.until(lambda: page.state["state"] == "paused")
        assert q.monitor.command("query-status")["status"] == "paused"
        page.tell(webpage.COMMAND, "B", webpage.CONTINUE)
        page.until(lambda: page.state["state"] == "running")
        page.tell(webpage.COMMAND, "B", webpage.RESET)
        q.monitor.wait_event("RESET")
        page.tell(webpage.COMMAND, "B", webpage.POWERDOWN)
        q.monitor.wait_event("POWERDOWN")


@suite.test
def the_state_has_the_name():
    with Screen("-name", 'a "name" <b>') as q, q.page() as page:
        page.until(lambda: page.state)
        assert page.state["name"] == 'a "name" <b>', page.state


@suite.test
def what_info_web_says():
    with Screen() as q:
        def said():
            return q.monitor.command("human-monitor-command", command_line="info web")
        assert "Open: 0" in said()
        assert q.monitor.command("query-display-options") == {"type": "web"}
        with q.page() as page:
            page.until(lambda: page.state)
            assert "Open: 1" in said()
    with PcQtest("-vga", "none", qmp=True) as q, q.qmp() as monitor:
        assert "none" in monitor.command("human-monitor-command", command_line="info web")
        assert monitor.command("query-display-options") == {"type": "none"}


@suite.test
def a_free_port_of_this_host():
    with PcQtest("-vga", "none", "-display", "web", qmp=True) as q, q.qmp() as monitor:
        address = re.search(r"http://localhost:(\d+)/\?token=\w{32}\b",
                            monitor.command("human-monitor-command", command_line="info web"))
        status, _, _ = websocket.get(("127.0.0.1", int(address[1])), "/page.css")
        assert status == 200
        q.errors.seek(0)
        assert address[0] in q.errors.read().decode(), "it is told"


# --- Bad peers ---

@suite.test
def bad_messages_end_the_connection():
    bad = [(b"", 1002), (b"\x00", 1002), (b"\x09", 1002), (b"\xff", 1002), (b"\x01\x00", 1002), (b"\x02" + bytes(5), 1002),
           (b"\x05" + bytes(20000), 1009)]
    with Screen() as q:
        for message, code in bad:
            with q.page() as page:
                page.send(message)
                try:
                    while True:
                        page.receive()
                except websocket.Closed as end:
                    assert end.code == code, (message[:10], end.code)
        with q.page() as page:
            page.tell(webpage.COMMAND, "B", 200)
            try:
                while True:
                    page.receive()
            except websocket.Closed:
                pass
        rng = random.Random(5)
        for _ in range(60):
            with q.page() as page, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(10):
                    kind = rng.choice((webpage.KEY, webpage.POINT, webpage.MOVE, webpage.SEEN, webpage.TYPED, webpage.HEAD,
                                       webpage.WISH))
                    page.send(struct.pack(">B", kind) + rng.randbytes(rng.choice((3, 6, 7, 100))))
        with q.page() as page:
            page.until(lambda: page.width)


@suite.test
def wrong_places():
    for where, why in (("web=nowhere", "no [HOST]:PORT"), ("web=:70000", "port"), ("web=unix:", "empty"),
                       ("web=unix:/no/where", "cannot listen"), ("webb", "did you mean 'web'")):
        done = subprocess.run([PcQtest.emulator(), "-M", "pc", "-S", "-display", where], text=True, capture_output=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and why in done.stderr, done


sys.exit(suite.run())
