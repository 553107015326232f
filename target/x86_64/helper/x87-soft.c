/* SPDX-License-Identifier: MIT */
/*
 * x87 arithmetic in integers, for hosts without an x87; see x87.h.  Exact in value and flags but for the
 * transcendental functions, which are those of the C library's long double: their last bits differ from
 * one host to another.
 */
#include "rhea/osdep.h"

#include <math.h>

#include "../x87.h"

typedef unsigned __int128 Wide;

typedef enum Class { ZERO, FINITE, INFINITE, QUIET_NAN, SIGNALLING_NAN, UNSUPPORTED } Class;

/* FINITE: the value is frac * 2^(exp - 63), bit 63 of frac is set. */
typedef struct Parts {
    Class cls;
    bool sign, denormal;
    int exp;
    uint64_t frac;
} Parts;

enum { BIAS = 16383, EMIN = 1 - BIAS, ROUND_NEAREST = 0, ROUND_DOWN, ROUND_UP, ROUND_ZERO };

static unsigned rounding(uint16_t cw)
{
    return cw >> 10 & 3;
}

/* Full precision and the usual rounding with the masks of @cw. */
static uint16_t to_nearest(uint16_t cw)
{
    return (cw & X87_EXCEPTIONS) | X87_CW_PC;
}

static unsigned precision(uint16_t cw)
{
    static const uint8_t bits[4] = {24, 64, 53, 64};

    return bits[cw >> 8 & 3];
}

/* --- Taking apart, putting together --- */

static Parts unpack(const X86Fp80 *v)
{
    int exp = v->se & 0x7fff;
    Parts p = {.sign = v->se >> 15, .frac = v->sig};

    if (exp && !(v->sig >> 63)) {
        p.cls = UNSUPPORTED;
    } else if (exp == 0x7fff) {
        p.cls = !(v->sig << 1) ? INFINITE : v->sig >> 62 & 1 ? QUIET_NAN : SIGNALLING_NAN;
    } else if (!v->sig) {
        p.cls = ZERO;
    } else {
        int zeros = __builtin_clzll(v->sig);

        p.cls = FINITE;
        p.denormal = !exp;
        p.exp = (exp ? exp : 1) - BIAS - zeros;
        p.frac = v->sig << zeros;
    }
    return p;
}

static bool is_nan(const Parts *p)
{
    return p->cls >= QUIET_NAN;
}

static X86Fp80 pack(bool sign, unsigned exp, uint64_t sig)
{
    return (X86Fp80){.sig = sig, .se = (uint16_t)(sign << 15 | exp)};
}

/* A result that is an operand: a denormal number with the leading bit set gets its exponent. */
static X86Fp80 itself(const X86Fp80 *a)
{
    return pack(a->se >> 15, MAX(a->se & 0x7fff, a->sig >> 63), a->sig);
}

static X86Fp80 infinity(bool sign)
{
    return pack(sign, 0x7fff, 1ULL << 63);
}

static Wide shift_sticky(Wide v, unsigned n)
{
    if (n == 0) {
        return v;
    }
    return n > 127 ? v != 0 : v >> n | (v << (128 - n) != 0);
}

/* frac * 2^-shift as an integer; *up: it was rounded away from zero; *inexact. */
static Wide round_shift(Wide frac, unsigned shift, bool sign, unsigned mode, bool *up,
                        bool *inexact)
{
    Wide kept = shift > 127 ? 0 : frac >> shift;
    Wide rest = shift == 0     ? 0
                : shift > 128  ? frac != 0
                : shift == 128 ? frac
                               : frac << (128 - shift);
    const Wide half = (Wide)1 << 127;

    *inexact = rest != 0;
    *up = mode == ROUND_NEAREST ? rest > half || (rest == half && kept & 1)
          : mode == ROUND_ZERO  ? false
                                : rest && sign == (mode == ROUND_DOWN);
    return kept + *up;
}

