# SPDX-License-Identifier: MIT

ifeq ($(HOST)$(CONFIG_JIT),x86_64y)
unit-tests += tests/unit/tcg-host-x86_64/test-backend
tests/unit/tcg-host-x86_64/test-backend-objs := $(filter tcg/%,$(obj-y))
endif
