# SPDX-License-Identifier: MIT

obj-$(CONFIG_JIT) += accel/jit/jit.o
