/* SPDX-License-Identifier: MIT */
/*
 * Floating-point state in memory (helper/fpstate.c).  The layouts are judged by this host's processor,
 * which loads what was saved; the rest by what the manual says of headers and faults.
 */
#include "rhea/osdep.h"

#include "target/x86_64/fpu.h"
#include "target/x86_64/x87.h"
#include "fake.h"

enum { AREA = 0x40000, AREA_SIZE = 4096, INFO64 = X86_AREA_64 | X86_AREA_MODE64 };

static void fill_state(X86Env *env, GRand *rand)
{
    for (unsigned i = 0; i < 8; i++) {
        env->st[i].sig = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand) | 1ULL << 63;
        env->st[i].se = (uint16_t)(0x3f00 + g_rand_int_range(rand, 0, 0x200));
    }
    env->st[3].sig = 0;
    env->st[3].se = 0;
    env->st[5].se = 0x7fff;
    env->fpu_cw = 0x27f;
    env->fpu_sw = 5 << X87_TOP_SHIFT | X87_PE | X87_C3;
    env->fpu_tags = 0xbe;
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned k = 0; k < 4; k++) {
            env->xmm[i].l[k] = g_rand_int(rand);
            env->ymmh[i].l[k] = g_rand_int(rand);
        }
    }
    x86_set_mxcsr(env, 0x3fa1);
    env->pkru = 0x55;
}

/* All but the instruction and data pointers, which processors keep differently. */
static void assert_same_state(const X86Env *a, const X86Env *b)
{
    g_assert_cmphex(a->fpu_cw, ==, b->fpu_cw);
    g_assert_cmphex(a->fpu_sw, ==, b->fpu_sw);
    g_assert_cmphex(a->fpu_tags, ==, b->fpu_tags);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(a->st[i].sig, ==, b->st[i].sig);
        g_assert_cmphex(a->st[i].se, ==, b->st[i].se);
    }
    g_assert_cmpmem(a->xmm, sizeof(a->xmm), b->xmm, sizeof(b->xmm));
    g_assert_cmphex(x86_get_mxcsr(a), ==, x86_get_mxcsr(b));
}

/* What the processor saves after it has loaded @area: 512 bytes in place. */
static void through_fxsave(uint8_t *area)
{
    static uint8_t mine[512] __attribute__((aligned(16)));

    __asm__ volatile("fxsave64 %0\n\tfxrstor64 %1\n\tfxsave64 %1\n\tfxrstor64 %0"
                     : "+m"(*(uint8_t(*)[512])mine), "+m"(*(uint8_t(*)[512])area));
}

/* FRSTOR of @area and FNSAVE there. */
static void through_fnsave(uint8_t *area)
{
    static uint8_t mine[512] __attribute__((aligned(16)));

    __asm__ volatile("fxsave64 %0\n\tfrstor %1\n\tfnsave %1\n\tfxrstor64 %0"
                     : "+m"(*(uint8_t(*)[512])mine), "+m"(*(uint8_t(*)[108])area));
}

static void test_fxsave(void)
{
    X86Env *env = fake_long(0);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    static uint8_t copy[512] __attribute__((aligned(16)));
    g_autofree X86Env *before = NULL;

    fill_state(env, rand);
    before = g_memdup2(env, sizeof(*env));
    x86_helper_fxsave(env, AREA, INFO64, 0, 0);
    memcpy(copy, fake.ram + AREA, sizeof(copy));
    through_fxsave(copy);
    memcpy(fake.ram + AREA, copy, sizeof(copy));
    fill_state(env, rand);
    x86_helper_fxrstor(env, AREA, INFO64, 0, 0);
    assert_same_state(before, env);
}

