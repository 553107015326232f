# SPDX-License-Identifier: MIT
"""What the emulator loads and runs: damaged kernels, images and device trees, command lines, and guests that are
random code."""

import gzip
import os
import re
import signal
import struct
import subprocess
import time

import rhea

SEABIOS = "/usr/share/seabios/bios-256k.bin"


def architectures():
    """The emulators that are there."""
    folder = os.path.dirname(rhea.emulator())
    return [a for a in ("riscv64", "x86_64") if os.path.exists(os.path.join(folder, f"rhea-system-{a}"))]


def emulator(arch):
    return os.path.join(os.path.dirname(rhea.emulator()), f"rhea-system-{arch}")


def judge(argv, status, text):
    assert status in (0, 1), f"status {status} of {' '.join(argv)}: {text[-3000:]}"
    assert "Sanitizer" not in text and "runtime error" not in text, f"{' '.join(argv)}: {text[-3000:]}"


def run_for(argv, seconds, last=("info registers", "system_reset", "info status")):
    """Runs a machine for so long and then asks its monitor to end: it must do so, whatever the guest does."""
    argv = [*argv, "-display", "none", "-monitor", "stdio", "-serial", "null", "-no-shutdown", "-action", "panic=none"]
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and p.poll() is None:
            time.sleep(0.02)
        try:
            out = p.communicate("".join(line + "\n" for line in (*last, "quit")).encode(), 60)[0]
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the monitor does not answer: {' '.join(argv)}") from None
    finally:
        p.kill()
        p.wait()
    judge(argv, p.returncode, out.decode(errors="replace"))


