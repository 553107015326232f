#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The gdb stub: by its protocol, and by gdb-multiarch on the own guest."""

import os
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
ENTRY = 0x80000000


def machine(*args):
    port = rhea.free_port()
    m = rhea.Machine("-S", "-bios", "none", "-kernel", rhea.OWN_GUEST, "-accel", "tci", "-gdb",
                     f"tcp:127.0.0.1:{port}", *args, memory="32M")
    m.gdb_port = port
    return m


class Remote:
    """A client of gdb's remote protocol."""

    def __init__(self, port):
        deadline = time.monotonic() + 20
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, text):
        self.sock.sendall(b"$%s#%02x" % (text, sum(text) & 0xff))

    def reply(self):
        while True:
            start = self.data.find(b"$")
            end = self.data.find(b"#", start)
            if start >= 0 and 0 <= end and end + 3 <= len(self.data):
                packet = self.data[start + 1:end]
                assert int(self.data[end + 1:end + 3], 16) == sum(packet) & 0xff
                self.data = self.data[end + 3:]
                self.sock.sendall(b"+")
                out, escaped = bytearray(), False
                for c in packet:
                    if escaped:
                        out.append(c ^ 0x20)
                    elif c != ord("}"):
                        out.append(c)
                    escaped = not escaped and c == ord("}")
                return bytes(out)
            got = self.sock.recv(65536)
            assert got, "the stub hung up"
            self.data += got

    def ask(self, text):
        self.send(text.encode() if isinstance(text, str) else text)
        return self.reply().decode("latin-1")

    def pc(self):
        return int.from_bytes(bytes.fromhex(self.ask("p20")), "little")


@suite.test
def describes_the_target():
    with machine() as m, Remote(m.gdb_port) as r:
        assert "qXfer:features:read+" in r.ask("qSupported:swbreak+")
        text = ""
        while True:
            part = r.ask(f"qXfer:features:read:target.xml:{len(text):x},400")
            text += part[1:]
            if part[0] == "l":
                break
        root = ElementTree.fromstring(text.split("?>", 1)[1].split(">", 1)[1])
        assert root.findtext("architecture") == "riscv:rv64"
        names = [reg.get("name") for reg in root.iter("reg")]
        assert {"zero", "pc", "ft0", "mstatus", "priv"} <= set(names), names
        assert len(r.ask("g")) == 33 * 16


@suite.test
def reads_writes_and_steps():
    with machine() as m, Remote(m.gdb_port) as r:
        assert r.ask("?").startswith("T05")
        assert r.pc() == 0x1000
        assert r.ask("Pa=efbeadde00000000") == "OK"
        assert r.ask("pa") == "efbeadde00000000"
        assert r.ask("s").startswith("T05thread:01")
        assert r.pc() == 0x1004
        assert r.ask(f"M{ENTRY + 0x100000:x},4:01020304") == "OK"
        assert r.ask(f"X{ENTRY + 0x100004:x},2:".encode() + b"}\x03}\x04") == "OK"
        assert r.ask(f"m{ENTRY + 0x100000:x},6") == "010203042324"
        assert r.ask("m0,4").startswith("E")


@suite.test
def stops_at_breakpoints_and_watchpoints():
    with machine() as m, Remote(m.gdb_port) as r:
        assert r.ask(f"Z0,{ENTRY:x},4") == "OK"
        assert r.ask("c").startswith("T05")
        assert r.pc() == ENTRY
        assert r.ask(f"z0,{ENTRY:x},4") == "OK"
        sp_area = 0x10000000                    # the UART's transmitter: the guest prints
        assert r.ask(f"Z2,{sp_area:x},1") == "OK"
        stop = r.ask("c")
        assert stop.startswith("T05") and f"watch:{sp_area:x}" in stop, stop
        assert r.ask(f"z2,{sp_area:x},1") == "OK"
        r.send(b"D")
        m.expect("rhea guest:")


