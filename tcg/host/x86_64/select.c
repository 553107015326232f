/* SPDX-License-Identifier: MIT */
/*
 * Instruction selection for integer ops, and the driver of one compilation.
 *
 * Each function handles one op or a family: it asks the allocator for its arguments, then for the
 * result's register, and emits.  Asking for the result may reuse an argument's register only where
 * the call says so.
 */
#include "rhea/osdep.h"
#include "codegen.h"

/* --- Moves of state --- */

static void select_ldenv(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned dst = cg_def(c, IR_NONE);
    Mem m = cg_env(insn->imm);
    bool sign = insn->mem & IR_MEM_SIGNED;
    uint32_t w = sign ? cg_w(insn->type) : 0;

    if (c->v[c->i].cls == CLASS_XMM) {
        cg_xmm_load(c, cg_xmm_type(insn->mem), dst, m);
        return;
    }
    switch (insn->mem & IR_MEM_SIZE) {
    case IR_MEM_8: emit_rm(&c->a, (sign ? OP_MOVSX8 : OP_MOVZX8) | w, dst, m, 0); break;
    case IR_MEM_16: emit_rm(&c->a, (sign ? OP_MOVSX16 : OP_MOVZX16) | w, dst, m, 0); break;
    case IR_MEM_32: emit_rm(&c->a, w ? OP_MOVSXD : OP_MOV_LOAD, dst, m, 0); break;
    default: emit_load(&c->a, X_W, dst, m); break;
    }
}

static void select_stenv(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    static const uint32_t ops[4] = {OP_MOV_STORE8, OP_MOV_STORE16, OP_MOV_STORE,
                                    OP_MOV_STORE | X_W};
    unsigned reg = cg_use(c, insn->arg[0]);
    unsigned size = insn->mem & IR_MEM_SIZE;

    if (c->v[c->v[insn->arg[0]].root].cls == CLASS_XMM) {
        cg_xmm_store(c, cg_xmm_type(insn->mem), cg_env(insn->imm), reg);
    } else {
        emit_rm(&c->a, ops[size], reg, cg_env(insn->imm), 0);
    }
}

static void select_pc(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned dst = cg_def(c, IR_NONE);

    emit_load(&c->a, X_W, dst, cg_env(offsetof(TcgEnv, pc_page)));
    if (fits_i32(insn->imm)) {
        if (insn->imm) {
            emit_alu_ri(&c->a, ALU_ADD, X_W, dst, (int32_t)insn->imm);
        }
    } else {
        unsigned t = cg_scratch(c, CLASS_GPR);

        emit_movi(&c->a, t, (uint64_t)insn->imm);
        emit_alu_rr(&c->a, ALU_ADD, X_W, dst, t);
    }
}

/* --- Arithmetic --- */

void cg_alu(Cg *c, unsigned alu, uint32_t w, unsigned dst, Opnd o)
{
    switch (o.kind) {
    case OPND_REG: emit_alu_rr(&c->a, alu, w, dst, o.reg); break;
    case OPND_MEM: emit_alu_rm(&c->a, alu, w, dst, o.mem); break;
    case OPND_IMM: emit_alu_ri(&c->a, alu, w, dst, (int32_t)o.imm); break;
    }
}

static bool same_reg(Opnd o, unsigned reg)
{
    return o.kind == OPND_REG && o.reg == reg;
}

/* Swaps so that a constant, or the value that lives on, comes second. */
static void order_args(Cg *c, IrVal *a, IrVal *b)
{
    int64_t imm;

    if (cg_is_const(c, *a, &imm) ||
        (cg_dies(c, *b) && !cg_dies(c, *a) && !cg_is_const(c, *b, &imm))) {
        IrVal t = *a;

        *a = *b;
        *b = t;
    }
}

/* ADD as lea where that saves a move. */
static bool add_by_lea(Cg *c, uint32_t w, unsigned dst, Opnd a, Opnd b)
{
    if (a.kind != OPND_REG || a.reg == dst || same_reg(b, dst)) {
        return false;
    }
    if (b.kind == OPND_IMM) {
        emit_lea(&c->a, w, dst, mem_at(a.reg, (int32_t)b.imm));
        return true;
    }
    if (b.kind == OPND_REG) {
        emit_lea(&c->a, w, dst, (Mem){a.reg, b.reg, 0, 0});
        return true;
    }
    return false;
}

