/* SPDX-License-Identifier: MIT */
/*
 * x87 arithmetic in integers (helper/x87-soft.c) against this host's x87 (helper/x87-host.c), values and
 * flags, on random and on telling numbers.
 */
#include "rhea/osdep.h"

/* Both have the same names: the soft ones are included under others. */
#define x87_binary   soft_binary
#define x87_unary    soft_unary
#define x87_compare  soft_compare
#define x87_from     soft_from
#define x87_to       soft_to
#define x87_constant soft_constant
#include "../../../../target/x86_64/helper/x87-soft.c"
#undef x87_binary
#undef x87_unary
#undef x87_compare
#undef x87_from
#undef x87_to
#undef x87_constant

unsigned x87_binary(X87Binary op, uint16_t cw, const X86Fp80 *a, const X86Fp80 *b, X86Fp80 *r);
unsigned x87_unary(X87Unary op, uint16_t cw, const X86Fp80 *a, X86Fp80 *r, X86Fp80 *r2);
unsigned x87_compare(X87Compare op, const X86Fp80 *a, const X86Fp80 *b);
unsigned x87_from(X87Kind kind, const uint64_t v[2], X86Fp80 *r);
unsigned x87_to(X87Kind kind, uint16_t cw, const X86Fp80 *a, uint64_t v[2]);
void x87_constant(X87Const n, uint16_t cw, X86Fp80 *r);

enum { ROUNDS = 20000 };

static GRand *rnd;

static uint64_t random64(void)
{
    return (uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd);
}

static X86Fp80 random_number(void)
{
    static const uint16_t exponents[] = {0,      1,      2,      0x3fff, 0x3ffe, 0x4000, 0x7fff,
                                         0x7ffe, 0x403e, 0x403d, 0x3f81, 0x3c01, 0x43fe, 0x407f};
    static const uint64_t sigs[] = {0,         1, 1ULL << 63, ~0ULL, 3ULL << 62, 1ULL << 63 | 1,
                                    1ULL << 62};
    X86Fp80 v = {.sig = random64() | 1ULL << 63,
                 .se = exponents[g_rand_int_range(rnd, 0, ARRAY_SIZE(exponents))]};

    if (g_rand_int_range(rnd, 0, 3) == 0) {
        v.sig = sigs[g_rand_int_range(rnd, 0, ARRAY_SIZE(sigs))];
    } else if (g_rand_int_range(rnd, 0, 3) == 0) {
        v.se = (uint16_t)(0x3fff + g_rand_int_range(rnd, -70, 70));
    }
    v.se |= (uint16_t)(g_rand_boolean(rnd) << 15);
    return v;
}

static uint16_t random_control(bool full)
{
    static const uint16_t precisions[] = {0x300, 0x200, 0x000},
                          masks[] = {0x7f, 0x7f, 0x77, 0x6f, 0x67};

    return (uint16_t)(masks[g_rand_int_range(rnd, 0, ARRAY_SIZE(masks))] |
                      g_rand_int_range(rnd, 0, 4) << 10 |
                      (full ? 0x300 : precisions[g_rand_int_range(rnd, 0, 3)]));
}

static void assert_same(const char *what, int op, uint16_t cw, const X86Fp80 *a, const X86Fp80 *b,
                        const X86Fp80 *want, const X86Fp80 *got, unsigned want_sw, unsigned got_sw)
{
    if (want->sig != got->sig || want->se != got->se || want_sw != got_sw) {
        g_error("%s %d cw %04x of %04x:%016" PRIx64 " and %04x:%016" PRIx64 " is %04x:%016" PRIx64
                " (%04x), wanted %04x:%016" PRIx64 " (%04x)",
                what, op, cw, a->se, a->sig, b->se, b->sig, got->se, got->sig, got_sw, want->se,
                want->sig, want_sw);
    }
}

/* Tiny results of less than full precision are left out: where they are rounded is not documented. */
static bool is_tiny(const X86Fp80 *v)
{
    return (v->se & 0x7fff) < 2;
}

static void test_binary(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        X87Binary op = (X87Binary)(i % (X87_SCALE + 1));
        bool rem = op == X87_PREM || op == X87_PREM1;
        X86Fp80 a = random_number(), b = random_number(), want, got;
        uint16_t cw = random_control(op >= X87_PREM);
        unsigned codes = rem ? X87_CC : X87_C1;
        unsigned w = x87_binary(op, cw, &a, &b, &want) & (X87_EXCEPTIONS | codes);
        unsigned g = soft_binary(op, cw, &a, &b, &got) & (X87_EXCEPTIONS | codes);

        if ((cw & 0x300) != 0x300 && (is_tiny(&want) || is_tiny(&got))) {
            continue;
        }
        if (rem && (w | g) & X87_C2) { /* how far one step goes is the processor's choice */
            continue;
        }
        if (w & X87_IE) {
            w &= ~(unsigned)X87_CC;
            g &= ~(unsigned)X87_CC;
        }
        assert_same("binary", op, cw, &a, &b, &want, &got, w, g);
    }
}

