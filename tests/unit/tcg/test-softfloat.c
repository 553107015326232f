/* SPDX-License-Identifier: MIT */
/*
 * Softfloat against the host's FPU: special and random operands, all rounding modes, results and
 * flags.  binary16 is checked against exact (or round-to-odd) arithmetic in double.
 */
#include "rhea/osdep.h"

#include <fenv.h>
#include <math.h>

#include "tcg/softfloat.h"

enum { RANDOM_CASES = 40000 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static const uint64_t specials64[] = {
    0,
    0x8000000000000000,
    0x3ff0000000000000,
    0xbff0000000000000,
    0x4000000000000000,
    0x3fe0000000000000,
    0x3ff8000000000000,
    0x7ff0000000000000,
    0xfff0000000000000,
    0x7ff8000000000000,
    0xfff8000000000001,
    0x7ff0000000000001,
    0xfff4000000000000,
    0x0000000000000001,
    0x8000000000000001,
    0x000fffffffffffff,
    0x0010000000000000,
    0x0010000000000001,
    0x7fefffffffffffff,
    0xffefffffffffffff,
    0x41dfffffffc00000,
    0x41e0000000000000,
    0xc1e0000000000000,
    0xc1e0000000200000,
    0x41efffffffe00000,
    0x41f0000000000000,
    0x43e0000000000000,
    0xc3e0000000000000,
    0x43f0000000000000,
    0xc3e0000000000001,
    0x43efffffffffffff,
    0x3cb0000000000000,
    0x3ca0000000000000,
    0x36a0000000000000,
    0x380fffffe0000000,
    0x380ffffff0000000,
    0x47efffffe0000000,
    0x47effffff0000000,
    0x3fdfffffffffffff,
    0xbfe0000000000000,
    0x4330000000000001,
};
static const uint32_t specials32[] = {
    0,          0x80000000, 0x3f800000, 0xbf800000, 0x40000000, 0x3f000000, 0x3fc00000,
    0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffa00000, 0x00000001,
    0x80000001, 0x007fffff, 0x00800000, 0x00800001, 0x7f7fffff, 0xff7fffff, 0x4effffff,
    0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff, 0x4f800000, 0x5f000000, 0xdf000000,
    0x5f800000, 0x34000000, 0x33800000, 0x3effffff, 0xbf000000, 0x4b000001,
};

/* An operand: special, random bits, or random near an exponent where things happen. */
static uint64_t operand(SfFormat fmt)
{
    uint64_t r = random64();

    switch (r & 7) {
    case 0:
    case 1:
        return fmt == SF_64   ? specials64[r / 8 % ARRAY_SIZE(specials64)]
               : fmt == SF_32 ? specials32[r / 8 % ARRAY_SIZE(specials32)]
                              : (random64() & 0x83ff) | (r & 8 ? 0x7c00 : 0);
    case 2: /* few significant bits, exponent near one */
        return fmt == SF_64   ? (random64() & 0x800f000000000000) | (0x3f0 + (r >> 8 & 0x1f)) << 52
               : fmt == SF_32 ? (random64() & 0x80700000) | (0x70 + (r >> 8 & 0x1f)) << 23
                              : random64() & 0xffff;
    case 3: /* close exponents: cancellation */
        return fmt == SF_64   ? (random64() & 0x800fffffffffffff) | 0x3ff0000000000000
               : fmt == SF_32 ? (random64() & 0x807fffff) | 0x3f800000
                              : random64() & 0xffff;
    default: return random64() & (~0ULL >> (fmt == SF_64 ? 0 : fmt == SF_32 ? 32 : 48));
    }
}

/* Called through a pointer: the compiler's own rint() knows one rounding mode only. */
static double (*volatile host_rint)(double) = rint;

static const int host_round[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};

static uint32_t host_flags(void)
{
    int f = fetestexcept(FE_ALL_EXCEPT);

    return (f & FE_INEXACT ? IR_FP_INEXACT : 0) | (f & FE_UNDERFLOW ? IR_FP_UNDERFLOW : 0) |
           (f & FE_OVERFLOW ? IR_FP_OVERFLOW : 0) | (f & FE_DIVBYZERO ? IR_FP_DIVBYZERO : 0) |
           (f & FE_INVALID ? IR_FP_INVALID : 0);
}

typedef enum HostOp { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_SQRT, OP_FMA, OP_COUNT } HostOp;

static double from_bits64(uint64_t v)
{
    double d;

    memcpy(&d, &v, sizeof(d));
    return d;
}

static uint64_t to_bits64(double d)
{
    uint64_t v;

    memcpy(&v, &d, sizeof(v));
    return v;
}

static float from_bits32(uint32_t v)
{
    float f;

    memcpy(&f, &v, sizeof(f));
    return f;
}

static uint32_t to_bits32(float f)
{
    uint32_t v;

    memcpy(&v, &f, sizeof(v));
    return v;
}

static uint64_t host64(HostOp op, uint64_t a, uint64_t b, uint64_t c, IrRound rm, uint32_t *flags)
{
    volatile double x = from_bits64(a), y = from_bits64(b), z = from_bits64(c), r = 0;

    fesetround(host_round[rm]);
    feclearexcept(FE_ALL_EXCEPT);
    switch (op) {
    case OP_ADD: r = x + y; break;
    case OP_SUB: r = x - y; break;
    case OP_MUL: r = x * y; break;
    case OP_DIV: r = x / y; break;
    case OP_SQRT: r = sqrt(x); break;
    default: r = fma(x, y, z); break;
    }
    *flags = host_flags();
    fesetround(FE_TONEAREST);
    return isnan(r) ? 0x7ff8000000000000 : to_bits64(r);
}

static uint64_t host32(HostOp op, uint64_t a, uint64_t b, uint64_t c, IrRound rm, uint32_t *flags)
{
    volatile float x = from_bits32(a), y = from_bits32(b), z = from_bits32(c), r = 0;

    fesetround(host_round[rm]);
    feclearexcept(FE_ALL_EXCEPT);
    switch (op) {
    case OP_ADD: r = x + y; break;
    case OP_SUB: r = x - y; break;
    case OP_MUL: r = x * y; break;
    case OP_DIV: r = x / y; break;
    case OP_SQRT: r = sqrtf(x); break;
    default: r = fmaf(x, y, z); break;
    }
    *flags = host_flags();
    fesetround(FE_TONEAREST);
    return isnan(r) ? 0x7fc00000 : to_bits32(r);
}

static uint64_t soft(SfFormat fmt, HostOp op, uint64_t a, uint64_t b, uint64_t c, IrRound rm,
                     uint32_t *flags)
{
    *flags = 0;
    switch (op) {
    case OP_ADD: return sf_add(fmt, a, b, rm, flags);
    case OP_SUB: return sf_sub(fmt, a, b, rm, flags);
    case OP_MUL: return sf_mul(fmt, a, b, rm, flags);
    case OP_DIV: return sf_div(fmt, a, b, rm, flags);
    case OP_SQRT: return sf_sqrt(fmt, a, rm, flags);
    default: return sf_fma(fmt, a, b, c, 0, rm, flags);
    }
}

/* Hosts differ in whether inf * 0 + quiet NaN is invalid. */
static bool host_may_differ(SfFormat fmt, HostOp op, uint64_t c)
{
    return op == OP_FMA && sf_is_nan(fmt, c);
}

static void check_arith(SfFormat fmt, HostOp op, uint64_t a, uint64_t b, uint64_t c, IrRound rm)
{
    uint32_t want_flags, flags;
    uint64_t want = (fmt == SF_64 ? host64 : host32)(op, a, b, c, rm, &want_flags);
    uint64_t got = soft(fmt, op, a, b, c, rm, &flags);

    if (host_may_differ(fmt, op, c)) {
        flags = want_flags = 0;
    }
#if !defined(__x86_64__)
    /* Other hosts may detect tininess before rounding. */
    flags &= ~IR_FP_UNDERFLOW;
    want_flags &= ~IR_FP_UNDERFLOW;
#endif
    if (got != want || flags != want_flags) {
        g_test_message("op %d fmt %d rm %d: %" PRIx64 " %" PRIx64 " %" PRIx64, op, fmt, rm, a, b,
                       c);
    }
    g_assert_cmphex(got, ==, want);
    g_assert_cmphex(flags, ==, want_flags);
}

static void test_arith(gconstpointer data)
{
    SfFormat fmt = GPOINTER_TO_INT(data);

    for (int op = 0; op < OP_COUNT; op++) {
        for (int rm = 0; rm < 4; rm++) {
            for (int i = 0; i < RANDOM_CASES / 2; i++) {
                check_arith(fmt, op, operand(fmt), operand(fmt), operand(fmt), rm);
            }
        }
    }
}

static void test_special_pairs(void)
{
    for (int op = 0; op < OP_FMA; op++) {
        for (int rm = 0; rm < 4; rm++) {
            for (unsigned i = 0; i < ARRAY_SIZE(specials64); i++) {
                for (unsigned j = 0; j < ARRAY_SIZE(specials64); j++) {
                    check_arith(SF_64, op, specials64[i], specials64[j], 0, rm);
                }
            }
            for (unsigned i = 0; i < ARRAY_SIZE(specials32); i++) {
                for (unsigned j = 0; j < ARRAY_SIZE(specials32); j++) {
                    check_arith(SF_32, op, specials32[i], specials32[j], 0, rm);
                }
            }
        }
    }
}

/* --- Conversions --- */

static void test_convert_formats(void)
{
    for (int rm = 0; rm < 4; rm++) {
        for (int i = 0; i < RANDOM_CASES; i++) {
            uint64_t a = operand(SF_64), b = operand(SF_32);
            volatile double d = from_bits64(a);
            volatile float f;
            uint32_t want, flags = 0;

            fesetround(host_round[rm]);
            feclearexcept(FE_ALL_EXCEPT);
            f = d;
            want = host_flags();
            fesetround(FE_TONEAREST);
            g_assert_cmphex(sf_convert(SF_32, SF_64, a, rm, &flags), ==,
                            isnan(f) ? 0x7fc00000 : to_bits32(f));
#if defined(__x86_64__)
            g_assert_cmphex(flags, ==, want);
#endif
            f = from_bits32(b);
            flags = 0;
            feclearexcept(FE_ALL_EXCEPT);
            d = f;
            want = host_flags();
            g_assert_cmphex(sf_convert(SF_64, SF_32, b, rm, &flags), ==,
                            isnan(d) ? 0x7ff8000000000000 : to_bits64(d));
            g_assert_cmphex(flags, ==, want);
        }
    }
}

static void check_to_int(uint64_t a, unsigned rm)
{
    volatile double d = from_bits64(a);
    volatile double r;
    uint32_t flags = 0;
    int64_t got;

    fesetround(host_round[rm]);
    r = host_rint(d);
    fesetround(FE_TONEAREST);
    got = sf_to_int(SF_64, a, 64, rm, &flags);
    if (isnan(r) || r >= 0x1p63) {
        g_assert_cmpint(got, ==, INT64_MAX);
        g_assert_cmphex(flags, ==, IR_FP_INVALID);
    } else if (r < -0x1p63) {
        g_assert_cmpint(got, ==, INT64_MIN);
        g_assert_cmphex(flags, ==, IR_FP_INVALID);
    } else {
        g_assert_cmpint(got, ==, (int64_t)r);
        g_assert_cmphex(flags, ==, r != d ? IR_FP_INEXACT : 0);
    }
    flags = 0;
    got = sf_to_uint(SF_64, a, 32, rm, &flags);
    if (isnan(r) || r > UINT32_MAX) {
        g_assert_cmphex(got, ==, UINT32_MAX);
        g_assert_cmphex(flags, ==, IR_FP_INVALID);
    } else if (r < 0) {
        g_assert_cmphex(got, ==, 0);
        g_assert_cmphex(flags, ==, IR_FP_INVALID);
    } else {
        g_assert_cmphex(got, ==, (uint32_t)r);
        g_assert_cmphex(flags, ==, r != d ? IR_FP_INEXACT : 0);
    }
    flags = 0;
    got = sf_to_int(SF_64, a, 32, rm, &flags);
    g_assert_cmpint(got, ==,
                    isnan(r) || r > INT32_MAX ? INT32_MAX
                    : r < INT32_MIN           ? INT32_MIN
                                              : (int32_t)r);
}

static void test_to_int(void)
{
    uint32_t flags = 0;

    for (int rm = 0; rm < 4; rm++) {
        for (unsigned i = 0; i < ARRAY_SIZE(specials64); i++) {
            check_to_int(specials64[i], rm);
        }
        for (int i = 0; i < RANDOM_CASES; i++) {
            check_to_int(operand(SF_64), rm);
            /* exponents from 2^-3 to 2^66 */
            check_to_int((random64() & 0x800fffffffffffff) | (0x3fc + random64() % 70) << 52, rm);
        }
    }
    g_assert_cmpint(sf_to_int(SF_64, to_bits64(2.5), 64, IR_ROUND_NEAREST_MAX, &flags), ==, 3);
    g_assert_cmpint(sf_to_int(SF_64, to_bits64(-2.5), 64, IR_ROUND_NEAREST_MAX, &flags), ==, -3);
    g_assert_cmpint(sf_to_int(SF_64, to_bits64(2.4999), 64, IR_ROUND_NEAREST_MAX, &flags), ==, 2);
}

static void test_from_int(void)
{
    for (int rm = 0; rm < 4; rm++) {
        for (int i = 0; i < RANDOM_CASES; i++) {
            volatile int64_t v = (int64_t)random64() >> (random64() & 63);
            volatile uint64_t u = v;
            volatile double d;
            volatile float f;
            uint32_t flags = 0, want;

            fesetround(host_round[rm]);
            feclearexcept(FE_ALL_EXCEPT);
            d = v;
            want = host_flags();
            f = v;
            fesetround(FE_TONEAREST);
            g_assert_cmphex(sf_from_int(SF_64, v, rm, &flags), ==, to_bits64(v ? d : 0));
            g_assert_cmphex(flags, ==, want);
            g_assert_cmphex(sf_from_int(SF_32, v, rm, &flags), ==, to_bits32(v ? f : 0));
            if (rm == IR_ROUND_NEAREST) {
                d = u;
                g_assert_cmphex(sf_from_uint(SF_64, u, rm, &flags), ==, to_bits64(d));
            }
        }
    }
}

static void test_round(void)
{
    for (int rm = 0; rm < 4; rm++) {
        for (int i = 0; i < RANDOM_CASES; i++) {
            uint64_t a = (random64() & 0x800fffffffffffff) | (0x3fc + random64() % 60) << 52;
            uint32_t flags = 0, quiet = 0;
            volatile double d = from_bits64(a), r;

            fesetround(host_round[rm]);
            r = host_rint(d);
            fesetround(FE_TONEAREST);
            g_assert_cmphex(sf_round(SF_64, a, rm, true, &flags), ==, to_bits64(r));
            g_assert_cmphex(flags, ==, r != d ? IR_FP_INEXACT : 0);
            sf_round(SF_64, a, rm, false, &quiet);
            g_assert_cmphex(quiet, ==, 0);
        }
    }
}

/* --- Comparisons --- */

static void test_compare(void)
{
    for (int i = 0; i < RANDOM_CASES; i++) {
        uint64_t a = operand(SF_64), b = i & 1 ? operand(SF_64) : a ^ (random64() & 1) << 63;
        double x = from_bits64(a), y = from_bits64(b);
        bool nan = isnan(x) || isnan(y);
        uint32_t snan = sf_is_snan(SF_64, a) || sf_is_snan(SF_64, b) ? IR_FP_INVALID : 0;
        uint32_t quiet = 0, loud = 0;

        g_assert_cmpint(sf_cmp(SF_64, IR_FEQ, a, b, &quiet), ==, x == y);
        g_assert_cmpint(sf_cmp(SF_64, IR_FLT_QUIET, a, b, &quiet), ==, isless(x, y));
        g_assert_cmpint(sf_cmp(SF_64, IR_FLE_QUIET, a, b, &quiet), ==, islessequal(x, y));
        g_assert_cmphex(quiet, ==, snan);
        g_assert_cmpint(sf_cmp(SF_64, IR_FLT, a, b, &loud), ==, isless(x, y));
        g_assert_cmpint(sf_cmp(SF_64, IR_FLE, a, b, &loud), ==, islessequal(x, y));
        g_assert_cmphex(loud, ==, nan ? IR_FP_INVALID : 0);
        if (!nan && x != y) {
            g_assert_cmphex(sf_min(SF_64, a, b, &quiet), ==, x < y ? a : b);
            g_assert_cmphex(sf_max(SF_64, a, b, &quiet), ==, x < y ? b : a);
        }
    }
}

static void test_min_max_special(void)
{
    const uint64_t one = 0x3ff0000000000000, qnan = 0x7ff8000000000001, snan = 0x7ff0000000000001;
    const uint64_t minus_zero = 1ULL << 63;
    uint32_t flags = 0;

    g_assert_cmphex(sf_min(SF_64, 0, minus_zero, &flags), ==, minus_zero);
    g_assert_cmphex(sf_max(SF_64, minus_zero, 0, &flags), ==, 0);
    g_assert_cmphex(sf_min(SF_64, qnan, one, &flags), ==, one);
    g_assert_cmphex(sf_max(SF_64, one, qnan, &flags), ==, one);
    g_assert_cmphex(sf_max(SF_64, qnan, qnan, &flags), ==, 0x7ff8000000000000);
    g_assert_cmphex(flags, ==, 0);
    g_assert_cmphex(sf_max(SF_64, one, snan, &flags), ==, one);
    g_assert_cmphex(flags, ==, IR_FP_INVALID);
}

/* --- binary16, ties to max magnitude --- */

static double half_value(uint64_t h)
{
    uint32_t flags = 0;

    return from_bits64(sf_convert(SF_64, SF_16, h, IR_ROUND_NEAREST, &flags));
}

/* Every half converts to the double that its fields say, and back. */
static void test_half_all(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        unsigned exp = h >> 10 & 31, frac = h & 0x3ff;
        double v = exp ? ldexp(1024 + frac, (int)exp - 25) : ldexp(frac, -24);
        uint32_t flags = 0;

        if (exp == 31) {
            g_assert_cmpint(sf_is_nan(SF_16, h), ==, frac != 0);
            continue;
        }
        g_assert_cmpfloat(half_value(h), ==, h >> 15 ? -v : v);
        g_assert_cmphex(sf_convert(SF_16, SF_64, to_bits64(half_value(h)), IR_ROUND_ZERO, &flags),
                        ==, h);
        g_assert_cmphex(flags, ==, 0);
    }
}

