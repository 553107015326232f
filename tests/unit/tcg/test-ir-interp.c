/* SPDX-License-Identifier: MIT */
/*
 * The interpreter (tcg/ir-interp.c), the ops it runs (ir-eval.h, op-helpers.c), and their expansion
 * (expand.c), against results worked out by hand.
 */
#include "rhea/osdep.h"

#include "../../ir/ir-text.h"

typedef struct OpRow {
    const char *op; /* of x0 and x1 (i64) or w0 and w1 (i32), into x2 or w1 */
    uint64_t a, b, result;
} OpRow;

static const OpRow rows64[] = {
    {"add", ~0ULL, 2, 1},
    {"sub", 1, 2, ~0ULL},
    {"shl", 1, 65, 2},
    {"shr", 1ULL << 63, 63, 1},
    {"sar", 1ULL << 63, 63, ~0ULL},
    {"mulhu", ~0ULL, ~0ULL, ~1ULL},
    {"mulhs", ~0ULL, ~0ULL, 0},
    {"mulhs", 1ULL << 63, 2, ~0ULL},
    {"divu", 100, 7, 14},
    {"divs", -100, 7, -14},
    {"remu", 100, 7, 2},
    {"rems", -100, 7, -2},
    {"andn", 0xff, 0x0f, 0xf0},
    {"rotl", 0x8000000000000001, 4, 0x18},
    {"rotl", 0x123, 0, 0x123},
    {"rotr", 1, 1, 1ULL << 63},
    {"clmul", 3, 3, 5},
    {"clmulh", 1ULL << 63, 4, 2},
};

static const OpRow rows32[] = {
    {"add", 0xffffffff, 2, 1},           {"shl", 1, 33, 2},
    {"shr", 0x80000000, 31, 1},          {"sar", 0x80000000, 31, 0xffffffff},
    {"divu", 0x80000000, 3, 0x2aaaaaaa}, {"divs", 0x80000000, 3, 0xd5555556},
    {"rems", 0x80000000, 3, 0xfffffffe}, {"rotl", 0x80000001, 4, 0x18},
    {"rotr", 1, 1, 0x80000000},
};

static const OpRow unary[] = {
    {"neg", 1, 0, ~0ULL},
    {"not", 0, 0, ~0ULL},
    {"clz", 0, 0, 64},
    {"clz", 1, 0, 63},
    {"ctz", 0, 0, 64},
    {"ctz", 0x100, 0, 8},
    {"popcnt", ~0ULL, 0, 64},
    {"bswap", 0x0102030405060708, 0, 0x0807060504030201},
    {"sext8", 0x180, 0, 0xffffffffffffff80},
    {"sext16", 0x18000, 0, 0xffffffffffff8000},
    {"zext8", 0x1ff, 0, 0xff},
    {"zext16", 0x1ffff, 0, 0xffff},
};

/* Runs @text, plain and with everything expanded that can be. */
static void run_both(const char *text, const FxState *before, FxState *after)
{
    static const bool has[IR_NOPS];
    FxEnv *fx = fx_new();
    Ir *ir = ir_from_text(text);
    g_autofree FxState *plain = g_new0(FxState, 1);

    fx_interpret(fx, ir, before, plain);
    ir_expand(ir, has);
    g_assert_cmpstr(ir_verify(ir), ==, NULL);
    fx_interpret(fx, ir, before, after);
    g_assert_cmpstr(fx_difference(plain, after), ==, NULL);
    ir_free(ir);
    fx_free(fx);
}

