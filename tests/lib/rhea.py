# SPDX-License-Identifier: MIT
"""A machine under test: starts the emulator, drives its serial console and QMP, always kills it.

The emulator is $RHEA_EMULATOR, else rhea-system-riscv64 in the current (build) folder.  Guests are
in $RHEA_GUESTS, else build/guests.  Guests and firmware that are missing raise tap.Skip.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OWN_GUEST = os.path.join(TOP, "pc-bios", "rhea-guest-riscv64.elf")
# Translations that the machines keep stay in the build folder.
os.environ["XDG_CACHE_HOME"] = os.path.abspath(os.path.join("tests", "cache"))
SUPERVISOR = os.path.join(TOP, "pc-bios", "rhea-supervisor-riscv64.elf")


class ConsoleError(AssertionError):
    """The guest did not do as expected; log holds what the console said."""

    def __init__(self, message, log):
        super().__init__(message)
        self.log = log


def emulator():
    """Path of the emulator under test; that there is none is a failure, not a reason to skip."""
    name = os.environ.get("RHEA_EMULATOR") or os.path.join(os.getcwd(), "rhea-system-riscv64")
    path = shutil.which(name)
    assert path, f"no emulator at {name}"
    return path


def is_rhea():
    """Whether the emulator is ours; the tests run on others too, without what only we have."""
    done = subprocess.run([emulator(), "--version"], text=True, capture_output=True, check=False)
    return "rhea" in done.stdout


def has_accel(name):
    done = subprocess.run([emulator(), "-accel", "help"], text=True, capture_output=True,
                          check=False)
    return name in done.stdout.split()


def need_accel(name):
    if not has_accel(name.split(",")[0]):
        raise tap.Skip(f"this emulator has no '-accel {name}'")


def architecture():
    """What the emulator under test emulates: the end of its name."""
    return os.path.basename(emulator()).rsplit("-", 1)[-1]


def guest_file(name, made_by="scripts/guest-assets"):
    """A file that a script made for guests of the emulator under test."""
    folder = os.environ.get("RHEA_GUESTS") or os.path.join(TOP, "build", "guests")
    folder = os.path.join(folder, architecture())
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        raise tap.Skip(f"{name} is not in {folder} (run {made_by})")
    return path


def need_file(path, package):
    if not os.path.exists(path):
        raise tap.Skip(f"{path} is missing (package {package})")
    return path


def need_tool(name):
    path = shutil.which(name) or shutil.which(name, path="/sbin:/usr/sbin")
    if not path:
        raise tap.Skip(f"{name} is not installed")
    return path


def free_port():
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def scratch():
    """A temporary folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="rhea-test-") as path:
        yield path


def copy_image(name, folder):
    """A private, sparse copy of a guest image."""
    target = os.path.join(folder, name)
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", guest_file(name), target], check=True)
    return target


