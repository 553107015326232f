/* SPDX-License-Identifier: MIT */
/*
 * Apple disk images (UDIF; there is no published specification, the layout is known from descriptions of it).
 * A trailer names a property list, which has tables of chunks: zeroes, bytes as they are, or zlib or bzip2
 * streams.  Read only.  Not here: ADC, LZFSE and LZMA chunks, resource forks, images in several files.
 *
 * An image is not recognised by its contents: its trailer is where a guest could write it in a raw image.
 */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "dmg.h"
#include "inflate.h"
#include "rhea/endian.h"
#include "rhea/iov.h"

enum { SECTOR = 512, TRAILER_LEN = 512, MAX_LIST = 32 << 20, MAX_CHUNK = 64 << 20 };

/* The trailer. */
enum { DATA_FORK = 24, LIST_OFFSET = 216, LIST_LEN = 224 };

/* A table of chunks, and each of its entries. */
enum { TABLE_SECTOR = 8, TABLE_DATA = 24, TABLE_COUNT = 200, TABLE_LEN = 204 };
enum {
    CHUNK_TYPE = 0,
    CHUNK_SECTOR = 8,
    CHUNK_SECTORS = 16,
    CHUNK_OFFSET = 24,
    CHUNK_BYTES = 32,
    CHUNK_LEN = 40
};

#define TYPE_ZERO    0x00000000U
#define TYPE_RAW     0x00000001U
#define TYPE_IGNORE  0x00000002U
#define TYPE_ZLIB    0x80000005U
#define TYPE_BZIP2   0x80000006U
#define TYPE_COMMENT 0x7ffffffeU
#define TYPE_END     0xffffffffU

typedef struct Chunk {
    uint64_t start, len;     /* bytes of the disk */
    uint64_t offset, stored; /* in the file */
    uint32_t type;
} Chunk;

typedef struct Dmg {
    GArray *chunks; /* Chunk, in order */
    GMutex lock;    /* the compressed chunk that was read last */
    const Chunk *inflated_chunk;
    uint8_t *inflated;
} Dmg;

static bool is_zero(const Chunk *c)
{
    return c->type == TYPE_ZERO || c->type == TYPE_IGNORE;
}

/* --- The property list --- */

typedef struct ListParser {
    GString *key, *text; /* the last key, what stands in the present element */
    bool tables;         /* inside the list of tables */
    uint64_t data_fork;
    GArray *chunks;
} ListParser;

static bool take_chunk(ListParser *p, const uint8_t *table, const uint8_t *entry, GError **gerr)
{
    uint64_t first = ld64_be(table + TABLE_SECTOR), base = ld64_be(table + TABLE_DATA);
    uint64_t sector = ld64_be(entry + CHUNK_SECTOR), count = ld64_be(entry + CHUNK_SECTORS);
    uint64_t offset = ld64_be(entry + CHUNK_OFFSET), limit = INT64_MAX / SECTOR / 4;
    Chunk c = {.type = ld32_be(entry + CHUNK_TYPE), .stored = ld64_be(entry + CHUNK_BYTES)};
    bool packed = c.type == TYPE_ZLIB || c.type == TYPE_BZIP2;

    if (c.type == TYPE_COMMENT || c.type == TYPE_END || !count) {
        return true;
    }
    if (!(is_zero(&c) || c.type == TYPE_RAW || packed) ||
        (c.type == TYPE_BZIP2 && !dmg_have_bzip2())) {
        g_set_error(gerr, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
                    "chunks of type 0x%08x are not supported", c.type);
        return false;
    }
    if (first > limit || sector > limit || count > limit || base > limit || offset > limit ||
        c.stored > limit || p->data_fork > limit ||
        (packed && (count > MAX_CHUNK / SECTOR || c.stored > MAX_CHUNK)) ||
        (c.type == TYPE_RAW && c.stored < count * SECTOR)) {
        g_set_error(gerr, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "a chunk cannot be");
        return false;
    }
    c.start = (first + sector) * SECTOR;
    c.len = count * SECTOR;
    c.offset = p->data_fork + base + offset;
    g_array_append_val(p->chunks, c);
    return true;
}

