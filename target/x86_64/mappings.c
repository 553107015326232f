/* SPDX-License-Identifier: MIT */
/*
 * "info tlb" and "info mem": the page tables of the present address space, entry by entry or joined into
 * ranges of equal rights.
 *
 * Tables are the guest's and may refer to themselves: after LIMIT entries the listing ends.
 */
#include "rhea/osdep.h"

#include "cpu.h"

enum { LIMIT = 1 << 18, PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_PS = 0x80 };

typedef struct Listing {
    X86Env *env;
    GString *out;
    bool ranges;
    unsigned pte_bytes, index_bits, va_bits;
    unsigned seen;
    /* the range under way */
    GuestVA start, end;
    uint64_t rights;
} Listing;

static void print_range(Listing *l)
{
    if (l->end != l->start) {
        g_string_append_printf(l->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %c%c%c\n",
                               l->start, l->end, l->end - l->start, l->rights & PTE_U ? 'u' : '-',
                               'r', l->rights & PTE_W ? 'w' : '-');
    }
    l->start = l->end = 0;
}

static void print_entry(const Listing *l, GuestVA va, GuestPA pa, uint64_t entry)
{
    static const struct {
        uint8_t bit;
        char name;
    } flags[] = {{63, 'X'}, {8, 'G'}, {7, 'P'}, {6, 'D'}, {5, 'A'},
                 {4, 'C'},  {3, 'T'}, {2, 'U'}, {1, 'W'}};

    g_string_append_printf(l->out, "%016" PRIx64 ": %016" PRIx64 " ", va, pa);
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        g_string_append_c(l->out, entry >> flags[i].bit & 1 ? flags[i].name : '-');
    }
    g_string_append_c(l->out, '\n');
}

static void list_leaf(Listing *l, GuestVA va, uint64_t entry, uint64_t rights, unsigned shift)
{
    uint64_t size = 1ULL << shift;
    GuestPA pa = entry & MASK_ULL(52) & ~MASK_ULL(shift);

    va = sextract64(va, 0, l->va_bits);
    va = l->va_bits == 32 ? (uint32_t)va : va;
    if (!l->ranges) {
        print_entry(l, va, pa, entry);
        return;
    }
    rights &= PTE_U | PTE_W;
    if (va != l->end || rights != l->rights || l->start == l->end) {
        print_range(l);
        l->start = l->end = va;
        l->rights = rights;
    }
    l->end = va + size;
}

static uint64_t read_entry(const Listing *l, GuestPA pa)
{
    uint64_t v = 0;

    mem_read_value(l->env->tcg.cpu->as, pa & l->env->a20_mask, l->pte_bytes, &v);
    return v;
}

static bool is_leaf(const Listing *l, uint64_t entry, unsigned level)
{
    bool large = l->pte_bytes == 8 || l->env->cr4 & X86_CR4_PSE;

    return level == 0 || (level <= 2 && entry & PTE_PS && large);
}

/* False: the limit is reached. */
static bool list_table(Listing *l, GuestPA table, unsigned level, GuestVA va, uint64_t rights)
{
    unsigned shift = 12 + l->index_bits * level;

    for (unsigned i = 0; i < 1u << l->index_bits; i++) {
        uint64_t entry = read_entry(l, table + i * l->pte_bytes);
        GuestVA at = va | (uint64_t)i << shift;

        if (!(entry & PTE_P)) {
            continue;
        }
        if (l->seen++ == LIMIT) {
            return false;
        }
        if (is_leaf(l, entry, level)) {
            list_leaf(l, at, entry, rights & entry, shift);
        } else if (!list_table(l, entry & MASK_ULL(52) & ~MASK_ULL(12), level - 1, at,
                               rights & entry)) {
            return false;
        }
    }
    return true;
}

static bool list_all(Listing *l)
{
    X86Env *env = l->env;
    bool la57 = env->cr4 & X86_CR4_LA57;

    if (!(env->cr4 & X86_CR4_PAE)) {
        l->pte_bytes = 4;
        l->index_bits = 10;
        l->va_bits = 32;
        return list_table(l, env->cr3 & 0xfffff000, 1, 0, ~0ULL);
    }
    l->pte_bytes = 8;
    l->index_bits = 9;
    if (x86_long_mode(env)) {
        l->va_bits = la57 ? 57 : 48;
        return list_table(l, env->cr3 & MASK_ULL(52) & ~MASK_ULL(12), la57 ? 4 : 3, 0, ~0ULL);
    }
    l->va_bits = 32;
    for (unsigned i = 0; i < ARRAY_SIZE(env->pdpte); i++) {
        GuestPA table = env->pdpte[i] & MASK_ULL(52) & ~MASK_ULL(12);

        if (env->pdpte[i] & PTE_P && !list_table(l, table, 1, (GuestVA)i << 30, ~0ULL)) {
            return false;
        }
    }
    return true;
}

void x86_print_mappings(CpuState *cpu, bool ranges, GString *out)
{
    Listing l = {.env = x86_env(cpu), .out = out, .ranges = ranges};

    if (!(l.env->cr0 & X86_CR0_PG)) {
        g_string_append(out, "PG disabled\n");
        return;
    }
    if (!list_all(&l)) {
        print_range(&l);
        g_string_append_printf(out, "(more than %d entries: the rest is left out)\n", LIMIT);
        return;
    }
    print_range(&l);
}