static unsigned overflow(bool sign, unsigned bits, unsigned mode, X86Fp80 *r)
{
    bool to_inf = mode == ROUND_NEAREST || mode == (sign ? ROUND_DOWN : ROUND_UP);

    *r = to_inf ? infinity(sign) : pack(sign, 0x7ffe, ~0ULL << (64 - bits));
    return X87_OE | X87_PE | (to_inf ? X87_C1 : 0);
}

/* Is the result of exponent @exp one of an overflow or underflow that is not masked? */
static bool rescales(int exp, uint16_t cw)
{
    return exp < EMIN ? !(cw & X87_UE) : exp > BIAS && !(cw & X87_OE);
}

/* After that: what is still out of range (FSCALE can do so) is zero or infinity, however it is rounded. */
static unsigned beyond_rescaling(bool sign, bool over, X86Fp80 *r)
{
    *r = over ? infinity(sign) : pack(sign, 0, 0);
    return X87_PE | (over ? X87_OE | X87_C1 : X87_UE);
}

/* The number nearest to +-frac * 2^(exp - 127) that @cw allows; frac is not zero. */
static unsigned round_pack(bool sign, int exp, Wide frac, uint16_t cw, X86Fp80 *r)
{
    unsigned zeros = frac >> 64 ? (unsigned)__builtin_clzll((uint64_t)(frac >> 64))
                                : 64 + (unsigned)__builtin_clzll((uint64_t)frac);
    unsigned bits = precision(cw), mode = rounding(cw), sw = 0;
    const Wide carry = (Wide)1 << bits;
    bool up, inexact;
    int carried;
    Wide kept;

    frac <<= zeros;
    exp -= (int)zeros;
    kept = round_shift(frac, 128 - bits, sign, mode, &up, &inexact);
    carried = exp + (kept == carry);
    if (rescales(carried, cw)) {
        sw = carried < EMIN ? X87_UE : X87_OE;
        kept >>= kept == carry;
        exp = carried + (carried < EMIN ? X87_RESCALE : -X87_RESCALE);
        if (exp < EMIN || exp > BIAS) {
            return beyond_rescaling(sign, sw == X87_OE, r);
        }
    } else if (exp < EMIN) {
        kept = round_shift(frac, 128 - bits + (unsigned)(EMIN - exp), sign, mode, &up, &inexact);
        exp = EMIN;
        sw = inexact && carried < EMIN ? X87_UE : 0;
    } else if (carried > BIAS) {
        return overflow(sign, bits, mode, r);
    } else {
        kept >>= kept == carry;
        exp = carried;
    }
    kept <<= 64 - bits;
    *r = pack(sign, kept >> 63 ? (unsigned)(exp + BIAS) : 0, (uint64_t)kept);
    return sw | (inexact ? X87_PE | (up ? X87_C1 : 0) : 0);
}

/* --- NaNs --- */

static unsigned invalid(X86Fp80 *r)
{
    *r = x87_indefinite();
    return X87_IE;
}

static X86Fp80 quieted(const X86Fp80 *v)
{
    return (X86Fp80){.sig = v->sig | 1ULL << 62, .se = v->se};
}

/* One of the operands is a NaN or no number at all: a quiet NaN goes before a signalling one, then the
 * larger significand, then the positive one. */
static unsigned nan_result(const X86Fp80 *a, const X86Fp80 *b, X86Fp80 *r)
{
    Parts x = unpack(a), y = unpack(b);
    unsigned sw = x.cls == SIGNALLING_NAN || y.cls == SIGNALLING_NAN ? X87_IE : 0;

    if (x.cls == UNSUPPORTED || y.cls == UNSUPPORTED) {
        return invalid(r);
    }
    if (!is_nan(&x) || !is_nan(&y)) {
        *r = quieted(is_nan(&x) ? a : b);
    } else if (x.cls != y.cls) {
        *r = quieted(x.cls == QUIET_NAN ? a : b);
    } else if (a->sig != b->sig) {
        *r = quieted(a->sig > b->sig ? a : b);
    } else {
        *r = quieted(x.sign ? b : a);
    }
    return sw;
}

