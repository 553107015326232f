# SPDX-License-Identifier: MIT
# The object tree.

obj-y += softmmu/qom/bus.o
obj-y += softmmu/qom/device.o
obj-y += softmmu/qom/global.o
obj-y += softmmu/qom/help.o
obj-y += softmmu/qom/object.o
obj-y += softmmu/qom/path.o
obj-y += softmmu/qom/props.o
obj-y += softmmu/qom/type.o

# What a unit test of anything that has objects links.
qom-objs := softmmu/util/error.o softmmu/util/json.o softmmu/util/opts.o softmmu/qom/bus.o \
            softmmu/qom/device.o softmmu/qom/global.o softmmu/qom/help.o softmmu/qom/object.o \
            softmmu/qom/path.o softmmu/qom/props.o softmmu/qom/type.o
