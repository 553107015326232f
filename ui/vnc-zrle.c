/* SPDX-License-Identifier: MIT */
/*
 * ZRLE: tiles of 64 by 64 pixels, each by the palette, by runs or plain, whichever is shortest, all compressed.
 * Spec: RFC 6143 section 7.7.6.  One thread for each client at a time.
 */
#include "rhea/osdep.h"

#include "vnc-encode.h"

enum { TILE = 64, PACKED_MAX = 16, RLE_MAX = 127, RUN_MORE = 255 };
enum { PLAIN = 0, SOLID = 1, PALETTE_RLE = 128 };

typedef struct Tile {
    const VncFormat *f;
    const VncPixels *px;
    VncPalette palette;
    bool palette_ok;
    uint32_t pixels[TILE * TILE]; /* without gaps */
    unsigned n;
} Tile;

static unsigned index_bits(unsigned colours)
{
    return colours <= 2 ? 1 : colours <= 4 ? 2 : 4;
}

/* What each way takes, runs taken to be short; 0: it is not possible. */
static size_t plain_size(const Tile *t, unsigned pixel)
{
    return (size_t)t->n * pixel;
}

static size_t packed_size(const Tile *t, unsigned pixel)
{
    unsigned n = t->palette.n, row = (t->px->w * index_bits(n) + 7) / 8;

    return t->palette_ok && n <= PACKED_MAX ? (size_t)n * pixel + row * t->px->h : 0;
}

static size_t runs_size(const Tile *t, unsigned pixel)
{
    return t->palette_ok ? (size_t)t->palette.n * pixel + 2UL * t->palette.runs : 0;
}

static void put_colours(const Tile *t, const uint32_t *pixels, unsigned n, GByteArray *out)
{
    guint at = out->len;
    const uint8_t *end;

    g_byte_array_set_size(out, at + n * t->f->bytes);
    end = vnc_put_short_pixels(t->f, pixels, n, out->data + at);
    g_byte_array_set_size(out, end - out->data);
}

static void put_packed(const Tile *t, GByteArray *out)
{
    unsigned bits = index_bits(t->palette.n);

    vnc_put_u8(out, t->palette.n);
    put_colours(t, t->palette.colours, t->palette.n, out);
    for (unsigned y = 0; y < t->px->h; y++) {
        unsigned byte = 0, filled = 0;

        for (unsigned x = 0; x < t->px->w; x++) {
            byte = byte << bits | vnc_palette_index(&t->palette, t->pixels[y * t->px->w + x]);
            filled += bits;
            if (filled == 8) {
                vnc_put_u8(out, byte);
                byte = filled = 0;
            }
        }
        if (filled) {
            vnc_put_u8(out, byte << (8 - filled));
        }
    }
}

/* The length less one, as a sum of bytes of which all but the last are 255. */
static void put_length(unsigned length, GByteArray *out)
{
    for (length--; length >= RUN_MORE; length -= RUN_MORE) {
        vnc_put_u8(out, RUN_MORE);
    }
    vnc_put_u8(out, length);
}

static void put_runs(const Tile *t, GByteArray *out)
{
    vnc_put_u8(out, PALETTE_RLE + t->palette.n);
    put_colours(t, t->palette.colours, t->palette.n, out);
    for (unsigned i = 0, length; i < t->n; i += length) {
        unsigned index = vnc_palette_index(&t->palette, t->pixels[i]);

        for (length = 1; i + length < t->n && t->pixels[i + length] == t->pixels[i]; length++) {
        }
        vnc_put_u8(out, length > 1 ? index | 128 : index);
        if (length > 1) {
            put_length(length, out);
        }
    }
}

static void put_tile(Tile *t, GByteArray *out)
{
    unsigned pixel = t->f->short_at < 4 ? 3 : t->f->bytes;
    size_t plain, packed, runs;

    t->palette_ok = vnc_palette_make(&t->palette, t->px, RLE_MAX);
    plain = plain_size(t, pixel);
    packed = packed_size(t, pixel);
    runs = runs_size(t, pixel);
    if (t->palette_ok && t->palette.n == 1) {
        vnc_put_u8(out, SOLID);
        put_colours(t, t->palette.colours, 1, out);
    } else if (packed && packed <= plain && packed <= runs) {
        put_packed(t, out);
    } else if (runs && runs < plain) {
        put_runs(t, out);
    } else {
        vnc_put_u8(out, PLAIN);
        put_colours(t, t->pixels, t->n, out);
    }
}

void vnc_put_zrle(VncDeflate *d, const VncSettings *s, GByteArray *out, const VncPixels *px)
{
    g_autoptr(GByteArray) tiles = g_byte_array_new();
    g_autofree Tile *t = g_new(Tile, 1);
    guint at = out->len;
    uint32_t length;

    t->f = &s->format;
    for (unsigned y = 0; y < px->h; y += TILE) {
        for (unsigned x = 0; x < px->w; x += TILE) {
            VncPixels part = vnc_part(px, x, y, MIN(TILE, px->w - x), MIN(TILE, px->h - y));

            t->px = &part;
            t->n = part.w * part.h;
            for (unsigned j = 0; j < part.h; j++) {
                memcpy(t->pixels + j * part.w, part.data + (size_t)j * part.stride,
                       part.w * sizeof(*t->pixels));
            }
            put_tile(t, tiles);
        }
    }
    vnc_put_u32(out, 0);
    vnc_deflate(d, s->level, tiles->data, tiles->len, out);
    length = GUINT32_TO_BE(out->len - at - sizeof(length));
    memcpy(out->data + at, &length, sizeof(length));
}
