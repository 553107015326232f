/* SPDX-License-Identifier: MIT */
/*
 * More machines like this one, each in a process of its own that goes on from this one's state.  The VM is
 * stopped, machine lock, main thread.
 */
#ifndef SOFTMMU_FORK_H
#define SOFTMMU_FORK_H

#include "hw/machine.h"

enum { FORKS_MAX = 256 };

typedef struct ForkSpec {
    unsigned count; /* 1..FORKS_MAX */
    bool keep;      /* they live on when this process ends */
    /*
     * Options of theirs, NULL-terminated; "{n}" stands for the number of each.  One with an id replaces ours with the
     * same option and id.
     */
    const char *const *options;
} ForkSpec;

typedef struct Forked {
    unsigned n; /* the first ever has 1 */
    int pid;
} Forked;

/* What was started is appended to @forked (Forked), after a failure, too. */
bool machine_fork(Machine *m, const ForkSpec *spec, GArray *forked, Error **errp) MUST_CHECK;

#endif
