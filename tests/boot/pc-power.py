#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""System management mode, the power button, NMIs, as firmware and Linux use them."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rhea  # noqa: E402
import tap  # noqa: E402

suite = tap.Suite()
os.environ.setdefault("RHEA_EMULATOR", os.path.join(os.getcwd(), "rhea-system-x86_64"))


@suite.test
def uefi_with_smm():
    """OVMF whose variables only system management mode may write: two CPUs, memory above 4 GiB."""
    code = rhea.need_file("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "ovmf")
    with rhea.scratch() as folder:
        variables = os.path.join(folder, "vars")
        args = ["-M", "q35,smm=on", "-smp", "2", "-nodefaults", "-global",
                "driver=cfi.pflash01,property=secure,value=on", "-drive",
                f"if=pflash,format=raw,readonly=on,file={code}", "-drive", f"if=pflash,format=raw,file={variables}"]
        subprocess.run(["cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", variables], check=True)
        with rhea.Machine(*args, memory="3G") as m:
            m.expect("Shell> ", 300)
            m.send("set rhea kept-by-smm\r")
            m.expect("Shell> ", 60)
            m.send("reset -s\r")
            assert m.wait(60) == 0
        with open(variables, "rb") as f:
            assert "kept-by-smm".encode("utf-16-le") in f.read(), "the variable is not in the file"


if __name__ == "__main__":
    sys.exit(suite.run())
