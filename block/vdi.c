/* SPDX-License-Identifier: MIT */
/*
 * VDI, VirtualBox's disk images: dynamic and static ones, version 1.1 (specification: the header's layout as
 * VirtualBox documents it).  A header of 512 bytes, a table of 32-bit block numbers, blocks of 1 MiB.
 * Not here: differencing images, whose parents are known by identifiers alone; block_extra.
 */
#include "rhea/osdep.h"

#include "blockmap.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    SIGNATURE = 0x40,
    VERSION = 0x44,
    HEADER_SIZE = 0x48,
    TYPE = 0x4c,
    MAP_OFFSET = 0x154,
    DATA_OFFSET = 0x158,
    SECTOR_SIZE = 0x168,
    DISK_SIZE = 0x170,
    BLOCK_SIZE = 0x178,
    BLOCK_EXTRA = 0x17c,
    BLOCKS = 0x180,
    ALLOCATED = 0x184,
    UUID_IMAGE = 0x188,
    UUID_LAST_SNAPSHOT = 0x198,
    UUID_LINK = 0x1a8,
    UUID_PARENT = 0x1b8,
    HEADER_LEN = 512,
};

#define VDI_SIGNATURE 0xbeda107fU
#define VDI_VERSION   0x00010001U
#define UNALLOCATED   0xffffffffU
#define ZEROED        0xfffffffeU
#define MAX_BLOCKS    (1U << 26) /* a table of 256 MiB */

enum { TYPE_DYNAMIC = 1, TYPE_STATIC = 2, DEFAULT_BLOCK = 1 << 20 };

typedef struct Vdi {
    uint32_t map_offset, type;
} Vdi;

static bool vdi_probe(const uint8_t *head)
{
    return ld32_le(head + SIGNATURE) == VDI_SIGNATURE;
}

/* --- Entries --- */

static uint64_t entry_at(const BlockMap *m, uint64_t block)
{
    return ((const Vdi *)m->opaque)->map_offset + block * 4;
}

static int vdi_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    uint8_t raw[4];
    int ret = blockmap_meta_read(m, entry_at(m, block), raw, sizeof(raw));
    uint32_t v = ld32_le(raw);

    if (v == UNALLOCATED || v == ZEROED) {
        e->kind = v == ZEROED ? MAP_ZERO : MAP_NOTHING;
    } else {
        e->kind = MAP_DATA;
        e->host = m->data_start + (uint64_t)v * m->block_size;
    }
    return ret;
}

/* How many blocks the header says are there. */
static int count_allocated(BlockMap *m, int delta)
{
    uint8_t raw[4];
    int ret = blockmap_meta_read(m, ALLOCATED, raw, sizeof(raw));

    st32_le(raw, ld32_le(raw) + delta);
    return ret ? ret : blockmap_meta_write(m, ALLOCATED, raw, sizeof(raw));
}

static int vdi_set(BlockMap *m, uint64_t block, const MapEntry *e)
{
    MapEntry before = {0};
    uint8_t raw[4];
    int ret = vdi_get(m, block, &before);

    st32_le(raw, e->kind == MAP_NOTHING ? UNALLOCATED
                 : e->kind == MAP_ZERO  ? ZEROED
                                        : (e->host - m->data_start) / m->block_size);
    ret = ret ? ret : blockmap_meta_write(m, entry_at(m, block), raw, sizeof(raw));
    return ret ? ret : count_allocated(m, (e->kind == MAP_DATA) - (before.kind == MAP_DATA));
}

/* After a crash the header's count may be behind the table, or the reverse. */
static int vdi_begin(BlockMap *m)
{
    uint32_t count = 0;
    uint8_t raw[4];
    int ret = 0;

    g_mutex_lock(&m->lock);
    for (uint64_t i = 0; !ret && i < m->blocks; i++) {
        MapEntry e = {0};

        ret = vdi_get(m, i, &e);
        count += e.kind == MAP_DATA;
    }
    ret = ret ? ret : blockmap_meta_read(m, ALLOCATED, raw, sizeof(raw));
    if (!ret && ld32_le(raw) != count) {
        st32_le(raw, count);
        ret = blockmap_meta_write(m, ALLOCATED, raw, sizeof(raw));
    }
    g_mutex_unlock(&m->lock);
    return ret;
}

static const BlockMapOps vdi_ops = {
    .get = vdi_get,
    .set = vdi_set,
    .begin = vdi_begin,
};

/* --- Opening --- */

static bool check_header(BlockNode *n, const uint8_t *h, Error **errp)
{
    static const uint8_t no_uuid[16];
    uint64_t size = ld64_le(h + DISK_SIZE), block = ld32_le(h + BLOCK_SIZE);
    uint32_t type = ld32_le(h + TYPE), map = ld32_le(h + MAP_OFFSET);
    uint64_t blocks = ld32_le(h + BLOCKS), data = ld32_le(h + DATA_OFFSET);

    if (ld32_le(h + SIGNATURE) != VDI_SIGNATURE || ld32_le(h + VERSION) != VDI_VERSION) {
        return error_fail(errp, "'%s' is no VDI image of version 1.1", n->filename);
    }
    if ((type != TYPE_DYNAMIC && type != TYPE_STATIC) || memcmp(h + UUID_LINK, no_uuid, 16) ||
        memcmp(h + UUID_PARENT, no_uuid, 16)) {
        return error_fail(errp, "'%s': VDI images of type %u, or with parents, are not supported",
                          n->filename, type);
    }
    if (ld32_le(h + SECTOR_SIZE) != 512 || ld32_le(h + BLOCK_EXTRA) || block < 4096 ||
        block > 256 << 20 || !is_power_of_2(block)) {
        return error_fail(errp, "'%s': a sector or block size that is not supported", n->filename);
    }
    return (map % 512 == 0 && map >= HEADER_LEN && blocks <= MAX_BLOCKS && data % 512 == 0 &&
            data >= map + blocks * 4 && size <= blocks * block) ||
           error_fail(errp, "'%s': the tables cannot lie where the header says", n->filename);
}

