/* SPDX-License-Identifier: MIT */
/*
 * The BLT engine of a CL-GD5446.  Spec: Cirrus Logic, CL-GD5446 Technical Reference Manual: graphics controller
 * registers GR20 to GR39 and the chapter on bit block transfers.
 * A BLT is done line by line: the line's source becomes bytes with a mask of those to write, and the raster
 * operation joins them with the destination.  Addresses wrap at the end of video memory.  It is over before the
 * guest's next instruction, unless the CPU gives the source.
 * Not modelled: screen to system memory, the mask of transparent colours, BLTs in step with the display.
 */
#include "rhea/osdep.h"

#include "cirrus-int.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    MODE_BACKWARDS = 0x01,
    MODE_TO_SYSTEM = 0x02,
    MODE_FROM_SYSTEM = 0x04,
    MODE_TRANSPARENT = 0x08,
    MODE_PATTERN = 0x40,
    MODE_EXPAND = 0x80
};
enum { EXT_DWORD_LINES = 0x01, EXT_INVERT = 0x02, EXT_SOLID = 0x04 };
enum { MAX_WIDTH = 8192, PATTERN_LINES = 8, PATTERN_DOTS = 8 };

/* The registers, and a line on its way. */
typedef struct Blt {
    Cirrus *s;
    uint32_t width, height; /* bytes, lines */
    uint32_t dst_pitch, src_pitch, dst, src;
    uint8_t mode, extensions, rop;
    uint32_t pixel; /* bytes */
    uint32_t skip;  /* bytes at the left that stay as they are */
    uint8_t foreground[4], background[4];
    uint8_t line[MAX_WIDTH], mask[MAX_WIDTH], under[MAX_WIDTH];
} Blt;

/* --- Video memory --- */

static uint32_t vram_mask(const Cirrus *s)
{
    return s->card.vga.vram_size - 1; /* a power of two */
}

static void vram_get(const Cirrus *s, uint32_t addr, uint8_t *out, uint32_t len)
{
    const uint8_t *vram = s->card.vga.vram.ram->host;
    uint32_t mask = vram_mask(s);

    for (uint32_t done = 0, n; done < len; done += n) {
        uint32_t at = (addr + done) & mask;

        n = MIN(len - done, mask + 1 - at);
        memcpy(out + done, vram + at, n);
    }
}

static void vram_put(Cirrus *s, uint32_t addr, const uint8_t *data, uint32_t len)
{
    RamBlock *ram = s->card.vga.vram.ram;
    uint32_t mask = vram_mask(s);

    for (uint32_t done = 0, n; done < len; done += n) {
        uint32_t at = (addr + done) & mask;

        n = MIN(len - done, mask + 1 - at);
        memcpy(ram->host + at, data + done, n);
        ram_set_dirty(ram, at, n);
    }
}

/* --- Raster operations --- */

/* GR32: bytes of @b->line become what they make of the destination. */
static bool raster(Blt *b)
{
    uint8_t *s = b->line;
    const uint8_t *d = b->under;

#define EACH_BYTE(VALUE)                                                                           \
    for (uint32_t i = 0; i < b->width; i++) {                                                      \
        s[i] = (VALUE);                                                                            \
    }                                                                                              \
    return true
    switch (b->rop) {
    case 0x00: EACH_BYTE(0);
    case 0x05: EACH_BYTE(s[i] & d[i]);
    case 0x09: EACH_BYTE(s[i] & ~d[i]);
    case 0x0b: EACH_BYTE(~d[i]);
    case 0x0d: return true;
    case 0x0e: EACH_BYTE(0xff);
    case 0x50: EACH_BYTE(~s[i] & d[i]);
    case 0x59: EACH_BYTE(s[i] ^ d[i]);
    case 0x6d: EACH_BYTE(s[i] | d[i]);
    case 0x90: EACH_BYTE(~(s[i] | d[i]));
    case 0x95: EACH_BYTE(~(s[i] ^ d[i]));
    case 0xad: EACH_BYTE(s[i] | ~d[i]);
    case 0xd0: EACH_BYTE(~s[i]);
    case 0xd6: EACH_BYTE(~s[i] | d[i]);
    case 0xda: EACH_BYTE(~(s[i] & d[i]));
    default: return false; /* 06: the destination; others are not defined */
    }
#undef EACH_BYTE
}