static void select_binary(Cg *c, unsigned alu, bool commutes)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    IrVal av = insn->arg[0], bv = insn->arg[1];
    Opnd a, b;
    unsigned dst;

    if (commutes) {
        order_args(c, &av, &bv);
    }
    a = cg_opnd(c, av);
    b = cg_opnd(c, bv);
    dst = cg_def(c, commutes ? CG_WRITTEN_LAST : av);
    if (alu == ALU_ADD && add_by_lea(c, w, dst, a, b)) {
        return;
    }
    if (same_reg(b, dst) && !same_reg(a, dst)) {
        Opnd t = a; /* only commuting ops may be given their second argument's register */

        a = b;
        b = t;
    }
    cg_move(c, CLASS_GPR, w, dst, a);
    if (alu == ALU_ADD && b.kind == OPND_IMM && b.imm == 128) {
        emit_alu_ri(&c->a, ALU_SUB, w, dst, -128);
    } else {
        cg_alu(c, alu, w, dst, b);
    }
}

/* ADD of a value and a fused shift. */
static bool add_scaled(Cg *c)
{
    const IrInsn *insn = cg_insn(c);

    for (unsigned k = 0; k < 2; k++) {
        if (c->v[insn->arg[k]].fused) {
            const IrInsn *shift = &c->ir->insns[insn->arg[k]];
            unsigned base = cg_use(c, insn->arg[1 - k]), index = cg_use(c, shift->arg[0]);
            int64_t count = 0;

            cg_is_const(c, shift->arg[1], &count);
            c->extra_use = c->v[shift->arg[0]].root;
            emit_lea(&c->a, cg_w(insn->type), cg_def(c, CG_WRITTEN_LAST),
                     (Mem){(uint8_t)base, (uint8_t)index, 0, (uint8_t)count});
            return true;
        }
    }
    return false;
}

static void select_add(Cg *c)
{
    if (!add_scaled(c)) {
        select_binary(c, ALU_ADD, true);
    }
}

/* The carry flag becomes arg2 (I32, 0 or 1), then @dst := arg0 + arg1 + CF or arg0 - arg1 - CF; @t is clobbered.
 * Both registers are other ones than the operands', but @dst may be arg0's. */
static void emit_with_carry(Cg *c, unsigned alu, uint32_t w, unsigned dst, const Opnd *o,
                            unsigned t)
{
    cg_move(c, CLASS_GPR, w, dst, o[0]);
    emit_alu_ri(&c->a, ALU_ADD, 0, t, -1);
    cg_alu(c, alu, w, dst, o[1]);
}

/* Operands of such a sum; arg2 goes to @t, and its own register is not needed any more. */
static void take_sum_operands(Cg *c, Opnd *o, unsigned t)
{
    const IrInsn *insn = cg_insn(c);
    Opnd carry;

    o[0] = cg_opnd(c, insn->arg[0]);
    o[1] = cg_opnd(c, insn->arg[1]);
    carry = cg_opnd(c, insn->arg[2]);
    cg_move(c, CLASS_GPR, 0, t, carry);
    if (carry.kind == OPND_REG && !same_reg(o[0], carry.reg) && !same_reg(o[1], carry.reg)) {
        c->locked[CLASS_GPR] &= ~(1U << carry.reg);
    }
}

static void emit_carry_out(Cg *c, unsigned t)
{
    emit_rr(&c->a, OP_SETCC | CC_B, 0, t);
    emit_rr(&c->a, OP_MOVZX8 | X_BYTE_RM, t, t);
}

/* ADC or SBB, and the carry out of it where that is the next instruction. */
static void select_sum(Cg *c, unsigned alu, IrOp out_op)
{
    const IrInsn *insn = cg_insn(c), *next = insn + 1;
    IrVal out = (IrVal)(c->i + 1);
    bool both = next->op == out_op && !memcmp(next->arg, insn->arg, sizeof(insn->arg));
    Opnd o[2];
    unsigned t = both ? cg_def_extra(c, out, c->v[out].last_use) : cg_scratch(c, CLASS_GPR), dst;

    take_sum_operands(c, o, t);
    dst = cg_def(c, insn->arg[0]);
    if (!both && alu == ALU_ADC && add_by_lea(c, cg_w(insn->type), dst, o[0], o[1])) {
        emit_alu_rr(&c->a, ALU_ADD, cg_w(insn->type), dst, t);
        return;
    }
    emit_with_carry(c, alu, cg_w(insn->type), dst, o, t);
    if (both) {
        emit_carry_out(c, t);
    }
}

