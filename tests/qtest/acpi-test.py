#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ACPI tables of the PCs as firmware gets them: loaded by the script, checked, disassembled by iasl."""

import os
import shutil
import struct
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qtest import PcQtest  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()

FILES = {"etc/acpi/rsdp": 0xf0000, "etc/acpi/tables": 0x3f00000, "etc/vmgenid_guid": 0x3e00000}


def text(raw):
    return raw.rstrip(b"\0").decode()


class Tables:
    """What firmware makes of the files: the memory of each at the addresses of FILES."""

    def __init__(self, q):
        files = q.fw_cfg_files()
        self.memory, self.sums = {}, 0
        script = q.fw_cfg(*files["etc/table-loader"])
        for at in range(0, len(script), 128):
            self.step(q, files, script[at:at + 128])
        self.tables = {}
        rsdp = self.memory["etc/acpi/rsdp"]
        assert rsdp[:8] == b"RSD PTR " and sum(rsdp[:20]) % 256 == 0 == sum(rsdp) % 256
        rsdt, = struct.unpack_from("<I", rsdp, 16)
        xsdt, = struct.unpack_from("<Q", rsdp, 24)
        pointers = struct.unpack(f"<{(len(self.at(rsdt)) - 36) // 4}I", self.at(rsdt)[36:])
        wide = struct.unpack(f"<{(len(self.at(xsdt)) - 36) // 8}Q", self.at(xsdt)[36:])
        assert pointers == wide and pointers
        for pointer in pointers:
            self.add(pointer)
        fadt = self.tables["FACP"]
        self.add(struct.unpack_from("<I", fadt, 40)[0])
        assert struct.unpack_from("<Q", fadt, 140)[0] == struct.unpack_from("<I", fadt, 40)[0]
        facs = struct.unpack_from("<I", fadt, 36)[0]
        assert facs % 64 == 0 and self.at(facs)[:4] == b"FACS"

    def step(self, q, files, entry):
        command, = struct.unpack_from("<I", entry)
        if command == 1:
            name, align, _ = struct.unpack_from("<56sIB", entry, 4)
            name = text(name)
            assert FILES[name] % align == 0
            self.memory[name] = bytearray(q.fw_cfg(*files[name]))
        elif command == 2:
            into, to, offset, size = struct.unpack_from("<56s56sIB", entry, 4)
            memory = self.memory[text(into)]
            old = int.from_bytes(memory[offset:offset + size], "little")
            assert old < len(self.memory[text(to)])
            memory[offset:offset + size] = (old + FILES[text(to)]).to_bytes(size, "little")
        elif command == 4:
            told, name, at, offset, size = struct.unpack_from("<56s56sIIB", entry, 4)
            address = (FILES[text(name)] + offset).to_bytes(size, "little")
            assert files[text(told)][1] == at + size and at == 0
            q.command("write", FILES[text(name)], len(self.memory[text(name)]), "0x" + self.memory[text(name)].hex())
            assert q.put_file(files[text(told)][0], address)
        else:
            assert command == 3, f"command {command}"
            name, offset, start, size = struct.unpack_from("<56sIII", entry, 4)
            memory = self.memory[text(name)]
            memory[offset] = 0
            memory[offset] = -sum(memory[start:start + size]) % 256
            self.sums += 1

    def at(self, address):
        raw = self.memory["etc/acpi/tables"]
        offset = address - FILES["etc/acpi/tables"]
        assert 0 <= offset < len(raw)
        size, = struct.unpack_from("<I", raw, offset + 4)
        assert offset + size <= len(raw)
        return bytes(raw[offset:offset + size])

    def add(self, address):
        table = self.at(address)
        assert sum(table) % 256 == 0, f"checksum of {table[:4]}"
        self.tables[table[:4].decode()] = table

    def disassemble(self, name, again=True):
        """What iasl reads, which it must compile again without as much as a remark; data to the same bytes."""
        if not shutil.which("iasl"):
            raise tap.Skip("iasl (acpica-tools) is not installed")
        with rhea.scratch() as folder:
            path = os.path.join(folder, "t")
            with open(path + ".aml", "wb") as f:
                f.write(self.tables[name])
            said = iasl("-d", path + ".aml")
            assert "Error" not in said, said
            with open(path + ".dsl", encoding="ascii", errors="replace") as f:
                source = f.read()
            assert "Invalid" not in source and "***" not in source, source
            if not again:
                return source
            said = iasl("-w3", "-p", path + "2", path + ".dsl")
            assert " 0 Errors, 0 Warnings, 0 Remarks" in said, said
            with open(path + "2.aml", "rb") as f:
                compiled = f.read()
            # iasl optimizes code, and names itself as the maker of everything.
            assert name == "DSDT" or without_maker(compiled) == without_maker(self.tables[name]), name
            return source


