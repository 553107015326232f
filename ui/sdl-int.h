/* SPDX-License-Identifier: MIT */
/* The parts of -display sdl.  Threading: the machine lock, main loop. */
#ifndef UI_SDL_INT_H
#define UI_SDL_INT_H

#include "ui/console.h"
#include "ui/display.h"
#include "sdl-lib.h"

enum { SDL_KEYS = 256 };

typedef enum SdlGrabKeys { SDL_GRAB_CTRL_ALT, SDL_GRAB_SHIFT_CTRL_ALT, SDL_GRAB_RCTRL } SdlGrabKeys;

typedef struct SdlOptions {
    bool show_cursor;
    bool keep_open; /* the window's close button does nothing */
    int grab_keys;  /* SdlGrabKeys */
} SdlOptions;

/* Where the console is within the window. */
typedef struct SdlPlace {
    int x, y, width, height;
} SdlPlace;

typedef struct SdlDisplay {
    const SdlLib *lib;
    const DisplayHost *host;
    SdlOptions options;
    SDL_Window *window;
    Console *con;
    char *title;
    guint timer, events;
    unsigned interval_ms;
    /* drawing */
    SdlPlace place;
    pixman_region32_t changed; /* of the console's surface */
    bool draw_all, visible;
    bool full_screen;
    bool scaled; /* the person has chosen another size than the console's */
    /* input */
    bool grabbed;
    bool pointer_within;
    unsigned buttons;
    bool key_down[SDL_KEYS];
    SDL_Cursor *cursor; /* the device's, NULL: none */
    bool eat_text;      /* the character of a shortcut is about to come */
} SdlDisplay;

/* --- sdl-keys.c --- */

/* KEY_* of a scan code, 0: none. */
unsigned sdl_key(SDL_Scancode code);
/* What a key types at a text console; 0: nothing, or a character that comes as text. */
uint32_t sdl_keysym(SDL_Keycode sym, unsigned modifiers);

/* --- sdl-input.c --- */

void sdl_take_event(SdlDisplay *s, const SDL_Event *ev);
void sdl_grab(SdlDisplay *s, bool on);
void sdl_release_keys(SdlDisplay *s);
/* The pointer over the window: the host's, the guest's, or none. */
void sdl_update_pointer(SdlDisplay *s);
/* How the person gets out of the grab, for the title. */
const char *sdl_grab_name(const SdlDisplay *s);

/* --- sdl.c --- */

void sdl_show_console(SdlDisplay *s, unsigned n);
void sdl_set_full_screen(SdlDisplay *s, bool on);
/* The window as large as the console again. */
void sdl_original_size(SdlDisplay *s);
/* The window larger by so many dots, or smaller. */
void sdl_grow(SdlDisplay *s, int by);
/* The window has another size, of the person's choice if @chosen. */
void sdl_window_resized(SdlDisplay *s, bool chosen);
void sdl_look_soon(SdlDisplay *s);

#endif
