/* SPDX-License-Identifier: MIT */
/* Moves, exchanges, conversions, conditional moves, segment registers.  SDM vol. 1, 7.3.1 and 7.3.9. */
#include "rhea/osdep.h"

#include "trans.h"

void x86_op_mov(X86Trans *t)
{
    t->v[0] = t->v[1];
}

void x86_op_movzx(X86Trans *t)
{
    unsigned to = x86_opnd_size(&t->insn, 0), from = x86_opnd_size(&t->insn, 1);

    t->v[0] = to == 8 ? x86_zext64(t, t->v[1], from) : x86_zext(t, t->v[1], from);
}

void x86_op_movsx(X86Trans *t)
{
    unsigned to = x86_opnd_size(&t->insn, 0), from = x86_opnd_size(&t->insn, 1);

    t->v[0] = to == 8 ? x86_sext64(t, t->v[1], from) : x86_sext(t, t->v[1], from);
}

void x86_op_lea(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 0);

    t->v[0] = x86_narrow(t, x86_offset(t), size);
}

void x86_op_xchg(X86Trans *t)
{
    IrVal v = t->v[0];

    if (t->insn.map == X86_MAP_ROOT && t->insn.opcode == 0x90 && !(t->insn.rex & X86_REX_B)) {
        t->v[0] = t->v[1] = IR_NONE; /* NOP; with 32 bits too RAX stays as it is */
        return;
    }
    t->v[0] = t->v[1];
    t->v[1] = v;
}

void x86_op_cbw(X86Trans *t)
{
    unsigned size = t->insn.opsize, half = size / 2;
    IrVal v = x86_get(t, X86_RAX, half);

    x86_put(t, X86_RAX, size, size == 8 ? x86_sext64(t, v, half) : x86_sext(t, v, half));
}

void x86_op_cwd(X86Trans *t)
{
    unsigned size = t->insn.opsize;
    IrVal v = x86_sext(t, x86_get(t, X86_RAX, size), size);

    x86_put(t, X86_RDX, size, ir_bin(t->ir, IR_SAR, v, x86_imm(t, size == 8 ? 63 : 31, size)));
}

void x86_op_xlat(X86Trans *t)
{
    IrVal al = x86_zext64(t, x86_get(t, X86_RAX, 1), 1), offset;

    offset = ir_add(t->ir, ir_get(t->ir, X86_G_REG + X86_RBX), al);
    offset = x86_wrap(t, offset, t->insn.adsize);
    x86_put(t, X86_RAX, 1, x86_load(t, x86_linear(t, t->insn.seg, offset, 1, ACCESS_READ), 0, 1));
}

/* --- Conditions --- */

void x86_op_setcc(X86Trans *t)
{
    X86Cond c = x86_cond(t, t->insn.opcode & 15);

    t->v[0] = ir_setcond(t->ir, IR_I32, c.cond, c.a, c.b);
}

void x86_op_cmov(X86Trans *t)
{
    X86Cond c = x86_cond(t, t->insn.opcode & 15);

    t->v[0] = ir_movcond(t->ir, c.cond, c.a, c.b, t->v[1], t->v[0]);
}

/* --- Compare and exchange --- */

/* @is_equal: memory or register held what RAX has; it held @old. */
static void put_accumulator(X86Trans *t, unsigned size, IrVal acc, IrVal old)
{
    IrVal rax = ir_get(t->ir, X86_G_REG + X86_RAX), loaded = x86_zext64(t, old, size);

    if (size < 4) {
        IrVal high = ir_imm(t->ir, (int64_t)~MASK_ULL(8 * size));

        loaded = ir_or(t->ir, ir_and(t->ir, rax, high), loaded);
    }
    ir_put(t->ir, X86_G_REG + X86_RAX,
           ir_movcond(t->ir, IR_EQ, x86_zext(t, acc, size), x86_zext(t, old, size), rax, loaded));
}

/* The register operand becomes @v; a 32-bit one that stays also keeps its upper half. */
static void exchange_register(X86Trans *t, unsigned size, IrVal acc, IrVal old, IrVal v)
{
    if (size == 4) {
        IrVal whole = ir_get(t->ir, X86_G_REG + t->insn.rm);

        ir_put(t->ir, X86_G_REG + t->insn.rm,
               ir_movcond(t->ir, IR_EQ, acc, old, x86_zext64(t, t->v[1], 4), whole));
        return;
    }
    t->v[0] = v;
    x86_store_operand(t, 0);
}

void x86_op_cmpxchg(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 0);
    IrVal acc = x86_get(t, X86_RAX, size), old, v;

    if (x86_modrm_is_mem(&t->insn)) {
        IrVal addr = x86_address(t, size, ACCESS_WRITE);

        old = ir_cas(t->ir, x86_type(size), x86_mem(t, size), t->mmu, addr, x86_zext(t, acc, size),
                     t->v[1]);
        put_accumulator(t, size, acc, old);
    } else {
        old = size == 1 ? x86_get_byte(t, t->insn.rm) : x86_get(t, t->insn.rm, size);
        v = ir_movcond(t->ir, IR_EQ, x86_zext(t, acc, size), x86_zext(t, old, size), t->v[1], old);
        put_accumulator(t, size, acc, old);
        exchange_register(t, size, acc, old, v);
    }
    x86_flags_sum(t, X86_CC_CMP, size, ir_bin(t->ir, IR_SUB, acc, old), acc, old, IR_NONE);
}

