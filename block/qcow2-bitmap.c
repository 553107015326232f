/* SPDX-License-Identifier: MIT */
/*
 * Persistent bitmaps: the bitmaps extension of the header, the directory and the tables that it leads to
 * (specification: as qcow2.h, "Bitmaps").  An image that is opened has them as dirty bitmaps of its node.
 *
 * Opening for writing marks them in the file as in use; closing stores all that are persistent in new places,
 * and the mark goes.  What a crash leaves marked is inconsistent: it can only be removed.
 */
#include "rhea/osdep.h"

#include "block/dirty-bitmap.h"
#include "qcow2.h"
#include "rhea/endian.h"
#include "rhea/iov.h"

/* Offsets in an entry of the directory. */
enum {
    B_TABLE_OFFSET = 0,
    B_TABLE_SIZE = 8,
    B_FLAGS = 12,
    B_TYPE = 16,
    B_GRANULARITY = 17,
    B_NAME_LEN = 18,
    B_EXTRA_LEN = 20,
    B_FIXED = 24,
};

enum {
    TYPE_DIRTY = 1,
    MIN_GRANULARITY_BITS = 9,
    MAX_GRANULARITY_BITS = 31,
    MAX_BITMAPS = 65535,
    MAX_BYTES = 512 << 20,
};

/* In a table: a cluster of ones without a cluster. */
#define TABLE_ONES 1ULL

void qcow2_bitmap_free(gpointer p)
{
    Qcow2Bitmap *b = p;

    g_free(b->name);
    g_free(b);
}

/* --- The directory --- */