static void test_fnsave(void)
{
    X86Env *env = fake_protected(0);
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    static uint8_t copy[108];
    g_autofree X86Env *before = NULL;

    fill_state(env, rand);
    before = g_memdup2(env, sizeof(*env));
    x86_helper_x87_stenv(env, AREA, X86_AREA_32 | X86_AREA_REGS, 0, 0);
    g_assert_cmphex(env->fpu_cw, ==, X87_CW_DEFAULT); /* FNSAVE initializes */
    g_assert_cmphex(env->fpu_tags, ==, 0);
    memcpy(copy, fake.ram + AREA, sizeof(copy));
    through_fnsave(copy);
    memcpy(fake.ram + AREA, copy, sizeof(copy));
    x86_helper_x87_ldenv(env, AREA, X86_AREA_32 | X86_AREA_REGS, 0, 0);
    assert_same_state(before, env);
}

/* Every format of the environment gives back what it holds. */
static void test_environments(void)
{
    X86Env *env = fake_protected(0);
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (unsigned how = 0; how < 4; how++) {
        fill_state(env, rand);
        env->fpu_ip = 0x12345;
        env->fpu_dp = 0x54321;
        env->fpu_op = 0x123;
        x86_helper_x87_stenv(env, AREA, how, 0, 0);
        g_assert_cmphex(env->fpu_cw & X87_EXCEPTIONS, ==, X87_EXCEPTIONS);
        env->fpu_sw = env->fpu_tags = 0;
        env->fpu_ip = env->fpu_dp = env->fpu_op = 0;
        x86_helper_x87_ldenv(env, AREA, how, 0, 0);
        g_assert_cmphex(env->fpu_sw, ==, (5 << X87_TOP_SHIFT | X87_PE | X87_C3));
        g_assert_cmphex(env->fpu_tags, ==, 0xbe);
        g_assert_cmphex(env->fpu_ip, ==, how ? 0x12345 : 0x2345);
        g_assert_cmphex(env->fpu_dp, ==, how ? 0x54321 : 0x4321);
        g_assert_cmphex(env->fpu_op, ==, how ? 0x123 : 0);
    }
}

enum { X87 = 1, SSE = 2, AVX = 4 };

static X86Env *xsave_cpu(void)
{
    X86Env *env = fake_long(0);
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);

    env->xcr0 = X87 | SSE | AVX;
    fill_state(env, rand);
    return env;
}

static void test_xsave(void)
{
    X86Env *env = xsave_cpu();
    g_autofree X86Env *before = g_memdup2(env, sizeof(*env));

    for (unsigned compact = 0; compact < 2; compact++) {
        unsigned how = INFO64 | (compact ? X86_AREA_COMPACT | X86_AREA_OPT : 0);

        memset(fake.ram + AREA, 0, AREA_SIZE);
        x86_helper_xsave(env, AREA, ~0ULL, how, 0);
        g_assert_cmphex(fake_get(AREA + 512, 8), ==, X87 | SSE | AVX);
        g_assert_cmphex(fake_get(AREA + 520, 8), ==, compact ? 1ULL << 63 | 7 : 0);
        g_assert_cmpmem(fake.ram + AREA + 576, 256, env->ymmh, 256);
        memset(env->ymmh, 0, sizeof(env->ymmh));
        memset(env->xmm, 0, sizeof(env->xmm));
        x86_set_mxcsr(env, X86_MXCSR_DEFAULT);
        x86_helper_x87_init(env, 0, 0, 0, 0);
        x86_helper_xrstor(env, AREA, ~0ULL, INFO64, 0);
        assert_same_state(before, env);
        g_assert_cmpmem(before->ymmh, 256, env->ymmh, 256);
    }
}

