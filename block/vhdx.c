/* SPDX-License-Identifier: MIT */
/*
 * VHDX images: headers, regions, the block allocation table, new images.  See vhdx.h.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "rhea/endian.h"
#include "vhdx.h"

enum {
    HEADER_AT = 64 << 10, /* the first; the second one follows */
    HEADER_STEP = 64 << 10,
    REGIONS_AT = 192 << 10,
    REGIONS_LEN = 64 << 10,
    REGION_COUNT = 8,
    REGION_FIRST = 16,
    REGION_OFFSET = 16,
    REGION_BYTES = 24,
    REGION_REQUIRED = 28,
    TABLE_ENTRY_LEN = 32,
};

enum { LOCATOR_AT = 4096 }; /* in new images, behind the first item */
enum { MAX_BLOCK = 256 << 20, CHUNK_SECTORS = 1 << 23, MAX_BLOCKS = 1 << 26 };
#define MAX_DISK (64ULL << 40)

static const char magic[] = "vhdxfile", header_magic[] = "head", regions_magic[] = "regi",
                  metadata_magic[] = "metadata";
enum { MAGIC_LEN = 8 };

static const uint8_t region_bat[] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                     0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t region_metadata[] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                          0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t item_parameters[] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                          0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
static const uint8_t item_disk_size[] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                         0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
static const uint8_t item_disk_id[] = {0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45,
                                       0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46};
static const uint8_t item_logical[] = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
                                       0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};
static const uint8_t item_physical[] = {0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44,
                                        0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56};

uint32_t vhdx_crc(uint32_t crc, const uint8_t *p, size_t len)
{
    /* The polynomial 0x82f63b78, four bits at a time. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    crc = ~crc;
    while (len--) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static bool vhdx_probe(const uint8_t *head)
{
    return !memcmp(head, magic, MAGIC_LEN);
}

/* --- Entries --- */

/* Behind the entries of each chunk of blocks is one of a bitmap of sectors, for differencing images. */
uint64_t vhdx_entry_at(const BlockMap *m, uint64_t block)
{
    const Vhdx *v = m->opaque;

    return v->bat.at + (block + block / v->chunk_ratio) * 8;
}

static int vhdx_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    uint8_t raw[8];
    int ret = blockmap_meta_read(m, vhdx_entry_at(m, block), raw, sizeof(raw));

    e->host = align_down(ld64_le(raw), VHDX_MIB);
    switch (ld64_le(raw) & VHDX_STATE_MASK) {
    case VHDX_NOT_PRESENT: e->kind = MAP_NOTHING; return ret;
    case VHDX_UNDEFINED:
    case VHDX_ZERO:
    case VHDX_UNMAPPED: e->kind = MAP_ZERO; return ret;
    case VHDX_PRESENT: e->kind = MAP_DATA; return ret;
    case VHDX_IN_PARTS: e->kind = MAP_DATA; return ret ? ret : m->ops->part ? 0 : -EUCLEAN;
    default: return ret ? ret : -EUCLEAN;
    }
}

static int vhdx_set(BlockMap *m, uint64_t block, const MapEntry *e)
{
    uint8_t raw[8];

    st64_le(raw, e->kind == MAP_DATA   ? e->host | VHDX_PRESENT
                 : e->kind == MAP_ZERO ? VHDX_ZERO
                                       : VHDX_NOT_PRESENT);
    return blockmap_meta_write(m, vhdx_entry_at(m, block), raw, sizeof(raw));
}

/* --- Headers --- */

static void seal(uint8_t *p, size_t len)
{
    memset(p + VHDX_HEADER_CRC, 0, 4);
    st32_le(p + VHDX_HEADER_CRC, vhdx_crc(0, p, len));
}

static bool sealed(uint8_t *p, size_t len)
{
    uint32_t crc = ld32_le(p + VHDX_HEADER_CRC);

    seal(p, len);
    return ld32_le(p + VHDX_HEADER_CRC) == crc;
}

/* The next header, in the place of the older one. */
static int write_header(BlockMap *m)
{
    Vhdx *v = m->opaque;
    int ret;

    st64_le(v->header + VHDX_HEADER_SEQUENCE, ld64_le(v->header + VHDX_HEADER_SEQUENCE) + 1);
    seal(v->header, VHDX_HEADER_LEN);
    v->slot ^= 1;
    ret = block_pwrite(m->file, HEADER_AT + v->slot * HEADER_STEP, v->header, VHDX_HEADER_LEN);
    return ret ? ret : block_flush(m->file);
}

