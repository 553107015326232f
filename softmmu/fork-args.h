/* SPDX-License-Identifier: MIT */
/* The command line of a forked machine: ours, without what is this process's own, and options of its own. */
#ifndef SOFTMMU_FORK_ARGS_H
#define SOFTMMU_FORK_ARGS_H

#include "hw/machine.h"

/* One option that was asked for. */
typedef struct ForkOption {
    const struct Option *option;
    const char *name, *arg; /* the caller's */
    char *id;               /* NULL: it has none */
} ForkOption;

/* ForkOption of @words (NULL-terminated), g_array_unref(); NULL: something is no option. */
GArray *fork_options_parse(const char *const *words, Error **errp);
/* Whether they replace the drive or block device @id. */
bool fork_options_replace_disk(const GArray *options, const char *id);
/* argv of machine number @n, which is loaded from the file @state; g_strfreev(). */
char **fork_args(Machine *m, const GArray *options, unsigned n, const char *state);

#endif
