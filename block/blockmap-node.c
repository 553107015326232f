/* SPDX-License-Identifier: MIT */
/* Nodes made of maps: the driver's functions, which hand a request to the map that has its place on the disk. */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/iov.h"

BlockMap *blockmap_of(const BlockNode *n)
{
    return g_ptr_array_index((GPtrArray *)n->opaque, 0);
}

void blockmap_discard_all(BlockNode *n)
{
    g_clear_pointer((GPtrArray **)&n->opaque, g_ptr_array_unref);
}

/* The map that has byte *offset of the disk, which becomes one in it; *len is cut to its end. */
static BlockMap *map_at(const BlockNode *n, uint64_t *offset, uint64_t *len)
{
    const GPtrArray *maps = n->opaque;
    guint lo = 0, hi = maps->len;
    BlockMap *m;

    while (hi - lo > 1) {
        guint mid = lo + (hi - lo) / 2;

        if (*offset < ((BlockMap *)g_ptr_array_index(maps, mid))->base) {
            hi = mid;
        } else {
            lo = mid;
        }
    }
    m = g_ptr_array_index(maps, lo);
    *offset -= m->base;
    *len = MIN(*len, m->size - *offset);
    return m;
}

static int each_iov(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov,
                    int (*fn)(BlockMap *m, uint64_t offset, const struct iovec *iov, int niov))
{
    uint64_t len = iov_length(iov, niov), done = 0;
    int ret = 0;

    while (!ret && done < len) {
        uint64_t at = offset + done, part = len - done;
        BlockMap *m = map_at(n, &at, &part);
        int part_n;
        g_autofree struct iovec *slice = iov_slice(iov, niov, done, part, &part_n);

        ret = fn(m, at, slice, part_n);
        done += part;
    }
    return ret;
}

int blockmap_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return each_iov(n, offset, iov, niov, blockmap_map_preadv);
}

int blockmap_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    return each_iov(n, offset, iov, niov, blockmap_map_pwritev);
}

int blockmap_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret = 0;

    while (!ret && len) {
        uint64_t at = offset, part = len;
        BlockMap *m = map_at(n, &at, &part);

        ret = blockmap_map_zero(m, at, part, may_unmap);
        offset += part;
        len -= part;
    }
    return ret;
}

int blockmap_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    int ret = 0;

    while (!ret && len) {
        uint64_t at = offset, part = len;
        BlockMap *m = map_at(n, &at, &part);

        ret = blockmap_map_discard(m, at, part);
        offset += part;
        len -= part;
    }
    return ret;
}

int blockmap_flush(BlockNode *n)
{
    const GPtrArray *maps = n->opaque;
    int ret = 0;

    for (guint i = 0; i < maps->len; i++) {
        int one = blockmap_commit(g_ptr_array_index(maps, i));

        ret = ret ? ret : one;
    }
    return ret;
}

int blockmap_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    BlockMap *m = map_at(n, &offset, &len);

    return blockmap_map_status(m, offset, len, st);
}

int blockmap_write_compressed(BlockNode *n, uint64_t offset, const void *buf, size_t len)
{
    uint64_t part = len;
    BlockMap *m = len ? map_at(n, &offset, &part) : blockmap_of(n);
    struct iovec iov = {(void *)buf, len};

    if (!m->ops->store) {
        return -ENOTSUP;
    }
    return part != len ? -EINVAL : blockmap_map_pwritev(m, offset, &iov, 1);
}

uint32_t blockmap_cluster_size(const BlockNode *n)
{
    return blockmap_of(n)->flat ? 0 : blockmap_of(n)->block_size;
}

bool blockmap_dirty(const BlockNode *n)
{
    return blockmap_of(n)->left_open;
}

static int end_all(BlockNode *n)
{
    const GPtrArray *maps = n->opaque;
    int ret = 0;

    for (guint i = 0; i < maps->len; i++) {
        int one = blockmap_map_end(g_ptr_array_index(maps, i));

        ret = ret ? ret : one;
    }
    return ret;
}

void blockmap_close(BlockNode *n)
{
    int ret = end_all(n);

    if (ret) {
        warn_user("'%s': its tables could not be written: %s", n->filename, strerror(-ret));
    }
    blockmap_discard_all(n);
}

void blockmap_follow_file(BlockNode *n, const BlockNode *from)
{
    const GPtrArray *maps = n->opaque;

    for (guint i = 0; i < maps->len; i++) {
        BlockMap *m = g_ptr_array_index(maps, i);

        m->file = m->file == from ? n->file : m->file;
    }
}

bool blockmap_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    int ret = read_only ? end_all(n) : 0;

    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write its tables", n->filename);
}

bool blockmap_make_empty(BlockNode *n, Error **errp)
{
    const GPtrArray *maps = n->opaque;
    int ret = 0;

    for (guint i = 0; !ret && i < maps->len; i++) {
        ret = blockmap_map_make_empty(g_ptr_array_index(maps, i));
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot empty it", n->filename);
}
