/* SPDX-License-Identifier: MIT */
/*
 * Inside block/: what a kind of job consists of.  Its work, run(), is straight-line blocking code on the job's
 * own thread; everything else runs in the main loop under the machine lock.
 */
#ifndef BLOCK_JOB_INT_H
#define BLOCK_JOB_INT_H

#include "block-int.h"
#include "block/dirty-bitmap.h"
#include "block/job.h"

typedef struct JobType {
    const char *name; /* as clients know it: "mirror" */
    bool block_job;   /* false: without what only block jobs have */
    bool completes;   /* becomes ready, and then waits for the user */
    /* 0, or a negative errno; with job_step() after each piece of work. */
    int (*run)(Job *j);
    /* The graph is quiet.  Makes the result lasting; false: the job has failed after all. NULL: nothing to do. */
    bool (*finish)(Job *j, Error **errp);
    /* The last call, behind finish() or without it; the graph is quiet. @ok: the job succeeded. */
    void (*clean)(Job *j, bool ok);
} JobType;

/*
 * @opaque is what job_opaque() gives.  On failure nothing is called.  The job begins with job_start(); from here
 * on either that or job_abandon() follows.
 */
Job *job_new(const JobType *type, const char *default_id, const JobOptions *options, void *opaque,
             Error **errp);
void *job_opaque(Job *j);
/* Nobody else may change the graph around @n until the job has gone; an error names who already does. */
bool job_claim(Job *j, BlockNode *n, Error **errp) MUST_CHECK;

/* --- On the job's thread --- */

/*
 * @bytes of work are done: waits while the job is paused, and as long as its speed limit asks.  False: the job
 * shall end, run() returns -ECANCELED.
 */
bool job_step(Job *j, uint64_t bytes);
/* There is more to do than was said. Any thread. */
void job_add_total(Job *j, uint64_t bytes);
/* What was done by others, a guest's write for instance. Any thread. */
void job_add_done(Job *j, uint64_t bytes);
/* The user may complete. */
void job_set_ready(Job *j);
/* Ready, and the user wants the end: by completing it, or by cancelling softly. */
bool job_wants_end(Job *j);
/* The user has completed it. */
bool job_completed(const Job *j);
/* Waits for a while, or until the user asks for something. False: the job shall end. */
bool job_idle(Job *j);
/* A request failed: true: try it again (the user has resumed the job), *ret is 0: go on without it. */
bool job_retry(Job *j, bool write, int *ret);
/* The job fails with @ret when it next looks. Any thread. */
void job_fail(Job *j, int ret);

/* --- Copying --- */

/* An active image that is committed is mirrored to @base, which has become writable. */
bool job_commit_active(const CommitSpec *spec, BlockNode *top, BlockNode *base, Error **errp);

/* Bytes that somebody works on; others wait. */
typedef struct RangeLock {
    GMutex lock;
    GCond freed;
    GSList *held;
} RangeLock;
void range_lock_init(RangeLock *r);
void range_lock_fini(RangeLock *r);
void range_lock(RangeLock *r, uint64_t offset, uint64_t len);
void range_unlock(RangeLock *r, uint64_t offset);

enum { JOB_CHUNK = 1 << 20 }; /* bytes copied in one go at most */
/* The next bytes of @b from *offset on, about JOB_CHUNK and whole granules, so that they can be reset. */
bool job_next_dirty(DirtyBitmap *b, uint64_t *offset, uint64_t *len);
/* Copies from @from to @to, zeroes as zeroes; *write says which side failed.  Compressed: whole clusters of @to. */
int job_copy(BlockNode *from, BlockNode *to, uint64_t offset, uint64_t len, bool compress,
             bool *write);
/* Marks in @b what @n has above @base (NULL: also what is stored nowhere counts as zeroes, and is not marked). */
int job_mark_allocated(Job *j, BlockNode *n, BlockNode *base, DirtyBitmap *b);

/* --- Nodes --- */

/* The node that a drive or node name stands for, which no job has claimed. */
BlockNode *job_source(const char *device, Error **errp);
/*
 * What the job reads @source through: filters with a name that @device names or has, so that their limits and
 * errors are the job's, too.  Without those that hold a lock around requests, as a hook may wait inside one.
 */
BlockNode *job_reader(const char *device, BlockNode *source);
/* The target's node, open and writable, with a reference; sync=top files get @backing. */
BlockNode *job_target(const CopyTarget *t, BlockNode *source, JobSync sync, Error **errp);
/* By node-name or file name in the chain from @n down. */
BlockNode *job_in_chain(BlockNode *n, const char *file, const char *node, Error **errp);

#endif
