/* SPDX-License-Identifier: MIT */
/*
 * Internal snapshots: L1 tables that were active once.  What a snapshot and the active tables share has a
 * refcount above one, is not marked ENTRY_COPIED, and is copied by the next write.
 * Everything that changes them runs exclusively, in an order that leaves leaks at worst (see qcow2.h).
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* Offsets in an entry of the snapshot table. */
enum {
    S_L1_OFFSET = 0,
    S_L1_SIZE = 8,
    S_ID_LEN = 12,
    S_NAME_LEN = 14,
    S_SEC = 16,
    S_NSEC = 20,
    S_CLOCK = 24,
    S_VM_STATE_32 = 32,
    S_EXTRA_LEN = 36,
    S_FIXED = 40,
    /* In the extra data. */
    S_VM_STATE = 0,
    S_DISK_SIZE = 8,
    S_ICOUNT = 16,
    S_EXTRA = 24,
};

void qcow2_snapshot_free(gpointer p)
{
    Qcow2Snapshot *sn = p;

    g_free(sn->id);
    g_free(sn->name);
    g_clear_pointer(&sn->more, g_bytes_unref);
    g_free(sn);
}

/* --- The table of them --- */

static void parse_entry(Qcow2 *q, Qcow2Snapshot *sn, const uint8_t *raw, const uint8_t *rest)
{
    uint16_t id_len = ld16_be(raw + S_ID_LEN), name_len = ld16_be(raw + S_NAME_LEN);
    uint32_t extra = ld32_be(raw + S_EXTRA_LEN);

    sn->l1_offset = ld64_be(raw + S_L1_OFFSET);
    sn->l1_size = ld32_be(raw + S_L1_SIZE);
    sn->date_sec = ld32_be(raw + S_SEC);
    sn->date_nsec = ld32_be(raw + S_NSEC);
    sn->vm_clock_nsec = ld64_be(raw + S_CLOCK);
    sn->vm_state_size = extra >= 8 ? ld64_be(rest + S_VM_STATE) : ld32_be(raw + S_VM_STATE_32);
    sn->disk_size = extra >= 16 ? ld64_be(rest + S_DISK_SIZE) : q->n->size;
    sn->icount = extra >= 24 ? ld64_be(rest + S_ICOUNT) : UINT64_MAX;
    sn->more = extra > S_EXTRA ? g_bytes_new(rest + S_EXTRA, extra - S_EXTRA) : NULL;
    sn->id = g_strndup((const char *)rest + extra, id_len);
    sn->name = g_strndup((const char *)rest + extra + id_len, name_len);
}

/* One entry at *at, which goes on behind it; -EINVAL when it cannot be. */
static int read_entry(Qcow2 *q, uint64_t start, uint64_t *at, Qcow2Snapshot *sn)
{
    uint8_t raw[S_FIXED];
    g_autofree uint8_t *rest = NULL;
    uint64_t len;
    int ret = block_pread(q->n->file, *at, raw, sizeof(raw));

    if (ret) {
        return ret;
    }
    len =
        (uint64_t)ld32_be(raw + S_EXTRA_LEN) + ld16_be(raw + S_ID_LEN) + ld16_be(raw + S_NAME_LEN);
    if (len > QCOW2_MAX_SNAPSHOT_BYTES || *at + S_FIXED + len - start > QCOW2_MAX_SNAPSHOT_BYTES) {
        return -EINVAL;
    }
    rest = g_malloc(len + 1);
    ret = block_pread(q->n->file, *at + S_FIXED, rest, len);
    if (ret) {
        return ret;
    }
    parse_entry(q, sn, raw, rest);
    *at += (S_FIXED + len + 7) & ~7ULL;
    return sn->l1_size > QCOW2_MAX_L1_BYTES / 8 || !qcow2_aligned(q, sn->l1_offset) ||
                   sn->l1_offset > INT64_MAX / 2
               ? -EINVAL
               : 0;
}

bool qcow2_read_snapshots(Qcow2 *q, uint64_t offset, uint32_t count, Error **errp)
{
    uint64_t at = offset, size = block_size(q->n->file);

    if (count > QCOW2_MAX_SNAPSHOTS || !qcow2_aligned(q, offset) || (count && offset >= size)) {
        return error_fail(errp, "'%s' is no good qcow2 image: the place of the snapshot table",
                          q->n->filename);
    }
    for (uint32_t i = 0; i < count; i++) {
        Qcow2Snapshot *sn = g_new0(Qcow2Snapshot, 1);
        int ret = at < size ? read_entry(q, offset, &at, sn) : -EINVAL;

        if (ret) {
            qcow2_snapshot_free(sn);
            return error_fail_errno(errp, -ret, "'%s' is no good qcow2 image: its snapshot %u",
                                    q->n->filename, i + 1);
        }
        g_ptr_array_add(q->snapshots, sn);
    }
    q->snapshots_offset = offset;
    q->snapshots_bytes = at - offset;
    return true;
}