/* The result in double, with the last bit standing for everything that was lost. */
static double odd_result(HostOp op, double a, double b, double c)
{
    volatile double x = a, y = b, z = c, r;

    fesetround(FE_TOWARDZERO);
    feclearexcept(FE_ALL_EXCEPT);
    switch (op) {
    case OP_ADD: r = x + y; break;
    case OP_SUB: r = x - y; break;
    case OP_MUL: r = x * y; break;
    case OP_DIV: r = x / y; break;
    case OP_SQRT: r = sqrt(x); break;
    default: r = fma(x, y, z); break;
    }
    if (fetestexcept(FE_INEXACT)) {
        r = from_bits64(to_bits64(r) | 1);
    }
    fesetround(FE_TONEAREST);
    return r;
}

static void test_half_arith(void)
{
    for (int i = 0; i < RANDOM_CASES * 4; i++) {
        HostOp op = random64() % OP_COUNT;
        IrRound rm = random64() % 5;
        uint64_t a = operand(SF_16), b = operand(SF_16), c = operand(SF_16), got, want;
        double exact = odd_result(op, half_value(a), half_value(b), half_value(c));
        uint32_t flags, want_flags = 0;

        got = soft(SF_16, op, a, b, c, rm, &flags);
        if (exact == 0 || isnan(exact) || isinf(exact)) {
            continue; /* signs of zero and special cases: as in the other formats */
        }
        want = sf_convert(SF_16, SF_64, to_bits64(exact), rm, &want_flags);
        g_assert_cmphex(got, ==, want);
        g_assert_cmphex(flags, ==, want_flags);
    }
}

