# SPDX-License-Identifier: MIT

unit-tests += tests/unit/softmmu/test-error
tests/unit/softmmu/test-error-objs := softmmu/util/error.o
