/* SPDX-License-Identifier: MIT */
/*
 * Shifts and rotates.  SDM vol. 2 and vol. 1, 7.3.6.
 *
 * The count is masked to 5 bits (6 for 64-bit operands); with 0 no flag changes.  OF is defined for a
 * count of 1 only; here it is computed the same way for all.
 */
#include "rhea/osdep.h"

#include "trans.h"

typedef struct Count {
    IrVal v; /* I32, masked */
    bool known;
    unsigned n; /* if known */
} Count;

static unsigned size_of(const X86Trans *t)
{
    return x86_opnd_size(&t->insn, 0);
}

/* Operand @n as a count. */
static Count count_of(X86Trans *t, unsigned n)
{
    unsigned mask = size_of(t) == 8 ? 63 : 31;
    const X86OpndSpec *op = &t->insn.row->op[n];
    Count c = {.known = op->place != X86_P_FIXED};

    if (c.known) {
        c.n = op->place == X86_P_ONE ? 1 : (unsigned)t->insn.imm[n] & mask;
        c.v = ir_imm32(t->ir, (int32_t)c.n);
    } else {
        c.v = ir_and(t->ir, t->v[n], ir_imm32(t->ir, (int32_t)mask));
    }
    return c;
}

/* @v as the type of @like. */
static IrVal typed_as(X86Trans *t, IrVal v, IrVal like)
{
    return ir_type(t->ir, like) == IR_I64 ? ir_un(t->ir, IR_ZEXT32, v) : v;
}

static IrVal shifted(X86Trans *t, IrOp op, IrVal v, IrVal count)
{
    return ir_bin(t->ir, op, v, typed_as(t, count, v));
}

/*
 * Flags from the result and from @last, the value shifted by one less.  Operands of 1 and 2 bytes are
 * shifted as 32 bits, which is enough for counts up to 31: what is beyond the size is 0 or sign.
 */
static void shift(X86Trans *t, IrOp op)
{
    unsigned size = size_of(t);
    Count c = count_of(t, 1);
    X86Flags old = t->flags;
    IrVal v = t->v[0], last, less;

    if (c.known && c.n == 0) {
        return;
    }
    if (op == IR_SHR) {
        v = x86_zext(t, v, size);
    } else if (op == IR_SAR) {
        v = x86_sext(t, v, size);
    }
    less = ir_add(t->ir, c.v, ir_imm32(t->ir, -1));
    last = shifted(t, op, v, less);
    t->v[0] = shifted(t, op, v, c.v);
    x86_flags_set(t, op == IR_SHL ? X86_CC_SHL : X86_CC_SHR, size, t->v[0], last);
    if (!c.known) {
        x86_flags_unless_zero(t, c.v, &old);
    }
}

void x86_op_shl(X86Trans *t)
{
    shift(t, IR_SHL);
}

void x86_op_shr(X86Trans *t)
{
    shift(t, IR_SHR);
}

void x86_op_sar(X86Trans *t)
{
    shift(t, IR_SAR);
}

/* --- Shifts without flags --- */

static void shift_x(X86Trans *t, IrOp op)
{
    t->v[0] = ir_bin(t->ir, op, t->v[1], t->v[2]); /* the IR masks counts as the CPU does */
}

void x86_op_shlx(X86Trans *t)
{
    shift_x(t, IR_SHL);
}

void x86_op_shrx(X86Trans *t)
{
    shift_x(t, IR_SHR);
}

void x86_op_sarx(X86Trans *t)
{
    shift_x(t, IR_SAR);
}

void x86_op_rorx(X86Trans *t)
{
    t->v[0] = ir_bin(t->ir, IR_ROTR, t->v[1], x86_imm(t, (uint8_t)t->insn.imm[2], size_of(t)));
}

/* --- Double shifts --- */

/*
 * 16 bits, as a shift of 48.  A count above 16, which the manuals leave undefined, shifts the second
 * operand in once more, as processors do.
 */
static void double_shift16(X86Trans *t, bool left, Count c, IrVal *last)
{
    IrOp op = left ? IR_SHL : IR_SHR;
    IrVal a = x86_zext64(t, t->v[0], 2), b = x86_zext64(t, t->v[1], 2), wide;
    IrVal less = ir_add(t->ir, c.v, ir_imm32(t->ir, -1));

    wide = ir_or(t->ir, b, ir_bin(t->ir, IR_SHL, b, ir_imm(t->ir, 16)));
    if (left) { /* a:b:b, of which the top remains */
        wide = ir_or(t->ir, wide, ir_bin(t->ir, IR_SHL, a, ir_imm(t->ir, 32)));
    } else { /* b:b:a */
        wide = ir_or(t->ir, a, ir_bin(t->ir, IR_SHL, wide, ir_imm(t->ir, 16)));
    }
    t->v[0] = shifted(t, op, wide, c.v);
    *last = shifted(t, op, wide, less);
    if (left) {
        t->v[0] = ir_bin(t->ir, IR_SHR, t->v[0], ir_imm(t->ir, 32));
        *last = ir_bin(t->ir, IR_SHR, *last, ir_imm(t->ir, 32));
    }
    t->v[0] = ir_un(t->ir, IR_TRUNC, t->v[0]);
    *last = ir_un(t->ir, IR_TRUNC, *last);
}

