/* SPDX-License-Identifier: MIT */
/*
 * Differencing VHDX images: the parent locator among the metadata (MS-VHDX 2.6.2.6), and bitmaps of sectors.
 * Children name their parent's DataWriteGuid, so that one that was written to since is known to be another.
 * Blocks that are written to become whole: bitmaps are read here, and never written.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "rhea/endian.h"
#include "vhdx.h"

/* The locator's header, and the entries behind it. */
enum {
    LOCATOR_COUNT = 18,
    LOCATOR_FIRST = 20,
    LOCATOR_ENTRY = 12,
    ENTRY_VALUE = 4,
    ENTRY_KEY_LEN = 8,
    ENTRY_VALUE_LEN = 10,
};
enum { GUID_TEXT_LEN = 38, MAX_NAME = 4096 };

const uint8_t vhdx_item_locator[VHDX_GUID_LEN] = {0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
                                                  0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c};
static const uint8_t locator_type[VHDX_GUID_LEN] = {0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a,
                                                    0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13};

/* --- Sectors of blocks that are there in parts --- */

int vhdx_part(BlockMap *m, uint64_t block, uint64_t host, uint32_t from, uint32_t *len, bool *there)
{
    const Vhdx *v = m->opaque;
    uint64_t chunk = block / v->chunk_ratio, sectors = m->block_size / v->logical;
    uint64_t first = block % v->chunk_ratio * sectors + from / v->logical, count, alike, at;
    uint8_t raw[8];
    int ret = blockmap_meta_read(m, vhdx_entry_at(m, block), raw, sizeof(raw));

    *there = true;
    if (ret || (ld64_le(raw) & VHDX_STATE_MASK) != VHDX_IN_PARTS) {
        return ret;
    }
    at = v->bat.at + (chunk * (v->chunk_ratio + 1) + v->chunk_ratio) * 8;
    if (at + 8 > v->bat.at + v->bat.len) {
        return -EIO;
    }
    ret = blockmap_meta_read(m, at, raw, sizeof(raw));
    at = align_down(ld64_le(raw), VHDX_MIB);
    if (ret || (ld64_le(raw) & VHDX_STATE_MASK) != VHDX_PRESENT || at < VHDX_MIB ||
        at > INT64_MAX - VHDX_MIB) {
        return ret ? ret : -EIO;
    }
    count = (from + *len + v->logical - 1) / v->logical - from / v->logical;
    ret = blockmap_meta_bits(m, at, false, first, count, there, &alike);
    *len = MIN((from / v->logical + alike) * v->logical, from + *len) - from;
    return ret;
}

int vhdx_mark_all(BlockMap *m, uint64_t block, uint64_t host)
{
    uint8_t raw[8];

    st64_le(raw, host | VHDX_PRESENT);
    return blockmap_meta_write(m, vhdx_entry_at(m, block), raw, sizeof(raw));
}

/* --- Who the parent is --- */

static char *guid_text(const uint8_t *g)
{
    return g_strdup_printf("{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", ld32_le(g),
                           ld16_le(g + 4), ld16_le(g + 6), g[8], g[9], g[10], g[11], g[12], g[13],
                           g[14], g[15]);
}

static char *text_at(const uint8_t *locator, uint32_t locator_len, uint32_t at, uint32_t len)
{
    if (at > locator_len || len > locator_len - at || len > MAX_NAME || len % 2) {
        return NULL;
    }
    return g_convert((const char *)locator + at, len, "UTF-8", "UTF-16LE", NULL, NULL, NULL);
}

/* What one entry says; names in @names by how well they do. */
static void use_entry(Vhdx *v, const char *key, const char *value, char *names[static 3])
{
    static const char *const keys[] = {"relative_path", "absolute_win32_path", "volume_path"};

    for (int i = 0; i < 2; i++) {
        if (!g_ascii_strcasecmp(key, i ? "parent_linkage2" : "parent_linkage")) {
            g_free(v->linkage[i]);
            v->linkage[i] = g_strdup(value);
        }
    }
    for (int i = 0; i < 3; i++) {
        if (!g_ascii_strcasecmp(key, keys[i]) && *value && !names[i]) {
            names[i] = g_strdelimit(g_strdup(value), "\\", '/');
        }
    }
}

