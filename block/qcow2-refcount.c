/* SPDX-License-Identifier: MIT */
/*
 * Refcounts of host clusters, and finding free ones.  A refcount block that is missing counts as zeroes.
 * All of it under the meta lock.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* Offsets in tables have 56 bits. */
#define MAX_HOST_BYTES (1ULL << 56)

/* --- Entries of a block: 1 to 64 bits wide, the narrow ones from the least significant bit on --- */

uint64_t qcow2_refcount_read(const Qcow2 *q, const uint8_t *block, uint64_t i)
{
    switch (q->refcount_order) {
    case 3: return block[i];
    case 4: return ld16_be(block + i * 2);
    case 5: return ld32_be(block + i * 4);
    case 6: return ld64_be(block + i * 8);
    default: {
        unsigned width = 1U << q->refcount_order, per_byte = 8 / width;

        return block[i / per_byte] >> (i % per_byte * width) & ((1U << width) - 1);
    }
    }
}

void qcow2_refcount_write(const Qcow2 *q, uint8_t *block, uint64_t i, uint64_t value)
{
    switch (q->refcount_order) {
    case 3: block[i] = value; break;
    case 4: st16_be(block + i * 2, value); break;
    case 5: st32_be(block + i * 4, value); break;
    case 6: st64_be(block + i * 8, value); break;
    default: {
        unsigned width = 1U << q->refcount_order, per_byte = 8 / width;
        unsigned shift = i % per_byte * width, mask = ((1U << width) - 1) << shift;

        block[i / per_byte] = (block[i / per_byte] & ~mask) | value << shift;
    }
    }
}

uint64_t qcow2_refcount_max(const Qcow2 *q)
{
    return q->refcount_order == 6 ? UINT64_MAX : (1ULL << (1U << q->refcount_order)) - 1;
}

/* --- Single clusters --- */

/* The block that counts @cluster; NULL in *out: there is none. */
static int block_of(Qcow2 *q, uint64_t cluster, Qcow2Table **out)
{
    uint64_t i = cluster >> q->rb_bits;

    *out = NULL;
    return i < q->rt.n && q->rt.e[i] ? qcow2_table_get(q, &q->rb_cache, q->rt.e[i], out) : 0;
}

static uint64_t index_in_block(const Qcow2 *q, uint64_t cluster)
{
    return cluster & ((1ULL << q->rb_bits) - 1);
}

int qcow2_refcount_get(Qcow2 *q, uint64_t cluster, uint64_t *out)
{
    Qcow2Table *t;
    int ret = block_of(q, cluster, &t);

    *out = t ? qcow2_refcount_read(q, t->data, index_in_block(q, cluster)) : 0;
    return ret;
}

int qcow2_refcount_set(Qcow2 *q, uint64_t cluster, uint64_t value)
{
    Qcow2Table *t;
    int ret = block_of(q, cluster, &t);

    if (ret || !t) {
        return ret ? ret : -EIO;
    }
    qcow2_refcount_write(q, t->data, index_in_block(q, cluster), value);
    qcow2_table_dirty(&q->rb_cache, t);
    return 0;
}

int qcow2_refcount_change(Qcow2 *q, uint64_t cluster, int delta)
{
    uint64_t value;
    int ret = qcow2_refcount_get(q, cluster, &value);

    if (ret) {
        return ret;
    }
    if (delta < 0 ? value == 0 : value == qcow2_refcount_max(q)) {
        return delta < 0 ? -EIO : -EFBIG;
    }
    if (delta < 0 && value == 1) {
        q->free_hint = MIN(q->free_hint, cluster);
        qcow2_table_forget(&q->l2_cache, cluster << q->cluster_bits);
    }
    return qcow2_refcount_set(q, cluster, value + delta);
}

/* --- More refcount blocks --- */

/* The refcount table gets room for entry @need, in a new place. */
static int grow_table(Qcow2 *q, uint64_t need)
{
    uint64_t per_cluster = q->cluster_size / 8, offset;
    /* One more for the blocks that count the table itself. */
    uint64_t clusters = MAX(need / per_cluster + 2, q->rt_clusters + q->rt_clusters / 2ULL);
    uint32_t old_n = q->rt.n;
    int ret;

    clusters = MIN(clusters, QCOW2_MAX_RT_BYTES / q->cluster_size);
    if (need >= clusters * per_cluster) {
        return -EFBIG;
    }
    q->rt.e = g_renew(uint64_t, q->rt.e, clusters * per_cluster);
    memset(q->rt.e + q->rt.n, 0, (clusters * per_cluster - q->rt.n) * 8);
    q->rt.n = clusters * per_cluster;
    ret = qcow2_alloc(q, clusters, NULL, &offset);
    if (ret) {
        q->rt.n = q->rt.n == clusters * per_cluster ? old_n : q->rt.n;
        return ret;
    }
    if (q->rt.n > clusters * per_cluster) { /* it has grown again, for the clusters that it took */
        qcow2_unalloc(q, offset, clusters);
        return 0;
    }
    qcow2_drop(q, q->rt.offset, q->rt_clusters);
    q->rt.offset = offset;
    q->rt_clusters = clusters;
    q->rt_moved = true;
    qcow2_array_dirty(&q->rt, 0);
    qcow2_array_dirty(&q->rt, q->rt.n - 1);
    return 0;
}

