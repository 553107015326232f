/* SPDX-License-Identifier: MIT */
/*
 * vc: a text console among the consoles of a display.  What is typed waits here until the front end has room;
 * beyond INPUT_MAX it is lost.
 */
#include "rhea/osdep.h"

#include "ui/text-console.h"
#include "char-int.h"

enum { INPUT_MAX = 4096 };

typedef struct CharVc {
    Chardev chr;
    TextConsole *console;
    GByteArray *input;
} CharVc;

static void vc_accept_input(Chardev *c)
{
    CharVc *s = (CharVc *)c;
    size_t room;

    while (s->input->len && (room = chr_can_receive(c))) {
        uint8_t chunk[64];
        size_t len = MIN(MIN(room, s->input->len), sizeof(chunk));

        memcpy(chunk, s->input->data, len);
        g_byte_array_remove_range(s->input, 0, (guint)len);
        chr_deliver(c, chunk, len); /* may come back to here */
    }
}

static void vc_typed(void *opaque, const char *bytes, size_t len)
{
    CharVc *s = opaque;

    if (s->input->len + len <= INPUT_MAX) {
        g_byte_array_append(s->input, (const guint8 *)bytes, (guint)len);
    }
    vc_accept_input(&s->chr);
}

/* @cells of @key or as many as are in the dots of @dots_key. */
static bool take_size(Opts *o, const char *key, const char *dots_key, unsigned dots, unsigned max,
                      uint64_t *cells, Error **errp)
{
    uint64_t pixels = 0;

    if (!opts_take_u64(o, key, max, cells, errp) ||
        !opts_take_u64(o, dots_key, (uint64_t)max * dots, &pixels, errp)) {
        return false;
    }
    if (pixels) {
        *cells = pixels / dots;
    }
    return *cells || error_fail(errp, "%s: there is no room for a character in this %s",
                                opts_what(o), pixels ? dots_key : key);
}

static bool vc_open(Chardev *c, Opts *o, Error **errp)
{
    CharVc *s = (CharVc *)c;
    uint64_t columns = TEXT_CONSOLE_COLUMNS, rows = TEXT_CONSOLE_ROWS;

    if (!take_size(o, "cols", "width", TEXT_CONSOLE_CELL_WIDTH, TEXT_CONSOLE_COLUMNS_MAX, &columns,
                   errp) ||
        !take_size(o, "rows", "height", TEXT_CONSOLE_CELL_HEIGHT, TEXT_CONSOLE_ROWS_MAX, &rows,
                   errp)) {
        return false;
    }
    s->input = g_byte_array_new();
    s->console = text_console_new(c->id, (unsigned)columns, (unsigned)rows, vc_typed, s);
    c->open = true;
    return true;
}

static void vc_close(Chardev *c)
{
    CharVc *s = (CharVc *)c;

    g_clear_pointer(&s->console, text_console_free);
    g_clear_pointer(&s->input, g_byte_array_unref);
}

static size_t vc_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    text_console_write(((CharVc *)c)->console, buf, len);
    return len;
}

static const char *const vc_opts[] = {"width", "height", "cols", "rows", NULL};

static const CharOps vc_ops = {
    .opts = vc_opts,
    .open = vc_open,
    .close = vc_close,
    .write = vc_write,
    .accept_input = vc_accept_input,
};

QOM_TYPE(chardev_vc_type, .name = "chardev-vc", .parent = TYPE_CHARDEV,
         .desc = "a text console of the display", .ops = &vc_ops, .size = sizeof(CharVc));
