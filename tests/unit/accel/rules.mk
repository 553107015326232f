# SPDX-License-Identifier: MIT

accel-objs := $(filter accel/% tcg/% softmmu/qom/% softmmu/memory/% softmmu/clock/% \
                       softmmu/snapshot/stream.o softmmu/util/%,$(obj-y)) \
              softmmu/machine.o softmmu/numa.o softmmu/machine-lock.o softmmu/cpu.o

unit-tests += tests/unit/accel/test-engine
tests/unit/accel/test-engine-objs := tests/unit/accel/toy.o $(accel-objs)
unit-tests += tests/unit/accel/test-access
tests/unit/accel/test-access-objs := tests/unit/accel/toy.o $(accel-objs)
unit-tests += tests/unit/accel/test-smc
tests/unit/accel/test-smc-objs := tests/unit/accel/toy.o $(accel-objs)
unit-tests += tests/unit/accel/test-lockstep
tests/unit/accel/test-lockstep-objs := tests/unit/accel/toy.o $(accel-objs)
unit-tests += tests/unit/accel/test-icount
tests/unit/accel/test-icount-objs := tests/unit/accel/toy.o $(accel-objs)
ifeq ($(CONFIG_JIT),y)
unit-tests += tests/unit/accel/test-store
tests/unit/accel/test-store-objs := accel/jit/store.o accel/jit/store-file.o $(filter softmmu/util/%,$(obj-y))
endif
