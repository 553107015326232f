/* SPDX-License-Identifier: MIT */
/* Traps: delegation, priorities, vectors, trap returns, and the helpers that raise. */
#include "rhea/osdep.h"

#include "target/riscv64/helper/helper.h"
#include "target/riscv64/pmp.h"
#include "tests/unit/target/riscv64/fake.h"

static CpuState *cpu;
static RvEnv *env;

static void setup(RvPriv priv)
{
    cpu = fake_reset();
    env = fake.cpu.env;
    env->priv = priv;
    env->mtvec = 0x80000001; /* vectored */
    env->stvec = 0x80200001;
    env->tcg.pc = 0x4000;
}

static void deliver(unsigned cause, uint64_t tval)
{
    cpu->exception = cause;
    env->trap_value = tval;
    rv_deliver(cpu);
    g_assert_cmpint(cpu->exception, ==, -1);
}

static void test_exception_to_m(void)
{
    setup(RV_PRIV_U);
    env->mstatus = RV_MSTATUS_MIE;
    deliver(RV_EXC_ILLEGAL, 0xdead);
    g_assert_cmphex(env->tcg.pc, ==, 0x80000000); /* exceptions are not vectored */
    g_assert_cmphex(env->mcause, ==, RV_EXC_ILLEGAL);
    g_assert_cmphex(env->mtval, ==, 0xdead);
    g_assert_cmphex(env->mepc, ==, 0x4000);
    g_assert_cmphex(env->mstatus, ==, RV_MSTATUS_MPIE); /* MPP = U, MIE off */
    g_assert_cmpint(env->priv, ==, RV_PRIV_M);
    g_assert_cmpuint(fake.contexts, ==, 1);
}

static void test_delegation(void)
{
    setup(RV_PRIV_S);
    env->medeleg = 1 << RV_EXC_LOAD_PAGE;
    env->mstatus = RV_MSTATUS_SIE;
    deliver(RV_EXC_LOAD_PAGE, 0x1234);
    g_assert_cmphex(env->tcg.pc, ==, 0x80200000);
    g_assert_cmphex(env->scause, ==, RV_EXC_LOAD_PAGE);
    g_assert_cmphex(env->stval, ==, 0x1234);
    g_assert_cmphex(env->sepc, ==, 0x4000);
    g_assert_cmphex(env->mstatus, ==, RV_MSTATUS_SPIE | RV_MSTATUS_SPP);
    g_assert_cmpint(env->priv, ==, RV_PRIV_S);
    g_assert_cmphex(env->mcause, ==, 0);

    setup(RV_PRIV_M); /* never downwards */
    env->medeleg = 1 << RV_EXC_LOAD_PAGE;
    deliver(RV_EXC_LOAD_PAGE, 0x1234);
    g_assert_cmpint(env->priv, ==, RV_PRIV_M);
    g_assert_cmphex(env->mcause, ==, RV_EXC_LOAD_PAGE);
}

static void test_interrupt_masks(void)
{
    setup(RV_PRIV_M);
    cpu_interrupt_set(cpu, RV_MIP_MTIP);
    g_assert_false(rv_has_work(cpu));
    env->mie = RV_MIP_ALL;
    g_assert_true(rv_has_work(cpu)); /* wakes WFI whatever MIE says */
    g_assert_false(rv_take_interrupt(cpu));
    env->mstatus = RV_MSTATUS_MIE;
    g_assert_true(rv_take_interrupt(cpu));
    g_assert_cmphex(env->mcause, ==, 1ULL << 63 | 7);
    g_assert_cmphex(env->tcg.pc, ==, 0x80000000 + 4 * 7);
    g_assert_cmphex(env->mtval, ==, 0);

    setup(RV_PRIV_S); /* M's interrupts reach S-mode without MIE, S's own need SIE */
    env->mie = RV_MIP_ALL;
    env->mideleg = RV_MIP_S;
    cpu_interrupt_set(cpu, RV_MIP_SEIP);
    g_assert_false(rv_take_interrupt(cpu));
    env->mstatus = RV_MSTATUS_SIE;
    g_assert_true(rv_take_interrupt(cpu));
    g_assert_cmphex(env->scause, ==, 1ULL << 63 | 9);
    g_assert_cmphex(env->tcg.pc, ==, 0x80200000 + 4 * 9);
    cpu_interrupt_set(cpu, RV_MIP_MSIP);
    g_assert_true(rv_take_interrupt(cpu));
    g_assert_cmphex(env->mcause, ==, 1ULL << 63 | 3);

    setup(RV_PRIV_M); /* delegated ones wait while in M-mode */
    env->mie = RV_MIP_ALL;
    env->mideleg = RV_MIP_S;
    env->mstatus = RV_MSTATUS_MIE | RV_MSTATUS_SIE;
    cpu_interrupt_set(cpu, RV_MIP_SSIP);
    g_assert_false(rv_take_interrupt(cpu));
}

