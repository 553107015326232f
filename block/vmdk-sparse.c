/* SPDX-License-Identifier: MIT */
/*
 * Sparse extents of VMDK images.  A grain directory of grain tables of 32-bit sector numbers, and the same again,
 * which is kept equal but not read.  Compressed grains are written anew at the end when they change.
 */
#include "rhea/osdep.h"

#include <zlib.h>

#include "rhea/bits.h"
#include "rhea/endian.h"
#include "vmdk.h"

enum { ZEROED_ENTRY = 1, MAX_GRAIN = 32 << 20, MAX_GTES = 4096 };
#define MAX_GRAINS (1U << 26)

/* In front of a compressed grain: its first sector, and how many bytes follow. */
enum { MARKER_LBA = 0, MARKER_SIZE = 8, MARKER_LEN = 12 };

/* --- Entries --- */

static int read_entry(BlockMap *m, uint64_t at, uint64_t *offset)
{
    uint8_t raw[4];
    int ret = blockmap_meta_read(m, at, raw, sizeof(raw));

    *offset = (uint64_t)ld32_le(raw) * VMDK_SECTOR;
    return ret;
}

static int write_entry(BlockMap *m, uint64_t at, uint64_t offset)
{
    uint8_t raw[4];

    st32_le(raw, offset / VMDK_SECTOR);
    return blockmap_meta_write(m, at, raw, sizeof(raw));
}

/* The grain table of a block by one of the directories, 0: none. */
static int find_table(BlockMap *m, uint64_t directory, uint64_t block, uint64_t *table)
{
    const VmdkExtent *x = m->opaque;

    return read_entry(m, directory + block / x->gtes * 4, table);
}

static int sparse_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    const VmdkExtent *x = m->opaque;
    uint64_t table, in = block % x->gtes;
    int ret = find_table(m, x->gd, block, &table);

    if (ret || !table) {
        e->span = x->gtes - in;
        return ret;
    }
    ret = read_entry(m, table + in * 4, &e->host);
    if (e->host == ZEROED_ENTRY * VMDK_SECTOR && x->zeroed) {
        e->kind = MAP_ZERO;
    } else if (e->host) {
        e->kind = m->ops->inflate ? MAP_COMPRESSED : MAP_DATA;
    }
    return ret;
}

static int make_table(BlockMap *m, uint64_t directory, uint64_t block)
{
    const VmdkExtent *x = m->opaque;
    uint64_t table;
    int ret = find_table(m, directory, block, &table);

    if (ret || table) {
        return ret;
    }
    ret = blockmap_alloc_table(m, align_up(x->gtes * 4, VMDK_SECTOR), &table);
    return ret ? ret : write_entry(m, directory + block / x->gtes * 4, table);
}

static int sparse_ready(BlockMap *m, uint64_t block)
{
    const VmdkExtent *x = m->opaque;
    int ret = make_table(m, x->gd, block);

    return ret || !x->rgd ? ret : make_table(m, x->rgd, block);
}

static int set_in(BlockMap *m, uint64_t directory, uint64_t block, uint64_t offset)
{
    const VmdkExtent *x = m->opaque;
    uint64_t table;
    int ret = find_table(m, directory, block, &table);

    return ret || !table ? ret : write_entry(m, table + block % x->gtes * 4, offset);
}

static int sparse_set(BlockMap *m, uint64_t block, const MapEntry *e)
{
    const VmdkExtent *x = m->opaque;
    uint64_t offset = e->kind == MAP_NOTHING ? 0
                      : e->kind == MAP_ZERO  ? ZEROED_ENTRY * VMDK_SECTOR
                                             : e->host;
    int ret = set_in(m, x->gd, block, offset);

    return ret || !x->rgd ? ret : set_in(m, x->rgd, block, offset);
}

