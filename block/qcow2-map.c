/* SPDX-License-Identifier: MIT */
/*
 * Guest clusters to host clusters: L1 and L2 tables, and their entries.  Everything under the meta lock.
 * What a table says is not trusted: an entry that cannot be is an error of the request that met it.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

uint64_t qcow2_l1_entries(const Qcow2 *q, uint64_t size)
{
    unsigned shift = q->l2_bits + q->cluster_bits;

    return (size >> shift) + !!(size & ((1ULL << shift) - 1));
}

/* --- Entries --- */

bool qcow2_entry_host(const Qcow2 *q, const Qcow2Entry *e, uint64_t *host)
{
    *host = e->desc & ENTRY_OFFSET;
    if (e->desc & ENTRY_COMPRESSED) {
        return false;
    }
    /* In an external data file the first cluster is one like the others; here it is the header. */
    return *host || (qcow2_external(q) && e->desc & ENTRY_COPIED);
}

/* Extended entries have the states of the subclusters; in others bit 0 says that all reads as zeroes. */
static uint64_t standard_subs(const Qcow2 *q, const Qcow2Entry *e)
{
    uint64_t host;

    if (e->desc & ENTRY_COMPRESSED) {
        return 0;
    }
    if (q->version >= 3 && e->desc & ENTRY_ZERO) {
        return 1ULL << 32;
    }
    return qcow2_entry_host(q, e, &host);
}

int qcow2_entry_decode(const Qcow2 *q, const uint8_t *table, uint64_t i, Qcow2Entry *e)
{
    uint64_t host;

    if (q->extended_l2) {
        e->desc = ld64_be(table + i * 16);
        e->subs = ld64_be(table + i * 16 + 8);
    } else {
        e->desc = ld64_be(table + i * 8);
        e->subs = standard_subs(q, e);
    }
    if (e->desc & ENTRY_COMPRESSED) {
        return e->subs || qcow2_external(q) ? -EIO : 0;
    }
    if (!qcow2_aligned(q, e->desc & ENTRY_OFFSET) || e->subs & e->subs >> 32) {
        return -EIO; /* or a subcluster is stored and zero at once */
    }
    return e->subs & UINT32_MAX && !qcow2_entry_host(q, e, &host) ? -EIO : 0;
}

void qcow2_entry_encode(const Qcow2 *q, uint8_t *table, uint64_t i, const Qcow2Entry *e)
{
    if (q->extended_l2) {
        st64_be(table + i * 16, e->desc);
        st64_be(table + i * 16 + 8, e->subs);
    } else {
        st64_be(table + i * 8, e->desc | (e->subs >> 32 ? ENTRY_ZERO : 0));
    }
}

void qcow2_compressed_range(const Qcow2 *q, uint64_t desc, uint64_t *offset, uint64_t *len)
{
    unsigned shift = 62 - (q->cluster_bits - 8);
    uint64_t sectors = (desc & ~(ENTRY_COPIED | ENTRY_COMPRESSED)) >> shift;

    *offset = desc & ((1ULL << shift) - 1);
    *len = (sectors + 1) * 512 - (*offset & 511);
}

void qcow2_entry_drop(Qcow2 *q, const Qcow2Entry *e)
{
    uint64_t host, len;

    if (e->desc & ENTRY_COMPRESSED) {
        qcow2_compressed_range(q, e->desc, &host, &len);
        qcow2_drop(q, host, ((host + len - 1) >> q->cluster_bits) - (host >> q->cluster_bits) + 1);
    } else if (qcow2_entry_host(q, e, &host) && !qcow2_external(q)) {
        qcow2_drop(q, host, 1);
    }
}

/* --- Tables --- */

/* The L2 table of a guest cluster, NULL in *t: there is none. */
static int l2_table_in(Qcow2 *q, const Qcow2Array *l1, uint64_t cluster, Qcow2Table **t)
{
    uint64_t i = cluster >> q->l2_bits;
    uint64_t offset = i < l1->n ? l1->e[i] & ENTRY_OFFSET : 0;

    *t = NULL;
    return offset ? qcow2_table_get(q, &q->l2_cache, offset, t) : 0;
}

static int l2_table(Qcow2 *q, uint64_t cluster, Qcow2Table **t)
{
    return l2_table_in(q, &q->l1, cluster, t);
}

static uint64_t index_in_l2(const Qcow2 *q, uint64_t cluster)
{
    return cluster & ((1ULL << q->l2_bits) - 1);
}

int qcow2_entry_get(Qcow2 *q, uint64_t cluster, Qcow2Entry *e)
{
    Qcow2Table *t;
    int ret = l2_table(q, cluster, &t);

    *e = (Qcow2Entry){0};
    return ret || !t ? ret : qcow2_entry_decode(q, t->data, index_in_l2(q, cluster), e);
}

