/* SPDX-License-Identifier: MIT */
/* Inside block/: what a backend consists of, for those who make backends. Machine lock. */
#ifndef BLOCK_BACKEND_H
#define BLOCK_BACKEND_H

#include "block-int.h"

/* Where finished requests wait for whoever completes them. */
typedef struct BlockFinished BlockFinished;

struct BlockBackend {
    char *name; /* drive or node id */
    BlockNode *node;
    BlockInterface iface;
    int index;
    bool cdrom;
    bool is_export; /* no drive: what is exported */
    bool may_write; /* an export that may be written to */
    void *owner;    /* the device that uses it */
    char *owner_name;
    void (*resized)(void *owner); /* NULL: it does not want to know */
    uint64_t told_size;           /* what it knows */
    unsigned in_flight;           /* machine lock */
    BlockFinished *finished;      /* changes while nothing is in flight */
    BlockOnError on_read_error, on_write_error;
    GQueue failed; /* requests that wait for the VM to go on */
    uint64_t reads, writes, flushes, read_bytes, written_bytes, errors;
};

/* @wake hears from any thread that there is something in an empty one, and lets block_finished_run() be called. */
BlockFinished *block_finished_new(void (*wake)(void *opaque), void *opaque);
void block_finished_free(BlockFinished *f);
/* In a copy of the process, where only the caller is left: the queue is empty. */
void block_finished_after_fork(BlockFinished *f);
/* Completes what has arrived. Machine lock. */
void block_finished_run(BlockFinished *f);
/* Nothing is in flight. NULL: in the main loop, as from the beginning. */
void block_set_finished(BlockBackend *blk, BlockFinished *f);

/* All of them, in the order in which they were made; NULL: there are no more. */
BlockBackend *block_backend_at(guint i);
/* By its name, exports left out; NULL: none. */
BlockBackend *block_backend_find(const char *name);
/* Owners hear of sizes that are not what they were. */
void block_backends_tell_sizes(void);
/* In a copy of the process, where only the caller is left; nothing was in flight. */
void block_backends_after_fork(void);
/* Takes over the reference of @node. */
BlockBackend *block_backend_new(const char *name, BlockNode *node);
/* Nothing is in flight. */
void block_backend_free(BlockBackend *blk);

#endif
