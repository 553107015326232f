/* SPDX-License-Identifier: MIT */
/*
 * VMDK images: the descriptor, opening, the driver's table.  See vmdk.h.
 * Not here: extents of VMFS (VMFSSPARSE, SESPARSE) and raw device mappings.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "vmdk.h"

enum { MAX_EXTENTS = 2048 };

static const char desc_magic[] = "# Disk DescriptorFile";

static bool vmdk_probe(const uint8_t *head)
{
    return ld32_le(head) == VMDK_MAGIC ||
           !strncmp((const char *)head, desc_magic, strlen(desc_magic));
}

/* --- What extents share --- */

static void image_unref(Vmdk *v)
{
    if (--v->refs == 0) {
        g_mutex_clear(&v->lock);
        g_free(v->create_type);
        g_free(v);
    }
}

void vmdk_extent_free(BlockMap *m)
{
    VmdkExtent *x = m->opaque;

    if (m->file != m->n->file) {
        block_node_unref(m->file);
    }
    image_unref(x->image);
    g_free(x->type);
    g_free(x);
}

static VmdkExtent *extent_new(Vmdk *v, const char *type)
{
    VmdkExtent *x = g_new0(VmdkExtent, 1);

    x->image = v;
    x->type = g_strdup(type);
    v->refs++;
    return x;
}

static Vmdk *image_of(const BlockNode *n)
{
    return ((VmdkExtent *)blockmap_of(n)->opaque)->image;
}

uint32_t vmdk_content_id(const BlockNode *n)
{
    return image_of(n)->cid;
}

/* --- The descriptor --- */

/* The text, NULL on failure. */
static char *read_text(const Vmdk *v, Error **errp)
{
    char *text = g_malloc0(v->desc_size + 1); /* at most VMDK_MAX_DESC */
    int ret = block_pread(v->n->file, v->desc_offset, text, v->desc_size);

    if (ret) {
        error_fail_errno(errp, -ret, "cannot read '%s'", v->n->filename);
        g_clear_pointer(&text, g_free);
    }
    return text;
}

/* The value of "key=value", without quotes, NULL: it is not that key's line. */
static char *line_value(char *line, const char *key)
{
    size_t len = strlen(key);
    char *value = g_strstrip(line + (g_ascii_strncasecmp(line, key, len) ? 0 : len));

    if (value == line || *value != '=') {
        return NULL;
    }
    value = g_strstrip(value + 1);
    if (*value == '"') {
        value[strcspn(value + 1, "\"") + 1] = 0;
        value++;
    }
    return value;
}

/* Where the value of @key begins in the descriptor, spelled as line_value() takes it; NULL: it is not there. */
static char *find_value(char *text, const char *key)
{
    size_t len = strlen(key);

    for (char *line = text; line; line = strpbrk(line, "\r\n")) {
        line += strspn(line, "\r\n");
        if (!g_ascii_strncasecmp(line, key, len)) {
            char *value = line + len + strspn(line + len, " \t");

            if (*value == '=') {
                return value + 1 + strspn(value + 1, " \t\"");
            }
        }
    }
    return NULL;
}

/* Another number on the line of @key, whose other lines stay; the text never becomes shorter. */
static int write_id(Vmdk *v, const char *key, uint32_t id)
{
    g_autofree char *text = read_text(v, NULL), *rest = NULL, *with = NULL;
    char *value = text ? find_value(text, key) : NULL;
    size_t len;

    if (!value) {
        return -EIO;
    }
    rest = g_strdup(value + strspn(value, "0123456789abcdefABCDEF"));
    *value = 0;
    with = g_strdup_printf("%s%08x%s", text, id, rest);
    len = strlen(with);
    if (v->desc_offset && len > v->desc_size) {
        return -EFBIG;
    }
    return block_pwrite(v->n->file, v->desc_offset, with, len);
}

/* Another content identifier. */
static int write_cid(Vmdk *v)
{
    do {
        v->cid = g_random_int();
    } while (v->cid == VMDK_NO_PARENT);
    return write_id(v, "CID", v->cid);
}

