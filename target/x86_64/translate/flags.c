/* SPDX-License-Identifier: MIT */
/* The arithmetic flags in IR: see flags.h. */
#include "rhea/osdep.h"

#include "trans.h"

/* --- Setting --- */

static const X86Flags no_flags = {.kind = X86_CC_DYNAMIC,
                                  .size = 1,
                                  .dst = IR_NONE,
                                  .src = IR_NONE,
                                  .src2 = IR_NONE,
                                  .a = IR_NONE,
                                  .out = IR_NONE,
                                  .op = IR_NONE,
                                  .rotated = IR_NONE,
                                  .carry = IR_NONE,
                                  .overflow = IR_NONE};

void x86_flags_set(X86Trans *t, X86Cc kind, unsigned size, IrVal dst, IrVal src)
{
    t->flags = no_flags;
    t->flags.kind = kind;
    t->flags.size = size;
    t->flags.dst = dst;
    t->flags.src = src;
    t->new_flags = true;
}

void x86_flags_sum(X86Trans *t, X86Cc kind, unsigned size, IrVal dst, IrVal a, IrVal b, IrVal carry)
{
    x86_flags_set(t, kind, size, dst, b);
    t->flags.a = a;
    t->flags.src2 = carry;
}

void x86_flags_eflags(X86Trans *t, IrVal i32)
{
    x86_flags_set(t, X86_CC_EFLAGS, 1, IR_NONE, i32);
}

void x86_flags_forget(X86Trans *t)
{
    t->flags = no_flags;
    t->new_flags = false;
}

/* What the globals hold. */
static void need_dynamic(X86Trans *t, X86Flags *f)
{
    if (f->kind == X86_CC_DYNAMIC && f->op == IR_NONE) {
        f->dst = ir_get(t->ir, X86_G_CC_DST);
        f->src = ir_get(t->ir, X86_G_CC_SRC);
        f->src2 = ir_get(t->ir, X86_G_CC_SRC2);
        f->op = ir_get(t->ir, X86_G_CC_OP);
    }
}

static IrVal widen(X86Trans *t, IrVal v)
{
    if (v == IR_NONE) {
        return ir_imm(t->ir, 0);
    }
    return ir_type(t->ir, v) == IR_I64 ? v : ir_un(t->ir, IR_ZEXT32, v);
}

/* CC_OP of @op with a flag of its own, in the bit @shift; the bit below it says so.  @clear: what no longer
 * holds. */
static IrVal op_with_flag(X86Trans *t, IrVal op, IrVal flag, unsigned shift, uint32_t clear)
{
    const int32_t has = 1 << (shift - 1);

    op = ir_and(t->ir, op, ir_imm32(t->ir, (int32_t)~clear));
    op = ir_or(t->ir, op, ir_imm32(t->ir, has));
    return ir_or(t->ir, op, ir_bin(t->ir, IR_SHL, flag, ir_imm32(t->ir, (int32_t)shift)));
}

/* A number of CC_OP; one value while it is the same, so that storing it again is seen to be idle. */
static IrVal op_number(X86Trans *t, unsigned op)
{
    if (t->op_value == IR_NONE || t->op_known != op) {
        t->op_value = ir_imm32(t->ir, (int32_t)op);
        t->op_known = op;
    }
    return t->op_value;
}

/* The same with all parts as values. */
static X86Flags as_dynamic(X86Trans *t, const X86Flags *f)
{
    X86Flags d = *f;

    need_dynamic(t, &d);
    if (f->kind != X86_CC_DYNAMIC) {
        d.kind = X86_CC_DYNAMIC;
        d.op = op_number(t, x86_cc_op(f->kind, x86_log2(f->size)));
        d.dst = widen(t, f->kind == X86_CC_CMP ? f->a : f->dst);
        d.src = widen(t, f->src);
        d.src2 = widen(t, f->src2);
    }
    if (f->rotated != IR_NONE) {
        d.op = op_with_flag(t, d.op, f->rotated, X86_CC_ROTATE_SHIFT, ~0U << 8);
    } else {
        if (f->carry != IR_NONE) {
            d.op = op_with_flag(t, d.op, f->carry, X86_CC_CARRY_SHIFT, 3 * X86_CC_HAS_CARRY);
        }
        if (f->overflow != IR_NONE) {
            d.op =
                op_with_flag(t, d.op, f->overflow, X86_CC_OVERFLOW_SHIFT, 3 * X86_CC_HAS_OVERFLOW);
        }
    }
    d.rotated = d.carry = d.overflow = IR_NONE;
    return d;
}