/* From now on, the file is another one, and has a log. */
static int vhdx_begin(BlockMap *m)
{
    Vhdx *v = m->opaque;
    int ret = v->pending ? vhdx_log_replay(m, true) : 0;

    if (ret) {
        return ret;
    }
    v->pending = false;
    blockmap_uuid(v->header + VHDX_FILE_WRITE_GUID);
    blockmap_uuid(v->header + VHDX_DATA_WRITE_GUID);
    blockmap_uuid(v->header + VHDX_LOG_GUID);
    ret = vhdx_log_start(m);
    return ret ? ret : write_header(m);
}

static int vhdx_end(BlockMap *m)
{
    Vhdx *v = m->opaque;

    memset(v->header + VHDX_LOG_GUID, 0, VHDX_GUID_LEN);
    return write_header(m);
}

/* Every entry, of blocks and of bitmaps, says that there is nothing. */
static int vhdx_clear(BlockMap *m, uint64_t *end)
{
    static const uint8_t nothing[8];
    const Vhdx *v = m->opaque;
    uint64_t log = ld64_le(v->header + VHDX_LOG_OFFSET) + ld32_le(v->header + VHDX_LOG_LEN);
    uint64_t last = m->blocks ? vhdx_entry_at(m, m->blocks - 1) : 0;
    int ret = 0;

    for (uint64_t at = v->bat.at; !ret && at <= last; at += 8) {
        uint8_t raw[8];

        ret = blockmap_meta_read(m, at, raw, sizeof(raw));
        if (!ret && memcmp(raw, nothing, sizeof(raw))) {
            ret = blockmap_meta_write(m, at, nothing, sizeof(nothing));
        }
    }
    *end = MAX(log, MAX(v->bat.at + v->bat.len, v->metadata.at + v->metadata.len));
    return ret;
}

static void vhdx_free(BlockMap *m)
{
    Vhdx *v = m->opaque;

    g_free(v->linkage[0]);
    g_free(v->linkage[1]);
    g_free(v);
}

#define VHDX_OPS                                                                                   \
    .get = vhdx_get, .set = vhdx_set, .begin = vhdx_begin, .end = vhdx_end, .clear = vhdx_clear,   \
    .free = vhdx_free, .write_sectors = vhdx_log_write

const BlockMapOps vhdx_ops = {VHDX_OPS};
const BlockMapOps vhdx_child_ops = {VHDX_OPS, .part = vhdx_part, .mark_all = vhdx_mark_all};

static bool vhdx_dirty(const BlockNode *n)
{
    return ((Vhdx *)blockmap_of(n)->opaque)->pending;
}

static bool vhdx_check(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp)
{
    int ret = fix && vhdx_dirty(n) ? blockmap_begin(blockmap_of(n)) : 0;

    return ret ? error_fail_errno(errp, -ret, "'%s': its log cannot be replayed", n->filename)
               : blockmap_check(n, check, fix, errp);
}

/* --- Opening --- */

/* The newer one of those that are whole. */
static bool read_header(BlockMap *m, Vhdx *v, Error **errp)
{
    uint8_t h[VHDX_HEADER_LEN];
    bool found = false;

    for (unsigned slot = 0; slot < 2; slot++) {
        if (!block_pread(m->file, HEADER_AT + slot * HEADER_STEP, h, sizeof(h)) &&
            !memcmp(h, header_magic, 4) && sealed(h, sizeof(h)) &&
            (!found ||
             ld64_le(h + VHDX_HEADER_SEQUENCE) > ld64_le(v->header + VHDX_HEADER_SEQUENCE))) {
            memcpy(v->header, h, sizeof(h));
            v->slot = slot;
            found = true;
        }
    }
    return found || error_fail(errp, "'%s': no header is whole", m->n->filename);
}