int vmdk_begin(BlockMap *m)
{
    Vmdk *v = ((VmdkExtent *)m->opaque)->image;
    int ret = 0;

    g_mutex_lock(&v->lock);
    if (!v->cid_changed && v->desc_size) {
        ret = write_cid(v);
        v->cid_changed = !ret;
    }
    g_mutex_unlock(&v->lock);
    return ret;
}

static uint32_t hex_value(const char *text)
{
    return (uint32_t)g_ascii_strtoull(text, NULL, 16);
}

/* Takes over what a line says of the image as a whole. */
static void use_line(Vmdk *v, char *line)
{
    BlockNode *n = v->n;
    char *value;

    if ((value = line_value(line, "CID"))) {
        v->cid = hex_value(value);
    } else if ((value = line_value(line, "parentCID"))) {
        v->parent_cid = hex_value(value);
    } else if ((value = line_value(line, "createType"))) {
        g_free(v->create_type);
        v->create_type = g_strdup(value);
    } else if ((value = line_value(line, "parentFileNameHint"))) {
        g_free(n->backing_file);
        n->backing_file = g_strdup(value);
    }
}

/* --- Extents --- */

static const BlockMapOps flat_ops = {
    .get = blockmap_flat_get,
    .begin = vmdk_begin,
    .free = vmdk_extent_free,
};

static int zero_get(BlockMap *m, uint64_t block, MapEntry *e)
{
    e->kind = MAP_ZERO;
    e->span = m->blocks - block;
    return 0;
}

static const BlockMapOps zero_ops = {.get = zero_get, .free = vmdk_extent_free};

/* One line of the descriptor, as far as it is that of an extent. */
typedef struct ExtentLine {
    char access[16], type[16], file[1024];
    uint64_t sectors, offset;
} ExtentLine;

static bool parse_extent(const char *line, ExtentLine *l)
{
    *l = (ExtentLine){0};
    return sscanf(line, "%15s %" SCNu64 " %15s \"%1023[^\"]\" %" SCNu64, l->access, &l->sectors,
                  l->type, l->file, &l->offset) >= 3 &&
           (!strcmp(l->access, "RW") || !strcmp(l->access, "RDONLY") ||
            !strcmp(l->access, "NOACCESS"));
}

static BlockNode *open_extent_file(const BlockNode *n, const char *name, unsigned flags,
                                   Error **errp)
{
    g_autofree char *dir = g_path_get_dirname(n->filename);
    g_autofree char *path =
        g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(dir, name, NULL);
    BlockNode *file = blockmap_open_file(
        n->filename, path, (flags & BLOCK_SHARED) | (n->read_only ? BLOCK_READ_ONLY : 0), errp);

    if (file) {
        file->unmap = n->unmap;
        file->no_flush = n->no_flush;
    }
    return file;
}

static bool add_flat(BlockNode *n, BlockNode *file, VmdkExtent *x, const ExtentLine *l,
                     Error **errp)
{
    BlockMap *m = blockmap_new(n, file, file == n->file ? &zero_ops : &flat_ops, x);

    m->base = n->size;
    m->size = l->sectors * VMDK_SECTOR;
    m->data_start = l->offset * VMDK_SECTOR;
    m->block_size = BLOCKMAP_FLAT_BLOCK;
    m->flat = true;
    return blockmap_ready(m, 0, errp);
}

