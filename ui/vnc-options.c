/* SPDX-License-Identifier: MIT */
/* The VNC servers of the process: their options, and what monitors change.  Machine lock, main loop. */
#include "rhea/osdep.h"

#include "block/secret.h"
#include "rhea/opts.h"
#include "ui/keymap.h"
#include "vnc-int.h"

enum { TO_MAX = 65535 - 5900, HEADS_MAX = 255, US_PER_S = 1000000 };

static GPtrArray *servers; /* NULL or of VncServer */

VncServer *vnc_server(unsigned n)
{
    return servers && n < servers->len ? g_ptr_array_index(servers, n) : NULL;
}

/* NULL: the first. */
static VncServer *find_server(const char *id, Error **errp)
{
    VncServer *s;

    for (unsigned i = 0; (s = vnc_server(i)); i++) {
        if (!id || !strcmp(s->id, id)) {
            return s;
        }
    }
    if (id) {
        error_fail(errp, "there is no VNC server '%s'", id);
    } else {
        error_fail(errp, "there is no VNC server");
    }
    return NULL;
}

/* --- Options --- */

static bool take_password(VncServer *s, Opts *o, Error **errp)
{
    const char *secret = opts_take(o, "password-secret");
    const uint8_t *bytes;
    size_t len;

    if (!opts_take_bool(o, "password", &s->want_password, errp)) {
        return false;
    }
    if (secret) {
        bytes = secret_find(secret, &len, errp);
        if (!bytes) {
            return false;
        }
        s->want_password = true;
        s->password = len ? g_strndup((const char *)bytes, len) : NULL;
    }
    return !s->want_password || vnc_auth_check(errp);
}

static bool take_tls(VncServer *s, Opts *o, Error **errp)
{
    const char *id = opts_take(o, "tls-creds");

    s->tls = id ? tls_creds_get(id, true, errp) : NULL;
    return !id || s->tls;
}

static bool take_options(VncServer *s, Opts *o, uint64_t *to, Error **errp)
{
    static const char *const accepted[] = {"to",        "password", "password-secret", "share",
                                           "lossy",     "id",       "display",         "head",
                                           "tls-creds", "reverse",  "websocket",       NULL};
    static const char *const shares[] = {"allow-exclusive", "force-shared", "ignore", NULL};
    uint64_t head = 0;
    int share = VNC_SHARE_EXCLUSIVE;

    if (opts_take(o, "audiodev")) {
        return error_fail(errp, "-vnc: audiodev= is not there: VNC viewers hear nothing");
    }
    s->device = g_strdup(opts_take(o, "display"));
    if (!opts_take_u64(o, "to", TO_MAX, to, errp) || !take_password(s, o, errp) ||
        !take_tls(s, o, errp) || !opts_take_enum(o, "share", shares, &share, errp) ||
        !opts_take_u64(o, "head", HEADS_MAX, &head, errp) ||
        !opts_take_bool(o, "lossy", &s->lossy, errp) ||
        !opts_take_bool(o, "reverse", &s->reverse, errp) || !opts_done(o, accepted, errp)) {
        return false;
    }
    s->head = head;
    s->share = share;
    return !s->lossy || vnc_jpeg_check(errp);
}

static VncServer *server_new(Opts *o, Error **errp)
{
    const char *id = opts_take(o, "id"), *where = opts_take(o, "vnc");
    const char *websocket = opts_take(o, "websocket");
    g_autofree char *name =
        vnc_server(0) ? g_strdup_printf("vnc%u", servers->len) : g_strdup("default");
    VncServer *s;
    uint64_t to = 0;

    if (!where) {
        error_fail(errp, "-vnc: [HOST]:DISPLAY or unix:PATH is missing");
        return NULL;
    }
    if (find_server(id ? id : name, NULL)) {
        error_fail(errp, "-vnc: there is a server '%s' already", id ? id : name);
        return NULL;
    }
    s = vnc_server_new(id ? id : name);
    if (websocket && opts_peek(o, "tls-creds")) {
        error_fail(errp, "-vnc: websocket= does not go with tls-creds=");
        g_clear_pointer(&s, vnc_server_free);
    } else if (!take_options(s, o, &to, errp) || !vnc_listen(s, where, to, websocket, errp)) {
        g_clear_pointer(&s, vnc_server_free);
    }
    return s;
}

bool vnc_start(const char *spec, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-vnc", spec, "vnc", errp);
    VncServer *s;

    if (!o || !keymap_ready(errp)) {
        return false;
    }
    s = server_new(o, errp);
    if (!s) {
        return false;
    }
    if (!servers) {
        servers = g_ptr_array_new_with_free_func((GDestroyNotify)vnc_server_free);
    }
    g_ptr_array_add(servers, s);
    return true;
}

void vnc_stop(void)
{
    g_clear_pointer(&servers, g_ptr_array_unref);
}

/* --- Passwords --- */

static VncServer *find_with_password(const char *id, Error **errp)
{
    VncServer *s = find_server(id, errp);

    if (s && !s->want_password) {
        error_fail(errp, "the VNC server '%s' wants no password (-vnc ...,password=on)", s->id);
        return NULL;
    }
    return s;
}

bool vnc_set_password(const char *id, const char *password, const char *connected, Error **errp)
{
    static const char *const accepted[] = {"keep", "fail", "disconnect", NULL};
    VncServer *s = find_with_password(id, errp);

    if (!s) {
        return false;
    }
    if (connected && !g_strv_contains(accepted, connected)) {
        return error_unknown_name(errp, "set_password: connected", connected, accepted);
    }
    if (!g_strcmp0(connected, "fail") && vnc_count_ready(s)) {
        return error_fail(errp, "viewers are connected to the VNC server '%s'", s->id);
    }
    g_free(s->password);
    s->password = *password ? g_strdup(password) : NULL;
    if (!g_strcmp0(connected, "disconnect")) {
        vnc_drop_others(s, NULL);
    }
    return true;
}

bool vnc_expire_password(const char *id, const char *when, Error **errp)
{
    VncServer *s = find_with_password(id, errp);
    int64_t now = g_get_real_time() / US_PER_S;
    uint64_t seconds = 0;

    if (!s) {
        return false;
    }
    if (!strcmp(when, "never")) {
        s->expires = 0;
    } else if (!strcmp(when, "now")) {
        s->expires = now;
    } else {
        bool relative = *when == '+';

        if (!parse_u64("expire_password: time", when + relative, INT64_MAX / 2, &seconds, errp)) {
            return false;
        }
        s->expires = MAX(relative ? now + (int64_t)seconds : (int64_t)seconds, 1);
    }
    return true;
}
