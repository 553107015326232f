/* SPDX-License-Identifier: MIT */
/* The CPU's state list for save and load, and what is derived anew after a load. */
#include "rhea/osdep.h"

#include "pmp.h"
#include "snapshot/snapshot.h"

/* Values that have illegal encodings are forced into their legal range. */
static void check_loaded(RvCpu *rv)
{
    RvEnv *env = rv->env;

    env->priv = env->priv == RV_PRIV_U || env->priv == RV_PRIV_S ? env->priv : RV_PRIV_M;
    env->frm &= 7;
    env->tcg.fp_flags &= 31;
    for (unsigned n = 0; n < RV_COUNTERS; n++) {
        env->hpm_event[n] = env->hpm_event[n] < RV_HPM_EVENTS ? env->hpm_event[n] : RV_HPM_NONE;
    }
    if ((env->mstatus & RV_MSTATUS_MPP) == 2ULL << 11) {
        env->mstatus &= ~RV_MSTATUS_MPP;
    }
    if (RV_SATP_MODE(env->satp) != RV_SATP_BARE &&
        (RV_SATP_MODE(env->satp) < RV_SATP_SV39 || RV_SATP_MODE(env->satp) > rv->model.satp_mode)) {
        env->satp = 0;
    }
    if (rv->cpu.exception < 0 || rv->cpu.exception > RV_EXC_STORE_PAGE) {
        rv->cpu.exception = -1;
    }
}

void rv_snapshot(Device *dev, Snapshot *sn)
{
    RvCpu *rv = qom_cast(dev, TYPE_RISCV_CPU);
    RvEnv *env = rv->env;
    uint32_t pending = __atomic_load_n(&rv->cpu.interrupt_pending, __ATOMIC_SEQ_CST);

    snap_section(sn, "riscv-cpu", 2);
    snap_u64_array(sn, env->x, ARRAY_SIZE(env->x));
    snap_u64_array(sn, env->f, ARRAY_SIZE(env->f));
    snap_fields(sn, &env->tcg.pc, &env->tcg.fp_flags, &env->frm, &env->priv, &env->reserve_addr,
                &env->reserve_value, &env->trap_value);
    snap_fields(sn, &env->mstatus, &env->medeleg, &env->mideleg, &env->mie, &env->mtvec,
                &env->mscratch, &env->mepc, &env->mcause);
    snap_fields(sn, &env->mtval, &env->stvec, &env->sscratch, &env->sepc, &env->scause, &env->stval,
                &env->satp, &env->menvcfg);
    snap_fields(sn, &env->senvcfg, &env->mcounteren, &env->scounteren, &env->mcountinhibit,
                &env->stimecmp);
    snap_u64_array(sn, env->counter, ARRAY_SIZE(env->counter));
    snap_bytes(sn, env->hpm_event, sizeof(env->hpm_event));
    snap_bytes(sn, env->pmpcfg, sizeof(env->pmpcfg));
    snap_u64_array(sn, env->pmpaddr, ARRAY_SIZE(env->pmpaddr));
    snap_fields(sn, &pending, &rv->cpu.halted, &rv->cpu.exception, &rv->cpu.insns);
    if (snap_loading(sn) && snap_ok(sn)) {
        check_loaded(rv);
        __atomic_store_n(&rv->cpu.interrupt_pending, pending & (RV_MIP_ALL | RV_MIP_SEIP_SW),
                         __ATOMIC_SEQ_CST);
    }
}

void rv_after_load(Device *dev)
{
    RvCpu *rv = qom_cast(dev, TYPE_RISCV_CPU);

    rv_set_frm(rv->env, rv->env->frm);
    rv_pmp_update(rv->env);
    rv_stimer_update(rv);
    cpu_tlb_flush(&rv->cpu, ~0ULL);
    cpu_context_changed(&rv->cpu);
    cpu_kick(&rv->cpu);
}
