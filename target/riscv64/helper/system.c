/* SPDX-License-Identifier: MIT */
/* Environment calls, trap returns, waiting, fences (Privileged ISA 3.3, 12.2; Zawrs). */
#include "rhea/osdep.h"

#include "helper.h"

uint64_t rv_helper_raise(void *env, uint64_t cause, uint64_t tval, uint64_t c, uint64_t d)
{
    rv_raise(env, cause, tval);
}

uint64_t rv_helper_ecall(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    RvEnv *env = opaque;

    rv_raise(env, RV_EXC_ECALL_U + env->priv, 0);
}

uint64_t rv_helper_ebreak(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    RvEnv *env = opaque;

    cpu_sync_pc(env->tcg.cpu);
    rv_raise(env, RV_EXC_BREAKPOINT, env->tcg.pc);
}

uint64_t rv_helper_jump_check(void *env, uint64_t target, uint64_t b, uint64_t c, uint64_t d)
{
    if (target & 3) {
        rv_raise(env, RV_EXC_INSN_MISALIGNED, target);
    }
    return 0;
}

/* The second half of a trap return: the mode is set, what follows from it is not. */
static void returned(RvEnv *env, unsigned priv)
{
    CpuState *cpu = env->tcg.cpu;

    if (priv != RV_PRIV_M) {
        env->mstatus &= ~RV_MSTATUS_MPRV;
    }
    env->priv = priv;
    env->reserve_addr = RV_NO_RESERVATION;
    cpu_context_changed(cpu);
    if (rv_interrupt_ready(cpu)) {
        cpu_kick(cpu);
    }
}

uint64_t rv_helper_mret(void *opaque, uint64_t insn, uint64_t b, uint64_t c, uint64_t d)
{
    RvEnv *env = opaque;
    uint64_t st = env->mstatus;

    if (env->priv != RV_PRIV_M) {
        rv_raise_illegal(env, insn);
    }
    env->mstatus = (st & ~(RV_MSTATUS_MIE | RV_MSTATUS_MPP)) | RV_MSTATUS_MPIE |
                   (st & RV_MSTATUS_MPIE ? RV_MSTATUS_MIE : 0);
    returned(env, st >> 11 & 3);
    return env->mepc;
}

uint64_t rv_helper_sret(void *opaque, uint64_t insn, uint64_t b, uint64_t c, uint64_t d)
{
    RvEnv *env = opaque;
    uint64_t st = env->mstatus;

    if (env->priv == RV_PRIV_U || (env->priv == RV_PRIV_S && st & RV_MSTATUS_TSR)) {
        rv_raise_illegal(env, insn);
    }
    env->mstatus = (st & ~(RV_MSTATUS_SIE | RV_MSTATUS_SPP)) | RV_MSTATUS_SPIE |
                   (st & RV_MSTATUS_SPIE ? RV_MSTATUS_SIE : 0);
    returned(env, st & RV_MSTATUS_SPP ? RV_PRIV_S : RV_PRIV_U);
    return env->sepc;
}

/*
 * WFI returns at once while an interrupt is pending.  Firmware polls so: OpenSBI's waiting harts leave
 * their software interrupt pending and look at a state word around WFI, which other harts change in
 * several steps.  A hart that comes back to WFI with nothing new pending therefore sleeps a while; the
 * interrupt that is sent to it when all is ready wakes it.
 */
enum { WFI_POLL_NS = 100 * 1000 * 1000 };

uint64_t rv_helper_wfi(void *opaque, uint64_t insn, uint64_t b, uint64_t c, uint64_t d)
{
    RvEnv *env = opaque;
    CpuState *cpu = env->tcg.cpu;
    uint64_t pending;

    /* TW's time limit is none at all; without it the same holds for U-mode (3.3.3). */
    if (env->priv == RV_PRIV_U || (env->priv == RV_PRIV_S && env->mstatus & RV_MSTATUS_TW)) {
        rv_raise_illegal(env, insn);
    }
    pending = rv_mip(cpu) & env->mie;
    if (!pending) {
        __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
    } else if (pending == env->wfi_seen) {
        cpu_nap(cpu, WFI_POLL_NS);
    }
    env->wfi_seen = pending;
    return 0;
}

/* A wait on the reservation may end at any time: letting other threads run is enough of one. */
uint64_t rv_helper_wrs(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    g_thread_yield();
    return 0;
}

static void check_fence(RvEnv *env, uint64_t insn, bool trap_vm)
{
    if (env->priv == RV_PRIV_U ||
        (trap_vm && env->priv == RV_PRIV_S && env->mstatus & RV_MSTATUS_TVM)) {
        rv_raise_illegal(env, insn);
    }
}

uint64_t rv_helper_sfence_vma(void *opaque, uint64_t va, uint64_t asid, uint64_t given,
                              uint64_t insn)
{
    RvEnv *env = opaque;
    CpuState *cpu = env->tcg.cpu;
    uint64_t space = ~0ULL;

    check_fence(env, insn, true);
    if (given & RV_SFENCE_ASID) {
        space = (uint64_t)RV_SATP_MODE(env->satp) << 16 | (asid & 0xffff); /* as rv_space() */
    }
    if (given & RV_SFENCE_VA) {
        cpu_tlb_flush_page(cpu, va, space);
    } else {
        cpu_tlb_flush(cpu, space);
    }
    return 0;
}

/* SFENCE.W.INVAL and SFENCE.INVAL.IR order what here is ordered already. */
uint64_t rv_helper_sfence_order(void *env, uint64_t insn, uint64_t b, uint64_t c, uint64_t d)
{
    check_fence(env, insn, false);
    return 0;
}

uint64_t rv_helper_fs_dirty(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    rv_fs_dirty(((RvEnv *)opaque)->tcg.cpu);
    return 0;
}
