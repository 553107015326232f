# SPDX-License-Identifier: MIT
"""A machine without CPUs, driven through -qtest (softmmu/qtest.c has the protocol)."""

import base64
import contextlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position


class Qtest:
    """Use as a context manager; interrupts of intercepted lines gather in irqs as (number, level)."""

    MACHINE = ["-M", "virt", "-bios", "none"]

    def __init__(self, *args, qmp=False):
        self.irqs = []
        self.folder = tempfile.mkdtemp(prefix="rhea-test-")
        self.qmp_path = os.path.join(self.folder, "qmp")
        self.errors = tempfile.TemporaryFile()
        argv = [self.emulator(), *self.MACHINE, "-accel", "qtest", "-qtest", "stdio", "-display",
                "none", "-monitor", "none", "-m", "64M"]
        if "-serial" not in args:
            argv += ["-serial", "null"]
        if qmp:
            argv += ["-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        self.process = subprocess.Popen(argv + list(args), stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=self.errors)

    @staticmethod
    def emulator():
        return rhea.emulator()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answer(self):
        while True:
            line = self.process.stdout.readline()
            if not line:
                self.errors.seek(0)
                raise AssertionError(f"the emulator ended with status {self.process.wait(10)}: "
                                     f"{self.errors.read().decode(errors='replace')[-2000:]}")
            words = line.split()
            if words[0] != "IRQ":
                return line.strip()
            self.irqs.append((int(words[2]), words[1] == "raise"))

    def _send(self, text):
        with contextlib.suppress(BrokenPipeError):  # that it has ended is the answer
            self.process.stdin.write(text)
            self.process.stdin.flush()

    def qmp(self):
        return rhea.Qmp(self.qmp_path)

    def raw(self, line):
        """Sends a line and returns the answer, FAIL or OK."""
        self._send(line + "\n")
        return self._answer()

    def command(self, *words):
        """Sends a command that must succeed; what follows OK."""
        line = " ".join(hex(w) if isinstance(w, int) else w for w in words)
        answer = self.raw(line)
        assert answer.split()[0] == "OK", f"{line}: {answer}"
        return answer[2:].strip()

    def many(self, lines):
        """Sends many lines at once and returns their answers."""
        answers = []
        for i in range(0, len(lines), 256):
            part = lines[i:i + 256]
            self._send("\n".join(part) + "\n")
            answers += [self._answer() for _ in part]
        return answers

    def read(self, addr, size=4):
        return int(self.command("read" + {1: "b", 2: "w", 4: "l", 8: "q"}[size], addr), 0)

    def write(self, addr, value, size=4):
        self.command("write" + {1: "b", 2: "w", 4: "l", 8: "q"}[size], addr, value)

    def step(self, ns=None):
        """Lets virtual time pass: ns, or up to the next deadline. The time it is then."""
        return int(self.command("clock_step", *([] if ns is None else [str(ns)])))

    def take_irqs(self):
        irqs, self.irqs = self.irqs, []
        return irqs

    def devices(self):
        """(path, type) of each device."""
        return [tuple(d.rsplit("=", 1)) for d in self.command("rhea_devices").split()]

    def find(self, type_name, number=0):
        """Path of a device of that type."""
        return [p for p, t in self.devices() if t == type_name][number]

    def save(self):
        """The state of all devices, which the emulator keeps for load()."""
        return base64.b64decode(self.command("rhea_save"))

    def load(self, changes=()):
        """Loads the kept state with other bytes in places, (place, bytes) each; the answer."""
        return self.raw(" ".join(["rhea_load"] + [f"{at} 0x{part.hex()}" for at, part in changes]))

    def registers(self, path):
        """(address, [(name, offset, size, kind, reset, writable)]) of a device's register table, or
        (None, [])."""
        words = self.command("rhea_regs", path).split()
        regs = []
        for word in words[1:]:
            name, offset, size, kind, reset, writable = word.split(":")
            regs.append((name, int(offset, 0), int(size), kind, int(reset, 0), int(writable, 0)))
        return (int(words[0], 0) if words else None), regs


class PcQtest(Qtest):
    """A PC without CPUs, with its ports."""

    MACHINE = ["-M", "pc"]

    @staticmethod
    def emulator():
        path = os.path.join(os.path.dirname(rhea.emulator()), "rhea-system-x86_64")
        if not os.path.exists(path):
            raise tap.Skip("rhea-system-x86_64 is not built")
        rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
        return path

    def inp(self, port, size=1):
        return int(self.command("in" + {1: "b", 2: "w", 4: "l"}[size], port), 0)

    def out(self, port, value, size=1):
        self.command("out" + {1: "b", 2: "w", 4: "l"}[size], port, value)

    def config(self, devfn, offset, size=4):
        """Reads configuration space of bus 0."""
        self.out(0xcf8, 0x80000000 | devfn << 8 | offset & 0xfc, 4)
        return self.inp(0xcfc + (offset & 3), size)

    def set_config(self, devfn, offset, value, size=4):
        self.out(0xcf8, 0x80000000 | devfn << 8 | offset & 0xfc, 4)
        self.out(0xcfc + (offset & 3), value, size)

    def fw_cfg(self, key, size):
        """An item of fw_cfg, by DMA through memory at 4 KiB."""
        block = struct.pack(">IIQ", key << 16 | 8 | 2, size, 0x2000)
        self.command("write", 0x1000, 16, "0x" + block.hex())
        self.out(0x518, int.from_bytes((0x1000).to_bytes(4, "big"), "little"), 4)
        assert self.read(0x1000) == 0, "DMA has ended without error"
        return bytes.fromhex(self.command("read", 0x2000, size)[2:])

    def fw_cfg_files(self):
        """The directory of fw_cfg: name: (key, size)"""
        count = struct.unpack(">I", self.fw_cfg(0x19, 4))[0]
        raw = self.fw_cfg(0x19, 4 + 64 * count)
        files = {}
        for i in range(count):
            size, key, _, name = struct.unpack_from(">IHH56s", raw, 4 + 64 * i)
            files[name.rstrip(b"\0").decode()] = (key, size)
        return files

    # fw_cfg by ports: the bytes of an item, the directory, and a write by DMA.

    def take_file(self, key, size):
        self.out(0x510, key, 2)
        return bytes(self.inp(0x511) for _ in range(size))

    def files(self):
        """{name: (key, size)}"""
        count = int.from_bytes(self.take_file(0x19, 4), "big")
        raw = self.take_file(0x19, 4 + 64 * count)[4:]
        entries = [raw[i:i + 64] for i in range(0, len(raw), 64)]
        return {e[8:].rstrip(b"\0").decode(): (int.from_bytes(e[4:6], "big"), int.from_bytes(e[:4], "big"))
                for e in entries}

    def put_file(self, key, data):
        """Whether the item takes it; uses memory at 0x1000."""
        block = (key << 16 | 8 | 16).to_bytes(4, "big") + len(data).to_bytes(4, "big") + (0x1010).to_bytes(8, "big")
        self.command("write", 0x1000, hex(16 + len(data)), "0x" + (block + data).hex())
        self.out(0x514, 0, 4)
        self.out(0x518, int.from_bytes((0x1000).to_bytes(4, "big"), "little"), 4)
        return self.read(0x1000) == 0
