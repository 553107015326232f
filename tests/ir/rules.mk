# SPDX-License-Identifier: MIT
# Random IR through every way to run it.

tcg-ir-objs := tcg/env.o tcg/expand.o tcg/ir.o tcg/ir-interp.o tcg/ir-parse.o tcg/ir-print.o \
    tcg/ir-verify.o tcg/op-helpers.o tcg/opt.o tcg/opt-bits.o tcg/opt-dce.o \
    tcg/opt-env.o tcg/opt-fold.o tcg/softfloat.o tcg/softfloat-convert.o \
    tcg/vec-crypto.o tcg/vec-fp.o tcg/vec-helpers.o tcg/vec-int.o

# The target and machine that blocks in tests are made for, with everything that runs them.
ir-fixture-objs := tests/ir/fixture.o tests/ir/ir-text.o $(tcg-ir-objs)

unit-tests += tests/ir/test-random
tests/ir/test-random-objs := tests/ir/random-ir.o $(ir-fixture-objs)

ifeq ($(CONFIG_JIT),y)
unit-tests += tests/ir/test-backend
tests/ir/test-backend-objs := tests/ir/random-ir.o tests/ir/fixture.o tests/ir/ir-text.o $(filter tcg/%,$(obj-y))
endif
