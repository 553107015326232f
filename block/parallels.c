/* SPDX-License-Identifier: MIT */
/*
 * Parallels' expanding disks, both kinds of header (specification: "Parallels Expandable Image File Format").
 * A header of 64 bytes, then a table of 32-bit positions: in sectors (first kind) or in clusters.
 * Not here: the format extension with its bitmaps, which is kept as it is.
 */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    VERSION = 16,
    HEADS = 20,
    CYLINDERS = 24,
    TRACKS = 28, /* sectors in a cluster */
    ENTRIES = 32,
    SECTORS = 36,
    IN_USE = 44,
    DATA_START = 48, /* in sectors */
    EXTENSION = 56,  /* where it is, in sectors; 0: there is none */
    HEADER_LEN = 64,
};

enum { SECTOR = 512, DEFAULT_CLUSTER = 1 << 20, MAX_CLUSTER = 256 << 20 };

#define MARK_OPEN   0x746f6e59U
#define MAX_ENTRIES (1U << 26)

static const char magic_sectors[] = "WithoutFreeSpace", magic_clusters[] = "WithouFreSpacExt";
enum { MAGIC_LEN = 16 };

typedef struct Parallels {
    uint32_t unit; /* bytes that an entry counts */
} Parallels;

static bool parallels_probe(const uint8_t *head)
{
    return (!memcmp(head, magic_sectors, MAGIC_LEN) || !memcmp(head, magic_clusters, MAGIC_LEN)) &&
           ld32_le(head + VERSION) == 2;
}

/* --- Entries --- */

static int parallels_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    const Parallels *p = m->opaque;
    uint8_t raw[4];
    int ret = blockmap_meta_read(m, HEADER_LEN + block * 4, raw, sizeof(raw));

    e->host = (uint64_t)ld32_le(raw) * p->unit;
    e->kind = e->host ? MAP_DATA : MAP_NOTHING;
    return ret;
}

static int parallels_set(BlockMap *m, uint64_t block, const MapEntry *e)
{
    const Parallels *p = m->opaque;
    uint8_t raw[4];

    st32_le(raw, e->kind == MAP_DATA ? e->host / p->unit : 0);
    return blockmap_meta_write(m, HEADER_LEN + block * 4, raw, sizeof(raw));
}

/* --- The mark --- */

static int parallels_mark(BlockMap *m, bool open)
{
    uint8_t raw[4];
    int ret;

    st32_le(raw, open ? MARK_OPEN : 0);
    g_mutex_lock(&m->lock);
    ret = blockmap_meta_direct(m, IN_USE, raw, sizeof(raw));
    g_mutex_unlock(&m->lock);
    return ret ? ret : block_flush(m->file);
}

static const BlockMapOps parallels_ops = {
    .get = parallels_get,
    .set = parallels_set,
    .mark = parallels_mark,
};

/* --- Opening --- */

/* The sectors of the disk; the upper half of the field is not part of the first kind of header. */
static uint64_t disk_sectors(const uint8_t *h)
{
    return memcmp(h, magic_sectors, MAGIC_LEN) ? ld64_le(h + SECTORS) : ld32_le(h + SECTORS);
}

static bool check_header(BlockNode *n, const uint8_t *h, Error **errp)
{
    uint64_t tracks = ld32_le(h + TRACKS), entries = ld32_le(h + ENTRIES);
    uint64_t data = ld32_le(h + DATA_START) * (uint64_t)SECTOR, sectors = disk_sectors(h);

    if (!parallels_probe(h)) {
        return error_fail(errp, "'%s' is no Parallels image of version 2", n->filename);
    }
    if (!tracks || tracks > MAX_CLUSTER / SECTOR || entries > MAX_ENTRIES) {
        return error_fail(errp, "'%s': cluster or table sizes cannot be", n->filename);
    }
    return (sectors <= entries * tracks && (!data || data >= HEADER_LEN + entries * 4)) ||
           error_fail(errp, "'%s': its size, or where data begins, cannot be", n->filename);
}

static bool parallels_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint8_t h[HEADER_LEN];
    Parallels *p;
    BlockMap *m;
    int ret = block_pread(n->file, 0, h, sizeof(h));

    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
    }
    if (!check_header(n, h, errp)) {
        return false;
    }
    p = g_new0(Parallels, 1);
    m = blockmap_new(n, n->file, &parallels_ops, p);
    m->block_size = ld32_le(h + TRACKS) * SECTOR;
    p->unit = memcmp(h, magic_sectors, MAGIC_LEN) ? m->block_size : SECTOR;
    m->left_open = ld32_le(h + IN_USE) == MARK_OPEN;
    m->size = n->size = disk_sectors(h) * SECTOR;
    m->data_start = ld32_le(h + DATA_START) * (uint64_t)SECTOR;
    if (!m->data_start) {
        m->data_start = align_up(HEADER_LEN + ld32_le(h + ENTRIES) * 4ULL, SECTOR);
    }
    m->align = p->unit;
    m->limit = (uint64_t)UINT32_MAX * p->unit;
    m->leaks_end = !ld64_le(h + EXTENSION);
    if (!blockmap_ready(m, 0, errp)) {
        blockmap_discard_all(n);
        return false;
    }
    return true;
}

/* --- New images --- */

static const ImageOption create_options[] = {
    {"cluster_size", "Cluster size, a multiple of 512 up to 256M [1M]"},
    {"size", "Virtual disk size"},
    {NULL, NULL},
};

static bool parallels_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    uint64_t size, cluster = DEFAULT_CLUSTER, entries, data;
    uint8_t h[HEADER_LEN] = {0};
    BlockNode *file;
    int ret;

    if (!blockmap_take_size(o, INT64_MAX - SECTOR, &size, errp) ||
        !opts_take_size(o, "cluster_size", &cluster, errp)) {
        return false;
    }
    if (!cluster || cluster % SECTOR || cluster > MAX_CLUSTER) {
        return error_fail(errp, "%s: cluster_size: a multiple of 512 up to 256M is needed", what);
    }
    size = align_up(size, SECTOR);
    entries = size / cluster + !!(size % cluster);
    if (entries > MAX_ENTRIES) {
        return error_fail(errp, "%s: the size is too large for these clusters", what);
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        return false;
    }
    data = (HEADER_LEN + entries * 4 + cluster - 1) / cluster * cluster;
    memcpy(h, magic_clusters, MAGIC_LEN);
    st32_le(h + VERSION, 2);
    st32_le(h + HEADS, 16);
    st32_le(h + CYLINDERS, MIN(size / SECTOR / 16 / 32, UINT32_MAX));
    st32_le(h + TRACKS, cluster / SECTOR);
    st32_le(h + ENTRIES, entries);
    st64_le(h + SECTORS, size / SECTOR);
    st32_le(h + DATA_START, data / SECTOR);
    ret = blockmap_fill(file, 0, 0, data);
    ret = ret ? ret : block_pwrite(file, 0, h, sizeof(h));
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

const BlockDriver parallels_driver = {
    .name = "parallels",
    .probe = parallels_probe,
    .open = parallels_open,
    BLOCKMAP_WRITES,
    .dirty = blockmap_dirty,
    .check = blockmap_check,
    .create_options = create_options,
    .create = parallels_create,
};
