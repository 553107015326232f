# SPDX-License-Identifier: MIT
"""A driver of the virtio GPU."""

import struct

import virtio

GPU, EDID = 16, 1
INFO, CREATE, UNREF, SCANOUT, FLUSH, TRANSFER, ATTACH, DETACH, GET_EDID = *range(0x100, 0x108), 0x10a
UPDATE_CURSOR, MOVE_CURSOR = 0x300, 0x301
OK, OK_INFO, OK_EDID = 0x1100, 0x1101, 0x1104
UNSPEC, MEMORY, BAD_SCANOUT, BAD_RESOURCE, BAD_PARAMETER = 0x1200, 0x1201, 0x1202, 0x1203, 0x1205
# Formats by the bytes of a pixel.
FORMATS = {"BGRA": 1, "BGRX": 2, "ARGB": 3, "XRGB": 4, "RGBA": 67, "XBGR": 68, "ABGR": 121, "RGBX": 134}


class Gpu:
    """A driver that has started, and its commands."""

    def __init__(self, q, kind=virtio.PciModern, place=2):
        self.q, self.memory = q, virtio.Memory(q)
        self.dev = kind(q, self.memory, place)
        self.restart()

    def restart(self):
        assert self.dev.start(virtio.bit(EDID)) >> EDID & 1
        self.control, self.cursor = self.dev.queue(0), self.dev.queue(1)
        self.dev.ready()

    def raw(self, request, room=2048, queue=None):
        at, answer = self.memory.put(request), self.memory.take(room) if room else 0
        queue = queue or self.control
        queue.add([(at, len(request))], [(answer, room)] if room else [])
        _, written = queue.wait()
        return self.memory.get(answer, written) if room else b""

    def command(self, kind, *words, fence=None):
        """The answer's type and what follows the header; words are of 32 bits."""
        header = struct.pack("<IIQII", kind, fence is not None, fence or 0, 0, 0)
        answer = self.raw(header + struct.pack(f"<{len(words)}I", *words))
        got, flags, number = struct.unpack_from("<IIQ", answer)
        assert (flags, number) == ((1, fence) if fence is not None else (0, 0))
        return got, answer[24:]

    def pointer(self, kind, *words):
        """A command of the cursor queue, which has no answers."""
        self.raw(struct.pack(f"<IIQII{len(words)}I", kind, 0, 0, 0, 0, *words), 0, self.cursor)

    def picture(self, number, width, height, data):
        """A resource of BGRA pixels."""
        at = self.memory.put(data)
        self.does(OK, CREATE, number, FORMATS["BGRA"], width, height)
        assert self.attach(number, [(at, len(data))]) == OK
        self.does(OK, TRANSFER, 0, 0, width, height, 0, 0, number, 0)

    def does(self, wanted, kind, *words):
        got = self.command(kind, *words)[0]
        assert got == wanted, f"command {kind:#x} {words}: {got:#x} and not {wanted:#x}"

    def attach(self, number, pieces):
        words = [w for addr, size in pieces for w in (addr & 0xffffffff, addr >> 32, size, 0)]
        return self.command(ATTACH, number, len(pieces), *words)[0]
