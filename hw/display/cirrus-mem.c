/* SPDX-License-Identifier: MIT */
/*
 * A CL-GD5446's ways into video memory: the window below 1 MiB with its banks, linear memory in BAR 0, the
 * aperture behind it, BLT registers in memory (BAR 1, and in the window).  Spec: Cirrus Logic, CL-GD5446
 * Technical Reference Manual.  Linear memory is plain memory but when a BLT waits for its source or an
 * extended write mode is on: then an overlay takes the accesses.
 * Not modelled: latches of eight bytes, the pixel mask of extended write modes, swapped apertures.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "cirrus-int.h"
#include "rhea/bits.h"

enum { BAR_SIZE = 32 * MiB, APERTURE = 16 * MiB, MMIO_SIZE = 0x1000, MMIO_BLT = 0x100 };
enum { MMIO_PORTS_SHIFT = 0x10 /* 3c0h is the first */, MMIO_PORTS = 0x20 };
enum { WINDOW_MMIO = 0x18000, WINDOW_MMIO_SIZE = 0x100, HALF_WINDOW = 0x8000 };
/* Accesses that the overlay takes for nothing before it goes: changes of the memory map are dear. */
enum { OVERLAY_PATIENCE = 64 };

static Cirrus *of_vga(Vga *vga)
{
    return container_of(container_of(vga, VgaCard, vga), Cirrus, card);
}

/* --- Video memory by bytes --- */

static bool extended_write(const Cirrus *s)
{
    unsigned mode = s->gr[GR_MODE] & 7;

    return cirrus_packed(s) && (s->gr[GR_EXTENSIONS] & EXT_WRITE_MODES) && (mode == 4 || mode == 5);
}

/* An address may count eight or sixteen bytes. */
static uint64_t scaled(const Cirrus *s, uint64_t addr)
{
    uint8_t ext = s->gr[GR_EXTENSIONS];

    if ((ext & (EXT_WRITE_MODES | EXT_16_BIT)) == (EXT_WRITE_MODES | EXT_16_BIT)) {
        return addr << 4;
    }
    return ext & EXT_BY_8 ? addr << 3 : addr;
}

static uint8_t *vram_byte(Cirrus *s, uint64_t addr)
{
    return s->card.vga.vram.ram->host + (addr & (s->card.vga.vram_size - 1));
}

static void vram_store(Cirrus *s, uint64_t addr, uint8_t v)
{
    *vram_byte(s, addr) = v;
    ram_set_dirty(s->card.vga.vram.ram, addr & (s->card.vga.vram_size - 1), 1);
}

/* Each bit is a pixel: ones of the foreground colour; zeroes of the background in mode 5, none in mode 4. */
static void write_bits(Cirrus *s, uint64_t addr, uint8_t bits)
{
    unsigned bytes = s->gr[GR_EXTENSIONS] & EXT_16_BIT ? 2 : 1;
    bool both = (s->gr[GR_MODE] & 7) == 5;

    for (unsigned n = 0; n < 8; n++) {
        bool set = bits >> (7 - n) & 1;

        if (!set && !both) {
            continue;
        }
        vram_store(s, addr + n * bytes, s->gr[set ? GR_FOREGROUND : GR_BACKGROUND]);
        if (bytes == 2) {
            vram_store(s, addr + 2 * n + 1, s->gr[set ? GR_FOREGROUND_1 : GR_BACKGROUND_1]);
        }
    }
}

static void packed_write(Cirrus *s, uint64_t addr, uint8_t v)
{
    addr = scaled(s, addr);
    if (extended_write(s)) {
        write_bits(s, addr, v);
    } else {
        vram_store(s, addr, v);
    }
}

/* --- The window --- */

/* Banks: one of 64 KiB, or two of 32 KiB, in units of 4 or 16 KiB. */
static uint64_t banked(const Cirrus *s, uint64_t offset)
{
    uint8_t ext = s->gr[GR_EXTENSIONS];
    unsigned shift = ext & EXT_OFFSET_16K ? 14 : 12;

    if ((ext & EXT_TWO_WINDOWS) && offset >= HALF_WINDOW) {
        return offset - HALF_WINDOW + ((uint64_t)s->gr[GR_OFFSET_1] << shift);
    }
    return offset + ((uint64_t)s->gr[GR_OFFSET_0] << shift);
}

/* Maps @offset in the window to an address; false: nothing is there. */
static bool window_map(const Cirrus *s, uint64_t *offset)
{
    bool graphics = !(s->card.vga.gfx[GFX_MISC] & 8);

    if (!vga_window_map(&s->card.vga, offset)) {
        return false;
    }
    *offset = graphics ? banked(s, *offset & 0xffff) : *offset;
    return true;
}

