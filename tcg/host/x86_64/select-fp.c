/* SPDX-License-Identifier: MIT */
/* Instruction selection for floating point: SSE, with the guest's rounding mode in MXCSR. */
#include "rhea/osdep.h"
#include "codegen.h"

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
    Opnd a = cg_opnd(c, cg_insn(c)->arg[0]);
    unsigned dst = cg_def(c, cg_insn(c)->arg[0]);

    emit_rr(&c->a, OP_PCMPEQD, ones, ones);
    cg_move(c, CLASS_XMM, 0, dst, a);
    emit_rr(&c->a, OP_PUNPCKLDQ, dst, ones);
}

static void emit_default_nan(Cg *c, IrType type, unsigned reg)
{
    /* All ones, shifted right and left until only exponent and quiet bit are left. */
    emit_rr(&c->a, OP_PCMPEQD, reg, reg);
    emit_rr(&c->a, type == IR_F32 ? OP_SHIFT_D : OP_SHIFT_Q, 2, reg);
    emit8(&c->a, type == IR_F32 ? 23 : 52);
    emit_rr(&c->a, type == IR_F32 ? OP_SHIFT_D : OP_SHIFT_Q, 6, reg);
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

    emit_rr(&c->a, OP_MOVD_STORE | X_W, src, t);
    emit_shift_ri(&c->a, SHIFT_SHR, X_W, t, 32);
    cg_move(c, CLASS_XMM, 0, dst, (Opnd){.kind = OPND_REG, .reg = (uint8_t)src});
    emit_alu_ri(&c->a, ALU_CMP, 0, t, -1);
    stub = cg_add_stub(c, default_nan_stub, emit_jcc(&c->a, CC_NE));
    stub->dst = (uint8_t)dst;
}

bool cg_select_fp(Cg *c)
{
    switch ((IrOp)cg_insn(c)->op) {
    case IR_FBITS: select_fbits(c); break;
    case IR_FBOX: select_fbox(c); break;
    case IR_FUNBOX: select_funbox(c); break;
    default: return false;
    }
    return true;
}
