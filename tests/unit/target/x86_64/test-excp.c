/* SPDX-License-Identifier: MIT */
/* Delivery of exceptions and interrupts in every mode, double and triple faults, what is taken when. */
#include "rhea/osdep.h"

#include "tests/unit/target/x86_64/fake.h"

static X86Env *env;

static uint64_t stacked(unsigned index, unsigned size)
{
    return fake_get(env->regs[X86_RSP] + index * size, size);
}

static void test_real(void)
{
    env = fake_reset("qemu64", NULL);
    env->seg[X86_CS] = x86_real_seg(env, X86_CS, 0x1000);
    env->tcg.pc = 0x10123;
    env->regs[X86_RSP] = 0x8000;
    x86_set_eflags(env, 2 | X86_IF | X86_TF);
    fake_put(4 * 0x13, 0x2000 << 16 | 0x456, 4);
    env->insn_len = 2;
    fake_deliver(0x13, X86_INT_N, 0);
    g_assert_cmphex(env->tcg.pc, ==, 0x20456);
    g_assert_cmphex(env->seg[X86_CS].sel, ==, 0x2000);
    g_assert_cmphex(env->regs[X86_RSP], ==, 0x7ffa);
    g_assert_cmphex(stacked(0, 2), ==, 0x125);
    g_assert_cmphex(stacked(1, 2), ==, 0x1000);
    g_assert_cmphex(stacked(2, 2), ==, 2 | X86_IF | X86_TF);
    g_assert_cmphex(x86_eflags(env) & (X86_IF | X86_TF), ==, 0);
}

static void test_same_level(void)
{
    env = fake_protected(0);
    fake_gate(X86_EXC_GP, SEL_CS0, FAKE_HANDLER, X86_DESC_TRAP, 0, 0);
    fake_deliver(X86_EXC_GP, X86_EVENT_FAULT, 0x1234);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK - 16);
    g_assert_cmphex(stacked(0, 4), ==, 0x1234);
    g_assert_cmphex(stacked(1, 4), ==, FAKE_CODE);
    g_assert_cmphex(stacked(2, 4), ==, SEL_CS0);
    g_assert_cmphex(stacked(3, 4), ==, 2 | X86_IF | X86_RF); /* faults: RF in the image */
    g_assert_cmphex(x86_eflags(env), ==, 2 | X86_IF);        /* a trap gate leaves IF */
}

static void test_inner_level(void)
{
    env = fake_protected(3);
    fake_gate(0x80, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 3, 0);
    env->insn_len = 2;
    fake_deliver(0x80, X86_INT_N, 0);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
    g_assert_cmpuint(env->cpl, ==, 0);
    g_assert_cmphex(env->seg[X86_SS].sel, ==, SEL_DS0);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK0 - 20);
    g_assert_cmphex(stacked(0, 4), ==, FAKE_CODE + 2);
    g_assert_cmphex(stacked(1, 4), ==, SEL_CS3);
    g_assert_cmphex(stacked(3, 4), ==, FAKE_STACK);
    g_assert_cmphex(stacked(4, 4), ==, SEL_DS3);
    g_assert_cmphex(x86_eflags(env) & X86_IF, ==, 0);
}

