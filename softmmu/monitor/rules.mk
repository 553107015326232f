# SPDX-License-Identifier: MIT
# Objects of softmmu/monitor/: HMP and QMP.

obj-y += softmmu/monitor/monitor.o
obj-y += softmmu/monitor/qmp.o
obj-y += softmmu/monitor/readline.o
obj-y += softmmu/monitor/hmp-balloon.o
obj-y += softmmu/monitor/hmp-cmds.o
obj-y += softmmu/monitor/hmp-info.o
obj-y += softmmu/monitor/qmp-cmds.o
