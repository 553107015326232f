/* SPDX-License-Identifier: MIT */
/* Segment loads, far transfers, call gates, task switches, system calls. */
#include "rhea/osdep.h"

#include "tests/unit/target/x86_64/fake.h"

static X86Env *env;

enum {
    CODE = X86_ATTR_P | X86_ATTR_S | X86_ATTR_CODE,
    DATA = X86_ATTR_P | X86_ATTR_S,
    DPL3 = 3 << X86_ATTR_DPL_SHIFT,
};

#define RAISES(call, vector, code)                                                                 \
    do {                                                                                           \
        g_assert_cmpint(fake_raises(call), ==, vector);                                            \
        g_assert_cmphex(env->error_code, ==, code);                                                \
    } while (0)

static uint64_t load(unsigned n, uint32_t sel)
{
    return x86_helper_load_seg(env, n, sel, 0, 0);
}

/* --- Segment registers --- */

static void test_real(void)
{
    env = fake_reset("max", NULL);
    env->seg[X86_DS].limit = UINT32_MAX; /* as left behind by protected mode */
    load(X86_DS, 0x1234);
    g_assert_cmphex(env->seg[X86_DS].base, ==, 0x12340);
    g_assert_cmphex(env->seg[X86_DS].limit, ==, UINT32_MAX);
}

static void test_data(void)
{
    env = fake_protected(3);
    fake_descriptor(SEL_FREE, 0x123456, 0xabcd, DATA | DPL3);
    load(X86_DS, SEL_FREE | 3);
    g_assert_cmphex(env->seg[X86_DS].base, ==, 0x123456);
    g_assert_cmphex(env->seg[X86_DS].limit, ==, 0xabcd);
    g_assert_cmphex(fake_get(FAKE_GDT + SEL_FREE + 5, 1) & 1, ==, 1); /* accessed */
    RAISES(load(X86_ES, SEL_DS0 | 3), X86_EXC_GP, SEL_DS0);           /* too privileged */
    RAISES(load(X86_ES, 0xff8), X86_EXC_GP, 0xff8);                   /* beyond the table */
    RAISES(load(X86_ES, SEL_TSS), X86_EXC_GP, SEL_TSS);               /* not a segment */
    RAISES(load(X86_ES, 0x14), X86_EXC_GP, 0x14);                     /* no LDT */
    fake_descriptor(SEL_FREE, 0, 0xffff, CODE | DPL3);
    RAISES(load(X86_ES, SEL_FREE), X86_EXC_GP, SEL_FREE); /* execute only */
    fake_descriptor(SEL_FREE, 0, 0xffff, (DATA | DPL3) & ~X86_ATTR_P);
    RAISES(load(X86_ES, SEL_FREE | 3), X86_EXC_NP, SEL_FREE);
    fake_descriptor(SEL_FREE, 0, 0xffff, CODE | X86_ATTR_W | X86_ATTR_E); /* conforming, DPL 0 */
    g_assert_cmpint(fake_raises(load(X86_ES, SEL_FREE | 3)), ==, -1);
    load(X86_DS, 3);
    RAISES(x86_helper_seg_check(env, X86_DS, 0, 1, ACCESS_READ), X86_EXC_GP, 0);
}

static void test_stack(void)
{
    env = fake_protected(0);
    RAISES(load(X86_SS, 0), X86_EXC_GP, 0);
    RAISES(load(X86_SS, SEL_DS3), X86_EXC_GP, SEL_DS3 & ~3);
    RAISES(load(X86_SS, SEL_CS0), X86_EXC_GP, SEL_CS0);
    fake_descriptor(SEL_FREE, 0, 0xffff, DATA);
    RAISES(load(X86_SS, SEL_FREE), X86_EXC_GP, SEL_FREE); /* read only */
    fake_descriptor(SEL_FREE, 0, 0xffff, (DATA | X86_ATTR_W) & ~X86_ATTR_P);
    RAISES(load(X86_SS, SEL_FREE), X86_EXC_SS, SEL_FREE);
    env = fake_long(0);
    g_assert_cmpint(fake_raises(load(X86_SS, 0)), ==, -1); /* null is fine below level 3 */
}

