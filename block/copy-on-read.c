/* SPDX-License-Identifier: MIT */
/*
 * copy-on-read: what is read from a backing file is written to the image as well, so that it is near the next
 * time.  A range is copied while no write is at it.
 * Locking: writes and reads of allocated data take the reader's side, copies the writer's.
 */
#include "rhea/osdep.h"

#include "filter.h"
#include "rhea/iov.h"

/* --- Copying; the writer's lock is held --- */

static int copy_run(BlockNode *image, uint64_t offset, uint64_t len)
{
    g_autofree uint8_t *buf = g_malloc(len);
    int ret = block_pread(image, offset, buf, len);

    return ret ? ret : block_write_unchanged(image, offset, buf, len);
}

static int copy_range(BlockNode *image, uint64_t offset, uint64_t len)
{
    int ret = 0;

    for (uint64_t done = 0; !ret && done < len;) {
        BlockStatus st;

        ret = block_status(image, offset + done, MIN(len - done, 1 << 20), &st);
        if (!ret && !st.allocated) {
            ret = copy_run(image, offset + done, st.run);
        }
        done += st.run;
    }
    return ret;
}

/* --- Requests --- */

static bool has_all(BlockNode *image, uint64_t offset, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        BlockStatus st;

        if (block_status(image, offset + done, len - done, &st) || !st.allocated) {
            return false;
        }
        done += st.run;
    }
    return true;
}

static int cor_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    BlockNode *image = block_skip_filters(n->file);
    uint64_t len = iov_length(iov, niov);
    GRWLock *lock = n->opaque;

    /* A copy that fails (the image is full, or read-only) is none of the reader's business. */
    if (image->backing && !image->read_only && !has_all(image, offset, len)) {
        g_rw_lock_writer_lock(lock);
        (void)!copy_range(image, offset, len);
        g_rw_lock_writer_unlock(lock);
    }
    return block_preadv(n->file, offset, iov, niov);
}

static int cor_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    int ret;

    g_rw_lock_reader_lock(n->opaque);
    ret = filter_pwritev(n, offset, iov, niov);
    g_rw_lock_reader_unlock(n->opaque);
    return ret;
}

static int cor_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret;

    g_rw_lock_reader_lock(n->opaque);
    ret = filter_write_zeroes(n, offset, len, may_unmap);
    g_rw_lock_reader_unlock(n->opaque);
    return ret;
}

static int cor_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret;

    g_rw_lock_reader_lock(n->opaque);
    ret = filter_discard(n, offset, len);
    g_rw_lock_reader_unlock(n->opaque);
    return ret;
}

static bool cor_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    GRWLock *lock = g_new0(GRWLock, 1);

    g_rw_lock_init(lock);
    n->opaque = lock;
    n->size = block_size(n->file);
    return true;
}

static void cor_close(BlockNode *n)
{
    g_rw_lock_clear(n->opaque);
    g_free(n->opaque);
}

const BlockDriver copy_on_read_driver = {
    .name = "copy-on-read",
    .filter = true,
    .open = cor_open,
    .close = cor_close,
    .preadv = cor_preadv,
    .pwritev = cor_pwritev,
    .flush = filter_flush,
    .discard = cor_discard,
    .write_zeroes = cor_write_zeroes,
    .status = filter_status,
    .truncate = filter_truncate,
    .set_read_only = filter_set_read_only,
    .reopen = filter_reopen,
};
