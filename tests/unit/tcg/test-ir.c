/* SPDX-License-Identifier: MIT */
/* Building, text and verification (tcg/ir.c, ir-parse.c, ir-verify.c), and allocation (env.c). */
#include "rhea/osdep.h"

#include "../../ir/ir-text.h"

static void test_env(void)
{
    TcgEnv *env = tcg_env_new(sizeof(TcgEnv) + 1000);
    TcgTables *t = tcg_tables(env);

    g_assert_cmphex(t->tlb_read[0][0].tag, ==, ~0ULL);
    g_assert_cmphex(t->tlb_write[TCG_MMU_MODES - 1][(1 << TCG_TLB_BITS) - 1].tag, ==, ~0ULL);
    g_assert_null(t->jump[0].code);
    g_assert_cmpuint(env->exit_request, ==, 0);
    g_assert_cmpuint((uintptr_t)env % 64, ==, 0);
    tcg_env_free(env);
    tcg_env_free(NULL);
}

static void test_build(void)
{
    Ir *ir = ir_new(&fx_target), *copy;
    IrVal a = ir_get(ir, FX_X), b = ir_get(ir, FX_W);

    ir_put(ir, FX_X + 1, ir_add(ir, a, ir_un(ir, IR_SEXT32, b)));
    ir_store(ir, IR_MEM_32, 1, a, -4, b);
    ir_put(ir, FX_W + 1, ir_load(ir, IR_I32, IR_MEM_16 | IR_MEM_SIGNED | IR_MEM_ALIGN, 2, a, 8));
    ir_exit_if(ir, IR_GEU, a, ir_imm(ir, -1), 0x20);
    g_assert_cmpuint(ir_call(ir, FX_H_EFFECT, b, a, IR_NONE, IR_NONE), ==, IR_NONE);
    ir_goto_ind(ir, IR_RET, a);
    g_assert_cmpstr(ir_verify(ir), ==, NULL);
    copy = ir_dup(ir);
    {
        char *text = ir_to_text(copy);

        g_assert_cmpstr(text, ==,
                        "   %0:i64 = get x0\n   %1:i32 = get w0\n   %2:i64 = sext32 %1\n"
                        "   %3:i64 = add %0 %2\n   put x1 %3\n   store %0 %1 u32 mmu1 -0x4\n"
                        "   %6:i32 = load %0 s16.align mmu2 +0x8\n   put w1 %6\n"
                        "   %8:i64 = const -0x1\n   exit_if.geu %0 %8 +0x20\n"
                        "   call effect %1 %0\n   goto_ind.ret %0\n");
        free(text);
    }
    ir_free(ir);
    ir_free(copy);
}

/* A full block takes everything in silence, and says so. */
static void test_overflow(void)
{
    Ir *ir = ir_new(&fx_target);
    IrVal v = ir_get(ir, FX_X);

    for (unsigned i = 0; i < 2 * IR_MAX_INSNS; i++) {
        v = ir_add(ir, v, v);
        ir_put(ir, FX_X, v);
    }
    g_assert_true(ir->overflow);
    g_assert_cmpuint(ir->n, ==, IR_MAX_INSNS);
    ir_optimise(ir);
    ir_clear(ir);
    g_assert_false(ir->overflow);
    ir_free(ir);
}

/* Expansion that does not fit says so, too. */
static void test_expand_overflow(void)
{
    static const bool has[IR_NOPS];
    Ir *ir = ir_new(&fx_target);
    IrVal v = ir_get(ir, FX_X);

    while (ir->n < IR_MAX_INSNS - 1) {
        v = ir_bin(ir, IR_MULHS, v, v);
    }
    ir_goto(ir, 0);
    ir_expand(ir, has);
    g_assert_true(ir->overflow);
    ir_free(ir);
}

static void test_bad_text(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "empty block"},
        {"bogus\n", "bad operation"},
        {"%0:i64 = get x99\n", "unknown name"},
        {"%0:i99 = get x0\n", "bad result"},
        {"%0:i64 get x0\n", "bad result"},
        {"%0:i64 = fence +0x0\n", "result missing or not expected"},
        {"put x0\n", "bad argument"},
        {"%0:i64 = add %1 %2\n", "bad argument"},
        {"%0:i64 = get x0\n%1:i64 = load %0 u33 mmu0 +0x0\n", "bad memory operation"},
        {"%0:i64 = get x0\n%1:i64 = load %0 u32 mmu4 +0x0\n", "bad memory operation"},
        {"goto 0x0\n", "bad immediate"},
        {"goto +0x0 more\n", "bad immediate"},
        {"%0:i64 = get x0\n%1:i64 = setcond.below %0 %0\n", "bad operation"},
        {"%99999:i64 = get x0\n", "bad result"},
        {"a b c d e f g h i j k l m n o p q r s\n", "too many words"},
    };
    Ir *ir = ir_new(&fx_target);

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *why;

        g_assert_false(ir_parse(ir, bad[i].text, &why));
        g_assert_cmpstr(why, ==, bad[i].why);
    }
    ir_free(ir);
}

static void check_wrong(const char *text, const char *part)
{
    Ir *ir = ir_new(&fx_target);
    const char *why;

    g_assert_false(ir_parse(ir, text, &why));
    if (!strstr(why, part)) {
        g_error("'%s' does not say '%s'", why, part);
    }
    ir_free(ir);
}

static void test_verify(void)
{
    check_wrong("%0:i64 = get x0\n", "ends the block");
    check_wrong("goto +0x0\ngoto +0x0\n", "ends the block");
    check_wrong("%0:i32 = get x0\ngoto +0x0\n", "types");
    check_wrong("%0:i64 = get x0\n%1:i32 = get w0\n%2:i64 = add %0 %1\ngoto +0x0\n", "types");
    check_wrong("%0:i64 = get x0\nput w0 %0\ngoto +0x0\n", "types");
    check_wrong("%0:i64 = get x0\n%1:f32 = load %0 u64 mmu0 +0x0\ngoto +0x0\n", "types");
    check_wrong("%0:i64 = get x0\n%1:i64 = call pure %0\ngoto +0x0\n", "types");
    check_wrong("%0:i64 = ldenv u64 +0x80\ngoto +0x0\n", "global as memory");
}

/* What no text can say. */
static void test_verify_structure(void)
{
    Ir *ir = ir_from_text("%0:i64 = get x0\nput x1 %0\ngoto +0x0\n");

    ir->insns[1].arg[0] = 1;
    g_assert_nonnull(strstr(ir_verify(ir), "defined before"));
    ir->insns[1].arg[0] = IR_NONE;
    g_assert_nonnull(strstr(ir_verify(ir), "missing"));
    ir->insns[1].arg[0] = 0;
    ir->insns[1].arg[1] = 0;
    g_assert_nonnull(strstr(ir_verify(ir), "not expected"));
    ir->insns[1].arg[1] = IR_NONE;
    ir->insns[1].imm = FX_NGLOBALS;
    g_assert_nonnull(strstr(ir_verify(ir), "no such global"));
    ir->insns[1].op = IR_NOPS;
    g_assert_nonnull(strstr(ir_verify(ir), "no such operation"));
    ir_free(ir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/env/new", test_env);
    g_test_add_func("/ir/build", test_build);
    g_test_add_func("/ir/overflow", test_overflow);
    g_test_add_func("/ir/expand-overflow", test_expand_overflow);
    g_test_add_func("/ir/bad-text", test_bad_text);
    g_test_add_func("/ir/verify", test_verify);
    g_test_add_func("/ir/verify-structure", test_verify_structure);
    return g_test_run();
}
