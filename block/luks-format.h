/* SPDX-License-Identifier: MIT */
/* Where things are in a LUKS header, its bounds, and what reading and making one share. */
#ifndef BLOCK_LUKS_FORMAT_H
#define BLOCK_LUKS_FORMAT_H

#include "luks.h"

enum {
    LUKS_AT_VERSION = 6,
    LUKS_AT_CIPHER = 8,
    LUKS_AT_MODE = 40,
    LUKS_AT_HASH = 72,
    LUKS_AT_PAYLOAD = 104,
    LUKS_AT_KEY_LEN = 108,
    LUKS_AT_DIGEST = 112,
    LUKS_AT_DIGEST_SALT = 132,
    LUKS_AT_DIGEST_ITERATIONS = 164,
    LUKS_AT_UUID = 168,
    LUKS_AT_SLOTS = 208,
    /* Inside a slot. */
    LUKS_AT_SLOT_ITERATIONS = 4,
    LUKS_AT_SLOT_SALT = 8,
    LUKS_AT_SLOT_OFFSET = 40,
    LUKS_AT_SLOT_STRIPES = 44,
    LUKS_SLOT_LEN = 48,
};

#define LUKS_SLOT_ACTIVE 0x00ac71f3U
#define LUKS_SLOT_FREE   0x0000deadU

enum { LUKS_STRIPES = 4000, LUKS_MAX_STRIPES = 16384, LUKS_MAX_ITERATIONS = 1 << 26 };

/* The slot's bounds: how long hashing takes, and that its key material lies in @room bytes from the header. */
bool luks_slot_fits(const Luks *l, const LuksSlot *s, uint64_t room);
/*
 * The key, and the number of the first of the @slots (bit N: slot N) that the secret opens; LUKS_KEY_NONE: it opens
 * none of them, LUKS_KEY_ERROR: with an error.  The caller wipes @key.
 */
enum { LUKS_KEY_NONE = -1, LUKS_KEY_ERROR = -2 };
int luks_find_key(const Luks *l, BlockNode *file, uint64_t offset, const char *secret,
                  uint32_t slots, uint8_t key[static CRYPT_MAX_KEY], Error **errp);
/* How many rounds of hashing take so long on this host. */
bool luks_count_rounds(const char *hash, size_t key_len, uint64_t ms, uint32_t *rounds,
                       Error **errp) MUST_CHECK;
/* A slot as the header has it. */
void luks_put_slot(uint8_t *raw, const LuksSlot *s);
/* The key, in the slot's stripes, encrypted with the secret, at @out. */
bool luks_put_material(const Luks *l, const LuksSlot *s, const char *secret, const uint8_t *key,
                       uint8_t *out, Error **errp) MUST_CHECK;
/* All stripes but the last, mixed: the last is that exclusive-or the key. */
bool luks_mix_stripes(const char *hash, const uint8_t *material, size_t key_len, uint32_t stripes,
                      uint8_t *key, Error **errp) MUST_CHECK;
bool luks_digest(const Luks *l, const uint8_t *key, uint8_t out[static LUKS_MK_DIGEST],
                 Error **errp) MUST_CHECK;
/* What a slot's key material is encrypted with. */
Crypt *luks_slot_crypt(const Luks *l, const LuksSlot *s, const uint8_t *pass, size_t pass_len,
                       Error **errp);

#endif
