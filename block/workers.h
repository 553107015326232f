/* SPDX-License-Identifier: MIT */
/* Threads that do the work of block/backend.c.  Not GLib's pool: a copy of the process could not use that. */
#ifndef BLOCK_WORKERS_H
#define BLOCK_WORKERS_H

/* @fn(@work) on a thread of its own, as soon as fewer than the limit are at work; any thread. */
void workers_push(void (*fn)(void *work), void *work);
/* How many work at a time; any thread. */
void workers_set_limit(unsigned limit);
/* In a copy of the process, where only the caller is left; no work was under way. */
void workers_after_fork(void);

#endif
