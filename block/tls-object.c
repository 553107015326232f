/* SPDX-License-Identifier: MIT */
/* "-object tls-creds-x509", "-psk" and "-anon": what servers and clients of TLS prove who they are with. */
#include "rhea/osdep.h"

#include "block/tls.h"
#include "qom/object.h"

typedef struct TlsObject {
    Object obj;
    /* properties: fixed once complete */
    char *dir, *priority, *username, *password_id;
    int endpoint;
    bool verify_peer;
    /* made by complete */
    char *id; /* under which they are known; NULL: they are not */
} TlsObject;

static bool complete(Object *obj, TlsKind kind, Error **errp)
{
    TlsObject *t = (TlsObject *)obj;
    const TlsSpec spec = {.kind = kind,
                          .server = t->endpoint == 1,
                          .verify_peer = t->verify_peer,
                          .dir = t->dir,
                          .priority = t->priority,
                          .username = t->username,
                          .password_id = t->password_id};
    const char *id = obj->name ? obj->name : "tls-creds";
    bool ok = tls_creds_add(id, &spec, errp);

    t->id = ok ? g_strdup(id) : NULL;
    return ok;
}

static bool x509_complete(Object *obj, Error **errp)
{
    return complete(obj, TLS_X509, errp);
}

static bool psk_complete(Object *obj, Error **errp)
{
    return complete(obj, TLS_PSK, errp);
}

static bool anon_complete(Object *obj, Error **errp)
{
    return complete(obj, TLS_ANON, errp);
}

static void tls_fini(Object *obj)
{
    TlsObject *t = (TlsObject *)obj;

    if (t->id) {
        tls_creds_remove(t->id);
        g_free(t->id);
    }
}

static const char *const endpoints[] = {"client", "server", NULL};

#define COMMON_PROPS                                                                               \
    PROP_STR("dir", TlsObject, dir, NULL, "directory of the keys"),                                \
        PROP_ENUM("endpoint", TlsObject, endpoint, 0, endpoints, "client or server"),              \
        PROP_STR("priority", TlsObject, priority, NULL,                                            \
                 "priorities as GnuTLS writes them (NORMAL)")

static const PropDesc anon_props[] = {COMMON_PROPS, PROP_END};

static const PropDesc x509_props[] = {
    COMMON_PROPS,
    PROP_BOOL("verify-peer", TlsObject, verify_peer, true, "whether clients need a certificate"),
    PROP_STR("passwordid", TlsObject, password_id, NULL, "secret that opens the private key"),
    PROP_END,
};

static const PropDesc psk_props[] = {
    COMMON_PROPS,
    PROP_STR("username", TlsObject, username, NULL, "the name whose key a client uses"),
    PROP_END,
};

QOM_TYPE(tls_x509_type, .name = "tls-creds-x509", .parent = "object",
         .desc = "Certificates for TLS", .size = sizeof(TlsObject), .user_creatable = true,
         .props = x509_props, .complete = x509_complete, .fini = tls_fini);
QOM_TYPE(tls_psk_type, .name = "tls-creds-psk", .parent = "object", .desc = "Shared keys for TLS",
         .size = sizeof(TlsObject), .user_creatable = true, .props = psk_props,
         .complete = psk_complete, .fini = tls_fini);
QOM_TYPE(tls_anon_type, .name = "tls-creds-anon", .parent = "object",
         .desc = "TLS without proof of identity", .size = sizeof(TlsObject), .user_creatable = true,
         .props = anon_props, .complete = anon_complete, .fini = tls_fini);