static void double_shift(X86Trans *t, bool left)
{
    unsigned size = size_of(t);
    Count c = count_of(t, 2);
    X86Flags old = t->flags;
    IrOp op = left ? IR_SHL : IR_SHR;
    IrVal a = t->v[0], last, less, back, in;

    if (c.known && c.n == 0) {
        return;
    }
    if (size == 2) {
        double_shift16(t, left, c, &last);
    } else {
        less = ir_add(t->ir, c.v, ir_imm32(t->ir, -1));
        last = shifted(t, op, a, less);
        back = ir_bin(t->ir, IR_SUB, ir_imm32(t->ir, (int32_t)size * 8), c.v);
        in = shifted(t, left ? IR_SHR : IR_SHL, t->v[1], back);
        t->v[0] = ir_or(t->ir, shifted(t, op, a, c.v), in);
        if (!c.known) { /* a count of 0 would shift by the width, which the IR takes for 0 */
            t->v[0] = ir_movcond(t->ir, IR_EQ, c.v, ir_imm32(t->ir, 0), a, t->v[0]);
        }
    }
    x86_flags_set(t, left ? X86_CC_SHL : X86_CC_SHR, size, t->v[0], last);
    if (!c.known) {
        x86_flags_unless_zero(t, c.v, &old);
    }
}

void x86_op_shld(X86Trans *t)
{
    double_shift(t, true);
}

void x86_op_shrd(X86Trans *t)
{
    double_shift(t, false);
}

/* --- Rotates: CF and OF change, the others stay --- */

static IrVal bit_of(X86Trans *t, IrVal v, unsigned n)
{
    if (ir_type(t->ir, v) == IR_I64) {
        v = ir_un(t->ir, IR_TRUNC, ir_bin(t->ir, IR_SHR, v, ir_imm(t->ir, n)));
    } else if (n) {
        v = ir_bin(t->ir, IR_SHR, v, ir_imm32(t->ir, (int32_t)n));
    }
    return ir_and(t->ir, v, ir_imm32(t->ir, 1));
}

/* Bytes and words are doubled to 32 bits first, so that a rotate by any count works. */
static IrVal repeated(X86Trans *t, IrVal v, unsigned size)
{
    v = x86_zext(t, v, size);
    if (size == 1) {
        v = ir_bin(t->ir, IR_MUL, v, ir_imm32(t->ir, 0x01010101));
    } else if (size == 2) {
        v = ir_or(t->ir, v, ir_bin(t->ir, IR_SHL, v, ir_imm32(t->ir, 16)));
    }
    return v;
}

/* Of a rotated value, which repeats itself to the IR's width: the bit that went round last, and the one at the
 * other end (left) or beside it (right). */
static IrVal last_in_and_top(X86Trans *t, IrVal v, bool left)
{
    bool wide = ir_type(t->ir, v) == IR_I64;

    v = shifted(t, left ? IR_ROTL : IR_SHR, v, ir_imm32(t->ir, left ? 1 : wide ? 62 : 30));
    return ir_and(t->ir, wide ? ir_un(t->ir, IR_TRUNC, v) : v, ir_imm32(t->ir, 3));
}

static void rotate(X86Trans *t, bool left)
{
    unsigned size = size_of(t);
    Count c = count_of(t, 1);
    X86Flags old = t->flags;
    IrVal pair;

    if (c.known && c.n == 0) {
        return;
    }
    t->v[0] = shifted(t, left ? IR_ROTL : IR_ROTR, repeated(t, t->v[0], size), c.v);
    pair = last_in_and_top(t, t->v[0], left);
    x86_flags_rotate(t, pair);
    if (!c.known) {
        x86_flags_unless_zero(t, c.v, &old);
    }
}

void x86_op_rol(X86Trans *t)
{
    rotate(t, true);
}

void x86_op_ror(X86Trans *t)
{
    rotate(t, false);
}

/* Through the carry by one, which is what programs do. */
static void rotate_carry_one(X86Trans *t, bool left)
{
    unsigned size = size_of(t), top = size * 8 - 1;
    IrVal v = x86_zext(t, t->v[0], size), in = typed_as(t, x86_flag(t, X86_FLAG_C), v), r, cf, of;

    if (left) {
        r = ir_or(t->ir, shifted(t, IR_SHL, v, ir_imm32(t->ir, 1)), in);
        cf = bit_of(t, v, top);
        of = ir_xor(t->ir, cf, bit_of(t, r, top));
    } else {
        r = ir_or(t->ir, shifted(t, IR_SHR, v, ir_imm32(t->ir, 1)),
                  shifted(t, IR_SHL, in, ir_imm32(t->ir, (int32_t)top)));
        cf = bit_of(t, v, 0);
        of = ir_xor(t->ir, bit_of(t, r, top), bit_of(t, r, top - 1));
    }
    x86_flags_carry(t, cf);
    x86_flags_overflow(t, of);
    t->v[0] = r;
}

/* By any count: the helpers compute value and flags from the operand, count and direction, EFLAGS. */
static void rotate_carry(X86Trans *t, bool left)
{
    unsigned size = size_of(t);
    Count c = count_of(t, 1);
    IrVal v, flags, how;

    if (c.known && c.n == 0) {
        return;
    }
    if (c.known && c.n == 1) {
        rotate_carry_one(t, left);
        return;
    }
    v = x86_zext64(t, t->v[0], size);
    flags = ir_un(t->ir, IR_ZEXT32, x86_flags_all(t));
    how = ir_un(t->ir, IR_ZEXT32, c.v);
    how = ir_or(t->ir, how, ir_imm(t->ir, (left ? 0x100 : 0) | (int64_t)size << 12));
    t->v[0] = x86_narrow(t, x86_call3(t, X86_H_RCL, v, how, flags), size);
    x86_flags_eflags(t, x86_call3(t, X86_H_RCL_FLAGS, v, how, flags));
}

void x86_op_rcl(X86Trans *t)
{
    rotate_carry(t, true);
}

void x86_op_rcr(X86Trans *t)
{
    rotate_carry(t, false);
}
