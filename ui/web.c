/* SPDX-License-Identifier: MIT */
/*
 * The web page's server: where it listens, who may have what, and the timer that follows the screen while a page
 * waits for pictures, less often the longer nothing changes.
 * Who may: the page and its websocket are for those who know the token in the address, on this host too, since its
 * other users can connect.  The Host field must be a name of ours and the Origin the page itself, so that no other
 * site's page gets here through the user's browser.
 * Threading: the machine lock, main loop; output of terminals and events may come on other threads that hold it.
 */
#include "rhea/osdep.h"

#include <sys/random.h>

#include "rhea/opts.h"
#include "rhea/report.h"
#include "ui/input.h"
#include "web-int.h"

enum {
    CLIENTS_MAX = 32,
    PENDING_MAX = 16,
    FAST_MS = 16,
    SLOW_MS = 240,
    TOKEN_BYTES = 16,
    PORT_MAX = 65535,
};

static WebServer *web; /* the process's; NULL: none */

Console *web_console(unsigned n)
{
    Console *con;

    for (unsigned i = 0; (con = console_nth(i)); i++) {
        if (!console_is_terminal(con) && !n--) {
            return con;
        }
    }
    return NULL;
}

/* --- Requests --- */

static bool equal_in_constant_time(const char *a, const char *b)
{
    size_t n = strlen(b);
    unsigned differ = strlen(a) != n;

    for (size_t i = 0; !differ && i < n; i++) {
        differ |= (unsigned)(a[i] ^ b[i]);
    }
    return !differ;
}

static bool has_token(const WebServer *s, const HttpRequest *r)
{
    g_autofree char *token = http_query(r, "token");

    return token && equal_in_constant_time(token, s->token);
}

/* "HOST" or "HOST:PORT" without the port and without brackets. */
static char *host_name(const char *host)
{
    const char *colon = strrchr(host, ':'), *end = strchr(host, ']');

    if (*host == '[' && end) {
        return g_strndup(host + 1, (gsize)(end - host - 1));
    }
    return colon ? g_strndup(host, (gsize)(colon - host)) : g_strdup(host);
}

/* An address, this host's name, or what the option calls it: names of other sites may lead here, too. */
static bool host_is_ours(const WebServer *s, const char *host)
{
    g_autofree char *name = host ? host_name(host) : NULL;
    g_autofree char *given = s->host ? host_name(s->host) : NULL;

    if (!name || s->path) {
        return name != NULL;
    }
    return g_hostname_is_ip_address(name) || !g_ascii_strcasecmp(name, "localhost") ||
           !g_ascii_strcasecmp(name, g_get_host_name()) ||
           (given && !g_ascii_strcasecmp(name, given));
}

static bool origin_is_ours(const HttpRequest *r)
{
    const char *origin = http_field(r, "Origin"), *host = http_field(r, "Host");
    const char *scheme = origin ? strstr(origin, "://") : NULL;

    return scheme && host && !g_ascii_strcasecmp(scheme + strlen("://"), host);
}

static void answer_file(const WebFile *f, const HttpRequest *r, GByteArray *out)
{
    static const char fields[] =
        "Content-Security-Policy: default-src 'self'; img-src 'self' data: blob:; "
        "frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n";

    http_answer(out, 200, fields, f->type, f->begin, (size_t)(f->end - f->begin));
}

bool web_request(WebServer *s, const HttpRequest *r, GByteArray *out)
{
    bool socket = !strcmp(r->path, "/socket");
    const WebFile *f = web_file(r->path);

    if (!host_is_ours(s, http_field(r, "Host"))) {
        http_refuse(out, 403);
    } else if (strcmp(r->method, "GET")) {
        http_refuse(out, 405);
    } else if (!f && !socket) {
        http_refuse(out, 404);
    } else if ((socket || !strcmp(r->path, "/")) && !has_token(s, r)) {
        http_refuse(out, 403);
    } else if (socket && !origin_is_ours(r)) {
        http_refuse(out, 403);
    } else if (socket) {
        return ws_accept(out, r, NULL);
    } else {
        answer_file(f, r, out);
    }
    return false;
}

/* --- The screen --- */

static gboolean screen_tick(gpointer opaque)
{
    WebServer *s = opaque;
    bool looks = false, changed = false;

    s->timer = 0;
    for (unsigned i = 0; i < s->clients->len; i++) {
        WebClient *c = g_ptr_array_index(s->clients, i);

        if (web_client_looks(c)) {
            looks = true;
            web_client_refresh(c);
            changed |= web_client_update(c);
        }
    }
    if (looks) {
        s->interval_ms = changed ? FAST_MS : MIN(s->interval_ms * 2, SLOW_MS);
        s->timer = g_timeout_add(s->interval_ms, screen_tick, s);
    }
    return G_SOURCE_REMOVE;
}

void web_wake(WebServer *s, bool now)
{
    if (s->timer && (!now || s->interval_ms == FAST_MS)) {
        return;
    }
    if (s->timer) {
        g_source_remove(s->timer);
    }
    s->interval_ms = FAST_MS;
    s->timer = g_timeout_add(now ? 1 : FAST_MS, screen_tick, s);
}

