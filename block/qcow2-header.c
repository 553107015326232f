/* SPDX-License-Identifier: MIT */
/*
 * The header of qcow2 images, its extensions, opening and closing.
 * Not modelled: the encryption "aes" of old images (refused).
 */
#include "rhea/osdep.h"

#include "qcow2.h"
#include "rhea/endian.h"

/* Offsets of header fields. */
enum {
    H_MAGIC = 0,
    H_VERSION = 4,
    H_BACKING_OFFSET = 8,
    H_BACKING_LEN = 16,
    H_CLUSTER_BITS = 20,
    H_SIZE = 24,
    H_CRYPT = 32,
    H_L1_SIZE = 36,
    H_L1_OFFSET = 40,
    H_RT_OFFSET = 48,
    H_RT_CLUSTERS = 56,
    H_SNAPSHOTS = 60,
    H_SNAPSHOTS_OFFSET = 64,
    H_INCOMPATIBLE = 72,
    H_COMPATIBLE = 80,
    H_AUTOCLEAR = 88,
    H_REFCOUNT_ORDER = 96,
    H_HEADER_LENGTH = 100,
    H_COMPRESSION = 104,
};

/* Types of header extensions. */
#define EXT_END            0U
#define EXT_BACKING_FORMAT 0xe2792acaU
#define EXT_DATA_FILE      0x44415441U
#define EXT_BITMAPS        0x23852875U
#define EXT_CRYPT          0x0537be77U

/* What H_CRYPT says. */
enum { CRYPT_METHOD_LUKS = 2 };

enum {
    L2_CACHE_BYTES = 32 << 20,
    RB_CACHE_BYTES = 4 << 20,
    MIN_TABLES = 16,
};

bool qcow2_probe(const uint8_t *head)
{
    uint32_t version = ld32_be(head + H_VERSION);

    return ld32_be(head) == QCOW2_MAGIC && version >= 2;
}

void qcow2_extension_free(gpointer p)
{
    Qcow2Extension *ext = p;

    g_bytes_unref(ext->data);
    g_free(ext);
}

/* --- Writing --- */

size_t qcow2_fixed_header(const Qcow2 *q)
{
    return q->version >= 3 ? QCOW2_HEADER_V3 : QCOW2_HEADER_V2;
}

/* The backing file's name lies behind the extensions: qcow2_rewrite_header() sets its fields. */
void qcow2_encode_header(const Qcow2 *q, uint8_t raw[static QCOW2_HEADER_V3])
{
    memset(raw, 0, QCOW2_HEADER_V3);
    st32_be(raw + H_MAGIC, QCOW2_MAGIC);
    st32_be(raw + H_VERSION, q->version);
    st64_be(raw + H_BACKING_OFFSET, q->backing_offset);
    st32_be(raw + H_BACKING_LEN, q->backing_offset ? strlen(q->n->backing_file) : 0);
    st32_be(raw + H_CLUSTER_BITS, q->cluster_bits);
    st64_be(raw + H_SIZE, q->n->size);
    st32_be(raw + H_CRYPT, q->encrypted ? CRYPT_METHOD_LUKS : 0);
    st32_be(raw + H_L1_SIZE, q->l1.n);
    st64_be(raw + H_L1_OFFSET, q->l1.offset);
    st64_be(raw + H_RT_OFFSET, q->rt.offset);
    st32_be(raw + H_RT_CLUSTERS, q->rt_clusters);
    st32_be(raw + H_SNAPSHOTS, q->snapshots->len);
    st64_be(raw + H_SNAPSHOTS_OFFSET, q->snapshots_offset);
    if (q->version >= 3) {
        st64_be(raw + H_INCOMPATIBLE, q->incompatible);
        st64_be(raw + H_COMPATIBLE, q->compatible);
        st64_be(raw + H_AUTOCLEAR, q->autoclear);
        st32_be(raw + H_REFCOUNT_ORDER, q->refcount_order);
        st32_be(raw + H_HEADER_LENGTH, q->header_length);
    }
}