static void test_ties_to_max(void)
{
    uint32_t flags = 0;
    uint64_t tie = to_bits64(1 + 0x1p-24); /* halfway between two floats */

    g_assert_cmphex(sf_convert(SF_32, SF_64, tie, IR_ROUND_NEAREST, &flags), ==, 0x3f800000);
    g_assert_cmphex(sf_convert(SF_32, SF_64, tie, IR_ROUND_NEAREST_MAX, &flags), ==, 0x3f800001);
    g_assert_cmphex(sf_convert(SF_32, SF_64, tie | 1ULL << 63, IR_ROUND_NEAREST_MAX, &flags), ==,
                    0xbf800001);
    g_assert_cmphex(flags, ==, IR_FP_INEXACT);
    g_assert_cmphex(sf_round(SF_64, to_bits64(-0.5), IR_ROUND_NEAREST_MAX, false, &flags), ==,
                    to_bits64(-1.0));
}

static void test_fma_special(void)
{
    const uint64_t inf = 0x7ff0000000000000, qnan = 0x7ff8000000000000;
    const uint64_t one = 0x3ff0000000000000;
    uint32_t flags = 0;

    sf_fma(SF_64, inf, 0, qnan, 0, IR_ROUND_NEAREST, &flags);
    g_assert_cmphex(flags, ==, IR_FP_INVALID);
    g_assert_cmphex(sf_fma(SF_64, one, one, one, IR_FMA_NEG_PRODUCT, IR_ROUND_NEAREST, &flags), ==,
                    0);
    g_assert_cmphex(sf_fma(SF_64, one, one, one, IR_FMA_NEG_ADDEND, IR_ROUND_DOWN, &flags), ==,
                    1ULL << 63);
    g_assert_cmphex(sf_fma(SF_64, one, one, one, IR_FMA_NEG_PRODUCT | IR_FMA_NEG_ADDEND,
                           IR_ROUND_NEAREST, &flags),
                    ==, 0xc000000000000000);
}

