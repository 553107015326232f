/* SPDX-License-Identifier: MIT */
/* The stub for gdb's remote protocol (-gdb, -s, the monitor's gdbserver). Machine lock, main thread. */
#ifndef SOFTMMU_GDBSTUB_H
#define SOFTMMU_GDBSTUB_H

#include "hw/machine.h"

/* Listens on @dev: "tcp::1234", "unix:PATH,server=on,wait=off", "chardev:ID"; "none" ends it. */
bool gdbstub_start(Machine *m, const char *dev, Error **errp) MUST_CHECK;
/* The process ends with @status: tells a connected gdb. */
void gdbstub_exit(int status);

#endif
