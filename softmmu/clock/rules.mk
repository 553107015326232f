# SPDX-License-Identifier: MIT
# Clocks and timers.

obj-y += softmmu/clock/clock.o