/* CARRY or BORROW, unless select_sum() has made it. */
static void select_carry(Cg *c, unsigned alu)
{
    const IrInsn *insn = cg_insn(c);
    unsigned t, dst;
    Opnd o[2];

    if (c->v[c->i].reg != NO_REG) {
        return;
    }
    t = cg_scratch(c, CLASS_GPR);
    take_sum_operands(c, o, t);
    dst = cg_def(c, IR_NONE);
    emit_with_carry(c, alu, cg_w(ir_type(c->ir, insn->arg[0])), dst, o, t);
    emit_carry_out(c, dst);
}

/* MUL and MULHU of the same factors, one behind the other, are one instruction. */
static bool multiply_wide(Cg *c)
{
    const IrInsn *insn = cg_insn(c), *next = insn + 1;
    IrVal high = (IrVal)(c->i + 1);
    unsigned b, low;

    if (insn->type != IR_I64 || next->op != IR_MULHU || next->arg[0] != insn->arg[0] ||
        next->arg[1] != insn->arg[1]) {
        return false;
    }
    cg_take(c, CLASS_GPR, RDX);
    b = cg_use(c, insn->arg[1]);
    cg_move(c, CLASS_GPR, X_W, RDX, cg_opnd(c, insn->arg[0]));
    c->locked[CLASS_GPR] = 1U << RDX | 1U << b; /* the results may need the first factor's */
    low = cg_def(c, CG_WRITTEN_LAST);
    emit_vex_rr(&c->a, OP_MULX, cg_def_extra(c, high, c->v[high].last_use), low, b);
    return true;
}

static void select_mul(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    IrVal av = insn->arg[0], bv = insn->arg[1];
    Opnd a, b;
    unsigned dst;

    if (multiply_wide(c)) {
        return;
    }
    order_args(c, &av, &bv);
    a = cg_opnd(c, av);
    b = cg_opnd(c, bv);
    dst = cg_def(c, CG_WRITTEN_LAST);
    if (b.kind == OPND_IMM) {
        if (a.kind == OPND_IMM) {
            emit_movi(&c->a, dst, w ? (uint64_t)a.imm : (uint32_t)a.imm);
            a = (Opnd){.kind = OPND_REG, .reg = (uint8_t)dst};
        }
        if (a.kind == OPND_MEM) {
            emit_rm(&c->a, OP_IMUL_IMM | w, dst, a.mem, 4);
        } else {
            emit_rr(&c->a, OP_IMUL_IMM | w, dst, a.reg);
        }
        emit32(&c->a, (uint32_t)b.imm);
        return;
    }
    if (same_reg(b, dst)) {
        Opnd t = a;

        a = b;
        b = t;
    }
    cg_move(c, CLASS_GPR, w, dst, a);
    if (b.kind == OPND_MEM) {
        emit_rm(&c->a, OP_IMUL | w, dst, b.mem, 0);
    } else if (b.kind == OPND_REG) {
        emit_rr(&c->a, OP_IMUL | w, dst, b.reg);
    } else { /* the swap above made the constant second again */
        emit_rr(&c->a, OP_IMUL_IMM | w, dst, dst);
        emit32(&c->a, (uint32_t)b.imm);
    }
}

/* rdx:rax holds the operands and results of one-operand multiplication and of division. */
static void select_rdx_rax(Cg *c, unsigned ext, unsigned result)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    unsigned b;

    cg_take(c, CLASS_GPR, RAX);
    cg_take(c, CLASS_GPR, RDX);
    b = cg_use(c, insn->arg[1]);
    cg_move(c, CLASS_GPR, w, RAX, cg_opnd(c, insn->arg[0]));
    emit_rr(&c->a, OP_GRP3 | w, ext, b);
    cg_def_in(c, result);
}

static void select_mulhu(Cg *c)
{
    if (c->v[c->i].reg == NO_REG) { /* else multiply_wide() has made it */
        select_rdx_rax(c, GRP3_MUL, RDX);
    }
}

/*
 * Divisors 0 and -1 would trap; no guest sees these results, but a dead arm may compute them.  For
 * signed ops rdx is the divisor + 1.  The results are those of tcg/op-helpers.c.
 */
