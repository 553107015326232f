/* SPDX-License-Identifier: MIT */
/*
 * "-object iothread": a thread of its own for what comes back from a disk.  The work itself is done by the
 * worker threads of all drives; what such a thread does is completing requests under the machine lock, without
 * waiting for the main loop's turn.
 */
#ifndef BLOCK_IOTHREAD_H
#define BLOCK_IOTHREAD_H

#include "block/block.h"
#include "qom/object.h"

#define TYPE_IOTHREAD "iothread"

/* The links of devices: "iothread=NAME"; the field is Object *. */
extern const char *const iothread_type_names[];
#define IOTHREAD_PROP(S, field)                                                                    \
    PROP_LINK("iothread", S, field, iothread_type_names, "thread that completes the requests")

/* @blk's requests complete on that thread (NULL: in the main loop), until it is detached; nothing is in flight. */
void blk_set_iothread(BlockBackend *blk, Object *iothread);

/* In a copy of the process, which has the objects and not their threads. */
void iothreads_after_fork(void);

typedef struct IoThreadInfo {
    const char *id;
    int64_t thread_id;
    uint64_t poll_max_ns, poll_grow, poll_shrink, max_batch;
} IoThreadInfo;
/* @obj is an iothread. */
IoThreadInfo iothread_info(Object *obj);

#endif