int qcow2_write_header(Qcow2 *q)
{
    uint8_t raw[QCOW2_HEADER_V3];

    qcow2_encode_header(q, raw);
    return block_pwrite(q->n->file, 0, raw, qcow2_fixed_header(q));
}

static void put_extension(GByteArray *out, uint32_t type, const void *data, size_t len)
{
    static const uint8_t padding[8];
    uint8_t head[8];

    st32_be(head, type);
    st32_be(head + 4, len);
    g_byte_array_append(out, head, sizeof(head));
    g_byte_array_append(out, data, len);
    g_byte_array_append(out, padding, -len & 7);
}

int qcow2_rewrite_header(Qcow2 *q)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    const char *backing = q->n->backing_file;
    uint8_t head[QCOW2_HEADER_TYPED] = {0};

    q->header_length = q->version < 3 ? QCOW2_HEADER_V2
                       : q->incompatible & INCOMPAT_COMPRESSION
                           ? QCOW2_HEADER_TYPED
                           : MAX(q->header_length, QCOW2_HEADER_V3);
    q->header_length = MIN(q->header_length, sizeof(head));
    head[H_COMPRESSION] = q->compression;
    g_byte_array_append(out, head, q->header_length);
    if (q->n->backing_format && backing) {
        put_extension(out, EXT_BACKING_FORMAT, q->n->backing_format, strlen(q->n->backing_format));
    }
    if (q->data_file) {
        put_extension(out, EXT_DATA_FILE, q->data_file, strlen(q->data_file));
    }
    if (q->bitmaps->len) {
        uint8_t raw[QCOW2_BITMAPS_EXT_LEN];

        qcow2_encode_bitmaps(q, raw);
        put_extension(out, EXT_BITMAPS, raw, sizeof(raw));
    }
    if (q->encrypted) {
        uint8_t raw[QCOW2_CRYPT_EXT_LEN];

        qcow2_encode_crypt(q, raw);
        put_extension(out, EXT_CRYPT, raw, sizeof(raw));
    }
    for (guint i = 0; i < q->extensions->len; i++) {
        Qcow2Extension *ext = g_ptr_array_index(q->extensions, i);
        gsize len;
        const void *data = g_bytes_get_data(ext->data, &len);

        put_extension(out, ext->type, data, len);
    }
    put_extension(out, EXT_END, NULL, 0);
    q->backing_offset = backing ? out->len : 0;
    if (backing) {
        g_byte_array_append(out, (const uint8_t *)backing, strlen(backing));
    }
    if (out->len > q->cluster_size) {
        return -ENOSPC;
    }
    qcow2_encode_header(q, head);
    memcpy(out->data, head, qcow2_fixed_header(q));
    return block_pwrite(q->n->file, 0, out->data, out->len);
}

/* --- Reading --- */

typedef struct Header {
    const char *what, *filename;
    uint64_t size, l1_offset, rt_offset, snapshots_offset, backing_offset;
    uint32_t l1_size, rt_clusters, snapshots, backing_len;
} Header;

static bool bad(const Header *h, Error **errp, const char *why)
{
    return error_fail(errp, "%s: '%s' is no good qcow2 image: %s", h->what, h->filename, why);
}

