/* SPDX-License-Identifier: MIT */
/*
 * The guest's pointer for clients that draw it themselves, and its place for the others.
 * Specs: RFC 6143 section 7.8.1; the community's RFB document, "Cursor With Alpha".  Machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "vnc-client.h"

enum { OPAQUE = 0x80 }; /* the least alpha of a pixel that is seen where there is no half */

static const uint32_t *line_of(const ConsoleCursor *cursor, unsigned y)
{
    const uint8_t *base = (const uint8_t *)pixman_image_get_data(cursor->image);

    return (const uint32_t *)(base + (size_t)y * pixman_image_get_stride(cursor->image));
}

pixman_box16_t vnc_cursor_box(const ConsoleCursor *cursor)
{
    int x, y;

    if (!cursor || !cursor->image || !cursor->visible) {
        return (pixman_box16_t){0};
    }
    x = CLAMP(cursor->x, INT16_MIN / 2, INT16_MAX / 2) - (int)MIN(cursor->hot_x, INT16_MAX / 4);
    y = CLAMP(cursor->y, INT16_MIN / 2, INT16_MAX / 2) - (int)MIN(cursor->hot_y, INT16_MAX / 4);
    return (pixman_box16_t){
        .x1 = x,
        .y1 = y,
        .x2 = x + MIN(pixman_image_get_width(cursor->image), INT16_MAX / 4),
        .y2 = y + MIN(pixman_image_get_height(cursor->image), INT16_MAX / 4),
    };
}

/* Red, green, blue and alpha, a byte each. */
static void put_alpha(GByteArray *out, const ConsoleCursor *cursor, unsigned w, unsigned h)
{
    vnc_put_u32(out, VNC_RAW);
    for (unsigned y = 0; y < h; y++) {
        const uint32_t *line = line_of(cursor, y);

        for (unsigned x = 0; x < w; x++) {
            vnc_put_u32(out, line[x] << 8 | line[x] >> 24);
        }
    }
}

/* Pixels as of the screen, then a bit for each that is seen. */
static void put_masked(GByteArray *out, const VncFormat *f, const ConsoleCursor *cursor, unsigned w,
                       unsigned h)
{
    g_autofree uint8_t *row = g_malloc(MAX((size_t)w * 4, 1));

    for (unsigned y = 0; y < h; y++) {
        g_byte_array_append(out, row, vnc_put_pixels(f, line_of(cursor, y), w, row) - row);
    }
    for (unsigned y = 0; y < h; y++) {
        const uint32_t *line = line_of(cursor, y);

        memset(row, 0, (w + 7) / 8);
        for (unsigned x = 0; x < w; x++) {
            row[x / 8] |= (line[x] >> 24 >= OPAQUE) << (7 - x % 8);
        }
        g_byte_array_append(out, row, (w + 7) / 8);
    }
}

void vnc_put_cursor(GByteArray *out, const VncFormat *f, bool alpha, const ConsoleCursor *cursor)
{
    unsigned w = cursor ? (unsigned)pixman_image_get_width(cursor->image) : 0;
    unsigned h = cursor ? (unsigned)pixman_image_get_height(cursor->image) : 0;

    vnc_put_rect(out, cursor ? cursor->hot_x : 0, cursor ? cursor->hot_y : 0, w, h,
                 alpha ? VNC_ALPHA_CURSOR : VNC_CURSOR);
    if (alpha) {
        put_alpha(out, cursor, w, h);
    } else {
        put_masked(out, f, cursor, w, h);
    }
}
