# SPDX-License-Identifier: MIT
# Whole machines.  "make check-boot" runs these alone; what scripts/guest-assets has not built is skipped.

boot-checks := tests/boot/own-guest.py tests/boot/errors.py tests/boot/fuzz.py tests/boot/firmware.py tests/boot/debian.py

slow-checks += $(boot-checks)

check-boot: all
	$(SRC)/tests/run $(addprefix $(SRC)/,$(boot-checks))

.PHONY: check-boot
