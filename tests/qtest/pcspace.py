# SPDX-License-Identifier: MIT
"""A PC with every device there is, where its registers are, and nonsense for them."""

import os

SIZES = {1: "b", 2: "w", 4: "l", 8: "q"}
# Values that registers, lengths and indexes are compared with.
NICE = [0, 1, 2, 3, 4, 7, 8, 0x10, 0x20, 0x7f, 0x80, 0xff, 0x100, 0x3ff, 0x400, 0xfff, 0x1000, 0x7fff, 0x8000,
        0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
MEMORY = 64 << 20
# Ports of the ISA bus and the chipsets, in groups that belong together.
PORTS = {
    "dma": [*range(0x00, 0x10), *range(0x80, 0x90), *range(0xc0, 0xe0)],
    "pic": [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1],
    "pit": [*range(0x40, 0x44), 0x61],
    "i8042": [0x60, 0x64, 0x92],
    "rtc": [0x70, 0x71, 0x72, 0x73],
    "smi": [0xb2, 0xb3],
    "ide": [*range(0x1f0, 0x1f8), 0x3f6, *range(0x170, 0x178), 0x376],
    "vga": [*range(0x1ce, 0x1d1), *range(0x3b4, 0x3dc)],
    "serial": [*range(0x3f8, 0x400), *range(0x2f8, 0x300)],
    "fdc": [*range(0x3f0, 0x3f6), 0x3f7],
    "debug": [0x402, 0x505],
    "fw-cfg": [*range(0x510, 0x51c)],
    "pm": [*range(0x600, 0x680), *range(0xaf00, 0xaf20), *range(0xae00, 0xae14)],
    "smbus": [*range(0x700, 0x710)],
    "pci": [*range(0xcf8, 0xd00)],
}
BANKS = {
    "ioapic": (0xfec00000, 0x40),
    "hpet": (0xfed00000, 0x400),
    "apic": (0xfee00000, 0x400),
    "vga-window": (0xa0000, 0x20000),
    "ecam": (0xb0000000, 0x100000),
    "bios": (0xfffc0000, 0x1000),
}


def value(rng, size):
    """A number of so many bytes: one that finds edges, a place in RAM, or any."""
    pick = rng.random()
    v = rng.choice(NICE) if pick < 0.5 else rng.randrange(MEMORY + 0x1000) if pick < 0.7 else rng.getrandbits(8 * size)
    return v & ((1 << 8 * size) - 1)


def devices(folder, machine):
    """Options for one of everything that a PC takes, with backends that keep still."""
    args = ["-M", machine, "-no-shutdown", "-no-reboot", "-action", "panic=none", "-smp", "2"]
    for name, size in (("disk", 4 << 20), ("disc", 1 << 20), ("floppy", 1440 << 10), ("empty", 1 << 20)):
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.truncate(size)
    for i in range(4):
        args += ["-drive", f"file={folder}/disk,format=raw,if=none,id=d{i},snapshot=on"]
    for i in range(3):
        args += ["-drive", f"file={folder}/disc,format=raw,if=none,id=c{i},readonly=on"]
    args += ["-drive", f"file={folder}/floppy,format=raw,if=floppy"]
    if machine == "pc":
        args += ["-device", "ich9-ahci,id=ahci", "-device", "ide-hd,bus=ide.0,drive=d0", "-device",
                 "ide-cd,bus=ide.1,drive=c0", "-device", "ide-hd,bus=ahci.0,drive=d1", "-device",
                 "ide-cd,bus=ahci.1,drive=c1"]
    else:
        args += ["-device", "ide-hd,bus=ide.0,drive=d1", "-device", "ide-cd,bus=ide.1,drive=c1"]
    for device in ("virtio-scsi-pci,id=scsi", "scsi-hd,bus=scsi.0,drive=d2", "scsi-cd,bus=scsi.0,drive=c2",
                   "virtio-blk-pci,drive=d3,num-queues=2", "virtio-net-pci,netdev=n0", "e1000,netdev=n1", "virtio-rng-pci",
                   "virtio-balloon-pci", "virtio-mouse-pci", "qemu-xhci", "usb-kbd", "usb-tablet", "virtio-serial-pci",
                   "virtserialport,chardev=n,name=p", "pvpanic",
                   "pvpanic-pci", "isa-debugcon,chardev=n2"):
        args += ["-device", device]
    return args + ["-netdev", "user,id=n0,restrict=on", "-netdev", "user,id=n1,restrict=on", "-chardev", "null,id=n",
                   "-chardev", "null,id=n2"]


class Space:
    """Where registers are: names of groups with ("io" or "mem", first address, number of bytes)."""

    def __init__(self, q, bars=True):
        self.q = q
        self.groups = {name: [("io", port, 1) for port in ports] for name, ports in PORTS.items()}
        self.groups.update((name, [("mem", *bank)]) for name, bank in BANKS.items())
        self.functions = {}             # devfn: (vendor and device, {number: ("io" or "mem", base)})
        if bars:
            # The firmware's work: power management and SMBus of the PC, ECAM of a Q35, BARs of everything.
            q.set_config(0x0b, 0x40, 0x601)
            q.set_config(0xf8, 0x40, 0x601)
            q.set_config(0x0b, 0x90, 0x701)
            q.set_config(0x0b, 0xd2, 9, 1)
            q.set_config(0xfb, 0x40, 1, 1)
            q.set_config(0x00, 0x64, 0)
            q.set_config(0x00, 0x60, 0xb0000001)
            for devfn in range(0x100):
                if q.config(devfn, 0) != 0xffffffff:
                    self._place(devfn)

    def _place(self, devfn):
        q, n = self.q, 0
        found = {}
        while n < 6:
            reg = 0x10 + 4 * n
            q.set_config(devfn, reg, 0xffffffff)
            probe = q.config(devfn, reg)
            io = probe & 1
            size = (~(probe & (0xfffffffc if io else 0xfffffff0)) + 1) & 0xffffffff
            wide = not io and probe & 4
            if probe and size:
                base = 0x1000 + devfn * 0x80 + n * 0x100 if io else 0xc0000000 + (devfn << 20) + n * 0x20000
                base = base // size * size if size <= 0x20000 or io else 0xe0000000
                q.set_config(devfn, reg, base)
                if wide:
                    q.set_config(devfn, reg + 4, 0)
                found[n] = ("io" if io else "mem", base)
                self.groups[f"bar-{devfn:x}-{n}"] = [("io" if io else "mem", base, min(size, 0x6000))]
            n += 2 if wide else 1
        q.set_config(devfn, 0x04, 7, 2)
        self.functions[devfn] = (q.config(devfn, 0), found)

    def function(self, ids):
        """The first function of that device and vendor (device in the upper half)."""
        return next(devfn for devfn, (found, _) in self.functions.items() if found == ids)

    def bar(self, ids, number):
        return self.functions[self.function(ids)][1][number][1]

    def line(self, rng, groups=None):
        """One access of nonsense in the qtest protocol."""
        if groups is None and rng.random() < 0.05:
            kind, base, span = "io", rng.randrange(0x10000), 1
        else:
            kind, base, span = rng.choice(self.groups[rng.choice(groups or list(self.groups))])
        size = rng.choice((1, 1, 2, 4) if kind == "io" else (1, 2, 4, 4, 4, 8))
        at = base + rng.randrange(rng.choice([span, min(span, 0x100)])) // size * size
        at += rng.random() < 0.03
        letter = SIZES[size]
        if kind == "io":
            at &= 0xffff
            if rng.random() < 0.35:
                return f"in{letter} {at:#x}"
            v = rng.choice([0, 1, 0xff, rng.getrandbits(8), value(rng, size)]) & ((1 << 8 * size) - 1)
            return f"out{letter} {at:#x} {v:#x}"
        if rng.random() < 0.3:
            return f"read{letter} {at:#x}"
        return f"write{letter} {at:#x} {value(rng, size):#x}"

    def lines(self, rng, count, groups=None):
        """So many accesses, and now and then time that passes."""
        for _ in range(count):
            yield self.line(rng, groups)
            if rng.random() < 0.01:
                yield f"clock_step {rng.choice([1, 1000, 10**6, 10**8])}"
