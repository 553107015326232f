/* SPDX-License-Identifier: MIT */
/* The CPU's state list for save and load, and what is derived anew after a load. */
#include "rhea/osdep.h"

#include "snapshot/snapshot.h"

#include "cpu.h"
#include "fpu.h"

enum { EXCEPTION_MAX = 255 };

/* Values that have illegal encodings are forced into their legal range. */
static void check_loaded(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;
    const X86Model *m = cpu->model;
    bool long_mode;

    env->cpl &= 3;
    env->inhibit_irq = MIN(env->inhibit_irq, X86_SHADOW_SS);
    env->exception_kind = MIN(env->exception_kind, X86_EVENT_EXTERNAL);
    env->cr4 &= x86_cr4_mask(m);
    env->cr3 &= MASK_ULL(m->phys_bits);
    env->cr0 = (uint32_t)env->cr0;
    x86_check_mxcsr(env);
    env->a20_mask |= ~0x100000ULL;
    env->xcr0 = (env->xcr0 & x86_xcr0_mask(m)) | 1;
    long_mode = env->efer & X86_EFER_LME && env->cr0 & X86_CR0_PG && env->cr4 & X86_CR4_PAE;
    env->efer = (env->efer & ~(uint64_t)X86_EFER_LMA) | (long_mode ? X86_EFER_LMA : 0);
    if (env->delivering < X86_NOT_DELIVERING || env->delivering > EXCEPTION_MAX) {
        env->delivering = X86_NOT_DELIVERING;
    }
    if (cpu->exception < 0 || cpu->exception > EXCEPTION_MAX) {
        cpu->exception = -1;
    }
}

static void snap_seg(Snapshot *sn, X86Seg *s)
{
    snap_fields(sn, &s->base, &s->limit, &s->attr, &s->sel);
}

static void snap_segments(Snapshot *sn, X86Env *env)
{
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        snap_seg(sn, &env->seg[i]);
    }
    snap_seg(sn, &env->ldt);
    snap_seg(sn, &env->tr);
    snap_fields(sn, &env->gdt.base, &env->gdt.limit, &env->idt.base, &env->idt.limit,
                &env->seg_base_gs_kernel);
}

static void snap_control(Snapshot *sn, X86Env *env)
{
    snap_fields(sn, &env->cr0, &env->cr2, &env->cr3, &env->cr4, &env->xcr0, &env->efer);
    snap_u64_array(sn, env->pdpte, ARRAY_SIZE(env->pdpte));
    snap_u64_array(sn, env->dr, ARRAY_SIZE(env->dr));
    snap_fields(sn, &env->pkru, &env->cpl, &env->smm, &env->nmi_blocked, &env->inhibit_irq,
                &env->wait_sipi, &env->in_hlt, &env->shutdown);
    snap_fields(sn, &env->a20_mask, &env->smbase, &env->ferr);
}

static void snap_msrs(Snapshot *sn, X86Env *env)
{
    snap_fields(sn, &env->star, &env->lstar, &env->cstar, &env->sfmask, &env->sysenter_cs,
                &env->sysenter_esp, &env->sysenter_eip, &env->pat);
    snap_fields(sn, &env->tsc_offset, &env->tsc_aux, &env->tsc_adjust, &env->mcg_status,
                &env->mcg_ctl, &env->misc_enable, &env->feature_control, &env->spec_ctrl);
    snap_u64(sn, &env->mtrr_def);
    snap_u64_array(sn, env->mtrr_phys, ARRAY_SIZE(env->mtrr_phys));
    snap_u64_array(sn, env->mtrr_fixed, ARRAY_SIZE(env->mtrr_fixed));
    snap_u64_array(sn, env->mc_bank, ARRAY_SIZE(env->mc_bank));
}

static void snap_fpu(Snapshot *sn, X86Env *env)
{
    snap_fields(sn, &env->fpu_cw, &env->fpu_sw, &env->fpu_tags, &env->fpu_op, &env->fpu_cs,
                &env->fpu_ds, &env->fpu_ip, &env->fpu_dp);
    snap_fields(sn, &env->mxcsr, &env->tcg.fp_round, &env->tcg.fp_flags);
    for (unsigned i = 0; i < ARRAY_SIZE(env->st); i++) {
        snap_fields(sn, &env->st[i].sig, &env->st[i].se);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(env->xmm); i++) {
        snap_u64_array(sn, env->xmm[i].q, 2);
        snap_u64_array(sn, env->ymmh[i].q, 2);
    }
}

static void snap_event(Snapshot *sn, X86Env *env)
{
    uint16_t delivering = env->delivering;

    snap_fields(sn, &env->error_code, &env->fault_address, &env->dr6_pending, &env->exception_kind,
                &env->insn_len, &delivering, &env->ext, &env->bp_hit);
    env->delivering = delivering;
}

void x86_snapshot(Device *dev, Snapshot *sn)
{
    X86Cpu *x = qom_cast(dev, TYPE_X86_CPU);
    X86Env *env = x->env;
    /* That the A20 line is to be followed is for the CPU to find out anew. */
    uint32_t pending = __atomic_load_n(&x->cpu.interrupt_pending, __ATOMIC_SEQ_CST) & ~X86_INT_A20;
    uint32_t eflags = x86_eflags(env);

    snap_section(sn, "x86_64-cpu", 2);
    snap_u64_array(sn, env->regs, ARRAY_SIZE(env->regs));
    snap_fields(sn, &env->tcg.pc, &eflags);
    snap_segments(sn, env);
    snap_control(sn, env);
    snap_msrs(sn, env);
    snap_fpu(sn, env);
    snap_event(sn, env);
    snap_fields(sn, &pending, &x->cpu.halted, &x->cpu.exception, &x->sipi_vector, &x->a20,
                &x->ignne, &x->cpu.insns);
    if (snap_loading(sn) && snap_ok(sn)) {
        x86_set_eflags(env, eflags);
        check_loaded(env);
        pending = (pending & (X86_INT_A20 - 1)) | X86_INT_A20;
        __atomic_store_n(&x->cpu.interrupt_pending, pending, __ATOMIC_SEQ_CST);
    }
}

void x86_after_load(Device *dev)
{
    X86Cpu *x = qom_cast(dev, TYPE_X86_CPU);

    x86_smm_changed(x->env);
    cpu_tlb_flush(&x->cpu, ~0ULL);
    cpu_context_changed(&x->cpu);
    cpu_kick(&x->cpu);
}
