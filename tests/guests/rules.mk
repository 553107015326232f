# SPDX-License-Identifier: MIT
# The kept guest binaries: "make guests" rebuilds them, manifest.py checks them.

fast-checks += tests/guests/manifest.py

guests:
	$(SRC)/tests/guests/update

.PHONY: guests
