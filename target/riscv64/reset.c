/* SPDX-License-Identifier: MIT */
/* The state after a reset (Privileged ISA 3.4); registers that the standard leaves open are zero. */
#include "rhea/osdep.h"

#include "cpu.h"

void rv_reset(CpuState *cpu)
{
    RvCpu *rv = rv_cpu(cpu);
    RvEnv *env = rv->env;

    /* Everything of the target's own; TcgEnv stays. */
    memset((char *)env + sizeof(TcgEnv), 0, sizeof(*env) - sizeof(TcgEnv));
    env->tcg.pc = rv->resetvec;
    env->tcg.fp_flags = 0;
    env->priv = RV_PRIV_M;
    env->reserve_addr = RV_NO_RESERVATION;
    rv_set_frm(env, 0);
    if (rv_has(&rv->model, RV_EXT_SVADU) && !rv_has(&rv->model, RV_EXT_SVADE)) {
        env->menvcfg =
            RV_ENVCFG_ADUE; /* Svadu alone: updates are on until software says otherwise */
    }
    env->stimecmp = UINT64_MAX;
    cpu->halted = false;
    cpu->exception = -1;
    /* Lines keep their level; their devices are reset as well. */
    cpu_interrupt_clear(cpu, RV_MIP_SSIP | RV_MIP_STIP | RV_MIP_SEIP_SW);
    rv_stimer_update(rv);
    cpu_tlb_flush(cpu, ~0ULL);
    cpu_context_changed(cpu);
}
