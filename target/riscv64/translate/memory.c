/* SPDX-License-Identifier: MIT */
/*
 * Loads, stores, atomics, fences, cache blocks.  Unprivileged ISA 20240411, 2.6, 2.7, chapters 14, 20.
 *
 * Misaligned loads and stores work; misaligned atomics fault.  Atomic operations of the IR are
 * sequentially consistent, which is more than aq and rl ask of them.
 */
#include "rhea/osdep.h"

#include "trans.h"

static bool load(RvTrans *t, const RvArgsI *a, IrMem mem)
{
    rv_put(t, a->rd, ir_load(t->ir, IR_I64, mem, t->mmu, rv_get(t, a->rs1), a->imm));
    return true;
}

static bool store(RvTrans *t, const RvArgsS *a, IrMem mem)
{
    ir_store(t->ir, mem, t->mmu, rv_get(t, a->rs1), a->imm, rv_get(t, a->rs2));
    return true;
}

bool rv_lb(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_8 | IR_MEM_SIGNED);
}

bool rv_lh(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_16 | IR_MEM_SIGNED);
}

bool rv_lw(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_32 | IR_MEM_SIGNED);
}

bool rv_ld(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_64);
}

bool rv_lbu(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_8);
}

bool rv_lhu(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_16);
}

bool rv_lwu(RvTrans *t, const RvArgsI *a)
{
    return load(t, a, IR_MEM_32);
}

bool rv_sb(RvTrans *t, const RvArgsS *a)
{
    return store(t, a, IR_MEM_8);
}

bool rv_sh(RvTrans *t, const RvArgsS *a)
{
    return store(t, a, IR_MEM_16);
}

bool rv_sw(RvTrans *t, const RvArgsS *a)
{
    return store(t, a, IR_MEM_32);
}

bool rv_sd(RvTrans *t, const RvArgsS *a)
{
    return store(t, a, IR_MEM_64);
}

/* --- Load-reserved, store-conditional --- */

enum { AQRL_RL = 1, AQRL_AQ = 2 };

static bool load_reserved(RvTrans *t, const RvArgsLR *a, IrMem mem)
{
    IrVal addr = rv_get(t, a->rs1);
    IrVal v;

    if (a->aqrl & AQRL_RL) {
        ir_fence(t->ir, IR_FENCE_ALL);
    }
    v = ir_load(t->ir, IR_I64, mem | IR_MEM_ALIGN | IR_MEM_ACQUIRE, t->mmu, addr, 0);
    ir_stenv(t->ir, IR_MEM_64, offsetof(RvEnv, reserve_addr), addr);
    ir_stenv(t->ir, IR_MEM_64, offsetof(RvEnv, reserve_value), v);
    rv_put(t, a->rd, v);
    return true;
}

/*
 * Succeeds when the reservation is for this address and memory still holds what LR read.  Where the
 * address differs the compare-and-swap is made harmless: it stores what it expects.
 */
static bool store_conditional(RvTrans *t, const RvArgsAMO *a, IrType type, IrMem mem)
{
    IrVal addr = rv_get(t, a->rs1);
    IrVal reserved = ir_ldenv(t->ir, IR_I64, IR_MEM_64, offsetof(RvEnv, reserve_addr));
    IrVal expect = ir_ldenv(t->ir, IR_I64, IR_MEM_64, offsetof(RvEnv, reserve_value));
    IrVal desired = ir_movcond(t->ir, IR_EQ, addr, reserved, rv_get(t, a->rs2), expect);
    IrVal old, failed;

    if (type == IR_I32) {
        expect = ir_un(t->ir, IR_TRUNC, expect);
        desired = ir_un(t->ir, IR_TRUNC, desired);
    }
    old = ir_cas(t->ir, type, mem | IR_MEM_ALIGN, t->mmu, addr, expect, desired);
    ir_stenv(t->ir, IR_MEM_64, offsetof(RvEnv, reserve_addr),
             ir_imm(t->ir, (int64_t)RV_NO_RESERVATION));
    failed = ir_or(t->ir, ir_setcond(t->ir, IR_I64, IR_NE, old, expect),
                   ir_setcond(t->ir, IR_I64, IR_NE, addr, reserved));
    rv_put(t, a->rd, failed);
    return true;
}

bool rv_lr_w(RvTrans *t, const RvArgsLR *a)
{
    return load_reserved(t, a, IR_MEM_32 | IR_MEM_SIGNED);
}

bool rv_lr_d(RvTrans *t, const RvArgsLR *a)
{
    return load_reserved(t, a, IR_MEM_64);
}

bool rv_sc_w(RvTrans *t, const RvArgsAMO *a)
{
    return store_conditional(t, a, IR_I32, IR_MEM_32);
}

