/* SPDX-License-Identifier: MIT */
/*
 * Registers that a CL-GD5446 adds to a VGA's.  Spec: Cirrus Logic, CL-GD5446 Technical Reference Manual: extended
 * sequencer (SR6 to SR1F), graphics controller (GR9 to GR39), CRTC (CR19 to CR27) registers, hidden DAC register.
 * Not modelled: the lock of SR6, clocks (SRB to SRE, SR1B to SR1F hold what is written), DDC, the video window,
 * power states.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "cirrus-int.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { UNLOCKED = 0x12, LOCKED = 0x0f, DRAM_64_BIT = 0x18, DRAM_4_MB = 0x98 };
enum { CONFIG_FIXED = 0x38, CONFIG_PCI = 0x20, MCLK_RESET = 0x2d, SCRATCH_4_MB = 4 };
enum { CR_FIRST = 0x19, CR_ATTR_TOGGLE = 0x24, CR_ATTR_INDEX = 0x26, CR_ID = 0x27, ID_5446 = 0xb8 };
enum { STATUS_BUSY = 0x01, STATUS_START = 0x02, STATUS_RESET = 0x04, STATUS_AUTOSTART = 0x80 };
enum { HIDDEN_READS = 4, SR_INDEX = 0x1f, GR_INDEX = 0x3f };

/* --- Sequencer --- */

static uint8_t read_sr(const Cirrus *s)
{
    unsigned n = s->seq_index & SR_INDEX;

    return n < SR_UNLOCK ? s->card.vga.seq[n] : s->sr[n];
}

static void write_sr(Cirrus *s, uint8_t v)
{
    unsigned n = s->seq_index & SR_INDEX;

    switch (n) {
    case SR_UNLOCK: s->sr[n] = (v & 0x17) == UNLOCKED ? UNLOCKED : LOCKED; break;
    case SR_CURSOR_X: /* the index has the low bits of the place */
    case SR_CURSOR_Y:
        s->sr[n] = v;
        s->cursor_low[n - SR_CURSOR_X] = s->seq_index >> 5;
        break;
    case SR_CONFIG: s->sr[n] = (v & ~CONFIG_FIXED) | CONFIG_PCI; break;
    default: s->sr[n] = v; break;
    }
    cirrus_update_overlay(s);
}

/* --- Graphics controller --- */

static uint8_t blt_status(const Cirrus *s)
{
    return s->gr[GR_BLT_STATUS] | (s->feed.active ? STATUS_BUSY | STATUS_START : 0);
}

static void write_blt_status(Cirrus *s, uint8_t v)
{
    s->gr[GR_BLT_STATUS] = v & (STATUS_AUTOSTART | STATUS_RESET);
    if (v & STATUS_RESET) {
        cirrus_blt_stop(s);
    } else if ((v & STATUS_START) && !s->feed.active) {
        cirrus_blt_start(s);
    } else if (!(v & STATUS_START)) {
        cirrus_blt_stop(s);
    }
}

static uint8_t gr_mask(unsigned n)
{
    switch (n) {
    case GR_BLT_WIDTH + 1:
    case GR_BLT_DST_PITCH + 1:
    case GR_BLT_SRC_PITCH + 1: return 0x1f;
    case GR_BLT_HEIGHT + 1: return 0x07;
    case GR_BLT_DST + 2:
    case GR_BLT_SRC + 2: return 0x3f;
    default: return 0xff;
    }
}

static void write_gr(Cirrus *s, unsigned n, uint8_t v)
{
    if (n == GR_BLT_STATUS) {
        write_blt_status(s, v);
        return;
    }
    s->gr[n] = v & gr_mask(n);
    if (n < VGA_GFX_REGS) {
        s->card.vga.gfx_index = n;
        vga_port_write(&s->card.vga, VGA_P_GFX, v);
    }
    if (n == GR_MODE || n == GR_EXTENSIONS) {
        cirrus_update_overlay(s);
    } else if (n == GR_BLT_DST + 2 && (s->gr[GR_BLT_STATUS] & STATUS_AUTOSTART)) {
        cirrus_blt_start(s);
    }
}

/* Colours have eight bits here where a VGA has four, and there are more write modes. */
static uint8_t read_gr(const Cirrus *s, unsigned n)
{
    if (n == GR_BLT_STATUS) {
        return blt_status(s);
    }
    return n > GR_FOREGROUND && n < GR_OFFSET_0 && n != GR_MODE ? s->card.vga.gfx[n] : s->gr[n];
}

