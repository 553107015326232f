# SPDX-License-Identifier: MIT

unit-tests += tests/unit/softmmu/test-error
tests/unit/softmmu/test-error-objs := softmmu/util/error.o
unit-tests += tests/unit/softmmu/test-opts
tests/unit/softmmu/test-opts-objs := softmmu/util/error.o softmmu/util/json.o softmmu/util/opts.o
unit-tests += tests/unit/softmmu/test-base
tests/unit/softmmu/test-base-objs :=
unit-tests += tests/unit/softmmu/test-main-loop
tests/unit/softmmu/test-main-loop-objs := softmmu/main-loop.o softmmu/machine-lock.o softmmu/clock/clock.o
unit-tests += tests/unit/softmmu/test-machine-lock
tests/unit/softmmu/test-machine-lock-objs := softmmu/machine-lock.o
