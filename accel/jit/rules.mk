# SPDX-License-Identifier: MIT

obj-$(CONFIG_JIT) += accel/jit/jit.o
obj-$(CONFIG_JIT) += accel/jit/lockstep.o
obj-$(CONFIG_JIT) += accel/jit/persist.o
obj-$(CONFIG_JIT) += accel/jit/store.o
obj-$(CONFIG_JIT) += accel/jit/store-file.o
