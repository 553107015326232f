/* SPDX-License-Identifier: MIT */
/* Bit manipulation: Zba, Zbb, Zbc, Zbs.  Unprivileged ISA 20240411, chapter 28. */
#include "rhea/osdep.h"

#include "trans.h"

static IrVal get32(RvTrans *t, int n)
{
    return ir_un(t->ir, IR_TRUNC, rv_get(t, n));
}

/* --- Zba: rd = (rs1 << shift) + rs2, rs1 perhaps zero-extended from 32 bits --- */

static bool shift_add(RvTrans *t, const RvArgsR *a, int shift, bool word)
{
    IrVal x = rv_get(t, a->rs1);

    if (word) {
        x = ir_un(t->ir, IR_ZEXT32, get32(t, a->rs1));
    }
    if (shift) {
        x = ir_bin(t->ir, IR_SHL, x, ir_imm(t->ir, shift));
    }
    rv_put(t, a->rd, a->rs2 ? ir_add(t->ir, x, rv_get(t, a->rs2)) : x);
    return true;
}

bool rv_add_uw(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 0, true);
}

bool rv_sh1add(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 1, false);
}

bool rv_sh2add(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 2, false);
}

bool rv_sh3add(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 3, false);
}

bool rv_sh1add_uw(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 1, true);
}

bool rv_sh2add_uw(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 2, true);
}

bool rv_sh3add_uw(RvTrans *t, const RvArgsR *a)
{
    return shift_add(t, a, 3, true);
}

bool rv_slli_uw(RvTrans *t, const RvArgsI *a)
{
    IrVal x = ir_un(t->ir, IR_ZEXT32, get32(t, a->rs1));

    rv_put(t, a->rd, ir_bin(t->ir, IR_SHL, x, ir_imm(t->ir, a->imm)));
    return true;
}

/* --- Zbb --- */

static bool reg_op(RvTrans *t, const RvArgsR *a, IrOp op)
{
    rv_put(t, a->rd, ir_bin(t->ir, op, rv_get(t, a->rs1), rv_get(t, a->rs2)));
    return true;
}

static bool reg_op32(RvTrans *t, const RvArgsR *a, IrOp op)
{
    rv_put32(t, a->rd, ir_bin(t->ir, op, get32(t, a->rs1), get32(t, a->rs2)));
    return true;
}

static bool unary(RvTrans *t, const RvArgsUNARY *a, IrOp op)
{
    rv_put(t, a->rd, ir_un(t->ir, op, rv_get(t, a->rs1)));
    return true;
}

static bool unary32(RvTrans *t, const RvArgsUNARY *a, IrOp op)
{
    rv_put32(t, a->rd, ir_un(t->ir, op, get32(t, a->rs1)));
    return true;
}

/* rd = rs1 <cond> rs2 ? rs1 : rs2 */
static bool choose(RvTrans *t, const RvArgsR *a, IrCond cond)
{
    IrVal x = rv_get(t, a->rs1);
    IrVal y = rv_get(t, a->rs2);

    rv_put(t, a->rd, ir_movcond(t->ir, cond, x, y, x, y));
    return true;
}

bool rv_andn(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_ANDN);
}

bool rv_orn(RvTrans *t, const RvArgsR *a)
{
    IrVal not_y = ir_un(t->ir, IR_NOT, rv_get(t, a->rs2));

    rv_put(t, a->rd, ir_or(t->ir, rv_get(t, a->rs1), not_y));
    return true;
}

bool rv_xnor(RvTrans *t, const RvArgsR *a)
{
    IrVal x = ir_xor(t->ir, rv_get(t, a->rs1), rv_get(t, a->rs2));

    rv_put(t, a->rd, ir_un(t->ir, IR_NOT, x));
    return true;
}

bool rv_clz(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_CLZ);
}

bool rv_ctz(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_CTZ);
}

bool rv_cpop(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_POPCNT);
}

bool rv_clzw(RvTrans *t, const RvArgsUNARY *a)
{
    return unary32(t, a, IR_CLZ);
}

bool rv_ctzw(RvTrans *t, const RvArgsUNARY *a)
{
    return unary32(t, a, IR_CTZ);
}

bool rv_cpopw(RvTrans *t, const RvArgsUNARY *a)
{
    return unary32(t, a, IR_POPCNT);
}

bool rv_max(RvTrans *t, const RvArgsR *a)
{
    return choose(t, a, IR_GE);
}

bool rv_maxu(RvTrans *t, const RvArgsR *a)
{
    return choose(t, a, IR_GEU);
}

bool rv_min(RvTrans *t, const RvArgsR *a)
{
    return choose(t, a, IR_LT);
}

bool rv_minu(RvTrans *t, const RvArgsR *a)
{
    return choose(t, a, IR_LTU);
}

bool rv_sext_b(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_SEXT8);
}

bool rv_sext_h(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_SEXT16);
}

bool rv_zext_h(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_ZEXT16);
}

bool rv_rol(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_ROTL);
}

