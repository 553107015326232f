/* SPDX-License-Identifier: MIT */
/*
 * Dirty bitmaps: which parts of a node were written since a bitmap was made or cleared.  Backups copy only
 * those; formats may store them.
 *
 * Marking, clearing and reading bits: any thread.  Adding, removing and flags: main thread, while nothing is
 * in flight on the node (it is being opened or closed, or inside block_graph_change_begin()).
 */
#ifndef BLOCK_DIRTY_BITMAP_H
#define BLOCK_DIRTY_BITMAP_H

#include "block/node.h"

typedef struct DirtyBitmap DirtyBitmap;

enum { DIRTY_BITMAP_NAME_MAX = 1023 };

/* --- Lives --- */

/*
 * @granularity: bytes of the disk a bit stands for, a power of two from 512 to 2 GiB; 0: what suits the node.
 * @name NULL: nobody but its maker sees it.  It records from the start.
 */
DirtyBitmap *dirty_bitmap_new(BlockNode *n, const char *name, uint64_t granularity, Error **errp);
void dirty_bitmap_free(DirtyBitmap *b);
/* By name; NULL: the node has none of that name. */
DirtyBitmap *dirty_bitmap_find(BlockNode *n, const char *name);
/* The same with an error, for what may be used now: neither inconsistent nor busy. */
DirtyBitmap *dirty_bitmap_find_usable(BlockNode *n, const char *name, Error **errp);
/* Those with a name, in the order in which they were made; @fn may free the one that it gets. */
void dirty_bitmap_foreach(BlockNode *n, void (*fn)(DirtyBitmap *b, void *opaque), void *opaque);
/* A bitmap without a name that has the bits of @b, and does not record; NULL: no memory. */
DirtyBitmap *dirty_bitmap_copy(DirtyBitmap *b, Error **errp);

/* --- What it is --- */

const char *dirty_bitmap_name(const DirtyBitmap *b); /* NULL: none */
BlockNode *dirty_bitmap_node(const DirtyBitmap *b);
uint64_t dirty_bitmap_granularity(const DirtyBitmap *b); /* bytes */
uint64_t dirty_bitmap_size(const DirtyBitmap *b);        /* bytes of the disk */
uint64_t dirty_bitmap_count(DirtyBitmap *b); /* bytes that are dirty, in whole granules */

typedef enum DirtyBitmapFlags {
    DIRTY_BITMAP_DISABLED = 1 << 0,     /* writes are not recorded */
    DIRTY_BITMAP_PERSISTENT = 1 << 1,   /* the image keeps it when it is closed */
    DIRTY_BITMAP_INCONSISTENT = 1 << 2, /* the image was not closed: its bits say nothing */
    DIRTY_BITMAP_BUSY = 1 << 3,         /* a job uses it */
} DirtyBitmapFlags;
unsigned dirty_bitmap_flags(const DirtyBitmap *b);
void dirty_bitmap_set_flag(DirtyBitmap *b, DirtyBitmapFlags flag, bool on);

/* --- Bits --- */

/* Granules that the range touches are dirty. */
void dirty_bitmap_set(DirtyBitmap *b, uint64_t offset, uint64_t len);
/* Granules that lie in the range as a whole (or reach the end of the disk) are clean. */
void dirty_bitmap_reset(DirtyBitmap *b, uint64_t offset, uint64_t len);
void dirty_bitmap_clear(DirtyBitmap *b); /* all are clean */
bool dirty_bitmap_get(DirtyBitmap *b, uint64_t offset);
/* The next dirty bytes from *offset on, at most @max of them: *offset and *len; false: there are none. */
bool dirty_bitmap_next(DirtyBitmap *b, uint64_t *offset, uint64_t max, uint64_t *len);
/* What is dirty in @from becomes dirty in @b; granularities may differ, sizes may not. */
bool dirty_bitmap_merge(DirtyBitmap *b, DirtyBitmap *from, Error **errp) MUST_CHECK;

/* --- As bytes: a bit a granule, the lowest bit of a byte first --- */

uint64_t dirty_bitmap_bytes(const DirtyBitmap *b); /* how many bytes it has */
/* @len bytes from byte @at; beyond the end they are 0, or are ignored. */
void dirty_bitmap_save(DirtyBitmap *b, uint64_t at, uint8_t *buf, size_t len);
void dirty_bitmap_load(DirtyBitmap *b, uint64_t at, const uint8_t *buf, size_t len);

#endif
