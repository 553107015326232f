#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 3600
"""What firmware, GRUB and Debian's graphical installer put on the screen of each display device."""

import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ppm  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402
from discs import flash, grub_disc  # noqa: E402
from pc import pc  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))
GTK = "/usr/lib/debian-installer/images/12/amd64/gtk/debian-installer/amd64"
# A graphical menu whose chosen line has a colour of its own.
GRUB = """set gfxmode=800x600
insmod all_video
insmod font
insmod gfxterm
loadfont unicode
terminal_output gfxterm
set timeout=-1
set menu_color_normal=white/black
set menu_color_highlight=white/red
menuentry "First entry" { true }
menuentry "Second entry" { true }
menuentry "Third entry" { true }
"""


def look(monitor, folder, wanted, what, seconds, device=None):
    """The first picture that is as wanted; guests take their time."""
    deadline = time.monotonic() + seconds
    while True:
        picture = ppm.screendump(monitor, folder, **({"device": device} if device else {}))
        if wanted(picture):
            return picture
        assert time.monotonic() < deadline, f"{what}: {picture.size}, {counted(picture).most_common(4)}"
        time.sleep(1)


def counted(picture):
    return collections.Counter(p for row in picture.rows for p in row)


def bar(picture, is_bar, above=0):
    """First and last of the lines, those above left out, of which half is the bar's colour; None: there is none."""
    width = picture.size[0]
    lines = [y for y, row in enumerate(picture.rows) if y >= above and sum(map(is_bar, row)) > width // 2]
    return (lines[0], lines[-1]) if lines else None


def moves_a_bar(monitor, folder, find, seconds):
    """The keys for down and up move it there and back."""
    first = find(look(monitor, folder, find, "a bar", seconds))
    assert 8 <= first[1] - first[0] <= 40, first
    monitor.command("human-monitor-command", command_line="sendkey down")
    look(monitor, folder, lambda p: (find(p) or first)[0] > first[0], "the bar goes down", 60)
    monitor.command("human-monitor-command", command_line="sendkey up")
    look(monitor, folder, lambda p: find(p) == first, "the bar goes up", 60)


def uefi(device, size):
    """The UEFI shell's prompt is yellow, and goes down a line with each Enter."""
    yellow = 255, 255, 0

    def prompts(picture):
        return sum(any(p == yellow for p in row[:picture.size[0] // 2]) for row in picture.rows)
    with rhea.scratch() as folder:
        with pc("-M", "q35", *flash(folder), "-vga", "none", "-device", device, "-nic", "none", memory="256M",
                qmp=True) as m, m.qmp() as monitor:
            first = look(monitor, folder, lambda p: p.size == size and counted(p)[yellow] > 200, "the shell", 300)
            time.sleep(8)               # it waits for startup.nsh
            before = prompts(look(monitor, folder, lambda p: True, "", 1))
            monitor.command("human-monitor-command", command_line="sendkey ret")
            look(monitor, folder, lambda p: prompts(p) > before, "another prompt", 60)
            assert first.colours() >= {(0, 0, 0), yellow}


def grub(vga):
    def find(picture):
        """Red; the mode of Debian's BIOS for Cirrus cards has a line less."""
        right = picture.size in ((800, 600), (800, 599))
        return bar(picture, lambda p: p[0] in range(160, 176) and not p[1] | p[2]) if right else None
    with rhea.scratch() as folder:
        disc = grub_disc(folder, GRUB)
        with pc("-cdrom", disc, "-vga", vga, "-nic", "none", qmp=True) as m, m.qmp() as monitor:
            moves_a_bar(monitor, folder, find, 200)


def installer(vga):
    """The list of languages, with English chosen; the banner above is of the same colours."""
    kernel, initrd = (rhea.need_file(f"{GTK}/{name}", "debian-installer-12-netboot-amd64") for name in ("linux", "initrd.gz"))

    def find(picture):
        return bar(picture, lambda p: p[1] > p[0] + 50 and p[2] > p[0] + 40, 120)
    with rhea.scratch() as folder:
        with pc("-M", "q35", "-kernel", kernel, "-initrd", initrd, "-append", "vga=788 console=ttyS0 console=tty0", "-vga", vga,
                "-nic", "none", memory="1G", qmp=True) as m, m.qmp() as monitor:
            moves_a_bar(monitor, folder, find, 900)


for name, shown in (("VGA", (1280, 800)), ("virtio-vga", (1280, 800)), ("bochs-display", (1280, 800)),
                    ("virtio-gpu-pci", (1280, 800)), ("ramfb", (800, 600))):
    suite.add(f"uefi-{name}", uefi, name, shown)
for name in ("std", "virtio", "cirrus"):
    suite.add(f"grub-{name}", grub, name)
for name in ("std", "virtio"):
    suite.add(f"installer-{name}", installer, name)

sys.exit(suite.run())
