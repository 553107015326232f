/* SPDX-License-Identifier: MIT */
/*
 * mux: several front ends on one backend.  Input goes to the one in focus; an escape character (Ctrl-A,
 * -echr) followed by a letter switches and does a few things more.  Output of all goes through.
 */
#include "rhea/osdep.h"

#include <time.h>

#include "block/block.h"
#include "hw/machine.h"
#include "softmmu/runstate.h"
#include "char-int.h"

enum { MUX_FRONTS = 8, MUX_BUFFER = 4096 };

typedef struct MuxInput {
    uint8_t data[MUX_BUFFER];
    unsigned head, len;
} MuxInput;

typedef struct CharMux {
    Chardev chr;
    CharFront base;
    CharFront *fronts[MUX_FRONTS];
    MuxInput *input[MUX_FRONTS];
    unsigned focus;
    bool escape;     /* the last character was the escape */
    bool timestamps; /* Ctrl-A t */
    bool line_start;
    int64_t start_ns;
} CharMux;

static int mux_escape_char = 1; /* -echr: an option of the process */

void chr_set_escape(int c)
{
    mux_escape_char = c;
}

/* --- Output --- */

static void mux_print(CharMux *s, const char *text)
{
    chr_write_all(&s->base, text, strlen(text));
}

static void mux_print_timestamp(CharMux *s)
{
    int64_t ms = (g_get_monotonic_time() * 1000 - s->start_ns) / NS_PER_MS;
    char text[40];

    snprintf(text, sizeof(text), "[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000),
             (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
    mux_print(s, text);
}

static size_t mux_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    CharMux *s = (CharMux *)c;

    if (!s->timestamps) {
        if (!all) {
            return chr_write(&s->base, buf, len);
        }
        chr_write_all(&s->base, buf, len);
        return len;
    }
    for (size_t i = 0; i < len; i++) {
        if (s->line_start) {
            mux_print_timestamp(s);
        }
        chr_write_all(&s->base, buf + i, 1);
        s->line_start = buf[i] == '\n';
    }
    return len;
}

/* --- Input --- */

static void mux_drain(CharMux *s, unsigned n)
{
    CharFront *fe = s->fronts[n];
    MuxInput *in = s->input[n];
    uint8_t chunk[MUX_BUFFER];

    while (fe && in->len && fe->handlers && fe->handlers->can_receive) {
        size_t room = MIN(fe->handlers->can_receive(fe->opaque), in->len);

        room = MIN(room, MUX_BUFFER - in->head);
        if (!room) {
            return;
        }
        memcpy(chunk, in->data + in->head, room);
        /* Taken out first: the front end may ask for more from within. */
        in->len -= room;
        in->head = (in->head + room) % MUX_BUFFER;
        fe->handlers->receive(fe->opaque, chunk, room);
    }
}

static void mux_accept_input(Chardev *c)
{
    CharMux *s = (CharMux *)c;

    for (unsigned n = 0; n < MUX_FRONTS; n++) {
        mux_drain(s, n);
    }
    chr_accept_input(&s->base);
}

static void mux_event_one(CharMux *s, unsigned n, CharEvent ev)
{
    CharFront *fe = s->fronts[n];

    if (fe && fe->handlers && fe->handlers->event) {
        fe->handlers->event(fe->opaque, ev);
    }
}

static void mux_switch_focus(CharMux *s)
{
    unsigned next = s->focus;

    do {
        next = (next + 1) % MUX_FRONTS;
    } while (!s->fronts[next] && next != s->focus);
    mux_event_one(s, s->focus, CHAR_MUX_OUT);
    s->focus = next;
    mux_event_one(s, s->focus, CHAR_MUX_IN);
}

static void mux_help(CharMux *s)
{
    static const char *const lines[] = {
        "h    print this help",
        "x    exit emulator",
        "s    write disk data out to the files",
        "t    toggle console timestamps",
        "b    send break (magic sysrq)",
        "c    switch between console and monitor",
    };
    char name[8];

    if (mux_escape_char >= 1 && mux_escape_char <= 26) {
        snprintf(name, sizeof(name), "C-%c", mux_escape_char - 1 + 'a');
    } else {
        snprintf(name, sizeof(name), "0x%02x", mux_escape_char);
    }
    mux_print(s, "\r\n");
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        g_autofree char *line = g_strdup_printf("%s %s\r\n", name, lines[i]);

        mux_print(s, line);
    }
    {
        g_autofree char *line = g_strdup_printf("%s %s  sends %s\r\n", name, name, name);

        mux_print(s, line);
    }
}