static bool read_log(BlockMap *m, const Vhdx *v, Error **errp)
{
    static const uint8_t none[VHDX_GUID_LEN];
    uint64_t log = ld32_le(v->header + VHDX_LOG_LEN), at = ld64_le(v->header + VHDX_LOG_OFFSET);
    int ret = 0;

    if (ld16_le(v->header + VHDX_VERSION) != 1 || ld16_le(v->header + VHDX_LOG_VERSION)) {
        return error_fail(errp, "'%s' is no VHDX image of version 1", m->n->filename);
    }
    if (log < VHDX_MIB || log % VHDX_MIB || at % VHDX_MIB || at < VHDX_MIB ||
        at > INT64_MAX - log) {
        return error_fail(errp, "'%s': its log cannot lie where the header says", m->n->filename);
    }
    if (memcmp(v->header + VHDX_LOG_GUID, none, sizeof(none))) {
        ret = vhdx_log_replay(m, false);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': its log cannot be read", m->n->filename);
}

int vhdx_read_tables(BlockMap *m, uint64_t at, uint8_t *buf, size_t len)
{
    int ret = 0;

    g_mutex_lock(&m->lock);
    for (size_t i = 0; !ret && i < len; i += 512) {
        ret = blockmap_meta_read(m, at + i, buf + i, 512);
    }
    g_mutex_unlock(&m->lock);
    return ret;
}

static bool find_regions(BlockMap *m, const uint8_t *t, VhdxRegion *bat, VhdxRegion *metadata,
                         Error **errp)
{
    uint32_t count = ld32_le(t + REGION_COUNT);

    for (uint32_t i = 0; i < MIN(count, VHDX_MAX_ENTRIES); i++) {
        const uint8_t *e = t + REGION_FIRST + i * TABLE_ENTRY_LEN;
        VhdxRegion r = {ld64_le(e + REGION_OFFSET), ld32_le(e + REGION_BYTES)};

        if (r.at < VHDX_MIB || r.at % VHDX_MIB || r.at > INT64_MAX - UINT32_MAX) {
            return error_fail(errp, "'%s': a region cannot lie where it is said", m->n->filename);
        }
        if (!memcmp(e, region_bat, VHDX_GUID_LEN)) {
            *bat = r;
        } else if (!memcmp(e, region_metadata, VHDX_GUID_LEN)) {
            *metadata = r;
        } else if (ld32_le(e + REGION_REQUIRED) & 1) {
            return error_fail(errp, "'%s': it needs a region that is not known", m->n->filename);
        }
    }
    return (bat->len && metadata->len >= VHDX_METADATA_ITEMS) ||
           error_fail(errp, "'%s': a region is missing", m->n->filename);
}

static bool read_regions(BlockMap *m, VhdxRegion *bat, VhdxRegion *metadata, Error **errp)
{
    g_autofree uint8_t *t = g_malloc(REGIONS_LEN);

    for (unsigned i = 0; i < 2; i++) {
        if (!vhdx_read_tables(m, REGIONS_AT + i * REGIONS_LEN, t, REGIONS_LEN) &&
            !memcmp(t, regions_magic, 4) && sealed(t, REGIONS_LEN)) {
            return find_regions(m, t, bat, metadata, errp);
        }
    }
    return error_fail(errp, "'%s': no table of regions is whole", m->n->filename);
}

typedef struct Items {
    uint64_t disk_size;
    uint32_t block_size, flags, logical, physical;
} Items;

/* Reads the item that a metadata table's entry tells of, if it is one that is known. */
static bool read_item(BlockMap *m, const VhdxRegion *metadata, const uint8_t *e, Items *items,
                      Error **errp)
{
    Vhdx *v = m->opaque;
    struct {
        const uint8_t *guid;
        void *out;
        uint32_t len;
    } const known[] = {{item_parameters, &items->block_size, 8},
                       {item_disk_size, &items->disk_size, 8},
                       {item_logical, &items->logical, 4},
                       {item_physical, &items->physical, 4}};
    uint32_t at = ld32_le(e + VHDX_METADATA_OFFSET), len = ld32_le(e + VHDX_METADATA_BYTES);
    uint8_t sector[512];

    if (!memcmp(e, vhdx_item_locator, VHDX_GUID_LEN)) {
        v->locator = (VhdxItem){at, len};
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (memcmp(e, known[i].guid, VHDX_GUID_LEN)) {
            continue;
        }
        if (at < VHDX_METADATA_ITEMS || at > metadata->len || len < known[i].len ||
            at % 512 > 512 - known[i].len ||
            vhdx_read_tables(m, metadata->at + align_down(at, 512), sector, sizeof(sector))) {
            return error_fail(errp, "'%s': an item of metadata cannot be read", m->n->filename);
        }
        memcpy(known[i].out, sector + at % 512, known[i].len);
        v->parameters = i ? v->parameters : (VhdxItem){at, len};
        return true;
    }
    return !memcmp(e, item_disk_id, VHDX_GUID_LEN) ||
           !(ld32_le(e + VHDX_METADATA_FLAGS) & VHDX_ITEM_REQUIRED) ||
           error_fail(errp, "'%s': it needs metadata that are not known", m->n->filename);
}

static bool read_metadata(BlockMap *m, const VhdxRegion *metadata, Items *items, Error **errp)
{
    g_autofree uint8_t *t = g_malloc(VHDX_METADATA_ITEMS);
    int ret = vhdx_read_tables(m, metadata->at, t, VHDX_METADATA_ITEMS);

    if (ret || memcmp(t, metadata_magic, MAGIC_LEN)) {
        return error_fail(errp, "'%s': its metadata cannot be read", m->n->filename);
    }
    for (uint32_t i = 0; i < MIN(ld16_le(t + VHDX_METADATA_COUNT), (uint32_t)VHDX_MAX_ENTRIES);
         i++) {
        if (!read_item(m, metadata, t + VHDX_METADATA_FIRST + i * TABLE_ENTRY_LEN, items, errp)) {
            return false;
        }
    }
    items->disk_size = le64toh(items->disk_size);
    items->block_size = le32toh(items->block_size);
    items->flags = le32toh(items->flags);
    items->logical = le32toh(items->logical);
    return true;
}

/* Takes over what the metadata say. */
static bool use_items(BlockMap *m, const Items *items, Error **errp)
{
    Vhdx *v = m->opaque;
    uint64_t blocks, entries;

    if (items->block_size < VHDX_MIB || items->block_size > MAX_BLOCK ||
        !is_power_of_2(items->block_size) || items->disk_size > MAX_DISK ||
        (items->logical != 512 && items->logical != 4096)) {
        return error_fail(errp, "'%s': its size, or that of blocks, cannot be", m->n->filename);
    }
    v->logical = items->logical;
    v->chunk_ratio = (uint64_t)CHUNK_SECTORS * items->logical / items->block_size;
    blocks = items->disk_size / items->block_size + !!(items->disk_size % items->block_size);
    entries = blocks ? blocks + (blocks - 1) / v->chunk_ratio : 0;
    if (blocks > MAX_BLOCKS || entries * 8 > v->bat.len) {
        return error_fail(errp, "'%s': its table is too short for its size", m->n->filename);
    }
    m->size = m->n->size = items->disk_size;
    m->block_size = items->block_size;
    m->data_start = m->align = VHDX_MIB;
    m->can_zero = true;
    if (items->flags & VHDX_HAS_PARENT) {
        m->ops = &vhdx_child_ops;
        return vhdx_read_locator(m, errp);
    }
    return true;
}

static bool open_map(BlockNode *n, Error **errp)
{
    Vhdx *v = g_new0(Vhdx, 1);
    BlockMap *m = blockmap_new(n, n->file, &vhdx_ops, v);
    Items items = {0};

    if (!read_header(m, v, errp) || !read_log(m, v, errp) ||
        !read_regions(m, &v->bat, &v->metadata, errp) ||
        !read_metadata(m, &v->metadata, &items, errp) || !use_items(m, &items, errp) ||
        !blockmap_ready(m, 0, errp)) {
        return false;
    }
    m->end = align_up(MAX(m->end, v->last_offset), VHDX_MIB);
    return true;
}

static bool vhdx_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint8_t head[BLOCK_PROBE_LEN];

    if (block_probe_head(n->file, head) || !vhdx_probe(head)) {
        return error_fail(errp, "'%s' is no VHDX image", n->filename);
    }
    if (!open_map(n, errp)) {
        blockmap_discard_all(n);
        return false;
    }
    return true;
}

