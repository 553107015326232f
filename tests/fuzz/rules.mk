# SPDX-License-Identifier: MIT
# A short slice with this build, in "make check".
slow-checks += tests/fuzz/fuzz.py

# "make fuzz FUZZ_SECONDS=600" runs at low priority, on a build with sanitizers of its own in fuzz-build/.

FUZZ_SECONDS ?= 300

fuzz:
	@mkdir -p fuzz-build
	cd fuzz-build && $(abspath $(SRC))/configure --cc='$(CC)' --enable-sanitizers=address,undefined >configure.log
	$(MAKE) -C fuzz-build $(TARGETS:%=rhea-system-%) $(tool-programs)
	cd fuzz-build && FUZZ_SECONDS=$(FUZZ_SECONDS) nice -n 19 python3 $(abspath $(SRC))/tests/fuzz/fuzz.py

.PHONY: fuzz