static bool use_locator(BlockMap *m, const uint8_t *locator, uint32_t len, Error **errp)
{
    BlockNode *n = m->n;
    char *names[3] = {NULL};
    const char *name;
    uint32_t count = ld16_le(locator + LOCATOR_COUNT);

    for (uint32_t i = 0; i < count && LOCATOR_FIRST + (i + 1) * LOCATOR_ENTRY <= len; i++) {
        const uint8_t *e = locator + LOCATOR_FIRST + i * LOCATOR_ENTRY;
        g_autofree char *key = text_at(locator, len, ld32_le(e), ld16_le(e + ENTRY_KEY_LEN));
        g_autofree char *value =
            text_at(locator, len, ld32_le(e + ENTRY_VALUE), ld16_le(e + ENTRY_VALUE_LEN));

        if (key && value) {
            use_entry(m->opaque, key, value, names);
        }
    }
    name = names[0] ? names[0] : names[1] ? names[1] : names[2];
    g_free(n->backing_file);
    n->backing_file = name ? g_strdup(g_str_has_prefix(name, "./") ? name + 2 : name) : NULL;
    g_free(n->backing_format);
    n->backing_format = g_strdup("vhdx");
    for (int i = 0; i < 3; i++) {
        g_free(names[i]);
    }
    return n->backing_file || error_fail(errp, "'%s': its parent has no name", n->filename);
}

bool vhdx_read_locator(BlockMap *m, Error **errp)
{
    const Vhdx *v = m->opaque;
    VhdxItem item = v->locator;
    uint32_t start = align_down(item.at, 512), bytes;
    g_autofree uint8_t *buf = NULL;
    const uint8_t *locator;

    if (item.at < VHDX_METADATA_ITEMS || item.len < LOCATOR_FIRST || item.len > VHDX_LOCATOR_MAX ||
        item.at > v->metadata.len || item.len > v->metadata.len - item.at) {
        return error_fail(errp, "'%s': its parent cannot be found", m->n->filename);
    }
    bytes = align_up(item.at + item.len - start, 512);
    buf = g_malloc(bytes);
    locator = buf + (item.at - start);
    if (vhdx_read_tables(m, v->metadata.at + start, buf, bytes) ||
        memcmp(locator, locator_type, VHDX_GUID_LEN)) {
        return error_fail(errp, "'%s': its parent is not named in a way that is known",
                          m->n->filename);
    }
    return use_locator(m, locator, item.len, errp);
}

static const uint8_t *data_guid(const BlockNode *n)
{
    return ((const Vhdx *)blockmap_of(n)->opaque)->header + VHDX_DATA_WRITE_GUID;
}

bool vhdx_backing_fits(BlockNode *n, Error **errp)
{
    const Vhdx *v = blockmap_of(n)->opaque;
    BlockNode *parent = block_skip_filters(n->backing);
    g_autofree char *guid = NULL;

    if (parent->drv != &vhdx_driver) {
        return error_fail(errp, "'%s': its parent '%s' is no VHDX image", n->filename,
                          parent->filename);
    }
    guid = guid_text(data_guid(parent));
    for (int i = 0; i < 2; i++) {
        if (v->linkage[i] && !g_ascii_strcasecmp(v->linkage[i], guid)) {
            return true;
        }
    }
    return error_fail(errp, "'%s': its parent '%s' is not what it was: it has been written to",
                      n->filename, parent->filename);
}

/* --- New names --- */

/* Appends text as the locator has it; where it begins. */
static uint32_t add_text(GByteArray *out, const char *text)
{
    uint32_t at = out->len;

    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar2 *units = g_utf8_to_utf16(p, g_utf8_skip[(uint8_t)*p], NULL, NULL, NULL);

        for (const gunichar2 *u = units; u && *u; u++) {
            uint8_t raw[2];

            st16_le(raw, *u);
            g_byte_array_append(out, raw, sizeof(raw));
        }
        g_free(units);
    }
    return at;
}

static void add_pair(GByteArray *out, unsigned i, const char *key, const char *value)
{
    uint8_t e[LOCATOR_ENTRY];
    uint32_t at = add_text(out, key), value_at = add_text(out, value);

    st32_le(e, at);
    st32_le(e + ENTRY_VALUE, value_at);
    st16_le(e + ENTRY_KEY_LEN, value_at - at);
    st16_le(e + ENTRY_VALUE_LEN, out->len - value_at);
    memcpy(out->data + LOCATOR_FIRST + i * LOCATOR_ENTRY, e, sizeof(e));
}

