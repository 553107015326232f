/* SPDX-License-Identifier: MIT */
/*
 * A VGA's registers.  Spec: IBM VGA technical reference (PS/2 hardware interface); the Bochs VBE
 * extensions as Linux's bochs driver and the VGA BIOS use them.
 * Not modelled: the interrupt of the vertical retrace, light pens.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "snapshot/snapshot.h"
#include "vga-screen.h"

enum { MISC_COLOUR = 0x01, CRTC_END_RETRACE = 0x11, CRTC_OVERFLOW = 7, CRTC_PROTECT = 0x80 };
enum { ATTR_INDEX_MASK = 0x1f, ATTR_PALETTE_ON = 0x20, STATUS_BLANK = 1, STATUS_RETRACE = 8 };
enum { DAC_READING = 3, DAC_WRITING = 0 };
enum { VBE_ID_FIRST = 0xb0c0, VBE_ID_LAST = 0xb0c5, VBE_MAX_X = 16000, VBE_MAX_Y = 12000 };

static const uint8_t seq_mask[VGA_SEQ_REGS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gfx_mask[VGA_GFX_REGS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03,
                                               0x7b, 0x0f, 0x0f, 0xff};

/* --- Status: which part of the picture the beam draws --- */

static uint8_t read_status(Vga *s)
{
    VgaTiming t = vga_timing(s);
    uint64_t now_ns = clock_now_ns(s->clock);
    unsigned line = now_ns / t.line_ns % t.lines;
    bool blank = line >= t.lines_shown || now_ns % t.line_ns >= t.line_shown_ns;
    bool retrace = line - t.retrace_first < t.retrace_lines;

    s->attr_data = false; /* reading resets the flip-flop */
    return (blank || retrace ? STATUS_BLANK : 0) | (retrace ? STATUS_RETRACE : 0);
}

/* --- Palette --- */

static uint8_t dac_bits(const Vga *s)
{
    return s->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? 0xff : 0x3f;
}

static void dac_write(Vga *s, uint8_t v)
{
    s->dac_cache[s->dac_part++] = v & dac_bits(s);
    if (s->dac_part == 3) {
        memcpy(s->palette + 3 * s->dac_write, s->dac_cache, 3);
        s->dac_part = 0;
        s->dac_write++;
    }
}

static uint8_t dac_read(Vga *s)
{
    uint8_t v = s->palette[3 * s->dac_read + s->dac_part++];

    if (s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_read++;
    }
    return v;
}

/* --- Ports --- */

bool vga_crtc_port(const Vga *s, unsigned *offset)
{
    bool colour = s->misc & MISC_COLOUR;

    if (*offset >= 0x10 && *offset < 0x20) {
        return true; /* not of the CRTC */
    }
    if ((*offset >= 0x20) != colour) {
        return false;
    }
    *offset &= 0x0f;
    return true;
}

static uint8_t read_indexed(Vga *s, unsigned offset)
{
    unsigned attr = s->attr_index & ATTR_INDEX_MASK;

    switch (offset) {
    case VGA_P_ATTR_READ: return attr < VGA_ATTR_REGS ? s->attr[attr] : 0;
    case VGA_P_SEQ: return s->seq[s->seq_index];
    case VGA_P_GFX: return s->gfx[s->gfx_index];
    default: return s->crtc_index < VGA_CRTC_REGS ? s->crtc[s->crtc_index] : 0;
    }
}

uint8_t vga_port_read(Vga *s, unsigned offset)
{
    if (!vga_crtc_port(s, &offset)) {
        return 0xff;
    }
    switch (offset) {
    case VGA_P_ATTR: return s->attr_data ? 0 : s->attr_index;
    case VGA_P_SEQ_INDEX: return s->seq_index;
    case VGA_P_GFX_INDEX: return s->gfx_index;
    case VGA_P_CRTC_INDEX: return s->crtc_index;
    case VGA_P_ATTR_READ:
    case VGA_P_SEQ:
    case VGA_P_GFX:
    case VGA_P_CRTC: return read_indexed(s, offset);
    case VGA_P_DAC_MASK: return s->dac_mask;
    case VGA_P_DAC_READ: return s->dac_state;
    case VGA_P_DAC_WRITE: return s->dac_write;
    case VGA_P_DAC: return dac_read(s);
    case VGA_P_FEATURE_READ: return s->feature;
    case VGA_P_MISC_READ: return s->misc;
    case VGA_P_STATUS: return read_status(s);
    default: return 0xff;
    }
}

