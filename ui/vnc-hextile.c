/* SPDX-License-Identifier: MIT */
/* Hextile: tiles of 16 by 16 pixels with one or two colours, or plain.  Spec: RFC 6143 section 7.7.4.  Any thread. */
#include "rhea/osdep.h"

#include "vnc-encode.h"

enum { TILE = 16, TILE_PIXELS = TILE * TILE };
enum { HEX_RAW = 1, HEX_BACKGROUND = 2, HEX_FOREGROUND = 4, HEX_SUBRECTS = 8 };

/* The colours that the next tile may inherit; a raw tile ends that. */
typedef struct Hextile {
    const VncFormat *f;
    bool known;
    uint32_t background;
} Hextile;

typedef struct Tile {
    unsigned w, h;
    uint32_t pixels[TILE_PIXELS];
    unsigned colours; /* 1, 2 or 3 (more) */
    uint32_t background, foreground;
} Tile;

static void tile_load(Tile *t, const VncPixels *px, unsigned x, unsigned y)
{
    for (unsigned j = 0; j < t->h; j++) {
        memcpy(t->pixels + j * t->w, px->data + (size_t)(y + j) * px->stride + x,
               t->w * sizeof(*t->pixels));
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
        p = vnc_put_pixels(hex->f, t->pixels, t->w * t->h, p);
        hex->known = false;
    } else {
        buf[0] = 0;
        if (!hex->known || hex->background != t->background) {
            buf[0] |= HEX_BACKGROUND;
            p = vnc_put_pixels(hex->f, &t->background, 1, p);
            hex->known = true;
            hex->background = t->background;
        }
        if (t->colours == 2) {
            buf[0] |= HEX_FOREGROUND | HEX_SUBRECTS;
            p = vnc_put_pixels(hex->f, &t->foreground, 1, p);
            p = put_runs(t, p);
        }
    }
    g_byte_array_append(out, buf, p - buf);
}

void vnc_put_hextile(const VncFormat *f, GByteArray *out, const VncPixels *px)
{
    Hextile hex = {.f = f};
    Tile t;

    for (unsigned y = 0; y < px->h; y += TILE) {
        for (unsigned x = 0; x < px->w; x += TILE) {
            t.w = MIN(TILE, px->w - x);
            t.h = MIN(TILE, px->h - y);
            tile_load(&t, px, x, y);
            tile_count(&t);
            put_tile(out, &hex, &t);
        }
    }
}