/* --- Arithmetic --- */

static unsigned add(const Parts *x, const Parts *y, uint16_t cw, X86Fp80 *r)
{
    int exp = MAX(x->exp, y->exp);
    bool down = rounding(cw) == ROUND_DOWN, sign = x->sign;
    Wide a, b;

    if (x->cls == INFINITE || y->cls == INFINITE) {
        if (x->cls == y->cls && x->sign != y->sign) {
            return invalid(r);
        }
        *r = infinity(x->cls == INFINITE ? x->sign : y->sign);
        return 0;
    }
    if (x->cls == ZERO && y->cls == ZERO) {
        *r = pack(x->sign == y->sign ? x->sign : down, 0, 0);
        return 0;
    }
    if (x->cls == ZERO || y->cls == ZERO) {
        const Parts *n = x->cls == ZERO ? y : x;

        return round_pack(n->sign, n->exp, (Wide)n->frac << 64, cw, r);
    }
    a = shift_sticky((Wide)x->frac << 62, (unsigned)(exp - x->exp));
    b = shift_sticky((Wide)y->frac << 62, (unsigned)(exp - y->exp));
    if (x->sign == y->sign) {
        a += b;
    } else if (a == b) {
        *r = pack(down, 0, 0);
        return 0;
    } else {
        sign = a > b ? x->sign : y->sign;
        a = a > b ? a - b : b - a;
    }
    return round_pack(sign, exp + 2, a, cw, r);
}

static unsigned multiply(const Parts *x, const Parts *y, uint16_t cw, X86Fp80 *r)
{
    bool sign = x->sign != y->sign;

    if (x->cls == INFINITE || y->cls == INFINITE) {
        if (x->cls == ZERO || y->cls == ZERO) {
            return invalid(r);
        }
        *r = infinity(sign);
        return 0;
    }
    if (x->cls == ZERO || y->cls == ZERO) {
        *r = pack(sign, 0, 0);
        return 0;
    }
    return round_pack(sign, x->exp + y->exp + 1, (Wide)x->frac * y->frac, cw, r);
}

static unsigned divide(const Parts *x, const Parts *y, uint16_t cw, X86Fp80 *r)
{
    bool sign = x->sign != y->sign;
    Wide high, low, rest;

    if (x->cls == y->cls && x->cls != FINITE) {
        return invalid(r);
    }
    if (x->cls == INFINITE || y->cls == ZERO) {
        *r = infinity(sign);
        return x->cls == INFINITE ? 0 : X87_ZE;
    }
    if (x->cls == ZERO || y->cls == INFINITE) {
        *r = pack(sign, 0, 0);
        return 0;
    }
    high = ((Wide)x->frac << 63) / y->frac;
    rest = (((Wide)x->frac << 63) % y->frac) << 64;
    low = rest / y->frac;
    return round_pack(sign, x->exp - y->exp, high << 64 | low | (rest % y->frac != 0), cw, r);
}

static unsigned square_root(const Parts *x, const X86Fp80 *a, uint16_t cw, X86Fp80 *r)
{
    int odd = x->exp & 1;
    Wide v = (Wide)x->frac << (63 + odd), root = 0;

    if (x->cls == ZERO || (x->cls == INFINITE && !x->sign)) {
        *r = itself(a);
        return 0;
    }
    if (x->sign) {
        return invalid(r);
    }
    for (Wide bit = (Wide)1 << 126; bit; bit >>= 2) {
        bool fits = v >= root + bit;

        v -= fits ? root + bit : 0;
        root = root >> 1 | (fits ? bit : 0);
    }
    for (unsigned i = 0; i < 32; i++) { /* 64 bits are there; 32 more, and what is left */
        Wide next = root << 2 | 1;

        v <<= 2;
        root = root << 1 | (v >= next);
        v -= root & 1 ? next : 0;
    }
    return round_pack(false, (x->exp - odd) / 2, root << 32 | (v != 0), cw, r);
}

