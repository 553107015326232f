# SPDX-License-Identifier: MIT

unit-tests += tests/unit/softmmu/test-error
tests/unit/softmmu/test-error-objs := softmmu/util/error.o
unit-tests += tests/unit/softmmu/test-opts
tests/unit/softmmu/test-opts-objs := softmmu/util/error.o softmmu/util/json.o softmmu/util/opts.o
