/* SPDX-License-Identifier: MIT */
/*
 * IEEE 754 arithmetic in integers.  Operands are taken apart into a class, a sign, an exponent and a
 * 64-bit significand; an operation makes an exact (or sticky: lowest bit set when bits were lost)
 * 128-bit significand; sf_round_pack() rounds that once.
 *
 * Sticky bits are exact enough: significands have at most 53 bits, so a lost bit lies at least 60
 * places below the last one kept, even after one place of cancellation.
 */
#include "rhea/osdep.h"

#include "softfloat-parts.h"

const SfLayout sf_layouts[3] = {
    [SF_16] = {16, 11, 15},
    [SF_32] = {32, 24, 127},
    [SF_64] = {64, 53, 1023},
};

/* --- Taking apart, putting together --- */

static uint64_t sign_bit(SfFormat fmt, bool sign)
{
    return (uint64_t)sign << (sf_layouts[fmt].bits - 1);
}

uint64_t sf_pack_zero(SfFormat fmt, bool sign)
{
    return sign_bit(fmt, sign);
}

uint64_t sf_pack_inf(SfFormat fmt, bool sign)
{
    const SfLayout *l = &sf_layouts[fmt];

    return sign_bit(fmt, sign) | (uint64_t)(2 * l->bias + 1) << (l->precision - 1);
}

uint64_t sf_default_nan(SfFormat fmt)
{
    return sf_pack_inf(fmt, false) | 1ULL << (sf_layouts[fmt].precision - 2);
}

uint64_t sf_nan_result(SfFormat fmt, bool signalling, uint32_t *flags)
{
    if (signalling) {
        *flags |= IR_FP_INVALID;
    }
    return sf_default_nan(fmt);
}

SfParts sf_unpack(SfFormat fmt, uint64_t a)
{
    const SfLayout *l = &sf_layouts[fmt];
    unsigned frac_bits = l->precision - 1;
    uint64_t frac = a & ((1ULL << frac_bits) - 1);
    int exp = a >> frac_bits & (2 * l->bias + 1);
    SfParts p = {.sign = a >> (l->bits - 1) & 1};

    if (exp == 2 * l->bias + 1) {
        p.cls = !frac ? SF_INF : frac >> (frac_bits - 1) ? SF_QNAN : SF_SNAN;
    } else if (exp) {
        p.cls = SF_FINITE;
        p.exp = exp - l->bias;
        p.frac = (frac | 1ULL << frac_bits) << (63 - frac_bits);
    } else if (frac) {
        int zeros = __builtin_clzll(frac);

        p.cls = SF_FINITE;
        p.exp = 1 - l->bias + (63 - (int)frac_bits) - zeros;
        p.frac = frac << zeros;
    }
    return p;
}

static unsigned clz_wide(SfWide v)
{
    uint64_t high = v >> 64;

    return high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v);
}

/* v >> n, with the lowest bit set when any bit was lost. */
static SfWide shift_sticky(SfWide v, unsigned n)
{
    if (n == 0) {
        return v;
    }
    if (n > 127) {
        return v != 0;
    }
    return v >> n | (v << (128 - n) != 0);
}

SfWide sf_round_shift(SfWide frac, unsigned shift, bool sign, IrRound rm, bool *inexact)
{
    SfWide kept = shift > 127 ? 0 : frac >> shift;
    /* What is lost, scaled so that one half is bit 127. */
    SfWide rest = shift > 128 ? frac != 0 : shift == 128 ? frac : frac << (128 - shift);
    const SfWide half = (SfWide)1 << 127;
    bool up = false;

    *inexact = rest != 0;
    switch (rm) {
    case IR_ROUND_NEAREST: up = rest > half || (rest == half && kept & 1); break;
    case IR_ROUND_NEAREST_MAX: up = rest >= half; break;
    case IR_ROUND_DOWN: up = sign && rest; break;
    case IR_ROUND_UP: up = !sign && rest; break;
    default: break;
    }
    return kept + up;
}

/* @inexact: it would be with an exponent that fits. */
static uint64_t overflow(SfFormat fmt, bool sign, IrRound rm, bool inexact, uint32_t *flags)
{
    bool to_inf = rm == IR_ROUND_NEAREST || rm == IR_ROUND_NEAREST_MAX ||
                  rm == (sign ? IR_ROUND_DOWN : IR_ROUND_UP);

    inexact |= !(*flags & IR_FP_OVERFLOW_TRAPS);
    *flags |= IR_FP_OVERFLOW | (inexact ? IR_FP_INEXACT : 0);
    return sf_pack_inf(fmt, sign) - !to_inf; /* one below infinity is the largest number */
}