/* The BLT registers hide what else is at 0xb8000. */
static bool window_mmio(const Cirrus *s, uint64_t offset)
{
    return (s->sr[SR_CONFIG] & (SR_CONFIG_MMIO | SR_CONFIG_MMIO_END)) == SR_CONFIG_MMIO &&
           offset - WINDOW_MMIO < WINDOW_MMIO_SIZE;
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    Cirrus *s = of_vga(opaque);

    if (window_mmio(s, offset)) {
        return cirrus_blt_port_read(s, offset - WINDOW_MMIO);
    }
    if (!window_map(s, &offset)) {
        return 0xff;
    }
    return cirrus_packed(s) ? *vram_byte(s, scaled(s, offset)) : vga_memory_read(opaque, offset);
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Cirrus *s = of_vga(opaque);

    if (window_mmio(s, offset)) {
        cirrus_blt_port_write(s, offset - WINDOW_MMIO, value);
    } else if (s->feed.active) {
        cirrus_blt_feed(s, value);
    } else if (!window_map(s, &offset)) {
        return;
    } else if (cirrus_packed(s)) {
        packed_write(s, offset, value);
    } else {
        vga_memory_write(opaque, offset, value);
    }
}

const MemOps cirrus_window_ops = {
    .read = window_read, .write = window_write, .impl_min = 1, .impl_max = 1, .unaligned = true};

/* --- Linear memory --- */

/* Registers at its end, when they are not in the window. */
static bool linear_mmio(const Cirrus *s, uint64_t offset)
{
    uint64_t end = s->card.vga.vram_size;

    return (s->sr[SR_CONFIG] & (SR_CONFIG_MMIO | SR_CONFIG_MMIO_END)) ==
               (SR_CONFIG_MMIO | SR_CONFIG_MMIO_END) &&
           offset >= end - WINDOW_MMIO_SIZE;
}

static bool overlay_wanted(const Cirrus *s)
{
    return s->feed.active || extended_write(s) || linear_mmio(s, s->card.vga.vram_size - 1);
}

static void count_idle(Cirrus *s)
{
    if (!overlay_wanted(s) && ++s->overlay_idle >= OVERLAY_PATIENCE) {
        mem_set_enabled(&s->overlay, false);
    }
}

void cirrus_update_overlay(Cirrus *s)
{
    if (overlay_wanted(s)) {
        s->overlay_idle = 0;
        mem_set_enabled(&s->overlay, true);
    }
}

static uint64_t overlay_read(void *opaque, uint64_t offset, unsigned size)
{
    Cirrus *s = opaque;

    if (linear_mmio(s, offset)) {
        return cirrus_blt_port_read(s, offset & (WINDOW_MMIO_SIZE - 1));
    }
    count_idle(s);
    return *vram_byte(s, offset);
}

static void overlay_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Cirrus *s = opaque;

    if (linear_mmio(s, offset)) {
        cirrus_blt_port_write(s, offset & (WINDOW_MMIO_SIZE - 1), value);
    } else if (s->feed.active) {
        cirrus_blt_feed(s, value);
    } else if (extended_write(s)) {
        packed_write(s, offset, value);
    } else {
        vram_store(s, offset, value);
        count_idle(s);
    }
}

static const MemOps overlay_ops = {
    .read = overlay_read, .write = overlay_write, .impl_min = 1, .impl_max = 1, .unaligned = true};

/* --- The aperture for sources, registers in BAR 1 --- */

static uint64_t aperture_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0xff; /* nothing is transferred to the CPU */
}

static void aperture_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Cirrus *s = opaque;

    if (s->feed.active) {
        cirrus_blt_feed(s, value);
    }
}

static const MemOps aperture_ops = {.read = aperture_read,
                                    .write = aperture_write,
                                    .impl_min = 1,
                                    .impl_max = 1,
                                    .unaligned = true};

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    if (offset < MMIO_PORTS) {
        return cirrus_port_read(opaque, offset + MMIO_PORTS_SHIFT);
    }
    return offset < MMIO_BLT ? 0xff : cirrus_blt_port_read(opaque, offset - MMIO_BLT);
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset < MMIO_PORTS) {
        cirrus_port_write(opaque, offset + MMIO_PORTS_SHIFT, value);
    } else if (offset >= MMIO_BLT) {
        cirrus_blt_port_write(opaque, offset - MMIO_BLT, value);
    }
}

static const MemOps mmio_ops = {
    .read = mmio_read, .write = mmio_write, .impl_min = 1, .impl_max = 1, .unaligned = true};

void cirrus_init_memory(Cirrus *s)
{
    Object *obj = &s->pci.dev.obj;
    Vga *vga = &s->card.vga;

    mem_init_container(&s->linear, obj, "cirrus-linear", BAR_SIZE);
    mem_init_io(&s->overlay, obj, &overlay_ops, s, "cirrus-overlay", vga->vram_size);
    mem_init_io(&s->aperture, obj, &aperture_ops, s, "cirrus-aperture", APERTURE);
    mem_init_io(&s->mmio, obj, &mmio_ops, s, "cirrus-mmio", MMIO_SIZE);
    mem_add(&s->linear, 0, &vga->vram);
    mem_set_enabled(&s->overlay, false);
    mem_add_overlap(&s->linear, 0, &s->overlay, 1);
    mem_add(&s->linear, APERTURE, &s->aperture);
}
