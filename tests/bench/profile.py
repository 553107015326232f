#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the time of a bench row goes: perf's samples of the row alone, by kind, and the translator's counters.

Each row runs in a machine of its own.  perf samples all threads by the CPU clock (no counters of the host's
processor are needed); samples outside the row, by the markers on the console, are left out.  A function's kind
is the source file that it comes from; translated code is found by the map that -accel tcg,perfmap=on writes.
--code N shows the N hottest blocks as host code with the samples of each instruction.
"""

import argparse
import bisect
import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import run  # noqa: E402  (sets the path to tests/lib)
import rhea  # noqa: E402
import tap  # noqa: E402

# Kind of work by source file; the first pattern that is found in the path counts.
KINDS = [
    ("translation", r"/translate/|tcg/(opt|ir|expand)|tcg/host/|x86_64/decode|core/(translate|smc)\.c"),
    ("TLB fills", r"core/(softtlb|access)\.c|/mmu\.c|/pmp\.c|/mappings\.c"),
    ("block look-up", r"core/(block-|exec-loop|context|engine)"),
    ("exceptions", r"/excp\.c|/fault\.c"),
    ("helpers", r"/helper/|tcg/(op-helpers|vec-|softfloat|env)|target/"),
    ("vCPU threads", r"^accel/"),
    ("devices", r"^(hw|block|softmmu/memory|softmmu/chardev|ui)/"),
    ("rest of Rhea", r"."),
]
ROWS_OF_OTHERS = "boot-shell"  # beside the rows of marked guests


class Window:
    """A row's time, and what "info jit" said at both ends."""

    def __init__(self, machine):
        self.start = time.monotonic()
        self.end = None
        self.machine = machine
        self.before = self.counters()

    def counters(self):
        with self.machine.qmp() as q:
            text = q.command("human-monitor-command", command_line="info jit")
        return {name: float(value) for name, value in
                re.findall(r"^(\S.*?)  +(\d+(?:\.\d+)?)(?: |\r?$)", text, re.M)}

    def finish(self):
        self.end = time.monotonic()
        now = self.counters()
        self.changes = {k: now[k] - self.before.get(k, 0) for k in now}


