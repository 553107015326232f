/* SPDX-License-Identifier: MIT */
/* Which pages of a frame buffer the guest has written since they were last drawn. */
#ifndef HW_DISPLAY_DIRTY_PAGES_H
#define HW_DISPLAY_DIRTY_PAGES_H

#include "memory/memory.h"

/* Zero is empty. */
typedef struct DirtyPages {
    uint64_t first, count; /* pages */
    unsigned long *bits;
} DirtyPages;

/*
 * Takes the dirty pages of [@offset, @offset + @len) for DIRTY_DISPLAY: they are clean afterwards, and what is
 * written from now on is of the next time.  The lock is not held for a moment where there are any.  False: none.
 */
bool dirty_pages_take(DirtyPages *d, RamBlock *rb, uint64_t offset, uint64_t len);
/* Whether one of the pages taken is in [@offset, @offset + @len). */
bool dirty_pages_touch(const DirtyPages *d, uint64_t offset, uint64_t len);
void dirty_pages_fini(DirtyPages *d);

#endif
