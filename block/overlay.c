/* SPDX-License-Identifier: MIT */
/*
 * Temporary writes (-snapshot, snapshot=on): an image that is only read, and a file without a name that
 * takes what is written and vanishes with the process.  Data moves to the file by clusters, on their
 * first write.
 * Locking: allocated clusters are read and written under the reader's side, clusters are allocated under
 * the writer's.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "rhea/iov.h"

enum { CLUSTER = 64 * 1024 };

typedef struct Overlay {
    BlockNode *base, *top;
    GRWLock lock;
    unsigned long *allocated; /* bit a cluster */
} Overlay;

enum { LONG_BITS = 8 * sizeof(unsigned long) };

static bool is_allocated(const Overlay *o, uint64_t cluster)
{
    return o->allocated[cluster / LONG_BITS] >> (cluster % LONG_BITS) & 1;
}

/* Bytes from @offset, at most @len, whose clusters are alike; *top says which file has them. */
static uint64_t run_length(const Overlay *o, uint64_t offset, uint64_t len, bool *top)
{
    uint64_t cluster = offset / CLUSTER, end = (cluster + 1) * CLUSTER;

    *top = is_allocated(o, cluster);
    while (end < offset + len && is_allocated(o, end / CLUSTER) == *top) {
        end += CLUSTER;
    }
    return MIN(end - offset, len);
}

static int overlay_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    Overlay *o = n->opaque;
    uint64_t len = iov_length(iov, niov), done = 0;
    int ret = 0;

    g_rw_lock_reader_lock(&o->lock);
    while (!ret && done < len) {
        bool top;
        uint64_t run = run_length(o, offset + done, len - done, &top);
        int part_n;
        g_autofree struct iovec *part = iov_slice(iov, niov, done, run, &part_n);
        BlockNode *from = top ? o->top : o->base;

        ret = block_preadv(from, offset + done, part, part_n);
        done += run;
    }
    g_rw_lock_reader_unlock(&o->lock);
    return ret;
}

/* --- Allocation; the writer's lock is held --- */

/* Copies a cluster from the base, but for one that will be overwritten as a whole. */
static int allocate_cluster(BlockNode *n, uint64_t cluster, bool whole)
{
    Overlay *o = n->opaque;
    uint64_t start = cluster * CLUSTER, len = MIN(n->size - start, CLUSTER);
    int ret = 0;

    if (is_allocated(o, cluster)) {
        return 0;
    }
    if (!whole) {
        g_autofree uint8_t *buf = g_malloc(CLUSTER);
        struct iovec iov = {buf, len};

        ret = block_preadv(o->base, start, &iov, 1);
        ret = ret ? ret : block_pwritev(o->top, start, &iov, 1);
    }
    if (!ret) {
        o->allocated[cluster / LONG_BITS] |= 1UL << (cluster % LONG_BITS);
    }
    return ret;
}

static int allocate_range(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret = 0;

    for (uint64_t c = offset / CLUSTER; !ret && c * CLUSTER < offset + len; c++) {
        uint64_t start = c * CLUSTER, end = MIN(start + CLUSTER, n->size);

        ret = allocate_cluster(n, c, start >= offset && end <= offset + len);
    }
    return ret;
}

static bool range_allocated(const Overlay *o, uint64_t offset, uint64_t len)
{
    bool top;

    return !len || (run_length(o, offset, len, &top) == len && top);
}

/* --- Writing --- */

typedef int (*WriteFn)(BlockNode *top, uint64_t offset, uint64_t len, const struct iovec *iov,
                       int niov);

/*
 * A new cluster must not be read before its data is there, so the first write of one happens under the
 * writer's lock.
 */
static int overlay_write(BlockNode *n, uint64_t offset, uint64_t len, WriteFn fn,
                         const struct iovec *iov, int niov)
{
    Overlay *o = n->opaque;
    int ret;

    g_rw_lock_reader_lock(&o->lock);
    if (range_allocated(o, offset, len)) {
        ret = fn(o->top, offset, len, iov, niov);
        g_rw_lock_reader_unlock(&o->lock);
        return ret;
    }
    g_rw_lock_reader_unlock(&o->lock);
    g_rw_lock_writer_lock(&o->lock);
    ret = allocate_range(n, offset, len);
    ret = ret ? ret : fn(o->top, offset, len, iov, niov);
    g_rw_lock_writer_unlock(&o->lock);
    return ret;
}

static int write_data(BlockNode *top, uint64_t offset, uint64_t len, const struct iovec *iov,
                      int niov)
{
    return block_pwritev(top, offset, iov, niov);
}

static int write_nothing(BlockNode *top, uint64_t offset, uint64_t len, const struct iovec *iov,
                         int niov)
{
    return block_write_zeroes(top, offset, len, true);
}

static int overlay_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return overlay_write(n, offset, iov_length(iov, niov), write_data, iov, niov);
}

static int overlay_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    return overlay_write(n, offset, len, write_nothing, NULL, 0);
}

/* What is discarded may read as anything; what it had is as good. */
static int overlay_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    return 0;
}

/* Nothing here outlives the process. */
static int overlay_flush(BlockNode *n)
{
    return 0;
}

static int overlay_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    Overlay *o = n->opaque;
    bool top;
    uint64_t run;

    g_rw_lock_reader_lock(&o->lock);
    run = run_length(o, offset, len, &top);
    g_rw_lock_reader_unlock(&o->lock);
    return block_status(top ? o->top : o->base, offset, run, st);
}

static void overlay_close(BlockNode *n)
{
    Overlay *o = n->opaque;

    block_node_unref(o->base);
    block_node_unref(o->top);
    g_rw_lock_clear(&o->lock);
    g_free(o->allocated);
    g_free(o);
}

static const BlockDriver overlay_driver = {
    .name = "overlay",
    .preadv = overlay_preadv,
    .pwritev = overlay_pwritev,
    .flush = overlay_flush,
    .discard = overlay_discard,
    .write_zeroes = overlay_write_zeroes,
    .status = overlay_status,
    .close = overlay_close,
};

BlockNode *overlay_new(const char *what, BlockNode *base, Error **errp)
{
    BlockNode *top = file_open_temporary(what, base->size, errp), *n;
    Overlay *o;

    if (!top) {
        return NULL;
    }
    o = g_new0(Overlay, 1);
    o->base = base;
    o->top = top;
    o->allocated = g_new0(unsigned long, base->size / CLUSTER / LONG_BITS + 1);
    g_rw_lock_init(&o->lock);
    n = block_node_new(&overlay_driver, base->filename);
    n->opaque = o;
    n->size = base->size;
    n->temporary = true;
    return n;
}