bool rv_ror(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_ROTR);
}

bool rv_rori(RvTrans *t, const RvArgsI *a)
{
    rv_put(t, a->rd, ir_bin(t->ir, IR_ROTR, rv_get(t, a->rs1), ir_imm(t->ir, a->imm)));
    return true;
}

bool rv_rolw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_ROTL);
}

bool rv_rorw(RvTrans *t, const RvArgsR *a)
{
    return reg_op32(t, a, IR_ROTR);
}

bool rv_roriw(RvTrans *t, const RvArgsI *a)
{
    rv_put32(t, a->rd, ir_bin(t->ir, IR_ROTR, get32(t, a->rs1), ir_imm32(t->ir, a->imm)));
    return true;
}

/*
 * Every byte that is not 0 becomes 0xff.  Bit 7 of ((x & 0x7f) + 0x7f) | x says that the byte is not 0;
 * those bits moved down to bit 0 and times 0xff fill their bytes without carries.
 */
bool rv_orc_b(RvTrans *t, const RvArgsUNARY *a)
{
    Ir *ir = t->ir;
    IrVal low7 = ir_imm(ir, 0x7f7f7f7f7f7f7f7f);
    IrVal x = rv_get(t, a->rs1);
    IrVal high = ir_or(ir, ir_add(ir, ir_and(ir, x, low7), low7), x);
    IrVal ones =
        ir_and(ir, ir_bin(ir, IR_SHR, high, ir_imm(ir, 7)), ir_imm(ir, 0x0101010101010101));
    IrVal shifted = ir_bin(ir, IR_SHL, ones, ir_imm(ir, 8));

    rv_put(t, a->rd, ir_sub(ir, shifted, ones));
    return true;
}

bool rv_rev8(RvTrans *t, const RvArgsUNARY *a)
{
    return unary(t, a, IR_BSWAP);
}

/* --- Zbc --- */

bool rv_clmul(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_CLMUL);
}

bool rv_clmulh(RvTrans *t, const RvArgsR *a)
{
    return reg_op(t, a, IR_CLMULH);
}

/* Bits 126..63 of the 127-bit product. */
bool rv_clmulr(RvTrans *t, const RvArgsR *a)
{
    IrVal x = rv_get(t, a->rs1);
    IrVal y = rv_get(t, a->rs2);
    IrVal high = ir_bin(t->ir, IR_SHL, ir_bin(t->ir, IR_CLMULH, x, y), ir_imm(t->ir, 1));
    IrVal low = ir_bin(t->ir, IR_SHR, ir_bin(t->ir, IR_CLMUL, x, y), ir_imm(t->ir, 63));

    rv_put(t, a->rd, ir_or(t->ir, high, low));
    return true;
}

/* --- Zbs --- */

static IrVal bit_of(RvTrans *t, IrVal n)
{
    return ir_bin(t->ir, IR_SHL, ir_imm(t->ir, 1), n);
}

static bool bit_op(RvTrans *t, int rd, int rs1, IrVal n, IrOp op)
{
    rv_put(t, rd, ir_bin(t->ir, op, rv_get(t, rs1), bit_of(t, n)));
    return true;
}

static bool bit_extract(RvTrans *t, int rd, int rs1, IrVal n)
{
    IrVal x = ir_bin(t->ir, IR_SHR, rv_get(t, rs1), n);

    rv_put(t, rd, ir_and(t->ir, x, ir_imm(t->ir, 1)));
    return true;
}

bool rv_bclr(RvTrans *t, const RvArgsR *a)
{
    return bit_op(t, a->rd, a->rs1, rv_get(t, a->rs2), IR_ANDN);
}

bool rv_bclri(RvTrans *t, const RvArgsI *a)
{
    IrVal mask = ir_imm(t->ir, (int64_t)~BIT_ULL(a->imm));

    rv_put(t, a->rd, ir_and(t->ir, rv_get(t, a->rs1), mask));
    return true;
}

bool rv_bext(RvTrans *t, const RvArgsR *a)
{
    return bit_extract(t, a->rd, a->rs1, rv_get(t, a->rs2));
}

bool rv_bexti(RvTrans *t, const RvArgsI *a)
{
    return bit_extract(t, a->rd, a->rs1, ir_imm(t->ir, a->imm));
}

bool rv_binv(RvTrans *t, const RvArgsR *a)
{
    return bit_op(t, a->rd, a->rs1, rv_get(t, a->rs2), IR_XOR);
}

bool rv_binvi(RvTrans *t, const RvArgsI *a)
{
    return bit_op(t, a->rd, a->rs1, ir_imm(t->ir, a->imm), IR_XOR);
}

bool rv_bset(RvTrans *t, const RvArgsR *a)
{
    return bit_op(t, a->rd, a->rs1, rv_get(t, a->rs2), IR_OR);
}

bool rv_bseti(RvTrans *t, const RvArgsI *a)
{
    return bit_op(t, a->rd, a->rs1, ir_imm(t->ir, a->imm), IR_OR);
}