static bool vdi_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint8_t h[HEADER_LEN];
    BlockMap *m;
    Vdi *v;
    int ret = block_pread(n->file, 0, h, sizeof(h));

    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
    }
    if (!check_header(n, h, errp)) {
        return false;
    }
    v = g_new0(Vdi, 1);
    v->map_offset = ld32_le(h + MAP_OFFSET);
    v->type = ld32_le(h + TYPE);
    m = blockmap_new(n, n->file, &vdi_ops, v);
    m->size = n->size = ld64_le(h + DISK_SIZE);
    m->block_size = ld32_le(h + BLOCK_SIZE);
    m->data_start = m->align_base = ld32_le(h + DATA_OFFSET);
    m->align = m->block_size;
    m->limit = m->data_start + (uint64_t)ZEROED * m->block_size;
    m->can_zero = m->leaks_end = true;
    if (!blockmap_ready(m, 0, errp)) {
        blockmap_discard_all(n);
        return false;
    }
    return true;
}

/* --- New images --- */

static const ImageOption create_options[] = {
    {"preallocation", "Preallocation mode: off or metadata (a static image) [off]"},
    {"size", "Virtual disk size"},
    {"static", "Every block has its place from the start [off]"},
    {NULL, NULL},
};

static void make_header(uint8_t h[static HEADER_LEN], uint64_t size, bool is_static)
{
    uint32_t blocks = (size + DEFAULT_BLOCK - 1) / DEFAULT_BLOCK;

    memset(h, 0, HEADER_LEN);
    strcpy((char *)h, "<<< Rhea VDI image >>>\n");
    st32_le(h + SIGNATURE, VDI_SIGNATURE);
    st32_le(h + VERSION, VDI_VERSION);
    st32_le(h + HEADER_SIZE, 0x180);
    st32_le(h + TYPE, is_static ? TYPE_STATIC : TYPE_DYNAMIC);
    st32_le(h + MAP_OFFSET, HEADER_LEN);
    st32_le(h + DATA_OFFSET, align_up(HEADER_LEN + blocks * 4ULL, 512));
    st32_le(h + SECTOR_SIZE, 512);
    st64_le(h + DISK_SIZE, size);
    st32_le(h + BLOCK_SIZE, DEFAULT_BLOCK);
    st32_le(h + BLOCKS, blocks);
    st32_le(h + ALLOCATED, is_static ? blocks : 0);
    blockmap_uuid(h + UUID_IMAGE);
    blockmap_uuid(h + UUID_LAST_SNAPSHOT);
}

static int write_image(BlockNode *file, const uint8_t h[static HEADER_LEN])
{
    uint32_t blocks = ld32_le(h + BLOCKS), data = ld32_le(h + DATA_OFFSET);
    g_autofree uint8_t *table = NULL;
    int ret = block_pwrite(file, 0, h, HEADER_LEN);

    if (ret || !blocks || ld32_le(h + TYPE) == TYPE_DYNAMIC) {
        return ret ? ret : blockmap_fill(file, HEADER_LEN, 0xff, data - HEADER_LEN);
    }
    table = g_malloc(data - HEADER_LEN);
    memset(table, 0xff, data - HEADER_LEN);
    for (uint32_t i = 0; i < blocks; i++) {
        st32_le(table + i * 4ULL, i);
    }
    ret = block_pwrite(file, HEADER_LEN, table, data - HEADER_LEN);
    return ret ? ret : blockmap_fill(file, data, 0, (uint64_t)blocks * DEFAULT_BLOCK);
}

static bool vdi_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    uint8_t h[HEADER_LEN];
    bool is_static = false;
    int prealloc = 0, ret;
    uint64_t size;
    BlockNode *file;

    if (!blockmap_take_size(o, (uint64_t)MAX_BLOCKS * DEFAULT_BLOCK, &size, errp) ||
        !opts_take_bool(o, "static", &is_static, errp) ||
        !opts_take_enum(o, "preallocation", block_prealloc_names, &prealloc, errp)) {
        return false;
    }
    if (prealloc > BLOCK_PREALLOC_METADATA) {
        return error_fail(errp, "%s: preallocation: off and metadata are possible", what);
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        return false;
    }
    make_header(h, size, is_static || prealloc);
    ret = write_image(file, h);
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

const BlockDriver vdi_driver = {
    .name = "vdi",
    .probe = vdi_probe,
    .open = vdi_open,
    BLOCKMAP_WRITES,
    .check = blockmap_check,
    .create_options = create_options,
    .create = vdi_create,
};
