/* SPDX-License-Identifier: MIT */
/* Passwords and keys by name, from the command line or files, plain or encrypted. */
#include "rhea/osdep.h"

#include "block/secret.h"
#include "crypt.h"

enum { MAX_SECRET = 1 << 20, AES_KEY = 32 };

typedef struct Secret {
    uint8_t *bytes;
    size_t len;
} Secret;

static GHashTable *secrets; /* by id */

static void secret_free(gpointer p)
{
    Secret *s = p;

    if (s) {
        explicit_bzero(s->bytes, s->len);
        g_free(s->bytes);
        g_free(s);
    }
}

/* --- Reading --- */

/* No more than MAX_SECRET bytes: files may be devices. */
static bool read_file(const char *path, Secret *s, Error **errp)
{
    FILE *f = fopen(path, "rbe");
    bool ok;

    if (!f) {
        return error_fail_errno(errp, errno, "cannot read the secret in '%s'", path);
    }
    s->bytes = g_malloc(MAX_SECRET + 1);
    s->len = fread(s->bytes, 1, MAX_SECRET + 1, f);
    ok = !ferror(f) || error_fail_errno(errp, errno, "cannot read the secret in '%s'", path);
    fclose(f);
    return ok && (s->len <= MAX_SECRET ||
                  error_fail(errp, "the secret in '%s' is longer than %d bytes", path, MAX_SECRET));
}

static bool decode_base64(const char *what, const char *text, size_t len, uint8_t **out,
                          size_t *out_len, Error **errp)
{
    g_autofree char *copy = g_strndup(text, len);
    size_t good =
        strspn(copy, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n");

    if (good != len) {
        explicit_bzero(copy, strlen(copy));
        return error_fail(errp, "%s is not in base64", what);
    }
    *out = g_base64_decode(copy, out_len);
    explicit_bzero(copy, strlen(copy));
    return true;
}

static bool read_plain(const SecretSource *src, Secret *s, Error **errp)
{
    Secret raw = {0};
    bool ok;

    if (!src->data == !src->file) {
        return error_fail(errp, "a secret has either data= or file=");
    }
    if (src->data) {
        raw.len = strlen(src->data);
        raw.bytes = (uint8_t *)g_strdup(src->data);
    } else if (!read_file(src->file, &raw, errp)) {
        g_free(raw.bytes);
        return false;
    }
    if (!src->base64) {
        *s = raw;
        return true;
    }
    ok = decode_base64("the secret", (const char *)raw.bytes, raw.len, &s->bytes, &s->len, errp);
    explicit_bzero(raw.bytes, raw.len);
    g_free(raw.bytes);
    return ok;
}

/* --- Secrets in secrets --- */

/* Takes the padding off: 1 to 16 bytes of that value. */
static bool strip_padding(Secret *s)
{
    uint8_t pad = s->bytes[s->len - 1];

    if (!pad || pad > CRYPT_IV_LEN) {
        return false;
    }
    for (size_t i = 1; i <= pad; i++) {
        if (s->bytes[s->len - i] != pad) {
            return false;
        }
    }
    s->len -= pad;
    return true;
}

static bool decrypt(const SecretSource *src, Secret *s, Error **errp)
{
    size_t key_len, iv_len = 0;
    const uint8_t *key = secret_find(src->key_id, &key_len, errp);
    g_autofree uint8_t *iv = NULL;
    CryptCipher *c;
    bool ok;

    if (!key) {
        return false;
    }
    if (key_len != AES_KEY) {
        return error_fail(errp, "the secret '%s' is no key of %d bytes", src->key_id, AES_KEY);
    }
    if (src->iv && !decode_base64("iv=", src->iv, strlen(src->iv), &iv, &iv_len, errp)) {
        return false;
    }
    if (iv_len != CRYPT_IV_LEN) {
        return error_fail(errp, "keyid= needs iv= with %d bytes in base64", CRYPT_IV_LEN);
    }
    if (!s->len || s->len % CRYPT_IV_LEN) {
        return error_fail(errp, "an encrypted secret is whole blocks of %d bytes, not %zu",
                          CRYPT_IV_LEN, s->len);
    }
    c = crypt_cipher_new("aes", CRYPT_CBC, key, key_len, errp);
    if (!c) {
        return false;
    }
    ok = (crypt_cipher_run(c, false, iv, s->bytes, s->len) && strip_padding(s)) ||
         error_fail(errp, "the secret is not encrypted with the key '%s'", src->key_id);
    crypt_cipher_free(c);
    return ok;
}

/* --- The list --- */

bool secret_add(const char *id, const SecretSource *src, Error **errp)
{
    Secret *s = g_new0(Secret, 1);

    if (!secrets) {
        secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, secret_free);
    }
    if (g_hash_table_contains(secrets, id)) {
        error_fail(errp, "there is a secret '%s' already", id);
    } else if (src->iv && !src->key_id) {
        error_fail(errp, "iv= goes with keyid=");
    } else if (read_plain(src, s, errp) && (!src->key_id || decrypt(src, s, errp))) {
        g_hash_table_insert(secrets, g_strdup(id), s);
        return true;
    }
    secret_free(s);
    return false;
}

void secret_remove(const char *id)
{
    if (secrets) {
        g_hash_table_remove(secrets, id);
    }
}

const uint8_t *secret_find(const char *id, size_t *len, Error **errp)
{
    const Secret *s = secrets ? g_hash_table_lookup(secrets, id) : NULL;

    if (!s) {
        error_fail(errp, "there is no secret '%s' (-object secret,id=%s,...)", id, id);
        return NULL;
    }
    *len = s->len;
    return s->bytes;
}
