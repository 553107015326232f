/* SPDX-License-Identifier: MIT */
/*
 * Passwords and keys by name: what "-object secret,id=NAME,..." gives, in the emulator and in the tools.
 * Main thread.
 */
#ifndef BLOCK_SECRET_H
#define BLOCK_SECRET_H

#include "rhea/error.h"

/* Where the bytes come from, and how they are written there. */
typedef struct SecretSource {
    const char *data, *file; /* exactly one of them */
    bool base64;
    /* NULL, or the secret that holds the AES-256 key with which they are encrypted (CBC, PKCS#7 padding), and the
     * initial vector in base64. */
    const char *key_id, *iv;
} SecretSource;

bool secret_add(const char *id, const SecretSource *s, Error **errp) MUST_CHECK;
/* Forgets it; nothing if there is none. */
void secret_remove(const char *id);
/* The bytes, which stay until it is removed; NULL: there is no such secret. */
const uint8_t *secret_find(const char *id, size_t *len, Error **errp);

#endif
