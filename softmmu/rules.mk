# SPDX-License-Identifier: MIT
# Objects of softmmu/, one line a file; sub-folders have a rules.mk of their own.

include $(sort $(wildcard $(SRC)/softmmu/*/rules.mk))

obj-y += softmmu/machine-lock.o
obj-y += softmmu/main-loop.o
obj-y += softmmu/runstate.o
obj-y += softmmu/machine.o
obj-y += softmmu/cpu.o
obj-y += softmmu/cmdline-qmp.o
obj-y += softmmu/cmdline.o
obj-y += softmmu/device-add.o
obj-y += softmmu/event.o
obj-y += softmmu/fork.o
obj-y += softmmu/fork-child.o
obj-y += softmmu/options-host.o
obj-y += softmmu/options-machine.o
obj-y += softmmu/options-block.o
obj-y += softmmu/main.o
obj-y += softmmu/numa.o
obj-y += softmmu/process.o
obj-y += softmmu/options-net.o
obj-y += softmmu/options-process.o
obj-y += softmmu/qtest.o
