/* SPDX-License-Identifier: MIT */
/*
 * QED images (specification: "QED Image Format").  A header in the first cluster, an L1 table of L2 tables of
 * clusters; a backing file.  The mark that asks for a check is set while the image is written to.
 */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    MAGIC = 0,
    CLUSTER_SIZE = 4,
    TABLE_SIZE = 8,
    HEADER_SIZE = 12,
    FEATURES = 16,
    L1_OFFSET = 40,
    IMAGE_SIZE = 48,
    BACKING_OFFSET = 56,
    BACKING_SIZE = 60,
    HEADER_LEN = 64,
};

enum { FEATURE_BACKING = 1, FEATURE_NEED_CHECK = 2, FEATURE_RAW_BACKING = 4, FEATURES_KNOWN = 7 };

enum {
    MIN_CLUSTER = 4 << 10,
    MAX_CLUSTER = 64 << 20,
    MAX_TABLE = 16, /* clusters */
    MAX_BACKING_NAME = 1023,
    ZERO_CLUSTER = 1,
};

#define QED_MAGIC 0x00444551U

typedef struct Qed {
    uint64_t l1, entries; /* where, and of each table how many */
    uint32_t table_bytes;
} Qed;

static bool qed_probe(const uint8_t *head)
{
    return ld32_le(head) == QED_MAGIC;
}

/* --- Entries --- */

static bool cluster_ok(const BlockMap *m, uint64_t offset)
{
    return offset >= m->block_size && offset % m->block_size == 0;
}

/* The L2 table of a block, 0: none. */
static int find_table(BlockMap *m, uint64_t block, uint64_t *table)
{
    const Qed *q = m->opaque;
    uint8_t raw[8];
    int ret = blockmap_meta_read(m, q->l1 + block / q->entries * 8, raw, sizeof(raw));

    *table = ld64_le(raw);
    if (!ret && *table &&
        (!cluster_ok(m, *table) || *table > (uint64_t)INT64_MAX - q->table_bytes)) {
        ret = -EUCLEAN;
    }
    return ret;
}

static int qed_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    const Qed *q = m->opaque;
    uint64_t table, v, in = block % q->entries;
    uint8_t raw[8];
    int ret = find_table(m, block, &table);

    if (ret || !table) {
        e->span = q->entries - in;
        return ret;
    }
    ret = blockmap_meta_read(m, table + in * 8, raw, sizeof(raw));
    v = ld64_le(raw);
    e->kind = !v ? MAP_NOTHING : v == ZERO_CLUSTER ? MAP_ZERO : MAP_DATA;
    e->host = v;
    return ret ? ret : e->kind == MAP_DATA && !cluster_ok(m, v) ? -EUCLEAN : 0;
}

static int qed_ready(BlockMap *m, uint64_t block)
{
    const Qed *q = m->opaque;
    uint64_t table;
    uint8_t raw[8];
    int ret = find_table(m, block, &table);

    if (ret || table) {
        return ret;
    }
    ret = blockmap_alloc_table(m, q->table_bytes, &table);
    st64_le(raw, table);
    return ret ? ret : blockmap_meta_write(m, q->l1 + block / q->entries * 8, raw, sizeof(raw));
}

static int qed_set(BlockMap *m, uint64_t block, const MapEntry *e)
{
    const Qed *q = m->opaque;
    uint64_t table;
    uint8_t raw[8];
    int ret = find_table(m, block, &table);

    st64_le(raw, e->kind == MAP_DATA ? e->host : e->kind == MAP_ZERO ? ZERO_CLUSTER : 0);
    return ret || !table ? ret : blockmap_meta_write(m, table + block % q->entries * 8, raw, 8);
}

/* No L2 table is named any more. */
static int qed_clear(BlockMap *m, uint64_t *end)
{
    const Qed *q = m->opaque;
    static const uint8_t none[8];
    int ret = 0;

    for (uint64_t i = 0; !ret && i < m->blocks; i += q->entries) {
        ret = blockmap_meta_write(m, q->l1 + i / q->entries * 8, none, sizeof(none));
    }
    *end = q->l1 + q->table_bytes;
    return ret;
}

/* --- The mark --- */

