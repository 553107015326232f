/* SPDX-License-Identifier: MIT */
/* What jobs share: copying ranges, keeping others out of them, and finding the nodes that users name. */
#include "rhea/osdep.h"

#include "filter.h"
#include "job-int.h"

/* --- Ranges --- */

typedef struct Range {
    uint64_t offset, len;
} Range;

void range_lock_init(RangeLock *r)
{
    g_mutex_init(&r->lock);
    g_cond_init(&r->freed);
    r->held = NULL;
}

void range_lock_fini(RangeLock *r)
{
    g_mutex_clear(&r->lock);
    g_cond_clear(&r->freed);
}

static bool overlaps(const RangeLock *r, uint64_t offset, uint64_t len)
{
    for (GSList *l = r->held; l; l = l->next) {
        const Range *held = l->data;

        if (offset < held->offset + held->len && held->offset < offset + len) {
            return true;
        }
    }
    return false;
}

void range_lock(RangeLock *r, uint64_t offset, uint64_t len)
{
    Range *range = g_new(Range, 1);

    *range = (Range){offset, len};
    g_mutex_lock(&r->lock);
    while (overlaps(r, offset, len)) {
        g_cond_wait(&r->freed, &r->lock);
    }
    r->held = g_slist_prepend(r->held, range);
    g_mutex_unlock(&r->lock);
}

void range_unlock(RangeLock *r, uint64_t offset)
{
    g_mutex_lock(&r->lock);
    for (GSList *l = r->held; l; l = l->next) {
        if (((Range *)l->data)->offset == offset) {
            g_free(l->data);
            r->held = g_slist_delete_link(r->held, l);
            break;
        }
    }
    g_cond_broadcast(&r->freed);
    g_mutex_unlock(&r->lock);
}

/* --- Copying --- */

static int write_clusters(BlockNode *to, uint64_t offset, const uint8_t *buf, uint64_t len)
{
    uint64_t cluster = image_cluster_size(to);
    int ret = 0;

    for (uint64_t done = 0; !ret && done < len; done += cluster) {
        ret = block_write_compressed(to, offset + done, buf + done, MIN(cluster, len - done));
    }
    return ret;
}

/* The run ends with a cluster, or is one whose parts are not alike. */
static void make_whole(BlockStatus *st, uint64_t cluster, uint64_t left)
{
    if (st->run < cluster && st->run < left) {
        st->run = MIN(cluster, left);
        st->zero = false;
    } else if (st->run < left) {
        st->run -= st->run % cluster;
    }
}

int job_copy(BlockNode *from, BlockNode *to, uint64_t offset, uint64_t len, bool compress,
             bool *write)
{
    uint64_t cluster = compress ? image_cluster_size(to) : 1;
    uint64_t chunk = MIN(len, MAX(JOB_CHUNK, cluster));
    g_autofree uint8_t *buf = NULL;
    int ret = 0;

    for (uint64_t done = 0; !ret && done < len;) {
        uint64_t at = offset + done;
        BlockStatus st;

        *write = false;
        ret = block_status_chain(from, NULL, at, MIN(len - done, chunk), &st);
        if (ret) {
            break;
        }
        make_whole(&st, cluster, len - done);
        if (!st.zero) {
            buf = buf ? buf : g_malloc(chunk);
            ret = block_pread(from, at, buf, st.run);
        }
        if (!ret) {
            *write = true;
            ret = st.zero    ? block_write_zeroes(to, at, st.run, true)
                  : compress ? write_clusters(to, at, buf, st.run)
                             : block_pwrite(to, at, buf, st.run);
        }
        done += st.run;
    }
    return ret;
}

bool job_next_dirty(DirtyBitmap *b, uint64_t *offset, uint64_t *len)
{
    return dirty_bitmap_next(b, offset, MAX(JOB_CHUNK, dirty_bitmap_granularity(b)), len);
}

int job_mark_allocated(Job *j, BlockNode *n, BlockNode *base, DirtyBitmap *b)
{
    uint64_t size = block_size(n), offset = 0;

    while (offset < size) {
        BlockStatus st;
        int ret;

        block_io_begin();
        ret = block_status_chain(n, base, offset, size - offset, &st);
        block_io_end();
        if (ret) {
            return ret;
        }
        if (st.allocated && (base || !st.zero)) {
            dirty_bitmap_set(b, offset, st.run);
        }
        offset += st.run;
        if (!job_step(j, 0)) {
            return -ECANCELED;
        }
    }
    return 0;
}

/* --- Nodes --- */

BlockNode *job_source(const char *device, Error **errp)
{
    BlockNode *n = blk_find_node(device, errp);

    return n && block_unclaimed(n, errp) ? n : NULL;
}

BlockNode *job_reader(const char *device, BlockNode *source)
{
    BlockNode *n = blk_find_top(device), *reader = NULL;

    for (; n && n != source; n = n->file) {
        if (n->drv->preadv != filter_preadv) {
            reader = NULL;
        } else if (!reader && n->name) {
            reader = n;
        }
    }
    return reader ? reader : source;
}

static BlockNode *target_node(const char *name, BlockNode *source, Error **errp)
{
    BlockNode *n = block_node_find(name);

    if (!n) {
        error_fail(errp, "Cannot find device='' nor node-name='%s'", name);
    } else if (n == source) {
        error_fail(errp, "Source and target cannot be the same");
    } else if (block_has_below(source, n)) {
        error_fail(errp, "'%s' is below the source: it cannot be the target", name);
    } else if (block_unclaimed(n, errp) && block_may_write(n, errp) &&
               block_set_read_only(n, false, errp)) {
        return block_node_ref(n);
    }
    return NULL;
}

BlockNode *job_target(const CopyTarget *t, BlockNode *source, JobSync sync, Error **errp)
{
    BlockNode *n;

    if (t->node) {
        n = target_node(t->node, source, errp);
    } else {
        BlockImageSpec spec = {
            .file = t->file,
            .format = t->format ? t->format : source->drv->name,
            .name = t->new_node,
            .existing = t->existing,
            .size = block_size(source),
            .backing = sync == JOB_SYNC_TOP    ? source->backing
                       : sync == JOB_SYNC_NONE ? source
                                               : NULL,
            .like = source,
        };

        n = block_new_image(&spec, errp);
    }
    if (n && block_size(n) != block_size(source)) {
        error_fail(errp,
                   "Source and target image have different sizes (%" PRIu64 " and %" PRIu64 ")",
                   block_size(source), block_size(n));
        block_node_unref(n);
        return NULL;
    }
    return n;
}

static bool same_file(const char *a, const char *b)
{
    g_autofree char *left = g_canonicalize_filename(a, NULL);
    g_autofree char *right = g_canonicalize_filename(b, NULL);

    return !strcmp(left, right);
}

BlockNode *job_in_chain(BlockNode *n, const char *file, const char *node, Error **errp)
{
    for (; n; n = n->backing) {
        if (node ? n->name && !strcmp(n->name, node) : same_file(n->filename, file)) {
            return n;
        }
    }
    error_fail(errp, "'%s' is not in the chain of backing files", node ? node : file);
    return NULL;
}
