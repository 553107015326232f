/* SPDX-License-Identifier: MIT */
/* What the integer vector ops mean (vec-ops.def), lane by lane. */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "tcg/vec-helpers.h"

#define VEC_FN(name)                                                                               \
    uint64_t name(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d, IrV128 *r)

/* --- Lanes of one and of two vectors --- */

typedef uint64_t (*LaneFn)(uint64_t x, uint64_t y, unsigned bits);

/* Zero-extended lanes in, truncated results out. */
static uint64_t map2(IrV128 *r, uint64_t a, uint64_t b, unsigned bits, LaneFn fn)
{
    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i, fn(vec_get(vec_arg(a), bits, i), vec_get(vec_arg(b), bits, i), bits));
    }
    return 0;
}

static uint64_t map2_signed(IrV128 *r, uint64_t a, uint64_t b, unsigned bits, LaneFn fn)
{
    for (unsigned i = 0; i < 128 / bits; i++) {
        uint64_t x = vec_get_signed(vec_arg(a), bits, i), y = vec_get_signed(vec_arg(b), bits, i);

        vec_set(r, bits, i, fn(x, y, bits));
    }
    return 0;
}

static uint64_t saturate_signed(int64_t v, unsigned bits)
{
    int64_t limit = (int64_t)1 << (bits - 1);

    return v < -limit ? -limit : v >= limit ? limit - 1 : v;
}

static uint64_t saturate_unsigned(int64_t v, unsigned bits)
{
    int64_t limit = ((int64_t)1 << bits) - 1;

    return v < 0 ? 0 : v > limit ? limit : v;
}

/* @name is a map of @expr in x, y and bits; @map says how lanes are extended. */
#define VEC_MAP2(name, map, expr)                                                                  \
    static uint64_t name##_lane(uint64_t x, uint64_t y, unsigned bits)                             \
    {                                                                                              \
        return (expr);                                                                             \
    }                                                                                              \
    VEC_FN(name)                                                                                   \
    {                                                                                              \
        return map(r, a, b, vec_bits(c), name##_lane);                                             \
    }

VEC_MAP2(vec_add, map2, x + y)
VEC_MAP2(vec_sub, map2, x - y)
VEC_MAP2(vec_addss, map2_signed, saturate_signed((int64_t)(x + y), bits))
VEC_MAP2(vec_addus, map2, saturate_unsigned((int64_t)(x + y), bits))
VEC_MAP2(vec_subss, map2_signed, saturate_signed((int64_t)(x - y), bits))
VEC_MAP2(vec_subus, map2, saturate_unsigned((int64_t)(x - y), bits))
VEC_MAP2(vec_mul, map2, x *y)
VEC_MAP2(vec_mulhs, map2_signed, x *y >> bits)
VEC_MAP2(vec_mulhu, map2, x *y >> bits)
VEC_MAP2(vec_mulhrs, map2_signed, (x * y + (1u << (bits - 2))) >> (bits - 1))
VEC_MAP2(vec_cmpeq, map2, x == y ? ~0ULL : 0)
VEC_MAP2(vec_cmpgt, map2_signed, (int64_t)x > (int64_t)y ? ~0ULL : 0)
VEC_MAP2(vec_mins, map2_signed, (int64_t)x < (int64_t)y ? x : y)
VEC_MAP2(vec_minu, map2, x < y ? x : y)
VEC_MAP2(vec_maxs, map2_signed, (int64_t)x > (int64_t)y ? x : y)
VEC_MAP2(vec_maxu, map2, x > y ? x : y)
VEC_MAP2(vec_avg, map2, (x + y + 1) >> 1)
VEC_MAP2(vec_sign, map2_signed, (int64_t)y < 0 ? -x : y ? x : 0)
VEC_MAP2(vec_shlv, map2, y < bits ? x << y : 0)
VEC_MAP2(vec_shrv, map2, y < bits ? x >> y : 0)
VEC_MAP2(vec_sarv, map2_signed, (uint64_t)((int64_t)x >> (y < bits ? y : bits - 1)))

VEC_FN(vec_abs)
{
    unsigned bits = vec_bits(b);

    for (unsigned i = 0; i < 128 / bits; i++) {
        int64_t x = vec_get_signed(vec_arg(a), bits, i);

        vec_set(r, bits, i, x < 0 ? -(uint64_t)x : (uint64_t)x);
    }
    return 0;
}

/* --- Moves and logic --- */

VEC_FN(vec_from)
{
    *r = (IrV128){0};
    vec_set(r, vec_bits(b), 0, a);
    return 0;
}

VEC_FN(vec_insert)
{
    unsigned bits = vec_bits(c);

    *r = *vec_arg(a);
    vec_set(r, bits, vec_imm(c) % (128 / bits), b);
    return 0;
}

VEC_FN(vec_extract)
{
    unsigned bits = vec_bits(b);

    return vec_get(vec_arg(a), bits, vec_imm(b) % (128 / bits));
}

static uint64_t logic(IrV128 *r, uint64_t low, uint64_t high)
{
    r->u64[0] = low;
    r->u64[1] = high;
    return 0;
}

VEC_FN(vec_and)
{
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);

    return logic(r, x->u64[0] & y->u64[0], x->u64[1] & y->u64[1]);
}