/* Offsets of the memory-mapped BLT registers. */
static bool blt_register(unsigned offset, unsigned *n)
{
    static const uint8_t registers[] = {[0x00] = GR_BACKGROUND,
                                        GR_BACKGROUND_1,
                                        GR_BACKGROUND_1 + 2,
                                        GR_BACKGROUND_1 + 4,
                                        [0x04] = GR_FOREGROUND,
                                        GR_FOREGROUND_1,
                                        GR_FOREGROUND_1 + 2,
                                        GR_FOREGROUND_1 + 4,
                                        [0x08] = GR_BLT_WIDTH,
                                        GR_BLT_WIDTH + 1,
                                        GR_BLT_HEIGHT,
                                        GR_BLT_HEIGHT + 1,
                                        [0x0c] = GR_BLT_DST_PITCH,
                                        GR_BLT_DST_PITCH + 1,
                                        GR_BLT_SRC_PITCH,
                                        GR_BLT_SRC_PITCH + 1,
                                        [0x10] = GR_BLT_DST,
                                        GR_BLT_DST + 1,
                                        GR_BLT_DST + 2,
                                        GR_NONE,
                                        [0x14] = GR_BLT_SRC,
                                        GR_BLT_SRC + 1,
                                        GR_BLT_SRC + 2,
                                        GR_BLT_SKIP,
                                        [0x18] = GR_BLT_MODE,
                                        GR_NONE,
                                        GR_BLT_ROP,
                                        GR_BLT_EXTENSIONS,
                                        [0x1c] = GR_BLT_KEY,
                                        GR_BLT_KEY + 1,
                                        GR_NONE,
                                        GR_NONE,
                                        [0x20] = GR_BLT_KEY_MASK,
                                        GR_BLT_KEY_MASK + 1};

    *n = offset == 0x40                   ? GR_BLT_STATUS
         : offset < ARRAY_SIZE(registers) ? registers[offset]
                                          : GR_NONE;
    return *n != GR_NONE;
}

uint8_t cirrus_blt_port_read(const Cirrus *s, unsigned offset)
{
    unsigned n;

    return blt_register(offset, &n) ? read_gr(s, n) : 0xff;
}

void cirrus_blt_port_write(Cirrus *s, unsigned offset, uint8_t v)
{
    unsigned n;

    if (blt_register(offset, &n)) {
        write_gr(s, n, v);
    }
}

/* --- CRTC --- */

static uint8_t read_cr(const Cirrus *s)
{
    const Vga *v = &s->card.vga;

    switch (v->crtc_index) {
    case CR_ATTR_TOGGLE: return v->attr_data ? 0x80 : 0;
    case CR_ATTR_INDEX: return v->attr_index;
    case CR_ID: return ID_5446;
    default: return v->crtc_index < CIRRUS_CR ? s->cr[v->crtc_index] : 0;
    }
}

/* --- Palette --- */

/* The pixel mask read four times leads to the hidden register, once. */
static uint8_t read_pixel_mask(Cirrus *s)
{
    if (s->hidden_reads == HIDDEN_READS) {
        s->hidden_reads = 0;
        return s->hidden_dac;
    }
    s->hidden_reads++;
    return vga_port_read(&s->card.vga, VGA_P_DAC_MASK);
}

static void write_pixel_mask(Cirrus *s, uint8_t v)
{
    if (s->hidden_reads == HIDDEN_READS) {
        s->hidden_dac = v;
    } else {
        vga_port_write(&s->card.vga, VGA_P_DAC_MASK, v);
    }
    s->hidden_reads = 0;
}

static uint8_t *cursor_colour(Cirrus *s, uint8_t index)
{
    return s->cursor_palette + 3 * (index & 15);
}

/* Colours of the cursor, through the ports of the palette. */
static void write_cursor_colour(Cirrus *s, uint8_t v)
{
    Vga *vga = &s->card.vga;

    vga->dac_cache[vga->dac_part++] = v & 0x3f;
    if (vga->dac_part == 3) {
        memcpy(cursor_colour(s, vga->dac_write), vga->dac_cache, 3);
        vga->dac_part = 0;
        vga->dac_write++;
    }
}

static uint8_t read_cursor_colour(Cirrus *s)
{
    Vga *vga = &s->card.vga;
    uint8_t v = cursor_colour(s, vga->dac_read)[vga->dac_part++];

    if (vga->dac_part == 3) {
        vga->dac_part = 0;
        vga->dac_read++;
    }
    return v;
}

/* --- Ports --- */

static bool cursor_colours(const Cirrus *s)
{
    return s->sr[SR_CURSOR] & SR_CURSOR_COLOURS;
}

/* The port as the VGA's file has it: those of the CRTC at 3bxh. */
static unsigned canonical(const Cirrus *s, unsigned offset)
{
    unsigned n = offset;

    return vga_crtc_port(&s->card.vga, &n) ? n : UINT32_MAX;
}

