/* SPDX-License-Identifier: MIT */
/*
 * LUKS version 1 headers (specification: "LUKS On-Disk Format", 1.2.3): in front of a disk (luks.c) or inside a
 * qcow2 image (qcow2-crypt.c).  Nothing in a header is believed before luks_parse() has bounded it.
 */
#ifndef BLOCK_LUKS_H
#define BLOCK_LUKS_H

#include "block-int.h"
#include "crypt.h"

enum { LUKS_SLOTS = 8, LUKS_HEADER_LEN = 592, LUKS_SALT = 32, LUKS_MK_DIGEST = 20 };

typedef struct LuksSlot {
    bool active;
    uint32_t iterations, stripes;
    uint32_t offset; /* of the key material, in sectors from the header */
    uint8_t salt[LUKS_SALT];
} LuksSlot;

typedef struct Luks {
    char cipher[33], mode[33], hash[33], uuid[41];
    uint32_t payload; /* where the disk begins, in sectors from the header */
    uint32_t key_len, digest_iterations;
    uint8_t digest[LUKS_MK_DIGEST], digest_salt[LUKS_SALT];
    LuksSlot slots[LUKS_SLOTS];
} Luks;

bool luks_probe(const uint8_t *head);
/* Reads the header that lies at @offset of @file, in @room bytes. */
bool luks_read(Luks *l, BlockNode *file, uint64_t offset, uint64_t room, Error **errp) MUST_CHECK;
/* Opens one of the slots with the secret of that name. */
Crypt *luks_unlock(const Luks *l, BlockNode *file, uint64_t offset, const char *secret,
                   Error **errp);

/* --- New headers --- */

/* The options of "create" that say it, with what is before their names. */
#define LUKS_CREATE_OPTIONS(prefix)                                                                \
    {prefix "cipher-alg", "Cipher: aes-256, serpent-128 ... [aes-256]"},                           \
        {prefix "cipher-mode", "Its mode: xts or cbc [xts]"},                                      \
        {prefix "hash-alg", "Hash of passwords and keys [sha256]"},                                \
        {prefix "iter-time", "Milliseconds that a guess of the password takes [2000]"},            \
        {prefix "ivgen-alg", "Initial vectors: plain64, plain or essiv [plain64]"},                \
        {prefix "ivgen-hash-alg", "Hash of essiv [sha256]"},                                       \
    {                                                                                              \
        prefix "key-secret", "The secret (--object secret,id=...) that opens it"                   \
    }

/* What the user says of a new one. */
typedef struct LuksSpec {
    char *secret, *cipher, *mode, *hash;
    size_t key_len;
    uint64_t iter_ms;
} LuksSpec;

/* Takes key-secret, cipher-alg, cipher-mode, ivgen-alg, ivgen-hash-alg, hash-alg and iter-time. */
bool luks_take_spec(Opts *o, LuksSpec *spec, Error **errp) MUST_CHECK;
void luks_spec_clear(LuksSpec *spec);
/* Bytes from the header to the disk. */
uint64_t luks_room(const LuksSpec *spec);
/* A new key in the first slot, written at @offset of @file with everything up to the disk. */
bool luks_write_new(const LuksSpec *spec, BlockNode *file, uint64_t offset,
                    Error **errp) MUST_CHECK;

/* --- Changing key slots --- */

/* The options of "amend" that say it, with what is before their names. */
#define LUKS_AMEND_OPTIONS(prefix)                                                                 \
    {prefix "iter-time", "Milliseconds that a guess of the password takes [2000]"},                \
        {prefix "keyslot", "Key slot, 0 to 7 [a free one, or those of old-secret]"},               \
        {prefix "new-secret", "The secret that opens the slot from now on"},                       \
        {prefix "old-secret",                                                                      \
         "The secret that opens one now [the one that the image was opened with]"},                \
    {                                                                                              \
        prefix "state", "active: a slot for new-secret; inactive: slots go"                        \
    }

/*
 * Takes these options and changes the slots of the header at @offset of @file, which has @room bytes; @secret (NULL:
 * none) is what the image was opened with.  The last slot that is active stays, unless @force.
 */
bool luks_amend(Luks *l, BlockNode *file, uint64_t offset, uint64_t room, const char *secret,
                Opts *o, bool force, Error **errp) MUST_CHECK;

/* What "info" shows. */
void luks_describe(const Luks *l, uint64_t offset, JsonObject *obj);

#endif