uint64_t sf_round_pack(SfFormat fmt, bool sign, int exp, SfWide frac, IrRound rm, uint32_t *flags)
{
    const SfLayout *l = &sf_layouts[fmt];
    unsigned p = l->precision, zeros = clz_wide(frac);
    const SfWide carry = (SfWide)1 << p;
    const int emin = 1 - l->bias;
    bool inexact, lost, tiny = false;
    SfWide kept;

    frac <<= zeros;
    exp -= zeros;
    kept = sf_round_shift(frac, 128 - p, sign, rm, &inexact);
    if (exp < emin) {
        /* Tiny unless rounding as if the exponent had no limit would reach the smallest normal. */
        tiny = exp < emin - 1 || kept != carry;
        kept = sf_round_shift(frac, 128 - p + (emin - exp), sign, rm, &lost);
        exp = emin;
        if (tiny && *flags & IR_FP_UNDERFLOW_TRAPS) {
            *flags |= IR_FP_UNDERFLOW;
        } else {
            inexact = lost;
        }
    } else if (kept == carry) {
        kept >>= 1;
        exp++;
    }
    if (exp > l->bias) {
        return overflow(fmt, sign, rm, inexact, flags);
    }
    if (inexact) {
        *flags |= IR_FP_INEXACT | (tiny ? IR_FP_UNDERFLOW : 0);
    }
    /* A subnormal's exponent field is 0; without the hidden bit the sum below says so. */
    return sign_bit(fmt, sign) | (((uint64_t)(exp + l->bias - 1) << (p - 1)) + (uint64_t)kept);
}

/* --- Arithmetic --- */

/* +-(x * 2^(ex - 125)) + +-(y * 2^(ey - 125)), leading bits of x and y at 125. */
static uint64_t add_wide(SfFormat fmt, bool sx, int ex, SfWide x, bool sy, int ey, SfWide y,
                         IrRound rm, uint32_t *flags)
{
    int exp = MAX(ex, ey);
    SfWide sum;

    x = shift_sticky(x, exp - ex);
    y = shift_sticky(y, exp - ey);
    if (sx == sy) {
        sum = x + y;
    } else if (x == y) {
        return sf_pack_zero(fmt, rm == IR_ROUND_DOWN);
    } else if (x > y) {
        sum = x - y;
    } else {
        sum = y - x;
        sx = sy;
    }
    return sf_round_pack(fmt, sx, exp + 2, sum, rm, flags);
}

static uint64_t add_parts(SfFormat fmt, SfParts a, SfParts b, IrRound rm, uint32_t *flags)
{
    if (sf_parts_nan(&a) || sf_parts_nan(&b)) {
        return sf_nan_result(fmt, a.cls == SF_SNAN || b.cls == SF_SNAN, flags);
    }
    if (a.cls == SF_INF || b.cls == SF_INF) {
        if (a.cls == b.cls && a.sign != b.sign) {
            return sf_nan_result(fmt, true, flags);
        }
        return sf_pack_inf(fmt, a.cls == SF_INF ? a.sign : b.sign);
    }
    if (a.cls == SF_ZERO && b.cls == SF_ZERO) {
        return sf_pack_zero(fmt, a.sign == b.sign ? a.sign : rm == IR_ROUND_DOWN);
    }
    if (a.cls == SF_ZERO || b.cls == SF_ZERO) {
        SfParts n = a.cls == SF_ZERO ? b : a;

        return sf_round_pack(fmt, n.sign, n.exp, (SfWide)n.frac << 64, rm, flags);
    }
    return add_wide(fmt, a.sign, a.exp, (SfWide)a.frac << 62, b.sign, b.exp, (SfWide)b.frac << 62,
                    rm, flags);
}

uint64_t sf_add(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags)
{
    return add_parts(fmt, sf_unpack(fmt, a), sf_unpack(fmt, b), rm, flags);
}

uint64_t sf_sub(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags)
{
    SfParts y = sf_unpack(fmt, b);

    y.sign = !y.sign;
    return add_parts(fmt, sf_unpack(fmt, a), y, rm, flags);
}

uint64_t sf_mul(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags)
{
    SfParts x = sf_unpack(fmt, a), y = sf_unpack(fmt, b);
    bool sign = x.sign != y.sign;

    if (sf_parts_nan(&x) || sf_parts_nan(&y)) {
        return sf_nan_result(fmt, x.cls == SF_SNAN || y.cls == SF_SNAN, flags);
    }
    if (x.cls == SF_INF || y.cls == SF_INF) {
        if (x.cls == SF_ZERO || y.cls == SF_ZERO) {
            return sf_nan_result(fmt, true, flags);
        }
        return sf_pack_inf(fmt, sign);
    }
    if (x.cls == SF_ZERO || y.cls == SF_ZERO) {
        return sf_pack_zero(fmt, sign);
    }
    return sf_round_pack(fmt, sign, x.exp + y.exp + 1, (SfWide)x.frac * y.frac, rm, flags);
}

