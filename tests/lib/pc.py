# SPDX-License-Identifier: MIT
"""What tests of the PC share: the machine, a boot sector of our own, the text screen."""

import os
import re
import subprocess
import time

import rhea

SECTOR = 512
TEXT = b"second sector\r\n\0"
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))


def pc(*args, **kwargs):
    """A machine with SeaBIOS, which a sector of ours can end."""
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    kwargs.setdefault("memory", "64M")
    return rhea.Machine("-M", "pc", "-device", "isa-debug-exit", *args, **kwargs)


def assemble(folder, name, **symbols):
    """A boot sector in tests/boot as it is in memory at 7c00h."""
    objects, out = os.path.join(folder, "sector.o"), os.path.join(folder, "sector.bin")
    defined = [a for symbol, value in symbols.items() for a in ("--defsym", f"{symbol}={value}")]
    subprocess.run([rhea.need_tool("x86_64-linux-gnu-as"), "--32", *defined, "-o", objects,
                    os.path.join(rhea.TOP, "tests", "boot", name)], check=True)
    subprocess.run([rhea.need_tool("x86_64-linux-gnu-ld"), "-m", "elf_i386", "-Ttext", "0x7c00",
                    "--oformat", "binary", "-o", out, objects], check=True)
    with open(out, "rb") as f:
        return f.read()


def boot_sector(folder, read=True, text=TEXT):
    """tests/boot/sector.S, assembled, with a text behind it; read: by the BIOS."""
    return assemble(folder, "sector.S", READ=int(read)) + text.ljust(SECTOR, b"\0")


def write(folder, name, data, size=0):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(data)
        f.truncate(max(size, len(data)))
    return path


def starts(drive, *args, text=TEXT.decode().strip("\r\n\0"), timeout=60, **kwargs):
    """Our sector comes up, from one of those drives (None: any), and says what is behind it."""
    with pc(*args, **kwargs) as m:
        found = m.expect(r"boot sector on (\w\w)\r", timeout)
        assert not drive or found.group(1) in drive, f"started from drive {found.group(1)}"
        m.expect(text, timeout)
        assert m.wait(60) == 2 * 8 + 1


def ends(*args):
    """Firmware finds nothing to boot and says so, on a machine that lives on; what it said."""
    with pc("-machine", "graphics=off", *args) as m:
        m.expect("No bootable device", 120)
        assert m.process.poll() is None
        return m.log


def raw(path, *more):
    return ["-drive", ",".join((f"file={path},format=raw,if=none,id=d", *more))]


def screen(m, q):
    """The characters of the text screen, as 25 lines."""
    path = os.path.join(m.folder, "screen")
    q.command("pmemsave", val=0xb8000, size=4000, filename=path)
    with open(path, "rb") as f:
        text = f.read()[::2].decode("cp437")
    return "\n".join(text[i:i + 80] for i in range(0, 2000, 80))


def expect_screen(m, q, pattern, timeout):
    deadline = time.monotonic() + timeout
    while not re.search(pattern, screen(m, q)):
        assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{screen(m, q)}"
        time.sleep(0.5)
