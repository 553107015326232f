/* SPDX-License-Identifier: MIT */
/* What a terminal sends for keys, as keysyms.  Main thread. */
#ifndef UI_CURSES_KEYS_H
#define UI_CURSES_KEYS_H

#include "rhea/base.h"

/* A keysym of X and CONSOLE_SHIFT and so on; keysym 0: no key that we know. */
typedef struct CursesKey {
    uint32_t keysym;
    unsigned modifiers;
} CursesKey;

CursesKey curses_key_of_char(uint32_t c);
/* @code is ncurses's KEY_*, @name its name ("kUP5") or NULL. */
CursesKey curses_key_of_code(int code, const char *name);

#endif
