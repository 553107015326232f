/* SPDX-License-Identifier: MIT */
/*
 * VHD, the disks of Virtual PC and Hyper-V's first generation (specification: Microsoft, "Virtual Hard Disk Image
 * Format", 1.0).  Fixed: the data, and a footer.  Dynamic: a copy of the footer, a header, a table of 32-bit
 * sector numbers, blocks with a bitmap in front that says which sectors are there.  Differencing: the same
 * above a parent.
 *
 * New blocks overwrite the footer at the end, which follows them at the next commit: a crash in between leaves
 * the copy at the beginning, which is what is read first.  In a fixed image the beginning is the guest's, and may
 * look like such a copy: what the end says of such an image counts.
 * Not here: parents' identifiers and times are not compared.
 */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum { SECTOR = 512, FOOTER_LEN = 512, HEADER_LEN = 1024, LOCATORS = 8 };

/* The footer. */
enum {
    FEATURES = 8,
    VERSION = 12,
    DATA_OFFSET = 16,
    TIMESTAMP = 24,
    CREATOR = 28,
    CREATOR_VERSION = 32,
    CREATOR_OS = 36,
    ORIGINAL_SIZE = 40,
    CURRENT_SIZE = 48,
    CYLINDERS = 56,
    HEADS = 58,
    SECTORS = 59,
    TYPE = 60,
    CHECKSUM = 64,
    UUID = 68,
};

/* The header of what is not fixed. */
enum {
    NEXT_OFFSET = 8,
    TABLE_OFFSET = 16,
    HEADER_VERSION = 24,
    MAX_TABLE = 28,
    BLOCK_SIZE = 32,
    HEADER_CHECKSUM = 36,
    PARENT_NAME = 64, /* UTF-16, big-endian */
    PARENT_NAME_LEN = 512,
    LOCATOR = 576, /* the first */
    LOCATOR_LEN = 24,
};

enum { TYPE_FIXED = 2, TYPE_DYNAMIC = 3, TYPE_DIFFERENCING = 4 };
enum { DEFAULT_BLOCK = 2 << 20, MAX_BLOCK = 256 << 20, MAX_PATH_BYTES = 4096 };

#define FORMAT_VERSION 0x00010000U
#define UNALLOCATED    0xffffffffU
#define MAX_ENTRIES    (1U << 26)
#define MAX_SIZE       (2040ULL << 30)
/* The most that cylinders, heads and sectors can say. */
#define MAX_GEOMETRY (65535ULL * 16 * 255)
#define EPOCH        946684800 /* the year 2000 */

static const char cookie[] = "conectix", header_cookie[] = "cxsparse";
enum { COOKIE_LEN = 8 };

typedef struct Vpc {
    uint8_t footer[FOOTER_LEN];
    uint64_t footer_at; /* lock */
    uint64_t table;
} Vpc;

/* The complement of the sum of all bytes but those of the checksum. */
static uint32_t checksum(const uint8_t *p, size_t len, size_t field)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += i - field < 4 ? 0 : p[i];
    }
    return ~sum;
}

static bool footer_ok(const uint8_t *f)
{
    return !memcmp(f, cookie, COOKIE_LEN) &&
           ld32_be(f + CHECKSUM) == checksum(f, FOOTER_LEN, CHECKSUM);
}

static bool vpc_probe(const uint8_t *head)
{
    return !memcmp(head, cookie, COOKIE_LEN);
}

/* --- Entries --- */

static int vpc_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    const Vpc *v = m->opaque;
    uint8_t raw[4];
    int ret = blockmap_meta_read(m, v->table + block * 4, raw, sizeof(raw));

    if (ld32_be(raw) != UNALLOCATED) {
        e->kind = MAP_DATA;
        e->host = ld32_be(raw) * (uint64_t)SECTOR + m->prefix;
    }
    return ret;
}

static int vpc_set(BlockMap *m, uint64_t block, const MapEntry *e)
{
    const Vpc *v = m->opaque;
    uint8_t raw[4];

    st32_be(raw, e->kind == MAP_DATA ? (e->host - m->prefix) / SECTOR : UNALLOCATED);
    return blockmap_meta_write(m, v->table + block * 4, raw, sizeof(raw));
}

/* --- Bitmaps --- */

/* All sectors of a new block are there. */
static int vpc_placed(BlockMap *m, uint64_t at)
{
    g_autofree uint8_t *ones = g_malloc0(m->prefix);
    int ret;

    memset(ones, 0xff, (m->block_size + SECTOR * 8 - 1) / (SECTOR * 8));
    g_mutex_lock(&m->lock);
    ret = blockmap_meta_direct(m, at, ones, m->prefix);
    g_mutex_unlock(&m->lock);
    return ret;
}

