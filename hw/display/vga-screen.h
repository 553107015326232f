/* SPDX-License-Identifier: MIT */
/*
 * What a VGA shows, worked out from its registers: vga-mode.c fills it, vga-draw.c draws lines by it.  Two
 * screens are the same picture of the same memory when their bytes are equal.
 */
#ifndef VGA_SCREEN_H
#define VGA_SCREEN_H

#include "vga-int.h"

typedef enum VgaKind {
    VGA_BLANK,
    VGA_TEXT,
    VGA_PLANAR, /* eight pixels of four bits from a bit of each plane */
    VGA_PACKED, /* eight pixels of two bits, four from each pair of planes (CGA) */
    VGA_BYTES,  /* four pixels of eight bits, one from each plane */
    VGA_LINEAR  /* a Bochs VBE mode with more than four bits */
} VgaKind;

typedef struct VgaScreen {
    uint32_t kind;
    uint32_t width, height; /* of the surface; a dot of half the clock is two pixels wide */
    /* The part below is of all kinds but VGA_LINEAR. */
    uint32_t chars;       /* characters in a line: eight pixels in graphics, or four of VGA_BYTES */
    uint32_t char_dots;   /* 8 or 9 */
    uint32_t dot_width;   /* pixels to a dot */
    uint32_t start;       /* addresses count as the CRTC does, before map_address() */
    uint32_t pitch;       /* from a row of characters to the next one */
    uint32_t row_lines;   /* scan lines of a row, each drawn line_repeat times */
    uint32_t line_repeat; /* doubled lines */
    uint32_t first_row_line;
    uint32_t pan; /* pixels */
    uint32_t
        split; /* from this line on address 0 is shown, and without panning if split_pan is off */
    uint32_t split_pan;
    uint32_t address_mode; /* the CRTC's mode control and underline register */
    uint32_t chained;
    uint32_t address_mask; /* of an address in a plane */
    /* Text. */
    uint32_t font[2]; /* addresses in plane 2 of the maps for attribute bit 3 clear and set */
    uint32_t blink;   /* attribute bit 7 blinks, and does not brighten the background */
    uint32_t wide_lines, underline;
    uint32_t cursor, cursor_first, cursor_last; /* none: first > last */
    /* VGA_LINEAR: byte offsets. */
    uint32_t format; /* PixelFormat */
    uint64_t linear_start, linear_pitch;
    uint32_t colours[256]; /* by attribute for 16 colours, by palette index for 256 */
} VgaScreen;

/* What blinks is shown in the one half of the time. */
typedef struct VgaPhase {
    bool cursor_on, text_on;
} VgaPhase;

enum { VGA_POINTER_MAX = 64 };

/* A pointer that is part of the picture; equal bytes are equal pictures.  Zero: there is none. */
typedef struct VgaPointer {
    uint32_t side; /* pixels; 0: it is off */
    int32_t x, y;
    uint32_t colours[2];
    uint64_t planes[2][VGA_POINTER_MAX]; /* by line, the leftmost pixel in the highest bit */
} VgaPointer;

/* What a card adds to its VGA. */
typedef struct VgaExtension {
    /* @out is what the VGA's registers say: changes it where the card's say otherwise. */
    void (*screen)(const Vga *s, VgaScreen *out);
    /* All bytes of @out are zero before. */
    void (*pointer)(const Vga *s, VgaPointer *out);
} VgaExtension;

enum { VGA_MAX_SIDE = 16384 };

/* All bytes of @out are set. */
void vga_screen(const Vga *s, VgaScreen *out);
VgaPhase vga_phase(const Vga *s);
/* Nanoseconds that a whole picture and a line of it take, and how many lines there are. */
typedef struct VgaTiming {
    uint64_t line_ns, line_shown_ns;
    uint32_t lines, lines_shown, retrace_first, retrace_lines;
} VgaTiming;
VgaTiming vga_timing(const Vga *s);

/*
 * The line @y as @screen.width pixels; @scratch has room for vga_scratch_pixels().  What lies outside of video
 * memory is black.
 */
void vga_draw_line(const Vga *s, const VgaScreen *screen, VgaPhase phase, unsigned y,
                   uint32_t *scratch, uint32_t *out);
/* Over the line @y of @width pixels: of each two bits 0 leaves the pixel, 1 inverts it, 2 and 3 are colours. */
void vga_draw_pointer(const VgaPointer *p, unsigned y, uint32_t *out, unsigned width);
size_t vga_scratch_pixels(const VgaScreen *screen);
/* The bytes of video memory that line @y comes from, as offset and length; fonts come on top of it. */
void vga_line_memory(const Vga *s, const VgaScreen *screen, unsigned y, uint64_t *offset,
                     uint64_t *len);
/* Whether characters of the line are there in one half of the time only. */
bool vga_line_blinks(const Vga *s, const VgaScreen *screen, unsigned y);
/* The text in row @row as characters with their attribute in the high byte, @screen.chars of them. */
void vga_text_row(const Vga *s, const VgaScreen *screen, unsigned row, uint16_t *cells);
/* Where the cursor is, as the number of its cell; false: not on the screen. */
bool vga_text_cursor(const VgaScreen *screen, unsigned *cell);

#endif
