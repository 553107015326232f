/* SPDX-License-Identifier: MIT */
/*
 * Images around a copy of the process (softmmu/fork.h).  What is written to freezes: it becomes the backing file of
 * an overlay of this process, and of one of each copy.  VM stopped, machine lock, main thread.
 */
#ifndef BLOCK_FORK_H
#define BLOCK_FORK_H

#include "rhea/error.h"

/*
 * Before: an overlay in front of each image that is written to.  @path: its file, where "{disk}" stands for the
 * drive's name and "{n}" for 0; NULL: a new one beside the image, "IMAGE.fork-1".
 * On failure all is as it was.
 */
bool block_before_fork(const char *path, Error **errp) MUST_CHECK;
/* There is no copy: all is as it was before. */
void block_fork_failed(void);
/* In the first process. */
void block_fork_done(void);
/* In copy @n: overlays of its own in the place of those; @path NULL: files without names. */
bool block_after_fork(const char *path, unsigned n, Error **errp) MUST_CHECK;
/* What the first one writes to from now on: fn(drive, file), for those that were made by block_before_fork(). */
void block_fork_foreach(void (*fn)(const char *disk, const char *file, void *opaque), void *opaque);

#endif