static void append_entry(GByteArray *out, const Qcow2Snapshot *sn)
{
    static const uint8_t padding[8];
    uint8_t raw[S_FIXED], extra[S_EXTRA];
    gsize more_len = 0;
    const void *more = sn->more ? g_bytes_get_data(sn->more, &more_len) : NULL;

    st64_be(raw + S_L1_OFFSET, sn->l1_offset);
    st32_be(raw + S_L1_SIZE, sn->l1_size);
    st16_be(raw + S_ID_LEN, strlen(sn->id));
    st16_be(raw + S_NAME_LEN, strlen(sn->name));
    st32_be(raw + S_SEC, sn->date_sec);
    st32_be(raw + S_NSEC, sn->date_nsec);
    st64_be(raw + S_CLOCK, sn->vm_clock_nsec);
    st32_be(raw + S_VM_STATE_32, MIN(sn->vm_state_size, UINT32_MAX));
    st32_be(raw + S_EXTRA_LEN, sizeof(extra) + more_len);
    st64_be(extra + S_VM_STATE, sn->vm_state_size);
    st64_be(extra + S_DISK_SIZE, sn->disk_size);
    st64_be(extra + S_ICOUNT, sn->icount);
    g_byte_array_append(out, raw, sizeof(raw));
    g_byte_array_append(out, extra, sizeof(extra));
    g_byte_array_append(out, more, more_len);
    g_byte_array_append(out, (const uint8_t *)sn->id, strlen(sn->id));
    g_byte_array_append(out, (const uint8_t *)sn->name, strlen(sn->name));
    g_byte_array_append(out, padding, -out->len & 7);
}

/* --- Exclusive work --- */

static int alloc_exclusive(Qcow2 *q, uint64_t bytes, uint64_t *offset)
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

static void drop_exclusive(Qcow2 *q, uint64_t offset, uint64_t bytes)
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

/* The table of q->snapshots in a new place, and the header that says so. */
static int write_table(Qcow2 *q)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t old_offset = q->snapshots_offset, old_bytes = q->snapshots_bytes, offset;
    int ret;

    for (guint i = 0; i < q->snapshots->len; i++) {
        append_entry(out, g_ptr_array_index(q->snapshots, i));
    }
    if (out->len > QCOW2_MAX_SNAPSHOT_BYTES) {
        return -EFBIG;
    }
    ret = alloc_exclusive(q, out->len, &offset);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    ret = ret || !out->len ? ret : block_pwrite(q->n->file, offset, out->data, out->len);
    ret = ret ? ret : block_flush(q->n->file);
    if (ret) {
        return ret;
    }
    q->snapshots_offset = offset;
    q->snapshots_bytes = out->len;
    ret = qcow2_write_header(q);
    ret = ret ? ret : block_flush(q->n->file);
    if (!ret && old_bytes) {
        drop_exclusive(q, old_offset, old_bytes);
    }
    return ret;
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

/* One more reference to everything in a tree, or to nothing. */
static int take_tree(Qcow2 *q, const uint64_t *l1, uint32_t n)
{
    uint64_t left = UINT64_MAX, done;
    int ret = visit_tree(q, l1, n, cluster_take, &left);

    if (ret) {
        done = UINT64_MAX - left;
        (void)!visit_tree(q, l1, n, cluster_untake, &done); /* what fails is a leak */
    }
    return ret;
}

static int drop_tree(Qcow2 *q, const uint64_t *l1, uint32_t n)
{
    uint64_t left = UINT64_MAX;

    return visit_tree(q, l1, n, cluster_drop, &left);
}

static int read_l1(Qcow2 *q, const Qcow2Snapshot *sn, uint64_t **out)
{
    int ret;

    *out = g_new0(uint64_t, MAX(sn->l1_size, 1));
    ret = sn->l1_size ? block_pread(q->n->file, sn->l1_offset, *out, sn->l1_size * 8ULL) : 0;
    for (uint32_t i = 0; i < sn->l1_size; i++) {
        (*out)[i] = ld64_be(&(*out)[i]);
    }
    return ret;
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

static int clear_copied(Qcow2 *q)
{
    FlagsWrong wrong;

    return walk_flags(q, FLAGS_CLEAR, &wrong);
}

/* --- While much changes --- */

/* Whoever finds the image like this, after a crash, counts its references again. */
static int mark_dirty(Qcow2 *q, bool dirty)
{
    int ret = qcow2_commit_exclusive(q);

    if (ret || q->version < 3) {
        return ret;
    }
    q->incompatible = dirty ? q->incompatible | INCOMPAT_DIRTY : q->incompatible & ~INCOMPAT_DIRTY;
    ret = qcow2_write_header(q);
    return ret ? ret : block_flush(q->n->file);
}

typedef int (*SnapshotFn)(Qcow2 *q, Qcow2Snapshot *sn);

static int change_snapshots(Qcow2 *q, SnapshotFn fn, Qcow2Snapshot *sn)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = mark_dirty(q, true);
    ret = ret ? ret : fn(q, sn);
    ret = ret ? ret : mark_dirty(q, false);
    qcow2_exclusive_end(q);
    return ret;
}

