# SPDX-License-Identifier: MIT
# Programs beside the emulators; each links its own objects and those it names.

# What of the block layer needs a main loop, one a line.
loop-objs += block/backend.o
loop-objs += block/drive.o
loop-objs += block/export.o
loop-objs += block/fork.o
loop-objs += block/graph-change.o
loop-objs += block/iothread.o
loop-objs += block/on-error.o
loop-objs += block/reopen.o
loop-objs += block/job%.o
loop-objs += block/throttle-group.o
loop-objs += block/secret-object.o
loop-objs += block/tls-object.o

# The block layer without that.
tool-objs := $(filter-out $(loop-objs),$(filter block/%,$(obj-y))) softmmu/util/error.o softmmu/util/fdset.o \
    softmmu/util/iov.o softmmu/util/json.o softmmu/util/late-library.o softmmu/util/opts.o softmmu/util/report.o

io-objs := $(patsubst %,tools/io/%.o,command print session transfer) $(tool-objs)

rhea-img-objs := $(patsubst %,tools/img/%.o,amend bitmap chain check compare convert copy create info io main measure) $(io-objs)
rhea-io-objs := tools/io/main.o $(io-objs)
rhea-nbd-objs := tools/nbd/main.o $(tool-objs)

tool-programs := rhea-img rhea-io rhea-nbd
