#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""Every device on every machine, of each emulator that is built: it is there, or one line says what is
missing and what would do; and that advice is good."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap  # noqa: E402

suite = tap.Suite()
MACHINES = {"riscv64": ("none", "virt"), "x86_64": ("none", "pc", "q35")}
# What none of them may end with.
CRASHED = ("Assertion", "ERROR:", "GLib", "CRITICAL")


def start(emulator, machine, *devices):
    """Starts it and leaves by its monitor; (status, what it complained of)."""
    argv = [emulator, "-M", machine, "-S", "-display", "none", "-serial", "none", "-net", "none", "-monitor", "stdio"]
    for device in devices:
        argv += ["-device", device]
    done = subprocess.run(argv, input="quit\n", text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode in (0, 1), f"status {done.returncode}: {' '.join(argv)}\n{done.stderr}"
    assert not any(word in done.stderr for word in CRASHED), done.stderr
    return done.returncode, done.stderr.strip()


def devices_of(emulator, machine):
    done = subprocess.run([emulator, "-M", machine, "-device", "help"], text=True, capture_output=True, timeout=60,
                          check=True)
    return re.findall(r'^name "([^"]+)"', done.stdout, re.M)


def misses_bus(emulator, machine, *devices):
    return "the machine has no '" in start(emulator, machine, *devices)[1]


def combination(emulator, machine, device):
    status, text = start(emulator, machine, device)
    if status == 0:
        return True
    assert len(text.splitlines()) == 1 and "-device " in text, text
    if "the machine has no '" not in text:
        return False
    advice = re.search(r"\((?:-device (\S+) makes one|-M (\S+) has one|'(\S+)' is the same|no machine)", text)
    assert advice, f"no advice: {text}"
    maker, other, same = advice.groups()
    if maker:
        assert not misses_bus(emulator, machine, maker, device), f"bad advice: {text}"
    elif other:
        assert not misses_bus(emulator, other, device), f"bad advice: {text}"
    elif same:
        assert not misses_bus(emulator, machine, same), f"bad advice: {text}"
    return False


def every_device(emulator, machine):
    devices = devices_of(emulator, machine)
    there = sum(combination(emulator, machine, device) for device in devices)
    assert len(devices) > 30
    assert there == 0 if machine == "none" else there > 15, f"{there} of {len(devices)} can be added to {machine}"


def pc(*args):
    """The PC with these, left at once by its monitor, which answers "info qtree" before; (status, output, errors)."""
    emulator = os.path.join(os.getcwd(), "rhea-system-x86_64")
    if not os.path.exists(emulator):
        raise tap.Skip("rhea-system-x86_64 is not built here")
    done = subprocess.run([emulator, "-S", "-display", "none", "-serial", "none", "-monitor", "stdio", *args],
                          input="info qtree\nquit\n", text=True, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@suite.test
def spellings_of_old_scripts():
    """What has no device any more, and a driver's name with a dot."""
    for args, there, absent in ((["-no-hpet"], "ISA", 'dev: hpet'), (["-M", "q35,hpet=off"], "PCIE", "dev: hpet"),
                                (["-debugcon", "null", "-global", "isa-debugcon.iobase=0x402"],
                                 "iobase = 1026", "iobase = 233"), (["-no-acpi"], "ISA", "no such"),
                                (["-M", "pc,kernel-irqchip=split,vmport=auto"], "ISA", "no such")):
        status, out, err = pc(*args)
        assert status == 0 and not err, err
        assert there in out and absent not in out, out
    with tempfile.NamedTemporaryFile() as flash:
        flash.truncate(256 << 10)
        status, out, err = pc("-M", "q35,smm=on", "-drive", f"if=pflash,format=raw,file={flash.name}", "-global",
                              "cfi.pflash01.secure=on")
        assert status == 0 and not err, err
        assert "secure = on" in out, out


@suite.test
def one_vga():
    status, _, err = pc("-device", "VGA")
    assert status == 1 and "-vga none" in err, err
    assert pc("-vga", "none", "-device", "VGA")[0] == 0
    assert pc("-vga", "virtio", "-device", "VGA")[0] == 1
    assert pc("-vga", "virtio", "-device", "secondary-vga")[0] == 0
    _, out, _ = pc("-vga", "help")
    assert all(f"{name} " in out for name in ("none", "std", "cirrus", "virtio")), out
    status, _, err = pc("-vga", "qxl")
    assert status == 1 and "qxl" in err and "virtio" in err, err


for ARCH, NAMES in MACHINES.items():
    EMULATOR = os.path.join(os.getcwd(), f"rhea-system-{ARCH}")
    for NAME in NAMES if os.path.exists(EMULATOR) else ():
        suite.add(f"{ARCH}-{NAME}", every_device, EMULATOR, NAME)

if __name__ == "__main__":
    sys.exit(suite.run())
