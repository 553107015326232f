/* SPDX-License-Identifier: MIT */
/*
 * Jumps and branches.  Unprivileged ISA 20240411, 2.5.
 *
 * Without Zca a target that is not a multiple of 4 raises an exception on the jump itself.
 */
#include "rhea/osdep.h"

#include "trans.h"

static bool misaligned(const RvTrans *t, int64_t target)
{
    return (target & 2) && !rv_has(t->model, RV_EXT_ZCA);
}

/* Return-address registers of the prediction hints (table 3). */
static bool is_link(int reg)
{
    return reg == 1 || reg == 5;
}

/* jal, or jalr to a known place. */
static bool jump_to(RvTrans *t, int rd, int64_t target)
{
    if (misaligned(t, target)) {
        rv_end_raise(t, RV_EXC_INSN_MISALIGNED, ir_pc(t->ir, target));
        return true;
    }
    rv_put(t, rd, ir_pc(t->ir, t->next));
    rv_end_goto(t, target);
    return true;
}

bool rv_jal(RvTrans *t, const RvArgsJ *a)
{
    return jump_to(t, a->rd, t->pc + a->imm);
}

bool rv_jalr(RvTrans *t, const RvArgsI *a)
{
    IrJumpKind kind = IR_JUMP;
    IrVal target;

    if (a->rs1 && a->rs1 == t->far_reg) {
        return jump_to(t, a->rd, (t->far_value + a->imm) & ~1LL);
    }
    target = rv_get(t, a->rs1);
    if (a->imm) {
        target = ir_add(t->ir, target, ir_imm(t->ir, a->imm));
    }
    target = ir_and(t->ir, target, ir_imm(t->ir, ~1LL));
    if (!rv_has(t->model, RV_EXT_ZCA)) {
        rv_call1(t, RV_H_JUMP_CHECK, target);
    }
    if (is_link(a->rd)) {
        kind = IR_CALL_JUMP;
    } else if (is_link(a->rs1)) {
        kind = IR_RET;
    }
    rv_put(t, a->rd, ir_pc(t->ir, t->next));
    ir_goto_ind(t->ir, kind, target);
    t->ended = true;
    return true;
}

static bool branch(RvTrans *t, const RvArgsB *a, IrCond cond, IrCond inverse)
{
    int64_t target = t->pc + a->imm;
    IrVal x = rv_get(t, a->rs1);
    IrVal y = rv_get(t, a->rs2);

    if (misaligned(t, target)) {
        ir_exit_if(t->ir, inverse, x, y, t->next);
        rv_end_raise(t, RV_EXC_INSN_MISALIGNED, ir_pc(t->ir, target));
        return true;
    }
    ir_exit_if(t->ir, cond, x, y, target);
    return true;
}

bool rv_beq(RvTrans *t, const RvArgsB *a)
{
    return branch(t, a, IR_EQ, IR_NE);
}

bool rv_bne(RvTrans *t, const RvArgsB *a)
{
    return branch(t, a, IR_NE, IR_EQ);
}

bool rv_blt(RvTrans *t, const RvArgsB *a)
{
    return branch(t, a, IR_LT, IR_GE);
}

bool rv_bge(RvTrans *t, const RvArgsB *a)
{
    return branch(t, a, IR_GE, IR_LT);
}

bool rv_bltu(RvTrans *t, const RvArgsB *a)
{
    return branch(t, a, IR_LTU, IR_GEU);
}

bool rv_bgeu(RvTrans *t, const RvArgsB *a)
{
    return branch(t, a, IR_GEU, IR_LTU);
}