static void write_attr(Vga *s, uint8_t v)
{
    unsigned index = s->attr_index & ATTR_INDEX_MASK;

    if (!s->attr_data) {
        s->attr_index = v & (ATTR_INDEX_MASK | ATTR_PALETTE_ON);
    } else if (index < VGA_ATTR_REGS) {
        s->attr[index] = index < 16 ? v & 0x3f : v;
    }
    s->attr_data = !s->attr_data;
}

/* The first eight registers can be protected, but for one bit of the overflow register. */
static void write_crtc(Vga *s, uint8_t v)
{
    if (s->crtc_index >= VGA_CRTC_REGS) {
        return;
    }
    if (s->crtc_index < 8 && (s->crtc[CRTC_END_RETRACE] & CRTC_PROTECT)) {
        if (s->crtc_index == CRTC_OVERFLOW) {
            s->crtc[CRTC_OVERFLOW] = (s->crtc[CRTC_OVERFLOW] & ~0x10) | (v & 0x10);
        }
        return;
    }
    s->crtc[s->crtc_index] = v;
}

static void write_dac(Vga *s, unsigned offset, uint8_t v)
{
    switch (offset) {
    case VGA_P_DAC_MASK: s->dac_mask = v; break;
    case VGA_P_DAC_READ:
        s->dac_read = v;
        s->dac_part = 0;
        s->dac_state = DAC_READING;
        break;
    case VGA_P_DAC_WRITE:
        s->dac_write = v;
        s->dac_part = 0;
        s->dac_state = DAC_WRITING;
        break;
    case VGA_P_DAC: dac_write(s, v); break;
    }
}

void vga_port_write(Vga *s, unsigned offset, uint8_t v)
{
    if (!vga_crtc_port(s, &offset)) {
        return;
    }
    switch (offset) {
    case VGA_P_ATTR: write_attr(s, v); break;
    case VGA_P_MISC_WRITE: s->misc = v & ~0x10; break;
    case VGA_P_SEQ_INDEX: s->seq_index = v & 7; break;
    case VGA_P_SEQ: s->seq[s->seq_index] = v & seq_mask[s->seq_index]; break;
    case VGA_P_DAC_MASK:
    case VGA_P_DAC_READ:
    case VGA_P_DAC_WRITE:
    case VGA_P_DAC: write_dac(s, offset, v); break;
    case VGA_P_GFX_INDEX: s->gfx_index = v & 0x0f; break;
    case VGA_P_GFX: s->gfx[s->gfx_index] = v & gfx_mask[s->gfx_index]; break;
    case VGA_P_CRTC_INDEX: s->crtc_index = v; break;
    case VGA_P_CRTC: write_crtc(s, v); break;
    case VGA_P_STATUS: s->feature = v & 3; break;
    }
}

/* --- VBE --- */

/* The largest values that a mode may have. */
static uint16_t vbe_limit(unsigned index)
{
    switch (index) {
    case VBE_XRES:
    case VBE_VIRT_WIDTH: return VBE_MAX_X;
    case VBE_YRES: return VBE_MAX_Y;
    default: return 32;
    }
}

uint16_t vga_vbe_read(const Vga *s, unsigned index)
{
    if (index == VBE_MEMORY) {
        return s->vram_size / (64 * KiB);
    }
    if (index >= VBE_REGS) {
        return 0;
    }
    if ((s->vbe[VBE_ENABLE] & VBE_GETCAPS) && index >= VBE_XRES && index <= VBE_BPP) {
        return vbe_limit(index);
    }
    return s->vbe[index];
}

static unsigned vbe_bytes_per_pixel_x8(const Vga *s)
{
    return s->vbe[VBE_BPP] == 15 ? 16 : MAX(s->vbe[VBE_BPP], 4);
}

/* The virtual screen is at least as wide as what is shown, and as high as memory lets it be. */
static void vbe_fix_geometry(Vga *s)
{
    uint64_t line;

    s->vbe[VBE_VIRT_WIDTH] = MAX(s->vbe[VBE_VIRT_WIDTH], s->vbe[VBE_XRES]);
    line = (uint64_t)s->vbe[VBE_VIRT_WIDTH] * vbe_bytes_per_pixel_x8(s) / 8;
    s->vbe[VBE_VIRT_HEIGHT] = line ? MIN(s->vram_size / line, UINT16_MAX) : 0;
}