static bool read_v3(Qcow2 *q, const Header *h, const uint8_t *raw, unsigned flags, Error **errp)
{
    uint64_t unknown;

    q->incompatible = ld64_be(raw + H_INCOMPATIBLE);
    q->compatible = ld64_be(raw + H_COMPATIBLE);
    q->autoclear = ld64_be(raw + H_AUTOCLEAR);
    q->refcount_order = ld32_be(raw + H_REFCOUNT_ORDER);
    q->header_length = ld32_be(raw + H_HEADER_LENGTH);
    unknown = q->incompatible & ~INCOMPAT_KNOWN;
    if (unknown) {
        return error_fail(errp,
                          "%s: '%s' needs features that are not known here (mask 0x%" PRIx64 ")",
                          h->what, h->filename, unknown);
    }
    if (q->header_length < QCOW2_HEADER_V3 || q->header_length > q->cluster_size ||
        q->header_length % 8) {
        return bad(h, errp, "the header's length");
    }
    if (q->refcount_order > 6) {
        return bad(h, errp, "the width of refcounts");
    }
    q->compression = q->header_length > H_COMPRESSION ? raw[H_COMPRESSION] : 0;
    if (q->compression > QCOW2_ZSTD ||
        !!q->compression != !!(q->incompatible & INCOMPAT_COMPRESSION)) {
        return bad(h, errp, "the type of compression");
    }
    if (q->compression == QCOW2_ZSTD && !qcow2_have_zstd()) {
        return error_fail(errp, "%s: '%s' is compressed with zstd, which this build cannot read",
                          h->what, h->filename);
    }
    if (q->incompatible & INCOMPAT_CORRUPT && !q->n->read_only && !(flags & BLOCK_REPAIR)) {
        return error_fail(errp,
                          "%s: '%s' is marked as corrupt; it opens read-only, or after check -r",
                          h->what, h->filename);
    }
    return true;
}

static void set_geometry(Qcow2 *q)
{
    q->cluster_size = 1U << q->cluster_bits;
    q->extended_l2 = q->incompatible & INCOMPAT_EXTENDED_L2;
    q->subs = q->extended_l2 ? 32 : 1;
    q->sub_bits = q->cluster_bits - (q->extended_l2 ? 5 : 0);
    q->l2_bits = q->cluster_bits - (q->extended_l2 ? 4 : 3);
    q->rb_bits = q->cluster_bits + 3 - q->refcount_order;
}

static bool read_fixed(Qcow2 *q, Header *h, const uint8_t *raw, unsigned flags, Error **errp)
{
    q->version = ld32_be(raw + H_VERSION);
    q->cluster_bits = ld32_be(raw + H_CLUSTER_BITS);
    h->backing_offset = ld64_be(raw + H_BACKING_OFFSET);
    h->backing_len = ld32_be(raw + H_BACKING_LEN);
    h->size = ld64_be(raw + H_SIZE);
    h->l1_size = ld32_be(raw + H_L1_SIZE);
    h->l1_offset = ld64_be(raw + H_L1_OFFSET);
    h->rt_offset = ld64_be(raw + H_RT_OFFSET);
    h->rt_clusters = ld32_be(raw + H_RT_CLUSTERS);
    h->snapshots = ld32_be(raw + H_SNAPSHOTS);
    h->snapshots_offset = ld64_be(raw + H_SNAPSHOTS_OFFSET);
    if (ld32_be(raw + H_MAGIC) != QCOW2_MAGIC || q->version < 2 || q->version > 3) {
        return bad(h, errp, "neither version 2 nor 3");
    }
    if (q->cluster_bits < QCOW2_MIN_CLUSTER_BITS || q->cluster_bits > QCOW2_MAX_CLUSTER_BITS) {
        return bad(h, errp, "the size of clusters");
    }
    if (ld32_be(raw + H_CRYPT) && ld32_be(raw + H_CRYPT) != CRYPT_METHOD_LUKS) {
        return error_fail(errp, "%s: '%s' is encrypted in a way that is not supported", h->what,
                          h->filename);
    }
    q->encrypted = ld32_be(raw + H_CRYPT);
    q->refcount_order = 4;
    q->header_length = QCOW2_HEADER_V2;
    q->cluster_size = 1U << q->cluster_bits;
    if (q->version >= 3 && !read_v3(q, h, raw, flags, errp)) {
        return false;
    }
    set_geometry(q);
    return !q->extended_l2 || q->cluster_bits >= 14 ||
           bad(h, errp, "extended L2 entries need clusters of 16 KiB");
}

