/* SPDX-License-Identifier: MIT */
/* The pointers of a virtio GPU, which its consoles hold. */
#ifndef GPU_CURSOR_H
#define GPU_CURSOR_H

#include "ui/console.h"

struct Snapshot;

enum { GPU_CURSOR_SIDE = 64 };

/* Where the guest has the pointer's hot spot on the scanout; places left of it or above are negative. */
typedef struct GpuPlace {
    int32_t x, y;
} GpuPlace;

/* A copy of @picture, GPU_CURSOR_SIDE by GPU_CURSOR_SIDE pixels, becomes the pointer; NULL: it is hidden. */
void gpu_cursor_update(Console *con, pixman_image_t *picture, uint32_t hot_x, uint32_t hot_y,
                       GpuPlace at);
void gpu_cursor_move(Console *con, GpuPlace at);
/* There is none, as after a reset. */
void gpu_cursor_forget(Console *con);
void gpu_cursor_snapshot(Console *con, struct Snapshot *sn);

#endif