void x86_flags_carry(X86Trans *t, IrVal carry)
{
    need_dynamic(t, &t->flags);
    t->flags.rotated = IR_NONE; /* carry and overflow stand there as well */
    t->flags.carry = carry;
    t->new_flags = true;
}

void x86_flags_overflow(X86Trans *t, IrVal overflow)
{
    need_dynamic(t, &t->flags);
    t->flags.rotated = IR_NONE;
    t->flags.overflow = overflow;
    t->new_flags = true;
}

void x86_flags_rotate(X86Trans *t, IrVal pair)
{
    IrVal one = ir_imm32(t->ir, 1), carry = ir_bin(t->ir, IR_SHR, pair, one);

    x86_flags_carry(t, carry);
    x86_flags_overflow(t, ir_and(t->ir, ir_xor(t->ir, pair, carry), one));
    t->flags.rotated = pair;
}

void x86_flags_unless_zero(X86Trans *t, IrVal count, const X86Flags *old)
{
    X86Flags set = as_dynamic(t, &t->flags), was = as_dynamic(t, old);
    IrVal zero = ir_imm32(t->ir, 0);

    t->flags = no_flags;
    t->flags.op = ir_movcond(t->ir, IR_EQ, count, zero, was.op, set.op);
    t->flags.dst = ir_movcond(t->ir, IR_EQ, count, zero, was.dst, set.dst);
    t->flags.src = ir_movcond(t->ir, IR_EQ, count, zero, was.src, set.src);
    t->flags.src2 = was.src2; /* what sets flags by a count does not use it */
}

void x86_flags_commit(X86Trans *t)
{
    X86Flags d;

    if (!t->new_flags) {
        return;
    }
    t->new_flags = false;
    d = as_dynamic(t, &t->flags);
    ir_put(t->ir, X86_G_CC_OP, d.op);
    if (t->flags.dst != IR_NONE) {
        ir_put(t->ir, X86_G_CC_DST, d.dst);
    }
    if (t->flags.src != IR_NONE) {
        ir_put(t->ir, X86_G_CC_SRC, d.src);
    }
    if (t->flags.src2 != IR_NONE) {
        ir_put(t->ir, X86_G_CC_SRC2, d.src2);
    }
}

/* --- Reading --- */

/* DYNAMIC becomes EFLAGS, by a call; whoever asks next need not call again.  Flags of their own stay. */
static void call_for_flags(X86Trans *t)
{
    X86Flags *f = &t->flags, was = *f;

    need_dynamic(t, &was);
    *f = no_flags;
    f->kind = X86_CC_EFLAGS;
    f->src = ir_call(t->ir, X86_H_CC_FLAGS, was.op, was.dst, was.src, was.src2);
    f->rotated = was.rotated;
    f->carry = was.carry;
    f->overflow = was.overflow;
}

/* @all with the flag in the bit @n being @flag, unless that is IR_NONE. */
static IrVal with_flag(X86Trans *t, IrVal all, IrVal flag, unsigned n)
{
    if (flag == IR_NONE) {
        return all;
    }
    if (n) {
        flag = ir_bin(t->ir, IR_SHL, flag, ir_imm32(t->ir, (int32_t)n));
    }
    return ir_or(t->ir, ir_and(t->ir, all, ir_imm32(t->ir, (int32_t) ~(1U << n))), flag);
}