static uint8_t *locator_for(const char *backing, const char *guid, uint32_t *len)
{
    bool absolute = g_path_is_absolute(backing);
    g_autofree char *path = absolute ? g_strdup(backing) : g_strconcat("./", backing, NULL);
    GByteArray *out = g_byte_array_new();

    g_strdelimit(path, "/", '\\');
    g_byte_array_set_size(out, LOCATOR_FIRST + 2 * LOCATOR_ENTRY);
    memset(out->data, 0, out->len);
    memcpy(out->data, locator_type, VHDX_GUID_LEN);
    st16_le(out->data + LOCATOR_COUNT, 2);
    add_pair(out, 0, "parent_linkage", guid);
    add_pair(out, 1, absolute ? "absolute_win32_path" : "relative_path", path);
    *len = out->len;
    return g_byte_array_free(out, FALSE);
}

/* The parent may be open in this process; only its header is looked at. */
static char *parent_guid(const char *filename, const char *backing, Error **errp)
{
    g_autofree char *path = image_backing_path(filename, backing);
    BlockNode *n = block_open("backing_file", path, "vhdx",
                              BLOCK_READ_ONLY | BLOCK_SHARED | BLOCK_NO_BACKING, errp);
    char *guid = n ? guid_text(data_guid(n)) : NULL;

    block_node_unref(n);
    return guid;
}

uint8_t *vhdx_make_locator(const char *filename, const char *backing, uint32_t *len, Error **errp)
{
    g_autofree char *guid = NULL;

    if (strchr(backing, '\\') || !g_utf8_validate(backing, -1, NULL) ||
        strlen(backing) > MAX_NAME / 2 - 2) {
        error_fail(errp, "'%s': VHDX images cannot name '%s' as their parent", filename, backing);
        return NULL;
    }
    guid = parent_guid(filename, backing, errp);
    return guid ? locator_for(backing, guid, len) : NULL;
}

/* --- Another parent --- */

static int put(BlockMap *m, uint64_t at, const uint8_t *buf, size_t len)
{
    int ret = 0;

    for (size_t done = 0, part; !ret && done < len; done += part) {
        part = MIN(len - done, 512 - (at + done) % 512);
        ret = blockmap_meta_write(m, at + done, buf + done, part);
    }
    return ret;
}

/* The place of the locator's entry in the table, a new one if there is none; and where the other items end. */
static int find_room(BlockMap *m, uint32_t *entry, uint32_t *count, uint32_t *end)
{
    const Vhdx *v = m->opaque;
    uint8_t e[VHDX_METADATA_ENTRY], head[VHDX_METADATA_FIRST];
    int ret = blockmap_meta_read(m, v->metadata.at, head, sizeof(head));

    *count = MIN(ld16_le(head + VHDX_METADATA_COUNT), (uint32_t)VHDX_MAX_ENTRIES);
    *entry = *count;
    *end = VHDX_METADATA_ITEMS;
    for (uint32_t i = 0; !ret && i < *count; i++) {
        uint32_t at = VHDX_METADATA_FIRST + i * VHDX_METADATA_ENTRY;

        ret = blockmap_meta_read(m, v->metadata.at + at, e, sizeof(e));
        if (!memcmp(e, vhdx_item_locator, VHDX_GUID_LEN)) {
            *entry = i;
        } else {
            *end = MAX(*end, MIN(ld32_le(e + VHDX_METADATA_OFFSET), v->metadata.len) +
                                 MIN(ld32_le(e + VHDX_METADATA_BYTES), v->metadata.len));
        }
    }
    *end = align_up(*end, VHDX_PAGE);
    return ret;
}

static int put_locator(BlockMap *m, const uint8_t *locator, uint32_t len)
{
    Vhdx *v = m->opaque;
    uint8_t e[VHDX_METADATA_ENTRY] = {0}, raw[2];
    uint32_t entry, count, end;
    int ret = find_room(m, &entry, &count, &end);

    if (ret || entry >= VHDX_MAX_ENTRIES || end > v->metadata.len || len > v->metadata.len - end) {
        return ret ? ret : -ENOSPC;
    }
    memcpy(e, vhdx_item_locator, VHDX_GUID_LEN);
    st32_le(e + VHDX_METADATA_OFFSET, end);
    st32_le(e + VHDX_METADATA_BYTES, len);
    st32_le(e + VHDX_METADATA_FLAGS, VHDX_ITEM_REQUIRED);
    st16_le(raw, MAX(count, entry + 1));
    ret = put(m, v->metadata.at + end, locator, len);
    ret = ret ? ret
              : put(m, v->metadata.at + VHDX_METADATA_FIRST + entry * VHDX_METADATA_ENTRY, e,
                    sizeof(e));
    ret = ret ? ret : put(m, v->metadata.at + VHDX_METADATA_COUNT, raw, sizeof(raw));
    v->locator = (VhdxItem){end, len};
    return ret;
}

