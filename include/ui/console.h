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

/* What a front end supplies; any may be NULL. */
typedef struct ConsoleListenerOps {
    void (*surface)(void *opaque, Console *con); /* another surface */
    void (*dirty)(void *opaque, Console *con, unsigned x, unsigned y, unsigned w, unsigned h);
    void (*gone)(void *opaque, Console *con); /* the device goes; con is not to be used any more */
} ConsoleListenerOps;

/* --- For devices --- */

Console *console_new(Object *device, unsigned head, const ConsoleOps *ops, void *opaque);
void console_free(Console *con);
/* The surface, of format x8r8g8b8, which may be the guest's memory itself; the console holds a reference. */
void console_set_surface(Console *con, pixman_image_t *surface);
/* Part of the surface has changed; what lies outside of it is cut off. */
void console_dirty(Console *con, unsigned x, unsigned y, unsigned w, unsigned h);
/* Makes room for so many cells, all zero, without a cursor. */
void console_text_resize(ConsoleText *text, unsigned columns, unsigned rows);

/* --- For front ends --- */

/* The head of a device or of one inside it, or the first console there is (NULL device, head 0); NULL: there is none. */
Console *console_find(const Object *device, unsigned head);
/* The device draws now what has changed since the last time. */
void console_refresh(Console *con);
/* NULL until the device has shown something. */
pixman_image_t *console_surface(const Console *con);
/* False: the console is not in a text mode.  @text must be zero or of an earlier call; console_text_fini(). */
bool console_text(Console *con, ConsoleText *text);
void console_text_fini(ConsoleText *text);
void console_wish_size(Console *con, unsigned width, unsigned height);
void console_listen(Console *con, const ConsoleListenerOps *ops, void *opaque);
void console_unlisten(Console *con, void *opaque);

/* --- Pictures of it --- */

typedef enum PictureFormat { PICTURE_PPM, PICTURE_PNG } PictureFormat;

/* Writes the console as it is now. */
bool console_dump(Console *con, const char *path, PictureFormat format, Error **errp) MUST_CHECK;

#endif
