/* SPDX-License-Identifier: MIT */
/* Loading ncurses.  Main thread. */
#include "rhea/osdep.h"

#include "config.h"
#include "curses-lib.h"

const CursesLib *curses_lib(Error **errp)
{
    static const char *const names[] = {
        "curs_set", "endwin",     "getmaxx",      "getmaxy",  "init_pair",   "keyname",
        "keypad",   "meta",       "newterm",      "nodelay",  "noecho",      "nonl",
        "raw",      "resizeterm", "set_escdelay", "setcchar", "start_color", "tigetnum",
        "tigetstr", "wadd_wch",   "werase",       "wget_wch", "wmove",       "wrefresh",
        "stdscr",   NULL,
    };
    static CursesLib lib;
    static bool loaded;

    loaded = loaded || late_library_load(CURSES_SONAME, names, &lib, errp);
    return loaded ? &lib : NULL;
}
