# SPDX-License-Identifier: MIT
"""Nonsense with structure for the PC's devices, through qtest: registers of every kind, and what devices read
from memory by themselves: command lists, tables of regions, rings, packets."""

import struct

import pcspace
import qtest
import snapstate

DATA, DATA_SIZE = 0x100000, 0x100000    # what addresses in tables mostly point at
AHCI, E1000 = 0x29228086, 0x100e8086
ATA = [0x00, 0x08, 0x20, 0x24, 0x25, 0x27, 0x29, 0x2f, 0x30, 0x34, 0x35, 0x39, 0x40, 0x42, 0x47, 0x57, 0x60, 0x61, 0x06,
       0x70, 0x90, 0x91, 0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xe0, 0xe1, 0xe5, 0xe7, 0xea, 0xec, 0xef, 0xf8]
SCSI = [0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2a, 0x2e, 0x2f, 0x35, 0x41, 0x42, 0x43, 0x46,
        0x4a, 0x51, 0x55, 0x5a, 0x88, 0x8a, 0x8e, 0x8f, 0x91, 0x93, 0x9e, 0xa0, 0xa8, 0xaa, 0xad, 0xbb, 0xbd, 0xbe]


class Pc(qtest.PcQtest):
    MACHINE = []        # devices() says it


class Rig:
    """A PC with everything, its registers in place, and random bytes in part of its memory."""

    def __init__(self, rng, q):
        self.rng, self.q = rng, q
        self.space = pcspace.Space(q)
        self.put(DATA, rng.randbytes(0x4000))

    def put(self, at, data):
        self.q.command("write", at, hex(len(data)), "0x" + data.hex())

    def address(self):
        rng = self.rng
        return DATA + rng.randrange(DATA_SIZE) if rng.random() < 0.8 else pcspace.value(rng, 8)

    def length(self, usual):
        return self.rng.choice([*usual] * 3 + [pcspace.value(self.rng, 4)])

    def lba(self):
        return self.rng.choice([0, 1, 7, 8191, 8192, pcspace.value(self.rng, 6)])

    def noise(self, count, *groups):
        for line, answer in zip(*self._asked(list(self.space.lines(self.rng, count, groups or None)))):
            assert answer.startswith("OK"), f"{line}: {answer}"

    def _asked(self, lines):
        return lines, self.q.many(lines)

    def snapshot(self):
        """What is saved can be loaded, and is the same when it is saved again."""
        first = self.q.save()
        self.q.command("rhea_load")
        found = snapstate.difference(first, self.q.save())
        assert not found, f"after a load {found}"

    def finish(self):
        """What came out is still a state that can be saved, and one that a reset ends."""
        self.snapshot()
        self.q.command("system_reset")
        self.snapshot()


def target(run):
    """A target that starts a machine of one of the two kinds for run(rig)."""
    def start(rng, folder):
        with Pc(*pcspace.devices(folder, rng.choice(["pc", "q35"]))) as q:
            rig = Rig(rng, q)
            run(rig)
            rig.finish()
    return start


def registers(rig):
    """All registers, then those of a few groups much."""
    rng = rig.rng
    for _ in range(6):
        rig.noise(600)
        for _ in range(3):
            rig.noise(300, *rng.sample(list(rig.space.groups), rng.choice([1, 1, 2])))
        if rng.random() < 0.3:
            rig.snapshot()
        if rng.random() < 0.1:
            rig.q.command("system_reset")


def interrupts(rig):
    """Timers, interrupt controllers and power management, with time that passes."""
    for _ in range(8):
        rig.noise(400, "pic", "pit", "rtc", "ioapic", "hpet", "apic", "pm", "smi", "i8042")
        rig.q.step(rig.rng.choice([1000, 10**6, 10**9]))
        rig.snapshot()


# --- IDE ------------------------------------------------------------------------------------

def region_table(rig):
    """A table of physical regions (SFF-8038i), often without its end."""
    rng = rig.rng
    table = b"".join(struct.pack("<IHH", rig.address() & 0xffffffff, rng.choice([0, 2, 512, 4096, pcspace.value(rng, 2)]),
                                 rng.choice([0, 0, 0, 0x8000])) for _ in range(rng.randrange(1, 20)))
    at = rng.choice([DATA + 0x8000, DATA + 0x8000, 0xfffffff8, pcspace.value(rng, 4) & ~3])
    if at < pcspace.MEMORY - 0x1000:
        rig.put(at, table)
    return at


