/* SPDX-License-Identifier: MIT */
/* Jobs whose work is one call in the main loop: what clients expect of a job, for what needs the machine. */
#include "rhea/osdep.h"

#include "job-int.h"

typedef struct Call {
    JobCallFn fn;
    GDestroyNotify free;
    void *opaque;
} Call;

static bool call_finish(Job *j, Error **errp)
{
    Call *call = job_opaque(j);

    job_add_done(j, 1);
    return call->fn(call->opaque, errp);
}

static void call_clean(Job *j, bool ok)
{
    Call *call = job_opaque(j);

    call->free(call->opaque);
    g_free(call);
}

static const JobType types[] = {
    [JOB_CALL_SNAPSHOT_SAVE] = {"snapshot-save", .finish = call_finish, .clean = call_clean},
    [JOB_CALL_SNAPSHOT_LOAD] = {"snapshot-load", .finish = call_finish, .clean = call_clean},
    [JOB_CALL_SNAPSHOT_DELETE] = {"snapshot-delete", .finish = call_finish, .clean = call_clean},
};

bool job_call(JobCallKind kind, const char *id, JobCallFn fn, void *opaque, GDestroyNotify free,
              Error **errp)
{
    JobOptions options = {.id = id, .manual_dismiss = true};
    Call *call = g_new(Call, 1);
    Job *j;

    *call = (Call){fn, free, opaque};
    j = job_new(&types[kind], NULL, &options, call, errp);
    if (!j) {
        free(opaque);
        g_free(call);
        return false;
    }
    job_add_total(j, 1);
    job_start(j);
    return true;
}
