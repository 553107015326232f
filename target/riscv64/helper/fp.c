/* SPDX-License-Identifier: MIT */
/*
 * Floating point that the IR does not have: rounding modes other than the current one, binary16,
 * Zfa's odd ones.  Operands and results are register images; "ctl" is described in cpu.h.
 */
#include "rhea/osdep.h"

#include "helper.h"
#include "tcg/softfloat.h"

static const SfFormat formats[4] = {
    [RV_FMT_S] = SF_32,
    [RV_FMT_D] = SF_64,
    [RV_FMT_H] = SF_16,
    [3] = SF_64, /* binary128: never emitted */
};

static SfFormat ctl_format(uint64_t ctl)
{
    return formats[ctl >> 3 & 3];
}

static IrRound ctl_round(uint64_t ctl)
{
    return ctl & 7; /* rm is encoded as IrRound is numbered */
}

static uint64_t box_bits(SfFormat fmt)
{
    return fmt == SF_16 ? ~0ULL << 16 : fmt == SF_32 ? ~0ULL << 32 : 0;
}

/* A narrower value that is not NaN-boxed reads as the default NaN (F extension 20.2). */
static uint64_t unbox(SfFormat fmt, uint64_t image)
{
    uint64_t box = box_bits(fmt);

    return (image & box) == box ? image & ~box : sf_default_nan(fmt);
}

static uint64_t box(SfFormat fmt, uint64_t v)
{
    return v | box_bits(fmt);
}

typedef uint64_t (*BinaryOp)(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags);
typedef uint64_t (*PickOp)(SfFormat fmt, uint64_t a, uint64_t b, uint32_t *flags);

static uint64_t binary(RvEnv *env, BinaryOp op, uint64_t a, uint64_t b, uint64_t ctl)
{
    SfFormat f = ctl_format(ctl);

    return box(f, op(f, unbox(f, a), unbox(f, b), ctl_round(ctl), &env->tcg.fp_flags));
}

uint64_t rv_helper_fadd(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return binary(env, sf_add, a, b, ctl);
}

uint64_t rv_helper_fsub(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return binary(env, sf_sub, a, b, ctl);
}

uint64_t rv_helper_fmul(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return binary(env, sf_mul, a, b, ctl);
}

uint64_t rv_helper_fdiv(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return binary(env, sf_div, a, b, ctl);
}

uint64_t rv_helper_fsqrt(void *env, uint64_t a, uint64_t ctl, uint64_t c, uint64_t d)
{
    SfFormat f = ctl_format(ctl);

    return box(f, sf_sqrt(f, unbox(f, a), ctl_round(ctl), &((RvEnv *)env)->tcg.fp_flags));
}

uint64_t rv_helper_fmadd(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t ctl)
{
    SfFormat f = ctl_format(ctl);

    return box(f, sf_fma(f, unbox(f, a), unbox(f, b), unbox(f, c), ctl >> 8 & 3, ctl_round(ctl),
                         &((RvEnv *)env)->tcg.fp_flags));
}

/* --- Minimum, maximum, comparison, class --- */

static uint64_t pick(RvEnv *env, PickOp op, uint64_t a, uint64_t b, uint64_t ctl)
{
    SfFormat f = ctl_format(ctl);

    return box(f, op(f, unbox(f, a), unbox(f, b), &env->tcg.fp_flags));
}

uint64_t rv_helper_fmin(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return pick(env, sf_min, a, b, ctl);
}

uint64_t rv_helper_fmax(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return pick(env, sf_max, a, b, ctl);
}

/* Zfa's fminm and fmaxm: a NaN operand wins. */
static uint64_t pick_nan(RvEnv *env, PickOp op, uint64_t a, uint64_t b, uint64_t ctl)
{
    SfFormat f = ctl_format(ctl);
    uint64_t x = unbox(f, a), y = unbox(f, b);
    uint64_t r = op(f, x, y, &env->tcg.fp_flags);

    return box(f, sf_is_nan(f, x) || sf_is_nan(f, y) ? sf_default_nan(f) : r);
}

uint64_t rv_helper_fminm(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return pick_nan(env, sf_min, a, b, ctl);
}

uint64_t rv_helper_fmaxm(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    return pick_nan(env, sf_max, a, b, ctl);
}