IrVal x86_flags_all(X86Trans *t)
{
    X86Flags *f = &t->flags, d;

    if (f->kind == X86_CC_DYNAMIC) {
        call_for_flags(t);
    }
    if (f->kind == X86_CC_EFLAGS) {
        return with_flag(t, with_flag(t, f->src, f->carry, 0), f->overflow, 11);
    }
    d = as_dynamic(t, f);
    return ir_call(t->ir, X86_H_CC_FLAGS, d.op, d.dst, d.src, d.src2);
}

static IrVal bit(X86Trans *t, IrVal v, unsigned n)
{
    if (ir_type(t->ir, v) == IR_I64) {
        v = ir_bin(t->ir, IR_SHR, v, ir_imm(t->ir, n));
        v = ir_un(t->ir, IR_TRUNC, v);
    } else if (n) {
        v = ir_bin(t->ir, IR_SHR, v, ir_imm32(t->ir, (int32_t)n));
    }
    return ir_and(t->ir, v, ir_imm32(t->ir, 1));
}

/* One that was not set on its own. */
static IrVal flag_of_eflags(X86Trans *t, unsigned flag)
{
    static const uint8_t place[6] = {0, 2, 4, 6, 7, 11};

    if (t->flags.kind == X86_CC_DYNAMIC) {
        call_for_flags(t);
    }
    return bit(t, t->flags.src, place[__builtin_ctz(flag)]);
}

static IrVal compare(X86Trans *t, IrCond cond, IrVal a, IrVal b, bool is_signed)
{
    unsigned size = t->flags.size;

    if (is_signed) {
        return ir_setcond(t->ir, IR_I32, cond, x86_sext(t, a, size), x86_sext(t, b, size));
    }
    return ir_setcond(t->ir, IR_I32, cond, x86_zext(t, a, size), x86_zext(t, b, size));
}

/* CF and OF of IMUL: the high half of the product is not the low one's sign. */
static IrVal product_exceeds(X86Trans *t)
{
    X86Flags *f = &t->flags;
    IrVal a, b, r;

    if (f->size == 8) {
        r = ir_bin(t->ir, IR_MULHS, f->src, f->src2);
        a = ir_bin(t->ir, IR_SAR, f->dst, ir_imm(t->ir, 63));
        return ir_setcond(t->ir, IR_I32, IR_NE, r, a);
    }
    a = x86_sext64(t, f->src, f->size);
    b = x86_sext64(t, f->src2, f->size);
    r = ir_bin(t->ir, IR_MUL, a, b);
    return ir_setcond(t->ir, IR_I32, IR_NE, r, x86_sext64(t, f->dst, f->size));
}

static IrVal carry_flag(X86Trans *t)
{
    X86Flags *f = &t->flags;
    IrVal less;

    if (f->out != IR_NONE) {
        return f->out;
    }
    switch (f->kind) {
    case X86_CC_ADD: return compare(t, IR_LTU, f->dst, f->src, false);
    case X86_CC_ADC:
        less = compare(t, IR_LTU, f->dst, f->src, false);
        return ir_or(t->ir, less, ir_and(t->ir, f->src2, compare(t, IR_EQ, f->dst, f->src, false)));
    case X86_CC_SUB:
    case X86_CC_CMP: return compare(t, IR_LTU, f->a, f->src, false);
    case X86_CC_SBB:
        less = compare(t, IR_LTU, f->a, f->src, false);
        return ir_or(t->ir, less, ir_and(t->ir, f->src2, compare(t, IR_EQ, f->a, f->src, false)));
    case X86_CC_LOGIC: return ir_imm32(t->ir, 0);
    case X86_CC_SHL: return bit(t, f->src, f->size * 8 - 1);
    case X86_CC_IMUL: return product_exceeds(t);
    default: return bit(t, f->src, 0);
    }
}

