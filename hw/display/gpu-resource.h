/* SPDX-License-Identifier: MIT */
/* Resources of a virtio GPU: pictures on the host, filled from guest memory. */
#ifndef GPU_RESOURCE_H
#define GPU_RESOURCE_H

#include <pixman.h>

#include "memory/memory.h"

struct Snapshot;

enum { GPU_MAX_SIDE = 16384, GPU_MAX_ENTRIES = 16384, GPU_PIXEL = 4 };

typedef struct GpuRect {
    uint32_t x, y, width, height;
} GpuRect;

/* A piece of guest memory behind a resource. */
typedef struct GpuEntry {
    uint64_t addr;
    uint64_t length;
} GpuEntry;

typedef struct GpuResource {
    uint32_t id, format, width, height;
    pixman_image_t *image;
    GpuEntry *entries;
    uint32_t nentries;
} GpuResource;

/* NULL: the format is not known or a side is impossible. */
GpuResource *gpu_resource_new(uint32_t id, uint32_t format, uint32_t width, uint32_t height);
void gpu_resource_free(GpuResource *r);
uint64_t gpu_resource_bytes(uint32_t width, uint32_t height);
/* Host memory that a resource holds: pixels, backing entries, and what stands around them. */
uint64_t gpu_resource_cost(uint32_t width, uint32_t height, uint32_t nentries);
bool gpu_rect_inside(const GpuRect *r, uint32_t width, uint32_t height);
/* The backing is @entries from now on, which it takes over. */
void gpu_resource_attach(GpuResource *r, GpuEntry *entries, uint32_t n);
/* Fills @rect, which is inside; its first byte is at @offset of the backing.  What is missing there stays. */
void gpu_resource_transfer(GpuResource *r, AddressSpace *as, const GpuRect *rect, uint64_t offset);
/* Saves @r, or loads one that was saved; NULL after snap_fail(). */
GpuResource *gpu_resource_snapshot(GpuResource *r, struct Snapshot *sn);

#endif