static int qed_mark(BlockMap *m, bool need_check)
{
    uint8_t raw[8];
    int ret;

    g_mutex_lock(&m->lock);
    ret = blockmap_meta_read(m, FEATURES, raw, sizeof(raw));
    if (!ret) {
        uint64_t features = ld64_le(raw) & ~(uint64_t)FEATURE_NEED_CHECK;

        st64_le(raw, features | (need_check ? FEATURE_NEED_CHECK : 0));
        ret = blockmap_meta_direct(m, FEATURES, raw, sizeof(raw));
    }
    g_mutex_unlock(&m->lock);
    return ret ? ret : block_flush(m->file);
}

static const BlockMapOps qed_ops = {
    .get = qed_get,
    .set = qed_set,
    .ready = qed_ready,
    .clear = qed_clear,
    .mark = qed_mark,
};

/* --- Opening --- */

static bool check_header(BlockNode *n, const uint8_t *h, Error **errp)
{
    uint64_t cluster = ld32_le(h + CLUSTER_SIZE), table = ld32_le(h + TABLE_SIZE);
    uint64_t size = ld64_le(h + IMAGE_SIZE), entries, l1 = ld64_le(h + L1_OFFSET);

    if (ld32_le(h + MAGIC) != QED_MAGIC) {
        return error_fail(errp, "'%s' is no QED image", n->filename);
    }
    if (ld64_le(h + FEATURES) & ~(uint64_t)FEATURES_KNOWN) {
        return error_fail(errp, "'%s': it has features that are not supported", n->filename);
    }
    if (cluster < MIN_CLUSTER || cluster > MAX_CLUSTER || !is_power_of_2(cluster) || !table ||
        table > MAX_TABLE || !is_power_of_2(table)) {
        return error_fail(errp, "'%s': cluster or table sizes cannot be", n->filename);
    }
    entries = cluster * table / 8;
    return (size <= (uint64_t)INT64_MAX && (size - !!size) / cluster / entries < entries &&
            l1 % cluster == 0 && l1 && l1 <= INT64_MAX - cluster * table &&
            ld32_le(h + HEADER_SIZE) <= INT32_MAX / cluster) ||
           error_fail(errp, "'%s': its size or table cannot be", n->filename);
}

static bool read_backing(BlockNode *n, const uint8_t *h, Error **errp)
{
    uint64_t offset = ld32_le(h + BACKING_OFFSET), len = ld32_le(h + BACKING_SIZE);
    int ret;

    if (!(ld64_le(h + FEATURES) & FEATURE_BACKING)) {
        return true;
    }
    if (!len || len > MAX_BACKING_NAME ||
        offset + len > (uint64_t)ld32_le(h + HEADER_SIZE) * ld32_le(h + CLUSTER_SIZE)) {
        return error_fail(errp, "'%s': the backing file's name cannot be", n->filename);
    }
    n->backing_file = g_malloc0(len + 1);
    ret = block_pread(n->file, offset, n->backing_file, len);
    if (!ret && ld64_le(h + FEATURES) & FEATURE_RAW_BACKING) {
        n->backing_format = g_strdup("raw");
    }
    return !ret || error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
}

static bool qed_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint8_t h[HEADER_LEN];
    BlockMap *m;
    Qed *q;
    int ret = block_pread(n->file, 0, h, sizeof(h));

    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
    }
    if (!check_header(n, h, errp) || !read_backing(n, h, errp)) {
        return false;
    }
    q = g_new0(Qed, 1);
    q->l1 = ld64_le(h + L1_OFFSET);
    q->table_bytes = ld32_le(h + CLUSTER_SIZE) * ld32_le(h + TABLE_SIZE);
    q->entries = q->table_bytes / 8;
    m = blockmap_new(n, n->file, &qed_ops, q);
    m->left_open = ld64_le(h + FEATURES) & FEATURE_NEED_CHECK;
    m->size = n->size = ld64_le(h + IMAGE_SIZE);
    m->block_size = m->data_start = m->align = ld32_le(h + CLUSTER_SIZE);
    m->can_zero = true;
    if (!blockmap_ready(m, 0, errp)) {
        blockmap_discard_all(n);
        return false;
    }
    return true;
}

/* --- Changes of the header --- */