static int vpc_mark_all(BlockMap *m, uint64_t block, uint64_t host)
{
    static const uint8_t ones[SECTOR] = {[0 ... SECTOR - 1] = 0xff};
    uint32_t bytes = (m->block_size + SECTOR * 8 - 1) / (SECTOR * 8);
    int ret = 0;

    for (uint32_t i = 0; !ret && i < bytes; i += SECTOR) {
        ret = blockmap_meta_write(m, host - m->prefix + i, ones, MIN(SECTOR, bytes - i));
    }
    return ret;
}

static int vpc_part(BlockMap *m, uint64_t block, uint64_t host, uint32_t from, uint32_t *len,
                    bool *there)
{
    uint64_t first = from / SECTOR, sectors = (from + *len + SECTOR - 1) / SECTOR - first, alike;
    int ret = blockmap_meta_bits(m, host - m->prefix, true, first, sectors, there, &alike);

    *len = MIN((first + alike) * SECTOR, from + *len) - from;
    return ret;
}

/* --- The footer --- */

static int write_footer(BlockMap *m)
{
    Vpc *v = m->opaque;
    int ret = 0;

    g_mutex_lock(&m->lock); /* nobody takes its place for a block meanwhile */
    if (v->footer_at != m->end) {
        ret = blockmap_meta_direct(m, m->end, v->footer, FOOTER_LEN);
        v->footer_at = ret ? v->footer_at : m->end;
    }
    g_mutex_unlock(&m->lock);
    return ret;
}

static const BlockMapOps vpc_ops = {
    .get = vpc_get,
    .set = vpc_set,
    .part = vpc_part,
    .mark_all = vpc_mark_all,
    .placed = vpc_placed,
    .before_commit = write_footer,
};

/* --- Opening --- */

static uint64_t geometry_sectors(const uint8_t *f)
{
    return (uint64_t)ld16_be(f + CYLINDERS) * f[HEADS] * f[SECTORS];
}

/*
 * Early makers wrote a size that their machines rounded down to whole cylinders; with them the geometry counts,
 * as far as it goes.
 */
static uint64_t disk_size(const uint8_t *f)
{
    static const char *const by_geometry[] = {"vpc ", "vs  ", "qemu"};
    uint64_t sectors = geometry_sectors(f);

    for (size_t i = 0; i < ARRAY_SIZE(by_geometry); i++) {
        if (!memcmp(f + CREATOR, by_geometry[i], 4) && sectors < MAX_GEOMETRY) {
            return sectors * SECTOR;
        }
    }
    return ld64_be(f + CURRENT_SIZE);
}

/* The footer that counts, in v->footer; *tail: how long that at the end is, which new blocks overwrite, 0: none. */
static bool read_footer(BlockNode *n, Vpc *v, uint64_t *tail, Error **errp)
{
    uint64_t size = block_size(n->file);
    uint8_t last[FOOTER_LEN] = {0};
    int ret = block_pread(n->file, 0, v->footer, FOOTER_LEN);

    if (!ret && size >= FOOTER_LEN) {
        ret = block_pread(n->file, size - FOOTER_LEN, last, FOOTER_LEN);
    }
    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
    }
    *tail = footer_ok(last) ? FOOTER_LEN : 0;
    if (*tail && (!footer_ok(v->footer) || ld32_be(last + TYPE) == TYPE_FIXED)) {
        memcpy(v->footer, last, FOOTER_LEN);
    }
    return footer_ok(v->footer) ||
           error_fail(errp, "'%s' is no VHD image: it has no footer", n->filename);
}

/* A parent's path as systems with backslashes write it. */
static void set_parent(BlockNode *n, const char *utf16, size_t bytes, const char *charset)
{
    gsize len;
    char *name = g_convert(utf16, bytes & ~1ULL, "UTF-8", charset, NULL, &len, NULL);

    if (!name || !*name || strlen(name) > PATH_MAX) {
        g_free(name);
        return;
    }
    g_strdelimit(name, "\\", '/');
    g_free(n->backing_file);
    n->backing_file = g_strdup(g_str_has_prefix(name, "./") ? name + 2 : name);
    g_free(name);
}

/* The parent's name, or better, its relative path. */
static bool read_parent(BlockNode *n, const uint8_t *h, Error **errp)
{
    set_parent(n, (const char *)h + PARENT_NAME, PARENT_NAME_LEN, "UTF-16BE");
    for (unsigned i = 0; i < LOCATORS; i++) {
        const uint8_t *l = h + LOCATOR + i * LOCATOR_LEN;
        uint32_t len = ld32_be(l + 8);
        uint64_t offset = ld64_be(l + 16);
        char path[MAX_PATH_BYTES];

        if (memcmp(l, "W2ru", 4) || len > sizeof(path) || offset > INT64_MAX - sizeof(path)) {
            continue;
        }
        if (!block_pread(n->file, offset, path, len)) {
            set_parent(n, path, len, "UTF-16LE");
        }
    }
    n->backing_format = g_strdup("vpc");
    return n->backing_file || error_fail(errp, "'%s': its parent has no name", n->filename);
}