int qcow2_entry_set(Qcow2 *q, uint64_t cluster, const Qcow2Entry *e)
{
    Qcow2Table *t;
    int ret = l2_table(q, cluster, &t);

    if (ret || !t) {
        return ret ? ret : -EIO;
    }
    qcow2_entry_encode(q, t->data, index_in_l2(q, cluster), e);
    qcow2_table_dirty(&q->l2_cache, t);
    return 0;
}

int qcow2_l2_writable(Qcow2 *q, uint64_t cluster)
{
    uint64_t i = cluster >> q->l2_bits, entry = i < q->l1.n ? q->l1.e[i] : 0, offset, got;
    Qcow2Table *t, *old = NULL;
    int ret;

    if (i >= q->l1.n) {
        return -EIO;
    }
    if (entry & ENTRY_COPIED) {
        return l2_table(q, cluster, &t);
    }
    ret = qcow2_alloc(q, 1, &got, &offset);
    if (ret) {
        return ret;
    }
    t = qcow2_table_new(q, &q->l2_cache, offset);
    ret = l2_table(q, cluster, &old);
    if (ret) {
        qcow2_table_forget(&q->l2_cache, offset);
        qcow2_unalloc(q, offset, 1);
        return ret;
    }
    if (old) { /* a snapshot has it too */
        memcpy(t->data, old->data, q->cluster_size);
        qcow2_drop(q, old->offset, 1);
    }
    q->l1.e[i] = offset | ENTRY_COPIED;
    qcow2_array_dirty(&q->l1, i);
    return 0;
}

/* --- Looking up --- */

/* What one subcluster is. */
static void sub_kind(const Qcow2 *q, const Qcow2Entry *e, unsigned sub, Qcow2Run *run)
{
    uint64_t host;
    bool own = qcow2_entry_host(q, e, &host);

    if (e->desc & ENTRY_COMPRESSED) {
        *run = (Qcow2Run){.kind = QCOW2_COMPRESSED, .host = e->desc};
    } else if (e->subs >> sub & 1) {
        *run = (Qcow2Run){.kind = QCOW2_DATA, .host = host};
    } else if (e->subs >> (sub + 32) & 1) {
        *run = (Qcow2Run){.kind = QCOW2_ZERO, .host = own ? host : 0};
    } else {
        *run = (Qcow2Run){.kind = QCOW2_NOTHING};
    }
}

/* Whether what follows @run, @done bytes on, belongs to it. */
static bool continues(const Qcow2Run *run, const Qcow2Run *next, uint64_t distance)
{
    if (run->kind != next->kind) {
        return false;
    }
    switch (run->kind) {
    case QCOW2_DATA: return next->host == run->host + distance;
    case QCOW2_COMPRESSED: return distance == 0;
    default: return true;
    }
}

int qcow2_map_in(Qcow2 *q, const Qcow2Array *l1, uint64_t offset, uint64_t len, Qcow2Run *run)
{
    uint64_t cluster = offset >> q->cluster_bits, first = cluster, host_at;
    uint64_t last_in_table = cluster | ((1ULL << q->l2_bits) - 1);
    unsigned sub = (offset & (q->cluster_size - 1)) >> q->sub_bits;
    uint64_t sub_size = 1ULL << q->sub_bits;
    Qcow2Entry e;
    Qcow2Table *t;
    int ret = l2_table_in(q, l1, cluster, &t);

    if (ret) {
        return ret;
    }
    if (!t) { /* nothing in all of the table */
        uint64_t end = (last_in_table + 1) << q->cluster_bits;

        *run = (Qcow2Run){.kind = QCOW2_NOTHING, .len = MIN(len, end - offset)};
        return 0;
    }
    ret = qcow2_entry_decode(q, t->data, index_in_l2(q, cluster), &e);
    if (ret) {
        return ret;
    }
    sub_kind(q, &e, sub, run);
    host_at = run->host;
    run->len = sub_size - (offset & (sub_size - 1));
    while (run->len < len) {
        Qcow2Run next;

        if (++sub == q->subs) {
            sub = 0;
            if (++cluster > last_in_table ||
                qcow2_entry_decode(q, t->data, index_in_l2(q, cluster), &e)) {
                break; /* an error is for whoever comes there */
            }
        }
        sub_kind(q, &e, sub, &next);
        if (!continues(run, &next, (cluster - first) << q->cluster_bits)) {
            break;
        }
        run->len += sub_size;
    }
    run->len = MIN(run->len, len);
    if (run->kind == QCOW2_DATA) {
        run->host = host_at + (offset & (q->cluster_size - 1));
    }
    return 0;
}

int qcow2_map(Qcow2 *q, uint64_t offset, uint64_t len, Qcow2Run *run)
{
    return qcow2_map_in(q, &q->l1, offset, len, run);
}
