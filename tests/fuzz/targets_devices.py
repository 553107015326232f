# SPDX-License-Identifier: MIT
"""Nonsense with structure for devices, through qtest: registers of every region, and virtqueues that are
set up properly and then hold random chains."""

import os
import struct

import qtest
import virtio

RAM, RAM_SIZE = 0x80000000, 64 << 20
SIZES = {1: "b", 2: "w", 4: "l", 8: "q"}
# Values that registers, lengths and indexes are compared with.
NICE = [0, 1, 2, 3, 4, 7, 8, 0x10, 0x20, 0x7f, 0x80, 0xff, 0x100, 0x3ff, 0x400, 0xfff, 0x1000, 0x7fff, 0x8000,
        0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
        RAM, RAM + 0x1000, RAM - 8, RAM + RAM_SIZE - 4, RAM + RAM_SIZE, 0x10001000, 0x74726976]
# Where the virt board has registers, and how much of each region is worth a visit.
REGIONS = [(0x100000, 4), (0x101000, 0x24), (0x2000000, 0x10), (0x2004000, 0x20), (0x200bff8, 8),
           (0xc000000, 0x200), (0xc001000, 0x80), (0xc002000, 0x200), (0xc200000, 0x3000), (0x10000000, 8),
           (0x10100000, 0x18), (0x20000000, 0x200), (0x22000000, 0x200), (0x3000000, 0x10000),
           (0x40000000, 0x600000)] + \
          [(0x30000000 + (n << 15), 0x100) for n in range(8)] + \
          [(0x10001000 + n * 0x1000, 0x200) for n in range(8)]


def value(rng, size):
    v = rng.choice(NICE) if rng.random() < 0.6 else rng.getrandbits(8 * size)
    return v & ((1 << 8 * size) - 1)


def machine(folder, transport):
    """Every device that the board takes, on a transport ("device" or "pci"), with backends that keep still."""
    for name in ("disk", "flash0", "flash1"):
        with open(os.path.join(folder, name), "wb") as f:
            f.truncate(32 << 20)
    args = ["-drive", f"file={folder}/disk,format=raw,if=none,id=d",
            "-drive", f"file={folder}/flash0,format=raw,if=pflash,unit=0",
            "-drive", f"file={folder}/flash1,format=raw,if=pflash,unit=1",
            "-device", f"virtio-blk-{transport},drive=d,num-queues=2",
            "-netdev", "user,id=n,restrict=on", "-device", f"virtio-net-{transport},netdev=n",
            "-device", f"virtio-rng-{transport}", "-device", f"virtio-balloon-{transport}",
            "-device", f"virtio-serial-{transport}", "-chardev", "null,id=c",
            "-device", "virtserialport,chardev=c,name=p"]
    return qtest.Qtest(*args, "-no-shutdown", "-no-reboot")


def finish(q):
    """What came out is still a state that can be saved, and one that a reset ends."""
    q.command("rhea_snapshot")
    q.command("system_reset")
    q.command("rhea_snapshot")


def register_line(rng):
    base, span = rng.choice(REGIONS)
    size = rng.choice([1, 2, 4, 4, 4, 8])
    addr = base + rng.randrange(span) // size * size + (rng.random() < 0.05)
    if rng.random() < 0.3:
        return f"read{SIZES[size]} {addr:#x}"
    return f"write{SIZES[size]} {addr:#x} {value(rng, size):#x}"


def registers(rng, folder):
    transport = rng.choice(["device", "pci"])
    with machine(folder, transport) as q:
        data = bytes(rng.choice((0, 1, 2, 0x80, 0xff, rng.randrange(256))) for _ in range(0x4000))
        q.command("write", RAM, hex(len(data)), "0x" + data.hex())
        if transport == "pci":
            for slot in range(1, 6):
                virtio.Pci(q, None, slot)
        lines = []
        for _ in range(4000):
            lines.append(register_line(rng))
            if rng.random() < 0.01:
                lines.append(f"clock_step {rng.choice([1, 1000, 10**6, 10**9])}")
            if rng.random() < 0.001:
                lines.append("system_reset")
        for line, answer in zip(lines, q.many(lines)):
            assert answer.startswith("OK"), f"{line}: {answer}"
        finish(q)


# --- Virtqueues -----------------------------------------------------------------------------

def payload(rng):
    """The beginnings of the requests that the devices know, with fields out of bounds."""
    kind = rng.randrange(5)
    if kind == 0:       # blk: type, priority, sector
        return struct.pack("<IIQ", rng.choice([0, 1, 4, 8, 11, 13, 14, value(rng, 4)]), 0,
                           rng.choice([0, 1, 65535, 65536, value(rng, 8)]))
    if kind == 1:       # net: flags, gso type, header length, gso size, checksum start and offset, buffers
        return struct.pack("<BBHHHHH", rng.randrange(8), rng.choice([0, 1, 3, 4, 0x81, 255]),
                           *(value(rng, 2) for _ in range(5))) + rng.randbytes(rng.choice([0, 14, 60, 1500]))
    if kind == 2:       # control: class, command, port or value
        return struct.pack("<BBHI", rng.randrange(6), rng.randrange(6), value(rng, 2), value(rng, 4))
    if kind == 3:       # discard and write-zeroes segments, page numbers
        return b"".join(struct.pack("<QII", value(rng, 8), value(rng, 4), rng.randrange(3))
                        for _ in range(rng.choice([1, 2, 40])))
    return rng.randbytes(rng.randrange(1, 64))


