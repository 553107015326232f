/* SPDX-License-Identifier: MIT */
/*
 * Rectangles of a screen for the web page, in the chunks of the "Quite OK Image" format: cheap to make and to take
 * apart, and small for what is on screens.  Where that does not pay the pixels go as they are.
 * Spec: The Quite OK Image Format, version 1.0 (qoiformat.org); without its header and end mark.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "web-int.h"

enum { RECT_HEADER = 13, KIND_RGBA = 0, KIND_QOI = 1, PIXEL = 4, OPAQUE = 255 };
enum { QOI_DIFF = 0x40, QOI_LUMA = 0x80, QOI_RUN = 0xc0, QOI_RGB = 0xfe, RUN_MAX = 62, SEEN = 64 };
/* More than three bytes a pixel are not worth taking apart. */
enum { WORTH = 3, CHUNK_MAX = 4 };

void web_put_u8(GByteArray *out, unsigned v)
{
    uint8_t byte = (uint8_t)v;

    g_byte_array_append(out, &byte, 1);
}

void web_put_u16(GByteArray *out, unsigned v)
{
    uint8_t b[2];

    st16_be(b, (uint16_t)v);
    g_byte_array_append(out, b, sizeof(b));
}

static const uint32_t *pixels_at(pixman_image_t *image, unsigned x, unsigned y)
{
    return (const uint32_t *)((const uint8_t *)pixman_image_get_data(image) +
                              (size_t)y * (size_t)pixman_image_get_stride(image)) +
           x;
}

/* --- The Quite OK Image format --- */

typedef struct Qoi {
    uint8_t *p;
    uint32_t last; /* pixels have alpha 255, which no unused entry of @seen has */
    uint32_t seen[SEEN];
    unsigned run;
} Qoi;

static void put_run(Qoi *q)
{
    if (q->run) {
        *q->p++ = (uint8_t)(QOI_RUN | (q->run - 1));
        q->run = 0;
    }
}

/* A pixel that differs from the last. */
static void put_pixel(Qoi *q, uint32_t pixel)
{
    uint8_t r = pixel >> 16 & 0xff, g = pixel >> 8 & 0xff, b = pixel & 0xff;
    int8_t dr = (int8_t)(r - (q->last >> 16 & 0xff)), dg = (int8_t)(g - (q->last >> 8 & 0xff));
    int8_t db = (int8_t)(b - (q->last & 0xff));
    int8_t rg = (int8_t)(dr - dg), bg = (int8_t)(db - dg);
    unsigned slot = (r * 3u + g * 5u + b * 7u + OPAQUE * 11u) % SEEN;

    if (q->seen[slot] == pixel) {
        *q->p++ = (uint8_t)slot;
    } else if (dr >= -2 && dr <= 1 && dg >= -2 && dg <= 1 && db >= -2 && db <= 1) {
        *q->p++ = (uint8_t)(QOI_DIFF | (dr + 2) << 4 | (dg + 2) << 2 | (db + 2));
    } else if (dg >= -32 && dg <= 31 && rg >= -8 && rg <= 7 && bg >= -8 && bg <= 7) {
        *q->p++ = (uint8_t)(QOI_LUMA | (dg + 32));
        *q->p++ = (uint8_t)((rg + 8) << 4 | (bg + 8));
    } else {
        *q->p++ = QOI_RGB;
        *q->p++ = r;
        *q->p++ = g;
        *q->p++ = b;
    }
    q->seen[slot] = pixel;
    q->last = pixel;
}

static void put_row(Qoi *q, const uint32_t *row, unsigned width)
{
    for (unsigned x = 0; x < width; x++) {
        uint32_t pixel = row[x] | (uint32_t)OPAQUE << 24;

        if (pixel == q->last) {
            if (++q->run == RUN_MAX) {
                put_run(q);
            }
        } else {
            put_run(q);
            put_pixel(q, pixel);
        }
    }
}

/* The end of what it made at @p; NULL: it is not worth it. */
static uint8_t *put_qoi(uint8_t *p, pixman_image_t *surface, const pixman_box16_t *box)
{
    unsigned width = (unsigned)(box->x2 - box->x1);
    size_t budget = (size_t)width * (size_t)(box->y2 - box->y1) * WORTH;
    Qoi q = {.p = p, .last = (uint32_t)OPAQUE << 24};

    for (int y = box->y1; y < box->y2; y++) {
        if ((size_t)(q.p - p) > budget) {
            return NULL;
        }
        put_row(&q, pixels_at(surface, (unsigned)box->x1, (unsigned)y), width);
    }
    put_run(&q);
    return q.p;
}

/* --- Pixels as they are --- */

static uint8_t *put_rgba(uint8_t *p, pixman_image_t *surface, const pixman_box16_t *box)
{
    for (int y = box->y1; y < box->y2; y++) {
        const uint32_t *row = pixels_at(surface, (unsigned)box->x1, (unsigned)y);

        for (int x = 0; x < box->x2 - box->x1; x++, p += PIXEL) {
            st32_be(p, row[x] << 8 | OPAQUE);
        }
    }
    return p;
}

void web_put_rect(GByteArray *out, pixman_image_t *surface, const pixman_box16_t *box)
{
    unsigned width = (unsigned)(box->x2 - box->x1), height = (unsigned)(box->y2 - box->y1);
    guint at = out->len;
    uint8_t *head, *end;

    /* A row and what it began with more than the budget is the most that QOI writes before it gives up. */
    g_byte_array_set_size(out, at + RECT_HEADER + width * height * PIXEL + width * CHUNK_MAX +
                                   CHUNK_MAX);
    head = out->data + at;
    st16_be(head, (uint16_t)box->x1);
    st16_be(head + 2, (uint16_t)box->y1);
    st16_be(head + 4, (uint16_t)width);
    st16_be(head + 6, (uint16_t)height);
    end = put_qoi(head + RECT_HEADER, surface, box);
    head[8] = end ? KIND_QOI : KIND_RGBA;
    end = end ? end : put_rgba(head + RECT_HEADER, surface, box);
    st32_be(head + 9, (uint32_t)(end - head - RECT_HEADER));
    g_byte_array_set_size(out, (guint)(end - out->data));
}

void web_put_rgba(GByteArray *out, pixman_image_t *image)
{
    static const uint8_t shifts[] = {16, 8, 0}; /* red, green, blue */
    unsigned width = (unsigned)pixman_image_get_width(image);

    for (unsigned y = 0; y < (unsigned)pixman_image_get_height(image); y++) {
        const uint32_t *row = pixels_at(image, 0, y);

        for (unsigned x = 0; x < width; x++) {
            unsigned alpha = row[x] >> 24;

            for (unsigned i = 0; i < G_N_ELEMENTS(shifts); i++) {
                web_put_u8(out, alpha ? MIN((row[x] >> shifts[i] & 0xff) * 255 / alpha, 255) : 0);
            }
            web_put_u8(out, alpha);
        }
    }
}
