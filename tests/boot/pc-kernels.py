#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""-kernel on the PC other than bzImage: our own guest by each protocol, Debian's kernel as an ELF program
by PVH, and files that are none of these or damaged."""

import os
import platform
import re
import struct
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import bzimage  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))
MEMORY = 64 << 20


def need_firmware():
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")


def build(folder):
    if platform.machine() != "x86_64":
        raise tap.Skip("the guests are built by an x86 host's compiler")
    rhea.need_tool("objcopy")
    subprocess.run([os.path.join(TOP, "tests/guests/x86_64/build"), folder], check=True)


def start(kernel, *args, machine="pc"):
    """Runs the guest to its end; what it says, as name: rest of the line (a list for modules)."""
    done = subprocess.run(
        [rhea.emulator(), "-M", machine, "-m", "64M", "-display", "none", "-monitor", "none", "-serial",
         "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", kernel, *args],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert not re.search(r"^(FAIL|#)", done.stdout, re.M), done.stdout
    assert re.search(r"rhea boot guest: \d+ ok, 0 failed", done.stdout), done.stdout + done.stderr
    assert done.returncode == 1 and done.stdout.startswith("ok "), "nothing before the kernel's first line"
    told = {"module": []}
    for line in done.stdout.splitlines():
        name, _, rest = line.partition(" ")
        if name == "module":
            told[name].append(rest)
        else:
            told[name] = rest
    return told


def modules(folder):
    """Two files; what the guest says of each: size and sum."""
    found = []
    for name, data in (("one", os.urandom(5000)), ("two, with a comma", b"second\n")):
        path, total = os.path.join(folder, name), 0
        with open(path, "wb") as f:
            f.write(data)
        for byte in data:
            total = (total * 31 + byte) & 0xffffffff
        found.append((path, f"{len(data):#x} {total:#x}"))
    return found


def protocol(name, file, initrds, cmdline, machine="pc"):
    need_firmware()
    with rhea.scratch() as folder:
        build(folder)
        kernel = os.path.join(folder, file)
        (one, first), (_, second) = modules(folder)
        os.rename(os.path.join(folder, "two, with a comma"), os.path.join(folder, "two,"))
        args = ["-append", "alpha beta=1"]
        told = start(kernel, *args, machine=machine)
        assert told["protocol"] == name and not told["module"], told
        assert told["cmdline"] == cmdline.format(kernel=kernel), told
        count, ram = (int(v, 0) for v in told["map"].split())
        assert count >= 4 and MEMORY - (1 << 20) < ram < MEMORY, told
        if told["loader"] != "-":
            lower, upper = (int(v, 0) for v in told["memory"].split())
            assert lower == 639 and MEMORY // 1024 - 2048 < upper <= MEMORY // 1024 - 1024, told
        if initrds == 1:
            assert start(kernel, "-initrd", one, *args, machine=machine)["module"] == [first + " "]
            return
        told = start(kernel, "-initrd", f"{one} x=1,{folder}/two,,,{one}", *args, machine=machine)
        texts = ("x=1", "", "") if name == "multiboot2" else (f"{one} x=1", f"{folder}/two,", one)
        assert told["module"] == [f"{m} {text}" for m, text in zip((first, second, first), texts)], told


for KERNEL in ("multiboot1.elf", "multiboot1-addresses.bin", "multiboot1-addresses.elf"):
    suite.add(KERNEL, protocol, "multiboot1", f"boot-{KERNEL}", 3, "{kernel} alpha beta=1")
for KERNEL in ("multiboot2.elf", "multiboot2-addresses.bin"):
    suite.add(KERNEL, protocol, "multiboot2", f"boot-{KERNEL}", 3, "alpha beta=1")
for KERNEL in ("pvh.elf", "plain.elf"):
    suite.add(KERNEL, protocol, "pvh", f"boot-{KERNEL}", 1, "alpha beta=1")
suite.add("multiboot2-on-q35", protocol, "multiboot2", "boot-multiboot2.elf", 3, "alpha beta=1", "q35")


@suite.test
def linux_by_pvh():
    """Debian's kernel as the ELF program that is in its bzImage."""
    need_firmware()
    with rhea.scratch() as folder:
        kernel = os.path.join(folder, "vmlinux")
        with open(kernel, "wb") as f:
            f.write(bzimage.vmlinux(rhea.guest_file("Image")))
        with rhea.Machine("-M", "pc", "-kernel", kernel, "-initrd", rhea.guest_file("initrd.cpio"),
                          "-append", "console=ttyS0", memory="512M") as m:
            m.expect("rhea-guest: ready", 300)
            assert re.match(r"\[ *0\.0+\] Linux version", m.log), "nothing before the kernel's first line"
            assert m.run("cat /proc/cmdline") == "console=ttyS0"
            m.send("exit\n")
            assert m.wait(60) == 0


