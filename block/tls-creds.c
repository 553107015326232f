/* SPDX-License-Identifier: MIT */
/* Certificates and keys by name. */
#include "rhea/osdep.h"

#include "block/tls.h"

static GHashTable *all; /* TlsCreds by id */

static void creds_free(TlsCreds *c)
{
    tls_keys_free(c->keys);
    g_free(c->spec.dir);
    g_free(c->spec.priority);
    g_free(c->spec.username);
    g_free(c->spec.password_id);
    g_free(c);
}

TlsCreds *tls_creds_ref(TlsCreds *c)
{
    g_atomic_int_inc(&c->refs);
    return c;
}

void tls_creds_unref(TlsCreds *c)
{
    if (c && g_atomic_int_dec_and_test(&c->refs)) {
        creds_free(c);
    }
}

static void unref(gpointer p)
{
    tls_creds_unref(p);
}

static TlsCreds *creds_new(const TlsSpec *spec)
{
    TlsCreds *c = g_new0(TlsCreds, 1);

    c->refs = 1;
    c->spec = *spec;
    c->spec.dir = g_strdup(spec->dir);
    c->spec.priority = g_strdup(spec->priority);
    c->spec.username = g_strdup(spec->username);
    c->spec.password_id = g_strdup(spec->password_id);
    return c;
}

bool tls_creds_add(const char *id, const TlsSpec *spec, Error **errp)
{
    TlsCreds *c;

    if (!spec->dir && spec->kind != TLS_ANON) {
        return error_fail(errp, "dir= is missing: where the keys are");
    }
    if (!all) {
        all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref);
    }
    if (g_hash_table_contains(all, id)) {
        return error_fail(errp, "there are TLS credentials '%s' already", id);
    }
    c = creds_new(spec);
    if (spec->server) {
        c->keys = tls_keys_load(&c->spec, errp);
    }
    if (spec->server && !c->keys) {
        tls_creds_unref(c);
        return false;
    }
    g_hash_table_insert(all, g_strdup(id), c);
    return true;
}

void tls_creds_remove(const char *id)
{
    if (all) {
        g_hash_table_remove(all, id);
    }
}

TlsCreds *tls_creds_get(const char *id, bool server, Error **errp)
{
    TlsCreds *c = all ? g_hash_table_lookup(all, id) : NULL;

    if (!c || c->spec.server != server) {
        error_fail(errp,
                   "there are no TLS credentials '%s' of a %s (-object tls-creds-x509,id=%s,...)",
                   id, server ? "server (endpoint=server)" : "client", id);
        return NULL;
    }
    return tls_creds_ref(c);
}
