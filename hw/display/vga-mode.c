/* SPDX-License-Identifier: MIT */
/*
 * From a VGA's registers to what it shows and when.  Spec: IBM VGA technical reference (PS/2 hardware
 * interface): CRTC, attribute controller, sequencer; the Bochs VBE extensions.
 * Not modelled: interlace, counting by two and four, skew, blinking graphics, overscan (not shown).
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "pixels.h"
#include "rhea/bits.h"
#include "vga-screen.h"

enum {
    CR_H_TOTAL = 0,
    CR_H_END = 1,
    CR_V_TOTAL = 6,
    CR_OVERFLOW = 7,
    CR_PRESET_ROW = 8,
    CR_MAX_LINE = 9,
    CR_CURSOR_FIRST = 0x0a,
    CR_CURSOR_LAST = 0x0b,
    CR_START = 0x0c,
    CR_CURSOR = 0x0e,
    CR_RETRACE_FIRST = 0x10,
    CR_RETRACE_LAST = 0x11,
    CR_V_END = 0x12,
    CR_OFFSET = 0x13,
    CR_UNDERLINE = 0x14,
    CR_MODE = 0x17,
    CR_LINE_COMPARE = 0x18
};
enum { MAX_LINE_DOUBLE = 0x80, MODE_LINES_BY_2 = 0x04, MODE_RUN = 0x80, CURSOR_OFF = 0x20 };
enum { AT_MODE = 0x10, AT_PLANES = 0x12, AT_PAN = 0x13, AT_COLOUR = 0x14 };
enum {
    AT_LINE_GRAPHICS = 0x04,
    AT_BLINK = 0x08,
    AT_SPLIT_NO_PAN = 0x20,
    AT_HIGH_FROM_COLOUR = 0x80,
    ATTR_INDEX_ON = 0x20
};
enum { CLOCKING_8_DOTS = 0x01, CLOCKING_HALF = 0x08, CLOCKING_OFF = 0x20 };
enum { GFX_SHIFT_PACKED = 0x20, GFX_SHIFT_BYTES = 0x40, MISC_GRAPHICS = 0x01, MISC_CLOCK = 0x0c };
enum { DOT_CLOCK_0_HZ = 25175000, DOT_CLOCK_1_HZ = 28322000 };
enum { CURSOR_HALF_FRAMES = 8, TEXT_HALF_FRAMES = 16, PLANE_ADDRESSES = 0x10000 };

/* --- Colours --- */

static uint32_t palette_colour(const Vga *s, unsigned index)
{
    const uint8_t *c = s->palette + 3 * (index & s->dac_mask);
    uint32_t v = 0;

    for (unsigned i = 0; i < 3; i++) {
        bool wide = s->vbe[VBE_ENABLE] & VBE_8BIT_DAC;

        v = v << 8 | (wide ? c[i] : (uint8_t)(c[i] << 2 | (c[i] >> 4 & 3)));
    }
    return v;
}

/* Four bits go through the attribute controller's palette, which has six, and the colour select register. */
static unsigned attribute_index(const Vga *s, unsigned colour)
{
    unsigned v = s->attr[colour & s->attr[AT_PLANES] & 0x0f] & 0x3f;
    unsigned select = s->attr[AT_COLOUR];

    if (s->attr[AT_MODE] & AT_HIGH_FROM_COLOUR) {
        v = (v & 0x0f) | (select & 3) << 4;
    }
    return v | (select >> 2 & 3) << 6;
}

static void fill_colours(const Vga *s, VgaScreen *out)
{
    bool direct = out->kind == VGA_BYTES || out->kind == VGA_LINEAR;

    for (unsigned i = 0; i < (direct ? 256 : 16); i++) {
        out->colours[i] = palette_colour(s, direct ? i : attribute_index(s, i));
    }
}

/* --- Sizes --- */

static uint32_t with_overflow(const Vga *s, unsigned low, unsigned bit_8, unsigned bit_9)
{
    uint8_t over = s->crtc[CR_OVERFLOW];

    return s->crtc[low] | (over >> bit_8 & 1) << 8 | (over >> bit_9 & 1) << 9;
}

static uint32_t lines_shown(const Vga *s)
{
    uint32_t lines = with_overflow(s, CR_V_END, 1, 6) + 1;

    return s->crtc[CR_MODE] & MODE_LINES_BY_2 ? 2 * lines : lines;
}

