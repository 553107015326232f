/* SPDX-License-Identifier: MIT */
/* Headers of LUKS version 1: reading them, and opening their slots with a password. */
#include "rhea/osdep.h"

#include "block/secret.h"
#include "luks.h"
#include "luks-format.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

static const uint8_t magic[6] = {'L', 'U', 'K', 'S', 0xba, 0xbe};

bool luks_probe(const uint8_t *head)
{
    return !memcmp(head, magic, sizeof(magic)) && ld16_be(head + LUKS_AT_VERSION) == 1;
}

/* --- Reading --- */

static void take_text(char *out, const uint8_t *raw, size_t len)
{
    memcpy(out, raw, len);
    out[len] = 0;
}

static void take_slot(LuksSlot *s, const uint8_t *raw)
{
    s->active = ld32_be(raw) == LUKS_SLOT_ACTIVE;
    s->iterations = ld32_be(raw + LUKS_AT_SLOT_ITERATIONS);
    memcpy(s->salt, raw + LUKS_AT_SLOT_SALT, LUKS_SALT);
    s->offset = ld32_be(raw + LUKS_AT_SLOT_OFFSET);
    s->stripes = ld32_be(raw + LUKS_AT_SLOT_STRIPES);
}

static void take_header(Luks *l, const uint8_t *raw)
{
    take_text(l->cipher, raw + LUKS_AT_CIPHER, 32);
    take_text(l->mode, raw + LUKS_AT_MODE, 32);
    take_text(l->hash, raw + LUKS_AT_HASH, 32);
    take_text(l->uuid, raw + LUKS_AT_UUID, 40);
    l->payload = ld32_be(raw + LUKS_AT_PAYLOAD);
    l->key_len = ld32_be(raw + LUKS_AT_KEY_LEN);
    memcpy(l->digest, raw + LUKS_AT_DIGEST, LUKS_MK_DIGEST);
    memcpy(l->digest_salt, raw + LUKS_AT_DIGEST_SALT, LUKS_SALT);
    l->digest_iterations = ld32_be(raw + LUKS_AT_DIGEST_ITERATIONS);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        take_slot(&l->slots[i], raw + LUKS_AT_SLOTS + i * LUKS_SLOT_LEN);
    }
}

/* Hashing goes on for a minute at most, and the key material lies inside the room. */
bool luks_slot_fits(const Luks *l, const LuksSlot *s, uint64_t room)
{
    uint64_t start = s->offset * (uint64_t)CRYPT_SECTOR;
    uint64_t len = align_up((uint64_t)l->key_len * s->stripes, CRYPT_SECTOR);

    return s->iterations && s->iterations <= LUKS_MAX_ITERATIONS && s->stripes &&
           s->stripes <= LUKS_MAX_STRIPES && start >= LUKS_HEADER_LEN && start <= room &&
           len <= room - start;
}

static bool check_header(const Luks *l, const char *filename, uint64_t room, Error **errp)
{
    if (!l->key_len || l->key_len > CRYPT_MAX_KEY || l->key_len % 8) {
        return error_fail(errp, "'%s': a key of %u bytes cannot be", filename, l->key_len);
    }
    if (!l->digest_iterations || l->digest_iterations > LUKS_MAX_ITERATIONS) {
        return error_fail(errp, "'%s': %u rounds of hashing are too many", filename,
                          l->digest_iterations);
    }
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        if (l->slots[i].active && !luks_slot_fits(l, &l->slots[i], room)) {
            return error_fail(errp, "'%s': key slot %u cannot be", filename, i);
        }
    }
    return true;
}

