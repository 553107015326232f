/* SPDX-License-Identifier: MIT */
/*
 * What the floating-point vector ops mean: IEEE arithmetic of tcg/softfloat.c under the rules of SSE
 * and AVX (Intel SDM volume 1, chapter 11 and appendix E) for NaNs, denormal operands and tiny results.
 */
#include "rhea/osdep.h"

#include "tcg/softfloat.h"
#include "tcg/vec-helpers.h"

#define VEC_FN(name)                                                                               \
    uint64_t name(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d, IrV128 *r)

/* Lanes of an op, and what it reads and raises. */
typedef struct Fp {
    TcgEnv *env;
    SfFormat fmt;
    unsigned bits, n; /* of a lane; how many */
    IrRound round;
    uint32_t flags; /* and IR_FP_TRAPS */
} Fp;

static Fp fp_begin(void *env, uint64_t info)
{
    IrLane lane = info & 7;
    bool wide = lane == IR_SD || lane == IR_PD;
    bool scalar = lane == IR_SS || lane == IR_SD;
    Fp f = {.env = env,
            .fmt = wide ? SF_64 : SF_32,
            .bits = wide ? 64 : 32,
            .n = scalar ? 1
                 : wide ? 2
                        : 4};

    f.round = f.env->fp_round & IR_ROUND_MASK;
    f.flags = f.env->fp_flags & IR_FP_TRAPS;
    return f;
}

static uint64_t fp_end(const Fp *f)
{
    f->env->fp_flags |= f->flags;
    return 0;
}

/* --- Classes of numbers --- */

static uint64_t sign_bit(SfFormat fmt)
{
    return fmt == SF_64 ? 1ULL << 63 : fmt == SF_32 ? 1u << 31 : 1u << 15;
}

static uint64_t quiet_bit(SfFormat fmt)
{
    return fmt == SF_64 ? 1ULL << 51 : fmt == SF_32 ? 1u << 22 : 1u << 9;
}

static bool is_denormal(SfFormat fmt, uint64_t x)
{
    uint64_t magnitude = x & ~sign_bit(fmt);

    return magnitude && magnitude < 2 * quiet_bit(fmt);
}

static uint64_t default_nan(SfFormat fmt)
{
    return sf_default_nan(fmt) | sign_bit(fmt);
}

/* An operand as the operation sees it; the flag that it raises is the caller's business. */
static uint64_t operand(const Fp *f, uint64_t x)
{
    bool zero = f->env->fp_round & IR_ROUND_DAZ && is_denormal(f->fmt, x);

    return zero ? x & sign_bit(f->fmt) : x;
}

static void note_denormal(Fp *f, uint64_t x)
{
    f->flags |= is_denormal(f->fmt, x) ? IR_FP_DENORMAL : 0;
}

/* Is there a NaN among x[0..n)?  Then *r is the result. */
static bool nan_operand(Fp *f, const uint64_t *x, unsigned n, uint64_t *r)
{
    bool found = false;

    for (unsigned i = n; i-- > 0;) {
        if (sf_is_nan(f->fmt, x[i])) {
            f->flags |= sf_is_snan(f->fmt, x[i]) ? IR_FP_INVALID : 0;
            *r = x[i] | quiet_bit(f->fmt);
            found = true;
        }
    }
    return found;
}

/* A result in format @fmt that was computed with @flags. */
static uint64_t finish(Fp *f, SfFormat fmt, uint64_t v, uint32_t flags)
{
    bool flush = f->env->fp_round & IR_ROUND_FTZ && !(flags & IR_FP_UNDERFLOW_TRAPS);

    if (flush && (flags & IR_FP_UNDERFLOW || is_denormal(fmt, v))) {
        flags |= IR_FP_UNDERFLOW | IR_FP_INEXACT;
        v &= sign_bit(fmt);
    }
    f->flags |= flags;
    return sf_is_nan(fmt, v) ? default_nan(fmt) : v;
}

/* --- Arithmetic --- */

typedef uint64_t (*SfBinary)(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags);