static const Qcow2Bitmap *find_stored(const Qcow2 *q, const char *name)
{
    for (guint i = 0; i < q->bitmaps->len; i++) {
        const Qcow2Bitmap *b = g_ptr_array_index(q->bitmaps, i);

        if (!strcmp(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

/* One entry of at most @left bytes; its length, 0: it cannot be. */
static uint64_t parse_entry(Qcow2 *q, const uint8_t *raw, uint64_t left, Qcow2Bitmap *b)
{
    uint64_t name_len, len;

    if (left < B_FIXED) {
        return 0;
    }
    name_len = ld16_be(raw + B_NAME_LEN);
    len = (B_FIXED + (uint64_t)ld32_be(raw + B_EXTRA_LEN) + name_len + 7) & ~7ULL;
    b->table_offset = ld64_be(raw + B_TABLE_OFFSET);
    b->table_size = ld32_be(raw + B_TABLE_SIZE);
    b->flags = ld32_be(raw + B_FLAGS);
    b->granularity_bits = raw[B_GRANULARITY];
    if (len > left || ld32_be(raw + B_EXTRA_LEN) || raw[B_TYPE] != TYPE_DIRTY || !name_len ||
        name_len > QCOW2_MAX_BACKING_NAME || b->granularity_bits < MIN_GRANULARITY_BITS ||
        b->granularity_bits > MAX_GRANULARITY_BITS || b->flags & ~BITMAP_KNOWN_FLAGS ||
        !qcow2_aligned(q, b->table_offset) || b->table_offset > INT64_MAX / 2 ||
        b->table_size > MAX_BYTES / q->cluster_size) {
        return 0;
    }
    b->name = g_strndup((const char *)raw + B_FIXED, name_len);
    return len;
}

static bool parse_directory(Qcow2 *q, const uint8_t *raw, uint64_t len, uint32_t count)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        Qcow2Bitmap *b = g_new0(Qcow2Bitmap, 1);
        uint64_t used = parse_entry(q, raw + at, len - at, b);

        if (!used || find_stored(q, b->name)) {
            qcow2_bitmap_free(b);
            return false;
        }
        b->flags_at = at + B_FLAGS;
        g_ptr_array_add(q->bitmaps, b);
        at += used;
    }
    return at == len;
}

bool qcow2_read_bitmaps(Qcow2 *q, const uint8_t *ext, uint32_t ext_len, Error **errp)
{
    uint64_t offset, bytes;
    uint32_t count;
    g_autofree uint8_t *raw = NULL;

    if (ext_len != QCOW2_BITMAPS_EXT_LEN) {
        return error_fail(errp, "'%s' is no good qcow2 image: the bitmaps extension",
                          q->n->filename);
    }
    count = ld32_be(ext);
    bytes = ld64_be(ext + 8);
    offset = ld64_be(ext + 16);
    if (!count || count > MAX_BITMAPS || bytes > QCOW2_MAX_SNAPSHOT_BYTES ||
        !qcow2_aligned(q, offset) || offset > INT64_MAX / 2) {
        return error_fail(errp, "'%s' is no good qcow2 image: the place of its bitmaps",
                          q->n->filename);
    }
    raw = g_malloc(bytes + 1);
    if (block_pread(q->n->file, offset, raw, bytes) || !parse_directory(q, raw, bytes, count)) {
        g_ptr_array_set_size(q->bitmaps, 0);
        return error_fail(errp, "'%s' is no good qcow2 image: its directory of bitmaps",
                          q->n->filename);
    }
    q->bitmaps_offset = offset;
    q->bitmaps_bytes = bytes;
    return true;
}

static void append_entry(GByteArray *out, Qcow2Bitmap *b)
{
    static const uint8_t padding[8];
    uint8_t raw[B_FIXED] = {0};

    b->flags_at = out->len + B_FLAGS;
    st64_be(raw + B_TABLE_OFFSET, b->table_offset);
    st32_be(raw + B_TABLE_SIZE, b->table_size);
    st32_be(raw + B_FLAGS, b->flags);
    raw[B_TYPE] = TYPE_DIRTY;
    raw[B_GRANULARITY] = b->granularity_bits;
    st16_be(raw + B_NAME_LEN, strlen(b->name));
    g_byte_array_append(out, raw, sizeof(raw));
    g_byte_array_append(out, (const uint8_t *)b->name, strlen(b->name));
    g_byte_array_append(out, padding, -out->len & 7);
}

void qcow2_encode_bitmaps(const Qcow2 *q, uint8_t ext[static QCOW2_BITMAPS_EXT_LEN])
{
    st32_be(ext, q->bitmaps->len);
    st32_be(ext + 4, 0);
    st64_be(ext + 8, q->bitmaps_bytes);
    st64_be(ext + 16, q->bitmaps_offset);
}

/* The list in a new place, and the header that says so; what was there before is dropped.  Exclusive. */
static int write_directory(Qcow2 *q)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t old_offset = q->bitmaps_offset, old_bytes = q->bitmaps_bytes, offset;
    int ret;

    for (guint i = 0; i < q->bitmaps->len; i++) {
        append_entry(out, g_ptr_array_index(q->bitmaps, i));
    }
    if (out->len > QCOW2_MAX_SNAPSHOT_BYTES) {
        return -EFBIG;
    }
    ret = qcow2_alloc_exclusive(q, out->len, &offset);
    ret = ret || !out->len ? ret : block_pwrite(q->n->file, offset, out->data, out->len);
    ret = ret ? ret : qcow2_commit_exclusive(q); /* what it refers to is counted and written */
    if (ret) {
        return ret;
    }
    q->bitmaps_offset = offset;
    q->bitmaps_bytes = out->len;
    q->autoclear = out->len ? q->autoclear | AUTOCLEAR_BITMAPS : q->autoclear & ~AUTOCLEAR_BITMAPS;
    ret = qcow2_rewrite_header(q);
    ret = ret ? ret : block_flush(q->n->file);
    if (!ret) {
        qcow2_drop_exclusive(q, old_offset, old_bytes);
    }
    return ret;
}

/* --- Reading bits --- */

int qcow2_read_bitmap_table(Qcow2 *q, const Qcow2Bitmap *b, uint64_t **table)
{
    *table = g_new0(uint64_t, b->table_size + 1);
    return qcow2_read_words(q, b->table_offset, *table, b->table_size);
}

static int read_bits(Qcow2 *q, const Qcow2Bitmap *b, DirtyBitmap *to)
{
    uint64_t bytes = dirty_bitmap_bytes(to);
    g_autofree uint8_t *buf = g_malloc(q->cluster_size);
    g_autofree uint64_t *table = NULL;
    int ret;

    if (!b->table_size) {
        return 0;
    }
    if (b->table_size != qcow2_clusters(q, bytes)) {
        return -EINVAL;
    }
    ret = qcow2_read_bitmap_table(q, b, &table);
    for (uint32_t i = 0; !ret && i < b->table_size; i++) {
        uint64_t host = table[i] & ENTRY_OFFSET, at = (uint64_t)i << q->cluster_bits;

        if (host) {
            ret = qcow2_aligned(q, host) ? block_pread(q->n->file, host, buf, q->cluster_size)
                                         : -EINVAL;
        } else {
            memset(buf, table[i] & TABLE_ONES ? 0xff : 0, q->cluster_size);
        }
        if (!ret) {
            dirty_bitmap_load(to, at, buf, MIN(bytes - at, q->cluster_size));
        }
    }
    return ret;
}

/* *left: bytes of memory that bits may still take. */
static bool load_one(Qcow2 *q, const Qcow2Bitmap *b, uint64_t *left, Error **errp)
{
    uint64_t bytes = (q->n->size >> b->granularity_bits) / 8 + 1;
    DirtyBitmap *made;

    if (bytes > *left) {
        return error_fail(errp, "'%s': its bitmaps are too large", q->n->filename);
    }
    *left -= bytes;
    made = dirty_bitmap_new(q->n, b->name, 1ULL << b->granularity_bits, errp);
    if (!made) {
        return false;
    }
    dirty_bitmap_set_flag(made, DIRTY_BITMAP_PERSISTENT, true);
    dirty_bitmap_set_flag(made, DIRTY_BITMAP_DISABLED, !(b->flags & BITMAP_AUTO));
    if (b->flags & BITMAP_IN_USE || read_bits(q, b, made)) {
        dirty_bitmap_set_flag(made, DIRTY_BITMAP_INCONSISTENT, true);
    }
    return true;
}

bool qcow2_load_bitmaps(Qcow2 *q, Error **errp)
{
    uint64_t left = MAX_BYTES;

    for (guint i = 0; i < q->bitmaps->len; i++) {
        if (!load_one(q, g_ptr_array_index(q->bitmaps, i), &left, errp)) {
            return false;
        }
    }
    return true;
}

int qcow2_mark_bitmaps(Qcow2 *q)
{
    int ret = 0;

    for (guint i = 0; !ret && i < q->bitmaps->len; i++) {
        Qcow2Bitmap *b = g_ptr_array_index(q->bitmaps, i);
        uint8_t raw[4];

        b->flags |= BITMAP_IN_USE;
        st32_be(raw, b->flags);
        ret = block_pwrite(q->n->file, q->bitmaps_offset + b->flags_at, raw, sizeof(raw));
    }
    return ret || !q->bitmaps->len ? ret : block_flush(q->n->file);
}

/* --- Storing --- */

static void drop_stored(Qcow2 *q, const Qcow2Bitmap *b)
{
    g_autofree uint64_t *table = NULL;

    if (!b->table_size || qcow2_read_bitmap_table(q, b, &table)) {
        return; /* a leak */
    }
    for (uint32_t i = 0; i < b->table_size; i++) {
        if (table[i] & ENTRY_OFFSET) {
            qcow2_drop_exclusive(q, table[i] & ENTRY_OFFSET, q->cluster_size);
        }
    }
    qcow2_drop_exclusive(q, b->table_offset, b->table_size * 8ULL);
}

/* One cluster of bits from byte @at on: its entry in the table. */
static int write_cluster(Qcow2 *q, DirtyBitmap *from, uint64_t at, uint8_t *buf, uint64_t *entry)
{
    int ret;

    dirty_bitmap_save(from, at, buf, q->cluster_size);
    if (buf_is_zero(buf, q->cluster_size)) {
        return 0;
    }
    ret = qcow2_alloc_exclusive(q, q->cluster_size, entry);
    return ret ? ret : block_pwrite(q->n->file, *entry, buf, q->cluster_size);
}

static int write_bits(Qcow2 *q, DirtyBitmap *from, Qcow2Bitmap *b)
{
    Qcow2Array table = {.n = qcow2_clusters(q, dirty_bitmap_bytes(from))};
    g_autofree uint8_t *buf = g_malloc(q->cluster_size);
    int ret = qcow2_alloc_exclusive(q, table.n * 8ULL, &table.offset);

    table.e = g_new0(uint64_t, table.n + 1);
    for (uint32_t i = 0; !ret && i < table.n; i++) {
        ret = write_cluster(q, from, (uint64_t)i << q->cluster_bits, buf, &table.e[i]);
    }
    ret = ret ? ret : qcow2_array_write(q, &table, 0, table.n);
    g_free(table.e);
    b->table_offset = table.offset;
    b->table_size = table.n;
    return ret;
}

typedef struct Store {
    Qcow2 *q;
    GPtrArray *list; /* Qcow2Bitmap * */
    int ret;
} Store;

/* What is inconsistent stays as it is in the file. */
static void store_one(DirtyBitmap *from, void *opaque)
{
    Store *s = opaque;
    unsigned flags = dirty_bitmap_flags(from);
    const Qcow2Bitmap *before = find_stored(s->q, dirty_bitmap_name(from));
    Qcow2Bitmap *b;

    if (s->ret || !(flags & DIRTY_BITMAP_PERSISTENT)) {
        return;
    }
    b = g_new0(Qcow2Bitmap, 1);
    b->name = g_strdup(dirty_bitmap_name(from));
    b->granularity_bits = g_bit_nth_lsf(dirty_bitmap_granularity(from), -1);
    b->flags = flags & DIRTY_BITMAP_DISABLED ? 0 : BITMAP_AUTO;
    g_ptr_array_add(s->list, b);
    if (flags & DIRTY_BITMAP_INCONSISTENT) {
        b->flags |= BITMAP_IN_USE;
        b->table_offset = before ? before->table_offset : 0;
        b->table_size = before ? before->table_size : 0;
    } else {
        s->ret = write_bits(s->q, from, b);
    }
}

static bool keeps_table(GPtrArray *list, const Qcow2Bitmap *b)
{
    for (guint i = 0; i < list->len; i++) {
        if (((Qcow2Bitmap *)g_ptr_array_index(list, i))->table_offset == b->table_offset) {
            return true;
        }
    }
    return false;
}

static int store_exclusive(Qcow2 *q)
{
    g_autoptr(GPtrArray) old = q->bitmaps;
    Store s = {.q = q, .list = g_ptr_array_new_with_free_func(qcow2_bitmap_free)};

    dirty_bitmap_foreach(q->n, store_one, &s);
    if ((!s.list->len && !old->len) || q->version < 3) {
        q->bitmaps = s.list;
        return 0;
    }
    q->bitmaps = s.list;
    s.ret = s.ret ? s.ret : write_directory(q);
    if (s.ret) { /* the old ones stay, marked as in use */
        q->bitmaps = g_steal_pointer(&old);
        g_ptr_array_unref(s.list);
        return s.ret;
    }
    for (guint i = 0; i < old->len; i++) {
        if (!keeps_table(s.list, g_ptr_array_index(old, i))) {
            drop_stored(q, g_ptr_array_index(old, i));
        }
    }
    return 0;
}

int qcow2_store_bitmaps(Qcow2 *q)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = store_exclusive(q);
    qcow2_exclusive_end(q);
    return ret;
}

