#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SMBIOS tables of the PCs as firmware gets them, read by dmidecode and by the lengths in them."""

import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()


def structures(table):
    """(type, handle, formatted part, texts) of each; every byte of the table belongs to one."""
    found, at = [], 0
    while at < len(table):
        kind, size, handle = struct.unpack_from("<BBH", table, at)
        body = table[at:at + size]
        end = table.index(b"\0\0", at + size)
        texts = [t.decode() for t in table[at + size:end].split(b"\0")] if end > at + size else []
        found.append((kind, handle, body, texts))
        at = end + 2
    return found


class Tables:
    """The table and what firmware makes of the entry point: its address and checksums."""

    ADDRESS = 32

    def __init__(self, q):
        files = q.fw_cfg_files()
        self.table = q.fw_cfg(*files["etc/smbios/smbios-tables"])
        self.anchor = bytearray(q.fw_cfg(*files["etc/smbios/smbios-anchor"]))
        self.structures = structures(self.table)
        self.types = [s[0] for s in self.structures]
        if self.anchor[:5] == b"_SM3_":
            assert struct.unpack_from("<I", self.anchor, 12)[0] == len(self.table)
            struct.pack_into("<Q", self.anchor, 16, self.ADDRESS)
            self.anchor[5] = -sum(self.anchor) % 256
        else:
            size, _, count = struct.unpack_from("<HIH", self.anchor, 22)
            assert (size, count) == (len(self.table), len(self.structures))
            struct.pack_into("<I", self.anchor, 24, self.ADDRESS)
            self.anchor[21] = -sum(self.anchor[16:]) % 256
            self.anchor[4] = -sum(self.anchor) % 256

    def decode(self):
        """What dmidecode says, which looks for the entry point at the start of a dump."""
        with rhea.scratch() as folder:
            path = os.path.join(folder, "dump")
            with open(path, "wb") as f:
                f.write(bytes(self.anchor).ljust(self.ADDRESS, b"\0") + self.table)
            done = subprocess.run([rhea.need_tool("dmidecode"), "--from-dump", path], text=True,
                                  capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        for bad in ("broken", "truncated", "Wrong", "BAD INDEX", "OUT OF SPEC", "WARNING", "Invalid"):
            assert bad not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout


def tables(*args):
    with PcQtest(*args) as q:
        return Tables(q)


def check_has(output, *lines):
    for line in lines:
        assert f"\t{line}\n" in output, f"no {line!r} in:\n{output}"


@suite.test
def of_its_own_accord():
    with PcQtest("-smp", "8,sockets=2,cores=2,threads=2") as q:
        t = Tables(q)
    assert t.types == [1, 3, 4, 4, 16, 17, 19, 32, 127], t.types
    assert len({s[1] for s in t.structures}) == len(t.structures), "no two have the same handle"
    output = t.decode()
    assert "SMBIOS 2.8 present" in output
    check_has(output, "Manufacturer: QEMU", "Product Name: Standard PC (i440FX + PIIX, 1996)",
              "Socket Designation: CPU 1", "Core Count: 2", "Thread Count: 4", "Size: 64 MB",
              "Maximum Capacity: 64 MB", "Range Size: 64 MB")
    system = t.structures[0]
    assert system[2][8:24] == bytes(16), "no UUID was given"
    assert any(text.startswith("pc-i440fx-") for text in system[3])


@suite.test
def entry_points():
    wide = tables("-M", "q35,smbios-entry-point-type=64")
    assert wide.anchor[:5] == b"_SM3_" and sum(wide.anchor) % 256 == 0
    output = wide.decode()
    assert "SMBIOS 3.0.0 present" in output
    check_has(output, "Product Name: Standard PC (Q35 + ICH9, 2009)")
    assert tables("-M", "q35,smbios-entry-point-type=32").anchor[:4] == b"_SM_"


@suite.test
def fields():
    uuid = "11223344-5566-7788-99aa-bbccddeeff00"
    t = tables("-smbios", "type=0,vendor=Maker,version=7,date=01/02/2026,release=3.4,uefi=on",
               "-smbios", f"type=1,manufacturer=Acme,,Ltd,product=Box,serial=S1,uuid={uuid},sku=K,family=F",
               "-smbios", "type=2,product=Board,asset=A2,location=L", "-smbios", "type=3,serial=C3,sku=Q",
               "-smbios", "type=4,sock_pfx=Slot,max-speed=3000,processor-family=0xb3,processor-id=0x1234",
               "-smbios", "type=11,value=first", "-smbios", "type=11,value=second,value=third",
               "-smbios", "type=17,loc_pfx=Bank,bank=B0,speed=2400,part=P17")
    assert t.types == [0, 1, 2, 3, 4, 11, 16, 17, 19, 32, 127], t.types
    check_has(t.decode(), "Vendor: Maker", "BIOS Revision: 3.4", "Release Date: 01/02/2026",
              "\tUEFI is supported", "Manufacturer: Acme,Ltd", "Product Name: Box", "Serial Number: S1",
              f"UUID: {uuid}", "SKU Number: K", "Family: F", "Product Name: Board", "Asset Tag: A2",
              "Location In Chassis: L", "Serial Number: C3", "Socket Designation: Slot 0",
              "Family: Xeon", "Max Speed: 3000 MHz", "String 1: first", "String 2: second", "String 3: third",
              "Locator: Bank 0", "Bank Locator: B0", "Part Number: P17")
    assert struct.unpack_from("<Q", t.structures[4][2], 8)[0] == 0x1234


@suite.test
def uuid_of_the_machine():
    uuid = "00112233-4455-6677-8899-aabbccddeeff"
    check_has(tables("-uuid", uuid).decode(), f"UUID: {uuid}")


@suite.test
def much_memory():
    with rhea.scratch() as folder:
        t = tables("-M", "q35", "-object", f"memory-backend-file,id=m,size=40G,mem-path={folder},share=on",
                   "-m", "40G", "-machine", "memory-backend=m")
    assert t.types.count(17) == 3 and t.types.count(19) == 2
    check_has(t.decode(), "Size: 16 GB", "Size: 8 GB", "Maximum Capacity: 40 GB",
              "Starting Address: 0x00100000000", "Ending Address: 0x00A7FFFFFFF")


@suite.test
def structures_from_files():
    """A structure of a file stands for the one that would have been made."""
    slot = bytes([9, 13, 0x34, 0x12, 1, 6, 5, 3, 3, 0, 0, 0, 0]) + b"Slot A\0\0"
    boot = bytes([32, 11, 0, 0x20]) + bytes(6) + b"\5" + b"\0\0"
    with rhea.scratch() as folder:
        path, text = os.path.join(folder, "file"), os.path.join(folder, "text")
        with open(path, "wb") as f:
            f.write(slot + boot)
        with open(text, "w", encoding="ascii") as f:
            f.write("from a file")
        t = tables("-smbios", f"file={path}", "-smbios", f"type=11,path={text}")
    assert t.types == [9, 32, 1, 3, 4, 11, 16, 17, 19, 127], t.types
    check_has(t.decode(), "Designation: Slot A", "Status: User-requested boot",
              "String 1: from a file")


def refusal(*args):
    done = subprocess.run([PcQtest.emulator(), "-M", "pc", "-display", "none", "-S", *args], text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 1, done
    return done.stderr


@suite.test
def refusals():
    assert "did you mean 'serial'" in refusal("-smbios", "type=1,seriel=1")
    assert "type=16 has no fields" in refusal("-smbios", "type=16,value=1")
    assert "MAJOR.MINOR" in refusal("-smbios", "type=0,release=7")
    assert "no SMBIOS tables" in refusal("-M", "none", "-smbios", "type=1,sku=1")
    assert "'maybe'" in refusal("-smbios", "type=0,uefi=maybe")
    assert "xxxx" in refusal("-smbios", "type=1,uuid=1")
    assert "neither type=N nor file=" in refusal("-smbios", "vendor=x")
    assert "No such file" in refusal("-smbios", "file=/nowhere/at-all")
    with rhea.scratch() as folder:
        path = os.path.join(folder, "file")
        whole = bytes([9, 13, 0, 9]) + bytes(9) + b"x\0\0"
        for data, reason in ((b"", "is empty"), (whole[:-1], "at byte 0"), (whole + b"\1\2\3", "at byte 16"),
                             (b"\1\3\0\0\0\0", "at byte 0"), (bytes(70000), "64 KiB")):
            with open(path, "wb") as f:
                f.write(data)
            assert reason in refusal("-smbios", f"file={path}"), (data[:20], reason)
        with open(path, "wb") as f:
            f.write(whole)
        assert "in a file already" not in refusal("-smbios", f"file={path}", "-smbios", "type=1,x=1")
        with open(path, "wb") as f:
            f.write(b"\1" + whole[1:])
        assert "fields given already" in refusal("-smbios", "type=1,sku=1", "-smbios", f"file={path}")
        assert "in a file already" in refusal("-smbios", f"file={path}", "-smbios", "type=1,sku=1")
        big = "x" * 30000
        with open(path, "w", encoding="ascii") as f:
            f.write(big)
        assert "more than 64 KiB" in refusal(
            "-M", "pc,smbios-entry-point-type=32", *3 * ("-smbios", f"type=11,path={path}"))


if __name__ == "__main__":
    sys.exit(suite.run())
