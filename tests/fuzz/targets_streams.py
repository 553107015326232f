# SPDX-License-Identifier: MIT
"""Garbage with structure on everything that takes bytes: QMP, the monitor, the gdb stub, qtest, serial
input, and snapshot files."""

import contextlib
import os
import socket
import struct
import subprocess
import time

import rhea
import snapstate
import targets_guests

WORDS = {
    "qmp": ['{"execute":"', "qmp_capabilities", "query-status", "stop", "cont", "qom-list", "qom-get", "qom-set",
            "system_reset", "human-monitor-command", "device-list-properties", "query-version", '"}', '","arguments":',
            '{"path":"', "/machine", '","property":"', "realized", '"}}', "\n", "{", "}", "[", "]", '"', "\\u0000",
            "\\ud800", "1e999", "-", "null", "true", ",", ":", "\x00", "\xff", '{"a":' * 50, "[" * 2000,
            '"id":', '"command-line":"info status"', "A" * 5000],
    "hmp": ["info ", "pci", "lapic", "block", "network", "tlb", "mem", "status", "registers", "mtree", "qtree", "qom-tree", "irq", "jit", "x ", "xp ", "/20xg ", "/i ",
            "/-1x", "0x80000000", "0xffffffffffffffff", "-1", "$pc", "stop", "cont", "system_reset", "help ", "\n",
            "\x1b[A", "\t", "\x7f", "\x15", "\x00", "\xff", "%s%n", "loadvm-file /nowhere", "/", "*", "A" * 5000],
    "gdb": ["$", "#", "+", "-", "\x03", "g", "G", "m", "M", "X", "p", "P", "Z0,", "Z1,", "Z2,", "z2,", "c", "s", "vCont;",
            "vCont?", "vCont;s:1", "H", "Hg", "Hc-1", "T1", "?", "qSupported", "qXfer:features:read:target.xml:",
            "qRcmd,", "7374617475", "0,", "ffffffffffffffff", ",", ";", ":", "80000000", "4", "1000", "}", "\x00",
            "\xff", "k0", "D1", "A" * 5000],
    "qtest": ["readl ", "writeq ", "read ", "write ", "b64write ", "memset ", "clock_step ", "irq_intercept_in ",
              "irq_intercept_out ", "set_irq_in ", "rhea_regs ", "rhea_snapshot", "rhea_devices", "system_reset",
              "/machine", "/machine/unattached", "0x80000000", "0x10000000", "-1", "0xffffffffffffffff", "1", " ", "\n",
              "\x00", "\xff", "QUFB", "0xab", "A" * 5000],
    "serial": ["\x01", "h", "c", "s", "b", "t", "\x01\x01", "\r", "\n", "\x00", "\xff", "A" * 5000, "info status\n", "quix\n"],
}


def garbage(rng, kind):
    words = WORDS[kind]
    out = []
    for _ in range(rng.randrange(1, 60)):
        word = rng.choice(words)
        out.append(word if rng.random() < 0.95 else "".join(chr(rng.randrange(256)) for _ in range(rng.randrange(9))))
    return "".join(out).encode("latin-1")


def framed(rng, kind):
    """What gets past the framing, so that the parser behind it sees it."""
    data = garbage(rng, kind)
    if kind == "gdb" and rng.random() < 0.7:
        data = data.replace(b"#", b"").replace(b"$", b"")[:3000]
        return b"$" + data + b"#%02x" % (sum(data) & 0xff)
    return data + (b"\n" if kind != "gdb" else b"")


def some_guest(rng):
    """A machine of any kind whose guest is at rest."""
    arch = rng.choice(targets_guests.architectures())
    if arch == "riscv64":
        return [rhea.emulator(), "-M", "virt", "-bios", "none", "-kernel", rhea.OWN_GUEST, "-append", "idle"]
    return [targets_guests.emulator(arch), "-M", rng.choice(["pc", "q35"])]


@contextlib.contextmanager
def running(guest, folder, *args):
    """An emulator with a guest and a socket at folder/s; what it leaves behind is checked at the end."""
    path = os.path.join(folder, "s")
    argv = [*guest, "-display", "none", "-m", "32M", "-smp", "2", "-no-shutdown"] + [a.replace("@", path) for a in args]
    with open(os.path.join(folder, "err"), "wb") as err:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
    try:
        deadline = time.monotonic() + 30
        while not os.path.exists(path) and time.monotonic() < deadline and p.poll() is None:
            time.sleep(0.02)
        yield path, p
        time.sleep(0.02)
        ended = p.poll()
    finally:
        p.kill()
        p.wait()
    with open(os.path.join(folder, "err"), encoding="utf-8", errors="replace") as err:
        text = err.read()
    assert ended in (None, 0), f"the emulator ended with {ended}: {text[-3000:]}"
    assert "Sanitizer" not in text and "runtime error" not in text, text[-3000:]


