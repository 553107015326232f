/* SPDX-License-Identifier: MIT */
/* Commit all at once: what an image has goes into one below it. While a guest writes, job-commit.c does it. */
#include "rhea/osdep.h"

#include "block-int.h"

enum { CHUNK = 1 << 20 };

/* One run of what lies above the base goes into it. */
static int commit_run(BlockNode *top, BlockNode *base, uint64_t offset, const BlockStatus *st,
                      uint8_t *buf)
{
    int ret = 0;

    if (!st->allocated) {
        return 0;
    }
    if (st->zero) {
        return block_write_zeroes(base, offset, st->run, true);
    }
    for (uint64_t at = 0; !ret && at < st->run; at += CHUNK) {
        uint64_t n = MIN(CHUNK, st->run - at);

        ret = block_pread(top, offset + at, buf, n);
        ret = ret ? ret : block_pwrite(base, offset + at, buf, n);
    }
    return ret;
}

static int commit_data(BlockNode *top, BlockNode *base, ImageProgress progress, void *opaque)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    uint64_t size = block_size(top);
    int ret = 0;

    for (uint64_t at = 0; !ret && at < size;) {
        BlockStatus st;

        ret = block_status_chain(top, base, at, size - at, &st);
        ret = ret ? ret : commit_run(top, base, at, &st, buf);
        at += st.run;
        if (progress) {
            progress(opaque, at, size);
        }
    }
    return ret ? ret : block_flush(base);
}

bool image_commit(BlockNode *top, BlockNode *base, bool keep, ImageProgress progress, void *opaque,
                  Error **errp)
{
    int ret;

    if (block_size(base) < block_size(top) &&
        !block_truncate(base, block_size(top), BLOCK_PREALLOC_OFF, errp)) {
        return false;
    }
    ret = commit_data(top, base, progress, opaque);
    if (ret) {
        return error_fail_errno(errp, -ret, "committing failed");
    }
    /* With another base than the nearest, what is between would show through an empty image. */
    return keep || base != top->backing || image_make_empty(top, errp);
}
