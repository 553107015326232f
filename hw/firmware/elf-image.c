/* SPDX-License-Identifier: MIT */
/* ELF programs; see hw/firmware/elf-image.h. */
#include "rhea/osdep.h"

#include <elf.h>

#include "hw/firmware/elf-image.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

/* The header of either class. */
typedef struct Header {
    uint64_t phoff;
    uint16_t phentsize, phnum;
} Header;

bool elf_is(GBytes *file)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(file, &len);

    return len >= SELFMAG && !memcmp(p, ELFMAG, SELFMAG);
}

/* --- Headers --- */

static bool read_header(ElfImage *e, Header *h, const uint8_t *p, size_t len)
{
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;

    e->is_64 = len > EI_CLASS && p[EI_CLASS] == ELFCLASS64;
    if (len < (e->is_64 ? sizeof(h64) : sizeof(h32))) {
        return false;
    }
    if (e->is_64) {
        memcpy(&h64, p, sizeof(h64));
        e->machine = h64.e_machine;
        e->entry = h64.e_entry;
        *h = (Header){h64.e_phoff, h64.e_phentsize, h64.e_phnum};
    } else {
        memcpy(&h32, p, sizeof(h32));
        e->machine = h32.e_machine;
        e->entry = h32.e_entry;
        *h = (Header){h32.e_phoff, h32.e_phentsize, h32.e_phnum};
    }
    return true;
}

static bool header_ok(const ElfImage *e, const Header *h, const uint8_t *p, size_t len)
{
    size_t size = e->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

    return (e->is_64 || p[EI_CLASS] == ELFCLASS32) && p[EI_DATA] == ELFDATA2LSB &&
           h->phentsize == size && h->phoff <= len && h->phnum <= (len - h->phoff) / size;
}

/* Program header at @p; its type. */
static uint32_t read_segment(const ElfImage *e, const uint8_t *p, ElfSegment *s)
{
    Elf64_Phdr h64;
    Elf32_Phdr h32;

    if (e->is_64) {
        memcpy(&h64, p, sizeof(h64));
        *s = (ElfSegment){h64.p_offset, h64.p_filesz, h64.p_vaddr, h64.p_paddr, h64.p_memsz};
        return h64.p_type;
    }
    memcpy(&h32, p, sizeof(h32));
    *s = (ElfSegment){h32.p_offset, h32.p_filesz, h32.p_vaddr, h32.p_paddr, h32.p_memsz};
    return h32.p_type;
}

static bool segment_ok(const ElfSegment *s, size_t len)
{
    return s->offset <= len && s->filesz <= len - s->offset;
}

static bool add_load(ElfImage *e, const ElfSegment *s, const char *what, Error **errp)
{
    if (s->filesz > s->memsz || s->paddr + s->memsz < s->paddr) {
        return error_fail(errp, "%s: ELF segment at 0x%" PRIx64 " has impossible sizes", what,
                          s->paddr);
    }
    e->low = MIN(e->low, s->paddr);
    e->high = MAX(e->high, s->paddr + s->memsz);
    g_array_append_val(e->loads, *s);
    return true;
}

static bool read_segments(ElfImage *e, const Header *h, const char *what, Error **errp)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(e->file, &len);

    e->low = UINT64_MAX;
    for (unsigned i = 0; i < h->phnum; i++) {
        ElfSegment s;
        uint32_t type = read_segment(e, p + h->phoff + (uint64_t)i * h->phentsize, &s);
        bool load = type == PT_LOAD && s.memsz;

        if ((load || type == PT_NOTE) && !segment_ok(&s, len)) {
            return error_fail(errp, "%s: ELF segment %u lies outside the file: truncated?", what,
                              i);
        }
        if (load && !add_load(e, &s, what, errp)) {
            return false;
        }
        if (type == PT_NOTE) {
            g_array_append_val(e->notes, s);
        }
    }
    return e->loads->len || error_fail(errp, "%s: the ELF file has nothing to load", what);
}

/* Programs are entered with translation off. */
static void find_physical_entry(ElfImage *e)
{
    uint64_t entry = e->entry;

    for (guint i = 0; i < e->loads->len; i++) {
        const ElfSegment *s = &g_array_index(e->loads, ElfSegment, i);

        if (entry >= s->vaddr && entry - s->vaddr < s->memsz) {
            e->entry = s->paddr + (entry - s->vaddr);
        }
    }
}

bool elf_init(ElfImage *e, const char *what, GBytes *file, Error **errp)
{
    gsize len;
    const uint8_t *p = g_bytes_get_data(file, &len);
    Header h;

    *e = (ElfImage){.file = g_bytes_ref(file),
                    .loads = g_array_new(FALSE, FALSE, sizeof(ElfSegment)),
                    .notes = g_array_new(FALSE, FALSE, sizeof(ElfSegment))};
    if (!read_header(e, &h, p, len)) {
        error_fail(errp, "%s: the ELF file is truncated", what);
    } else if (!header_ok(e, &h, p, len)) {
        error_fail(errp, "%s: not a little-endian ELF program, or truncated", what);
    } else if (read_segments(e, &h, what, errp)) {
        find_physical_entry(e);
        return true;
    }
    elf_fini(e);
    return false;
}

void elf_fini(ElfImage *e)
{
    g_bytes_unref(e->file);
    g_array_unref(e->loads);
    g_array_unref(e->notes);
}

/* --- Notes: three numbers, the name, the value; the latter two padded to four bytes --- */

enum { NOTE_HEADER = 12 };

static bool find_in(const uint8_t *p, uint64_t len, const char *name, uint32_t type,
                    uint64_t *value)
{
    while (len >= NOTE_HEADER) {
        uint64_t name_size = align_up((uint64_t)ld32_le(p), 4), size = ld32_le(p + 4);
        uint64_t whole = NOTE_HEADER + name_size + align_up(size, 4);
        const uint8_t *text = p + NOTE_HEADER;

        if (NOTE_HEADER + name_size + size > len) {
            return false;
        }
        if (ld32_le(p + 8) == type && ld32_le(p) == strlen(name) + 1 &&
            !memcmp(text, name, strlen(name) + 1) && (size == 4 || size == 8)) {
            *value = size == 4 ? ld32_le(text + name_size) : ld64_le(text + name_size);
            return true;
        }
        p += MIN(whole, len);
        len -= MIN(whole, len);
    }
    return false;
}

bool elf_find_note(const ElfImage *e, const char *name, uint32_t type, uint64_t *value)
{
    const uint8_t *p = g_bytes_get_data(e->file, NULL);

    for (guint i = 0; i < e->notes->len; i++) {
        const ElfSegment *s = &g_array_index(e->notes, ElfSegment, i);

        if (find_in(p + s->offset, s->filesz, name, type, value)) {
            return true;
        }
    }
    return false;
}