static VgaKind legacy_kind(const Vga *s)
{
    /* Of cards with an extension Linux's driver leaves the CRTC's bit clear, and their VGA BIOS the other set. */
    bool off = (s->seq[SEQ_RESET] & 3) != 3 ||
               (!s->extension &&
                (!(s->crtc[CR_MODE] & MODE_RUN) || (s->seq[SEQ_CLOCKING] & CLOCKING_OFF)));

    if (off || !(s->attr_index & ATTR_INDEX_ON)) {
        return VGA_BLANK;
    }
    if (!(s->gfx[GFX_MISC] & MISC_GRAPHICS)) {
        return VGA_TEXT;
    }
    if (s->gfx[GFX_MODE] & GFX_SHIFT_BYTES) {
        return VGA_BYTES;
    }
    return s->gfx[GFX_MODE] & GFX_SHIFT_PACKED ? VGA_PACKED : VGA_PLANAR;
}

/* The panning register counts dots; with nine of them to a character 8 is none, and 0 is one. */
static uint32_t pan_pixels(const Vga *s, const VgaScreen *out)
{
    unsigned pan = s->attr[AT_PAN] & 0x0f;

    if (out->kind == VGA_BYTES) {
        return (pan / 2 & 3) * 2 * out->dot_width;
    }
    if (out->char_dots == 9) {
        return pan >= 8 ? 0 : (pan + 1) * out->dot_width;
    }
    return (pan & 7) * out->dot_width;
}

static void fill_vertical(const Vga *s, VgaScreen *out)
{
    uint8_t max_line = s->crtc[CR_MAX_LINE];
    uint32_t compare =
        s->crtc[CR_LINE_COMPARE] | (s->crtc[CR_OVERFLOW] & 0x10u) << 4 | (max_line & 0x40u) << 3;
    unsigned by_2 = s->crtc[CR_MODE] & MODE_LINES_BY_2 ? 2 : 1;

    out->height = lines_shown(s);
    out->row_lines = (max_line & 0x1f) + 1;
    out->line_repeat = max_line & MAX_LINE_DOUBLE ? 2 : 1;
    out->first_row_line = s->crtc[CR_PRESET_ROW] & 0x1f;
    out->split = (compare + 1) * by_2;
    out->split_pan = !(s->attr[AT_MODE] & AT_SPLIT_NO_PAN);
}

/* --- Fonts and the cursor --- */

static uint32_t font_address(unsigned map)
{
    return (map & 3) * 0x4000 + (map & 4 ? 0x2000 : 0);
}

static void fill_text(const Vga *s, VgaScreen *out)
{
    unsigned font = s->seq[SEQ_FONT];

    out->font[0] = font_address((font & 3) | (font >> 2 & 4));
    out->font[1] = font_address((font >> 2 & 3) | (font >> 3 & 4));
    out->blink = !!(s->attr[AT_MODE] & AT_BLINK);
    out->wide_lines = !!(s->attr[AT_MODE] & AT_LINE_GRAPHICS);
    out->underline = s->crtc[CR_UNDERLINE] & 0x1f;
    out->cursor = s->crtc[CR_CURSOR] << 8 | s->crtc[CR_CURSOR + 1];
    out->cursor_first = s->crtc[CR_CURSOR_FIRST] & 0x1f;
    out->cursor_last = s->crtc[CR_CURSOR_LAST] & 0x1f;
    if (s->crtc[CR_CURSOR_FIRST] & CURSOR_OFF) {
        out->cursor_first = 0x20;
    }
}

static void fill_legacy(const Vga *s, VgaScreen *out)
{
    out->kind = legacy_kind(s);
    out->chars = s->crtc[CR_H_END] + 1;
    out->char_dots = s->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS || out->kind != VGA_TEXT ? 8 : 9;
    out->dot_width = s->seq[SEQ_CLOCKING] & CLOCKING_HALF ? 2 : 1;
    out->width = out->chars * out->char_dots * out->dot_width;
    fill_vertical(s, out);
    if (out->kind == VGA_BLANK) {
        return;
    }
    out->pan = pan_pixels(s, out);
    out->start =
        (s->crtc[CR_START] << 8 | s->crtc[CR_START + 1]) + (s->crtc[CR_PRESET_ROW] >> 5 & 3);
    out->pitch = s->crtc[CR_OFFSET] * 2;
    out->address_mode = (s->crtc[CR_MODE] & 0x63) | (s->crtc[CR_UNDERLINE] & 0x40) << 8;
    out->chained = !!(s->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN4);
    out->address_mask = PLANE_ADDRESSES - 1;
    if (out->kind == VGA_TEXT) {
        fill_text(s, out);
    }
}

