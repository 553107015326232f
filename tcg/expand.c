/* SPDX-License-Identifier: MIT */
/*
 * Rewrites ops that a backend lacks: EXPAND ops into REQUIRED ones (or into ops that are expanded in
 * turn), HELPER ops into calls; and vector FP ops that the backend has but cannot do as Ir.fp_calls wants.
 */
#include "rhea/osdep.h"

#include "tcg/ir.h"
#include "tcg/ir-private.h"

typedef struct Expander {
    Ir *ir;
    const bool *has;
} Expander;

static IrVal expand_op(Expander *x, const IrInsn *insn);

/* Appends an op, expanded in turn if the backend lacks it. */
static IrVal op(Expander *x, IrOp op, IrType type, IrVal a, IrVal b)
{
    IrInsn insn = {.op = op, .type = type, .arg = {a, b, IR_NONE, IR_NONE}};

    if (ir_op_info[op].lack == IR_EXPAND && !x->has[op]) {
        return expand_op(x, &insn);
    }
    return ir_emit(x->ir, op, type, a, b, IR_NONE, IR_NONE, 0);
}

static IrVal constant(Expander *x, IrType type, int64_t v)
{
    return type == IR_I32 ? ir_imm32(x->ir, v) : ir_imm(x->ir, v);
}

/* High half of the unsigned product, from four products of 32-bit halves. */
static IrVal expand_mulhu(Expander *x, IrVal a, IrVal b)
{
    IrVal c32 = constant(x, IR_I64, 32), low = constant(x, IR_I64, 0xffffffff);
    IrVal a0 = op(x, IR_AND, IR_I64, a, low), a1 = op(x, IR_SHR, IR_I64, a, c32);
    IrVal b0 = op(x, IR_AND, IR_I64, b, low), b1 = op(x, IR_SHR, IR_I64, b, c32);
    IrVal p00 = op(x, IR_MUL, IR_I64, a0, b0), p01 = op(x, IR_MUL, IR_I64, a0, b1);
    IrVal p10 = op(x, IR_MUL, IR_I64, a1, b0), p11 = op(x, IR_MUL, IR_I64, a1, b1);
    /* None of these sums overflows: a 32-bit product plus a 32-bit number fits 64 bits. */
    IrVal mid = op(x, IR_ADD, IR_I64, p01, op(x, IR_SHR, IR_I64, p00, c32));
    IrVal mid2 = op(x, IR_ADD, IR_I64, p10, op(x, IR_AND, IR_I64, mid, low));

    return op(x, IR_ADD, IR_I64, op(x, IR_ADD, IR_I64, p11, op(x, IR_SHR, IR_I64, mid, c32)),
              op(x, IR_SHR, IR_I64, mid2, c32));
}

/* mulhs(a, b) = mulhu(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0) */
static IrVal expand_mulhs(Expander *x, IrVal a, IrVal b)
{
    IrVal c63 = constant(x, IR_I64, 63);
    IrVal high = op(x, IR_MULHU, IR_I64, a, b);
    IrVal b_if = op(x, IR_AND, IR_I64, op(x, IR_SAR, IR_I64, a, c63), b);
    IrVal a_if = op(x, IR_AND, IR_I64, op(x, IR_SAR, IR_I64, b, c63), a);

    return op(x, IR_SUB, IR_I64, op(x, IR_SUB, IR_I64, high, b_if), a_if);
}

/* rotl(a, n) = a << n | a >> -n, counts being modulo the width */
static IrVal expand_rotate(Expander *x, IrType t, IrOp there, IrOp back, IrVal a, IrVal n)
{
    return op(x, IR_OR, t, op(x, there, t, a, n), op(x, back, t, a, op(x, IR_NEG, t, n, IR_NONE)));
}

static IrVal expand_sext(Expander *x, IrType t, unsigned from, IrVal a)
{
    IrVal count = constant(x, t, (t == IR_I32 ? 32 : 64) - from);

    return op(x, IR_SAR, t, op(x, IR_SHL, t, a, count), count);
}

/* (a + b) + c or (a - b) - c, c being an I32; *part is the inner one. */
static IrVal expand_sum(Expander *x, IrOp by, const IrInsn *insn, IrVal *part)
{
    IrType t = ir_type(x->ir, insn->arg[0]);
    IrVal c = insn->arg[2];

    *part = op(x, by, t, insn->arg[0], insn->arg[1]);
    return op(x, by, t, *part, t == IR_I64 ? op(x, IR_ZEXT32, t, c, IR_NONE) : c);
}

