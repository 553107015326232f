/* SPDX-License-Identifier: MIT */
/*
 * Ciphers, hashes and derived keys by name.  The algorithms are libgcrypt's (crypt-gcrypt.c, or crypt-none.c in a
 * build without it, where everything fails with a message).  Any thread.
 */
#ifndef BLOCK_CIPHER_H
#define BLOCK_CIPHER_H

#include "rhea/error.h"

enum {
    CRYPT_MAX_KEY = 64,
    CRYPT_MAX_DIGEST = 64,
    CRYPT_IV_LEN = 16,
};

typedef enum CryptMode { CRYPT_ECB, CRYPT_CBC, CRYPT_XTS } CryptMode;
extern const char *const crypt_mode_names[];

/* A key at work; used by one thread at a time. */
typedef struct CryptCipher CryptCipher;
/* @algorithm: "aes", "serpent", "twofish", "des"; the length of the key says which of the family. */
CryptCipher *crypt_cipher_new(const char *algorithm, CryptMode mode, const uint8_t *key, size_t len,
                              Error **errp);
void crypt_cipher_free(CryptCipher *c);
/* @len: whole blocks of the cipher, in place. @iv NULL: the mode has none. */
bool crypt_cipher_run(CryptCipher *c, bool encrypt, const uint8_t *iv, void *buf,
                      size_t len) MUST_CHECK;

/* The length of a digest, 0: there is no such hash here. */
size_t crypt_digest_len(const char *hash);
bool crypt_hash(const char *hash, const void *in, size_t len, uint8_t *out,
                Error **errp) MUST_CHECK;
bool crypt_pbkdf2(const char *hash, const uint8_t *pass, size_t pass_len, const uint8_t *salt,
                  size_t salt_len, uint32_t iterations, uint8_t *out, size_t len,
                  Error **errp) MUST_CHECK;

/* Bytes that nobody can foretell. */
bool crypt_random(void *out, size_t len, Error **errp) MUST_CHECK;

#endif