VEC_FN(vec_andn)
{
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);

    return logic(r, x->u64[0] & ~y->u64[0], x->u64[1] & ~y->u64[1]);
}

VEC_FN(vec_or)
{
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);

    return logic(r, x->u64[0] | y->u64[0], x->u64[1] | y->u64[1]);
}

VEC_FN(vec_xor)
{
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);

    return logic(r, x->u64[0] ^ y->u64[0], x->u64[1] ^ y->u64[1]);
}

VEC_FN(vec_movmsk)
{
    unsigned bits = vec_bits(b);
    uint64_t mask = 0;

    for (unsigned i = 0; i < 128 / bits; i++) {
        mask |= (vec_get(vec_arg(a), bits, i) >> (bits - 1)) << i;
    }
    return mask;
}

VEC_FN(vec_test)
{
    static const uint64_t relevant[] = {
        [IR_L8] = ~0ULL, [IR_L32] = 0x8000000080000000u, [IR_L64] = 0x8000000000000000u};
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);
    uint64_t mask = relevant[c & 3], both = 0, only_y = 0;

    for (unsigned i = 0; i < 2; i++) {
        both |= x->u64[i] & y->u64[i] & mask;
        only_y |= y->u64[i] & ~x->u64[i] & mask;
    }
    return (both ? 0 : 0x40) | (only_y ? 0 : 1);
}

/* --- Products and sums across lanes --- */

VEC_FN(vec_mules)
{
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);

    return logic(r, (uint64_t)((int64_t)(int32_t)x->u32[0] * (int32_t)y->u32[0]),
                 (uint64_t)((int64_t)(int32_t)x->u32[2] * (int32_t)y->u32[2]));
}

VEC_FN(vec_muleu)
{
    const IrV128 *x = vec_arg(a), *y = vec_arg(b);

    return logic(r, (uint64_t)x->u32[0] * y->u32[0], (uint64_t)x->u32[2] * y->u32[2]);
}

VEC_FN(vec_madd)
{
    for (unsigned i = 0; i < 4; i++) {
        int64_t low = vec_get_signed(vec_arg(a), 16, 2 * i) * vec_get_signed(vec_arg(b), 16, 2 * i);
        int64_t high =
            vec_get_signed(vec_arg(a), 16, 2 * i + 1) * vec_get_signed(vec_arg(b), 16, 2 * i + 1);

        r->u32[i] = (uint32_t)(low + high);
    }
    return 0;
}

VEC_FN(vec_maddus)
{
    for (unsigned i = 0; i < 8; i++) {
        int64_t sum = vec_arg(a)->u8[2 * i] * vec_get_signed(vec_arg(b), 8, 2 * i) +
                      vec_arg(a)->u8[2 * i + 1] * vec_get_signed(vec_arg(b), 8, 2 * i + 1);

        r->u16[i] = (uint16_t)saturate_signed(sum, 16);
    }
    return 0;
}

static unsigned difference(uint8_t x, uint8_t y)
{
    return x > y ? x - y : y - x;
}

VEC_FN(vec_sad)
{
    *r = (IrV128){0};
    for (unsigned i = 0; i < 16; i++) {
        r->u64[i / 8] += difference(vec_arg(a)->u8[i], vec_arg(b)->u8[i]);
    }
    return 0;
}

VEC_FN(vec_mpsad)
{
    unsigned x = vec_imm(c) & 4, y = 4 * (vec_imm(c) & 3);

    for (unsigned i = 0; i < 8; i++) {
        unsigned sum = 0;

        for (unsigned k = 0; k < 4; k++) {
            sum += difference(vec_arg(a)->u8[x + i + k], vec_arg(b)->u8[y + k]);
        }
        r->u16[i] = (uint16_t)sum;
    }
    return 0;
}

