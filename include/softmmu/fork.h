/* SPDX-License-Identifier: MIT */
/*
 * More machines like this one, each in a process of its own that goes on from this one's state.  The VM is
 * stopped, machine lock, main thread.
 *
 * A new process is a copy of this one by fork(2): memory, translated code and devices are there, shared until
 * somebody writes.  What it has not got are the threads, and what it must not touch is what belongs to this one alone:
 * connections, files that are written to.  Every module says what that means for it in a function X_after_fork(),
 * which runs in the copy, by its only thread; softmmu/fork-child.c calls them.
 */
#ifndef SOFTMMU_FORK_H
#define SOFTMMU_FORK_H

#include "hw/machine.h"

enum { FORKS_MAX = 256 };

typedef struct ForkSpec {
    unsigned count; /* 1..FORKS_MAX */
    bool keep;      /* they live on when this process ends */
    /* File of the overlays that disks get, "{n}" and "{disk}" in it; NULL: see block/fork.h. */
    const char *overlay;
    /* Options of theirs, NULL-terminated; "{n}" stands for the number of each. */
    const char *const *options;
} ForkSpec;

typedef struct Forked {
    unsigned n; /* the first ever has 1 */
    int pid;
} Forked;

/* What a disk of this machine writes to from now on; NULL: a file without a name. */
typedef struct ForkedDisk {
    char *disk, *file;
} ForkedDisk;

typedef struct ForkResult {
    GArray *machines; /* Forked */
    GArray *disks;    /* ForkedDisk */
} ForkResult;

void fork_result_init(ForkResult *r);
void fork_result_fini(ForkResult *r);

/* All are there, in @result; or none is, and this one is as it was. */
bool machine_fork(Machine *m, const ForkSpec *spec, ForkResult *result, Error **errp) MUST_CHECK;

#endif
