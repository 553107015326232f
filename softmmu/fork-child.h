/* SPDX-License-Identifier: MIT */
/* A forked machine: what makes the copy of a process one that can go on by itself. */
#ifndef SOFTMMU_FORK_CHILD_H
#define SOFTMMU_FORK_CHILD_H

#include "softmmu/fork.h"

/* One option that was asked for; the strings are the caller's. */
typedef struct ForkOption {
    const struct Option *option;
    const char *arg; /* NULL: it has none */
} ForkOption;

/* ForkOption of @words (NULL-terminated), g_array_unref(); NULL: something is no option for a forked machine. */
GArray *fork_options_parse(const char *const *words, Error **errp);

typedef struct ForkChild {
    const ForkSpec *spec;
    const GArray *options; /* ForkOption */
    unsigned n;
    pid_t parent;
    int ready_fd; /* takes FORK_READY, or the text of an error */
} ForkChild;

#define FORK_READY '\0'

/* In the new process: it is machine number @c->n from here on. */
NORETURN void fork_child_run(Machine *m, const ForkChild *c);

#endif