static void test_limits(void)
{
    env = fake_protected(0);
    fake_descriptor(SEL_FREE, 0, 0xfff, DATA | X86_ATTR_W);
    load(X86_ES, SEL_FREE);
    g_assert_cmpint(fake_raises(x86_helper_seg_check(env, X86_ES, 0xffc, 4, ACCESS_WRITE)), ==, -1);
    RAISES(x86_helper_seg_check(env, X86_ES, 0xffd, 4, ACCESS_WRITE), X86_EXC_GP, 0);
    fake_descriptor(SEL_FREE, 0, 0xfff, DATA | X86_ATTR_W | X86_ATTR_E); /* expand down, 16 bits */
    load(X86_SS, SEL_FREE);
    g_assert_cmpint(fake_raises(x86_helper_seg_check(env, X86_SS, 0x1000, 2, ACCESS_WRITE)), ==,
                    -1);
    RAISES(x86_helper_seg_check(env, X86_SS, 0xfff, 1, ACCESS_READ), X86_EXC_SS, 0);
    RAISES(x86_helper_seg_check(env, X86_SS, 0xffff, 2, ACCESS_READ), X86_EXC_SS, 0);
    fake_descriptor(SEL_FREE, 0, 0xfff, DATA);
    load(X86_ES, SEL_FREE);
    RAISES(x86_helper_seg_check(env, X86_ES, 0, 1, ACCESS_WRITE), X86_EXC_GP, 0);
}

static void test_queries(void)
{
    env = fake_protected(3);
    g_assert_cmphex(x86_helper_lsl(env, SEL_DS3, 0, 0, 0), ==, 1ULL << 32 | UINT32_MAX);
    g_assert_cmphex(x86_helper_lsl(env, SEL_DS0, 0, 0, 0), ==, 0);
    g_assert_cmphex(x86_helper_lar(env, SEL_DS3, 0, 0, 0), ==, 1ULL << 32 | 0xcff200);
    g_assert_true(x86_helper_verr(env, SEL_CS3, 0, 0, 0));
    g_assert_false(x86_helper_verw(env, SEL_CS3, 0, 0, 0));
    g_assert_true(x86_helper_verw(env, SEL_DS3, 0, 0, 0));
    g_assert_false(x86_helper_verr(env, 0, 0, 0, 0));
}

/* --- Far transfers --- */

static void test_far_jmp(void)
{
    env = fake_protected(0);
    g_assert_cmphex(x86_helper_far_jmp(env, SEL_CS0, 0x12345, 4, 7), ==, 0x12345);
    fake_descriptor(SEL_FREE, 0x40000, 0xfff, CODE | X86_ATTR_DB);
    RAISES(x86_helper_far_jmp(env, SEL_FREE, 0x1000, 4, 7), X86_EXC_GP, 0); /* limit */
    g_assert_cmphex(x86_helper_far_jmp(env, SEL_FREE, 0xffe, 4, 7), ==, 0x40ffe);
    RAISES(x86_helper_far_jmp(env, SEL_CS3, 0, 4, 7), X86_EXC_GP, SEL_CS3 & ~3);
    RAISES(x86_helper_far_jmp(env, 0, 0, 4, 7), X86_EXC_GP, 0);
    RAISES(x86_helper_far_jmp(env, SEL_DS0, 0, 4, 7), X86_EXC_GP, SEL_DS0);
}

/* From real mode to protected mode as loaders do it. */
static void test_enter_protected(void)
{
    env = fake_protected(0);
    env->cr0 = X86_CR0_ET;
    env->seg[X86_CS] = (X86Seg){.limit = 0xffff, .attr = CODE, .sel = 0x800, .base = 0x8000};
    g_assert_true(x86_write_cr0(env, env->cr0 | X86_CR0_PE));
    g_assert_cmphex(x86_helper_far_jmp(env, SEL_CS0, 0x8100, 4, 7), ==, 0x8100);
    g_assert_cmphex(env->seg[X86_CS].base, ==, 0);
    g_assert_cmphex(x86_key(&fake.cpu.cpu) & (X86_KEY_CS32 | X86_KEY_CSBASE), ==, X86_KEY_CS32);
}

