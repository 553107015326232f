/* SPDX-License-Identifier: MIT */
/*
 * Mirror, and commit of the active image, which is a mirror to a file below: a bitmap says what the target lacks.
 * The guest's writes set bits (or, write-blocking, go to both images); the job clears a bit, then copies.
 * When nothing is left the job is ready; completing it puts the target in the source's place.
 */
#include "rhea/osdep.h"

#include "job-int.h"

typedef struct Mirror {
    BlockHook hook; /* write-blocking only */
    Job *job;
    BlockNode *source, *reader, *target, *replaced; /* with references */
    BlockNode *base;                                /* only what is above it is copied, NULL: all */
    DirtyBitmap *dirty;
    JobSync sync;
    bool write_blocking;
    bool target_zero; /* it is new, and reads as zeroes */
    bool commit;      /* the target is in the source's chain, and was read-only */
    RangeLock ranges;
} Mirror;

/* More than this is not copied while the guest stands still. */
enum { LAST_COPY_MAX = 16 << 20 };

/* --- Copying --- */

static int copy_dirty(Mirror *m, BlockNode *from, uint64_t offset, uint64_t len, bool *write)
{
    int ret;

    range_lock(&m->ranges, offset, len);
    dirty_bitmap_reset(m->dirty, offset, len);
    ret = job_copy(from, m->target, offset, len, false, write);
    range_unlock(&m->ranges, offset);
    return ret;
}

/* In the guest's write, behind it. */
static void mirror_after_write(BlockHook *h, uint64_t offset, uint64_t len)
{
    Mirror *m = (Mirror *)h;
    uint64_t mask = dirty_bitmap_granularity(m->dirty) - 1, start = offset & ~mask;
    uint64_t end = MIN((offset + len + mask) & ~mask, block_size(m->source));
    bool write;
    int ret = copy_dirty(m, m->source, start, end - start, &write);

    if (ret) {
        dirty_bitmap_set(m->dirty, start, end - start);
        job_fail(m->job, ret);
    }
}

/* The next dirty range from *cursor on, or from the start. */
static bool next_dirty(Mirror *m, uint64_t *cursor, uint64_t *len)
{
    if (job_next_dirty(m->dirty, cursor, len)) {
        return true;
    }
    *cursor = 0;
    return job_next_dirty(m->dirty, cursor, len);
}

static int mark_first(Job *j, Mirror *m)
{
    int ret = 0;

    if (m->sync == JOB_SYNC_TOP) {
        ret = job_mark_allocated(j, m->source, m->base ? m->base : m->source->backing, m->dirty);
    } else if (m->sync == JOB_SYNC_FULL && m->target_zero) {
        ret = job_mark_allocated(j, m->source, NULL, m->dirty);
    } else if (m->sync == JOB_SYNC_FULL) {
        dirty_bitmap_set(m->dirty, 0, UINT64_MAX);
    }
    job_add_total(j, dirty_bitmap_count(m->dirty));
    return ret;
}

static int become_ready(Job *j, Mirror *m)
{
    int ret;

    block_io_begin();
    ret = block_flush(m->target);
    block_io_end();
    if (!ret) {
        job_set_ready(j);
    }
    return ret;
}

/* What could not be copied is still to do, also when the error is ignored; a little later, then. */
static int copy_failed(Job *j, Mirror *m, uint64_t offset, uint64_t len, bool write, int ret)
{
    bool again = job_retry(j, write, &ret);

    dirty_bitmap_set(m->dirty, offset, len);
    if (again) {
        return 0;
    }
    return ret || job_idle(j) ? ret : -ECANCELED;
}

static int mirror_run(Job *j)
{
    Mirror *m = job_opaque(j);
    uint64_t cursor = 0, len;
    bool ready = false, write;
    int ret = mark_first(j, m);

    while (!ret) {
        if (job_wants_end(j) && dirty_bitmap_count(m->dirty) <= LAST_COPY_MAX) {
            return 0;
        }
        if (!next_dirty(m, &cursor, &len)) {
            ret = ready ? 0 : become_ready(j, m);
            ready = true;
            ret = ret || job_idle(j) ? ret : -ECANCELED;
            continue;
        }
        block_io_begin();
        ret = copy_dirty(m, m->reader, cursor, len, &write);
        block_io_end();
        if (ret) {
            ret = copy_failed(j, m, cursor, len, write, ret);
            cursor += len;
            continue;
        }
        if (ready) {
            job_add_total(j, len);
        }
        cursor += len;
        ret = ret || job_step(j, len) ? ret : -ECANCELED;
    }
    return ret;
}

/* --- The end; the graph is quiet --- */

static int copy_rest(Mirror *m)
{
    uint64_t offset = 0, len;
    bool write;
    int ret = 0;

    for (; !ret && job_next_dirty(m->dirty, &offset, &len); offset += len) {
        ret = job_copy(m->source, m->target, offset, len, false, &write);
    }
    return ret ? ret : block_flush(m->target);
}