/* Makes the block with index @i, in the free cluster @at; where that is counted has a block, or is this one. */
static int block_new(Qcow2 *q, uint64_t i, uint64_t at)
{
    uint64_t offset = at << q->cluster_bits;
    int ret;

    qcow2_table_new(q, &q->rb_cache, offset);
    q->rt.e[i] = offset;
    ret = qcow2_refcount_set(q, at, 1);
    if (ret) {
        q->rt.e[i] = 0;
        qcow2_table_forget(&q->rb_cache, offset);
        return ret;
    }
    qcow2_array_dirty(&q->rt, i);
    q->fresh = MAX(q->fresh, at + 1);
    return 0;
}

/*
 * Sees that clusters @first..@last can be counted.  1: one free cluster of them has become a block, so that
 * the caller looks for free ones again.
 */
static int need_blocks(Qcow2 *q, uint64_t first, uint64_t last)
{
    for (uint64_t i = first >> q->rb_bits; i <= last >> q->rb_bits; i++) {
        int ret = 0;

        if (i >= q->rt.n) {
            ret = grow_table(q, i);
            return ret ? ret : 1;
        }
        if (!q->rt.e[i]) {
            ret = block_new(q, i, first);
            return ret ? ret : 1;
        }
    }
    return 0;
}

/* --- Allocation --- */

/* How many clusters from @first on are free, at most @want. */
static int count_free(Qcow2 *q, uint64_t first, uint64_t want, uint64_t *count)
{
    uint64_t refs = 0;
    int ret = 0;

    for (*count = 0; *count < want; ++*count) {
        ret = qcow2_refcount_get(q, first + *count, &refs);
        if (ret || refs) {
            break;
        }
    }
    return ret;
}

/* *at goes on to the next cluster that is free. */
static int skip_used(Qcow2 *q, uint64_t *at)
{
    for (;;) {
        uint64_t i = index_in_block(q, *at), n = 1ULL << q->rb_bits;
        Qcow2Table *t;
        int ret = block_of(q, *at, &t);

        if (ret || !t) {
            return ret;
        }
        while (i < n && qcow2_refcount_read(q, t->data, i)) {
            i++;
            ++*at;
        }
        if (i < n) {
            return 0;
        }
    }
}

static int find_free(Qcow2 *q, uint64_t want, bool fewer, uint64_t *first, uint64_t *count)
{
    uint64_t at = q->free_hint, limit = MAX_HOST_BYTES >> q->cluster_bits;
    bool lowest = true;

    for (;; at += *count) {
        int ret = skip_used(q, &at);

        if (!ret && (at > limit || want > limit - at)) {
            ret = -EFBIG;
        }
        ret = ret ? ret : count_free(q, at, want, count);
        if (ret) {
            return ret;
        }
        if (lowest) {
            q->free_hint = at;
            lowest = false;
        }
        if (*count == want || fewer) {
            *first = at;
            return 0;
        }
    }
}

int qcow2_alloc(Qcow2 *q, uint64_t want, uint64_t *got, uint64_t *out)
{
    uint64_t first, count;
    int ret;

    do {
        ret = find_free(q, want, got != NULL, &first, &count);
        if (ret) {
            return ret;
        }
        if (got) { /* within one block: the next may not be there yet */
            count = MIN(count, (1ULL << q->rb_bits) - index_in_block(q, first));
        }
        ret = need_blocks(q, first, first + count - 1);
    } while (ret == 1);
    for (uint64_t i = 0; !ret && i < count; i++) {
        ret = qcow2_refcount_set(q, first + i, 1);
    }
    if (ret) {
        return ret;
    }
    if (q->free_hint == first) {
        q->free_hint = first + count;
    }
    q->fresh = MAX(q->fresh, first + count);
    *out = first << q->cluster_bits;
    if (got) {
        *got = count;
    }
    return 0;
}

int qcow2_alloc_at(Qcow2 *q, uint64_t cluster)
{
    int ret = need_blocks(q, cluster, cluster);

    if (ret) { /* 1: the cluster itself has been taken for that */
        return ret == 1 ? -EAGAIN : ret;
    }
    ret = qcow2_refcount_change(q, cluster, 1);
    q->fresh = ret ? q->fresh : MAX(q->fresh, cluster + 1);
    return ret;
}

void qcow2_unalloc(Qcow2 *q, uint64_t offset, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) { /* what fails is a leak */
        (void)!qcow2_refcount_change(q, (offset >> q->cluster_bits) + i, -1);
    }
    q->compressed_end = 0;
}

/* --- Dropping --- */

void qcow2_drop(Qcow2 *q, uint64_t offset, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t cluster = (offset >> q->cluster_bits) + i;

        g_array_append_val(q->dropped, cluster);
    }
}

/* What is free now holds no space in the host, with discard=unmap. */
static void discard_freed(Qcow2 *q, uint64_t cluster)
{
    uint64_t offset = cluster << q->cluster_bits, size = block_size(q->n->file);

    if (q->n->unmap && offset < size) {
        (void)!block_discard(q->n->file, offset, MIN(q->cluster_size, size - offset));
    }
}

int qcow2_apply_dropped(Qcow2 *q, GArray *dropped)
{
    int first = 0;

    for (guint i = 0; i < dropped->len; i++) {
        uint64_t cluster = g_array_index(dropped, uint64_t, i), refs = 1;
        int ret = qcow2_refcount_change(q, cluster, -1);

        ret = ret ? ret : qcow2_refcount_get(q, cluster, &refs);
        if (!ret && !refs) {
            discard_freed(q, cluster);
        }
        first = first ? first : ret;
    }
    if (dropped->len) {
        q->compressed_end = 0;
        g_mutex_lock(&q->inflated_lock);
        q->inflated_desc = 0;
        g_mutex_unlock(&q->inflated_lock);
    }
    return first;
}
