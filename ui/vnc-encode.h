/* SPDX-License-Identifier: MIT */
/*
 * Pixels on their way to VNC viewers: formats and encodings.  An encoder's compressed streams are used by one thread
 * at a time, and no function here looks at the guest's screen itself, only at copies.
 */
#ifndef UI_VNC_ENCODE_H
#define UI_VNC_ENCODE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rhea/error.h"

/* Encodings and pseudo encodings by their numbers in RFC 6143 and the community's RFB document. */
enum {
    VNC_RAW = 0,
    VNC_HEXTILE = 5,
    VNC_ZLIB = 6,
    VNC_TIGHT = 7,
    VNC_ZRLE = 16,
    VNC_QUALITY_0 = -32, /* to quality nine */
    VNC_QUALITY_9 = -23,
    VNC_DESKTOP_SIZE = -223,
    VNC_CURSOR = -239,
    VNC_COMPRESS_0 = -256, /* to level nine */
    VNC_COMPRESS_9 = -247,
    VNC_QEMU_POINTER = -257,
    VNC_QEMU_KEY = -258,
    VNC_EXT_DESKTOP_SIZE = -308,
    VNC_FENCE = -312,
    VNC_CONTINUOUS = -313,
    VNC_ALPHA_CURSOR = -314,
};

/* How a client wants its pixels (RFC 6143 7.4); true colour only. */
typedef struct VncFormat {
    unsigned bytes, depth; /* of a pixel: 1, 2, 4; bits that count */
    bool big_endian;
    uint16_t max[3]; /* red, green, blue */
    uint8_t shift[3];
    bool native;           /* as the surfaces are */
    uint32_t part[3][256]; /* what a colour's share adds to the pixel; vnc_format_prepare() */
    unsigned
        short_at; /* the first of the three bytes that count, of a pixel with four; 4: all count */
} VncFormat;

typedef struct VncSettings {
    VncFormat format;
    int encoding;
    int level;   /* of compression, 1 to 9 */
    int quality; /* 0 to 9; -1: nothing may be lost */
} VncSettings;

/* A copy of part of the screen: x8r8g8b8 with the x zero. */
typedef struct VncPixels {
    const uint32_t *data;
    unsigned stride, w, h; /* in pixels */
} VncPixels;

/* --- vnc-encode.c --- */

typedef struct VncEncoder VncEncoder;
VncEncoder *vnc_encoder_new(void);
void vnc_encoder_free(VncEncoder *e);
/* The rectangle at x, y in the encoding; the number of rectangles that it became. */
unsigned vnc_encode(VncEncoder *e, const VncSettings *s, GByteArray *out, unsigned x, unsigned y,
                    const VncPixels *px);

void vnc_format_native(VncFormat *f);
/* After a change of the fields that the client chooses. */
void vnc_format_prepare(VncFormat *f);
void vnc_put_u8(GByteArray *out, unsigned v);
void vnc_put_u16(GByteArray *out, unsigned v);
void vnc_put_u32(GByteArray *out, uint32_t v);
void vnc_put_rect(GByteArray *out, unsigned x, unsigned y, unsigned w, unsigned h, int encoding);
/* Writes @n pixels in the client's format; returns the end. */
uint8_t *vnc_put_pixels(const VncFormat *f, const uint32_t *pixels, unsigned n, uint8_t *out);
/* The same without the byte that does not count, if there is one (ZRLE's CPIXEL). */
uint8_t *vnc_put_short_pixels(const VncFormat *f, const uint32_t *pixels, unsigned n, uint8_t *out);
VncPixels vnc_part(const VncPixels *px, unsigned x, unsigned y, unsigned w, unsigned h);

/* --- vnc-palette.c --- */

enum { VNC_PALETTE_MAX = 256, VNC_PALETTE_SLOTS = 1024 };

/* The colours of a rectangle, in the order in which they come. */
typedef struct VncPalette {
    unsigned n;
    uint32_t colours[VNC_PALETTE_MAX];
    uint32_t runs; /* of equal pixels, line by line through the rectangle */
    int16_t slots[VNC_PALETTE_SLOTS];
} VncPalette;

/* False: there are more than @most colours, and p->n is @most + 1. */
bool vnc_palette_make(VncPalette *p, const VncPixels *px, unsigned most);
/* Of a colour that is in it. */
unsigned vnc_palette_index(const VncPalette *p, uint32_t colour);

/* --- vnc-zlib.c --- */

/* Compressed data that goes on from one rectangle to the next. */
typedef struct VncDeflate VncDeflate;
VncDeflate *vnc_deflate_new(void);
void vnc_deflate_free(VncDeflate *d); /* NULL is allowed */
/* Appends @in so that the receiver can unpack all of it. */
void vnc_deflate(VncDeflate *d, int level, const uint8_t *in, size_t len, GByteArray *out);

/* --- One file each: the rectangle's contents, without its header --- */

void vnc_put_hextile(const VncFormat *f, GByteArray *out, const VncPixels *px);
void vnc_put_zrle(VncDeflate *d, const VncSettings *s, GByteArray *out, const VncPixels *px);

/* Tight's streams by what is in them. */
enum { VNC_TIGHT_FULL, VNC_TIGHT_MONO, VNC_TIGHT_INDEXED, VNC_TIGHT_STREAMS };
/* At most 128 by 128 pixels. */
enum { VNC_TIGHT_SIDE = 128 };
void vnc_put_tight(VncDeflate *streams[VNC_TIGHT_STREAMS], const VncSettings *s, GByteArray *out,
                   const VncPixels *px);

/* --- vnc-jpeg.c, or vnc-nojpeg.c in a build without it --- */

/* Whether pictures can be made. */
bool vnc_jpeg_check(Error **errp) MUST_CHECK;
/* The picture of quality 0 to 9, vnc_jpeg_free(); NULL: it cannot be made. */
uint8_t *vnc_jpeg(const VncPixels *px, int quality, size_t *len);
void vnc_jpeg_free(uint8_t *picture);

#endif
