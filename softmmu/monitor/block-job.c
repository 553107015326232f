/* SPDX-License-Identifier: MIT */
/* QMP commands about jobs: starting those on images, and what may be asked of all of them. */
#include "rhea/osdep.h"

#include "block/job.h"
#include "rhea/json.h"
#include "monitor-int.h"

/* --- Options that most of them have --- */

#define ON_ERROR "<report|ignore|enospc|stop|auto>"
#define JOB_ARGS "*job-id: str, *speed: int, *auto-finalize: bool, *auto-dismiss: bool, "
/* Nodes that jobs would put into the graph; here there are none. */
#define FILTER_ARG "*filter-node-name: str"

static int enum_arg(JsonObject *args, const char *name, const char *const *names, int missing)
{
    const char *text = qmp_arg_str(args, name);

    for (int i = 0; text && names[i]; i++) {
        if (!strcmp(names[i], text)) {
            return i;
        }
    }
    return missing;
}

static BlockOnError on_error_arg(JsonObject *args, const char *name)
{
    return (BlockOnError)enum_arg(args, name, block_on_error_names, BLOCK_ON_ERROR_REPORT);
}

static bool job_options(JsonObject *args, JobOptions *o, Error **errp)
{
    int64_t speed = qmp_arg_int(args, "speed", 0);

    *o = (JobOptions){
        .id = qmp_arg_str(args, "job-id"),
        .speed = (uint64_t)speed,
        .manual_finalize = !qmp_arg_bool(args, "auto-finalize", true),
        .manual_dismiss = !qmp_arg_bool(args, "auto-dismiss", true),
        .on_read_error = on_error_arg(args, "on-source-error"),
        .on_write_error = on_error_arg(args, "on-target-error"),
    };
    return speed >= 0 || error_fail(errp, "Parameter 'speed' expects a non-negative value");
}

static CopyTarget file_target(JsonObject *args)
{
    const char *mode = qmp_arg_str(args, "mode");

    return (CopyTarget){
        .file = qmp_arg_str(args, "target"),
        .format = qmp_arg_str(args, "format"),
        .new_node = qmp_arg_str(args, "node-name"),
        .existing = mode && !strcmp(mode, "existing"),
    };
}

/* --- Starting them --- */

static bool block_commit(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    CommitSpec spec = {
        .device = qmp_arg_str(args, "device"),
        .top = qmp_arg_str(args, "top"),
        .top_node = qmp_arg_str(args, "top-node"),
        .base = qmp_arg_str(args, "base"),
        .base_node = qmp_arg_str(args, "base-node"),
        .backing_file = qmp_arg_str(args, "backing-file"),
    };

    if (!job_options(args, &spec.job, errp)) {
        return false;
    }
    spec.job.on_read_error = spec.job.on_write_error = on_error_arg(args, "on-error");
    return job_commit(&spec, errp);
}

QMP_COMMAND(block_commit_command, .name = "block-commit", .run = block_commit,
            .args = "{device: str, *top: str, *top-node: str, *base: str, *base-node: str, "
                    "*backing-file: str, *on-error: " ON_ERROR ", " JOB_ARGS FILTER_ARG "}");

static bool block_stream(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    StreamSpec spec = {
        .device = qmp_arg_str(args, "device"),
        .base = qmp_arg_str(args, "base"),
        .base_node = qmp_arg_str(args, "base-node"),
        .bottom = qmp_arg_str(args, "bottom"),
        .backing_file = qmp_arg_str(args, "backing-file"),
    };

    if (!job_options(args, &spec.job, errp)) {
        return false;
    }
    if (!!spec.base + !!spec.base_node + !!spec.bottom > 1) {
        return error_fail(errp,
                          "'base', 'base-node' and 'bottom' cannot be specified at the same time");
    }
    spec.job.on_read_error = spec.job.on_write_error = on_error_arg(args, "on-error");
    return job_stream(&spec, errp);
}

QMP_COMMAND(block_stream_command, .name = "block-stream", .run = block_stream,
            .args = "{device: str, *base: str, *base-node: str, *bottom: str, *backing-file: str, "
                    "*on-error: " ON_ERROR ", " JOB_ARGS FILTER_ARG "}");

static bool start_mirror(JsonObject *args, CopyTarget target, Error **errp)
{
    const char *mode = qmp_arg_str(args, "copy-mode");
    MirrorSpec spec = {
        .device = qmp_arg_str(args, "device"),
        .target = target,
        .sync = (JobSync)enum_arg(args, "sync", job_sync_names, JOB_SYNC_FULL),
        .granularity = (uint64_t)qmp_arg_int(args, "granularity", 0),
        .write_blocking = mode && !strcmp(mode, "write-blocking"),
        .replaces = qmp_arg_str(args, "replaces"),
    };

    return job_options(args, &spec.job, errp) && job_mirror(&spec, errp);
}

static bool drive_mirror(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return start_mirror(args, file_target(args), errp);
}

