/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that the user hands over: sets of them (-add-fd, add-fd), which file options open as
 * "/dev/fdset/N", and named ones (getfd).  Machine lock.
 */
#ifndef RHEA_FDSET_H
#define RHEA_FDSET_H

#include "rhea/error.h"

/* open(2) that knows /dev/fdset/N: a duplicate of the member with the access mode of @flags. */
int file_open_fd(const char *path, int flags, int mode);

/* Adds @fd, which is the set's from now on, to set @id (< 0: a new one); the set's number. */
int64_t fdset_add(int64_t id, int fd, const char *opaque);
/* @fd < 0: all of the set. */
bool fdset_remove(int64_t id, int64_t fd, Error **errp) MUST_CHECK;
void fdset_foreach(void (*fn)(void *arg, int64_t id, int fd, const char *opaque), void *arg);

/* A descriptor by name; a former one of that name is closed. */
void fd_named_add(const char *name, int fd);
/* Gives it away (-1: there is none). */
int fd_named_take(const char *name);

#endif