/* After the escape character. True: @c itself is input. */
static bool mux_command(CharMux *s, uint8_t c)
{
    if (c == mux_escape_char) {
        return true;
    }
    switch (c) {
    case '?':
    case 'h': mux_help(s); break;
    case 'x':
        mux_print(s, "QEMU: Terminated\r\n");
        machine_request_shutdown(machine_current(), SHUTDOWN_HOST_UI, 0);
        break;
    case 'b': mux_event_one(s, s->focus, CHAR_BREAK); break;
    case 'c': mux_switch_focus(s); break;
    case 's': blk_flush_all(); break;
    case 't':
        s->timestamps = !s->timestamps;
        s->start_ns = g_get_monotonic_time() * 1000;
        s->line_start = false;
        break;
    default: break; /* unknown letters vanish, as users know it */
    }
    return false;
}

static void mux_receive(void *opaque, const uint8_t *buf, size_t len)
{
    CharMux *s = opaque;

    for (size_t i = 0; i < len; i++) {
        bool is_input = true;
        MuxInput *in;

        if (s->escape) {
            s->escape = false;
            is_input = mux_command(s, buf[i]);
        } else if (buf[i] == mux_escape_char && mux_escape_char) {
            s->escape = true;
            is_input = false;
        }
        in = s->input[s->focus];
        if (is_input && s->fronts[s->focus] && in->len < MUX_BUFFER) {
            in->data[(in->head + in->len++) % MUX_BUFFER] = buf[i];
        }
    }
    mux_drain(s, s->focus);
}

/* Input is taken ahead of the guest, so that the escapes work while it does not listen. */
static size_t mux_can_receive(void *opaque)
{
    CharMux *s = opaque;

    return s->fronts[s->focus] ? MUX_BUFFER - s->input[s->focus]->len : 1;
}

static void mux_event(void *opaque, CharEvent ev)
{
    CharMux *s = opaque;

    if (ev == CHAR_OPENED || ev == CHAR_CLOSED) {
        s->chr.open = ev == CHAR_OPENED;
    }
    for (unsigned n = 0; n < MUX_FRONTS; n++) {
        if (s->fronts[n]) {
            s->fronts[n]->open = s->chr.open && s->fronts[n]->handlers;
            mux_event_one(s, n, ev);
        }
    }
}

static void mux_can_write(void *opaque)
{
    CharMux *s = opaque;

    for (unsigned n = 0; n < MUX_FRONTS; n++) {
        CharFront *fe = s->fronts[n];

        if (fe && fe->handlers && fe->handlers->can_write) {
            fe->handlers->can_write(fe->opaque);
        }
    }
}

static const CharHandlers mux_handlers = {
    .can_receive = mux_can_receive,
    .receive = mux_receive,
    .event = mux_event,
    .can_write = mux_can_write,
};

/* --- Life --- */

static void mux_attach(Chardev *c, CharFront *fe)
{
    CharMux *s = (CharMux *)c;

    for (unsigned n = 0; n < MUX_FRONTS; n++) {
        if (!s->fronts[n]) {
            s->fronts[n] = fe;
            s->input[n] = g_new0(MuxInput, 1);
            fe->mux_index = n;
            return;
        }
    }
    fe->chr = NULL; /* no place left: what it writes vanishes */
}

static void mux_detach(Chardev *c, CharFront *fe)
{
    CharMux *s = (CharMux *)c;

    s->fronts[fe->mux_index] = NULL;
    g_clear_pointer(&s->input[fe->mux_index], g_free);
}

static void mux_list(Chardev *c, GPtrArray *fronts)
{
    for (unsigned n = 0; n < MUX_FRONTS; n++) {
        if (((CharMux *)c)->fronts[n]) {
            g_ptr_array_add(fronts, ((CharMux *)c)->fronts[n]);
        }
    }
}

static int mux_take_fd(Chardev *c)
{
    return chr_take_fd(&((CharMux *)c)->base);
}

static bool mux_open(Chardev *c, Opts *o, Error **errp)
{
    CharMux *s = (CharMux *)c;
    const char *base = opts_take(o, "chardev");

    if (!base) {
        return error_fail(errp, "%s: mux needs chardev=ID", opts_what(o));
    }
    if (!chr_attach(&s->base, base, errp)) {
        return false;
    }
    chr_set_handlers(&s->base, &mux_handlers, s);
    c->open = chr_connected(&s->base);
    return true;
}

static void mux_close(Chardev *c)
{
    CharMux *s = (CharMux *)c;

    chr_detach(&s->base);
    for (unsigned n = 0; n < MUX_FRONTS; n++) {
        if (s->fronts[n]) {
            s->fronts[n]->chr = NULL;
            g_clear_pointer(&s->input[n], g_free);
        }
    }
}

static const char *const mux_opts[] = {"chardev", NULL};

static const CharOps mux_ops = {
    .opts = mux_opts,
    .open = mux_open,
    .close = mux_close,
    .write = mux_write,
    .accept_input = mux_accept_input,
    .take_fd = mux_take_fd,
    .attach = mux_attach,
    .detach = mux_detach,
    .list = mux_list,
};

QOM_TYPE(chardev_mux_type, .name = "chardev-mux", .parent = TYPE_CHARDEV,
         .desc = "several front ends on one backend", .ops = &mux_ops, .size = sizeof(CharMux));
