/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages of frame buffers.  A clean page is left alone, since the guest may write it between the look and
 * the clearing; what was found dirty is cleared in runs, before anybody reads it.
 * Threading: the main loop, with the machine lock.
 */
#include "rhea/osdep.h"

#include "dirty-pages.h"

#include "rhea/bits.h"

enum { WORD_BITS = sizeof(unsigned long) * 8 };

static bool page_taken(const DirtyPages *d, uint64_t page)
{
    return d->bits[page / WORD_BITS] >> page % WORD_BITS & 1;
}

/* Notes the pages; how many there are. */
static uint64_t note_pages(DirtyPages *d, RamBlock *rb)
{
    uint64_t found = 0;

    for (uint64_t n = 0; n < d->count; n++) {
        if (ram_test_dirty(rb, (d->first + n) << RAM_PAGE_BITS, DIRTY_DISPLAY)) {
            d->bits[n / WORD_BITS] |= 1UL << n % WORD_BITS;
            found++;
        }
    }
    return found;
}

static void clear_runs(const DirtyPages *d, RamBlock *rb)
{
    for (uint64_t n = 0, end; n < d->count; n = end + 1) {
        for (end = n; end < d->count && page_taken(d, end); end++) {
        }
        if (end > n) {
            ram_clear_dirty(rb, (d->first + n) << RAM_PAGE_BITS, (end - n) << RAM_PAGE_BITS,
                            DIRTY_DISPLAY);
        }
    }
}

bool dirty_pages_take(DirtyPages *d, RamBlock *rb, uint64_t offset, uint64_t len)
{
    uint64_t words;

    dirty_pages_fini(d);
    if (!len) {
        return false;
    }
    d->first = offset >> RAM_PAGE_BITS;
    d->count = ((offset + len - 1) >> RAM_PAGE_BITS) - d->first + 1;
    words = (d->count + WORD_BITS - 1) / WORD_BITS;
    d->bits = g_new0(unsigned long, words);
    if (!note_pages(d, rb)) {
        return false;
    }
    clear_runs(d, rb);
    return true;
}

bool dirty_pages_touch(const DirtyPages *d, uint64_t offset, uint64_t len)
{
    uint64_t page = offset >> RAM_PAGE_BITS, last = (offset + MAX(len, 1) - 1) >> RAM_PAGE_BITS;

    for (page = MAX(page, d->first); page <= last && page - d->first < d->count; page++) {
        if (page_taken(d, page - d->first)) {
            return true;
        }
    }
    return false;
}

void dirty_pages_fini(DirtyPages *d)
{
    g_free(d->bits);
    memset(d, 0, sizeof(*d));
}
