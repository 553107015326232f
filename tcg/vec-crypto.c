/* SPDX-License-Identifier: MIT */
/*
 * What the cryptographic vector ops mean: AES rounds (FIPS 197; byte i of the vector is row i % 4 of
 * column i / 4), SHA-1 and SHA-256 rounds and schedules (FIPS 180-4), carry-less products.  Written for
 * clarity and without tables: hosts have instructions for these.
 */
#include "rhea/osdep.h"

#include "tcg/vec-helpers.h"

#define VEC_FN(name)                                                                               \
    uint64_t name(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d, IrV128 *r)

static uint32_t rol(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static uint32_t ror(uint32_t v, unsigned n)
{
    return v >> n | v << (32 - n);
}

/* --- AES --- */

/* The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
static uint8_t gf_mul(uint8_t x, uint8_t y)
{
    unsigned product = 0;

    for (unsigned i = 0; i < 8; i++) {
        product ^= y >> i & 1 ? (unsigned)x << i : 0;
    }
    for (unsigned i = 14; i >= 8; i--) {
        product ^= product >> i & 1 ? 0x11bu << (i - 8) : 0;
    }
    return (uint8_t)product;
}

/* x^254, which is 1 / x, and 0 for 0. */
static uint8_t gf_inverse(uint8_t x)
{
    uint8_t power = x, result = 1;

    for (unsigned i = 1; i < 8; i++) {
        power = gf_mul(power, power);
        result = gf_mul(result, power);
    }
    return result;
}

static uint8_t rol8(uint8_t v, unsigned n)
{
    return (uint8_t)(v << n | v >> (8 - n));
}

static uint8_t sub_byte(uint8_t x)
{
    uint8_t y = gf_inverse(x);

    return y ^ rol8(y, 1) ^ rol8(y, 2) ^ rol8(y, 3) ^ rol8(y, 4) ^ 0x63;
}

static uint8_t inv_sub_byte(uint8_t x)
{
    return gf_inverse(rol8(x, 1) ^ rol8(x, 3) ^ rol8(x, 6) ^ 0x05);
}

/* SubBytes and ShiftRows, which commute. */
static void sub_and_shift(IrV128 *r, const IrV128 *s)
{
    for (unsigned i = 0; i < 16; i++) {
        r->u8[i] = sub_byte(s->u8[(i + 4 * (i & 3)) & 15]);
    }
}

static void inv_sub_and_shift(IrV128 *r, const IrV128 *s)
{
    for (unsigned i = 0; i < 16; i++) {
        r->u8[i] = inv_sub_byte(s->u8[(i - 4 * (i & 3)) & 15]);
    }
}

/* Each column multiplied by the polynomial whose coefficients are @k, k[0] on the diagonal. */
static void mix_columns(IrV128 *r, const uint8_t k[4])
{
    IrV128 s = *r;

    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *column = &s.u8[i & ~3u];
        uint8_t v = 0;

        for (unsigned n = 0; n < 4; n++) {
            v ^= gf_mul(k[n], column[(i + n) & 3]);
        }
        r->u8[i] = v;
    }
}

static const uint8_t mix[4] = {2, 3, 1, 1};
static const uint8_t inv_mix[4] = {14, 11, 13, 9};

static uint64_t add_key(IrV128 *r, uint64_t key)
{
    r->u64[0] ^= vec_arg(key)->u64[0];
    r->u64[1] ^= vec_arg(key)->u64[1];
    return 0;
}

VEC_FN(vec_aesenc)
{
    sub_and_shift(r, vec_arg(a));
    mix_columns(r, mix);
    return add_key(r, b);
}

VEC_FN(vec_aesenclast)
{
    sub_and_shift(r, vec_arg(a));
    return add_key(r, b);
}

VEC_FN(vec_aesdec)
{
    inv_sub_and_shift(r, vec_arg(a));
    mix_columns(r, inv_mix);
    return add_key(r, b);
}

VEC_FN(vec_aesdeclast)
{
    inv_sub_and_shift(r, vec_arg(a));
    return add_key(r, b);
}

VEC_FN(vec_aesimc)
{
    *r = *vec_arg(a);
    mix_columns(r, inv_mix);
    return 0;
}

static uint32_t sub_word(uint32_t v)
{
    return (uint32_t)sub_byte((uint8_t)v) | (uint32_t)sub_byte((uint8_t)(v >> 8)) << 8 |
           (uint32_t)sub_byte((uint8_t)(v >> 16)) << 16 |
           (uint32_t)sub_byte((uint8_t)(v >> 24)) << 24;
}

