/* SPDX-License-Identifier: MIT */
/*
 * Which NBD server and export are meant: options (server.type=inet|unix, ...), "nbd:HOST:PORT", and URIs.
 * Spec of the URIs: doc/uri.md of the NetworkBlockDevice project; libnbd reads them.
 */
#include "rhea/osdep.h"

#include "block/tls.h"
#include "nbd-link.h"

const char *const nbd_options[] = {
    "filename",
    "server.type",
    "server.host",
    "server.port",
    "server.path",
    "host",
    "port",
    "path",
    "export",
    "open-timeout",
    "reconnect-delay",
    "tls-certificates",
    "tls-creds",
    "tls-psk-file",
    "tls-username",
    NULL,
};

static const char export_mark[] = ":exportname=", default_port[] = "10809";

/* --- File names --- */

/* "HOST:PORT", "[HOST]:PORT" or "unix:PATH", and perhaps ":exportname=NAME" behind it. */
static bool split_old_name(NbdPlace *p, const char *name, Error **errp)
{
    const char *mark = strstr(name, export_mark), *colon;
    g_autofree char *server = mark ? g_strndup(name, (gsize)(mark - name)) : g_strdup(name);

    if (mark) {
        g_free(p->export);
        p->export = g_strdup(mark + strlen(export_mark));
    }
    if (g_str_has_prefix(server, "unix:")) {
        p->path = g_strdup(server + strlen("unix:"));
        return true;
    }
    colon = strrchr(server, ':');
    if (!colon || colon == server || !colon[1]) {
        return error_fail(errp,
                          "'nbd:%s': accepted are nbd:HOST:PORT and nbd:unix:PATH, with "
                          ":exportname=NAME behind it, and URIs (nbd://HOST/NAME)",
                          name);
    }
    p->port = g_strdup(colon + 1);
    p->host = *server == '[' && colon[-1] == ']'
                  ? g_strndup(server + 1, (gsize)(colon - server - 2))
                  : g_strndup(server, (gsize)(colon - server));
    return true;
}

static bool is_uri(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon && g_str_has_prefix(colon, "://");
}

static bool take_filename(NbdPlace *p, const char *name, Error **errp)
{
    if (is_uri(name)) {
        p->uri = g_strdup(name);
        return true;
    }
    return split_old_name(p, g_str_has_prefix(name, "nbd:") ? name + 4 : name, errp);
}

/* --- Options --- */

static bool take_server(NbdPlace *p, Opts *o, Error **errp)
{
    static const char *const types[] = {"inet", "unix", NULL};
    const char *path = opts_take(o, "server.path"), *host = opts_take(o, "server.host");
    const char *port = opts_take(o, "server.port");
    int type = path ? 1 : 0;

    if (!opts_take_enum(o, "server.type", types, &type, errp)) {
        return false;
    }
    path = path ? path : opts_take(o, "path");
    host = host ? host : opts_take(o, "host");
    port = port ? port : opts_take(o, "port");
    if (type == 1 || (path && !host)) {
        p->path = g_strdup(path);
        return path || error_fail(errp, "%s: server.type=unix needs server.path=", opts_what(o));
    }
    if (!host || path) {
        return error_fail(errp,
                          "%s: server.host= (or server.path=, a Unix socket) says where the "
                          "NBD server is",
                          opts_what(o));
    }
    p->host = g_strdup(host);
    p->port = g_strdup(port ? port : default_port);
    return true;
}

/* What libnbd wants to know, from an object's name. */
static bool take_creds(NbdPlace *p, Opts *o, Error **errp)
{
    const char *id = opts_take(o, "tls-creds");
    TlsCreds *c;

    if (!id) {
        return true;
    }
    if (p->tls_certificates || p->tls_psk_file) {
        return error_fail(
            errp,
            "%s: tls-creds= does not go with tls-certificates= and tls-psk-file=", opts_what(o));
    }
    c = tls_creds_get(id, false, errp);
    if (!c) {
        return false;
    }
    if (c->spec.kind == TLS_PSK) {
        p->tls_psk_file = g_build_filename(c->spec.dir, "keys.psk", NULL);
    } else {
        p->tls_certificates = g_strdup(c->spec.dir);
    }
    p->tls_username = p->tls_username ? p->tls_username : g_strdup(c->spec.username);
    tls_creds_unref(c);
    return true;
}

bool nbd_place_take_tls(NbdPlace *p, Opts *o, Error **errp)
{
    p->tls_certificates = g_strdup(opts_take(o, "tls-certificates"));
    p->tls_psk_file = g_strdup(opts_take(o, "tls-psk-file"));
    p->tls_username = g_strdup(opts_take(o, "tls-username"));
    return take_creds(p, o, errp);
}

bool nbd_place_use_tls(const NbdPlace *p, const NbdLib *lib, struct nbd_handle *h)
{
    if (!p->tls_certificates && !p->tls_psk_file) {
        return true;
    }
    return !lib->nbd_set_tls(h, LIBNBD_TLS_REQUIRE) &&
           !lib->nbd_set_tls_username(h, p->tls_username ? p->tls_username : g_get_user_name()) &&
           (!p->tls_certificates || !lib->nbd_set_tls_certificates(h, p->tls_certificates)) &&
           (!p->tls_psk_file || !lib->nbd_set_tls_psk_file(h, p->tls_psk_file));
}

bool nbd_place_take(NbdPlace *p, Opts *o, Error **errp)
{
    const char *filename = opts_take(o, "filename"), *export = opts_take(o, "export");

    p->export = g_strdup(export ? export : "");
    if (!nbd_place_take_tls(p, o, errp)) {
        return false;
    }
    if (strlen(p->export) > 4096) {
        return error_fail(errp, "%s: export= is longer than 4096 bytes", opts_what(o));
    }
    return filename ? take_filename(p, filename, errp) : take_server(p, o, errp);
}

char *nbd_place_name(const NbdPlace *p)
{
    g_autofree char *export = p->export ? g_uri_escape_string(p->export, "/", TRUE) : NULL;
    g_autofree char *path = p->path ? g_uri_escape_string(p->path, "/", TRUE) : NULL;
    const char *tls = p->tls_certificates || p->tls_psk_file ? "nbds" : "nbd";

    if (p->uri) {
        return g_strdup(p->uri);
    }
    if (path) {
        return g_strdup_printf("%s+unix:///%s?socket=%s", tls, export, path);
    }
    return g_strdup_printf(strchr(p->host, ':') ? "%s://[%s]:%s%s%s" : "%s://%s:%s%s%s", tls,
                           p->host, p->port, *export ? "/" : "", export);
}

void nbd_place_clear(NbdPlace *p)
{
    g_free(p->uri);
    g_free(p->path);
    g_free(p->host);
    g_free(p->port);
    g_free(p->export);
    g_free(p->tls_certificates);
    g_free(p->tls_psk_file);
    g_free(p->tls_username);
    memset(p, 0, sizeof(*p));
}
