# SPDX-License-Identifier: MIT
# One program for each guest architecture: tests/golden/test-golden-riscv64 ...

ifeq ($(HOST)$(CONFIG_JIT),x86_64y)
golden-arches := $(filter riscv64 x86_64,$(TARGETS))
unit-tests += $(addprefix tests/golden/test-golden-,$(golden-arches))
golden-objs = tests/golden/golden.o $(filter-out softmmu/main.o,$(obj-y))
tests/golden/test-golden-riscv64-objs = $(golden-objs) $(obj-riscv64)
tests/golden/test-golden-x86_64-objs = $(golden-objs) $(obj-x86_64)
endif
