#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 1200
"""Linux's drivers for the display devices: a picture that is written to the frame buffer of Debian's stock
kernel is what screendump sees, pixel by pixel, and its console draws there.
scripts/guest-assets --kernel stock-bookworm fetches the kernel."""

import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ppm  # noqa: E402
import rfb  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
from initrd import with_modules  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))

KERNEL = "stock-bookworm"
DRM = ["drm", "drm_kms_helper"]
BOCHS = DRM + ["ttm", "drm_ttm_helper", "drm_vram_helper", "bochs"]
CIRRUS = DRM + ["drm_shmem_helper", "cirrus"]
VIRTIO = DRM + ["drm_shmem_helper", "virtio_dma_buf", "virtio-gpu"]
SIZE, OFF = (1024, 768), (640, 480)


def pattern():
    """32 pixels, of which lines and the whole picture are made: little-endian xrgb8888."""
    return b"".join(((x * 7 & 255) | (x * 5 & 255) << 8 | (x * 3 & 255) << 16).to_bytes(4, "little") for x in range(32))


def seen(monitor, folder, wanted, what, tries=60):
    """Drivers show what was written after a while."""
    for attempt in range(tries):
        picture = ppm.screendump(monitor, folder)
        if wanted(picture):
            return
        time.sleep(0.5)
    raise AssertionError(f"{what}: {picture.size} with {len(picture.colours())} colours after {attempt} tries")


@contextlib.contextmanager
def linux(device, modules, *more):
    """Debian's kernel with the modules of a display; the machine, its monitor and a folder."""
    made_by = f"scripts/guest-assets --kernel {KERNEL}"
    image, initrd = (rhea.guest_file(f"{KERNEL}/{name}", made_by) for name in ("Image", "initrd.cpio"))
    with rhea.scratch() as folder:
        initrd = with_modules(folder, modules, image, initrd)
        with rhea.Machine("-M", "pc", "-vga", "none", "-device", device, "-kernel", image, "-initrd", initrd,
                          "-append", "console=ttyS0", *more, memory="512M", qmp=True) as m, m.qmp() as monitor:
            m.expect("rhea-guest: ready", 400)
            for name in modules:
                m.run(f"insmod /more/{name}.ko", 120)
            yield m, monitor, folder


def shows_console(m, monitor, folder):
    m.run("printf '\\033[2J\\033[47mhello\\n' > /dev/tty1; sleep 1", 60)
    seen(monitor, folder, lambda p: p.size == SIZE and len(p.colours()) > 1, "the console")


def shown(device, modules):
    width, height = SIZE
    line = [(p[2], p[1], p[0]) for p in (pattern()[i:i + 4] for i in range(0, 128, 4))] * (width // 32)
    with linux(f"{device},xres={width},yres={height}", modules) as (m, monitor, folder):
        assert m.run("cat /sys/class/graphics/fb0/virtual_size") == f"{width},{height}"
        shows_console(m, monitor, folder)
        text = "".join(f"\\x{b:02x}" for b in pattern())
        m.run(f"printf '{text}' > /part")
        m.run("printf '\\033[?25l' > /dev/tty1")
        m.run("for i in 1 2 3 4 5 6 7 8; do cat /part /part > /more/part; mv /more/part /part; done", 60)
        m.run(f"for i in $(seq {width * height // 32 // 256}); do cat /part; done > /dev/fb0", 120)
        seen(monitor, folder, lambda p: p.size == SIZE and all(row == line for row in p.rows), "the picture")


def resized():
    """Each display is a head of its own; Linux follows what a viewer wishes for."""
    with rhea.scratch() as place, linux("virtio-vga,id=gpu,max_outputs=2,xres=1024,yres=768", VIRTIO, "-vnc",
                                        f"unix:{place}/vnc") as (m, monitor, folder):
        shows_console(m, monitor, folder)
        assert m.run("cat /sys/class/drm/card0-Virtual-1/status /sys/class/drm/card0-Virtual-2/status | tr '\\n' ' '"
                     ) == "connected disconnected"
        assert m.run("head -1 /sys/class/drm/card0-Virtual-1/modes") == "1024x768"
        with rfb.Viewer(f"{place}/vnc", timeout=120) as v:
            v.encodings(rfb.RAW, rfb.EXT_DESKTOP_SIZE)
            v.wish_size(800, 600)
            v.request(incremental=True)
            while (v.width, v.height) != (800, 600):
                v.update()
                v.request(incremental=True)
        seen(monitor, folder, lambda p: p.size == (800, 600) and len(p.colours()) > 1, "the smaller console")
        assert m.run("head -1 /sys/class/drm/card0-Virtual-1/modes") == "800x600"
        assert ppm.screendump(monitor, folder, device="gpu", head=1).size == OFF


def cirrus_console(*more):
    with linux("cirrus-vga", CIRRUS, *more) as (m, monitor, folder):
        assert m.run("cat /sys/class/graphics/fb0/virtual_size") == "1024,768"
        shows_console(m, monitor, folder)


suite.add("bochs-display", shown, "bochs-display", BOCHS)
suite.add("virtio-gpu-pci", shown, "virtio-gpu-pci", VIRTIO)
suite.add("vga", shown, "VGA", BOCHS)
suite.add("resized", resized)
suite.add("cirrus", cirrus_console)
suite.add("cirrus-after-bios", cirrus_console, "-append", "console=ttyS0 vga=788")
suite.add("virtio-vga", shown, "virtio-vga", VIRTIO)

sys.exit(suite.run())
