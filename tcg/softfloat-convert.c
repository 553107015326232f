/* SPDX-License-Identifier: MIT */
/* Softfloat: comparisons and conversions. */
#include "rhea/osdep.h"

#include "softfloat-parts.h"

/* --- Comparisons --- */

bool sf_is_nan(SfFormat fmt, uint64_t a)
{
    SfParts p = sf_unpack(fmt, a);

    return sf_parts_nan(&p);
}

bool sf_is_snan(SfFormat fmt, uint64_t a)
{
    return sf_unpack(fmt, a).cls == SF_SNAN;
}

/* a < b for numbers; @zeros: -0 < +0. Bit patterns of one sign are ordered as their values are. */
static bool less(SfFormat fmt, uint64_t a, uint64_t b, bool zeros)
{
    uint64_t sign = 1ULL << (sf_layouts[fmt].bits - 1);

    if ((a ^ b) & sign) {
        return a & sign && (zeros || ((a | b) & ~sign));
    }
    return a & sign ? a > b : a < b;
}

static uint64_t min_max(SfFormat fmt, uint64_t a, uint64_t b, bool max, uint32_t *flags)
{
    bool nan_a = sf_is_nan(fmt, a), nan_b = sf_is_nan(fmt, b);

    if (sf_is_snan(fmt, a) || sf_is_snan(fmt, b)) {
        *flags |= IR_FP_INVALID;
    }
    if (nan_a || nan_b) {
        return nan_a && nan_b ? sf_default_nan(fmt) : nan_a ? b : a;
    }
    return less(fmt, a, b, true) != max ? a : b;
}

uint64_t sf_min(SfFormat fmt, uint64_t a, uint64_t b, uint32_t *flags)
{
    return min_max(fmt, a, b, false, flags);
}

uint64_t sf_max(SfFormat fmt, uint64_t a, uint64_t b, uint32_t *flags)
{
    return min_max(fmt, a, b, true, flags);
}

bool sf_cmp(SfFormat fmt, IrFcmp cond, uint64_t a, uint64_t b, uint32_t *flags)
{
    if (sf_is_nan(fmt, a) || sf_is_nan(fmt, b)) {
        if (cond == IR_FLT || cond == IR_FLE || sf_is_snan(fmt, a) || sf_is_snan(fmt, b)) {
            *flags |= IR_FP_INVALID;
        }
        return false;
    }
    switch (cond) {
    case IR_FEQ: return !less(fmt, a, b, false) && !less(fmt, b, a, false);
    case IR_FLT:
    case IR_FLT_QUIET: return less(fmt, a, b, false);
    default: return !less(fmt, b, a, false);
    }
}

/* --- Between formats --- */

uint64_t sf_convert(SfFormat to, SfFormat from, uint64_t a, IrRound rm, uint32_t *flags)
{
    SfParts p = sf_unpack(from, a);

    switch (p.cls) {
    case SF_ZERO: return sf_pack_zero(to, p.sign);
    case SF_INF: return sf_pack_inf(to, p.sign);
    case SF_FINITE: return sf_round_pack(to, p.sign, p.exp, (SfWide)p.frac << 64, rm, flags);
    default: return sf_nan_result(to, p.cls == SF_SNAN, flags);
    }
}

/* --- To and from integers --- */

/* The magnitude of a finite number below 2^64 (before rounding), rounded to an integer. */
static SfWide integral(const SfParts *p, IrRound rm, bool *inexact)
{
    return sf_round_shift((SfWide)p->frac << 64, 127 - p->exp, p->sign, rm, inexact);
}

/* The integer in -low..high, or what it saturates to (as a magnitude with the sign of a). */
static uint64_t to_magnitude(const SfParts *p, uint64_t low, uint64_t high, IrRound rm,
                             uint32_t *flags)
{
    uint64_t limit = p->sign ? low : high;
    bool inexact = false;
    SfWide v;

    if (p->cls == SF_ZERO) {
        return 0;
    }
    if (p->cls == SF_INF || p->exp > 63) {
        *flags |= IR_FP_INVALID;
        return limit;
    }
    v = integral(p, rm, &inexact);
    if (v > limit) {
        *flags |= IR_FP_INVALID;
        return limit;
    }
    *flags |= inexact ? IR_FP_INEXACT : 0;
    return v;
}

int64_t sf_to_int(SfFormat fmt, uint64_t a, unsigned bits, IrRound rm, uint32_t *flags)
{
    SfParts p = sf_unpack(fmt, a);
    uint64_t low = 1ULL << (bits - 1), v;

    if (sf_parts_nan(&p)) {
        *flags |= IR_FP_INVALID;
        return low - 1;
    }
    v = to_magnitude(&p, low, low - 1, rm, flags);
    return p.sign ? -v : v;
}

uint64_t sf_to_uint(SfFormat fmt, uint64_t a, unsigned bits, IrRound rm, uint32_t *flags)
{
    SfParts p = sf_unpack(fmt, a);
    uint64_t high = ~0ULL >> (64 - bits);

    if (sf_parts_nan(&p)) {
        *flags |= IR_FP_INVALID;
        return high;
    }
    return to_magnitude(&p, 0, high, rm, flags);
}

static uint64_t from_magnitude(SfFormat fmt, bool sign, uint64_t v, IrRound rm, uint32_t *flags)
{
    return v ? sf_round_pack(fmt, sign, 63, (SfWide)v << 64, rm, flags) : 0;
}

uint64_t sf_from_int(SfFormat fmt, int64_t v, IrRound rm, uint32_t *flags)
{
    return from_magnitude(fmt, v < 0, v < 0 ? -(uint64_t)v : (uint64_t)v, rm, flags);
}

uint64_t sf_from_uint(SfFormat fmt, uint64_t v, IrRound rm, uint32_t *flags)
{
    return from_magnitude(fmt, false, v, rm, flags);
}

uint64_t sf_round(SfFormat fmt, uint64_t a, IrRound rm, bool inexact, uint32_t *flags)
{
    SfParts p = sf_unpack(fmt, a);
    bool lost;
    SfWide v;

    if (sf_parts_nan(&p)) {
        return sf_nan_result(fmt, p.cls == SF_SNAN, flags);
    }
    if (p.cls != SF_FINITE || p.exp >= sf_layouts[fmt].precision - 1) {
        return a;
    }
    v = integral(&p, rm, &lost);
    *flags |= lost && inexact ? IR_FP_INEXACT : 0;
    return v ? sf_round_pack(fmt, p.sign, 63, v << 64, rm, flags) : sf_pack_zero(fmt, p.sign);
}