/* a - b * n; n is truncated, or (@nearest) rounded.  Codes: its low bits, or C2 when it is not done. */
static unsigned remainder_of(const Parts *x, const Parts *y, const X86Fp80 *a, bool nearest,
                             uint16_t cw, X86Fp80 *r)
{
    int distance = x->exp - y->exp, steps;
    uint64_t quotient = 0;
    bool sign = x->sign;
    Wide rest = x->frac;
    unsigned codes, tiny = 0;

    if (x->cls == INFINITE || y->cls == ZERO) {
        return invalid(r);
    }
    if (x->cls == ZERO) {
        *r = itself(a);
        return 0;
    }
    if (y->cls == INFINITE || distance < (nearest ? -1 : 0)) {
        return round_pack(sign, x->exp, (Wide)x->frac << 64, to_nearest(cw), r);
    }
    steps = distance < 64 ? distance : 32 + (distance & 31);
    for (int i = 0; i <= steps; i++) {
        quotient = quotient << 1 | (rest >= y->frac);
        rest -= quotient & 1 ? y->frac : 0;
        rest <<= i < steps ? 1 : 0;
    }
    if (distance < 0) { /* a is between half of b and b, or below: compared as halves */
        quotient = 0;
        rest = x->frac;
    }
    if (nearest && distance < 64) {
        Wide twice = distance < 0 ? rest : rest << 1;

        if (twice > y->frac || (twice == y->frac && quotient & 1)) {
            rest = distance < 0 ? ((Wide)y->frac << 1) - rest : y->frac - rest;
            quotient++;
            sign = !sign;
        }
    }
    if (rest) {
        tiny = round_pack(sign, x->exp - MAX(steps, 0) + 64, rest, to_nearest(cw), r);
    } else {
        *r = pack(x->sign, 0, 0);
    }
    codes = (quotient & 4 ? X87_C0 : 0) | (quotient & 2 ? X87_C3 : 0) | (quotient & 1 ? X87_C1 : 0);
    return tiny | (distance < 64 ? codes : X87_C2);
}

static unsigned scale(const Parts *x, const Parts *y, const X86Fp80 *a, uint16_t cw, X86Fp80 *r)
{
    int by = y->cls != FINITE || y->exp < 0 ? 0
             : y->exp > 16                  ? 1 << 17
                                            : (int)(y->frac >> (63 - y->exp));

    if (y->cls == INFINITE) {
        if (x->cls == (y->sign ? INFINITE : ZERO)) {
            return invalid(r);
        }
        *r = y->sign ? pack(x->sign, 0, 0) : infinity(x->sign);
        return 0;
    }
    if (x->cls != FINITE) {
        *r = itself(a);
        return 0;
    }
    by = y->sign ? -by : by;
    return round_pack(x->sign, x->exp + by, (Wide)x->frac << 64, cw | X87_CW_PC, r);
}

/* --- Transcendental functions --- */

static long double to_native(const Parts *p)
{
    long double v = p->cls == ZERO       ? 0.0L
                    : p->cls == INFINITE ? HUGE_VALL
                                         : ldexpl((long double)p->frac, p->exp - 63);

    return p->sign ? -v : v;
}

static unsigned from_native(long double v, uint16_t cw, X86Fp80 *r)
{
    bool sign = signbit(v);
    int exp;

    if (isnan(v)) {
        return invalid(r);
    }
    if (isinf(v) || v == 0) {
        *r = isinf(v) ? infinity(sign) : pack(sign, 0, 0);
        return 0;
    }
    v = frexpl(fabsl(v), &exp);
    return X87_PE |
           round_pack(sign, exp - 1, (Wide)(uint64_t)ldexpl(v, 64) << 64, to_nearest(cw), r);
}

