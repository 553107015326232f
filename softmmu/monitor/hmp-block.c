/* SPDX-License-Identifier: MIT */
/* HMP commands about images and the jobs on them. */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/job.h"
#include "rhea/opts.h"
#include "monitor-int.h"

/* --- Jobs --- */

static void print_job(void *opaque, const JobInfo *info)
{
    GString *out = opaque;

    g_string_append_printf(out,
                           "%s: type %s, status %s, %" PRIu64 " of %" PRIu64
                           " bytes, speed limit %" PRIu64 " bytes/s\n",
                           info->id, info->type, job_status_names[info->status], info->done,
                           info->total, info->speed);
}

static void hmp_info_jobs(Machine *m, const char *args, GString *out)
{
    gsize before = out->len;

    job_foreach(print_job, out);
    if (out->len == before) {
        g_string_append(out, "No active jobs\n");
    }
}

HMP_COMMAND(hmp_info_jobs_command, .name = "info block-jobs", .args = "",
            .help = "jobs that work on images, and how far they are", .run = hmp_info_jobs);

static void hmp_verb(const char *id, bool (*verb)(Job *j, Error **errp), GString *out)
{
    Error *err = NULL;
    Job *j = job_find_block(id, &err);

    hmp_print_result(j && verb(j, &err), &err, out);
}

static bool cancel_hard(Job *j, Error **errp)
{
    return job_cancel(j, true, errp);
}

static bool cancel_soft(Job *j, Error **errp)
{
    return job_cancel(j, false, errp);
}

static void hmp_cancel(Machine *m, const char *args, GString *out)
{
    unsigned force;
    g_auto(GStrv) words = hmp_words(args, "f", &force);

    hmp_verb(words[0] ? words[0] : "", force ? cancel_hard : cancel_soft, out);
}

static void hmp_pause(Machine *m, const char *args, GString *out)
{
    hmp_verb(args, job_pause, out);
}

static void hmp_resume(Machine *m, const char *args, GString *out)
{
    hmp_verb(args, job_resume, out);
}

static void hmp_complete_job(Machine *m, const char *args, GString *out)
{
    hmp_verb(args, job_complete, out);
}

static void hmp_set_speed(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    unsigned none;
    g_auto(GStrv) words = hmp_words(args, "", &none);
    uint64_t speed;
    Job *j;

    if (g_strv_length(words) != 2) {
        g_string_append(out, "a job and a speed are needed\n");
        return;
    }
    j = job_find_block(words[0], &err);
    hmp_print_result(j && parse_size("speed", words[1], 1, &speed, &err) &&
                         job_set_speed(j, speed, &err),
                     &err, out);
}

HMP_COMMAND(hmp_cancel_command, .name = "block_job_cancel", .args = "[-f] job",
            .help = "ends a job; -f: one that is ready, too, without its result",
            .run = hmp_cancel);
HMP_COMMAND(hmp_pause_command, .name = "block_job_pause", .args = "job", .help = "a job pauses",
            .run = hmp_pause);
HMP_COMMAND(hmp_resume_command, .name = "block_job_resume", .args = "job",
            .help = "a job that was paused goes on", .run = hmp_resume);
HMP_COMMAND(hmp_complete_command, .name = "block_job_complete", .args = "job",
            .help = "a job that is ready puts its target in place", .run = hmp_complete_job);
HMP_COMMAND(hmp_set_speed_command, .name = "block_job_set_speed", .args = "job speed",
            .help = "bytes a second at most; 0: no limit", .run = hmp_set_speed);

/* --- Starting jobs --- */

static CopyTarget hmp_target(char **words, bool existing)
{
    return (CopyTarget){.file = words[1], .format = words[2], .existing = existing};
}

static void hmp_drive_mirror(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    unsigned flags;
    g_auto(GStrv) words = hmp_words(args, "nf", &flags);
    MirrorSpec spec = {.device = words[0], .sync = flags & 2 ? JOB_SYNC_FULL : JOB_SYNC_TOP};

    if (g_strv_length(words) < 2) {
        g_string_append(out, "a drive and a file are needed\n");
        return;
    }
    spec.target = hmp_target(words, flags & 1);
    hmp_print_result(job_mirror(&spec, &err), &err, out);
}