VEC_FN(vec_minpos)
{
    unsigned best = 0;

    for (unsigned i = 1; i < 8; i++) {
        best = vec_arg(a)->u16[i] < vec_arg(a)->u16[best] ? i : best;
    }
    *r = (IrV128){.u16 = {vec_arg(a)->u16[best], (uint16_t)best}};
    return 0;
}

static uint64_t horizontal(IrV128 *r, uint64_t a, uint64_t b, unsigned bits, bool subtract,
                           bool saturate)
{
    unsigned n = 128 / bits;

    for (unsigned i = 0; i < n; i++) {
        const IrV128 *from = vec_arg(i < n / 2 ? a : b);
        unsigned k = 2 * i % n;
        int64_t x = vec_get_signed(from, bits, k), y = vec_get_signed(from, bits, k + 1);
        int64_t v = subtract ? x - y : x + y;

        vec_set(r, bits, i, saturate ? saturate_signed(v, bits) : (uint64_t)v);
    }
    return 0;
}

VEC_FN(vec_hadd)
{
    return horizontal(r, a, b, vec_bits(c), false, false);
}

VEC_FN(vec_haddss)
{
    return horizontal(r, a, b, vec_bits(c), false, true);
}

VEC_FN(vec_hsub)
{
    return horizontal(r, a, b, vec_bits(c), true, false);
}

VEC_FN(vec_hsubss)
{
    return horizontal(r, a, b, vec_bits(c), true, true);
}

/* --- Shifts --- */

/* All lanes by one count. */
static uint64_t shift_all(IrV128 *r, uint64_t a, uint64_t count, unsigned bits, bool left)
{
    for (unsigned i = 0; i < 128 / bits; i++) {
        uint64_t x = vec_get(vec_arg(a), bits, i);

        vec_set(r, bits, i, count >= bits ? 0 : left ? x << count : x >> count);
    }
    return 0;
}

static uint64_t shift_all_signed(IrV128 *r, uint64_t a, uint64_t count, unsigned bits)
{
    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i,
                (uint64_t)(vec_get_signed(vec_arg(a), bits, i) >> MIN(count, bits - 1)));
    }
    return 0;
}

VEC_FN(vec_shli)
{
    return shift_all(r, a, vec_imm(b), vec_bits(b), true);
}

VEC_FN(vec_shri)
{
    return shift_all(r, a, vec_imm(b), vec_bits(b), false);
}

VEC_FN(vec_sari)
{
    return shift_all_signed(r, a, vec_imm(b), vec_bits(b));
}

VEC_FN(vec_shl)
{
    return shift_all(r, a, vec_arg(b)->u64[0], vec_bits(c), true);
}

VEC_FN(vec_shr)
{
    return shift_all(r, a, vec_arg(b)->u64[0], vec_bits(c), false);
}

VEC_FN(vec_sar)
{
    return shift_all_signed(r, a, vec_arg(b)->u64[0], vec_bits(c));
}

/* Byte i of the result is byte i + @by of @x, zero outside. */
static uint64_t shift_bytes(IrV128 *r, const IrV128 *x, int by)
{
    for (int i = 0; i < 16; i++) {
        r->u8[i] = i + by >= 0 && i + by < 16 ? x->u8[i + by] : 0;
    }
    return 0;
}

VEC_FN(vec_shlbytes)
{
    return shift_bytes(r, vec_arg(a), -(int)vec_imm(b));
}

VEC_FN(vec_shrbytes)
{
    return shift_bytes(r, vec_arg(a), (int)vec_imm(b));
}

VEC_FN(vec_align)
{
    unsigned by = vec_imm(c);

    for (unsigned i = 0; i < 16; i++) {
        unsigned k = i + by;

        r->u8[i] = k < 16 ? vec_arg(b)->u8[k] : k < 32 ? vec_arg(a)->u8[k - 16] : 0;
    }
    return 0;
}

/* --- Rearranging --- */

VEC_FN(vec_shufb)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned k = vec_arg(b)->u8[i];

        r->u8[i] = k & 0x80 ? 0 : vec_arg(a)->u8[k & 15];
    }
    return 0;
}

