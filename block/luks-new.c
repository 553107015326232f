/* SPDX-License-Identifier: MIT */
/* New LUKS headers: what the user may choose, and a fresh key in the first slot. */
#include "rhea/osdep.h"

#include "block/secret.h"
#include "luks.h"
#include "luks-format.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum { ALIGN = 4096, MIN_ITERATIONS = 1000, TRIAL_ITERATIONS = 20000 };

/* --- Options --- */

typedef struct CipherName {
    const char *name, *algorithm;
    size_t key_len;
} CipherName;

static const CipherName ciphers[] = {
    {"aes-128", "aes", 16},         {"aes-192", "aes", 24},         {"aes-256", "aes", 32},
    {"serpent-128", "serpent", 16}, {"serpent-192", "serpent", 24}, {"serpent-256", "serpent", 32},
    {"twofish-128", "twofish", 16}, {"twofish-256", "twofish", 32},
};

static bool take_cipher(Opts *o, LuksSpec *spec, Error **errp)
{
    const char *names[ARRAY_SIZE(ciphers) + 1] = {NULL};
    int at = 2;

    for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
        names[i] = ciphers[i].name;
    }
    if (!opts_take_enum(o, "cipher-alg", names, &at, errp)) {
        return false;
    }
    spec->cipher = g_strdup(ciphers[at].algorithm);
    spec->key_len = ciphers[at].key_len;
    return true;
}

static bool take_mode(Opts *o, LuksSpec *spec, Error **errp)
{
    static const char *const modes[] = {"xts", "cbc", NULL};
    static const char *const ivs[] = {"plain64", "plain", "essiv", NULL};
    int mode = 0, iv = 0;
    const char *hash = opts_take(o, "ivgen-hash-alg");

    if (!opts_take_enum(o, "cipher-mode", modes, &mode, errp) ||
        !opts_take_enum(o, "ivgen-alg", ivs, &iv, errp)) {
        return false;
    }
    if (hash && iv != 2) {
        return error_fail(errp, "ivgen-hash-alg= goes with ivgen-alg=essiv");
    }
    if (iv == 2) {
        spec->mode = g_strdup_printf("%s-essiv:%s", modes[mode], hash ? hash : "sha256");
    } else {
        spec->mode = g_strdup_printf("%s-%s", modes[mode], ivs[iv]);
    }
    spec->key_len *= mode ? 1 : 2;
    return strlen(spec->mode) <= 32 || error_fail(errp, "ivgen-hash-alg=: the name is too long");
}

bool luks_take_spec(Opts *o, LuksSpec *spec, Error **errp)
{
    const char *hash = opts_take(o, "hash-alg");

    spec->iter_ms = 2000;
    spec->secret = g_strdup(opts_take(o, "key-secret"));
    spec->hash = g_strdup(hash ? hash : "sha256");
    if (!take_cipher(o, spec, errp) || !take_mode(o, spec, errp) ||
        !opts_take_u64(o, "iter-time", 60000, &spec->iter_ms, errp)) {
        return false;
    }
    return spec->secret || error_fail(errp, "an encrypted image needs key-secret=");
}

void luks_spec_clear(LuksSpec *spec)
{
    g_free(spec->secret);
    g_free(spec->cipher);
    g_free(spec->mode);
    g_free(spec->hash);
    *spec = (LuksSpec){0};
}

static uint64_t slot_room(size_t key_len)
{
    return align_up(key_len * LUKS_STRIPES, ALIGN);
}

uint64_t luks_room(const LuksSpec *spec)
{
    return ALIGN + LUKS_SLOTS * slot_room(spec->key_len);
}

bool image_luks_room(Opts *o, uint64_t *bytes, Error **errp)
{
    LuksSpec spec = {0};
    bool ok = luks_take_spec(o, &spec, errp);

    *bytes = ok ? luks_room(&spec) : 0;
    luks_spec_clear(&spec);
    return ok;
}

/* --- Making --- */

bool luks_count_rounds(const char *hash, size_t key_len, uint64_t ms, uint32_t *rounds,
                       Error **errp)
{
    static const uint8_t salt[LUKS_SALT];
    uint8_t out[CRYPT_MAX_KEY];
    int64_t start = g_get_monotonic_time(), us;

    if (!crypt_pbkdf2(hash, salt, sizeof(salt), salt, sizeof(salt), TRIAL_ITERATIONS, out, key_len,
                      errp)) {
        return false;
    }
    us = MAX(g_get_monotonic_time() - start, 1);
    *rounds =
        CLAMP(ms * 1000 * TRIAL_ITERATIONS / (uint64_t)us, MIN_ITERATIONS, LUKS_MAX_ITERATIONS / 2);
    return true;
}

static void make_uuid(Luks *l)
{
    g_autofree char *uuid = g_uuid_string_random();

    g_strlcpy(l->uuid, uuid, sizeof(l->uuid));
}

