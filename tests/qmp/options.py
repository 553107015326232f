#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options about options, messages, rights and drives, and the spellings that old scripts use."""

import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "qtest")]
import rhea                                             # noqa: E402
import tap                                              # noqa: E402
import virtio                                           # noqa: E402
from qtest import Qtest                                 # noqa: E402

suite = tap.Suite()
QUIET = ["-display", "none", "-bios", "none"]


def run(*args, lines=("quit",), board="virt"):
    """Runs the emulator with a monitor on its standard input, which is told the lines."""
    return subprocess.run([rhea.emulator(), "-M", board, "-S", *QUIET, "-serial", "none", "-monitor",
                           "stdio", *args], input="\n".join(lines) + "\n", text=True, timeout=30,
                          capture_output=True, check=False)


def accepted(*args, **kw):
    done = run(*args, **kw)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


def refused(message, *args):
    done = run(*args)
    assert done.returncode == 1 and message in done.stderr, (args, done.stderr)
    assert done.stderr.count("\n") == 1, (args, done.stderr)


def image(folder, size=1 << 20):
    path = os.path.join(folder, "disk")
    with open(path, "wb") as f:
        f.truncate(size)
    return path


@suite.test
def device_tree_has_the_block_sizes():
    """A kernel does without an extension for cache blocks whose block size it is not told."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "dtb")
        for cpu in ("rv64", "rv64,zicbom=off,zicboz=off,zicbop=off"):
            run("-machine", f"dumpdtb={path}", "-cpu", cpu)
            with open(path, "rb") as f:
                data = f.read()
            for name in (b"zicbom", b"zicboz", b"zicbop"):
                size = b"riscv,%s-block-size" % name[2:]
                assert data.count(name + b"\0") == data.count(size + b"\0") == (cpu == "rv64"), (cpu, name)


@suite.test
def old_spellings():
    with rhea.scratch() as folder:
        disk = image(folder)
        os.chmod(disk, 0o444)
        sock = os.path.join(folder, "s")
        out = accepted("", "--nodefaults", "--drive", f"file={disk},format=raw,readonly,if=none,id=d",
                       "-chardev", f"socket,id=c,path={sock},server,nowait", "-mon", "c", "-parallel",
                       "none", "-vga", "none", "-no-user-config", "-net", "none", "-machine",
                       "usb=off,dump-guest-core=off,mem-merge=off,acpi=off,aia=none",
                       lines=("info block", "info chardev", "quit"))
        assert "read-only" in out and f"unix:{sock},server=on" in out, out
        accepted("-qmp", f"unix:{sock},server,nowait", "-only-migratable", "-overcommit",
                 "mem-lock=off,cpu-pm=off", "-run-with", "async-teardown=off")
        refused("no ACPI tables", "-machine", "acpi=on")
        refused("accepted: none", "-machine", "aia=aplic")
        refused("accepted: off", "-run-with", "async-teardown=on")
        refused("did you mean 'mem-lock'", "-overcommit", "memlock=on")


@suite.test
def usb_as_scripts_ask_for_it():
    for option in (["-usb"], ["-machine", "usb=on"]):
        out = accepted(*option, "-device", "usb-tablet,bus=usb-bus.0", lines=("info usb", "info pci", "quit"))
        assert "Port 1, Product USB Tablet" in out and "device  29" in out, out
    out = accepted("-usbdevice", "tablet", "-usbdevice", "keyboard", "-usbdevice", "mouse",
                   lines=("info usb", "quit"))
    assert re.findall(r"Bus usb-bus.0, Port (\d), Product USB (\w+)", out) == [
        ("1", "Tablet"), ("2", "Keyboard"), ("3", "Mouse")], out
    assert "USB support not enabled" in accepted(lines=("info usb", "quit"))
    refused("did you mean 'tablet'", "-usbdevice", "tabley")
    refused("usb-bus", "-device", "usb-kbd")


@suite.test
def cards_and_drives_as_scripts_ask_for_them():
    with rhea.scratch() as folder:
        disk = image(folder)
        out = accepted("-nic", "user,model=virtio-net-pci,restrict=on", "-nic", "user,model=virtio,restrict=on",
                       "-nic", "user,model=virtio-net-pci-non-transitional,restrict=on",
                       lines=("info qtree", "quit"))
        for name in ("virtio-net-pci,", "virtio-net-device,", "virtio-net-pci-non-transitional,"):
            assert f"dev: {name}" in out, name
        refused("did you mean 'virtio-net-pci'", "-nic", "user,model=virtio-net-pcie")
        refused("model 'rng-random' is not known", "-nic", "user,model=rng-random")
        accepted("-global", "virtio-blk-pci.scsi=off", "-drive",
                 f"file={disk},format=raw,if=none,id=d,aio=native,cache=none", "-device",
                 "virtio-blk-pci,drive=d")
        refused("not passed through", "-drive", f"file={disk},format=raw,if=none,id=d", "-device",
                "virtio-blk-pci,drive=d,scsi=on")


@suite.test
def set_adds_to_an_option():
    with rhea.scratch() as folder:
        disk = image(folder)
        base = ["-drive", f"file={disk},format=raw,if=none,id=d", "-device",
                "virtio-blk-device,drive=d,id=blk"]
        out = accepted(*base, "-set", "device.blk.serial=a,b", "-set", "drive.d.readonly=on",
                       lines=("qom-get /machine/peripheral/blk serial", "info block", "quit"))
        assert "a,b" in out and "read-only" in out, out
        refused("no -device with id=other", *base, "-set", "device.other.serial=x")
        refused("is not GROUP.ID.KEY=VALUE", "-set", "device.blk")
        refused("no -bark with id=x", "-set", "bark.x.y=z")


@suite.test
def options_from_a_file():
    with rhea.scratch() as folder:
        disk = image(folder)
        conf = os.path.join(folder, "conf")

        def config(text):
            with open(conf, "w", encoding="ascii") as f:
                f.write(text)

        config(f"""
