/* SPDX-License-Identifier: MIT */
/* Nodes that hand requests on to their file, perhaps after a word of their driver's. */
#include "rhea/osdep.h"

#include "filter.h"
#include "rhea/iov.h"

/* A filter over a protocol grows with it. */
void filter_follow_size(BlockNode *n)
{
    __atomic_store_n(&n->size, block_size(n->file), __ATOMIC_RELAXED);
}

static int before(BlockNode *n, BlockFilterOp op, uint64_t offset, uint64_t len)
{
    return n->drv->before ? n->drv->before(n, op, offset, len) : 0;
}

int filter_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    int ret = before(n, BLOCK_FILTER_READ, offset, iov_length(iov, niov));

    return ret ? ret : block_preadv(n->file, offset, iov, niov);
}

int filter_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    int ret = before(n, BLOCK_FILTER_WRITE, offset, iov_length(iov, niov));

    ret = ret ? ret : block_pwritev(n->file, offset, iov, niov);
    filter_follow_size(n);
    return ret;
}

int filter_flush(BlockNode *n)
{
    int ret = before(n, BLOCK_FILTER_FLUSH, 0, 0);

    return ret ? ret : block_flush(n->file);
}

int filter_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret = before(n, BLOCK_FILTER_DISCARD, offset, len);

    return ret ? ret : block_discard(n->file, offset, len);
}

int filter_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret = before(n, BLOCK_FILTER_ZERO, offset, len);

    ret = ret ? ret : block_write_zeroes(n->file, offset, len, may_unmap);
    filter_follow_size(n);
    return ret;
}

/* The filter answers for the whole chain below. */
int filter_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    int ret = block_status_chain(n->file, NULL, offset, len, st);

    st->allocated = true;
    return ret;
}

bool filter_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp)
{
    return block_truncate(n->file, size, prealloc, errp); /* which changes the filter's, too */
}

bool filter_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    return true;
}

bool filter_reopen(BlockNode *n, Opts *o, Error **errp)
{
    filter_follow_size(n);
    return true;
}