static bool mirror_finish(Job *j, Error **errp)
{
    Mirror *m = job_opaque(j);
    BlockNode *below = m->sync == JOB_SYNC_TOP    ? m->source->backing
                       : m->sync == JOB_SYNC_NONE ? m->source
                                                  : NULL;
    int ret = copy_rest(m);

    if (ret) {
        return error_fail_errno(errp, -ret, "'%s'", m->target->filename);
    }
    if (!job_completed(j)) {
        return true;
    }
    if (!m->commit && below && !m->target->backing) {
        m->target->backing = block_node_ref(below);
    }
    block_replace(m->replaced, m->target);
    return true;
}

/* An image that was only read before is only read again, unless it has taken the source's place. */
static void give_back_target(Mirror *m, bool pivoted)
{
    g_autoptr(Error) err = NULL;

    if (m->commit && !pivoted && !block_set_read_only(m->target, true, &err)) {
        warn_user("%s", error_text(err));
    }
}

static void mirror_clean(Job *j, bool ok)
{
    Mirror *m = job_opaque(j);

    m->source->hooks = g_slist_remove(m->source->hooks, &m->hook);
    dirty_bitmap_free(m->dirty);
    give_back_target(m, ok && job_completed(j));
    range_lock_fini(&m->ranges);
    block_node_unref(m->replaced);
    block_node_unref(m->source);
    block_node_unref(m->reader);
    block_node_unref(m->target);
    g_free(m);
}

static const JobType mirror_type = {
    .name = "mirror",
    .block_job = true,
    .completes = true,
    .run = mirror_run,
    .finish = mirror_finish,
    .clean = mirror_clean,
};

static const JobType commit_active_type = {
    .name = "commit",
    .block_job = true,
    .completes = true,
    .run = mirror_run,
    .finish = mirror_finish,
    .clean = mirror_clean,
};

/* --- The beginning --- */

/* Takes over the references of @m's nodes. */
static bool mirror_start(Mirror *m, const JobType *type, const char *device, uint64_t granularity,
                         const JobOptions *options, Error **errp)
{
    Job *j;

    m->dirty = dirty_bitmap_new(m->source, NULL, granularity, errp);
    j = m->dirty ? job_new(type, device, options, m, errp) : NULL;
    if (!j) {
        if (m->dirty) {
            dirty_bitmap_free(m->dirty);
        }
        give_back_target(m, false);
        block_node_unref(m->replaced);
        block_node_unref(m->source);
        block_node_unref(m->reader);
        block_node_unref(m->target);
        g_free(m);
        return false;
    }
    m->job = j;
    m->hook.after = mirror_after_write;
    range_lock_init(&m->ranges);
    if (!job_claim(j, m->source, errp) || !job_claim(j, m->target, errp)) {
        job_abandon(j);
        return false;
    }
    if (m->write_blocking) {
        m->source->hooks = g_slist_append(m->source->hooks, &m->hook);
    }
    job_start(j);
    return true;
}

static bool mirror_new(const MirrorSpec *spec, Error **errp)
{
    BlockNode *source = job_source(spec->device, errp), *replaced = source, *target;
    Mirror *m;

    if (spec->replaces && source) {
        replaced = block_node_find(spec->replaces);
        if (!replaced) {
            return error_fail(errp, "Cannot find device='' nor node-name='%s'", spec->replaces);
        }
    }
    target = source ? job_target(&spec->target, source, spec->sync, errp) : NULL;
    if (!target) {
        return false;
    }
    m = g_new0(Mirror, 1);
    m->source = block_node_ref(source);
    m->reader = block_node_ref(job_reader(spec->device, source));
    m->replaced = block_node_ref(replaced);
    m->target = target;
    m->target_zero = !spec->target.node && !spec->target.existing;
    m->sync = spec->sync == JOB_SYNC_TOP && !source->backing ? JOB_SYNC_FULL : spec->sync;
    m->write_blocking = spec->write_blocking;
    return mirror_start(m, &mirror_type, spec->device, spec->granularity, &spec->job, errp);
}

bool job_mirror(const MirrorSpec *spec, Error **errp)
{
    bool ok;

    block_graph_change_begin();
    ok = mirror_new(spec, errp);
    block_graph_change_end();
    return ok;
}

bool job_commit_active(const CommitSpec *spec, BlockNode *top, BlockNode *base, Error **errp)
{
    Mirror *m = g_new0(Mirror, 1);

    m->source = block_node_ref(top);
    m->reader = block_node_ref(job_reader(spec->device, top));
    m->replaced = block_node_ref(top);
    m->target = block_node_ref(base);
    m->base = base;
    m->sync = JOB_SYNC_TOP;
    m->commit = true;
    return mirror_start(m, &commit_active_type, spec->device, 0, &spec->job, errp);
}
