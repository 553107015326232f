/* SPDX-License-Identifier: MIT */
/* Floating-point helpers: NaN boxes, control words, classes, the modular conversion. */
#include "rhea/osdep.h"

#include <math.h>

#include "target/riscv64/helper/helper.h"

static RvEnv env;

static uint64_t bits64(double d)
{
    uint64_t v;

    memcpy(&v, &d, sizeof(v));
    return v;
}

static uint64_t boxed(float f)
{
    uint32_t v;

    memcpy(&v, &f, sizeof(v));
    return v | ~0ULL << 32;
}

static uint32_t take_flags(void)
{
    uint32_t f = env.tcg.fp_flags;

    env.tcg.fp_flags = 0;
    return f;
}

static void test_boxes(void)
{
    const uint64_t s = RV_FP_CTL(IR_ROUND_NEAREST, RV_FMT_S), nan = boxed(0) | 0x7fc00000;

    g_assert_cmphex(rv_helper_fadd(&env, boxed(1.5), boxed(2), s, 0), ==, boxed(3.5));
    g_assert_cmphex(rv_helper_fadd(&env, 0x3f800000, boxed(2), s, 0), ==, nan); /* not boxed */
    g_assert_cmphex(take_flags(), ==, 0);
    g_assert_cmphex(
        rv_helper_fmadd(&env, boxed(2), boxed(3), boxed(1), s | RV_FP_NEG(IR_FMA_NEG_PRODUCT)), ==,
        boxed(-5));
    /* 1.5 in binary16 is 0x3e00 */
    g_assert_cmphex(rv_helper_fcvt_f(&env, bits64(1.5),
                                     RV_FP_CTL(IR_ROUND_NEAREST, RV_FMT_H) | RV_FP_FROM(RV_FMT_D),
                                     0, 0),
                    ==, 0xffffffffffff3e00);
    g_assert_cmphex(rv_helper_fmul(&env, 0xffffffffffff3e00, 0xffffffffffff4000,
                                   RV_FP_CTL(IR_ROUND_NEAREST, RV_FMT_H), 0),
                    ==, 0xffffffffffff4200);
}

static void test_rounding(void)
{
    const uint64_t tiny = bits64(0x1p-60), one = bits64(1);

    g_assert_cmphex(rv_helper_fadd(&env, one, tiny, RV_FP_CTL(IR_ROUND_UP, RV_FMT_D), 0), ==,
                    one + 1);
    g_assert_cmphex(rv_helper_fsub(&env, one, tiny, RV_FP_CTL(IR_ROUND_ZERO, RV_FMT_D), 0), ==,
                    one - 1);
    g_assert_cmphex(take_flags(), ==, IR_FP_INEXACT);
    g_assert_cmphex(
        rv_helper_fround(&env, bits64(2.5), RV_FP_CTL(IR_ROUND_NEAREST_MAX, RV_FMT_D), 0, 0), ==,
        bits64(3));
    g_assert_cmphex(take_flags(), ==, 0);
    rv_helper_fround(&env, bits64(2.5), RV_FP_CTL(IR_ROUND_ZERO, RV_FMT_D) | RV_FP_INEXACT, 0, 0);
    g_assert_cmphex(take_flags(), ==, IR_FP_INEXACT);
}

static void test_min_max(void)
{
    const uint64_t d = RV_FP_CTL(0, RV_FMT_D), nan = 0x7ff8000000000000, one = bits64(1);

    g_assert_cmphex(rv_helper_fmin(&env, nan, one, d, 0), ==, one);
    g_assert_cmphex(rv_helper_fminm(&env, nan, one, d, 0), ==, nan);
    g_assert_cmphex(rv_helper_fmaxm(&env, bits64(-1), one, d, 0), ==, one);
    g_assert_cmphex(rv_helper_fcmp(&env, one, bits64(2), d | RV_FP_COND(IR_FLT), 0), ==, 1);
    g_assert_cmphex(take_flags(), ==, 0);
    g_assert_cmphex(rv_helper_fcmp(&env, one, nan, d | RV_FP_COND(IR_FLE_QUIET), 0), ==, 0);
    g_assert_cmphex(take_flags(), ==, 0);
    g_assert_cmphex(rv_helper_fcmp(&env, one, nan, d | RV_FP_COND(IR_FLE), 0), ==, 0);
    g_assert_cmphex(take_flags(), ==, IR_FP_INVALID);
}

