/* SPDX-License-Identifier: MIT */
/* Which pages of a block of guest memory hold something. Offsets are multiples of RAM_PAGE_SIZE. */
#ifndef SNAPSHOT_PAGES_H
#define SNAPSHOT_PAGES_H

#include "memory/memory.h"

/* The first page in [from, to) that is not zero, and the first that is; @to: none. */
uint64_t ram_next_data(RamBlock *rb, uint64_t from, uint64_t to);
uint64_t ram_next_zero(RamBlock *rb, uint64_t from, uint64_t to);
/* Zeroes what is not zero in [from, to); pages that were never touched stay uncommitted. */
void ram_clear(RamBlock *rb, uint64_t from, uint64_t to);

#endif
