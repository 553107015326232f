/* SPDX-License-Identifier: MIT */
/*
 * A VGA's registers and memory: vga-regs.c has the ports, vga-mem.c the window at 0xa0000, vga-console.c what
 * is seen.
 */
#ifndef VGA_INT_H
#define VGA_INT_H

#include "memory/clock.h"
#include "memory/memory.h"

struct Console;
struct ConsoleOps;
struct Snapshot;
typedef struct VgaConsole VgaConsole;

enum { VGA_SEQ_REGS = 8, VGA_GFX_REGS = 16, VGA_ATTR_REGS = 21, VGA_CRTC_REGS = 25 };
enum { VGA_PALETTE = 768, VBE_REGS = 10 };

/* Ports from 3b0h. */
enum {
    VGA_P_ATTR = 0x10,
    VGA_P_ATTR_READ = 0x11,
    VGA_P_MISC_WRITE = 0x12,
    VGA_P_SEQ_INDEX = 0x14,
    VGA_P_SEQ = 0x15,
    VGA_P_DAC_MASK = 0x16,
    VGA_P_DAC_READ = 0x17,
    VGA_P_DAC_WRITE = 0x18,
    VGA_P_DAC = 0x19,
    VGA_P_FEATURE_READ = 0x1a,
    VGA_P_MISC_READ = 0x1c,
    VGA_P_GFX_INDEX = 0x1e,
    VGA_P_GFX = 0x1f,
    VGA_P_CRTC_INDEX = 0x04, /* and 0x20 higher with colour */
    VGA_P_CRTC = 0x05,
    VGA_P_STATUS = 0x0a
};
/* Sequencer. */
enum { SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY };
enum { SEQ_MEMORY_ODD_EVEN_OFF = 0x04, SEQ_MEMORY_CHAIN4 = 0x08 };
/* Graphics controller. */
enum {
    GFX_SET_RESET,
    GFX_ENABLE_SET_RESET,
    GFX_COMPARE,
    GFX_ROTATE,
    GFX_READ_PLANE,
    GFX_MODE,
    GFX_MISC,
    GFX_DONT_CARE,
    GFX_BIT_MASK
};
/* The Bochs VBE extensions. */
enum {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_MEMORY /* read only: in units of 64 KiB */
};
enum {
    VBE_ENABLED = 0x01,
    VBE_GETCAPS = 0x02,
    VBE_8BIT_DAC = 0x20,
    VBE_LFB = 0x40,
    VBE_NOCLEAR = 0x80
};

typedef struct Vga {
    /* wiring */
    Clock *clock;
    MemRegion vram;
    MemRegion window; /* 0xa0000..0xbffff */
    uint64_t vram_size;
    /* by type; NULL: it is a plain VGA */
    const struct VgaExtension *extension;
    /* guest-visible: all of it is in vga_snapshot */
    uint8_t misc, feature;
    uint8_t seq_index, gfx_index, crtc_index, attr_index;
    bool attr_data; /* the attribute port takes data next */
    uint8_t seq[VGA_SEQ_REGS], gfx[VGA_GFX_REGS], crtc[VGA_CRTC_REGS], attr[VGA_ATTR_REGS];
    uint8_t palette[VGA_PALETTE], dac_mask, dac_state;
    uint8_t dac_read, dac_write, dac_part;
    uint8_t dac_cache[3];
    uint32_t latch; /* the four planes as the last read saw them */
    uint16_t vbe_index, vbe[VBE_REGS];
    /* host-side */
    VgaConsole *console;
} Vga;

static inline bool vga_vbe_on(const Vga *s)
{
    return s->vbe[VBE_ENABLE] & VBE_ENABLED;
}

/* The registers at 3b0h..3dfh; @offset from 3b0h. */
uint8_t vga_port_read(Vga *s, unsigned offset);
void vga_port_write(Vga *s, unsigned offset, uint8_t v);
/* Ports of the CRTC answer at 3bxh or 3dxh by a bit of the miscellaneous register: 3bxh; false: not by it. */
bool vga_crtc_port(const Vga *s, unsigned *offset);
uint16_t vga_vbe_read(const Vga *s, unsigned index);
void vga_vbe_write(Vga *s, unsigned index, uint16_t v);
void vga_reset_regs(Vga *s);
/* After a reset, of a device whose driver cannot switch the picture on by VGA registers. */
void vga_show_always(Vga *s);
void vga_snapshot(Vga *s, struct Snapshot *sn);

/* The window in the memory that CPUs see; @ops NULL: the VGA's own.  Their opaque is @s. */
enum { VGA_WINDOW_SIZE = 0x20000 };
void vga_init_window(Vga *s, Object *owner, const MemOps *ops);
/* Where in memory the window is, without banks: maps @offset; false: it is outside. */
bool vga_window_map(const Vga *s, uint64_t *offset);
/* Accesses to planes or, chained, bytes. */
uint8_t vga_memory_read(Vga *s, uint64_t offset);
void vga_memory_write(Vga *s, uint64_t offset, uint8_t v);

/* What the VGA shows on a console of its own. */
VgaConsole *vga_console_new(Vga *s, Object *device);
/* On one whose owner calls vga_console_ops with the result when the VGA shall draw. */
VgaConsole *vga_console_new_on(Vga *s, struct Console *con);
extern const struct ConsoleOps vga_console_ops;
void vga_console_free(VgaConsole *vc);

#endif