class Profiled(run.Bench):
    """A bench whose machines are sampled."""

    def __init__(self, emulator, folder, hertz, ncode):
        super().__init__("rhea", emulator, ["-accel", "tcg,perfmap=on"])
        self.data = os.path.join(folder, "perf.data")
        self.hertz, self.ncode = hertz, ncode
        self.window = self.pid = self.perf = None
        self.blocks, self.code = [], {}

    @contextlib.contextmanager
    def machine(self, *args, qmp=False, **kw):  # pylint: disable=unused-argument
        with super().machine(*args, "-no-shutdown", qmp=True, **kw) as m:
            self.pid, self.m = m.process.pid, m
            self.perf = subprocess.Popen(
                ["perf", "record", "-q", "-k", "CLOCK_MONOTONIC", "-e", "cpu-clock", "-F", str(self.hertz),
                 "-p", str(self.pid), "-o", self.data], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                yield m
            finally:
                self.perf.send_signal(signal.SIGINT)
                self.perf.communicate()
                with contextlib.suppress(OSError):
                    os.unlink(f"/tmp/perf-{self.pid}.map")

    def begin(self, row):
        self.window = Window(self.m)

    def finish(self, found, seconds, cpu):
        self.close()

    def add(self, row, value):
        """A boot has no markers: it is the time from the start."""
        self.window = Window(self.m)
        self.window.start -= value
        self.window.before = {}
        self.close()

    def close(self):
        self.window.finish()
        with open(f"/tmp/perf-{self.pid}.map", encoding="ascii") as f:
            latest = {int(line.split()[0], 16): (int(line.split()[1], 16), line.split()[2]) for line in f}
        self.blocks = sorted((at, size, name) for at, (size, name) in latest.items())
        if self.ncode:
            with open(f"/proc/{self.pid}/mem", "rb") as f:
                for at, size, _ in self.blocks:
                    f.seek(at)
                    self.code[at] = f.read(size)

    def samples(self):
        """(address, symbol, object) of each sample in the window."""
        text = subprocess.run(["perf", "script", "-i", self.data, "-F", "time,ip,sym,dso", "--time",
                               f"{self.window.start:.6f},{self.window.end:.6f}"],
                              check=True, text=True, capture_output=True).stdout
        for line in text.splitlines():
            found = re.match(r"\s*[\d.]+:\s+([0-9a-f]+) (.*?) \((.*)\)\s*$", line)
            if found:
                yield int(found.group(1), 16), found.group(2), found.group(3)

    def block_at(self, ip):
        n = bisect.bisect(self.blocks, (ip, 1 << 62, "")) - 1
        if n >= 0 and ip < self.blocks[n][0] + self.blocks[n][1]:
            return self.blocks[n]
        return None


def functions_of(build):
    """Function name to source file, from the objects of the build."""
    objects = []
    for folder, _, names in os.walk(build):
        objects += [os.path.join(folder, n) for n in names if n.endswith(".o") and "tests" not in folder]
    text = subprocess.run(["nm", "-A", "--defined-only", *objects], check=True, text=True,
                          capture_output=True).stdout
    where = {}
    for path, name in re.findall(r"^([^:]+)\.o:\S* [tT] (\S+)$", text, re.M):
        where.setdefault(name, os.path.relpath(path, build) + ".c")
    return where


def kind_of(bench, where, ip, symbol, dso):
    """The kind of a sample, and its name in the list of the hottest."""
    block = bench.block_at(ip)
    if block:
        return "translated code", block[2]
    if "memfd" in dso or "perf-" in dso:
        return "stubs", "call and look-up stubs"
    if "kernel" in dso:
        return "host kernel", symbol
    name = symbol.split(".")[0]
    if os.path.basename(dso) != os.path.basename(bench.emulator):
        return "libraries", f"{symbol} ({os.path.basename(dso)})"
    path = where.get(symbol) or where.get(name, "?")
    return next(kind for kind, pattern in KINDS if re.search(pattern, path)), symbol


def print_counters(window):
    seconds = window.end - window.start
    print(f"\n{'counter':22} {'in the row':>14} {'per second':>12}")
    for name, value in window.changes.items():
        if value:
            print(f"{name:22} {value:14.10g} {value / seconds:12.0f}")


def print_code(bench, address, size, name, hits):
    """The block's host code; instructions with samples have their number before them."""
    path = os.path.join(os.path.dirname(bench.data), "block")
    with open(path, "wb") as f:
        f.write(bench.code[address])
    text = subprocess.run(["objdump", "-D", "-b", "binary", "-m", "i386:x86-64",
                           f"--adjust-vma={address:#x}", path], check=True, text=True,
                          capture_output=True).stdout
    print(f"\n{name}, {size} bytes")
    for line in text.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\t[0-9a-f ]+\t(.*)", line)
        if found:
            at = int(found.group(1), 16)
            print(f"{hits.get(at) or '':>7} {at - address:5x}  {found.group(2)}")


def report(bench, where, row, ntop):
    kinds, names, ips = collections.Counter(), collections.Counter(), collections.Counter()
    for ip, symbol, dso in bench.samples():
        kind, name = kind_of(bench, where, ip, symbol, dso)
        kinds[kind] += 1
        names[kind, name] += 1
        ips[ip] += 1
    total = sum(kinds.values())
    seconds = bench.window.end - bench.window.start
    print(f"\n# {row}: {seconds:.2f} s, {total} samples")
    for kind, count in kinds.most_common():
        print(f"{100 * count / max(total, 1):6.1f} %  {kind}")
    print()
    for (kind, name), count in names.most_common(ntop):
        print(f"{100 * count / total:6.1f} %  {name} ({kind})")
    print_counters(bench.window)
    hot = collections.Counter()
    for ip, count in ips.items():
        block = bench.block_at(ip)
        if block:
            hot[block] += count
    for block, _ in hot.most_common(bench.ncode):
        print_code(bench, *block, ips)


def main():
    known = [r for c in ("integer", "float", "system", "crypto", "real") for r in run.CLASSES[c]]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rhea", default=os.path.join(os.getcwd(), "rhea-system-riscv64"))
    parser.add_argument("--row", default="", help="rows or classes (default: integer, system, real and a boot)")
    parser.add_argument("--top", type=int, default=20, help="how many functions and blocks to list")
    parser.add_argument("--code", type=int, default=0, help="how many hot blocks to show as host code")
    parser.add_argument("--hertz", type=int, default=1999)
    args = parser.parse_args()
    if not shutil.which("perf"):
        sys.exit("profile.py: perf is not there (package linux-perf)")
    rows = run.choose_rows([args.row or "integer system real boot-shell"])
    arch = os.path.basename(args.rhea).rsplit("-", 1)[-1]
    os.environ["RHEA_EMULATOR"] = args.rhea
    where = functions_of(os.path.dirname(os.path.abspath(args.rhea)))
    for row in rows:
        if row not in known + [ROWS_OF_OTHERS]:
            print(f"# {row}: only rows that run in a guest, and {ROWS_OF_OTHERS}, can be profiled")
            continue
        with rhea.scratch() as folder:
            bench = Profiled(args.rhea, folder, args.hertz, args.code)
            try:
                for _, job in run.jobs_for(arch, [row], folder):
                    job(bench)
                    report(bench, where, row, args.top)
            except tap.Skip as e:
                print(f"# skipped {row}: {e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