# --- Files that cannot be started -----------------------------------------------------------------

def refusal(kernel, *args):
    done = subprocess.run([rhea.emulator(), "-M", "pc", "-m", "64M", "-display", "none", "-S", "-kernel",
                           kernel, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    return done.stderr


class Damage:
    """Copies of a file with other bytes in it."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, "damaged")
        with open(os.path.join(folder, name), "rb") as f:
            self.data = f.read()

    def refusal(self, *changes, size=None, args=()):
        """What the emulator says of it, each (offset, 32-bit number) changed, cut after size."""
        data = bytearray(self.data)
        for offset, value in changes:
            struct.pack_into("<I", data, offset, value & 0xffffffff)
        with open(self.path, "wb") as f:
            f.write(data[:size])
        return refusal(self.path, *args)


@suite.test
def damaged_multiboot_headers():
    need_firmware()
    with rhea.scratch() as folder:
        build(folder)
        one = Damage(folder, "boot-multiboot1-addresses.bin")
        flags = 0x10013
        says = one.refusal((4, flags), (8, -(0x1badb002 + flags)))
        assert "asks for what is not known (flags 0x10013)" in says, says
        for offset, value in ((16, 0x200000), (20, 0x1000), (24, 0x1000), (12, 0)):
            assert "cannot be" in one.refusal((offset, value)), (offset, value)
        assert "is truncated" in one.refusal(size=2000)
        assert "ends in its multiboot header" in one.refusal(size=20)
        assert "not a kernel for a PC" in one.refusal((8, 0))
        assert "no memory for it" in one.refusal((24, 0x7fffffff))
        assert "no memory for it" in one.refusal((12, 0x1000), (16, 0x1000), (20, 0x1800), (24, 0x4000))
        two = Damage(folder, "boot-multiboot2-addresses.bin")
        length, = struct.unpack_from("<I", two.data, 8)
        assert "middle of a tag" in two.refusal((20, 4))
        assert "middle of a tag" in two.refusal((20, 0xfffffff0))
        assert "middle of a tag" in two.refusal((8, 24), (12, -(0xe85250d6 + 24)))
        assert "information of type 9" in two.refusal((24, 9))
        assert "for another machine" in two.refusal((4, 4), (12, -(0xe85250d6 + 4 + length)))
        at = two.data.index(struct.pack("<HHI", 0x7fff, 1, 8))
        assert "what is not known (tag 32767)" in two.refusal((at, 0x7fff))
        at = two.data.index(struct.pack("<HHI", 3, 0, 12))
        assert "addresses and no entry" in two.refusal((at, 0x1ffff))
        flat = Damage(folder, "boot-multiboot1.bin")
        assert "has no addresses" in flat.refusal()


@suite.test
def damaged_elf_programs():
    need_firmware()
    with rhea.scratch() as folder:
        build(folder)
        pvh = Damage(folder, "boot-pvh.elf")
        phoff, = struct.unpack_from("<I", pvh.data, 28)
        assert "truncated" in pvh.refusal(size=40)
        assert "truncated" in pvh.refusal(size=phoff + 20)
        assert "lies outside the file" in pvh.refusal(size=0x1800)
        assert "lies outside the file" in pvh.refusal((phoff + 4, 0xfffffff0))
        assert "impossible sizes" in pvh.refusal((phoff + 20, 16))
        assert "no memory for it" in pvh.refusal((phoff + 12, 0x7000000))
        assert "no memory for it" in pvh.refusal((phoff + 12, 0x8000))
        assert "no memory for it" in pvh.refusal((phoff + 20, 0xfff00000))
        assert "nothing to load" in pvh.refusal((phoff, 6))
        assert "another machine" in pvh.refusal((16, 0xf30002))
        note = pvh.data.index(struct.pack("<III", 4, 4, 18)) + 16
        assert "entry point 0x4000000 lies outside it" in pvh.refusal((note, 0x4000000))
        large = os.path.join(folder, "large")
        with open(large, "wb") as f:
            f.truncate(MEMORY - (1 << 20))
        assert "beside the kernel" in pvh.refusal(args=("-initrd", large))


@suite.test
def damaged_linux_images():
    need_firmware()
    with rhea.scratch() as folder:
        os.symlink(rhea.guest_file("Image"), os.path.join(folder, "Image"))
        linux = Damage(folder, "Image")
        assert "ends in its setup code" in linux.refusal(size=4096)
        assert "not a kernel for a PC" in linux.refusal(size=100)
        assert "not a kernel for a PC" in linux.refusal((0x202, 0))
        assert "boot protocol 1.5 is too old" in linux.refusal((0x206, 0x105))
        assert "takes at most" in linux.refusal(args=("-append", "x" * 3000))
        assert "the file is empty" in linux.refusal(size=0)


if __name__ == "__main__":
    sys.exit(suite.run())
