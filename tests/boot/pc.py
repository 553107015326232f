#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The PC from power-on: SeaBIOS on the serial line and on the screen, Debian's kernel to a shell."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))


def pc(*args, **kwargs):
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    return rhea.Machine("-M", "pc", *args, **kwargs)


@suite.test
def firmware_on_the_serial_line():
    with pc("-machine", "graphics=off") as m:
        m.expect("SeaBIOS", 60)
        m.expect("No bootable device", 60)
        for sequence in ("\033c", "\033[?7l", "\033[2J"):
            assert sequence not in m.log, "the user's terminal is left alone"


@suite.test
def boot_sector():
    """A sector of our own on a virtio disk: firmware loads it, it talks and ends the machine."""
    message = b"boot sector\r\n"
    code = bytes([0xbe, 0x19, 0x7c,             # mov $message, %si
                  0xba, 0xf8, 0x03,             # mov $0x3f8, %dx
                  0xfc, 0x31, 0xc0, 0x8e, 0xd8,  # cld; xor %ax, %ax; mov %ax, %ds
                  0xac, 0x84, 0xc0, 0x74, 0x03,  # 1: lodsb; test %al, %al; jz 2f
                  0xee, 0xeb, 0xf8,             # out %al, %dx; jmp 1b
                  0xb0, 0x15, 0xe6, 0xf4,       # 2: mov $0x15, %al; out %al, $0xf4
                  0xf4, 0x90])                  # hlt
    sector = (code + message + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    with rhea.scratch() as folder:
        path = os.path.join(folder, "disk")
        with open(path, "wb") as f:
            f.write(sector.ljust(1 << 20, b"\0"))
        with pc("-drive", f"file={path},format=raw,if=virtio", "-device",
                "isa-debug-exit,iobase=0xf4,iosize=4") as m:
            m.expect("boot sector", 60)
            assert m.process.wait(30) == 0x15 * 2 + 1


def boot_menu(*devices):
    """A key from the monitor opens the firmware's boot menu, which lists the disk."""
    with rhea.scratch() as folder:
        path = os.path.join(folder, "disk")
        with open(path, "wb") as f:
            f.truncate(1 << 20)
        with pc("-machine", "graphics=off", "-boot", "menu=on,splash-time=20000", "-drive",
                f"file={path},format=raw,if=virtio", *devices, qmp=True) as m, m.qmp() as q:
            m.expect("Press ESC for boot menu", 60)
            q.command("send-key", keys=[{"type": "qcode", "data": "esc"}])
            m.expect("Select boot device", 60)
            m.expect("Virtio disk", 60)


suite.add("boot-menu-by-key", boot_menu)
suite.add("boot-menu-by-usb-keyboard", boot_menu, "-machine", "i8042=off", "-device", "qemu-xhci", "-device",
          "usb-kbd")


@suite.test
def clear_answers():
    """A kernel that ends too early, a machine that is nearly there."""
    with rhea.scratch() as folder:
        kernel = bytearray(2 << 16)
        for at, data in ((0x1f1, b"\4"), (0x1f4, (0x10000 // 16 * 4).to_bytes(4, "little")), (0x202, b"HdrS\x0f\2"),
                         (0x211, b"\1")):
            kernel[at:at + len(data)] = data
        path = os.path.join(folder, "kernel")
        with open(path, "wb") as f:
            f.write(kernel)
        with pc("-kernel", path) as m:
            assert m.wait(20) == 1
            assert f"truncated: it has {2 << 16} bytes of {5 * 512 + (4 << 16)}" in m.errors(), m.errors()
    with pc("-M", "q36") as m:
        assert m.wait(20) == 1 and "did you mean 'q35'?" in m.errors(), m.errors()


@suite.test
def kernel_to_shell_on_q35():
    kernel_to_shell_on("q35")


@suite.test
def kernel_to_shell():
    kernel_to_shell_on("pc")


def kernel_to_shell_on(machine):
    """Its ACPI finds no fault with the tables, all CPUs are there, power goes off."""
    with pc("-M", machine, "-kernel", rhea.guest_file("Image"), "-initrd", rhea.guest_file("initrd.cpio"), "-append",
            "console=ttyS0 panic=-1", "-no-reboot", "-smp", "2", "-smbios", "type=1,serial=Rhea-1",
            memory="512M") as m:
        m.expect("Linux version", 60)
        assert "SeaBIOS" not in m.log, "no firmware noise before the kernel"
        m.expect("rhea# ", 120)
        for line in ("ACPI: Interpreter enabled", "supports S0 S3 S4 S5", "Using ACPI for IRQ routing",
                     "root bus resource", "Total of 2 processors activated"):
            assert line in m.log, line
        assert "ACPI Error" not in m.log and "ACPI BIOS" not in m.log
        assert m.run("cat /sys/class/dmi/id/product_serial") == "Rhea-1"
        assert m.run("cat /sys/class/dmi/id/sys_vendor") == "QEMU"
        m.send("poweroff -f\n")
        assert m.process.wait(60) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
