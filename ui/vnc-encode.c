/* SPDX-License-Identifier: MIT */
/*
 * Pixels for VNC viewers: conversion to the format that a client chose, raw and hextile encoding.
 * Spec: RFC 6143 sections 7.4, 7.7.1 and 7.7.4.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "vnc-int.h"

enum { TILE = 16, TILE_PIXELS = TILE * TILE };
enum { HEX_RAW = 1, HEX_BACKGROUND = 2, HEX_FOREGROUND = 4, HEX_SUBRECTS = 8 };

void vnc_put_u8(GByteArray *out, unsigned v)
{
    uint8_t b = v;

    g_byte_array_append(out, &b, 1);
}

void vnc_put_u16(GByteArray *out, unsigned v)
{
    uint16_t b = GUINT16_TO_BE(v);

    g_byte_array_append(out, (const uint8_t *)&b, sizeof(b));
}

void vnc_put_u32(GByteArray *out, uint32_t v)
{
    v = GUINT32_TO_BE(v);
    g_byte_array_append(out, (const uint8_t *)&v, sizeof(v));
}

void vnc_put_rect(GByteArray *out, unsigned x, unsigned y, unsigned w, unsigned h, int encoding)
{
    vnc_put_u16(out, x);
    vnc_put_u16(out, y);
    vnc_put_u16(out, w);
    vnc_put_u16(out, h);
    vnc_put_u32(out, (uint32_t)encoding);
}

void vnc_format_native(VncFormat *f)
{
    *f = (VncFormat){.bytes = 4,
                     .big_endian = G_BYTE_ORDER == G_BIG_ENDIAN,
                     .max = {255, 255, 255},
                     .shift = {16, 8, 0},
                     .native = true};
}

static uint32_t convert(const VncFormat *f, uint32_t pixel)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 3; i++) {
        uint32_t part = pixel >> (16 - 8 * i) & 0xff;

        v |= (part * f->max[i] + 127) / 255 << f->shift[i];
    }
    return v;
}

/* Writes @n pixels in the client's format; returns the end. */
static uint8_t *put_pixels(const VncFormat *f, const uint32_t *pixels, unsigned n, uint8_t *out)
{
    if (f->native) {
        memcpy(out, pixels, (size_t)n * sizeof(*pixels));
        return out + (size_t)n * sizeof(*pixels);
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t v = convert(f, pixels[i]);

        for (unsigned b = 0; b < f->bytes; b++) {
            *out++ = v >> 8 * (f->big_endian ? f->bytes - 1 - b : b);
        }
    }
    return out;
}

static const uint32_t *line_of(pixman_image_t *surface, unsigned x, unsigned y)
{
    const uint8_t *base = (const uint8_t *)pixman_image_get_data(surface);

    return (const uint32_t *)(base + (size_t)y * pixman_image_get_stride(surface)) + x;
}

static void put_raw(GByteArray *out, pixman_image_t *surface, const VncFormat *f,
                    const pixman_box16_t *box)
{
    unsigned w = box->x2 - box->x1, h = box->y2 - box->y1, at = out->len;

    g_byte_array_set_size(out, at + w * h * f->bytes);
    for (unsigned y = 0; y < h; y++) {
        put_pixels(f, line_of(surface, box->x1, box->y1 + y), w,
                   out->data + at + (size_t)y * w * f->bytes);
    }
}

/* --- Hextile --- */

/* The colours that the next tile may inherit; a raw tile ends that. */
typedef struct Hextile {
    const VncFormat *f;
    bool known;
    uint32_t background;
} Hextile;

typedef struct Tile {
    unsigned w, h;
    uint32_t pixels[TILE_PIXELS]; /* without the unused byte: equal colours are equal */
    unsigned colours;             /* 1, 2 or 3 (more) */
    uint32_t background, foreground;
} Tile;

static void tile_load(Tile *t, pixman_image_t *surface, unsigned x, unsigned y)
{
    for (unsigned j = 0; j < t->h; j++) {
        const uint32_t *line = line_of(surface, x, y + j);

        for (unsigned i = 0; i < t->w; i++) {
            t->pixels[j * t->w + i] = line[i] & 0xffffff;
        }
    }
}

static void tile_count(Tile *t)
{
    unsigned n = t->w * t->h, others = 0;

    t->colours = 1;
    t->background = t->foreground = t->pixels[0];
    for (unsigned i = 1; i < n && t->colours < 3; i++) {
        if (t->pixels[i] == t->background) {
            continue;
        }
        if (t->colours == 1) {
            t->colours = 2;
            t->foreground = t->pixels[i];
        }
        t->colours += t->pixels[i] != t->foreground;
        others++;
    }
    if (others > n / 2) {
        uint32_t swap = t->background;

        t->background = t->foreground;
        t->foreground = swap;
    }
}

/* One subrectangle for each run of foreground in a line; the count goes before them. */
static uint8_t *put_runs(const Tile *t, uint8_t *out)
{
    uint8_t *count = out++;

    *count = 0;
    for (unsigned y = 0; y < t->h; y++) {
        for (unsigned x = 0, start; x < t->w; x++) {
            if (t->pixels[y * t->w + x] != t->foreground) {
                continue;
            }
            for (start = x; x + 1 < t->w && t->pixels[y * t->w + x + 1] == t->foreground; x++) {
            }
            *out++ = start << 4 | y;
            *out++ = (x - start) << 4;
            ++*count;
        }
    }
    return out;
}

static void put_tile(GByteArray *out, Hextile *hex, const Tile *t)
{
    uint8_t buf[1 + TILE_PIXELS * sizeof(uint32_t)], *p = buf + 1;

    if (t->colours > 2) {
        buf[0] = HEX_RAW;
        p = put_pixels(hex->f, t->pixels, t->w * t->h, p);
        hex->known = false;
    } else {
        buf[0] = 0;
        if (!hex->known || hex->background != t->background) {
            buf[0] |= HEX_BACKGROUND;
            p = put_pixels(hex->f, &t->background, 1, p);
            hex->known = true;
            hex->background = t->background;
        }
        if (t->colours == 2) {
            buf[0] |= HEX_FOREGROUND | HEX_SUBRECTS;
            p = put_pixels(hex->f, &t->foreground, 1, p);
            p = put_runs(t, p);
        }
    }
    g_byte_array_append(out, buf, p - buf);
}

static void put_hextile(GByteArray *out, pixman_image_t *surface, const VncFormat *f,
                        const pixman_box16_t *box)
{
    Hextile hex = {.f = f};
    Tile t;

    for (int y = box->y1; y < box->y2; y += TILE) {
        for (int x = box->x1; x < box->x2; x += TILE) {
            t.w = MIN(TILE, box->x2 - x);
            t.h = MIN(TILE, box->y2 - y);
            tile_load(&t, surface, x, y);
            tile_count(&t);
            put_tile(out, &hex, &t);
        }
    }
}

void vnc_encode_rect(GByteArray *out, pixman_image_t *surface, const VncFormat *f, int encoding,
                     const pixman_box16_t *box)
{
    vnc_put_rect(out, box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1, encoding);
    if (encoding == VNC_HEXTILE) {
        put_hextile(out, surface, f, box);
    } else {
        put_raw(out, surface, f, box);
    }
}
