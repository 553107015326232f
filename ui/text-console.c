/* SPDX-License-Identifier: MIT */
/*
 * Text consoles: a terminal's screen drawn with a font when somebody looks, cell by cell where it has changed.
 * Shift with Page Up and Page Down shows what has gone off the top.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <xkbcommon/xkbcommon-keysyms.h>

#include "font.h"
#include "ui/console.h"
#include "ui/text-console.h"
#include "vt.h"

struct TextConsole {
    Console *con;
    Vt *vt;
    void (*input)(void *opaque, const char *bytes, size_t len);
    void *opaque;
    pixman_image_t *surface;
    ConsoleCell *drawn; /* as the surface shows them, the cursor's with its colours exchanged */
    bool draw_all;
};

/* The sixteen colours that a PC's BIOS loads. */
static const uint32_t palette[CONSOLE_COLOURS] = {
    0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
    0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff};

static void draw_cell(TextConsole *tc, unsigned column, unsigned row, const ConsoleCell *cell)
{
    const uint8_t *glyph = font_glyph(cell->c ? cell->c : ' ');
    unsigned stride = (unsigned)pixman_image_get_stride(tc->surface) / sizeof(uint32_t);
    uint32_t *out = pixman_image_get_data(tc->surface) + (size_t)row * FONT_HEIGHT * stride +
                    (size_t)column * FONT_WIDTH;

    for (unsigned y = 0; y < FONT_HEIGHT; y++, out += stride) {
        for (unsigned x = 0; x < FONT_WIDTH; x++) {
            out[x] = palette[glyph[y] << x & 0x80 ? cell->ink : cell->paper];
        }
    }
}

static ConsoleCell shown_cell(const ConsoleCell *cell, bool under_cursor)
{
    ConsoleCell out = *cell;

    if (under_cursor) {
        out.ink = cell->paper;
        out.paper = cell->ink == cell->paper ? cell->ink ^ 7 : cell->ink;
    }
    return out;
}

/* The row's changed cells; what is told dirty is from the first to the last of them. */
static void draw_row(TextConsole *tc, unsigned row, unsigned cursor)
{
    unsigned columns = vt_columns(tc->vt), first = columns, last = 0;
    const ConsoleCell *line = vt_line(tc->vt, row);
    ConsoleCell *drawn = tc->drawn + (size_t)row * columns;

    for (unsigned x = 0; x < columns; x++) {
        ConsoleCell cell = shown_cell(&line[x], x == cursor);

        if (tc->draw_all || !console_same_cell(&cell, &drawn[x])) {
            draw_cell(tc, x, row, &cell);
            drawn[x] = cell;
            first = MIN(first, x);
            last = x;
        }
    }
    if (first < columns) {
        console_dirty(tc->con, first * FONT_WIDTH, row * FONT_HEIGHT,
                      (last - first + 1) * FONT_WIDTH, FONT_HEIGHT);
    }
}

static void text_console_update(void *opaque)
{
    TextConsole *tc = opaque;
    unsigned columns = vt_columns(tc->vt), rows = vt_rows(tc->vt), cursor_x, cursor_y;
    bool cursor = vt_cursor(tc->vt, &cursor_x, &cursor_y);

    if (!tc->surface) {
        tc->surface = pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)(columns * FONT_WIDTH),
                                               (int)(rows * FONT_HEIGHT), NULL, 0);
        tc->draw_all = true;
        console_set_surface(tc->con, tc->surface);
    }
    for (unsigned y = 0; y < rows; y++) {
        draw_row(tc, y, cursor && y == cursor_y ? cursor_x : columns);
    }
    tc->draw_all = false;
}

static void text_console_invalidate(void *opaque)
{
    ((TextConsole *)opaque)->draw_all = true;
}

static bool text_console_text(void *opaque, ConsoleText *text)
{
    TextConsole *tc = opaque;
    unsigned columns = vt_columns(tc->vt), rows = vt_rows(tc->vt);

    console_text_resize(text, columns, rows);
    for (unsigned y = 0; y < rows; y++) {
        memcpy(text->cells + (size_t)y * columns, vt_line(tc->vt, y),
               columns * sizeof(ConsoleCell));
    }
    text->cursor_visible = vt_cursor(tc->vt, &text->cursor_x, &text->cursor_y);
    return true;
}

static void text_console_type(void *opaque, uint32_t keysym, unsigned modifiers)
{
    TextConsole *tc = opaque;
    int page = (int)vt_rows(tc->vt) / 2;
    char bytes[VT_KEY_BYTES];
    size_t len;

    if (modifiers == CONSOLE_SHIFT && (keysym == XKB_KEY_Page_Up || keysym == XKB_KEY_Page_Down)) {
        vt_scroll_back(tc->vt, keysym == XKB_KEY_Page_Up ? page : -page);
        return;
    }
    len = vt_key_bytes(keysym, modifiers, vt_application_keys(tc->vt), bytes);
    tc->input(tc->opaque, bytes, len);
}

static const ConsoleOps text_console_ops = {
    .update = text_console_update,
    .invalidate = text_console_invalidate,
    .text = text_console_text,
    .type = text_console_type,
};

/* What the terminal answers to questions. */
static void text_console_reply(void *opaque, const char *text)
{
    TextConsole *tc = opaque;

    tc->input(tc->opaque, text, strlen(text));
}

TextConsole *text_console_new(const char *label, unsigned columns, unsigned rows,
                              void (*input)(void *opaque, const char *bytes, size_t len),
                              void *opaque)
{
    TextConsole *tc = g_new0(TextConsole, 1);

    G_STATIC_ASSERT((int)TEXT_CONSOLE_CELL_WIDTH == (int)FONT_WIDTH);
    G_STATIC_ASSERT((int)TEXT_CONSOLE_CELL_HEIGHT == (int)FONT_HEIGHT);
    tc->input = input;
    tc->opaque = opaque;
    tc->vt = vt_new(MIN(columns, TEXT_CONSOLE_COLUMNS_MAX), MIN(rows, TEXT_CONSOLE_ROWS_MAX),
                    text_console_reply, tc);
    tc->drawn = g_new0(ConsoleCell, (size_t)vt_columns(tc->vt) * vt_rows(tc->vt));
    tc->con = console_new_text(label, &text_console_ops, tc);
    return tc;
}

void text_console_free(TextConsole *tc)
{
    console_free(tc->con);
    if (tc->surface) {
        pixman_image_unref(tc->surface);
    }
    vt_free(tc->vt);
    g_free(tc->drawn);
    g_free(tc);
}

void text_console_write(TextConsole *tc, const uint8_t *buf, size_t len)
{
    vt_write(tc->vt, buf, len);
}
