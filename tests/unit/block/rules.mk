# SPDX-License-Identifier: MIT
# Most link what the tools do: the block layer without what needs a main loop.

unit-tests += tests/unit/block/test-backend
tests/unit/block/test-backend-objs := $(tool-objs) block/backend.o block/drive.o block/on-error.o block/graph-change.o

unit-tests += tests/unit/block/test-direct
tests/unit/block/test-direct-objs := $(tool-objs)

unit-tests += tests/unit/block/test-qcow2
tests/unit/block/test-qcow2-objs := $(tool-objs)

unit-tests += tests/unit/block/test-qcow2-threads
tests/unit/block/test-qcow2-threads-objs := $(tool-objs)

unit-tests += tests/unit/block/test-dirty-bitmap
tests/unit/block/test-dirty-bitmap-objs := $(tool-objs)

unit-tests += tests/unit/block/test-power-cut
tests/unit/block/test-power-cut-objs := $(tool-objs)

unit-tests += tests/unit/block/test-workers
tests/unit/block/test-workers-objs := block/workers.o