/* ZF := @equal (I32), the others stay. */
static void put_zero_flag(X86Trans *t, IrVal equal)
{
    IrVal all = ir_and(t->ir, x86_flags_all(t), ir_imm32(t->ir, ~X86_ZF));

    equal = ir_bin(t->ir, IR_SHL, equal, ir_imm32(t->ir, 6));
    x86_flags_eflags(t, ir_or(t->ir, all, equal));
}

/* Two halves of 32 bits as one value. */
static IrVal pair(X86Trans *t, unsigned high, unsigned low)
{
    IrVal h = ir_bin(t->ir, IR_SHL, ir_get(t->ir, X86_G_REG + high), ir_imm(t->ir, 32));

    return ir_or(t->ir, h, x86_zext64(t, x86_get(t, low, 4), 4));
}

void x86_op_cmpxchg8b(X86Trans *t)
{
    bool wide = t->insn.mode64 && t->insn.rex & X86_REX_W;
    IrVal addr, expect, old, high, equal;

    if (wide && !x86_has(t->model, X86_F_CX16)) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    addr = x86_address(t, wide ? 16 : 8, ACCESS_WRITE);
    if (wide) {
        equal = ir_un(t->ir, IR_TRUNC, x86_call2(t, X86_H_CMPXCHG16B, addr, ir_imm(t->ir, t->mmu)));
        put_zero_flag(t, equal);
        return;
    }
    expect = pair(t, X86_RDX, X86_RAX);
    old = ir_cas(t->ir, IR_I64, x86_mem(t, 8), t->mmu, addr, expect, pair(t, X86_RCX, X86_RBX));
    equal = ir_setcond(t->ir, IR_I32, IR_EQ, old, expect);
    high = ir_bin(t->ir, IR_SHR, old, ir_imm(t->ir, 32));
    ir_put(t->ir, X86_G_REG + X86_RDX,
           ir_movcond(t->ir, IR_EQ, old, expect, ir_get(t->ir, X86_G_REG + X86_RDX), high));
    ir_put(t->ir, X86_G_REG + X86_RAX,
           ir_movcond(t->ir, IR_EQ, old, expect, ir_get(t->ir, X86_G_REG + X86_RAX),
                      x86_wrap(t, old, 4)));
    put_zero_flag(t, equal);
}

/* --- Flags and AH --- */

void x86_op_lahf(X86Trans *t)
{
    const int32_t mask = X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF;
    IrVal v = ir_and(t->ir, x86_flags_all(t), ir_imm32(t->ir, mask));

    x86_put_part(t, X86_RAX, 1, 8, ir_or(t->ir, v, ir_imm32(t->ir, 2)));
}

void x86_op_sahf(X86Trans *t)
{
    const int32_t mask = X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF;
    IrVal ah = ir_bin(t->ir, IR_SHR, x86_get(t, X86_RAX, 4), ir_imm32(t->ir, 8));
    IrVal of = ir_and(t->ir, x86_flags_all(t), ir_imm32(t->ir, X86_OF));

    x86_flags_eflags(t, ir_or(t->ir, of, ir_and(t->ir, ah, ir_imm32(t->ir, mask))));
}

/* --- Segment registers --- */

void x86_op_mov_from_seg(X86Trans *t)
{
    if (t->insn.reg % 8 >= X86_NSEGS) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    t->v[0] = x86_opnd_size(&t->insn, 0) == 8 ? x86_zext64(t, t->v[1], 2) : t->v[1];
}

static void load_segment(X86Trans *t, unsigned seg, IrVal selector)
{
    x86_call2(t, X86_H_LOAD_SEG, ir_imm(t->ir, seg), x86_zext64(t, selector, 2));
}

void x86_op_load_seg(X86Trans *t)
{
    unsigned seg = t->insn.reg & 7;

    load_segment(t, seg, t->v[1]);
    if (seg == X86_SS) {
        x86_call0(t, X86_H_SHADOW_SS);
    }
    x86_end_context(t);
}

/* LDS, LES, LSS, LFS, LGS. */
void x86_op_load_far(X86Trans *t)
{
    static const uint8_t segs[16] = {[0x2] = X86_SS, [0x4] = X86_FS, [0x5] = X86_GS};
    unsigned size = t->insn.opsize;
    unsigned seg = t->insn.map == X86_MAP_0F ? segs[t->insn.opcode & 15]
                   : t->insn.opcode == 0xc4  ? X86_ES
                                             : X86_DS;
    IrVal addr = x86_address(t, size + 2, ACCESS_READ);
    IrVal offset = x86_load(t, addr, 0, size);

    load_segment(t, seg, x86_load(t, addr, size, 2));
    x86_put(t, t->insn.reg, size, offset);
    x86_end_context(t);
}

void x86_op_push_seg(X86Trans *t)
{
    IrVal v = t->v[0];

    x86_push_value(t, t->insn.opsize == 8 ? x86_zext64(t, v, 2) : v, t->insn.opsize);
}

void x86_op_pop_seg(X86Trans *t)
{
    unsigned seg = t->insn.row->op[0].reg;
    IrVal v = x86_stack_load(t, 0, t->insn.opsize);

    load_segment(t, seg, x86_narrow(t, v, t->insn.opsize == 8 ? 4 : 8));
    x86_add_sp(t, t->insn.opsize);
    if (seg == X86_SS) {
        x86_call0(t, X86_H_SHADOW_SS);
    }
    x86_end_context(t);
}