static bool fill_header(Luks *l, const LuksSpec *spec, const uint8_t *key, Error **errp)
{
    uint32_t rounds;

    g_strlcpy(l->cipher, spec->cipher, sizeof(l->cipher));
    g_strlcpy(l->mode, spec->mode, sizeof(l->mode));
    g_strlcpy(l->hash, spec->hash, sizeof(l->hash));
    make_uuid(l);
    l->key_len = spec->key_len;
    l->payload = luks_room(spec) / CRYPT_SECTOR;
    if (!luks_count_rounds(spec->hash, spec->key_len, spec->iter_ms, &rounds, errp) ||
        !crypt_random(l->digest_salt, LUKS_SALT, errp) ||
        !crypt_random(l->slots[0].salt, LUKS_SALT, errp)) {
        return false;
    }
    l->digest_iterations = MAX(rounds / 8, MIN_ITERATIONS);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        l->slots[i].offset = (ALIGN + i * slot_room(l->key_len)) / CRYPT_SECTOR;
        l->slots[i].stripes = LUKS_STRIPES;
    }
    l->slots[0].active = true;
    l->slots[0].iterations = rounds;
    return luks_digest(l, key, l->digest, errp);
}

void luks_put_slot(uint8_t *raw, const LuksSlot *s)
{
    st32_be(raw, s->active ? LUKS_SLOT_ACTIVE : LUKS_SLOT_FREE);
    st32_be(raw + LUKS_AT_SLOT_ITERATIONS, s->iterations);
    memcpy(raw + LUKS_AT_SLOT_SALT, s->salt, LUKS_SALT);
    st32_be(raw + LUKS_AT_SLOT_OFFSET, s->offset);
    st32_be(raw + LUKS_AT_SLOT_STRIPES, s->stripes);
}

static void put_header(uint8_t *raw, const Luks *l)
{
    memcpy(raw, "LUKS\xba\xbe\0\1", 8);
    memcpy(raw + LUKS_AT_CIPHER, l->cipher, 32);
    memcpy(raw + LUKS_AT_MODE, l->mode, 32);
    memcpy(raw + LUKS_AT_HASH, l->hash, 32);
    st32_be(raw + LUKS_AT_PAYLOAD, l->payload);
    st32_be(raw + LUKS_AT_KEY_LEN, l->key_len);
    memcpy(raw + LUKS_AT_DIGEST, l->digest, LUKS_MK_DIGEST);
    memcpy(raw + LUKS_AT_DIGEST_SALT, l->digest_salt, LUKS_SALT);
    st32_be(raw + LUKS_AT_DIGEST_ITERATIONS, l->digest_iterations);
    memcpy(raw + LUKS_AT_UUID, l->uuid, 40);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        luks_put_slot(raw + LUKS_AT_SLOTS + i * LUKS_SLOT_LEN, &l->slots[i]);
    }
}

bool luks_put_material(const Luks *l, const LuksSlot *s, const char *secret, const uint8_t *key,
                       uint8_t *out, Error **errp)
{
    size_t last = l->key_len * (s->stripes - 1UL), len = last + l->key_len, pass_len;
    const uint8_t *pass = secret_find(secret, &pass_len, errp);
    uint8_t mixed[CRYPT_MAX_KEY];
    Crypt *c;
    bool ok;

    if (!pass || !crypt_random(out, last, errp) ||
        !luks_mix_stripes(l->hash, out, l->key_len, s->stripes, mixed, errp)) {
        return false;
    }
    for (size_t i = 0; i < l->key_len; i++) {
        out[last + i] = mixed[i] ^ key[i];
    }
    c = luks_slot_crypt(l, s, pass, pass_len, errp);
    ok = c && (!crypt_sectors(c, true, 0, out, align_up(len, CRYPT_SECTOR)) ||
               error_fail(errp, "encrypting the key failed"));
    crypt_free(c);
    explicit_bzero(mixed, sizeof(mixed));
    return ok;
}

bool luks_write_new(const LuksSpec *spec, BlockNode *file, uint64_t offset, Error **errp)
{
    g_autofree uint8_t *raw = g_malloc0(luks_room(spec));
    uint8_t key[CRYPT_MAX_KEY];
    Luks l = {0};
    bool ok = crypt_random(key, spec->key_len, errp) && fill_header(&l, spec, key, errp) &&
              luks_put_material(&l, &l.slots[0], spec->secret, key,
                                raw + l.slots[0].offset * (size_t)CRYPT_SECTOR, errp);
    int ret;

    explicit_bzero(key, sizeof(key));
    if (!ok) {
        return false;
    }
    put_header(raw, &l);
    ret = block_pwrite(file, offset, raw, luks_room(spec));
    ret = ret ? ret : block_flush(file);
    return !ret || error_fail_errno(errp, -ret, "cannot write the LUKS header of '%s'",
                                    block_filename(file));
}
