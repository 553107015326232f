/* SPDX-License-Identifier: MIT */
/*
 * A terminal's screen: what bytes of a serial line or a monitor make of a grid of characters.  Threading: its
 * owner's.
 */
#ifndef UI_VT_H
#define UI_VT_H

#include "ui/console.h"

enum { VT_COLUMNS_MAX = 512, VT_ROWS_MAX = 256, VT_SCROLLBACK = 1000 };

typedef struct Vt Vt;

/* @reply sends what the terminal answers to questions about it. */
Vt *vt_new(unsigned columns, unsigned rows, void (*reply)(void *opaque, const char *text),
           void *opaque);
void vt_free(Vt *vt);
void vt_write(Vt *vt, const uint8_t *buf, size_t len);

unsigned vt_columns(const Vt *vt);
unsigned vt_rows(const Vt *vt);
/* Line @row of what is shown, which may be lines that have gone off the top. */
const ConsoleCell *vt_line(const Vt *vt, unsigned row);
/* False: it is not to be seen. */
bool vt_cursor(const Vt *vt, unsigned *x, unsigned *y);
/* Shows lines further up (@lines > 0) or down; anything written shows the screen itself again. */
void vt_scroll_back(Vt *vt, int lines);

/* Cursor keys send what applications asked for. */
bool vt_application_keys(const Vt *vt);

enum { VT_KEY_BYTES = 16 };
/* What is sent for @keysym with CONSOLE_SHIFT and so on: how many bytes of @text, which has VT_KEY_BYTES. */
size_t vt_key_bytes(uint32_t keysym, unsigned modifiers, bool application, char *text);

#endif
