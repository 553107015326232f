# SPDX-License-Identifier: MIT
"""Writes cpio archives in the "newc" format, which Linux unpacks as an initramfs.

Owners are always root and times always zero, so the same input gives the same bytes, and device
nodes need no privilege.  Format: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import os
import stat


class Archive:
    """Collects members and writes them to a binary file object; close() ends the archive."""

    def __init__(self, out):
        self.out = out
        self.ino = 0
        self.dirs = set()

    def _member(self, name, mode, data=b"", nlink=1, rdev=(0, 0)):
        name = name.lstrip("/")
        self.ino += 1
        raw = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, nlink, 0, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0)
        self._padded(b"070701" + b"".join(b"%08x" % f for f in fields) + raw)
        self._padded(data)

    def _padded(self, data):
        self.out.write(data)
        self.out.write(b"\0" * (-len(data) % 4))

    def mkdir(self, name, perm=0o755):
        """Adds a directory, and its parents, once."""
        name = name.strip("/")
        if not name or name in self.dirs:
            return
        self.mkdir(os.path.dirname(name))
        self.dirs.add(name)
        self._member(name, stat.S_IFDIR | perm, nlink=2)

    def data(self, name, data, perm=0o644):
        """Adds a regular file with the given bytes or text."""
        self.mkdir(os.path.dirname(name))
        self._member(name, stat.S_IFREG | perm, data.encode() if isinstance(data, str) else data)

    def file(self, name, path, perm=None):
        """Adds a host file; its permission bits are kept unless given."""
        with open(path, "rb") as f:
            data = f.read()
        self.data(name, data, os.stat(path).st_mode & 0o777 if perm is None else perm)

    def symlink(self, name, target):
        self.mkdir(os.path.dirname(name))
        self._member(name, stat.S_IFLNK | 0o777, target.encode())

    def chardev(self, name, major, minor, perm=0o600):
        self.mkdir(os.path.dirname(name))
        self._member(name, stat.S_IFCHR | perm, rdev=(major, minor))

    def close(self):
        self._member("TRAILER!!!", 0)
