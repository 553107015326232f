/* SPDX-License-Identifier: MIT */
/*
 * Pointers of a virtio GPU.  Spec: Virtual I/O Device 1.2, section 5.7.6.10.
 * The picture is copied when the guest gives it, so that the resource may change or go.  Alpha is multiplied
 * in, as Linux's drivers have it.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "gpu-cursor.h"

#include "snapshot/snapshot.h"

enum { PIXEL_BYTES = 4, PICTURE_BYTES = GPU_CURSOR_SIDE * GPU_CURSOR_SIDE * PIXEL_BYTES };

static pixman_image_t *new_image(void)
{
    pixman_image_t *image =
        pixman_image_create_bits(PIXMAN_a8r8g8b8, GPU_CURSOR_SIDE, GPU_CURSOR_SIDE, NULL, 0);

    if (!image) {
        g_error("no memory for a pointer"); /* as g_malloc() ends it */
    }
    return image;
}

/* Takes @image over. */
static void set_image(Console *con, pixman_image_t *image, uint32_t hot_x, uint32_t hot_y)
{
    console_set_cursor(con, image, MIN(hot_x, GPU_CURSOR_SIDE - 1),
                       MIN(hot_y, GPU_CURSOR_SIDE - 1));
    pixman_image_unref(image);
}

void gpu_cursor_update(Console *con, pixman_image_t *picture, uint32_t hot_x, uint32_t hot_y,
                       GpuPlace at)
{
    if (picture) {
        pixman_image_t *image = new_image();

        pixman_image_composite32(PIXMAN_OP_SRC, picture, NULL, image, 0, 0, 0, 0, 0, 0,
                                 GPU_CURSOR_SIDE, GPU_CURSOR_SIDE);
        set_image(con, image, hot_x, hot_y);
    }
    console_move_cursor(con, at.x, at.y, picture != NULL);
}

void gpu_cursor_move(Console *con, GpuPlace at)
{
    console_move_cursor(con, at.x, at.y, console_cursor(con)->visible);
}

void gpu_cursor_forget(Console *con)
{
    console_set_cursor(con, NULL, 0, 0);
    console_move_cursor(con, 0, 0, false);
}

void gpu_cursor_snapshot(Console *con, Snapshot *sn)
{
    const ConsoleCursor *c = console_cursor(con);
    bool drawn = c->image, visible = c->visible;
    uint32_t hot_x = c->hot_x, hot_y = c->hot_y;
    GpuPlace at = {c->x, c->y};

    snap_fields(sn, &drawn, &visible, &hot_x, &hot_y, &at.x, &at.y);
    if (!snap_loading(sn)) {
        if (drawn) {
            snap_bytes(sn, pixman_image_get_data(c->image), PICTURE_BYTES);
        }
        return;
    }
    gpu_cursor_forget(con);
    if (drawn && snap_ok(sn)) {
        pixman_image_t *image = new_image();

        snap_bytes(sn, pixman_image_get_data(image), PICTURE_BYTES);
        set_image(con, image, hot_x, hot_y);
    }
    console_move_cursor(con, at.x, at.y, visible && drawn);
}