/* Registers of the VGA that its BIOS would have set for the linear mode. */
static void vbe_switch_on(Vga *s, bool clear)
{
    s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
    s->vbe[VBE_X_OFFSET] = s->vbe[VBE_Y_OFFSET] = 0;
    vbe_fix_geometry(s);
    s->gfx[GFX_MISC] = (s->gfx[GFX_MISC] & ~0x0c) | 0x05;
    if (s->vbe[VBE_BPP] != 4) {
        s->seq[SEQ_MAP_MASK] = 0x0f;
        s->seq[SEQ_MEMORY] |= SEQ_MEMORY_CHAIN4 | SEQ_MEMORY_ODD_EVEN_OFF;
    }
    if (clear) {
        uint64_t len =
            (uint64_t)s->vbe[VBE_YRES] * s->vbe[VBE_VIRT_WIDTH] * vbe_bytes_per_pixel_x8(s) / 8;

        len = MIN(len, s->vram_size);
        memset(s->vram.ram->host, 0, len);
        ram_set_dirty(s->vram.ram, 0, len);
    }
}

static void vbe_write_enable(Vga *s, uint16_t v)
{
    bool was_on = vga_vbe_on(s);

    s->vbe[VBE_ENABLE] = v;
    if (!was_on && vga_vbe_on(s)) {
        vbe_switch_on(s, !(v & VBE_NOCLEAR));
    }
    if (!vga_vbe_on(s)) {
        s->vbe[VBE_BANK] = 0;
    }
}

void vga_vbe_write(Vga *s, unsigned index, uint16_t v)
{
    switch (index) {
    case VBE_ID:
        if (v >= VBE_ID_FIRST && v <= VBE_ID_LAST) {
            s->vbe[VBE_ID] = v;
        }
        break;
    case VBE_XRES:
    case VBE_YRES:
        if (v <= vbe_limit(index)) {
            s->vbe[index] = v;
        }
        break;
    case VBE_BPP:
        if (v == 0 || v == 4 || v == 8 || v == 15 || v == 16 || v == 24 || v == 32) {
            s->vbe[VBE_BPP] = v ? v : 8;
        }
        break;
    case VBE_BANK: s->vbe[VBE_BANK] = MIN(v, s->vram_size / (64 * KiB) - 1); break;
    case VBE_ENABLE: vbe_write_enable(s, v); break;
    case VBE_VIRT_WIDTH:
        s->vbe[VBE_VIRT_WIDTH] = MIN(v, VBE_MAX_X);
        vbe_fix_geometry(s);
        break;
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET: s->vbe[index] = v; break;
    }
}

/* --- Life --- */

void vga_reset_regs(Vga *s)
{
    s->misc = s->feature = 0;
    s->seq_index = s->gfx_index = s->crtc_index = s->attr_index = 0;
    s->attr_data = false;
    memset(s->seq, 0, sizeof(s->seq));
    memset(s->gfx, 0, sizeof(s->gfx));
    memset(s->crtc, 0, sizeof(s->crtc));
    memset(s->attr, 0, sizeof(s->attr));
    memset(s->palette, 0, sizeof(s->palette));
    memset(s->dac_cache, 0, sizeof(s->dac_cache));
    s->dac_mask = 0xff;
    s->dac_state = s->dac_read = s->dac_write = s->dac_part = 0;
    s->latch = 0;
    s->vbe_index = 0;
    memset(s->vbe, 0, sizeof(s->vbe));
    s->vbe[VBE_ID] = VBE_ID_LAST;
}

void vga_show_always(Vga *s)
{
    s->attr_index = ATTR_PALETTE_ON;
}

void vga_snapshot(Vga *s, Snapshot *sn)
{
    snap_section(sn, "vga", 1);
    snap_fields(sn, &s->misc, &s->feature, &s->seq_index, &s->gfx_index, &s->crtc_index,
                &s->attr_index, &s->attr_data, &s->latch);
    snap_bytes(sn, s->seq, sizeof(s->seq));
    snap_bytes(sn, s->gfx, sizeof(s->gfx));
    snap_bytes(sn, s->crtc, sizeof(s->crtc));
    snap_bytes(sn, s->attr, sizeof(s->attr));
    snap_bytes(sn, s->palette, sizeof(s->palette));
    snap_bytes(sn, s->dac_cache, sizeof(s->dac_cache));
    snap_fields(sn, &s->dac_mask, &s->dac_state, &s->dac_read, &s->dac_write, &s->dac_part,
                &s->vbe_index);
    for (unsigned i = 0; i < VBE_REGS; i++) {
        snap_u16(sn, &s->vbe[i]);
    }
    if (snap_loading(sn) &&
        (s->seq_index >= VGA_SEQ_REGS || s->gfx_index >= VGA_GFX_REGS || s->dac_part >= 3 ||
         s->vbe[VBE_XRES] > VBE_MAX_X || s->vbe[VBE_YRES] > VBE_MAX_Y)) {
        snap_fail(sn, "vga: impossible register");
    }
}