static bool check_header(BlockNode *n, const Vpc *v, const uint8_t *h, Error **errp)
{
    uint64_t table = ld64_be(h + TABLE_OFFSET), entries = ld32_be(h + MAX_TABLE);
    uint64_t block = ld32_be(h + BLOCK_SIZE);

    if (memcmp(h, header_cookie, COOKIE_LEN) ||
        ld32_be(h + HEADER_CHECKSUM) != checksum(h, HEADER_LEN, HEADER_CHECKSUM)) {
        return error_fail(errp, "'%s': its header is damaged", n->filename);
    }
    if (block < 4096 || block > MAX_BLOCK || !is_power_of_2(block)) {
        return error_fail(errp, "'%s': blocks of %" PRIu64 " bytes cannot be", n->filename, block);
    }
    return (entries <= MAX_ENTRIES && table % SECTOR == 0 && table >= FOOTER_LEN &&
            table <= INT64_MAX - entries * 4 && disk_size(v->footer) <= entries * block) ||
           error_fail(errp, "'%s': its table, or its size, cannot be", n->filename);
}

static bool open_dynamic(BlockNode *n, Vpc *v, Error **errp)
{
    uint8_t h[HEADER_LEN];
    uint64_t at = ld64_be(v->footer + DATA_OFFSET);
    BlockMap *m;
    int ret = at > INT64_MAX - sizeof(h) ? -EIO : block_pread(n->file, at, h, sizeof(h));

    if (ret) {
        return error_fail_errno(errp, -ret, "'%s': cannot read its header", n->filename);
    }
    if (!check_header(n, v, h, errp) ||
        (ld32_be(v->footer + TYPE) == TYPE_DIFFERENCING && !read_parent(n, h, errp))) {
        return false;
    }
    v->table = ld64_be(h + TABLE_OFFSET);
    m = blockmap_new(n, n->file, &vpc_ops, g_memdup2(v, sizeof(*v)));
    m->size = n->size = disk_size(v->footer);
    m->block_size = ld32_be(h + BLOCK_SIZE);
    m->prefix = align_up(m->block_size / SECTOR / 8, SECTOR);
    m->data_start = FOOTER_LEN;
    m->align = SECTOR;
    m->limit = (uint64_t)UNALLOCATED * SECTOR;
    return true;
}

/* The data, and behind it the footer, which a write must not reach. */
static bool open_fixed(BlockNode *n, const Vpc *v, uint64_t tail, Error **errp)
{
    n->size = disk_size(v->footer);
    if (!tail || n->size > block_size(n->file) - tail) {
        return error_fail(errp, "'%s' is shorter than its footer says", n->filename);
    }
    blockmap_new_flat(n, n->file, 0, n->size);
    return true;
}

static bool vpc_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint64_t tail = 0;
    Vpc v = {0};

    if (!read_footer(n, &v, &tail, errp)) {
        return false;
    }
    switch (ld32_be(v.footer + TYPE)) {
    case TYPE_FIXED:
        if (!open_fixed(n, &v, tail, errp)) {
            return false;
        }
        break;
    case TYPE_DYNAMIC:
    case TYPE_DIFFERENCING:
        if (!open_dynamic(n, &v, errp)) {
            return false;
        }
        break;
    default:
        return error_fail(errp, "'%s': VHD images of type %u are not supported", n->filename,
                          ld32_be(v.footer + TYPE));
    }
    if (!blockmap_ready(blockmap_of(n), tail, errp)) {
        blockmap_discard_all(n);
        return false;
    }
    if (ld32_be(v.footer + TYPE) != TYPE_FIXED && tail) {
        ((Vpc *)blockmap_of(n)->opaque)->footer_at = blockmap_of(n)->end;
    }
    return true;
}

/* --- New images --- */

/* Cylinders, heads and sectors, by the specification's appendix. */
static void set_geometry(uint8_t *f, uint64_t sectors)
{
    uint32_t spt = 17, heads, per_head;

    sectors = MIN(sectors, MAX_GEOMETRY);
    per_head = sectors / spt;
    heads = MAX((per_head + 1023) / 1024, 4);
    if (sectors >= 65535ULL * 16 * 63) {
        spt = 255;
        heads = 16;
    } else if (per_head >= heads * 1024 || heads > 16) {
        heads = 16;
        spt = sectors / 31 >= 16 * 1024 ? 63 : 31;
    }
    st16_be(f + CYLINDERS, sectors / spt / heads);
    f[HEADS] = heads;
    f[SECTORS] = spt;
}

