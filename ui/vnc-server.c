/* SPDX-License-Identifier: MIT */
/*
 * A VNC server: its viewers, and the timer that follows the console.  The console is asked for changes only while
 * a viewer waits for them, less often the longer nothing changes.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "qom/object.h"
#include "ui/input.h"
#include "vnc-int.h"
#include "vnc-stream.h"

enum {
    CLIENTS_MAX = 64,
    PENDING_MAX = 32,
    FAST_MS = 16,
    SLOW_MS = 240,
    EMPTY_WIDTH = 640,
    EMPTY_HEIGHT = 480,
};

/* --- The screen --- */

pixman_image_t *vnc_surface(VncServer *s)
{
    static pixman_image_t *empty;
    pixman_image_t *surface = s->con ? console_surface(s->con) : NULL;

    if (!empty) {
        empty = pixman_image_create_bits(PIXMAN_x8r8g8b8, EMPTY_WIDTH, EMPTY_HEIGHT, NULL, 0);
    }
    return surface ? surface : empty;
}

const ConsoleCursor *vnc_cursor(VncServer *s)
{
    return s->con ? console_cursor(s->con) : NULL;
}

bool vnc_wish_size(VncServer *s, unsigned w, unsigned h)
{
    return s->con && console_wish_size(s->con, w, h);
}

static void tell_resized(VncServer *s)
{
    for (unsigned i = 0; i < s->clients->len; i++) {
        vnc_client_resized(g_ptr_array_index(s->clients, i));
    }
}

static void screen_surface(void *opaque, Console *con)
{
    tell_resized(opaque);
}

static void screen_dirty(void *opaque, Console *con, unsigned x, unsigned y, unsigned w, unsigned h)
{
    VncServer *s = opaque;

    for (unsigned i = 0; i < s->clients->len; i++) {
        vnc_client_dirty(g_ptr_array_index(s->clients, i), x, y, w, h);
    }
}

static void screen_cursor(void *opaque, Console *con)
{
    VncServer *s = opaque;

    for (unsigned i = 0; i < s->clients->len; i++) {
        vnc_client_cursor(g_ptr_array_index(s->clients, i), true);
    }
}

static void screen_cursor_moved(void *opaque, Console *con)
{
    VncServer *s = opaque;

    for (unsigned i = 0; i < s->clients->len; i++) {
        vnc_client_cursor(g_ptr_array_index(s->clients, i), false);
    }
}

static void pointers_changed(void *opaque)
{
    VncServer *s = opaque;

    for (unsigned i = 0; i < s->clients->len; i++) {
        vnc_client_pointer_kind(g_ptr_array_index(s->clients, i));
    }
}

static void screen_gone(void *opaque, Console *con)
{
    VncServer *s = opaque;

    s->con = NULL;
    tell_resized(s);
}

static const ConsoleListenerOps screen_ops = {
    .dirty = screen_dirty,
    .surface = screen_surface,
    .cursor = screen_cursor,
    .cursor_moved = screen_cursor_moved,
    .gone = screen_gone,
};

static bool somebody_looks(const VncServer *s)
{
    for (unsigned i = 0; i < s->clients->len; i++) {
        if (vnc_client_looks(g_ptr_array_index(s->clients, i))) {
            return true;
        }
    }
    return false;
}

static gboolean screen_tick(gpointer opaque);

/* The next look at the screen, which is the given time after the last one. */
static void arm(VncServer *s, unsigned interval_ms)
{
    int64_t passed_ms = (g_get_monotonic_time() - s->last_us) / 1000;

    s->interval_ms = interval_ms;
    s->timer = g_timeout_add(interval_ms - CLAMP(passed_ms, 0, interval_ms), screen_tick, s);
}

/* The head of the device of display=, a device's id, or of the first that there is. */
static Console *choose_console(const VncServer *s)
{
    g_autofree char *place = NULL;
    Object *device;

    if (!s->device) {
        return console_find(NULL, s->head);
    }
    place = g_strdup_printf("/machine/peripheral/%s", s->device);
    device = qom_resolve(qom_root(), place);
    return device ? console_find(device, s->head) : NULL;
}