/* The last entry takes its place. */
static int drop_locator(BlockMap *m)
{
    Vhdx *v = m->opaque;
    uint64_t table = v->metadata.at + VHDX_METADATA_FIRST;
    uint8_t e[VHDX_METADATA_ENTRY], raw[2];
    static const uint8_t none[VHDX_METADATA_ENTRY];
    uint32_t entry, count, end;
    int ret = find_room(m, &entry, &count, &end);

    v->locator = (VhdxItem){0};
    if (ret || entry == count) {
        return ret;
    }
    st16_le(raw, count - 1);
    ret = blockmap_meta_read(m, table + (count - 1) * VHDX_METADATA_ENTRY, e, sizeof(e));
    ret = ret ? ret : put(m, table + entry * VHDX_METADATA_ENTRY, e, sizeof(e));
    ret = ret ? ret : put(m, table + (count - 1) * VHDX_METADATA_ENTRY, none, sizeof(none));
    return ret ? ret : put(m, v->metadata.at + VHDX_METADATA_COUNT, raw, sizeof(raw));
}

/* All or nothing, as one entry of the log has it. */
static int write_parent(BlockMap *m, const uint8_t *locator, uint32_t len)
{
    const Vhdx *v = m->opaque;
    uint64_t flags_at = v->metadata.at + v->parameters.at + 4;
    uint8_t raw[4];
    int ret = blockmap_begin(m);

    if (ret) {
        return ret;
    }
    g_mutex_lock(&m->lock);
    ret = blockmap_meta_read(m, flags_at, raw, sizeof(raw));
    st32_le(raw,
            locator ? ld32_le(raw) | VHDX_HAS_PARENT : ld32_le(raw) & ~(uint32_t)VHDX_HAS_PARENT);
    ret = ret ? ret : locator ? put_locator(m, locator, len) : drop_locator(m);
    ret = ret ? ret : put(m, flags_at, raw, sizeof(raw));
    g_mutex_unlock(&m->lock);
    return ret ? ret : blockmap_commit(m);
}

/* The table has room for what children have. */
static bool table_fits(const BlockMap *m, Error **errp)
{
    const Vhdx *v = m->opaque;
    uint64_t chunks = (m->blocks + v->chunk_ratio - 1) / v->chunk_ratio;

    return chunks * (v->chunk_ratio + 1) * 8 <= v->bat.len || m->blocks < v->chunk_ratio ||
           error_fail(errp, "'%s': its table has no room for a parent", m->n->filename);
}

bool vhdx_set_backing(BlockNode *n, const char *file, const char *format, Error **errp)
{
    BlockMap *m = blockmap_of(n);
    Vhdx *v = m->opaque;
    g_autofree uint8_t *locator = NULL;
    uint32_t len = 0;
    int ret;

    if (file && *file) {
        if (format && strcmp(format, "vhdx")) {
            return error_fail(errp, "'%s': the parent of a VHDX image is one, not '%s'",
                              n->filename, format);
        }
        locator = table_fits(m, errp) ? vhdx_make_locator(n->filename, file, &len, errp) : NULL;
        if (!locator) {
            return false;
        }
    }
    ret = write_parent(m, locator, len);
    if (ret) {
        return error_fail_errno(errp, -ret, "'%s': cannot write its metadata", n->filename);
    }
    g_clear_pointer(&v->linkage[0], g_free);
    g_clear_pointer(&v->linkage[1], g_free);
    if (locator) {
        m->ops = &vhdx_child_ops;
        return use_locator(m, locator, len, errp);
    }
    g_clear_pointer(&n->backing_file, g_free);
    g_clear_pointer(&n->backing_format, g_free);
    return true;
}

/* The parent has got all that was here, and is another one by that. */
bool vhdx_make_empty(BlockNode *n, Error **errp)
{
    g_autofree char *file = g_strdup(n->backing_file);

    return blockmap_make_empty(n, errp) && (!file || vhdx_set_backing(n, file, NULL, errp));
}