unsigned x87_binary(X87Binary op, uint16_t cw, const X86Fp80 *a, const X86Fp80 *b, X86Fp80 *r)
{
    Parts x = unpack(a), y = unpack(b);
    unsigned sw = 0;

    if (is_nan(&x) || is_nan(&y)) {
        return nan_result(a, b, r);
    }
    switch (op) {
    case X87_ADD: sw = add(&x, &y, cw, r); break;
    case X87_MUL: sw = multiply(&x, &y, cw, r); break;
    case X87_SUB:
        y.sign = !y.sign;
        sw = add(&x, &y, cw, r);
        break;
    case X87_DIV: sw = divide(&x, &y, cw, r); break;
    case X87_PREM: sw = remainder_of(&x, &y, a, false, cw, r); break;
    case X87_PREM1: sw = remainder_of(&x, &y, a, true, cw, r); break;
    case X87_SCALE: sw = scale(&x, &y, a, cw, r); break;
    case X87_YL2X:
        if (x.cls == ZERO && y.cls == FINITE) {
            *r = infinity(!y.sign);
            sw = X87_ZE;
        } else {
            sw = from_native(to_native(&y) * log2l(to_native(&x)), cw, r);
        }
        break;
    case X87_YL2XP1:
        sw = from_native(to_native(&y) * (log1pl(to_native(&x)) / logl(2.0L)), cw, r);
        break;
    case X87_PATAN: sw = from_native(atan2l(to_native(&y), to_native(&x)), cw, r); break;
    }
    return sw | ((x.denormal || y.denormal) && !(sw & (X87_IE | X87_ZE)) ? X87_DE : 0);
}

static unsigned to_integral(const Parts *x, const X86Fp80 *a, uint16_t cw, X86Fp80 *r)
{
    bool up, inexact;
    Wide v;

    *r = itself(a);
    if (x->cls != FINITE || x->exp >= 63) {
        return 0;
    }
    v = round_shift((Wide)x->frac << 64, (unsigned)(127 - x->exp), x->sign, rounding(cw), &up,
                    &inexact);
    if (v) {
        round_pack(x->sign, 127, v, X87_CW_DEFAULT, r);
    } else {
        *r = pack(x->sign, 0, 0);
    }
    return inexact ? X87_PE | (up ? X87_C1 : 0) : 0;
}

static unsigned extract(const Parts *x, const X86Fp80 *a, X86Fp80 *r, X86Fp80 *r2)
{
    int exp = x->exp;

    *r2 = *a;
    if (x->cls != FINITE) {
        *r = infinity(x->cls == ZERO);
        return x->cls == ZERO ? X87_ZE : 0;
    }
    *r2 = pack(x->sign, BIAS, x->frac);
    if (exp) {
        round_pack(exp < 0, 127, (Wide)(unsigned)(exp < 0 ? -exp : exp), X87_CW_DEFAULT, r);
    } else {
        *r = pack(false, 0, 0);
    }
    return 0;
}

static unsigned trigonometric(X87Unary op, const Parts *x, const X86Fp80 *a, uint16_t cw,
                              X86Fp80 *r, X86Fp80 *r2)
{
    long double v;

    if (x->cls == INFINITE) {
        *r2 = x87_indefinite();
        return invalid(r);
    }
    if (x->cls == FINITE && x->exp >= 63) {
        *r = itself(a);
        return X87_C2;
    }
    v = to_native(x);
    switch (op) {
    case X87_SIN: return from_native(sinl(v), cw, r);
    case X87_COS: return from_native(cosl(v), cw, r);
    case X87_TAN: *r2 = pack(false, BIAS, 1ULL << 63); return from_native(tanl(v), cw, r);
    default: return from_native(sinl(v), cw, r) | from_native(cosl(v), cw, r2);
    }
}

