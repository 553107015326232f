# SPDX-License-Identifier: MIT
# Whole machines.  "make check-boot" runs these alone; what scripts/guest-assets has not built is skipped.
# The own guest is quick and shows at once when the machine does not run any more.

boot-checks-fast := tests/boot/own-guest.py tests/boot/x86-guest.py
boot-checks := tests/boot/errors.py
boot-checks += tests/boot/fuzz.py
boot-checks += tests/boot/firmware.py
boot-checks += tests/boot/debian.py
boot-checks += tests/boot/virtio.py
boot-checks += tests/boot/pc-linux.py
boot-checks += tests/boot/pc.py
boot-checks += tests/boot/pc-storage.py
boot-checks += tests/boot/pc-net.py
boot-checks += tests/boot/pc-kernels.py
boot-checks += tests/boot/input.py
boot-checks += tests/boot/pc-bridges.py
boot-checks += tests/boot/pc-disks.py
boot-checks += tests/boot/pc-curses.py
boot-checks += tests/boot/pc-sdl.py
boot-checks += tests/boot/pc-modes.py
boot-checks += tests/boot/pc-power.py
boot-checks += tests/boot/combinations.py

fast-checks += $(boot-checks-fast)
slow-checks += $(boot-checks)
long-checks += tests/boot/pc-systems.py
long-checks += tests/boot/pc-installer.py
long-checks += tests/boot/pc-debian-kernels.py
long-checks += tests/boot/pc-displays.py
long-checks += tests/boot/browser.py
long-checks += tests/boot/pc-screens.py

check-boot: all
	$(SRC)/tests/run $(addprefix $(SRC)/,$(boot-checks-fast) $(boot-checks))

.PHONY: check-boot
