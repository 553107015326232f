/* SPDX-License-Identifier: MIT */
/*
 * Consoles: between devices that draw and front ends that show.  A device makes one for each of its heads, gives
 * it a surface and says what changes there; nothing is drawn while nobody looks.  Front ends listen, and refresh
 * the console as often as they show it.  Threading: the machine lock, main loop.
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include <pixman.h>

#include "qom/object.h"

typedef struct Console Console;

/* The characters of a text mode.  A cell is the code, with its VGA attribute in the high byte. */
typedef struct ConsoleText {
    unsigned columns, rows;
    uint16_t *cells; /* row by row */
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
} ConsoleOps;

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

/* --- For front ends --- */

/* The head of a device or of one inside it, or the first console there is (NULL device, head 0); NULL: there is none. */
Console *console_find(const Object *device, unsigned head);
/* The device draws now what has changed since the last time. */
void console_refresh(Console *con);
/* NULL until the device has shown something. */
pixman_image_t *console_surface(const Console *con);
/* The pointer as the device shows it; pictures of the console are without it. */
const ConsoleCursor *console_cursor(const Console *con);
/* False: the console is not in a text mode.  @text must be zero or of an earlier call; console_text_fini(). */
bool console_text(Console *con, ConsoleText *text);
void console_text_fini(ConsoleText *text);
/* False: the device has a mind of its own. */
bool console_wish_size(Console *con, unsigned width, unsigned height);
void console_listen(Console *con, const ConsoleListenerOps *ops, void *opaque);
void console_unlisten(Console *con, void *opaque);

/* --- Pictures of it --- */

typedef enum PictureFormat { PICTURE_PPM, PICTURE_PNG } PictureFormat;

/* Writes the console as it is now. */
bool console_dump(Console *con, const char *path, PictureFormat format, Error **errp) MUST_CHECK;

#endif
