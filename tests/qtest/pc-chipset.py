#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The PC's chipset and small devices by their ports, and nonsense at every port."""

import os
import random
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


@suite.test
def keyboard_controller():
    """Self test, scan codes in both sets, the mouse, the A20 gate."""
    with PcQtest() as q:
        def answers():
            got = []
            while q.inp(0x64) & 1:
                got.append(q.inp(0x60))
            return got

        def mouse(*data):
            got = []
            for v in data:
                q.out(0x64, 0xd4)
                q.out(0x60, v)
                assert q.inp(0x64) & 0x20, "from the mouse"
                got += answers()
            return got

        q.out(0x64, 0xaa)
        assert answers() == [0x55]
        q.out(0x60, 0xff)
        assert answers() == [0xfa, 0xaa]
        q.out(0x60, 0xf2)
        assert answers() == [0xfa, 0xab, 0x83]
        q.out(0x64, 0x60)
        q.out(0x60, 0x47)
        q.out(0x64, 0x20)
        assert answers() == [0x47]
        q.out(0x60, 0xf2)
        assert answers() == [0xfa, 0xab, 0x41], "translated"
        assert mouse(0xf2) == [0xfa, 0x00]
        assert mouse(0xf4, 0xe9) == [0xfa, 0xfa, 0x20, 2, 100]
        assert mouse(0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2) == [0xfa] * 7 + [0x03], "it has a wheel"
        q.command("irq_intercept_out", q.find("i8042"), "a20")
        q.out(0x64, 0xd1)
        q.out(0x60, 0xdd)
        assert q.take_irqs() == [(0, False)]
        q.out(0x64, 0xdf)
        assert q.take_irqs() == [(0, True)]
        q.command("rhea_snapshot")


@suite.test
def dma_registers():
    with PcQtest() as q:
        for port, value in ((0x0c, 0), (0x04, 0x34), (0x04, 0x12), (0x0c, 0)):
            q.out(port, value)
        assert [q.inp(0x04), q.inp(0x04)] == [0x34, 0x12]
        q.out(0x0a, 0x02)
        assert q.inp(0x0f) == 0xfb
        q.out(0x0d, 0)
        assert q.inp(0x0f) == 0xff
        q.out(0x81, 0x56)
        assert q.inp(0x81) == 0x56
        for port, value in ((0xc4, 0x78), (0xc4, 0x9a), (0xd8, 0)):
            q.out(port, value)
        assert [q.inp(0xc4), q.inp(0xc4)] == [0x78, 0x9a]
        q.command("rhea_snapshot")


@suite.test
def shadow_memory():
    """Reads and writes of 0xf0000 in the four states; memory for system management."""
    with PcQtest() as q:
        rom = q.read(0xffff0)
        assert rom == q.read(0xfffffff0) and rom not in (0, 0xffffffff)
        q.write(0xffff0, 0x11111111)
        assert q.read(0xffff0) == rom
        q.set_config(0, 0x59, 0x20, 1)
        q.write(0xffff0, 0x22222222)
        assert q.read(0xffff0) == rom, "written, not read"
        q.set_config(0, 0x59, 0x10, 1)
        assert q.read(0xffff0) == 0x22222222
        q.write(0xffff0, 0x33333333)
        assert q.read(0xffff0) == 0x22222222, "read only"
        q.command("rhea_snapshot")
        q.set_config(0, 0x59, 0x30, 1)
        q.write(0xffff0, 0x44444444)
        assert q.read(0xffff0) == 0x44444444
        q.set_config(0, 0x72, 0x4a, 1)
        q.write(0xa0000, 0x66666666)
        assert q.read(0xa0000) == 0x66666666
        q.set_config(0, 0x72, 0x1a, 1)
        assert q.read(0xa0000) != 0x66666666
        q.set_config(0, 0x72, 0x4a, 1)
        assert q.read(0xa0000) != 0x66666666, "locked"
        q.command("system_reset")
        assert q.read(0xffff0) == rom


