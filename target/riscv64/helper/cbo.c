/* SPDX-License-Identifier: MIT */
/*
 * Cache-block operations (CMO extensions 1.0).  Guest memory is always coherent, so managing a block is
 * checking the right to do so.
 */
#include "rhea/osdep.h"

#include "helper.h"

/* All of the enables that apply to the present mode have one of @bits. */
static bool enabled(const RvEnv *env, uint64_t bits)
{
    return env->priv == RV_PRIV_M ||
           (env->menvcfg & bits && (env->priv == RV_PRIV_S || env->senvcfg & bits));
}

uint64_t rv_helper_cbo_mgmt(void *opaque, uint64_t va, uint64_t op, uint64_t insn, uint64_t d)
{
    RvEnv *env = opaque;
    CpuState *cpu = env->tcg.cpu;
    TlbFill fill;

    if (!enabled(env, op == RV_CBO_INVAL ? RV_ENVCFG_CBIE : RV_ENVCFG_CBCFE)) {
        rv_raise_illegal(env, insn);
    }
    /* Needs the right to read or write the block; faults are those of a store. */
    if (!rv_tlb_fill(cpu, align_down(va, RV_CBO_BLOCK), RV_CBO_BLOCK, ACCESS_READ,
                     rv_key_mmu(rv_key(cpu)), false, &fill)) {
        bool page = cpu->exception == RV_EXC_LOAD_PAGE;

        rv_raise(env, page ? RV_EXC_STORE_PAGE : RV_EXC_STORE_ACCESS, va);
    }
    return 0;
}

uint64_t rv_helper_cbo_zero(void *env, uint64_t insn, uint64_t b, uint64_t c, uint64_t d)
{
    if (!enabled(env, RV_ENVCFG_CBZE)) {
        rv_raise_illegal(env, insn);
    }
    return 0;
}