VEC_FN(vec_permv)
{
    unsigned bits = vec_bits(c);

    for (unsigned i = 0; i < 128 / bits; i++) {
        uint64_t k = vec_get(vec_arg(b), bits, i);

        vec_set(r, bits, i, vec_get(vec_arg(a), bits, bits == 32 ? k & 3 : k >> 1 & 1));
    }
    return 0;
}

VEC_FN(vec_shuf)
{
    for (unsigned i = 0; i < 4; i++) {
        r->u32[i] = vec_arg(a)->u32[vec_imm(b) >> 2 * i & 3];
    }
    return 0;
}

static uint64_t shuffle_half(IrV128 *r, const IrV128 *x, unsigned first, unsigned imm)
{
    *r = *x;
    for (unsigned i = 0; i < 4; i++) {
        r->u16[first + i] = x->u16[first + (imm >> 2 * i & 3)];
    }
    return 0;
}

VEC_FN(vec_shuflo)
{
    return shuffle_half(r, vec_arg(a), 0, vec_imm(b));
}

VEC_FN(vec_shufhi)
{
    return shuffle_half(r, vec_arg(a), 4, vec_imm(b));
}

VEC_FN(vec_shuf2)
{
    unsigned imm = vec_imm(c);

    if (vec_bits(c) == 64) {
        return logic(r, vec_arg(a)->u64[imm & 1], vec_arg(b)->u64[imm >> 1 & 1]);
    }
    for (unsigned i = 0; i < 4; i++) {
        r->u32[i] = vec_arg(i < 2 ? a : b)->u32[imm >> 2 * i & 3];
    }
    return 0;
}

static uint64_t interleave(IrV128 *r, uint64_t a, uint64_t b, unsigned bits, unsigned first)
{
    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i, vec_get(vec_arg(i & 1 ? b : a), bits, first + i / 2));
    }
    return 0;
}

VEC_FN(vec_unpklo)
{
    return interleave(r, a, b, vec_bits(c), 0);
}

VEC_FN(vec_unpkhi)
{
    return interleave(r, a, b, vec_bits(c), 64 / vec_bits(c));
}

static uint64_t pack(IrV128 *r, uint64_t a, uint64_t b, unsigned bits,
                     uint64_t (*saturate)(int64_t, unsigned))
{
    unsigned n = 128 / bits;

    for (unsigned i = 0; i < 2 * n; i++) {
        int64_t x = vec_get_signed(vec_arg(i < n ? a : b), bits, i % n);

        vec_set(r, bits / 2, i, saturate(x, bits / 2));
    }
    return 0;
}

VEC_FN(vec_packs)
{
    return pack(r, a, b, vec_bits(c), saturate_signed);
}

VEC_FN(vec_packu)
{
    return pack(r, a, b, vec_bits(c), saturate_unsigned);
}

VEC_FN(vec_blend)
{
    unsigned bits = vec_bits(c);

    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i, vec_get(vec_arg(vec_imm(c) >> i & 1 ? b : a), bits, i));
    }
    return 0;
}

VEC_FN(vec_blendv)
{
    unsigned bits = vec_bits(d);

    for (unsigned i = 0; i < 128 / bits; i++) {
        bool from_b = vec_get_signed(vec_arg(c), bits, i) < 0;

        vec_set(r, bits, i, vec_get(vec_arg(from_b ? b : a), bits, i));
    }
    return 0;
}

VEC_FN(vec_dup)
{
    unsigned bits = vec_bits(b);

    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i, vec_get(vec_arg(a), bits, 0));
    }
    return 0;
}

/* Bits of an extension's result. */
static unsigned extended_bits(uint64_t info)
{
    return MIN(64, vec_bits(info) << (vec_imm(info) & 3));
}

VEC_FN(vec_sext)
{
    unsigned bits = extended_bits(b);

    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i, (uint64_t)vec_get_signed(vec_arg(a), vec_bits(b), i));
    }
    return 0;
}

VEC_FN(vec_zext)
{
    unsigned bits = extended_bits(b);

    for (unsigned i = 0; i < 128 / bits; i++) {
        vec_set(r, bits, i, vec_get(vec_arg(a), vec_bits(b), i));
    }
    return 0;
}

VEC_FN(vec_insertps)
{
    unsigned imm = vec_imm(c);

    *r = *vec_arg(a);
    r->u32[imm >> 4 & 3] = vec_arg(b)->u32[imm >> 6];
    for (unsigned i = 0; i < 4; i++) {
        if (imm >> i & 1) {
            r->u32[i] = 0;
        }
    }
    return 0;
}