@suite.test
def pci_bridges_and_reset_port():
    with PcQtest() as q:
        assert q.config(0, 0) == 0x12378086 and q.config(8, 0) == 0x70008086
        assert q.config(8, 8) >> 16 == 0x0601 and q.config(8, 0xe, 1) == 0x80
        assert q.config(0x80, 0) == 0xffffffff
        q.out(0xcf8, 0x80000800, 4)
        q.out(0xcf9, 0x02)
        assert q.inp(0xcf9) == 0x02 and q.inp(0xcf8, 4) == 0x80000800
        q.set_config(8, 0x60, 0x0b, 1)
        q.set_config(8, 0x61, 0x4b, 1)
        assert q.config(8, 0x60) == 0x80800b0b, "reserved bits read 0"


@suite.test
def q35_chipset():
    """ECAM, the LPC bridge's routes and power management, AHCI in its place."""
    with PcQtest("-M", "q35") as q:
        assert q.config(0, 0) == 0x29c08086 and q.config(0xf8, 0) == 0x29188086
        assert q.config(0xfa, 0) == 0x29228086
        q.set_config(0, 0x60, 0xb0000001)
        assert q.read(0xb0000000) == 0x29c08086 and q.read(0xb00f8000) == 0x29188086
        assert q.read(0xb0100000) == 0xffffffff, "there is no bus 1"
        q.set_config(0xf8, 0x40, 0x601)
        q.set_config(0xf8, 0x44, 0x80, 1)
        before = q.inp(0x608, 4)
        q.step(10**6)
        assert 3575 <= q.inp(0x608, 4) - before <= 3585
        q.out(0xb2, 0xf1)
        assert q.inp(0x604, 2) == 1
        q.out(0x628, 0x55)
        assert q.inp(0x628) == 0x55
        rom = q.read(0xffff0)
        q.set_config(0, 0x90, 0x30, 1)
        q.write(0xffff0, 0x11223344)
        assert q.read(0xffff0) == 0x11223344 != rom
        q.command("rhea_snapshot")
        q.command("system_reset")
        assert q.read(0xffff0) == rom and q.read(0xb0000000) != 0x29c08086


@suite.test
def memory_for_system_management():
    """TSEG of a Q35: its sizes, who sees it, the lock over it; the query of the largest."""
    with PcQtest("-M", "q35", "-global", "mch.extended-tseg-mbytes=12") as q:
        end = 64 << 20
        for mib, size in ((1, 0), (2, 1), (8, 2), (12, 3)):
            q.write(end - (mib << 20), 0x11111111)
            q.write(end - (mib << 20) - 4, 0x22222222)
            q.set_config(0, 0x9e, size << 1 | 1, 1)
            assert q.read(end - (mib << 20)) == 0x11111111, "SMRAM is off altogether"
            q.set_config(0, 0x9d, 0x0a, 1)
            assert q.config(0, 0x9e, 1) == 0x39 | size << 1
            assert q.read(end - (mib << 20)) == 0xffffffff and q.read(end - 4) == 0xffffffff
            assert q.read(end - (mib << 20) - 4) == 0x22222222
            q.write(end - (mib << 20), 0x33333333)
            q.set_config(0, 0x9d, 0x4a, 1)
            assert q.read(end - (mib << 20)) == 0x11111111, "open to all"
            q.set_config(0, 0x9d, 0x02, 1)
        q.set_config(0, 0x50, 0x1234, 2)
        assert q.config(0, 0x50, 2) == 0x1234
        q.set_config(0, 0x50, 0xffff, 2)
        assert q.config(0, 0x50, 2) == 12
        q.command("rhea_snapshot")
        q.set_config(0, 0x50, 0xffff, 2)
        assert q.config(0, 0x50, 2) == 12
        q.set_config(0, 0xac, 0xffffffff)
        q.set_config(0, 0xb0, 0xffff, 2)
        assert q.config(0, 0xac) == 0xfff00000 and q.config(0, 0xb0, 2) == 0xfff0
        q.set_config(0, 0x9d, 0x1a, 1)
        q.set_config(0, 0x9e, 0x00, 1)
        q.set_config(0, 0x9d, 0x4a, 1)
        assert q.config(0, 0x9e, 1) == 0x3f and q.config(0, 0x9d, 1) == 0x1a, "locked"
        q.command("rhea_snapshot")
        assert q.read(end - 4) == 0xffffffff
        q.command("system_reset")
        assert q.config(0, 0x9e, 1) == 0x38 and q.config(0, 0x50, 2) == 0 and q.read(end - 4) != 0xffffffff


