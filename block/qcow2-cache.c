/* SPDX-License-Identifier: MIT */
/*
 * Metadata in memory, and the order in which it reaches the file; see qcow2.h for why.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

enum { DROPPED_MAX = 65536 };

/* --- Tables --- */

void qcow2_cache_init(Qcow2Cache *c, unsigned max)
{
    c->tables = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    g_queue_init(&c->lru);
    c->max = max;
    c->dirty = 0;
}

void qcow2_cache_fini(Qcow2Cache *c)
{
    if (c->tables) {
        g_hash_table_unref(c->tables);
        g_queue_clear(&c->lru);
    }
}

static void table_touch(Qcow2Cache *c, Qcow2Table *t)
{
    if (c->lru.tail != t->link) {
        g_queue_unlink(&c->lru, t->link);
        g_queue_push_tail_link(&c->lru, t->link);
    }
}

static void table_insert(Qcow2Cache *c, Qcow2Table *t)
{
    g_queue_push_tail(&c->lru, t);
    t->link = c->lru.tail;
    g_hash_table_insert(c->tables, &t->offset, t);
}

static void table_remove(Qcow2Cache *c, Qcow2Table *t)
{
    c->dirty -= t->dirty;
    g_queue_delete_link(&c->lru, t->link);
    g_hash_table_remove(c->tables, &t->offset);
}

/* Clean tables go, the longest unused first, until there is room for one more. */
static void cache_trim(Qcow2Cache *c)
{
    GList *next;

    for (GList *l = c->lru.head; l && c->lru.length >= c->max; l = next) {
        Qcow2Table *t = l->data;

        next = l->next;
        if (!t->dirty && !t->writing) {
            table_remove(c, t);
        }
    }
}

int qcow2_table_get(Qcow2 *q, Qcow2Cache *c, uint64_t offset, Qcow2Table **out)
{
    Qcow2Table *t = g_hash_table_lookup(c->tables, &offset);
    int ret;

    if (t) {
        table_touch(c, t);
        *out = t;
        return 0;
    }
    if (!offset || !qcow2_aligned(q, offset)) {
        return -EIO;
    }
    cache_trim(c);
    t = g_malloc(sizeof(*t) + q->cluster_size);
    *t = (Qcow2Table){.offset = offset};
    ret = block_pread(q->n->file, offset, t->data, q->cluster_size);
    if (ret) {
        g_free(t);
        return ret;
    }
    table_insert(c, t);
    *out = t;
    return 0;
}

void qcow2_table_dirty(Qcow2Cache *c, Qcow2Table *t)
{
    c->dirty += !t->dirty;
    t->dirty = true;
}

Qcow2Table *qcow2_table_new(Qcow2 *q, Qcow2Cache *c, uint64_t offset)
{
    Qcow2Table *t;

    qcow2_table_forget(c, offset);
    cache_trim(c);
    t = g_malloc0(sizeof(*t) + q->cluster_size);
    t->offset = offset;
    table_insert(c, t);
    qcow2_table_dirty(c, t);
    return t;
}

void qcow2_table_forget(Qcow2Cache *c, uint64_t offset)
{
    Qcow2Table *t = g_hash_table_lookup(c->tables, &offset);

    if (t) {
        table_remove(c, t);
    }
}

/* --- Arrays --- */

void qcow2_array_dirty(Qcow2Array *a, uint32_t i)
{
    a->lo = a->hi ? MIN(a->lo, i) : i;
    a->hi = MAX(a->hi, i + 1);
}

int qcow2_array_write(Qcow2 *q, const Qcow2Array *a, uint32_t lo, uint32_t hi)
{
    g_autofree uint64_t *raw = NULL;

    if (lo >= hi) {
        return 0;
    }
    raw = g_new(uint64_t, hi - lo);
    for (uint32_t i = lo; i < hi; i++) {
        st64_be(&raw[i - lo], a->e[i]);
    }
    return block_pwrite(q->n->file, a->offset + lo * 8ULL, raw, (hi - lo) * 8ULL);
}

int qcow2_read_words(Qcow2 *q, uint64_t offset, uint64_t *out, uint64_t n)
{
    int ret = n ? block_pread(q->n->file, offset, out, n * 8) : 0;

    for (uint64_t i = 0; !ret && i < n; i++) {
        out[i] = ld64_be(&out[i]);
    }
    return ret;
}

/* --- Commit --- */

typedef struct Copy {
    uint64_t offset;
    uint8_t *data;
} Copy;

/* What one commit writes: copies, so that requests go on meanwhile. */
typedef struct Batch {
    GArray *blocks, *l2; /* Copy */
    Qcow2Array l1, rt;   /* the dirty entries, e = a copy of all */
    bool rt_moved;
    uint8_t header[QCOW2_HEADER_V3]; /* for that */
    GArray *dropped;
} Batch;

static void copy_clear(gpointer p)
{
    g_free(((Copy *)p)->data);
}

static GArray *take_dirty(Qcow2 *q, Qcow2Cache *c)
{
    GArray *copies = g_array_new(FALSE, FALSE, sizeof(Copy));

    g_array_set_clear_func(copies, copy_clear);
    for (GList *l = c->dirty ? c->lru.head : NULL; l; l = l->next) {
        Qcow2Table *t = l->data;

        if (t->dirty) {
            Copy copy = {t->offset, g_memdup2(t->data, q->cluster_size)};

            g_array_append_val(copies, copy);
            t->dirty = false;
            t->writing = true;
        }
    }
    c->dirty = 0;
    return copies;
}

static Qcow2Array take_array(Qcow2Array *a)
{
    Qcow2Array taken = *a;

    taken.e = a->hi ? g_memdup2(a->e, a->n * 8ULL) : NULL;
    a->lo = a->hi = 0;
    return taken;
}