/* --- For management --- */

bool qcow2_bitmaps_possible(const BlockNode *n, Error **errp)
{
    return ((Qcow2 *)n->opaque)->version >= 3 ||
           error_fail(errp, "'%s': version 2 has no bitmaps (amend -o compat=v3)", n->filename);
}

bool qcow2_bitmaps_store(BlockNode *n, Error **errp)
{
    int ret = qcow2_store_bitmaps(qcow2_of(n));

    return !ret || error_fail_errno(errp, -ret, "'%s': its bitmaps cannot be stored", n->filename);
}

JsonArray *qcow2_bitmaps_json(const Qcow2 *q)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < q->bitmaps->len; i++) {
        const Qcow2Bitmap *b = g_ptr_array_index(q->bitmaps, i);
        JsonObject *obj = json_object_new();
        JsonArray *flags = json_array_new();

        if (b->flags & BITMAP_IN_USE) {
            json_array_add_string_element(flags, "in-use");
        }
        if (b->flags & BITMAP_AUTO) {
            json_array_add_string_element(flags, "auto");
        }
        json_object_set_array_member(obj, "flags", flags);
        json_object_set_string_member(obj, "name", b->name);
        json_object_set_int_member(obj, "granularity", 1LL << b->granularity_bits);
        json_array_add_object_element(list, obj);
    }
    return list;
}
