# SPDX-License-Identifier: MIT
# Objects of softmmu/monitor/: HMP and QMP.

obj-y += softmmu/monitor/monitor.o
obj-y += softmmu/monitor/qmp.o
obj-y += softmmu/monitor/readline.o
obj-y += softmmu/monitor/balloon.o
obj-y += softmmu/monitor/block-bitmap.o
obj-y += softmmu/monitor/block-job.o
obj-y += softmmu/monitor/block-transaction.o
obj-y += softmmu/monitor/export.o
obj-y += softmmu/monitor/hmp-cmds.o
obj-y += softmmu/monitor/hmp-info.o
obj-y += softmmu/monitor/input.o
obj-y += softmmu/monitor/memsave.o
obj-y += softmmu/monitor/pci.o
obj-y += softmmu/monitor/qmp-block.o
obj-y += softmmu/monitor/qmp-char.o
obj-y += softmmu/monitor/qmp-cmds.o
obj-y += softmmu/monitor/qmp-cpu.o
obj-y += softmmu/monitor/qmp-fd.o
obj-y += softmmu/monitor/qmp-machine.o
obj-y += softmmu/monitor/screendump.o
obj-y += softmmu/monitor/qmp-net.o
obj-y += softmmu/monitor/qmp-qom.o
obj-y += softmmu/monitor/qmp-schema.o
obj-y += softmmu/monitor/qmp-type.o
obj-y += softmmu/monitor/snapshot.o
