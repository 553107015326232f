# SPDX-License-Identifier: MIT

unit-tests += tests/unit/tcg/test-softfloat
tests/unit/tcg/test-softfloat-objs := tcg/softfloat.o tcg/softfloat-convert.o

unit-tests += tests/unit/tcg/test-ir tests/unit/tcg/test-opt-env tests/unit/tcg/test-opt-fold
tests/unit/tcg/test-ir-objs = $(ir-fixture-objs)
tests/unit/tcg/test-opt-env-objs = $(ir-fixture-objs)
tests/unit/tcg/test-opt-fold-objs = $(ir-fixture-objs)
unit-tests += tests/unit/tcg/test-ir-interp
tests/unit/tcg/test-ir-interp-objs = $(ir-fixture-objs)
