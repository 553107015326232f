/* SPDX-License-Identifier: MIT */
/*
 * Multiboot kernels.  Specs: Multiboot Specification 0.6.96; Multiboot2 Specification 2.0.
 * Not there: symbols of the kernel, drives, APM and VBE information.  Kernels stay where they are linked
 * to, also relocatable ones.
 */
#include "rhea/osdep.h"

#include "pc-flat.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

#define LOADER_NAME "rhea"

/* --- Version 1: the header --- */

enum { MB1_MAGIC = 0x1badb002, MB1_SEARCH = 8192, MB1_HEADER = 12, MB1_ADDRESSES = 20 };
enum { MB1_WANTS_VIDEO = 1 << 2, MB1_UNKNOWN = 0xfff8, MB1_HAS_ADDRESSES = 1 << 16 };

/* Where a header is: magic, flags and a third number make zero; SIZE_MAX: nowhere. */
static size_t find_multiboot1(const uint8_t *p, size_t len)
{
    for (size_t at = 0; at + MB1_HEADER <= MIN(len, MB1_SEARCH); at += 4) {
        if (ld32_le(p + at) == MB1_MAGIC &&
            ld32_le(p + at) + ld32_le(p + at + 4) + ld32_le(p + at + 8) == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* Fields of both versions that say where an image goes that is no ELF program. */
typedef struct Addresses {
    uint32_t header, load, load_end, bss_end, entry;
} Addresses;

/* @at: where in the file the header is. */
static bool load_by_addresses(FlatKernel *k, const Addresses *a, size_t at, Error **errp)
{
    uint64_t len = g_bytes_get_size(k->file), before = (uint64_t)a->header - a->load, start, size;

    if (a->load > a->header || before > at || (a->load_end && a->load_end < a->load) ||
        (a->bss_end && a->bss_end < MAX(a->load_end, a->load))) {
        return error_fail(errp, "%s: the addresses in its multiboot header cannot be", k->what);
    }
    start = at - before;
    size = a->load_end ? a->load_end - a->load : len - start;
    if (size > len - start) {
        return error_fail(
            errp, "%s: the file is truncated: its multiboot header speaks of %" PRIu64 " bytes",
            k->what, start + size);
    }
    k->entry = a->entry;
    return flat_load_part(k, start, size, a->load, a->bss_end ? a->bss_end - a->load : 0, errp);
}

/* --- Version 1: the information --- */

enum {
    MBI_FLAGS = 0,
    MBI_MEM_LOWER = 4,
    MBI_MEM_UPPER = 8,
    MBI_CMDLINE = 16,
    MBI_MODS_COUNT = 20,
    MBI_MODS_ADDR = 24,
    MBI_MMAP_LENGTH = 44,
    MBI_MMAP_ADDR = 48,
    MBI_LOADER_NAME = 64,
    MBI_SIZE = 88
};
enum { MBI_HAS_MEMORY = 1, MBI_HAS_CMDLINE = 4, MBI_HAS_MODS = 8, MBI_HAS_MMAP = 0x40 };
enum { MBI_HAS_LOADER_NAME = 0x200, MMAP_ENTRY = 24, MMAP_ENTRY_REST = 20 };

static uint32_t add_mmap1(const FlatMap *map, GByteArray *info)
{
    uint32_t at;

    flat_align(info, 4);
    at = flat_here(info);
    for (unsigned i = 0; i < map->n; i++) {
        flat_add(info, MMAP_ENTRY_REST, 4);
        flat_add(info, map->entry[i].addr, 8);
        flat_add(info, map->entry[i].size, 8);
        flat_add(info, map->entry[i].type, 4);
    }
    return at;
}

static uint32_t add_modules1(const FlatKernel *k, GByteArray *info)
{
    g_autofree uint32_t *text = g_new0(uint32_t, k->modules->len + 1);
    uint32_t at;

    for (guint i = 0; i < k->modules->len; i++) {
        text[i] = flat_add_text(info, g_array_index(k->modules, FlatModule, i).text);
    }
    flat_align(info, 4);
    at = flat_here(info);
    for (guint i = 0; i < k->modules->len; i++) {
        const FlatModule *m = &g_array_index(k->modules, FlatModule, i);

        flat_add(info, m->start, 4);
        flat_add(info, m->start + m->size, 4);
        flat_add(info, text[i], 4);
        flat_add(info, 0, 4);
    }
    return at;
}

/* The command line begins with the kernel's path, as that of a boot loader's menu would. */
static uint32_t add_info1(const FlatKernel *k, const FlatMap *map, GByteArray *info)
{
    g_autofree char *line = g_strdup_printf("%s %s", k->s->machine.kernel, flat_append(k));
    uint32_t cmdline = flat_add_text(info, line), name = flat_add_text(info, LOADER_NAME);
    uint32_t mmap = add_mmap1(map, info), mods = add_modules1(k, info);
    uint8_t mbi[MBI_SIZE] = {0};
    uint32_t at = flat_here(info);

    st32_le(mbi + MBI_FLAGS,
            MBI_HAS_MEMORY | MBI_HAS_CMDLINE | MBI_HAS_MODS | MBI_HAS_MMAP | MBI_HAS_LOADER_NAME);
    st32_le(mbi + MBI_MEM_LOWER, flat_lower_kib(map));
    st32_le(mbi + MBI_MEM_UPPER, flat_upper_kib(map));
    st32_le(mbi + MBI_CMDLINE, cmdline);
    st32_le(mbi + MBI_MODS_COUNT, k->modules->len);
    st32_le(mbi + MBI_MODS_ADDR, mods);
    st32_le(mbi + MBI_MMAP_LENGTH, map->n * MMAP_ENTRY);
    st32_le(mbi + MBI_MMAP_ADDR, mmap);
    st32_le(mbi + MBI_LOADER_NAME, name);
    g_byte_array_append(info, mbi, sizeof(mbi));
    return at;
}

static const FlatProtocol multiboot1 = {
    .eax = 0x2badb002, .many_modules = true, .add_info = add_info1};

bool flat_try_multiboot1(FlatKernel *k, const ElfImage *e, Error **errp)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(k->file, &len);
    size_t at = find_multiboot1(p, len);
    uint32_t flags;

    if (at == SIZE_MAX) {
        return false;
    }
    k->protocol = &multiboot1;
    flags = ld32_le(p + at + 4);
    if (flags & MB1_UNKNOWN) {
        return error_fail(errp, "%s: its multiboot header asks for what is not known (flags 0x%x)",
                          k->what, flags);
    }
    if (flags & MB1_WANTS_VIDEO) {
        warn_user("%s: the screen stays in text mode; its multiboot header would like another",
                  k->what);
    }
    if (flags & MB1_HAS_ADDRESSES) {
        const uint8_t *f = p + at + MB1_HEADER;

        if (len - at < MB1_HEADER + MB1_ADDRESSES) {
            return error_fail(errp, "%s: the file ends in its multiboot header", k->what);
        }
        return load_by_addresses(k,
                                 &(Addresses){ld32_le(f), ld32_le(f + 4), ld32_le(f + 8),
                                              ld32_le(f + 12), ld32_le(f + 16)},
                                 at, errp);
    }
    return e ? flat_load_elf(k, e, errp)
             : error_fail(errp,
                          "%s: its multiboot header has no addresses, and it is no ELF program",
                          k->what);
}

/* --- Version 2: the header --- */

enum { MB2_SEARCH = 32768, MB2_HEADER = 16, MB2_ALIGN = 8, MB2_TAG_HEADER = 8 };
enum { MB2_ARCH_I386 = 0, MB2_TAG_OPTIONAL = 1 };
#define MB2_MAGIC 0xe85250d6u

/* Tags of the header. */
enum {
    HTAG_END = 0,
    HTAG_REQUEST = 1,
    HTAG_ADDRESSES = 2,
    HTAG_ENTRY = 3,
    HTAG_CONSOLE = 4,
    HTAG_FRAMEBUFFER = 5,
    HTAG_ALIGN = 6,
    HTAG_RELOCATABLE = 10
};

/* Tags of the information. */
enum {
    ITAG_END = 0,
    ITAG_CMDLINE = 1,
    ITAG_LOADER_NAME = 2,
    ITAG_MODULE = 3,
    ITAG_MEMORY = 4,
    ITAG_MMAP = 6,
    ITAG_RSDP_OLD = 14,
    ITAG_RSDP_NEW = 15,
    ITAG_LOAD_BASE = 21
};

static size_t find_multiboot2(const uint8_t *p, size_t len)
{
    for (size_t at = 0; at + MB2_HEADER <= MIN(len, MB2_SEARCH); at += MB2_ALIGN) {
        const uint8_t *h = p + at;

        if (ld32_le(h) == MB2_MAGIC &&
            ld32_le(h) + ld32_le(h + 4) + ld32_le(h + 8) + ld32_le(h + 12) == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* What the tags say that concerns loading. */
typedef struct Header2 {
    Addresses addresses;
    bool has_addresses, has_entry;
    uint32_t entry;
} Header2;

static bool can_tell(uint32_t tag)
{
    return (tag >= ITAG_CMDLINE && tag <= ITAG_MEMORY) || tag == ITAG_MMAP ||
           tag == ITAG_RSDP_OLD || tag == ITAG_RSDP_NEW || tag == ITAG_LOAD_BASE;
}

/* Kernels may insist on being told things. */
static bool check_request(const FlatKernel *k, const uint8_t *tag, uint32_t size, Error **errp)
{
    for (uint32_t at = MB2_TAG_HEADER; at + 4 <= size; at += 4) {
        if (!can_tell(ld32_le(tag + at))) {
            return error_fail(errp,
                              "%s: its multiboot2 header insists on information of type %u, "
                              "which there is none of here",
                              k->what, ld32_le(tag + at));
        }
    }
    return true;
}

static bool take_tag(FlatKernel *k, Header2 *h, const uint8_t *tag, uint32_t size, Error **errp)
{
    uint16_t type = ld16_le(tag);
    bool optional = ld16_le(tag + 2) & MB2_TAG_OPTIONAL;

    switch (type) {
    case HTAG_REQUEST: return optional || check_request(k, tag, size, errp);
    case HTAG_ADDRESSES:
        h->has_addresses = size >= 24;
        h->addresses.header = h->has_addresses ? ld32_le(tag + 8) : 0;
        h->addresses.load = h->has_addresses ? ld32_le(tag + 12) : 0;
        h->addresses.load_end = h->has_addresses ? ld32_le(tag + 16) : 0;
        h->addresses.bss_end = h->has_addresses ? ld32_le(tag + 20) : 0;
        return h->has_addresses ||
               error_fail(errp, "%s: a tag of its multiboot2 header is too short", k->what);
    case HTAG_ENTRY:
        h->has_entry = size >= 12;
        h->entry = h->has_entry ? ld32_le(tag + 8) : 0;
        return h->has_entry ||
               error_fail(errp, "%s: a tag of its multiboot2 header is too short", k->what);
    case HTAG_RELOCATABLE: k->relocatable = true; return true;
    case HTAG_CONSOLE:
    case HTAG_FRAMEBUFFER:
    case HTAG_ALIGN: return true; /* text mode it is; modules are aligned anyway */
    default:
        return optional ||
               error_fail(errp, "%s: its multiboot2 header insists on what is not known (tag %u)",
                          k->what, type);
    }
}

static bool read_tags(FlatKernel *k, Header2 *h, const uint8_t *p, uint64_t len, Error **errp)
{
    uint64_t at = MB2_HEADER;

    while (at + MB2_TAG_HEADER <= len) {
        uint32_t size = ld32_le(p + at + 4);

        if (size < MB2_TAG_HEADER || size > len - at) {
            break;
        }
        if (ld16_le(p + at) == HTAG_END) {
            return true;
        }
        if (!take_tag(k, h, p + at, size, errp)) {
            return false;
        }
        at += align_up((uint64_t)size, MB2_ALIGN);
    }
    return error_fail(errp, "%s: its multiboot2 header ends in the middle of a tag", k->what);
}

/* --- Version 2: the information --- */

/* A tag of @size bytes, its header counted, whose content follows. */
static void begin_tag(GByteArray *info, uint32_t type, uint32_t size)
{
    flat_align(info, MB2_ALIGN);
    flat_add(info, type, 4);
    flat_add(info, size, 4);
}

static void add_text_tag(GByteArray *info, uint32_t type, const char *text)
{
    begin_tag(info, type, MB2_TAG_HEADER + strlen(text) + 1);
    flat_add_text(info, text);
}

/* As with the command line, boot loaders of this version pass on what stands after the path. */
static void add_modules2(const FlatKernel *k, GByteArray *info)
{
    for (guint i = 0; i < k->modules->len; i++) {
        const FlatModule *m = &g_array_index(k->modules, FlatModule, i);
        const char *space = strchr(m->text, ' '), *text = space ? space + 1 : "";

        begin_tag(info, ITAG_MODULE, MB2_TAG_HEADER + 8 + strlen(text) + 1);
        flat_add(info, m->start, 4);
        flat_add(info, m->start + m->size, 4);
        flat_add_text(info, text);
    }
}

static void add_memory2(const FlatMap *map, GByteArray *info)
{
    begin_tag(info, ITAG_MEMORY, MB2_TAG_HEADER + 8);
    flat_add(info, flat_lower_kib(map), 4);
    flat_add(info, flat_upper_kib(map), 4);
    begin_tag(info, ITAG_MMAP, MB2_TAG_HEADER + 8 + map->n * MMAP_ENTRY);
    flat_add(info, MMAP_ENTRY, 4);
    flat_add(info, 0, 4); /* version of the entries */
    for (unsigned i = 0; i < map->n; i++) {
        flat_add(info, map->entry[i].addr, 8);
        flat_add(info, map->entry[i].size, 8);
        flat_add(info, map->entry[i].type, 4);
        flat_add(info, 0, 4);
    }
}

/* A copy of the pointer to ACPI's tables: the old one has a first part only. */
static void add_rsdp(const FlatMap *map, GByteArray *info)
{
    enum { REVISION = 15, OLD_SIZE = 20 };
    bool old = !map->rsdp_data[REVISION];
    uint32_t size = old ? OLD_SIZE : sizeof(map->rsdp_data);

    if (map->rsdp) {
        begin_tag(info, old ? ITAG_RSDP_OLD : ITAG_RSDP_NEW, MB2_TAG_HEADER + size);
        g_byte_array_append(info, map->rsdp_data, size);
    }
}

static uint32_t add_info2(const FlatKernel *k, const FlatMap *map, GByteArray *info)
{
    uint32_t start;

    flat_align(info, MB2_ALIGN);
    start = info->len;
    flat_add(info, 0, 8);
    add_text_tag(info, ITAG_CMDLINE, flat_append(k));
    add_text_tag(info, ITAG_LOADER_NAME, LOADER_NAME);
    add_modules2(k, info);
    add_memory2(map, info);
    add_rsdp(map, info);
    if (k->relocatable) {
        begin_tag(info, ITAG_LOAD_BASE, MB2_TAG_HEADER + 4);
        flat_add(info, k->low, 4);
    }
    begin_tag(info, ITAG_END, MB2_TAG_HEADER);
    st32_le(info->data + start, info->len - start);
    return flat_here(info) - (info->len - start);
}

static const FlatProtocol multiboot2 = {
    .eax = 0x36d76289, .many_modules = true, .add_info = add_info2};

bool flat_try_multiboot2(FlatKernel *k, const ElfImage *e, Error **errp)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(k->file, &len);
    size_t at = find_multiboot2(p, len);
    Header2 h = {0};
    bool ok;

    if (at == SIZE_MAX) {
        return false;
    }
    if (ld32_le(p + at + 4) != MB2_ARCH_I386) {
        return error_fail(errp, "%s: a multiboot2 kernel for another machine", k->what);
    }
    k->protocol = &multiboot2;
    if (!read_tags(k, &h, p + at, MIN(ld32_le(p + at + 8), len - at), errp)) {
        return false;
    }
    if (!h.has_addresses && !e) {
        return error_fail(
            errp, "%s: its multiboot2 header has no addresses, and it is no ELF program", k->what);
    }
    if (h.has_addresses && !h.has_entry) {
        return error_fail(errp, "%s: its multiboot2 header has addresses and no entry", k->what);
    }
    ok = h.has_addresses ? load_by_addresses(k, &h.addresses, at, errp) : flat_load_elf(k, e, errp);
    k->entry = h.has_entry ? h.entry : k->entry;
    return ok;
}
