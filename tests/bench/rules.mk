# SPDX-License-Identifier: MIT
# "make bench": in turns with Debian's emulator.  ROW= selects rows or classes, ROUNDS= how often.

bench: all
	$(SRC)/tests/bench/run.py $(if $(ROW),--row "$(ROW)") $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench
