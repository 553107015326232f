/* SPDX-License-Identifier: MIT */
/* Shared by the files of softmmu/memory only. */
#ifndef MEMORY_INT_H
#define MEMORY_INT_H

#include "memory/memory.h"

/* --- Lock-free readers (reclaim.c) --- */

/*
 * Between enter and exit a thread may use what it loads from an RCU-like pointer (views, the RAM list);
 * writers replace the pointer and retire the old object.  Sections nest and must not block on the
 * machine lock.
 */
void mem_reader_enter(void);
void mem_reader_exit(void);
/* Calls @fn(@ptr) once no reader can still hold it; writers, machine lock or start-up. */
void mem_retire(void *ptr, void (*fn)(void *ptr));

/* The block that holds host address @host, or NULL. */
RamBlock *ram_block_find_host(const void *host);

/* --- Flat views (flatview.c) --- */

/* Self-contained, so that a reader need not touch the region, which may go away. */
typedef struct FlatRange {
    uint64_t start, last; /* inclusive */
    MemRegion *mr;        /* not dereferenced without the machine lock */
    uint64_t offset;      /* of start in mr */
    MemKind kind;         /* RAM, ROM, IO, ROM_DEVICE */
    bool romd;
    RamBlock *ram;       /* referenced by the view */
    uint64_t ram_offset; /* of start in ram */
} FlatRange;

typedef struct FlatView {
    unsigned nranges;
    FlatRange ranges[]; /* sorted, disjoint */
} FlatView;

FlatView *flatview_new(MemRegion *root);
void flatview_free(void *view);
bool flatview_equal(const FlatView *a, const FlatView *b);
/* The range that holds @pa, or NULL; then *gap_last is the last address of the hole. */
const FlatRange *flatview_find(const FlatView *view, uint64_t pa, uint64_t *gap_last);

/* --- Address spaces (region.c) --- */

typedef struct MemListener {
    void (*changed)(void *opaque);
    void *opaque;
} MemListener;

struct AddressSpace {
    char *name;
    MemRegion *root;
    FlatView *view;    /* atomic; readers between mem_reader_enter() and _exit() */
    GArray *listeners; /* MemListener; machine lock */
};

/* The last offset of a region: size - 1, where size UINT64_MAX stands for 2^64. */
static inline uint64_t mem_last(const MemRegion *mr)
{
    return mr->size == UINT64_MAX ? UINT64_MAX : mr->size - 1;
}

/* Reads of the range go to memory. */
static inline bool flat_range_readable(const FlatRange *r)
{
    return r->kind == MEM_RAM || r->kind == MEM_ROM || (r->kind == MEM_ROM_DEVICE && r->romd);
}

#endif