def fill(rng, q, vq, memory, data):
    """Random descriptors, most of them sane, and an available ring that leads to them."""
    table = bytearray()
    for _ in range(vq.size):
        addr = rng.choice([rng.choice(data)] * 8 + [value(rng, 8)])
        length = rng.choice([1, 2, 4, 8, 16, 24, 512, 4096, value(rng, 4) if rng.random() < 0.2 else 12])
        flags = rng.choice([0, 1, 1, 1, 2, 3, 3, 4, 5, 6, 7, value(rng, 2) if rng.random() < 0.1 else 2])
        table += struct.pack("<QIHH", addr, length, flags, rng.randrange(vq.size + 1))
    q.command("write", vq.desc, hex(len(table)), "0x" + table.hex())
    # An indirect table is taken from the same stuff.
    at = memory.put(bytes(table[:16 * rng.randrange(1, vq.size + 1)]))
    for i in range(vq.size):
        if rng.random() < 0.1:
            vq.descriptor(i, at, 16 * rng.choice([0, 1, 2, vq.size, 70000]), 4, 0)
    heads = struct.pack(f"<{vq.size}H", *(rng.choice([rng.randrange(vq.size)] * 20 + [value(rng, 2)])
                                          for _ in range(vq.size)))
    q.command("write", vq.avail + 4, hex(len(heads)), "0x" + heads.hex())
    q.write(vq.avail, rng.choice([0, 0, 1]), 2)
    step = rng.choice([1, 2, vq.size // 2, vq.size, vq.size, value(rng, 2)])
    vq.added = (vq.added + step) & 0xffff
    q.write(vq.avail + 2, vq.added, 2)


def one_device(rng, q, device, memory, queues):
    offered = device.start()
    device.status(0)
    # VERSION_1 is accepted by start(); the notification bits and the device's own come and go.
    mask = rng.choice([0, offered, offered & rng.getrandbits(64)]) & ~virtio.bit(40)
    device.start(mask)
    vqs = []
    for index in range(queues):
        try:
            vqs.append(device.queue(index, rng.choice([None, 1, 2, 4, 8])))
        except AssertionError:
            break
    device.ready()
    data = [memory.put(payload(rng)) for _ in range(12)] + [memory.take(4096) for _ in range(4)]
    for _ in range(6):
        for vq in vqs:
            fill(rng, q, vq, memory, data)
            device.kick(vq.index)
            if rng.random() < 0.2:
                q.many([register_line(rng) for _ in range(5)])
        q.command("clock_step", "1000000")
        device.isr()
        if rng.random() < 0.2:
            q.command("rhea_snapshot")


def queues(rng, folder):
    transport = rng.choice(["device", "pci"])
    with machine(folder, transport) as q:
        for n in range(5):
            memory = virtio.Memory(q)
            if transport == "pci":
                one_device(rng, q, virtio.PciModern(q, memory, n + 1), memory, 3)
            else:
                kind = (virtio.BLOCK, virtio.NET, virtio.RNG, virtio.BALLOON, virtio.CONSOLE)[n]
                one_device(rng, q, virtio.Mmio(q, memory, kind), memory, 3)
        finish(q)


def fw_cfg(rng, folder):
    """Selectors, DMA and the data port of the firmware configuration device."""
    with machine(folder, "device") as q:
        base = 0x10100000
        for _ in range(400):
            at = RAM + rng.randrange(0x10000)
            control = rng.choice([0, 1, 2, 4, 8, 10, 16, value(rng, 2)]) | rng.choice([0, 0x19, value(rng, 2)]) << 16
            length, addr = value(rng, 4), rng.choice([RAM + 0x20000, value(rng, 8)])
            q.command("write", at, "16", "0x" + struct.pack(">IIQ", control, length, addr).hex())
            target = rng.choice([at] * 4 + [value(rng, 8)])
            q.write(base + 0x10, int.from_bytes(struct.pack(">I", target >> 32), "little"))
            q.write(base + 0x14, int.from_bytes(struct.pack(">I", target & 0xffffffff), "little"))
            q.write(base + 8, value(rng, 2), 2)
            q.read(base, rng.choice([1, 2, 4, 8]))
        finish(q)


def flash(rng, folder):
    """Command sequences of the CFI flash, among them those that a driver sends."""
    commands = [0x00, 0x10, 0x20, 0x28, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xf0, 0xff, 1, 0x0f]
    with machine(folder, "device") as q:
        lines = []
        for _ in range(4000):
            size = rng.choice([1, 2, 4, 4, 4, 8])
            addr = rng.choice([0x20000000, 0x22000000]) + \
                rng.choice([0, 0x40000, 0x1ffff00, rng.randrange(0x2000000)]) // size * size
            v = rng.choice(commands) * rng.choice([1, 0x00010001]) if rng.random() < 0.8 else value(rng, size)
            lines.append(f"read{SIZES[size]} {addr:#x}" if rng.random() < 0.2 else
                         f"write{SIZES[size]} {addr:#x} {v & ((1 << 8 * size) - 1):#x}")
        assert all(a.startswith("OK") for a in q.many(lines))
        finish(q)


TARGETS = {"registers": registers, "queues": queues, "fw-cfg": fw_cfg, "flash": flash}