/* --- Finding, listing --- */

static int find_snapshot(const Qcow2 *q, const char *name)
{
    for (int by_id = 1; by_id >= 0; by_id--) {
        for (guint i = 0; i < q->snapshots->len; i++) {
            const Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);

            if (!strcmp(by_id ? sn->id : sn->name, name)) {
                return (int)i;
            }
        }
    }
    return -1;
}

void qcow2_snapshot_foreach(BlockNode *n, void (*fn)(void *opaque, const ImageSnapshot *sn),
                            void *opaque)
{
    const Qcow2 *q = qcow2_of(n);

    for (guint i = 0; i < q->snapshots->len; i++) {
        const Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);
        ImageSnapshot out = {
            .id = sn->id,
            .name = sn->name,
            .vm_state_size = sn->vm_state_size,
            .disk_size = sn->disk_size,
            .vm_clock_nsec = sn->vm_clock_nsec,
            .icount = sn->icount,
            .date_sec = sn->date_sec,
            .date_nsec = sn->date_nsec,
        };

        fn(opaque, &out);
    }
}

static char *next_id(const Qcow2 *q)
{
    uint64_t max = 0;

    for (guint i = 0; i < q->snapshots->len; i++) {
        const Qcow2Snapshot *sn = g_ptr_array_index(q->snapshots, i);

        max = MAX(max, g_ascii_strtoull(sn->id, NULL, 10));
    }
    return g_strdup_printf("%" PRIu64, max + 1);
}

/* --- Creating --- */

static int write_l1_copy(Qcow2 *q, Qcow2Snapshot *sn)
{
    Qcow2Array copy = q->l1;
    int ret = alloc_exclusive(q, q->l1.n * 8ULL, &sn->l1_offset);

    copy.offset = sn->l1_offset;
    sn->l1_size = q->l1.n;
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return ret ? ret : qcow2_array_write(q, &copy, 0, copy.n);
}

/* Flags go before refcounts rise: nobody may write in place what has two users. */
static int create_exclusive(Qcow2 *q, Qcow2Snapshot *sn)
{
    int ret = clear_copied(q);

    ret = ret ? ret : qcow2_commit_exclusive(q);
    ret = ret ? ret : take_tree(q, q->l1.e, q->l1.n);
    if (ret) {
        (void)!qcow2_update_copied(q);
        return ret;
    }
    ret = write_l1_copy(q, sn);
    g_ptr_array_add(q->snapshots, sn);
    ret = ret ? ret : write_table(q);
    if (ret) { /* it is not in the header: what it counts leaks */
        g_ptr_array_steal_index(q->snapshots, q->snapshots->len - 1);
    }
    return ret;
}