static IrVal overflow_flag(X86Trans *t)
{
    X86Flags *f = &t->flags;
    unsigned top = f->size * 8 - 1;
    uint64_t extreme = 1ULL << top;
    IrVal x;

    switch (f->kind) {
    case X86_CC_ADD:
    case X86_CC_ADC:
        x = ir_and(t->ir, ir_xor(t->ir, f->a, f->dst), ir_xor(t->ir, f->src, f->dst));
        return bit(t, x, top);
    case X86_CC_SUB:
    case X86_CC_CMP:
    case X86_CC_SBB:
        x = ir_and(t->ir, ir_xor(t->ir, f->a, f->src), ir_xor(t->ir, f->a, f->dst));
        return bit(t, x, top);
    case X86_CC_LOGIC: return ir_imm32(t->ir, 0);
    case X86_CC_INC:
    case X86_CC_DEC:
        extreme -= f->kind == X86_CC_DEC;
        return compare(t, IR_EQ, f->dst, x86_imm(t, (int64_t)extreme, f->size), false);
    case X86_CC_SHL:
    case X86_CC_SHR: return bit(t, ir_xor(t->ir, f->dst, f->src), top);
    case X86_CC_IMUL: return product_exceeds(t);
    default: return bit(t, f->src, 1);
    }
}

static IrVal adjust_flag(X86Trans *t)
{
    X86Flags *f = &t->flags;
    IrVal low;

    switch (f->kind) {
    case X86_CC_ADD:
    case X86_CC_ADC:
    case X86_CC_SUB:
    case X86_CC_CMP:
    case X86_CC_SBB: return bit(t, ir_xor(t->ir, ir_xor(t->ir, f->a, f->src), f->dst), 4);
    case X86_CC_INC:
    case X86_CC_DEC:
        low = ir_and(t->ir, f->dst, x86_imm(t, 15, f->size));
        return ir_setcond(t->ir, IR_I32, IR_EQ, low,
                          x86_imm(t, f->kind == X86_CC_INC ? 0 : 15, f->size));
    default: return ir_imm32(t->ir, 0);
    }
}

static IrVal parity_flag(X86Trans *t)
{
    IrVal low = ir_type(t->ir, t->flags.dst) == IR_I64 ? ir_un(t->ir, IR_TRUNC, t->flags.dst)
                                                       : t->flags.dst;
    IrVal ones = ir_un(t->ir, IR_POPCNT, ir_un(t->ir, IR_ZEXT8, low));

    return ir_xor(t->ir, ir_and(t->ir, ones, ir_imm32(t->ir, 1)), ir_imm32(t->ir, 1));
}

IrVal x86_flag(X86Trans *t, unsigned flag)
{
    X86Flags *f = &t->flags;

    if (flag == X86_FLAG_C && f->carry != IR_NONE) {
        return f->carry;
    }
    if (flag == X86_FLAG_O && f->overflow != IR_NONE) {
        return f->overflow;
    }
    if (f->kind == X86_CC_DYNAMIC || f->kind == X86_CC_EFLAGS) {
        return flag_of_eflags(t, flag);
    }
    switch (flag) {
    case X86_FLAG_C: return carry_flag(t);
    case X86_FLAG_P: return parity_flag(t);
    case X86_FLAG_A: return adjust_flag(t);
    case X86_FLAG_Z: return compare(t, IR_EQ, f->dst, x86_imm(t, 0, f->size), false);
    case X86_FLAG_S: return bit(t, f->dst, f->size * 8 - 1);
    default: return overflow_flag(t);
    }
}

/* --- Conditions --- */

/* A 0 or 1 as a condition. */
static X86Cond nonzero(X86Trans *t, IrVal v)
{
    return (X86Cond){IR_NE, v, ir_imm32(t->ir, 0)};
}

static X86Cond narrow_cond(X86Trans *t, IrCond cond, IrVal a, IrVal b, bool is_signed)
{
    unsigned size = t->flags.size;

    if (is_signed) {
        return (X86Cond){cond, x86_sext(t, a, size), x86_sext(t, b, size)};
    }
    return (X86Cond){cond, x86_zext(t, a, size), x86_zext(t, b, size)};
}

