# SPDX-License-Identifier: MIT

obj-y += accel/interp/interp.o