/* All tables stay, and their entries go; *end is where the last table ends. */
static int sparse_clear(BlockMap *m, uint64_t *end)
{
    static const MapEntry nothing;
    const VmdkExtent *x = m->opaque;
    uint64_t bytes = align_up(x->gtes * 4, VMDK_SECTOR), table;
    int ret = 0;

    *end = VMDK_HEADER_LEN;
    for (uint64_t block = 0; !ret && block < m->blocks; block++) {
        MapEntry e = {0};

        ret = sparse_get(m, block, &e);
        if (!ret && e.span) { /* no table */
            block += e.span - 1;
            continue;
        }
        if (!ret && block % x->gtes == 0) {
            ret = find_table(m, x->gd, block, &table);
            *end = MAX(*end, table + bytes);
            if (!ret && x->rgd) {
                ret = find_table(m, x->rgd, block, &table);
                *end = MAX(*end, table ? table + bytes : 0);
            }
        }
        if (!ret && e.kind != MAP_NOTHING) {
            ret = sparse_set(m, block, &nothing);
        }
    }
    *end = MAX(*end, MAX(x->overhead, x->image->desc_offset + x->image->desc_size));
    return ret;
}

/* --- Compressed grains --- */

static int sparse_inflate(BlockMap *m, uint64_t block, uint64_t host, uint8_t *out)
{
    uLongf have = m->block_size;
    g_autofree uint8_t *in = NULL;
    uint8_t marker[MARKER_LEN];
    uint32_t len;
    int ret = block_pread(m->file, host, marker, sizeof(marker));

    if (ret) {
        return ret;
    }
    len = ld32_le(marker + MARKER_SIZE);
    if (ld64_le(marker + MARKER_LBA) != block * (m->block_size / VMDK_SECTOR) || !len ||
        len > compressBound(m->block_size) + VMDK_SECTOR) {
        return -EIO;
    }
    in = g_try_malloc(len);
    ret = in ? block_pread(m->file, host + MARKER_LEN, in, len) : -ENOMEM;
    if (!ret && uncompress(out, &have, in, len) != Z_OK) {
        ret = -EIO;
    }
    if (!ret) { /* the last grain may be short */
        memset(out + have, 0, m->block_size - have);
    }
    return ret;
}

static int sparse_store(BlockMap *m, uint64_t block, const uint8_t *data, MapEntry *e)
{
    uLongf len = compressBound(m->block_size);
    g_autofree uint8_t *buf = g_try_malloc0(MARKER_LEN + len + VMDK_SECTOR);
    uint64_t bytes;
    int ret;

    if (!buf || compress(buf + MARKER_LEN, &len, data, m->block_size) != Z_OK) {
        return -ENOMEM;
    }
    st64_le(buf + MARKER_LBA, block * (m->block_size / VMDK_SECTOR));
    st32_le(buf + MARKER_SIZE, len);
    bytes = align_up(MARKER_LEN + len, VMDK_SECTOR);
    memset(buf + MARKER_LEN + len, 0, bytes - MARKER_LEN - len);
    *e = (MapEntry){.kind = MAP_COMPRESSED};
    g_mutex_lock(&m->lock);
    ret = blockmap_alloc(m, bytes, &e->host);
    g_mutex_unlock(&m->lock);
    return ret ? ret : block_pwrite(m->file, e->host, buf, bytes);
}

/* Behind the last grain of a stream is a sector of zeroes, which says that it ends. */
static int stream_end(BlockMap *m)
{
    static const uint8_t end[VMDK_SECTOR];
    int ret = block_pwrite(m->file, m->end, end, sizeof(end));

    return ret ? ret : block_flush(m->file);
}

/* What a copy of the header at the end names cannot grow. */
static int stream_begin(BlockMap *m)
{
    return ((VmdkExtent *)m->opaque)->footer ? -EROFS : vmdk_begin(m);
}

static const BlockMapOps sparse_ops = {
    .get = sparse_get,
    .set = sparse_set,
    .ready = sparse_ready,
    .clear = sparse_clear,
    .begin = vmdk_begin,
    .free = vmdk_extent_free,
};

static const BlockMapOps stream_ops = {
    .get = sparse_get,
    .set = sparse_set,
    .ready = sparse_ready,
    .clear = sparse_clear,
    .inflate = sparse_inflate,
    .store = sparse_store,
    .begin = stream_begin,
    .end = stream_end,
    .free = vmdk_extent_free,
};

