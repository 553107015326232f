# SPDX-License-Identifier: MIT
# Tests: every folder adds to unit-tests (GLib programs), fast-checks and slow-checks (scripts).
#
#   unit-tests += tests/unit/tcg/test-ir
#   tests/unit/tcg/test-ir-objs := tcg/ir.o tcg/ir-print.o
#   fast-checks += tests/style/layers.py      runs in check-fast and check
#   slow-checks += tests/boot/linux.py        runs in check only; emits TAP

fast-checks :=
slow-checks :=

include $(sort $(wildcard $(SRC)/tests/*/rules.mk) $(wildcard $(SRC)/tests/unit/*/rules.mk))

check-fast: all $(unit-tests)
	$(SRC)/tests/run $(unit-tests) $(addprefix $(SRC)/,$(fast-checks))

check: all $(unit-tests)
	$(SRC)/tests/run $(unit-tests) $(addprefix $(SRC)/,$(fast-checks) $(slow-checks))

.PHONY: check-fast check