def packet(rng, size=12):
    cdb = bytearray(rng.choice([rng.randbytes(size), bytes(size)]))
    cdb[0] = rng.choice(SCSI)
    for _ in range(rng.randrange(4)):
        cdb[rng.randrange(1, size)] = rng.choice([0, 1, 0xff, rng.randrange(256)])
    return bytes(cdb)


def ide_command(rig, base, control, bus_master):
    rng, q = rig.rng, rig.q
    command, lba = rng.choice(ATA), rig.lba()
    lines = [f"outb {base + 6:#x} {rng.choice([0xe0, 0xf0, 0xa0, rng.randrange(256)]):#x}"]
    for _ in range(rng.choice([1, 2])):         # twice: 48-bit addresses
        for reg in range(1, 6):
            v = rng.choice([0, 1, 2, 0xff, rng.randrange(256)]) if reg < 3 else lba >> 8 * (reg - 3) & 0xff
            lines.append(f"outb {base + reg:#x} {v:#x}")
    if rng.random() < 0.6:
        lines += [f"outl {bus_master + 4:#x} {region_table(rig):#x}", f"outb {bus_master + 2:#x} 0x6"]
    lines.append(f"outb {base + 7:#x} {command:#x}")
    if command == 0xa0:
        cdb = packet(rng)
        lines += [f"outw {base:#x} {cdb[i] | cdb[i + 1] << 8:#x}" for i in range(0, 12, 2)]
    if rng.random() < 0.6:
        lines.append(f"outb {bus_master:#x} {rng.choice([1, 9, 9, 0]):#x}")
    for _ in range(rng.choice([0, 1, 300])):
        lines.append(rng.choice([f"inw {base:#x}", f"inl {base:#x}", f"outw {base:#x} {rng.getrandbits(16):#x}",
                                 f"outl {base:#x} {rng.getrandbits(32):#x}", f"inb {base:#x}"]))
    lines += [f"inb {control:#x}", f"inb {base + 7:#x}", f"inb {bus_master + 2:#x}"]
    if rng.random() < 0.1:
        lines.append(f"outb {control:#x} {rng.choice([2, 4, 6, 0]):#x}")
        lines.append(f"outb {control:#x} 0x0")
    if rng.random() < 0.1:
        lines.append(f"outb {bus_master:#x} 0x0")
    q.many(lines)


def ide(rng, folder):
    with Pc(*pcspace.devices(folder, "pc")) as q:
        rig = Rig(rng, q)
        bus_master = rig.space.bar(0x70108086, 4)
        for _ in range(250):
            ide_command(rig, *rng.choice([(0x1f0, 0x3f6, bus_master), (0x170, 0x376, bus_master + 8)]))
            if rng.random() < 0.05:
                rig.snapshot()
            if rng.random() < 0.05:
                rig.noise(20, "ide", "pci")
        rig.finish()


# --- AHCI -----------------------------------------------------------------------------------

def command_table(rig, at):
    """A command FIS, a packet and regions (AHCI 1.3.1, 4.2.3)."""
    rng = rig.rng
    fis = bytearray(rng.randbytes(20))
    fis[0:3] = bytes([rng.choice([0x27] * 8 + [0x34, 0xff]), rng.choice([0x80] * 8 + [0, 0x81]), rng.choice(ATA)])
    fis[4:7] = (rig.lba() & 0xffffff).to_bytes(3, "little")
    fis[8:11] = rng.choice([bytes(3), bytes(3), b"\xff\xff\xff", rng.randbytes(3)])
    fis[12:14] = rng.choice([b"\1\0", b"\2\0", b"\0\0", b"\x20\0", rng.randbytes(2)])
    rig.put(at, bytes(fis))
    rig.put(at + 0x40, packet(rng, 16))
    regions = rng.choice([1, 2, 8])
    rig.put(at + 0x80, b"".join(struct.pack("<QII", rig.address(), 0, rig.length([1, 511, 511, 4095, 0xffff, 0]))
                                for _ in range(regions)))
    return regions


def command_list(rig, at):
    rng = rig.rng
    for slot in range(rng.choice([1, 4, 32])):
        table = DATA + 0x20000 + 0x200 * slot
        regions = command_table(rig, table)
        if rng.random() < 0.1:
            regions = pcspace.value(rng, 2)
        flags = rng.choice([5, 5, 5, 0x25, 0x45, 0x65, pcspace.value(rng, 2)])
        rig.put(at + 32 * slot, struct.pack("<IIQ", flags | regions << 16, 0,
                                            rng.choice([table] * 8 + [table + 1, pcspace.value(rng, 8)])))


