/* SPDX-License-Identifier: MIT */
/*
 * Is an image consistent?  Everything that the tables refer to is counted, and compared with the refcounts.
 * Repair sets refcounts to what was counted, or writes new ones where their tables are damaged.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

enum { CHUNK_BITS = 12, CHUNK = 1 << CHUNK_BITS };

typedef struct Check {
    Qcow2 *q;
    ImageCheck *result;
    GHashTable *chunks;  /* cluster / CHUNK -> uint32_t[CHUNK]: counted references */
    uint64_t limit;      /* clusters of the file */
    uint64_t highest;    /* the last cluster that something refers to */
    uint64_t last_host;  /* of the guest cluster before, for fragmentation */
    bool refcounts_bad;  /* their own tables are damaged */
    bool skip_refcounts; /* they will be made anew */
} Check;

/* --- Counting --- */

static void finding(Check *c, bool corrupt, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void finding(Check *c, bool corrupt, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    c->result->corruptions += corrupt;
    if (!c->result->report) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    c->result->report(c->result->opaque, text);
}

static uint32_t *counter(Check *c, uint64_t cluster)
{
    uint64_t key = cluster >> CHUNK_BITS;
    uint32_t *chunk = g_hash_table_lookup(c->chunks, &key);

    if (!chunk) {
        chunk = g_new0(uint32_t, CHUNK);
        g_hash_table_insert(c->chunks, g_memdup2(&key, sizeof(key)), chunk);
    }
    return &chunk[cluster & (CHUNK - 1)];
}

static uint32_t counted(Check *c, uint64_t cluster)
{
    uint64_t key = cluster >> CHUNK_BITS;
    uint32_t *chunk = g_hash_table_lookup(c->chunks, &key);

    return chunk ? chunk[cluster & (CHUNK - 1)] : 0;
}

/* Counts the clusters of some bytes; false: they are not all in the file. */
static bool count_range(Check *c, uint64_t offset, uint64_t len, const char *what)
{
    uint64_t first = offset >> c->q->cluster_bits, last;

    if (!len) {
        return true;
    }
    last = (offset + len - 1) >> c->q->cluster_bits;
    if (offset > INT64_MAX || len > INT64_MAX || last >= c->limit) {
        finding(c, true, "%s at 0x%" PRIx64 " lies beyond the end of the file", what, offset);
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        uint32_t *n = counter(c, i);

        *n += *n < UINT32_MAX;
    }
    c->highest = MAX(c->highest, last);
    return true;
}

/* The same for whole clusters, which begin where clusters do. */
static bool count_clusters(Check *c, uint64_t offset, uint64_t len, const char *what)
{
    if (!qcow2_aligned(c->q, offset)) {
        finding(c, true, "%s at 0x%" PRIx64 " does not begin a cluster", what, offset);
        return false;
    }
    return count_range(c, offset, len, what);
}

/* --- Mapping tables --- */

static void count_statistics(Check *c, const Qcow2Entry *e, uint64_t host)
{
    ImageCheck *r = c->result;

    r->allocated_clusters++;
    if (e->desc & ENTRY_COMPRESSED) {
        r->compressed_clusters++;
        r->fragmented_clusters++; /* it takes more than one read */
        return;
    }
    if (c->last_host && host != c->last_host + c->q->cluster_size) {
        r->fragmented_clusters++;
    }
    c->last_host = host;
}

static void check_entry(Check *c, const uint8_t *table, uint64_t i, bool active)
{
    Qcow2 *q = c->q;
    uint64_t host, len;
    Qcow2Entry e;

    if (qcow2_entry_decode(q, table, i, &e)) {
        finding(c, true, "an L2 entry cannot be: 0x%" PRIx64, e.desc);
        return;
    }
    if (e.desc & ENTRY_COMPRESSED) {
        qcow2_compressed_range(q, e.desc, &host, &len);
        len = MIN(len, block_size(q->n->file) > host ? block_size(q->n->file) - host : len);
        count_range(c, host, len, "a compressed cluster");
    } else if (!qcow2_entry_host(q, &e, &host)) {
        return;
    } else if (!qcow2_external(q)) {
        count_clusters(c, host, q->cluster_size, "a data cluster");
    }
    if (active) {
        count_statistics(c, &e, host);
    }
}

static void check_l1(Check *c, const uint64_t *l1, uint32_t n, bool active)
{
    Qcow2 *q = c->q;
    g_autofree uint8_t *table = g_malloc(q->cluster_size);

    for (uint32_t i = 0; i < n; i++) {
        uint64_t offset = l1[i] & ENTRY_OFFSET;
        int ret;

        if (!offset || !count_clusters(c, offset, q->cluster_size, "an L2 table")) {
            continue;
        }
        ret = block_pread(q->n->file, offset, table, q->cluster_size);
        if (ret) {
            c->result->check_errors++;
            finding(c, false, "an L2 table at 0x%" PRIx64 " cannot be read: %s", offset,
                    strerror(-ret));
            continue;
        }
        for (uint64_t e = 0; e < 1ULL << q->l2_bits; e++) {
            check_entry(c, table, e, active);
        }
    }
}

static void check_snapshots(Check *c)
{
    Qcow2 *q = c->q;

    count_clusters(c, q->snapshots_offset, q->snapshots_bytes, "the snapshot table");
    for (guint i = 0; i < q->snapshots->len; i++) {
        const Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);
        g_autofree uint64_t *l1 = g_new0(uint64_t, MAX(sn->l1_size, 1));
        uint64_t bytes = sn->l1_size * 8ULL;

        if (!count_clusters(c, sn->l1_offset, bytes, "a snapshot's L1 table")) {
            continue;
        }
        if (qcow2_read_words(q, sn->l1_offset, l1, sn->l1_size)) {
            c->result->check_errors++;
            continue;
        }
        check_l1(c, l1, sn->l1_size, false);
    }
}