static void test_ops(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    for (unsigned i = 0; i < ARRAY_SIZE(rows64); i++) {
        g_autofree char *text = g_strdup_printf("%%0:i64 = get x0\n%%1:i64 = get x1\n"
                                                "%%2:i64 = %s %%0 %%1\nput x2 %%2\ngoto +0x0\n",
                                                rows64[i].op);

        before->x[0] = rows64[i].a;
        before->x[1] = rows64[i].b;
        run_both(text, before, after);
        g_assert_cmphex(after->x[2], ==, rows64[i].result);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(rows32); i++) {
        g_autofree char *text = g_strdup_printf("%%0:i32 = get w0\n%%1:i32 = get w1\n"
                                                "%%2:i32 = %s %%0 %%1\nput w1 %%2\ngoto +0x0\n",
                                                rows32[i].op);

        before->w[0] = rows32[i].a;
        before->w[1] = rows32[i].b;
        run_both(text, before, after);
        g_assert_cmphex(after->w[1], ==, rows32[i].result);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(unary); i++) {
        g_autofree char *text = g_strdup_printf("%%0:i64 = get x0\n%%2:i64 = %s %%0\nput x2 %%2\n"
                                                "goto +0x0\n",
                                                unary[i].op);

        before->x[0] = unary[i].a;
        run_both(text, before, after);
        g_assert_cmphex(after->x[2], ==, unary[i].result);
    }
}

/* Sums with a carry, and the carry out of them. */
static void test_carries(void)
{
    static const struct {
        uint64_t a, b, in, adc, carry, sbb, borrow;
    } rows[] = {
        {1, 2, 0, 3, 0, ~0ULL, 1},
        {~0ULL, 0, 1, 0, 1, ~0ULL - 1, 0},
        {~0ULL, ~0ULL, 1, ~0ULL, 1, ~0ULL, 1},
        {5, 5, 1, 11, 0, ~0ULL, 1},
        {0, ~0ULL, 0, ~0ULL, 0, 1, 1},
        {0, ~0ULL, 1, 0, 1, 0, 1},
    };
    static const char *const text = "%0:i64 = get x0\n%1:i64 = get x1\n%2:i32 = get w0\n"
                                    "%3:i64 = adc %0 %1 %2\n%4:i32 = carry %0 %1 %2\n"
                                    "%5:i64 = sbb %0 %1 %2\n%6:i32 = borrow %0 %1 %2\n"
                                    "put x2 %3\nput w0 %4\nput x3 %5\nput w1 %6\ngoto +0x0\n";
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        before->x[0] = rows[i].a;
        before->x[1] = rows[i].b;
        before->w[0] = (uint32_t)rows[i].in;
        run_both(text, before, after);
        g_assert_cmphex(after->x[2], ==, rows[i].adc);
        g_assert_cmphex(after->w[0], ==, rows[i].carry);
        g_assert_cmphex(after->x[3], ==, rows[i].sbb);
        g_assert_cmphex(after->w[1], ==, rows[i].borrow);
    }
}

static void test_conditions(void)
{
    static const struct {
        const char *cond;
        bool less, equal; /* for -1 against 1, and 1 against 1 */
    } rows[] = {
        {"eq", false, true},  {"ne", true, false},  {"lt", true, false},   {"ge", false, true},
        {"le", true, true},   {"gt", false, false}, {"ltu", false, false}, {"geu", true, true},
        {"leu", false, true}, {"gtu", true, false},
    };
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    before->x[0] = -1;
    before->w[0] = -1;
    before->x[1] = 1;
    before->w[1] = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *text = g_strdup_printf(
            "%%0:i64 = get x0\n%%1:i64 = get x1\n%%2:i32 = get w0\n%%3:i32 = get w1\n"
            "%%4:i64 = setcond.%s %%0 %%1\n%%5:i64 = setcond.%s %%2 %%3\n"
            "%%6:i64 = movcond.%s %%1 %%1 %%0 %%1\nput x2 %%4\nput x3 %%5\nput x4 %%6\n"
            "exit_if.%s %%0 %%1 +0x40\ngoto +0x80\n",
            rows[i].cond, rows[i].cond, rows[i].cond, rows[i].cond);

        run_both(text, before, after);
        g_assert_cmphex(after->x[2], ==, rows[i].less);
        g_assert_cmphex(after->x[3], ==, rows[i].less);
        g_assert_cmphex(after->x[4], ==, rows[i].equal ? ~0ULL : 1);
        g_assert_cmphex(after->pc, ==, FX_PC_PAGE + (rows[i].less ? 0x40 : 0x80));
    }
}

