/* SPDX-License-Identifier: MIT */
/*
 * New qcow2 images, changes of their size and header, and the driver's table.
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* --- Sizes --- */

int qcow2_grow_l1(Qcow2 *q, uint64_t entries)
{
    Qcow2Array bigger = {.n = entries}, old = q->l1;
    uint64_t clusters = qcow2_clusters(q, entries * 8);
    int ret;

    if (entries * 8 > QCOW2_MAX_L1_BYTES) {
        return -EFBIG;
    }
    g_mutex_lock(&q->meta);
    ret = qcow2_alloc(q, clusters, NULL, &bigger.offset);
    g_mutex_unlock(&q->meta);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    if (ret) {
        return ret;
    }
    bigger.e = g_new0(uint64_t, entries);
    memcpy(bigger.e, old.e, old.n * 8);
    ret = qcow2_array_write(q, &bigger, 0, entries);
    ret = ret ? ret : block_flush(q->n->file);
    if (!ret) {
        q->l1 = bigger;
        ret = qcow2_write_header(q);
        ret = ret ? ret : block_flush(q->n->file);
    }
    g_mutex_lock(&q->meta);
    if (ret) {
        q->l1 = old;
        g_free(bigger.e);
    } else {
        if (old.offset) {
            qcow2_drop(q, old.offset, qcow2_clusters(q, old.n * 8));
        }
        g_free(old.e);
    }
    g_mutex_unlock(&q->meta);
    return ret;
}

static int write_size(Qcow2 *q)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = qcow2_commit_exclusive(q);
    ret = ret ? ret : qcow2_write_header(q);
    ret = ret ? ret : block_flush(q->n->file);
    qcow2_exclusive_end(q);
    return ret;
}

/* What becomes visible must be zeroes: the rest of the last cluster, and what a longer backing file has. */
static int clear_grown(BlockNode *n, uint64_t old, uint64_t size)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t end = (old + q->cluster_size - 1) & ~(uint64_t)(q->cluster_size - 1);

    if (n->backing) {
        end = MAX(end, block_size(n->backing));
    }
    end = MIN(end, size);
    return end > old ? qcow2_write_zeroes(n, old, end - old, true) : 0;
}

static int preallocate(BlockNode *n, uint64_t offset, uint64_t len, BlockPrealloc prealloc)
{
    enum { CHUNK = 1 << 20 };
    Qcow2 *q = qcow2_of(n);
    g_autofree uint8_t *zeroes = NULL;
    int ret = 0;

    if (prealloc == BLOCK_PREALLOC_METADATA || prealloc == BLOCK_PREALLOC_FALLOC) {
        ret = qcow2_preallocate(q, offset, len);
        if (!ret && !qcow2_external(q)) {
            uint64_t end = q->fresh << q->cluster_bits;
            bool ok = end <= block_size(n->file) ||
                      block_truncate(
                          n->file, end,
                          prealloc == BLOCK_PREALLOC_FALLOC ? prealloc : BLOCK_PREALLOC_OFF, NULL);

            ret = ok ? 0 : -ENOSPC;
        }
    } else if (prealloc == BLOCK_PREALLOC_FULL) {
        zeroes = g_malloc0(CHUNK);
        for (uint64_t at = 0; !ret && at < len; at += CHUNK) {
            struct iovec iov = {zeroes, MIN(len - at, CHUNK)};

            ret = qcow2_pwritev(n, offset + at, &iov, 1);
        }
    }
    return ret;
}

static int grow(BlockNode *n, uint64_t size, BlockPrealloc prealloc)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t old = n->size, entries = qcow2_l1_entries(q, size);
    int ret = 0;

    qcow2_exclusive_begin(q);
    ret = qcow2_vm_state_forget(q); /* it would show where the disk grows */
    ret = !ret && entries > q->l1.n ? qcow2_grow_l1(q, entries) : ret;
    qcow2_exclusive_end(q);
    if (ret) {
        return ret;
    }
    n->size = size;
    if (qcow2_external(q) && block_size(q->data) < size) {
        ret = block_truncate(q->data, size, BLOCK_PREALLOC_OFF, NULL) ? 0 : -EIO;
    }
    ret = ret ? ret : clear_grown(n, old, size);
    ret = ret ? ret : preallocate(n, old, size - old, prealloc);
    ret = ret ? ret : write_size(q);
    if (ret) {
        n->size = old;
    }
    return ret;
}

