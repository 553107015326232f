# SPDX-License-Identifier: MIT

obj-$(CONFIG_JIT) += accel/jit/jit.o
obj-$(CONFIG_JIT) += accel/jit/lockstep.o
