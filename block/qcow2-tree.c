/* SPDX-License-Identifier: MIT */
/*
 * All that an L1 table leads to: taking and dropping references to it, and the flag ENTRY_COPIED of the
 * active tables.  Everything here runs exclusively.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* --- Clusters --- */

int qcow2_alloc_exclusive(Qcow2 *q, uint64_t bytes, uint64_t *offset)
{
    int ret = 0;

    *offset = 0;
    if (bytes) {
        g_mutex_lock(&q->meta);
        ret = qcow2_alloc(q, qcow2_clusters(q, bytes), NULL, offset);
        g_mutex_unlock(&q->meta);
    }
    return ret;
}

void qcow2_drop_exclusive(Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    g_mutex_lock(&q->meta);
    qcow2_drop(q, offset, qcow2_clusters(q, bytes));
    g_mutex_unlock(&q->meta);
}

static bool crowded(Qcow2 *q)
{
    return (q->l2_cache.dirty && q->l2_cache.lru.length > q->l2_cache.max) ||
           (q->rb_cache.dirty && q->rb_cache.lru.length > q->rb_cache.max);
}

/* --- Trees of tables --- */

typedef int (*ClusterFn)(Qcow2 *q, uint64_t cluster);

static int cluster_take(Qcow2 *q, uint64_t cluster)
{
    return qcow2_refcount_change(q, cluster, 1);
}

static int cluster_untake(Qcow2 *q, uint64_t cluster)
{
    return qcow2_refcount_change(q, cluster, -1);
}

static int cluster_drop(Qcow2 *q, uint64_t cluster)
{
    g_array_append_val(q->dropped, cluster);
    return 0;
}

/* Calls @fn for what an entry refers to; *left counts down, and nothing is called at 0. */
static int visit_entry(Qcow2 *q, const Qcow2Entry *e, ClusterFn fn, uint64_t *left)
{
    uint64_t host, len;
    uint64_t first, last;
    int ret = 0;

    if (e->desc & ENTRY_COMPRESSED) {
        qcow2_compressed_range(q, e->desc, &host, &len);
    } else if (qcow2_entry_host(q, e, &host)) {
        len = 1;
    } else {
        return 0;
    }
    first = host >> q->cluster_bits;
    last = (host + len - 1) >> q->cluster_bits;
    for (uint64_t c = first; !ret && c <= last && *left; c++) {
        ret = fn(q, c);
        *left -= !ret;
    }
    return ret;
}

/* One L2 table and what it refers to. meta held. */
static int visit_l2(Qcow2 *q, uint64_t table, ClusterFn fn, uint64_t *left)
{
    Qcow2Entry e;
    Qcow2Table *t;
    int ret = *left ? fn(q, table >> q->cluster_bits) : 0;

    *left -= !ret && *left;
    for (uint64_t i = 0; !ret && i < 1ULL << q->l2_bits && *left; i++) {
        ret = qcow2_table_get(q, &q->l2_cache, table, &t);
        ret = ret ? ret : qcow2_entry_decode(q, t->data, i, &e);
        ret = ret ? ret : visit_entry(q, &e, fn, left);
    }
    return ret;
}

static int visit_tree(Qcow2 *q, const uint64_t *l1, uint32_t n, ClusterFn fn, uint64_t *left)
{
    int ret = 0;

    for (uint32_t i = 0; !ret && i < n && *left; i++) {
        if (l1[i] & ENTRY_OFFSET) {
            g_mutex_lock(&q->meta);
            ret = visit_l2(q, l1[i] & ENTRY_OFFSET, fn, left);
            g_mutex_unlock(&q->meta);
            ret = !ret && crowded(q) ? qcow2_commit_exclusive(q) : ret;
        }
    }
    return ret;
}

int qcow2_take_tree(Qcow2 *q, const uint64_t *l1, uint32_t n)
{
    uint64_t left = UINT64_MAX, done;
    int ret = visit_tree(q, l1, n, cluster_take, &left);

    if (ret) {
        done = UINT64_MAX - left;
        (void)!visit_tree(q, l1, n, cluster_untake, &done); /* what fails is a leak */
    }
    return ret;
}