HMP_COMMAND(
    hmp_drive_mirror_command, .name = "drive_mirror", .args = "[-n] [-f] drive file [format]",
    .help = "copies a drive to a file, and what is written meanwhile; -f: with what its backing "
            "files have; -n: the file is there already",
    .run = hmp_drive_mirror);

static void hmp_drive_backup(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    unsigned flags;
    g_auto(GStrv) words = hmp_words(args, "nfc", &flags);
    BackupSpec spec = {.device = words[0],
                       .sync = flags & 2 ? JOB_SYNC_FULL : JOB_SYNC_TOP,
                       .compress = flags & 4};

    if (g_strv_length(words) < 2) {
        g_string_append(out, "a drive and a file are needed\n");
        return;
    }
    spec.target = hmp_target(words, flags & 1);
    hmp_print_result(job_backup(&spec, &err), &err, out);
}

HMP_COMMAND(
    hmp_drive_backup_command, .name = "drive_backup", .args = "[-n] [-f] [-c] drive file [format]",
    .help = "copies a drive as it is now to a file; -f: with what its backing files have; -n: the "
            "file is there already; -c: compressed",
    .run = hmp_drive_backup);

static void hmp_block_stream(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    unsigned flags;
    g_auto(GStrv) words = hmp_words(args, "", &flags);
    StreamSpec spec = {.device = words[0]};

    if (!words[0]) {
        g_string_append(out, "a drive is needed\n");
        return;
    }
    if (words[1]) {
        spec.base = words[2];
        if (!parse_size("speed", words[1], 1, &spec.job.speed, &err)) {
            hmp_print_result(false, &err, out);
            return;
        }
    }
    hmp_print_result(job_stream(&spec, &err), &err, out);
}

HMP_COMMAND(hmp_block_stream_command, .name = "block_stream", .args = "drive [speed [base]]",
            .help = "an image takes what its backing files have, as far as the base",
            .run = hmp_block_stream);

static void hmp_block_resize(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    unsigned flags;
    uint64_t size;
    g_auto(GStrv) words = hmp_words(args, "", &flags);

    if (g_strv_length(words) != 2) {
        g_string_append(out, "a drive and a size are needed\n");
        return;
    }
    hmp_print_result(parse_size("size", words[1], 1 << 20, &size, &err) &&
                         blk_resize(words[0], size, &err),
                     &err, out);
}

HMP_COMMAND(hmp_block_resize_command, .name = "block_resize", .args = "drive size",
            .help = "the size of a drive's image, in MiB unless it has a suffix",
            .run = hmp_block_resize);

/* --- Images at once --- */

static void commit_drive(void *opaque, const BlockInfo *info)
{
    GString *out = opaque;
    Error *err = NULL;

    if (info->backing) {
        hmp_print_result(blk_commit(info->drive, &err), &err, out);
    }
}

static void hmp_commit(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    if (!strcmp(args, "all")) {
        blk_foreach_drive(commit_drive, out);
        return;
    }
    hmp_print_result(blk_commit(args, &err), &err, out);
}

HMP_COMMAND(hmp_commit_command, .name = "commit", .args = "drive|all",
            .help = "what an image has goes into its backing file; the guest's disk stands still "
                    "meanwhile (block-commit does it beside the guest)",
            .run = hmp_commit);

static void hmp_set_io_throttle(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    unsigned flags;
    g_auto(GStrv) words = hmp_words(args, "", &flags);
    uint64_t limits[6], max[6] = {0};
    bool ok = true;

    if (g_strv_length(words) != 7) {
        g_string_append(out, "a drive and six limits are needed\n");
        return;
    }
    for (int i = 0; ok && i < 6; i++) {
        ok = parse_u64("limit", words[i + 1], INT64_MAX, &limits[i], &err);
    }
    hmp_print_result(ok && blk_set_limits(words[0], limits, max, 0, NULL, &err), &err, out);
}

HMP_COMMAND(hmp_set_io_throttle_command, .name = "block_set_io_throttle",
            .args = "drive bps bps_rd bps_wr iops iops_rd iops_wr",
            .help = "what a drive may do a second: bytes in all, read and written, and requests; "
                    "0: no limit",
            .run = hmp_set_io_throttle);
