/* SPDX-License-Identifier: MIT */
/* "info mtree": the tree of regions as text. */
#include "rhea/osdep.h"

#include "memory-int.h"

static const char *mtree_kind(const MemRegion *mr)
{
    switch (mr->kind) {
    case MEM_RAM: return "ram";
    case MEM_ROM: return "rom";
    case MEM_ROM_DEVICE: return "romd";
    default: return "i/o";
    }
}

static int mtree_compare(const void *a, const void *b)
{
    const MemRegion *x = *(MemRegion *const *)a, *y = *(MemRegion *const *)b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void mtree_print(GString *out, const MemRegion *mr, uint64_t base, unsigned depth)
{
    g_autoptr(GPtrArray) sorted = NULL;

    g_string_append_printf(out, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): ", 2 * depth, "",
                           base, base + mem_last(mr), mr->priority,
                           mtree_kind(mr->kind == MEM_ALIAS ? mr->alias : mr));
    if (mr->kind == MEM_ALIAS) {
        g_string_append_printf(out, "alias %s @%s %016" PRIx64 "-%016" PRIx64, mr->name,
                               mr->alias->name, mr->alias_offset, mr->alias_offset + mem_last(mr));
    } else {
        g_string_append(out, mr->name);
    }
    g_string_append_printf(out, "%s\n", mr->enabled ? "" : " [disabled]");
    if (!mr->subregions) {
        return;
    }
    sorted = g_ptr_array_copy(mr->subregions, NULL, NULL);
    g_ptr_array_sort(sorted, mtree_compare);
    for (unsigned i = 0; i < sorted->len; i++) {
        const MemRegion *sub = sorted->pdata[i];

        mtree_print(out, sub, base + sub->addr, depth + 1);
    }
}

void mem_print_tree(AddressSpace *as, GString *out)
{
    g_string_append_printf(out, "address-space: %s\n", as->name);
    mtree_print(out, as->root, 0, 1);
}
