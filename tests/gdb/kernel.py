#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 300
"""gdb-multiarch on a running Linux kernel with its symbols (scripts/debug-kernel builds it)."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402
from gdbclient import Gdb                               # noqa: E402

suite = tap.Suite()
HARTS = 4


def symbols():
    return rhea.guest_file("debug-kernel/vmlinux", "scripts/debug-kernel")


def kernel(accel, *args):
    rhea.need_accel(accel)
    rhea.need_tool("gdb-multiarch")
    symbols()
    port = rhea.free_port()
    m = rhea.Machine("-accel", accel, "-smp", HARTS, "-kernel", rhea.guest_file("debug-kernel/Image"),
                     "-initrd", rhea.guest_file("initrd.cpio"), "-append", "console=ttyS0", "-gdb",
                     f"tcp:127.0.0.1:{port}", *args, memory="128M")
    m.gdb_port = port
    return m


def boot_under_gdb(accel):
    """From the reset vector through the boot: breakpoints by name, steps, watchpoints, variables."""
    with kernel(accel, "-S") as m, Gdb(m.gdb_port, symbols()) as g:
        g.ask("break start_kernel", r"Breakpoint 1 at 0xf+[0-9a-f]+: file .*init/main\.c")
        g.ask("continue", r"Breakpoint 1, start_kernel \(\)")
        g.ask("backtrace", r"#0 +start_kernel.*\n#1 +0x\w+ in _start_kernel \(\)")
        g.ask("print init_uts_ns.name.sysname", r'= "Linux"')
        g.ask("print linux_banner", r'"Linux version \d')
        g.ask("print system_state", r"= SYSTEM_BOOTING")
        g.ask("set variable init_uts_ns.name.nodename = \"bark\"")
        g.ask("delete")

        g.ask("tbreak kernel_init")
        g.ask("continue", r"breakpoint 2, kernel_init ")
        g.ask("step", r"(?s).*\d+\t")
        g.ask("next", r"\d+\t")
        g.ask("watch jiffies_64", r"Hardware watchpoint 3: jiffies_64")
        old = int(re.search(r"= (\d+)", g.ask("print jiffies_64")).group(1))
        text = g.ask("continue", r"Hardware watchpoint 3: jiffies_64")
        assert f"Old value = {old}\n" in text and f"New value = {old + 1}\n" in text, text
        g.ask("backtrace", r"in do_timer|in tick_\w+")
        g.ask("delete")

        g.ask("tbreak vfs_write")
        g.ask("continue", r"breakpoint 4, vfs_write \(file=")
        g.ask("backtrace", r"(?s)#0 +vfs_write.*#1 +0x\w+ in ksys_write.*sys_write.*handle_exception")
        count = int(re.search(r"= (\d+)", g.ask("print count")).group(1))
        g.ask("finish", f"Value returned is \\$\\d+ = {count}")
        g.ask("detach")
        m.expect(r"rhea-guest: ready", 200)


def running_kernel(accel):
    """A kernel that runs is broken into with Ctrl-C, looked at hart by hart, and goes on."""
    with kernel(accel) as m:
        m.expect(r"rhea-guest: ready", 200)
        with Gdb(m.gdb_port, symbols()) as g:
            text = g.ask("info threads")
            assert re.findall(r"Thread (\d)", text) == [str(n + 1) for n in range(HARTS)], text
            for n in range(HARTS):
                g.ask(f"thread {n + 1}", f"Switching to thread {n + 1} ")
                # No hart has work: each is in its idle loop.
                g.ask("backtrace", r"in (default_idle_call|cpu_startup_entry|do_idle)")
            g.ask("print system_state", r"= SYSTEM_RUNNING")
            before = int(re.search(r"= (\d+)", g.ask("print jiffies_64")).group(1))
            g.send("continue")
            # Ticks are counted while there is work.
            m.send("while true; do true; done &\n")
            time.sleep(0.5)
            g.interrupt()
            text = g.answer()
            assert "SIGINT" in text, text
            assert int(re.search(r"= (\d+)", g.ask("print jiffies_64")).group(1)) > before
            # A condition on what a process asks for.
            g.ask("break vfs_write if count == 7")
            g.send("continue")
            time.sleep(0.3)
            m.send("echo -n bark > /dev/null; echo -n barking > /dev/null\n")
            text = g.answer()
            assert "Breakpoint 1, vfs_write" in text, text
            g.ask("print (char *)buf", r'"barking')
            g.ask("print count", r"= 7")
            g.ask("delete")
            g.ask("detach")
        m.run("kill $!")
        m.send("exit\n")
        m.expect(r"reboot: Power down", 60)
        assert m.wait(30) == 0


for name in ("tcg", "tci"):
    suite.add(f"boot-{name}", boot_under_gdb, name)
    suite.add(f"running-{name}", running_kernel, name)

sys.exit(suite.run())
