#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""System management mode, the power button, NMIs, as firmware and Linux use them."""

import glob
import lzma
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402
from initrd import with_modules  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))


@suite.test
def uefi_with_smm():
    """OVMF whose variables only system management mode may write: two CPUs, memory above 4 GiB."""
    with rhea.scratch() as folder:
        args = ["-M", "q35,smm=on", "-smp", "2", "-nodefaults", *uefi(folder, ".secboot")]
        with rhea.Machine(*args, memory="3G") as m:
            m.expect("Shell> ", 300)
            m.send("set rhea kept-by-smm\r")
            m.expect("Shell> ", 60)
            m.send("reset -s\r")
            assert m.wait(60) == 0
        with open(os.path.join(folder, "vars"), "rb") as f:
            assert "kept-by-smm".encode("utf-16-le") in f.read(), "the variable is not in the file"


# What else wakes a guest that sleeps: its real-time clock.
ALARM = "alarm"


def uefi(folder, build=""):
    """Options for OVMF with variables of its own; secure: those that only system management mode may write."""
    code = rhea.need_file(f"/usr/share/OVMF/OVMF_CODE_4M{build}.fd", "ovmf")
    variables = os.path.join(folder, "vars")
    shutil.copyfile("/usr/share/OVMF/OVMF_VARS_4M.fd", variables)
    return ["-global", "driver=cfi.pflash01,property=secure,value=" + ("on" if build else "off"),
            "-drive", f"if=pflash,format=raw,readonly=on,file={code}", "-drive", f"if=pflash,format=raw,file={variables}"]


def linux(board, folder, *args, more=()):
    rhea.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    image = rhea.guest_file("Image")
    initrd = with_modules(folder, more, image, rhea.guest_file("initrd.cpio"))
    return rhea.Machine("-M", board, "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0", *args, memory="512M", qmp=True)


def power_button(board):
    """The button is an input device of the guest, which powers off then."""
    with rhea.scratch() as folder, linux(board, folder, more=("button", "evdev")) as m, m.qmp() as q:
        m.expect("rhea-guest: ready", 300)
        m.run("insmod /more/evdev.ko && insmod /more/button.ko")
        m.run("grep 'Power Button' /proc/bus/input/devices")
        event = re.search(r"event\d+", m.run("grep -l 'Power Button' /sys/class/input/event*/device/name")).group()
        m.run(f"exec 3< /dev/input/{event}")
        m.send("echo WAI''TS; head -c 24 <&3 > /tmp/event && echo PRES''SED && poweroff -f\n")
        m.expect("WAITS", 60)
        q.command("system_powerdown")
        q.wait_event("POWERDOWN")
        m.expect("PRESSED", 60)
        assert m.wait(60) == 0


suite.add("power-button-pc", power_button, "pc")
suite.add("power-button-q35", power_button, "q35")


def sleeps(board, *wakes, firmware=None):
    """Suspend to RAM and back by each of those commands; CPUs and the disk are there again."""
    with rhea.scratch() as folder:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.write(b"what was before" + bytes(1 << 20))
        args = [] if firmware is None else uefi(folder, firmware)
        with linux(board, folder, *args, "-smp", "2", "-drive", f"file={disk},format=raw,if=ide") as m, m.qmp() as q:
            q.sock.settimeout(120)
            m.expect("rhea-guest: ready", 300)
            assert "[deep]" in m.run("cat /sys/power/mem_sleep")
            m.run("dmesg -n 1; echo kept > /tmp/file")
            for wake in wakes:
                if wake == ALARM:
                    m.run("echo +6 > /sys/class/rtc/rtc0/wakealarm")
                m.send("echo mem > /sys/power/state; echo AWA''KE\n")
                q.wait_event("SUSPEND")
                assert q.command("query-status") == {"running": False, "status": "suspended"}
                # Saved and loaded it sleeps on.
                for command in ("savevm-file", "loadvm-file"):
                    assert q.command("human-monitor-command", command_line=f"{command} {folder}/state") == ""
                    assert q.command("query-status") == {"running": False, "status": "suspended"}
                q.command("stop")
                assert q.command("query-status")["status"] == "paused"
                q.command("cont")
                assert q.command("query-status")["status"] == "suspended"
                if wake != ALARM:
                    q.command(wake)
                q.wait_event("WAKEUP")
                m.expect("AWAKE", 120)
                assert m.run("cat /tmp/file; nproc").split() == ["kept", "2"]
                m.run("echo 3 > /proc/sys/vm/drop_caches")
                assert "what was before" in m.run("head -c 15 /dev/sda", 120)
            log = m.run("dmesg")
            assert "TSC warp" not in log, "the CPUs' counters begin together"
            refused = q.command("human-monitor-command", command_line="system_wakeup")
            assert "sleep" in refused, refused
            m.send("exit\n")
            assert m.wait(60) == 0


suite.add("sleeps-pc", sleeps, "pc", "system_wakeup", "system_powerdown", ALARM)
if os.environ.get("RHEA_SLOW"):
    suite.add("sleeps-q35", sleeps, "q35", "system_powerdown", "system_wakeup", ALARM)
    suite.add("sleeps-uefi", sleeps, "q35", "system_wakeup", ALARM, firmware="")
    suite.add("sleeps-uefi-smm", sleeps, "q35", "system_wakeup", ALARM, firmware=".secboot")


@suite.test
def no_sleep_and_nmi():
    """What clients turn off is not offered; an NMI reaches the kernel."""
    with rhea.scratch() as folder, linux("q35", folder, "-global", "ICH9-LPC.disable_s3=1", "-global",
                                         "ICH9-LPC.disable_s4=1") as m, m.qmp() as q:
        m.expect("rhea-guest: ready", 300)
        assert "deep" not in m.run("cat /sys/power/mem_sleep")
        assert "platform" not in m.run("cat /sys/power/disk")
        q.command("inject-nmi")
        m.expect("NMI received for unknown reason", 60)
        m.send("exit\n")
        assert m.wait(60) == 0


if __name__ == "__main__":
    sys.exit(suite.run())