static void batch_take(Qcow2 *q, Batch *b)
{
    b->blocks = take_dirty(q, &q->rb_cache);
    b->l2 = take_dirty(q, &q->l2_cache);
    b->l1 = take_array(&q->l1);
    b->rt = take_array(&q->rt);
    b->rt_moved = q->rt_moved;
    qcow2_encode_header(q, b->header);
    b->dropped = q->dropped;
    q->dropped = g_array_new(FALSE, FALSE, sizeof(uint64_t));
}

/* The writing is over; what failed is dirty again. */
static void finish_tables(Qcow2Cache *c, GArray *copies, bool failed)
{
    for (guint i = 0; i < copies->len; i++) {
        Qcow2Table *t = g_hash_table_lookup(c->tables, &g_array_index(copies, Copy, i).offset);

        if (t) {
            t->writing = false;
            if (failed) {
                qcow2_table_dirty(c, t);
            }
        }
    }
    g_array_unref(copies);
}

static void finish_array(Qcow2Array *a, Qcow2Array *taken, bool failed)
{
    if (failed && taken->hi) {
        qcow2_array_dirty(a, taken->lo);
        qcow2_array_dirty(a, taken->hi - 1);
    }
    g_free(taken->e);
}

/* Leaves b->dropped to the caller when it succeeded. */
static void batch_finish(Qcow2 *q, Batch *b, bool failed)
{
    finish_tables(&q->rb_cache, b->blocks, failed);
    finish_tables(&q->l2_cache, b->l2, failed);
    finish_array(&q->l1, &b->l1, failed);
    finish_array(&q->rt, &b->rt, failed);
    if (failed) {
        g_array_append_vals(q->dropped, b->dropped->data, b->dropped->len);
        g_array_unref(b->dropped);
    } else if (b->rt_moved && q->rt.offset == b->rt.offset) {
        q->rt_moved = false;
    }
}

static int write_copies(Qcow2 *q, GArray *copies)
{
    int ret = 0;

    for (guint i = 0; !ret && i < copies->len; i++) {
        Copy *c = &g_array_index(copies, Copy, i);

        ret = block_pwrite(q->n->file, c->offset, c->data, q->cluster_size);
    }
    return ret;
}

static int write_refcounts(Qcow2 *q, Batch *b)
{
    int ret = write_copies(q, b->blocks);

    if (!ret && b->rt.hi) {
        ret = block_flush(q->n->file);
        ret = ret ? ret : qcow2_array_write(q, &b->rt, b->rt.lo, b->rt.hi);
    }
    if (!ret && b->rt_moved) {
        ret = block_flush(q->n->file);
        ret = ret ? ret : block_pwrite(q->n->file, 0, b->header, qcow2_fixed_header(q));
    }
    return ret;
}

static int flush_data(Qcow2 *q)
{
    int ret = qcow2_external(q) ? block_flush(q->data) : 0;

    return ret ? ret : block_flush(q->n->file);
}

static int batch_write(Qcow2 *q, Batch *b)
{
    int ret = write_refcounts(q, b);

    if (!ret && (b->l2->len || b->l1.hi)) {
        ret = flush_data(q); /* before anything refers to it */
        ret = ret ? ret : write_copies(q, b->l2);
        if (!ret && b->l1.hi) {
            ret = b->l2->len ? block_flush(q->n->file) : 0;
            ret = ret ? ret : qcow2_array_write(q, &b->l1, b->l1.lo, b->l1.hi);
        }
    }
    return ret ? ret : flush_data(q);
}

/* The commit lock is held; @exclusive: the io lock too. */
static int commit_locked(Qcow2 *q, bool exclusive)
{
    Batch b;
    int ret;

    g_mutex_lock(&q->meta);
    batch_take(q, &b);
    g_mutex_unlock(&q->meta);
    ret = batch_write(q, &b);
    g_mutex_lock(&q->meta);
    batch_finish(q, &b, ret);
    g_mutex_unlock(&q->meta);
    if (ret) {
        return ret;
    }
    if (b.dropped->len) {
        if (!exclusive) { /* whoever still reads them from before finishes first */
            pthread_rwlock_wrlock(&q->io);
        }
        g_mutex_lock(&q->meta);
        ret = qcow2_apply_dropped(q, b.dropped);
        g_mutex_unlock(&q->meta);
        if (!exclusive) {
            pthread_rwlock_unlock(&q->io);
        }
    }
    g_array_unref(b.dropped);
    return ret;
}

int qcow2_commit(Qcow2 *q)
{
    int ret;

    pthread_mutex_lock(&q->commit);
    ret = commit_locked(q, false);
    pthread_mutex_unlock(&q->commit);
    return ret;
}

int qcow2_commit_exclusive(Qcow2 *q)
{
    return commit_locked(q, true);
}

static bool cache_crowded(const Qcow2Cache *c)
{
    return c->dirty && c->lru.length > c->max;
}

int qcow2_commit_if_needed(Qcow2 *q)
{
    bool needed;

    g_mutex_lock(&q->meta);
    needed =
        q->dropped->len > DROPPED_MAX || cache_crowded(&q->l2_cache) || cache_crowded(&q->rb_cache);
    g_mutex_unlock(&q->meta);
    return needed ? qcow2_commit(q) : 0;
}

void qcow2_exclusive_begin(Qcow2 *q)
{
    pthread_mutex_lock(&q->commit);
    pthread_rwlock_wrlock(&q->io);
}

void qcow2_exclusive_end(Qcow2 *q)
{
    pthread_rwlock_unlock(&q->io);
    pthread_mutex_unlock(&q->commit);
}