static void test_call_gate(void)
{
    env = fake_protected(3);
    /* Two parameters to level 0. */
    fake_put(FAKE_GDT + SEL_FREE,
             (uint64_t)(FAKE_HANDLER >> 16) << 48 | 0xec02ULL << 32 | SEL_CS0 << 16 |
                 (FAKE_HANDLER & 0xffff),
             8);
    fake_put(FAKE_STACK - 8, 0x11111111, 4);
    fake_put(FAKE_STACK - 4, 0x22222222, 4);
    env->regs[X86_RSP] = FAKE_STACK - 8;
    g_assert_cmphex(x86_helper_far_call(env, SEL_FREE, 0, 4, 7), ==, FAKE_HANDLER);
    g_assert_cmpuint(env->cpl, ==, 0);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK0 - 24);
    g_assert_cmphex(fake_get(FAKE_STACK0 - 24, 4), ==, FAKE_CODE + 7);
    g_assert_cmphex(fake_get(FAKE_STACK0 - 20, 4), ==, SEL_CS3);
    g_assert_cmphex(fake_get(FAKE_STACK0 - 16, 4), ==, 0x11111111);
    g_assert_cmphex(fake_get(FAKE_STACK0 - 12, 4), ==, 0x22222222);
    g_assert_cmphex(fake_get(FAKE_STACK0 - 8, 4), ==, FAKE_STACK - 8);
    g_assert_cmphex(fake_get(FAKE_STACK0 - 4, 4), ==, SEL_DS3);
    env->tcg.pc = FAKE_HANDLER;
    load(X86_DS, SEL_DS0); /* must not survive the return */
    g_assert_cmphex(x86_helper_far_ret(env, 4, 8, 0, 0), ==, FAKE_CODE + 7);
    g_assert_cmpuint(env->cpl, ==, 3);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK);
    g_assert_cmphex(env->seg[X86_DS].sel, ==, 0);
    g_assert_cmphex(env->seg[X86_ES].sel, ==, SEL_DS3);
}

static void test_iret_outward(void)
{
    X86Stack s;

    env = fake_long(0);
    s = x86_stack(env);
    x86_push(&s, SEL_DS3, 8);
    x86_push(&s, 0x7ff0, 8);
    x86_push(&s, X86_IF | X86_ZF | 3 << 12 | 2, 8);
    x86_push(&s, SEL_CS64_3, 8);
    x86_push(&s, 0x12340, 8);
    x86_stack_commit(&s);
    g_assert_cmphex(x86_helper_iret(env, 8, 2, 0, 0), ==, 0x12340);
    g_assert_cmpuint(env->cpl, ==, 3);
    g_assert_cmphex(env->regs[X86_RSP], ==, 0x7ff0);
    g_assert_cmphex(x86_eflags(env), ==, X86_IF | X86_ZF | 3 << 12 | 2);
    /* Into compatibility mode the same way; a program cannot change IOPL. */
    env = fake_long(3);
    s = x86_stack(env);
    x86_push(&s, SEL_DS3, 8);
    x86_push(&s, 0x7ff0, 8);
    x86_push(&s, 3 << 12 | 2, 8);
    x86_push(&s, SEL_CS3, 8);
    x86_push(&s, 0x12340, 8);
    x86_stack_commit(&s);
    x86_helper_iret(env, 8, 2, 0, 0);
    g_assert_cmphex(x86_eflags(env), ==, X86_IF | 2);
    g_assert_cmphex(x86_key(&fake.cpu.cpu) & (X86_KEY_CS64 | X86_KEY_LMA | X86_KEY_CS32), ==,
                    X86_KEY_LMA | X86_KEY_CS32);
}

/* --- Tasks --- */

static void make_task(void)
{
    fake_descriptor(SEL_FREE, FAKE_TSS2, 103, X86_ATTR_P | 9);
    fake_put(FAKE_TSS2 + 32, FAKE_HANDLER, 4);
    fake_put(FAKE_TSS2 + 36, 2, 4);
    fake_put(FAKE_TSS2 + 40, 0xaaaa, 4);      /* EAX */
    fake_put(FAKE_TSS2 + 40 + 16, 0x7000, 4); /* ESP */
    for (unsigned i = 0; i < 6; i++) {
        fake_put(FAKE_TSS2 + 72 + 4 * i, i == X86_CS ? SEL_CS0 : SEL_DS0, 2);
    }
}

