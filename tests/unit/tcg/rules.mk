# SPDX-License-Identifier: MIT

unit-tests += tests/unit/tcg/test-softfloat
tests/unit/tcg/test-softfloat-objs := tcg/softfloat.o tcg/softfloat-convert.o
