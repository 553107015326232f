#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""gdb-multiarch on x86 guests: a boot sector, guests of our own in 32-bit and 64-bit mode, Debian's kernel."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402
from gdbclient import Gdb                               # noqa: E402
from pc import boot_sector, pc, write                   # noqa: E402

suite = tap.Suite()
SECTOR_DONE, GUEST_DONE = "exited with code 021", "exited with code 01"


def machine(*args, **kwargs):
    """Waits for gdb before the first instruction."""
    rhea.need_tool("gdb-multiarch")
    port = rhea.free_port()
    m = pc("-S", "-gdb", f"tcp:127.0.0.1:{port}", *args, **kwargs)
    m.gdb_port = port
    return m


def number(g, expression):
    return int(re.search(r"= (-?0x[0-9a-f]+|-?\d+)", g.ask(f"print/x (long){expression}")).group(1), 16)


def sector_disk(folder):
    return ["-drive", f"file={write(folder, 'disk', boot_sector(folder), 1 << 20)},format=raw,if=virtio"]


@suite.test
def real_mode():
    """From the reset vector to a boot sector: breakpoints, steps, segments, a watchpoint on its stack."""
    with rhea.scratch() as folder, machine(*sector_disk(folder)) as m, Gdb(m.gdb_port) as g:
        assert number(g, "$pc") == 0xfffffff0 and number(g, "$cs_base") == 0xffff0000
        g.ask("break *0x7c00")
        g.ask("continue", r"Breakpoint 1, 0x0*7c00 ")
        g.ask("x/2xb 0x7dfe", r"0x55\s+0xaa")
        assert number(g, "$cs_base") + number(g, "$cr0 & 1") == 0
        g.ask("stepi", r"0x0*7c05 ")
        g.ask("set $es = 0x1234")
        assert number(g, "$es_base") == 0x12340
        g.ask("watch *(unsigned short *)0x7bfe", "Hardware watchpoint 2")
        text = g.ask("continue", "Hardware watchpoint 2")
        assert number(g, "*(unsigned short *)0x7bfe") == number(g, "*(unsigned short *)((long)$rsp & 0xffff)"), text
        assert 0x7c05 < number(g, "$pc") < 0x7e00 and number(g, "$rsp") & 0xffff == 0x7bfe
        g.ask("delete")
        g.ask("continue", SECTOR_DONE)
        assert m.wait(60) == 17


@suite.test
def without_long_mode():
    """Such a CPU is gdb's i386; the monitor disassembles 16-bit code, which gdb takes for 32-bit code."""
    with rhea.scratch() as folder, machine("-cpu", "qemu32", *sector_disk(folder)) as m, Gdb(m.gdb_port) as g:
        g.ask("break *0x7c05")
        g.ask("continue", r"Breakpoint 1, 0x0*7c05 ")
        g.ask("monitor x/3i 0x7c05", r"(?s)cld.*xor.*\bax\b.*mov.*ds")
        g.ask("set $eax = 0x12345678")
        g.ask("stepi 2", r"0x0*7c08 ")
        assert number(g, "$eax") == 0x12340000
        g.ask("continue", SECTOR_DONE)


def guest(folder, name, cpu):
    """A guest as firmware and its symbols."""
    subprocess.run([os.path.join(rhea.TOP, "tests/guests/x86_64/build"), folder], check=True)
    rhea.need_tool("gdb-multiarch")
    return machine("-cpu", cpu, "-bios", f"{folder}/{name}.bin", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                   "-no-reboot", memory="32M"), f"{folder}/{name}.elf"


@suite.test
def protected_mode():
    with rhea.scratch() as folder:
        m, symbols = guest(folder, "prot", "qemu32")
        with m, Gdb(m.gdb_port, symbols) as g:
            g.ask("break *main")
            g.ask("continue", r"Breakpoint 1, 0x\w+ in main \(\)")
            assert number(g, "$cr0 & 1") == 1
            g.ask("set $xmm5.v2_int64[1] = 0x1122334455667788")
            g.ask("print/x $xmm5.v4_int32", "0x0, 0x0, 0x55667788, 0x11223344")
            g.ask("break *set_gate")
            g.ask("continue", r"Breakpoint 2, 0x\w+ in set_gate \(\)")
            vector = number(g, "*(int *)($esp + 4)")
            g.ask(f"watch *(int *)((char *)&idt + 8 * {vector} + 4)", "Hardware watchpoint 3")
            g.ask("continue", "Hardware watchpoint 3")
            g.ask("x/i $pc", "<set_gate")
            g.ask("delete")
            g.ask("continue", GUEST_DONE)
            assert m.wait(60) == 1


