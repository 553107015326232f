/* SPDX-License-Identifier: MIT */
/* Integer arithmetic: RV64I, M, Zicond.  Unprivileged ISA 20240411, chapters 2, 4, 11, 13. */
#include "rhea/osdep.h"

#include "trans.h"

bool rv_lui(RvTrans *t, const RvArgsU *a)
{
    rv_put(t, a->rd, ir_imm(t->ir, a->imm));
    return true;
}

bool rv_auipc(RvTrans *t, const RvArgsU *a)
{
    rv_put(t, a->rd, ir_pc(t->ir, t->pc + a->imm));
    t->far_reg = a->rd;
    t->far_value = t->pc + a->imm;
    return true;
}

/* rd = rs1 <op> immediate */
static bool imm_op(RvTrans *t, const RvArgsI *a, IrOp op)
{
    rv_put(t, a->rd, ir_bin(t->ir, op, rv_get(t, a->rs1), ir_imm(t->ir, a->imm)));
    return true;
}

/* rd = rs1 <op> rs2; the IR takes shift counts modulo the width, as the ISA does */
static bool reg_op(RvTrans *t, const RvArgsR *a, IrOp op)
{
    rv_put(t, a->rd, ir_bin(t->ir, op, rv_get(t, a->rs1), rv_get(t, a->rs2)));
    return true;
}

static IrVal get32(RvTrans *t, int n)
{
    return ir_un(t->ir, IR_TRUNC, rv_get(t, n));
}

static bool imm_op32(RvTrans *t, const RvArgsI *a, IrOp op)
{
    rv_put32(t, a->rd, ir_bin(t->ir, op, get32(t, a->rs1), ir_imm32(t->ir, a->imm)));
    return true;
}

static bool reg_op32(RvTrans *t, const RvArgsR *a, IrOp op)
{
    rv_put32(t, a->rd, ir_bin(t->ir, op, get32(t, a->rs1), get32(t, a->rs2)));
    return true;
}

/* --- Immediates --- */

bool rv_addi(RvTrans *t, const RvArgsI *a)
{
    if (a->rs1 == 0) {
        rv_put(t, a->rd, ir_imm(t->ir, a->imm));
        return true;
    }
    if (a->imm == 0) {
        rv_put(t, a->rd, rv_get(t, a->rs1));
        return true;
    }
    return imm_op(t, a, IR_ADD);
}

bool rv_slti(RvTrans *t, const RvArgsI *a)
{
    rv_put(t, a->rd, ir_setcond(t->ir, IR_I64, IR_LT, rv_get(t, a->rs1), ir_imm(t->ir, a->imm)));
    return true;
}

bool rv_sltiu(RvTrans *t, const RvArgsI *a)
{
    rv_put(t, a->rd, ir_setcond(t->ir, IR_I64, IR_LTU, rv_get(t, a->rs1), ir_imm(t->ir, a->imm)));
    return true;
}

bool rv_xori(RvTrans *t, const RvArgsI *a)
{
    return imm_op(t, a, IR_XOR);
}

bool rv_ori(RvTrans *t, const RvArgsI *a)
{
    return imm_op(t, a, IR_OR);
}

bool rv_andi(RvTrans *t, const RvArgsI *a)
{
    return imm_op(t, a, IR_AND);
}

bool rv_slli(RvTrans *t, const RvArgsI *a)
{
    return imm_op(t, a, IR_SHL);
}

bool rv_srli(RvTrans *t, const RvArgsI *a)
{
    return imm_op(t, a, IR_SHR);
}

bool rv_srai(RvTrans *t, const RvArgsI *a)
{
    return imm_op(t, a, IR_SAR);
}

bool rv_addiw(RvTrans *t, const RvArgsI *a)
{
    if (a->imm == 0) { /* sext.w */
        rv_put32(t, a->rd, get32(t, a->rs1));
        return true;
    }
    return imm_op32(t, a, IR_ADD);
}

bool rv_slliw(RvTrans *t, const RvArgsI *a)
{
    return imm_op32(t, a, IR_SHL);
}

bool rv_srliw(RvTrans *t, const RvArgsI *a)
{
    return imm_op32(t, a, IR_SHR);
}

bool rv_sraiw(RvTrans *t, const RvArgsI *a)
{
    return imm_op32(t, a, IR_SAR);
}

/* --- Registers --- */

bool rv_add(RvTrans *t, const RvArgsR *a)
{
    if (a->rs1 == 0 || a->rs2 == 0) { /* c.mv */
        rv_put(t, a->rd, rv_get(t, a->rs1 | a->rs2));
        return true;
    }
    return reg_op(t, a, IR_ADD);
}

bool rv_sub(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_SUB);
}

bool rv_sll(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_SHL);
}

bool rv_slt(RvTrans *t, const RvArgsR *a)
{
    rv_put(t, a->rd, ir_setcond(t->ir, IR_I64, IR_LT, rv_get(t, a->rs1), rv_get(t, a->rs2)));
    return true;
}