@target
def ahci(rig):
    rng, q = rig.rng, rig.q
    base = rig.space.bar(AHCI, 5)
    group = next(name for name, places in rig.space.groups.items() if places[0][1] == base)
    q.write(base + 4, 0x80000002)
    for _ in range(60):
        port = base + 0x100 + 0x80 * rng.choice([0, 0, 1, 1, 2, 5])
        at = DATA + 0x10000
        command_list(rig, at)
        q.write(port + 0x18, q.read(port + 0x18) & ~0x11)
        q.write(port, at if rng.random() < 0.9 else pcspace.value(rng, 4))
        q.write(port + 4, rng.choice([0] * 9 + [pcspace.value(rng, 4)]))
        q.write(port + 8, DATA + 0xf000 if rng.random() < 0.9 else pcspace.value(rng, 4))
        q.write(port + 0x10, 0xffffffff)
        q.write(port + 0x18, 0x11)
        if rng.random() < 0.5:
            q.write(port + 0x34, pcspace.value(rng, 4))
        q.write(port + 0x38, rng.choice([1, 3, 0xffffffff, pcspace.value(rng, 4)]))
        if rng.random() < 0.5:
            rig.noise(30, group)
        if rng.random() < 0.2:
            rig.snapshot()


# --- Ethernet -------------------------------------------------------------------------------

def transmit_ring(rig, at, count):
    """Legacy, context and data descriptors (SDM 3.3)."""
    rng = rig.rng
    ring = b""
    for _ in range(count):
        if rng.random() < 0.3:
            ring += struct.pack("<BBHBBHIBBH", *(rng.randrange(256) for _ in range(2)), pcspace.value(rng, 2),
                                *(rng.randrange(256) for _ in range(2)), pcspace.value(rng, 2),
                                rng.randrange(1 << 20) | rng.choice([0x20000000, 0x27000000, 0x24000000]),
                                rng.randrange(256), rng.choice([0, 14, 54, 255]), rng.choice([0, 1, 1460, pcspace.value(rng, 2)]))
        else:
            ring += struct.pack("<QII", rig.address(), rig.length([0, 1, 14, 60, 1500, 16000]) & 0xfffff |
                                rng.choice([0, 0x00100000]) | rng.getrandbits(8) << 24, rng.getrandbits(32))
    rig.put(at, ring)


@target
def e1000(rig):
    rng, q = rig.rng, rig.q
    base = rig.space.bar(E1000, 0)
    group = next(name for name, places in rig.space.groups.items() if places[0][1] == base)
    rings, count = DATA + 0x8000, 64
    for _ in range(40):
        transmit_ring(rig, rings, count)
        rig.put(rings + 0x1000, b"".join(struct.pack("<QQ", rig.address(), rng.getrandbits(64)) for _ in range(count)))
        for reg, v in ((0x400, 0x2), (0x100, rng.choice([0x801e, 0x2000801e, pcspace.value(rng, 4)])), (0x3800, rings),
                       (0x3804, 0), (0x3808, 16 * count), (0x2800, rings + 0x1000), (0x2804, 0), (0x2808, 16 * count),
                       (0x2810, 0), (0x2818, rng.randrange(2 * count)), (0x3810, 0), (0x00, rng.choice([0x40, 0x48000040])),
                       (0xd0, 0xffffffff), (0x3818, rng.choice([1, count - 1, count, pcspace.value(rng, 4)]))):
            q.write(base + reg, v if rng.random() < 0.95 else pcspace.value(rng, 4))
        rig.noise(40, group)
        q.step(10**6)
        if rng.random() < 0.2:
            rig.snapshot()


# --- Floppy ---------------------------------------------------------------------------------