static uint64_t binary(Fp *f, SfBinary op, uint64_t x, uint64_t y)
{
    uint64_t args[2] = {operand(f, x), operand(f, y)}, v;
    uint32_t flags = f->flags & IR_FP_TRAPS;

    if (nan_operand(f, args, 2, &v)) {
        return v;
    }
    v = op(f->fmt, args[0], args[1], f->round, &flags);
    if (!(flags & (IR_FP_INVALID | IR_FP_DIVBYZERO))) {
        note_denormal(f, args[0]);
        note_denormal(f, args[1]);
    }
    return finish(f, f->fmt, v, flags);
}

/* @op on each lane of @a and @b; lanes that the op leaves out are @a's. */
static uint64_t map_binary(void *env, uint64_t a, uint64_t b, uint64_t info, IrV128 *r, SfBinary op)
{
    Fp f = fp_begin(env, info);

    *r = *vec_arg(a);
    for (unsigned i = 0; i < f.n; i++) {
        uint64_t x = vec_get(vec_arg(a), f.bits, i), y = vec_get(vec_arg(b), f.bits, i);

        vec_set(r, f.bits, i, binary(&f, op, x, y));
    }
    return fp_end(&f);
}

VEC_FN(vec_fadd)
{
    return map_binary(env, a, b, c, r, sf_add);
}

VEC_FN(vec_fsub)
{
    return map_binary(env, a, b, c, r, sf_sub);
}

VEC_FN(vec_fmul)
{
    return map_binary(env, a, b, c, r, sf_mul);
}

VEC_FN(vec_fdiv)
{
    return map_binary(env, a, b, c, r, sf_div);
}

VEC_FN(vec_faddsub)
{
    Fp f = fp_begin(env, c);

    for (unsigned i = 0; i < f.n; i++) {
        uint64_t x = vec_get(vec_arg(a), f.bits, i), y = vec_get(vec_arg(b), f.bits, i);

        vec_set(r, f.bits, i, binary(&f, i & 1 ? sf_add : sf_sub, x, y));
    }
    return fp_end(&f);
}

static uint64_t horizontal(void *env, uint64_t a, uint64_t b, uint64_t info, IrV128 *r, SfBinary op)
{
    Fp f = fp_begin(env, info);

    for (unsigned i = 0; i < f.n; i++) {
        const IrV128 *from = vec_arg(i < f.n / 2 ? a : b);
        unsigned k = 2 * i % f.n;

        vec_set(r, f.bits, i,
                binary(&f, op, vec_get(from, f.bits, k), vec_get(from, f.bits, k + 1)));
    }
    return fp_end(&f);
}

VEC_FN(vec_fhadd)
{
    return horizontal(env, a, b, c, r, sf_add);
}

VEC_FN(vec_fhsub)
{
    return horizontal(env, a, b, c, r, sf_sub);
}

/* Products of the lanes that imm's high half chooses, summed pairwise; low half: where the sum goes. */
VEC_FN(vec_fdp)
{
    Fp f = fp_begin(env, c);
    uint64_t t[4] = {0}, sum;
    unsigned imm = vec_imm(c);

    for (unsigned i = 0; i < f.n; i++) {
        if (imm >> (4 + i) & 1) {
            t[i] =
                binary(&f, sf_mul, vec_get(vec_arg(a), f.bits, i), vec_get(vec_arg(b), f.bits, i));
        }
    }
    sum = binary(&f, sf_add, t[0], t[1]);
    if (f.n == 4) {
        sum = binary(&f, sf_add, sum, binary(&f, sf_add, t[2], t[3]));
    }
    for (unsigned i = 0; i < f.n; i++) {
        vec_set(r, f.bits, i, imm >> i & 1 ? sum : 0);
    }
    return fp_end(&f);
}

static uint64_t root(Fp *f, uint64_t x)
{
    uint32_t flags = f->flags & IR_FP_TRAPS;
    uint64_t v;

    x = operand(f, x);
    if (nan_operand(f, &x, 1, &v)) {
        return v;
    }
    v = sf_sqrt(f->fmt, x, f->round, &flags);
    if (!(flags & IR_FP_INVALID)) {
        note_denormal(f, x);
    }
    return finish(f, f->fmt, v, flags);
}

VEC_FN(vec_fsqrt)
{
    Fp f = fp_begin(env, c);

    *r = *vec_arg(a);
    for (unsigned i = 0; i < f.n; i++) {
        vec_set(r, f.bits, i, root(&f, vec_get(vec_arg(b), f.bits, i)));
    }
    return fp_end(&f);
}

