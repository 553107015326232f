# SPDX-License-Identifier: MIT

unit-tests += tests/unit/memory/test-memory
tests/unit/memory/test-memory-objs := $(memory-objs) softmmu/util/error.o

unit-tests += tests/unit/memory/test-access
tests/unit/memory/test-access-objs := $(memory-objs) softmmu/util/error.o

unit-tests += tests/unit/memory/test-ram
tests/unit/memory/test-ram-objs := $(memory-objs) softmmu/util/error.o

unit-tests += tests/unit/memory/test-irq
tests/unit/memory/test-irq-objs := softmmu/memory/irq.o softmmu/util/log.o softmmu/util/trace.o $(qom-objs)

unit-tests += tests/unit/memory/test-backend
tests/unit/memory/test-backend-objs := $(memory-objs) softmmu/memory/backend.o $(qom-objs)
