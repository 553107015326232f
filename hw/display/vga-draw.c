/* SPDX-License-Identifier: MIT */
/*
 * Lines of a VGA's picture.  Spec: IBM VGA technical reference (PS/2 hardware interface).
 * The CRTC counts characters and scan lines; address bits come from both; from each address the four planes
 * give a character's pixels.  Planes lie as vga-mem.c has them: a plane's byte at 4 * address + plane.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "pixels.h"
#include "rhea/bits.h"
#include "vga-screen.h"

enum { MODE_KEEP_13 = 0x01, MODE_KEEP_14 = 0x02, MODE_WRAP_15 = 0x20, MODE_BYTES = 0x40 };
enum { UNDERLINE_DWORDS = 0x4000, DIRECT_PIXELS = 4, MAX_FONT_LINES = 32 };
enum { ATTR_BLINK = 0x80, ATTR_FONT = 0x08, LINE_CHAR_FIRST = 0xc0, LINE_CHAR_LAST = 0xdf };

/* Where a line starts in the CRTC's counters. */
typedef struct LinePlace {
    uint32_t address;  /* counted, before map_address() */
    uint32_t row_line; /* of the row of characters */
    uint32_t pan;
} LinePlace;

static LinePlace line_place(const VgaScreen *sc, unsigned y)
{
    bool below = y >= sc->split;
    unsigned line =
        (below ? y - sc->split : y) / sc->line_repeat + (below ? 0 : sc->first_row_line);
    LinePlace p = {
        .address = (below ? 0 : sc->start) + line / sc->row_lines * sc->pitch,
        .row_line = line % sc->row_lines,
        .pan = below && !sc->split_pan ? 0 : sc->pan,
    };

    return p;
}

/* The address in the planes for the CRTC's counters, by its mode control and underline registers. */
static uint64_t map_address(const VgaScreen *sc, uint32_t counter, unsigned row_line)
{
    uint32_t a = counter;

    if (sc->address_mode & UNDERLINE_DWORDS) {
        a = counter << 2 | (counter >> 14 & 3);
    } else if (!(sc->address_mode & MODE_BYTES)) {
        a = counter << 1 | (counter >> (sc->address_mode & MODE_WRAP_15 ? 15 : 13) & 1);
    }
    if (!(sc->address_mode & MODE_KEEP_13)) {
        a = (a & ~BIT(13)) | (row_line & 1) << 13;
    }
    if (!(sc->address_mode & MODE_KEEP_14)) {
        a = (a & ~BIT(14)) | (row_line >> 1 & 1) << 14;
    }
    a &= sc->address_mask;
    return sc->chained ? a >> 2
                       : a; /* chained bytes lie side by side here, not at each fourth address */
}

/* The four planes at an address. */
static uint32_t fetch(const Vga *s, uint64_t address)
{
    uint32_t v = 0;

    if (address < s->vram_size / 4) {
        memcpy(&v, s->vram.ram->host + address * 4, sizeof(v));
        v = GUINT32_FROM_LE(v);
    }
    return v;
}

static uint32_t *put(uint32_t *out, uint32_t colour, unsigned n)
{
    while (n--) {
        *out++ = colour;
    }
    return out;
}

/* --- Graphics --- */

static uint32_t *draw_planar(const VgaScreen *sc, uint32_t v, uint32_t *out)
{
    for (int bit = 7; bit >= 0; bit--) {
        unsigned colour =
            (v >> bit & 1) | (v >> (bit + 7) & 2) | (v >> (bit + 14) & 4) | (v >> (bit + 21) & 8);

        out = put(out, sc->colours[colour], sc->dot_width);
    }
    return out;
}

/* Planes 0 and 2 are shifted out two bits at a time, then planes 1 and 3: the even plane is the low half. */
static uint32_t *draw_packed(const VgaScreen *sc, uint32_t v, uint32_t *out)
{
    for (unsigned odd = 0; odd < 2; odd++) {
        for (int bit = 6; bit >= 0; bit -= 2) {
            unsigned low = v >> (8 * odd + bit) & 3, high = v >> (16 + 8 * odd + bit) & 3;

            out = put(out, sc->colours[high << 2 | low], sc->dot_width);
        }
    }
    return out;
}

static uint32_t *draw_bytes(const VgaScreen *sc, uint32_t v, uint32_t *out)
{
    for (unsigned n = 0; n < DIRECT_PIXELS; n++) {
        out = put(out, sc->colours[v >> (8 * n) & 0xff], 2 * sc->dot_width);
    }
    return out;
}

/* --- Text --- */

static unsigned glyph_line(const Vga *s, const VgaScreen *sc, uint8_t code, uint8_t attr,
                           unsigned line)
{
    uint32_t map = sc->font[attr & ATTR_FONT ? 1 : 0];

    return line < MAX_FONT_LINES ? fetch(s, map + code * MAX_FONT_LINES + line) >> 16 & 0xff : 0;
}

static bool cursor_here(const VgaScreen *sc, VgaPhase phase, uint32_t counter, unsigned line)
{
    return phase.cursor_on && (counter & 0xffff) == sc->cursor && line >= sc->cursor_first &&
           line <= sc->cursor_last;
}

