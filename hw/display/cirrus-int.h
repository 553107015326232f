/* SPDX-License-Identifier: MIT */
/*
 * A Cirrus Logic CL-GD5446 on PCI: cirrus-regs.c has the registers that it adds to a VGA's, cirrus-mem.c its ways
 * into video memory, cirrus-blt.c the BLT engine, cirrus-vga.c the device and its picture.  Machine lock.
 */
#ifndef CIRRUS_INT_H
#define CIRRUS_INT_H

#include "vga-card.h"

struct Snapshot;

enum { CIRRUS_SR = 0x20, CIRRUS_GR = 0x40, CIRRUS_CR = 0x28 };
enum {
    SR_UNLOCK = 0x06,
    SR_MODE = 0x07, /* extended sequencer mode */
    SR_DRAM = 0x0f,
    SR_CURSOR_X = 0x10,
    SR_CURSOR_Y = 0x11,
    SR_CURSOR = 0x12,
    SR_CURSOR_PATTERN = 0x13,
    SR_SCRATCH_3 = 0x15,
    SR_CONFIG = 0x17,
    SR_MCLK = 0x1f
};
enum {
    SR_MODE_PACKED = 0x01,
    SR_MODE_WIDTH = 0x0e,
    SR_CURSOR_ON = 0x01,
    SR_CURSOR_COLOURS = 0x02,
    SR_CURSOR_64 = 0x04,
    SR_CONFIG_MMIO = 0x04,     /* the BLT registers are in the window */
    SR_CONFIG_MMIO_END = 0x40, /* or at the end of the linear memory */
};
enum {
    GR_BACKGROUND = 0x00, /* lowest bytes of the colours */
    GR_FOREGROUND = 0x01,
    GR_MODE = 0x05,
    GR_OFFSET_0 = 0x09,
    GR_OFFSET_1 = 0x0a,
    GR_EXTENSIONS = 0x0b,
    GR_BACKGROUND_1 = 0x10,
    GR_FOREGROUND_1 = 0x11,
    GR_BLT_WIDTH = 0x20,
    GR_BLT_HEIGHT = 0x22,
    GR_BLT_DST_PITCH = 0x24,
    GR_BLT_SRC_PITCH = 0x26,
    GR_BLT_DST = 0x28,
    GR_BLT_SRC = 0x2c,
    GR_BLT_SKIP = 0x2f,
    GR_BLT_MODE = 0x30,
    GR_BLT_STATUS = 0x31,
    GR_BLT_ROP = 0x32,
    GR_BLT_EXTENSIONS = 0x33,
    GR_BLT_KEY = 0x34,
    GR_BLT_KEY_MASK = 0x38,
    GR_NONE = 0x3f
};
enum {
    EXT_TWO_WINDOWS = 0x01,
    EXT_BY_8 = 0x02,
    EXT_WRITE_MODES = 0x04,
    EXT_16_BIT = 0x10,
    EXT_OFFSET_16K = 0x20
};
enum { CIRRUS_SOURCE_MAX = 8192 + 4 }; /* bytes of a line from the CPU */

/* A BLT whose source the CPU writes. */
typedef struct CirrusFeed {
    bool active;
    uint32_t line, lines; /* done, in all */
    uint32_t line_bytes, have;
    uint8_t bytes[CIRRUS_SOURCE_MAX];
} CirrusFeed;

typedef struct Cirrus {
    PciDevice pci;
    VgaCard card;
    /* wiring */
    MemRegion linear;   /* BAR 0 */
    MemRegion overlay;  /* in front of video memory there, when accesses are more than that */
    MemRegion aperture; /* for the source of BLTs */
    MemRegion mmio;     /* BAR 1 */
    /* guest-visible: all of it is in cirrus_snapshot */
    uint8_t seq_index, gfx_index; /* with all their bits */
    uint8_t sr[CIRRUS_SR], gr[CIRRUS_GR], cr[CIRRUS_CR];
    uint8_t cursor_low[2];            /* low three bits of its place: x, y */
    uint8_t hidden_dac, hidden_reads; /* of the pixel mask, one after the other */
    uint8_t cursor_palette[16 * 3];
    CirrusFeed feed;
    /* host-side */
    uint32_t overlay_idle; /* accesses since it was needed */
} Cirrus;

static inline bool cirrus_packed(const Cirrus *s)
{
    return s->sr[SR_MODE] & SR_MODE_PACKED;
}

/* --- cirrus-regs.c --- */

extern const MemOps cirrus_ports_ops; /* opaque: the card */
uint8_t cirrus_port_read(Cirrus *s, unsigned offset);
void cirrus_port_write(Cirrus *s, unsigned offset, uint8_t v);
/* The BLT registers where memory accesses reach them. */
uint8_t cirrus_blt_port_read(const Cirrus *s, unsigned offset);
void cirrus_blt_port_write(Cirrus *s, unsigned offset, uint8_t v);
void cirrus_reset_regs(Cirrus *s);
void cirrus_snapshot_regs(Cirrus *s, struct Snapshot *sn);

/* --- cirrus-mem.c --- */

extern const MemOps cirrus_window_ops; /* opaque: the VGA */
void cirrus_init_memory(Cirrus *s);
/* After a change of what accesses to linear memory do. */
void cirrus_update_overlay(Cirrus *s);

/* --- cirrus-blt.c --- */

/* Carries out what the registers say, or waits for the CPU's data. */
void cirrus_blt_start(Cirrus *s);
void cirrus_blt_stop(Cirrus *s);
/* A byte of the source, while the feed is active. */
void cirrus_blt_feed(Cirrus *s, uint8_t v);

#endif
