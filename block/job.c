/* SPDX-License-Identifier: MIT */
/*
 * The life of jobs, alike for all kinds: created, running, perhaps ready, waiting, pending, concluded; and what
 * the user may ask of them meanwhile.
 * Threading: a job's thread changes the fields under the lock and defers job_update(), which is all that looks at
 * them in the main loop and tells clients.  Status, lists and graph belong to the main loop.
 */
#include "rhea/osdep.h"

#include "job-int.h"
#include "on-error.h"
#include "rhea/defer.h"
#include "rhea/json.h"
#include "softmmu/runstate.h"

const char *const job_status_names[] = {"created",   "running", "paused",  "ready",
                                        "standby",   "waiting", "pending", "aborting",
                                        "concluded", "null",    NULL};
const char *const job_sync_names[] = {"full", "top", "none", "incremental", "bitmap", NULL};

/* A request of the job that failed, for the event. */
typedef struct Failure {
    bool write;
    const char *action;
} Failure;

struct Job {
    const JobType *type;
    char *id;
    void *opaque;
    bool manual_finalize, manual_dismiss;
    BlockOnError on_read_error, on_write_error;
    GSList *claimed; /* BlockNode *, with references */
    GThread *thread;
    int refs;
    /* main loop */
    JobStatus status;
    bool told_ready;
    char *error;
    GMutex lock;
    GCond wake;
    /* under lock */
    uint64_t done, total, speed;
    int64_t next_us; /* the speed limit lets the job go on at that time */
    bool user_paused, resting, idling, ready, want_complete, want_cancel, force;
    bool ended;
    int ret, failed;
    int stopped_by;  /* the error for which it pauses, 0: none */
    GQueue failures; /* Failure * */
};

static GPtrArray *jobs; /* Job *, each with a reference */

/* --- Telling clients --- */

static void emit(const char *event, JsonObject *data)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_take_object(node, data);
    text = json_text(node, false);
    event_emit(event, text);
}

static void set_status(Job *j, JobStatus status)
{
    JsonObject *data;

    if (j->status == status) {
        return;
    }
    j->status = status;
    data = json_object_new();
    json_object_set_string_member(data, "id", j->id);
    json_object_set_string_member(data, "status", job_status_names[status]);
    emit("JOB_STATUS_CHANGE", data);
}

static void emit_block_job(Job *j, const char *event)
{
    JsonObject *data;

    if (!j->type->block_job) {
        return;
    }
    data = json_object_new();
    json_object_set_string_member(data, "type", j->type->name);
    json_object_set_string_member(data, "device", j->id);
    g_mutex_lock(&j->lock);
    json_object_set_int_member(data, "len", (gint64)j->total);
    json_object_set_int_member(data, "offset", (gint64)j->done);
    json_object_set_int_member(data, "speed", (gint64)j->speed);
    g_mutex_unlock(&j->lock);
    if (j->error) {
        json_object_set_string_member(data, "error", j->error);
    }
    emit(event, data);
}

static void emit_failure(Job *j, const Failure *f)
{
    JsonObject *data = json_object_new();

    json_object_set_string_member(data, "device", j->id);
    json_object_set_string_member(data, "operation", f->write ? "write" : "read");
    json_object_set_string_member(data, "action", f->action);
    emit("BLOCK_JOB_ERROR", data);
}

static void emit_pending(Job *j)
{
    JsonObject *data;

    if (j->type->block_job) {
        data = json_object_new();
        json_object_set_string_member(data, "type", j->type->name);
        json_object_set_string_member(data, "id", j->id);
        emit("BLOCK_JOB_PENDING", data);
    }
}

/* --- Lives --- */