unsigned x87_unary(X87Unary op, uint16_t cw, const X86Fp80 *a, X86Fp80 *r, X86Fp80 *r2)
{
    Parts x = unpack(a);
    unsigned sw;

    if (is_nan(&x)) {
        sw = nan_result(a, a, r);
        *r2 = *r;
        return sw;
    }
    switch (op) {
    case X87_SQRT: sw = square_root(&x, a, cw, r); break;
    case X87_RNDINT: sw = to_integral(&x, a, cw, r); break;
    case X87_2XM1: sw = from_native(expm1l(to_native(&x) * logl(2.0L)), cw, r); break;
    case X87_XTRACT: sw = extract(&x, a, r, r2); break;
    default: sw = trigonometric(op, &x, a, cw, r, r2); break;
    }
    return sw | (x.denormal && !(sw & (X87_IE | X87_ZE)) ? X87_DE : 0);
}

/* --- Comparisons --- */

static unsigned examine(const X86Fp80 *a)
{
    static const uint16_t codes[] = {
        [ZERO] = X87_C3,      [FINITE] = X87_C2,         [INFINITE] = X87_C2 | X87_C0,
        [QUIET_NAN] = X87_C0, [SIGNALLING_NAN] = X87_C0, [UNSUPPORTED] = 0};
    Parts x = unpack(a);

    return (x.cls == FINITE && x.denormal ? X87_C3 | X87_C2 : codes[x.cls]) | (x.sign ? X87_C1 : 0);
}

/* -1, 0, 1 */
static int order(const Parts *x, const Parts *y)
{
    int sign = x->sign ? -1 : 1;

    if (x->cls == ZERO && y->cls == ZERO) {
        return 0;
    }
    if (x->cls == ZERO || (y->cls != ZERO && x->sign != y->sign)) {
        return y->sign ? 1 : -1;
    }
    if (y->cls == ZERO) {
        return sign;
    }
    if (x->cls != y->cls) {
        return x->cls == INFINITE ? sign : -sign;
    }
    if (x->cls == INFINITE) {
        return 0;
    }
    if (x->exp != y->exp) {
        return x->exp > y->exp ? sign : -sign;
    }
    return x->frac == y->frac ? 0 : x->frac > y->frac ? sign : -sign;
}

unsigned x87_compare(X87Compare op, const X86Fp80 *a, const X86Fp80 *b)
{
    Parts x = unpack(a), y = unpack(b);
    int o;

    if (op == X87_XAM) {
        return examine(a);
    }
    if (is_nan(&x) || is_nan(&y)) {
        bool quiet = op == X87_UCOM && x.cls <= QUIET_NAN && y.cls <= QUIET_NAN;

        return X87_C0 | X87_C2 | X87_C3 | (quiet ? 0 : X87_IE);
    }
    o = order(&x, &y);
    return (o < 0 ? X87_C0 : o == 0 ? X87_C3 : 0) | (x.denormal || y.denormal ? X87_DE : 0);
}

/* --- Numbers in memory --- */

/* Binary32 or binary64: bits of the significand without the hidden one, and of the exponent. */
static unsigned widen(uint64_t v, unsigned frac_bits, unsigned exp_bits, X86Fp80 *r)
{
    uint64_t frac = v & ((1ULL << frac_bits) - 1);
    int max = (1 << exp_bits) - 1, exp = (int)(v >> frac_bits) & max, bias = max >> 1;
    bool sign = v >> (frac_bits + exp_bits) & 1;

    if (exp == max && frac) {
        bool quiet = frac >> (frac_bits - 1);

        *r = pack(sign, 0x7fff, 3ULL << 62 | frac << (63 - frac_bits));
        return quiet ? 0 : X87_IE;
    }
    if (exp == max) {
        *r = infinity(sign);
    } else if (exp) {
        *r = pack(sign, (unsigned)(exp - bias + BIAS), 1ULL << 63 | frac << (63 - frac_bits));
    } else if (frac) {
        int zeros = __builtin_clzll(frac);

        *r = pack(sign, (unsigned)(64 - (int)frac_bits - bias - zeros + BIAS), frac << zeros);
        return X87_DE;
    } else {
        *r = pack(sign, 0, 0);
    }
    return 0;
}