static uint64_t fused(Fp *f, const uint64_t *x, int negate)
{
    uint32_t flags = f->flags & IR_FP_TRAPS;
    uint64_t v;

    if (nan_operand(f, x, 3, &v)) {
        return v;
    }
    v = sf_fma(f->fmt, x[0], x[1], x[2], negate, f->round, &flags);
    for (unsigned i = 0; i < 3 && !(flags & IR_FP_INVALID); i++) {
        note_denormal(f, x[i]);
    }
    return finish(f, f->fmt, v, flags);
}

VEC_FN(vec_fma)
{
    Fp f = fp_begin(env, d);
    unsigned imm = vec_imm(d), form = imm & IR_VFMA_FORM;

    *r = *vec_arg(form == IR_VFMA_132 ? a : form == IR_VFMA_213 ? b : c);
    for (unsigned i = 0; i < f.n; i++) {
        uint64_t x[3] = {operand(&f, vec_get(vec_arg(a), f.bits, i)),
                         operand(&f, vec_get(vec_arg(b), f.bits, i)),
                         operand(&f, vec_get(vec_arg(c), f.bits, i))};
        int negate = imm & (IR_FMA_NEG_PRODUCT | IR_FMA_NEG_ADDEND);

        if (imm & (i & 1 ? IR_VFMA_SUBADD : IR_VFMA_ADDSUB)) {
            negate ^= IR_FMA_NEG_ADDEND;
        }
        vec_set(r, f.bits, i, fused(&f, x, negate));
    }
    return fp_end(&f);
}

/* --- Comparisons --- */

typedef enum Relation { LESS, EQUAL, GREATER, UNORDERED } Relation;

/* @signals: any NaN raises INVALID. */
static Relation compare(Fp *f, uint64_t x, uint64_t y, bool signals)
{
    uint32_t none = 0;

    x = operand(f, x);
    y = operand(f, y);
    if (sf_is_nan(f->fmt, x) || sf_is_nan(f->fmt, y)) {
        bool raises = signals || sf_is_snan(f->fmt, x) || sf_is_snan(f->fmt, y);

        f->flags |= raises ? IR_FP_INVALID : 0;
        return UNORDERED;
    }
    note_denormal(f, x);
    note_denormal(f, y);
    if (sf_cmp(f->fmt, IR_FLT, x, y, &none)) {
        return LESS;
    }
    return sf_cmp(f->fmt, IR_FEQ, x, y, &none) ? EQUAL : GREATER;
}

static uint64_t min_max(void *env, uint64_t a, uint64_t b, uint64_t info, IrV128 *r, Relation want)
{
    Fp f = fp_begin(env, info);

    *r = *vec_arg(a);
    for (unsigned i = 0; i < f.n; i++) {
        uint64_t x = vec_get(vec_arg(a), f.bits, i), y = vec_get(vec_arg(b), f.bits, i);

        vec_set(r, f.bits, i, operand(&f, compare(&f, x, y, true) == want ? x : y));
    }
    return fp_end(&f);
}

VEC_FN(vec_fmin)
{
    return min_max(env, a, b, c, r, LESS);
}

VEC_FN(vec_fmax)
{
    return min_max(env, a, b, c, r, GREATER);
}

/* Predicates 0..31 (SDM, CMPPD): which relations are true, and do quiet NaNs raise INVALID? */
static bool predicate(unsigned p, Relation relation)
{
    static const uint8_t truth[16] = {
        1 << EQUAL,
        1 << LESS,
        1 << LESS | 1 << EQUAL,
        1 << UNORDERED,
        1 << LESS | 1 << GREATER | 1 << UNORDERED,
        1 << EQUAL | 1 << GREATER | 1 << UNORDERED,
        1 << GREATER | 1 << UNORDERED,
        1 << LESS | 1 << EQUAL | 1 << GREATER,
        1 << EQUAL | 1 << UNORDERED,
        1 << LESS | 1 << UNORDERED,
        1 << LESS | 1 << EQUAL | 1 << UNORDERED,
        0,
        1 << LESS | 1 << GREATER,
        1 << GREATER | 1 << EQUAL,
        1 << GREATER,
        1 << LESS | 1 << EQUAL | 1 << GREATER | 1 << UNORDERED,
    };

    return truth[p & 15] >> relation & 1;
}

