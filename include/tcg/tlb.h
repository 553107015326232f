/* SPDX-License-Identifier: MIT */
/* What translated code does inline for a memory access, in C: the soft-TLB probe (see env.h), the access. */
#ifndef TCG_TLB_H
#define TCG_TLB_H

#include <string.h>

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

    /* Other vCPUs may empty the entry at any time (smc.c). */
    return likely(tag == __atomic_load_n(&entry->tag, __ATOMIC_RELAXED))
               ? (void *)(uintptr_t)(va + entry->addend)
               : NULL;
}

/* @size: log2 of bytes. One access by the host where it can: aligned ones are then single-copy atomic. */
static inline uint64_t tcg_host_load(const void *p, unsigned size)
{
    uint64_t v = 0;

    if ((uintptr_t)p & ((1u << size) - 1)) {
        memcpy(&v, p, 1u << size);
        return v;
    }
    switch (size) {
    case IR_MEM_8: return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
    case IR_MEM_16: return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
    case IR_MEM_32: return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
    default: return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
    }
}

static inline void tcg_host_store(void *p, uint64_t v, unsigned size)
{
    if ((uintptr_t)p & ((1u << size) - 1)) {
        memcpy(p, &v, 1u << size);
        return;
    }
    switch (size) {
    case IR_MEM_8: __atomic_store_n((uint8_t *)p, v, __ATOMIC_RELAXED); break;
    case IR_MEM_16: __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED); break;
    case IR_MEM_32: __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED); break;
    }
}

#endif