static bool read_extension(Qcow2 *q, const Header *h, uint32_t type, const uint8_t *data,
                           uint32_t len, Error **errp)
{
    Qcow2Extension *ext;

    switch (type) {
    case EXT_BACKING_FORMAT:
        g_free(q->n->backing_format);
        q->n->backing_format = g_strndup((const char *)data, len);
        return true;
    case EXT_DATA_FILE:
        g_free(q->data_file);
        q->data_file = g_strndup((const char *)data, len);
        return true;
    case EXT_BITMAPS: /* without the flag somebody has written who does not know them */
        return !(q->autoclear & AUTOCLEAR_BITMAPS) || q->bitmaps->len ||
               qcow2_read_bitmaps(q, data, len, q->repairing ? NULL : errp) || q->repairing;
    case EXT_CRYPT: return !q->encrypted || qcow2_read_crypt(q, data, len, errp);
    default:
        ext = g_new(Qcow2Extension, 1);
        ext->type = type;
        ext->data = g_bytes_new(data, len);
        g_ptr_array_add(q->extensions, ext);
        return true;
    }
}

/* Extensions and the backing file's name lie in the first cluster. */
static bool read_extensions(Qcow2 *q, const Header *h, const uint8_t *raw, Error **errp)
{
    uint64_t at = q->header_length;
    uint64_t end = h->backing_offset ? h->backing_offset : q->cluster_size;

    if (h->backing_offset &&
        (h->backing_offset > q->cluster_size || h->backing_len > QCOW2_MAX_BACKING_NAME ||
         h->backing_len > q->cluster_size - h->backing_offset || h->backing_offset < at)) {
        return bad(h, errp, "the backing file's name");
    }
    while (at + 8 <= end) {
        uint32_t type = ld32_be(raw + at), len = ld32_be(raw + at + 4);

        at += 8;
        if (type == EXT_END) {
            break;
        }
        if (len > end - at) {
            return bad(h, errp, "a header extension is too long");
        }
        if (!read_extension(q, h, type, raw + at, len, errp)) {
            return false;
        }
        at += (len + 7ULL) & ~7ULL;
    }
    if (h->backing_offset && h->backing_len) {
        q->n->backing_file = g_strndup((const char *)raw + h->backing_offset, h->backing_len);
        q->backing_offset = h->backing_offset;
    }
    return true;
}

static bool read_header(Qcow2 *q, Header *h, unsigned flags, Error **errp)
{
    g_autofree uint8_t *raw = g_malloc0(MAX(BLOCK_PROBE_LEN, 1 << QCOW2_MAX_CLUSTER_BITS));
    uint64_t size = block_size(q->n->file);
    int ret = block_pread(q->n->file, 0, raw, MIN(size, 1 << QCOW2_MAX_CLUSTER_BITS));

    if (ret) {
        return error_fail_errno(errp, -ret, "%s: cannot read the header of '%s'", h->what,
                                h->filename);
    }
    if (size < QCOW2_HEADER_V2) {
        return bad(h, errp, "too short");
    }
    return read_fixed(q, h, raw, flags, errp) && read_extensions(q, h, raw, errp);
}

/* --- Tables --- */

static bool read_array(Qcow2 *q, const Header *h, Qcow2Array *a, uint64_t offset, uint64_t n,
                       const char *what, Error **errp)
{
    int ret;

    if (!qcow2_aligned(q, offset) || offset > INT64_MAX - n * 8 || (n && !offset)) {
        return error_fail(errp, "%s: '%s' is no good qcow2 image: the place of the %s", h->what,
                          h->filename, what);
    }
    *a = (Qcow2Array){.e = g_try_new0(uint64_t, MAX(n, 1)), .n = n, .offset = offset};
    if (!a->e) {
        return error_fail(errp, "%s: no memory for the %s of '%s'", h->what, what, h->filename);
    }
    ret = qcow2_read_words(q, offset, a->e, n);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot read the %s of '%s'", h->what, what,
                                    h->filename);
}

