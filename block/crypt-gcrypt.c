/* SPDX-License-Identifier: MIT */
/* Ciphers, hashes and derived keys by libgcrypt, which is loaded when something first needs it. */
#include "rhea/osdep.h"

#include <gcrypt.h>

#include "crypt.h"
#include "rhea/late-library.h"

/* In the order of the names below. */
typedef struct GcryptLib {
    LATE_FUNCTION(gcry_check_version);
    LATE_FUNCTION(gcry_control);
    LATE_FUNCTION(gcry_cipher_open);
    LATE_FUNCTION(gcry_cipher_close);
    LATE_FUNCTION(gcry_cipher_setkey);
    LATE_FUNCTION(gcry_cipher_setiv);
    LATE_FUNCTION(gcry_cipher_encrypt);
    LATE_FUNCTION(gcry_cipher_decrypt);
    LATE_FUNCTION(gcry_md_hash_buffer);
    LATE_FUNCTION(gcry_kdf_derive);
} GcryptLib;

static const char *const names[] = {
    "gcry_check_version",
    "gcry_control",
    "gcry_cipher_open",
    "gcry_cipher_close",
    "gcry_cipher_setkey",
    "gcry_cipher_setiv",
    "gcry_cipher_encrypt",
    "gcry_cipher_decrypt",
    "gcry_md_hash_buffer",
    "gcry_kdf_derive",
    NULL,
};
G_STATIC_ASSERT(ARRAY_SIZE(names) == sizeof(GcryptLib) / sizeof(void *) + 1);

static GcryptLib lib;

/* Keys are not kept out of swap space: the program's users are trusted with its memory anyway. */
static bool start_library(Error **errp)
{
    if (!late_library_load(LIBGCRYPT_SONAME, names, &lib, errp)) {
        return false;
    }
    if (!lib.gcry_check_version(GCRYPT_VERSION)) {
        return error_fail(errp, "%s is older than the one this was built with", LIBGCRYPT_SONAME);
    }
    lib.gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    lib.gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    return true;
}

static bool have_library(Error **errp)
{
    static GMutex lock;
    static bool started;
    bool ok;

    g_mutex_lock(&lock);
    started = started || start_library(errp);
    ok = started;
    g_mutex_unlock(&lock);
    return ok;
}

/* --- Ciphers --- */

struct CryptCipher {
    gcry_cipher_hd_t handle;
};

typedef struct Algorithm {
    const char *name;
    size_t key_len;
    int id;
} Algorithm;

static const Algorithm algorithms[] = {
    {"aes", 16, GCRY_CIPHER_AES128},
    {"aes", 24, GCRY_CIPHER_AES192},
    {"aes", 32, GCRY_CIPHER_AES256},
    {"serpent", 16, GCRY_CIPHER_SERPENT128},
    {"serpent", 24, GCRY_CIPHER_SERPENT192},
    {"serpent", 32, GCRY_CIPHER_SERPENT256},
    {"twofish", 16, GCRY_CIPHER_TWOFISH128},
    {"twofish", 32, GCRY_CIPHER_TWOFISH},
    {"des", 8, GCRY_CIPHER_DES},
};

static const int modes[] = {GCRY_CIPHER_MODE_ECB, GCRY_CIPHER_MODE_CBC, GCRY_CIPHER_MODE_XTS};

static const Algorithm *algorithm_find(const char *name, size_t key_len)
{
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        if (!strcmp(algorithms[i].name, name) && algorithms[i].key_len == key_len) {
            return &algorithms[i];
        }
    }
    return NULL;
}

CryptCipher *crypt_cipher_new(const char *algorithm, CryptMode mode, const uint8_t *key, size_t len,
                              Error **errp)
{
    /* XTS has two keys of the same length. */
    const Algorithm *a = algorithm_find(algorithm, mode == CRYPT_XTS ? len / 2 : len);
    CryptCipher *c;
    gcry_cipher_hd_t handle;

    if (!a || (mode == CRYPT_XTS && len % 2)) {
        error_fail(errp, "the cipher %s-%s with a key of %zu bytes is not known", algorithm,
                   crypt_mode_names[mode], len);
        return NULL;
    }
    if (!have_library(errp)) {
        return NULL;
    }
    if (lib.gcry_cipher_open(&handle, a->id, modes[mode], 0)) {
        error_fail(errp, "%s does not have the cipher %s-%s", LIBGCRYPT_SONAME, algorithm,
                   crypt_mode_names[mode]);
        return NULL;
    }
    if (lib.gcry_cipher_setkey(handle, key, len)) {
        lib.gcry_cipher_close(handle);
        error_fail(errp, "the cipher %s-%s does not take this key", algorithm,
                   crypt_mode_names[mode]);
        return NULL;
    }
    c = g_new(CryptCipher, 1);
    c->handle = handle;
    return c;
}

void crypt_cipher_free(CryptCipher *c)
{
    if (c) {
        lib.gcry_cipher_close(c->handle);
        g_free(c);
    }
}

bool crypt_cipher_run(CryptCipher *c, bool encrypt, const uint8_t *iv, void *buf, size_t len)
{
    if (iv && lib.gcry_cipher_setiv(c->handle, iv, CRYPT_IV_LEN)) {
        return false;
    }
    return !(encrypt ? lib.gcry_cipher_encrypt(c->handle, buf, len, NULL, 0)
                     : lib.gcry_cipher_decrypt(c->handle, buf, len, NULL, 0));
}

/* --- Hashes --- */

typedef struct Hash {
    const char *name;
    size_t len;
    int id;
} Hash;

static const Hash hashes[] = {
    {"sha1", 20, GCRY_MD_SHA1},     {"sha224", 28, GCRY_MD_SHA224},
    {"sha256", 32, GCRY_MD_SHA256}, {"sha384", 48, GCRY_MD_SHA384},
    {"sha512", 64, GCRY_MD_SHA512}, {"ripemd160", 20, GCRY_MD_RMD160},
};

static const Hash *hash_find(const char *name, Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
        if (!strcmp(hashes[i].name, name)) {
            return &hashes[i];
        }
    }
    error_fail(errp, "the hash '%s' is not known", name);
    return NULL;
}

size_t crypt_digest_len(const char *hash)
{
    const Hash *h = hash_find(hash, NULL);

    return h ? h->len : 0;
}

bool crypt_hash(const char *hash, const void *in, size_t len, uint8_t *out, Error **errp)
{
    const Hash *h = hash_find(hash, errp);

    if (!h || !have_library(errp)) {
        return false;
    }
    lib.gcry_md_hash_buffer(h->id, out, in, len);
    return true;
}

bool crypt_pbkdf2(const char *hash, const uint8_t *pass, size_t pass_len, const uint8_t *salt,
                  size_t salt_len, uint32_t iterations, uint8_t *out, size_t len, Error **errp)
{
    const Hash *h = hash_find(hash, errp);

    if (!h || !have_library(errp)) {
        return false;
    }
    return !lib.gcry_kdf_derive(pass, pass_len, GCRY_KDF_PBKDF2, h->id, salt, salt_len, iterations,
                                len, out) ||
           error_fail(errp, "no key can be derived from this password");
}
