/* SPDX-License-Identifier: MIT */
/* The displays that ui/display.c knows.  Threading: the machine lock, main loop. */
#ifndef UI_DISPLAYS_H
#define UI_DISPLAYS_H

#include "ui/display.h"

extern const DisplayType display_curses;
extern const DisplayType display_sdl;

#endif
