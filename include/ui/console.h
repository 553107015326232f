/* SPDX-License-Identifier: MIT */
/*
 * Consoles: between devices that draw and front ends that show.  A device makes one for each of its heads, gives
 * it a surface and says what changes there; nothing is drawn while nobody looks.  Front ends listen, and refresh
 * the console as often as they show it.  Beside them are text consoles, terminals that somebody types at.
 * Threading: the machine lock, main loop.
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include <pixman.h>

#include "qom/object.h"

typedef struct Console Console;

/* A character, in the sixteen colours of a VGA: bit 0 blue, 1 green, 2 red, 3 bright. */
typedef struct ConsoleCell {
    uint32_t c; /* Unicode; 0 is blank */
    uint8_t ink, paper;
    bool blink;
} ConsoleCell;

enum { CONSOLE_COLOURS = 16 };

/* The characters of a text mode. */
typedef struct ConsoleText {
    unsigned columns, rows;
    ConsoleCell *cells; /* row by row */
    bool cursor_visible;
    unsigned cursor_x, cursor_y;
} ConsoleText;

/* What a device supplies; any may be NULL. */
typedef struct ConsoleOps {
    /* Brings the surface up to date now; somebody looks. */
    void (*update)(void *opaque);
    /* Forget what was drawn: the next update draws all. */
    void (*invalidate)(void *opaque);
    /* False: it is not a text mode. */
    bool (*text)(void *opaque, ConsoleText *text);
    /* The size that a viewer would like. */
    void (*resize_wish)(void *opaque, unsigned width, unsigned height);
    /* What somebody types at a text console: a keysym as X has them, with modifiers. */
    void (*type)(void *opaque, uint32_t keysym, unsigned modifiers);
} ConsoleOps;

enum { CONSOLE_SHIFT = 1, CONSOLE_CTRL = 2, CONSOLE_ALT = 4 };

/* A pointer that the device draws over its surface, as a hardware cursor is. */
typedef struct ConsoleCursor {
    pixman_image_t *image; /* a8r8g8b8, alpha multiplied in; NULL: the device has no pointer */
    unsigned hot_x, hot_y; /* the place in the image that points */
    int x, y;              /* where that is on the surface, which it may lie outside of */
    bool visible;
} ConsoleCursor;

/* Something has happened to the console; what it is the console tells. */
typedef void ConsoleNotify(void *opaque, Console *con);

/* What a front end supplies; any may be NULL. */
typedef struct ConsoleListenerOps {
    void (*dirty)(void *opaque, Console *con, unsigned x, unsigned y, unsigned w, unsigned h);
    ConsoleNotify *surface;      /* another surface */
    ConsoleNotify *cursor;       /* another image or hot spot of the pointer */
    ConsoleNotify *cursor_moved; /* the pointer's place or whether it is visible */
    ConsoleNotify *gone;         /* the device goes; con is not to be used any more */
} ConsoleListenerOps;

/* --- For devices --- */

Console *console_new(Object *device, unsigned head, const ConsoleOps *ops, void *opaque);
/* A text console, of no device; it comes behind all heads. */
Console *console_new_text(const char *label, const ConsoleOps *ops, void *opaque);
void console_free(Console *con);
/* The surface, of format x8r8g8b8, which may be the guest's memory itself; the console holds a reference. */
void console_set_surface(Console *con, pixman_image_t *surface);
/* Part of the surface has changed; what lies outside of it is cut off. */
void console_dirty(Console *con, unsigned x, unsigned y, unsigned w, unsigned h);
/* The pointer's image, of which the console holds a reference, and the place in it that points; NULL: no pointer. */
void console_set_cursor(Console *con, pixman_image_t *image, unsigned hot_x, unsigned hot_y);
void console_move_cursor(Console *con, int x, int y, bool visible);
/* Makes room for so many cells, all zero, without a cursor. */
void console_text_resize(ConsoleText *text, unsigned columns, unsigned rows);
/* A cell of a VGA: a code of page 437 with its attribute above; bit 15 means blinking if @blink. */
ConsoleCell console_vga_cell(uint16_t cell, bool blink);

/* --- For front ends --- */

/* The head of a device or of one inside it, or the first console there is (NULL device, head 0); NULL: there is none. */
Console *console_find(const Object *device, unsigned head);
/* The @n-th as people count them, from 0: heads in the order of their devices, then text consoles; NULL: no more. */
Console *console_nth(unsigned n);
/* For people: "VGA", "serial0". */
const char *console_label(const Console *con);
/* A terminal: keys are for console_type(), not for the guest's keyboard. */
bool console_is_terminal(const Console *con);
void console_type(Console *con, uint32_t keysym, unsigned modifiers);
/* The device draws now what has changed since the last time. */
void console_refresh(Console *con);
/* NULL until the device has shown something. */
pixman_image_t *console_surface(const Console *con);
/* The pointer as the device shows it; pictures of the console are without it. */
const ConsoleCursor *console_cursor(const Console *con);
/* False: the console is not in a text mode.  @text must be zero or of an earlier call; console_text_fini(). */
bool console_text(Console *con, ConsoleText *text);
void console_text_fini(ConsoleText *text);
bool console_same_cell(const ConsoleCell *a, const ConsoleCell *b);
/* False: the device has a mind of its own. */
bool console_wish_size(Console *con, unsigned width, unsigned height);
void console_listen(Console *con, const ConsoleListenerOps *ops, void *opaque);
void console_unlisten(Console *con, void *opaque);

/* --- Pictures of it --- */

typedef enum PictureFormat { PICTURE_PPM, PICTURE_PNG } PictureFormat;

/* Writes the console as it is now. */
bool console_dump(Console *con, const char *path, PictureFormat format, Error **errp) MUST_CHECK;

#endif
