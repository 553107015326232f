# SPDX-License-Identifier: MIT
"""Sequences of riscv64 instructions on an emulated virt board: builds the firmware, runs it, reads
back what each sequence left in the registers (runner.S)."""

import os
import struct
import subprocess

import rvtables  # noqa: F401  (sets the module path)
import rhea
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
BASE, TABLE, CODE, DATA_MIDDLE = 0x80000000, 0x80010000, 0x80400000, 0x80201000
MARCH = "rv64imafd_zicsr_zifencei"
NAMES = [f"x{n}" for n in range(1, 32)] + [f"f{n}" for n in range(32)] + [
    "fcsr", "mcause", "mtval", "mepc", "data"]
CAUSE_ILLEGAL, CAUSE_BREAK = 2, 3
EBREAK = struct.pack("<I", 0x00100073)


class Case:
    """Registers to start with and code to run; image() sets the address of the code."""

    def __init__(self, code, x=None, f=None, fcsr=0, seed=1):
        self.code, self.fcsr, self.seed, self.address = code, fcsr, seed, 0
        self.x = x or [0] * 32
        self.f = f or [0] * 32


def build_runner(folder):
    """Assembles runner.S; its flat image."""
    gcc = rhea.need_tool("riscv64-linux-gnu-gcc")
    objcopy = rhea.need_tool("riscv64-linux-gnu-objcopy")
    elf, flat = os.path.join(folder, "runner.elf"), os.path.join(folder, "runner.bin")
    subprocess.run([gcc, f"-march={MARCH}", "-mabi=lp64", "-mcmodel=medany", "-nostdlib", "-static",
                    "-no-pie", f"-Wl,-Ttext={BASE:#x}", "-Wl,--build-id=none", "-o", elf,
                    os.path.join(HERE, "runner.S")], check=True)
    subprocess.run([objcopy, "-O", "binary", elf, flat], check=True)
    with open(flat, "rb") as file:
        return file.read()


def image(runner, cases, long_mode):
    """The firmware that runs @cases."""
    table = struct.pack("<QQ", len(cases), long_mode)
    code = b""
    for case in cases:
        case.address = CODE + len(code)
        table += struct.pack("<Q31Q32QQQ", case.address, *case.x[1:], *case.f, case.fcsr,
                             case.seed)
        code += case.code + EBREAK
        code += b"\1\0" * (-len(code) % 8 // 2)
    assert len(runner) <= TABLE - BASE and TABLE + len(table) <= DATA_MIDDLE - 0x1000
    return (runner.ljust(TABLE - BASE, b"\0") + table).ljust(CODE - BASE, b"\0") + code


def run(argv, folder, runner, cases, long_mode=False, timeout=120):
    """The lines printed: one checksum a case, or with @long_mode one dict a case."""
    path = os.path.join(folder, "cases.bin")
    with open(path, "wb") as f:
        f.write(image(runner, cases, long_mode))
    done = subprocess.run([*argv, "-bios", path], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout, check=False)
    lines = done.stdout.decode("ascii", "replace").split()
    per_case = len(NAMES) if long_mode else 1
    if len(lines) != per_case * len(cases):
        raise AssertionError(f"{argv[0]}: {len(lines)} lines, not {per_case * len(cases)}; status "
                             f"{done.returncode}: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
    if not long_mode:
        return lines
    return [dict(zip(NAMES, (int(v, 16) for v in lines[i:i + per_case])))
            for i in range(0, len(lines), per_case)]


def ours(accel, cpu="max"):
    """Command line of the emulator under test."""
    return [rhea.emulator(), *MACHINE, "-accel", accel, "-cpu", cpu]


MACHINE = ["-M", "virt", "-m", "64M", "-display", "none", "-monitor", "none", "-serial", "stdio"]


def reference(cpu):
    """Command line of Debian's emulator, the black box to compare with."""
    path = rhea.need_tool("qemu-system-riscv64")
    if os.path.realpath(path) == os.path.realpath(rhea.emulator()):
        raise tap.Skip("the emulator under test is the reference")
    return [path, *MACHINE, "-accel", "tcg,thread=single", "-cpu", cpu]
