/* SPDX-License-Identifier: MIT */
/* Which pages of guest memory hold something; see pages.h. */
#include "rhea/osdep.h"

#include "pages.h"

#include <unistd.h>

static bool page_is_zero(const uint8_t *page)
{
    /* The first byte, and each byte equal to the one after it. */
    return !page[0] && !memcmp(page, page + 1, RAM_PAGE_SIZE - 1);
}

/*
 * Where data may be at or after @offset: a hole of a memfd or file is skipped without touching it, which
 * would make the host fill it in.
 */
static uint64_t skip_hole(RamBlock *rb, uint64_t offset)
{
    off_t at = rb->fd < 0 ? (off_t)offset : lseek(rb->fd, (off_t)offset, SEEK_DATA);

    if (at < 0) {
        return errno == ENXIO ? rb->size : offset;
    }
    return (uint64_t)at & ~(RAM_PAGE_SIZE - 1);
}

uint64_t ram_next_data(RamBlock *rb, uint64_t from, uint64_t to)
{
    uint64_t at = from < to ? skip_hole(rb, from) : to;

    while (at < to && page_is_zero(rb->host + at)) {
        at += RAM_PAGE_SIZE;
    }
    return MIN(at, to);
}

uint64_t ram_next_zero(RamBlock *rb, uint64_t from, uint64_t to)
{
    while (from < to && !page_is_zero(rb->host + from)) {
        from += RAM_PAGE_SIZE;
    }
    return MIN(from, to);
}

void ram_clear(RamBlock *rb, uint64_t from, uint64_t to)
{
    while ((from = ram_next_data(rb, from, to)) < to) {
        memset(rb->host + from, 0, RAM_PAGE_SIZE);
        from += RAM_PAGE_SIZE;
    }
}
