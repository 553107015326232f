/* SPDX-License-Identifier: MIT */
/* The soft-TLB probe in C, the same as translated code does inline (see env.h). */
#ifndef TCG_TLB_H
#define TCG_TLB_H

#include "tcg/ir.h"

static inline unsigned tcg_tlb_index(uint64_t va)
{
    return (va >> TCG_PAGE_BITS) & ((1 << TCG_TLB_BITS) - 1);
}

/* Host address of an access of @mem's width at @va, or NULL: go to the slow path. */
static inline void *tcg_tlb_probe(const TcgTlbEntry *array, uint64_t va, IrMem mem)
{
    const TcgTlbEntry *entry = &array[tcg_tlb_index(va)];
    uint64_t last = (1u << (mem & IR_MEM_SIZE)) - 1;
    uint64_t tag = mem & IR_MEM_ALIGN ? va & (TCG_PAGE_MASK | last) : (va + last) & TCG_PAGE_MASK;

    return likely(tag == entry->tag) ? (void *)(uintptr_t)(va + entry->addend) : NULL;
}

#endif
