/* SPDX-License-Identifier: MIT */
/*
 * Tight: each rectangle as one colour, by numbers of two or of up to 256 colours, as it is, or as a JPEG picture.
 * Spec: the community's RFB document, "Tight Encoding".  Not used: the gradient filter, the fourth stream.
 * One thread for each client at a time.
 */
#include "rhea/osdep.h"

#include "vnc-encode.h"

enum { CONTROL_FILTER = 0x40, CONTROL_FILL = 0x80, CONTROL_JPEG = 0x90, STREAM_SHIFT = 4 };
enum { FILTER_PALETTE = 1 };
enum { UNCOMPRESSED_MAX = 11, JPEG_MIN_PIXELS = 256 };

/* Pixels of 32 bits with eight for each colour travel as three bytes, red first (TPIXEL). */
static bool three_bytes(const VncFormat *f)
{
    return f->bytes == 4 && f->depth == 24 && f->max[0] == 255 && f->max[1] == 255 &&
           f->max[2] == 255;
}

static uint8_t *put_pixels(const VncFormat *f, const uint32_t *pixels, unsigned n, uint8_t *out)
{
    if (!three_bytes(f)) {
        return vnc_put_pixels(f, pixels, n, out);
    }
    for (unsigned i = 0; i < n; i++) {
        *out++ = pixels[i] >> 16;
        *out++ = pixels[i] >> 8;
        *out++ = pixels[i];
    }
    return out;
}

static void put_colours(const VncFormat *f, const uint32_t *colours, unsigned n, GByteArray *out)
{
    uint8_t buf[VNC_PALETTE_MAX * sizeof(uint32_t)];

    g_byte_array_append(out, buf, put_pixels(f, colours, n, buf) - buf);
}

/* Seven bits a byte, the lowest first; eight in the third. */
static void put_length(size_t len, GByteArray *out)
{
    vnc_put_u8(out, (len & 0x7f) | (len > 0x7f ? 0x80 : 0));
    if (len > 0x7f) {
        vnc_put_u8(out, (len >> 7 & 0x7f) | (len > 0x3fff ? 0x80 : 0));
    }
    if (len > 0x3fff) {
        vnc_put_u8(out, len >> 14);
    }
}

static void put_data(VncDeflate *d, int level, const uint8_t *data, size_t len, GByteArray *out)
{
    g_autoptr(GByteArray) packed = NULL;

    if (len <= UNCOMPRESSED_MAX) {
        g_byte_array_append(out, data, len);
        return;
    }
    packed = g_byte_array_new();
    vnc_deflate(d, level, data, len, packed);
    put_length(packed->len, out);
    g_byte_array_append(out, packed->data, packed->len);
}

/* One bit a pixel, each line from a new byte on. */
static size_t pack_mono(const VncPalette *p, const VncPixels *px, uint8_t *out)
{
    unsigned row = (px->w + 7) / 8;

    memset(out, 0, (size_t)row * px->h);
    for (unsigned y = 0; y < px->h; y++) {
        const uint32_t *line = px->data + (size_t)y * px->stride;

        for (unsigned x = 0; x < px->w; x++) {
            out[y * row + x / 8] |= (line[x] != p->colours[0]) << (7 - x % 8);
        }
    }
    return (size_t)row * px->h;
}

static size_t pack_indexed(const VncPalette *p, const VncPixels *px, uint8_t *out)
{
    for (unsigned y = 0; y < px->h; y++) {
        const uint32_t *line = px->data + (size_t)y * px->stride;

        for (unsigned x = 0; x < px->w; x++) {
            out[y * px->w + x] = vnc_palette_index(p, line[x]);
        }
    }
    return (size_t)px->w * px->h;
}

static void put_by_palette(VncDeflate **streams, const VncSettings *s, GByteArray *out,
                           const VncPalette *p, const VncPixels *px)
{
    uint8_t data[VNC_TIGHT_SIDE * VNC_TIGHT_SIDE];
    unsigned stream = p->n == 2 ? VNC_TIGHT_MONO : VNC_TIGHT_INDEXED;
    size_t len = p->n == 2 ? pack_mono(p, px, data) : pack_indexed(p, px, data);

    vnc_put_u8(out, CONTROL_FILTER | stream << STREAM_SHIFT);
    vnc_put_u8(out, FILTER_PALETTE);
    vnc_put_u8(out, p->n - 1);
    put_colours(&s->format, p->colours, p->n, out);
    put_data(streams[stream], s->level, data, len, out);
}

static void put_full(VncDeflate *d, const VncSettings *s, GByteArray *out, const VncPixels *px)
{
    uint8_t data[VNC_TIGHT_SIDE * VNC_TIGHT_SIDE * sizeof(uint32_t)], *end = data;

    for (unsigned y = 0; y < px->h; y++) {
        end = put_pixels(&s->format, px->data + (size_t)y * px->stride, px->w, end);
    }
    vnc_put_u8(out, VNC_TIGHT_FULL << STREAM_SHIFT);
    put_data(d, s->level, data, end - data, out);
}

static bool put_picture(const VncSettings *s, GByteArray *out, const VncPixels *px)
{
    size_t len;
    uint8_t *picture = NULL;

    if (s->quality >= 0 && s->format.bytes > 1 && px->w * px->h >= JPEG_MIN_PIXELS) {
        picture = vnc_jpeg(px, s->quality, &len);
    }
    if (!picture) {
        return false;
    }
    vnc_put_u8(out, CONTROL_JPEG);
    put_length(len, out);
    g_byte_array_append(out, picture, len);
    vnc_jpeg_free(picture);
    return true;
}

void vnc_put_tight(VncDeflate *streams[VNC_TIGHT_STREAMS], const VncSettings *s, GByteArray *out,
                   const VncPixels *px)
{
    /* With more colours than that the numbers save nothing; viewers know no more where a pixel is a byte. */
    unsigned most = s->format.bytes == 1 ? 2 : CLAMP(px->w * px->h / 4, 2, VNC_PALETTE_MAX);
    VncPalette p;

    if (vnc_palette_make(&p, px, most)) {
        if (p.n == 1) {
            vnc_put_u8(out, CONTROL_FILL);
            put_colours(&s->format, p.colours, 1, out);
        } else {
            put_by_palette(streams, s, out, &p, px);
        }
    } else if (!put_picture(s, out, px)) {
        put_full(streams[VNC_TIGHT_FULL], s, out, px);
    }
}