/* Components that were not asked for stay; absent ones get their initial state. */
static void test_xrstor_parts(void)
{
    X86Env *env = xsave_cpu();
    g_autofree X86Env *before = g_memdup2(env, sizeof(*env));

    x86_helper_xsave(env, AREA, SSE, INFO64, 0);
    g_assert_cmphex(fake_get(AREA + 512, 8), ==, SSE);
    memset(env->xmm, 0xaa, sizeof(env->xmm));
    x86_helper_xrstor(env, AREA, SSE | AVX, INFO64, 0);
    g_assert_cmpmem(before->xmm, 256, env->xmm, 256);
    g_assert_cmphex(env->ymmh[7].q[1], ==, 0);
    g_assert_cmphex(env->fpu_tags, ==, before->fpu_tags);
    x86_helper_xrstor(env, AREA, X87, INFO64, 0);
    g_assert_cmphex(env->fpu_cw, ==, X87_CW_DEFAULT);
    g_assert_cmphex(env->st[0].sig, ==, 0);
}

/* A component in its initial state is told to be: by XGETBV, and by XSAVEC, for which MXCSR counts. */
static void test_in_use(void)
{
    X86Env *env = xsave_cpu();
    unsigned how = INFO64 | X86_AREA_COMPACT | X86_AREA_OPT;

    g_assert_cmphex(x86_helper_xgetbv(env, 1, 0, 0, 0), ==, X87 | SSE | AVX);
    memset(env->ymmh, 0, sizeof(env->ymmh));
    memset(env->xmm, 0, sizeof(env->xmm));
    g_assert_cmphex(x86_helper_xgetbv(env, 1, 0, 0, 0), ==, X87);
    x86_set_mxcsr(env, X86_MXCSR_DEFAULT | X86_MXCSR_RC);
    x86_helper_xsave(env, AREA, ~0ULL, how, 0);
    g_assert_cmphex(fake_get(AREA + 512, 8), ==, X87 | SSE);
    x86_set_mxcsr(env, X86_MXCSR_DEFAULT);
    x86_helper_xrstor(env, AREA, ~0ULL, INFO64, 0);
    g_assert_cmphex(x86_get_mxcsr(env), ==, X86_MXCSR_DEFAULT | X86_MXCSR_RC);
    x86_set_mxcsr(env, X86_MXCSR_DEFAULT);
    x86_helper_xsave(env, AREA, ~0ULL, how, 0);
    g_assert_cmphex(fake_get(AREA + 512, 8), ==, X87);
}

static void test_faults(void)
{
    X86Env *env = xsave_cpu();

    g_assert_cmpint(fake_raises(x86_helper_fxsave(env, AREA + 8, INFO64, 0, 0)), ==, X86_EXC_GP);
    g_assert_cmpint(fake_raises(x86_helper_xsave(env, AREA + 32, 7, INFO64, 0)), ==, X86_EXC_GP);
    g_assert_cmpint(fake_raises(x86_helper_fxsave(env, 8 << 20, INFO64, 0, 0)), ==, X86_EXC_PF);
    x86_helper_xsave(env, AREA, 7, INFO64, 0);
    fake_put(AREA + 24, 0x10000, 4); /* a reserved bit of MXCSR */
    g_assert_cmpint(fake_raises(x86_helper_fxrstor(env, AREA, INFO64, 0, 0)), ==, X86_EXC_GP);
    g_assert_cmpint(fake_raises(x86_helper_xrstor(env, AREA, 7, INFO64, 0)), ==, X86_EXC_GP);
    fake_put(AREA + 24, 0x1f80, 4);
    fake_put(AREA + 512, 8, 8); /* a component that XCR0 lacks */
    g_assert_cmpint(fake_raises(x86_helper_xrstor(env, AREA, 7, INFO64, 0)), ==, X86_EXC_GP);
    fake_put(AREA + 512, 7, 8);
    fake_put(AREA + 520, 7, 8); /* a layout without the bit for compaction */
    g_assert_cmpint(fake_raises(x86_helper_xrstor(env, AREA, 7, INFO64, 0)), ==, X86_EXC_GP);
    fake_put(AREA + 520, 0, 8);
    g_assert_cmpint(fake_raises(x86_helper_xrstor(env, AREA, 7, INFO64, 0)), ==, -1);
}

