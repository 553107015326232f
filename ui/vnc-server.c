/* SPDX-License-Identifier: MIT */
/*
 * The VNC server: listening sockets, the viewers, and the timer that follows the console.  The console is
 * asked for changes only while a viewer waits for them, less often the longer nothing changes.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <glib-unix.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "rhea/opts.h"
#include "ui/input.h"
#include "vnc-int.h"
#include "vnc-stream.h"

enum {
    PORT_BASE = 5900,
    PORT_MAX = 65535,
    CLIENTS_MAX = 64,
    PENDING_MAX = 32,
    BACKLOG = 8,
    FAST_MS = 30,
    SLOW_MS = 240,
    EMPTY_WIDTH = 640,
    EMPTY_HEIGHT = 480,
};

typedef struct VncListen {
    int fd;
    guint source;
} VncListen;

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

static void arm(VncServer *s)
{
    s->timer = g_timeout_add(s->interval_ms, screen_tick, s);
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
    s->interval_ms = changed ? FAST_MS : MIN(s->interval_ms * 2, SLOW_MS);
    arm(s);
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
    s->interval_ms = FAST_MS;
    arm(s);
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

static gboolean accept_client(gint fd, GIOCondition cond, gpointer opaque)
{
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (peer >= 0) {
        vnc_add_client(opaque, vnc_socket_stream(peer));
    }
    return G_SOURCE_CONTINUE;
}

/* --- Listening --- */

static bool listen_at(VncServer *s, int family, const struct sockaddr *addr, socklen_t len)
{
    VncListen l = {.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    int on = 1, error;

    if (l.fd < 0) {
        return false;
    }
    setsockopt(l.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6) {
        setsockopt(l.fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(l.fd, addr, len) || listen(l.fd, BACKLOG)) {
        error = errno;
        close(l.fd);
        errno = error;
        return false;
    }
    l.source = g_unix_fd_add(l.fd, G_IO_IN, accept_client, s);
    g_array_append_val(s->listeners, l);
    return true;
}

static bool listen_unix(VncServer *s, Error **errp)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(s->path) >= sizeof(addr.sun_path)) {
        return error_fail(errp, "-vnc: the path '%s' is too long", s->path);
    }
    strcpy(addr.sun_path, s->path);
    unlink(s->path);
    return listen_at(s, AF_UNIX, (const struct sockaddr *)&addr, sizeof(addr)) ||
           error_fail_errno(errp, errno, "-vnc: cannot listen at '%s'", s->path);
}

/* All addresses of the host on the first port up to @last where one of them is free. */
static bool listen_tcp(VncServer *s, unsigned port, unsigned last, Error **errp)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;

    for (; port <= last && !s->listeners->len; port++) {
        int failed;

        g_free(s->service);
        s->service = g_strdup_printf("%u", port);
        failed = getaddrinfo(*s->host ? s->host : NULL, s->service, &hints, &found);
        if (failed) {
            return error_fail(errp, "-vnc: host '%s': %s", s->host, gai_strerror(failed));
        }
        for (const struct addrinfo *a = found; a; a = a->ai_next) {
            listen_at(s, a->ai_family, a->ai_addr, a->ai_addrlen);
        }
        freeaddrinfo(found);
    }
    return s->listeners->len || error_fail_errno(errp, errno, "-vnc: cannot listen at '%s' port %s",
                                                 s->host, s->service);
}

/* "HOST:DISPLAY" or "unix:PATH"; @to: the last display to try, or 0. */
static bool listen_for(VncServer *s, const char *where, uint64_t to, Error **errp)
{
    const char *colon = strrchr(where, ':');
    uint64_t display;

    if (g_str_has_prefix(where, "unix:")) {
        s->path = g_strdup(where + strlen("unix:"));
        return listen_unix(s, errp);
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
    return listen_tcp(s, PORT_BASE + display, PORT_BASE + MAX(display, to), errp);
}

/* --- Outside --- */

bool vnc_start(const char *spec, Error **errp)
{
    static const char *const accepted[] = {"to", "password", "share", "lossy", NULL};
    static const char *const shares[] = {"allow-exclusive", "force-shared", "ignore", NULL};
    g_autoptr(Opts) o = opts_parse("-vnc", spec, "vnc", errp);
    const char *where;
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
    vnc->listeners = g_array_new(false, false, sizeof(VncListen));
    vnc->interval_ms = FAST_MS;
    vnc->lossy = lossy;
    input_watch(pointers_changed, vnc);
    vnc->want_password = password;
    vnc->share_forced = share == 1;
    vnc->share_ignored = share == 2;
    if (!listen_for(vnc, where, to, errp)) {
        g_clear_pointer(&vnc->path, g_free); /* it is not ours */
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
    for (unsigned i = 0; i < vnc->listeners->len; i++) {
        VncListen *l = &g_array_index(vnc->listeners, VncListen, i);

        g_source_remove(l->source);
        close(l->fd);
    }
    if (vnc->path) {
        unlink(vnc->path);
    }
    input_unwatch(vnc);
    g_ptr_array_free(vnc->clients, true);
    g_array_free(vnc->listeners, true);
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