static bool take_table(ListParser *p, GError **gerr)
{
    gsize len;
    g_autofree uint8_t *t = g_base64_decode(p->text->str, &len);

    if (len < TABLE_LEN || memcmp(t, "mish", 4) ||
        (len - TABLE_LEN) / CHUNK_LEN < ld32_be(t + TABLE_COUNT)) {
        g_set_error(gerr, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "a table is damaged");
        return false;
    }
    for (uint32_t i = 0; i < ld32_be(t + TABLE_COUNT); i++) {
        if (!take_chunk(p, t, t + TABLE_LEN + i * CHUNK_LEN, gerr)) {
            return false;
        }
    }
    return true;
}

static void list_start(GMarkupParseContext *ctx, const char *name, const char **keys,
                       const char **values, gpointer opaque, GError **gerr)
{
    ListParser *p = opaque;

    g_string_truncate(p->text, 0);
    if (!strcmp(name, "array") && !strcmp(p->key->str, "blkx")) {
        p->tables = true;
    }
}

static void list_text(GMarkupParseContext *ctx, const char *text, gsize len, gpointer opaque,
                      GError **gerr)
{
    g_string_append_len(((ListParser *)opaque)->text, text, (gssize)len);
}

static void list_end(GMarkupParseContext *ctx, const char *name, gpointer opaque, GError **gerr)
{
    ListParser *p = opaque;

    if (!strcmp(name, "key")) {
        g_string_assign(p->key, p->text->str);
    } else if (!strcmp(name, "array")) {
        p->tables = false;
    } else if (!strcmp(name, "data") && p->tables && !strcmp(p->key->str, "Data")) {
        take_table(p, gerr);
    }
    g_string_truncate(p->text, 0);
}

static bool parse_list(BlockNode *n, const char *text, size_t len, ListParser *p, Error **errp)
{
    static const GMarkupParser parser = {list_start, list_end, list_text, NULL, NULL};
    GMarkupParseContext *ctx = g_markup_parse_context_new(&parser, 0, p, NULL);
    g_autoptr(GError) gerr = NULL;
    bool ok = g_markup_parse_context_parse(ctx, text, (gssize)len, &gerr) &&
              g_markup_parse_context_end_parse(ctx, &gerr);

    g_markup_parse_context_free(ctx);
    return ok || error_fail(errp, "'%s': %s", n->filename, gerr->message);
}

/* --- Opening --- */

static bool read_chunks(BlockNode *n, GArray *chunks, Error **errp)
{
    uint8_t t[TRAILER_LEN];
    uint64_t size = block_size(n->file), at, len;
    g_autofree char *text = NULL;
    ListParser p = {.chunks = chunks};
    bool ok;

    if (size < TRAILER_LEN || block_pread(n->file, size - TRAILER_LEN, t, sizeof(t)) ||
        memcmp(t, "koly", 4)) {
        return error_fail(errp, "'%s' is no Apple disk image", n->filename);
    }
    at = ld64_be(t + LIST_OFFSET);
    len = ld64_be(t + LIST_LEN);
    if (!len || len > MAX_LIST || at > size || len > size - at) {
        return error_fail(errp, "'%s': its property list is missing, or too long", n->filename);
    }
    text = g_try_malloc(len);
    if (!text || block_pread(n->file, at, text, len)) {
        return error_fail(errp, "'%s': its property list cannot be read", n->filename);
    }
    p.data_fork = ld64_be(t + DATA_FORK);
    p.key = g_string_new(NULL);
    p.text = g_string_new(NULL);
    ok = parse_list(n, text, len, &p, errp);
    g_string_free(p.key, TRUE);
    g_string_free(p.text, TRUE);
    return ok;
}

