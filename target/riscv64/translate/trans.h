/* SPDX-License-Identifier: MIT */
/*
 * What the files of the riscv64 translator share.  One RvTrans is one rv_translate() call.
 *
 * A body (rv_add() ... declared in the generated decode.h) emits the IR of one instruction and returns
 * true; false means a reserved encoding: the instruction is then illegal, provided that the body has
 * emitted nothing.  All that may fault comes before the first rv_put() or rv_putf() (tcg/ir.h).
 */
#ifndef TARGET_RISCV64_TRANSLATE_TRANS_H
#define TARGET_RISCV64_TRANSLATE_TRANS_H

#include "../cpu.h"
#include "target/riscv64/decode.h"

struct RvTrans {
    Ir *ir;
    const RvModel *model;
    unsigned mmu;  /* of data accesses */
    unsigned fs;   /* RV_FS_* */
    unsigned frm;  /* as the guest set it: 0..7 */
    int64_t pc;    /* of this instruction, relative to pc_page */
    int64_t next;  /* of the instruction behind it */
    uint32_t insn; /* its encoding */
    bool ended;    /* the IR has its last op */
    int far_reg;   /* this register holds pc_page + far_value (auipc); 0: none is known to */
    int64_t far_value;
};

/* x register @n; 0 for x0. */
IrVal rv_get(RvTrans *t, int n);
/* Sets x register @n; nothing for x0. */
void rv_put(RvTrans *t, int n, IrVal v);
/* Sets it to the sign-extended low half. */
void rv_put32(RvTrans *t, int n, IrVal i32);

/* --- Ends of a block --- */

/* Goes on at page_rel @target, chained. */
void rv_end_goto(RvTrans *t, int64_t target);
/* Goes on behind this instruction in a context that may have changed. */
void rv_end_context(RvTrans *t);
/* Leaves to the loop, to go on behind this instruction. */
void rv_end_exit(RvTrans *t);
/* Raises @cause with trap value @tval (I64). */
void rv_end_raise(RvTrans *t, unsigned cause, IrVal tval);
/* After a helper that does not return. */
void rv_end_dead(RvTrans *t);

static inline IrVal rv_insn_imm(RvTrans *t)
{
    return ir_imm(t->ir, t->insn);
}

/* Calls with fewer arguments. */
static inline IrVal rv_call0(RvTrans *t, RvHelper h)
{
    return ir_call(t->ir, h, IR_NONE, IR_NONE, IR_NONE, IR_NONE);
}

static inline IrVal rv_call1(RvTrans *t, RvHelper h, IrVal a)
{
    return ir_call(t->ir, h, a, IR_NONE, IR_NONE, IR_NONE);
}

static inline IrVal rv_call2(RvTrans *t, RvHelper h, IrVal a, IrVal b)
{
    return ir_call(t->ir, h, a, b, IR_NONE, IR_NONE);
}

static inline IrVal rv_call3(RvTrans *t, RvHelper h, IrVal a, IrVal b, IrVal c)
{
    return ir_call(t->ir, h, a, b, c, IR_NONE);
}

#endif