static bool read_tables(Qcow2 *q, const Header *h, Error **errp)
{
    uint64_t rt_bytes = (uint64_t)h->rt_clusters << q->cluster_bits;

    if (h->size > INT64_MAX || h->l1_size < qcow2_l1_entries(q, h->size) ||
        h->l1_size > QCOW2_MAX_L1_BYTES / 8) {
        return bad(h, errp, "the size of the L1 table");
    }
    if (!h->rt_clusters || rt_bytes > QCOW2_MAX_RT_BYTES) {
        return bad(h, errp, "the size of the refcount table");
    }
    if (!read_array(q, h, &q->l1, h->l1_offset, h->l1_size, "L1 table", errp) ||
        !read_array(q, h, &q->rt, h->rt_offset, rt_bytes / 8, "refcount table", errp)) {
        return false;
    }
    for (uint32_t i = 0; i < q->rt.n; i++) {
        if (q->rt.e[i] & ~ENTRY_OFFSET || !qcow2_aligned(q, q->rt.e[i])) {
            q->rt_bad = true;
        }
    }
    q->rt_clusters = h->rt_clusters;
    q->n->size = h->size;
    return qcow2_read_snapshots(q, h->snapshots_offset, h->snapshots, errp);
}

/* --- The external data file --- */

static bool open_data_file(Qcow2 *q, const Header *h, Opts *o, unsigned flags, Error **errp)
{
    g_autoptr(Opts) sub = opts_take_sub(o, "data-file");
    const char *ref = opts_take(o, "data-file");
    g_autofree char *dir = g_path_get_dirname(h->filename);
    g_autofree char *path = NULL;

    q->data = q->n->file;
    if (!(q->incompatible & INCOMPAT_DATA_FILE)) {
        return !ref && opts_empty(sub)
                   ? true
                   : error_fail(errp, "%s: '%s' has no external data file", h->what, h->filename);
    }
    if (ref) {
        BlockNode *found = block_node_find(ref);

        q->data = found ? block_node_ref(found) : q->data;
        return found || error_fail(errp, "%s: data-file: there is no node '%s'", h->what, ref);
    }
    if (opts_empty(sub)) {
        if (!q->data_file || !*q->data_file) {
            return bad(h, errp, "it does not say where its data file is");
        }
        path = g_path_is_absolute(q->data_file) ? g_strdup(q->data_file)
                                                : g_build_filename(dir, q->data_file, NULL);
        opts_add(sub, "filename", path);
    }
    if (!opts_peek(sub, "driver")) {
        opts_add(sub, "driver", "file");
    }
    q->data = block_open_opts(sub,
                              (flags & BLOCK_SHARED) | (q->n->read_only ? BLOCK_READ_ONLY : 0) |
                                  (q->n->direct ? BLOCK_DIRECT : 0),
                              errp);
    if (!q->data) {
        q->data = q->n->file;
        return false;
    }
    q->data->unmap = q->n->unmap;
    q->data->no_flush = q->n->no_flush;
    return block_opts_done(sub, q->data, NULL, errp);
}

/* --- Opening and closing --- */

static void state_free(Qcow2 *q)
{
    qcow2_close_crypt(q);
    if (q->data && q->data != q->n->file) {
        block_node_unref(q->data);
    }
    qcow2_cache_fini(&q->l2_cache);
    qcow2_cache_fini(&q->rb_cache);
    g_ptr_array_unref(q->extensions);
    g_ptr_array_unref(q->snapshots);
    g_ptr_array_unref(q->bitmaps);
    g_ptr_array_unref(q->flights);
    g_array_unref(q->dropped);
    pthread_mutex_destroy(&q->commit);
    pthread_rwlock_destroy(&q->io);
    g_mutex_clear(&q->meta);
    g_mutex_clear(&q->inflated_lock);
    g_cond_clear(&q->landed);
    g_free(q->inflated);
    g_free(q->l1.e);
    g_free(q->rt.e);
    g_free(q->data_file);
    g_free(q);
}

