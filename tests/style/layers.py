#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom.  One direction of knowledge: boards know devices, devices the fabric, the
fabric nobody; the translator knows neither devices nor boards.  Also: rhea/osdep.h is the first
include of every .c file and of no header, no cycles, and a device's include closure stays small."""
import re

from style import finish, read, tracked

BASE = ["rhea/", "config.h"]
FABRIC = BASE + ["qom/", "memory/", "snapshot/"]
# Longest matching prefix of the including file decides.
RULES = {
    "include/rhea/": BASE,
    "softmmu/util/": BASE,
    "tcg/": BASE + ["tcg/"],
    "include/tcg/": BASE + ["tcg/"],
    "include/qom/": FABRIC, "include/memory/": FABRIC, "include/snapshot/": FABRIC,
    "softmmu/qom/": FABRIC, "softmmu/memory/": FABRIC, "softmmu/clock/": FABRIC,
    "softmmu/snapshot/": FABRIC + ["hw/machine.h", "block/"],
    "include/target/": FABRIC + ["tcg/", "target/"],
    "include/accel/": FABRIC + ["target/", "hw/machine.h"],
    "accel/": FABRIC + ["tcg/", "accel/", "target/cpu-ops.h", "hw/machine.h", "monitor/",
                        "softmmu/runstate.h"],
    "include/block/": BASE + ["qom/", "block/"], "block/": BASE + ["qom/", "block/", "softmmu/runstate.h"],
    "tools/": BASE + ["block/"],
    "include/ui/": BASE + ["qom/"],
    "ui/": BASE + ["qom/", "memory/clock.h", "ui/", "softmmu/runstate.h", "block/cipher.h",
                   "block/secret.h", "block/tls.h"],
    "include/hw/": FABRIC + ["hw/"],
    "hw/": FABRIC + ["hw/", "block/", "ui/", "chardev/", "net/", "softmmu/runstate.h"],
    "hw/boards/": FABRIC + ["hw/", "block/", "ui/", "chardev/", "net/", "target/",
                            "softmmu/runstate.h"],
}
# file, included header: why it may.
EXCEPTIONS = {
    ("target/riscv64/*", "hw/machine.h"): "the clocks and the list of harts hang off the machine",
    ("target/x86_64/*", "hw/machine.h"): "-smp shows in CPUID; the lock around the local APIC",
}
CLOSURE_LIMIT = 20


def allowed_for(name):
    best = max((p for p in RULES if name.startswith(p)), key=len, default=None)
    arch = re.match(r"target/(\w+)/", name)
    if arch:
        return FABRIC + ["tcg/", "target/cpu-ops.h", "target/gdb.h", f"target/{arch[1]}"]
    return RULES[best] if best else None


def excepted(name, header):
    return any(header == h and (name == f or f.endswith("*") and name.startswith(f[:-1]))
               for f, h in EXCEPTIONS)


def includes(name):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', read(name), re.M)


def closure(name, graph):
    seen, todo = set(), [name]
    while todo:
        for header in graph.get(todo.pop(), ()):
            if header not in seen:
                seen.add(header)
                todo.append(header)
    return seen


def main():
    names = [n for n in tracked(".c", ".h", ".def") if not n.startswith(("tests/", "pc-bios/"))]
    public = {n[len("include/"):]: n for n in names if n.startswith("include/")}
    graph = {n: [public[h] for h in includes(n) if h in public] for n in names}
    failures, warnings = [], []
    for name in names:
        found = includes(name)
        allowed = allowed_for(name)
        for header in found:
            if header not in public and header != "config.h":
                continue  # beside the file itself: private to the module
            if allowed is not None and not header.startswith(tuple(allowed)) \
                    and not excepted(name, header):
                failures.append(f"{name}: may not include {header}")
        if name.endswith(".c") and "rhea/osdep.h" not in found[:1]:
            failures.append(f"{name}: the first include must be rhea/osdep.h")
        if name.endswith(".h") and "rhea/osdep.h" in found:
            failures.append(f"{name}: a header does not include rhea/osdep.h")
        if name in closure(name, graph):
            failures.append(f"{name}: includes itself in a circle")
    devices = [(len(closure(n, graph)), n) for n in names
               if n.startswith("hw/") and n.endswith(".c") and not n.startswith("hw/boards/")]
    for count, name in sorted(devices, reverse=True):
        if count > CLOSURE_LIMIT:
            failures.append(f"{name}: {count} project headers, at most {CLOSURE_LIMIT}")
    finish("include rules and layers", failures, warnings)


main()
