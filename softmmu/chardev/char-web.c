/* SPDX-License-Identifier: MIT */
/*
 * web: a terminal on the web page (-display web).  Output vanishes into what the page keeps; what is typed there
 * waits for the guest, and is dropped when the guest does not take it.
 */
#include "rhea/osdep.h"

#include "char-int.h"
#include "ui/web.h"

enum { INPUT_MAX = 64 * 1024 };

typedef struct CharWeb {
    Chardev chr;
    WebTerminal *terminal;
    GByteArray *input;
} CharWeb;

static void web_deliver(Chardev *c)
{
    CharWeb *s = (CharWeb *)c;

    while (s->input->len) {
        size_t n = MIN(chr_can_receive(c), s->input->len);
        g_autofree uint8_t *now = g_memdup2(s->input->data, n);

        if (!n) {
            return;
        }
        g_byte_array_remove_range(s->input, 0,
                                  (guint)n); /* the front end may ask for more at once */
        chr_deliver(c, now, n);
    }
}

static void web_typed(void *opaque, const uint8_t *buf, size_t len)
{
    CharWeb *s = opaque;

    g_byte_array_append(s->input, buf, (guint)MIN(len, INPUT_MAX - s->input->len));
    web_deliver(&s->chr);
}

static bool web_open(Chardev *c, Opts *o, Error **errp)
{
    CharWeb *s = (CharWeb *)c;

    s->terminal = web_terminal_new(c->id, web_typed, s);
    if (!s->terminal) {
        return error_fail(errp, "%s: the web page has no room for another terminal", opts_what(o));
    }
    s->input = g_byte_array_new();
    c->open = true;
    return true;
}

static void web_close(Chardev *c)
{
    CharWeb *s = (CharWeb *)c;

    g_clear_pointer(&s->terminal, web_terminal_free);
    g_clear_pointer(&s->input, g_byte_array_unref);
}

static size_t web_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    web_terminal_put(((CharWeb *)c)->terminal, buf, len);
    return len;
}

static const char *const web_opts[] = {NULL};

static const CharOps web_ops = {
    .opts = web_opts,
    .open = web_open,
    .close = web_close,
    .write = web_write,
    .accept_input = web_deliver,
};

QOM_TYPE(chardev_web_type, .name = "chardev-web", .parent = TYPE_CHARDEV,
         .desc = "a terminal on the web page", .ops = &web_ops, .size = sizeof(CharWeb));