/* --- Persistent bitmaps --- */

static void check_bitmap(Check *c, const Qcow2Bitmap *b)
{
    Qcow2 *q = c->q;
    g_autofree uint64_t *table = NULL;

    if (!count_clusters(c, b->table_offset, b->table_size * 8ULL, "a bitmap's table")) {
        return;
    }
    if (qcow2_read_bitmap_table(q, b, &table)) {
        c->result->check_errors++;
        return;
    }
    for (uint32_t i = 0; i < b->table_size; i++) {
        if (table[i] & ENTRY_OFFSET) {
            count_clusters(c, table[i] & ENTRY_OFFSET, q->cluster_size, "a bitmap's cluster");
        }
    }
}

static void check_bitmaps(Check *c)
{
    count_clusters(c, c->q->bitmaps_offset, c->q->bitmaps_bytes, "the bitmap directory");
    for (guint i = 0; i < c->q->bitmaps->len; i++) {
        check_bitmap(c, g_ptr_array_index(c->q->bitmaps, i));
    }
}

/* --- All that is referred to --- */

static void check_refcount_tables(Check *c)
{
    Qcow2 *q = c->q;

    if (!count_clusters(c, q->rt.offset, (uint64_t)q->rt_clusters << q->cluster_bits,
                        "the refcount table")) {
        c->refcounts_bad = true;
    }
    for (uint32_t i = 0; i < q->rt.n; i++) {
        uint64_t offset = q->rt.e[i];

        if (offset && (!count_clusters(c, offset, q->cluster_size, "a refcount block") ||
                       counted(c, offset >> q->cluster_bits) != 1)) {
            c->refcounts_bad = true;
        }
    }
}

