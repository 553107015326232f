/* SPDX-License-Identifier: MIT */
/* Pointers of a virtio GPU as viewers of the console get them, and through snapshots (hw/display/gpu-cursor.c). */
#include "rhea/osdep.h"

#include "snapshot/snapshot.h"
#include "../../../hw/display/gpu-cursor.h"
#include "../../../softmmu/snapshot/stream.h"

enum { SIDE = GPU_CURSOR_SIDE };

typedef struct Seen {
    unsigned shapes, moves;
} Seen;

static void seen_cursor(void *opaque, Console *con)
{
    ((Seen *)opaque)->shapes++;
}

static void seen_moved(void *opaque, Console *con)
{
    ((Seen *)opaque)->moves++;
}

static const ConsoleListenerOps listener = {.cursor = seen_cursor, .cursor_moved = seen_moved};
static const ConsoleOps device = {0};

static pixman_image_t *picture(pixman_format_code_t format, uint32_t pixel)
{
    pixman_image_t *image = pixman_image_create_bits(format, SIDE, SIDE, NULL, 0);

    for (unsigned i = 0; i < SIDE * SIDE; i++) {
        pixman_image_get_data(image)[i] = pixel + i;
    }
    return image;
}

static void assert_pointer(const Console *con, uint32_t pixel, unsigned hot_x, unsigned hot_y,
                           int x, int y, bool visible)
{
    const ConsoleCursor *c = console_cursor(con);

    g_assert_cmpint(pixman_image_get_format(c->image), ==, PIXMAN_a8r8g8b8);
    g_assert_cmpint(pixman_image_get_width(c->image), ==, SIDE);
    g_assert_cmpint(pixman_image_get_height(c->image), ==, SIDE);
    for (unsigned i = 0; i < SIDE * SIDE; i++) {
        g_assert_cmphex(pixman_image_get_data(c->image)[i], ==, pixel + i);
    }
    g_assert_cmpuint(c->hot_x, ==, hot_x);
    g_assert_cmpuint(c->hot_y, ==, hot_y);
    g_assert_cmpint(c->x, ==, x);
    g_assert_cmpint(c->y, ==, y);
    g_assert_true(c->visible == visible);
}

static void test_shown(void)
{
    Seen viewer = {0};
    Console *con = console_new(NULL, 0, &device, NULL);
    pixman_image_t *half = picture(PIXMAN_a8r8g8b8, 0x80102030);
    pixman_image_t *opaque = picture(PIXMAN_x8r8g8b8, 0x00405060);

    console_listen(con, &listener, &viewer);
    gpu_cursor_move(con, (GpuPlace){5, 6});
    g_assert_false(console_cursor(con)->visible);
    gpu_cursor_update(con, half, 3, 4, (GpuPlace){10, -7});
    pixman_image_get_data(half)[0] = 0; /* it has a copy */
    assert_pointer(con, 0x80102030, 3, 4, 10, -7, true);
    gpu_cursor_move(con, (GpuPlace){INT32_MIN, INT32_MAX});
    assert_pointer(con, 0x80102030, 3, 4, INT32_MIN, INT32_MAX, true);
    g_assert_cmpuint(viewer.shapes, ==, 1);
    g_assert_cmpuint(viewer.moves, ==, 3);
    gpu_cursor_update(con, opaque, SIDE, UINT32_MAX, (GpuPlace){1, 2});
    assert_pointer(con, 0xff405060, SIDE - 1, SIDE - 1, 1, 2, true);
    gpu_cursor_update(con, NULL, 0, 0, (GpuPlace){8, 9});
    assert_pointer(con, 0xff405060, SIDE - 1, SIDE - 1, 8, 9, false);
    gpu_cursor_forget(con);
    g_assert_null(console_cursor(con)->image);
    console_free(con);
    pixman_image_unref(half);
    pixman_image_unref(opaque);
}

static GByteArray *save(Console *con)
{
    Snapshot *sn = snap_writer_new();

    gpu_cursor_snapshot(con, sn);
    g_assert_true(snap_ok(sn));
    return snap_writer_finish(sn);
}

static void load(Console *con, GByteArray *state)
{
    Snapshot *sn = snap_reader_new(state->data, state->len);

    gpu_cursor_snapshot(con, sn);
    g_assert_true(snap_check(sn, NULL) && snap_at_end(sn));
    snap_free(sn);
}

static void test_saved(void)
{
    Console *con = console_new(NULL, 0, &device, NULL);
    pixman_image_t *image = picture(PIXMAN_a8r8g8b8, 0xff000000);
    g_autoptr(GByteArray) none = save(con), shown = NULL;

    gpu_cursor_update(con, image, 3, 4, (GpuPlace){-1, 2000});
    shown = save(con);
    load(con, none);
    g_assert_null(console_cursor(con)->image);
    g_assert_false(console_cursor(con)->visible);
    load(con, shown);
    assert_pointer(con, 0xff000000, 3, 4, -1, 2000, true);
    console_free(con);
    pixman_image_unref(image);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/gpu-cursor/shown", test_shown);
    g_test_add_func("/hw/gpu-cursor/saved", test_saved);
    return g_test_run();
}