def check_ext4(image):
    """A file system that is not clean, or not whole, is a failure."""
    done = subprocess.run([need_tool("e2fsck"), "-fn", image], text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"e2fsck: status {done.returncode}\n{done.stdout}{done.stderr}"


class Console:
    """A guest's serial port, seen from outside.  Who derives from it has _read(), send() and fail()."""

    def __init__(self):
        self.log = ""
        self.seen = 0               # how much of log expect() has consumed

    def expect(self, pattern, timeout=60):
        """Waits for the regular expression after what earlier calls matched; returns the match."""
        deadline = time.monotonic() + timeout
        compiled = re.compile(pattern)
        while True:
            found = compiled.search(self.log, self.seen)
            if found:
                self.seen = found.end()
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                self.fail(f"no {pattern!r} within {timeout} s")
            if not self._read(left):
                found = compiled.search(self.log, self.seen)
                if not found:
                    self.fail(f"console ended{self.ended()} before {pattern!r}")

    def run(self, command, timeout=60, status=0):
        """Runs a command in the guest's shell and returns its output; checks its exit status."""
        # The echoed line has quotes inside the markers, so only the output matches.
        self.send(f"echo BE''GIN; {command}; echo EN''D=$?=\n")
        self.expect(r"BEGIN\r*\n", timeout)
        start = self.seen
        found = self.expect(r"END=(\d+)=", timeout)
        if status is not None and int(found.group(1)) != status:
            self.fail(f"guest command {command!r} ended with status {found.group(1)}")
        return self.log[start:found.start()].replace("\r", "").strip()

    def ended(self):
        """For messages: how it ended."""
        return ""


class SocketConsole(Console):
    """One that is a Unix socket, of a process that somebody else started."""

    def __init__(self, path, timeout=60):
        super().__init__()
        self.path = path
        deadline = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(path)
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def fail(self, message):
        raise ConsoleError(f"{message}\nconsole: {self.path}", self.log)

    def _read(self, wait):
        """Takes what it says within wait seconds; False at its end."""
        if not select.select([self.sock], [], [], max(0, wait))[0]:
            return True
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.log += data.decode("utf-8", "replace")
        return bool(data)

    def send(self, text):
        self.sock.sendall(text.encode())


class Machine(Console):
    """A running emulator whose first serial port is this object's console.

    Use as a context manager.  Arguments are the emulator's; the display, the monitor and the
    serial port are set here.
    """

    def __init__(self, *args, qmp=False, memory="256M"):
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="rhea-test-")
        self.qmp_path = os.path.join(self.folder, "qmp")
        argv = [emulator(), "-M", "virt", "-display", "none", "-monitor", "none", "-serial", "stdio",
                "-m", memory]
        if qmp:
            argv += ["-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        self.argv = argv + [str(a) for a in args]
        self.stderr = tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for f in (self.process.stdin, self.process.stdout, self.stderr):
            with contextlib.suppress(OSError):
                f.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def errors(self):
        """What the emulator wrote to its standard error so far."""
        self.stderr.seek(0)
        return self.stderr.read().decode("utf-8", "replace")

    def fail(self, message):
        raise ConsoleError(f"{message}\ncommand: {' '.join(self.argv)}\nstderr: {self.errors()}",
                           self.log)

    def _read(self, wait):
        """Takes what the console says within wait seconds; False at its end."""
        fd = self.process.stdout.fileno()
        if not select.select([fd], [], [], max(0, wait))[0]:
            return True
        data = os.read(fd, 65536)
        self.log += data.decode("utf-8", "replace")
        return bool(data)

    def forget(self):
        """Takes what the console has said until now, so that expect() waits for what comes next."""
        while select.select([self.process.stdout], [], [], 0)[0] and self._read(0):
            pass
        self.seen = len(self.log)

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ended(self):
        return f" (status {self.process.wait()})"

    def wait(self, timeout=60):
        """Reads the console to its end and returns the emulator's exit status."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                self.fail(f"still running after {timeout} s")
        try:
            return self.process.wait(max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return self.fail(f"still running after {timeout} s")

    def terminate(self, signum=signal.SIGTERM, timeout=20):
        self.process.send_signal(signum)
        return self.wait(timeout)

    def qmp(self):
        """Connects to QMP and negotiates."""
        try:
            return Qmp(self.qmp_path)
        except OSError as e:
            return self.fail(f"no QMP: {e} (status {self.process.poll()})")


class Qmp:
    """A QMP client; events are collected on the way."""

    def __init__(self, path, timeout=60):
        deadline = time.monotonic() + timeout
        self.events = []
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            try:
                self.sock.connect(path)
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.file = self.sock.makefile("rwb")
        self.greeting = self._message()
        self.command("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.sock.close()

    def _message(self):
        line = self.file.readline()
        assert line, "QMP connection closed"
        return json.loads(line)

    def command(self, name, /, **arguments):
        """Runs a command and returns its 'return'; an error raises with its text."""
        return self.exact(name, {k.replace("_", "-"): v for k, v in arguments.items()})

    def exact(self, name, arguments):
        """The same for arguments that have underscores in their names."""
        message = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        self.file.write(json.dumps(message).encode() + b"\n")
        self.file.flush()
        while True:
            answer = self._message()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise AssertionError(f"{name}: {answer['error']}")
            else:
                return answer["return"]

    def wait_event(self, name):
        """The next event of that name, also one that came before."""
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            message = self._message()
            if "event" in message:
                self.events.append(message)