static void divide_stub(Cg *c, const Stub *s)
{
    uint32_t w = cg_w(s->insn->type);

    switch (s->insn->op) {
    case IR_DIVU: emit_movi(&c->a, RAX, 0); break;
    case IR_REMU: emit_mov(&c->a, X_W, RDX, RAX); break;
    case IR_DIVS:
        emit_alu_ri(&c->a, ALU_SUB, w, RDX, 1);
        emit_rr(&c->a, OP_IMUL | w, RAX, RDX);
        break;
    default: emit_rr(&c->a, OP_IMUL | w, RDX, RAX); break;
    }
    patch_rel32(&c->a, emit_jmp(&c->a), s->back);
}

static void select_divide(Cg *c, bool is_signed, unsigned result)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type), guard = 0;
    int64_t imm;
    unsigned b;

    cg_take(c, CLASS_GPR, RAX);
    cg_take(c, CLASS_GPR, RDX);
    b = cg_use(c, insn->arg[1]);
    cg_move(c, CLASS_GPR, w, RAX, cg_opnd(c, insn->arg[0]));
    if (!cg_is_const(c, insn->arg[1], &imm) || imm == 0 || imm == -1) {
        if (is_signed) {
            emit_lea(&c->a, w, RDX, mem_at(b, 1));
            emit_alu_ri(&c->a, ALU_CMP, w, RDX, 1);
        } else {
            emit_rr(&c->a, OP_TEST | w, b, b);
        }
        guard = emit_jcc(&c->a, is_signed ? CC_BE : CC_E);
    }
    if (!is_signed) {
        emit_movi(&c->a, RDX, 0);
    } else { /* cqo or cdq */
        if (w) {
            emit8(&c->a, 0x48);
        }
        emit8(&c->a, 0x99);
    }
    emit_rr(&c->a, OP_GRP3 | w, is_signed ? GRP3_IDIV : GRP3_DIV, b);
    if (guard) {
        cg_add_stub(c, divide_stub, guard);
    }
    cg_def_in(c, result);
}

static void select_shift(Cg *c, uint32_t vex_op, unsigned shift)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    int64_t count;
    unsigned dst;

    if (c->v[c->i].fused) {
        return;
    }
    if (cg_is_const(c, insn->arg[1], &count)) {
        Opnd a = cg_opnd(c, insn->arg[0]);

        dst = cg_def(c, insn->arg[0]);
        count &= w ? 63 : 31;
        if (shift == SHIFT_SHL && count == 1 && a.kind == OPND_REG && a.reg != dst) {
            emit_lea(&c->a, w, dst, (Mem){a.reg, a.reg, 0, 0});
            return;
        }
        cg_move(c, CLASS_GPR, w, dst, a);
        emit_shift_ri(&c->a, shift, w, dst, (unsigned)count);
    } else {
        unsigned n = cg_use(c, insn->arg[1]);
        Opnd a = cg_opnd(c, insn->arg[0]);

        if (a.kind == OPND_IMM) {
            a = (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, insn->arg[0])};
        }
        dst = cg_def(c, CG_WRITTEN_LAST);
        if (a.kind == OPND_MEM) {
            emit_vex_rm(&c->a, vex_op | w, dst, n, a.mem);
        } else {
            emit_vex_rr(&c->a, vex_op | w, dst, n, a.reg);
        }
    }
}

static void select_rotate(Cg *c, unsigned shift)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    unsigned bits = w ? 64 : 32;
    int64_t count;

    if (cg_is_const(c, insn->arg[1], &count)) {
        unsigned a = cg_use(c, insn->arg[0]), dst = cg_def(c, CG_WRITTEN_LAST);

        count &= bits - 1;
        emit_vex_rr(&c->a, OP_RORX | w, dst, 0, a);
        emit8(&c->a, (uint8_t)(shift == SHIFT_ROR ? count : (bits - count) & (bits - 1)));
    } else {
        Opnd a;
        unsigned dst;

        cg_take(c, CLASS_GPR, RCX);
        cg_move(c, CLASS_GPR, 0, RCX, cg_opnd(c, insn->arg[1]));
        a = cg_opnd(c, insn->arg[0]);
        dst = cg_def(c, insn->arg[0]);
        cg_move(c, CLASS_GPR, w, dst, a);
        emit_rr(&c->a, OP_SHIFT_CL | w, shift, dst);
    }
}