uint8_t cirrus_port_read(Cirrus *s, unsigned offset)
{
    Vga *v = &s->card.vga;
    unsigned n = canonical(s, offset);

    if (n == VGA_P_DAC_MASK) {
        return read_pixel_mask(s);
    }
    s->hidden_reads = n >= VGA_P_DAC_READ && n <= VGA_P_DAC ? 0 : s->hidden_reads;
    switch (n) {
    case VGA_P_SEQ_INDEX: return s->seq_index;
    case VGA_P_SEQ: return read_sr(s);
    case VGA_P_GFX_INDEX: return s->gfx_index;
    case VGA_P_GFX: return read_gr(s, s->gfx_index & GR_INDEX);
    case VGA_P_DAC: return cursor_colours(s) ? read_cursor_colour(s) : vga_port_read(v, offset);
    case VGA_P_CRTC: return v->crtc_index < CR_FIRST ? vga_port_read(v, offset) : read_cr(s);
    default: return vga_port_read(v, offset);
    }
}

static void write_crtc(Cirrus *s, unsigned offset, uint8_t v)
{
    Vga *vga = &s->card.vga;

    if (vga->crtc_index < CR_FIRST) {
        vga_port_write(vga, offset, v);
    } else if (vga->crtc_index < CIRRUS_CR) {
        s->cr[vga->crtc_index] = v;
    }
}

void cirrus_port_write(Cirrus *s, unsigned offset, uint8_t v)
{
    Vga *vga = &s->card.vga;
    unsigned n = canonical(s, offset);

    if (n == VGA_P_DAC_MASK) {
        write_pixel_mask(s, v);
        return;
    }
    s->hidden_reads = n >= VGA_P_DAC_READ && n <= VGA_P_DAC ? 0 : s->hidden_reads;
    if (n == VGA_P_SEQ_INDEX) {
        s->seq_index = v;
        vga->seq_index = MIN(v & SR_INDEX, SR_UNLOCK - 1);
    } else if (n == VGA_P_SEQ && (s->seq_index & SR_INDEX) >= SR_UNLOCK) {
        write_sr(s, v);
    } else if (n == VGA_P_GFX_INDEX) {
        s->gfx_index = v;
    } else if (n == VGA_P_GFX) {
        write_gr(s, s->gfx_index & GR_INDEX, v);
    } else if (n == VGA_P_DAC && cursor_colours(s)) {
        write_cursor_colour(s, v);
    } else if (n == VGA_P_CRTC) {
        write_crtc(s, offset, v);
    } else {
        vga_port_write(vga, offset, v);
    }
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    return cirrus_port_read(container_of((VgaCard *)opaque, Cirrus, card), offset);
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    cirrus_port_write(container_of((VgaCard *)opaque, Cirrus, card), offset, value);
}

const MemOps cirrus_ports_ops = {
    .read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 1, .unaligned = true};

/* --- Life --- */

void cirrus_reset_regs(Cirrus *s)
{
    s->seq_index = s->gfx_index = s->hidden_dac = s->hidden_reads = 0;
    memset(s->cursor_low, 0, sizeof(s->cursor_low));
    memset(s->sr, 0, sizeof(s->sr));
    memset(s->gr, 0, sizeof(s->gr));
    memset(s->cr, 0, sizeof(s->cr));
    memset(s->cursor_palette, 0, sizeof(s->cursor_palette));
    memset(&s->feed, 0, sizeof(s->feed));
    s->sr[SR_UNLOCK] = LOCKED;
    s->sr[SR_DRAM] = s->card.vga.vram_size < 4 * MiB ? DRAM_64_BIT : DRAM_4_MB;
    s->sr[SR_SCRATCH_3] = s->card.vga.vram_size < 4 * MiB ? SCRATCH_4_MB - 1 : SCRATCH_4_MB;
    s->sr[SR_CONFIG] = CONFIG_PCI;
    s->sr[SR_MCLK] = MCLK_RESET;
    cirrus_update_overlay(s);
}

static void snapshot_feed(CirrusFeed *f, Snapshot *sn)
{
    snap_fields(sn, &f->active, &f->line, &f->lines, &f->line_bytes, &f->have);
    if (f->active && (!f->line_bytes || f->line_bytes > CIRRUS_SOURCE_MAX || f->line >= f->lines ||
                      f->have >= f->line_bytes)) {
        snap_fail(sn, "cirrus: impossible BLT");
        f->active = false;
    }
    snap_bytes(sn, f->bytes, sizeof(f->bytes));
}

void cirrus_snapshot_regs(Cirrus *s, Snapshot *sn)
{
    snap_section(sn, "cirrus", 1);
    snap_fields(sn, &s->seq_index, &s->gfx_index, &s->hidden_dac, &s->hidden_reads);
    snap_bytes(sn, s->cursor_low, sizeof(s->cursor_low));
    snap_bytes(sn, s->sr, sizeof(s->sr));
    snap_bytes(sn, s->gr, sizeof(s->gr));
    snap_bytes(sn, s->cr, sizeof(s->cr));
    snap_bytes(sn, s->cursor_palette, sizeof(s->cursor_palette));
    snapshot_feed(&s->feed, sn);
}
