/* SPDX-License-Identifier: MIT */
/*
 * VDI, VirtualBox's disk images: dynamic and static ones, version 1.1 (specification: the header's layout as
 * VirtualBox documents it).  A header of 512 bytes, a table of 32-bit block numbers, blocks of 1 MiB.
 * Differencing images know their parents by identifiers alone: the .vdi files beside an image are looked through
 * for it, unless backing= names it.  A parent that was written to has another identifier of its contents.
 * Not here: undo images, block_extra.
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

enum { TYPE_DYNAMIC = 1, TYPE_STATIC = 2, TYPE_CHILD = 4, DEFAULT_BLOCK = 1 << 20 };
enum { UUID_LEN = 16, MAX_NEIGHBOURS = 10000 };

typedef struct Vdi {
    uint32_t map_offset;
    uint8_t uuids[4 * UUID_LEN]; /* as the header has them, from UUID_IMAGE on */
} Vdi;

/* In Vdi.uuids. */
static uint8_t *uuid(Vdi *v, unsigned field)
{
    return v->uuids + field - UUID_IMAGE;
}

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

/* Other contents from now on.  After a crash the header's count may be behind the table, or the reverse. */
static int vdi_begin(BlockMap *m)
{
    uint8_t *contents = uuid(m->opaque, UUID_LAST_SNAPSHOT);
    uint32_t count = 0;
    uint8_t raw[4];
    int ret;

    g_mutex_lock(&m->lock);
    blockmap_uuid(contents);
    ret = blockmap_meta_direct(m, UUID_LAST_SNAPSHOT, contents, UUID_LEN);
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

static int vdi_clear(BlockMap *m, uint64_t *end)
{
    static const MapEntry nothing;
    int ret = 0;

    for (uint64_t i = 0; !ret && i < m->blocks; i++) {
        MapEntry e = {0};

        ret = vdi_get(m, i, &e);
        ret = ret || e.kind == MAP_NOTHING ? ret : vdi_set(m, i, &nothing);
    }
    *end = m->data_start;
    return ret;
}

static const BlockMapOps vdi_ops = {
    .get = vdi_get,
    .set = vdi_set,
    .begin = vdi_begin,
    .clear = vdi_clear,
};

/* --- Parents --- */

/* The header of another image, whoever has it open. */
static bool read_other(const char *what, const char *path, uint8_t h[static HEADER_LEN],
                       Error **errp)
{
    BlockNode *file = blockmap_open_file(what, path, BLOCK_READ_ONLY | BLOCK_SHARED, errp);
    int ret = file ? block_pread(file, 0, h, HEADER_LEN) : 0;
    bool ok = file && !ret && vdi_probe(h);

    if (file && !ok) {
        error_fail(errp, "%s: '%s' is no VDI image", what, path);
    }
    block_node_unref(file);
    return ok;
}

/* The image beside @n that has the identifier, NULL: none. */
static char *find_parent(const BlockNode *n, const uint8_t id[static UUID_LEN])
{
    g_autofree char *folder = g_path_get_dirname(n->filename);
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;
    char *found = NULL;

    for (int i = 0; dir && !found && i < MAX_NEIGHBOURS && (name = g_dir_read_name(dir)); i++) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(Error) err = NULL;
        uint8_t h[HEADER_LEN];

        if (g_str_has_suffix(name, ".vdi") && g_file_test(path, G_FILE_TEST_IS_REGULAR) &&
            read_other("parent", path, h, &err) && !memcmp(h + UUID_IMAGE, id, UUID_LEN)) {
            found = g_strdup(name);
        }
    }
    if (dir) {
        g_dir_close(dir);
    }
    return found;
}

static bool set_parent(BlockNode *n, Vdi *v, bool needed, Error **errp)
{
    g_free(n->backing_file);
    g_free(n->backing_format);
    n->backing_file = find_parent(n, uuid(v, UUID_LINK));
    n->backing_format = g_strdup("vdi");
    return n->backing_file || !needed ||
           error_fail(errp,
                      "'%s': its parent is not among the .vdi files beside it (backing= names "
                      "another)",
                      n->filename);
}

static bool vdi_backing_fits(BlockNode *n, Error **errp)
{
    Vdi *v = blockmap_of(n)->opaque, *p;
    BlockNode *parent = block_skip_filters(n->backing);

    if (parent->drv != &vdi_driver) {
        return error_fail(errp, "'%s': its parent '%s' is no VDI image", n->filename,
                          parent->filename);
    }
    p = blockmap_of(parent)->opaque;
    if (memcmp(uuid(v, UUID_LINK), uuid(p, UUID_IMAGE), UUID_LEN)) {
        return error_fail(errp, "'%s': '%s' is not its parent", n->filename, parent->filename);
    }
    return !memcmp(uuid(v, UUID_PARENT), uuid(p, UUID_LAST_SNAPSHOT), UUID_LEN) ||
           error_fail(errp, "'%s': its parent '%s' is not what it was: it has been written to",
                      n->filename, parent->filename);
}