/* Widths and extensions, through the TLB and through the slow path (page 2). */
static void test_memory(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);
    static const char text[] =
        "%0:i64 = get x0\n%1:i64 = load %0 s8 mmu0 +0x0\n%2:i64 = load %0 u16 mmu1 +0x0\n"
        "%3:i64 = load %0 s32 mmu0 +0x1\n%4:i32 = load %0 s16 mmu0 +0x0\nput x1 %1\nput x2 %2\n"
        "put x3 %3\nput w0 %4\nstore %0 %3 u16 mmu0 +0xffe\ngoto +0x0\n";

    for (unsigned page = 0; page < 3; page++) {
        uint64_t at = page * 4096 + 1;

        memset(before->ram, 0, sizeof(before->ram));
        memcpy(before->ram + at, (uint8_t[]){0x81, 0x92, 0xa3, 0xb4, 0xc5}, 5);
        before->x[0] = FX_RAM + at;
        run_both(text, before, after);
        g_assert_cmphex(after->x[1], ==, 0xffffffffffffff81);
        g_assert_cmphex(after->x[2], ==, 0x9281);
        g_assert_cmphex(after->x[3], ==, 0xffffffffc5b4a392);
        g_assert_cmphex(after->w[0], ==, 0xffff9281);
        g_assert_cmphex(after->ram[at + 0xffe], ==, 0x92); /* across the page's end */
        g_assert_cmphex(after->ram[at + 0xfff], ==, 0xa3);
    }
}

/* A fault leaves with the state before it, and its own pc. */
static void test_fault(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    before->x[0] = FX_RAM + 1;
    run_both("insn +0x10\n%0:i64 = get x0\nput x1 %0\ninsn +0x14\n"
             "%1:i64 = load %0 u16.align mmu0 +0x0\nput x2 %1\nput x1 %1\nexit +0x18\n",
             before, after);
    g_assert_cmpint(after->leave, ==, FX_RAISED);
    g_assert_cmphex(after->pc, ==, FX_PC_PAGE + 0x14);
    g_assert_cmphex(after->x[1], ==, FX_RAM + 1);
    g_assert_cmphex(after->x[2], ==, 0);
}

static void test_ends(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    before->x[0] = 0x123456789a;
    run_both("%0:i64 = get x0\ngoto_ind.call %0\n", before, after);
    g_assert_cmpint(after->leave, ==, FX_GOTO);
    g_assert_cmphex(after->pc, ==, 0x123456789a);
    run_both("exit -0x10\n", before, after);
    g_assert_cmpint(after->leave, ==, FX_EXIT);
    g_assert_cmphex(after->pc, ==, FX_PC_PAGE - 0x10);
    run_both("%0:i64 = pc +0x123\nput x1 %0\ncall raise\nexit +0x0\n", before, after);
    g_assert_cmpint(after->leave, ==, FX_RAISED);
    g_assert_cmphex(after->x[1], ==, FX_PC_PAGE + 0x123);
}

static void test_atomics(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);
    uint64_t word = 0xffffffff80000005;

    before->x[0] = FX_RAM + 8;
    before->x[1] = 3;
    memcpy(before->ram + 8, &word, sizeof(word));
    run_both("%0:i64 = get x0\n%1:i64 = get x1\n"
             "%2:i64 = atomic.max %0 %1 s32.align mmu0 +0x0\n"
             "%3:i64 = atomic.maxu %0 %1 u64.align mmu0 +0x0\n"
             "%4:i64 = cas %0 %3 %1 u64.align mmu0 +0x0\n"
             "%5:i64 = cas %0 %3 %0 u64.align mmu0 +0x0\nput x2 %2\nput x3 %3\nput x4 %4\n"
             "put x5 %5\ngoto +0x0\n",
             before, after);
    g_assert_cmphex(after->x[2], ==, 0xffffffff80000005);
    g_assert_cmphex(after->x[3], ==, 0xffffffff00000003);
    g_assert_cmphex(after->x[4], ==, 0xffffffff00000003);
    g_assert_cmphex(after->x[5], ==, 3);
    memcpy(&word, after->ram + 8, sizeof(word));
    g_assert_cmphex(word, ==, 3);
}