static void test_interrupt_priority(void)
{
    static const unsigned order[] = {11, 3, 7, 9, 1, 5};

    setup(RV_PRIV_M);
    env->mie = RV_MIP_ALL;
    cpu_interrupt_set(cpu, RV_MIP_ALL);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        env->mstatus = RV_MSTATUS_MIE;
        g_assert_true(rv_take_interrupt(cpu));
        g_assert_cmphex(env->mcause, ==, 1ULL << 63 | order[i]);
        cpu_interrupt_clear(cpu, 1u << order[i]);
    }
}

static void test_mret(void)
{
    setup(RV_PRIV_M);
    env->mstatus = RV_MSTATUS_MPIE | 1ULL << 11 | RV_MSTATUS_MPRV; /* MPP = S */
    env->mepc = 0x9000;
    env->reserve_addr = 8;
    g_assert_cmphex(rv_helper_mret(env, 0x30200073, 0, 0, 0), ==, 0x9000);
    g_assert_cmpint(env->priv, ==, RV_PRIV_S);
    g_assert_cmphex(env->mstatus, ==, RV_MSTATUS_MIE | RV_MSTATUS_MPIE);
    g_assert_cmphex(env->reserve_addr, ==, RV_NO_RESERVATION);
    g_assert_cmpint(fake_raises(rv_helper_mret(env, 0x30200073, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
    g_assert_cmphex(env->trap_value, ==, 0x30200073);
}

static void test_sret(void)
{
    setup(RV_PRIV_S);
    env->mstatus = RV_MSTATUS_SPIE;
    env->sepc = 0xa000;
    env->mie = RV_MIP_SSIP;
    env->mideleg = RV_MIP_SSIP;
    cpu_interrupt_set(cpu, RV_MIP_SSIP);
    g_assert_cmphex(rv_helper_sret(env, 0, 0, 0, 0), ==, 0xa000);
    g_assert_cmpint(env->priv, ==, RV_PRIV_U);
    g_assert_cmphex(env->mstatus, ==, RV_MSTATUS_SIE | RV_MSTATUS_SPIE);
    g_assert_cmpuint(fake.kicks, ==, 1); /* now unmasked */
    g_assert_cmpint(fake_raises(rv_helper_sret(env, 0, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
    env->priv = RV_PRIV_S;
    env->mstatus = RV_MSTATUS_TSR;
    g_assert_cmpint(fake_raises(rv_helper_sret(env, 0, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
}

static void test_calls(void)
{
    setup(RV_PRIV_U);
    g_assert_cmpint(fake_raises(rv_helper_ecall(env, 0, 0, 0, 0)), ==, RV_EXC_ECALL_U);
    env->priv = RV_PRIV_S;
    g_assert_cmpint(fake_raises(rv_helper_ecall(env, 0, 0, 0, 0)), ==, RV_EXC_ECALL_S);
    env->priv = RV_PRIV_M;
    g_assert_cmpint(fake_raises(rv_helper_ecall(env, 0, 0, 0, 0)), ==, RV_EXC_ECALL_M);
    g_assert_cmphex(env->trap_value, ==, 0);
    g_assert_cmpint(fake_raises(rv_helper_ebreak(env, 0, 0, 0, 0)), ==, RV_EXC_BREAKPOINT);
    g_assert_cmphex(env->trap_value, ==, 0x4000);
}

static void test_wfi(void)
{
    setup(RV_PRIV_S);
    g_assert_cmpint(fake_raises(rv_helper_wfi(env, 0, 0, 0, 0)), ==, -1);
    g_assert_true(cpu->halted);
    cpu->halted = false;
    env->mie = RV_MIP_SSIP;
    cpu_interrupt_set(cpu, RV_MIP_SSIP);
    rv_helper_wfi(env, 0, 0, 0, 0);
    g_assert_false(cpu->halted);
    env->mstatus = RV_MSTATUS_TW;
    g_assert_cmpint(fake_raises(rv_helper_wfi(env, 0, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
}

static void test_sfence(void)
{
    setup(RV_PRIV_S);
    env->satp = 8ULL << 60 | 5ULL << 44;
    rv_helper_sfence_vma(env, 0x1000, 5, RV_SFENCE_VA | RV_SFENCE_ASID, 0);
    g_assert_cmphex(fake.flushed_page, ==, 0x1000);
    g_assert_cmphex(fake.flushed_space, ==, rv_space(cpu));
    rv_helper_sfence_vma(env, 0, 0, 0, 0);
    g_assert_cmphex(fake.flushed_space, ==, ~0ULL);
    env->mstatus = RV_MSTATUS_TVM;
    g_assert_cmpint(fake_raises(rv_helper_sfence_vma(env, 0, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
    g_assert_cmpint(fake_raises(rv_helper_sfence_order(env, 0, 0, 0, 0)), ==, -1);
    env->priv = RV_PRIV_U;
    g_assert_cmpint(fake_raises(rv_helper_sfence_order(env, 0, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
}

static void test_cache_blocks(void)
{
    setup(RV_PRIV_U);
    env->pmpcfg[0] = 0x1f;
    env->pmpaddr[0] = MASK_ULL(54);
    rv_pmp_update(env);
    g_assert_cmpint(fake_raises(rv_helper_cbo_zero(env, 7, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
    env->menvcfg = RV_ENVCFG_CBZE | RV_ENVCFG_CBCFE;
    g_assert_cmpint(fake_raises(rv_helper_cbo_zero(env, 7, 0, 0, 0)), ==, RV_EXC_ILLEGAL);
    env->senvcfg = RV_ENVCFG_CBZE | RV_ENVCFG_CBCFE;
    g_assert_cmpint(fake_raises(rv_helper_cbo_zero(env, 7, 0, 0, 0)), ==, -1);
    g_assert_cmpint(fake_raises(rv_helper_cbo_mgmt(env, 0x80000000, RV_CBO_CLEAN, 7, 0)), ==, -1);
    g_assert_cmpint(fake_raises(rv_helper_cbo_mgmt(env, 0x80000000, RV_CBO_INVAL, 7, 0)), ==,
                    RV_EXC_ILLEGAL);
    env->pmpcfg[0] = 0;
    rv_pmp_update(env);
    g_assert_cmpint(fake_raises(rv_helper_cbo_mgmt(env, 0x80000008, RV_CBO_FLUSH, 7, 0)), ==,
                    RV_EXC_STORE_ACCESS);
    g_assert_cmphex(env->trap_value, ==, 0x80000008);
}

static void test_csr_helpers(void)
{
    setup(RV_PRIV_M);
    g_assert_cmphex(rv_helper_csrrw(env, 0x340, 5, 0, 0), ==, 0);
    g_assert_cmphex(rv_helper_csrrs(env, 0x340, 2, 0, 0), ==, 5);
    g_assert_cmphex(rv_helper_csrrc(env, 0x340, 4, 0, 0), ==, 7);
    g_assert_cmphex(rv_helper_csrr(env, 0x340, 0, 0, 0), ==, 3);
    g_assert_cmpint(fake_raises(rv_helper_csrw(env, 0xf14, 0, 0xf1401073, 0)), ==, RV_EXC_ILLEGAL);
    g_assert_cmphex(env->trap_value, ==, 0xf1401073);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/trap/to-m", test_exception_to_m);
    g_test_add_func("/riscv64/trap/delegation", test_delegation);
    g_test_add_func("/riscv64/trap/interrupt-masks", test_interrupt_masks);
    g_test_add_func("/riscv64/trap/interrupt-priority", test_interrupt_priority);
    g_test_add_func("/riscv64/trap/mret", test_mret);
    g_test_add_func("/riscv64/trap/sret", test_sret);
    g_test_add_func("/riscv64/helper/calls", test_calls);
    g_test_add_func("/riscv64/helper/wfi", test_wfi);
    g_test_add_func("/riscv64/helper/sfence", test_sfence);
    g_test_add_func("/riscv64/helper/cache-blocks", test_cache_blocks);
    g_test_add_func("/riscv64/helper/csr", test_csr_helpers);
    return g_test_run();
}