int qcow2_cut_table(Qcow2 *q, uint64_t first)
{
    uint64_t end = ((first >> q->l2_bits) + 1) << q->l2_bits;
    bool whole = !(first & ((1ULL << q->l2_bits) - 1));
    uint32_t i = first >> q->l2_bits;
    uint64_t table = q->l1.e[i] & ENTRY_OFFSET;
    static const Qcow2Entry none;
    int ret = table && !whole ? qcow2_l2_writable(q, first) : 0;

    for (uint64_t c = first; !ret && table && c < end; c++) {
        Qcow2Entry e;

        ret = qcow2_entry_get(q, c, &e);
        if (!ret) {
            qcow2_entry_drop(q, &e);
            ret = whole ? 0 : qcow2_entry_set(q, c, &none);
        }
    }
    if (!ret && table && whole) {
        q->l1.e[i] = 0;
        qcow2_array_dirty(&q->l1, i);
        qcow2_drop(q, table, 1);
    }
    return ret;
}

/* No guest cluster from @first on is stored. */
static int cut_from(Qcow2 *q, uint64_t first)
{
    int ret = 0;

    while (!ret && first >> q->l2_bits < q->l1.n) {
        qcow2_exclusive_begin(q);
        g_mutex_lock(&q->meta);
        ret = qcow2_cut_table(q, first);
        g_mutex_unlock(&q->meta);
        qcow2_exclusive_end(q);
        first = ((first >> q->l2_bits) + 1) << q->l2_bits;
        ret = ret ? ret : qcow2_commit_if_needed(q);
    }
    return ret;
}

static int shrink(BlockNode *n, uint64_t size)
{
    Qcow2 *q = qcow2_of(n);
    int ret;

    n->size = size;
    ret = write_size(q);
    ret = ret ? ret : cut_from(q, qcow2_clusters(q, size));
    if (!ret && q->autoclear & AUTOCLEAR_RAW_DATA) {
        ret = block_truncate(q->data, size, BLOCK_PREALLOC_OFF, NULL) ? 0 : -EIO;
    }
    return ret ? ret : qcow2_commit(q);
}

bool qcow2_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    uint64_t limit = (QCOW2_MAX_L1_BYTES / 8ULL) << (q->l2_bits + q->cluster_bits);
    int ret = 0;

    if (size > limit) {
        return error_fail(errp, "'%s': with clusters of %u bytes the size is at most %" PRIu64,
                          n->filename, q->cluster_size, limit);
    }
    if (prealloc && (n->backing || n->backing_file)) {
        return error_fail(errp, "'%s': preallocation would hide the backing file", n->filename);
    }
    if (prealloc && q->encrypted) {
        return error_fail(errp, "'%s': preallocated clusters would read as noise", n->filename);
    }
    if (size > n->size) {
        ret = grow(n, size, prealloc);
    } else if (size < n->size) {
        ret = shrink(n, size);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot change the size", n->filename);
}

static bool qcow2_make_empty(BlockNode *n, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    int ret = cut_from(q, 0);

    ret = ret ? ret : qcow2_commit(q);
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot empty it", n->filename);
}

/* --- Headers --- */

static bool qcow2_set_backing(BlockNode *n, const char *file, const char *format, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    int ret;

    if (file && strlen(file) > QCOW2_MAX_BACKING_NAME) {
        return error_fail(errp, "'%s': the backing file's name is longer than %d bytes",
                          n->filename, QCOW2_MAX_BACKING_NAME);
    }
    if (file && q->autoclear & AUTOCLEAR_RAW_DATA) {
        return error_fail(errp, "'%s': raw external data allows no backing file", n->filename);
    }
    qcow2_exclusive_begin(q);
    ret = qcow2_commit_exclusive(q);
    if (!ret) {
        g_free(n->backing_file);
        g_free(n->backing_format);
        n->backing_file = g_strdup(file);
        n->backing_format = g_strdup(format);
        ret = qcow2_rewrite_header(q);
        ret = ret ? ret : block_flush(n->file);
    }
    qcow2_exclusive_end(q);
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write the header", n->filename);
}

static bool qcow2_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    Qcow2 *q = qcow2_of(n);
    int ret;

    if (!read_only) {
        return (!qcow2_external(q) || block_set_read_only(q->data, false, errp)) &&
               qcow2_prepare_writing(q, errp);
    }
    ret = qcow2_store_bitmaps(q);
    ret = ret ? ret : qcow2_commit(q);
    ret = ret ? ret : qcow2_commit(q);
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write its metadata", n->filename);
}

static void qcow2_follow_file(BlockNode *n, const BlockNode *from)
{
    Qcow2 *q = qcow2_of(n);

    q->data = q->data == from ? n->file : q->data;
}