static void test_float(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    before->d[0] = 0x4008000000000000; /* 3.0 */
    before->s[0] = 0x3f800000;         /* 1.0 */
    run_both("%0:f64 = get d0\n%1:f32 = get s0\n%2:f64 = fmul %0 %0\n%3:f64 = fma.sub %0 %0 %0\n"
             "%4:f32 = fcvt_f.current %0\n%5:f32 = fdiv %1 %4\n%6:i64 = fcvt_si.up %2\n"
             "%7:i64 = fcmp.lt %0 %2\n%8:f64 = fbox %5\nput d1 %2\nput d2 %3\nput s1 %5\n"
             "put x0 %6\nput x1 %7\nput d3 %8\n%9:f32 = funbox %0\nput s0 %9\ngoto +0x0\n",
             before, after);
    g_assert_cmphex(after->d[1], ==, 0x4022000000000000); /* 9.0 */
    g_assert_cmphex(after->d[2], ==, 0x4018000000000000); /* 6.0 */
    g_assert_cmphex(after->s[1], ==, 0x3eaaaaab);         /* 1/3 */
    g_assert_cmphex(after->d[3], ==, 0xffffffff3eaaaaab);
    g_assert_cmphex(after->s[0], ==, 0x7fc00000); /* not a boxed float */
    g_assert_cmphex(after->x[0], ==, 9);
    g_assert_cmphex(after->x[1], ==, 1);
    g_assert_cmphex(after->fp_flags, ==, IR_FP_INEXACT);
}

typedef struct VecRow {
    const char *op; /* of v0 and v1 (one: of v0), into v2 */
    bool one;
    IrV128 a, b, result;
} VecRow;

#define W4(w3, w2, w1, w0)                                                                         \
    {                                                                                              \
        .u32 = { w0, w1, w2, w3 }                                                                  \
    }

static const VecRow vec_rows[] = {
    {"vadd.8", false, W4(0, 0, 0, 0x01ff80ff), W4(0, 0, 0, 0x01018001), W4(0, 0, 0, 0x02000000)},
    {"vaddss.16", false, W4(0, 0, 0, 0x7fff8000), W4(0, 0, 0, 0x0001ffff), W4(0, 0, 0, 0x7fff8000)},
    {"vsubus.8", false, W4(0, 0, 0, 0x05), W4(0, 0, 0, 0x06), W4(0, 0, 0, 0)},
    {"vmadd.16", false, W4(0, 0, 0, 0x00020003), W4(0, 0, 0, 0xffff0005), W4(0, 0, 0, 13)},
    {"vsad.8", false, W4(0, 0, 0, 0x01020304), W4(0, 0, 0, 0x04030201), W4(0, 0, 0, 8)},
    {"vpacku.16", false, W4(0, 0, 0, 0x0123fffe), W4(0, 0, 0, 0x42), W4(0, 0x42, 0, 0xff00)},
    {"vshl.32", false, W4(1, 1, 1, 1), W4(9, 9, 0, 4), W4(16, 16, 16, 16)},
    {"vshl.32", false, W4(1, 1, 1, 1), W4(0, 0, 1, 0), W4(0, 0, 0, 0)},
    {"vsari.16 +0x20", true, W4(0, 0, 0, 0x80007fff), {{0}}, W4(0, 0, 0, 0xffff0000)},
    {"valign +0x4", false, W4(7, 6, 5, 4), W4(3, 2, 1, 0), W4(4, 3, 2, 1)},
    {"vshuf.32 +0x1b", true, W4(3, 2, 1, 0), {{0}}, W4(0, 1, 2, 3)},
    {"vunpkhi.32", false, W4(3, 2, 1, 0), W4(7, 6, 5, 4), W4(7, 3, 6, 2)},
    {"vsext.8 +0x2", true, W4(0, 0, 0, 0x807f01ff), {{0}}, W4(0xffffff80, 0x7f, 1, 0xffffffff)},
    /* FIPS 197, appendix B, round 1 */
    {"vaesenc", false, W4(0x0848f8e9, 0x2a8dc69a, 0x2be2f4a0, 0xbee33d19),
     W4(0x05766c2a, 0x3939a323, 0xb12c5488, 0x17fefaa0),
     W4(0x49506a02, 0x43ea5b6b, 0x2b359f68, 0xf27f9ca4)},
    {"vclmul +0x10", false, W4(0, 0, 0, 3), W4(0, 7, 0, 0), W4(0, 0, 0, 9)},
    /* 1.0f + 2^-24 of the lowest lane alone, to nearest */
    {"vfadd.ss", false, W4(1, 2, 3, 0x3f800000), W4(4, 5, 6, 0x33800000), W4(1, 2, 3, 0x3f800000)},
    /* the first NaN, made quiet; the default NaN is negative */
    {"vfmul.ps", false, W4(0x7f800001, 0x3f800000, 0x7f800000, 0), W4(0x7fc12345, 0xff800002, 0, 0),
     W4(0x7fc00001, 0xffc00002, 0xffc00000, 0)},
    {"vfmin.pd", false, W4(0x7ff80000, 0, 0x3ff00000, 0), W4(0x40000000, 0, 0x7ff00000, 1),
     W4(0x40000000, 0, 0x7ff00000, 1)},
    {"vfcmp.pd +0x4", false, W4(0x7ff80000, 0, 0x3ff00000, 0), W4(0, 0, 0x3ff00000, 0),
     W4(~0u, ~0u, 0, 0)},
    {"vftoi.ps +0x0",
     true,
     W4(0x3fc00000, 0x40200000, 0x7f800000, 0xbfc00000),
     {{0}},
     W4(2, 2, 0x80000000, 0xfffffffe)},
};

