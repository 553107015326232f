# SPDX-License-Identifier: MIT
"""The prepared initrd with more in it."""

import glob
import lzma
import os

import cpio
import rhea
import tap


def with_modules(folder, names, image, initrd, files=()):
    """A copy of the initrd in the folder, with modules of the image's kernel, and those files, in /more."""
    tree = os.path.dirname(image) + "/kernel"
    path = os.path.join(folder, "initrd")
    with open(initrd, "rb") as base, open(path, "wb") as out:
        out.write(base.read())
        archive = cpio.Archive(out)
        for name in names:
            found = glob.glob(f"{tree}/**/{name}.ko*", recursive=True)
            if not found:
                raise tap.Skip(f"the kernel's {name} module is not there")
            with (lzma.open if found[0].endswith(".xz") else open)(found[0], "rb") as f:
                archive.data(f"more/{name}.ko", f.read())
        for name in files:
            with open(name, "rb") as f:
                archive.data(f"more/{os.path.basename(name)}", f.read())
        archive.close()
    return path
