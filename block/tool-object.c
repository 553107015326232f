/* SPDX-License-Identifier: MIT */
/* The objects that tools know, from their command lines. */
#include "rhea/osdep.h"

#include "block/secret.h"
#include "block/tls.h"
#include "block/tool-object.h"
#include "rhea/opts.h"

static bool add_secret(Opts *o, const char *id, Error **errp)
{
    static const char *const formats[] = {"raw", "base64", NULL};
    static const char *const keys[] = {"qom-type", "id",    "data", "file",
                                       "format",   "keyid", "iv",   NULL};
    SecretSource src = {0};
    int format = 0;

    src.data = opts_take(o, "data");
    src.file = opts_take(o, "file");
    src.key_id = opts_take(o, "keyid");
    src.iv = opts_take(o, "iv");
    if (!opts_take_enum(o, "format", formats, &format, errp) || !opts_done(o, keys, errp)) {
        return false;
    }
    src.base64 = format == 1;
    return secret_add(id, &src, errp);
}

static bool add_tls(Opts *o, const char *id, TlsKind kind, Error **errp)
{
    static const char *const endpoints[] = {"client", "server", NULL};
    static const char *const keys[] = {"qom-type",   "id",       "dir",
                                       "endpoint",   "priority", "verify-peer",
                                       "passwordid", "username", NULL};
    TlsSpec spec = {.kind = kind, .verify_peer = true};
    int endpoint = 0;

    spec.dir = (char *)opts_take(o, "dir");
    spec.priority = (char *)opts_take(o, "priority");
    if (kind == TLS_PSK) {
        spec.username = (char *)opts_take(o, "username");
    } else {
        spec.password_id = (char *)opts_take(o, "passwordid");
        if (!opts_take_bool(o, "verify-peer", &spec.verify_peer, errp)) {
            return false;
        }
    }
    if (!opts_take_enum(o, "endpoint", endpoints, &endpoint, errp) || !opts_done(o, keys, errp)) {
        return false;
    }
    spec.server = endpoint == 1;
    return tls_creds_add(id, &spec, errp);
}

bool tool_object_add(const char *text, Error **errp)
{
    static const char *const types[] = {"secret", "tls-creds-x509", "tls-creds-psk", NULL};
    g_autoptr(Opts) o = opts_parse("--object", text, "qom-type", errp);
    int type = -1;
    const char *id;

    if (!o || !opts_take_enum(o, "qom-type", types, &type, errp)) {
        return false;
    }
    id = opts_take(o, "id");
    if (type < 0 || !id) {
        return error_fail(errp, "--object: TYPE,id=NAME,... is needed");
    }
    return type ? add_tls(o, id, type == 2 ? TLS_PSK : TLS_X509, errp) : add_secret(o, id, errp);
}
