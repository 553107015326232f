# SPDX-License-Identifier: MIT
"""El Torito discs with loaders on them, and firmware in flash."""

import os
import shutil
import subprocess

import rhea

SERIAL = "serial\nterminal_input serial\nterminal_output serial\n"


def grub_disc(folder, script=SERIAL, **files):
    """GRUB with that configuration and those files in /boot, name=path."""
    rhea.need_tool("grub-mkrescue")
    rhea.need_tool("xorriso")
    tree, iso = os.path.join(folder, "tree"), os.path.join(folder, "grub.iso")
    os.makedirs(f"{tree}/boot/grub")
    for name, path in files.items():
        shutil.copy(path, f"{tree}/boot/{name}")
    with open(f"{tree}/boot/grub/grub.cfg", "w", encoding="ascii") as f:
        f.write(script)
    subprocess.run(["grub-mkrescue", "-o", iso, tree], check=True, capture_output=True)
    return iso


def isolinux_disc(folder, config, files=(), modules=()):
    """ISOLINUX with that configuration, those files and those of its modules beside it."""
    loader = rhea.need_file("/usr/lib/ISOLINUX/isolinux.bin", "isolinux")
    place = os.path.dirname(rhea.need_file("/usr/lib/syslinux/modules/bios/menu.c32", "syslinux-common"))
    tree, iso = os.path.join(folder, "tree"), os.path.join(folder, "disc.iso")
    os.makedirs(f"{tree}/isolinux")
    for path in (loader, *(f"{place}/{name}.c32" for name in ("ldlinux", *modules)), *files):
        shutil.copy(path, f"{tree}/isolinux")
    with open(f"{tree}/isolinux/isolinux.cfg", "w", encoding="ascii") as f:
        f.write(config)
    subprocess.run([rhea.need_tool("xorriso"), "-as", "mkisofs", "-quiet", "-o", iso, "-b", "isolinux/isolinux.bin",
                    "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree],
                   check=True, stderr=subprocess.DEVNULL)
    return iso


MENU = """SERIAL 0 115200
UI menu.c32
MENU TITLE Rhea discs
LABEL first
  MENU LABEL First entry
  KERNEL /none
LABEL second
  MENU LABEL Second entry
  KERNEL /isolinux/second
"""


def menu_disc(folder):
    """ISOLINUX with a menu of two entries, "Rhea discs"; neither entry's kernel is there."""
    return isolinux_disc(folder, MENU, modules=("menu", "libutil", "libcom32"))


def flash(folder, kind="_4M"):
    """OVMF from flash, with fresh variables in the file "vars" of the folder."""
    code = rhea.need_file(f"/usr/share/OVMF/OVMF_CODE{kind}.fd", "ovmf")
    variables = os.path.join(folder, "vars")
    shutil.copy(f"/usr/share/OVMF/OVMF_VARS{kind.split('.')[0]}.fd", variables)
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={code}", "-drive",
            f"if=pflash,format=raw,file={variables}"]
