# SPDX-License-Identifier: MIT
# "make bench": in turns with Debian's emulator.  ROW= selects rows or classes, ROUNDS= how often,
# BENCH_ARCH= the guest's architecture.

BENCH_ARCH ?= riscv64

bench: all
	$(SRC)/tests/bench/run.py --rhea ./rhea-system-$(BENCH_ARCH) $(if $(ROW),--row "$(ROW)") $(if $(ROUNDS),--rounds $(ROUNDS))

# "make profile ROW=...": where the time of rows goes; CODE= how many hot blocks to show as host code.
profile: all
	$(SRC)/tests/bench/profile.py --rhea ./rhea-system-$(BENCH_ARCH) $(if $(ROW),--row "$(ROW)") $(if $(CODE),--code $(CODE))

.PHONY: bench profile