static Qcow2Snapshot *snapshot_new(Qcow2 *q, const char *name)
{
    Qcow2Snapshot *sn = g_new0(Qcow2Snapshot, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    sn->id = next_id(q);
    sn->name = g_strdup(name);
    sn->date_sec = g_date_time_to_unix(now);
    sn->date_nsec = g_date_time_get_microsecond(now) * 1000;
    sn->disk_size = q->n->size;
    sn->icount = UINT64_MAX;
    return sn;
}

static bool snapshots_possible(Qcow2 *q, Error **errp)
{
    return !qcow2_external(q) ||
           error_fail(errp, "'%s': there are no snapshots with external data", q->n->filename);
}

bool qcow2_snapshot_create(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    Qcow2Snapshot *sn;
    int ret;

    if (!snapshots_possible(q, errp)) {
        return false;
    }
    if (strlen(name) > UINT16_MAX || q->snapshots->len >= QCOW2_MAX_SNAPSHOTS) {
        return error_fail(errp, "'%s': the name is too long, or there are too many snapshots",
                          n->filename);
    }
    sn = snapshot_new(q, name);
    ret = change_snapshots(q, create_exclusive, sn);
    if (ret && !g_ptr_array_find(q->snapshots, sn, NULL)) {
        qcow2_snapshot_free(sn);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot make snapshot '%s'%s", n->filename,
                                    name, ret == -EFBIG ? " (its refcounts are too narrow)" : "");
}

/* --- Applying --- */

/* The snapshot's tree becomes the active one: @l1 has the references of a second user by now. */
static int switch_tree(Qcow2 *q, const Qcow2Snapshot *sn, const uint64_t *l1)
{
    uint64_t entries = MAX(sn->l1_size, qcow2_l1_entries(q, sn->disk_size));
    Qcow2Array old = q->l1, active = {.n = entries};
    uint64_t old_size = q->n->size;
    int ret;

    if (entries > QCOW2_MAX_L1_BYTES / 8) {
        return -EFBIG;
    }
    active.e = g_new0(uint64_t, MAX(entries, 1));
    memcpy(active.e, l1, sn->l1_size * 8ULL);
    ret = alloc_exclusive(q, entries * 8, &active.offset);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    if (!ret) {
        q->l1 = active; /* where no header points to it yet */
        ret = clear_copied(q);
        qcow2_array_dirty(&q->l1, 0);
        if (entries) {
            qcow2_array_dirty(&q->l1, entries - 1);
        }
        q->l1.hi = MIN(q->l1.hi, entries);
        ret = ret ? ret : qcow2_commit_exclusive(q);
        q->n->size = sn->disk_size;
        ret = ret ? ret : qcow2_write_header(q);
        ret = ret ? ret : block_flush(q->n->file);
    }
    if (ret) {
        q->l1 = old;
        q->n->size = old_size;
        g_free(active.e);
        return ret;
    }
    ret = drop_tree(q, old.e, old.n);
    drop_exclusive(q, old.offset, old.n * 8ULL);
    g_free(old.e);
    return ret;
}

static int apply_exclusive(Qcow2 *q, Qcow2Snapshot *sn)
{
    g_autofree uint64_t *l1 = NULL;
    int ret = read_l1(q, sn, &l1);

    ret = ret ? ret : take_tree(q, l1, sn->l1_size);
    ret = ret ? ret : switch_tree(q, sn, l1);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return ret ? ret : qcow2_update_copied(q);
}

bool qcow2_snapshot_apply(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    int i = find_snapshot(q, name), ret;

    if (i < 0) {
        return error_fail(errp, "'%s' has no snapshot '%s'", n->filename, name);
    }
    ret = change_snapshots(q, apply_exclusive, g_ptr_array_index(q->snapshots, i));
    return !ret ||
           error_fail_errno(errp, -ret, "'%s': cannot go to snapshot '%s'", n->filename, name);
}

/* --- Looking at one --- */

bool qcow2_snapshot_view(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    int i = find_snapshot(q, name), ret;
    const Qcow2Snapshot *sn;
    uint64_t *l1;

    if (i < 0 || !n->read_only) {
        return error_fail(errp, "'%s' has no snapshot '%s', or is not read-only", n->filename,
                          name);
    }
    sn = g_ptr_array_index(q->snapshots, i);
    if (qcow2_l1_entries(q, sn->disk_size) > sn->l1_size) {
        return error_fail(errp, "'%s': snapshot '%s' has too small a table", n->filename, name);
    }
    ret = read_l1(q, sn, &l1);
    qcow2_exclusive_begin(q);
    g_free(q->l1.e);
    q->l1 = (Qcow2Array){.e = l1, .n = ret ? 0 : sn->l1_size, .offset = sn->l1_offset};
    n->size = ret ? 0 : sn->disk_size;
    qcow2_exclusive_end(q);
    return !ret ||
           error_fail_errno(errp, -ret, "'%s': cannot read snapshot '%s'", n->filename, name);
}

/* --- Deleting --- */

static int delete_exclusive(Qcow2 *q, Qcow2Snapshot *sn)
{
    g_autofree uint64_t *l1 = NULL;
    guint i;
    int ret = read_l1(q, sn, &l1);

    if (ret || !g_ptr_array_find(q->snapshots, sn, &i)) {
        return ret;
    }
    g_ptr_array_steal_index(q->snapshots, i);
    ret = write_table(q);
    if (ret) {
        g_ptr_array_insert(q->snapshots, (gint)i, sn);
        return ret;
    }
    ret = drop_tree(q, l1, sn->l1_size);
    drop_exclusive(q, sn->l1_offset, sn->l1_size * 8ULL);
    qcow2_snapshot_free(sn);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    return ret ? ret : qcow2_update_copied(q);
}

bool qcow2_snapshot_delete(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    int i = find_snapshot(q, name), ret;

    if (i < 0) {
        return error_fail(errp, "'%s' has no snapshot '%s'", n->filename, name);
    }
    ret = change_snapshots(q, delete_exclusive, g_ptr_array_index(q->snapshots, i));
    return !ret ||
           error_fail_errno(errp, -ret, "'%s': cannot delete snapshot '%s'", n->filename, name);
}