@suite.test
def every_watchpoint_is_told():
    """What one instruction hits, and what several harts hit at once; gdb takes its watchpoints out in between."""
    code = ENTRY + 0x200000
    with machine("-smp", "2") as m, Remote(m.gdb_port) as r:
        # sd a0, 0(a1); j .
        assert r.ask(f"M{code:x},8:23b0a5006f000000") == "OK"
        for thread in (1, 2):
            assert r.ask(f"Hg{thread}") == "OK"
            assert r.ask(f"P20={code.to_bytes(8, 'little').hex()}") == "OK"
            assert r.ask(f"Pb={(code + 0x1000 * thread).to_bytes(8, 'little').hex()}") == "OK"
        watches = [f"2,{code + 0x1000:x},2", f"2,{code + 0x1004:x},4", f"4,{code + 0x2000:x},8", f"3,{code + 0x2000:x},8"]
        seen = []
        for _ in range(3):
            assert all(r.ask("Z" + w) == "OK" for w in watches)
            seen.append(r.ask("c"))
            assert all(r.ask("z" + w) == "OK" for w in watches)
        assert sorted(seen) == [f"T05thread:01;watch:{code + 0x1000:x};", f"T05thread:01;watch:{code + 0x1004:x};",
                                f"T05thread:02;awatch:{code + 0x2000:x};"], seen
        r.send(b"c")        # nothing is left of them
        time.sleep(0.2)
        r.sock.sendall(b"\x03")
        assert r.reply().startswith(b"T02")


@suite.test
def steps_and_holds_threads_apart():
    with machine("-smp", "3") as m, Remote(m.gdb_port) as r:
        def pcs():
            found = []
            for thread in (1, 2, 3):
                assert r.ask(f"Hg{thread}") == "OK"
                found.append(r.pc())
            return found

        start = pcs()
        assert r.ask("vCont;s:2") == "T05thread:02;"     # the others stay stopped
        now = pcs()
        assert now[0] == start[0] and now[1] != start[1] and now[2] == start[2], (start, now)
        assert r.ask("vCont;s:3;s:1").startswith("T05thread:")   # one may be stopped before it begins
        after = pcs()
        assert after[1] == now[1] and after != now, (now, after)
        assert r.ask("Hg2") == "OK"
        assert r.ask("vCont;s:2;c") == "T05thread:02;"   # the others run meanwhile
        assert r.ask("vCont;x") == "E22"
        assert r.ask("vCont;s:9") == "E22"
        r.send(b"vCont;c")
        m.expect("rhea guest:")


@suite.test
def interrupts_and_knows_threads():
    with machine("-smp", "3", "-append", "idle") as m, Remote(m.gdb_port) as r:
        assert r.ask("qfThreadInfo") == "m01"
        assert r.ask("qsThreadInfo") == "m02"
        assert r.ask("qsThreadInfo") == "m03"
        assert r.ask("qsThreadInfo") == "l"
        assert r.ask("Hg3") == "OK"
        assert r.ask("Hg4").startswith("E")
        assert r.ask("T4").startswith("E")
        r.send(b"vCont;c")
        time.sleep(0.3)
        r.sock.sendall(b"\x03")
        assert r.reply().startswith(b"T02")
        assert "VM status: paused" in bytes.fromhex(
            r.ask("qRcmd," + b"info status".hex())).decode()


@suite.test
def tells_of_the_end():
    with machine() as m, Remote(m.gdb_port) as r:
        end = r.ask("c")
        assert end[0] == "W" and int(end[1:], 16) == m.wait(20), end


@suite.test
def survives_garbage():
    with machine() as m:
        with Remote(m.gdb_port) as r:
            for packet in (b"m", b"m,", b"mffffffffffffffff,ffffffff", b"M0,ffffffffff:00", b"Z", b"Z9,0,0",
                           b"Z2,0,0", b"P", b"P20=zz", b"p99999999", b"G00", b"H", b"qXfer:features:read:x:0,1",
                           b"qXfer:features:read:target.xml:ffffffff,1", b"vCont;x", b"vCont", b"T", b"", b"qRcmd,zz"):
                r.ask(packet)
            r.sock.sendall(b"$" + b"A" * 100000)
            r.sock.sendall(b"#00noise+++\xff$g#00")
        with Remote(m.gdb_port) as r:
            assert r.pc() == 0x1000


@suite.test
def gdb_itself():
    gdb = rhea.need_tool("gdb-multiarch")
    with machine() as m:
        commands = ["set arch riscv:rv64", f"target remote 127.0.0.1:{m.gdb_port}", "stepi",
                    "info registers pc", f"hbreak *{ENTRY:#x}", "continue", "print/x $misa",
                    "print $priv", "detach"]
        argv = [gdb, "-nx", "-batch"]
        for c in commands:
            argv += ["-ex", c]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)
        assert "0x1004" in done.stdout, done.stdout + done.stderr
        assert "Breakpoint 1" in done.stdout, done.stdout + done.stderr
        assert "$1 = 0x8" in done.stdout and "$2 = 3" in done.stdout, done.stdout + done.stderr
        assert "unknown" not in done.stderr, done.stderr
        m.expect("rhea guest:")


if __name__ == "__main__":
    sys.exit(suite.run())