static gint by_start(gconstpointer a, gconstpointer b)
{
    const Chunk *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

static bool check_order(BlockNode *n, GArray *chunks, Error **errp)
{
    uint64_t end = 0;

    g_array_sort(chunks, by_start);
    for (guint i = 0; i < chunks->len; i++) {
        const Chunk *c = &g_array_index(chunks, Chunk, i);

        if (c->start < end) {
            return error_fail(errp, "'%s': chunks overlap", n->filename);
        }
        end = c->start + c->len;
    }
    n->size = end;
    return true;
}

static bool dmg_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(Chunk));
    Dmg *d;

    if (!blockmap_only_read(n, errp) || !read_chunks(n, chunks, errp) ||
        !check_order(n, chunks, errp)) {
        return false;
    }
    d = g_new0(Dmg, 1);
    d->chunks = g_steal_pointer(&chunks);
    g_mutex_init(&d->lock);
    n->opaque = d;
    return true;
}

static void dmg_close(BlockNode *n)
{
    Dmg *d = n->opaque;

    g_array_unref(d->chunks);
    g_mutex_clear(&d->lock);
    g_free(d->inflated);
    g_free(d);
}

/* --- Reading --- */

/* The chunk at @offset, NULL: none; *len is cut to where the answer ends. */
static const Chunk *chunk_at(const Dmg *d, uint64_t offset, uint64_t *len)
{
    guint lo = 0, hi = d->chunks->len;
    const Chunk *c;

    while (lo < hi) { /* the first one that ends behind it */
        guint mid = lo + (hi - lo) / 2;

        c = &g_array_index(d->chunks, Chunk, mid);
        if (c->start + c->len <= offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == d->chunks->len) {
        return NULL;
    }
    c = &g_array_index(d->chunks, Chunk, lo);
    *len = MIN(*len, offset < c->start ? c->start - offset : c->start + c->len - offset);
    return offset < c->start ? NULL : c;
}

static int inflate_chunk(BlockNode *n, const Chunk *c, uint8_t *out)
{
    g_autofree uint8_t *in = g_try_malloc(MAX(c->stored, 1));
    int ret = in ? block_pread(n->file, c->offset, in, c->stored) : -ENOMEM;

    return ret                     ? ret
           : c->type == TYPE_BZIP2 ? dmg_inflate_bzip2(in, c->stored, out, c->len)
                                   : inflate_whole(INFLATE_ZLIB, in, c->stored, out, c->len);
}

static int read_packed(BlockNode *n, const Chunk *c, uint64_t in, const struct iovec *iov, int niov)
{
    Dmg *d = n->opaque;
    int ret = 0;

    g_mutex_lock(&d->lock);
    if (d->inflated_chunk != c) {
        g_free(d->inflated);
        d->inflated_chunk = NULL;
        d->inflated = g_try_malloc(c->len);
        ret = d->inflated ? inflate_chunk(n, c, d->inflated) : -ENOMEM;
        d->inflated_chunk = ret ? NULL : c;
    }
    if (!ret) {
        iov_from_buf(iov, niov, 0, d->inflated + in, iov_length(iov, niov));
    }
    g_mutex_unlock(&d->lock);
    return ret;
}

static int dmg_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t left = iov_length(iov, niov), done = 0;
    int ret = 0;

    while (!ret && left) {
        uint64_t len = left;
        const Chunk *c = chunk_at(n->opaque, offset, &len);
        int part_n;
        g_autofree struct iovec *part = iov_slice(iov, niov, done, len, &part_n);

        if (!c || is_zero(c)) {
            iov_clear(part, part_n, 0, len);
        } else if (c->type == TYPE_RAW) {
            ret = block_preadv(n->file, c->offset + offset - c->start, part, part_n);
        } else {
            ret = read_packed(n, c, offset - c->start, part, part_n);
        }
        offset += len;
        done += len;
        left -= len;
    }
    return ret;
}

static int dmg_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    const Chunk *c = chunk_at(n->opaque, offset, &len);

    st->run = len;
    st->allocated = true;
    st->zero = !c || is_zero(c);
    st->data = !st->zero;
    st->has_offset = c && c->type == TYPE_RAW;
    st->compressed = st->data && !st->has_offset;
    st->offset = st->has_offset ? c->offset + offset - c->start : 0;
    return 0;
}

const BlockDriver dmg_driver = {
    .name = "dmg",
    .open = dmg_open,
    .close = dmg_close,
    .preadv = dmg_preadv,
    .status = dmg_status,
};