static void test_unary(void)
{
    static const X87Unary ops[] = {X87_SQRT, X87_RNDINT, X87_XTRACT};

    for (unsigned i = 0; i < ROUNDS; i++) {
        X87Unary op = ops[i % 3];
        X86Fp80 a = random_number(), want, got, want2 = {0}, got2 = {0};
        uint16_t cw = random_control(op != X87_SQRT);
        unsigned w = x87_unary(op, cw, &a, &want, &want2) & (X87_EXCEPTIONS | X87_C1);
        unsigned g = soft_unary(op, cw, &a, &got, &got2) & (X87_EXCEPTIONS | X87_C1);

        assert_same("unary", op, cw, &a, &a, &want, &got, w, g);
        if (op == X87_XTRACT) {
            assert_same("significand", op, cw, &a, &a, &want2, &got2, 0, 0);
        }
    }
}

static void test_compare(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        X87Compare op = (X87Compare)(i % (X87_XAM + 1));
        X86Fp80 a = random_number(), b = i & 8 ? a : random_number(), none = {0};
        unsigned w = x87_compare(op, &a, &b), g = soft_compare(op, &a, &b);

        assert_same("compare", op, 0, &a, &b, &none, &none, w, g);
    }
}

static void test_memory(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        X87Kind kind = (X87Kind)(i % (X87_BCD + 1));
        X86Fp80 a = random_number(), want, got;
        uint16_t cw = random_control(true);
        uint64_t w[2] = {0}, g[2] = {0};
        unsigned want_sw = x87_to(kind, cw, &a, w) & (X87_EXCEPTIONS | X87_C1);
        unsigned got_sw = soft_to(kind, cw, &a, g) & (X87_EXCEPTIONS | X87_C1);

        want = (X86Fp80){.sig = w[0], .se = (uint16_t)w[1]};
        got = (X86Fp80){.sig = g[0], .se = (uint16_t)g[1]};
        if (kind < X87_F80 || (kind >= X87_I16 && kind < X87_BCD)) {
            uint64_t mask = kind == X87_F32 || kind == X87_I32 ? 0xffffffff
                            : kind == X87_I16                  ? 0xffff
                                                               : ~0ULL;

            want.sig &= mask;
            got.sig &= mask;
        }
        assert_same("store", kind, cw, &a, &a, &want, &got, want_sw, got_sw);
        want_sw = x87_from(kind, w, &want) & X87_EXCEPTIONS;
        got_sw = soft_from(kind, w, &got) & X87_EXCEPTIONS;
        if (kind == X87_BCD && w[1] == 0xffff) {
            continue; /* digits above 9 */
        }
        assert_same("load", kind, cw, &a, &a, &want, &got, want_sw, got_sw);
    }
}

static void test_constants(void)
{
    for (unsigned i = 0; i < 4 * (X87_ZERO_CONST + 1); i++) {
        uint16_t cw = (uint16_t)(0x37f | i % 4 << 10);
        X86Fp80 want, got;

        x87_constant((X87Const)(i / 4), cw, &want);
        soft_constant((X87Const)(i / 4), cw, &got);
        assert_same("constant", (int)i / 4, cw, &want, &want, &want, &got, 0, 0);
    }
}

/* Not the same to the last bit, but nearly. */
static void test_transcendental(void)
{
    for (unsigned i = 0; i < 200; i++) {
        X87Unary op = (X87Unary)(X87_2XM1 + i % 3);
        X86Fp80 a = {.sig = random64() | 1ULL << 63, .se = (uint16_t)(0x3ff0 + i % 15)}, want, got,
                r2;

        x87_unary(op, X87_CW_DEFAULT, &a, &want, &r2);
        soft_unary(op, X87_CW_DEFAULT, &a, &got, &r2);
        g_assert_cmpint(want.se, ==, got.se);
        g_assert_cmpuint(want.sig > got.sig ? want.sig - got.sig : got.sig - want.sig, <, 16);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rnd = g_rand_new_with_seed(1);
    g_test_add_func("/x86_64/x87/binary", test_binary);
    g_test_add_func("/x86_64/x87/unary", test_unary);
    g_test_add_func("/x86_64/x87/compare", test_compare);
    g_test_add_func("/x86_64/x87/memory", test_memory);
    g_test_add_func("/x86_64/x87/constants", test_constants);
    g_test_add_func("/x86_64/x87/transcendental", test_transcendental);
    return g_test_run();
}