/* --- VBE --- */

/* Four bits: the planes as ever, but with VBE's own size, start and width. */
static void fill_vbe_planar(const Vga *s, VgaScreen *out)
{
    out->kind = VGA_PLANAR;
    out->chars = (s->vbe[VBE_XRES] + 7u) / 8;
    out->char_dots = 8;
    out->dot_width = out->row_lines = out->line_repeat = 1;
    out->split = UINT32_MAX;
    out->pitch = s->vbe[VBE_VIRT_WIDTH] / 8;
    out->start = s->vbe[VBE_Y_OFFSET] * out->pitch + s->vbe[VBE_X_OFFSET] / 8;
    out->pan = s->vbe[VBE_X_OFFSET] & 7;
    out->address_mode = 0x43; /* bytes, no bits of the scan line */
    out->address_mask = UINT32_MAX;
}

static PixelFormat vbe_format(const Vga *s)
{
    switch (s->vbe[VBE_BPP]) {
    case 15: return PIXELS_XRGB1555;
    case 16: return PIXELS_RGB565;
    case 24: return PIXELS_RGB888;
    case 32: return PIXELS_XRGB8888;
    default: return PIXELS_INDEX8;
    }
}

static void fill_vbe(const Vga *s, VgaScreen *out)
{
    out->width = s->vbe[VBE_XRES];
    out->height = s->vbe[VBE_YRES];
    if (!out->width || !out->height || !(s->attr_index & ATTR_INDEX_ON)) {
        out->kind = VGA_BLANK;
        return;
    }
    /* Lines that do not fit into memory are not shown, so that a surface is no larger than memory is. */
    out->height = MIN(out->height, MAX(s->vbe[VBE_VIRT_HEIGHT], 1));
    if (s->vbe[VBE_BPP] == 4) {
        fill_vbe_planar(s, out);
        return;
    }
    out->kind = VGA_LINEAR;
    out->format = vbe_format(s);
    out->linear_pitch = (uint64_t)s->vbe[VBE_VIRT_WIDTH] * pixels_bytes(out->format);
    out->linear_start = s->vbe[VBE_Y_OFFSET] * out->linear_pitch +
                        (uint64_t)s->vbe[VBE_X_OFFSET] * pixels_bytes(out->format);
}

void vga_screen(const Vga *s, VgaScreen *out)
{
    memset(out, 0, sizeof(*out));
    if (vga_vbe_on(s)) {
        fill_vbe(s, out);
    } else {
        fill_legacy(s, out);
        if (s->extension) {
            s->extension->screen(s, out);
        }
    }
    fill_colours(s, out);
}

/* --- Time --- */

VgaTiming vga_timing(const Vga *s)
{
    bool half = s->seq[SEQ_CLOCKING] & CLOCKING_HALF;
    uint64_t dots = (s->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS ? 8 : 9) * (half ? 2 : 1);
    uint64_t hz = (s->misc & MISC_CLOCK) == 0x04 ? DOT_CLOCK_1_HZ : DOT_CLOCK_0_HZ;
    uint32_t first = with_overflow(s, CR_RETRACE_FIRST, 2, 7);
    VgaTiming t = {
        .line_ns = (s->crtc[CR_H_TOTAL] + 5) * dots * NS_PER_S / hz,
        .line_shown_ns = (s->crtc[CR_H_END] + 1) * dots * NS_PER_S / hz,
        .lines = with_overflow(s, CR_V_TOTAL, 0, 5) + 2,
        .lines_shown = with_overflow(s, CR_V_END, 1, 6) + 1,
        .retrace_first = first,
        .retrace_lines = (s->crtc[CR_RETRACE_LAST] - first) & 0x0f,
    };

    return t;
}

VgaPhase vga_phase(const Vga *s)
{
    VgaTiming t = vga_timing(s);
    uint64_t frame = clock_now_ns(s->clock) / (t.line_ns * t.lines);

    return (VgaPhase){
        .cursor_on = !(frame / CURSOR_HALF_FRAMES & 1),
        .text_on = !(frame / TEXT_HALF_FRAMES & 1),
    };
}
