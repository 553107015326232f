/* SPDX-License-Identifier: MIT */
/*
 * Stream: an image takes what its backing files have, down to a base or all of them, and then does without them.
 * A range is copied while no write of the guest is at it: what is written meanwhile must stay.
 */
#include "rhea/osdep.h"

#include "job-int.h"

typedef struct Stream {
    BlockHook hook;
    BlockNode *top, *base; /* with references; base NULL: nothing stays below */
    char *backing_file;
    bool was_read_only;
    RangeLock ranges;
} Stream;

static int stream_before_write(BlockHook *h, uint64_t offset, uint64_t len)
{
    range_lock(&((Stream *)h)->ranges, offset, len);
    return 0;
}

static void stream_after_write(BlockHook *h, uint64_t offset, uint64_t len)
{
    range_unlock(&((Stream *)h)->ranges, offset);
}

/* Copies what the first bytes of the range have below; *done: how many are alike. */
static int stream_locked(Stream *s, uint64_t offset, uint64_t len, uint64_t *done, bool *write)
{
    g_autofree uint8_t *buf = NULL;
    BlockStatus st;
    int ret = block_status_chain(s->top, s->base, offset, len, &st);

    if (ret) {
        return ret;
    }
    *done = st.run;
    /* Behind the end of a file that goes away are zeroes, whatever the base has there. */
    if (!st.allocated || (!st.depth && !st.beyond_end) || (st.zero && !s->base)) {
        return 0;
    }
    if (st.zero) {
        *write = true;
        return s->top->drv->write_zeroes(s->top, offset, st.run, false);
    }
    buf = g_malloc(st.run);
    ret = block_pread(s->top, offset, buf, st.run);
    if (!ret) {
        *write = true;
        ret = block_write_unchanged(s->top, offset, buf, st.run);
    }
    return ret;
}

static int stream_range(Job *j, Stream *s, uint64_t offset, uint64_t len, uint64_t *done)
{
    bool write;
    int ret;

    do {
        *done = len;
        write = false;
        block_io_begin();
        range_lock(&s->ranges, offset, len);
        ret = stream_locked(s, offset, len, done, &write);
        range_unlock(&s->ranges, offset);
        block_io_end();
    } while (ret && job_retry(j, write, &ret));
    return ret;
}

static int stream_run(Job *j)
{
    Stream *s = job_opaque(j);
    uint64_t size = block_size(s->top), offset = 0, done;
    int ret = 0;

    job_add_total(j, size);
    for (; !ret && offset < size; offset += done) {
        ret = stream_range(j, s, offset, MIN(size - offset, JOB_CHUNK), &done);
        ret = ret || job_step(j, done) ? ret : -ECANCELED;
    }
    return ret;
}

static bool stream_finish(Job *j, Error **errp)
{
    Stream *s = job_opaque(j);

    return block_flush_or_fail(s->top, errp) &&
           block_set_backing(s->top, s->base, s->backing_file, errp);
}

static void stream_clean(Job *j, bool ok)
{
    g_autoptr(Error) err = NULL;
    Stream *s = job_opaque(j);

    s->top->hooks = g_slist_remove(s->top->hooks, &s->hook);
    if (s->was_read_only && !block_set_read_only(s->top, true, &err)) {
        warn_user("%s", error_text(err));
    }
    range_lock_fini(&s->ranges);
    block_node_unref(s->top);
    block_node_unref(s->base);
    g_free(s->backing_file);
    g_free(s);
}

static const JobType stream_type = {
    .name = "stream",
    .block_job = true,
    .run = stream_run,
    .finish = stream_finish,
    .clean = stream_clean,
};

static bool stream_claim(Job *j, Stream *s, Error **errp)
{
    for (BlockNode *n = s->top; n && n != s->base; n = n->backing) {
        if (!job_claim(j, n, errp)) {
            return false;
        }
    }
    return true;
}

static bool find_base(const StreamSpec *spec, BlockNode *top, BlockNode **base, Error **errp)
{
    BlockNode *bottom;

    *base = NULL;
    if (spec->bottom) {
        bottom = job_in_chain(top, NULL, spec->bottom, errp);
        *base = bottom ? bottom->backing : NULL;
        return bottom;
    }
    if (!spec->base && !spec->base_node) {
        return true;
    }
    *base = job_in_chain(top, spec->base, spec->base_node, errp);
    if (*base == top) {
        return error_fail(errp, "an image cannot be streamed from itself");
    }
    return *base;
}

static bool stream_new(const StreamSpec *spec, Error **errp)
{
    BlockNode *top = job_source(spec->device, errp), *base;
    Stream *s;
    Job *j;

    if (!top || !find_base(spec, top, &base, errp)) {
        return false;
    }
    s = g_new0(Stream, 1);
    j = job_new(&stream_type, spec->device, &spec->job, s, errp);
    if (!j) {
        g_free(s);
        return false;
    }
    s->hook = (BlockHook){stream_before_write, stream_after_write};
    s->top = block_node_ref(top);
    s->base = base ? block_node_ref(base) : NULL;
    s->backing_file = g_strdup(spec->backing_file);
    range_lock_init(&s->ranges);
    s->was_read_only = block_read_only(top);
    if (!stream_claim(j, s, errp) || !block_set_read_only(top, false, errp)) {
        job_abandon(j);
        return false;
    }
    top->hooks = g_slist_append(top->hooks, &s->hook);
    job_start(j);
    return true;
}

bool job_stream(const StreamSpec *spec, Error **errp)
{
    bool ok;

    block_graph_change_begin();
    ok = stream_new(spec, errp);
    block_graph_change_end();
    return ok;
}