static void make_footer(uint8_t f[static FOOTER_LEN], uint64_t size, bool fixed)
{
    memset(f, 0, FOOTER_LEN);
    memcpy(f, cookie, COOKIE_LEN);
    st32_be(f + FEATURES, 2); /* always set */
    st32_be(f + VERSION, FORMAT_VERSION);
    st64_be(f + DATA_OFFSET, fixed ? UINT64_MAX : FOOTER_LEN);
    st32_be(f + TIMESTAMP, time(NULL) - EPOCH);
    memcpy(f + CREATOR, "win ", 4); /* the size counts, not the geometry */
    st32_be(f + CREATOR_VERSION, 0x00060001);
    memcpy(f + CREATOR_OS, "Wi2k", 4);
    st64_be(f + ORIGINAL_SIZE, size);
    st64_be(f + CURRENT_SIZE, size);
    set_geometry(f, size / SECTOR);
    st32_be(f + TYPE, fixed ? TYPE_FIXED : TYPE_DYNAMIC);
    blockmap_uuid(f + UUID);
    st32_be(f + CHECKSUM, checksum(f, FOOTER_LEN, CHECKSUM));
}

/* The least size from @size on that cylinders, heads and sectors can say. */
static uint64_t round_to_geometry(uint64_t size)
{
    uint64_t sectors = size / SECTOR + !!(size % SECTOR);
    uint8_t f[FOOTER_LEN];

    if (sectors >= MAX_GEOMETRY) {
        return align_up(size, SECTOR);
    }
    for (uint64_t try = sectors;; try++) {
        set_geometry(f, try);
        if (geometry_sectors(f) >= sectors) {
            return geometry_sectors(f) * SECTOR;
        }
    }
}

static int write_dynamic(BlockNode *file, const uint8_t f[static FOOTER_LEN])
{
    uint64_t size = ld64_be(f + CURRENT_SIZE), table = FOOTER_LEN + HEADER_LEN;
    uint32_t entries = size / DEFAULT_BLOCK + !!(size % DEFAULT_BLOCK);
    uint64_t end = table + align_up(entries * 4ULL, SECTOR);
    uint8_t h[HEADER_LEN] = {0};
    int ret;

    memcpy(h, header_cookie, COOKIE_LEN);
    st64_be(h + NEXT_OFFSET, UINT64_MAX);
    st64_be(h + TABLE_OFFSET, table);
    st32_be(h + HEADER_VERSION, FORMAT_VERSION);
    st32_be(h + MAX_TABLE, entries);
    st32_be(h + BLOCK_SIZE, DEFAULT_BLOCK);
    st32_be(h + HEADER_CHECKSUM, checksum(h, HEADER_LEN, HEADER_CHECKSUM));
    ret = block_pwrite(file, 0, f, FOOTER_LEN);
    ret = ret ? ret : block_pwrite(file, FOOTER_LEN, h, HEADER_LEN);
    ret = ret ? ret : blockmap_fill(file, table, 0xff, end - table);
    return ret ? ret : block_pwrite(file, end, f, FOOTER_LEN);
}

static const ImageOption create_options[] = {
    {"force_size", "The size as it is, not rounded up to whole cylinders [off]"},
    {"size", "Virtual disk size"},
    {"subformat", "dynamic or fixed [dynamic]"},
    {NULL, NULL},
};

static bool vpc_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    static const char *const subformats[] = {"dynamic", "fixed", NULL};
    uint8_t f[FOOTER_LEN];
    bool force_size = false;
    int fixed = 0, ret;
    uint64_t size;
    BlockNode *file;

    if (!blockmap_take_size(o, MAX_SIZE, &size, errp) ||
        !opts_take_enum(o, "subformat", subformats, &fixed, errp) ||
        !opts_take_bool(o, "force_size", &force_size, errp)) {
        return false;
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        return false;
    }
    make_footer(f, force_size ? align_up(size, SECTOR) : round_to_geometry(size), fixed);
    size = ld64_be(f + CURRENT_SIZE);
    ret = fixed ? blockmap_fill(file, 0, 0, size) : write_dynamic(file, f);
    if (!ret && fixed) {
        ret = block_pwrite(file, size, f, FOOTER_LEN);
    }
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

const BlockDriver vpc_driver = {
    .name = "vpc",
    .probe = vpc_probe,
    .open = vpc_open,
    BLOCKMAP_WRITES,
    .check = blockmap_check,
    .create_options = create_options,
    .create = vpc_create,
};