static void from_integer(int64_t v, X86Fp80 *r)
{
    uint64_t magnitude = v < 0 ? -(uint64_t)v : (uint64_t)v;

    if (v) {
        round_pack(v < 0, 127, magnitude, X87_CW_DEFAULT, r);
    } else {
        *r = pack(false, 0, 0);
    }
}

static void from_bcd(const uint64_t v[2], X86Fp80 *r)
{
    uint64_t n = 0;

    for (int i = 17; i >= 0; i--) {
        n = n * 10 + (i < 16 ? v[0] >> 4 * i & 15 : v[1] >> 4 * (i - 16) & 15);
    }
    from_integer((int64_t)n, r);
    r->se |= v[1] & 0x8000;
}

unsigned x87_from(X87Kind kind, const uint64_t v[2], X86Fp80 *r)
{
    switch (kind) {
    case X87_F32: return widen((uint32_t)v[0], 23, 8, r);
    case X87_F64: return widen(v[0], 52, 11, r);
    case X87_F80: *r = pack(false, v[1] & 0xffff, v[0]); return 0;
    case X87_I16: from_integer((int16_t)v[0], r); return 0;
    case X87_I32: from_integer((int32_t)v[0], r); return 0;
    case X87_I64: from_integer((int64_t)v[0], r); return 0;
    case X87_BCD: from_bcd(v, r); return 0;
    }
    return 0;
}

static unsigned narrow_overflow(bool sign, uint64_t inf, unsigned mode, uint64_t *v)
{
    bool to_inf = mode == ROUND_NEAREST || mode == (sign ? ROUND_DOWN : ROUND_UP);

    *v = inf - !to_inf;
    return X87_OE | X87_PE | (to_inf ? X87_C1 : 0);
}

static unsigned narrow(const Parts *x, const X86Fp80 *a, unsigned frac_bits, unsigned exp_bits,
                       uint16_t cw, uint64_t *v)
{
    int max = (1 << exp_bits) - 1, bias = max >> 1, exp = x->exp, emin = 1 - bias;
    uint64_t sign = (uint64_t)x->sign << (frac_bits + exp_bits), inf = (uint64_t)max << frac_bits;
    bool up, inexact, tiny = false;
    unsigned shift = 127 - frac_bits, mode = rounding(cw), sw;
    Wide kept;

    if (x->cls == UNSUPPORTED) {
        *v = 1ULL << (frac_bits + exp_bits) | inf | 1ULL << (frac_bits - 1);
        return X87_IE;
    }
    if (is_nan(x)) {
        *v = sign | inf | 1ULL << (frac_bits - 1) | (a->sig << 1 >> (64 - frac_bits));
        return x->cls == SIGNALLING_NAN ? X87_IE : 0;
    }
    if (x->cls != FINITE) {
        *v = sign | (x->cls == INFINITE ? inf : 0);
        return 0;
    }
    kept = round_shift((Wide)x->frac << 64, shift, x->sign, mode, &up, &inexact);
    if (exp < emin) {
        tiny = exp < emin - 1 || kept != (Wide)2 << frac_bits;
        if (tiny && !(cw & X87_UE)) {
            return X87_UE;
        }
        kept = round_shift((Wide)x->frac << 64, shift + (unsigned)(emin - exp), x->sign, mode, &up,
                           &inexact);
        exp = emin;
    }
    if (exp + (kept >> (frac_bits + 1) ? 1 : 0) > bias) {
        if (!(cw & X87_OE)) {
            return X87_OE;
        }
        sw = narrow_overflow(x->sign, inf, mode, v);
        *v |= sign;
        return sw;
    }
    *v = sign | (((uint64_t)(exp + bias - 1) << frac_bits) + (uint64_t)kept);
    return (inexact ? X87_PE | (up ? X87_C1 : 0) : 0) | (inexact && tiny ? X87_UE : 0);
}

