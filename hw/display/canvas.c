/* SPDX-License-Identifier: MIT */
/*
 * Surfaces that devices draw lines on.  Lines that follow each other and have changed make one dirty
 * rectangle.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "canvas.h"

static void replace_image(Canvas *c, pixman_image_t *image, bool direct)
{
    pixman_image_t *old = c->image;

    c->image = image;
    c->width = pixman_image_get_width(image);
    c->height = pixman_image_get_height(image);
    c->direct = direct;
    c->x1 = c->x0 = 0;
    console_set_surface(c->con, image);
    if (old) {
        pixman_image_unref(old);
    }
}

bool canvas_try_resize(Canvas *c, unsigned width, unsigned height)
{
    pixman_image_t *image;

    if (c->image && !c->direct && width == c->width && height == c->height) {
        if (console_surface(c->con) != c->image) {
            console_set_surface(c->con, c->image); /* another canvas had the console */
        }
        return true;
    }
    image = pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)width, (int)height, NULL, 0);
    if (!image) {
        return false;
    }
    replace_image(c, image, false);
    return true;
}

void canvas_black(Canvas *c, unsigned width, unsigned height)
{
    if (!canvas_try_resize(c, width, height)) {
        g_error("no memory for %u by %u pixels", width, height); /* as g_malloc() ends it */
    }
    memset(pixman_image_get_data(c->image), 0, (size_t)pixman_image_get_stride(c->image) * height);
    console_dirty(c->con, 0, 0, width, height);
}

void canvas_show_memory(Canvas *c, unsigned width, unsigned height, void *memory, unsigned pitch)
{
    replace_image(
        c, pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)width, (int)height, memory, (int)pitch),
        true);
}

void canvas_put_line(Canvas *c, unsigned y, const uint32_t *pixels)
{
    uint32_t *line =
        pixman_image_get_data(c->image) + (size_t)y * pixman_image_get_stride(c->image) / 4;
    unsigned x0 = 0, x1 = c->width;

    while (x0 < x1 && line[x0] == pixels[x0]) {
        x0++;
    }
    if (x0 == x1) {
        return;
    }
    while (line[x1 - 1] == pixels[x1 - 1]) {
        x1--;
    }
    memcpy(line + x0, pixels + x0, (x1 - x0) * sizeof(*line));
    if (c->x1 > c->x0 && c->y1 == y) {
        c->x0 = MIN(c->x0, x0);
        c->x1 = MAX(c->x1, x1);
    } else {
        canvas_flush(c);
        c->x0 = x0;
        c->x1 = x1;
        c->y0 = y;
    }
    c->y1 = y + 1;
}

void canvas_touch_lines(Canvas *c, unsigned y0, unsigned y1)
{
    if (y1 > y0) {
        console_dirty(c->con, 0, y0, c->width, y1 - y0);
    }
}

void canvas_flush(Canvas *c)
{
    if (c->x1 > c->x0) {
        console_dirty(c->con, c->x0, c->y0, c->x1 - c->x0, c->y1 - c->y0);
    }
    c->x1 = c->x0 = 0;
}

void canvas_fini(Canvas *c)
{
    if (c->image) {
        pixman_image_unref(c->image);
        c->image = NULL;
    }
}
