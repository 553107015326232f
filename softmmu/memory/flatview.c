/* SPDX-License-Identifier: MIT */
/*
 * Flattens a tree of regions into a sorted list of disjoint ranges.
 *
 * Rendering goes from the highest priority to the lowest; each region takes what is still free of its
 * window.  Subregions lie over their container.  Ends are inclusive, so that a region may fill all of
 * 2^64 without overflow; a region's place can be negative (an alias that starts before the window), so
 * places are 128-bit.
 */
#include "rhea/osdep.h"

#include "memory-int.h"

typedef __int128 Place;

/* What may be rendered: addresses first..last of the address space. */
typedef struct Window {
    uint64_t first, last;
} Window;

/* The part of @w that a region at @base of last offset @last covers; false when there is none. */
static bool window_clip(Window *w, Place base, uint64_t last)
{
    Place first = MAX((Place)w->first, base);
    Place end = MIN((Place)w->last, base + last);

    if (first > end) {
        return false;
    }
    w->first = (uint64_t)first;
    w->last = (uint64_t)end;
    return true;
}

/* The index of the first range of @ranges that ends at or after @pa. */
static unsigned ranges_search(const FlatRange *ranges, unsigned n, uint64_t pa)
{
    unsigned low = 0, high = n;

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (ranges[mid].last < pa) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Through an alias that is not to be written through, memory is ROM, flash too. */
static MemKind kind_through(const MemRegion *mr, bool readonly)
{
    return readonly && (mr->kind == MEM_RAM || mr->kind == MEM_ROM_DEVICE) ? MEM_ROM : mr->kind;
}

static FlatRange range_make(MemRegion *mr, Place base, Window w, bool readonly)
{
    uint64_t first = w.first, last = w.last;
    FlatRange r = {
        .start = first,
        .last = last,
        .mr = mr,
        .offset = (uint64_t)(first - base),
        .kind = kind_through(mr, readonly),
        .romd = mr->romd,
        .ram = mr->ram,
    };

    r.ram_offset = mr->ram_offset + r.offset;
    return r;
}

/* Puts the parts of the window that nothing covers yet into @ranges. */
static void render_leaf(GArray *ranges, MemRegion *mr, Place base, Window w, bool readonly)
{
    uint64_t at = w.first;
    unsigned i = ranges_search((FlatRange *)ranges->data, ranges->len, at);

    for (;;) {
        FlatRange *next = i < ranges->len ? &g_array_index(ranges, FlatRange, i) : NULL;
        uint64_t next_last;

        if (!next || next->start > w.last) {
            FlatRange r = range_make(mr, base, (Window){at, w.last}, readonly);

            g_array_insert_val(ranges, i, r);
            return;
        }
        next_last = next->last;
        if (next->start > at) {
            FlatRange r = range_make(mr, base, (Window){at, next->start - 1}, readonly);

            g_array_insert_val(ranges, i, r);
            i++;
        }
        if (next_last >= w.last) {
            return;
        }
        at = next_last + 1;
        i++;
    }
}

/* @readonly: an alias on the way down says so. */
static void render(GArray *ranges, MemRegion *mr, Place base, Window w, bool readonly,
                   unsigned depth)
{
    enum { MAX_DEPTH = 32 }; /* an alias that leads back to itself is our bug, but must end */

    if (!mr->enabled || depth > MAX_DEPTH || !window_clip(&w, base, mem_last(mr))) {
        return;
    }
    if (mr->kind == MEM_ALIAS) {
        render(ranges, mr->alias, base - mr->alias_offset, w, readonly || mr->readonly, depth + 1);
        return;
    }
    for (unsigned i = 0; mr->subregions && i < mr->subregions->len; i++) {
        MemRegion *sub = mr->subregions->pdata[i];

        render(ranges, sub, base + sub->addr, w, readonly, depth + 1);
    }
    if (mr->kind != MEM_CONTAINER) {
        render_leaf(ranges, mr, base, w, readonly);
    }
}

/* Neighbours that go on in the same region become one. */
static void ranges_merge(GArray *ranges)
{
    unsigned out = 0;

    for (unsigned i = 1; i < ranges->len; i++) {
        FlatRange *a = &g_array_index(ranges, FlatRange, out);
        FlatRange *b = &g_array_index(ranges, FlatRange, i);

        if (a->mr == b->mr && a->kind == b->kind && a->last + 1 == b->start &&
            a->offset + (a->last - a->start) + 1 == b->offset) {
            a->last = b->last;
        } else {
            g_array_index(ranges, FlatRange, ++out) = *b;
        }
    }
    if (ranges->len) {
        g_array_set_size(ranges, out + 1);
    }
}

FlatView *flatview_new(MemRegion *root)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(FlatRange));
    FlatView *view;

    render(ranges, root, 0, (Window){0, UINT64_MAX}, false, 0);
    ranges_merge(ranges);
    view = g_malloc(sizeof(FlatView) + ranges->len * sizeof(FlatRange));
    view->nranges = ranges->len;
    if (ranges->len) {
        memcpy(view->ranges, ranges->data, ranges->len * sizeof(FlatRange));
    }
    for (unsigned i = 0; i < view->nranges; i++) {
        if (view->ranges[i].ram) {
            ram_block_get(view->ranges[i].ram);
        }
    }
    return view;
}

void flatview_free(void *opaque)
{
    FlatView *view = opaque;

    for (unsigned i = 0; i < view->nranges; i++) {
        ram_block_put(view->ranges[i].ram);
    }
    g_free(view);
}

bool flatview_equal(const FlatView *a, const FlatView *b)
{
    if (a->nranges != b->nranges) {
        return false;
    }
    for (unsigned i = 0; i < a->nranges; i++) {
        const FlatRange *x = &a->ranges[i], *y = &b->ranges[i];

        if (x->start != y->start || x->last != y->last || x->mr != y->mr ||
            x->offset != y->offset || x->kind != y->kind || x->romd != y->romd ||
            x->ram != y->ram || x->ram_offset != y->ram_offset) {
            return false;
        }
    }
    return true;
}

const FlatRange *flatview_find(const FlatView *view, uint64_t pa, uint64_t *gap_last)
{
    unsigned i = ranges_search(view->ranges, view->nranges, pa);

    if (i < view->nranges && view->ranges[i].start <= pa) {
        return &view->ranges[i];
    }
    if (gap_last) {
        *gap_last = i < view->nranges ? view->ranges[i].start - 1 : UINT64_MAX;
    }
    return NULL;
}
