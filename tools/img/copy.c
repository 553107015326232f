/* SPDX-License-Identifier: MIT */
/*
 * Copying: each thread takes the next part that holds data, reads it, looks for zeroes, and writes.
 */
#include "rhea/osdep.h"

#include "copy.h"
#include "rhea/iov.h"

enum { CHUNK = 1 << 20 };

/* A part of the target, all of it data or all of it zeroes. */
typedef struct Piece {
    uint64_t offset, len;
    bool zero;
} Piece;

/* --- The sources as one --- */

/* The source that has byte *offset, which becomes one in it; *len is cut to its end. NULL: behind the last. */
static BlockNode *source_at(const Copy *c, uint64_t *offset, uint64_t *len)
{
    for (int i = 0; i < c->n_from; i++) {
        uint64_t size = block_size(c->from[i]);

        if (*offset < size) {
            *len = MIN(*len, size - *offset);
            return c->from[i];
        }
        *offset -= size;
    }
    return NULL;
}

static int read_source(const Copy *c, uint64_t offset, uint8_t *buf, uint64_t len)
{
    while (len) {
        uint64_t at = offset, n = len;
        BlockNode *from = source_at(c, &at, &n);
        int ret = 0;

        if (from) {
            ret = block_pread(from, at, buf, n);
        } else {
            memset(buf, 0, n);
        }
        if (ret) {
            return ret;
        }
        buf += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static int source_status(const Copy *c, uint64_t offset, uint64_t len, BlockStatus *st)
{
    BlockNode *from = source_at(c, &offset, &len);

    if (!from) {
        *st = (BlockStatus){.run = len, .zero = true, .allocated = true};
        return 0;
    }
    return block_status_chain(from, c->only_top ? block_backing(from) : NULL, offset, len, st);
}

/* --- Workers --- */

static int write_zeroes(Copy *c, uint64_t offset, uint64_t len)
{
    return c->blank ? 0 : block_write_zeroes(c->to, offset, len, true);
}

/* How many bytes from @at on are all zeroes or all not, in units of c->sparse. */
static uint64_t alike(const Copy *c, const uint8_t *buf, uint64_t at, uint64_t len, bool *zero)
{
    uint64_t end = at, n;

    *zero = false;
    if (!c->sparse) {
        return len - at;
    }
    for (; end < len; end += n) {
        bool z;

        n = MIN(c->sparse - end % c->sparse, len - end);
        z = buf_is_zero(buf + end, n);
        if (end > at && z != *zero) {
            break;
        }
        *zero = z;
    }
    return end - at;
}

static int write_data(Copy *c, const Piece *p, const uint8_t *buf)
{
    int ret = 0;

    for (uint64_t at = 0, n; !ret && at < p->len; at += n) {
        bool zero;

        n = alike(c, buf, at, p->len, &zero);
        if (!zero && c->blank) {
            block_reserve(c->to, p->offset + at, n);
        }
        ret = zero ? write_zeroes(c, p->offset + at, n)
                   : block_pwrite(c->to, p->offset + at, buf + at, n);
    }
    return ret;
}

/* Cluster by cluster, as compressed data is stored. */
static int write_compressed(Copy *c, const Piece *p, const uint8_t *buf)
{
    uint64_t cluster = image_cluster_size(c->to), n;
    int ret = 0;

    for (uint64_t at = 0; !ret && at < p->len; at += n) {
        n = MIN(cluster, p->len - at);
        ret = buf_is_zero(buf + at, n) ? write_zeroes(c, p->offset + at, n)
                                       : block_write_compressed(c->to, p->offset + at, buf + at, n);
    }
    return ret;
}

static int copy_piece(Copy *c, const Piece *p, uint8_t *buf)
{
    int ret;

    if (p->zero) {
        return write_zeroes(c, p->offset, p->len);
    }
    ret = read_source(c, p->offset, buf, p->len);
    if (ret) {
        return ret;
    }
    return c->compress ? write_compressed(c, p, buf) : write_data(c, p, buf);
}

/* --- Handing out, under the lock --- */

/* Finds out how far the sources are all data or all not from c->at on. */
static int next_run(Copy *c)
{
    uint64_t len = c->total - c->at;
    BlockStatus st;
    int ret;

    /* Compressed clusters are written once: pieces are whole chunks, of which zeroes alone are left out. */
    if (c->compress) {
        len = MIN(len, c->chunk - c->at % c->chunk);
    }
    ret = source_status(c, c->at, len, &st);
    if (ret) {
        return ret;
    }
    c->run_zero = st.zero && c->sparse;
    c->run_skip = (c->only_top && !st.allocated) || (c->run_zero && c->blank);
    if (!c->compress) {
        len = st.run;
    } else if (st.run < len) {
        c->run_zero = c->run_skip = false;
    }
    c->run_end = c->at + len;
    return 0;
}

/* False: nothing is left, or something failed. */
static bool take_piece(Copy *c, Piece *p)
{
    while (!c->ret && c->at < c->total) {
        uint64_t len;

        if (c->at == c->run_end) {
            c->ret = next_run(c);
            continue;
        }
        len = c->run_end - c->at;
        if (c->run_skip) {
            c->done += len;
        } else {
            len = c->run_zero ? len : MIN(len, c->chunk - c->at % c->chunk);
            *p = (Piece){c->at, len, c->run_zero};
        }
        c->at += len;
        if (!c->run_skip) {
            return true;
        }
    }
    return false;
}

static gpointer copy_worker(gpointer opaque)
{
    Copy *c = opaque;
    g_autofree uint8_t *buf = g_malloc(c->chunk);
    Piece p;

    g_mutex_lock(&c->lock);
    while (take_piece(c, &p)) {
        int ret;

        g_mutex_unlock(&c->lock);
        ret = copy_piece(c, &p, buf);
        g_mutex_lock(&c->lock);
        c->ret = c->ret ? c->ret : ret;
        c->done += p.len;
        img_progress(c->progress && c->done < c->total, c->done, c->total);
    }
    g_mutex_unlock(&c->lock);
    return NULL;
}

int img_copy(Copy *c)
{
    g_autofree GThread **threads = g_new(GThread *, c->workers);
    int ret;

    /* Compressed clusters are written as wholes. */
    c->chunk = c->compress ? MAX(CHUNK, image_cluster_size(c->to)) : CHUNK;
    g_mutex_init(&c->lock);
    for (unsigned i = 1; i < c->workers; i++) {
        threads[i] = g_thread_new("copy", copy_worker, c);
    }
    copy_worker(c);
    for (unsigned i = 1; i < c->workers; i++) {
        g_thread_join(threads[i]);
    }
    ret = c->ret ? c->ret : block_flush(c->to);
    img_progress(c->progress && !ret, c->total, c->total);
    g_mutex_clear(&c->lock);
    return ret;
}
