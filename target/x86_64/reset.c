/* SPDX-License-Identifier: MIT */
/* The state after power-on, INIT and SIPI (SDM vol. 3, table 10-1 "processor states"). */
#include "rhea/osdep.h"

#include "cpu.h"

static X86Seg reset_seg(uint32_t attr)
{
    return (X86Seg){.limit = 0xffff, .attr = attr};
}

static void reset_segments(X86Env *env)
{
    const uint32_t data = X86_ATTR_P | X86_ATTR_S | X86_ATTR_W | X86_ATTR_A;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] = reset_seg(data);
    }
    env->seg[X86_CS] = reset_seg(data | X86_ATTR_CODE);
    env->seg[X86_CS].sel = 0xf000;
    env->seg[X86_CS].base = 0xffff0000;
    env->ldt = reset_seg(X86_ATTR_P | 2);
    env->tr = reset_seg(X86_ATTR_P | 11);
    env->gdt.base = env->idt.base = 0;
    env->gdt.limit = env->idt.limit = 0xffff;
}

/* What INIT sets as well as power-on does. */
static void reset_core(X86Env *env)
{
    X86Cpu *cpu = x86_cpu(env->tcg.cpu);

    memset(env->regs, 0, sizeof(env->regs));
    env->regs[X86_RDX] = cpu->model.signature;
    x86_set_eflags(env, 2);
    reset_segments(env);
    env->cr0 = X86_CR0_ET | X86_CR0_NW | X86_CR0_CD;
    env->cr2 = env->cr3 = env->cr4 = env->efer = 0;
    memset(env->pdpte, 0, sizeof(env->pdpte));
    memset(env->dr, 0, sizeof(env->dr));
    env->dr[6] = (uint32_t)X86_DR6_FIXED;
    env->dr[7] = X86_DR7_FIXED;
    env->seg_base_gs_kernel = 0;
    env->cpl = 0;
    env->smm = env->nmi_blocked = env->in_hlt = env->shutdown = false;
    env->inhibit_irq = X86_SHADOW_NONE;
    env->delivering = X86_NOT_DELIVERING;
    env->bp_hit = 0;
    env->tcg.pc = 0xfffffff0;
}

static void reset_fpu(X86Env *env)
{
    memset(env->st, 0, sizeof(env->st));
    memset(env->xmm, 0, sizeof(env->xmm));
    memset(env->ymmh, 0, sizeof(env->ymmh));
    env->fpu_cw = 0x40;
    env->fpu_sw = 0;
    env->fpu_tags = 0xff; /* the reset value of the tag word says "zero", not "empty" */
    env->fpu_op = env->fpu_cs = env->fpu_ds = 0;
    env->fpu_ip = env->fpu_dp = 0;
    env->mxcsr = 0x1f80;
    env->tcg.fp_round = IR_ROUND_NEAREST;
    env->tcg.fp_flags = 0;
    env->xcr0 = 1;
    env->pkru = 0;
}

/* PAT: WB, WT, UC-, UC, twice. */
#define PAT_RESET 0x0007040600070406ULL

static void reset_msrs(X86Env *env)
{
    env->star = env->lstar = env->cstar = env->sfmask = 0;
    env->sysenter_cs = env->sysenter_esp = env->sysenter_eip = 0;
    env->tsc_aux = env->spec_ctrl = env->feature_control = 0;
    env->pat = PAT_RESET;
    env->mtrr_def = 0;
    memset(env->mtrr_phys, 0, sizeof(env->mtrr_phys));
    memset(env->mtrr_fixed, 0, sizeof(env->mtrr_fixed));
    env->mcg_status = 0;
    env->mcg_ctl = ~0ULL;
    for (unsigned i = 0; i < ARRAY_SIZE(env->mc_bank); i++) {
        env->mc_bank[i] = i % 4 == 0 ? ~0ULL : 0; /* MCi_CTL */
    }
    env->misc_enable = 1; /* fast strings */
    env->smbase = 0x30000;
    x86_set_tsc(env, 0);
    env->tsc_adjust = 0;
}

/* A boot protocol of -kernel: flat protected mode, as if firmware had been there. */
static void flat_start(X86Env *env)
{
    const X86Cpu *cpu = x86_cpu(env->tcg.cpu);
    const uint32_t data =
        X86_ATTR_P | X86_ATTR_S | X86_ATTR_W | X86_ATTR_A | X86_ATTR_DB | X86_ATTR_G;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] = (X86Seg){.limit = UINT32_MAX, .attr = data, .sel = 0x18};
    }
    env->seg[X86_CS].attr |= X86_ATTR_CODE;
    env->seg[X86_CS].sel = 0x10;
    env->cr0 = X86_CR0_ET | X86_CR0_PE;
    env->tcg.pc = cpu->start_eip;
    env->regs[X86_RBX] = cpu->start_ebx;
    env->regs[X86_RSI] = cpu->start_esi;
    env->regs[X86_RAX] = cpu->start_eax;
}

static bool is_bootstrap(const CpuState *cpu)
{
    return cpu->index == 0;
}

static void wait_for_sipi(X86Env *env)
{
    env->wait_sipi = true;
    __atomic_store_n(&env->tcg.cpu->halted, true, __ATOMIC_SEQ_CST);
}

void x86_reset(CpuState *cpu)
{
    X86Env *env = x86_env(cpu);

    reset_core(env);
    reset_fpu(env);
    reset_msrs(env);
    env->wait_sipi = false;
    cpu->exception = -1;
    cpu->halted = false;
    /* INTR keeps its level: the APIC is reset as well. */
    cpu_interrupt_clear(cpu, X86_INT_NMI | X86_INT_SMI | X86_INT_INIT | X86_INT_SIPI);
    env->ferr = false;
    irq_set(&x86_cpu(cpu)->ferr, false);
    env->a20_mask = __atomic_load_n(&x86_cpu(cpu)->a20, __ATOMIC_RELAXED) ? ~0ULL : ~0x100000ULL;
    if (!is_bootstrap(cpu)) {
        wait_for_sipi(env);
    } else if (x86_cpu(cpu)->flat_start) {
        flat_start(env);
    }
    x86_smm_changed(env);
    cpu_tlb_flush(cpu, ~0ULL);
    cpu_context_changed(cpu);
}

/* INIT keeps x87, SSE, MSRs and SMBASE. */
void x86_reset_to_init(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;

    reset_core(env);
    env->wait_sipi = false;
    __atomic_store_n(&cpu->halted, false, __ATOMIC_SEQ_CST);
    if (!is_bootstrap(cpu)) {
        wait_for_sipi(env);
    }
    cpu_tlb_flush(cpu, ~0ULL);
    cpu_context_changed(cpu);
}

void x86_start_sipi(X86Env *env, uint8_t vector)
{
    env->wait_sipi = false;
    env->seg[X86_CS].sel = vector << 8;
    env->seg[X86_CS].base = (uint32_t)vector << 12;
    env->tcg.pc = (uint32_t)vector << 12;
    __atomic_store_n(&env->tcg.cpu->halted, false, __ATOMIC_SEQ_CST);
    cpu_context_changed(env->tcg.cpu);
}