static uint32_t qcow2_cluster_size(const BlockNode *n)
{
    return ((Qcow2 *)n->opaque)->cluster_size;
}

static bool qcow2_dirty(const BlockNode *n)
{
    return ((Qcow2 *)n->opaque)->incompatible & INCOMPAT_DIRTY;
}

static bool qcow2_encrypted(const BlockNode *n)
{
    return ((Qcow2 *)n->opaque)->encrypted;
}

static JsonObject *qcow2_specific(const BlockNode *n)
{
    const Qcow2 *q = n->opaque;
    JsonObject *obj = json_object_new();

    json_object_set_string_member(obj, "compat", q->version < 3 ? "0.10" : "1.1");
    json_object_set_string_member(obj, "compression-type", qcow2_compression_names[q->compression]);
    if (q->version >= 3) {
        json_object_set_boolean_member(obj, "lazy-refcounts", q->compatible & COMPAT_LAZY);
    }
    if (q->bitmaps->len) {
        json_object_set_array_member(obj, "bitmaps", qcow2_bitmaps_json(q));
    }
    json_object_set_int_member(obj, "refcount-bits", 1LL << q->refcount_order);
    if (q->version >= 3) {
        json_object_set_boolean_member(obj, "corrupt", q->incompatible & INCOMPAT_CORRUPT);
        json_object_set_boolean_member(obj, "extended-l2", q->extended_l2);
    }
    if (q->luks) {
        qcow2_describe_crypt(q, obj);
    }
    if (q->data_file) {
        json_object_set_string_member(obj, "data-file", q->data_file);
        json_object_set_boolean_member(obj, "data-file-raw", q->autoclear & AUTOCLEAR_RAW_DATA);
    }
    return obj;
}

/* --- New images --- */

typedef struct Create {
    uint64_t size, cluster_size, refcount_bits;
    int compat, compression, prealloc;
    bool lazy, extended_l2, data_file_raw;
    const char *backing_file, *backing_format, *data_file;
    LuksSpec *crypt; /* NULL: not encrypted */
} Create;

static const ImageOption create_options[] = {
    {"backing_file", "File name of a base image"},
    {"backing_fmt", "Image format of the base image"},
    {"cluster_size", "qcow2 cluster size, 512 to 2M [64k]"},
    {"compat", "Compatibility level: v2 (0.10) or v3 (1.1) [v3]"},
    {"compression_type", "Method of compressed clusters: zlib or zstd [zlib]"},
    {"data_file", "File name of an external data file"},
    {"data_file_raw", "The external data file must stay valid as a raw image"},
    {"encrypt.format", "Encryption of guest data: luks"},
    LUKS_CREATE_OPTIONS("encrypt."),
    {"encryption", "Encryption of an old kind, which must be off"},
    {"extended_l2", "Extended L2 tables, with subclusters"},
    {"lazy_refcounts", "Postpone refcount updates"},
    {"preallocation", "Preallocation mode: off, metadata, falloc or full [off]"},
    {"refcount_bits", "Width of a reference count entry in bits, 1 to 64 [16]"},
    {"size", "Virtual disk size"},
    {NULL, NULL},
};

static bool is_power(uint64_t v, uint64_t min, uint64_t max)
{
    return v >= min && v <= max && !(v & (v - 1));
}

static bool check_create(const char *what, const Create *c, Error **errp)
{
    if (!is_power(c->cluster_size, 512, 2 << 20)) {
        return error_fail(errp, "%s: cluster_size: %" PRIu64 " is no power of two from 512 to 2M",
                          what, c->cluster_size);
    }
    if (!is_power(c->refcount_bits, 1, 64)) {
        return error_fail(errp, "%s: refcount_bits: %" PRIu64 " is no power of two from 1 to 64",
                          what, c->refcount_bits);
    }
    if (!c->compat && (c->refcount_bits != 16 || c->lazy || c->extended_l2 || c->compression ||
                       c->data_file || c->crypt)) {
        return error_fail(errp,
                          "%s: refcount_bits, lazy_refcounts, extended_l2, compression_type, "
                          "data_file and encrypt.format need compat=v3",
                          what);
    }
    if (c->extended_l2 && c->cluster_size < 16384) {
        return error_fail(errp, "%s: extended_l2 needs a cluster_size of at least 16k", what);
    }
    if (c->data_file_raw && (!c->data_file || c->backing_file)) {
        return error_fail(errp, "%s: data_file_raw needs data_file, and no backing_file", what);
    }
    if (c->backing_file && c->prealloc) {
        return error_fail(errp, "%s: preallocation and backing_file exclude each other", what);
    }
    if (c->crypt && (c->data_file || c->prealloc)) {
        return error_fail(errp, "%s: encrypt.format excludes data_file and preallocation", what);
    }
    return (c->compression != QCOW2_ZSTD || qcow2_have_zstd()) ||
           error_fail(errp, "%s: compression_type: this build has no zstd", what);
}

