#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What "make install DESTDIR=..." lays down runs from there, with the machine's firmware."""

import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def install(folder):
    """Installs this build below the folder; what is there then, as paths relative to the folder."""
    done = subprocess.run(["make", "install", f"DESTDIR={folder}"], text=True, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return {os.path.relpath(os.path.join(base, f), folder): os.stat(os.path.join(base, f)).st_mode & 0o777
            for base, _, files in os.walk(folder) for f in files}


@suite.test
def installed_tree_runs():
    with rhea.scratch() as folder:
        files = install(folder)
        program, = [f for f in files if f.endswith("/bin/rhea-system-riscv64")]
        assert files[program] == 0o755
        path = os.path.join(folder, program)
        done = subprocess.run([path, "--version"], cwd="/", text=True, capture_output=True, check=False)
        assert done.stdout.startswith("QEMU emulator version ") and "(rhea " in done.stdout
        rhea.need_file("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin", "opensbi")
        done = subprocess.run([path, "-M", "virt", "-nographic", "-kernel", rhea.SUPERVISOR], cwd="/",
                              stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and "OpenSBI" in done.stdout and ", 0 failed" in done.stdout, done


@suite.test
def data_is_installed():
    """Everything that pc-bios holds and the machines may ask for by name."""
    with rhea.scratch() as folder:
        files = install(folder)
        data = {os.path.basename(f) for f in files if "/share/rhea/" in f}
        wanted = {f for f in os.listdir(os.path.join(TOP, "pc-bios")) if f.endswith((".bin", ".elf"))}
        assert data == wanted, data ^ wanted


sys.exit(suite.run())