static Qcow2 *state_new(BlockNode *n)
{
    Qcow2 *q = g_new0(Qcow2, 1);
    pthread_rwlockattr_t attr;

    q->n = n;
    q->extensions = g_ptr_array_new_with_free_func(qcow2_extension_free);
    q->snapshots = g_ptr_array_new_with_free_func(qcow2_snapshot_free);
    q->bitmaps = g_ptr_array_new_with_free_func(qcow2_bitmap_free);
    q->flights = g_ptr_array_new();
    q->dropped = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    pthread_mutex_init(&q->commit, NULL);
    /* Requests follow one another without a gap: a writer must not wait for one. */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&q->io, &attr);
    pthread_rwlockattr_destroy(&attr);
    g_mutex_init(&q->meta);
    g_mutex_init(&q->inflated_lock);
    g_cond_init(&q->landed);
    return q;
}

/* A writer marks what it does not keep up to date, and makes refcounts right where they are not. */
bool qcow2_prepare_writing(Qcow2 *q, Error **errp)
{
    uint64_t known = AUTOCLEAR_RAW_DATA | (q->bitmaps->len ? AUTOCLEAR_BITMAPS : 0);
    uint64_t autoclear = q->autoclear & known;
    int ret = 0;

    if (q->incompatible & INCOMPAT_DIRTY && !qcow2_rebuild_refcounts(q, errp)) {
        return false;
    }
    if (q->rt_bad) {
        return error_fail(errp,
                          "'%s': the refcount table is damaged (check -r all makes a new one)",
                          q->n->filename);
    }
    if (q->autoclear != autoclear) {
        q->autoclear = autoclear;
        ret = qcow2_write_header(q);
    }
    ret = ret ? ret : qcow2_mark_bitmaps(q);
    return !ret || error_fail_errno(errp, -ret, "cannot write the header of '%s'", q->n->filename);
}

static bool open_state(Qcow2 *q, Opts *o, unsigned flags, Error **errp)
{
    Header h = {.what = opts_what(o), .filename = q->n->filename};

    q->repairing = flags & BLOCK_REPAIR;
    if (!read_header(q, &h, flags, errp) || !read_tables(q, &h, errp)) {
        return false;
    }
    qcow2_cache_init(&q->l2_cache, MAX(L2_CACHE_BYTES >> q->cluster_bits, MIN_TABLES));
    qcow2_cache_init(&q->rb_cache, MAX(RB_CACHE_BYTES >> q->cluster_bits, MIN_TABLES));
    q->fresh = qcow2_clusters(q, block_size(q->n->file));
    if (!open_data_file(q, &h, o, flags, errp) || !qcow2_open_crypt(q, o, flags, errp)) {
        return false;
    }
    return flags & BLOCK_REPAIR ||
           (qcow2_load_bitmaps(q, errp) && (q->n->read_only || qcow2_prepare_writing(q, errp)));
}

bool qcow2_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    Qcow2 *q = state_new(n);

    n->opaque = q;
    if (open_state(q, o, flags, errp)) {
        return true;
    }
    state_free(q);
    n->opaque = NULL;
    return false;
}

void qcow2_close(BlockNode *n)
{
    Qcow2 *q = qcow2_of(n);

    if (!n->read_only) { /* twice: what the first drops is not counted any more after the second */
        int ret = q->repairing ? 0 : qcow2_store_bitmaps(q);

        ret = ret ? ret : qcow2_commit(q);
        ret = ret ? ret : qcow2_commit(q);
        if (ret) {
            warn_user("'%s': its metadata could not be written: %s", n->filename, strerror(-ret));
        }
    }
    state_free(q);
}