static bool add_extent(BlockNode *n, Vmdk *v, const ExtentLine *l, unsigned flags, Error **errp)
{
    bool zero = !strcmp(l->type, "ZERO"), sparse = !strcmp(l->type, "SPARSE");
    bool flat = !strcmp(l->type, "FLAT") || !strcmp(l->type, "VMFS");
    BlockNode *file = n->file;

    if (strcmp(l->access, "RW") || !(zero || sparse || flat)) {
        return error_fail(errp, "'%s': extents of kind '%s %s' are not supported", n->filename,
                          l->access, l->type);
    }
    if (l->sectors > (uint64_t)INT64_MAX / 2 / VMDK_SECTOR - n->size / VMDK_SECTOR ||
        l->offset > (uint64_t)INT64_MAX / 4 / VMDK_SECTOR) {
        return error_fail(errp, "'%s': an extent's size or offset cannot be", n->filename);
    }
    if (n->opaque && ((GPtrArray *)n->opaque)->len >= MAX_EXTENTS) {
        return error_fail(errp, "'%s': more than %d extents", n->filename, MAX_EXTENTS);
    }
    if (!zero) {
        file = open_extent_file(n, l->file, flags, errp);
    }
    if (!file) {
        return false;
    }
    if (sparse ? !vmdk_open_sparse(n, file, extent_new(v, l->type), n->size,
                                   l->sectors * VMDK_SECTOR, errp)
               : !add_flat(n, file, extent_new(v, l->type), l, errp)) {
        return false;
    }
    n->size += l->sectors * VMDK_SECTOR;
    return true;
}

/* --- Opening --- */

/* All lines of the descriptor; @extents: those that name files, too. */
static bool use_descriptor(BlockNode *n, Vmdk *v, bool extents, unsigned flags, Error **errp)
{
    g_autofree char *text = read_text(v, errp);
    g_auto(GStrv) lines = text ? g_strsplit_set(text, "\r\n", -1) : NULL;
    ExtentLine l;

    for (char **line = lines; line && *line; line++) {
        if (parse_extent(*line, &l)) {
            if (extents && !add_extent(n, v, &l, flags, errp)) {
                return false;
            }
        } else {
            use_line(v, *line);
        }
    }
    if (v->parent_cid == VMDK_NO_PARENT) {
        g_clear_pointer(&n->backing_file, g_free);
    } else if (n->backing_file) {
        n->backing_format = g_strdup("vmdk");
    }
    return text && (v->parent_cid == VMDK_NO_PARENT || n->backing_file ||
                    error_fail(errp, "'%s': its parent has no name", n->filename));
}

/* One sparse extent, which has the descriptor inside. */
static bool open_single(BlockNode *n, Vmdk *v, const uint8_t *h, unsigned flags, Error **errp)
{
    uint64_t offset = ld64_le(h + VMDK_DESC_OFFSET), size = ld64_le(h + VMDK_DESC_SIZE);

    if (offset > 1ULL << 40 || size > VMDK_MAX_DESC / VMDK_SECTOR || (offset && !size)) {
        return error_fail(errp, "'%s': its descriptor cannot lie where it says", n->filename);
    }
    v->desc_offset = offset * VMDK_SECTOR;
    v->desc_size = offset ? size * VMDK_SECTOR : 0;
    if (!vmdk_open_sparse(n, n->file, extent_new(v, ""), 0, UINT64_MAX, errp)) {
        return false;
    }
    n->size = blockmap_of(n)->size;
    return !offset || use_descriptor(n, v, false, flags, errp);
}

static bool open_text(BlockNode *n, Vmdk *v, unsigned flags, Error **errp)
{
    v->desc_size = block_size(n->file);
    if (v->desc_size > VMDK_MAX_DESC) {
        return error_fail(errp, "'%s': its descriptor is longer than %d bytes", n->filename,
                          VMDK_MAX_DESC);
    }
    return use_descriptor(n, v, true, flags, errp) &&
           (n->opaque || error_fail(errp, "'%s': it has no extents", n->filename));
}

static bool vmdk_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    uint8_t head[BLOCK_PROBE_LEN];
    int ret = block_probe_head(n->file, head);
    Vmdk *v;
    bool ok;

    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read '%s'", n->filename);
    }
    if (!vmdk_probe(head)) {
        return error_fail(errp, "'%s' is no VMDK image", n->filename);
    }
    v = g_new0(Vmdk, 1);
    v->refs = 1;
    v->n = n;
    v->parent_cid = VMDK_NO_PARENT;
    g_mutex_init(&v->lock);
    ok = ld32_le(head) == VMDK_MAGIC ? open_single(n, v, head, flags, errp)
                                     : open_text(n, v, flags, errp);
    if (!ok && n->opaque) {
        blockmap_discard_all(n);
    }
    image_unref(v);
    return ok;
}