bool luks_read(Luks *l, BlockNode *file, uint64_t offset, uint64_t room, Error **errp)
{
    uint8_t raw[LUKS_HEADER_LEN];
    int ret = room < sizeof(raw) ? -EINVAL : block_pread(file, offset, raw, sizeof(raw));

    if (ret) {
        return error_fail_errno(errp, -ret, "cannot read the LUKS header of '%s'",
                                block_filename(file));
    }
    if (memcmp(raw, magic, sizeof(magic))) {
        return error_fail(errp, "'%s' has no LUKS header", block_filename(file));
    }
    if (ld16_be(raw + LUKS_AT_VERSION) != 1) {
        return error_fail(errp, "'%s': LUKS version %u is not known here, only 1",
                          block_filename(file), ld16_be(raw + LUKS_AT_VERSION));
    }
    take_header(l, raw);
    return check_header(l, block_filename(file), room, errp);
}

/* --- Anti-forensic stripes --- */

/* Spreads every bit of @buf over all of it. */
static bool diffuse(const char *hash, uint8_t *buf, size_t len, Error **errp)
{
    size_t digest = crypt_digest_len(hash);
    uint8_t in[4 + CRYPT_MAX_DIGEST], out[CRYPT_MAX_DIGEST];

    for (size_t at = 0, i = 0; at < len; at += digest, i++) {
        size_t n = MIN(digest, len - at);

        st32_be(in, i);
        memcpy(in + 4, buf + at, n);
        if (!crypt_hash(hash, in, 4 + n, out, errp)) {
            return false;
        }
        memcpy(buf + at, out, n);
    }
    explicit_bzero(in, sizeof(in));
    explicit_bzero(out, sizeof(out));
    return true;
}

static void xor_into(uint8_t *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        to[i] ^= from[i];
    }
}

bool luks_mix_stripes(const char *hash, const uint8_t *material, size_t key_len, uint32_t stripes,
                      uint8_t *key, Error **errp)
{
    memset(key, 0, key_len);
    if (!crypt_digest_len(hash)) {
        return error_fail(errp, "the hash '%s' is not known", hash);
    }
    for (uint32_t i = 0; i + 1 < stripes; i++) {
        xor_into(key, material + i * key_len, key_len);
        if (!diffuse(hash, key, key_len, errp)) {
            return false;
        }
    }
    return true;
}

/* --- Passwords --- */

bool luks_digest(const Luks *l, const uint8_t *key, uint8_t out[static LUKS_MK_DIGEST],
                 Error **errp)
{
    return crypt_pbkdf2(l->hash, key, l->key_len, l->digest_salt, LUKS_SALT, l->digest_iterations,
                        out, LUKS_MK_DIGEST, errp);
}

Crypt *luks_slot_crypt(const Luks *l, const LuksSlot *s, const uint8_t *pass, size_t pass_len,
                       Error **errp)
{
    uint8_t key[CRYPT_MAX_KEY];
    Crypt *c = NULL;

    if (crypt_pbkdf2(l->hash, pass, pass_len, s->salt, LUKS_SALT, s->iterations, key, l->key_len,
                     errp)) {
        c = crypt_new(l->cipher, l->mode, key, l->key_len, errp);
    }
    explicit_bzero(key, sizeof(key));
    return c;
}

/* What the password makes of a slot; false: an error. */
static bool open_slot(const Luks *l, const LuksSlot *s, BlockNode *file, uint64_t offset,
                      const uint8_t *pass, size_t pass_len, uint8_t *key, Error **errp)
{
    size_t len = align_up((uint64_t)l->key_len * s->stripes, CRYPT_SECTOR);
    g_autofree uint8_t *material = g_malloc(len);
    Crypt *c = luks_slot_crypt(l, s, pass, pass_len, errp);
    bool ok = c;
    int ret;

    if (ok) {
        ret = block_pread(file, offset + s->offset * (uint64_t)CRYPT_SECTOR, material, len);
        ret = ret ? ret : crypt_sectors(c, false, 0, material, len);
        ok = !ret ||
             error_fail_errno(errp, -ret, "cannot read the keys of '%s'", block_filename(file));
    }
    ok = ok && luks_mix_stripes(l->hash, material, l->key_len, s->stripes, key, errp);
    if (ok) {
        xor_into(key, material + (s->stripes - 1) * (size_t)l->key_len, l->key_len);
    }
    crypt_free(c);
    explicit_bzero(material, len);
    return ok;
}

