# SPDX-License-Identifier: MIT

unit-tests += tests/unit/block/test-backend
tests/unit/block/test-backend-objs := block/backend.o block/graph.o block/file-posix.o block/node.o block/overlay.o \
    block/raw.o softmmu/util/error.o softmmu/util/fdset.o softmmu/util/iov.o softmmu/util/opts.o softmmu/util/json.o