/* --- News from elsewhere --- */

static void send_news(void *opaque)
{
    if (!web) {
        return; /* it has ended meanwhile */
    }
    web->update_due = false;
    for (unsigned i = 0; i < web->clients->len; i++) {
        (void)web_client_update(g_ptr_array_index(web->clients, i));
    }
}

static void have_news(void *opaque)
{
    WebServer *s = opaque;

    if (!s->update_due) {
        s->update_due = true;
        main_loop_defer(send_news, NULL);
    }
}

static void state_changed(void *opaque)
{
    WebServer *s = opaque;

    for (unsigned i = 0; i < s->clients->len; i++) {
        web_client_tell_state(g_ptr_array_index(s->clients, i));
    }
    have_news(s);
}

static void event_happened(void *opaque, const char *event, const char *data_json)
{
    state_changed(opaque);
}

/* --- Connections --- */

unsigned web_viewers(void)
{
    unsigned n = 0;

    for (unsigned i = 0; web && i < web->clients->len; i++) {
        n += web_client_ready(g_ptr_array_index(web->clients, i));
    }
    return n;
}

/* The connection that has been without a websocket for longest makes room where too many are. */
static void limit_pending(WebServer *s)
{
    WebClient *oldest = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < s->clients->len; i++) {
        WebClient *c = g_ptr_array_index(s->clients, i);

        if (!web_client_ready(c)) {
            oldest = oldest ? oldest : c;
            n++;
        }
    }
    if (n >= PENDING_MAX) {
        web_client_kill(oldest);
    }
}

static void accept_client(void *opaque, int fd)
{
    WebServer *s = opaque;

    if (web_viewers() >= CLIENTS_MAX) {
        close(fd);
        return;
    }
    limit_pending(s);
    g_ptr_array_add(s->clients, web_client_new(s, fd));
}

/* --- Beginning and end --- */

static bool make_token(WebServer *s, Error **errp)
{
    uint8_t secret[TOKEN_BYTES];
    g_autoptr(GString) text = g_string_new(NULL);

    if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
        return error_fail_errno(errp, errno, "-display web: no random numbers");
    }
    for (unsigned i = 0; i < TOKEN_BYTES; i++) {
        g_string_append_printf(text, "%02x", secret[i]);
    }
    s->token = g_strdup(text->str);
    return true;
}

static bool listen_tcp(WebServer *s, const char *spec, Error **errp)
{
    const char *colon = strrchr(spec, ':');
    ListenAt at = {.what = "-display web", .loopback = true};
    uint64_t port = 0;
    bool all;

    if (*spec && !colon) {
        return error_fail(errp, "-display web: '%s' is no [HOST]:PORT or unix:PATH", spec);
    }
    if (colon && !parse_u64("-display web: port", colon + 1, PORT_MAX, &port, errp)) {
        return false;
    }
    s->host = colon && colon > spec ? g_strndup(spec, (gsize)(colon - spec)) : NULL;
    at.host = s->host;
    at.port = (unsigned)port;
    s->listener = listener_new_tcp(&at, accept_client, s, errp);
    if (!s->listener) {
        return false;
    }
    all = s->host && (!strcmp(s->host, "0.0.0.0") || !strcmp(s->host, "[::]"));
    s->address = g_strdup_printf("http://%s:%u/?token=%s",
                                 all       ? g_get_host_name()
                                 : s->host ? s->host
                                           : "localhost",
                                 listener_port(s->listener), s->token);
    return true;
}

static bool start_listening(WebServer *s, const char *spec, Error **errp)
{
    if (!g_str_has_prefix(spec, "unix:")) {
        return listen_tcp(s, spec, errp);
    }
    s->path = g_strdup(spec + strlen("unix:"));
    s->address = g_strdup_printf("http://localhost/?token=%s at %s", s->token, spec);
    s->listener = listener_new_unix("-display web", s->path, accept_client, s, errp);
    return s->listener != NULL;
}

bool web_start(Machine *m, const char *spec, Error **errp)
{
    if (web) {
        return error_fail(errp, "-display web: one page is there already");
    }
    web = g_new0(WebServer, 1);
    web->m = m;
    web->interval_ms = FAST_MS;
    web->clients = g_ptr_array_new_with_free_func((GDestroyNotify)web_client_free);
    if (!make_token(web, errp) || !start_listening(web, spec, errp)) {
        web_stop();
        return false;
    }
    event_add_sink(event_happened, web);
    input_watch(state_changed, web);
    web_terminals_watch(have_news, web);
    report("the guest is at %s", web->address);
    return true;
}

void web_stop(void)
{
    if (!web) {
        return;
    }
    event_remove_sink(event_happened, web);
    input_unwatch(web);
    web_terminals_watch(NULL, NULL);
    g_clear_pointer(&web->listener, listener_free);
    g_ptr_array_free(web->clients, true);
    if (web->timer) {
        g_source_remove(web->timer);
    }
    g_free(web->host);
    g_free(web->path);
    g_free(web->token);
    g_free(web->address);
    g_clear_pointer(&web, g_free);
}

const char *web_address(void)
{
    return web ? web->address : NULL;
}
