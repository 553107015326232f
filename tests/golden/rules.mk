# SPDX-License-Identifier: MIT

ifeq ($(HOST)$(CONFIG_JIT),x86_64y)
ifneq ($(filter riscv64,$(TARGETS)),)
unit-tests += tests/golden/test-golden
tests/golden/test-golden-objs = $(filter-out softmmu/main.o,$(obj-y)) $(obj-riscv64)
endif
endif