static bool take_create(Opts *o, Create *c, Error **errp)
{
    static const char *const compats[] = {"v2", "v3", "0.10", "1.1", NULL};

    c->backing_file = opts_take(o, "backing_file");
    c->backing_format = opts_take(o, "backing_fmt");
    c->data_file = opts_take(o, "data_file");
    if (!opts_take_size(o, "size", &c->size, errp) ||
        !opts_take_size(o, "cluster_size", &c->cluster_size, errp) ||
        !opts_take_u64(o, "refcount_bits", 64, &c->refcount_bits, errp) ||
        !opts_take_enum(o, "compat", compats, &c->compat, errp) ||
        !opts_take_enum(o, "compression_type", qcow2_compression_names, &c->compression, errp) ||
        !opts_take_enum(o, "preallocation", block_prealloc_names, &c->prealloc, errp) ||
        !opts_take_bool(o, "lazy_refcounts", &c->lazy, errp) ||
        !opts_take_bool(o, "extended_l2", &c->extended_l2, errp) ||
        !opts_take_bool(o, "data_file_raw", &c->data_file_raw, errp) ||
        !qcow2_take_crypt(o, &c->crypt, errp)) {
        return false;
    }
    c->compat &= 1;
    return check_create(opts_what(o), c, errp);
}

static unsigned log2_of(uint64_t power)
{
    return g_bit_nth_msf(power, -1);
}

/* A header, the refcount table and one block, in three clusters: a disk without size. */
static int write_empty(Qcow2 *q, const Create *c)
{
    g_autofree uint8_t *block = NULL;
    uint8_t entry[8];
    int ret;

    q->cluster_bits = log2_of(c->cluster_size);
    q->cluster_size = c->cluster_size;
    q->refcount_order = log2_of(c->refcount_bits);
    q->version = c->compat ? 3 : 2;
    q->compression = c->compression;
    q->compatible = c->lazy ? COMPAT_LAZY : 0;
    q->incompatible = (c->compression ? INCOMPAT_COMPRESSION : 0) |
                      (c->extended_l2 ? INCOMPAT_EXTENDED_L2 : 0) |
                      (c->data_file ? INCOMPAT_DATA_FILE : 0);
    q->autoclear = c->data_file_raw ? AUTOCLEAR_RAW_DATA : 0;
    q->rt.offset = q->cluster_size;
    q->rt_clusters = 1;
    q->n->backing_file = g_strdup(c->backing_file);
    q->n->backing_format = g_strdup(c->backing_format);
    q->data_file = g_strdup(c->data_file);
    block = g_malloc0(q->cluster_size);
    for (unsigned i = 0; i < 3; i++) {
        qcow2_refcount_write(q, block, i, 1);
    }
    st64_be(entry, q->cluster_size * 2ULL);
    ret = block_pwrite(q->n->file, q->cluster_size * 2ULL, block, q->cluster_size);
    memset(block, 0, q->cluster_size);
    memcpy(block, entry, sizeof(entry));
    ret = ret ? ret : block_pwrite(q->n->file, q->cluster_size, block, q->cluster_size);
    return ret ? ret : qcow2_rewrite_header(q);
}

/* The file of @n becomes an image of a disk without size. */
static int format_file(BlockNode *n, const Create *c)
{
    Qcow2 q = {.n = n};
    int ret;

    q.extensions = g_ptr_array_new();
    q.snapshots = g_ptr_array_new();
    q.bitmaps = g_ptr_array_new();
    ret = write_empty(&q, c);
    g_ptr_array_unref(q.extensions);
    g_ptr_array_unref(q.snapshots);
    g_ptr_array_unref(q.bitmaps);
    g_free(q.data_file);
    g_clear_pointer(&n->backing_file, g_free);
    g_clear_pointer(&n->backing_format, g_free);
    return ret;
}

