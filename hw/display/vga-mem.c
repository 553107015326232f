/* SPDX-License-Identifier: MIT */
/*
 * A VGA's window at 0xa0000: planes, read and write modes, chain 4, odd/even addressing, banks.
 * Spec: IBM VGA technical reference (PS/2 hardware interface), graphics controller and sequencer.
 * A plane's byte lies at 4 * address + plane in video memory.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "vga-int.h"

enum { BANK_SIZE = 0x10000 };

bool vga_window_map(const Vga *s, uint64_t *offset)
{
    switch (s->gfx[GFX_MISC] >> 2 & 3) {
    case 0: return true;
    case 1: return *offset < BANK_SIZE;
    case 2: /* 0xb0000 */ *offset -= 0x10000; return *offset < 0x8000;
    default: /* 0xb8000 */ *offset -= 0x18000; return *offset < 0x8000;
    }
}

/* VBE's banks are of the window of 64 KiB. */
static uint64_t bank(const Vga *s)
{
    return (s->gfx[GFX_MISC] >> 2 & 3) == 1 ? (uint64_t)s->vbe[VBE_BANK] * BANK_SIZE : 0;
}

static uint8_t *vram_byte(Vga *s, uint64_t offset)
{
    return offset < s->vram_size ? s->vram.ram->host + offset : NULL;
}

static void vram_dirty(Vga *s, uint64_t offset, uint64_t len)
{
    ram_set_dirty(s->vram.ram, offset, len);
}

static bool chain_4(const Vga *s)
{
    return s->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN4;
}

static bool odd_even_write(const Vga *s)
{
    return !(s->seq[SEQ_MEMORY] & SEQ_MEMORY_ODD_EVEN_OFF);
}

static bool odd_even_read(const Vga *s)
{
    return s->gfx[GFX_MODE] & 0x10;
}

/* Bit n of @bits becomes byte n of the result, all ones or zero. */
static uint32_t planes(uint8_t bits)
{
    uint32_t mask = 0;

    for (unsigned n = 0; n < 4; n++) {
        mask |= bits & BIT(n) ? 0xffu << (8 * n) : 0;
    }
    return mask;
}

/* --- Reading --- */

static uint32_t load_latch(Vga *s, uint64_t addr)
{
    uint32_t v = 0;

    for (unsigned n = 0; n < 4; n++) {
        const uint8_t *p = vram_byte(s, addr * 4 + n);

        v |= p ? (uint32_t)*p << (8 * n) : 0;
    }
    return v;
}

/* Read mode 1: a bit is set where all planes cared for have the colour to compare with. */
static uint8_t compare_colour(const Vga *s)
{
    uint32_t differs = (s->latch ^ planes(s->gfx[GFX_COMPARE])) & planes(s->gfx[GFX_DONT_CARE]);

    return ~(differs | differs >> 8 | differs >> 16 | differs >> 24);
}

uint8_t vga_memory_read(Vga *s, uint64_t offset)
{
    unsigned plane = s->gfx[GFX_READ_PLANE] & 3;

    if (chain_4(s)) {
        const uint8_t *p = vram_byte(s, offset);

        return p ? *p : 0xff;
    }
    if (odd_even_read(s)) {
        plane = (plane & 2) | (offset & 1);
        offset &= ~1ULL;
    }
    s->latch = load_latch(s, offset);
    return s->gfx[GFX_MODE] & 8 ? compare_colour(s) : (uint8_t)(s->latch >> (8 * plane));
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    Vga *s = opaque;

    return vga_window_map(s, &offset) ? vga_memory_read(s, offset + bank(s)) : 0xff;
}

/* --- Writing --- */

static uint32_t combine(const Vga *s, uint32_t v)
{
    switch (s->gfx[GFX_ROTATE] >> 3 & 3) {
    case 1: return v & s->latch;
    case 2: return v | s->latch;
    case 3: return v ^ s->latch;
    default: return v;
    }
}

/* What a byte of the CPU makes of the four planes in the write mode. */
static uint32_t write_value(const Vga *s, uint8_t v)
{
    unsigned rotate = s->gfx[GFX_ROTATE] & 7;
    uint8_t rotated = v >> rotate | v << (8 - rotate);
    uint32_t bit_mask = s->gfx[GFX_BIT_MASK] * 0x01010101u;
    uint32_t set = planes(s->gfx[GFX_SET_RESET]), enable = planes(s->gfx[GFX_ENABLE_SET_RESET]);
    uint32_t value;

    switch (s->gfx[GFX_MODE] & 3) {
    case 1: return s->latch;
    case 2: value = planes(v); break;
    case 3:
        bit_mask &= rotated * 0x01010101u;
        value = set;
        break;
    default: value = (rotated * 0x01010101u & ~enable) | (set & enable);
    }
    return (combine(s, value) & bit_mask) | (s->latch & ~bit_mask);
}

static void write_planes(Vga *s, uint64_t addr, uint8_t mask, uint32_t value)
{
    for (unsigned n = 0; n < 4; n++) {
        uint8_t *p = mask & BIT(n) ? vram_byte(s, addr * 4 + n) : NULL;

        if (p) {
            *p = value >> (8 * n);
        }
    }
    if (addr * 4 + 3 < s->vram_size) {
        vram_dirty(s, addr * 4, 4);
    }
}

void vga_memory_write(Vga *s, uint64_t offset, uint8_t v)
{
    uint8_t mask = s->seq[SEQ_MAP_MASK];

    if (chain_4(s)) {
        uint8_t *p = mask & BIT(offset & 3) ? vram_byte(s, offset) : NULL;

        if (p) {
            *p = v;
            vram_dirty(s, offset, 1);
        }
        return;
    }
    if (odd_even_write(s)) {
        mask &= offset & 1 ? 0x0a : 0x05;
        offset &= ~1ULL;
    }
    write_planes(s, offset, mask, write_value(s, v));
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Vga *s = opaque;

    if (vga_window_map(s, &offset)) {
        vga_memory_write(s, offset + bank(s), value);
    }
}

static const MemOps window_ops = {
    .read = window_read,
    .write = window_write,
    .impl_min = 1,
    .impl_max = 1,
    .unaligned = true,
};

void vga_init_window(Vga *s, Object *owner, const MemOps *ops)
{
    mem_init_io(&s->window, owner, ops ? ops : &window_ops, s, "vga-lowmem", VGA_WINDOW_SIZE);
}
