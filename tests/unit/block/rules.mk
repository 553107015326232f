# SPDX-License-Identifier: MIT

block-objs := $(filter block/%,$(obj-y)) softmmu/util/error.o softmmu/util/fdset.o softmmu/util/iov.o \
    softmmu/util/json.o softmmu/util/opts.o
unit-tests += tests/unit/block/test-backend
tests/unit/block/test-backend-objs := $(block-objs)

unit-tests += tests/unit/block/test-direct
tests/unit/block/test-direct-objs := $(filter-out block/backend.o block/on-error.o,$(block-objs))

unit-tests += tests/unit/block/test-qcow2
tests/unit/block/test-qcow2-objs := $(filter-out block/backend.o block/on-error.o,$(block-objs))

unit-tests += tests/unit/block/test-qcow2-threads
tests/unit/block/test-qcow2-threads-objs := $(filter-out block/backend.o block/on-error.o,$(block-objs))
