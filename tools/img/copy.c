/* SPDX-License-Identifier: MIT */
/*
 * Copying: the main thread finds out what holds data, workers read, look for zeroes, and write.
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

/* Buffers are used again: the kernel would clear the pages of each new one. */
static uint8_t *take_buffer(Copy *c)
{
    uint8_t *buf;

    g_mutex_lock(&c->lock);
    buf = c->buffers->len ? g_ptr_array_steal_index_fast(c->buffers, c->buffers->len - 1) : NULL;
    g_mutex_unlock(&c->lock);
    return buf ? buf : g_malloc(c->chunk);
}

static void give_buffer(Copy *c, uint8_t *buf)
{
    g_mutex_lock(&c->lock);
    g_ptr_array_add(c->buffers, buf);
    g_mutex_unlock(&c->lock);
}

static int copy_piece(Copy *c, const Piece *p)
{
    uint8_t *buf;
    int ret;

    if (p->zero) {
        return write_zeroes(c, p->offset, p->len);
    }
    buf = take_buffer(c);
    ret = read_source(c, p->offset, buf, p->len);
    if (!ret) {
        ret = c->compress ? write_compressed(c, p, buf) : write_data(c, p, buf);
    }
    give_buffer(c, buf);
    return ret;
}

static int copy_failed(Copy *c)
{
    int ret;

    g_mutex_lock(&c->lock);
    ret = c->ret;
    g_mutex_unlock(&c->lock);
    return ret;
}

static void copy_worker(gpointer data, gpointer opaque)
{
    Piece *p = data;
    Copy *c = opaque;
    int ret;

    tsan_pool_popped(p);
    ret = copy_failed(c) ? 0 : copy_piece(c, p);
    g_mutex_lock(&c->lock);
    c->ret = c->ret ? c->ret : ret;
    c->done += p->len;
    c->pending--;
    img_progress(c->progress && c->done < c->total, c->done, c->total);
    g_cond_signal(&c->room);
    g_mutex_unlock(&c->lock);
    g_free(p);
}

/* --- Handing out --- */

static void wait_below(Copy *c, unsigned limit)
{
    g_mutex_lock(&c->lock);
    while (c->pending >= limit) {
        g_cond_wait(&c->room, &c->lock);
    }
    g_mutex_unlock(&c->lock);
}

static void hand_out(Copy *c, GThreadPool *pool, const Piece *p)
{
    wait_below(c, c->workers * 2);
    g_mutex_lock(&c->lock);
    c->pending++;
    g_mutex_unlock(&c->lock);
    g_thread_pool_push(pool, g_memdup2(p, sizeof(*p)), NULL);
}

/* Compressed clusters are written once: pieces are whole chunks, of which zeroes alone are left out. */
static int next_chunk(const Copy *c, uint64_t offset, Piece *p, bool *skip)
{
    uint64_t len = MIN(c->chunk - offset % c->chunk, c->total - offset);
    BlockStatus st;
    int ret = source_status(c, offset, len, &st);

    *p = (Piece){offset, len, st.zero && st.run == len};
    *skip = !ret && c->only_top && !st.allocated && st.run == len;
    return ret;
}

static int next_run(const Copy *c, uint64_t offset, Piece *p, bool *skip)
{
    BlockStatus st;
    int ret = source_status(c, offset, c->total - offset, &st);

    *p = (Piece){offset, st.run, st.zero && c->sparse};
    *skip = !ret && c->only_top && !st.allocated;
    if (!p->zero && !*skip) {
        p->len = MIN(p->len, c->chunk - offset % c->chunk);
    }
    return ret;
}

int img_copy(Copy *c)
{
    GThreadPool *pool = g_thread_pool_new(copy_worker, c, (gint)c->workers, FALSE, NULL);
    int ret = 0;

    /* Compressed clusters are written as wholes. */
    c->chunk = c->compress ? MAX(CHUNK, image_cluster_size(c->to)) : CHUNK;
    c->buffers = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&c->lock);
    g_cond_init(&c->room);
    for (uint64_t at = 0; at < c->total && !ret && !copy_failed(c);) {
        Piece p;
        bool skip;

        ret = (c->compress ? next_chunk : next_run)(c, at, &p, &skip);
        if (!ret && !skip) {
            hand_out(c, pool, &p);
        }
        at += p.len;
    }
    wait_below(c, 1);
    g_thread_pool_free(pool, FALSE, TRUE);
    ret = ret ? ret : c->ret;
    ret = ret ? ret : block_flush(c->to);
    img_progress(c->progress && !ret, c->total, c->total);
    g_ptr_array_unref(c->buffers);
    g_mutex_clear(&c->lock);
    g_cond_clear(&c->room);
    return ret;
}
