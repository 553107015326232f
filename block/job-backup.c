/* SPDX-License-Identifier: MIT */
/*
 * Backup: the target becomes what the source is when the job begins.  Before the guest overwrites something that
 * has not been copied yet, it is copied; the job copies the rest.  A bitmap has what is still to do.
 */
#include "rhea/osdep.h"

#include "job-int.h"

enum { GRANULE = 64 * 1024 };

typedef struct Backup {
    BlockHook hook;
    Job *job;
    BlockNode *source, *reader, *target; /* with references */
    DirtyBitmap *todo;
    DirtyBitmap *bitmap, *was; /* the user's, and what it had at the start; NULL: none */
    BitmapMode bitmap_mode;
    JobSync sync;
    bool compress;
    RangeLock ranges;
} Backup;

/* Whole granules of the range, as far as they are to do. */
static int copy_todo(Backup *b, BlockNode *from, uint64_t offset, uint64_t len, bool *write)
{
    uint64_t at = offset, run;
    int ret = 0;

    range_lock(&b->ranges, offset, len);
    while (!ret && at < offset + len && dirty_bitmap_next(b->todo, &at, offset + len - at, &run) &&
           at < offset + len) {
        run = MIN(run, offset + len - at);
        ret = job_copy(from, b->target, at, run, b->compress, write);
        if (!ret) {
            dirty_bitmap_reset(b->todo, at, run);
        }
        at += run;
    }
    range_unlock(&b->ranges, offset);
    return ret;
}

/* The guest's write goes on whatever happens: a backup that fails does not harm the guest. */
static int backup_before_write(BlockHook *h, uint64_t offset, uint64_t len)
{
    Backup *b = (Backup *)h;
    uint64_t mask = dirty_bitmap_granularity(b->todo) - 1, start = offset & ~mask;
    uint64_t end = MIN((offset + len + mask) & ~mask, block_size(b->source));
    bool write;
    int ret = copy_todo(b, b->source, start, end - start, &write);

    if (ret) {
        job_fail(b->job, ret);
    }
    return 0;
}

/* --- The job's thread --- */

static int mark_todo(Job *j, Backup *b)
{
    int ret = 0;

    if (b->sync == JOB_SYNC_TOP) {
        /* Everything is marked already, so that no write can slip through: what is not in the top goes. */
        uint64_t size = block_size(b->source), offset = 0;

        while (!ret && offset < size) {
            BlockStatus st;

            block_io_begin();
            ret = block_status(b->source, offset, size - offset, &st);
            if (!ret && !st.allocated) {
                dirty_bitmap_reset(b->todo, offset, st.run);
            }
            block_io_end();
            offset += st.run;
            ret = ret || job_step(j, 0) ? ret : -ECANCELED;
        }
    }
    job_add_total(j, dirty_bitmap_count(b->todo));
    return ret;
}

static int copy_step(Job *j, Backup *b, uint64_t offset, uint64_t len)
{
    bool write = false;
    int ret;

    do {
        block_io_begin();
        ret = copy_todo(b, b->reader, offset, len, &write);
        block_io_end();
    } while (ret && job_retry(j, write, &ret));
    return ret;
}

/* sync=none copies only before writes, until the user ends it. */
static int wait_for_end(Job *j)
{
    while (job_idle(j)) {
    }
    return -ECANCELED;
}

static int backup_run(Job *j)
{
    Backup *b = job_opaque(j);
    uint64_t offset = 0, len;
    int ret;

    if (b->sync == JOB_SYNC_NONE) {
        return wait_for_end(j);
    }
    ret = mark_todo(j, b);
    for (; !ret && job_next_dirty(b->todo, &offset, &len); offset += len) {
        ret = copy_step(j, b, offset, len);
        ret = ret || job_step(j, len) ? ret : -ECANCELED;
    }
    return ret;
}

/* --- The end --- */

static bool backup_finish(Job *j, Error **errp)
{
    const Backup *b = job_opaque(j);

    return block_flush_or_fail(b->target, errp);
}

/* What the user's bitmap has of before the backup comes back, but for what need not be copied again. */
static void settle_bitmap(Backup *b, bool ok)
{
    g_autoptr(Error) err = NULL;
    DirtyBitmap *back = b->was;

    if (!b->bitmap) {
        return;
    }
    dirty_bitmap_set_flag(b->bitmap, DIRTY_BITMAP_BUSY, false);
    if (b->bitmap_mode == BITMAP_ALWAYS) {
        back = ok ? NULL : b->todo;
    } else if (b->bitmap_mode == BITMAP_ON_SUCCESS && ok) {
        back = NULL;
    }
    if (back && !dirty_bitmap_merge(b->bitmap, back, &err)) {
        warn_user("bitmap '%s': %s", dirty_bitmap_name(b->bitmap), error_text(err));
    }
    dirty_bitmap_free(b->was);
}

