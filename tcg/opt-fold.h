/* SPDX-License-Identifier: MIT */
/* Looking at operands while folding; shared by opt-fold.c and opt-bits.c. */
#ifndef TCG_OPT_FOLD_H
#define TCG_OPT_FOLD_H

#include "tcg/ir-eval.h"
#include "tcg/ir.h"

static inline const IrInsn *def(const Ir *ir, IrVal v)
{
    return &ir->insns[v];
}

/* The instruction that defines @v, if it is an @op. */
static inline const IrInsn *def_of(const Ir *ir, IrVal v, IrOp op)
{
    return ir->insns[v].op == op ? &ir->insns[v] : NULL;
}

static inline bool is_const(const Ir *ir, IrVal v, int64_t *c)
{
    *c = ir->insns[v].imm;
    return ir->insns[v].op == IR_CONST;
}

/* The constant as unsigned number of its type. */
static inline bool is_uconst(const Ir *ir, IrVal v, uint64_t *c)
{
    *c = ir_narrow(ir->insns[v].type, ir->insns[v].imm);
    return ir->insns[v].op == IR_CONST;
}

static inline bool equals(const Ir *ir, IrVal v, int64_t c)
{
    return ir->insns[v].op == IR_CONST && ir->insns[v].imm == c;
}

static inline unsigned width(IrType type)
{
    return type == IR_I32 ? 32 : 64;
}

static inline bool fits_s32(int64_t v)
{
    return v == (int32_t)v;
}

static inline IrCond cond_inverse(IrCond c)
{
    static const uint8_t inverse[] = {
        [IR_EQ] = IR_NE, [IR_NE] = IR_EQ,   [IR_LT] = IR_GE,   [IR_GE] = IR_LT,   [IR_LE] = IR_GT,
        [IR_GT] = IR_LE, [IR_LTU] = IR_GEU, [IR_GEU] = IR_LTU, [IR_LEU] = IR_GTU, [IR_GTU] = IR_LEU,
    };
    return inverse[c];
}

/* cond(a, b) == cond_swapped(cond)(b, a) */
static inline IrCond cond_swapped(IrCond c)
{
    static const uint8_t swapped[] = {
        [IR_EQ] = IR_EQ, [IR_NE] = IR_NE,   [IR_LT] = IR_GT,   [IR_GE] = IR_LE,   [IR_LE] = IR_GE,
        [IR_GT] = IR_LT, [IR_LTU] = IR_GTU, [IR_GEU] = IR_LEU, [IR_LEU] = IR_GEU, [IR_GTU] = IR_LTU,
    };
    return swapped[c];
}

/* Bits of @v that may be one. */
uint64_t ir_possible_bits(const Ir *ir, IrVal v);
/* The number of low bits of which the integer @v is the sign extension. */
unsigned ir_signed_bits(const Ir *ir, IrVal v);

#endif
