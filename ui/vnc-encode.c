/* SPDX-License-Identifier: MIT */
/*
 * Pixels for VNC viewers: conversion to the format that a client chose, and the choice of the encoding.
 * Spec: RFC 6143 sections 7.4, 7.7.1 and 7.7.6 (CPIXEL); the community's RFB document for zlib.
 */
#include "rhea/osdep.h"

#include "vnc-encode.h"

/* The streams begin with their first use. */
struct VncEncoder {
    VncDeflate *zlib, *zrle, *tight[VNC_TIGHT_STREAMS];
};

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

/* --- Formats --- */

void vnc_format_native(VncFormat *f)
{
    *f = (VncFormat){.bytes = 4,
                     .depth = 24,
                     .big_endian = G_BYTE_ORDER == G_BIG_ENDIAN,
                     .max = {255, 255, 255},
                     .shift = {16, 8, 0}};
    vnc_format_prepare(f);
}

/* Whether one byte of a pixel counts for nothing, and where the others are. */
static unsigned find_short(const VncFormat *f)
{
    uint32_t used = 0;

    for (unsigned i = 0; i < 3; i++) {
        used |= (uint32_t)f->max[i] << f->shift[i];
    }
    if (f->bytes != 4 || f->depth > 24 || (used & 0xff && used >> 24)) {
        return 4;
    }
    return !(used >> 24) == f->big_endian;
}

void vnc_format_prepare(VncFormat *f)
{
    f->native = f->bytes == 4 && f->big_endian == (G_BYTE_ORDER == G_BIG_ENDIAN);
    for (unsigned i = 0; i < 3; i++) {
        f->native &= f->max[i] == 255 && f->shift[i] == 16 - 8 * i;
        for (unsigned v = 0; v < 256; v++) {
            f->part[i][v] = (v * f->max[i] + 127) / 255 << f->shift[i];
        }
    }
    f->short_at = find_short(f);
}

static uint32_t convert(const VncFormat *f, uint32_t pixel)
{
    return f->part[0][pixel >> 16 & 0xff] | f->part[1][pixel >> 8 & 0xff] |
           f->part[2][pixel & 0xff];
}

static inline uint8_t *put_pixel(const VncFormat *f, uint32_t v, unsigned from, unsigned to,
                                 uint8_t *out)
{
    for (unsigned b = from; b < to; b++) {
        *out++ = v >> 8 * (f->big_endian ? f->bytes - 1 - b : b);
    }
    return out;
}

uint8_t *vnc_put_pixels(const VncFormat *f, const uint32_t *pixels, unsigned n, uint8_t *out)
{
    if (f->native) {
        memcpy(out, pixels, (size_t)n * sizeof(*pixels));
        return out + (size_t)n * sizeof(*pixels);
    }
    for (unsigned i = 0; i < n; i++) {
        out = put_pixel(f, convert(f, pixels[i]), 0, f->bytes, out);
    }
    return out;
}

uint8_t *vnc_put_short_pixels(const VncFormat *f, const uint32_t *pixels, unsigned n, uint8_t *out)
{
    if (f->short_at == 4) {
        return vnc_put_pixels(f, pixels, n, out);
    }
    for (unsigned i = 0; i < n; i++) {
        out = put_pixel(f, convert(f, pixels[i]), f->short_at, f->short_at + 3, out);
    }
    return out;
}

/* --- Encodings --- */

VncPixels vnc_part(const VncPixels *px, unsigned x, unsigned y, unsigned w, unsigned h)
{
    return (VncPixels){
        .data = px->data + (size_t)y * px->stride + x, .stride = px->stride, .w = w, .h = h};
}

static void put_raw(const VncFormat *f, GByteArray *out, const VncPixels *px)
{
    guint at = out->len;
    uint8_t *p;

    g_byte_array_set_size(out, at + px->w * px->h * f->bytes);
    p = out->data + at;
    for (unsigned y = 0; y < px->h; y++) {
        p = vnc_put_pixels(f, px->data + (size_t)y * px->stride, px->w, p);
    }
}

static void put_zlib(VncDeflate *d, const VncSettings *s, GByteArray *out, const VncPixels *px)
{
    g_autoptr(GByteArray) raw = g_byte_array_new();
    guint at = out->len;
    uint32_t length;

    put_raw(&s->format, raw, px);
    vnc_put_u32(out, 0);
    vnc_deflate(d, s->level, raw->data, raw->len, out);
    length = GUINT32_TO_BE(out->len - at - sizeof(length));
    memcpy(out->data + at, &length, sizeof(length));
}

static VncDeflate *stream(VncDeflate **d)
{
    if (!*d) {
        *d = vnc_deflate_new();
    }
    return *d;
}

static unsigned encode_tight(VncEncoder *e, const VncSettings *s, GByteArray *out, unsigned x,
                             unsigned y, const VncPixels *px)
{
    unsigned n = 0;

    for (unsigned i = 0; i < VNC_TIGHT_STREAMS; i++) {
        stream(&e->tight[i]);
    }
    for (unsigned j = 0; j < px->h; j += VNC_TIGHT_SIDE) {
        for (unsigned i = 0; i < px->w; i += VNC_TIGHT_SIDE) {
            VncPixels part =
                vnc_part(px, i, j, MIN(VNC_TIGHT_SIDE, px->w - i), MIN(VNC_TIGHT_SIDE, px->h - j));

            vnc_put_rect(out, x + i, y + j, part.w, part.h, VNC_TIGHT);
            vnc_put_tight(e->tight, s, out, &part);
            n++;
        }
    }
    return n;
}

unsigned vnc_encode(VncEncoder *e, const VncSettings *s, GByteArray *out, unsigned x, unsigned y,
                    const VncPixels *px)
{
    if (s->encoding == VNC_TIGHT) {
        return encode_tight(e, s, out, x, y, px);
    }
    vnc_put_rect(out, x, y, px->w, px->h, s->encoding);
    if (s->encoding == VNC_HEXTILE) {
        vnc_put_hextile(&s->format, out, px);
    } else if (s->encoding == VNC_ZRLE) {
        vnc_put_zrle(stream(&e->zrle), s, out, px);
    } else if (s->encoding == VNC_ZLIB) {
        put_zlib(stream(&e->zlib), s, out, px);
    } else {
        put_raw(&s->format, out, px);
    }
    return 1;
}

VncEncoder *vnc_encoder_new(void)
{
    return g_new0(VncEncoder, 1);
}

void vnc_encoder_free(VncEncoder *e)
{
    vnc_deflate_free(e->zlib);
    vnc_deflate_free(e->zrle);
    for (unsigned i = 0; i < VNC_TIGHT_STREAMS; i++) {
        vnc_deflate_free(e->tight[i]);
    }
    g_free(e);
}
