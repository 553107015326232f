#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""Systems other than our own on the PC: ISOLINUX's menu, a pass of memtest86+."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from discs import menu_disc  # noqa: E402
from pc import expect_screen, pc, screen  # noqa: E402

suite = tap.Suite()


@suite.test
def isolinux_menu():
    """The menu on the serial line; a key moves in it, and the entry's file is looked for on the disc."""
    with rhea.scratch() as folder, pc("-cdrom", menu_disc(folder), memory="64M") as m:
        m.expect("Rhea discs", 120)
        m.expect("edit options", 60)
        m.send("\x1b[B")
        time.sleep(1)
        m.send("\r")
        m.expect("/isolinux/second", 60)
        m.terminate()


@suite.test
def memtest_pass():
    """All of memtest86+'s tests of a small memory, without an error."""
    iso = rhea.need_file("/usr/lib/memtest86+/memtest86+x64.iso", "memtest86+")
    with pc("-cdrom", iso, memory="16M", qmp=True) as m, m.qmp() as q:
        expect_screen(m, q, r"Memtest86\+", 120)
        expect_screen(m, q, r"Pass: *[1-9]", 700)
        assert re.search(r"Errors: *0\b", screen(m, q)), screen(m, q)
        m.terminate()


if __name__ == "__main__":
    sys.exit(suite.run())