/* Pixels of the key colour stay as they are: 8 and 16 bits only. */
static void mask_key(Blt *b)
{
    const uint8_t *key = b->s->gr + GR_BLT_KEY;

    if (b->pixel > 2) {
        return;
    }
    for (uint32_t i = 0; i + b->pixel <= b->width; i += b->pixel) {
        if (!memcmp(b->line + i, key, b->pixel)) {
            memset(b->mask + i, 0, b->pixel);
        }
    }
}

/* Joins the line with its place at @dst, where the mask lets it. */
static void write_line(Blt *b, uint32_t dst)
{
    vram_get(b->s, dst, b->under, b->width);
    if (!raster(b)) {
        return;
    }
    if ((b->mode & MODE_TRANSPARENT) && !(b->mode & MODE_EXPAND)) {
        mask_key(b);
    }
    for (uint32_t i = 0; i < b->width; i++) {
        b->line[i] = b->mask[i] ? b->line[i] : b->under[i];
    }
    vram_put(b->s, dst, b->line, b->width);
}

/* --- Sources --- */

static void put_pixel(Blt *b, uint32_t at, const uint8_t *colour)
{
    memcpy(b->line + at, colour, MIN(b->pixel, b->width - at));
}

/*
 * Bits, from the highest of the first byte on, as pixels of two colours; @wrap repeats the first eight.
 * Pixels of the background's bits stay when transparent; inverted, those of the foreground's.
 */
static void expand(Blt *b, const uint8_t *bits, bool wrap)
{
    bool transparent = b->mode & MODE_TRANSPARENT, invert = b->extensions & EXT_INVERT;

    for (uint32_t at = 0, n = 0; at < b->width; at += b->pixel, n++) {
        bool set = bits[wrap ? 0 : n / 8] >> (7 - n % 8) & 1;

        put_pixel(b, at, set ? b->foreground : b->background);
        if (transparent && set == invert) {
            memset(b->mask + at, 0, MIN(b->pixel, b->width - at));
        }
    }
}

/* Eight lines of eight pixels, of which those of three bytes lie in lines of 32; GR2C has the first line. */
static void fill_pattern(Blt *b, uint32_t y)
{
    uint32_t row = (b->src + y) % PATTERN_LINES;
    uint8_t pattern[PATTERN_DOTS * 4];

    if (b->extensions & EXT_SOLID) {
        for (uint32_t at = 0; at < b->width; at += b->pixel) {
            put_pixel(b, at, b->foreground);
        }
    } else if (b->mode & MODE_EXPAND) {
        vram_get(b->s, (b->src & ~7u) + row, pattern, 1);
        expand(b, pattern, true);
    } else {
        uint32_t pitch = b->pixel == 3 ? 32 : PATTERN_DOTS * b->pixel;
        uint32_t used = PATTERN_DOTS * b->pixel;

        vram_get(b->s, (b->src & ~(pitch * PATTERN_LINES - 1)) + row * pitch, pattern, used);
        for (uint32_t at = 0; at < b->width; at++) {
            b->line[at] = pattern[at % used];
        }
    }
}

/* The mask for pixels at the left that a source of bits or a pattern skips (GR2F). */
static void start_mask(Blt *b)
{
    uint32_t skip = b->mode & (MODE_EXPAND | MODE_PATTERN) ? MIN(b->skip, b->width) : 0;

    memset(b->mask, 0, skip);
    memset(b->mask + skip, 1, b->width - skip);
}

/* --- BLTs --- */

static uint32_t reg(const Cirrus *s, unsigned first, uint32_t mask)
{
    return ld32_le(s->gr + first) & mask;
}