#define COPY_ARGS                                                                                  \
    "device: str, target: str, *on-source-error: " ON_ERROR ", *on-target-error: " ON_ERROR ", "
#define MIRROR_ARGS                                                                                \
    COPY_ARGS "sync: <full|top|none>, *granularity: int, *replaces: str, "                         \
              "*copy-mode: <background|write-blocking>, " JOB_ARGS
#define FILE_ARGS "*format: str, *mode: <existing|absolute-paths>, "

QMP_COMMAND(drive_mirror_command, .name = "drive-mirror", .run = drive_mirror,
            .args = "{" MIRROR_ARGS FILE_ARGS "*node-name: str}");

static bool blockdev_mirror(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return start_mirror(args, (CopyTarget){.node = qmp_arg_str(args, "target")}, errp);
}

QMP_COMMAND(blockdev_mirror_command, .name = "blockdev-mirror", .run = blockdev_mirror,
            .args = "{" MIRROR_ARGS FILTER_ARG "}");

bool monitor_backup_spec(JsonObject *args, bool file, BackupSpec *spec, Error **errp)
{
    static const char *const modes[] = {"on-success", "never", "always", NULL};

    *spec = (BackupSpec){
        .device = qmp_arg_str(args, "device"),
        .target = file ? file_target(args) : (CopyTarget){.node = qmp_arg_str(args, "target")},
        .sync = (JobSync)enum_arg(args, "sync", job_sync_names, JOB_SYNC_FULL),
        .bitmap = qmp_arg_str(args, "bitmap"),
        .bitmap_mode = (BitmapMode)enum_arg(args, "bitmap-mode", modes, BITMAP_ON_SUCCESS),
        .compress = qmp_arg_bool(args, "compress", false),
    };
    if (spec->sync == JOB_SYNC_BITMAP && spec->bitmap && !qmp_arg_str(args, "bitmap-mode")) {
        return error_fail(errp, "Bitmap sync mode must be given when providing a bitmap");
    }
    return job_options(args, &spec->job, errp);
}

static bool drive_backup(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    BackupSpec spec;

    return monitor_backup_spec(args, true, &spec, errp) && job_backup(&spec, errp);
}

#define BACKUP_ARGS                                                                                \
    COPY_ARGS "sync: <full|top|none|incremental|bitmap>, *bitmap: str, "                           \
              "*bitmap-mode: <on-success|never|always>, *compress: bool, " JOB_ARGS

QMP_COMMAND(drive_backup_command, .name = "drive-backup", .run = drive_backup,
            .args = "{" BACKUP_ARGS FILE_ARGS FILTER_ARG "}");

static bool blockdev_backup(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    BackupSpec spec;

    return monitor_backup_spec(args, false, &spec, errp) && job_backup(&spec, errp);
}

QMP_COMMAND(blockdev_backup_command, .name = "blockdev-backup", .run = blockdev_backup,
            .args = "{" BACKUP_ARGS FILTER_ARG "}");

/* --- Questions --- */

#define JOB_STATUSES                                                                               \
    "<undefined|created|running|paused|ready|standby|waiting|pending|aborting|concluded|null>"

static void add_job(void *opaque, const JobInfo *info)
{
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "id", info->id);
    json_object_set_string_member(item, "type", info->type);
    json_object_set_string_member(item, "status", job_status_names[info->status]);
    json_object_set_int_member(item, "current-progress", (gint64)info->done);
    json_object_set_int_member(item, "total-progress", (gint64)info->total);
    if (info->error) {
        json_object_set_string_member(item, "error", info->error);
    }
    json_array_add_object_element(opaque, item);
}

