#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Character devices and the monitor, as users and scripts meet them."""

import contextlib
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ppm                                              # noqa: E402
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
IDLE = ["-M", "virt", "-m", "32M", "-bios", "none", "-accel", "tci", "-kernel", rhea.OWN_GUEST,
        "-append", "echo"]


@contextlib.contextmanager
def running(*args, **kwargs):
    """The emulator with its output on pipes; killed at the end."""
    process = subprocess.Popen([rhea.emulator(), *args], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def read_until(fd, pattern, timeout=20):
    """Reads the descriptor until the pattern has come; returns everything."""
    deadline, data = time.monotonic() + timeout, b""
    while not re.search(pattern, data):
        left = deadline - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], (pattern, data[-400:])
        got = os.read(fd, 65536)
        assert got, (pattern, data[-400:])
        data += got
    return data


def connect(stack, path, timeout=20):
    """A connection to a Unix socket that may not be there yet."""
    deadline = time.monotonic() + timeout
    while True:
        s = stack.enter_context(socket.socket(socket.AF_UNIX))
        s.settimeout(timeout)
        try:
            s.connect(path)
            return s
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextlib.contextmanager
def on_terminal(*args):
    """The emulator on a terminal of its own: (process, master, slave, its former state)."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([rhea.emulator(), *args], stdin=slave, stdout=slave, stderr=slave,
                               start_new_session=True)
    try:
        yield process, master, slave, before
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


@suite.test
def nographic_keys_and_terminal():
    with on_terminal(*IDLE, "-nographic") as (process, master, slave, before):
        read_until(master, rb"rhea guest")
        assert not termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        os.write(master, b"\x01h")
        assert b"exit emulator" in read_until(master, rb"C-a C-a +sends C-a")
        os.write(master, b"\x01c")
        read_until(master, rb"\(qemu\) ")
        os.write(master, b"info stat\t\r")
        read_until(master, rb"VM status: running\r+\n\(qemu\) ")
        os.write(master, b"\x1b[A\x01\x01\x04i\r")        # history, start of line, delete, insert
        read_until(master, rb"VM status: running\r+\n\(qemu\) ")
        os.write(master, b"\x01x")
        assert process.wait(20) == 0
        after = termios.tcgetattr(slave)
        assert after[:4] == before[:4], (before, after)


@suite.test
def terminal_is_restored_after_a_signal():
    with on_terminal(*IDLE, "-nographic") as (process, master, slave, before):
        read_until(master, rb"rhea guest")
        process.send_signal(signal.SIGTERM)
        said = read_until(master, rb"terminating on signal 15 from pid \d+")
        assert str(os.getpid()).encode() in said, said
        assert process.wait(20) == 0
        assert termios.tcgetattr(slave)[:4] == before[:4]


@suite.test
def monitor_on_a_pipe():
    with running("-M", "none", "-display", "none", "-monitor", "stdio") as process:
        out, _ = process.communicate(b"info status\nno-such\ninfo version\nprint /d 0x10 + 5\nquit\n", 20)
        text = out.decode()
        assert process.returncode == 0
        assert "VM status: running" in text and "unknown command: 'no-such'" in text, text
        assert re.search(r"^\d+\.\d+\.\d+ \(rhea", text, re.M) and "\n21" in text, text
        assert text.count("(qemu) ") >= 5, text


def connect_when_free(s, path, timeout=20):
    """A Unix socket refuses at once while its queue is full."""
    deadline = time.monotonic() + timeout
    s.settimeout(timeout)
    while True:
        try:
            s.connect(path)
            return
        except BlockingIOError:
            assert time.monotonic() < deadline, f"no place at {path} for {timeout} s"
            time.sleep(0.02)


@suite.test
def socket_server_takes_one_peer_after_another():
    with rhea.scratch() as folder:
        path = os.path.join(folder, "serial")
        with running(*IDLE, "-display", "none", "-serial",
                     f"unix:{path},server=on,wait=on") as process:
            read_until(process.stdout.fileno(), rb"waiting for a connection")
            for turn in range(3):
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(20)
                    s.connect(path)
                    if turn == 0:
                        read_until(s.fileno(), rb"rhea guest")
                    s.sendall(b"turn%d\n" % turn)
                    read_until(s.fileno(), rb"turn%d" % turn)
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        assert not os.path.exists(path), "the socket was left behind"


@suite.test
def socket_server_with_a_guest_that_does_not_read():
    """More than the guest takes, and the peer has gone: the next one gets its turn all the same."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "serial")
        with running("-S", *IDLE, "-display", "none", "-monitor", "stdio", "-serial",
                     f"unix:{path},server=on,wait=off") as process:
            read_until(process.stdout.fileno(), rb"\(qemu\) ")
            for turn in range(6):
                with socket.socket(socket.AF_UNIX) as s:
                    connect_when_free(s, path)
                    s.sendall(b"A" * 1000 if turn < 5 else b"\rlast\r")
                    if turn == 5:
                        process.stdin.write(b"cont\n")
                        process.stdin.flush()
                        read_until(s.fileno(), rb"last")


