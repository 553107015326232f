# SPDX-License-Identifier: MIT
"""A gdb under test's control."""

import os
import re
import select
import signal
import subprocess
import time

import rhea


class Gdb:
    """A gdb that is typed at as a person would; Ctrl-C is SIGINT."""

    def __init__(self, port, symbols=None):
        self.log = ""
        self.marks = 0
        argv = [rhea.need_tool("gdb-multiarch"), "-nx", "-q", *([symbols] if symbols else [])]
        for setting in ("pagination off", "confirm off", "width 0", "debuginfod enabled off",
                        "tcp connect-timeout 60"):
            argv += ["-ex", f"set {setting}"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.ask(f"target remote 127.0.0.1:{port}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def send(self, line):
        """Types a line, behind it one that prints a mark once the line is done."""
        self.marks += 1
        self.process.stdin.write(f"{line}\necho <mark {self.marks}>\\n\n".encode())
        self.process.stdin.flush()

    def answer(self, timeout=120):
        """What gdb said up to the mark of the last send()."""
        start, mark = len(self.log), f"<mark {self.marks}>"
        deadline = time.monotonic() + timeout
        while mark not in self.log[start:]:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise rhea.ConsoleError(f"gdb did not answer within {timeout} s", self.log)
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise rhea.ConsoleError("gdb ended", self.log)
            self.log += data.decode("utf-8", "replace")
        return self.log[start:self.log.index(mark, start)]

    def ask(self, line, expected=""):
        """Types a line; the answer must have the regular expression in it."""
        self.send(line)
        text = self.answer()
        if not re.search(expected, text):
            raise rhea.ConsoleError(f"{line!r}: no {expected!r} in {text!r}", self.log)
        return text

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