# a machine
[memory]
  size = "48"

[drive "d"]
  file = "{disk}"
  format = "raw"
  if = "none"

[device "blk"]
  driver = "virtio-blk-device"
  drive = "d"
  serial = "one,two"
[smp-opts]
cpus = "2"
[global]
driver = "virtio-blk-device"
property = "queue-size"
value = "64"
""")
        out = accepted("-readconfig", conf, lines=(
            "qom-get /machine/peripheral/blk serial", "qom-get /machine/peripheral/blk queue-size",
            "info cpus", "info mtree", "quit"))
        assert "one,two" in out and re.search(r"\b64\r?\n", out) and "CPU #1" in out, out
        assert "0000000082ffffff" in out, "48 MiB"
        for text, message in (("[device\n", "line 1: '[device' is no section"),
                              ("[bark]\n", "line 1: there is no group 'bark'"),
                              ("[nographic]\n", "there is no group"),
                              ("size = \"1\"\n", "line 1: no section has begun"),
                              ("[memory]\nsize = 1\n", "line 2: 'size = 1' is not KEY"),
                              ("[memory]\n\nsixe = \"1\"\n", "did you mean 'size'")):
            config(text)
            refused(message, "-readconfig", conf)
        refused("/no/such", "-readconfig", "/no/such")


@suite.test
def messages_say_when_and_who():
    for args in (["-msg", "timestamp=on,guest-name=on", "-name", "fred"],
                 ["-name", "fred", "-msg", "timestamp=on,guest-name=on"]):
        done = run(*args, "-device", "bark")
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z fred rhea-system-\w+: -device",
                        done.stderr), done.stderr
    done = run("-msg", "timestamp", "-device", "bark")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z rhea", done.stderr), done.stderr
    refused("did you mean 'timestamp'", "-msg", "timestmap=on")


@suite.test
def writes_are_temporary():
    def sector(q, d, vq, kind, number, data=b"\0" * 512):
        head = d.memory.put(kind.to_bytes(4, "little") + bytes(4) + number.to_bytes(8, "little"))
        body, status = d.memory.put(data), d.memory.take(1)
        vq.add([(head, 16)] + ([(body, 512)] if kind else []),
               ([] if kind else [(body, 512)]) + [(status, 1)])
        vq.wait()
        assert d.memory.get(status, 1) == b"\0"
        return d.memory.get(body, 512)

    with rhea.scratch() as folder:
        disk = image(folder)
        with open(disk, "r+b") as f:
            f.write(b"old!" * 1024)
        os.chmod(disk, 0o444)
        for global_, local in ((["-snapshot"], ""), ([], ",snapshot=on"), (["-snapshot"], ",snapshot=on")):
            args = [*global_, "-drive", f"file={disk},format=raw,if=none,id=d{local}", "-device",
                    "virtio-blk-device,drive=d"]
            with Qtest(*args) as q:
                d = virtio.Mmio(q, virtio.Memory(q), virtio.BLOCK)
                d.start()
                vq = d.queue(0)
                d.ready()
                assert sector(q, d, vq, 0, 1) == b"old!" * 128
                sector(q, d, vq, 1, 1, b"new!" * 128)
                assert sector(q, d, vq, 0, 1) == b"new!" * 128
                assert sector(q, d, vq, 0, 2) == b"old!" * 128
                with Qtest(*args):                      # the image is only read: two may
                    pass
        with open(disk, "rb") as f:
            assert f.read(4096) == b"old!" * 1024
        out = accepted("-snapshot", "-drive", f"file={disk},format=raw,if=none,id=d",
                       lines=("info block", "quit"))
        assert "writes are temporary" in out, out
        env = dict(os.environ, TMPDIR="/no/such/dir")
        done = subprocess.run([rhea.emulator(), "-M", "virt", *QUIET, "-snapshot", "-drive",
                               f"file={disk},format=raw"], env=env, text=True, timeout=20, check=False,
                              capture_output=True)
        assert done.returncode == 1 and "'/no/such/dir'" in done.stderr, done.stderr


@suite.test
def rights_are_given_up():
    refused("no such user", "-run-with", "user=nobody-of-that-name")
    refused("chroot=/no/such/dir", "-run-with", "chroot=/no/such/dir")
    if os.geteuid() != 0:
        raise tap.Skip("only root has rights to give up")
    with rhea.scratch() as folder:
        os.chmod(folder, 0o755)
        for user in (["-runas", "12345:23456"], ["-run-with", "user=12345:23456"]):
            with rhea.Machine("-S", "-bios", "none", *user, "-run-with", f"chroot={folder}",
                              qmp=True) as m, m.qmp() as q:
                with open(f"/proc/{m.process.pid}/status", encoding="ascii") as f:
                    status = f.read()
                assert re.search(r"^Uid:\t12345\t12345\t12345\t12345$", status, re.M), status
                assert re.search(r"^Gid:\t23456\t23456\t23456\t23456$", status, re.M), status
                assert re.search(r"^Groups:\t23456 $", status, re.M), status
                assert os.readlink(f"/proc/{m.process.pid}/root") == folder
                q.command("quit")
                assert m.wait(20) == 0
        pidfile = os.path.join(folder, "pid")
        done = subprocess.run([rhea.emulator(), "-M", "none", "-display", "none", "-daemonize", "-pidfile",
                               pidfile, "-chroot", folder], timeout=20, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr
        with open(pidfile, encoding="ascii") as f:
            pid = int(f.read())
        os.kill(pid, 15)
        deadline = time.monotonic() + 10
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{pid}")


@suite.test
def memory_is_locked():
    with rhea.Machine("-S", "-bios", "none", "-overcommit", "mem-lock=on", qmp=True, memory="32M") as m:
        if "Cannot allocate" in m.errors() or "not permitted" in m.errors():
            raise tap.Skip("this process may not lock memory")
        with m.qmp() as q:
            with open(f"/proc/{m.process.pid}/status", encoding="ascii") as f:
                locked = int(re.search(r"^VmLck:\s*(\d+)", f.read(), re.M).group(1))
            assert locked >= 32 << 10, f"{locked} KiB"
            q.command("quit")


@suite.test
def flash_is_a_machine_property():
    with rhea.scratch() as folder:
        flash = image(folder, 32 << 20)
        out = accepted("-blockdev", f"driver=file,filename={flash},node-name=code,read-only=on", "-machine",
                       "pflash0=code", lines=("info block", "quit"))
        assert "code:" in out and "virt.flash0" in out, out
        refused("pflash1=bark", "-machine", "pflash1=bark")


if __name__ == "__main__":
    sys.exit(suite.run())