/* One operand in place: not, neg. */
static void select_in_place(Cg *c, unsigned ext)
{
    const IrInsn *insn = cg_insn(c);
    Opnd a = cg_opnd(c, insn->arg[0]);
    unsigned dst = cg_def(c, insn->arg[0]);

    cg_move(c, CLASS_GPR, cg_w(insn->type), dst, a);
    emit_rr(&c->a, OP_GRP3 | cg_w(insn->type), ext, dst);
}

/* dst := op(register or memory); @w applies to the whole instruction. */
static void select_unary(Cg *c, uint32_t op)
{
    const IrInsn *insn = cg_insn(c);
    bool byte = (op & 0xfff) == (OP_MOVZX8 & 0xfff) || (op & 0xfff) == (OP_MOVSX8 & 0xfff);
    Opnd a = cg_opnd(c, insn->arg[0]);
    unsigned dst;

    if (a.kind == OPND_IMM) {
        a = (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, insn->arg[0])};
    }
    dst = cg_def(c, CG_WRITTEN_LAST);
    if (a.kind == OPND_MEM) {
        emit_rm(&c->a, op, dst, a.mem, 0);
    } else {
        emit_rr(&c->a, op | (byte ? X_BYTE_RM : 0), dst, a.reg);
    }
}

static void select_zext32(Cg *c)
{
    if (c->v[c->i].root == c->i) {
        select_unary(c, OP_MOV_LOAD);
    }
}

static void select_andn(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    unsigned b = cg_use(c, insn->arg[1]), a = cg_use(c, insn->arg[0]);

    emit_vex_rr(&c->a, OP_ANDN | cg_w(insn->type), cg_def(c, CG_WRITTEN_LAST), b, a);
}

static void select_bswap(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    Opnd a = cg_opnd(c, insn->arg[0]);
    unsigned dst = cg_def(c, insn->arg[0]);

    cg_move(c, CLASS_GPR, w, dst, a);
    emit8(&c->a, (uint8_t)(0x40 | (w ? 8 : 0) | dst >> 3));
    emit8(&c->a, 0x0f);
    emit8(&c->a, (uint8_t)(0xc8 | (dst & 7)));
}

static void select_clmul(Cg *c, bool high)
{
    const IrInsn *insn = cg_insn(c);
    unsigned a = cg_use(c, insn->arg[0]), b = cg_use(c, insn->arg[1]);
    unsigned x = cg_scratch(c, CLASS_XMM), y = cg_scratch(c, CLASS_XMM), dst;

    emit_rr(&c->a, OP_MOVD_LOAD | X_W, x, a);
    emit_rr(&c->a, OP_MOVD_LOAD | X_W, y, b);
    emit_rr(&c->a, OP_PCLMULQDQ, x, y);
    emit8(&c->a, 0);
    dst = cg_def(c, CG_WRITTEN_LAST);
    if (high) {
        emit_rr(&c->a, OP_PEXTRQ, x, dst);
        emit8(&c->a, 1);
    } else {
        emit_rr(&c->a, OP_MOVD_STORE | X_W, x, dst);
    }
}

/* --- Compares --- */

static unsigned swap_cond(unsigned cond)
{
    static const uint8_t swapped[] = {
        [IR_EQ] = IR_EQ, [IR_NE] = IR_NE,   [IR_LT] = IR_GT,   [IR_GE] = IR_LE,   [IR_LE] = IR_GE,
        [IR_GT] = IR_LT, [IR_LTU] = IR_GTU, [IR_GEU] = IR_LEU, [IR_LEU] = IR_GEU, [IR_GTU] = IR_LTU,
    };

    return swapped[cond];
}