int luks_find_key(const Luks *l, BlockNode *file, uint64_t offset, const char *secret,
                  uint32_t slots, uint8_t key[static CRYPT_MAX_KEY], Error **errp)
{
    uint8_t digest[LUKS_MK_DIGEST];
    size_t pass_len;
    const uint8_t *pass = secret_find(secret, &pass_len, errp);

    if (!pass) {
        return LUKS_KEY_ERROR;
    }
    for (int i = 0; i < LUKS_SLOTS; i++) {
        const LuksSlot *s = &l->slots[i];

        if (!s->active || !(slots >> i & 1)) {
            continue;
        }
        if (!open_slot(l, s, file, offset, pass, pass_len, key, errp) ||
            !luks_digest(l, key, digest, errp)) {
            return LUKS_KEY_ERROR;
        }
        if (!memcmp(digest, l->digest, sizeof(digest))) {
            return i;
        }
    }
    return LUKS_KEY_NONE;
}

Crypt *luks_unlock(const Luks *l, BlockNode *file, uint64_t offset, const char *secret,
                   Error **errp)
{
    uint8_t key[CRYPT_MAX_KEY];
    Crypt *c = NULL;
    int slot;

    if (!secret) {
        error_fail(errp, "'%s' is encrypted: key-secret= is missing", block_filename(file));
        return NULL;
    }
    slot = luks_find_key(l, file, offset, secret, UINT32_MAX, key, errp);
    if (slot >= 0) {
        c = crypt_new(l->cipher, l->mode, key, l->key_len, errp);
    } else if (slot == LUKS_KEY_NONE) {
        error_fail(errp, "'%s': the secret '%s' opens none of its key slots", block_filename(file),
                   secret);
    }
    explicit_bzero(key, sizeof(key));
    return c;
}

/* --- For people --- */

static JsonObject *describe_slot(const LuksSlot *s, uint64_t offset)
{
    JsonObject *obj = json_object_new();

    json_object_set_boolean_member(obj, "active", s->active);
    if (s->active) {
        json_object_set_int_member(obj, "iters", s->iterations);
        json_object_set_int_member(obj, "stripes", s->stripes);
    }
    json_object_set_int_member(obj, "key-offset",
                               (gint64)(offset + s->offset * (uint64_t)CRYPT_SECTOR));
    return obj;
}

/* "aes" with its length, as management tools name it. */
static char *cipher_name(const Luks *l)
{
    bool two = g_str_has_prefix(l->mode, "xts");

    return g_strdup_printf("%s-%u", l->cipher, l->key_len * 8 / (two ? 2 : 1));
}

void luks_describe(const Luks *l, uint64_t offset, JsonObject *obj)
{
    g_autofree char *cipher = cipher_name(l);
    g_auto(GStrv) mode = g_strsplit_set(l->mode, "-:", 3);
    guint parts = g_strv_length(mode);
    JsonArray *slots = json_array_new();

    json_object_set_string_member(obj, "ivgen-alg", parts > 1 ? mode[1] : "plain");
    if (parts > 2) {
        json_object_set_string_member(obj, "ivgen-hash-alg", mode[2]);
    }
    json_object_set_string_member(obj, "hash-alg", l->hash);
    json_object_set_string_member(obj, "cipher-alg", cipher);
    json_object_set_string_member(obj, "cipher-mode", parts ? mode[0] : "");
    json_object_set_string_member(obj, "uuid", l->uuid);
    json_object_set_int_member(obj, "payload-offset",
                               (gint64)(offset + l->payload * (uint64_t)CRYPT_SECTOR));
    json_object_set_int_member(obj, "master-key-iters", l->digest_iterations);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        json_array_add_object_element(slots, describe_slot(&l->slots[i], offset));
    }
    json_object_set_array_member(obj, "slots", slots);
}
