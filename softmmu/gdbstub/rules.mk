# SPDX-License-Identifier: MIT
# Objects of softmmu/gdbstub/: gdb's remote protocol.

obj-y += softmmu/gdbstub/gdb-cmds.o
obj-y += softmmu/gdbstub/gdbstub.o