static void read_registers(Cirrus *s, Blt *b)
{
    uint8_t skip = s->gr[GR_BLT_SKIP];

    b->s = s;
    b->width = reg(s, GR_BLT_WIDTH, 0x1fff) + 1;
    b->height = reg(s, GR_BLT_HEIGHT, 0x7ff) + 1;
    b->dst_pitch = reg(s, GR_BLT_DST_PITCH, 0x1fff);
    b->src_pitch = reg(s, GR_BLT_SRC_PITCH, 0x1fff);
    b->dst = reg(s, GR_BLT_DST, 0x3fffff);
    b->src = reg(s, GR_BLT_SRC, 0x3fffff);
    b->mode = s->gr[GR_BLT_MODE];
    b->extensions = s->gr[GR_BLT_EXTENSIONS];
    b->rop = s->gr[GR_BLT_ROP];
    b->pixel = (b->mode >> 4 & 3) + 1;
    b->skip = b->pixel == 3 && (b->mode & MODE_PATTERN) ? skip & 31u : (skip & 7u) * b->pixel;
    for (unsigned i = 0; i < 4; i++) {
        b->background[i] = s->gr[i ? GR_BACKGROUND_1 + 2 * (i - 1) : GR_BACKGROUND];
        b->foreground[i] = s->gr[i ? GR_FOREGROUND_1 + 2 * (i - 1) : GR_FOREGROUND];
    }
}

/* A source line as it lies in memory: pixels, or bits of them. */
static uint32_t source_bytes(const Blt *b)
{
    uint32_t pixels = (b->width + b->pixel - 1) / b->pixel;

    if (!(b->mode & MODE_EXPAND)) {
        return b->width;
    }
    return (b->extensions & EXT_DWORD_LINES) && (b->mode & MODE_FROM_SYSTEM)
               ? (pixels + 31) / 32 * 4
               : (pixels + 7) / 8;
}

static void copy_line(Blt *b, const uint8_t *source, uint32_t dst)
{
    start_mask(b);
    if (b->mode & MODE_EXPAND) {
        expand(b, source, false);
    } else {
        memcpy(b->line, source, b->width);
    }
    write_line(b, dst);
}

static void fill(Blt *b)
{
    for (uint32_t y = 0; y < b->height; y++) {
        start_mask(b);
        fill_pattern(b, y);
        write_line(b, b->dst + y * b->dst_pitch);
    }
}

/* Backwards the addresses are those of the last bytes, and all goes down from there. */
static void copy(Blt *b)
{
    uint8_t source[MAX_WIDTH];
    uint32_t bytes = source_bytes(b), from = b->src, src = b->src;
    bool expanded = b->mode & MODE_EXPAND, back = (b->mode & MODE_BACKWARDS) && !expanded;
    uint32_t first = back ? b->width - 1 : 0, sign = back ? UINT32_MAX : 1;

    for (uint32_t y = 0; y < b->height; y++) {
        from = expanded ? src : b->src + sign * y * b->src_pitch - first;
        vram_get(b->s, from, source, bytes);
        copy_line(b, source, b->dst + sign * y * b->dst_pitch - first);
        src += bytes; /* bits follow each other without a pitch */
    }
}

/* Lines of pixels are filled up to doublewords; bits come by bytes, or by doublewords when that is asked for. */
static void start_feed(Cirrus *s, const Blt *b)
{
    CirrusFeed *f = &s->feed;
    uint32_t bytes = source_bytes(b);

    f->active = true;
    f->line = f->have = 0;
    f->lines = b->height;
    f->line_bytes = b->mode & MODE_EXPAND ? bytes : (bytes + 3) & ~3u;
    cirrus_update_overlay(s);
}

void cirrus_blt_start(Cirrus *s)
{
    g_autofree Blt *b = g_new(Blt, 1);

    cirrus_blt_stop(s);
    read_registers(s, b);
    if (b->mode & MODE_TO_SYSTEM) {
        return;
    }
    if (b->mode & MODE_PATTERN) {
        fill(b);
    } else if (b->mode & MODE_FROM_SYSTEM) {
        start_feed(s, b);
    } else {
        copy(b);
    }
}

void cirrus_blt_stop(Cirrus *s)
{
    s->feed.active = false;
    cirrus_update_overlay(s);
}

void cirrus_blt_feed(Cirrus *s, uint8_t v)
{
    CirrusFeed *f = &s->feed;
    g_autofree Blt *b = NULL;

    f->bytes[f->have++] = v;
    if (f->have < f->line_bytes) {
        return;
    }
    b = g_new(Blt, 1);
    read_registers(s, b);
    copy_line(b, f->bytes, b->dst + f->line * b->dst_pitch);
    f->have = 0;
    if (++f->line == f->lines) {
        cirrus_blt_stop(s);
    }
}