unsigned cg_compare(Cg *c)
{
    static const uint8_t codes[] = {
        [IR_EQ] = CC_E, [IR_NE] = CC_NE, [IR_LT] = CC_L,   [IR_GE] = CC_GE,  [IR_LE] = CC_LE,
        [IR_GT] = CC_G, [IR_LTU] = CC_B, [IR_GEU] = CC_AE, [IR_LEU] = CC_BE, [IR_GTU] = CC_A,
    };
    const IrInsn *insn = cg_insn(c);
    IrVal av = insn->arg[0], bv = insn->arg[1];
    uint32_t w = cg_w(ir_type(c->ir, av));
    unsigned cond = insn->cond;
    int64_t imm;
    Opnd a, b;

    if (cg_is_const(c, av, &imm)) {
        IrVal t = av;

        av = bv;
        bv = t;
        cond = swap_cond(cond);
    }
    a = cg_opnd(c, av);
    b = cg_opnd(c, bv);
    if (a.kind == OPND_IMM || (a.kind == OPND_MEM && b.kind == OPND_MEM)) {
        a = (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, av)};
    }
    c->compare_at = asm_pos(&c->a);
    if (a.kind == OPND_MEM && b.kind == OPND_IMM) {
        emit_alu_mi(&c->a, ALU_CMP, w, a.mem, (int32_t)b.imm);
    } else if (a.kind == OPND_MEM) {
        emit_rm(&c->a, (ALU_CMP << 3 | 1) | w, b.reg, a.mem, 0);
    } else if (b.kind == OPND_IMM && b.imm == 0) {
        emit_rr(&c->a, OP_TEST | w, a.reg, a.reg);
    } else {
        cg_alu(c, ALU_CMP, w, a.reg, b);
    }
    return codes[cond];
}

/* Clears @dst ahead of the instructions from position @at on, which do not touch it. */
static void clear_before(Cg *c, uint32_t at, unsigned dst)
{
    uint8_t clear[4], *from = c->a.start + at, *end = c->a.p;
    size_t n;

    emit_movi(&c->a, dst, 0);
    n = (size_t)(c->a.p - end);
    if (!c->a.overflow) {
        memcpy(clear, end, n);
        memmove(from + n, from, (size_t)(end - from));
        memcpy(from, clear, n);
    }
}

static void select_setcond(Cg *c)
{
    unsigned cc = cg_compare(c), dst;
    uint32_t compared = c->locked[CLASS_GPR], end = asm_pos(&c->a);

    /* Moves after the compare must not touch the flags; one may save what @dst held. */
    dst = cg_def(c, CG_WRITTEN_LAST);
    if (compared >> dst & 1 || asm_pos(&c->a) != end) {
        emit_rr(&c->a, OP_SETCC | cc, 0, dst);
        emit_rr(&c->a, OP_MOVZX8 | X_BYTE_RM, dst, dst);
    } else {
        clear_before(c, c->compare_at, dst);
        emit_rr(&c->a, OP_SETCC | cc, 0, dst);
    }
}

/* A constant into @dst without changing the flags. */
static void const_keeping_flags(Cg *c, uint32_t w, unsigned dst, IrVal v)
{
    int64_t imm;

    cg_is_const(c, v, &imm);
    if (imm == 0) {
        emit_rr(&c->a, OP_MOV_IMM, 0, dst);
        emit32(&c->a, 0);
    } else {
        emit_movi(&c->a, dst, w ? (uint64_t)imm : (uint32_t)imm);
    }
}

static void select_movcond(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);
    unsigned cc = cg_compare(c), dst;
    int64_t imm;
    bool no_const = cg_is_const(c, insn->arg[3], &imm);
    Opnd yes, no = {0};

    /* The compare is done with its operands; spills and loads are moves and keep the flags. */
    c->locked[CLASS_GPR] = 0;
    if (cg_is_const(c, insn->arg[2], &imm)) {
        yes = (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_scratch(c, CLASS_GPR)};
        const_keeping_flags(c, w, yes.reg, insn->arg[2]);
    } else {
        yes = cg_opnd(c, insn->arg[2]);
    }
    if (!no_const) {
        no = (Opnd){.kind = OPND_REG, .reg = (uint8_t)cg_use(c, insn->arg[3])};
    }
    dst = cg_def(c, insn->arg[3]);
    if (same_reg(yes, dst)) { /* both are one value, which dies here */
        if (!w) {
            emit_mov(&c->a, 0, dst, dst); /* as every result, with a clear upper half */
        }
        return;
    }
    if (no_const) {
        const_keeping_flags(c, w, dst, insn->arg[3]);
    } else {
        cg_move(c, CLASS_GPR, w, dst, no);
    }
    if (yes.kind == OPND_MEM) {
        emit_rm(&c->a, OP_CMOV | cc | w, dst, yes.mem, 0);
    } else {
        emit_rr(&c->a, OP_CMOV | cc | w, dst, yes.reg);
    }
}

/* --- The driver --- */

Stub *cg_add_stub(Cg *c, void (*emit)(Cg *c, const Stub *s), uint32_t from)
{
    Stub s = {.emit = emit,
              .from = from,
              .back = asm_pos(&c->a),
              .page_rel = c->page_rel,
              .insn = cg_insn(c),
              .dst = NO_REG,
              .group = -1};

    c->stubs[c->nstubs] = s;
    return &c->stubs[c->nstubs++];
}

