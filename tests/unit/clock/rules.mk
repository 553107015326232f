# SPDX-License-Identifier: MIT

unit-tests += tests/unit/clock/test-clock
tests/unit/clock/test-clock-objs := softmmu/clock/clock.o
