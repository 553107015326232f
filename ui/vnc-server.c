/* SPDX-License-Identifier: MIT */
/*
 * The VNC server: listening sockets, the viewers, and the timer that follows the console.  The console is
 * asked for changes only while a viewer waits for them, less often the longer nothing changes.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "ui/input.h"
#include "vnc-int.h"
#include "vnc-stream.h"

enum {
    PORT_BASE = 5900,
    PORT_MAX = 65535,
    CLIENTS_MAX = 64,
    PENDING_MAX = 32,
    FAST_MS = 16,
    SLOW_MS = 240,
    EMPTY_WIDTH = 640,
    EMPTY_HEIGHT = 480,
};

static VncServer *vnc; /* the process's; NULL: none */

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

static void find_console(VncServer *s)
{
    if (!s->con) {
        s->con = console_find(NULL, 0);
        if (s->con) {
            console_listen(s->con, &screen_ops, s);
            tell_resized(s);
        }
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
    find_console(s);
    if (s->con) {
        console_refresh(s->con);
    }
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

static unsigned count_ready(const VncServer *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->clients->len; i++) {
        n += vnc_client_ready(g_ptr_array_index(s->clients, i));
    }
    return n;
}

void vnc_add_client(VncServer *s, VncStream *stream)
{
    if (count_ready(s) >= CLIENTS_MAX) {
        stream->ops->free(stream);
        return;
    }
    limit_pending(s);
    find_console(s);
    g_ptr_array_add(s->clients, vnc_client_new(s, stream));
}

static void accept_client(void *opaque, int fd)
{
    vnc_add_client(opaque, vnc_socket_stream(fd));
}

/* --- Listening --- */

static bool listen_unix(VncServer *s, const char *path, const char *websocket, Error **errp)
{
    if (websocket && !strcmp(websocket, "on")) {
        return error_fail(errp, "-vnc: beside unix: websocket= needs a port");
    }
    s->listener = listener_new_unix("-vnc", path, accept_client, s, errp);
    if (!s->listener) {
        return false;
    }
    s->path = g_strdup(path);
    s->host = g_strdup("");
    return !websocket || vnc_websocket_listen(s, websocket, 0, errp);
}

/* @to: the last display to try, or 0. */
static bool listen_tcp(VncServer *s, uint64_t display, uint64_t to, const char *websocket,
                       Error **errp)
{
    ListenAt at = {.what = "-vnc",
                   .host = s->host,
                   .port = (unsigned)(PORT_BASE + display),
                   .last = (unsigned)(PORT_BASE + to)};

    s->listener = listener_new_tcp(&at, accept_client, s, errp);
    if (!s->listener) {
        return false;
    }
    s->service = g_strdup_printf("%u", listener_port(s->listener));
    return !websocket ||
           vnc_websocket_listen(s, websocket, listener_port(s->listener) - PORT_BASE, errp);
}

/* "HOST:DISPLAY" or "unix:PATH". */
static bool listen_for(VncServer *s, const char *where, uint64_t to, const char *websocket,
                       Error **errp)
{
    const char *colon = strrchr(where, ':');
    uint64_t display;

    if (g_str_has_prefix(where, "unix:")) {
        return listen_unix(s, where + strlen("unix:"), websocket, errp);
    }
    if (!colon) {
        return error_fail(errp, "-vnc: '%s' is no [HOST]:DISPLAY or unix:PATH", where);
    }
    if (!parse_u64("-vnc: display", colon + 1, PORT_MAX - PORT_BASE, &display, errp)) {
        return false;
    }
    s->host = *where == '[' && colon > where && colon[-1] == ']'
                  ? g_strndup(where + 1, colon - where - 2)
                  : g_strndup(where, colon - where);
    return listen_tcp(s, display, to, websocket, errp);
}

/* --- Outside --- */

bool vnc_start(const char *spec, Error **errp)
{
    static const char *const accepted[] = {"to", "password", "share", "lossy", "websocket", NULL};
    static const char *const shares[] = {"allow-exclusive", "force-shared", "ignore", NULL};
    g_autoptr(Opts) o = opts_parse("-vnc", spec, "vnc", errp);
    const char *where, *websocket;
    bool password = false, lossy = false;
    uint64_t to = 0;
    int share = 0;

    if (!o) {
        return false;
    }
    if (vnc) {
        return error_fail(errp, "-vnc: one server is there already");
    }
    where = opts_take(o, "vnc");
    websocket = opts_take(o, "websocket");
    if (!opts_take_u64(o, "to", PORT_MAX - PORT_BASE, &to, errp) ||
        !opts_take_bool(o, "password", &password, errp) ||
        !opts_take_bool(o, "lossy", &lossy, errp) ||
        !opts_take_enum(o, "share", shares, &share, errp) || !opts_done(o, accepted, errp)) {
        return false;
    }
    if (!where) {
        return error_fail(errp, "-vnc: [HOST]:DISPLAY or unix:PATH is missing");
    }
    if ((password && !vnc_auth_check(errp)) || (lossy && !vnc_jpeg_check(errp))) {
        return false;
    }
    if (!vnc_key_of_keysym('a') && !vnc_set_layout("en-us", errp)) {
        return false;
    }
    vnc = g_new0(VncServer, 1);
    vnc->clients = g_ptr_array_new_with_free_func((GDestroyNotify)vnc_client_free);
    vnc->interval_ms = FAST_MS;
    vnc->lossy = lossy;
    input_watch(pointers_changed, vnc);
    vnc->want_password = password;
    vnc->share_forced = share == 1;
    vnc->share_ignored = share == 2;
    if (!listen_for(vnc, where, to, websocket, errp)) {
        vnc_stop();
        return false;
    }
    return true;
}

void vnc_stop(void)
{
    if (!vnc) {
        return;
    }
    input_unwatch(vnc);
    g_clear_pointer(&vnc->listener, listener_free);
    g_clear_pointer(&vnc->websocket, listener_free);
    g_ptr_array_free(vnc->clients, true);
    if (vnc->timer) {
        g_source_remove(vnc->timer);
    }
    if (vnc->con) {
        console_unlisten(vnc->con, vnc);
    }
    g_free(vnc->host);
    g_free(vnc->service);
    g_free(vnc->path);
    g_free(vnc->password);
    g_clear_pointer(&vnc, g_free);
}

bool vnc_set_password(const char *password, Error **errp)
{
    if (!vnc || !vnc->want_password) {
        return error_fail(errp, vnc ? "the VNC server wants no password (-vnc ...,password=on)"
                                    : "there is no VNC server");
    }
    g_free(vnc->password);
    vnc->password = *password ? g_strdup(password) : NULL;
    return true;
}

void vnc_info(VncInfo *info)
{
    *info = (VncInfo){.enabled = vnc != NULL};
    if (!vnc) {
        return;
    }
    info->host = vnc->path ? vnc->path : *vnc->host ? vnc->host : "0.0.0.0";
    info->service = vnc->path ? "" : vnc->service;
    info->family = vnc->path ? "unix" : strchr(vnc->host, ':') ? "ipv6" : "ipv4";
    info->auth = vnc->want_password ? "vnc" : "none";
    info->clients = count_ready(vnc);
}
