# SPDX-License-Identifier: MIT
# Objects of tcg/, one line a file; sub-folders have a rules.mk of their own.

obj-y += tcg/env.o
obj-y += tcg/expand.o
obj-y += tcg/ir.o
obj-y += tcg/ir-interp.o
obj-y += tcg/ir-parse.o
obj-y += tcg/ir-print.o
obj-y += tcg/ir-verify.o
obj-y += tcg/op-helpers.o
obj-y += tcg/opt.o
obj-y += tcg/opt-bits.o
obj-y += tcg/opt-dce.o
obj-y += tcg/opt-env.o
obj-y += tcg/opt-fold.o
obj-y += tcg/softfloat.o
obj-y += tcg/softfloat-convert.o
obj-y += tcg/vec-crypto.o
obj-y += tcg/vec-fp.o
obj-y += tcg/vec-helpers.o
obj-y += tcg/vec-int.o

include $(sort $(wildcard $(SRC)/tcg/*/rules.mk) $(wildcard $(SRC)/tcg/host/$(HOST)/rules.mk))