static bool predicate_signals(unsigned p)
{
    bool ordering = (p & 3) == 1 || (p & 3) == 2;

    return ordering != (p >> 4 & 1);
}

VEC_FN(vec_fcmp)
{
    Fp f = fp_begin(env, c);
    unsigned p = vec_imm(c) & 31;

    *r = *vec_arg(a);
    for (unsigned i = 0; i < f.n; i++) {
        Relation relation = compare(&f, vec_get(vec_arg(a), f.bits, i),
                                    vec_get(vec_arg(b), f.bits, i), predicate_signals(p));

        vec_set(r, f.bits, i, predicate(p, relation) ? ~0ULL : 0);
    }
    return fp_end(&f);
}

VEC_FN(vec_fcomi)
{
    static const uint8_t result[] = {[LESS] = 1, [EQUAL] = 0x40, [GREATER] = 0, [UNORDERED] = 0x45};
    Fp f = fp_begin(env, c);
    Relation relation = compare(&f, vec_get(vec_arg(a), f.bits, 0), vec_get(vec_arg(b), f.bits, 0),
                                !(vec_imm(c) & 1));

    fp_end(&f);
    return result[relation];
}

/* --- Approximations: here the correctly rounded values --- */

/* Zero for denormal numbers, both in and out. */
static uint64_t without_denormals(uint64_t x)
{
    return is_denormal(SF_32, x) ? x & sign_bit(SF_32) : x;
}

static uint64_t approximate(uint64_t x, bool of_root)
{
    static const uint64_t one = 0x3f800000;
    uint32_t none = 0;
    uint64_t v;

    x = without_denormals(x);
    if (sf_is_nan(SF_32, x)) {
        return x | quiet_bit(SF_32);
    }
    v = of_root ? sf_sqrt(SF_32, x, IR_ROUND_NEAREST, &none) : x;
    if (sf_is_nan(SF_32, v)) {
        return default_nan(SF_32);
    }
    return without_denormals(sf_div(SF_32, one, v, IR_ROUND_NEAREST, &none));
}

static uint64_t map_approximate(void *env, uint64_t a, uint64_t b, uint64_t info, IrV128 *r,
                                bool of_root)
{
    Fp f = fp_begin(env, info);

    *r = *vec_arg(a);
    for (unsigned i = 0; i < f.n; i++) {
        r->u32[i] = (uint32_t)approximate(vec_arg(b)->u32[i], of_root);
    }
    return 0;
}

VEC_FN(vec_frcp)
{
    return map_approximate(env, a, b, c, r, false);
}

VEC_FN(vec_frsqrt)
{
    return map_approximate(env, a, b, c, r, true);
}

/* --- Conversions --- */

/* The rounding mode that an immediate asks for: bits 1:0, or (bit 2) the current one. */
static IrRound imm_rounding(const Fp *f, unsigned imm)
{
    static const uint8_t modes[4] = {IR_ROUND_NEAREST, IR_ROUND_DOWN, IR_ROUND_UP, IR_ROUND_ZERO};

    return imm & 4 ? f->round : modes[imm & 3];
}

VEC_FN(vec_fround)
{
    Fp f = fp_begin(env, c);
    unsigned imm = vec_imm(c);
    IrRound round = imm_rounding(&f, imm);

    *r = *vec_arg(a);
    for (unsigned i = 0; i < f.n; i++) {
        uint64_t x = operand(&f, vec_get(vec_arg(b), f.bits, i)), v;

        if (!nan_operand(&f, &x, 1, &v)) {
            v = sf_round(f.fmt, x, round, !(imm & 8), &f.flags);
        }
        vec_set(r, f.bits, i, v);
    }
    return fp_end(&f);
}

/* A NaN in another format: the high bits of its payload. */
static uint64_t convert_nan(SfFormat to, SfFormat from, uint64_t x)
{
    static const uint8_t frac_bits[] = {[SF_16] = 10, [SF_32] = 23, [SF_64] = 52};
    uint64_t payload = (x & (2 * quiet_bit(from) - 1)) << (63 - frac_bits[from]);
    uint64_t sign = x & sign_bit(from) ? sign_bit(to) : 0;

    return sign | sf_default_nan(to) | payload >> (63 - frac_bits[to]);
}