uint64_t rv_helper_fcmp(void *env, uint64_t a, uint64_t b, uint64_t ctl, uint64_t d)
{
    SfFormat f = ctl_format(ctl);

    return sf_cmp(f, ctl >> 8 & 7, unbox(f, a), unbox(f, b), &((RvEnv *)env)->tcg.fp_flags);
}

uint64_t rv_helper_fclass(void *env, uint64_t a, uint64_t ctl, uint64_t c, uint64_t d)
{
    static const uint8_t frac_bits[] = {[SF_16] = 10, [SF_32] = 23, [SF_64] = 52};
    static const uint8_t sign_at[] = {[SF_16] = 15, [SF_32] = 31, [SF_64] = 63};
    SfFormat f = ctl_format(ctl);
    uint64_t v = unbox(f, a), frac = v & MASK_ULL(frac_bits[f]);
    uint64_t exp = extract64(v, frac_bits[f], sign_at[f] - frac_bits[f]);
    bool sign = v >> sign_at[f] & 1;

    if (exp == MASK_ULL(sign_at[f] - frac_bits[f])) {
        return frac ? (sf_is_snan(f, v) ? 1 << 8 : 1 << 9) : sign ? 1 << 0 : 1 << 7;
    }
    if (exp) {
        return sign ? 1 << 1 : 1 << 6;
    }
    return frac ? (sign ? 1 << 2 : 1 << 5) : sign ? 1 << 3 : 1 << 4;
}

/* --- Conversions --- */

uint64_t rv_helper_fcvt_f(void *env, uint64_t a, uint64_t ctl, uint64_t c, uint64_t d)
{
    SfFormat to = ctl_format(ctl), from = formats[ctl >> 5 & 3];

    return box(to,
               sf_convert(to, from, unbox(from, a), ctl_round(ctl), &((RvEnv *)env)->tcg.fp_flags));
}

uint64_t rv_helper_fcvt_to_int(void *env, uint64_t a, uint64_t ctl, uint64_t c, uint64_t d)
{
    uint32_t *flags = &((RvEnv *)env)->tcg.fp_flags;
    SfFormat f = ctl_format(ctl);
    unsigned bits = ctl & RV_FP_64 ? 64 : 32;
    uint64_t v = ctl & RV_FP_UNSIGNED
                     ? sf_to_uint(f, unbox(f, a), bits, ctl_round(ctl), flags)
                     : (uint64_t)sf_to_int(f, unbox(f, a), bits, ctl_round(ctl), flags);

    return ctl & RV_FP_64 ? v : (uint64_t)(int32_t)v;
}

uint64_t rv_helper_fcvt_from_int(void *env, uint64_t v, uint64_t ctl, uint64_t c, uint64_t d)
{
    uint32_t *flags = &((RvEnv *)env)->tcg.fp_flags;
    SfFormat f = ctl_format(ctl);

    if (ctl & RV_FP_UNSIGNED) {
        return box(f, sf_from_uint(f, ctl & RV_FP_64 ? v : (uint32_t)v, ctl_round(ctl), flags));
    }
    return box(f, sf_from_int(f, ctl & RV_FP_64 ? (int64_t)v : (int32_t)v, ctl_round(ctl), flags));
}

uint64_t rv_helper_fround(void *env, uint64_t a, uint64_t ctl, uint64_t c, uint64_t d)
{
    SfFormat f = ctl_format(ctl);

    return box(f, sf_round(f, unbox(f, a), ctl_round(ctl), ctl & RV_FP_INEXACT,
                           &((RvEnv *)env)->tcg.fp_flags));
}

/*
 * fcvtmod.w.d: the integer part modulo 2^32, sign-extended; flags as fcvt.w.d towards zero would set
 * them, so INVALID when the value does not fit; NaN and infinities give 0.
 */
uint64_t rv_helper_fcvtmod(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint32_t *flags = &((RvEnv *)env)->tcg.fp_flags;
    int shift = (int)extract64(a, 52, 11) - 1023 - 52;
    uint64_t frac = (a & MASK_ULL(52)) | 1ULL << 52, v;

    sf_to_int(SF_64, a, 32, IR_ROUND_ZERO, flags);
    if (extract64(a, 52, 11) == 0x7ff || shift >= 32 || shift < -52) {
        return 0;
    }
    v = shift >= 0 ? frac << shift : frac >> -shift;
    return (uint64_t)(int32_t)(a >> 63 ? -v : v);
}
