/* SPDX-License-Identifier: MIT */
/*
 * Instruction selection for floating point.
 *
 * MXCSR holds the guest's rounding mode and collects its exception flags (abi.c), so an operation is
 * the host's, plus a test for NaN: the guest's result is then the default NaN whatever the operands
 * were.  Conversions whose rounding mode is neither the current one nor toward zero, and those out of
 * the range where host and guest agree, call the op's helper.
 */
#include "rhea/osdep.h"
#include "rhea/bits.h"
#include "codegen.h"

/* The form of a double-precision opcode for @type. */
static uint32_t fp_op(uint32_t op, IrType type)
{
    return type == IR_F32 ? OP_AS_SINGLE(op) : op;
}

static Opnd reg_opnd(unsigned reg)
{
    return (Opnd){.kind = OPND_REG, .reg = (uint8_t)reg};
}

/* --- Moves and boxes --- */

static void select_fbits(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    IrType from = ir_type(c->ir, insn->arg[0]);
    uint32_t w = insn->type == IR_I64 || insn->type == IR_F64 ? X_W : 0;
    unsigned src = cg_use(c, insn->arg[0]), dst = cg_def(c, CG_WRITTEN_LAST);

    if (from == IR_F32 || from == IR_F64) {
        emit_rr(&c->a, OP_MOVD_STORE | w, src, dst);
    } else {
        emit_rr(&c->a, OP_MOVD_LOAD | w, dst, src);
    }
}

static void select_fbox(Cg *c)
{
    unsigned ones = cg_scratch(c, CLASS_XMM);
    unsigned src = cg_use(c, cg_insn(c)->arg[0]), dst = cg_def(c, CG_WRITTEN_LAST);

    emit_rr(&c->a, OP_PCMPEQD, ones, ones);
    emit_vex_rr(&c->a, OP_PUNPCKLDQ, dst, src, ones);
}

static void emit_default_nan(Cg *c, IrType type, unsigned reg)
{
    uint32_t shift = type == IR_F32 ? OP_SHIFT_D : OP_SHIFT_Q;

    /* All ones, shifted right and left until only exponent and quiet bit are left. */
    emit_rr(&c->a, OP_PCMPEQD, reg, reg);
    emit_rr(&c->a, shift, 2, reg);
    emit8(&c->a, type == IR_F32 ? 23 : 52);
    emit_rr(&c->a, shift, 6, reg);
    emit8(&c->a, type == IR_F32 ? 22 : 51);
}