/* A magnitude up to @limit (one more for negative numbers where @twos); false: it does not fit. */
static bool integer_of(const Parts *x, uint64_t limit, bool twos, uint16_t cw, uint64_t *v,
                       unsigned *sw)
{
    bool up, inexact;
    Wide n = 0;

    *sw = 0;
    if (x->cls >= INFINITE || (x->cls == FINITE && x->exp > 63)) {
        return false;
    }
    if (x->cls == FINITE) {
        n = round_shift((Wide)x->frac << 64, (unsigned)(127 - x->exp), x->sign, rounding(cw), &up,
                        &inexact);
        *sw = inexact ? X87_PE | (up ? X87_C1 : 0) : 0;
    }
    *v = (uint64_t)n;
    return n <= (Wide)limit + (twos && x->sign);
}

static unsigned to_bcd(const Parts *x, uint16_t cw, uint64_t v[2])
{
    unsigned sw;
    uint64_t n;

    if (!integer_of(x, 999999999999999999, false, cw, &n, &sw)) {
        v[0] = 0xc000000000000000;
        v[1] = 0xffff;
        return X87_IE;
    }
    v[0] = v[1] = 0;
    for (unsigned i = 0; i < 18; i++) {
        v[i / 16] |= n % 10 << 4 * (i % 16);
        n /= 10;
    }
    v[1] |= (uint64_t)x->sign << 15;
    return sw;
}

unsigned x87_to(X87Kind kind, uint16_t cw, const X86Fp80 *a, uint64_t v[2])
{
    static const uint8_t bits[] = {[X87_I16] = 16, [X87_I32] = 32, [X87_I64] = 64};
    Parts x = unpack(a);
    uint64_t n, smallest;
    unsigned sw;

    switch (kind) {
    case X87_F32: return narrow(&x, a, 23, 8, cw, v);
    case X87_F64: return narrow(&x, a, 52, 11, cw, v);
    case X87_BCD: return to_bcd(&x, cw, v);
    case X87_F80:
        v[0] = a->sig;
        v[1] = a->se;
        return 0;
    default: break;
    }
    smallest = 1ULL << (bits[kind] - 1);
    if (!integer_of(&x, smallest - 1, true, cw, &n, &sw)) {
        v[0] = smallest;
        return X87_IE;
    }
    v[0] = x.sign ? -n : n;
    return sw;
}

/* Each to 64 bits, truncated, and whether it is rounded up to nearest. */
void x87_constant(X87Const n, uint16_t cw, X86Fp80 *r)
{
    static const struct {
        uint64_t sig;
        uint16_t exp;
        bool up;
    } values[] = {
        [X87_ONE] = {0x8000000000000000, BIAS, false},
        [X87_L2T] = {0xd49a784bcd1b8afe, BIAS + 1, false},
        [X87_L2E] = {0xb8aa3b295c17f0bb, BIAS, true},
        [X87_PI] = {0xc90fdaa22168c234, BIAS + 1, true},
        [X87_LG2] = {0x9a209a84fbcff798, BIAS - 2, true},
        [X87_LN2] = {0xb17217f7d1cf79ab, BIAS - 1, true},
        [X87_ZERO_CONST] = {0, 0, false},
    };
    unsigned mode = rounding(cw);
    bool exact = n == X87_ONE || n == X87_ZERO_CONST;
    bool up = mode == ROUND_NEAREST ? values[n].up : mode == ROUND_UP && !exact;

    *r = pack(false, values[n].exp, values[n].sig + up);
}