static void find_console(VncServer *s)
{
    if (!s->con) {
        s->con = choose_console(s);
        if (s->con) {
            console_listen(s->con, &screen_ops, s);
            tell_resized(s);
        }
    }
}

void vnc_show_console(VncServer *s, unsigned n)
{
    Console *con = console_nth(n);

    if (!con || con == s->con) {
        return;
    }
    if (s->con) {
        console_unlisten(s->con, s);
    }
    s->con = con;
    console_listen(con, &screen_ops, s);
    console_refresh(con); /* so that it has a surface */
    tell_resized(s);
    screen_cursor(s, con);
}

void vnc_refresh(VncServer *s)
{
    find_console(s);
    if (s->con) {
        console_refresh(s->con);
    }
}

static gboolean screen_tick(gpointer opaque)
{
    VncServer *s = opaque;
    bool changed = false;

    s->timer = 0;
    s->last_us = g_get_monotonic_time();
    if (!somebody_looks(s)) {
        return G_SOURCE_REMOVE; /* vnc_wake() goes on */
    }
    vnc_refresh(s);
    for (unsigned i = 0; i < s->clients->len; i++) {
        changed |= vnc_client_update(g_ptr_array_index(s->clients, i));
    }
    arm(s, changed ? FAST_MS : MIN(s->interval_ms * 2, SLOW_MS));
    return G_SOURCE_REMOVE;
}

void vnc_wake(VncServer *s)
{
    if (s->timer && s->interval_ms == FAST_MS) {
        return;
    }
    if (s->timer) {
        g_source_remove(s->timer);
    }
    arm(s, FAST_MS);
}

/* --- Viewers --- */

void vnc_drop_others(VncServer *s, VncClient *keep)
{
    for (unsigned i = 0; i < s->clients->len; i++) {
        VncClient *c = g_ptr_array_index(s->clients, i);

        if (c != keep) {
            vnc_client_kill(c);
        }
    }
}

/* The client that has been at its handshake for longest makes room where too many are. */
static void limit_pending(VncServer *s)
{
    VncClient *oldest = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < s->clients->len; i++) {
        VncClient *c = g_ptr_array_index(s->clients, i);

        if (vnc_client_pending(c)) {
            oldest = oldest ? oldest : c;
            n++;
        }
    }
    if (n >= PENDING_MAX) {
        vnc_client_kill(oldest);
    }
}

unsigned vnc_count_ready(const VncServer *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->clients->len; i++) {
        n += vnc_client_ready(g_ptr_array_index(s->clients, i));
    }
    return n;
}

void vnc_add_client(VncServer *s, VncStream *stream, const VncPeer *peer)
{
    if (vnc_count_ready(s) >= CLIENTS_MAX) {
        stream->ops->free(stream);
        return;
    }
    limit_pending(s);
    g_ptr_array_add(s->clients, vnc_client_new(s, stream, peer));
}

/* --- Servers --- */

VncServer *vnc_server_new(const char *id)
{
    VncServer *s = g_new0(VncServer, 1);

    s->id = g_strdup(id);
    s->clients = g_ptr_array_new_with_free_func((GDestroyNotify)vnc_client_free);
    s->interval_ms = FAST_MS;
    input_watch(pointers_changed, s);
    return s;
}

void vnc_server_free(VncServer *s)
{
    vnc_unlisten(s);
    input_unwatch(s);
    g_ptr_array_free(s->clients, true);
    if (s->timer) {
        g_source_remove(s->timer);
    }
    if (s->con) {
        console_unlisten(s->con, s);
    }
    tls_creds_unref(s->tls);
    g_free(s->id);
    g_free(s->host);
    g_free(s->service);
    g_free(s->path);
    g_free(s->device);
    g_free(s->password);
    g_free(s);
}
