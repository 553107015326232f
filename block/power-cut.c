/* SPDX-License-Identifier: MIT */
/*
 * power-cut: a disk whose power fails.  At the request that cut-after= counts to, of the sectors written since the
 * last flush a seeded random choice has reached the disk, and the others have not: as with a disk that has a
 * write cache and reorders.  Everything from then on fails.  For tests of formats: put it between a format and
 * its file, let it fail, and look at the file.
 */
#include "rhea/osdep.h"

#include "filter.h"
#include "rhea/iov.h"

/* LOG_MAX: what has been written since the last flush is kept in memory; beyond that it is flushed. */
enum { SECTOR = 512, LOG_MAX = 64 << 20 };

/* A write since the last flush, and what was there before. */
typedef struct Write {
    uint64_t offset;
    size_t len;
    uint8_t *was, *is;
} Write;

typedef struct PowerCut {
    GMutex lock;
    uint64_t left; /* requests that change something, until the cut; 0: it is off */
    bool off;
    GRand *rand;
    GQueue log; /* Write */
    size_t logged;
} PowerCut;

static void write_free(gpointer p)
{
    Write *w = p;

    g_free(w->was);
    g_free(w->is);
    g_free(w);
}

static void log_clear(PowerCut *s)
{
    g_queue_clear_full(&s->log, write_free);
    s->logged = 0;
}

/* --- The cut; the lock is held --- */

/* Sector by sector of one write: it has arrived, or not. */
static void lose_some(BlockNode *n, const Write *w)
{
    PowerCut *s = n->opaque;
    unsigned chance = (unsigned)g_rand_int_range(s->rand, 0, 5); /* of 4: none .. all */

    for (size_t at = 0; at < w->len;) {
        size_t len = MIN(SECTOR - (w->offset + at) % SECTOR, w->len - at);

        if ((unsigned)g_rand_int_range(s->rand, 0, 4) < chance) {
            (void)!block_pwrite(n->file, w->offset + at, w->is + at, len);
        }
        at += len;
    }
}

static void cut(BlockNode *n)
{
    PowerCut *s = n->opaque;

    for (GList *l = s->log.tail; l; l = l->prev) {
        const Write *w = l->data;

        (void)!block_pwrite(n->file, w->offset, w->was, w->len);
    }
    for (GList *l = s->log.head; l; l = l->next) {
        lose_some(n, l->data);
    }
    s->off = true;
    log_clear(s);
}

/* Counts a request that changes something; an error once the power has gone. */
static int count(BlockNode *n)
{
    PowerCut *s = n->opaque;

    if (!s->off && s->left && --s->left == 0) {
        cut(n);
    }
    return s->off ? -EIO : 0;
}

/* --- Requests --- */

static int cut_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    PowerCut *s = n->opaque;
    int ret;

    g_mutex_lock(&s->lock);
    ret = s->off ? -EIO : block_preadv(n->file, offset, iov, niov);
    g_mutex_unlock(&s->lock);
    return ret;
}

/* What is there, zeroes behind the end. */
static int read_before(BlockNode *file, uint64_t offset, uint8_t *buf, size_t len)
{
    uint64_t size = block_size(file), have = offset < size ? MIN(len, size - offset) : 0;

    memset(buf + have, 0, len - have);
    return have ? block_pread(file, offset, buf, have) : 0;
}

static int logged_write(BlockNode *n, uint64_t offset, uint8_t *data, size_t len)
{
    PowerCut *s = n->opaque;
    Write *w = g_new(Write, 1);
    int ret;

    *w = (Write){offset, len, g_malloc(len), data};
    ret = s->off ? -EIO : read_before(n->file, offset, w->was, len);
    if (ret) {
        write_free(w);
        return ret;
    }
    g_queue_push_tail(&s->log, w);
    s->logged += len;
    ret = count(n);
    ret = ret ? ret : block_pwrite(n->file, offset, data, len);
    if (!ret && s->logged > LOG_MAX) {
        ret = block_flush(n->file);
        log_clear(s);
    }
    filter_follow_size(n);
    return ret;
}

static int cut_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    PowerCut *s = n->opaque;
    size_t len = iov_length(iov, niov);
    uint8_t *data = g_malloc(len);
    int ret;

    iov_to_buf(iov, niov, 0, data, len);
    g_mutex_lock(&s->lock);
    ret = logged_write(n, offset, data, len);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int cut_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap)
{
    PowerCut *s = n->opaque;
    int ret = 0;

    g_mutex_lock(&s->lock);
    for (uint64_t done = 0, part; !ret && done < len; done += part) {
        part = MIN(len - done, LOG_MAX);
        ret = logged_write(n, offset + done, g_malloc0(part), part);
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

/* Another hint that may come to nothing. */
static int cut_discard(BlockNode *n, uint64_t offset, uint64_t len)
{
    return 0;
}

static int cut_flush(BlockNode *n)
{
    PowerCut *s = n->opaque;
    int ret;

    g_mutex_lock(&s->lock);
    ret = count(n);
    ret = ret ? ret : block_flush(n->file);
    if (!ret) {
        log_clear(s);
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

static bool cut_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint64_t seed = 0, left = 0;
    PowerCut *s;

    if (!opts_take_u64(o, "seed", UINT32_MAX, &seed, errp) ||
        !opts_take_u64(o, "cut-after", INT64_MAX, &left, errp)) {
        return false;
    }
    s = g_new0(PowerCut, 1);
    g_mutex_init(&s->lock);
    g_queue_init(&s->log);
    s->rand = g_rand_new_with_seed((guint32)seed);
    s->left = left;
    n->opaque = s;
    n->size = block_size(n->file);
    return true;
}

static void cut_close(BlockNode *n)
{
    PowerCut *s = n->opaque;

    log_clear(s);
    g_rand_free(s->rand);
    g_mutex_clear(&s->lock);
    g_free(s);
}

static const char *const cut_options[] = {"seed", "cut-after", NULL};

const BlockDriver power_cut_driver = {
    .name = "power-cut",
    .filter = true,
    .options = cut_options,
    .open = cut_open,
    .close = cut_close,
    .preadv = cut_preadv,
    .pwritev = cut_pwritev,
    .flush = cut_flush,
    .discard = cut_discard,
    .write_zeroes = cut_write_zeroes,
    .status = filter_status,
    .truncate = filter_truncate,
    .set_read_only = filter_set_read_only,
    .reopen = filter_reopen,
};