static uint64_t convert(Fp *f, SfFormat to, uint64_t x, IrRound round, uint32_t *flags)
{
    uint64_t unused;

    x = operand(f, x);
    if (nan_operand(f, &x, 1, &unused)) {
        return convert_nan(to, f->fmt, x);
    }
    note_denormal(f, x);
    return sf_convert(to, f->fmt, x, round, flags);
}

VEC_FN(vec_fcvt)
{
    Fp f = fp_begin(env, c);
    SfFormat to = f.fmt == SF_64 ? SF_32 : SF_64;
    bool scalar = f.n == 1;

    *r = scalar ? *vec_arg(a) : (IrV128){0};
    for (unsigned i = 0; i < (scalar ? 1 : 2); i++) {
        uint32_t flags = f.flags & IR_FP_TRAPS;
        uint64_t v = convert(&f, to, vec_get(vec_arg(b), f.bits, i), f.round, &flags);

        /* A NaN is no result to be finished: its payload counts. */
        vec_set(r, to == SF_64 ? 64 : 32, i, sf_is_nan(to, v) ? v : finish(&f, to, v, flags));
    }
    return fp_end(&f);
}

/* The smallest integer stands for all that cannot be converted. */
static uint64_t to_integer(Fp *f, uint64_t x, unsigned bits, bool truncate)
{
    uint32_t flags = 0;
    uint64_t v =
        sf_to_int(f->fmt, operand(f, x), bits, truncate ? IR_ROUND_ZERO : f->round, &flags);

    f->flags |= flags;
    v = flags & IR_FP_INVALID ? 1ULL << (bits - 1) : v;
    return bits == 32 ? (uint32_t)v : v;
}

VEC_FN(vec_ftoi)
{
    Fp f = fp_begin(env, b);

    *r = (IrV128){0};
    for (unsigned i = 0; i < f.n; i++) {
        r->u32[i] = (uint32_t)to_integer(&f, vec_get(vec_arg(a), f.bits, i), 32, vec_imm(b) & 1);
    }
    return fp_end(&f);
}

VEC_FN(vec_fromi)
{
    Fp f = fp_begin(env, b);

    for (unsigned i = 0; i < f.n; i++) {
        int64_t x = (int32_t)vec_arg(a)->u32[i];

        vec_set(r, f.bits, i, sf_from_int(f.fmt, x, f.round, &f.flags));
    }
    return fp_end(&f);
}

VEC_FN(vec_ftoint)
{
    Fp f = fp_begin(env, b);
    unsigned imm = vec_imm(b);
    uint64_t v = to_integer(&f, vec_get(vec_arg(a), f.bits, 0), imm & IR_VINT_64 ? 64 : 32,
                            imm & IR_VINT_TRUNCATE);

    fp_end(&f);
    return v;
}

VEC_FN(vec_fromint)
{
    Fp f = fp_begin(env, c);
    int64_t x = vec_imm(c) & IR_VINT_64 ? (int64_t)b : (int32_t)b;

    *r = *vec_arg(a);
    vec_set(r, f.bits, 0, sf_from_int(f.fmt, x, f.round, &f.flags));
    return fp_end(&f);
}

VEC_FN(vec_ftohalf)
{
    Fp f = fp_begin(env, b);

    *r = (IrV128){0};
    for (unsigned i = 0; i < 4; i++) {
        IrRound round = imm_rounding(&f, vec_imm(b));

        r->u16[i] = (uint16_t)convert(&f, SF_16, vec_arg(a)->u32[i], round, &f.flags);
    }
    return fp_end(&f);
}

VEC_FN(vec_ffromhalf)
{
    Fp f = fp_begin(env, b);

    for (unsigned i = 0; i < 4; i++) {
        uint64_t x = vec_arg(a)->u16[i];

        if (sf_is_nan(SF_16, x)) {
            f.flags |= sf_is_snan(SF_16, x) ? IR_FP_INVALID : 0;
            r->u32[i] = (uint32_t)convert_nan(SF_32, SF_16, x);
        } else {
            r->u32[i] = (uint32_t)sf_convert(SF_32, SF_16, x, IR_ROUND_NEAREST, &f.flags);
        }
    }
    return fp_end(&f);
}