static void check_product(double a, double b, uint32_t traps, uint32_t want)
{
    uint32_t flags = traps;

    sf_mul(SF_64, to_bits64(a), to_bits64(b), IR_ROUND_NEAREST, &flags);
    g_assert_cmphex(flags, ==, want | traps);
}

/* What is raised while exceptions trap: IEEE 754, 7.4 and 7.5. */
static void test_traps(void)
{
    const double smallest = 0x1p-1022, odd = 1 + 0x1p-52;

    check_product(smallest, 0.5, 0, 0);
    check_product(smallest, 0.5, IR_FP_OVERFLOW_TRAPS, 0);
    check_product(smallest, 0.5, IR_FP_UNDERFLOW_TRAPS, IR_FP_UNDERFLOW);
    check_product(smallest * odd, 0.5, 0, IR_FP_UNDERFLOW | IR_FP_INEXACT);
    check_product(smallest * odd, 0.5, IR_FP_UNDERFLOW_TRAPS, IR_FP_UNDERFLOW);
    check_product(smallest * odd, 0.5 * odd, IR_FP_TRAPS, IR_FP_UNDERFLOW | IR_FP_INEXACT);
    check_product(0x1p1023, 2, 0, IR_FP_OVERFLOW | IR_FP_INEXACT);
    check_product(0x1p1023, 2, IR_FP_UNDERFLOW_TRAPS, IR_FP_OVERFLOW | IR_FP_INEXACT);
    check_product(0x1p1023, 2, IR_FP_OVERFLOW_TRAPS, IR_FP_OVERFLOW);
    check_product(0x1p1023 * odd, 2 * odd, IR_FP_TRAPS, IR_FP_OVERFLOW | IR_FP_INEXACT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/softfloat/arith/f64", GINT_TO_POINTER(SF_64), test_arith);
    g_test_add_data_func("/softfloat/arith/f32", GINT_TO_POINTER(SF_32), test_arith);
    g_test_add_func("/softfloat/special-pairs", test_special_pairs);
    g_test_add_func("/softfloat/convert-formats", test_convert_formats);
    g_test_add_func("/softfloat/to-int", test_to_int);
    g_test_add_func("/softfloat/from-int", test_from_int);
    g_test_add_func("/softfloat/round", test_round);
    g_test_add_func("/softfloat/compare", test_compare);
    g_test_add_func("/softfloat/min-max", test_min_max_special);
    g_test_add_func("/softfloat/half/all", test_half_all);
    g_test_add_func("/softfloat/half/arith", test_half_arith);
    g_test_add_func("/softfloat/ties-to-max", test_ties_to_max);
    g_test_add_func("/softfloat/fma-special", test_fma_special);
    g_test_add_func("/softfloat/traps", test_traps);
    return g_test_run();
}