/* From the flags one by one. */
static X86Cond cond_of_flags(X86Trans *t, unsigned cc)
{
    IrVal s, o;

    switch (cc & ~1u) {
    case 0x0: return nonzero(t, x86_flag(t, X86_FLAG_O));
    case 0x2: return nonzero(t, x86_flag(t, X86_FLAG_C));
    case 0x4: return nonzero(t, x86_flag(t, X86_FLAG_Z));
    case 0x6: return nonzero(t, ir_or(t->ir, x86_flag(t, X86_FLAG_C), x86_flag(t, X86_FLAG_Z)));
    case 0x8: return nonzero(t, x86_flag(t, X86_FLAG_S));
    case 0xa: return nonzero(t, x86_flag(t, X86_FLAG_P));
    default:
        s = x86_flag(t, X86_FLAG_S);
        o = x86_flag(t, X86_FLAG_O);
        if ((cc & ~1u) == 0xc) {
            return (X86Cond){IR_NE, s, o};
        }
        return nonzero(t, ir_or(t->ir, ir_xor(t->ir, s, o), x86_flag(t, X86_FLAG_Z)));
    }
}

/* As one compare of the operands of CMP or SUB; false: no such thing. */
static bool cond_of_sub(X86Trans *t, unsigned cc, X86Cond *c)
{
    X86Flags *f = &t->flags;

    switch (cc & ~1u) {
    case 0x2: *c = narrow_cond(t, IR_LTU, f->a, f->src, false); return true;
    case 0x4: *c = narrow_cond(t, IR_EQ, f->a, f->src, false); return true;
    case 0x6: *c = narrow_cond(t, IR_LEU, f->a, f->src, false); return true;
    case 0xc: *c = narrow_cond(t, IR_LT, f->a, f->src, true); return true;
    case 0xe: *c = narrow_cond(t, IR_LE, f->a, f->src, true); return true;
    default: return false;
    }
}

/* As a compare of the result with 0; false: no such thing. */
static bool cond_of_result(X86Trans *t, unsigned cc, X86Cond *c)
{
    X86Flags *f = &t->flags;
    bool logic = f->kind == X86_CC_LOGIC;
    IrVal zero = x86_imm(t, 0, f->size);

    switch (cc & ~1u) {
    case 0x6:
        if (!logic) {
            return false;
        } /* fall through */
    case 0x4: *c = narrow_cond(t, IR_EQ, f->dst, zero, false); return true;
    case 0xc:
        if (!logic) {
            return false;
        } /* fall through */
    case 0x8: *c = narrow_cond(t, IR_LT, f->dst, zero, true); return true;
    case 0xe: *c = narrow_cond(t, IR_LE, f->dst, zero, true); return logic;
    default: return false;
    }
}

/* Does condition @cc read a flag that was set on its own?  B and BE read CF; O, L and LE read OF. */
static bool reads_own(const X86Flags *f, unsigned cc)
{
    cc &= ~1u;
    return (f->carry != IR_NONE && (cc == 2 || cc == 6)) ||
           (f->overflow != IR_NONE && (cc == 0 || cc >= 0xc));
}

static bool is_difference(const X86Flags *f)
{
    return f->kind == X86_CC_SUB || f->kind == X86_CC_CMP;
}

X86Cond x86_cond(X86Trans *t, unsigned cc)
{
    X86Cond c;

    if (t->flags.kind == X86_CC_DYNAMIC || t->flags.kind == X86_CC_EFLAGS ||
        reads_own(&t->flags, cc) ||
        !((is_difference(&t->flags) && cond_of_sub(t, cc, &c)) || cond_of_result(t, cc, &c))) {
        c = cond_of_flags(t, cc);
    }
    c.cond ^= cc & 1; /* IrConds lie in pairs of opposites, as conditions do */
    return c;
}
