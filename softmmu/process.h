/* SPDX-License-Identifier: MIT */
/* What a machine that is complete wants done, whether it was built (main.c) or forked. */
#ifndef SOFTMMU_PROCESS_H
#define SOFTMMU_PROCESS_H

#include "cmdline.h"

/* Those of Setup.monitors. */
bool process_start_monitors(Setup *s, Error **errp) MUST_CHECK;
/* The main loop to its end, and that of the process. Machine lock held. */
NORETURN void process_run(Machine *m);

#endif
