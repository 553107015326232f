#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The VNC server as a viewer meets it: versions, password, pictures in each encoding, keys, bad peers."""

import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest, Qtest  # noqa: E402
import gpu  # noqa: E402
import ppm  # noqa: E402
import rfb  # noqa: E402
import rhea  # noqa: E402
import screen  # noqa: E402
from screen import FRAMES  # noqa: E402
import tap  # noqa: E402
import virtio  # noqa: E402
import websocket  # noqa: E402

suite = tap.Suite()


class Screen(screen.Screen):
    """With a VNC server."""

    def __init__(self, options="", *more):
        super().__init__("-vnc", f"unix:SOCKETS/vnc{options}", *more)
        self.path = os.path.join(self.sockets, "vnc")


def scaled(picture, maxima):
    return ppm.Picture([[tuple((p * m + 127) // 255 for p, m in zip(pixel, maxima)) for pixel in row]
                        for row in picture.rows])


def shows_the_screen(version, encoding, form):
    with Screen() as q:
        q.noise_and_text()
        wanted = q.shown()
        with rfb.Viewer(q.path, version) as v:
            assert (v.width, v.height) == (72, 40)
            if form:
                v.pixel_format(*form)
            v.encodings(encoding)
            v.request()
            assert encoding in v.update()
            v.picture().same(scaled(wanted, v.maxima), "the whole screen")
            # What changes comes by itself, and only that.
            v.request(incremental=True)
            q.write(FRAMES + 4 * (72 * 5 + 7), 0xff8001)
            v.update()
            v.picture().same(scaled(q.shown(), v.maxima), "one pixel")


for protocol in (3, 7, 8):
    suite.add(f"version-3.{protocol}", shows_the_screen, protocol, rfb.RAW, None)
for label, how in (("native", None), ("32-big", (32, "big", (255, 255, 255), (0, 8, 16))),
                   ("32-high", (32, "little", (255, 255, 255), (24, 16, 8))),
                   ("16", (16, "little", (31, 63, 31), (11, 5, 0))), ("8", (8, "little", (7, 7, 3), (0, 3, 6)))):
    for number, text in ((rfb.RAW, "raw"), (rfb.HEXTILE, "hextile"), (rfb.ZLIB, "zlib"), (rfb.TIGHT, "tight"),
                         (rfb.ZRLE, "zrle")):
        suite.add(f"{text}-{label}", shows_the_screen, 8, number, how)


def many_sorts(width, height):
    """Strips of one colour, of two, of few, of many in runs, of a gradient and of noise."""
    rng = random.Random(8)
    for y in range(height):
        for x in range(width):
            strip = x // 128
            yield (0x336699, rng.choice((0, 0xffffff)), rng.choice((0, 0xaa, 0xaa00, 0xaa0000, 0x555555)),
                   y // 2 * 0x030201 & 0xffffff, x * 0x10000 + y * 0x100 + 40 & 0xffffff,
                   rng.getrandbits(24))[strip]


def all_ways(encoding, form, ways):
    with Screen() as q:
        q.mode(768, 70)
        q.draw(many_sorts(768, 70))
        wanted = q.shown()
        with rfb.Viewer(q.path) as v:
            if form:
                v.pixel_format(*form)
            v.encodings(encoding, rfb.COMPRESS + 6)
            for _ in range(2):
                v.request()
                v.update()
                v.picture().same(scaled(wanted, v.maxima), "the screen")
            v.encodings(encoding, rfb.COMPRESS + 1, rfb.QUALITY + 5)
            v.request()
            v.update()
            v.picture().same(scaled(wanted, v.maxima), "at another level, without lossy=on")
            assert v.ways >= ways, v.ways


for label, how in (("24", None), ("16", (16, "little", (31, 63, 31), (11, 5, 0)))):
    suite.add(f"zrle-all-{label}", all_ways, rfb.ZRLE, how, {"plain", "solid", "packed", "runs"})
    suite.add(f"tight-all-{label}", all_ways, rfb.TIGHT, how, {0, 5, 6, 8})


@suite.test
def pictures_with_losses():
    def difference(mine, wanted):
        pairs = [(a, b) for p, w in zip(mine.rows, wanted.rows) for pixel, other in zip(p, w)
                 for a, b in zip(pixel, other)]
        return sum(abs(a - b) for a, b in pairs) / len(pairs)
    with Screen(",lossy=on") as q:
        q.mode(256, 200)
        q.draw(x * 0x10000 + y * 0x100 + (x * y >> 8) for y in range(200) for x in range(256))
        wanted = q.shown()
        with rfb.Viewer(q.path) as v:
            worse = 255
            for quality in (0, 4, 9):
                v.encodings(rfb.TIGHT, rfb.QUALITY + quality)
                v.request()
                v.update()
                now = difference(v.picture(), wanted)
                assert 9 in v.ways and now <= worse, (now, worse)
                worse = now
            assert worse < 3, worse
            v.encodings(rfb.TIGHT)
            v.request()
            v.update()
            v.picture().same(wanted, "a viewer that names no quality")


class Pointed(Qtest):
    """A virtio GPU with a picture and a pointer."""

    def __init__(self, *more):
        self.scratch = rhea.scratch()
        self.path = os.path.join(self.scratch.__enter__(), "vnc")
        super().__init__("-device", "virtio-gpu-pci,addr=2", "-vnc", f"unix:{self.path}", *more, qmp=True)

    def __enter__(self):
        super().__enter__()
        self.gpu = gpu.Gpu(self)
        self.gpu.picture(1, 100, 80, b"\x30\x20\x10\0" * 8000)
        self.gpu.does(gpu.OK, gpu.SCANOUT, 0, 0, 100, 80, 0, 1)
        # Opaque red above, transparent below, blue in the last column.
        self.gpu.picture(2, 64, 64, b"".join(b"\xff\0\0\xff" if x == 63 else b"\0\0\xff\xff" if y < 32 else bytes(4)
                                             for y in range(64) for x in range(64)))
        return self

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.scratch.__exit__(None, None, None)

    def point(self, x, y, picture=2):
        self.gpu.pointer(gpu.UPDATE_CURSOR, 0, x, y, 0, picture, 3, 5, 0)

    def move(self, x, y):
        self.gpu.pointer(gpu.MOVE_CURSOR, 0, x, y, 0, 0, 0, 0, 0)


def see(v, wanted):
    """Updates until the picture is as it should be."""
    while v.rows != wanted:
        v.request(incremental=True)
        v.update()


def pointer_on(x, y):
    rows = [[(0x10, 0x20, 0x30)] * 100 for _ in range(80)]
    for j in range(64):
        for i in range(64):
            at_x, at_y = x - 3 + i, y - 5 + j
            if 0 <= at_x < 100 and 0 <= at_y < 80 and (i == 63 or j < 32):
                rows[at_y][at_x] = (0, 0, 255) if i == 63 else (255, 0, 0)
    return rows


@suite.test
def the_pointer_is_in_the_picture():
    """Of viewers that know nothing of pointers."""
    with Pointed() as q, rfb.Viewer(q.path) as v:
        q.point(20, 30)
        v.request()
        v.update()
        see(v, pointer_on(20, 30))
        q.move(90, 2)
        see(v, pointer_on(90, 2))
        q.point(90, 2, 0)
        see(v, [[(0x10, 0x20, 0x30)] * 100 for _ in range(80)])


def the_pointer_is_told(encoding):
    with Pointed() as q, rfb.Viewer(q.path) as v:
        v.encodings(rfb.HEXTILE, encoding)
        q.point(20, 30)
        v.request()
        while v.cursor is None:
            v.update()
            v.request(incremental=True)
        assert v.hot == (3, 5) and len(v.cursor) == 64
        for y, row in enumerate(v.cursor):
            for x, p in enumerate(row):
                wanted = (0, 0, 255, 255) if x == 63 else (255, 0, 0, 255) if y < 32 else (0, 0, 0, 0)
                assert p == wanted, (x, y, p)
        q.point(20, 30, 0)
        while v.cursor:
            v.update()
            v.request(incremental=True)
        v.request()
        while None in {p for row in v.rows for p in row}:
            v.update()
        assert {p for row in v.rows for p in row} == {(0x10, 0x20, 0x30)}


suite.add("the-pointer-is-told", the_pointer_is_told, rfb.CURSOR)
suite.add("the-pointer-is-told-with-alpha", the_pointer_is_told, rfb.ALPHA_CURSOR)


@suite.test
def a_wish_for_another_size():
    with Pointed() as q, rfb.Viewer(q.path) as v:
        v.encodings(rfb.RAW, rfb.EXT_DESKTOP_SIZE)
        v.request(incremental=True)
        v.update()
        assert v.size_told == (0, 0)
        v.wish_size(640, 400)
        v.size_told = None
        while v.size_told != (1, 4):        # handed on to the guest
            v.request(incremental=True)
            v.update()
        assert struct.unpack_from("<4I", q.gpu.command(gpu.INFO)[1]) == (0, 0, 640, 400)
        v.wish_size(640, 400, screens=2)
        while v.size_told != (1, 3):
            v.request(incremental=True)
            v.update()
    with Screen() as q, rfb.Viewer(q.path) as v:
        v.encodings(rfb.RAW, rfb.EXT_DESKTOP_SIZE)
        v.wish_size(640, 400)
        v.request(incremental=True)
        while v.size_told != (1, 1):        # this screen cannot
            v.update()
            v.request(incremental=True)


@suite.test
def fences_and_continuous_updates():
    with Screen() as q, rfb.Viewer(q.path) as v:
        q.noise_and_text()
        v.encodings(rfb.HEXTILE, rfb.FENCE, rfb.CONTINUOUS)
        v.fence(1 << 31 | 7, b"some bytes")
        v.request()
        v.update()
        assert v.fences == [(1 << 31, b""), "end", (3, b"some bytes")], v.fences
        v.continuous(True)
        for colour in (0x112233, 0x445566, 0x778899):
            q.write(FRAMES, colour)
            while v.rows[0][0] != tuple(colour.to_bytes(3, "big")):
                v.update()
        v.continuous(False)
        v.fence(1 << 31, b"x")
        v.request()
        v.update()
        assert v.fences[3:] == ["end", (0, b"x")], v.fences


@suite.test
def movements_without_places():
    with Screen() as q, rfb.Viewer(q.path) as v:
        v.encodings(rfb.RAW, rfb.QEMU_POINTER)
        v.request()
        v.update()
        assert v.relative is True
        q.out(0x64, 0x60)
        q.out(0x60, 0)
        q.out(0x64, 0xd4)
        q.out(0x60, 0xf4)
        v.pointer(0x7fff + 5, 0x7fff - 3)
        v.request()
        v.update()
        data = []
        while q.inp(0x64) & 1:
            data.append(q.inp(0x60))
        assert data[-3:] == [0x08, 5, 3], data


@suite.test
def the_kind_of_pointer_is_told():
    """A tablet is there from when its driver has started."""
    with Pointed("-device", "virtio-tablet-pci,addr=3") as q, rfb.Viewer(q.path) as v:
        v.encodings(rfb.RAW, rfb.QEMU_POINTER)
        v.request()
        v.update()
        assert v.relative is True
        tablet = virtio.PciModern(q, q.gpu.memory, 3)
        tablet.start()
        tablet.queue(0)
        tablet.ready()
        while v.relative:
            v.request(incremental=True)
            v.update()


@suite.test
def another_mode_is_told():
    with Screen() as q, rfb.Viewer(q.path) as v:
        v.encodings(rfb.HEXTILE, rfb.DESKTOP_SIZE)
        v.request()
        v.update()
        v.request(incremental=True)
        q.mode(64, 48)
        while (v.width, v.height) != (64, 48):
            v.update()
            v.request(incremental=True)
        v.request()
        while None in {p for row in v.rows for p in row}:
            v.update()
            v.request(incremental=True)
        v.picture().same(q.shown(), "the new mode")


@suite.test
def the_password_lets_in():
    with Screen(",password=on") as q:
        def refused(password, version=8):
            try:
                rfb.Viewer(q.path, version, password)
            except (rfb.Refused, ConnectionError):
                return True
            return False
        assert refused(""), "none is set"
        q.monitor.command("set_password", protocol="vnc", password="long secret")
        assert refused("") and refused("other") and refused("other", 3)
        for version in (3, 7, 8):
            rfb.Viewer(q.path, version, "long sec").sock.close()
        q.monitor.command("human-monitor-command", command_line="set_password vnc b")
        assert refused("long sec")
        rfb.Viewer(q.path, 8, "b").sock.close()
        q.monitor.command("change-vnc-password", password="")
        assert refused("") and refused("b")


@suite.test
def no_security_type_goes_round_the_password():
    with Screen(",password=on") as q:
        with rfb.Viewer.__new__(rfb.Viewer) as v:
            v.sock = rfb.socket.socket(rfb.socket.AF_UNIX)
            v.sock.settimeout(60)
            v.sock.connect(q.path)
            v.take(12)
            v.send(b"RFB 003.008\n")
            assert v.take(2) == b"\x01\x02"
            v.send(b"\x01\x01")
            assert v.take(4) == b"\x00\x00\x00\x01"
            v.closed()


@suite.test
def keys_reach_the_keyboard():
    with Screen() as q, rfb.Viewer(q.path) as v:
        def codes():
            v.request()
            v.update()              # what was sent before has been taken
            got = []
            while q.inp(0x64) & 1:
                got.append(q.inp(0x60))
            return got
        q.out(0x64, 0x60)           # the command byte: translation to set 1, no interrupts
        q.out(0x60, 0x40)
        q.out(0x60, 0xf4)
        codes()
        v.key(ord("a"), 1)
        v.key(ord("a"), 0)
        assert codes() == [0x1e, 0x9e]
        v.key(0xff52, 1)            # Up
        v.key(0xff52, 0)
        assert codes() == [0xe0, 0x48, 0xe0, 0xc8]
        v.encodings(rfb.QEMU_KEY)
        v.request()
        v.update()
        assert v.qemu_keys
        v.qemu_key(ord("q"), 0x1e, 1)
        assert codes() == [0x1e]
        v.sock.close()              # what is held is released
        with rfb.Viewer(q.path) as v:
            assert codes() == [0x9e]


@suite.test
def the_layout_finds_the_key():
    with Screen("", "-k", "de") as q, rfb.Viewer(q.path) as v:
        q.out(0x64, 0x60)
        q.out(0x60, 0x40)
        q.out(0x60, 0xf4)
        while q.inp(0x64) & 1:
            q.inp(0x60)
        for keysym, scancode in ((ord("z"), 0x15), (ord("y"), 0x2c), (0xdf, 0x0c)):
            v.key(keysym, 1)
            v.request()
            v.update()
            assert q.inp(0x60) == scancode, chr(keysym)


@suite.test
def consoles_are_chosen_by_keys():
    """Ctrl-Alt-2 is the text console here, where what is typed goes; Ctrl-Alt-1 the screen again."""
    with Screen("", "-monitor", "vc:40Cx4C") as q, rfb.Viewer(q.path) as v:
        def keys(*keysyms):
            for keysym in keysyms:
                v.key(keysym, 1)
            for keysym in keysyms:
                v.key(keysym, 0)

        def until(condition):
            for _ in range(200):
                v.request()
                v.update()
                if condition():
                    return
                time.sleep(0.1)
            raise AssertionError(f"{v.width} by {v.height}")
        v.encodings(rfb.RAW, rfb.DESKTOP_SIZE)
        keys(0xffe3, 0xffe9, ord("2"))
        until(lambda: (v.width, v.height) == (40 * 8, 4 * 16))
        assert q.monitor.command("query-status")["status"] == "running"
        for char in "stop":
            keys(ord(char))
        keys(0xff0d)
        until(lambda: q.monitor.command("query-status")["status"] == "paused")
        keys(0xffe3, 0xffe9, ord("1"))
        until(lambda: (v.width, v.height) == (72, 40))


@suite.test
def the_pointer_moves_the_mouse():
    with Screen() as q, rfb.Viewer(q.path) as v:
        def got():
            v.request()
            v.update()
            data = []
            while q.inp(0x64) & 1:
                data.append(q.inp(0x60))
            return data
        q.out(0x64, 0x60)
        q.out(0x60, 0)
        q.out(0x64, 0xd4)
        q.out(0x60, 0xf4)           # movements are reported
        got()
        v.pointer(10, 10)
        assert got() == [0x28, 10, 0xf6], "down is negative"
        v.pointer(13, 9)
        assert got() == [0x08, 3, 1]
        v.pointer(13, 9, 1)
        assert got() == [0x09, 0, 0], "left"
        v.pointer(13, 9, 6)
        assert got() == [0x0e, 0, 0], "middle and right"


@suite.test
def the_first_free_display():
    with rfb.socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if not 5900 <= port < 65500:
            return
        with PcQtest("-vga", "none", "-vnc", f"127.0.0.1:{port - 5900},to={port - 5880}", qmp=True) as q:
            with q.qmp() as monitor:
                told = monitor.command("query-vnc")
            assert told["family"] == "ipv4" and port < int(told["service"]) <= port + 20, told
            with rfb.socket.create_connection(("127.0.0.1", int(told["service"])), 60) as peer:
                assert peer.recv(12) == b"RFB 003.008\n"


@suite.test
def who_wants_to_be_alone():
    with Screen() as q:
        first = rfb.Viewer(q.path)
        second = rfb.Viewer(q.path)
        third = rfb.Viewer(q.path, shared=0)
        first.closed()
        second.closed()
        third.request()
        third.update()
    with Screen(",share=force-shared") as q:
        first = rfb.Viewer(q.path)
        try:
            rfb.Viewer(q.path, shared=0)
            raise AssertionError("it is alone")
        except ConnectionError:
            pass
        first.request()
        first.update()


@suite.test
def a_viewer_that_does_not_read_holds_up_nobody():
    with Screen() as q:
        q.mode(1024, 768)
        slow, quick = rfb.Viewer(q.path), rfb.Viewer(q.path)
        for _ in range(100):
            slow.request()
        quick.encodings(rfb.HEXTILE)
        for _ in range(3):
            quick.request()
            quick.update()
        assert "Clients: 2" in q.monitor.command("human-monitor-command", command_line="info vnc")


@suite.test
def who_asks_and_does_not_read_is_sent_away():
    """Memory does not grow with what is never read."""
    fences = struct.pack(">B3xIB", 248, 1 << 31, 64) + bytes(64)
    toggles = (struct.pack(">BBHHHH", 150, 1, 0, 0, 9, 9) + struct.pack(">BBHHHH", 150, 0, 0, 0, 9, 9))
    with Screen() as q:
        for message in (fences * 100, toggles * 500):
            with rfb.Viewer(q.path) as v:
                v.encodings(rfb.RAW, rfb.FENCE, rfb.CONTINUOUS)
                try:
                    for _ in range(3000):
                        v.send(message)
                    raise AssertionError("it took everything")
                except (BrokenPipeError, ConnectionResetError):
                    pass


def silent(q):
    peer = rfb.socket.socket(rfb.socket.AF_UNIX)
    peer.connect(q.path)                # blocks while many are waiting
    peer.settimeout(100)
    return peer


@suite.test
def who_says_nothing_is_sent_away():
    with Screen() as q:
        viewer, peer = rfb.Viewer(q.path), silent(q)
        assert peer.recv(12) == b"RFB 003.008\n"
        peer.send(b"RFB 003.")
        assert peer.recv(1) == b""
        viewer.request()                # who is past the handshake may be silent
        viewer.update()


@suite.test
def silent_connections_lock_out_nobody():
    with Screen() as q:
        peers = [silent(q) for _ in range(80)]
        with rfb.Viewer(q.path) as v:
            v.request()
            v.update()
        for peer in peers:
            peer.close()


@suite.test
def bad_messages_end_the_connection():
    bad = [b"\x01", b"\xfe", b"\x00" * 20, struct.pack(">BxH", 2, 65535), struct.pack(">BB", 255, 1) + bytes(10),
           struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 32)]
    with Screen() as q:
        for message in bad:
            with rfb.Viewer(q.path) as v:
                v.send(message)
                v.closed()
        rng = random.Random(5)
        for _ in range(60):
            with rfb.Viewer(q.path) as v:
                v.send(bytes(rng.choice((rng.randrange(8), rng.randrange(256))) for _ in range(200)))
        with rfb.Viewer(q.path) as v:
            v.send(struct.pack(">B3xI", 6, 100000) + bytes(100000))     # a clipboard is thrown away
            v.request()
            v.update()


@suite.test
def through_a_websocket():
    with Screen(",websocket=unix:SOCKETS/ws") as q:
        path = os.path.join(q.sockets, "ws")
        q.noise_and_text()
        wanted = q.shown()
        with websocket.WebSocket(path, protocol="binary") as ws:
            assert ws.fields["sec-websocket-protocol"] == "binary"
            v = rfb.Viewer(ws)
            v.encodings(rfb.HEXTILE)
            v.request()
            v.update()
            v.picture().same(wanted, "the whole screen")
            ws.send(b"", websocket.PING)
            v.request(incremental=True)
            q.write(FRAMES, 0xff8001)
            v.update()
            v.picture().same(q.shown(), "one pixel")
        assert websocket.get(path, "/")[0] == 426
        with websocket.WebSocket(path) as ws:
            ws.sock.sendall(bytes([0x82, 0]) + bytes(12))       # not masked
            while True:
                try:
                    ws.receive()
                except websocket.Closed as end:
                    assert end.code == 1002
                    break


@suite.test
def a_slow_websocket_holds_up_nobody():
    with Screen(",websocket=unix:SOCKETS/ws") as q:
        q.mode(1024, 768)
        wanted = q.shown()
        with websocket.WebSocket(os.path.join(q.sockets, "ws")) as ws, rfb.Viewer(q.path) as quick:
            slow = rfb.Viewer(ws)
            for _ in range(100):
                slow.request()
            for _ in range(3):
                quick.request()
                quick.update()
            # What it asked for more often than it read has come once.
            slow.update()
            slow.picture().same(wanted, "the slow one")


@suite.test
def where_the_websocket_is():
    port = rhea.free_port()
    with Screen(f",websocket=127.0.0.1:{port}"), websocket.WebSocket(("127.0.0.1", port)) as ws:
        rfb.Viewer(ws).request()


@suite.test
def what_the_monitors_say():
    with Screen() as q:
        told = q.monitor.command("query-vnc")
        assert told == {"enabled": True, "host": q.path, "service": "", "family": "unix", "auth": "none",
                        "clients": []}, told
    with PcQtest("-vga", "none", qmp=True) as q, q.qmp() as monitor:
        assert monitor.command("query-vnc") == {"enabled": False}
        assert "none" in monitor.command("human-monitor-command", command_line="info vnc")


sys.exit(suite.run())