bool rv_sc_d(RvTrans *t, const RvArgsAMO *a)
{
    return store_conditional(t, a, IR_I64, IR_MEM_64);
}

/* --- Atomic memory operations --- */

static bool amo32(RvTrans *t, const RvArgsAMO *a, IrAtomic op)
{
    IrVal v = ir_un(t->ir, IR_TRUNC, rv_get(t, a->rs2));

    rv_put32(t, a->rd,
             ir_atomic(t->ir, IR_I32, op, IR_MEM_32 | IR_MEM_ALIGN, t->mmu, rv_get(t, a->rs1), v));
    return true;
}

static bool amo64(RvTrans *t, const RvArgsAMO *a, IrAtomic op)
{
    rv_put(t, a->rd,
           ir_atomic(t->ir, IR_I64, op, IR_MEM_64 | IR_MEM_ALIGN, t->mmu, rv_get(t, a->rs1),
                     rv_get(t, a->rs2)));
    return true;
}

bool rv_amoswap_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_XCHG);
}

bool rv_amoswap_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_XCHG);
}

bool rv_amoadd_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_ADD);
}

bool rv_amoadd_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_ADD);
}

bool rv_amoxor_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_XOR);
}

bool rv_amoxor_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_XOR);
}

bool rv_amoand_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_AND);
}

bool rv_amoand_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_AND);
}

bool rv_amoor_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_OR);
}

bool rv_amoor_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_OR);
}

bool rv_amomin_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_MIN);
}

bool rv_amomin_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_MIN);
}

bool rv_amomax_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_MAX);
}

bool rv_amomax_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_MAX);
}

bool rv_amominu_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_MINU);
}

bool rv_amominu_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_MINU);
}

bool rv_amomaxu_w(RvTrans *t, const RvArgsAMO *a)
{
    return amo32(t, a, IR_ATOMIC_MAXU);
}

bool rv_amomaxu_d(RvTrans *t, const RvArgsAMO *a)
{
    return amo64(t, a, IR_ATOMIC_MAXU);
}

/* --- Fences and cache blocks --- */

enum { FENCE_W = 1, FENCE_R = 2, FENCE_O = 4, FENCE_I = 8 };

/* Device accesses are ordered like memory's.  fence w, 0 is the pause hint and orders nothing. */
bool rv_fence(RvTrans *t, const RvArgsFENCE *a)
{
    bool tso = a->fm == 8 && a->pred == (FENCE_R | FENCE_W) && a->succ == (FENCE_R | FENCE_W);
    bool pr = a->pred & (FENCE_R | FENCE_I), pw = a->pred & (FENCE_W | FENCE_O);
    bool sr = a->succ & (FENCE_R | FENCE_I), sw = a->succ & (FENCE_W | FENCE_O);
    int kinds = 0;

    kinds |= pr && sr ? IR_FENCE_RR : 0;
    kinds |= pr && sw ? IR_FENCE_RW : 0;
    kinds |= pw && sr && !tso ? IR_FENCE_WR : 0;
    kinds |= pw && sw ? IR_FENCE_WW : 0;
    if (kinds) {
        ir_fence(t->ir, kinds);
    }
    return true;
}

/* Translations follow memory at once, so all that is left is to look them up anew. */
bool rv_fence_i(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    rv_end_exit(t);
    return true;
}

static bool cbo(RvTrans *t, const RvArgsRS1 *a, int op)
{
    rv_call3(t, RV_H_CBO_MGMT, rv_get(t, a->rs1), ir_imm(t->ir, op), rv_insn_imm(t));
    return true;
}

bool rv_cbo_inval(RvTrans *t, const RvArgsRS1 *a)
{
    return cbo(t, a, RV_CBO_INVAL);
}

bool rv_cbo_clean(RvTrans *t, const RvArgsRS1 *a)
{
    return cbo(t, a, RV_CBO_CLEAN);
}

bool rv_cbo_flush(RvTrans *t, const RvArgsRS1 *a)
{
    return cbo(t, a, RV_CBO_FLUSH);
}

bool rv_cbo_zero(RvTrans *t, const RvArgsRS1 *a)
{
    IrVal zero = ir_imm(t->ir, 0);
    IrVal base;

    rv_call1(t, RV_H_CBO_ZERO, rv_insn_imm(t));
    base = ir_and(t->ir, rv_get(t, a->rs1), ir_imm(t->ir, -(int64_t)RV_CBO_BLOCK));
    for (int i = 0; i < RV_CBO_BLOCK; i += 8) {
        ir_store(t->ir, IR_MEM_64, t->mmu, base, i, zero);
    }
    return true;
}