@suite.test
def management_interrupts():
    """The command port, the lock over its enable bit, SMIs to all CPUs when firmware has asked for them."""
    with PcQtest("-M", "q35") as q:
        lpc = 0xf8
        q.set_config(lpc, 0x40, 0x601)
        q.set_config(lpc, 0x44, 0x80, 1)
        q.command("irq_intercept_out", q.find("ICH9-LPC"), "smi")
        files = q.files()

        def ask(wanted):
            q.put_file(files["etc/smi/requested-features"][0], wanted.to_bytes(8, "little"))
            return q.take_file(files["etc/smi/features-ok"][0], 1) == b"\1"

        q.out(0xb2, 0x55)
        assert q.take_irqs() == [] and q.inp(0xb2) == 0x55
        q.out(0x630, 0x21, 4)
        q.out(0xb2, 0x55)
        assert q.take_irqs() == [(0, True), (0, False)] and q.inp(0x634, 4) == 0x20
        q.set_config(lpc, 0xa0, 0x10, 1)
        q.set_config(lpc, 0xa0, 0, 1)
        q.out(0x630, 0x20, 4)
        assert q.config(lpc, 0xa0, 1) == 0x10 and q.inp(0x630, 4) == 0x21
        assert q.take_file(files["etc/smi/supported-features"][0], 8) == b"\1" + bytes(7)
        assert not ask(3) and ask(1) and ask(0), "what was agreed on stays"
        q.command("rhea_snapshot")
        q.out(0xb2, 0x55)
        assert q.take_irqs() == [(1, True), (1, False)]
        assert not q.put_file(files["etc/e820"][0], b"12345678"), "not a file to write"
        assert not q.put_file(files["etc/smi/requested-features"][0], b"123456789"), "longer than the file"
        q.command("system_reset")
        assert q.config(lpc, 0xa0, 1) == 0
        assert q.take_file(files["etc/smi/requested-features"][0], 8) == bytes(8)
    for board, args in (("q35", (lambda q: q.inp(0x630, 4) & 0x20)), ("pc", (lambda q: q.config(0xb, 0x58) >> 25 & 1))):
        with PcQtest("-M", f"{board},smm=off") as q:
            if board == "q35":
                q.set_config(0xf8, 0x40, 0x601)
                q.set_config(0xf8, 0x44, 0x80, 1)
            q.command("system_reset")
            if board == "q35":
                q.set_config(0xf8, 0x40, 0x601)
                q.set_config(0xf8, 0x44, 0x80, 1)
                q.out(0x630, 0, 4)
            assert args(q), "firmware takes it as set up"
            assert "etc/smi/features-ok" not in q.files()