/* --- New images --- */

typedef struct Create {
    uint64_t size, block_size, log_size, blocks, bat_len;
    bool block_state_zero;
    int fixed;
    uint8_t *locator; /* NULL: no parent */
    uint32_t locator_len;
} Create;

static const ImageOption create_options[] = {
    {"backing_file", "File name of a base image"},
    {"backing_fmt", "Must be 'vhdx' if present"},
    {"block_size", "Block size, 1M to 256M [by the disk's size]"},
    {"block_state_zero", "Blocks that are not there are said to be zeroes [on]"},
    {"log_size", "Log size, a multiple of 1M up to 64M [1M]"},
    {"size", "Virtual disk size, at most 64T"},
    {"subformat", "dynamic or fixed [dynamic]"},
    {NULL, NULL},
};

static uint64_t default_block_size(uint64_t size)
{
    return size <= 1ULL << 30     ? 8 << 20
           : size <= 100ULL << 30 ? 16 << 20
           : size <= 32ULL << 40  ? 32 << 20
                                  : 64 << 20;
}

static bool take_create(Opts *o, Create *c, Error **errp)
{
    static const char *const subformats[] = {"dynamic", "fixed", NULL};
    uint64_t ratio;

    *c = (Create){.log_size = VHDX_MIB, .block_state_zero = true};
    if (!blockmap_take_size(o, MAX_DISK, &c->size, errp) ||
        !opts_take_size(o, "block_size", &c->block_size, errp) ||
        !opts_take_size(o, "log_size", &c->log_size, errp) ||
        !opts_take_bool(o, "block_state_zero", &c->block_state_zero, errp) ||
        !opts_take_enum(o, "subformat", subformats, &c->fixed, errp)) {
        return false;
    }
    c->size = align_up(c->size, 512);
    c->block_size = c->block_size ? c->block_size : default_block_size(c->size);
    if (c->block_size < VHDX_MIB || c->block_size > MAX_BLOCK || !is_power_of_2(c->block_size)) {
        return error_fail(errp, "%s: block_size: a power of two from 1M to 256M is needed",
                          opts_what(o));
    }
    if (!c->log_size || c->log_size % VHDX_MIB || c->log_size > 64 << 20) {
        return error_fail(errp, "%s: log_size: a multiple of 1M up to 64M is needed", opts_what(o));
    }
    c->blocks = c->size / c->block_size + !!(c->size % c->block_size);
    ratio = (uint64_t)CHUNK_SECTORS * 512 / c->block_size;
    /* A table with an entry for each chunk's bitmap, as children have. */
    c->bat_len = align_up(MAX((c->blocks + c->blocks / ratio + 1) * 8, 1), VHDX_MIB);
    return true;
}