/* The name of a backing file, in the first cluster. */
static int write_backing(BlockNode *file, uint8_t h[static HEADER_LEN], const char *name,
                         const char *format)
{
    uint64_t features = ld64_le(h + FEATURES) & FEATURE_NEED_CHECK;

    if (name) {
        int ret = block_pwrite(file, HEADER_LEN, name, strlen(name));

        if (ret) {
            return ret;
        }
        features |= FEATURE_BACKING;
        features |= format && !strcmp(format, "raw") ? FEATURE_RAW_BACKING : 0;
    }
    st32_le(h + BACKING_OFFSET, name ? HEADER_LEN : 0);
    st32_le(h + BACKING_SIZE, name ? strlen(name) : 0);
    st64_le(h + FEATURES, features);
    return block_pwrite(file, 0, h, HEADER_LEN);
}

static bool backing_fits(const char *what, const char *name, Error **errp)
{
    return !name || strlen(name) <= MAX_BACKING_NAME ||
           error_fail(errp, "%s: the backing file's name is longer than %d bytes", what,
                      MAX_BACKING_NAME);
}

static bool qed_set_backing(BlockNode *n, const char *file, const char *format, Error **errp)
{
    uint8_t h[HEADER_LEN];
    int ret;

    if (!backing_fits(n->filename, file, errp)) {
        return false;
    }
    ret = blockmap_flush(n);
    ret = ret ? ret : block_pread(n->file, 0, h, sizeof(h));
    ret = ret ? ret : write_backing(n->file, h, file, format);
    ret = ret ? ret : block_flush(n->file);
    if (!ret) {
        g_free(n->backing_file);
        g_free(n->backing_format);
        n->backing_file = g_strdup(file);
        n->backing_format = g_strdup(format);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write the header", n->filename);
}

/* --- New images --- */

static const ImageOption create_options[] = {
    {"backing_file", "File name of a base image"},
    {"backing_fmt", "Image format of the base image"},
    {"cluster_size", "Cluster size, 4k to 64M [64k]"},
    {"size", "Virtual disk size"},
    {"table_size", "Size of the tables in clusters, 1 to 16 [4]"},
    {NULL, NULL},
};

typedef struct Create {
    uint64_t size, cluster, table;
    const char *backing, *backing_format;
} Create;

static bool take_create(Opts *o, Create *c, Error **errp)
{
    uint64_t entries;

    c->backing = opts_take(o, "backing_file");
    c->backing_format = opts_take(o, "backing_fmt");
    if (!blockmap_take_size(o, INT64_MAX, &c->size, errp) ||
        !opts_take_size(o, "cluster_size", &c->cluster, errp) ||
        !opts_take_size(o, "table_size", &c->table, errp) ||
        !backing_fits(opts_what(o), c->backing, errp)) {
        return false;
    }
    if (c->cluster < MIN_CLUSTER || c->cluster > MAX_CLUSTER || !is_power_of_2(c->cluster)) {
        return error_fail(errp, "%s: cluster_size: a power of two from 4k to 64M is needed",
                          opts_what(o));
    }
    if (c->table < 1 || c->table > MAX_TABLE || !is_power_of_2(c->table)) {
        return error_fail(errp, "%s: table_size: a power of two from 1 to %d is needed",
                          opts_what(o), MAX_TABLE);
    }
    entries = c->cluster * c->table / 8;
    return (c->size - !!c->size) / c->cluster / entries < entries ||
           error_fail(errp, "%s: the size is too large for these clusters and tables",
                      opts_what(o));
}

static bool qed_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    Create c = {.cluster = 65536, .table = 4};
    uint8_t h[HEADER_LEN] = {0};
    BlockNode *file;
    int ret;

    if (!take_create(o, &c, errp)) {
        return false;
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        return false;
    }
    st32_le(h + MAGIC, QED_MAGIC);
    st32_le(h + CLUSTER_SIZE, c.cluster);
    st32_le(h + TABLE_SIZE, c.table);
    st32_le(h + HEADER_SIZE, 1);
    st64_le(h + L1_OFFSET, c.cluster);
    st64_le(h + IMAGE_SIZE, c.size);
    ret = blockmap_fill(file, 0, 0, c.cluster * (1 + c.table));
    ret = ret ? ret : write_backing(file, h, c.backing, c.backing_format);
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

const BlockDriver qed_driver = {
    .name = "qed",
    .probe = qed_probe,
    .open = qed_open,
    BLOCKMAP_WRITES,
    .dirty = blockmap_dirty,
    .set_backing = qed_set_backing,
    .make_empty = blockmap_make_empty,
    .check = blockmap_check,
    .create_options = create_options,
    .create = qed_create,
};