VEC_FN(vec_aeskeygen)
{
    for (unsigned i = 0; i < 4; i += 2) {
        uint32_t v = sub_word(vec_arg(a)->u32[i + 1]);

        r->u32[i] = v;
        r->u32[i + 1] = ror(v, 8) ^ vec_imm(b);
    }
    return 0;
}

VEC_FN(vec_clmul)
{
    uint64_t x = vec_arg(a)->u64[vec_imm(c) & 1], y = vec_arg(b)->u64[vec_imm(c) >> 4 & 1];

    *r = (IrV128){0};
    for (unsigned i = 0; i < 64; i++) {
        if (y >> i & 1) {
            r->u64[0] ^= x << i;
            r->u64[1] ^= i ? x >> (64 - i) : 0;
        }
    }
    return 0;
}

/* --- SHA-1: word 0 of the standard is lane 3 --- */

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (~x & z);
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (x & z) ^ (y & z);
}

static uint32_t sha1_f(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
    switch (round) {
    case 0: return choose(x, y, z);
    case 2: return majority(x, y, z);
    default: return x ^ y ^ z;
    }
}

VEC_FN(vec_sha1rnds4)
{
    static const uint32_t constant[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    unsigned round = vec_imm(c) & 3;
    uint32_t s[5] = {vec_arg(a)->u32[3], vec_arg(a)->u32[2], vec_arg(a)->u32[1], vec_arg(a)->u32[0],
                     0 /* E is in the first word already */};

    for (unsigned i = 0; i < 4; i++) {
        uint32_t t = rol(s[0], 5) + sha1_f(round, s[1], s[2], s[3]) + s[4] + constant[round] +
                     vec_arg(b)->u32[3 - i];

        s[4] = s[3];
        s[3] = s[2];
        s[2] = rol(s[1], 30);
        s[1] = s[0];
        s[0] = t;
    }
    *r = (IrV128){.u32 = {s[3], s[2], s[1], s[0]}};
    return 0;
}

VEC_FN(vec_sha1nexte)
{
    *r = *vec_arg(b);
    r->u32[3] += rol(vec_arg(a)->u32[3], 30);
    return 0;
}

VEC_FN(vec_sha1msg1)
{
    const uint32_t *x = vec_arg(a)->u32, *y = vec_arg(b)->u32;

    *r = (IrV128){.u32 = {y[2] ^ x[0], y[3] ^ x[1], x[0] ^ x[2], x[1] ^ x[3]}};
    return 0;
}

VEC_FN(vec_sha1msg2)
{
    const uint32_t *x = vec_arg(a)->u32, *y = vec_arg(b)->u32;
    uint32_t w16 = rol(x[3] ^ y[2], 1);

    *r = (IrV128){.u32 = {rol(x[0] ^ w16, 1), rol(x[1] ^ y[0], 1), rol(x[2] ^ y[1], 1), w16}};
    return 0;
}

/* --- SHA-256 --- */

static uint32_t sigma0(uint32_t x)
{
    return ror(x, 7) ^ ror(x, 18) ^ x >> 3;
}

static uint32_t sigma1(uint32_t x)
{
    return ror(x, 17) ^ ror(x, 19) ^ x >> 10;
}

VEC_FN(vec_sha256rnds2)
{
    const uint32_t *x = vec_arg(a)->u32, *y = vec_arg(b)->u32;
    uint32_t s[8] = {y[3], y[2], x[3], x[2], y[1], y[0], x[1], x[0]};

    for (unsigned i = 0; i < 2; i++) {
        uint32_t t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) +
                      choose(s[4], s[5], s[6]) + vec_arg(c)->u32[i];
        uint32_t t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + majority(s[0], s[1], s[2]);

        memmove(&s[1], &s[0], 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    *r = (IrV128){.u32 = {s[5], s[4], s[1], s[0]}};
    return 0;
}

VEC_FN(vec_sha256msg1)
{
    const uint32_t *x = vec_arg(a)->u32;

    *r = (IrV128){.u32 = {x[0] + sigma0(x[1]), x[1] + sigma0(x[2]), x[2] + sigma0(x[3]),
                          x[3] + sigma0(vec_arg(b)->u32[0])}};
    return 0;
}

VEC_FN(vec_sha256msg2)
{
    const uint32_t *x = vec_arg(a)->u32, *y = vec_arg(b)->u32;
    uint32_t w16 = x[0] + sigma1(y[2]), w17 = x[1] + sigma1(y[3]);

    *r = (IrV128){.u32 = {w16, w17, x[2] + sigma1(w16), x[3] + sigma1(w17)}};
    return 0;
}