static void default_nan_stub(Cg *c, const Stub *s)
{
    emit_default_nan(c, s->insn->type, s->dst);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

/* An F64 register image to F32: the default NaN unless the upper half is all ones. */
static void select_funbox(Cg *c)
{
    unsigned t = cg_scratch(c, CLASS_GPR);
    unsigned src = cg_use(c, cg_insn(c)->arg[0]), dst = cg_def(c, cg_insn(c)->arg[0]);
    Stub *stub;

    emit_rr(&c->a, OP_PEXTRD, src, t);
    emit8(&c->a, 1);
    cg_move(c, CLASS_XMM, 0, dst, reg_opnd(src));
    emit_alu_ri(&c->a, ALU_CMP, 0, t, -1);
    stub = cg_add_stub(c, default_nan_stub, emit_jcc(&c->a, CC_NE));
    stub->dst = (uint8_t)dst;
}

/* --- Arithmetic --- */

static void emit_ucomis(Cg *c, IrType type, unsigned a, unsigned b)
{
    emit_vex_rr(&c->a, fp_op(OP_UCOMISD, type), a, 0, b);
}

static Stub *emit_nan_check(Cg *c, void (*stub)(Cg *c, const Stub *s), unsigned dst)
{
    Stub *s;

    emit_ucomis(c, cg_insn(c)->type, dst, dst);
    s = cg_add_stub(c, stub, emit_jcc(&c->a, CC_P));
    s->dst = (uint8_t)dst;
    return s;
}

static void select_fp_binary(Cg *c, uint32_t op)
{
    const IrInsn *insn = cg_insn(c);
    unsigned a = cg_use(c, insn->arg[0]), dst;
    Opnd b = cg_opnd(c, insn->arg[1]);

    op = fp_op(op, insn->type);
    dst = cg_def(c, CG_WRITTEN_LAST);
    if (b.kind == OPND_MEM) {
        emit_vex_rm(&c->a, op, dst, a, b.mem);
    } else {
        emit_vex_rr(&c->a, op, dst, a, b.reg);
    }
    emit_nan_check(c, default_nan_stub, dst);
}

static void select_fsqrt(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned a = cg_use(c, insn->arg[0]), dst = cg_def(c, CG_WRITTEN_LAST);

    emit_vex_rr(&c->a, fp_op(OP_SQRTSD, insn->type), dst, a, a);
    emit_nan_check(c, default_nan_stub, dst);
}

/*
 * infinity * 0 + NaN raises INVALID here but not on the host.  The product alone shows it: when it is
 * NaN, the flags it raises are right; otherwise they are taken back.
 */
static void fma_nan_stub(Cg *c, const Stub *s)
{
    Mem saved = mem_at(RSP, FRAME_MXCSR);
    uint32_t keep;

    emit_rm(&c->a, OP_MXCSR, 3, saved, 0);
    emit_vex_rr(&c->a, fp_op(OP_MULSD, s->insn->type), s->args[2], s->args[0], s->args[1]);
    emit_ucomis(c, s->insn->type, s->args[2], s->args[2]);
    keep = emit_jcc8(&c->a, CC_P);
    emit_rm(&c->a, OP_MXCSR, 2, saved, 0);
    patch_rel8(&c->a, keep);
    default_nan_stub(c, s);
}

static void select_fma(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    const Val *v = c->v;
    IrVal sum = insn->arg[2];
    bool alone = v[sum].root != v[insn->arg[0]].root && v[sum].root != v[insn->arg[1]].root;
    unsigned a = cg_use(c, insn->arg[0]), b = cg_use(c, insn->arg[1]);
    unsigned addend = cg_use(c, sum), t = cg_scratch(c, CLASS_XMM);
    unsigned dst = cg_def(c, alone ? sum : IR_NONE); /* the factors must outlive it: see the stub */
    uint32_t op = OP_FMADD231 | (insn->type == IR_F64 ? X_W : 0);
    Stub *stub;

    op += insn->cond & IR_FMA_NEG_ADDEND ? 2 : 0;
    op += insn->cond & IR_FMA_NEG_PRODUCT ? 4 : 0;
    cg_move(c, CLASS_XMM, 0, dst, reg_opnd(addend));
    emit_vex_rr(&c->a, op, dst, a, b);
    stub = emit_nan_check(c, fma_nan_stub, dst);
    stub->args[0] = (uint8_t)a;
    stub->args[1] = (uint8_t)b;
    stub->args[2] = (uint8_t)t;
}

/* Minimum and maximum with a NaN: the other argument, unless that is one too. */
static void minmax_nan_stub(Cg *c, const Stub *s)
{
    uint32_t a_is_nan, b_is_nan;

    emit_ucomis(c, s->insn->type, s->args[0], s->args[0]);
    a_is_nan = emit_jcc8(&c->a, CC_P);
    cg_move(c, CLASS_XMM, 0, s->dst, reg_opnd(s->args[0]));
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
    patch_rel8(&c->a, a_is_nan);
    emit_ucomis(c, s->insn->type, s->args[1], s->args[1]);
    b_is_nan = emit_jcc8(&c->a, CC_P);
    cg_move(c, CLASS_XMM, 0, s->dst, reg_opnd(s->args[1]));
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
    patch_rel8(&c->a, b_is_nan);
    default_nan_stub(c, s);
}

/* The host returns its second operand for zeros: done both ways, the results differ in nothing but
 * their signs then, and or (and) of them is -0 (+0) if one is. */
static void select_minmax(Cg *c, uint32_t op, uint32_t combine)
{
    const IrInsn *insn = cg_insn(c);
    unsigned a = cg_use(c, insn->arg[0]), b = cg_use(c, insn->arg[1]);
    unsigned t = cg_scratch(c, CLASS_XMM), dst = cg_def(c, CG_WRITTEN_LAST);
    uint32_t unordered;
    Stub *stub;

    op = fp_op(op, insn->type);
    emit_ucomis(c, insn->type, a, b);
    unordered = emit_jcc(&c->a, CC_P);
    emit_vex_rr(&c->a, op, t, a, b);
    emit_vex_rr(&c->a, op, dst, b, a);
    emit_vex_rr(&c->a, combine, dst, dst, t);
    stub = cg_add_stub(c, minmax_nan_stub, unordered);
    stub->dst = (uint8_t)dst;
    stub->args[0] = (uint8_t)a;
    stub->args[1] = (uint8_t)b;
}

/* --- Compares --- */

static void select_fcmp(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    IrType type = ir_type(c->ir, insn->arg[0]);
    unsigned a = cg_use(c, insn->arg[0]), b = cg_use(c, insn->arg[1]), dst;
    bool quiet = insn->cond == IR_FLT_QUIET || insn->cond == IR_FLE_QUIET;
    bool less = insn->cond == IR_FLT || insn->cond == IR_FLT_QUIET;

    if (insn->cond == IR_FEQ) {
        unsigned t = cg_scratch(c, CLASS_XMM);

        dst = cg_def(c, CG_WRITTEN_LAST);
        emit_vex_rr(&c->a, fp_op(OP_CMPSD, type), t, a, b);
        emit8(&c->a, 0); /* equal, quiet: all ones or zero */
        emit_rr(&c->a, OP_MOVD_STORE, t, dst);
        emit_alu_ri(&c->a, ALU_AND, 0, dst, 1);
        return;
    }
    dst = cg_def(c, CG_WRITTEN_LAST);
    /* b above a: false when unordered */
    emit_vex_rr(&c->a, fp_op(quiet ? OP_UCOMISD : OP_COMISD, type), b, 0, a);
    emit_rr(&c->a, OP_SETCC | (less ? CC_A : CC_AE), 0, dst);
    emit_rr(&c->a, OP_MOVZX8 | X_BYTE_RM, dst, dst);
}

/* --- Conversions --- */

/* Calls the op's helper: (argument, rounding mode). */
static void helper_stub(Cg *c, const Stub *s)
{
    IrType from = ir_type(c->ir, s->insn->arg[0]);
    int32_t n = ir_op_helper((IrOp)s->insn->op, (IrType)s->insn->type, from);
    unsigned arg = s->args[0];

    cg_save_temps(c, s);
    if (from == IR_F64) {
        emit_xstore(&c->a, cg_frame_arg(0), arg);
    } else if (from == IR_I64) {
        emit_store(&c->a, X_W, cg_frame_arg(0), arg);
    } else {
        emit_rm(&c->a, OP_MOV_IMM | X_W, 0, cg_frame_arg(0), 4);
        emit32(&c->a, 0);
        if (from == IR_F32) {
            emit_rm(&c->a, OP_MOVD_STORE, arg, cg_frame_arg(0), 0);
        } else {
            emit_store(&c->a, 0, cg_frame_arg(0), arg);
        }
    }
    emit_rm(&c->a, OP_MOV_IMM | X_W, 0, cg_frame_arg(1), 4);
    emit32(&c->a, s->insn->cond);
    emit_load(&c->a, X_W, RCX, cg_env(offsetof(TcgEnv, runtime)));
    emit_load(&c->a, X_W, RAX, mem_at(RCX, 8 * (THUNK_END + n - IR_OP_HELPER_BASE)));
    emit_rm(&c->a, OP_GRP5, 2, mem_at(RCX, 8 * THUNK_PURE_FP), 0);
    if (s->cls == CLASS_XMM) {
        emit_rr(&c->a, OP_MOVD_LOAD | X_W, s->dst, RAX);
    } else if (s->dst != RAX) {
        emit_mov(&c->a, X_W, s->dst, RAX);
    }
    cg_restore_temps(c, s);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

/* The rest of the conversion is done by the helper when the jump at @from is taken. */
static void add_helper_stub(Cg *c, uint32_t from, unsigned src, unsigned dst)
{
    Stub *stub = cg_add_stub(c, helper_stub, from);

    stub->args[0] = (uint8_t)src;
    stub->dst = (uint8_t)dst;
    stub->cls = c->v[c->i].cls;
    cg_keep_temps(c, stub);
}

/* Is the host's conversion the right one?  Else the helper is called in every case. */
static bool converts_by_helper(Cg *c, bool exact, bool can_truncate)
{
    const IrInsn *insn = cg_insn(c);
    unsigned src, dst;

    if (exact || insn->cond == IR_ROUND_CURRENT || (can_truncate && insn->cond == IR_ROUND_ZERO)) {
        return false;
    }
    src = cg_use(c, insn->arg[0]);
    dst = cg_def(c, CG_WRITTEN_LAST);
    add_helper_stub(c, emit_jmp(&c->a), src, dst);
    return true;
}

static void select_fcvt_f(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    IrType from = ir_type(c->ir, insn->arg[0]);
    unsigned src, dst;

    if (converts_by_helper(c, from == IR_F32, false)) {
        return;
    }
    src = cg_use(c, insn->arg[0]);
    dst = cg_def(c, CG_WRITTEN_LAST);
    emit_vex_rr(&c->a, fp_op(OP_CVT_FLOAT, from), dst, src, src);
    emit_nan_check(c, default_nan_stub, dst);
}

/* The host gives the smallest integer for all it cannot convert, and raises INVALID alone. */
static void saturate_stub(Cg *c, const Stub *s)
{
    IrType from = ir_type(c->ir, s->insn->arg[0]);
    uint32_t nan, negative;

    emit_rr(&c->a, OP_XORPS, s->args[1], s->args[1]);
    emit_ucomis(c, from, s->args[0], s->args[1]);
    nan = emit_jcc8(&c->a, CC_P);
    negative = emit_jcc8(&c->a, CC_B);
    patch_rel8(&c->a, nan);
    emit_movi(&c->a, s->dst, s->insn->type == IR_I64 ? INT64_MAX : INT32_MAX);
    patch_rel8(&c->a, negative);
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

static void select_fcvt_si(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    IrType from = ir_type(c->ir, insn->arg[0]);
    uint32_t w = cg_w(insn->type);
    unsigned src, dst, t;
    Stub *stub;

    if (converts_by_helper(c, false, true)) {
        return;
    }
    src = cg_use(c, insn->arg[0]);
    t = cg_scratch(c, CLASS_XMM);
    dst = cg_def(c, CG_WRITTEN_LAST);
    emit_vex_rr(&c->a, fp_op(insn->cond == IR_ROUND_ZERO ? OP_CVTTSD2SI : OP_CVTSD2SI, from) | w,
                dst, 0, src);
    emit_alu_ri(&c->a, ALU_CMP, w, dst, 1); /* overflows for the smallest integer only */
    stub = cg_add_stub(c, saturate_stub, emit_jcc(&c->a, CC_O));
    stub->args[0] = (uint8_t)src;
    stub->args[1] = (uint8_t)t;
    stub->dst = (uint8_t)dst;
}

/*
 * Unsigned: signed conversion to 64 bits is right for what is not negative and safely below the
 * limit.  That is seen in sign and exponent, before any flag can be raised.
 */
static void select_fcvt_ui(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    IrType from = ir_type(c->ir, insn->arg[0]);
    bool truncates = insn->cond == IR_ROUND_ZERO;
    unsigned bits = insn->type == IR_I64 ? 63 : truncates ? 32 : 31;
    unsigned src, dst, t;
    uint32_t beyond;

    if (converts_by_helper(c, false, true)) {
        return;
    }
    src = cg_use(c, insn->arg[0]);
    t = cg_scratch(c, CLASS_GPR);
    dst = cg_def(c, CG_WRITTEN_LAST);
    emit_rr(&c->a, OP_MOVD_STORE | (from == IR_F64 ? X_W : 0), src, t);
    emit_shift_ri(&c->a, SHIFT_SHR, from == IR_F64 ? X_W : 0, t, from == IR_F64 ? 52 : 23);
    emit_alu_ri(&c->a, ALU_CMP, 0, t, (int32_t)((from == IR_F64 ? 1023 : 127) + bits));
    beyond = emit_jcc(&c->a, CC_AE);
    emit_vex_rr(&c->a, fp_op(truncates ? OP_CVTTSD2SI : OP_CVTSD2SI, from) | X_W, dst, 0, src);
    add_helper_stub(c, beyond, src, dst);
}

static void select_int_to_fp(Cg *c, bool is_unsigned)
{
    const IrInsn *insn = cg_insn(c);
    IrType from = ir_type(c->ir, insn->arg[0]);
    bool wide = from == IR_I64;
    unsigned src, dst, t = NO_REG;
    uint32_t negative = 0;

    if (converts_by_helper(c, !wide && insn->type == IR_F64, false)) {
        return;
    }
    src = cg_use(c, insn->arg[0]);
    if (is_unsigned && !wide) {
        t = cg_scratch(c, CLASS_GPR);
        emit_mov(&c->a, 0, t, src);
        src = t;
    }
    dst = cg_def(c, CG_WRITTEN_LAST);
    if (is_unsigned && wide) {
        emit_rr(&c->a, OP_TEST | X_W, src, src);
        negative = emit_jcc(&c->a, CC_S);
    }
    emit_rr(&c->a, OP_XORPS, dst, dst); /* the conversion merges into it */
    emit_vex_rr(&c->a, fp_op(OP_CVTSI2SD, insn->type) | (wide || is_unsigned ? X_W : 0), dst, dst,
                src);
    if (negative) {
        add_helper_stub(c, negative, src, dst);
    }
}

bool cg_select_fp(Cg *c)
{
    switch ((IrOp)cg_insn(c)->op) {
    case IR_FBITS: select_fbits(c); break;
    case IR_FBOX: select_fbox(c); break;
    case IR_FUNBOX: select_funbox(c); break;
    case IR_FADD: select_fp_binary(c, OP_ADDSD); break;
    case IR_FSUB: select_fp_binary(c, OP_SUBSD); break;
    case IR_FMUL: select_fp_binary(c, OP_MULSD); break;
    case IR_FDIV: select_fp_binary(c, OP_DIVSD); break;
    case IR_FSQRT: select_fsqrt(c); break;
    case IR_FMA: select_fma(c); break;
    case IR_FMIN: select_minmax(c, OP_MINSD, OP_ORPS); break;
    case IR_FMAX: select_minmax(c, OP_MAXSD, OP_ANDPS); break;
    case IR_FCMP: select_fcmp(c); break;
    case IR_FCVT_F: select_fcvt_f(c); break;
    case IR_FCVT_SI: select_fcvt_si(c); break;
    case IR_FCVT_UI: select_fcvt_ui(c); break;
    case IR_FCVT_SF: select_int_to_fp(c, false); break;
    case IR_FCVT_UF: select_int_to_fp(c, true); break;
    default: return false;
    }
    return true;
}
