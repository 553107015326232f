# SPDX-License-Identifier: MIT

unit-tests += tests/unit/snapshot/test-stream
tests/unit/snapshot/test-stream-objs := softmmu/snapshot/stream.o softmmu/clock/clock.o \
                                        softmmu/util/error.o
