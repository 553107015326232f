#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pc-bios/MANIFEST against the files it names, and the kept guest against a rebuild."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import tap  # noqa: E402

BIOS = os.path.join(TOP, "pc-bios")
NOT_BLOBS = {"MANIFEST", "README.md", "build"}

suite = tap.Suite()


def entries():
    with open(os.path.join(BIOS, "MANIFEST"), encoding="utf-8") as f:
        text = "".join(line for line in f if not line.startswith("#"))
    for paragraph in text.strip().split("\n\n"):
        yield dict(line.split(": ", 1) for line in paragraph.strip().splitlines())


def blobs():
    return {e["file"]: e for e in entries() if "file" in e}


@suite.test
def every_blob_is_listed_and_every_entry_exists():
    present = {n for n in os.listdir(BIOS) if n not in NOT_BLOBS and not n.endswith((".mk", ".S", ".inc"))}
    assert present == set(blobs()), f"in pc-bios: {sorted(present)}, listed: {sorted(blobs())}"


@suite.test
def checksums_hold():
    for name, entry in blobs().items():
        with open(os.path.join(BIOS, name), "rb") as f:
            found = hashlib.sha256(f.read()).hexdigest()
        assert found == entry["sha256"], f"{name}: sha256 is {found}; run 'make guests'"
        assert entry["licence"] and entry["origin"], f"{name}: licence or origin missing"


def rebuild_equals_kept(script):
    """What @script builds with the compiler of the manifest is what is kept."""
    kept = {n: e for n, e in blobs().items() if e["built"].split()[0] == script}
    compiler, version = next(iter(kept.values()))["compiler"].split()
    if not shutil.which(compiler):
        raise tap.Skip(f"{compiler} is not installed")
    here = subprocess.run([compiler, "-dumpfullversion"], text=True, capture_output=True,
                          check=True).stdout.strip()
    if here != version:
        raise tap.Skip(f"built by {compiler} {version}, here is {here}")
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([os.path.join(TOP, script), tmp], check=True)
        for name in kept:
            with open(os.path.join(tmp, name), "rb") as a, open(os.path.join(BIOS, name), "rb") as b:
                assert a.read() == b.read(), f"{name}: run 'make guests' and commit pc-bios"


@suite.test
def rebuild_equals_kept_guests():
    rebuild_equals_kept("tests/guests/riscv64/build")


@suite.test
def rebuild_equals_kept_roms():
    if platform.machine() != "x86_64":
        raise tap.Skip("the kept ROMs were built by an x86_64 compiler")
    rebuild_equals_kept("pc-bios/build")


if __name__ == "__main__":
    sys.exit(suite.run())
