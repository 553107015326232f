#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who gets at a VNC server: passwords and their end, TLS, several servers, calls, and what monitors hear of it."""

import os
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import certificates  # noqa: E402
import rfb  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


class Server(PcQtest):
    """A PC without a screen, with a server at @path; {folder} in the options is a folder of its own."""

    def __init__(self, options="", *more, where="unix:{folder}/vnc"):
        self.scratch = rhea.scratch()
        self.place = self.scratch.__enter__()
        self.path = os.path.join(self.place, "vnc")
        more = [m.replace("{folder}", self.place) for m in more]
        super().__init__("-vga", "none", *more, "-vnc", (where + options).replace("{folder}", self.place), qmp=True)

    def __enter__(self):
        super().__enter__()
        self.monitor = self.qmp()
        return self

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.scratch.__exit__(None, None, None)

    def hmp(self, line):
        return self.monitor.command("human-monitor-command", command_line=line)


def refused(*args, **named):
    try:
        rfb.Viewer(*args, **named).sock.close()
    except (rfb.Refused, ConnectionError, ssl.SSLError):
        return True
    return False


def fails(*vnc):
    """What an emulator says that does not start."""
    done = subprocess.run([PcQtest.emulator(), "-vga", "none", "-S", "-vnc", *vnc], capture_output=True, text=True,
                          timeout=100, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1, done
    return done.stderr


def looks(v):
    v.request()
    assert v.update() == [rfb.RAW]


# --- Passwords ---

@suite.test
def a_password_of_a_secret():
    with Server(",password-secret=s", "-object", "secret,id=s,data=from file") as q:
        assert refused(q.path, 8, "other") and refused(q.path, 8, "")
        with rfb.Viewer(q.path, 8, "from file") as v:
            looks(v)


@suite.test
def a_password_ends():
    with Server(",password=on") as q:
        def let_in():
            return not refused(q.path, 8, "word")
        q.hmp("set_password vnc word")
        assert let_in()
        for when, wanted in (("now", False), ("never", True), ("+1000", True), ("1000000000", False),
                             ("99999999999", True)):
            q.monitor.command("expire_password", protocol="vnc", time=when)
            assert let_in() == wanted, when
        assert q.hmp("expire_password vnc now") == "" and not let_in()
        assert "soon" in q.hmp("expire_password vnc soon")
        assert "Error" in q.hmp("expire_password spice now")
        q.hmp("expire_password vnc never")
        assert q.hmp("change vnc password another") == "" and not let_in() and not refused(q.path, 8, "another")


@suite.test
def what_becomes_of_who_is_there():
    with Server(",password=on") as q:
        q.hmp("set_password vnc one")
        with rfb.Viewer(q.path, 8, "one") as v:
            q.hmp("set_password vnc two keep")
            looks(v)
            assert "connected" in q.hmp("set_password vnc three fail")
            assert "often" in q.hmp("set_password vnc three often")
            q.monitor.command("set_password", protocol="vnc", password="four", connected="disconnect")
            v.closed()
        assert refused(q.path, 8, "two") and not refused(q.path, 8, "four")
        q.hmp("set_password vnc five fail")


# --- TLS ---

def trusting(folder, who=None):
    context = ssl.create_default_context(cafile=os.path.join(folder, "ca"))
    if who:
        context.load_cert_chain(os.path.join(folder, who, "client-cert.pem"),
                                os.path.join(folder, who, "client-key.pem"))
    return context


class Secured(Server):
    """With certificates."""

    def __init__(self, options="", verify="off", *more):
        rhea.need_tool("certtool")
        self.keys = rhea.scratch()
        self.folder_of_keys = self.keys.__enter__()
        certificates.make(self.folder_of_keys)
        super().__init__(f",tls-creds=t{options}", "-object",
                         f"tls-creds-x509,id=t,endpoint=server,verify-peer={verify},dir={self.folder_of_keys}/server",
                         *more)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.keys.__exit__(None, None, None)


@suite.test
def certificates_of_the_server():
    with Secured() as q:
        with rfb.Viewer(q.path, tls=trusting(q.folder_of_keys)) as v:
            assert v.subtype == 260
            looks(v)
            v.encodings(rfb.TIGHT, rfb.FENCE)
            for i in range(50):
                v.fence(1 << 31, b"%d" % i)
            v.request()
            v.update()
        assert q.monitor.command("query-vnc")["auth"] == "vencrypt"
        assert refused(q.path, tls=ssl.create_default_context()), "the viewer does not know the authority"


@suite.test
def certificates_and_a_password():
    with Secured(",password=on") as q:
        context = trusting(q.folder_of_keys)
        q.hmp("set_password vnc word")
        with rfb.Viewer(q.path, 8, "word", tls=context) as v:
            assert v.subtype == 261
            looks(v)
        with rfb.Viewer(q.path, 7, "word", tls=context) as v:
            looks(v)
        assert refused(q.path, 8, "other", tls=context)


@suite.test
def certificates_of_viewers():
    with Secured("", "on") as q:
        with rfb.Viewer(q.path, tls=trusting(q.folder_of_keys, "client")) as v:
            looks(v)
        assert refused(q.path, tls=trusting(q.folder_of_keys, "stranger"))
        assert refused(q.path, tls=trusting(q.folder_of_keys))


@suite.test
def encrypted_without_certificates():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH:ADH:@SECLEVEL=0")
    with Server(",tls-creds=t,password=on", "-object", "tls-creds-anon,id=t,endpoint=server") as q:
        q.hmp("set_password vnc word")
        with rfb.Viewer(q.path, 8, "word", tls=context) as v:
            assert v.subtype == 258
            looks(v)
        assert refused(q.path, 8, "other", tls=context)


@suite.test
def nobody_goes_round_tls():
    with Secured() as q:
        for security in (b"\x01", b"\x02"):
            with rfb.Viewer.__new__(rfb.Viewer) as v:
                v.sock = socket.socket(socket.AF_UNIX)
                v.sock.connect(q.path)
                v.sock.settimeout(60)
                v.take(12)
                v.send(b"RFB 003.008\n")
                assert v.take(2) == b"\x01\x13"
                v.send(security + b"\x01")
                assert v.take(4) == b"\0\0\0\1"
                v.closed()
        for bad in (b"\0\1", b"\0\2" + (256).to_bytes(4, "big"), b"\0\2" + (260).to_bytes(4, "big") + b"too early",
                    b"\0\2" + (261).to_bytes(4, "big")):
            with rfb.Viewer.__new__(rfb.Viewer) as v:
                v.sock = socket.socket(socket.AF_UNIX)
                v.sock.connect(q.path)
                v.sock.settimeout(60)
                v.send(b"RFB 003.008\n\x13" + bad)
                v.closed()
        with rfb.Viewer.__new__(rfb.Viewer) as v:       # 3.3 has no words for it
            v.sock = socket.socket(socket.AF_UNIX)
            v.sock.connect(q.path)
            v.sock.settimeout(60)
            v.send(b"RFB 003.003\n")
            v.closed()
        # Noise where TLS should begin, and somebody who leaves, hurt nobody.
        for noise in (b"", b"GET / HTTP/1.1\r\n\r\n" * 20):
            with rfb.Viewer.__new__(rfb.Viewer) as v:
                v.sock = socket.socket(socket.AF_UNIX)
                v.sock.connect(q.path)
                v.sock.settimeout(60)
                v.take(12)
                v.send(b"RFB 003.008\n\x13\0\2" + (260).to_bytes(4, "big"))
                while v.take(1) != b"\x04":        # the last byte of the subtype
                    pass
                v.take(1)
                v.send(noise)
        with rfb.Viewer(q.path, tls=trusting(q.folder_of_keys)) as v:
            looks(v)


# --- Servers ---

@suite.test
def several_servers():
    with Server(",id=second,password=on", "-vnc", "unix:{folder}/one") as q:
        told = {s["id"]: s for s in q.monitor.command("query-vnc-servers")}
        assert list(told) == ["default", "second"] and told["second"]["auth"] == "vnc", told
        with rfb.Viewer(os.path.join(q.place, "one")) as v:
            looks(v)
            assert [len(s["clients"]) for s in q.monitor.command("query-vnc-servers")] == [1, 0]
            assert "Clients: 1" in q.hmp("info vnc")
        assert refused(q.path, 8, "x")
        assert "wants no password" in q.hmp("set_password vnc x")
        assert q.hmp("set_password -d second vnc x") == "" and not refused(q.path, 8, "x")
        assert "third" in q.hmp("set_password -d third vnc x")


@suite.test
def a_viewer_is_called():
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        waiting.settimeout(60)
        with Server(",reverse=on", where=f"127.0.0.1:{waiting.getsockname()[1]}") as q:
            peer, _ = waiting.accept()
            with rfb.Viewer(peer) as v:
                looks(v)
            server, = q.monitor.command("query-vnc-servers")
            assert server["server"] == [], server
    assert "Connection refused" in fails(f"127.0.0.1:{rhea.free_port()},reverse=on")


@suite.test
def what_is_refused():
    for options, words in (("audiodev=a", "hear nothing"), ("tls-creds=none", "no TLS credentials"), ("sasll=on", "sasll"),
                           ("password-secret=none", "none"), ("head=1000", "head")):
        assert words in fails(f":0,{options}"), options
    with rhea.scratch() as place:
        assert "already" in fails(f"unix:{place}/a,id=x", "-vnc", f"unix:{place}/b,id=x")


@suite.test
def the_console_of_a_device():
    """One server for each screen; the second has none until its device shows something."""
    with Server(",display=b", "-device", "bochs-display,id=a,addr=8", "-device", "bochs-display,id=b,addr=9") as q:
        frames, regs = 0xe0000000, 0xe4000000
        q.set_config(9 << 3, 0x10, frames)
        q.set_config(9 << 3, 0x18, regs)
        q.set_config(9 << 3, 0x04, 2, 2)
        for index, value in ((4, 0), (1, 80), (2, 50), (3, 32), (4, 0xc1)):
            q.write(regs + 0x500 + 2 * index, value, 2)
        q.write(frames, 0x123456)
        with rfb.Viewer(q.path) as v:
            assert (v.width, v.height) == (80, 50)
            v.request()
            v.update()
            assert v.rows[0][0] == (0x12, 0x34, 0x56)
        assert q.monitor.command("query-vnc-servers")[0]["display"] == "b"


@suite.test
def events_of_a_viewer():
    with Server(where="127.0.0.1:0,to=90") as q:
        port = int(q.monitor.command("query-vnc")["service"])
        with rfb.Viewer(("127.0.0.1", port)) as v:
            me = str(v.sock.getsockname()[1])
            client = {"host": "127.0.0.1", "service": me, "family": "ipv4", "websocket": False}
            for name in ("VNC_CONNECTED", "VNC_INITIALIZED"):
                data = q.monitor.wait_event(name)["data"]
                assert data["client"] == client and data["server"]["service"] == str(port), data
            assert q.monitor.command("query-vnc")["clients"] == [client]
        assert q.monitor.wait_event("VNC_DISCONNECTED")["data"]["client"] == client


sys.exit(suite.run())