@suite.test
def long_mode():
    with rhea.scratch() as folder:
        m, symbols = guest(folder, "long", "max")
        with m, Gdb(m.gdb_port, symbols) as g:
            g.ask("break *main")
            g.ask("continue", r"Breakpoint 1, 0x\w+ in main \(\)")
            assert number(g, "$efer") & 0x500 == 0x500
            saved = number(g, "$fs_base")
            g.ask("set $fs_base = 0x123456789abc")
            assert number(g, "$fs_base") == 0x123456789abc
            g.ask(f"set $fs_base = {saved}")
            g.ask("set $ymm3.v4_int64[3] = 0x1122334455667788")
            g.ask("print/x $ymm3.v8_int32", r"0x0, 0x55667788, 0x11223344\}")
            g.ask("set $r9 = 0x8877665544332211")
            g.ask("stepi")
            assert number(g, "$r9") & (1 << 64) - 1 == 0x8877665544332211
            g.ask("break *set_ist")
            g.ask("continue", r"Breakpoint 2, 0x\w+ in set_ist \(\)")
            caller = number(g, "*(long *)$rsp")
            g.ask(f"tbreak *{caller:#x}")
            g.ask("delete 2")
            g.ask("continue", "breakpoint 3, ")
            assert number(g, "$pc") == caller
            g.ask("awatch *(long *)&hook", "Hardware access .*watchpoint 4")
            g.ask("continue", "Hardware access .*watchpoint 4")
            g.ask("delete")
            g.ask("continue", GUEST_DONE)
            assert m.wait(60) == 1


def debian(accel):
    """Broken into at its shell, at a system call, at the next tick; and from the first instruction of the
    kernel after a reset."""
    with machine("-accel", accel, "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"),
                 "-append", "console=ttyS0 nokaslr", memory="256M") as m, Gdb(m.gdb_port) as g:
        g.send("continue")
        m.expect("rhea-guest: ready", 240)
        lines = m.run("grep -E ' (vfs_write|jiffies|start_kernel)$' /proc/kallsyms").splitlines()
        address = {line.split()[2]: int(line.split()[0], 16) for line in lines}
        g.interrupt()
        assert "SIGINT" in g.answer()
        assert number(g, "$efer") & 0x500 == 0x500

        g.ask(f"break *{address['vfs_write']:#x}")
        g.send("continue")
        m.send("echo bark > /dev/null\n")
        assert re.search(rf"Breakpoint 1, 0x0*{address['vfs_write']:x} ", g.answer())
        assert number(g, "$rdi") & 1 << 63, "a file of the kernel's"
        before = number(g, "$rsp")
        for _ in range(5):
            g.ask("stepi")
        assert number(g, "$pc") != address["vfs_write"] and abs(number(g, "$rsp") - before) < 4096
        g.ask("delete")

        ticks = f"*(long *){address['jiffies']:#x}"
        g.ask(f"watch {ticks}", "Hardware watchpoint 2")
        text = g.ask("continue", "Hardware watchpoint 2")
        old, new = (int(re.search(f"{which} value = (\\d+)", text).group(1)) for which in ("Old", "New"))
        assert old < new <= old + 1000, text
        g.ask("delete")

        g.ask(f"break *{address['start_kernel']:#x}")
        g.ask("monitor system_reset")
        g.ask("continue", rf"Breakpoint 3, 0x0*{address['start_kernel']:x} ")
        g.ask("delete")
        g.ask("detach")
        m.expect("rhea-guest: ready", 240)
        m.send("exit\n")
        assert m.wait(60) == 0


suite.add("debian-tcg", debian, "tcg")
if os.environ.get("RHEA_SLOW"):
    suite.add("debian-tci", debian, "tci")

if __name__ == "__main__":
    sys.exit(suite.run())