@suite.test
def socket_client_reconnects():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(20)
        with running(*IDLE, "-display", "none", "-chardev",
                     f"socket,id=c,host=127.0.0.1,port={port},reconnect-ms=50", "-serial",
                     "chardev:c"):
            first, _ = server.accept()
            read_until(first.fileno(), rb"rhea guest")
            first.close()
            second, _ = server.accept()
            second.sendall(b"again\n")
            read_until(second.fileno(), rb"again")
            second.close()


@suite.test
def nobody_waits_for_a_stuck_peer():
    """A server that never accepts, clients that never read: the monitor answers, the guest goes on."""
    with rhea.scratch() as folder:
        busy, serial, control, other = (os.path.join(folder, n) for n in ("busy", "serial", "control", "other"))
        with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as stack:
            server.bind(busy)
            server.listen(0)
            waiting = []
            for _ in range(8):      # until one more connection would have to wait
                waiting.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
                waiting[-1].setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting[-1].connect(busy)
                    continue
                break
            stack.enter_context(running(
                *IDLE, "-display", "none", "-chardev", f"socket,id=b,path={busy},reconnect-ms=10", "-device",
                "virtio-serial-device", "-device", "virtserialport,chardev=b", "-serial",
                f"unix:{serial},server=on,wait=on", "-qmp", f"unix:{control},server=on,wait=off", "-monitor",
                f"unix:{other},server=on,wait=off"))
            s = connect(stack, serial)
            deaf = connect(stack, other)
            read_until(s.fileno(), rb"rhea guest")
            with contextlib.suppress(OSError):       # answers that nobody reads; in the end it is hung up on
                deaf.sendall(b"info mtree\n" * 20000)
            with rhea.Qmp(control) as q:
                for _ in range(20):
                    start = time.monotonic()
                    assert q.command("query-status")["running"]
                    assert time.monotonic() - start < 10
                    s.sendall(b"still here\n")
                    read_until(s.fileno(), rb"still here")


@suite.test
def telnet_negotiates_and_strips():
    port = rhea.free_port()
    with running("-M", "none", "-display", "none", "-monitor",
                 f"telnet:127.0.0.1:{port},server=on,wait=off"):
        deadline = time.monotonic() + 20
        while True:
            try:
                s = socket.create_connection(("127.0.0.1", port), timeout=20)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        with s:
            assert read_until(s.fileno(), rb"\(qemu\) ").startswith(b"\xff\xfb\x01")
            s.sendall(b"\xff\xfd\x01\xff\xfa\x18\x00x\xff\xf0info name\r\0info status\r\n")
            read_until(s.fileno(), rb"VM status: running")


@suite.test
def pty_carries_the_console():
    with running(*IDLE, "-display", "none", "-serial", "pty") as process:
        said = read_until(process.stdout.fileno(), rb"redirected to /dev/pts/\d+ ")
        name = re.search(rb"/dev/pts/\d+", said).group()
        fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
        time.sleep(1)                                   # it notices an opener twice a second
        os.write(fd, b"hello\n")
        read_until(fd, rb"hello")
        os.close(fd)


