/* SPDX-License-Identifier: MIT */
/* ncurses with wide characters, loaded when -display curses asks for it.  Main thread. */
#ifndef UI_CURSES_LIB_H
#define UI_CURSES_LIB_H

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>

#include "rhea/late-library.h"

/* In the order of the names in curses-lib.c. */
typedef struct CursesLib {
    LATE_FUNCTION(curs_set);
    LATE_FUNCTION(endwin);
    LATE_FUNCTION(getmaxx);
    LATE_FUNCTION(getmaxy);
    LATE_FUNCTION(init_pair);
    LATE_FUNCTION(keyname);
    LATE_FUNCTION(keypad);
    LATE_FUNCTION(meta);
    LATE_FUNCTION(newterm);
    LATE_FUNCTION(nodelay);
    LATE_FUNCTION(noecho);
    LATE_FUNCTION(nonl);
    LATE_FUNCTION(raw);
    LATE_FUNCTION(resizeterm);
    LATE_FUNCTION(set_escdelay);
    LATE_FUNCTION(setcchar);
    LATE_FUNCTION(start_color);
    LATE_FUNCTION(tigetnum);
    LATE_FUNCTION(tigetstr);
    LATE_FUNCTION(wadd_wch);
    LATE_FUNCTION(werase);
    LATE_FUNCTION(wget_wch);
    LATE_FUNCTION(wmove);
    LATE_FUNCTION(wrefresh);
    LATE_FUNCTION(stdscr);
} CursesLib;

/* NULL and an error: it is not there. */
const CursesLib *curses_lib(Error **errp);

#endif
