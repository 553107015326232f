# SPDX-License-Identifier: MIT
# Whole machines.  "make check-boot" runs these alone; what scripts/guest-assets has not built is skipped.
# The own guest is quick and shows at once when the machine does not run any more.

boot-checks-fast := tests/boot/own-guest.py tests/boot/x86-guest.py
boot-checks := tests/boot/errors.py tests/boot/fuzz.py tests/boot/firmware.py tests/boot/debian.py \
    tests/boot/virtio.py tests/boot/pc-linux.py tests/boot/pc.py tests/boot/pc-storage.py \
    tests/boot/pc-net.py tests/boot/pc-kernels.py
boot-checks += tests/boot/input.py tests/boot/pc-bridges.py tests/boot/pc-disks.py tests/boot/pc-modes.py
boot-checks += tests/boot/pc-power.py tests/boot/combinations.py

fast-checks += $(boot-checks-fast)
slow-checks += $(boot-checks)
long-checks += tests/boot/pc-systems.py tests/boot/pc-installer.py tests/boot/pc-debian-kernels.py tests/boot/pc-displays.py

check-boot: all
	$(SRC)/tests/run $(addprefix $(SRC)/,$(boot-checks-fast) $(boot-checks))

.PHONY: check-boot