int qcow2_drop_tree(Qcow2 *q, const uint64_t *l1, uint32_t n)
{
    uint64_t left = UINT64_MAX;

    return visit_tree(q, l1, n, cluster_drop, &left);
}
/* --- ENTRY_COPIED --- */

typedef enum FlagsHow {
    FLAGS_COMPARE, /* counts those that are not as the refcount asks for */
    FLAGS_SET,     /* and makes them so */
    FLAGS_CLEAR,   /* takes all away */
} FlagsHow;

/* How many flags stand against their refcount. */
typedef struct FlagsWrong {
    uint64_t set;     /* in place of a copy: harm */
    uint64_t missing; /* one copy too many: none */
} FlagsWrong;

/* *entry with the flag that it should have. meta held. */
static int right_flag(Qcow2 *q, uint64_t cluster, FlagsHow how, uint64_t *entry, FlagsWrong *wrong)
{
    uint64_t refs = 0, before = *entry;
    int ret = how == FLAGS_CLEAR ? 0 : qcow2_refcount_get(q, cluster, &refs);

    *entry = refs == 1 ? *entry | ENTRY_COPIED : *entry & ~ENTRY_COPIED;
    if (!ret && *entry != before) {
        wrong->set += !(*entry & ENTRY_COPIED);
        wrong->missing += !!(*entry & ENTRY_COPIED);
    }
    return ret;
}

static int walk_l2_flags(Qcow2 *q, uint64_t table, FlagsHow how, FlagsWrong *wrong)
{
    Qcow2Table *t;
    int ret = qcow2_table_get(q, &q->l2_cache, table, &t);

    for (uint64_t i = 0; !ret && i < 1ULL << q->l2_bits; i++) {
        Qcow2Entry e;
        uint64_t host, before;

        if (qcow2_entry_decode(q, t->data, i, &e) || !qcow2_entry_host(q, &e, &host)) {
            continue;
        }
        before = e.desc;
        ret = right_flag(q, host >> q->cluster_bits, how, &e.desc, wrong);
        if (!ret && e.desc != before && how != FLAGS_COMPARE) {
            qcow2_entry_encode(q, t->data, i, &e);
            qcow2_table_dirty(&q->l2_cache, t);
        }
    }
    return ret;
}

static int walk_flags(Qcow2 *q, FlagsHow how, FlagsWrong *wrong)
{
    int ret = 0;

    *wrong = (FlagsWrong){0};
    for (uint32_t i = 0; !ret && i < q->l1.n && !qcow2_external(q); i++) {
        uint64_t table = q->l1.e[i] & ENTRY_OFFSET, entry = q->l1.e[i];

        if (!table) {
            continue;
        }
        g_mutex_lock(&q->meta);
        ret = walk_l2_flags(q, table, how, wrong);
        ret = ret ? ret : right_flag(q, table >> q->cluster_bits, how, &entry, wrong);
        if (!ret && entry != q->l1.e[i] && how != FLAGS_COMPARE) {
            q->l1.e[i] = entry;
            qcow2_array_dirty(&q->l1, i);
        }
        g_mutex_unlock(&q->meta);
        ret = !ret && crowded(q) ? qcow2_commit_exclusive(q) : ret;
    }
    return ret;
}

int qcow2_update_copied(Qcow2 *q)
{
    FlagsWrong wrong;

    return walk_flags(q, FLAGS_SET, &wrong);
}

int qcow2_count_copied(Qcow2 *q, uint64_t *set, uint64_t *missing)
{
    FlagsWrong wrong;
    int ret = walk_flags(q, FLAGS_COMPARE, &wrong);

    *set = wrong.set;
    *missing = wrong.missing;
    return ret;
}

int qcow2_clear_copied(Qcow2 *q)
{
    FlagsWrong wrong;

    return walk_flags(q, FLAGS_CLEAR, &wrong);
}