def mutate(rng, data, head=4096):
    """A few bytes changed, most of them near the beginning; sometimes cut."""
    data = bytearray(data)
    for _ in range(rng.choice([0, 1, 2, 4, 16])):
        size = rng.choice([1, 1, 2, 4, 8])
        at = rng.randrange(max(1, min(len(data), rng.choice([64, 0x300, head, len(data)])) - size))
        v = rng.choice([0, 1, 0x7f, 0x80, (1 << 8 * size) - 1, 1 << (8 * size - 1), rng.getrandbits(8 * size)])
        data[at:at + size] = (v & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    if rng.random() < 0.3:
        del data[rng.choice([rng.randrange(1, 0x300), rng.randrange(1, len(data) + 1)]):]
    return bytes(data)


def put(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


# --- Files ----------------------------------------------------------------------------------

def riscv_image(rng):
    """A flat kernel with Linux's header: offset, size, flags, magic."""
    head = struct.pack("<II6Q", 0x0000006f, 0, 0x200000, rng.choice([0x10000, 0, 1 << 40, (1 << 64) - 1]), 0, 2, 0,
                       0x5643534952) + struct.pack("<II", 0x05435352, 0)
    return head + bytes(0x4000)


def bz_image(rng):
    """What firmware needs of a kernel for the boot protocol 2.15; the code only halts."""
    setup = bytearray(512 * (1 + rng.choice([1, 4, 4, 64])))
    struct.pack_into("<BHIHHHH", setup, 0x1f1, len(setup) // 512 - 1, 0, rng.choice([0x300, 1, 0xffffffff]), 0, 0, 0, 0xaa55)
    setup[0x200:0x202] = b"\xeb\x66"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, rng.choice([0x20f, 0x20c, 0x204, 0x200, 0x1ff, 0xffff]))
    setup[0x211] = rng.choice([1, 1, 0x81, 0])
    struct.pack_into("<II", setup, 0x214, 0x100000, 0)
    struct.pack_into("<I", setup, 0x22c, rng.choice([0x7fffffff, 0x37ffffff, 0, 0xffffffff]))
    struct.pack_into("<I", setup, 0x238, rng.choice([2047, 255, 0, 0xffffffff]))
    return bytes(setup) + b"\xf4\xeb\xfd" * 0x1000


def device_tree(rng, folder):
    path = os.path.join(folder, "tree")
    subprocess.run([emulator("riscv64"), "-M", f"virt,dumpdtb={path}", "-smp", str(rng.choice([1, 4])), "-display", "none",
                    "-bios", "none"], check=True, capture_output=True, timeout=60)
    with open(path, "rb") as f:
        return f.read()


def files(rng, folder):
    """Kernels, initial disks, device trees, firmware, discs: refused, or started."""
    arch = rng.choice(architectures())
    argv = [emulator(arch), "-m", rng.choice(["16M", "64M", "1G"])]
    with open(rhea.OWN_GUEST, "rb") as f:
        elf = f.read()
    if arch == "riscv64":
        argv += ["-M", "virt"]
        kernel = rng.choice([riscv_image(rng), elf, elf])
        if rng.random() < 0.5:
            argv += ["-bios", "none"]
        if rng.random() < 0.4:
            argv += ["-dtb", put(folder, "dtb", mutate(rng, device_tree(rng, folder), 8192))]
    else:
        argv += ["-M", rng.choice(["pc", "q35"])]
        kernel = rng.choice([bz_image(rng), bz_image(rng), elf])
        if rng.random() < 0.3:
            with open(SEABIOS, "rb") as f:
                argv += ["-bios", put(folder, "bios", mutate(rng, f.read(), 1 << 18)[-rng.choice([1 << 18, 65536, 5]):])]
    kernel = mutate(rng, kernel)
    if rng.random() < 0.2:
        kernel = mutate(rng, gzip.compress(kernel))
    argv += ["-kernel", put(folder, "kernel", kernel)]
    if rng.random() < 0.5:
        argv += ["-initrd", put(folder, "initrd", bytes(rng.choice([0, 1, 4095, 1 << 20, 20 << 20])))]
    if rng.random() < 0.5:
        argv += ["-append", "x" * rng.choice([0, 1, 255, 2048, 65536, 100000])]
    if rng.random() < 0.5 and arch == "x86_64":
        argv += ["-cdrom", put(folder, "disc", rng.randbytes(rng.choice([1, 511, 2047, 2049, 0x9001])))]
        argv += ["-hda", put(folder, "disk", rng.randbytes(rng.choice([1, 511, 513, 0x9001]))), "-snapshot"]
    run_for(argv, rng.choice([0.05, 0.5]))


# --- Command lines --------------------------------------------------------------------------

# What leaves the process's folder, ends its parent's patience, or asks for rights.
LEFT_OUT = {"-daemonize", "-runas", "-chroot", "-run-with", "-mem-prealloc", "-add-fd", "-h", "-help", "-version"}
VALUES = ["", ",", "=", "on", "off", "help", "none", "0", "1", "-1", "2", "64M", "1T", "99999999999999999999", "0x10", "a",
          "virt", "pc", "q35", "tcg", "tci", "qtest", "kvm:tcg", "stdio", "null", "mon:stdio", "pty", "file:out", "ringbuf",
          "user", "max", "rv64", "qemu64", "disk", "std", "id=d", "id=n", "file=disk", "format=raw", "if=none", "driver=raw",
          "node-name=n", "drive=d", "netdev=n", "type=virt", "accel=tci", "cpus=2", "sockets=2", "cores=999999", "size=64M",
          "slots=2", "maxmem=1G", "virtio-blk-pci", "virtio-net-pci", "ide-hd", "ich9-ahci", "virtio-scsi-pci", "scsi-hd",
          "rng-random", "memory-backend-ram", "memory-backend-file", "isa-serial", "addr=1f.7", "addr=99", "bus=pci.0",
          "bus=nowhere", "bootindex=1", "order=cdn", "menu=on", "base=2020-01-01", "unix:s,server=on,wait=off",
          "tcp:127.0.0.1:0,server=on,wait=off", "name=opt/a,string=b", "%s%n", "\xff", "A" * 5000, "," * 100, "id=" + "i" * 300,
          "hostfwd=tcp::0-:22", "net=10.0.0.0/8", "restrict=on", "reboot=shutdown", "panic=none", "shift=auto", "in_asm",
          "cpu,int", "*", "readonly=on", "cache=none", "discard=unmap", "snapshot=on", "{\"driver\":\"raw\"}", "{", "[]"]


def options(arch):
    text = subprocess.run([emulator(arch), "-help"], capture_output=True, text=True, check=True, timeout=60).stdout
    known = []
    for line in text.splitlines():
        name = re.match(r"(-[\w-]+)(, -\w+)?", line)
        if name and name.group(1) not in LEFT_OUT:
            # An argument stands one blank behind the name; a word and a word are help already.
            known.append((name.group(1), not re.match(r"  | [a-z]+ [a-z]+ ", line[name.end():])))
    return known


def cmdline(rng, folder):
    """Options with values that other options have: refused with status 1, or a machine that ends when told to."""
    arch = rng.choice(architectures())
    known = options(arch)
    put(folder, "disk", bytes(1 << 20))
    for _ in range(25):
        argv = [emulator(arch), "-display", "none", "-S"]
        for _ in range(rng.randrange(1, 6)):
            name, takes = rng.choice(known)
            argv.append(name)
            if takes or rng.random() < 0.1:
                argv.append(",".join(rng.choice(VALUES) for _ in range(rng.choice([1, 1, 2, 3]))))
        argv = [a.encode("latin-1") for a in argv]
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)
        told = False
        try:
            out = p.communicate(timeout=1)[0]
        except subprocess.TimeoutExpired:
            told = True
            p.terminate()
            try:
                out = p.communicate(timeout=60)[0]
            except subprocess.TimeoutExpired:
                p.kill()
                raise AssertionError(f"SIGTERM does not end {argv}") from None
        # On a busy host it may be told before it listens: then the signal has its usual effect.
        status = 0 if told and p.returncode == -signal.SIGTERM else p.returncode
        judge([a.decode("latin-1") for a in argv], status, out.decode(errors="replace"))


# --- Code -----------------------------------------------------------------------------------

def riscv_code(rng, count):
    """Instructions, most of them of major opcodes that exist; many that reach the system."""
    out = []
    majors = [0x03, 0x07, 0x0f, 0x13, 0x17, 0x1b, 0x23, 0x27, 0x2f, 0x33, 0x37, 0x3b, 0x43, 0x47, 0x4b, 0x4f, 0x53, 0x63,
              0x67, 0x6f, 0x73, 0x73, 0x73]
    system = [0x00000073, 0x00100073, 0x10200073, 0x30200073, 0x10500073, 0x12000073, 0x0000100f, 0x0ff0000f]
    csrs = [0x001, 0x002, 0x003, 0x100, 0x104, 0x105, 0x106, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0x300, 0x301,
            0x302, 0x303, 0x304, 0x305, 0x306, 0x30a, 0x320, 0x323, 0x340, 0x341, 0x342, 0x343, 0x344, 0x3a0, 0x3b0, 0x7a0,
            0xb00, 0xb02, 0xb03, 0xc00, 0xc01, 0xc02, 0xf14]
    for _ in range(count):
        pick = rng.random()
        if pick < 0.1:
            out.append(rng.choice(system))
        elif pick < 0.25:
            out.append(rng.choice([*csrs, rng.getrandbits(12)]) << 20 | rng.getrandbits(5) << 15 |
                       rng.choice([1, 2, 3, 5, 6, 7]) << 12 | rng.getrandbits(5) << 7 | 0x73)
        elif pick < 0.85:
            out.append(rng.getrandbits(25) << 7 | rng.choice(majors))
        else:
            out.append(rng.getrandbits(32))
    return struct.pack(f"<{count}I", *out)


def x86_code(rng, size):
    """Bytes with the shape of instructions: prefixes, one- and two-byte opcodes, operands."""
    out = bytearray()
    prefixes = [b"", b"", b"", b"\x66", b"\x67", b"\xf2", b"\xf3", b"\xf0", b"\x2e", b"\x64", b"\x48", b"\x66\xf3", b"\xc5\xf8",
                b"\xc4\xe2\x7d"]
    system = [b"\x0f\x01", b"\x0f\x00", b"\x0f\x22", b"\x0f\x20", b"\x0f\x23", b"\x0f\x21", b"\x0f\x30", b"\x0f\x32",
              b"\x0f\xa2", b"\xcf", b"\xcc", b"\xcd", b"\x0f\x0b", b"\x0f\x05", b"\x0f\x07", b"\x0f\xae", b"\x0f\xc7", b"\xea",
              b"\x9a", b"\xcb", b"\x8e", b"\x0f\xb2", b"\xc8", b"\xfa", b"\xfb", b"\xe4", b"\xe6", b"\xed", b"\xef", b"\x6c",
              b"\x6e", b"\x9d", b"\x0f\xa1", b"\xdb", b"\xdd\x26", b"\xd9\x26", b"\x0f\x08", b"\x0f\x09", b"\x0f\x06"]
    while len(out) < size:
        pick = rng.random()
        opcode = (rng.choice(system) if pick < 0.25 else b"\x0f" + rng.randbytes(1) if pick < 0.5 else
                  b"\x0f" + rng.choice([b"\x38", b"\x3a"]) + rng.randbytes(1) if pick < 0.6 else rng.randbytes(1))
        if opcode == b"\xf4" and rng.random() < 0.9:
            continue
        out += rng.choice(prefixes) + opcode + rng.choice([b"", rng.randbytes(1), rng.randbytes(2), rng.randbytes(6)])
    return bytes(out[:size])


def reset_image(code):
    """A firmware image that jumps to code at its beginning: 64 KiB, at the end of the first megabyte, too."""
    image = bytearray(code.ljust(65536, b"\xf4"))
    image[0xfff0:0xfff5] = b"\xea\x00\x00\x00\xf0"
    return bytes(image)


def own_x86_guest(rng, folder):
    """One of the guests that test the privileged architecture, with random code in places."""
    subprocess.run([os.path.join(rhea.TOP, "tests/guests/x86_64/build"), folder], check=True, capture_output=True)
    with open(os.path.join(folder, rng.choice(["long.bin", "prot.bin"])), "rb") as f:
        image = bytearray(f.read())
    for _ in range(rng.choice([1, 5, 40])):
        code = x86_code(rng, rng.choice([1, 2, 16, 200]))
        at = rng.randrange(len(image) - 0x1000)
        image[at:at + len(code)] = code
    return bytes(image)


def code(rng, folder):
    """The guest is random code, or one of ours with random code in it."""
    arch = rng.choice(architectures())
    argv = [emulator(arch), "-m", "32M", "-smp", rng.choice(["1", "2"]), "-accel", rng.choice(["tcg", "tcg", "tci"])]
    if arch == "riscv64":
        with open(rhea.OWN_GUEST, "rb") as f:
            elf = bytearray(f.read())
        for _ in range(rng.choice([1, 5, 40])):
            at = rng.randrange(0x1000, len(elf) - 0x400) & ~3
            part = riscv_code(rng, rng.choice([1, 2, 16]))
            elf[at:at + len(part)] = part
        guest = rng.choice([bytes(elf), riscv_code(rng, 20000)])
        argv += ["-M", "virt", "-bios", "none", "-cpu", rng.choice(["rv64", "max"]), "-kernel", put(folder, "guest", guest)]
    else:
        guest = rng.choice([own_x86_guest(rng, folder), reset_image(x86_code(rng, 60000))])
        argv += ["-M", rng.choice(["pc", "q35"]), "-cpu", rng.choice(["qemu64", "max"]), "-bios", put(folder, "guest", guest)]
    run_for(argv, 1.0)


TARGETS = {"files": files, "cmdline": cmdline, "code": code}