/* Exceptions of x87 wait for the next instruction, those of SSE do not. */
static void test_exceptions(void)
{
    X86Env *env = xsave_cpu();

    x86_helper_x87_init(env, 0, 0, 0, 0);
    x86_helper_x87_unary(env, 0xee, 0, 0, 0); /* FLDZ */
    x86_helper_x87_ldcw(env, X87_CW_DEFAULT & ~X87_ZE, 0, 0, 0);
    x86_helper_x87_arith_mem(env, 7, X87_I16, 1, 0); /* 1 / 0 */
    g_assert_cmphex(env->fpu_sw & (X87_ES | X87_ZE), ==, X87_ES | X87_ZE);
    g_assert_cmphex(env->st[7].sig, ==, 0); /* nothing was written */
    env->cr0 |= X86_CR0_NE;
    g_assert_cmpint(fake_raises(x86_helper_x87_check(env, 0, 0, 0, 0)), ==, X86_EXC_MF);
    x86_helper_x87_clex(env, 0, 0, 0, 0);
    g_assert_cmpint(fake_raises(x86_helper_x87_check(env, 0, 0, 0, 0)), ==, -1);

    x86_set_mxcsr(env, X86_MXCSR_DEFAULT & ~(1u << 9)); /* ZE */
    x86_helper_fp_begin(env, 0, 0, 0, 0);
    env->tcg.fp_flags = IR_FP_DIVBYZERO | IR_FP_INEXACT;
    env->cr4 |= 1 << 10;
    g_assert_cmpint(fake_raises(x86_helper_fp_end(env, 0, 0, 0, 0)), ==, X86_EXC_XM);
    g_assert_cmphex(x86_get_mxcsr(env) & X86_MXCSR_FLAGS, ==, 1 << 2);
    env->cr4 &= ~(1ULL << 10);
    x86_helper_fp_begin(env, 0, 0, 0, 0);
    env->tcg.fp_flags = IR_FP_DIVBYZERO;
    g_assert_cmpint(fake_raises(x86_helper_fp_end(env, 0, 0, 0, 0)), ==, X86_EXC_UD);
    g_assert_cmpint(fake_raises(x86_helper_ldmxcsr(env, 1 << 16, 0, 0, 0)), ==, X86_EXC_GP);
}

/* Out of a snapshot: all of MXCSR stays, what is none of it goes. */
static void test_loaded_mxcsr(void)
{
    X86Env *env = xsave_cpu();

    x86_set_mxcsr(env, X86_MXCSR_VALID);
    x86_check_mxcsr(env);
    g_assert_cmphex(x86_get_mxcsr(env), ==, X86_MXCSR_VALID);
    env->mxcsr = env->tcg.fp_flags = env->tcg.fp_round = UINT32_MAX;
    x86_check_mxcsr(env);
    g_assert_cmphex(env->mxcsr, ==, X86_MXCSR_MASKS);
    g_assert_cmphex(env->tcg.fp_flags, ==, IR_FP_FLAGS);
    g_assert_cmphex(env->tcg.fp_round, ==, IR_ROUND_UP | IR_ROUND_FTZ | IR_ROUND_DAZ);
    x86_set_mxcsr(env, X86_MXCSR_DEFAULT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86_64/fpu/fxsave", test_fxsave);
    g_test_add_func("/x86_64/fpu/fnsave", test_fnsave);
    g_test_add_func("/x86_64/fpu/environments", test_environments);
    g_test_add_func("/x86_64/fpu/xsave", test_xsave);
    g_test_add_func("/x86_64/fpu/in-use", test_in_use);
    g_test_add_func("/x86_64/fpu/xrstor-parts", test_xrstor_parts);
    g_test_add_func("/x86_64/fpu/faults", test_faults);
    g_test_add_func("/x86_64/fpu/exceptions", test_exceptions);
    g_test_add_func("/x86_64/fpu/loaded-mxcsr", test_loaded_mxcsr);
    return g_test_run();
}