static void count_everything(Check *c)
{
    Qcow2 *q = c->q;

    c->limit = qcow2_clusters(q, block_size(q->n->file));
    count_range(c, 0, q->cluster_size, "the header");
    count_clusters(c, q->l1.offset, q->l1.n * 8ULL, "the L1 table");
    count_clusters(c, q->crypt_offset, q->crypt_bytes, "the LUKS header");
    check_l1(c, q->l1.e, q->l1.n, true);
    check_snapshots(c);
    check_bitmaps(c);
    if (!c->skip_refcounts) {
        check_refcount_tables(c);
    }
}

static Check check_begin(Qcow2 *q, ImageCheck *result)
{
    return (Check){
        .q = q,
        .result = result,
        .chunks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free),
    };
}

/* --- Comparing --- */

/* One cluster; with @fix its refcount is made right. meta held. */
static int compare_cluster(Check *c, uint64_t cluster, unsigned fix)
{
    ImageCheck *r = c->result;
    uint32_t want = counted(c, cluster);
    uint64_t have;
    bool leak;
    int ret = qcow2_refcount_get(c->q, cluster, &have);

    if (ret || have == want) {
        return ret;
    }
    leak = have > want;
    c->highest = MAX(c->highest, leak ? cluster : 0);
    finding(c, !leak, "%s cluster %" PRIu64 " refcount=%" PRIu64 " reference=%u",
            leak ? "Leaked" : "ERROR", cluster, have, want);
    r->leaks += leak;
    if (c->refcounts_bad || !(fix & (leak ? IMAGE_FIX_LEAKS : IMAGE_FIX_ERRORS))) {
        return 0;
    }
    ret = want > qcow2_refcount_max(c->q) ? -EFBIG : qcow2_refcount_set(c->q, cluster, want);
    if (!ret) {
        r->leaks_fixed += leak;
        r->corruptions_fixed += !leak;
    }
    return ret;
}

/* All that one refcount block counts. */
static int compare_block(Check *c, uint64_t block, unsigned fix)
{
    Qcow2 *q = c->q;
    uint64_t first = block << q->rb_bits, end = (block + 1) << q->rb_bits;
    bool there = block < q->rt.n && q->rt.e[block];
    int ret = 0;

    if (!there && first > c->highest) {
        return 0;
    }
    g_mutex_lock(&q->meta);
    for (uint64_t i = first; !ret && i < end; i++) {
        ret = compare_cluster(c, i, fix);
        if (!there && counted(c, i)) {
            c->refcounts_bad = true;
        }
    }
    g_mutex_unlock(&q->meta);
    if (ret) {
        c->result->check_errors++;
        finding(c, false, "refcount block %" PRIu64 " cannot be read or changed: %s", block,
                strerror(-ret));
    }
    return 0;
}

