#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 500
"""Debian's kernel reads keyboards, mice and tablets, of virtio and on USB, through its evdev interface."""

import glob
import importlib.machinery
import importlib.util
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import cpio  # noqa: E402
import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
VIRTIO = ("virtio_input", "evdev")
USB = ("xhci_pci", "hid_generic", "usbhid", "evdev")
KEY, REL, ABS = 1, 2, 3
LEFT = 0x110


def guest_assets():
    path = os.path.join(rhea.TOP, "scripts", "guest-assets")
    loader = importlib.machinery.SourceFileLoader("guest_assets", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("guest_assets", loader))
    loader.exec_module(module)
    return module


def add_modules(folder, wanted, flavour):
    """The guests' initrd with more modules, which the kernel unpacks one after the other."""
    kernel = rhea.guest_file(flavour + "kernel")
    tree, = glob.glob(kernel + "/usr/lib/modules/*") or glob.glob(kernel + "/lib/modules/*")
    order = guest_assets().load_order(tree, wanted)
    path = os.path.join(folder, "initrd")
    with open(path, "wb") as f:
        with open(rhea.guest_file(flavour + "initrd.cpio"), "rb") as base:
            f.write(base.read())
        f.write(b"\0" * (-f.tell() % 4))
        archive = cpio.Archive(f)
        for name, data in order:
            archive.data(f"more/{name}.ko", data)
        archive.data("more/order", "".join(n + "\n" for n, _ in order))
        archive.close()
    return path


def linux(folder, wanted, *devices, flavour=""):
    """@flavour is the folder of a kernel other than the guests' own."""
    return rhea.Machine("-kernel", rhea.guest_file(flavour + "Image"), "-initrd",
                        add_modules(folder, wanted, flavour), "-append", "console=ttyS0", *devices,
                        memory="512M", qmp=True)


def load(m, count):
    """Loads the modules and waits for the devices: their files by name."""
    m.expect(r"rhea-guest: ready", 180)
    m.run("while read -r n; do insmod /more/$n.ko 2>/dev/null; done < /more/order", 60)
    m.run(f"until [ $(ls /dev/input 2>/dev/null | grep -c event) -ge {count} ]; do sleep 1; done", 120)
    text = m.run("for e in /sys/class/input/event*; do echo ${e##*/}=$(cat $e/device/name); done")
    return {line.split("=", 1)[1]: line.split("=", 1)[0] for line in text.split("\n") if "=" in line}


class Reader:
    """Collects a device's events in the guest while input comes."""

    def __init__(self, m, event, size):
        self.m, self.size = m, size
        m.run(f"rm -f /tmp/events; head -c {24 * size} /dev/input/{event} > /tmp/events & sleep 1")

    def events(self):
        text = self.m.run("wait; hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/events", 120)
        rows = [struct.unpack("<16xHHi", bytes.fromhex(line)) for line in text.split() if len(line) == 48]
        return [r for r in rows if r[0] in (KEY, REL, ABS)]


def send(q, *events):
    q.command("input-send-event", events=[{"type": kind, "data": data} for kind, data in events])


def key(name, down):
    return "key", {"key": {"type": "qcode", "data": name}, "down": down}


def button(down):
    return "btn", {"button": "left", "down": down}


def find(devices, word):
    name, = [n for n in devices if word in n and ("Virtio" in n or "USB" in n)]
    return devices[name]


def drives(wanted, *devices, flavour=""):
    with rhea.scratch() as folder, linux(folder, wanted, *devices, flavour=flavour) as m, m.qmp() as q:
        names = load(m, 3)
        typed = Reader(m, find(names, "Keyboard"), 4 if wanted is VIRTIO else 6)
        send(q, key("a", True), key("a", False))
        got = typed.events()
        assert got == [(KEY, 30, 1), (KEY, 30, 0)], got
        # The tablet is the current pointer; the mouse takes movements all the same.
        pointed = Reader(m, find(names, "Tablet"), 6)
        send(q, ("abs", {"axis": "x", "value": 1000}), ("abs", {"axis": "y", "value": 30000}), button(True),
             button(False))
        got = pointed.events()
        assert [e for e in got if e[0] == ABS] == [(ABS, 0, 1000), (ABS, 1, 30000)], got
        assert (KEY, LEFT, 1) in got, got
        moved = Reader(m, find(names, "Mouse"), 3)
        send(q, ("rel", {"axis": "x", "value": -5}), ("rel", {"axis": "y", "value": 9}))
        assert moved.events() == [(REL, 0, -5), (REL, 1, 9)]


suite.add("virtio", drives, VIRTIO, "-device", "virtio-keyboard-device", "-device", "virtio-mouse-pci", "-device",
          "virtio-tablet-device")
suite.add("usb", drives, USB, "-device", "qemu-xhci", "-device", "usb-kbd", "-device", "usb-mouse", "-device",
          "usb-tablet")


def on_pc(*args, **options):
    before = os.environ.get("RHEA_EMULATOR")
    os.environ["RHEA_EMULATOR"] = os.path.join(os.path.dirname(rhea.emulator()), "rhea-system-x86_64")
    try:
        drives(*args, **options)
    finally:
        if before is None:
            del os.environ["RHEA_EMULATOR"]
        else:
            os.environ["RHEA_EMULATOR"] = before


suite.add("virtio-pc", on_pc, VIRTIO, "-M", "q35", "-device", "virtio-keyboard-pci", "-device", "virtio-mouse-pci",
          "-device", "virtio-tablet-pci")
suite.add("usb-pc", on_pc, USB, "-M", "pc", "-usbdevice", "keyboard", "-usbdevice", "mouse", "-usbdevice", "tablet",
          flavour="stock-trixie/")


@suite.test
def usb_hot_plug():
    """Devices come and go while the guest runs."""
    with rhea.scratch() as folder, linux(folder, USB, "-device", "qemu-xhci,id=x", "-device",
                                         "usb-kbd,id=k") as m, m.qmp() as q:
        load(m, 1)
        q.command("device_add", driver="usb-tablet", id="t", bus="x.0")
        m.run("until grep -q 'USB Tablet' /proc/bus/input/devices; do sleep 1; done", 120)
        assert "USB Tablet" in q.command("human-monitor-command", **{"command-line": "info usb"})
        q.command("device_del", id="t")
        m.run("while grep -q 'USB Tablet' /proc/bus/input/devices; do sleep 1; done", 120)
        assert "USB Tablet" not in q.command("human-monitor-command", **{"command-line": "info usb"})


if __name__ == "__main__":
    sys.exit(suite.run())