@suite.test
def file_log_and_ringbuf():
    with rhea.scratch() as folder:
        out, log = os.path.join(folder, "out"), os.path.join(folder, "log")
        argv = [a if a != "echo" else "exit=0" for a in IDLE]
        with running(*argv, "-display", "none", "-chardev",
                     f"file,id=f,path={out},logfile={log}", "-serial", "chardev:f") as process:
            assert process.wait(30) == 0
        with open(out, "rb") as f:
            data = f.read()
        assert b"rhea guest" in data
        with open(log, "rb") as f:
            assert f.read() == data
    with rhea.Machine("-bios", "none", "-accel", "tci", "-kernel", rhea.OWN_GUEST, "-append",
                      "idle", "-chardev", "ringbuf,id=r,size=64k", "-mon", "r", qmp=True) as m:
        with m.qmp() as q:
            text = q.command("ringbuf-read", device="r", size=65536)
            assert "monitor" in text and text.endswith("(qemu) "), text
            assert q.command("ringbuf-read", device="r", size=65536) == ""


@suite.test
def slow_reader_loses_nothing():
    with running(*[a if a != "echo" else "exit=0" for a in IDLE], "-display", "none", "-serial",
                 "stdio") as process:
        time.sleep(1)                                   # the guest is done long before we look
        data = process.stdout.read()
        assert data.startswith(b"rhea guest") and process.wait(20) == 0


def glyph(char):
    """Its rows in the font of text consoles."""
    with open(os.path.join(rhea.TOP, "ui", "font.c"), encoding="utf-8") as f:
        found = re.search(rf"{{0x{ord(char):04x},\s*{{([^}}]*)}}", f.read())
    return [int(b, 16) for b in found.group(1).split(",")]


@suite.test
def text_console_is_drawn():
    """What the monitor says, dot by dot; the cursor is a block behind it."""
    prompt, grey = "(qemu) ", (0xaa,) * 3
    rows = [glyph(c) for c in prompt]
    with rhea.scratch() as folder, rhea.Machine("-M", "none", "-monitor", "vc:40Cx5C", qmp=True) as m, m.qmp() as q:
        seen = ppm.screendump(q, folder)
        assert seen.size == (40 * 8, 5 * 16)
        at = next(y for y in range(5) if seen.rows[y * 16][len(prompt) * 8:][:8] == [grey] * 8)
        for y in range(16):
            for x in range(len(prompt) * 8):
                wanted = grey if rows[x // 8][y] << x % 8 & 0x80 else (0, 0, 0)
                assert seen.rows[at * 16 + y][x] == wanted, (x, y)
            assert seen.rows[at * 16 + y][len(prompt) * 8:] == [grey] * 8 + [(0, 0, 0)] * 32 * 8


@suite.test
def wrong_devices_are_refused():
    cases = [
        (["-serial", "tcpp:x"], "is no character device"),
        (["-chardev", "sokcet,id=x"], "did you mean 'socket'"),
        (["-chardev", "null"], "has no id="),
        (["-chardev", "null,id=x", "-chardev", "null,id=x"], "taken by another chardev"),
        (["-chardev", "file,id=x"], "needs path="),
        (["-chardev", "ringbuf,id=x,size=3"], "power of two"),
        (["-chardev", "socket,id=x,path=/no/such/dir/s,server=on,wait=off"], "/no/such/dir/s"),
        (["-chardev", "socket,id=x,path=/a,servre=on"], "did you mean 'server'"),
        (["-mon", "chardev=nothing"], "'nothing' does not exist"),
        (["-serial", "stdio", "-monitor", "stdio"], "the terminal is taken by stdio"),
        (["-serial", "vc:80x"], "vc:80Cx24C"),
        (["-chardev", "vc,id=x,cols=0"], "no room for a character in this cols"),
        (["-chardev", "vc,id=x,width=7"], "no room for a character in this width"),
        (["-chardev", "vc,id=x,rows=257"], "rows"),
    ]
    for args, message in cases:
        done = subprocess.run([rhea.emulator(), "-M", "none", "-display", "none", *args],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1 and message in done.stderr, (args, done.stderr)
        assert done.stderr.count("\n") == 1 and args[-2] in done.stderr, (args, done.stderr)


if __name__ == "__main__":
    sys.exit(suite.run())
