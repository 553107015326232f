# SPDX-License-Identifier: MIT
# Objects of softmmu/util/: base, on which everything stands.

obj-y += softmmu/util/error.o
obj-y += softmmu/util/fdset.o
obj-y += softmmu/util/iov.o
obj-y += softmmu/util/json.o
obj-y += softmmu/util/late-library.o
obj-y += softmmu/util/log.o
obj-y += softmmu/util/opts.o
obj-y += softmmu/util/uuid.o
obj-y += softmmu/util/report.o
obj-y += softmmu/util/terminal.o
obj-y += softmmu/util/trace.o
