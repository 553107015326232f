# SPDX-License-Identifier: MIT
# Programs beside the emulators; each links its own objects and those it names.

rhea-img-objs := $(patsubst %,tools/img/%.o,chain check compare convert copy create info io main measure) \
    $(filter-out block/backend.o block/on-error.o,$(filter block/%,$(obj-y))) softmmu/util/error.o softmmu/util/fdset.o softmmu/util/iov.o softmmu/util/json.o \
    softmmu/util/opts.o softmmu/util/report.o

tool-programs := rhea-img