static bool query_jobs(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    job_foreach(add_job, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_jobs_command, .name = "query-jobs", .run = query_jobs,
            .ret = "[{id: str, type: str, status: " JOB_STATUSES ", current-progress: int, "
                   "total-progress: int, *error: str}]");

static void add_block_job(void *opaque, const JobInfo *info)
{
    JsonObject *item;

    if (!info->block_job) {
        return;
    }
    item = json_object_new();
    json_object_set_string_member(item, "type", info->type);
    json_object_set_string_member(item, "device", info->id);
    json_object_set_int_member(item, "len", (gint64)info->total);
    json_object_set_int_member(item, "offset", (gint64)info->done);
    json_object_set_boolean_member(item, "busy", info->busy);
    json_object_set_boolean_member(item, "paused", info->paused);
    json_object_set_int_member(item, "speed", (gint64)info->speed);
    json_object_set_string_member(item, "io-status", monitor_io_status(info->stopped_by));
    json_object_set_boolean_member(item, "ready", info->ready);
    json_object_set_string_member(item, "status", job_status_names[info->status]);
    json_object_set_boolean_member(item, "auto-finalize", info->auto_finalize);
    json_object_set_boolean_member(item, "auto-dismiss", info->auto_dismiss);
    if (info->error) {
        json_object_set_string_member(item, "error", info->error);
    }
    json_array_add_object_element(opaque, item);
}

static bool query_block_jobs(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    job_foreach(add_block_job, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_block_jobs_command, .name = "query-block-jobs", .run = query_block_jobs,
            .ret = "[{type: str, device: str, len: int, offset: int, busy: bool, paused: bool, "
                   "speed: int, io-status: <ok|failed|nospace>, ready: bool, status: " JOB_STATUSES
                   ", auto-finalize: bool, auto-dismiss: bool, *error: str}]");

#define BLOCK_JOB_EVENT "{type: str, device: str, len: int, offset: int, speed: int, *error: str}"
QMP_EVENT(block_job_completed_event, "BLOCK_JOB_COMPLETED", BLOCK_JOB_EVENT);
QMP_EVENT(block_job_cancelled_event, "BLOCK_JOB_CANCELLED", BLOCK_JOB_EVENT);
QMP_EVENT(block_job_ready_event, "BLOCK_JOB_READY", BLOCK_JOB_EVENT);
QMP_EVENT(block_job_pending_event, "BLOCK_JOB_PENDING", "{type: str, id: str}");
QMP_EVENT(block_job_error_event, "BLOCK_JOB_ERROR",
          "{device: str, operation: <read|write>, action: <ignore|report|stop>}");
QMP_EVENT(job_status_event, "JOB_STATUS_CHANGE", "{id: str, status: " JOB_STATUSES "}");

/* --- Asking things of them; twice, by the names of old and of now --- */

typedef bool (*JobVerb)(Job *j, Error **errp);

static bool cancel_hard(Job *j, Error **errp)
{
    return job_cancel(j, true, errp);
}

static bool run_by_id(Machine *m, const void *verb, JsonObject *args, Error **errp)
{
    Job *j = job_find(qmp_arg_str(args, "id"), errp);

    return j && (*(const JobVerb *)verb)(j, errp);
}

/* The older names; two of them say "id", too. */
static bool run_by_device(Machine *m, const void *verb, JsonObject *args, Error **errp)
{
    const char *device = qmp_arg_str(args, "device");
    Job *j = job_find_block(device ? device : qmp_arg_str(args, "id"), errp);

    return j && (*(const JobVerb *)verb)(j, errp);
}

#define BY_ID(fn) .run_like = run_by_id, .like = &(const JobVerb){fn}, .args = "{id: str}"
#define BY_DEVICE(fn)                                                                              \
    .run_like = run_by_device, .like = &(const JobVerb)                                            \
    {                                                                                              \
        fn                                                                                         \
    }

QMP_COMMAND(job_pause_command, .name = "job-pause", BY_ID(job_pause));
QMP_COMMAND(job_resume_command, .name = "job-resume", BY_ID(job_resume));
QMP_COMMAND(job_cancel_command, .name = "job-cancel", BY_ID(cancel_hard));
QMP_COMMAND(job_complete_command, .name = "job-complete", BY_ID(job_complete));
QMP_COMMAND(job_finalize_command, .name = "job-finalize", BY_ID(job_finalize));
QMP_COMMAND(job_dismiss_command, .name = "job-dismiss", BY_ID(job_dismiss));

QMP_COMMAND(block_job_pause_command, .name = "block-job-pause", BY_DEVICE(job_pause),
            .args = "{device: str}");
QMP_COMMAND(block_job_resume_command, .name = "block-job-resume", BY_DEVICE(job_resume),
            .args = "{device: str}");
QMP_COMMAND(block_job_complete_command, .name = "block-job-complete", BY_DEVICE(job_complete),
            .args = "{device: str}");
QMP_COMMAND(block_job_finalize_command, .name = "block-job-finalize", BY_DEVICE(job_finalize),
            .args = "{id: str}");
QMP_COMMAND(block_job_dismiss_command, .name = "block-job-dismiss", BY_DEVICE(job_dismiss),
            .args = "{id: str}");

static bool block_job_cancel(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    Job *j = job_find_block(qmp_arg_str(args, "device"), errp);

    return j && job_cancel(j, qmp_arg_bool(args, "force", false), errp);
}

static bool set_speed(Job *j, int64_t speed, Error **errp)
{
    return speed < 0 ? error_fail(errp, "Parameter 'speed' expects a non-negative value")
                     : job_set_speed(j, (uint64_t)speed, errp);
}

static bool block_job_set_speed(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    Job *j = job_find_block(qmp_arg_str(args, "device"), errp);

    return j && set_speed(j, qmp_arg_int(args, "speed", 0), errp);
}

QMP_COMMAND(block_job_cancel_command, .name = "block-job-cancel", .run = block_job_cancel,
            .args = "{device: str, *force: bool}");
QMP_COMMAND(block_job_set_speed_command, .name = "block-job-set-speed", .run = block_job_set_speed,
            .args = "{device: str, speed: int}");