static void test_class(void)
{
    static const struct {
        uint64_t image;
        unsigned fmt, bit;
    } cases[] = {
        {0xfff0000000000000, RV_FMT_D, 0}, {0xbff0000000000000, RV_FMT_D, 1},
        {0x8000000000000001, RV_FMT_D, 2}, {0x8000000000000000, RV_FMT_D, 3},
        {0x0000000000000000, RV_FMT_D, 4}, {0x000fffffffffffff, RV_FMT_D, 5},
        {0x0010000000000000, RV_FMT_D, 6}, {0x7ff0000000000000, RV_FMT_D, 7},
        {0x7ff0000000000001, RV_FMT_D, 8}, {0x7ff8000000000000, RV_FMT_D, 9},
        {0xffffffff80000001, RV_FMT_S, 2}, {0xffffffff7f800000, RV_FMT_S, 7},
        {0x000000007f800000, RV_FMT_S, 9}, {0xffffffffffff7c01, RV_FMT_H, 8},
        {0xffffffffffff0400, RV_FMT_H, 6}, {0xffffffff00000400, RV_FMT_H, 9},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_assert_cmphex(rv_helper_fclass(&env, cases[i].image, RV_FP_CTL(0, cases[i].fmt), 0, 0),
                        ==, 1u << cases[i].bit);
    }
}

static void test_integers(void)
{
    const uint64_t d = RV_FP_CTL(IR_ROUND_ZERO, RV_FMT_D);

    g_assert_cmphex(rv_helper_fcvt_to_int(&env, bits64(4294967295.0), d | RV_FP_UNSIGNED, 0, 0), ==,
                    ~0ULL); /* 32-bit results are sign-extended, unsigned ones too */
    g_assert_cmphex(rv_helper_fcvt_to_int(&env, bits64(-3.7), d | RV_FP_64, 0, 0), ==, -3ULL);
    take_flags();
    g_assert_cmphex(rv_helper_fcvt_to_int(&env, bits64(-1), d | RV_FP_UNSIGNED | RV_FP_64, 0, 0),
                    ==, 0);
    g_assert_cmphex(take_flags(), ==, IR_FP_INVALID);
    g_assert_cmphex(rv_helper_fcvt_from_int(&env, 0xfffffffff0000000,
                                            RV_FP_CTL(0, RV_FMT_D) | RV_FP_UNSIGNED, 0, 0),
                    ==, bits64(4026531840.0));
    g_assert_cmphex(rv_helper_fcvt_from_int(&env, 0x00000000ffffffff, RV_FP_CTL(0, RV_FMT_S), 0, 0),
                    ==, boxed(-1));
}

static void test_modular(void)
{
    static const struct {
        double in;
        int32_t out;
        uint32_t flags;
    } cases[] = {
        {0, 0, 0},
        {-1, -1, 0},
        {1.5, 1, IR_FP_INEXACT},
        {-0.25, 0, IR_FP_INEXACT},
        {4294967296.0 + 5, 5, IR_FP_INVALID},
        {-4294967296.0 - 5, -5, IR_FP_INVALID},
        {2147483648.0, INT32_MIN, IR_FP_INVALID},
        {0x1.8p84, 0, IR_FP_INVALID},
        {0x1.0000000000001p52, 1, IR_FP_INVALID},
        {0x1.0000000000001p83, INT32_MIN, IR_FP_INVALID},
        {INFINITY, 0, IR_FP_INVALID},
        {0x1p-1070, 0, IR_FP_INEXACT},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_assert_cmphex(rv_helper_fcvtmod(&env, bits64(cases[i].in), 0, 0, 0), ==,
                        (uint64_t)cases[i].out);
        g_assert_cmphex(take_flags(), ==, cases[i].flags);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/fp/boxes", test_boxes);
    g_test_add_func("/riscv64/fp/rounding", test_rounding);
    g_test_add_func("/riscv64/fp/min-max", test_min_max);
    g_test_add_func("/riscv64/fp/class", test_class);
    g_test_add_func("/riscv64/fp/integers", test_integers);
    g_test_add_func("/riscv64/fp/modular", test_modular);
    return g_test_run();
}
