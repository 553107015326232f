#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 400
"""Viewers that people use, in front of the VNC server: what they show is what screendump says, and keys arrive."""

import contextlib
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from screen import Screen  # noqa: E402
import certificates  # noqa: E402
import ppm  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
import xserver  # noqa: E402

suite = tap.Suite()
WIDTH, HEIGHT = 200, 120


def pattern():
    """Nothing repeats, so that the place of the picture is certain; few colours, many, and a gradient."""
    for y in range(HEIGHT):
        for x in range(WIDTH):
            yield (0x402000 + (x * 7 + y * 13) % 11 if x < 60 else (x * y * 0x10325) & 0xffffff if x < 130
                   else x * 0x10000 + y * 0x100 + 0x80)


class Shown(Screen):
    """At a TCP port, with the pattern."""

    def __init__(self, options="", *more):
        super().__init__(*more, "-vnc", f"127.0.0.1:0,to=200{options}")

    def __enter__(self):
        super().__enter__()
        self.mode(WIDTH, HEIGHT)
        self.draw(pattern())
        self.port = int(self.monitor.command("query-vnc")["service"])
        self.picture = self.shown()
        return self


@contextlib.contextmanager
def viewer(x, *argv, **env):
    rhea.need_tool(argv[0])
    with rhea.scratch() as home:
        process = subprocess.Popen(argv, env=x.env(HOME=home, **env), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def tiger(port, *options):
    return ("xtigervncviewer", "-AutoSelect=0", "-FullColor=1", "-NoJPEG=1", *options, f"127.0.0.1::{port}")


def shows(encoding):
    with Shown() as q, xserver.XServer(640, 480) as x, viewer(x, *tiger(q.port, f"-PreferredEncoding={encoding}")):
        x.find(q.picture)
        q.write(0xe0000000 + 4 * (WIDTH * 50 + 20), 0xfedcba)
        x.find(q.shown())


for name in ("Tight", "ZRLE", "Hextile", "Raw"):
    suite.add(f"tigervnc-{name.lower()}", shows, name)


@suite.test
def tigervnc_with_certificates_and_a_password():
    rhea.need_tool("certtool")
    with rhea.scratch() as keys:
        certificates.make(keys)
        credentials = f"tls-creds-x509,id=t,endpoint=server,verify-peer=off,dir={keys}/server"
        with Shown(",tls-creds=t,password-secret=s", "-object", credentials, "-object", "secret,id=s,data=word") as q, \
                xserver.XServer(640, 480) as x, \
                viewer(x, *tiger(q.port, "-SecurityTypes=X509Vnc", f"-X509CA={keys}/ca"), VNC_PASSWORD="word"):
            x.find(q.picture)


@suite.test
def tigervnc_encrypted_without_certificates():
    with Shown(",tls-creds=t", "-object", "tls-creds-anon,id=t,endpoint=server") as q, xserver.XServer(640, 480) as x, \
            viewer(x, *tiger(q.port, "-SecurityTypes=TLSNone")):
        x.find(q.picture)


@suite.test
def tightvnc():
    with Shown() as q, xserver.XServer(640, 480) as x:
        x.do("mousemove", 639, 479)
        for encoding in "tight", "hextile", "zlib", "raw":
            with viewer(x, "xtightvncviewer", "-nojpeg", "-encodings", encoding, f"127.0.0.1::{q.port}"):
                x.find(q.picture)


@suite.test
def keys_of_a_viewer():
    with Shown() as q, xserver.XServer(640, 480) as x, viewer(x, *tiger(q.port)):
        q.out(0x64, 0x60)           # the command byte: translation to set 1, no interrupts
        q.out(0x60, 0x40)
        q.out(0x60, 0xf4)
        where = x.find(q.picture)
        while q.inp(0x64) & 1:
            q.inp(0x60)
        window = x.do("search", "--onlyvisible", "--name", ".").split()[-1]
        x.do("windowfocus", window, "mousemove", where[0] + 30, where[1] + 30, "click", 1, "key", "b")
        codes, deadline = [], time.monotonic() + 100
        while codes[-2:] != [0x30, 0xb0] and time.monotonic() < deadline:
            if q.inp(0x64) & 1:
                codes.append(q.inp(0x60))
        assert codes[-2:] == [0x30, 0xb0], codes


@suite.test
def pictures_by_gvnccapture():
    """gtk-vnc, which virt-viewer and GNOME's programs are made of."""
    rhea.need_tool("gvnccapture")
    rhea.need_tool("pngtopnm")
    with Shown() as q, rhea.scratch() as folder:
        file = os.path.join(folder, "screen.png")
        subprocess.run(["gvnccapture", "-q", f"127.0.0.1:{q.port - 5900}", file], check=True, timeout=100)
        out = subprocess.run(["pngtopnm", file], stdout=subprocess.PIPE, check=True, timeout=100).stdout
        ppm.Picture.parse(out).same(q.picture, "gvnccapture")


sys.exit(suite.run())