def connected(s, path, process):
    """Whether a connection came about; the server takes one at a time and may still be with the last."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError, FileNotFoundError):
            s.connect(path)
            return True
        time.sleep(0.02)
    assert process.poll() is not None, "no connection for 20 s"
    return False


def talk(rng, path, process, kind):
    """Some connections, one after the other; the emulator may hang up, but not go away."""
    for _ in range(12):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.settimeout(10)
            if not connected(s, path, process):
                return
            if kind == "qmp" and rng.random() < 0.8:
                s.sendall(b'{"execute":"qmp_capabilities"}\n')
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
                for _ in range(rng.randrange(1, 12)):
                    s.sendall(framed(rng, kind))
                    s.settimeout(0.02)
                    with contextlib.suppress(TimeoutError):
                        s.recv(1 << 20)
                    s.settimeout(10)


def socket_target(kind, *args):
    def run(rng, folder):
        with running(some_guest(rng), folder, *args) as (path, process):
            talk(rng, path, process, kind)
    return run


SOCKET = "unix:@,server=on,wait=off"
NOTHING = ["-monitor", "none", "-serial", "null"]


# --- Snapshot files -------------------------------------------------------------------------

def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 50])):
        # Devices and CPUs stand at the beginning; RAM behind them is only bytes.
        at = rng.choice([rng.randrange(min(len(data), 1 << 18)), rng.randrange(len(data)),
                         len(data) - 1 - rng.randrange(min(len(data), 1 << 15))])
        how = rng.randrange(4)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at:at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80", b"\xff\xff\xff\x7f"])
        elif how == 2:
            del data[at:at + rng.randrange(1, 16)]
        else:
            data[at:at] = bytes(data[at:at + rng.randrange(1, 16)])
    return bytes(data)


def change_fields(rng, data):
    """Values that fit their fields and nothing else, in CPUs and devices."""
    start, size = snapstate.in_file(data)
    state = data[start:start + size]
    fields = snapstate.fields(state)
    cpus = [f for f in fields if "cpu" in f.section]
    for field in rng.choices(rng.choice([fields, cpus]), k=rng.choice([1, 2, 10])):
        value = rng.choice([0, 1, (1 << 64) - 1, 1 << (8 * field.width - 1), rng.getrandbits(64), rng.randrange(0x10000)])
        state = snapstate.changed(state, [snapstate.change(field, value, rng.choice([None, rng.randrange(field.count)]))])
    return data[:start] + state + data[start + size:]


def snapshots(rng, folder):
    """Changed files are refused or loaded; a machine that loaded one runs on, however badly."""
    argv = [*some_guest(rng), "-m", "16M", "-smp", "2", "-device", "virtio-rng-pci", "-netdev", "user,id=n,restrict=on",
            "-device", "virtio-net-pci,netdev=n", "-device", "virtio-serial-pci", "-chardev", "null,id=c", "-device",
            "virtserialport,chardev=c,name=p", "-accel", rng.choice(["tcg", "tci"])]
    good, bad = os.path.join(folder, "good"), os.path.join(folder, "bad")
    targets_guests.run_for(argv, rng.choice([0, 0.3]), [f"savevm-file {good}"])
    with open(good, "rb") as f:
        data = f.read()
    for _ in range(8):
        with open(bad, "wb") as f:
            f.write(rng.choice([mutate, change_fields])(rng, data))
        if rng.random() < 0.5:
            targets_guests.run_for([*argv, "-loadvm", bad], 0.2)
        else:
            targets_guests.run_for(argv, 0, [f"loadvm-file {bad}", "cont", "info registers", "system_reset", "info status"])


def damage_tables(rng, data):
    """Changes in the header and where it leads to: the tables of a qcow2 image and its snapshots."""
    data = bytearray(data)
    places = [0, *(struct.unpack_from(">Q", data, at)[0] for at in (40, 48, 64))]
    places.append(struct.unpack_from(">Q", data, places[3])[0])  # the first snapshot's own table
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.choice(places) + rng.randrange(rng.choice([16, 64, 128])) // 4 * 4
        value = rng.choice([0, 1, 0x200, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, rng.getrandbits(32)])
        struct.pack_into(">I", data, min(at, len(data) - 4), value)
    return bytes(data)


def disk_snapshots(rng, folder):
    """Damaged images with a machine in them: an error, or it loads and runs on."""
    good, bad = os.path.join(folder, "good"), os.path.join(folder, "bad")
    subprocess.run(["./rhea-img", "create", "-q", "-f", "qcow2", "-o",
                    f"cluster_size={rng.choice(['512', '4k', '64k'])}", good, "1M"], check=True, timeout=60)
    argv = [*some_guest(rng), "-m", "16M", "-device", "virtio-blk-pci,drive=d", "-drive"]
    targets_guests.run_for([*argv, f"file={good},format=qcow2,if=none,id=d"], rng.choice([0, 0.3]), ["savevm s"])
    with open(good, "rb") as f:
        data = f.read()
    assert struct.unpack_from(">I", data, 60)[0] == 1, "there is no snapshot"
    for _ in range(8):
        with open(bad, "wb") as f:
            f.write(rng.choice([damage_tables, damage_tables, mutate])(rng, data))
        targets_guests.run_for([*argv, f"file={bad},format=qcow2,if=none,id=d"], 0,
                               ["info snapshots", rng.choice(["loadvm s", "savevm s", "loadvm 1"]), "cont", "savevm t",
                                "delvm s", "info snapshots", "loadvm t"])


TARGETS = {
    "qmp": socket_target("qmp", "-qmp", SOCKET, *NOTHING),
    "hmp": socket_target("hmp", "-monitor", SOCKET, "-serial", "null"),
    "gdb": socket_target("gdb", "-gdb", SOCKET, *NOTHING),
    "serial": socket_target("serial", "-chardev", "socket,id=c,path=@,server=on,wait=off,mux=on", "-serial", "chardev:c",
                            "-mon", "chardev=c"),
    "qtest": socket_target("qtest", "-accel", "qtest", "-qtest", SOCKET, *NOTHING),
    "snapshots": snapshots,
    "disk-snapshots": disk_snapshots,
}
