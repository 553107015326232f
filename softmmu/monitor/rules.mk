# SPDX-License-Identifier: MIT
# Objects of softmmu/monitor/: HMP and QMP.

obj-y += softmmu/monitor/monitor.o
obj-y += softmmu/monitor/qmp.o
obj-y += softmmu/monitor/readline.o
