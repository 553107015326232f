/* SPDX-License-Identifier: MIT */
/* Traps: exceptions, interrupts, their delegation and delivery (Privileged ISA 3.1.6 to 3.1.16, 12.1). */
#include "rhea/osdep.h"

#include "cpu.h"
#include "rhea/log.h"

/* Highest first: MEI, MSI, MTI, SEI, SSI, STI. */
static const uint8_t interrupt_priority[] = {11, 3, 7, 9, 1, 5};

uint64_t rv_mip(CpuState *cpu)
{
    uint32_t pending = __atomic_load_n(&cpu->interrupt_pending, __ATOMIC_ACQUIRE);

    return (pending & RV_MIP_ALL) | (pending & RV_MIP_SEIP_SW ? RV_MIP_SEIP : 0);
}

static void trap_to_s(RvEnv *env, uint64_t cause, uint64_t tval)
{
    uint64_t st = env->mstatus;

    env->scause = cause;
    env->stval = tval;
    env->sepc = env->tcg.pc;
    st &= ~(RV_MSTATUS_SPP | RV_MSTATUS_SPIE | RV_MSTATUS_SIE);
    st |= env->priv == RV_PRIV_S ? RV_MSTATUS_SPP : 0;
    st |= env->mstatus & RV_MSTATUS_SIE ? RV_MSTATUS_SPIE : 0;
    env->mstatus = st;
    env->priv = RV_PRIV_S;
    env->tcg.pc = env->stvec & ~3ULL;
    if (env->stvec & 1 && cause >> 63) {
        env->tcg.pc += 4 * (cause & 63);
    }
}

static void trap_to_m(RvEnv *env, uint64_t cause, uint64_t tval)
{
    uint64_t st = env->mstatus;

    env->mcause = cause;
    env->mtval = tval;
    env->mepc = env->tcg.pc;
    st &= ~(RV_MSTATUS_MPP | RV_MSTATUS_MPIE | RV_MSTATUS_MIE);
    st |= (uint64_t)env->priv << 11;
    st |= env->mstatus & RV_MSTATUS_MIE ? RV_MSTATUS_MPIE : 0;
    env->mstatus = st;
    env->priv = RV_PRIV_M;
    env->tcg.pc = env->mtvec & ~3ULL;
    if (env->mtvec & 1 && cause >> 63) {
        env->tcg.pc += 4 * (cause & 63);
    }
}

static void trap(CpuState *cpu, unsigned number, bool interrupt, uint64_t tval)
{
    RvEnv *env = rv_env(cpu);
    uint64_t deleg = interrupt ? env->mideleg : env->medeleg;
    uint64_t cause = number | (interrupt ? 1ULL << 63 : 0);
    bool to_s = env->priv != RV_PRIV_M && deleg >> number & 1;

    env->wfi_seen = 0;
    if (log_enabled(LOG_INT)) {
        log_printf("int hart %u: %s %u to %c from mode %u pc %016" PRIx64 " tval %016" PRIx64
                   " insns %" PRIu64 "\n",
                   cpu->index, interrupt ? "interrupt" : "exception", number, to_s ? 'S' : 'M',
                   env->priv, env->tcg.pc, tval, cpu_insns(cpu));
    }
    if (to_s) {
        trap_to_s(env, cause, tval);
    } else {
        trap_to_m(env, cause, tval);
    }
    cpu_context_changed(cpu);
}

void rv_deliver(CpuState *cpu)
{
    int32_t number = cpu->exception;

    cpu->exception = -1;
    trap(cpu, number, false, rv_env(cpu)->trap_value);
}

/* Interrupts that are pending, enabled and not masked by mode or global enable. */
static uint64_t takeable(CpuState *cpu)
{
    const RvEnv *env = rv_env(cpu);
    uint64_t pending = rv_mip(cpu) & env->mie;
    uint64_t to_m = pending & ~env->mideleg, to_s = pending & env->mideleg;

    if (to_m && (env->priv != RV_PRIV_M || env->mstatus & RV_MSTATUS_MIE)) {
        return to_m;
    }
    if (to_s &&
        (env->priv == RV_PRIV_U || (env->priv == RV_PRIV_S && env->mstatus & RV_MSTATUS_SIE))) {
        return to_s;
    }
    return 0;
}

bool rv_interrupt_ready(CpuState *cpu)
{
    return takeable(cpu) != 0;
}

bool rv_take_interrupt(CpuState *cpu)
{
    uint64_t ready = takeable(cpu);

    if (!ready) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(interrupt_priority); i++) {
        if (ready >> interrupt_priority[i] & 1) {
            trap(cpu, interrupt_priority[i], true, 0);
            return true;
        }
    }
    return false;
}

bool rv_has_work(CpuState *cpu)
{
    return rv_mip(cpu) & rv_env(cpu)->mie;
}

void rv_raise(RvEnv *env, unsigned cause, uint64_t tval)
{
    env->trap_value = tval;
    cpu_raise(env->tcg.cpu, cause);
}
