/* SPDX-License-Identifier: MIT */
/* What takes the place of crypt-gcrypt.c in a build without libgcrypt: nothing can be encrypted or read. */
#include "rhea/osdep.h"

#include "crypt.h"

static bool missing(Error **errp)
{
    return error_fail(errp, "this build has no encryption (configure --enable-gcrypt)");
}

CryptCipher *crypt_cipher_new(const char *algorithm, CryptMode mode, const uint8_t *key, size_t len,
                              Error **errp)
{
    missing(errp);
    return NULL;
}

/* There are none. */
void crypt_cipher_free(CryptCipher *c)
{
}

bool crypt_cipher_run(CryptCipher *c, bool encrypt, const uint8_t *iv, void *buf, size_t len)
{
    return false;
}

size_t crypt_digest_len(const char *hash)
{
    return 0;
}

bool crypt_hash(const char *hash, const void *in, size_t len, uint8_t *out, Error **errp)
{
    return missing(errp);
}

bool crypt_pbkdf2(const char *hash, const uint8_t *pass, size_t pass_len, const uint8_t *salt,
                  size_t salt_len, uint32_t iterations, uint8_t *out, size_t len, Error **errp)
{
    return missing(errp);
}