static uint32_t *draw_text(const Vga *s, const VgaScreen *sc, VgaPhase phase, uint32_t counter,
                           unsigned line, uint32_t *out)
{
    uint32_t cell = fetch(s, map_address(sc, counter, line));
    uint8_t code = cell, attr = cell >> 8;
    unsigned bits = glyph_line(s, sc, code, attr, line) << 1;
    uint32_t fore = sc->colours[attr & 15], back = sc->colours[attr >> 4 & (sc->blink ? 7 : 15)];

    if (sc->wide_lines && code >= LINE_CHAR_FIRST && code <= LINE_CHAR_LAST) {
        bits |= bits >> 1 & 1;
    }
    if (sc->blink && (attr & ATTR_BLINK) && !phase.text_on) {
        bits = 0;
    } else if (line == sc->underline && (attr & 0x77) == 1) {
        bits = 0x1ff;
    }
    if (cursor_here(sc, phase, counter, line)) {
        bits = 0x1ff;
    }
    for (unsigned dot = 0; dot < sc->char_dots; dot++) {
        out = put(out, bits & (0x100 >> dot) ? fore : back, sc->dot_width);
    }
    return out;
}

/* --- Lines --- */

static void draw_linear(const Vga *s, const VgaScreen *sc, unsigned y, uint32_t *out)
{
    unsigned bytes = pixels_bytes(sc->format);
    uint64_t offset = sc->linear_start + y * sc->linear_pitch;
    uint64_t there = offset < s->vram_size ? (s->vram_size - offset) / bytes : 0;
    unsigned n = MIN(there, sc->width);

    pixels_convert(sc->format, sc->colours, s->vram.ram->host + (n ? offset : 0), out, n);
    memset(out + n, 0, (sc->width - n) * sizeof(*out));
}

size_t vga_scratch_pixels(const VgaScreen *sc)
{
    return (size_t)(sc->chars + 2) * MAX(sc->char_dots, 8) * sc->dot_width;
}

void vga_draw_line(const Vga *s, const VgaScreen *sc, VgaPhase phase, unsigned y, uint32_t *scratch,
                   uint32_t *out)
{
    LinePlace p;
    uint32_t *end = scratch;

    if (sc->kind == VGA_LINEAR) {
        draw_linear(s, sc, y, out);
        return;
    }
    if (sc->kind == VGA_BLANK) {
        memset(out, 0, sc->width * sizeof(*out));
        return;
    }
    p = line_place(sc, y);
    for (unsigned i = 0; i <= sc->chars; i++) { /* one more than fits, for what panning moves in */
        uint32_t counter = p.address + i;

        if (sc->kind == VGA_TEXT) {
            end = draw_text(s, sc, phase, counter, p.row_line, end);
        } else {
            uint32_t v = fetch(s, map_address(sc, counter, p.row_line));

            end = sc->kind == VGA_PLANAR   ? draw_planar(sc, v, end)
                  : sc->kind == VGA_PACKED ? draw_packed(sc, v, end)
                                           : draw_bytes(sc, v, end);
        }
    }
    memcpy(out, scratch + p.pan, sc->width * sizeof(*out));
}

void vga_draw_pointer(const VgaPointer *p, unsigned y, uint32_t *out, unsigned width)
{
    int64_t line = (int64_t)y - p->y;

    if (line < 0 || line >= p->side) {
        return;
    }
    for (uint32_t n = 0; n < p->side; n++) {
        int64_t x = (int64_t)p->x + n;
        unsigned low = p->planes[0][line] >> (63 - n) & 1;

        if (x < 0 || x >= width) {
            continue;
        }
        if (p->planes[1][line] >> (63 - n) & 1) {
            out[x] = p->colours[low];
        } else if (low) {
            out[x] ^= 0xffffff;
        }
    }
}

void vga_line_memory(const Vga *s, const VgaScreen *sc, unsigned y, uint64_t *offset, uint64_t *len)
{
    uint64_t first, last;

    if (sc->kind == VGA_LINEAR) {
        first = sc->linear_start + y * sc->linear_pitch;
        last = first + (uint64_t)sc->width * pixels_bytes(sc->format);
    } else {
        LinePlace p = line_place(sc, y);

        first = 4 * map_address(sc, p.address, p.row_line);
        last = 4 * map_address(sc, p.address + sc->chars, p.row_line) + 4;
        if (last <= first) { /* wraps at the end of the planes */
            first = 0;
            last = s->vram_size;
        }
    }
    *offset = MIN(first, s->vram_size);
    *len = MIN(last, s->vram_size) - *offset;
}

bool vga_line_blinks(const Vga *s, const VgaScreen *sc, unsigned y)
{
    LinePlace p = line_place(sc, y);

    for (unsigned i = 0; i <= sc->chars; i++) {
        if (fetch(s, map_address(sc, p.address + i, p.row_line)) >> 8 & ATTR_BLINK) {
            return true;
        }
    }
    return false;
}

/* --- Text for those who want characters --- */

void vga_text_row(const Vga *s, const VgaScreen *sc, unsigned row, uint16_t *cells)
{
    LinePlace p = line_place(sc, row * sc->row_lines * sc->line_repeat);

    for (unsigned i = 0; i < sc->chars; i++) {
        cells[i] = fetch(s, map_address(sc, p.address + i, 0));
    }
}

bool vga_text_cursor(const VgaScreen *sc, unsigned *cell)
{
    unsigned row, column;

    if (sc->cursor_first > sc->cursor_last || sc->cursor < sc->start || !sc->pitch) {
        return false;
    }
    row = (sc->cursor - sc->start) / sc->pitch;
    column = (sc->cursor - sc->start) % sc->pitch;
    *cell = row * sc->chars + column;
    return column < sc->chars && row * sc->row_lines * sc->line_repeat < sc->height;
}