static int compare_all(Check *c, unsigned fix)
{
    Qcow2 *q = c->q;
    uint64_t blocks = MAX(q->rt.n, (c->highest >> q->rb_bits) + 1);

    for (uint64_t i = 0; i < blocks; i++) {
        int ret = compare_block(c, i, fix);

        if (!ret && q->rb_cache.dirty > q->rb_cache.max) {
            ret = qcow2_commit_exclusive(q);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

/* How far the flags of the active tables are from the refcounts, which are right by now. */
static int compare_copied(Check *c, unsigned fix)
{
    ImageCheck *r = c->result;
    uint64_t set, missing;
    int ret = qcow2_count_copied(c->q, &set, &missing);

    if (ret || (!set && !missing)) {
        return ret;
    }
    r->corruptions += set;
    finding(c, false,
            "%s%" PRIu64 " entries are wrongly marked as in use once, %" PRIu64
            " are wrongly not (which costs a copy)",
            set ? "ERROR " : "", set, missing);
    if (fix & IMAGE_FIX_ERRORS) {
        r->corruptions_fixed += set;
        ret = qcow2_update_copied(c->q);
    }
    return ret;
}

/* --- New refcounts --- */

/* Where the new tables go: blocks for clusters 0..start-1 and for themselves, then their table. */
typedef struct Layout {
    uint64_t start, blocks, table_clusters;
} Layout;

static Layout layout_from(const Qcow2 *q, uint64_t start)
{
    Layout l = {.start = start};

    for (;;) {
        uint64_t end = start + l.blocks + l.table_clusters;
        uint64_t blocks = (end >> q->rb_bits) + 1;
        uint64_t table = qcow2_clusters(q, blocks * 8);

        if (blocks == l.blocks && table == l.table_clusters) {
            return l;
        }
        l.blocks = blocks;
        l.table_clusters = table;
    }
}

static int write_block(Check *c, const Layout *l, uint64_t i)
{
    Qcow2 *q = c->q;
    g_autofree uint8_t *block = g_malloc0(q->cluster_size);
    uint64_t first = i << q->rb_bits, own_end = l->start + l->blocks + l->table_clusters;

    for (uint64_t k = 0; k < 1ULL << q->rb_bits; k++) {
        uint64_t cluster = first + k;
        uint64_t refs = cluster >= l->start && cluster < own_end ? 1 : counted(c, cluster);

        if (refs > qcow2_refcount_max(q)) {
            return -EFBIG;
        }
        qcow2_refcount_write(q, block, k, refs);
    }
    return block_pwrite(q->n->file, (l->start + i) << q->cluster_bits, block, q->cluster_size);
}

/* The new tables are on disk; they become those of the image. */
static int adopt(Qcow2 *q, const Layout *l, Qcow2Array *rt)
{
    int ret = qcow2_array_write(q, rt, 0, rt->n);

    ret = ret ? ret : block_flush(q->n->file);
    if (ret) {
        return ret;
    }
    g_mutex_lock(&q->meta);
    g_free(q->rt.e);
    q->rt = *rt;
    rt->e = NULL;
    q->rt_clusters = l->table_clusters;
    q->rt_moved = q->rt_bad = false;
    qcow2_cache_fini(&q->rb_cache);
    qcow2_cache_init(&q->rb_cache, q->rb_cache.max);
    g_array_set_size(q->dropped, 0);
    q->free_hint = 0;
    q->compressed_end = 0;
    q->fresh = MAX(q->fresh, l->start + l->blocks + l->table_clusters);
    q->incompatible &= ~INCOMPAT_DIRTY;
    g_mutex_unlock(&q->meta);
    ret = qcow2_write_header(q);
    return ret ? ret : block_flush(q->n->file);
}

static int write_refcounts(Check *c)
{
    Qcow2 *q = c->q;
    Layout l = layout_from(q, MAX(c->limit, c->highest + 1));
    Qcow2Array rt = {0};
    int ret = 0;

    if (l.table_clusters << q->cluster_bits > QCOW2_MAX_RT_BYTES) {
        l = layout_from(q, c->highest + 1); /* a long file with little in it */
    }
    if (l.table_clusters << q->cluster_bits > QCOW2_MAX_RT_BYTES) {
        return -EFBIG;
    }
    rt.n = (l.table_clusters << q->cluster_bits) / 8;
    rt.offset = (l.start + l.blocks) << q->cluster_bits;
    rt.e = g_new0(uint64_t, rt.n);
    for (uint64_t i = 0; !ret && i < l.blocks; i++) {
        rt.e[i] = (l.start + i) << q->cluster_bits;
        ret = write_block(c, &l, i);
    }
    ret = ret ? ret : adopt(q, &l, &rt);
    g_free(rt.e);
    return ret;
}

static int rebuild(Qcow2 *q, uint64_t *corruptions)
{
    ImageCheck result = {0};
    Check c = check_begin(q, &result);
    int ret;

    c.skip_refcounts = true;
    count_everything(&c);
    *corruptions = result.corruptions + result.check_errors;
    ret = write_refcounts(&c);
    g_hash_table_unref(c.chunks);
    return ret;
}

bool qcow2_rebuild_refcounts(Qcow2 *q, Error **errp)
{
    uint64_t corruptions;
    int ret = rebuild(q, &corruptions);

    if (!ret && corruptions) {
        return error_fail(errp, "'%s' was not closed, and is damaged (check -r all)",
                          q->n->filename);
    }
    ret = ret ? ret : qcow2_update_copied(q);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return !ret || error_fail_errno(errp, -ret,
                                    "'%s' was not closed, and its refcounts cannot be "
                                    "made right",
                                    q->n->filename);
}

static int set_width_exclusive(Qcow2 *q, unsigned order)
{
    unsigned old = q->refcount_order;
    uint64_t corruptions;
    int ret = qcow2_commit_exclusive(q);

    ret = ret ? ret : qcow2_commit_exclusive(q); /* what the first has dropped */
    if (ret) {
        return ret;
    }
    q->refcount_order = order;
    q->rb_bits = q->cluster_bits + 3 - order;
    ret = rebuild(q, &corruptions);
    if (ret) {
        q->refcount_order = old;
        q->rb_bits = q->cluster_bits + 3 - old;
    }
    return ret;
}

bool qcow2_set_refcount_width(Qcow2 *q, unsigned order, Error **errp)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = set_width_exclusive(q, order);
    qcow2_exclusive_end(q);
    return !ret || error_fail_errno(errp, -ret, "'%s': its refcounts cannot become %u bits wide%s",
                                    q->n->filename, 1U << order,
                                    ret == -EFBIG ? ": some would not fit" : "");
}

/* --- The whole check --- */

static int repair_tables(Check *c)
{
    uint64_t corruptions, before = c->result->corruptions + c->result->leaks;
    int ret = rebuild(c->q, &corruptions);

    if (!ret) {
        finding(c, false, "The refcount tables have been made anew");
        c->result->corruptions_fixed += before - c->result->leaks - MIN(corruptions, before);
        c->result->leaks_fixed += c->result->leaks;
    }
    return ret;
}

/* The image is good: it says so again. */
static int clear_marks(Qcow2 *q)
{
    uint64_t marks = INCOMPAT_DIRTY | INCOMPAT_CORRUPT;
    int ret = qcow2_commit_exclusive(q);

    if (!ret && q->incompatible & marks) {
        q->incompatible &= ~marks;
        ret = qcow2_write_header(q);
        ret = ret ? ret : block_flush(q->n->file);
    }
    return ret;
}

static int check_exclusive(Check *c, unsigned fix)
{
    Qcow2 *q = c->q;
    int ret = q->n->read_only ? 0 : qcow2_commit_exclusive(q);

    ret = ret || q->n->read_only ? ret : qcow2_commit_exclusive(q); /* what the first has dropped */
    if (ret) {
        return ret;
    }
    c->refcounts_bad = q->rt_bad;
    count_everything(c);
    ret = compare_all(c, c->refcounts_bad ? 0 : fix);
    if (!ret && c->refcounts_bad) {
        if (!(fix & IMAGE_FIX_ERRORS)) {
            return 0; /* flags mean nothing then */
        }
        ret = repair_tables(c);
    }
    ret = ret || !fix ? ret : qcow2_commit_exclusive(q);
    ret = ret ? ret : compare_copied(c, fix);
    if (!ret && fix && c->result->corruptions == c->result->corruptions_fixed &&
        c->result->leaks == c->result->leaks_fixed && !c->result->check_errors) {
        ret = clear_marks(q);
    }
    return ret;
}

bool qcow2_check(BlockNode *n, ImageCheck *result, unsigned fix, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    Check c = check_begin(q, result);
    int ret;

    qcow2_exclusive_begin(q);
    ret = check_exclusive(&c, fix);
    qcow2_exclusive_end(q);
    result->total_clusters = qcow2_clusters(q, n->size);
    result->end_offset = (c.highest + 1) << q->cluster_bits;
    g_hash_table_unref(c.chunks);
    return !ret || error_fail_errno(errp, -ret, "'%s': the check failed", n->filename);
}