@target
def floppy(rig):
    """Commands with their parameters, by DMA and without, and a DMA controller that has been told lies."""
    rng = rig.rng
    commands = [0x46, 0xe6, 0xc5, 0x45, 0x4d, 0x0d, 0x4a, 0x42, 0xf6, 0x0f, 0x07, 0x08, 0x04, 0x03, 0x0e, 0x10, 0x13, 0x94,
                0x14, 0x12, 0x11, 0x19, 0x1d, 0x8e, 0x8f, 0xcf, 0x18, 0x00]
    for _ in range(120):
        lines = [f"outb 0x3f2 {rng.choice([0x1c, 0x1c, 0x1c, 0x14, 0x0c, 0x2d, rng.randrange(256)]):#x}"]
        if rng.random() < 0.7:
            lines += ["outb 0x0c 0", f"outb 0x04 {rng.randrange(256):#x}", f"outb 0x04 {rng.randrange(256):#x}",
                      f"outb 0x81 {rng.choice([0x10, 0xff, rng.randrange(256)]):#x}", f"outb 0x05 {rng.randrange(256):#x}",
                      f"outb 0x05 {rng.choice([1, 0, 0xff]):#x}",
                      f"outb 0x0b {rng.choice([0x46, 0x4a, 0x42, 0x56, 0x5a, 0x66, rng.randrange(256)]):#x}", "outb 0x0a 2"]
        lines.append(f"outb 0x3f5 {rng.choice(commands):#x}")
        lines += [f"outb 0x3f5 {rng.choice([0, 1, 2, 18, 0xff, rng.randrange(256)]):#x}" for _ in range(rng.randrange(10))]
        lines += [rng.choice(["inb 0x3f5", f"outb 0x3f5 {rng.randrange(256):#x}", "inb 0x3f4"])
                  for _ in range(rng.choice([3, 12, 600]))]
        lines.append(f"clock_step {rng.choice([1000, 10**6, 10**8])}")
        rig.q.many(lines)
        if rng.random() < 0.1:
            rig.noise(20, "fdc", "dma")
        if rng.random() < 0.1:
            rig.snapshot()


# --- Firmware configuration, PCI ------------------------------------------------------------

@target
def fw_cfg(rig):
    rng, q = rig.rng, rig.q
    for _ in range(300):
        at = DATA + rng.randrange(0x4000)
        control = rng.choice([0, 1, 2, 4, 8, 10, 16, pcspace.value(rng, 2)]) | rng.choice(
            [0, 0x19, rng.randrange(0x20, 0x40), pcspace.value(rng, 2)]) << 16
        rig.put(at, struct.pack(">IIQ", control, pcspace.value(rng, 4), rig.address()))
        where = rng.choice([at] * 4 + [pcspace.value(rng, 8)])
        q.out(0x514, int.from_bytes(struct.pack(">I", where >> 32), "little"), 4)
        q.out(0x518, int.from_bytes(struct.pack(">I", where & 0xffffffff), "little"), 4)
        q.out(0x510, pcspace.value(rng, 2), 2)
        q.inp(0x511, rng.choice([1, 2, 4]))


@target
def config_space(rig):
    """Configuration space of functions that are there, by both ways, with the regions that it moves."""
    rng = rig.rng
    for _ in range(10):
        lines = []
        for _ in range(200):
            devfn = rng.choice([*rig.space.functions, rng.randrange(256)])
            at = rng.choice([4, 0x10 + 4 * rng.randrange(6), 0x30, 0x3c, rng.randrange(256), 0x40 + rng.randrange(0x60)])
            size = rng.choice([1, 2, 4])
            v = pcspace.value(rng, size)
            if rng.random() < 0.2:
                lines.append(f"write{pcspace.SIZES[size]} {0xb0000000 + (devfn << 12) + rng.choice([at, at + 0x100]):#x} {v:#x}")
            else:
                lines += [f"outl 0xcf8 {0x80000000 | devfn << 8 | at & 0xfc:#x}",
                          f"out{pcspace.SIZES[size]} {0xcfc + (at & 3):#x} {v:#x}"]
        rig.q.many(lines)
        rig.noise(100)


# --- States ---------------------------------------------------------------------------------

def states(rng, folder):
    """States with fields that cannot be: refused, or loaded into a machine that goes on, however badly."""
    with Pc(*pcspace.devices(folder, rng.choice(["pc", "q35"]))) as q:
        rig = Rig(rng, q)
        rig.noise(500)
        fields = snapstate.fields(q.save())
        for _ in range(300):
            changes = [snapstate.change(field, pcspace.value(rng, 8), rng.choice([None, rng.randrange(field.count)]))
                       for field in rng.sample(fields, rng.choice([1, 1, 2, 5]))]
            if q.load(changes) == "OK":
                rig.noise(150)
            assert q.load() == "OK"


TARGETS = {"pc-registers": target(registers), "pc-interrupts": target(interrupts), "pc-ide": ide, "pc-ahci": ahci,
           "pc-e1000": e1000, "pc-floppy": floppy, "pc-fw-cfg": fw_cfg, "pc-config-space": config_space, "pc-states": states}