static bool select_integer(Cg *c)
{
    const IrInsn *insn = cg_insn(c);
    uint32_t w = cg_w(insn->type);

    switch ((IrOp)insn->op) {
    case IR_ADD: select_add(c); break;
    case IR_SUB: select_binary(c, ALU_SUB, false); break;
    case IR_AND: select_binary(c, ALU_AND, true); break;
    case IR_OR: select_binary(c, ALU_OR, true); break;
    case IR_XOR: select_binary(c, ALU_XOR, true); break;
    case IR_SHL: select_shift(c, OP_SHLX, SHIFT_SHL); break;
    case IR_SHR: select_shift(c, OP_SHRX, SHIFT_SHR); break;
    case IR_SAR: select_shift(c, OP_SARX, SHIFT_SAR); break;
    case IR_ROTL: select_rotate(c, SHIFT_ROL); break;
    case IR_ROTR: select_rotate(c, SHIFT_ROR); break;
    case IR_MUL: select_mul(c); break;
    case IR_MULHU: select_mulhu(c); break;
    case IR_MULHS: select_rdx_rax(c, GRP3_IMUL, RDX); break;
    case IR_DIVU: select_divide(c, false, RAX); break;
    case IR_DIVS: select_divide(c, true, RAX); break;
    case IR_REMU: select_divide(c, false, RDX); break;
    case IR_REMS: select_divide(c, true, RDX); break;
    case IR_NEG: select_in_place(c, GRP3_NEG); break;
    case IR_NOT: select_in_place(c, GRP3_NOT); break;
    case IR_ANDN: select_andn(c); break;
    case IR_CLZ: select_unary(c, OP_LZCNT | w); break;
    case IR_CTZ: select_unary(c, OP_TZCNT | w); break;
    case IR_POPCNT: select_unary(c, OP_POPCNT | w); break;
    case IR_BSWAP: select_bswap(c); break;
    case IR_CLMUL: select_clmul(c, false); break;
    case IR_CLMULH: select_clmul(c, true); break;
    case IR_SEXT8: select_unary(c, OP_MOVSX8 | w); break;
    case IR_SEXT16: select_unary(c, OP_MOVSX16 | w); break;
    case IR_ZEXT8: select_unary(c, OP_MOVZX8); break;
    case IR_ZEXT16: select_unary(c, OP_MOVZX16); break;
    case IR_SEXT32: select_unary(c, OP_MOVSXD); break;
    case IR_ZEXT32: select_zext32(c); break;
    case IR_SETCOND: select_setcond(c); break;
    case IR_MOVCOND: select_movcond(c); break;
    case IR_ADC: select_sum(c, ALU_ADC, IR_CARRY); break;
    case IR_SBB: select_sum(c, ALU_SBB, IR_BORROW); break;
    case IR_CARRY: select_carry(c, ALU_ADC); break;
    case IR_BORROW: select_carry(c, ALU_SBB); break;
    default: return false;
    }
    return true;
}

void cg_select(Cg *c)
{
    const IrInsn *insn = cg_insn(c);

    switch ((IrOp)insn->op) {
    case IR_CONST:
    case IR_TRUNC: break; /* no code of their own */
    case IR_GET: cg_get(c); break;
    case IR_PUT: cg_put(c); break;
    case IR_LDENV: select_ldenv(c); break;
    case IR_STENV: select_stenv(c); break;
    case IR_PC: select_pc(c); break;
    case IR_INSN: c->page_rel = (int32_t)insn->imm; break;
    case IR_LOAD: cg_load(c); break;
    case IR_STORE: cg_store(c); break;
    case IR_ATOMIC: cg_atomic(c); break;
    case IR_CAS: cg_cas(c); break;
    case IR_FENCE: cg_fence(c); break;
    case IR_CALL: cg_call(c); break;
    case IR_EXIT_IF: cg_exit_if(c); break;
    case IR_GOTO: cg_goto(c); break;
    case IR_GOTO_IND: cg_goto_ind(c); break;
    case IR_EXIT: cg_exit(c); break;
    default:
        if (!select_integer(c) && !cg_select_fp(c) && !cg_select_vec(c)) {
            g_error("x86-64 back end: op %s was not expanded", ir_op_info[insn->op].name);
        }
        break;
    }
}