/* The first sum is below a, or the second below the first: not both. */
static IrVal expand_carry(Expander *x, const IrInsn *insn)
{
    IrVal part, sum = expand_sum(x, IR_ADD, insn, &part);

    return op(x, IR_OR, IR_I32, ir_setcond(x->ir, IR_I32, IR_LTU, part, insn->arg[0]),
              ir_setcond(x->ir, IR_I32, IR_LTU, sum, part));
}

static IrVal expand_borrow(Expander *x, const IrInsn *insn)
{
    IrVal part, difference = expand_sum(x, IR_SUB, insn, &part);

    return op(x, IR_OR, IR_I32, ir_setcond(x->ir, IR_I32, IR_LTU, insn->arg[0], insn->arg[1]),
              ir_setcond(x->ir, IR_I32, IR_LTU, part, difference));
}

static IrVal expand_op(Expander *x, const IrInsn *insn)
{
    IrType t = insn->type;
    IrVal a = insn->arg[0], b = insn->arg[1], part;

    switch (insn->op) {
    case IR_MULHU: return expand_mulhu(x, a, b);
    case IR_MULHS: return expand_mulhs(x, a, b);
    case IR_NEG: return op(x, IR_SUB, t, constant(x, t, 0), a);
    case IR_NOT: return op(x, IR_XOR, t, a, constant(x, t, -1));
    case IR_ANDN: return op(x, IR_AND, t, a, op(x, IR_NOT, t, b, IR_NONE));
    case IR_ROTL: return expand_rotate(x, t, IR_SHL, IR_SHR, a, b);
    case IR_ROTR: return expand_rotate(x, t, IR_SHR, IR_SHL, a, b);
    case IR_SEXT8: return expand_sext(x, t, 8, a);
    case IR_SEXT16: return expand_sext(x, t, 16, a);
    case IR_ZEXT8: return op(x, IR_AND, t, a, constant(x, t, 0xff));
    case IR_ZEXT16: return op(x, IR_AND, t, a, constant(x, t, 0xffff));
    case IR_ADC: return expand_sum(x, IR_ADD, insn, &part);
    case IR_SBB: return expand_sum(x, IR_SUB, insn, &part);
    case IR_CARRY: return expand_carry(x, insn);
    case IR_BORROW: return expand_borrow(x, insn);
    default: g_assert_not_reached(); /* every EXPAND op of ir-ops.def is above */
    }
}

static IrVal expand_to_call(Expander *x, const IrInsn *insn)
{
    unsigned nargs = ir_op_info[insn->op].nargs;
    IrInsn call = *insn;

    call.imm = ir_op_helper(insn->op, insn->type, ir_type(x->ir, insn->arg[0]));
    call.op = IR_CALL;
    call.cond = 0;
    if (ir_is_vec(insn->op)) {
        call.arg[nargs] = ir_imm32(x->ir, insn->cond | insn->imm << 8);
    } else if (ir_op_text[insn->op].cond) {
        call.arg[nargs] = ir_imm32(x->ir, insn->cond);
    }
    return ir_emit(x->ir, IR_CALL, call.type, call.arg[0], call.arg[1], call.arg[2], call.arg[3],
                   call.imm);
}

/* Is @op to be rewritten? */
static bool to_be_expanded(const Expander *x, IrOp op)
{
    const IrOpInfo *info = &ir_op_info[op];

    return info->lack != IR_REQUIRED &&
           (!x->has[op] || (x->ir->fp_calls && ir_is_vec(op) && info->props & IR_PROP_FP));
}

void ir_expand(Ir *ir, const bool *has)
{
    Expander x = {ir, has};
    IrVal *map = ir->scratch->map;
    const IrInsn *old;
    unsigned n, i;

    for (i = 0; i < ir->n; i++) {
        if (to_be_expanded(&x, ir->insns[i].op)) {
            break;
        }
    }
    if (i == ir->n) {
        return; /* nothing to do, which is usual */
    }
    n = ir_rebuild_begin(ir, &old);
    for (i = 0; i < n; i++) {
        IrInsn insn = old[i];

        ir_map_args(&insn, map);
        if (!to_be_expanded(&x, insn.op)) {
            map[i] = ir_append(ir, &insn);
        } else if (ir_op_info[insn.op].lack == IR_EXPAND) {
            map[i] = expand_op(&x, &insn);
        } else {
            map[i] = expand_to_call(&x, &insn);
        }
    }
    ir_check_pass(ir, "expand");
}
