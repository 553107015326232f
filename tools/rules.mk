# SPDX-License-Identifier: MIT
# Programs beside the emulators; each links its own objects and those it names.

# The block layer without what needs a main loop.
tool-objs := $(filter-out block/backend.o block/drive.o block/export.o block/graph-change.o block/iothread.o block/on-error.o block/reopen.o block/job%.o block/throttle-group.o block/secret-object.o block/tls-object.o,$(filter block/%,$(obj-y))) softmmu/util/error.o softmmu/util/fdset.o \
    softmmu/util/iov.o softmmu/util/json.o softmmu/util/late-library.o softmmu/util/opts.o softmmu/util/report.o

io-objs := $(patsubst %,tools/io/%.o,command print session transfer) $(tool-objs)

rhea-img-objs := $(patsubst %,tools/img/%.o,amend bitmap chain check compare convert copy create info io main measure) $(io-objs)
rhea-io-objs := tools/io/main.o $(io-objs)
rhea-nbd-objs := tools/nbd/main.o $(tool-objs)

tool-programs := rhea-img rhea-io rhea-nbd
