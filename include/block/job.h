/* SPDX-License-Identifier: MIT */
/*
 * Jobs: long work on images while the guest runs.  A job has a thread of its own; what makes its result lasting
 * runs in the main loop.  This is what the monitor sees; block/job-int.h is for those who write jobs.
 * Main thread, machine lock.
 */
#ifndef BLOCK_JOB_H
#define BLOCK_JOB_H

#include "block/block.h"

typedef struct Job Job;

typedef enum JobStatus {
    JOB_CREATED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_READY,     /* source and target are alike; the user may complete */
    JOB_STANDBY,   /* paused while ready */
    JOB_WAITING,   /* its own work is done */
    JOB_PENDING,   /* waits for the user's job-finalize */
    JOB_ABORTING,  /* failed or cancelled; cleans up */
    JOB_CONCLUDED, /* kept until the user's job-dismiss */
    JOB_NULL,      /* gone */
} JobStatus;
extern const char *const job_status_names[]; /* in the order of JobStatus */

typedef struct JobInfo {
    const char *id, *type;
    bool block_job; /* for query-block-jobs and the block jobs' events too */
    JobStatus status;
    uint64_t done, total, speed; /* speed: bytes a second, 0: no limit */
    bool busy, paused, ready, auto_finalize, auto_dismiss;
    int stopped_by;    /* the error (-errno) for which it pauses, 0: none */
    const char *error; /* NULL: none */
} JobInfo;

Job *job_find(const char *id, Error **errp); /* any; NULL with an error */
Job *job_find_block(const char *id, Error **errp);
void job_foreach(void (*fn)(void *opaque, const JobInfo *info), void *opaque);

bool job_pause(Job *j, Error **errp) MUST_CHECK;
bool job_resume(Job *j, Error **errp) MUST_CHECK;
bool job_set_speed(Job *j, uint64_t speed, Error **errp) MUST_CHECK;
/* Unless @force, a job that is ready ends as if completed, but leaves the graph alone. */
bool job_cancel(Job *j, bool force, Error **errp) MUST_CHECK;
bool job_complete(Job *j, Error **errp) MUST_CHECK;
bool job_finalize(Job *j, Error **errp) MUST_CHECK;
bool job_dismiss(Job *j, Error **errp) MUST_CHECK;
/* At the end of the process: all are cancelled, and have gone when it returns. */
void job_cancel_all(void);

/* --- Jobs of one call --- */

typedef enum JobCallKind {
    JOB_CALL_SNAPSHOT_SAVE,
    JOB_CALL_SNAPSHOT_LOAD,
    JOB_CALL_SNAPSHOT_DELETE,
} JobCallKind;
typedef bool (*JobCallFn)(void *opaque, Error **errp);
/* @fn runs in the main loop, soon; the job stays until it is dismissed.  Ends with @free, on failure too. */
bool job_call(JobCallKind kind, const char *id, JobCallFn fn, void *opaque, GDestroyNotify free,
              Error **errp) MUST_CHECK;

/* --- Making block jobs --- */

/* What all of them have; the spec begins with it. */
typedef struct JobOptions {
    const char *id; /* NULL: the device's name */
    uint64_t speed;
    bool manual_finalize, manual_dismiss;
    BlockOnError on_read_error, on_write_error; /* STOP pauses the job, REPORT fails it */
} JobOptions;

typedef enum JobSync {
    JOB_SYNC_FULL,        /* all that the guest sees */
    JOB_SYNC_TOP,         /* what the top image has */
    JOB_SYNC_NONE,        /* only what is written from now on */
    JOB_SYNC_INCREMENTAL, /* what a bitmap says; it starts anew */
    JOB_SYNC_BITMAP,      /* what a bitmap says; see BitmapMode */
} JobSync;
extern const char *const job_sync_names[]; /* in the order of JobSync */

typedef struct StreamSpec {
    JobOptions job;
    const char *device;           /* drive or node; its image takes what the files below have */
    const char *base, *base_node; /* file or node that stays below, NULL both: nothing */
    const char *bottom;           /* or: the lowest node that goes away */
    const char *backing_file;     /* what the image says of it, NULL: its name */
} StreamSpec;
bool job_stream(const StreamSpec *spec, Error **errp) MUST_CHECK;

typedef struct CommitSpec {
    JobOptions job;
    const char *device;
    const char *top, *top_node;   /* file or node; NULL both: the active image */
    const char *base, *base_node; /* NULL both: the lowest of all */
    const char *backing_file;     /* what the image above says afterwards, NULL: base's name */
} CommitSpec;
bool job_commit(const CommitSpec *spec, Error **errp) MUST_CHECK;

/* Where a copy goes: a node, or a file that is made. */
typedef struct CopyTarget {
    const char *node; /* NULL: a file */
    const char *file;
    const char *format;   /* NULL: as the source */
    const char *new_node; /* node-name for the new one, NULL: none */
    bool existing;        /* the file is there already */
} CopyTarget;

typedef struct MirrorSpec {
    JobOptions job;
    const char *device;
    CopyTarget target;
    JobSync sync;
    uint64_t granularity; /* 0: what suits */
    bool write_blocking;  /* a write of the guest completes when both images have it */
    const char *replaces; /* node that the target takes the place of, NULL: the source */
} MirrorSpec;
bool job_mirror(const MirrorSpec *spec, Error **errp) MUST_CHECK;

typedef enum BitmapMode {
    BITMAP_ON_SUCCESS, /* cleared if the backup succeeds */
    BITMAP_NEVER,
    BITMAP_ALWAYS, /* cleared of what was copied, even if the backup fails */
} BitmapMode;

typedef struct BackupSpec {
    JobOptions job;
    const char *device;
    CopyTarget target;
    JobSync sync;
    const char *bitmap; /* for the syncs with one */
    BitmapMode bitmap_mode;
    bool compress;
} BackupSpec;
bool job_backup(const BackupSpec *spec, Error **errp) MUST_CHECK;

/*
 * In two steps, inside block_graph_change_begin(): the backup has the data of the time when it is prepared, and
 * is then started, or abandoned.
 */
Job *job_backup_prepare(const BackupSpec *spec, Error **errp);
void job_start(Job *j);
void job_abandon(Job *j);

#endif
