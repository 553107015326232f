# SPDX-License-Identifier: MIT
# What the translating accelerators share.

obj-y += accel/core/access.o
obj-y += accel/core/block-cache.o
obj-y += accel/core/block-hash.o
obj-y += accel/core/context.o
obj-y += accel/core/debug.o
obj-y += accel/core/engine.o
obj-y += accel/core/exclusive.o
obj-y += accel/core/exec-loop.o
obj-y += accel/core/icount.o
obj-y += accel/core/smc.o
obj-y += accel/core/softtlb.o
obj-y += accel/core/translate.o