uint64_t sf_fma(SfFormat fmt, uint64_t a, uint64_t b, uint64_t c, int negate, IrRound rm,
                uint32_t *flags)
{
    SfParts x = sf_unpack(fmt, a), y = sf_unpack(fmt, b), z = sf_unpack(fmt, c);
    bool sign = (x.sign != y.sign) ^ !!(negate & IR_FMA_NEG_PRODUCT);
    bool inf_by_zero =
        (x.cls == SF_INF && y.cls == SF_ZERO) || (x.cls == SF_ZERO && y.cls == SF_INF);
    SfWide product;
    int exp;

    z.sign ^= !!(negate & IR_FMA_NEG_ADDEND);
    if (inf_by_zero || sf_parts_nan(&x) || sf_parts_nan(&y) || sf_parts_nan(&z)) {
        bool signalling = x.cls == SF_SNAN || y.cls == SF_SNAN || z.cls == SF_SNAN;

        return sf_nan_result(fmt, inf_by_zero || signalling, flags);
    }
    if (x.cls != SF_FINITE || y.cls != SF_FINITE || z.cls != SF_FINITE) {
        bool inf = x.cls == SF_INF || y.cls == SF_INF;
        bool zero = x.cls == SF_ZERO || y.cls == SF_ZERO;

        /* At most two terms are left to add, of which one at most is finite: nothing to lose. */
        if (inf || zero) {
            return add_parts(fmt, (SfParts){inf ? SF_INF : SF_ZERO, sign, 0, 0}, z, rm, flags);
        }
        if (z.cls == SF_INF) {
            return sf_pack_inf(fmt, z.sign);
        }
    }
    /* The low bits of the product are clear (2 * 53 < 126), so shifting it loses nothing. */
    product = (SfWide)x.frac * y.frac;
    exp = x.exp + y.exp;
    if (z.cls == SF_ZERO) {
        return sf_round_pack(fmt, sign, exp + 1, product, rm, flags);
    }
    if (product >> 127) {
        product >>= 1;
        exp++;
    }
    return add_wide(fmt, sign, exp, product >> 1, z.sign, z.exp, (SfWide)z.frac << 62, rm, flags);
}

uint64_t sf_div(SfFormat fmt, uint64_t a, uint64_t b, IrRound rm, uint32_t *flags)
{
    SfParts x = sf_unpack(fmt, a), y = sf_unpack(fmt, b);
    bool sign = x.sign != y.sign;
    SfWide dividend, quotient;

    if (sf_parts_nan(&x) || sf_parts_nan(&y)) {
        return sf_nan_result(fmt, x.cls == SF_SNAN || y.cls == SF_SNAN, flags);
    }
    if (x.cls == y.cls && x.cls != SF_FINITE) {
        return sf_nan_result(fmt, true, flags); /* 0 / 0, inf / inf */
    }
    if (x.cls == SF_INF || y.cls == SF_ZERO) {
        *flags |= x.cls == SF_INF ? 0 : IR_FP_DIVBYZERO;
        return sf_pack_inf(fmt, sign);
    }
    if (x.cls == SF_ZERO || y.cls == SF_INF) {
        return sf_pack_zero(fmt, sign);
    }
    dividend = (SfWide)x.frac << 63;
    quotient = dividend / y.frac;
    return sf_round_pack(fmt, sign, x.exp - y.exp, quotient << 64 | (dividend % y.frac != 0), rm,
                         flags);
}

/* floor(sqrt(v)), one bit at a time. */
static uint64_t isqrt(SfWide v, bool *exact)
{
    SfWide root = 0;

    for (SfWide bit = (SfWide)1 << 126; bit; bit >>= 2) {
        if (v >= root + bit) {
            v -= root + bit;
            root = root >> 1 | bit;
        } else {
            root >>= 1;
        }
    }
    *exact = v == 0;
    return root;
}

uint64_t sf_sqrt(SfFormat fmt, uint64_t a, IrRound rm, uint32_t *flags)
{
    SfParts x = sf_unpack(fmt, a);
    bool exact;
    int odd;
    uint64_t root;

    if (sf_parts_nan(&x)) {
        return sf_nan_result(fmt, x.cls == SF_SNAN, flags);
    }
    if (x.cls == SF_ZERO) {
        return a;
    }
    if (x.sign) {
        return sf_nan_result(fmt, true, flags);
    }
    if (x.cls == SF_INF) {
        return a;
    }
    odd = x.exp & 1;
    root = isqrt((SfWide)x.frac << (63 + odd), &exact);
    return sf_round_pack(fmt, false, (x.exp - odd) / 2, (SfWide)root << 64 | !exact, rm, flags);
}
