/* SPDX-License-Identifier: MIT */
/* "-object secret,id=NAME,data=...|file=...": a password or key for images and servers. */
#include "rhea/osdep.h"

#include "block/secret.h"
#include "qom/object.h"

typedef struct SecretObject {
    Object obj;
    /* properties: fixed once complete */
    char *data, *file, *key_id, *iv;
    int format;
    /* made by complete */
    char *id; /* under which it is known; NULL: it is not */
} SecretObject;

static bool secret_complete(Object *obj, Error **errp)
{
    SecretObject *s = (SecretObject *)obj;
    const SecretSource src = {s->data, s->file, s->format == 1, s->key_id, s->iv};
    const char *id = obj->name ? obj->name : "secret";
    bool ok = secret_add(id, &src, errp);

    s->id = ok ? g_strdup(id) : NULL;
    if (s->data) { /* it is not shown to who asks for properties */
        explicit_bzero(s->data, strlen(s->data));
    }
    return ok;
}

static void secret_fini(Object *obj)
{
    SecretObject *s = (SecretObject *)obj;

    if (s->id) {
        secret_remove(s->id);
        g_free(s->id);
    }
}

static const char *const formats[] = {"raw", "base64", NULL};

static const PropDesc secret_props[] = {
    PROP_STR("data", SecretObject, data, NULL, "the secret itself"),
    PROP_STR("file", SecretObject, file, NULL, "file that holds it"),
    PROP_ENUM("format", SecretObject, format, 0, formats, "how it is written: raw or base64"),
    PROP_STR("keyid", SecretObject, key_id, NULL, "secret with the key that it is encrypted with"),
    PROP_STR("iv", SecretObject, iv, NULL, "initial vector of that, in base64"),
    PROP_END,
};

QOM_TYPE(secret_type, .name = "secret", .parent = "object", .desc = "A password or key",
         .size = sizeof(SecretObject), .user_creatable = true, .props = secret_props,
         .complete = secret_complete, .fini = secret_fini);
