# SPDX-License-Identifier: MIT
"""The state of devices as softmmu/snapshot/stream.c writes it: finding its fields, and changing them."""

import struct

FIXED = {b"b": 1, b"1": 1, b"2": 2, b"4": 4, b"8": 8, b"i": 4, b"l": 8, b"T": 8}
ELEMENT = {b"B": 1, b"w": 4, b"q": 8}


class Field:
    """One field: the object it belongs to, its kind, and where its value is in the stream."""

    def __init__(self, path, section, kind, at, width, count=1):
        self.path, self.section, self.kind = path, section, kind
        self.at, self.width, self.count = at, width, count

    def __repr__(self):
        return f"{self.path} {self.section} {self.kind.decode()}*{self.count} at {self.at}"

    def of(self, data):
        """The bytes of the value."""
        return data[self.at:self.at + self.width * self.count]


def _text(data, at):
    end = at + 2 + struct.unpack_from("<H", data, at)[0]
    return data[at + 2:end].decode(), end


def fields(data):
    """All fields of a state.  The length of a buffer is a field ('V'), what it holds another ('B')."""
    at, path, section = 0, "", ""
    found = []
    while at < len(data):
        kind = data[at:at + 1]
        at += 1
        if kind == b"O":
            path, at = _text(data, at)
            at += 4
        elif kind == b"S":
            section, at = _text(data, at)
            at += 4
        elif kind in FIXED:
            found.append(Field(path, section, kind, at, FIXED[kind]))
            at += FIXED[kind]
        elif kind in ELEMENT or kind == b"V":
            count = struct.unpack_from("<I", data, at)[0]
            if kind == b"V":
                found.append(Field(path, section, kind, at, 4))
            width = ELEMENT.get(kind, 1)
            if count:
                found.append(Field(path, section, b"B" if kind == b"V" else kind, at + 4, width, count))
            at += 4 + width * count
        else:
            raise AssertionError(f"a field of kind {kind} at {at - 1}")
    return found


def in_file(data):
    """Where the state begins in a snapshot file (softmmu/snapshot/file.c), and its size."""
    at = _text(data, 12)[1]
    blocks = struct.unpack_from("<I", data, at)[0]
    at += 4
    for _ in range(blocks):
        at = _text(data, at)[1] + 8
    return at + 4, struct.unpack_from("<I", data, at)[0]


def change(field, value, element=None):
    """(place, bytes) that give a field, or one element of it, another value; all elements without element."""
    part = (value & ((1 << 8 * field.width) - 1)).to_bytes(field.width, "little")
    if element is None:
        return field.at, part * field.count
    return field.at + element * field.width, part


def changed(data, changes):
    """A copy with those changes."""
    out = bytearray(data)
    for at, part in changes:
        out[at:at + len(part)] = part
    return bytes(out)


def difference(first, second):
    """The first field in which two states of one machine differ; None when they are the same."""
    for a, b in zip(fields(first), fields(second)):
        old, new = a.of(first), b.of(second)
        if old != new:
            at = next((i for i, (x, y) in enumerate(zip(old, new)) if x != y), 0)
            return f"{a}: {old[at:at + 16].hex()} is {new[at:at + 16].hex()} from byte {at} on"
    return None if len(first) == len(second) else "their lengths"
