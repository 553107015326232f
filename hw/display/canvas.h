/* SPDX-License-Identifier: MIT */
/*
 * The surface of a device that draws lines on a console, or shows guest memory there as it is.  What really
 * differs from what was there is reported as dirty, whatever was drawn.
 */
#ifndef HW_DISPLAY_CANVAS_H
#define HW_DISPLAY_CANVAS_H

#include <pixman.h>

#include "ui/console.h"

/* Zero but for con is empty. */
typedef struct Canvas {
    Console *con;
    pixman_image_t *image;
    unsigned width, height;
    bool direct;             /* the image is guest memory */
    unsigned x0, x1, y0, y1; /* changed and not reported: x1 > x0 */
} Canvas;

/*
 * A surface of that size, which is black unless it is the one that was there.  False: there is no memory for it;
 * the old one stays.
 */
bool canvas_try_resize(Canvas *c, unsigned width, unsigned height) MUST_CHECK;
/* A black one; for sizes that are small and the device's own. */
void canvas_black(Canvas *c, unsigned width, unsigned height);
/* The surface is memory of xrgb8888 pixels; it must stay until the canvas gets another one. */
void canvas_show_memory(Canvas *c, unsigned width, unsigned height, void *memory, unsigned pitch);
/* Line @y of a surface that is not guest memory. */
void canvas_put_line(Canvas *c, unsigned y, const uint32_t *pixels);
/* Lines from @y0 to before @y1 of guest memory have changed. */
void canvas_touch_lines(Canvas *c, unsigned y0, unsigned y1);
/* Tells the console what has changed. */
void canvas_flush(Canvas *c);
void canvas_fini(Canvas *c);

#endif
