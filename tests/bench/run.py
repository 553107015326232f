#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs Rhea and another emulator in turns on the same guests and prints the ratios.

Each round boots every guest once on each emulator, the order alternating.  Times are the host's,
between markers on the serial console.  The figure of a row is the median of its rounds; the ratio
is other/Rhea, so above 1 means that Rhea is faster; classes are summed up by geometric mean.
Beside it stands the ratio of the CPU time that both processes took, which a busy host disturbs less.

Guests: the project's own programs (guest/, built with the guest's GNU compiler, run as init) and
real programs of Debian (real.sh, in root-full.ext4 from "scripts/guest-assets --root full").  The
architecture is the end of the emulator's name.
"""

import argparse
import contextlib
import json
import math
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import cpio  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

# What the guest does to a disk; the images below it: what makes one of the bytes, what -drive wants to know of it, and how
# much of that the guest does.  nbd: each emulator's own server has it.
DISK_ROWS = "seq-read rand-read rand-read-8 seq-write rand-write rand-write-8 sync-write".split()
SECRET = ["--object", "secret,id=s,data=bench"]
DISKS = {
    "raw": (["-O", "raw"], "format=raw", DISK_ROWS),
    "qcow2": (["-O", "qcow2"], "format=qcow2", DISK_ROWS),
    "luks": ([*SECRET, "-O", "luks", "-o", "key-secret=s,iter-time=10"], "format=luks,key-secret=s", DISK_ROWS),
    "nbd": (["-O", "raw"], "format=raw", DISK_ROWS),
    "compressed": (["-c", "-O", "qcow2"], "format=qcow2", DISK_ROWS[:3]),
}
# Rows by class; the order is that of the report.
CLASSES = {
    "integer": "fib sha256 crc32 qsort chase bytecode memory hash".split(),
    "float": "nbody matmul mandelbrot".split(),
    "system": "getppid pipe fork exec fault".split(),
    "crypto": "openssl-sha256 openssl-aes openssl-gcm".split(),
    "real": "python perl gcc gzip xz openssl-rsa sqlite shell".split(),
    "disk": [f"{form}-{row}" for form, disk in DISKS.items() for row in disk[2]],
    "convert": "raw-to-raw raw-to-qcow2 qcow2-to-raw qcow2-to-qcow2 compress decompress".split(),
    "start": "boot-shell boot-again first-byte restore restore-linux fork-machine fork-linux".split(),
    "resident": "rss-idle rss-linux".split(),
}
DISK_MIB = 256  # as guest/disk.c has it
UNITS = {"rss-idle": "MiB", "rss-linux": "MiB",
         **dict.fromkeys("first-byte restore restore-linux fork-machine fork-linux".split(), "ms")}
# What every machine of an architecture is started with; the device that holds a disk named d0.
MACHINES = {
    "riscv64": (["-M", "virt"], "virtio-blk-device,drive=d0"),
    "x86_64": (["-M", "pc", "-cpu", "max", "-no-reboot"], "virtio-blk-pci,drive=d0"),
}
START, END = re.compile(r"@start (\S+)\r*\n"), re.compile(r"@end (\S+)(?: ([0-9.]+))?[^\n]*\n")
DONE = "@done"  # the guest's last line: not every machine can be powered off by its kernel yet


def cpu_seconds(pid):
    """CPU time of a process's threads so far; 0 when the kernel does not count it."""
    total = 0
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                    total += int(f.read().split()[0])
    return total / 1e9


