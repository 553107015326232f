/* SPDX-License-Identifier: MIT */
/*
 * Kernels with a PVH entry point: an ELF note tells it, EBX points to the start information.  Spec: Xen's
 * "x86/HVM direct boot ABI" and the text of its start_info header (version 1).
 * A 32-bit program without any protocol's mark is entered at its entry point in the same way.
 */
#include "rhea/osdep.h"

#include <elf.h>

#include "pc-flat.h"

enum { NOTE_PHYS32_ENTRY = 18, VERSION = 1 };
#define START_MAGIC 0x336ec578u

static uint32_t add_map(const FlatMap *map, GByteArray *info)
{
    uint32_t at;

    flat_align(info, 8);
    at = flat_here(info);
    for (unsigned i = 0; i < map->n; i++) {
        flat_add(info, map->entry[i].addr, 8);
        flat_add(info, map->entry[i].size, 8);
        flat_add(info, map->entry[i].type, 4);
        flat_add(info, 0, 4);
    }
    return at;
}

static uint32_t add_modules(const FlatKernel *k, GByteArray *info)
{
    uint32_t at = flat_here(info);

    for (guint i = 0; i < k->modules->len; i++) {
        const FlatModule *m = &g_array_index(k->modules, FlatModule, i);

        flat_add(info, m->start, 8);
        flat_add(info, m->size, 8);
        flat_add(info, 0, 8); /* no command line */
        flat_add(info, 0, 8);
    }
    return at;
}

static uint32_t add_start_info(const FlatKernel *k, const FlatMap *map, GByteArray *info)
{
    uint32_t memory = add_map(map, info), modules = add_modules(k, info);
    uint32_t cmdline = flat_add_text(info, flat_append(k)), at;

    flat_align(info, 8);
    at = flat_here(info);
    flat_add(info, START_MAGIC, 4);
    flat_add(info, VERSION, 4);
    flat_add(info, 0, 4); /* flags */
    flat_add(info, k->modules->len, 4);
    flat_add(info, k->modules->len ? modules : 0, 8);
    flat_add(info, cmdline, 8);
    flat_add(info, map->rsdp, 8);
    flat_add(info, memory, 8);
    flat_add(info, map->n, 4);
    flat_add(info, 0, 4);
    return at;
}

static const FlatProtocol pvh = {.add_info = add_start_info};

bool flat_try_pvh(FlatKernel *k, const ElfImage *e, Error **errp)
{
    uint64_t entry;

    if (!e || !elf_find_note(e, "Xen", NOTE_PHYS32_ENTRY, &entry)) {
        return false;
    }
    if (!flat_load_elf(k, e, errp)) {
        return false;
    }
    if (entry < k->low || entry >= k->high) {
        return error_fail(errp, "%s: its PVH entry point 0x%" PRIx64 " lies outside it", k->what,
                          entry);
    }
    k->entry = entry;
    k->protocol = &pvh;
    return true;
}

bool flat_try_plain(FlatKernel *k, const ElfImage *e, Error **errp)
{
    if (!e || e->is_64 || e->machine != EM_386 || !flat_load_elf(k, e, errp)) {
        return false;
    }
    k->protocol = &pvh;
    return true;
}