static void test_task_call(void)
{
    env = fake_protected(0);
    make_task();
    env->regs[X86_RBX] = 0xbbbb;
    g_assert_cmphex(x86_helper_far_call(env, SEL_FREE, 0, 4, 7), ==, FAKE_HANDLER);
    g_assert_cmphex(env->regs[X86_RAX], ==, 0xaaaa);
    g_assert_cmphex(env->regs[X86_RSP], ==, 0x7000);
    g_assert_cmphex(env->tr.sel, ==, SEL_FREE);
    g_assert_cmphex(x86_eflags(env) & X86_NT, ==, X86_NT);
    g_assert_cmphex(env->cr0 & X86_CR0_TS, ==, X86_CR0_TS);
    g_assert_cmphex(fake_get(FAKE_TSS2, 2), ==, SEL_TSS);           /* back link */
    g_assert_cmphex(fake_get(FAKE_TSS + 32, 4), ==, FAKE_CODE + 7); /* the old task */
    g_assert_cmphex(fake_get(FAKE_TSS + 52, 4), ==, 0xbbbb);
    g_assert_cmphex(fake_get(FAKE_GDT + SEL_FREE + 5, 1) & 15, ==, 11); /* both busy */
    g_assert_cmphex(fake_get(FAKE_GDT + SEL_TSS + 5, 1) & 15, ==, 11);
    env->tcg.pc = FAKE_HANDLER + 5;
    g_assert_cmphex(x86_helper_iret(env, 4, 1, 0, 0), ==, FAKE_CODE + 7);
    g_assert_cmphex(env->regs[X86_RBX], ==, 0xbbbb);
    g_assert_cmphex(env->tr.sel, ==, SEL_TSS);
    g_assert_cmphex(fake_get(FAKE_GDT + SEL_FREE + 5, 1) & 15, ==, 9);
    g_assert_cmphex(fake_get(FAKE_TSS2 + 32, 4), ==, FAKE_HANDLER + 6);
    g_assert_cmphex(fake_get(FAKE_TSS2 + 36, 4) & X86_NT, ==, 0);
}

static void test_task_faults(void)
{
    env = fake_protected(0);
    make_task();
    fake_descriptor(SEL_FREE, FAKE_TSS2, 102, X86_ATTR_P | 9);
    RAISES(x86_helper_far_jmp(env, SEL_FREE, 0, 4, 7), X86_EXC_TS, SEL_FREE);
    g_assert_cmphex(env->tr.sel, ==, SEL_TSS); /* still in the old task */
    make_task();
    fake_put(FAKE_TSS2 + 72 + 4 * X86_SS, SEL_DS3, 2);
    RAISES(x86_helper_far_jmp(env, SEL_FREE, 0, 4, 7), X86_EXC_TS, SEL_DS3 & ~3);
    g_assert_cmphex(env->tr.sel, ==, SEL_FREE); /* in the new one */
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
}

static void test_task_gate(void)
{
    env = fake_protected(0);
    make_task();
    fake_gate(X86_EXC_DF, SEL_FREE, 0, X86_DESC_TASK_GATE, 0, 0);
    fake_deliver(X86_EXC_GP, X86_EVENT_FAULT, 0x55);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
    g_assert_cmphex(env->tr.sel, ==, SEL_FREE);
    g_assert_cmphex(env->regs[X86_RSP], ==, 0x7000 - 4);
    g_assert_cmphex(fake_get(0x6ffc, 4), ==, 0);
}

static void test_io_bitmap(void)
{
    env = fake_protected(3);
    fake_put(FAKE_TSS + 102, 0x80, 2);
    fake_put(FAKE_TSS + 0x80 + 0x3f8 / 8, 0xfe, 1); /* 3f8 open, 3f9 closed */
    g_assert_cmphex(x86_helper_in(env, 0x3f8, 1, 0, 0), ==, 0xff);
    RAISES(x86_helper_in(env, 0x3f8, 2, 0, 0), X86_EXC_GP, 0);
    RAISES(x86_helper_out(env, 0xffff, 0, 1, 0), X86_EXC_GP, 0); /* beyond the limit */
    env->eflags |= X86_IOPL;
    g_assert_cmphex(x86_helper_in(env, 0x3f8, 2, 0, 0), ==, 0xffff);
}