/* --- Opening --- */

/* The header, or the copy at the end that has the place of the grain directory. */
static bool read_header(BlockNode *file, uint8_t *h, bool *footer, Error **errp)
{
    uint64_t size = block_size(file);
    int ret = block_pread(file, 0, h, VMDK_HEADER_LEN);

    *footer = !ret && ld32_le(h) == VMDK_MAGIC && ld64_le(h + VMDK_GD) == VMDK_GD_AT_END;
    if (*footer && size >= 4 * VMDK_SECTOR) {
        ret = block_pread(file, (size / VMDK_SECTOR - 2) * VMDK_SECTOR, h, VMDK_HEADER_LEN);
    }
    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", file->filename);
    }
    return ld32_le(h) == VMDK_MAGIC ||
           error_fail(errp, "'%s' is no sparse VMDK extent", file->filename);
}

static bool check_header(const BlockNode *file, const uint8_t *h, Error **errp)
{
    uint32_t version = ld32_le(h + VMDK_VERSION), gtes = ld32_le(h + VMDK_GTES);
    uint64_t capacity = ld64_le(h + VMDK_CAPACITY), grain = ld64_le(h + VMDK_GRAIN);
    uint64_t gd = ld64_le(h + VMDK_GD), rgd = ld64_le(h + VMDK_RGD);

    if (version < 1 || version > 3) {
        return error_fail(errp, "'%s': version %u is not supported", file->filename, version);
    }
    if (grain < 8 || grain > MAX_GRAIN / VMDK_SECTOR || !is_power_of_2(grain) || !gtes ||
        gtes > MAX_GTES || gtes % (VMDK_SECTOR / 4) || capacity / grain >= MAX_GRAINS) {
        return error_fail(errp, "'%s': its size, or that of grains or tables, cannot be",
                          file->filename);
    }
    if (ld16_le(h + VMDK_COMPRESSION) > 1) {
        return error_fail(errp, "'%s': its compression is not known", file->filename);
    }
    return (gd && gd < 1ULL << 48 && rgd < 1ULL << 48) ||
           error_fail(errp, "'%s': its tables cannot lie where it says", file->filename);
}

bool vmdk_open_sparse(BlockNode *n, BlockNode *file, VmdkExtent *x, uint64_t base, uint64_t size,
                      Error **errp)
{
    uint8_t h[VMDK_HEADER_LEN];
    bool ok = read_header(file, h, &x->footer, errp) && check_header(file, h, errp);
    uint32_t flags = ok ? ld32_le(h + VMDK_FLAGS) : 0;
    bool compressed = flags & VMDK_COMPRESSED;
    BlockMap *m = blockmap_new(n, file, compressed ? &stream_ops : &sparse_ops, x);

    if (!ok) {
        return false;
    }
    x->sparse = true;
    x->gtes = ld32_le(h + VMDK_GTES);
    x->gd = ld64_le(h + VMDK_GD) * VMDK_SECTOR;
    x->rgd = flags & VMDK_HAS_RGD ? ld64_le(h + VMDK_RGD) * VMDK_SECTOR : 0;
    x->zeroed = m->can_zero = flags & VMDK_ZEROED_GRAIN;
    x->overhead = MIN(ld64_le(h + VMDK_OVERHEAD), UINT32_MAX) * VMDK_SECTOR;
    m->base = base;
    m->size = ld64_le(h + VMDK_CAPACITY) * VMDK_SECTOR;
    if (size != UINT64_MAX && size > m->size) {
        return error_fail(errp, "'%s' is smaller than the descriptor says", file->filename);
    }
    m->size = MIN(m->size, size);
    m->block_size = ld64_le(h + VMDK_GRAIN) * VMDK_SECTOR;
    m->data_start = VMDK_HEADER_LEN;
    m->align = compressed ? VMDK_SECTOR : m->block_size;
    m->limit = (uint64_t)UINT32_MAX * VMDK_SECTOR;
    return blockmap_ready(m, 0, errp);
}