static bool take_parent(const char *filename, Opts *o, Create *c, Error **errp)
{
    const char *backing = opts_take(o, "backing_file"), *format = opts_take(o, "backing_fmt");

    if (!backing || !*backing) {
        return true;
    }
    if ((format && strcmp(format, "vhdx")) || c->fixed) {
        return error_fail(errp, "%s: parents are of vhdx images with subformat=dynamic alone",
                          opts_what(o));
    }
    c->block_state_zero = false;
    c->locator = vhdx_make_locator(filename, backing, &c->locator_len, errp);
    return c->locator;
}

static int write_headers(BlockNode *file, const Create *c)
{
    uint8_t h[VHDX_HEADER_LEN] = {0};
    int ret = block_pwrite(file, 0, magic, MAGIC_LEN);

    memcpy(h, header_magic, 4);
    blockmap_uuid(h + VHDX_FILE_WRITE_GUID);
    blockmap_uuid(h + VHDX_DATA_WRITE_GUID);
    st16_le(h + VHDX_VERSION, 1);
    st32_le(h + VHDX_LOG_LEN, c->log_size);
    st64_le(h + VHDX_LOG_OFFSET, VHDX_MIB);
    for (unsigned i = 0; !ret && i < 2; i++) {
        st64_le(h + VHDX_HEADER_SEQUENCE, i + 1);
        seal(h, sizeof(h));
        ret = block_pwrite(file, HEADER_AT + i * HEADER_STEP, h, sizeof(h));
    }
    return ret;
}

/* The metadata region follows the log, the table follows that. */
static int write_regions(BlockNode *file, const Create *c)
{
    g_autofree uint8_t *t = g_malloc0(REGIONS_LEN);
    struct {
        const uint8_t *guid;
        uint64_t at, len;
    } const regions[] = {{region_metadata, VHDX_MIB + c->log_size, VHDX_MIB},
                         {region_bat, 2 * VHDX_MIB + c->log_size, c->bat_len}};
    int ret;

    memcpy(t, regions_magic, 4);
    st32_le(t + REGION_COUNT, ARRAY_SIZE(regions));
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
        uint8_t *e = t + REGION_FIRST + i * TABLE_ENTRY_LEN;

        memcpy(e, regions[i].guid, VHDX_GUID_LEN);
        st64_le(e + REGION_OFFSET, regions[i].at);
        st32_le(e + REGION_BYTES, regions[i].len);
        st32_le(e + REGION_REQUIRED, 1);
    }
    seal(t, REGIONS_LEN);
    ret = block_pwrite(file, REGIONS_AT, t, REGIONS_LEN);
    return ret ? ret : block_pwrite(file, REGIONS_AT + REGIONS_LEN, t, REGIONS_LEN);
}

