/* SPDX-License-Identifier: MIT */
/*
 * A machine as a stream of bytes, which may lie in a file or in the disks.  VM stopped, machine lock held;
 * messages name the stream @name.
 */
#ifndef SNAPSHOT_MACHINE_STREAM_H
#define SNAPSHOT_MACHINE_STREAM_H

#include "snapshot/snapshot.h"

bool machine_stream_save(struct Machine *m, FILE *f, const char *name, Error **errp) MUST_CHECK;
/* Into a regular file that is empty, so that loading can map its memory. */
bool machine_file_save(struct Machine *m, FILE *f, const char *name, Error **errp) MUST_CHECK;
/* Whether it is of a machine like this one; reads only the stream's beginning. */
bool machine_stream_check(struct Machine *m, FILE *f, const char *name, Error **errp) MUST_CHECK;
bool machine_stream_load(struct Machine *m, FILE *f, const char *name, Error **errp) MUST_CHECK;

#endif