static void backup_clean(Job *j, bool ok)
{
    Backup *b = job_opaque(j);

    b->source->hooks = g_slist_remove(b->source->hooks, &b->hook);
    settle_bitmap(b, ok);
    if (b->todo) {
        dirty_bitmap_free(b->todo);
    }
    range_lock_fini(&b->ranges);
    block_node_unref(b->source);
    block_node_unref(b->reader);
    block_node_unref(b->target);
    g_free(b);
}

static const JobType backup_type = {
    .name = "backup",
    .block_job = true,
    .run = backup_run,
    .finish = backup_finish,
    .clean = backup_clean,
};

/* --- The beginning --- */

static bool bitmap_fits_sync(const BackupSpec *spec, Error **errp)
{
    bool wanted = spec->sync >= JOB_SYNC_INCREMENTAL;

    if (wanted && !spec->bitmap) {
        return error_fail(errp, "must provide a valid bitmap name for '%s' sync mode",
                          job_sync_names[spec->sync]);
    }
    return wanted || !spec->bitmap ||
           error_fail(errp, "sync mode '%s' takes no bitmap here", job_sync_names[spec->sync]);
}

static bool take_bitmap(Backup *b, const BackupSpec *spec, Error **errp)
{
    DirtyBitmap *bitmap;

    if (!spec->bitmap) {
        return true;
    }
    bitmap = dirty_bitmap_find_usable(b->source, spec->bitmap, errp);
    b->was = bitmap ? dirty_bitmap_copy(bitmap, errp) : NULL;
    if (!b->was) {
        return false;
    }
    b->bitmap = bitmap;
    b->bitmap_mode = spec->bitmap_mode;
    dirty_bitmap_set_flag(bitmap, DIRTY_BITMAP_BUSY, true);
    dirty_bitmap_clear(bitmap);
    return true;
}

/* Granules are clusters of the target at least: it allocates no others. */
static bool make_todo(Backup *b, Error **errp)
{
    uint64_t cluster = image_cluster_size(b->target);

    b->todo = dirty_bitmap_new(b->source, NULL, MAX(cluster, GRANULE), errp);
    if (!b->todo) {
        return false;
    }
    dirty_bitmap_set_flag(b->todo, DIRTY_BITMAP_DISABLED, true);
    if (b->was) {
        return dirty_bitmap_merge(b->todo, b->was, errp);
    }
    dirty_bitmap_set(b->todo, 0, UINT64_MAX);
    return true;
}

Job *job_backup_prepare(const BackupSpec *spec, Error **errp)
{
    BlockNode *source = bitmap_fits_sync(spec, errp) ? job_source(spec->device, errp) : NULL;
    BlockNode *target = source ? job_target(&spec->target, source, spec->sync, errp) : NULL;
    Backup *b;
    Job *j;

    if (target && spec->compress && !target->drv->write_compressed) {
        error_fail(errp, "Compression is not supported for this drive '%s'", target->filename);
        g_clear_pointer(&target, block_node_unref);
    }
    if (!target) {
        return NULL;
    }
    b = g_new0(Backup, 1);
    j = job_new(&backup_type, spec->device, &spec->job, b, errp);
    if (!j) {
        block_node_unref(target);
        g_free(b);
        return NULL;
    }
    b->hook.before = backup_before_write;
    b->job = j;
    b->source = block_node_ref(source);
    b->reader = block_node_ref(job_reader(spec->device, source));
    b->target = target;
    b->sync = spec->sync;
    b->compress = spec->compress;
    range_lock_init(&b->ranges);
    if (!job_claim(j, source, errp) || !job_claim(j, target, errp) || !take_bitmap(b, spec, errp) ||
        !make_todo(b, errp)) {
        job_abandon(j);
        return NULL;
    }
    source->hooks = g_slist_append(source->hooks, &b->hook);
    return j;
}

bool job_backup(const BackupSpec *spec, Error **errp)
{
    Job *j;

    block_graph_change_begin();
    j = job_backup_prepare(spec, errp);
    if (j) {
        job_start(j);
    }
    block_graph_change_end();
    return j;
}
