# SPDX-License-Identifier: MIT
# Tests: every folder adds to unit-tests (GLib programs), fast-checks and slow-checks (scripts).
#
#   unit-tests += tests/unit/tcg/test-ir
#   tests/unit/tcg/test-ir-objs := tcg/ir.o tcg/ir-print.o
#   fast-checks += tests/style/layers.py      runs in check-fast and check
#   slow-checks += tests/boot/linux.py        runs in check only; emits TAP
#   long-checks += tests/build/builds.py      runs in check-slow only

fast-checks :=
slow-checks :=
long-checks :=

include $(sort $(wildcard $(SRC)/tests/*/rules.mk) $(wildcard $(SRC)/tests/unit/*/rules.mk))

# With --enable-sanitizers=thread.
export TSAN_OPTIONS ?= suppressions=$(abspath $(SRC))/tests/tsan.supp

# Translations that machines keep stay in the build folder.
export XDG_CACHE_HOME := $(CURDIR)/tests/cache

check-fast: all $(unit-tests)
	$(SRC)/tests/run $(unit-tests) $(addprefix $(SRC)/,$(fast-checks))

check: all $(unit-tests)
	$(SRC)/tests/run $(unit-tests) $(addprefix $(SRC)/,$(fast-checks) $(slow-checks))

debian-kernels := stock-trixie stock-bookworm cloud-bookworm 686-bookworm 686-pae-bookworm

# Everything, and what takes many minutes: another compiler, a kernel with symbols, an hour's worth of seeds.
check-slow: all $(unit-tests)
	$(SRC)/scripts/setup test slow
	-$(SRC)/scripts/debug-kernel
	-$(SRC)/scripts/installer-mirror
	-$(SRC)/scripts/browser-driver
	-for kernel in $(debian-kernels); do $(SRC)/scripts/guest-assets --kernel $$kernel || true; done
	RHEA_SLOW=1 $(SRC)/tests/run $(unit-tests) $(addprefix $(SRC)/,$(fast-checks) $(slow-checks) $(long-checks))

.PHONY: check-fast check check-slow