bool rv_sltu(RvTrans *t, const RvArgsR *a)
{
    rv_put(t, a->rd, ir_setcond(t->ir, IR_I64, IR_LTU, rv_get(t, a->rs1), rv_get(t, a->rs2)));
    return true;
}

bool rv_xor(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_XOR);
}

bool rv_srl(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_SHR);
}

bool rv_sra(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_SAR);
}

bool rv_or(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_OR);
}

bool rv_and(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_AND);
}

bool rv_addw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_ADD);
}

bool rv_subw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_SUB);
}

bool rv_sllw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_SHL);
}

bool rv_srlw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_SHR);
}

bool rv_sraw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_SAR);
}

/* --- Multiplication and division --- */

bool rv_mul(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_MUL);
}

bool rv_mulh(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_MULHS);
}

/* Unsigned high half, less rs2 where rs1 is negative. */
bool rv_mulhsu(RvTrans *t, const RvArgsR *a)
{
    IrVal x = rv_get(t, a->rs1);
    IrVal y = rv_get(t, a->rs2);
    IrVal sign = ir_bin(t->ir, IR_SAR, x, ir_imm(t->ir, 63));
    IrVal high = ir_bin(t->ir, IR_MULHU, x, y);

    rv_put(t, a->rd, ir_sub(t->ir, high, ir_and(t->ir, sign, y)));
    return true;
}

bool rv_mulhu(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_MULHU);
}

bool rv_mulw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_MUL);
}

static IrVal imm_of(RvTrans *t, IrType type, int64_t v)
{
    return type == IR_I32 ? ir_imm32(t->ir, (int32_t)v) : ir_imm(t->ir, v);
}

/*
 * Quotient or remainder of x by y in their type, by table 11 of chapter 13.2: division by 0 gives -1
 * and x, MIN / -1 gives MIN and 0.  The IR's division knows neither case, so it gets divisor 1 there:
 * x / 1 = x and x % 1 = 0 are the results of MIN / -1 already.
 */
static IrVal divide(RvTrans *t, IrOp op, IrVal x, IrVal y)
{
    IrType type = ir_type(t->ir, x);
    IrVal zero = imm_of(t, type, 0);
    IrVal one = imm_of(t, type, 1);
    IrVal safe = ir_movcond(t->ir, IR_EQ, y, zero, one, y);
    bool quotient = op == IR_DIVS || op == IR_DIVU;

    if (op == IR_DIVS || op == IR_REMS) {
        IrVal min = imm_of(t, type, type == IR_I32 ? INT32_MIN : INT64_MIN);
        IrVal minus = imm_of(t, type, -1);
        IrVal other = ir_or(t->ir, ir_xor(t->ir, x, min), ir_xor(t->ir, y, minus));

        safe = ir_movcond(t->ir, IR_EQ, other, zero, one, safe);
    }
    return ir_movcond(t->ir, IR_EQ, y, zero, quotient ? imm_of(t, type, -1) : x,
                      ir_bin(t->ir, op, x, safe));
}

static bool div_op(RvTrans *t, const RvArgsR *a, IrOp op)
{
    rv_put(t, a->rd, divide(t, op, rv_get(t, a->rs1), rv_get(t, a->rs2)));
    return true;
}

static bool div_op32(RvTrans *t, const RvArgsR *a, IrOp op)
{
    rv_put32(t, a->rd, divide(t, op, get32(t, a->rs1), get32(t, a->rs2)));
    return true;
}

bool rv_div(RvTrans *t, const RvArgsR *a)
{
    return div_op(t, a, IR_DIVS);
}

bool rv_divu(RvTrans *t, const RvArgsR *a)
{
    return div_op(t, a, IR_DIVU);
}

bool rv_rem(RvTrans *t, const RvArgsR *a)
{
    return div_op(t, a, IR_REMS);
}

bool rv_remu(RvTrans *t, const RvArgsR *a)
{
    return div_op(t, a, IR_REMU);
}

bool rv_divw(RvTrans *t, const RvArgsR *a)
{
    return div_op32(t, a, IR_DIVS);
}

bool rv_divuw(RvTrans *t, const RvArgsR *a)
{
    return div_op32(t, a, IR_DIVU);
}

bool rv_remw(RvTrans *t, const RvArgsR *a)
{
    return div_op32(t, a, IR_REMS);
}

bool rv_remuw(RvTrans *t, const RvArgsR *a)
{
    return div_op32(t, a, IR_REMU);
}

/* --- Conditional zero --- */

/* rd = (rs2 <cond> 0) ? 0 : rs1.  One MOVCOND, so the block is not split. */
static bool czero(RvTrans *t, const RvArgsR *a, IrCond cond)
{
    IrVal zero = ir_imm(t->ir, 0);

    rv_put(t, a->rd, ir_movcond(t->ir, cond, rv_get(t, a->rs2), zero, zero, rv_get(t, a->rs1)));
    return true;
}

bool rv_czero_eqz(RvTrans *t, const RvArgsR *a)
{
    return czero(t, a, IR_EQ);
}

bool rv_czero_nez(RvTrans *t, const RvArgsR *a)
{
    return czero(t, a, IR_NE);
}