def note(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


class Bench:
    """One emulator's figures: row name to the list of its rounds."""

    def __init__(self, name, emulator, extra):
        self.name = name
        self.emulator = emulator
        self.arch = os.path.basename(emulator).rsplit("-", 1)[-1]
        self.extra = extra
        self.figures = {}
        self.cpu = {}
        self.checksums = {}

    def machine(self, *args, memory="512M", **kw):
        os.environ["RHEA_EMULATOR"] = self.emulator
        return rhea.Machine(*MACHINES[self.arch][0], *self.extra, *args, memory=memory, **kw)

    def add(self, row, value):
        self.figures.setdefault(row, []).append(value)

    def median(self, row):
        values = self.figures.get(row)
        return statistics.median(values) if values else None

    def cpu_median(self, row):
        values = self.cpu.get(row)
        return statistics.median(values) if values else None

    def marked_rows(self, machine, timeout):
        """Reads a guest's markers until the machine ends; each row's time is the host's."""
        seen, started = 0, {}
        deadline = time.monotonic() + timeout
        while True:
            alive = machine._read(max(0.01, deadline - time.monotonic()))
            now, cpu = time.monotonic(), cpu_seconds(machine.process.pid)
            for found in sorted(list(START.finditer(machine.log, seen)) +
                                list(END.finditer(machine.log, seen)), key=lambda f: f.start()):
                seen = found.end()
                if found.re is START:
                    started[found.group(1)] = now, cpu
                    self.begin(found.group(1))
                    note(f"{self.name}: {found.group(1)}")
                elif found.group(1) in started:
                    then, cpu_then = started.pop(found.group(1))
                    self.finish(found, now - then, cpu - cpu_then)
            if not alive or DONE in machine.log:
                break
            if now > deadline:
                machine.fail(f"bench guest did not end within {timeout} s")
        if started:
            machine.fail(f"row {', '.join(started)} did not end")
        if DONE not in machine.log:
            machine.fail("bench guest ended before its last row")

    def begin(self, row):
        """A row starts: for those who look closer."""

    def finish(self, found, seconds, cpu):
        row, text = found.group(1), found.group(0)
        value = re.search(r" value=([0-9.]+)", text)
        checksum = re.search(r" ([0-9a-f]{16})\r*\n", text)
        self.add(row, float(value.group(1)) if value else seconds)
        if cpu > 0 and not value:  # else the process is gone already
            self.cpu.setdefault(row, []).append(cpu)
        if checksum and self.checksums.setdefault(row, checksum.group(1)) != checksum.group(1):
            raise AssertionError(f"{self.name}: row {row} has another result than before")


# --- the guests -----------------------------------------------------------------------------

def build_program(arch, folder):
    """Our own programs."""
    cross = os.environ.get("CROSS", f"{arch}-linux-gnu-")
    if not shutil.which(cross + "gcc"):
        raise tap.Skip(f"no compiler {cross}gcc (for riscv64: packages gcc-riscv64-linux-gnu, "
                       "libc6-dev-riscv64-cross)")
    program = os.path.join(folder, "bench-guest")
    subprocess.run([os.path.join(HERE, "guest", "build"), "-o", program], check=True,
                   env=dict(os.environ, CROSS=cross))
    return program


def build_small(arch, folder):
    """The initramfs with our own programs."""
    program, archive = build_program(arch, folder), os.path.join(folder, "bench.cpio")
    with open(archive, "wb") as f:
        ar = cpio.Archive(f)
        ar.chardev("dev/console", 5, 1)
        ar.file("init", program, 0o755)
        ar.close()
    return archive


def debian_with(archive, files):
    """The Debian initramfs with more files: archives may follow one another."""
    with open(archive, "wb") as out:
        with open(rhea.guest_file("initrd.cpio"), "rb") as f:
            shutil.copyfileobj(f, out)
        out.write(b"\0" * (-out.tell() % 512))
        ar = cpio.Archive(out)
        for name, path in files.items():
            ar.file(name, path, 0o755)
        ar.close()
    return archive


def build_real(_arch, folder):
    return debian_with(os.path.join(folder, "real.cpio"),
                       {"tests/bench": os.path.join(HERE, "real.sh")})


def build_disk(arch, folder):
    """The kernel's disk drivers are modules: Debian's init loads them, then runs our programs."""
    script, data = os.path.join(folder, "disk.sh"), os.path.join(folder, "disk.data")
    with open(script, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n/tests/bench-guest\necho @done\n")
    rand, half = random.Random(1), bytes(i & 15 for i in range(256)) # as much as it can be compressed
    with open(data, "wb") as f:
        for _ in range(DISK_MIB):
            f.write(rand.randbytes(1 << 20).translate(half))
    return debian_with(os.path.join(folder, "disk.cpio"),
                       {"tests/bench": script, "tests/bench-guest": build_program(arch, folder)})


def run_small(bench, archive, rows):
    with bench.machine("-kernel", rhea.guest_file("Image"), "-initrd", archive, "-append",
                       f"console=ttyS0 quiet BENCH_ROWS={','.join(rows)}") as m:
        bench.marked_rows(m, 60 + 60 * len(rows))


def run_real(bench, archive, rows):
    disk = rhea.guest_file("root-full.ext4")
    with bench.machine("-kernel", rhea.guest_file("Image"), "-initrd", archive,
                       "-drive", f"file={disk},format=raw,if=none,id=d0,readonly=on",
                       "-device", MACHINES[bench.arch][1], "-append",
                       "console=ttyS0 quiet rhea.root=/dev/vda rhea.test=bench "
                       f"BENCH_ROWS={','.join(rows)}", memory="1G") as m:
        bench.marked_rows(m, 60 + 90 * len(rows))


@contextlib.contextmanager
def nbd_server(bench, disk):
    """The emulator's own server of a raw file; the name of its disk."""
    tool = os.path.join(os.path.dirname(bench.emulator), "rhea-nbd") if bench.name == "rhea" else "qemu-nbd"
    socket = f"{disk}.socket"
    with subprocess.Popen([tool, "-t", "-f", "raw", "-k", socket, disk]) as server:
        try:
            while not os.path.exists(socket):
                if server.poll() is not None:
                    raise AssertionError(f"{tool} ended with status {server.returncode}")
                time.sleep(0.01)
            yield f"nbd:unix:{socket}"
        finally:
            server.terminate()


def run_disk(bench, archive, form, rows):
    folder = os.path.dirname(archive)
    disk = os.path.join(folder, f"disk.{form}")
    make, drive, _ = DISKS[form]
    subprocess.run(["qemu-img", "convert", *make, os.path.join(folder, "disk.data"), disk], check=True)
    served = nbd_server(bench, disk) if form == "nbd" else contextlib.nullcontext(disk)
    try:
        with served as name, bench.machine("-kernel", rhea.guest_file("Image"), "-initrd", archive, "-object", SECRET[1],
                                           "-drive", f"file={name},{drive},if=none,id=d0",
                                           "-device", MACHINES[bench.arch][1], "-append",
                                           f"console=ttyS0 quiet rhea.test=bench BENCH_ROWS={','.join(rows)}") as m:
            bench.marked_rows(m, 60 + 60 * len(rows))
    finally:
        os.unlink(disk)


def build_images(folder):
    """What is converted: half of it holes, the rest half noise and half what compresses well."""
    source, rand = os.path.join(folder, "source"), random.Random(1)
    with open(f"{source}.raw", "wb") as f:
        f.truncate(1 << 30)
        for at in range(0, 1 << 30, 1 << 20):
            kind = rand.randrange(4)
            if kind < 2:
                f.seek(at)
                f.write(rand.randbytes(1 << 20) if kind else (rand.randbytes(512) + bytes(512)) * 1024)
    for form, more in (("qcow2", []), ("compressed", ["-c"])):
        subprocess.run(["qemu-img", "convert", *more, "-O", "qcow2", f"{source}.raw", f"{source}.{form}"],
                       check=True)
    return source


def run_convert(bench, source, row):
    """rhea-img against qemu-img: from page cache to page cache."""
    form, to, more = {"compress": ("raw", "qcow2", ["-c"]), "decompress": ("compressed", "raw", [])}.get(
        row) or (*row.split("-to-"), [])
    here = os.path.dirname(bench.emulator)
    tool = os.path.join(here, "rhea-img") if bench.name == "rhea" else "qemu-img"
    out = f"{source}.out"
    for _ in range(1 if row == "compress" else 5):
        started, cpu = time.monotonic(), os.times()
        subprocess.run([tool, "convert", *more, "-O", to, f"{source}.{form}", out], check=True)
        now = os.times()
        bench.add(row, time.monotonic() - started)
        bench.cpu.setdefault(row, []).append(now.children_user + now.children_system -
                                             cpu.children_user - cpu.children_system)
        os.unlink(out)


def run_boot(bench, row, *more):
    """To the initrd's shell; without a row nothing is noted."""
    with bench.machine("-kernel", rhea.guest_file("Image"), "-initrd",
                       rhea.guest_file("initrd.cpio"), "-append", "console=ttyS0", *more, qmp=True) as m:
        m.expect("rhea-guest: ready", 120)
        if row:
            bench.add(row, time.monotonic() - m.started)
            bench.cpu.setdefault(row, []).append(cpu_seconds(m.process.pid))
        with m.qmp() as q:
            q.command("quit")
        m.wait()


def run_first_boot(bench):
    """Nothing is known of the guest."""
    run_boot(bench, "boot-shell", *(["-accel", "tcg,cache=off"] if bench.name == "rhea" else []))


def run_boot_again(bench, folder):
    """The second boot of a kernel: Rhea has the translations of another one."""
    kept = os.path.join(folder, "kept")
    more = ["-accel", f"tcg,cache={kept}"] if bench.name == "rhea" else []
    if more and not os.path.exists(kept):
        run_boot(bench, None, *more)
    run_boot(bench, "boot-again", *more)


# Says its text on COM1 and halts.
BOOT_SECTOR = (b"\xfc\x31\xc0\x8e\xd8"              # cld; xor %ax, %ax; mov %ax, %ds
               b"\xbe\x17\x7c\xba\xf8\x03"          # mov $0x7c17, %si; mov $0x3f8, %dx
               b"\xac\x84\xc0\x74\x03\xee\xeb\xf8"  # 1: lodsb; test %al, %al; jz 2f; out; jmp 1b
               b"\xfa\xf4\xeb\xfc"                  # 2: cli; hlt; jmp 2b
               b"ready, idle\r\n\0").ljust(510, b"\0") + b"\x55\xaa"


def own_guest(bench, word, folder):
    """A small guest without an operating system: the project's own, on a PC a boot sector."""
    if bench.arch == "riscv64":
        return bench.machine("-bios", "none", "-kernel", rhea.OWN_GUEST, "-append", word,
                             memory="128M")
    path = os.path.join(folder, "sector")
    with open(path, "wb") as f:
        f.write(BOOT_SECTOR.ljust(1 << 20, b"\0"))
    return bench.machine("-drive", f"file={path},format=raw,if=none,id=d0,readonly=on", "-device",
                         MACHINES[bench.arch][1], "-net", "none", memory="128M")


def run_first_byte(bench, folder):
    for _ in range(10):
        with own_guest(bench, "hello", folder) as m:
            m.expect("r", 10)
            bench.add("first-byte", 1000 * (time.monotonic() - m.started))


# Says one byte after the other on COM1, for ever.
TALKING_SECTOR = (b"\xba\xf8\x03\xb0\x2e"  # mov $0x3f8, %dx; mov $'.', %al
                  b"\xee\xeb\xfd").ljust(510, b"\0") + b"\x55\xaa"  # 1: out %al, (%dx); jmp 1b


# The same on the UART of virt, as firmware.
TALKING_FIRMWARE = b"".join(insn.to_bytes(4, "little") for insn in (
    0x100002b7,                              # lui t0, 0x10000
    0x02e00313,                              # li t1, '.'
    0x00628023,                              # 1: sb t1, 0(t0)
    0xffdff06f))                             # j 1b


def talking_guest(arch, folder):
    """Arguments for a guest that does nothing else."""
    path = os.path.join(folder, "talking")
    with open(path, "wb") as f:
        f.write(TALKING_FIRMWARE if arch == "riscv64" else TALKING_SECTOR.ljust(1 << 20, b"\0"))
    if arch == "riscv64":
        return ["-bios", path]
    return ["-drive", f"file={path},format=raw,if=none,id=d0,readonly=on", "-device", MACHINES[arch][1], "-net", "none"]


def save_machine(bench, machine, q, path):
    """Saves it as its emulator does; the arguments with which another is restored from that."""
    if bench.name == "rhea":
        said = q.command("human-monitor-command", command_line=f"savevm-file {path}")
        assert not said, said
        return ["-loadvm", path]
    q.command("migrate", uri=f"exec:cat > {path}")
    while q.command("query-migrate").get("status") != "completed":
        time.sleep(0.05)
    return ["-incoming", f"exec:cat {path}"]


def talking_machine(bench, linux, folder):
    """Arguments for a machine of 1 GiB, and what it says again and again once it has started."""
    argv = talking_guest(bench.arch, folder)
    if linux:
        argv = ["-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
                "console=ttyS0"]
    os.environ["RHEA_EMULATOR"] = bench.emulator
    return [*MACHINES[bench.arch][0], *bench.extra, *argv], "tick" if linux else r"\."


def let_talk(m, linux, fill=""):
    if linux:
        m.expect("rhea-guest: ready", 120)
        m.send(f"{fill}while :; do echo ti''ck; done\n")
        m.expect("tick", 200)
    else:
        m.expect(r"\.\.\.", 60)


def run_restore(bench, row, folder):
    """From exec to the first byte of a machine of 1 GiB that was saved while it wrote bytes."""
    path = os.path.join(folder, f"{bench.name}.state")
    linux = row == "restore-linux"
    machine, word = talking_machine(bench, linux, folder)
    with rhea.Machine(*machine, memory="1G", qmp=True) as m, m.qmp() as q:
        let_talk(m, linux)
        restored = save_machine(bench, m, q, path)
    for _ in range(10):
        with rhea.Machine(*machine, *restored, memory="1G") as m:
            m.expect(word, 60)
            bench.add(row, 1000 * (time.monotonic() - m.started))
    os.unlink(path)


def wait_for_word(path, word):
    deadline = time.monotonic() + 60
    while not os.path.exists(path) or not os.path.getsize(path) or not re.search(word, slurp(path)):
        assert time.monotonic() < deadline, f"the forked machine does not say {word!r}"
        time.sleep(0.0002)


def slurp(path):
    with open(path, encoding="latin-1") as f:
        return f.read()


def run_fork(bench, row, folder):
    """From the command to a machine of 1 GiB that goes on as the first one does, to its first byte.

    The other emulator's way to that is to save the machine and to restore another."""
    linux = row == "fork-linux"
    machine, word = talking_machine(bench, linux, folder)
    state, said = (os.path.join(folder, f"{bench.name}.{what}") for what in ("state", "said"))
    with rhea.Machine(*machine, memory="1G", qmp=True) as m, m.qmp() as q:
        let_talk(m, linux, "dd if=/dev/zero of=/tmp/memory bs=1M count=150; ")
        for _ in range(10):
            started = time.monotonic()
            if bench.name == "rhea":
                pid = q.command("x-fork", options=["-serial", f"file:{said}"])[0]["pid"]
                wait_for_word(said, word)
                bench.add(row, 1000 * (time.monotonic() - started))
                os.kill(pid, signal.SIGKILL)
                os.unlink(said)
            else:
                with rhea.Machine(*machine, *save_machine(bench, m, q, state), memory="1G") as forked:
                    forked.expect(word, 60)
                    bench.add(row, 1000 * (time.monotonic() - started))
                os.unlink(state)
                q.command("cont")


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


def own_mib(pid, guest_bytes):
    """Resident memory without the guest's RAM; what is mapped twice (code) counts once."""
    total, skip = 0, False
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as f:
        for line in f:
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if span:
                skip = int(span.group(2), 16) - int(span.group(1), 16) == guest_bytes
            elif line.startswith("Pss:") and not skip:
                total += int(line.split()[1])
    return total / 1024


def run_rss(bench, row, folder):
    if row == "rss-idle":
        with own_guest(bench, "idle", folder) as m:
            m.expect("idle", 10)
            time.sleep(0.3)
            bench.add(row, peak_mib(m.process.pid))
        return
    with bench.machine("-kernel", rhea.guest_file("Image"), "-initrd",
                       rhea.guest_file("initrd.cpio"), "-append", "console=ttyS0",
                       memory="128M") as m:
        m.expect("rhea-guest: ready", 120)
        time.sleep(1)
        bench.add(row, own_mib(m.process.pid, 128 << 20))


# --- rounds and report ----------------------------------------------------------------------

def jobs_for(arch, rows, folder):
    """What to boot for the chosen rows, as (label, function of a Bench)."""
    jobs = []

    def chosen(*classes):
        return [r for c in classes for r in CLASSES[c] if r in rows]

    small, real = chosen("integer", "float", "system"), chosen("crypto", "real")
    for wanted, build, run in ((small, build_small, run_small), (real, build_real, run_real)):
        if wanted:
            try:
                archive = build(arch, folder)
                if build is build_real:
                    rhea.guest_file("root-full.ext4")
                jobs.append(("+".join(wanted), lambda b, r=run, a=archive, w=wanted: r(b, a, w)))
            except tap.Skip as e:
                print(f"# skipped {' '.join(wanted)}: {e}")
    if chosen("disk"):
        archive = build_disk(arch, folder)
    for form in DISKS:
        wanted = [r for r in chosen("disk") if r.startswith(form)]
        if wanted:
            jobs.append(("+".join(wanted), lambda b, f=form, w=wanted: run_disk(b, archive, f, w)))
    if chosen("convert"):
        source = build_images(folder)
    for row in chosen("convert"):
        jobs.append((row, lambda b, r=row: run_convert(b, source, r)))
    if "boot-shell" in rows:
        jobs.append(("boot-shell", run_first_boot))
    if "boot-again" in rows:
        jobs.append(("boot-again", lambda b: run_boot_again(b, folder)))
    if "first-byte" in rows:
        jobs.append(("first-byte", lambda b: run_first_byte(b, folder)))
    for row in ("restore", "restore-linux"):
        if row in rows:
            jobs.append((row, lambda b, r=row: run_restore(b, r, folder)))
    for row in ("fork-machine", "fork-linux"):
        if row in rows:
            jobs.append((row, lambda b, r=row: run_fork(b, r, folder)))
    for row in chosen("resident"):
        jobs.append((row, lambda b, r=row: run_rss(b, r, folder)))
    return jobs


def run_rounds(benches, jobs, rounds):
    """Runs everything in turns; returns what failed, as text."""
    failures = []
    for number in range(rounds):
        for label, job in jobs:
            for bench in benches if number % 2 == 0 else reversed(benches):
                note(f"round {number + 1}: {bench.name}: {label}")
                try:
                    job(bench)
                except tap.Skip as e:
                    failures.append(f"{bench.name}: {label} skipped: {e}")
                except (AssertionError, OSError) as e:
                    tail = "\n".join(getattr(e, "log", "").splitlines()[-12:])
                    failures.append(f"{bench.name}: {label} failed: {e}\n{tail}")
    note("")
    return failures


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def report(ours, other):
    summary = []
    print(f"{'row':18} {other.name[:12]:>12} {ours.name[:12]:>12} {'ratio':>7} {'cpu':>7}")
    for name, rows in CLASSES.items():
        ratios = []
        for row in rows:
            a, b = other.median(row), ours.median(row)
            if a is None and b is None:
                continue
            unit = UNITS.get(row, "s")
            shown = ["-" if v is None else f"{v:.3f} {unit}" for v in (a, b)]
            ratio = a / b if a and b and other is not ours else None
            cpu_a, cpu_b = other.cpu_median(row), ours.cpu_median(row)
            cpu = cpu_a / cpu_b if cpu_a and cpu_b and other is not ours else None
            print(f"{row:18} {shown[0]:>12} {shown[1]:>12} {f'{ratio:.2f}' if ratio else '-':>7} "
                  f"{f'{cpu:.2f}' if cpu else '-':>7}")
            if ratio:
                ratios.append(ratio)
            if row in ours.checksums and row in other.checksums and \
                    ours.checksums[row] != other.checksums[row]:
                summary.append(f"WRONG RESULT in {row}: {ours.checksums[row]}, "
                               f"other {other.checksums[row]}")
        if ratios and name != "resident":
            summary.append(f"{name}: geometric mean {geometric_mean(ratios):.2f}, "
                           f"lowest {min(ratios):.2f} ({len(ratios)} rows)")
    print("\n".join([""] + summary))
    return not any(s.startswith("WRONG") for s in summary)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rhea", default=os.path.join(os.getcwd(), "rhea-system-riscv64"))
    parser.add_argument("--other", help="emulator to compare with (default: qemu-system-ARCH)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accel", default="tcg", help="accelerator for Rhea (default: tcg)")
    parser.add_argument("--row", action="append", default=[],
                        help="rows or classes, separated by commas or spaces (default: all)")
    parser.add_argument("--alone", action="store_true", help="run Rhea only")
    parser.add_argument("--json", help="write all figures of all rounds to this file")
    parser.add_argument("--list", action="store_true", help="list classes and rows")
    return parser.parse_args()


def choose_rows(words):
    known = [r for rows in CLASSES.values() for r in rows]
    rows = []
    for word in re.split(r"[ ,]+", " ".join(words).strip()):
        if word in CLASSES:
            rows += CLASSES[word]
        elif word in known:
            rows.append(word)
        elif word:
            sys.exit(f"run.py: no row or class '{word}'; --list shows them")
    return rows or known


def main():
    args = parse_arguments()
    if args.list:
        for name, rows in CLASSES.items():
            print(f"{name}: {' '.join(rows)}")
        return 0
    rows = choose_rows(args.row)
    benches = [Bench("rhea", args.rhea, ["-accel", args.accel])]
    arch = benches[0].arch
    if arch not in MACHINES:
        sys.exit(f"run.py: no machine for the architecture '{arch}'")
    os.environ["RHEA_EMULATOR"] = args.rhea  # rhea.guest_file() takes the architecture from it
    if not args.alone:
        benches.append(Bench("other", args.other or f"qemu-system-{arch}", ["-accel", "tcg"]))
    for bench in benches:
        if not shutil.which(bench.emulator):
            print(f"run.py: no emulator at {bench.emulator}", file=sys.stderr)
            return 1
        first = subprocess.run([bench.emulator, "--version"], text=True, capture_output=True,
                               check=True).stdout.splitlines()[0]
        print(f"# {bench.name}: {first}")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(rhea.scratch())
        os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache")  # no translations of earlier runs
        jobs = jobs_for(arch, rows, folder)
        failures = run_rounds(benches, jobs, args.rounds)
    correct = report(benches[0], benches[-1])
    for failure in failures:
        print(f"FAILED {failure}")
    if args.json:
        with open(args.json, "w", encoding="ascii") as f:
            json.dump({b.name: {"figures": b.figures, "cpu": b.cpu} for b in benches}, f, indent=1)
    return 0 if correct and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
