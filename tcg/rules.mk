# SPDX-License-Identifier: MIT
# Objects of tcg/, one line a file; sub-folders have a rules.mk of their own.

obj-y += tcg/env.o
obj-y += tcg/ir.o
obj-y += tcg/ir-parse.o
obj-y += tcg/ir-print.o
obj-y += tcg/ir-verify.o
obj-y += tcg/op-helpers.o

include $(sort $(wildcard $(SRC)/tcg/*/rules.mk) $(wildcard $(SRC)/tcg/host/$(HOST)/rules.mk))