static int write_metadata(BlockNode *file, const Create *c)
{
    uint32_t end = VHDX_METADATA_ITEMS + LOCATOR_AT + align_up(c->locator_len, 512);
    g_autofree uint8_t *t = g_malloc0(end);
    uint8_t *items = t + VHDX_METADATA_ITEMS;
    struct {
        const uint8_t *guid;
        uint32_t at, len, flags;
    } const all[] = {{item_parameters, 0, 8, VHDX_ITEM_REQUIRED},
                     {item_disk_size, 8, 8, VHDX_ITEM_REQUIRED | VHDX_ITEM_VIRTUAL_DISK},
                     {item_disk_id, 16, 16, VHDX_ITEM_REQUIRED | VHDX_ITEM_VIRTUAL_DISK},
                     {item_logical, 32, 4, VHDX_ITEM_REQUIRED | VHDX_ITEM_VIRTUAL_DISK},
                     {item_physical, 36, 4, VHDX_ITEM_REQUIRED | VHDX_ITEM_VIRTUAL_DISK},
                     {vhdx_item_locator, LOCATOR_AT, c->locator_len, VHDX_ITEM_REQUIRED}};
    size_t count = ARRAY_SIZE(all) - !c->locator;

    memcpy(t, metadata_magic, MAGIC_LEN);
    st16_le(t + VHDX_METADATA_COUNT, count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *e = t + VHDX_METADATA_FIRST + i * TABLE_ENTRY_LEN;

        memcpy(e, all[i].guid, VHDX_GUID_LEN);
        st32_le(e + VHDX_METADATA_OFFSET, VHDX_METADATA_ITEMS + all[i].at);
        st32_le(e + VHDX_METADATA_BYTES, all[i].len);
        st32_le(e + VHDX_METADATA_FLAGS, all[i].flags);
    }
    st32_le(items, c->block_size);
    st32_le(items + 4, c->fixed ? VHDX_LEAVE_ALLOCATED : c->locator ? VHDX_HAS_PARENT : 0);
    st64_le(items + 8, c->size);
    blockmap_uuid(items + 16);
    st32_le(items + 32, 512);
    st32_le(items + 36, 512);
    if (c->locator) {
        memcpy(items + LOCATOR_AT, c->locator, c->locator_len);
    }
    return block_pwrite(file, VHDX_MIB + c->log_size, t, end);
}

static int write_bat(BlockNode *file, const Create *c)
{
    uint64_t at = 2 * VHDX_MIB + c->log_size, data = at + c->bat_len;
    uint32_t ratio = (uint64_t)CHUNK_SECTORS * 512 / c->block_size;
    g_autofree uint8_t *bat = NULL;
    int ret = blockmap_fill(file, data - 1, 0, 1 + (c->fixed ? c->blocks * c->block_size : 0));

    if (ret || (!c->fixed && !c->block_state_zero)) {
        return ret;
    }
    bat = g_try_malloc0(c->bat_len);
    for (uint64_t i = 0; bat && i < c->blocks; i++) {
        st64_le(bat + (i + i / ratio) * 8,
                c->fixed ? (data + i * c->block_size) | VHDX_PRESENT : VHDX_ZERO);
    }
    return bat ? block_pwrite(file, at, bat, c->bat_len) : -ENOMEM;
}

static bool vhdx_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    BlockNode *file;
    Create c;
    int ret;

    if (!take_create(o, &c, errp) || !take_parent(filename, o, &c, errp)) {
        return false;
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        g_free(c.locator);
        return false;
    }
    ret = write_bat(file, &c);
    ret = ret ? ret : write_metadata(file, &c);
    ret = ret ? ret : write_regions(file, &c);
    ret = ret ? ret : write_headers(file, &c);
    block_node_unref(file);
    g_free(c.locator);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

const BlockDriver vhdx_driver = {
    .name = "vhdx",
    .probe = vhdx_probe,
    .open = vhdx_open,
    BLOCKMAP_WRITES,
    .dirty = vhdx_dirty,
    .check = vhdx_check,
    .backing_fits = vhdx_backing_fits,
    .set_backing = vhdx_set_backing,
    .make_empty = vhdx_make_empty,
    .create_options = create_options,
    .create = vhdx_create,
};