/* --- Parents --- */

static bool vmdk_backing_fits(BlockNode *n, Error **errp)
{
    return n->backing->drv != &vmdk_driver ||
           vmdk_content_id(n->backing) == image_of(n)->parent_cid ||
           error_fail(errp, "'%s': its parent '%s' is not what it was: it has been written to",
                      n->filename, n->backing->filename);
}

/* The parent has got all that was here, and is another one by that. */
static bool vmdk_make_empty(BlockNode *n, Error **errp)
{
    Vmdk *v = image_of(n);
    int ret = 0;

    if (!blockmap_make_empty(n, errp)) {
        return false;
    }
    if (n->backing && n->backing->drv == &vmdk_driver) {
        v->parent_cid = vmdk_content_id(n->backing);
        ret = write_id(v, "parentCID", v->parent_cid);
        ret = ret ? ret : block_flush(n->file);
    }
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write its descriptor", n->filename);
}

/* --- The driver --- */

static bool vmdk_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    const GPtrArray *maps = n->opaque;

    if (read_only && !blockmap_set_read_only(n, true, errp)) {
        return false;
    }
    for (guint i = 0; i < maps->len; i++) {
        BlockMap *m = g_ptr_array_index(maps, i);

        if (m->file != n->file && !block_set_read_only(m->file, read_only, errp)) {
            return false;
        }
    }
    return true;
}

static bool vmdk_whole_blocks(const BlockNode *n)
{
    return blockmap_of(n)->ops->store;
}

static uint64_t vmdk_disk_size(const BlockNode *n)
{
    const GPtrArray *maps = n->opaque;
    uint64_t size = image_disk_size(n->file);

    for (guint i = 0; i < maps->len; i++) {
        const BlockMap *m = g_ptr_array_index(maps, i);

        size += m->file == n->file ? 0 : image_disk_size(m->file);
    }
    return size;
}

static JsonObject *vmdk_specific(const BlockNode *n)
{
    const GPtrArray *maps = n->opaque;
    const Vmdk *v = image_of(n);
    JsonObject *obj = json_object_new();
    JsonArray *extents = json_array_new();

    json_object_set_int_member(obj, "cid", v->cid);
    json_object_set_int_member(obj, "parent-cid", v->parent_cid);
    json_object_set_string_member(obj, "create-type", v->create_type ? v->create_type : "");
    for (guint i = 0; i < maps->len; i++) {
        const BlockMap *m = g_ptr_array_index(maps, i);
        const VmdkExtent *x = m->opaque;
        JsonObject *extent = json_object_new();

        if (m->ops->inflate) {
            json_object_set_boolean_member(extent, "compressed", true);
        }
        json_object_set_int_member(extent, "virtual-size", (gint64)m->size);
        json_object_set_string_member(extent, "filename", block_filename(m->file));
        if (x->sparse) {
            json_object_set_int_member(extent, "cluster-size", m->block_size);
        }
        json_object_set_string_member(extent, "format", x->type);
        json_array_add_object_element(extents, extent);
    }
    json_object_set_array_member(obj, "extents", extents);
    return obj;
}

const BlockDriver vmdk_driver = {
    .name = "vmdk",
    .probe = vmdk_probe,
    .open = vmdk_open,
    BLOCKMAP_READS,
    .write_compressed = blockmap_write_compressed,
    .set_read_only = vmdk_set_read_only,
    .whole_blocks = vmdk_whole_blocks,
    .disk_size = vmdk_disk_size,
    .make_empty = vmdk_make_empty,
    .backing_fits = vmdk_backing_fits,
    .specific = vmdk_specific,
    .check = blockmap_check,
    .create_options = vmdk_create_options,
    .create = vmdk_create,
};