@suite.test
def flash_for_system_management():
    """Secure flash is read by all and takes commands from nobody here."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "flash")
        with open(path, "wb") as f:
            f.write(b"\x21" * 0x20000)
        flash = ["-drive", f"if=pflash,format=raw,file={path}", "-global",
                 "driver=cfi.pflash01,property=secure,value=on"]
        with PcQtest("-M", "q35", *flash) as q:
            for value in (0x98, 0x20, 0xd0, 0x40, 0x00):
                q.write(0xfffe0000, value, 1)
            assert q.read(0xfffe0000) == 0x21212121
            q.command("rhea_snapshot")
        with open(path, "rb") as f:
            assert f.read() == b"\x21" * 0x20000
        fails(["-M", "q35,smm=off", *flash], "smm=on")


@suite.test
def power_management():
    with PcQtest() as q:
        pm = 0xb000
        assert q.inp(pm + 8, 4) == 0xffffffff
        q.set_config(0xb, 0x40, pm | 1)
        q.set_config(0xb, 0x80, 1, 1)
        q.command("irq_intercept_out", q.find("PIIX4_PM"), "sci")
        before = q.inp(pm + 8, 4)
        q.step(10**6)
        assert 3575 <= q.inp(pm + 8, 4) - before <= 3585
        q.out(0xb2, 0xf1)
        assert q.inp(pm + 4, 2) == 1
        q.out(pm, 1, 2)
        q.out(pm + 2, 1, 2)
        q.step(3 * 10**9)
        assert q.take_irqs() == [(0, True)]
        q.out(pm, 1, 2)
        assert q.take_irqs() == [(0, False)]
        q.out(0xafe2, 0x03)
        assert q.inp(0xafe2) == 3
        states = q.take_file(q.files()["etc/system-states"][0], 6)
        assert states == bytes((0x80, 0, 0, 0x81, 0x82, 0x80))
        q.command("rhea_snapshot")


@suite.test
def configuration_items():
    """Signature and directory byte by byte, and an item by DMA."""
    with PcQtest("-fw_cfg", "opt/test,string=hello") as q:
        def take(n):
            return bytes(q.inp(0x511) for _ in range(n))

        q.out(0x510, 0, 2)
        assert take(4) == b"QEMU"
        files = q.files()
        assert files["opt/test"][1] == 5
        q.out(0x510, files["etc/e820"][0], 2)
        assert take(20) == bytes(8) + (64 << 20).to_bytes(8, "little") + b"\1\0\0\0"
        assert files["etc/e820"][1] == 20
        block = (files["opt/test"][0] << 16 | 8 | 2).to_bytes(4, "big") + \
            (5).to_bytes(4, "big") + (0x2000).to_bytes(8, "big")
        q.command("write", 0x1000, "16", "0x" + block.hex())
        q.out(0x514, 0, 4)
        q.out(0x518, int.from_bytes((0x1000).to_bytes(4, "big"), "little"), 4)
        assert q.command("read", 0x2000, "5") == "0x" + b"hello".hex()
        assert q.read(0x1000) == 0


@suite.test
def firmware_in_flash():
    """Two banks of any number of blocks: the first ends at 4 GiB and shows below 1 MiB."""
    with tempfile.TemporaryDirectory() as folder:
        args = []
        for unit, size in ((0, 0x1e0000), (1, 0x20000)):
            path = os.path.join(folder, str(unit))
            with open(path, "wb") as f:
                f.write(bytes([0x10 + unit]) * (size - 4) + b"end" + bytes([unit]))
            args += ["-drive", f"if=pflash,format=raw,unit={unit},file={path}"]
        with PcQtest(*args) as q:
            assert q.read(0xfffffffc) == q.read(0xffffc) == 0x00646e65
            assert q.read(0xffe1fffc) == 0x01646e65 and q.read(0xffe00000) == 0x11111111
            q.write(0xffe00000, 0x98, 1)
            assert q.read(0xffe00010, 1) == 0x51, "the query of the flash"


@suite.test
def small_devices():
    """A second COM port, the debug console, pvpanic on both buses."""
    with PcQtest("-serial", "null", "-serial", "null", "-chardev", "ringbuf,id=r,size=64", "-device",
                 "isa-debugcon,chardev=r", "-device", "pvpanic,events=3", "-device",
                 "pvpanic-pci,addr=5") as q:
        for base in (0x3f8, 0x2f8):
            q.out(base + 7, 0xa5)
            assert q.inp(base + 7) == 0xa5
        assert q.inp(0x3ef) == 0xff
        assert q.inp(0xe9) == 0xe9 and q.inp(0x505) == 3
        q.set_config(0x28, 0x10, 0xe0000000)
        q.set_config(0x28, 4, 2, 2)
        assert q.read(0xe0000000, 1) == 7
        q.command("rhea_snapshot")


def rom_image(device, length=1, last=True, data=0x1a, size=512):
    """An image of an expansion ROM for a virtio card, whose bytes add up to nothing."""
    image = bytearray(size)
    image[:3] = b"\x55\xaa\x01"
    struct.pack_into("<H", image, 0x18, data)
    if data + 0x18 <= size:
        struct.pack_into("<4sHH8xHHBB", image, data, b"PCIR", 0x1af4, device, length, 1, 0, 0x80 * last)
    image[-1] = -sum(image) & 0xff
    return bytes(image)


@suite.test
def expansion_roms():
    """A card's own ROM takes the card's identity and keeps its sum; a damaged one is left as it is."""
    good = rom_image(0x1041, last=False) + rom_image(0x1041)
    damaged = [b"\x55", b"\x55\xaa" * 13, rom_image(0x1041, data=0xffff), rom_image(0x1041, data=0x1f0)]
    cut_short = [rom_image(0x1041, length=length, last=False) * 3 for length in (0, 1, 0xffff)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "efi-virtio.rom")
        for content in (good, *damaged, *cut_short):
            with open(path, "wb") as f:
                f.write(content)
            for romfile in ("", f",rombar=1,romfile={path}"):
                with PcQtest("-L", folder, "-device", f"virtio-net-pci,addr=7{romfile}") as q:
                    q.set_config(0x38, 0x30, 0xfffffffe)
                    assert q.config(0x38, 0x30) == 0xfffff800, "of the smallest size"
                    q.set_config(0x38, 0x30, 0xe0000001)
                    q.set_config(0x38, 4, 2, 2)
                    rom = bytes(q.read(0xe0000000 + i, 1) for i in range(1024))
                    if content == good and not romfile:
                        for image in (rom[:512], rom[512:]):
                            assert image[0x1e:0x22] == b"\xf4\x1a\x00\x10" and not sum(image) & 0xff, image
                    elif content not in cut_short or romfile:
                        assert rom == content[:1024].ljust(1024, b"\0"), rom


def fails(args, words):
    try:
        with PcQtest(*args) as q:
            q.command("rhea_devices")
    except (AssertionError, BrokenPipeError) as e:
        assert isinstance(e, BrokenPipeError) or "status 1" in str(e) and words in str(e), e
    else:
        raise AssertionError(f"{args} were accepted")


@suite.test
def wrong_options():
    for args, words in ((["-device", "isa-serial,iobase=0xffff,irq=4"], "iobase"),
                        (["-device", "isa-serial,irq=16"], "irq"),
                        (["-boot", "order=x"], "'x'"),
                        (["-bios", "no-such-file"], "no-such-file"),
                        (["-device", "pvpanic-pci,addr=1f.8"], "addr"),
                        (["-device", "e1000,rombar=2"], "accepted: on, off, 1, 0"),
                        (["-nic", "user,model=e100"], "did you mean 'e1000'"),
                        (["-device", "pvpanic-pci,romfile=none.rom"], "none.rom")):
        fails(args, words)


def random_line(rng):
    letter, size = rng.choice([("b", 1), ("b", 1), ("w", 2), ("l", 4)])
    value = rng.getrandbits(8 * size)
    port = rng.choice([rng.randrange(0x100), rng.randrange(0x400), rng.randrange(0x4d0, 0x520), 0xcf8,
                       0xcfc + rng.randrange(4), 0xafe0 + rng.randrange(4), rng.getrandbits(16)])
    if rng.random() < 0.01:
        return f"clock_step {rng.choice([1, 1000, 10**6, 10**8])}"
    if rng.random() < 0.001:
        return "system_reset"
    if port == 0xcf8:
        return f"outl 0xcf8 {0x80000000 | rng.randrange(0x1000):#x}"
    if rng.random() < 0.2:
        base = rng.choice([0xfee00000, 0xfec00000, 0xfed00000, 0xf0000, 0xfffc0000])
        return f"write{letter} {base + rng.randrange(0x400) // size * size:#x} {value:#x}"
    # The ports that end or reset the machine would do so.
    if rng.random() < 0.4 or any(p in range(port, port + size)
                                 for p in (0x60, 0x64, 0x92, 0x505, 0x600, 0x604, 0xcf9, 0xb004)):
        return f"in{letter} {port:#x}"
    return f"out{letter} {port:#x} {value:#x}"


@suite.test
def nonsense_at_ports():
    """Every port and register with random values: the machine answers, and can be saved."""
    for seed in range(4):
        rng = random.Random(seed)
        with PcQtest("-device", "pvpanic-pci") as q:
            answers = q.many([random_line(rng) for _ in range(5000)])
            assert all(a.startswith("OK") for a in answers), f"seed {seed}"
            q.command("rhea_snapshot")


sys.exit(suite.run())