/* A program may not use a gate of a lower DPL: #GP with the vector, at the INT itself. */
static void test_gate_dpl(void)
{
    env = fake_protected(3);
    fake_gate(0x40, SEL_CS0, FAKE_HANDLER + 0x100, X86_DESC_INT, 0, 0);
    fake_gate(X86_EXC_GP, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    env->insn_len = 2;
    fake_deliver(0x40, X86_INT_N, 0);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
    g_assert_cmphex(stacked(0, 4), ==, 0x40 * 8 + 2);
    g_assert_cmphex(stacked(1, 4), ==, FAKE_CODE);
}

/* The same for an interrupt: EXT is set in the error code. */
static void test_external_error(void)
{
    env = fake_protected(0);
    fake_gate(X86_EXC_NP, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_gate(0x41, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_put(FAKE_IDT + 0x41 * 8 + 5, 0x0e, 1); /* not present */
    fake.irq_vector = 0x41;
    fake.cpu.cpu.interrupt_pending = X86_INT_HARD;
    g_assert_cmpint(fake_raises(x86_take_interrupt(&fake.cpu.cpu)), ==, X86_EXC_NP);
    g_assert_cmphex(env->error_code, ==, 0x41 * 8 + 3);
    fake_deliver(X86_EXC_NP, X86_EVENT_FAULT, env->error_code);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
}

/* #GP whose gate is not there: #DF; that one missing too: shutdown. */
static void test_double_triple(void)
{
    env = fake_protected(0);
    fake_gate(X86_EXC_DF, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_deliver(X86_EXC_GP, X86_EVENT_FAULT, 5);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
    g_assert_cmphex(stacked(0, 4), ==, 0);
    g_assert_cmpuint(fake.resets, ==, 0);

    env = fake_protected(0);
    fake_deliver(X86_EXC_GP, X86_EVENT_FAULT, 5);
    g_assert_cmpuint(fake.resets, ==, 1);
    g_assert_true(fake.cpu.cpu.halted);
    g_assert_false(x86_has_work(&fake.cpu.cpu));
}

/* A benign exception first: the second is delivered as it is. */
static void test_benign_first(void)
{
    env = fake_protected(0);
    fake_gate(X86_EXC_GP, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_deliver(X86_EXC_UD, X86_EVENT_FAULT, 0);
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
    g_assert_cmphex(stacked(0, 4), ==, X86_EXC_UD * 8 + 3);
}

static void test_long(void)
{
    env = fake_long(3);
    fake_gate(X86_EXC_PF, SEL_CS64, 0x20000, X86_DESC_INT, 0, 0);
    env->fault_address = 0xdead000;
    env->regs[X86_RSP] = FAKE_STACK - 3;
    fake_deliver(X86_EXC_PF, X86_EVENT_FAULT, 6);
    g_assert_cmphex(env->cr2, ==, 0xdead000);
    g_assert_cmphex(env->tcg.pc, ==, 0x20000);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK0 - 48);
    g_assert_cmphex(stacked(0, 8), ==, 6);
    g_assert_cmphex(stacked(1, 8), ==, FAKE_CODE);
    g_assert_cmphex(stacked(2, 8), ==, SEL_CS64_3);
    g_assert_cmphex(stacked(4, 8), ==, FAKE_STACK - 3);
    g_assert_cmphex(stacked(5, 8), ==, SEL_DS3);
    g_assert_cmphex(env->seg[X86_SS].sel, ==, 0);
    g_assert_cmpuint(env->cpl, ==, 0);
}

static void test_ist(void)
{
    env = fake_long(0);
    fake_put(FAKE_TSS + 36 + 8 * 2, 0xa008, 8); /* IST3, not aligned */
    fake_gate(X86_EXC_NMI, SEL_CS64, FAKE_HANDLER, X86_DESC_INT, 0, 3);
    fake.cpu.cpu.interrupt_pending = X86_INT_NMI;
    g_assert_true(x86_take_interrupt(&fake.cpu.cpu));
    g_assert_cmphex(env->regs[X86_RSP], ==, 0xa000 - 40);
    g_assert_true(env->nmi_blocked);
    fake.cpu.cpu.interrupt_pending = X86_INT_NMI; /* until IRET */
    g_assert_false(x86_take_interrupt(&fake.cpu.cpu));
    g_assert_cmphex(x86_helper_iret(env, 8, 2, 0, 0), ==, FAKE_CODE);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK);
    g_assert_false(env->nmi_blocked);
}

/* Only 64-bit code may be a handler in long mode. */
static void test_long_gate_code(void)
{
    env = fake_long(0);
    fake_gate(0x20, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_gate(X86_EXC_GP, SEL_CS64, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_deliver(0x20, X86_INT_N, 0);
    g_assert_cmphex(stacked(0, 8), ==, SEL_CS0);
}

static void test_v86(void)
{
    env = fake_protected(3);
    x86_set_eflags(env, 2 | X86_VM | X86_IF);
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] = x86_real_seg(env, i, 0x1000 + i);
    }
    env->regs[X86_RSP] = 0x800;
    env->tcg.pc = env->seg[X86_CS].base + 0x10;
    fake_gate(X86_EXC_GP, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake_deliver(X86_EXC_GP, X86_EVENT_FAULT, 0);
    g_assert_cmphex(env->regs[X86_RSP], ==, FAKE_STACK0 - 40);
    g_assert_cmphex(stacked(1, 4), ==, 0x10);
    g_assert_cmphex(stacked(2, 4), ==, 0x1001);
    g_assert_cmphex(stacked(3, 4) & X86_VM, ==, X86_VM);
    g_assert_cmphex(stacked(4, 4), ==, 0x800);
    g_assert_cmphex(stacked(6, 4), ==, 0x1000 + X86_ES);
    g_assert_cmphex(stacked(9, 4), ==, 0x1000 + X86_GS);
    g_assert_cmphex(env->seg[X86_DS].sel, ==, 0);
    g_assert_cmphex(x86_eflags(env) & X86_VM, ==, 0);
    /* And back. */
    env->regs[X86_RSP] += 4;
    g_assert_cmphex(x86_helper_iret(env, 4, 1, 0, 0), ==, 0x10010 + 0x10);
    g_assert_cmphex(env->seg[X86_GS].base, ==, (0x1000 + X86_GS) << 4);
    g_assert_cmpuint(env->cpl, ==, 3);
    g_assert_cmphex(env->regs[X86_RSP], ==, 0x800);
    /* INT n at IOPL 0 is #GP(0). */
    g_assert_cmpint(fake_raises(x86_helper_int(env, 0x21, 2, X86_INT_N, 0)), ==, X86_EXC_GP);
}

/* CR4.VME sends interrupts of the bitmap to the program's own handlers. */
static void test_vme(void)
{
    env = fake_protected(3);
    x86_set_eflags(env, 2 | X86_VM | X86_IF | X86_VIF);
    env->cr4 = X86_CR4_VME;
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] = x86_real_seg(env, i, 0x1000);
    }
    env->regs[X86_RSP] = 0x800;
    env->tcg.pc = 0x10100;
    fake_put(FAKE_TSS + 102, 0x88, 2); /* I/O bitmap; the other one is 32 bytes below */
    fake_put(4 * 0x21, 0x2000 << 16 | 0x30, 4);
    g_assert_cmpint(fake_raises(x86_helper_int(env, 0x21, 2, X86_INT_N, 0)), ==, -1);
    g_assert_cmphex(env->tcg.pc, ==, 0x20030);
    g_assert_cmphex(fake_get(0x107fa, 2), ==, 0x102);
    g_assert_cmphex(fake_get(0x107fe, 2) & (X86_IF | X86_IOPL), ==, X86_IF | X86_IOPL);
    g_assert_cmphex(x86_eflags(env) & (X86_VIF | X86_IF), ==, X86_IF);
    fake_put(FAKE_TSS + 0x88 - 32 + 0x21 / 8, 1 << 0x21 % 8, 1);
    g_assert_cmpint(fake_raises(x86_helper_int(env, 0x21, 2, X86_INT_N, 0)), ==, X86_EXC_GP);
}

static void test_interrupts(void)
{
    CpuState *cpu = &fake.cpu.cpu;

    env = fake_protected(0);
    fake_gate(0x30, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    fake.irq_vector = 0x30;
    cpu->interrupt_pending = X86_INT_HARD;
    x86_helper_cli(env, 0, 0, 0, 0);
    g_assert_false(x86_take_interrupt(cpu));
    g_assert_false(x86_has_work(cpu));
    x86_helper_sti(env, 0, 0, 0, 0); /* the next instruction comes first */
    g_assert_false(x86_take_interrupt(cpu));
    x86_helper_insn_begin(env, 0, 0, 0, 0);
    g_assert_true(x86_take_interrupt(cpu));
    g_assert_cmphex(env->tcg.pc, ==, FAKE_HANDLER);
}

/* HLT goes on waiting when its interrupt has gone before it was acknowledged. */
static void test_halt(void)
{
    CpuState *cpu = &fake.cpu.cpu;

    env = fake_protected(0);
    fake_gate(0x30, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    x86_helper_hlt(env, 0, 0, 0, 0);
    g_assert_true(cpu->halted);
    g_assert_false(x86_has_work(cpu));
    cpu->interrupt_pending = X86_INT_HARD;
    g_assert_true(x86_has_work(cpu));
    cpu->halted = false;
    g_assert_false(x86_take_interrupt(cpu));
    g_assert_true(cpu->halted);
    cpu->halted = false;
    fake.irq_vector = 0x30;
    g_assert_true(x86_take_interrupt(cpu));
    g_assert_false(cpu->halted);
}

/* SMM holds INIT and another SMI back, but not the interrupts that its handler lets in. */
static void test_halt_in_smm(void)
{
    CpuState *cpu;

    env = fake_protected(0);
    cpu = &fake.cpu.cpu;
    env->smm = true;
    env->eflags |= X86_IF;
    x86_helper_hlt(env, 0, 0, 0, 0);
    cpu->interrupt_pending = X86_INT_INIT | X86_INT_SMI;
    g_assert_false(x86_has_work(cpu));
    cpu->interrupt_pending |= X86_INT_HARD;
    g_assert_true(x86_has_work(cpu));
    env->smm = false;
    cpu->interrupt_pending = X86_INT_SMI;
    g_assert_true(x86_has_work(cpu));
}

static void test_startup(void)
{
    CpuState *cpu = &fake.cpu.cpu;

    env = fake_reset("max", NULL);
    cpu->index = 1;
    x86_reset(cpu);
    g_assert_true(cpu->halted && env->wait_sipi);
    cpu->interrupt_pending = X86_INT_HARD | X86_INT_NMI;
    g_assert_false(x86_has_work(cpu));
    fake.cpu.sipi_vector = 0x9f;
    cpu->interrupt_pending = X86_INT_SIPI;
    g_assert_true(x86_has_work(cpu));
    g_assert_true(x86_take_interrupt(cpu));
    g_assert_false(cpu->halted);
    g_assert_cmphex(env->tcg.pc, ==, 0x9f000);
    g_assert_cmphex(env->seg[X86_CS].sel, ==, 0x9f00);
    env->regs[X86_RAX] = 1;
    cpu->interrupt_pending = X86_INT_INIT;
    g_assert_true(x86_take_interrupt(cpu));
    g_assert_true(cpu->halted && env->wait_sipi);
    g_assert_cmphex(env->regs[X86_RAX], ==, 0);
}

static void test_a20(void)
{
    env = fake_reset("max", NULL);
    fake.cpu.a20 = false;
    fake.cpu.cpu.interrupt_pending = X86_INT_A20;
    g_assert_false(x86_take_interrupt(&fake.cpu.cpu));
    g_assert_cmphex(env->a20_mask, ==, ~0x100000ULL);
    g_assert_cmpuint(fake.flushes, ==, 1);
    g_assert_cmphex(fake.cpu.cpu.interrupt_pending, ==, 0);
}

static void test_single_step(void)
{
    env = fake_protected(0);
    x86_set_eflags(env, 2 | X86_TF);
    fake_gate(X86_EXC_DB, SEL_CS0, FAKE_HANDLER, X86_DESC_INT, 0, 0);
    g_assert_cmphex(x86_key(&fake.cpu.cpu) & X86_KEY_TF, !=, 0);
    x86_helper_insn_begin(env, 0, 0, 0, 0);
    g_assert_cmpint(fake_raises(x86_helper_insn_end(env, FAKE_CODE + 3, X86_KEY_TF, 0, 0)), ==,
                    X86_EXC_DB);
    fake_deliver(X86_EXC_DB, X86_EVENT_TRAP, 0);
    g_assert_cmphex(env->dr[6], ==, 0xffff4ff0);
    g_assert_cmphex(stacked(0, 4), ==, FAKE_CODE + 3);
    g_assert_cmphex(stacked(2, 4) & X86_TF, ==, X86_TF);
    g_assert_cmphex(x86_eflags(env) & X86_TF, ==, 0);
}

static void test_breakpoints(void)
{
    TlbFill f;

    env = fake_protected(0);
    x86_helper_mov_to_dr(env, 0, FAKE_CODE, 0, 0);
    x86_helper_mov_to_dr(env, 1, 0x5004, 0, 0);
    x86_helper_mov_to_dr(env, 7, 0x00d00405, 0, 0); /* 0: execute; 1: write, 4 bytes; both local */
    g_assert_cmpint(fake_raises(x86_helper_insn_begin(env, 0, 0, 0, 0)), ==, X86_EXC_DB);
    g_assert_cmphex(env->dr6_pending, ==, 1);
    env->eflags |= X86_RF; /* as IRET sets it: once */
    g_assert_cmpint(fake_raises(x86_helper_insn_begin(env, 0, 0, 0, 0)), ==, -1);
    g_assert_cmphex(x86_eflags(env) & X86_RF, ==, 0);
    g_assert_true(x86_tlb_fill(&fake.cpu.cpu, 0x5006, 1, ACCESS_READ, 0, false, &f));
    g_assert_cmphex(env->bp_hit, ==, 0);
    g_assert_cmpuint(f.page_size, ==, 1);
    g_assert_true(x86_tlb_fill(&fake.cpu.cpu, 0x5006, 1, ACCESS_WRITE, 0, false, &f));
    g_assert_cmphex(env->bp_hit, ==, 2);
    g_assert_cmpint(fake_raises(x86_helper_insn_end(env, FAKE_CODE + 1, X86_KEY_BP, 0, 0)), ==,
                    X86_EXC_DB);
    g_assert_cmphex(env->dr6_pending, ==, 2);
    env->dr[7] |= X86_DR7_GD;
    g_assert_cmpint(fake_raises(x86_helper_mov_from_dr(env, 0, 0, 0, 0)), ==, X86_EXC_DB);
    g_assert_cmphex(env->dr6_pending, ==, X86_DR6_BD);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86_64/excp/real", test_real);
    g_test_add_func("/x86_64/excp/same-level", test_same_level);
    g_test_add_func("/x86_64/excp/inner-level", test_inner_level);
    g_test_add_func("/x86_64/excp/gate-dpl", test_gate_dpl);
    g_test_add_func("/x86_64/excp/external-error", test_external_error);
    g_test_add_func("/x86_64/excp/double-triple", test_double_triple);
    g_test_add_func("/x86_64/excp/benign-first", test_benign_first);
    g_test_add_func("/x86_64/excp/long", test_long);
    g_test_add_func("/x86_64/excp/ist-nmi", test_ist);
    g_test_add_func("/x86_64/excp/long-gate-code", test_long_gate_code);
    g_test_add_func("/x86_64/excp/v86", test_v86);
    g_test_add_func("/x86_64/excp/vme", test_vme);
    g_test_add_func("/x86_64/excp/interrupts", test_interrupts);
    g_test_add_func("/x86_64/excp/halt", test_halt);
    g_test_add_func("/x86_64/excp/halt-in-smm", test_halt_in_smm);
    g_test_add_func("/x86_64/excp/startup", test_startup);
    g_test_add_func("/x86_64/excp/a20", test_a20);
    g_test_add_func("/x86_64/excp/single-step", test_single_step);
    g_test_add_func("/x86_64/excp/breakpoints", test_breakpoints);
    return g_test_run();
}