static void test_vectors(void)
{
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    for (unsigned i = 0; i < ARRAY_SIZE(vec_rows); i++) {
        const VecRow *row = &vec_rows[i];
        g_auto(GStrv) parts = g_strsplit(row->op, " ", 2);
        g_autofree char *text =
            g_strdup_printf("%%0:v128 = get v0\n%%1:v128 = get v1\n%%2:v128 = %s %%0 %s %s\nput v2 "
                            "%%2\ngoto +0x0\n",
                            parts[0], row->one ? "" : "%1", parts[1] ? parts[1] : "");

        before->v[0] = row->a;
        before->v[1] = row->b;
        run_both(text, before, after);
        g_test_message("%s", row->op);
        g_assert_cmphex(after->v[2].u64[0], ==, row->result.u64[0]);
        g_assert_cmphex(after->v[2].u64[1], ==, row->result.u64[1]);
    }
}

/* Denormal operands and tiny results, under each rule for them. */
static void test_denormals(void)
{
    static const struct {
        uint32_t mode, result, flags;
    } rows[] = {
        {0, 0x00400000, IR_FP_DENORMAL},
        {IR_ROUND_DAZ, 0, 0},
        {IR_ROUND_FTZ, 0, IR_FP_DENORMAL | IR_FP_UNDERFLOW | IR_FP_INEXACT},
    };
    g_autofree FxState *before = g_new0(FxState, 1), *after = g_new0(FxState, 1);

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        before->v[0].u32[0] = 0x00200000;
        before->v[1].u32[0] = 0x40000000; /* 2.0 */
        before->fp_round = rows[i].mode;
        run_both("%0:v128 = get v0\n%1:v128 = get v1\n%2:v128 = vfmul.ss %0 %1\nput v2 %2\n"
                 "goto +0x0\n",
                 before, after);
        g_assert_cmphex(after->v[2].u32[0], ==, rows[i].result);
        g_assert_cmphex(after->fp_flags, ==, rows[i].flags);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/interp/ops", test_ops);
    g_test_add_func("/interp/carries", test_carries);
    g_test_add_func("/interp/conditions", test_conditions);
    g_test_add_func("/interp/memory", test_memory);
    g_test_add_func("/interp/fault", test_fault);
    g_test_add_func("/interp/ends", test_ends);
    g_test_add_func("/interp/atomics", test_atomics);
    g_test_add_func("/interp/float", test_float);
    g_test_add_func("/interp/vectors", test_vectors);
    g_test_add_func("/interp/denormals", test_denormals);
    return g_test_run();
}