/* --- System calls --- */

static void test_syscall(void)
{
    env = fake_long(3);
    env->star = (uint64_t)(SEL_CS3 - 0x10 + 0x18) << 48 | (uint64_t)SEL_CS64 << 32;
    env->lstar = FAKE_HANDLER;
    env->sfmask = X86_IF | X86_TF;
    g_assert_cmphex(x86_helper_syscall(env, FAKE_CODE + 2, 0, 0, 0), ==, FAKE_HANDLER);
    g_assert_cmphex(env->regs[X86_RCX], ==, FAKE_CODE + 2);
    g_assert_cmphex(env->regs[11], ==, 2 | X86_IF);
    g_assert_cmphex(x86_eflags(env), ==, 2);
    g_assert_cmpuint(env->cpl, ==, 0);
    g_assert_cmphex(env->seg[X86_SS].sel, ==, SEL_CS64 + 8);
    g_assert_cmphex(x86_helper_sysret(env, 8, 0, 0, 0), ==, FAKE_CODE + 2);
    g_assert_cmpuint(env->cpl, ==, 3);
    g_assert_cmphex(env->seg[X86_CS].sel, ==, SEL_CS3 + 8 + 16);
    g_assert_cmphex(x86_eflags(env), ==, 2 | X86_IF);
    RAISES(x86_helper_sysret(env, 8, 0, 0, 0), X86_EXC_GP, 0); /* level 3 */
    env->cpl = 0;
    env->regs[X86_RCX] = 1ULL << 60;
    RAISES(x86_helper_sysret(env, 8, 0, 0, 0), X86_EXC_GP, 0);
    env->efer &= ~(uint64_t)X86_EFER_SCE;
    RAISES(x86_helper_syscall(env, FAKE_CODE + 2, 0, 0, 0), X86_EXC_UD, 0);
}

static void test_sysenter(void)
{
    env = fake_protected(3);
    RAISES(x86_helper_sysenter(env, 0, 0, 0, 0), X86_EXC_GP, 0);
    env->sysenter_cs = SEL_CS0;
    env->sysenter_eip = FAKE_HANDLER;
    env->sysenter_esp = FAKE_STACK0;
    g_assert_cmphex(x86_helper_sysenter(env, 0, 0, 0, 0), ==, FAKE_HANDLER);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK0);
    g_assert_cmpuint(env->cpl, ==, 0);
    g_assert_cmphex(x86_eflags(env) & X86_IF, ==, 0);
    env->regs[X86_RDX] = 0x1234;
    env->regs[X86_RCX] = 0x7000;
    g_assert_cmphex(x86_helper_sysexit(env, 4, 0, 0, 0), ==, 0x1234);
    g_assert_cmphex(env->seg[X86_CS].sel, ==, SEL_CS3);
    g_assert_cmphex(env->seg[X86_SS].sel, ==, SEL_DS3);
    g_assert_cmphex(env->regs[X86_RSP], ==, 0x7000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86_64/seg/real", test_real);
    g_test_add_func("/x86_64/seg/data", test_data);
    g_test_add_func("/x86_64/seg/stack", test_stack);
    g_test_add_func("/x86_64/seg/limits", test_limits);
    g_test_add_func("/x86_64/seg/queries", test_queries);
    g_test_add_func("/x86_64/far/jmp", test_far_jmp);
    g_test_add_func("/x86_64/far/enter-protected", test_enter_protected);
    g_test_add_func("/x86_64/far/call-gate", test_call_gate);
    g_test_add_func("/x86_64/far/iret-outward", test_iret_outward);
    g_test_add_func("/x86_64/task/call", test_task_call);
    g_test_add_func("/x86_64/task/faults", test_task_faults);
    g_test_add_func("/x86_64/task/gate", test_task_gate);
    g_test_add_func("/x86_64/task/io-bitmap", test_io_bitmap);
    g_test_add_func("/x86_64/syscall/syscall", test_syscall);
    g_test_add_func("/x86_64/syscall/sysenter", test_sysenter);
    return g_test_run();
}