/* What the header of a child of @backing says, in @h; NULL @backing: of an image without parent. */
static bool name_parent(const char *filename, const char *backing, uint8_t h[static HEADER_LEN],
                        Error **errp)
{
    g_autofree char *path = backing ? image_backing_path(filename, backing) : NULL;
    g_autofree char *dir = g_path_get_dirname(filename);
    g_autofree char *parent_dir = path ? g_path_get_dirname(path) : g_strdup(dir);
    g_autofree char *here = g_canonicalize_filename(dir, NULL);
    g_autofree char *there = g_canonicalize_filename(parent_dir, NULL);
    uint8_t parent[HEADER_LEN];

    if (strcmp(here, there) || (path && !g_str_has_suffix(path, ".vdi"))) {
        return error_fail(errp,
                          "'%s': '%s' cannot be its parent: VDI images find theirs among the .vdi "
                          "files beside them",
                          filename, backing);
    }
    if (path && !read_other(filename, path, parent, errp)) {
        return false;
    }
    st32_le(h + TYPE, path ? TYPE_CHILD : TYPE_DYNAMIC);
    memset(h + UUID_LINK, 0, 2 * UUID_LEN);
    if (path) {
        memcpy(h + UUID_LINK, parent + UUID_IMAGE, UUID_LEN);
        memcpy(h + UUID_PARENT, parent + UUID_LAST_SNAPSHOT, UUID_LEN);
    }
    return true;
}

static bool is_vdi(const char *what, const char *format, Error **errp)
{
    return !format || !*format || !strcmp(format, "vdi") ||
           error_fail(errp, "%s: the parent of a VDI image is one, not '%s'", what, format);
}

static bool vdi_set_backing(BlockNode *n, const char *file, const char *format, Error **errp)
{
    BlockMap *m = blockmap_of(n);
    Vdi *v = m->opaque;
    uint8_t h[HEADER_LEN];
    int ret;

    file = file && *file ? file : NULL;
    if (!is_vdi(n->filename, format, errp) || !name_parent(n->filename, file, h, errp)) {
        return false;
    }
    ret = blockmap_begin(m);
    g_mutex_lock(&m->lock);
    ret = ret ? ret : blockmap_meta_write(m, TYPE, h + TYPE, 4);
    ret = ret ? ret : blockmap_meta_write(m, UUID_LINK, h + UUID_LINK, 2 * UUID_LEN);
    g_mutex_unlock(&m->lock);
    ret = ret ? ret : blockmap_commit(m);
    if (ret) {
        return error_fail_errno(errp, -ret, "'%s': cannot write its header", n->filename);
    }
    memcpy(uuid(v, UUID_LINK), h + UUID_LINK, 2 * UUID_LEN);
    if (file) {
        return set_parent(n, v, true, errp);
    }
    g_clear_pointer(&n->backing_file, g_free);
    g_clear_pointer(&n->backing_format, g_free);
    return true;
}

/* The parent has got all that was here, and is another one by that. */
static bool vdi_make_empty(BlockNode *n, Error **errp)
{
    g_autofree char *file = g_strdup(n->backing_file);

    return blockmap_make_empty(n, errp) && (!file || vdi_set_backing(n, file, NULL, errp));
}

/* --- Opening --- */

static bool check_header(BlockNode *n, const uint8_t *h, Error **errp)
{
    static const uint8_t none[2 * UUID_LEN];
    uint64_t size = ld64_le(h + DISK_SIZE), block = ld32_le(h + BLOCK_SIZE);
    uint32_t type = ld32_le(h + TYPE), map = ld32_le(h + MAP_OFFSET);
    uint64_t blocks = ld32_le(h + BLOCKS), data = ld32_le(h + DATA_OFFSET);

    if (ld32_le(h + SIGNATURE) != VDI_SIGNATURE || ld32_le(h + VERSION) != VDI_VERSION) {
        return error_fail(errp, "'%s' is no VDI image of version 1.1", n->filename);
    }
    if ((type != TYPE_DYNAMIC && type != TYPE_STATIC && type != TYPE_CHILD) ||
        !memcmp(h + UUID_LINK, none, sizeof(none)) != (type != TYPE_CHILD)) {
        return error_fail(errp, "'%s': VDI images of type %u with such parents are not supported",
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

/* Whether somebody says which the backing file is. */
static bool has_backing_option(const Opts *o)
{
    g_autoptr(Opts) some = opts_select(o, (const char *const[]){"backing", NULL});

    return !opts_empty(some);
}

static bool vdi_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    bool needed = !(flags & BLOCK_NO_BACKING) && !has_backing_option(o);
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
    memcpy(v->uuids, h + UUID_IMAGE, sizeof(v->uuids));
    m = blockmap_new(n, n->file, &vdi_ops, v);
    m->size = n->size = ld64_le(h + DISK_SIZE);
    m->block_size = ld32_le(h + BLOCK_SIZE);
    m->data_start = m->align_base = ld32_le(h + DATA_OFFSET);
    m->align = m->block_size;
    m->limit = m->data_start + (uint64_t)ZEROED * m->block_size;
    m->can_zero = m->leaks_end = true;
    if (!blockmap_ready(m, 0, errp) ||
        (ld32_le(h + TYPE) == TYPE_CHILD && !set_parent(n, v, needed, errp))) {
        blockmap_discard_all(n);
        return false;
    }
    return true;
}

/* --- New images --- */

static const ImageOption create_options[] = {
    {"backing_file", "File name of a base image, in the same folder"},
    {"backing_fmt", "Must be 'vdi' if present"},
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

    if (ret || !blocks || ld32_le(h + TYPE) != TYPE_STATIC) {
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
    const char *backing = opts_take(o, "backing_file"), *format = opts_take(o, "backing_fmt");
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
    make_header(h, size, is_static || prealloc);
    if (backing && *backing) {
        if (is_static || prealloc) {
            return error_fail(errp, "%s: an image with a parent is not static", what);
        }
        if (!is_vdi(what, format, errp) || !name_parent(filename, backing, h, errp)) {
            return false;
        }
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        return false;
    }
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
    .backing_fits = vdi_backing_fits,
    .set_backing = vdi_set_backing,
    .make_empty = vdi_make_empty,
    .create_options = create_options,
    .create = vdi_create,
};
