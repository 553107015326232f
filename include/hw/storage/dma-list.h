/* SPDX-License-Identifier: MIT */
/* Guest memory that a controller's scatter list names, mapped for a transfer.  Machine lock. */
#ifndef HW_STORAGE_DMA_LIST_H
#define HW_STORAGE_DMA_LIST_H

#include <sys/uio.h>

#include "memory/memory.h"

typedef struct DmaList {
    AddressSpace *as;
    bool to_guest;
    uint64_t bytes; /* mapped */
    GArray *iov;    /* struct iovec */
} DmaList;

void dma_list_init(DmaList *l, AddressSpace *as, bool to_guest);
/* Appends @len bytes at @pa; false when they are not all plain memory. */
bool dma_list_add(DmaList *l, GuestPA pa, uint64_t len) MUST_CHECK;
/* Unmaps everything; what was mapped @to_guest counts as written. */
void dma_list_clear(DmaList *l);

static inline const struct iovec *dma_list_iov(const DmaList *l)
{
    return (const struct iovec *)(void *)l->iov->data;
}

#endif