def iasl(*args):
    done = subprocess.run(["iasl", *args], stdout=subprocess.PIPE, text=True, stderr=subprocess.STDOUT, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def without_maker(table):
    return table[:9] + table[10:28] + table[36:]


def lapics(madt):
    at, found = 44, []
    while at < len(madt):
        if madt[at] == 0:
            found.append(madt[at + 3])
        at += madt[at + 1]
    assert at == len(madt)
    return found


def check_all(machine, express):
    with PcQtest("-M", machine, "-smp", "4") as q:
        t = Tables(q)
        names = {"FACP", "DSDT", "APIC", "HPET", "SPCR"} | ({"MCFG"} if express else set())
        assert set(t.tables) == names, t.tables.keys()
        assert t.sums == len(names) + 4, "every table has its checksum, the roots and both of the RSDP's"
        assert len(t.tables["FACP"]) == 244
        assert lapics(t.tables["APIC"]) == [0, 1, 2, 3]
        sources = {name: t.disassemble(name) for name in names}
        for word in ("_PRT", "PNP0303", "PNP0501", "ACPI0007", "QEMU0002", "_S5", "LNKD", "PNP0103"):
            assert word in sources["DSDT"], word
        assert ("_OSC" in sources["DSDT"]) == express and ("LNKH" in sources["DSDT"]) == express
        return sources["DSDT"]


@suite.test
def tables_of_pc():
    check_all("pc", False)


@suite.test
def tables_of_q35():
    check_all("q35", True)


@suite.test
def ports_are_where_the_tables_say():
    with PcQtest() as q:
        fadt = Tables(q).tables["FACP"]
        assert struct.unpack_from("<I", fadt, 56)[0] == 0xb000
        q.set_config(0x0b, 0x40, 0x601)
        fadt = Tables(q).tables["FACP"]
        event, = struct.unpack_from("<I", fadt, 56)
        assert event == 0x600, "where firmware has put them"
        control, = struct.unpack_from("<I", fadt, 64)
        q.set_config(0x0b, 0x80, 1, 1)
        smi, = struct.unpack_from("<I", fadt, 48)
        assert q.inp(control, 2) & 1 == 0
        q.out(smi, fadt[52])
        assert q.inp(control, 2) & 1 == 1, "ACPI is on"
        q.out(smi, fadt[53])
        assert q.inp(control, 2) & 1 == 0
        gpe, = struct.unpack_from("<I", fadt, 80)
        q.out(gpe + fadt[92] // 2, 0x5a)
        assert q.inp(gpe + fadt[92] // 2) == 0x5a


@suite.test
def tables_follow_the_firmware():
    """Extended configuration space is told where firmware has put it, nonsense is not believed."""
    with PcQtest("-M", "q35") as q:
        def mcfg():
            return struct.unpack_from("<Q", Tables(q).tables["MCFG"], 44)[0]

        assert mcfg() == 0xb0000000
        q.set_config(0, 0x60, 0xe0000001)
        assert mcfg() == 0xe0000000
        source = Tables(q).disassemble("DSDT")
        assert "0xDFFFFFFF" in source and "0xF0000000" in source
        q.command("rhea_snapshot")
        for base in (0, 0xf0000001):
            q.set_config(0, 0x60, base)
            assert mcfg() == 0xb0000000
        q.set_config(0, 0x64, 1)
        assert mcfg() == 0xb0000000


@suite.test
def what_is_not_there_is_not_told():
    with PcQtest("-M", "pc,hpet=off,i8042=off", "-serial", "none") as q:
        t = Tables(q)
        assert "HPET" not in t.tables and "SPCR" not in t.tables
        assert struct.unpack_from("<H", t.tables["FACP"], 109)[0] & 2 == 0
        source = t.disassemble("DSDT")
        for word in ("PNP0103", "PNP0303", "PNP0501"):
            assert word not in source, word
    with PcQtest("-M", "pc,acpi=off") as q:
        assert not set(q.fw_cfg_files()) & {"etc/table-loader", "etc/acpi/tables", "etc/acpi/rsdp"}


GUID = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"
# The first three fields are little-endian.
GUID_BYTES = bytes.fromhex("af6e4e32d1d1f64bbf41b9bb6c91fb87")


def generation(board):
    """The identifier is where firmware has put it, changes with a load, and an event says so."""
    with PcQtest("-M", board, "-device", "vmgenid", qmp=True) as q, q.qmp() as control, rhea.scratch() as folder:
        if board == "q35":
            q.set_config(0xf8, 0x40, 0x601)
            q.set_config(0xf8, 0x44, 0x80, 1)
        t = Tables(q)
        # The identifier that guests know is not of the form that iasl wants.
        source = t.disassemble("SSDT", again=False)
        for word in ("QEMUVGID", "VM_Gen_Counter", "ADDR", "_E05", "Notify", "0x03E00000"):
            assert word in source, word
        place = FILES["etc/vmgenid_guid"] + 40
        gpe, = struct.unpack_from("<I", t.tables["FACP"], 80)
        seen = set()
        for _ in range(3):
            raw = bytes.fromhex(q.command("read", place, 16)[2:])
            told = control.command("query-vm-generation-id")["guid"]
            assert uuid.UUID(bytes_le=raw) == uuid.UUID(told), (raw.hex(), told)
            assert told in control.command("human-monitor-command", command_line="info vm-generation-id")
            seen.add(raw)
            q.out(gpe, 1 << 5)
            assert q.inp(gpe) == 0
            control.command("stop")
            for command in ("savevm-file", "loadvm-file"):
                assert control.command("human-monitor-command", command_line=f"{command} {folder}/state") == ""
            assert q.inp(gpe) == 1 << 5
        assert len(seen) == 3, "each load makes another"
        # No address that a guest tells reaches anything but memory.
        for address in (0, 0xfee00300, 0x3fffff8, 0xb8000, 2 ** 64 - 8):
            assert q.put_file(q.fw_cfg_files()["etc/vmgenid_addr"][0], address.to_bytes(8, "little"))
            for command in ("savevm-file", "loadvm-file"):
                assert control.command("human-monitor-command", command_line=f"{command} {folder}/state") == ""
            assert bytes.fromhex(q.command("read", 0x3fffff8, 8)[2:]) == bytes(8)


suite.add("generation-pc", generation, "pc")
suite.add("generation-q35", generation, "q35")


@suite.test
def generation_that_is_given():
    with PcQtest("-device", f"vmgenid,guid={GUID}", qmp=True) as q, q.qmp() as control:
        assert control.command("query-vm-generation-id") == {"guid": GUID}
        assert q.fw_cfg(*q.fw_cfg_files()["etc/vmgenid_guid"])[40:56] == GUID_BYTES
    with PcQtest(qmp=True) as q, q.qmp() as control:
        said = control.command("human-monitor-command", command_line="info vm-generation-id")
        assert said.strip() == "VM Generation ID device not found"
    for args, reason in ((("-device", "vmgenid,guid=x"), "neither 'auto' nor a UUID"),
                         (("-device", "vmgenid", "-device", "vmgenid"), "acpi-bus"),
                         (("-M", "pc,acpi=off", "-device", "vmgenid"), "acpi-bus")):
        said = refusal(*args)
        assert reason in said and said.count("\n") == 1, (args, said)


@suite.test
def bridges_and_memory_above():
    with PcQtest("-M", "q35", "-m", "3G", "-device", "pcie-root-port,id=r1", "-device",
                 "pci-bridge,id=b1,chassis_nr=1") as q:
        t = Tables(q)
        for name in t.tables:
            t.disassemble(name)


@suite.test
def many_cpus_and_much_memory():
    with PcQtest("-M", "q35", "-smp", "255") as q:
        t = Tables(q)
        assert lapics(t.tables["APIC"]) == list(range(255))
        assert "C0FE" in t.disassemble("DSDT")
        t.disassemble("APIC")


@suite.test
def ids_of_processors_follow_the_topology():
    with PcQtest("-smp", "6,sockets=2,cores=3") as q:
        assert lapics(Tables(q).tables["APIC"]) == [0, 1, 2, 4, 5, 6], "a package's ids begin at a power of two"
    done = subprocess.run([PcQtest.emulator(), "-smp", "255,sockets=85,cores=3,threads=1", "-display", "none"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "CPU 192 would have local APIC id 256" in done.stderr, done.stderr


@suite.test
def serial_console():
    with PcQtest() as q:
        source = Tables(q).disassemble("SPCR")
    for line in ("Interface Type : 00", "Address : 00000000000003F8", "PCAT-compatible IRQ : 04", "Baud Rate : 07"):
        assert line in source, source


def srat(table):
    """({node: APIC ids}, {node: [(first, last)]}) of an SRAT."""
    cpus, memory, at = {}, {}, 48
    while at < len(table):
        if table[at] == 0:
            node = table[at + 2] | int.from_bytes(table[at + 9:at + 12], "little") << 8
            cpus.setdefault(node, []).append(table[at + 3])
        elif table[at] == 1:
            node, _, start, size = struct.unpack_from("<IHQQ", table, at + 2)
            memory.setdefault(node, []).append((start, start + size - 1))
        else:
            assert table[at] == 2
            node, apic = struct.unpack_from("<II", table, at + 4)
            cpus.setdefault(node, []).append(apic)
        at += table[at + 1]
    assert at == len(table)
    return cpus, memory


M, G = 1 << 20, 1 << 30


@suite.test
def numa_nodes():
    with PcQtest("-smp", "4", "-numa", "node,cpus=0-1,cpus=3,mem=24M", "-numa", "node,cpus=2,mem=40M") as q:
        t = Tables(q)
        cpus, memory = srat(t.tables["SRAT"])
        assert cpus == {0: [0, 1, 3], 1: [2]}
        assert memory == {0: [(0, 640 * 1024 - 1), (M, 24 * M - 1)], 1: [(24 * M, 64 * M - 1)]}
        assert "SLIT" not in t.tables
        t.disassemble("SRAT")


@suite.test
def numa_distances_and_topology():
    with PcQtest("-smp", "6,sockets=3", "-numa", "node", "-numa", "node", "-numa", "node", "-numa",
                 "dist,src=0,dst=1,val=21", "-numa", "dist,src=1,dst=2,val=31", "-numa",
                 "dist,src=0,dst=2,val=41", "-numa", "dist,src=2,dst=0,val=255", "-numa",
                 "cpu,node-id=2,socket-id=0", "-numa", "cpu,node-id=1,socket-id=1,core-id=1", "-numa",
                 "cpu,node-id=1,socket-id=2") as q:
        t = Tables(q)
        assert srat(t.tables["SRAT"])[0] == {2: [0, 1], 0: [2], 1: [3, 4, 5]}
        slit = t.tables["SLIT"]
        assert struct.unpack_from("<Q", slit, 36)[0] == 3
        assert list(slit[44:]) == [10, 21, 41, 21, 10, 31, 255, 31, 10]
        t.disassemble("SLIT")


@suite.test
def numa_memory_of_its_own():
    """Each node's backend is where the table says; memory on both sides of the PCI hole."""
    with rhea.scratch() as folder:
        objects = []
        for i, size in enumerate(("3G", "512M")):
            objects += ["-object", f"memory-backend-file,id=m{i},size={size},mem-path={folder}/m{i},share=on",
                        "-numa", f"node,nodeid={i},memdev=m{i}"]
        with PcQtest("-M", "q35", *objects, "-m", "3584M") as q:
            _, memory = srat(Tables(q).tables["SRAT"])
            assert memory[0] == [(0, 640 * 1024 - 1), (M, 2 * G - 1), (4 * G, 5 * G - 1)], memory
            assert memory[1] == [(5 * G, 5 * G + 512 * M - 1)], memory
            q.write(2 * G - 4, 0x11111111)
            q.write(5 * G - 4, 0x22222222)
            q.write(5 * G, 0x33333333)
            q.set_config(0, 0x90, 0x30, 1)      # PAM: RAM at 0xf0000
            q.write(0xf0000, 0x44444444)
        with open(f"{folder}/m0", "rb") as f:
            for offset, word in ((2 * G - 4, 0x11111111), (3 * G - 4, 0x22222222), (0xf0000, 0x44444444)):
                f.seek(offset)
                assert f.read(4) == word.to_bytes(4, "little"), hex(offset)
        with open(f"{folder}/m1", "rb") as f:
            assert f.read(4) == b"\x33" * 4


def refusal(*args):
    done = subprocess.run([PcQtest.emulator(), "-M", "pc", "-display", "none", "-S", "-m", "64M", *args],
                          text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1, done
    return done.stderr


@suite.test
def numa_refusals():
    one, two = ("-numa", "node,mem=32M"), ("-numa", "node,mem=32M,cpus=0")
    backend = ("-object", "memory-backend-ram,id=m,size=32M")
    for args, reason in (
            (("-M", "none", *one), "no NUMA nodes"),
            (one, "the nodes have 32 MiB, and -m says 64 MiB"),
            ((*one, "-numa", "node,nodeid=0"), "node 0 is there already"),
            ((*one, "-numa", "node,nodeid=7,mem=32M"), "none of them is node 1"),
            ((*two, *two), "CPU 0 is in node 0 already"),
            ((*one, "-numa", "node,mem=32M,cpus=1"), "there is no CPU 1"),
            ((*one, "-numa", "node,cpus=3-1"), "the last is before the first"),
            (("-numa", "node,mem=64M,memdev=m"), "exclude each other"),
            (("-numa", "node,memdev=m"), "no memory backend of that id"),
            ((*backend, *2 * ("-numa", "node,memdev=m")), "memory of node 0 already"),
            ((*backend, *one, "-numa", "node,memdev=m"), "has mem= while others have memdev="),
            ((*one, "-numa", "dist,src=0,dst=1,val=20"), "dst=1: there is no such node"),
            ((*one, *one, "-numa", "dist,src=0,dst=1,val=10"), "within a node it is 10"),
            ((*one, *one, "-numa", "dist,src=0,val=11"), "dst= is missing"),
            ((*2 * one, "-numa", "cpu,node-id=0,socket-id=5"), "no CPU of -smp is at that place"),
            ((*one, "-numa", "cpu,socket-id=0"), "node-id= is missing"),
            (("-numa", "hmat-lb,initiator=0"), "'hmat-lb' is not known"),
            (("-numa", "node,initiator=0"), "initiator")):
        said = refusal(*args)
        assert reason in said and said.count("\n") == 1, (args, said)


sys.exit(suite.run())