static void job_unref(Job *j)
{
    if (__atomic_sub_fetch(&j->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        g_queue_clear_full(&j->failures, g_free);
        g_mutex_clear(&j->lock);
        g_cond_clear(&j->wake);
        g_free(j->error);
        g_free(j->id);
        g_free(j);
    }
}

static Job *job_lookup(const char *id)
{
    for (guint i = 0; jobs && i < jobs->len; i++) {
        Job *j = g_ptr_array_index(jobs, i);

        if (!strcmp(j->id, id)) {
            return j;
        }
    }
    return NULL;
}

Job *job_new(const JobType *type, const char *default_id, const JobOptions *options, void *opaque,
             Error **errp)
{
    const char *id = options->id ? options->id : default_id;
    Job *j;

    if (!id || !*id) {
        error_fail(errp, "An explicit job ID is required for this node");
        return NULL;
    }
    if (job_lookup(id)) {
        error_fail(errp, "Job ID '%s' already in use", id);
        return NULL;
    }
    j = g_new0(Job, 1);
    j->type = type;
    j->id = g_strdup(id);
    j->opaque = opaque;
    j->speed = options->speed;
    j->manual_finalize = options->manual_finalize;
    j->manual_dismiss = options->manual_dismiss;
    j->on_read_error = options->on_read_error;
    j->on_write_error = options->on_write_error;
    j->refs = 1;
    j->status = JOB_NULL;
    g_mutex_init(&j->lock);
    g_cond_init(&j->wake);
    g_queue_init(&j->failures);
    jobs = jobs ? jobs : g_ptr_array_new();
    g_ptr_array_add(jobs, j);
    set_status(j, JOB_CREATED);
    return j;
}

void *job_opaque(Job *j)
{
    return j->opaque;
}

static void release_claims(Job *j)
{
    for (GSList *l = j->claimed; l; l = l->next) {
        BlockNode *n = l->data;

        n->claimant = NULL;
        block_node_unref(n);
    }
    g_clear_pointer(&j->claimed, g_slist_free);
}

bool job_claim(Job *j, BlockNode *n, Error **errp)
{
    if (n->claimant == j) {
        return true;
    }
    if (!block_unclaimed(n, errp)) {
        return false;
    }
    n->claimant = j;
    n->claimed_for = j->type->name;
    j->claimed = g_slist_prepend(j->claimed, block_node_ref(n));
    return true;
}

/* --- Endings; main loop --- */

static void vanish(Job *j)
{
    set_status(j, JOB_NULL);
    g_ptr_array_remove(jobs, j);
    job_unref(j);
}

static void conclude(Job *j, bool cancelled)
{
    emit_block_job(j, cancelled ? "BLOCK_JOB_CANCELLED" : "BLOCK_JOB_COMPLETED");
    set_status(j, JOB_CONCLUDED);
    if (!j->manual_dismiss) {
        vanish(j);
    }
}

static void settle(Job *j, bool ok)
{
    if (j->type->clean) {
        j->type->clean(j, ok);
    }
    j->opaque = NULL;
    release_claims(j);
}

static void fail_and_conclude(Job *j, const char *why, bool cancelled)
{
    set_status(j, JOB_ABORTING);
    if (!cancelled) {
        j->error = g_strdup(why);
    }
    block_graph_change_begin();
    settle(j, false);
    block_graph_change_end();
    conclude(j, cancelled);
}

static void finish(Job *j)
{
    g_autoptr(Error) err = NULL;
    bool ok;

    block_graph_change_begin();
    ok = !j->type->finish || j->type->finish(j, &err);
    if (ok) {
        settle(j, true);
    }
    block_graph_change_end();
    if (ok) {
        conclude(j, false);
    } else {
        fail_and_conclude(j, error_text(err), false);
    }
}

static void ended(Job *j)
{
    int ret;

    if (j->thread) {
        g_thread_join(j->thread);
        j->thread = NULL;
    }
    g_mutex_lock(&j->lock);
    ret = j->failed ? j->failed : j->ret;
    ret = j->force ? -ECANCELED : ret;
    g_mutex_unlock(&j->lock);
    if (ret) {
        fail_and_conclude(j, g_strerror(-ret), ret == -ECANCELED);
        return;
    }
    set_status(j, JOB_WAITING);
    set_status(j, JOB_PENDING);
    if (j->manual_finalize) {
        emit_pending(j);
    } else {
        finish(j);
    }
}

/* --- From the job's thread to the main loop --- */

static bool is_working(const Job *j)
{
    return j->status >= JOB_RUNNING && j->status <= JOB_STANDBY;
}

static void job_update(Job *j)
{
    bool ready, resting, over;
    Failure *f;

    if (!is_working(j)) {
        return;
    }
    g_mutex_lock(&j->lock);
    while ((f = g_queue_pop_head(&j->failures))) {
        g_mutex_unlock(&j->lock);
        emit_failure(j, f);
        g_free(f);
        g_mutex_lock(&j->lock);
    }
    ready = j->ready;
    resting = j->resting;
    over = j->ended;
    g_mutex_unlock(&j->lock);
    if (ready && !j->told_ready) {
        j->told_ready = true;
        set_status(j, JOB_READY);
        emit_block_job(j, "BLOCK_JOB_READY");
    }
    if (over) {
        ended(j);
        return;
    }
    set_status(j, ready ? (resting ? JOB_STANDBY : JOB_READY) : resting ? JOB_PAUSED : JOB_RUNNING);
}

static void job_update_deferred(void *opaque)
{
    job_update(opaque);
    job_unref(opaque);
}

static void defer_update(Job *j)
{
    __atomic_add_fetch(&j->refs, 1, __ATOMIC_RELAXED);
    main_loop_defer(job_update_deferred, j);
}

static void *job_thread(void *opaque)
{
    Job *j = opaque;
    int ret = j->type->run ? j->type->run(j) : 0;

    g_mutex_lock(&j->lock);
    j->ret = ret;
    j->ended = true;
    g_mutex_unlock(&j->lock);
    defer_update(j);
    job_unref(j);
    return NULL;
}

void job_start(Job *j)
{
    set_status(j, JOB_RUNNING);
    __atomic_add_fetch(&j->refs, 1, __ATOMIC_RELAXED);
    j->thread = g_thread_new("job", job_thread, j);
}

void job_abandon(Job *j)
{
    settle(j, false);
    vanish(j);
}

/* --- What the job's thread calls --- */

/* The lock is held. */
static bool must_end(const Job *j)
{
    return j->failed || (j->want_cancel && (j->force || !j->ready));
}

static void rest(Job *j)
{
    while (j->user_paused && !must_end(j)) {
        if (!j->resting) {
            j->resting = true;
            defer_update(j);
        }
        g_cond_wait(&j->wake, &j->lock);
    }
    if (j->resting) {
        j->resting = false;
        defer_update(j);
    }
}

static void keep_to_speed(Job *j)
{
    while (j->speed && j->next_us > g_get_monotonic_time() && !must_end(j) && !j->user_paused) {
        g_cond_wait_until(&j->wake, &j->lock, j->next_us);
    }
}

bool job_step(Job *j, uint64_t bytes)
{
    int64_t now = g_get_monotonic_time();
    bool go_on;

    g_mutex_lock(&j->lock);
    j->done = MIN(j->done + bytes, j->total);
    if (j->speed) {
        uint64_t us = (uint64_t)((double)bytes * G_USEC_PER_SEC / (double)j->speed);

        j->next_us = MAX(j->next_us, now) + (int64_t)us;
        keep_to_speed(j);
    }
    rest(j);
    go_on = !must_end(j);
    g_mutex_unlock(&j->lock);
    return go_on;
}

void job_add_total(Job *j, uint64_t bytes)
{
    g_mutex_lock(&j->lock);
    j->total += bytes;
    g_mutex_unlock(&j->lock);
}

void job_add_done(Job *j, uint64_t bytes)
{
    g_mutex_lock(&j->lock);
    j->done = MIN(j->done + bytes, j->total);
    g_mutex_unlock(&j->lock);
}

void job_set_ready(Job *j)
{
    g_mutex_lock(&j->lock);
    if (!j->ready) {
        j->ready = true;
        j->done = j->total;
        defer_update(j);
    }
    g_mutex_unlock(&j->lock);
}

bool job_wants_end(Job *j)
{
    bool end;

    g_mutex_lock(&j->lock);
    end = j->ready && (j->want_complete || j->want_cancel);
    g_mutex_unlock(&j->lock);
    return end;
}

bool job_completed(const Job *j)
{
    return j->want_complete;
}

bool job_idle(Job *j)
{
    bool go_on;

    g_mutex_lock(&j->lock);
    rest(j);
    if (!must_end(j) && !(j->ready && (j->want_complete || j->want_cancel))) {
        j->idling = true;
        g_cond_wait_until(&j->wake, &j->lock, g_get_monotonic_time() + G_USEC_PER_SEC / 20);
        j->idling = false;
    }
    go_on = !must_end(j);
    g_mutex_unlock(&j->lock);
    return go_on;
}

bool job_retry(Job *j, bool write, int *ret)
{
    static const char *const actions[] = {"report", "ignore", "stop"};
    BlockFate fate = block_on_error_fate(write ? j->on_write_error : j->on_read_error, *ret);
    Failure *f = g_new0(Failure, 1);
    bool again;

    f->write = write;
    f->action = actions[fate];
    g_mutex_lock(&j->lock);
    g_queue_push_tail(&j->failures, f);
    defer_update(j);
    if (fate == BLOCK_FATE_STOP) {
        j->user_paused = true;
        j->stopped_by = *ret;
        rest(j);
        j->stopped_by = 0;
    }
    again = fate == BLOCK_FATE_STOP && !must_end(j);
    g_mutex_unlock(&j->lock);
    *ret = fate == BLOCK_FATE_IGNORE ? 0 : *ret;
    return again;
}

void job_fail(Job *j, int ret)
{
    g_mutex_lock(&j->lock);
    j->failed = j->failed ? j->failed : ret;
    g_cond_broadcast(&j->wake);
    g_mutex_unlock(&j->lock);
}

/* --- What the user asks for --- */

Job *job_find(const char *id, Error **errp)
{
    Job *j = job_lookup(id);

    if (!j) {
        error_fail(errp, "Job not found");
    }
    return j;
}

Job *job_find_block(const char *id, Error **errp)
{
    Job *j = job_lookup(id);

    if (!j || !j->type->block_job) {
        error_fail(errp, "Block job '%s' not found", id);
        return NULL;
    }
    return j;
}

static JobInfo info_of(Job *j)
{
    JobInfo info = {
        .id = j->id,
        .type = j->type->name,
        .block_job = j->type->block_job,
        .status = j->status,
        .auto_finalize = !j->manual_finalize,
        .auto_dismiss = !j->manual_dismiss,
        .error = j->error,
    };

    g_mutex_lock(&j->lock);
    info.done = j->done;
    info.total = j->total;
    info.speed = j->speed;
    info.paused = j->user_paused;
    info.ready = j->ready;
    info.stopped_by = j->stopped_by;
    info.busy = is_working(j) && !j->resting && !j->idling;
    g_mutex_unlock(&j->lock);
    return info;
}

void job_foreach(void (*fn)(void *opaque, const JobInfo *info), void *opaque)
{
    for (guint i = 0; jobs && i < jobs->len; i++) {
        JobInfo info = info_of(g_ptr_array_index(jobs, i));

        fn(opaque, &info);
    }
}

static bool refuse(const Job *j, const char *verb, Error **errp)
{
    return error_fail(errp, "Job '%s' in state '%s' cannot accept command verb '%s'", j->id,
                      job_status_names[j->status], verb);
}

/* Changes what the thread sees, and wakes it. */
static void wish(Job *j, bool *field, bool value)
{
    g_mutex_lock(&j->lock);
    *field = value;
    g_cond_broadcast(&j->wake);
    g_mutex_unlock(&j->lock);
}

/* False: it was that already.  The job's thread pauses itself, too, when a request fails. */
static bool set_paused(Job *j, bool paused)
{
    bool changed;

    g_mutex_lock(&j->lock);
    changed = j->user_paused != paused;
    j->user_paused = paused;
    g_cond_broadcast(&j->wake);
    g_mutex_unlock(&j->lock);
    return changed;
}

bool job_pause(Job *j, Error **errp)
{
    if (!is_working(j)) {
        return refuse(j, "pause", errp);
    }
    return set_paused(j, true) || error_fail(errp, "Job is already paused");
}

bool job_resume(Job *j, Error **errp)
{
    if (!is_working(j)) {
        return refuse(j, "resume", errp);
    }
    return set_paused(j, false) || error_fail(errp, "Can't resume a job that was not paused");
}

bool job_set_speed(Job *j, uint64_t speed, Error **errp)
{
    if (!is_working(j)) {
        return refuse(j, "set-speed", errp);
    }
    g_mutex_lock(&j->lock);
    j->speed = speed;
    j->next_us = 0;
    g_cond_broadcast(&j->wake);
    g_mutex_unlock(&j->lock);
    return true;
}

bool job_cancel(Job *j, bool force, Error **errp)
{
    bool paused;

    if (j->status == JOB_PENDING) {
        fail_and_conclude(j, NULL, true);
        return true;
    }
    if (!is_working(j)) {
        return refuse(j, "cancel", errp);
    }
    g_mutex_lock(&j->lock);
    paused = j->user_paused && !force;
    if (!paused) {
        j->force |= force || !j->ready;
        j->want_cancel = true;
        g_cond_broadcast(&j->wake);
    }
    g_mutex_unlock(&j->lock);
    return !paused || error_fail(errp,
                                 "The block job for device '%s' is currently paused: resume it, "
                                 "or cancel it with force",
                                 j->id);
}

bool job_complete(Job *j, Error **errp)
{
    if (j->status != JOB_READY) {
        return refuse(j, "complete", errp);
    }
    if (!j->type->completes || j->want_cancel) {
        return error_fail(errp, "The active block job '%s' cannot be completed", j->id);
    }
    wish(j, &j->want_complete, true);
    return true;
}

bool job_finalize(Job *j, Error **errp)
{
    if (j->status != JOB_PENDING) {
        return refuse(j, "finalize", errp);
    }
    finish(j);
    return true;
}

bool job_dismiss(Job *j, Error **errp)
{
    if (j->status != JOB_CONCLUDED) {
        return refuse(j, "dismiss", errp);
    }
    vanish(j);
    return true;
}

void job_cancel_all(void)
{
    while (jobs && jobs->len) {
        Job *j = g_ptr_array_index(jobs, jobs->len - 1);

        j->manual_dismiss = false;
        if (is_working(j)) {
            wish(j, &j->force, true);
            wish(j, &j->want_cancel, true);
            ended(j);
        } else if (j->status == JOB_PENDING) {
            fail_and_conclude(j, NULL, true);
        } else {
            vanish(j);
        }
    }
}
