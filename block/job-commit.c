/* SPDX-License-Identifier: MIT */
/*
 * Commit of images that are backing files: what they have goes to an image below, and the image above them loses
 * them.  What the guest sees stays the same all the time.  The active image is job-mirror.c's.
 */
#include "rhea/osdep.h"

#include "job-int.h"

typedef struct Commit {
    BlockNode *top, *base, *overlay; /* with references; overlay: the one above top */
    char *backing_file;              /* what the overlay says afterwards, NULL: base's name */
} Commit;

static int commit_range(Job *j, Commit *c, uint64_t offset, uint64_t len, uint64_t *done)
{
    BlockStatus st;
    bool write = false;
    int ret;

    do {
        block_io_begin();
        ret = block_status_chain(c->top, c->base, offset, len, &st);
        if (!ret && st.allocated) {
            ret = job_copy(c->top, c->base, offset, st.run, false, &write);
        }
        block_io_end();
    } while (ret && job_retry(j, write, &ret));
    *done = st.run ? st.run : len;
    return ret;
}

static int commit_run(Job *j)
{
    Commit *c = job_opaque(j);
    /* Where the top ends before the overlay, zeroes are seen, whatever the base has there. */
    uint64_t seen = MIN(block_size(c->overlay), block_size(c->base));
    uint64_t size = MAX(block_size(c->top), seen), offset = 0, done;
    int ret = 0;

    job_add_total(j, size);
    for (; !ret && offset < size; offset += done) {
        ret = commit_range(j, c, offset, MIN(size - offset, JOB_CHUNK), &done);
        ret = ret || job_step(j, done) ? ret : -ECANCELED;
    }
    if (!ret) {
        block_io_begin();
        ret = block_flush(c->base);
        block_io_end();
    }
    return ret;
}

static bool commit_finish(Job *j, Error **errp)
{
    Commit *c = job_opaque(j);

    return block_set_backing(c->overlay, c->base, c->backing_file, errp);
}

static void commit_clean(Job *j, bool ok)
{
    g_autoptr(Error) err = NULL;
    Commit *c = job_opaque(j);

    if (!block_set_read_only(c->base, true, &err)) {
        warn_user("%s", error_text(err));
    }
    block_node_unref(c->top);
    block_node_unref(c->base);
    block_node_unref(c->overlay);
    g_free(c->backing_file);
    g_free(c);
}

static const JobType commit_type = {
    .name = "commit",
    .block_job = true,
    .run = commit_run,
    .finish = commit_finish,
    .clean = commit_clean,
};

/* The base can take what is above: it is writable, and large enough. */
static bool prepare_base(BlockNode *top, BlockNode *base, Error **errp)
{
    if (!block_may_write(base, errp) || !block_set_read_only(base, false, errp)) {
        return false;
    }
    return block_size(base) >= block_size(top) ||
           block_truncate(base, block_size(top), BLOCK_PREALLOC_OFF, errp);
}

static bool claim_chain(Job *j, BlockNode *overlay, BlockNode *base, Error **errp)
{
    for (BlockNode *n = overlay; n; n = n->backing) {
        if (!job_claim(j, n, errp)) {
            return false;
        }
        if (n == base) {
            break;
        }
    }
    return true;
}

static bool commit_below(const CommitSpec *spec, BlockNode *overlay, BlockNode *base, Error **errp)
{
    Commit *c = g_new0(Commit, 1);
    Job *j = job_new(&commit_type, spec->device, &spec->job, c, errp);

    if (!j) {
        g_free(c);
        return false;
    }
    c->overlay = block_node_ref(overlay);
    c->top = block_node_ref(overlay->backing);
    c->base = block_node_ref(base);
    c->backing_file = g_strdup(spec->backing_file);
    if (!claim_chain(j, overlay, base, errp)) {
        job_abandon(j);
        return false;
    }
    job_start(j);
    return true;
}

static BlockNode *lowest(BlockNode *n)
{
    while (n->backing) {
        n = n->backing;
    }
    return n;
}

static bool commit_new(const CommitSpec *spec, Error **errp)
{
    BlockNode *active = job_source(spec->device, errp), *top, *base, *overlay;

    if (!active) {
        return false;
    }
    top = spec->top || spec->top_node ? job_in_chain(active, spec->top, spec->top_node, errp)
                                      : active;
    base = !top                            ? NULL
           : spec->base || spec->base_node ? job_in_chain(top, spec->base, spec->base_node, errp)
                                           : lowest(top);
    if (!base) {
        return false;
    }
    if (base == top) {
        return error_fail(errp, "cannot commit an image into itself");
    }
    for (overlay = active; overlay != top && overlay->backing != top; overlay = overlay->backing) {
    }
    if (overlay == top && spec->backing_file) {
        return error_fail(errp, "'backing-file' specified, but 'top' is the active layer");
    }
    for (BlockNode *n = overlay; n != base; n = n->backing) {
        if (!block_unclaimed(n->backing, errp)) {
            return false;
        }
    }
    if (!prepare_base(top, base, errp)) {
        return false;
    }
    return overlay == top ? job_commit_active(spec, top, base, errp)
                          : commit_below(spec, overlay, base, errp);
}

bool job_commit(const CommitSpec *spec, Error **errp)
{
    bool ok;

    block_graph_change_begin();
    ok = commit_new(spec, errp);
    block_graph_change_end();
    return ok;
}
