/* SPDX-License-Identifier: MIT */
/*
 * Text consoles: a terminal among the consoles of a display, for a serial port or the monitor.
 * Threading: the machine lock, main loop.
 */
#ifndef UI_TEXT_CONSOLE_H
#define UI_TEXT_CONSOLE_H

#include "rhea/base.h"

enum {
    TEXT_CONSOLE_COLUMNS = 80,
    TEXT_CONSOLE_ROWS = 24,
    TEXT_CONSOLE_COLUMNS_MAX = 512,
    TEXT_CONSOLE_ROWS_MAX = 256,
    TEXT_CONSOLE_CELL_WIDTH = 8, /* dots */
    TEXT_CONSOLE_CELL_HEIGHT = 16,
};

typedef struct TextConsole TextConsole;

/* At most the largest size; @input gets what is typed there. */
TextConsole *text_console_new(const char *label, unsigned columns, unsigned rows,
                              void (*input)(void *opaque, const char *bytes, size_t len),
                              void *opaque);
void text_console_free(TextConsole *tc);
void text_console_write(TextConsole *tc, const uint8_t *buf, size_t len);

#endif
