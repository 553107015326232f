/* SPDX-License-Identifier: MIT */
/* New VMDK images: their descriptors, and their extents with all grain tables in place. */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "rhea/endian.h"
#include "vmdk.h"

typedef enum Subformat {
    MONOLITHIC_SPARSE,
    MONOLITHIC_FLAT,
    TWO_GB_SPARSE,
    TWO_GB_FLAT,
    STREAM_OPTIMIZED,
} Subformat;

static const char *const subformats[] = {"monolithicSparse",     "monolithicFlat",
                                         "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                         "streamOptimized",      NULL};
static const char *const adapters[] = {"ide", "lsilogic", "buslogic", "legacyESX", NULL};

/* What the parts of a split image hold: 2 GiB less a MiB, so that a file with its tables fits file systems that
 * end there. */
#define PART_SECTORS 4192256ULL
#define MAX_SPARSE   (2ULL << 40)
#define MAX_FLAT     (62ULL << 40)

const ImageOption vmdk_create_options[] = {
    {"adapter_type", "ide, lsilogic, buslogic or legacyESX [ide]"},
    {"backing_file", "File name of a base image"},
    {"backing_fmt", "Must be 'vmdk' if present"},
    {"compat6", "Virtual hardware version 6 [off]"},
    {"hwversion", "Virtual hardware version [4]"},
    {"size", "Virtual disk size"},
    {"subformat", "monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat or "
                  "streamOptimized [monolithicSparse]"},
    {"toolsversion", "VMware guest tools version [2147483647]"},
    {"zeroed_grain", "Grains can be said to be zeroes [off]"},
    {NULL, NULL},
};

typedef struct Create {
    uint64_t size;
    int subformat, adapter;
    bool compat6, zeroed;
    const char *backing, *hwversion, *toolsversion;
    uint32_t cid, parent_cid;
} Create;

static bool is_flat(const Create *c)
{
    return c->subformat == MONOLITHIC_FLAT || c->subformat == TWO_GB_FLAT;
}

static bool is_split(const Create *c)
{
    return c->subformat == TWO_GB_SPARSE || c->subformat == TWO_GB_FLAT;
}

/* --- Options --- */

/* What stands in the descriptor must not end its line. */
static bool plain_text(const char *what, const char *key, const char *text, Error **errp)
{
    return !text || !strpbrk(text, "\"\r\n") ||
           error_fail(errp, "%s: %s: quotes and ends of lines cannot be in it", what, key);
}

static bool check_create(const char *what, const Create *c, Error **errp)
{
    uint64_t max = is_flat(c) ? MAX_FLAT : MAX_SPARSE;

    if (c->size > max) {
        return error_fail(errp, "%s: with subformat=%s the size is at most %" PRIu64 " bytes", what,
                          subformats[c->subformat], max);
    }
    if (c->backing && is_flat(c)) {
        return error_fail(errp, "%s: flat images have no backing file", what);
    }
    if (c->zeroed && is_flat(c)) {
        return error_fail(errp, "%s: zeroed_grain is for sparse images", what);
    }
    if (c->compat6 && c->hwversion) {
        return error_fail(errp, "%s: compat6 and hwversion exclude each other", what);
    }
    return plain_text(what, "backing_file", c->backing, errp) &&
           plain_text(what, "hwversion", c->hwversion, errp) &&
           plain_text(what, "toolsversion", c->toolsversion, errp);
}

static bool take_create(Opts *o, Create *c, Error **errp)
{
    const char *backing_format = opts_take(o, "backing_fmt");

    c->backing = opts_take(o, "backing_file");
    c->hwversion = opts_take(o, "hwversion");
    c->toolsversion = opts_take(o, "toolsversion");
    if (backing_format && strcmp(backing_format, "vmdk")) {
        return error_fail(errp, "%s: backing_fmt: '%s' is not possible (accepted: vmdk)",
                          opts_what(o), backing_format);
    }
    if (!blockmap_take_size(o, MAX_FLAT, &c->size, errp) ||
        !opts_take_enum(o, "subformat", subformats, &c->subformat, errp) ||
        !opts_take_enum(o, "adapter_type", adapters, &c->adapter, errp) ||
        !opts_take_bool(o, "compat6", &c->compat6, errp) ||
        !opts_take_bool(o, "zeroed_grain", &c->zeroed, errp)) {
        return false;
    }
    c->size = align_up(c->size, VMDK_SECTOR);
    return check_create(opts_what(o), c, errp);
}

/* The content identifier of the parent, which its children repeat. */
static bool read_parent(const char *what, const char *filename, Create *c, Error **errp)
{
    g_autofree char *dir = g_path_get_dirname(filename), *path = NULL;
    BlockNode *n;

    c->parent_cid = VMDK_NO_PARENT;
    if (!c->backing) {
        return true;
    }
    path = g_path_is_absolute(c->backing) ? g_strdup(c->backing)
                                          : g_build_filename(dir, c->backing, NULL);
    n = block_open(what, path, "vmdk", BLOCK_READ_ONLY | BLOCK_NO_BACKING, errp);
    if (!n) {
        return false;
    }
    c->parent_cid = vmdk_content_id(n);
    block_node_unref(n);
    return true;
}

/* --- Descriptors --- */

static char *make_descriptor(const Create *c, const char *extents)
{
    uint32_t heads = c->adapter ? 255 : 16;
    g_autofree char *parent =
        c->backing ? g_strdup_printf("parentFileNameHint=\"%s\"\n", c->backing) : g_strdup("");

    return g_strdup_printf("# Disk DescriptorFile\n"
                           "version=1\n"
                           "CID=%08x\n"
                           "parentCID=%08x\n"
                           "createType=\"%s\"\n"
                           "%s\n"
                           "# Extent description\n"
                           "%s\n"
                           "# The Disk Data Base\n"
                           "#DDB\n\n"
                           "ddb.virtualHWVersion = \"%s\"\n"
                           "ddb.geometry.cylinders = \"%" PRIu64 "\"\n"
                           "ddb.geometry.heads = \"%u\"\n"
                           "ddb.geometry.sectors = \"63\"\n"
                           "ddb.adapterType = \"%s\"\n"
                           "ddb.toolsVersion = \"%s\"\n",
                           c->cid, c->parent_cid, subformats[c->subformat], parent, extents,
                           c->hwversion ? c->hwversion
                           : c->compat6 ? "6"
                                        : "4",
                           c->size / VMDK_SECTOR / heads / 63, heads, adapters[c->adapter],
                           c->toolsversion ? c->toolsversion : "2147483647");
}

/* --- Extents --- */

/* Where the parts of a sparse extent lie, in sectors. */
typedef struct Layout {
    uint64_t tables, directory; /* how many grain tables, and how long the directory is */
    uint64_t rgd, gd, overhead;
} Layout;

static Layout make_layout(uint64_t sectors, uint64_t descriptor)
{
    uint64_t grains = sectors / VMDK_DEFAULT_GRAIN + !!(sectors % VMDK_DEFAULT_GRAIN);
    Layout l = {.tables = (grains + VMDK_DEFAULT_GTES - 1) / VMDK_DEFAULT_GTES};
    uint64_t one;

    l.directory = MAX((l.tables * 4 + VMDK_SECTOR - 1) / VMDK_SECTOR, 1);
    one = l.directory + l.tables * (VMDK_DEFAULT_GTES * 4 / VMDK_SECTOR);
    l.rgd = 1 + descriptor;
    l.gd = l.rgd + one;
    l.overhead = align_up(l.gd + one, VMDK_DEFAULT_GRAIN);
    return l;
}

/* A directory at @at, whose tables follow it. */
static int write_directory(BlockNode *file, const Layout *l, uint64_t at)
{
    g_autofree uint8_t *d = g_malloc0(l->directory * VMDK_SECTOR); /* at most 256 KiB */

    for (uint64_t i = 0; i < l->tables; i++) {
        st32_le(d + i * 4, at + l->directory + i * (VMDK_DEFAULT_GTES * 4 / VMDK_SECTOR));
    }
    return block_pwrite(file, at * VMDK_SECTOR, d, l->directory * VMDK_SECTOR);
}

/* @text NULL: the descriptor is elsewhere. */
static int write_sparse(BlockNode *file, const Create *c, uint64_t sectors, const char *text)
{
    Layout l = make_layout(sectors, text ? VMDK_DESC_SECTORS : 0);
    bool stream = c->subformat == STREAM_OPTIMIZED;
    uint8_t h[VMDK_HEADER_LEN] = {0};
    int ret;

    st32_le(h, VMDK_MAGIC);
    st32_le(h + VMDK_VERSION, stream ? 3 : c->zeroed ? 2 : 1);
    st32_le(h + VMDK_FLAGS, VMDK_HAS_LINE_ENDS | VMDK_HAS_RGD |
                                (c->zeroed ? VMDK_ZEROED_GRAIN : 0) |
                                (stream ? VMDK_COMPRESSED | VMDK_MARKERS : 0));
    st64_le(h + VMDK_CAPACITY, sectors);
    st64_le(h + VMDK_GRAIN, VMDK_DEFAULT_GRAIN);
    st64_le(h + VMDK_DESC_OFFSET, text ? 1 : 0);
    st64_le(h + VMDK_DESC_SIZE, text ? VMDK_DESC_SECTORS : 0);
    st32_le(h + VMDK_GTES, VMDK_DEFAULT_GTES);
    st64_le(h + VMDK_RGD, l.rgd);
    st64_le(h + VMDK_GD, l.gd);
    st64_le(h + VMDK_OVERHEAD, l.overhead);
    memcpy(h + VMDK_LINE_ENDS, "\n \r\n", 4);
    st16_le(h + VMDK_COMPRESSION, stream);
    ret = blockmap_fill(file, 0, 0, l.overhead * VMDK_SECTOR);
    ret = ret ? ret : write_directory(file, &l, l.rgd);
    ret = ret ? ret : write_directory(file, &l, l.gd);
    ret = ret || !text ? ret : block_pwrite(file, VMDK_SECTOR, text, strlen(text));
    return ret ? ret : block_pwrite(file, 0, h, sizeof(h));
}

/* An extent in a file of its own. */
static bool write_part(const char *what, const char *filename, const Create *c, uint64_t sectors,
                       Error **errp)
{
    BlockNode *file = blockmap_create_file(what, filename, errp);
    int ret;

    if (!file) {
        return false;
    }
    ret = is_flat(c) ? blockmap_fill(file, 0, 0, sectors * VMDK_SECTOR)
                     : write_sparse(file, c, sectors, NULL);
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

/* The parts of an image and the lines of the descriptor that name them. */
static bool write_parts(const char *what, const char *filename, const Create *c, GString *lines,
                        Error **errp)
{
    g_autofree char *dir = g_path_get_dirname(filename), *base = g_path_get_basename(filename);
    uint64_t left = c->size / VMDK_SECTOR;
    unsigned number = 1;

    if (g_str_has_suffix(base, ".vmdk")) {
        base[strlen(base) - strlen(".vmdk")] = 0;
    }
    do {
        uint64_t sectors = is_split(c) ? MIN(left, PART_SECTORS) : left;
        g_autofree char *name =
            is_split(c) ? g_strdup_printf("%s-%c%03u.vmdk", base, is_flat(c) ? 'f' : 's', number)
                        : g_strdup_printf("%s-flat.vmdk", base);
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (!plain_text(what, "the file's name", name, errp) ||
            !write_part(what, path, c, sectors, errp)) {
            return false;
        }
        g_string_append_printf(lines, "RW %" PRIu64 " %s \"%s\"%s\n", sectors,
                               is_flat(c) ? "FLAT" : "SPARSE", name, is_flat(c) ? " 0" : "");
        left -= sectors;
        number++;
    } while (left);
    return true;
}

/* The file that is named: the descriptor alone, or with the extent around it. */
static bool write_main(const char *what, const char *filename, const Create *c, const char *text,
                       bool single, Error **errp)
{
    BlockNode *file;
    int ret;

    if (single && strlen(text) > VMDK_DESC_SECTORS * VMDK_SECTOR - 64) {
        return error_fail(errp, "%s: the descriptor would be too long", what);
    }
    file = blockmap_create_file(what, filename, errp);
    if (!file) {
        return false;
    }
    ret = single ? write_sparse(file, c, c->size / VMDK_SECTOR, text)
                 : block_pwrite(file, 0, text, strlen(text));
    block_node_unref(file);
    return !ret || error_fail_errno(errp, -ret, "%s: cannot write '%s'", what, filename);
}

bool vmdk_create(const char *what, const char *filename, Opts *o, Error **errp)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autofree char *base = g_path_get_basename(filename), *text = NULL;
    Create c = {.cid = g_random_int() & 0x7fffffff};
    bool single;

    if (!take_create(o, &c, errp) || !read_parent(what, filename, &c, errp) ||
        !plain_text(what, "the file's name", base, errp)) {
        return false;
    }
    single = !is_flat(&c) && !is_split(&c);
    if (single) {
        g_string_append_printf(lines, "RW %" PRIu64 " SPARSE \"%s\"\n", c.size / VMDK_SECTOR, base);
    } else if (!write_parts(what, filename, &c, lines, errp)) {
        return false;
    }
    text = make_descriptor(&c, lines->str);
    return write_main(what, filename, &c, text, single, errp);
}