static bool create_empty(const char *what, const char *filename, const Create *c, Error **errp)
{
    BlockNode *file, node = {.filename = (char *)filename};
    int ret;

    if (!block_create_file(what, filename, 0, BLOCK_PREALLOC_OFF, errp)) {
        return false;
    }
    file = block_open(what, filename, "raw", 0, errp);
    if (!file) {
        return false;
    }
    node.file = block_file(file);
    ret = format_file(&node, c);
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

static bool create_data_file(const char *what, const char *filename, const Create *c, Error **errp)
{
    g_autofree char *dir = g_path_get_dirname(filename);
    g_autofree char *path = NULL;

    if (!c->data_file) {
        return true;
    }
    path = g_path_is_absolute(c->data_file) ? g_strdup(c->data_file)
                                            : g_build_filename(dir, c->data_file, NULL);
    return block_create_file(what, path, 0, BLOCK_PREALLOC_OFF, errp);
}

static const Create defaults = {
    .size = UINT64_MAX, .cluster_size = 65536, .refcount_bits = 16, .compat = 1};

static bool create_image(const char *what, const char *filename, const Create *c, Error **errp)
{
    BlockNode *n;
    bool ok;

    if (!create_data_file(what, filename, c, errp) || !create_empty(what, filename, c, errp)) {
        return false;
    }
    n = block_open(what, filename, "qcow2", BLOCK_NO_BACKING | BLOCK_UNSAFE, errp);
    ok = n && (!c->crypt || qcow2_create_crypt(qcow2_of(n), c->crypt, errp));
    /* Raw external data is all there from the start. */
    ok = ok &&
         qcow2_truncate(n, c->size,
                        c->data_file_raw ? MAX(c->prealloc, BLOCK_PREALLOC_METADATA) : c->prealloc,
                        errp);
    block_node_unref(n);
    return ok;
}

static bool qcow2_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    Create c = defaults;
    bool ok = take_create(o, &c, errp);

    if (ok && c.size == UINT64_MAX) {
        ok = error_fail(errp, "%s: a size is missing", what);
    }
    ok = ok && create_image(what, filename, &c, errp);
    if (c.crypt) {
        luks_spec_clear(c.crypt);
        g_free(c.crypt);
    }
    return ok;
}

/* --- What is forgotten at the end --- */

static bool open_temporary(const char *what, BlockNode *n, uint64_t size, Error **errp)
{
    g_autoptr(Opts) o = opts_new(what);
    int ret = format_file(n, &defaults);

    if (ret) {
        return error_fail_errno(errp, -ret, "%s: cannot write a temporary file", what);
    }
    if (!qcow2_open(n, o, 0, errp)) {
        return false;
    }
    n->drv = &qcow2_driver;
    return qcow2_truncate(n, size, BLOCK_PREALLOC_OFF, errp);
}

BlockNode *block_new_temporary(const char *what, BlockNode *base, Error **errp)
{
    BlockNode *file = file_open_temporary(what, 0, errp), *n;

    if (!file) {
        return NULL;
    }
    n = block_node_new(NULL, base->filename);
    n->file = file;
    n->temporary = n->no_flush = file->no_flush = true;
    n->unmap = file->unmap = base->unmap;
    n->detect_zeroes = base->detect_zeroes;
    if (!open_temporary(what, n, block_size(base), errp)) {
        block_node_unref(n);
        return NULL;
    }
    n->backing = base;
    return n;
}

/* --- The driver --- */

static const char *const qcow2_options[] = {"data-file", "encrypt.format", "encrypt.key-secret",
                                            NULL};

const BlockDriver qcow2_driver = {
    .name = "qcow2",
    .options = qcow2_options,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .preadv = qcow2_preadv,
    .pwritev = qcow2_pwritev,
    .flush = qcow2_flush,
    .discard = qcow2_discard,
    .write_zeroes = qcow2_write_zeroes,
    .status = qcow2_status,
    .write_compressed = qcow2_write_compressed,
    .truncate = qcow2_truncate,
    .set_read_only = qcow2_set_read_only,
    .follow_file = qcow2_follow_file,
    .create_options = create_options,
    .create = qcow2_create,
    .amend_options = qcow2_amend_options,
    .amend = qcow2_amend,
    .cluster_size = qcow2_cluster_size,
    .dirty = qcow2_dirty,
    .encrypted = qcow2_encrypted,
    .specific = qcow2_specific,
    .set_backing = qcow2_set_backing,
    .make_empty = qcow2_make_empty,
    .check = qcow2_check,
    .snapshot_foreach = qcow2_snapshot_foreach,
    .snapshot_view = qcow2_snapshot_view,
    .snapshot_create = qcow2_snapshot_create,
    .snapshot_apply = qcow2_snapshot_apply,
    .snapshot_delete = qcow2_snapshot_delete,
    .bitmaps_possible = qcow2_bitmaps_possible,
    .bitmaps_store = qcow2_bitmaps_store,
    .vm_state_write = qcow2_vm_state_write,
    .vm_state_read = qcow2_vm_state_read,
};
