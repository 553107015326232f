/* SPDX-License-Identifier: MIT */
/* Consoles (ui/console.c): who hears of surfaces and of what changes there. */
#include "rhea/osdep.h"

#include "ui/console.h"

enum { WIDTH = 40, HEIGHT = 30 };

typedef struct Seen {
    unsigned surfaces, dirty, updates, invalidated, cursors, moves;
    unsigned x, y, w, h;
} Seen;

static void seen_surface(void *opaque, Console *con)
{
    ((Seen *)opaque)->surfaces++;
}

static void seen_dirty(void *opaque, Console *con, unsigned x, unsigned y, unsigned w, unsigned h)
{
    Seen *s = opaque;

    s->dirty++;
    s->x = x;
    s->y = y;
    s->w = w;
    s->h = h;
}

static void seen_cursor(void *opaque, Console *con)
{
    ((Seen *)opaque)->cursors++;
}

static void seen_cursor_moved(void *opaque, Console *con)
{
    ((Seen *)opaque)->moves++;
}

static void seen_update(void *opaque)
{
    ((Seen *)opaque)->updates++;
}

static void seen_invalidate(void *opaque)
{
    ((Seen *)opaque)->invalidated++;
}

static const ConsoleListenerOps listener = {.surface = seen_surface,
                                            .dirty = seen_dirty,
                                            .cursor = seen_cursor,
                                            .cursor_moved = seen_cursor_moved};
static void type(void *opaque, uint32_t keysym, unsigned modifiers)
{
    *(uint32_t *)opaque = keysym;
}

static const ConsoleOps terminal = {.type = type};
static const ConsoleOps device = {.update = seen_update, .invalidate = seen_invalidate};

static void test_listeners(void)
{
    Seen viewer = {0}, drawer = {0};
    Console *con = console_new(NULL, 0, &device, &drawer);
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, WIDTH, HEIGHT, NULL, 0);

    console_dirty(con, 0, 0, 1, 1); /* there is no surface yet */
    console_listen(con, &listener, &viewer);
    g_assert_cmpuint(drawer.invalidated, ==, 1);
    console_set_surface(con, image);
    g_assert_cmpuint(viewer.surfaces, ==, 1);
    g_assert_true(console_surface(con) == image);
    console_dirty(con, 30, 20, 11, UINT_MAX);
    g_assert_cmpuint(viewer.w, ==, 10);
    g_assert_cmpuint(viewer.h, ==, 10);
    console_dirty(con, WIDTH, 0, 1, 1);
    console_dirty(con, 0, 0, 0, 5);
    g_assert_cmpuint(viewer.dirty, ==, 1);
    console_refresh(con);
    g_assert_cmpuint(drawer.updates, ==, 1);
    console_unlisten(con, &viewer);
    console_dirty(con, 0, 0, 1, 1);
    g_assert_cmpuint(viewer.dirty, ==, 1);
    console_free(con);
    pixman_image_unref(image);
}

/* The pointer's image and place are kept, and told only when they change. */
static void test_cursor(void)
{
    Seen viewer = {0};
    Console *con = console_new(NULL, 0, &device, &(Seen){0});
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_a8r8g8b8, 64, 64, NULL, 0);

    console_listen(con, &listener, &viewer);
    g_assert_null(console_cursor(con)->image);
    console_set_cursor(con, image, 3, 5);
    pixman_image_unref(image);
    g_assert_true(console_cursor(con)->image == image);
    g_assert_cmpuint(console_cursor(con)->hot_x, ==, 3);
    g_assert_cmpuint(console_cursor(con)->hot_y, ==, 5);
    console_move_cursor(con, -2, 7, true);
    console_move_cursor(con, -2, 7, true);
    g_assert_cmpint(console_cursor(con)->x, ==, -2);
    g_assert_cmpint(console_cursor(con)->y, ==, 7);
    g_assert_true(console_cursor(con)->visible);
    g_assert_cmpuint(viewer.moves, ==, 1);
    console_move_cursor(con, -2, 7, false);
    g_assert_cmpuint(viewer.moves, ==, 2);
    g_assert_cmpuint(viewer.cursors, ==, 1);
    console_set_cursor(con, NULL, 0, 0);
    g_assert_null(console_cursor(con)->image);
    g_assert_cmpuint(viewer.cursors, ==, 2);
    console_free(con);
}

static void test_find(void)
{
    Object one = {0}, two = {0};
    Console *a, *b;

    g_assert_null(console_find(NULL, 0));
    a = console_new(&one, 0, &device, NULL);
    b = console_new(&two, 1, &device, NULL);
    g_assert_true(console_find(NULL, 0) == a);
    g_assert_true(console_find(&two, 1) == b);
    g_assert_null(console_find(&two, 0));
    console_free(a);
    g_assert_null(console_find(NULL, 0));
    console_free(b);
}

static void test_text(void)
{
    ConsoleText text = {0};
    Console *con = console_new(NULL, 0, &device, NULL);

    g_assert_false(console_text(con, &text));
    console_text_resize(&text, 80, 25);
    g_assert_cmpuint(text.cells[80 * 25 - 1].c, ==, 0);
    console_text_fini(&text);
    g_assert_null(text.cells);
    console_free(con);
}

/* Heads are counted before text consoles, whatever was made first. */
static void test_order(void)
{
    Console *text = console_new_text("serial0", &terminal, &(uint32_t){0}), *a, *b;

    g_assert_true(console_find(NULL, 0) == text);
    a = console_new(NULL, 0, &device, NULL);
    b = console_new(NULL, 1, &device, NULL);
    g_assert_true(console_nth(0) == a && console_nth(1) == b && console_nth(2) == text);
    g_assert_null(console_nth(3));
    g_assert_cmpstr(console_label(text), ==, "serial0");
    console_free(a);
    g_assert_true(console_nth(0) == b && console_nth(1) == text);
    console_free(b);
    console_free(text);
    g_assert_null(console_nth(0));
}

static void test_type(void)
{
    uint32_t typed = 0;
    Console *text = console_new_text("serial0", &terminal, &typed),
            *screen = console_new(NULL, 0, &device, NULL);

    g_assert_true(console_is_terminal(text));
    g_assert_false(console_is_terminal(screen));
    console_type(text, 'x', 0);
    console_type(screen, 'y', 0);
    g_assert_cmpuint(typed, ==, 'x');
    console_free(screen);
    console_free(text);
}

static void test_vga_cell(void)
{
    ConsoleCell cell = console_vga_cell(0x9cc9, false);

    g_assert_cmphex(cell.c, ==, 0x2554);
    g_assert_cmphex(cell.ink, ==, 0xc);
    g_assert_cmphex(cell.paper, ==, 9);
    g_assert_false(cell.blink);
    cell = console_vga_cell(0x9c01, true);
    g_assert_cmphex(cell.c, ==, 0x263a);
    g_assert_cmphex(cell.paper, ==, 1);
    g_assert_true(cell.blink);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/console/listeners", test_listeners);
    g_test_add_func("/ui/console/cursor", test_cursor);
    g_test_add_func("/ui/console/find", test_find);
    g_test_add_func("/ui/console/text", test_text);
    g_test_add_func("/ui/console/order", test_order);
    g_test_add_func("/ui/console/type", test_type);
    g_test_add_func("/ui/console/vga-cell", test_vga_cell);
    return g_test_run();
}
