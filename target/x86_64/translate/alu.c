/* SPDX-License-Identifier: MIT */
/* Arithmetic, logic, multiplication, division, decimal adjustment.  SDM vol. 1, 7.3.2 to 7.3.5. */
#include "rhea/osdep.h"

#include "trans.h"

static unsigned size_of(const X86Trans *t)
{
    return x86_opnd_size(&t->insn, 0);
}

/* --- Sums --- */

/* a + b + in, or a - b - in; *out is the carry or borrow out of 4 or 8 bytes (carries are I32, 0 or 1). */
static IrVal sum_with(X86Trans *t, bool add, IrVal a, IrVal b, IrVal in, IrVal *out)
{
    const IrInsn *known = &t->ir->insns[in];
    IrVal r;

    if (known->op == IR_CONST && known->imm == 0) {
        r = ir_bin(t->ir, add ? IR_ADD : IR_SUB, a, b);
        *out = ir_setcond(t->ir, IR_I32, IR_LTU, add ? r : a, add ? a : b);
    } else {
        r = ir_emit(t->ir, add ? IR_ADC : IR_SBB, ir_type(t->ir, a), a, b, in, IR_NONE, 0);
        *out = ir_emit(t->ir, add ? IR_CARRY : IR_BORROW, IR_I32, a, b, in, IR_NONE, 0);
    }
    return r;
}

static void sum(X86Trans *t, X86Cc kind)
{
    IrVal r = ir_bin(t->ir, kind == X86_CC_ADD ? IR_ADD : IR_SUB, t->v[0], t->v[1]);

    x86_flags_sum(t, kind, size_of(t), r, t->v[0], t->v[1], IR_NONE);
    t->v[0] = r;
}

static void sum_carry(X86Trans *t, X86Cc kind)
{
    IrVal in = x86_flag(t, X86_FLAG_C), out;
    IrVal r = sum_with(t, kind == X86_CC_ADC, t->v[0], t->v[1], in, &out);

    x86_flags_sum(t, kind, size_of(t), r, t->v[0], t->v[1], in);
    if (size_of(t) >= 4) {
        t->flags.out = out;
    }
    t->v[0] = r;
}

void x86_op_add(X86Trans *t)
{
    sum(t, X86_CC_ADD);
}

void x86_op_adc(X86Trans *t)
{
    sum_carry(t, X86_CC_ADC);
}

void x86_op_sub(X86Trans *t)
{
    sum(t, X86_CC_SUB);
}

void x86_op_sbb(X86Trans *t)
{
    sum_carry(t, X86_CC_SBB);
}

void x86_op_cmp(X86Trans *t)
{
    sum(t, X86_CC_CMP);
}

void x86_op_xadd(X86Trans *t)
{
    IrVal old = t->v[0];

    sum(t, X86_CC_ADD);
    t->v[1] = old;
    if (!x86_modrm_is_mem(&t->insn) && t->insn.rm == t->insn.reg) {
        t->v[1] = t->v[0]; /* one register is both: the sum is written last */
    }
}

static void step(X86Trans *t, int by)
{
    unsigned size = size_of(t);
    IrVal carry = x86_flag(t, X86_FLAG_C);
    IrVal r = ir_add(t->ir, t->v[0], x86_imm(t, by, size));

    x86_flags_set(t, by > 0 ? X86_CC_INC : X86_CC_DEC, size, r, carry);
    t->v[0] = r;
}

void x86_op_inc(X86Trans *t)
{
    step(t, 1);
}

void x86_op_dec(X86Trans *t)
{
    step(t, -1);
}

void x86_op_neg(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal zero = x86_imm(t, 0, size), r = ir_un(t->ir, IR_NEG, t->v[0]);

    x86_flags_sum(t, X86_CC_SUB, size, r, zero, t->v[0], IR_NONE);
    t->v[0] = r;
}

/* --- Logic --- */

static void logic(X86Trans *t, IrOp op)
{
    t->v[0] = ir_bin(t->ir, op, t->v[0], t->v[1]);
    x86_flags_set(t, X86_CC_LOGIC, size_of(t), t->v[0], IR_NONE);
}

void x86_op_and(X86Trans *t)
{
    logic(t, IR_AND);
}

void x86_op_or(X86Trans *t)
{
    logic(t, IR_OR);
}

void x86_op_xor(X86Trans *t)
{
    logic(t, IR_XOR);
}

void x86_op_test(X86Trans *t)
{
    logic(t, IR_AND);
}

void x86_op_not(X86Trans *t)
{
    t->v[0] = ir_un(t->ir, IR_NOT, t->v[0]);
}

void x86_op_andn(X86Trans *t)
{
    t->v[0] = ir_bin(t->ir, IR_ANDN, t->v[2], t->v[1]);
    x86_flags_set(t, X86_CC_LOGIC, size_of(t), t->v[0], IR_NONE);
}

/* --- One carry chain each: ADCX in CF, ADOX in OF --- */

void x86_op_adcx(X86Trans *t)
{
    IrVal out, r = sum_with(t, true, t->v[0], t->v[1], x86_flag(t, X86_FLAG_C), &out);

    x86_flags_carry(t, out);
    t->v[0] = r;
}

void x86_op_adox(X86Trans *t)
{
    IrVal out, r = sum_with(t, true, t->v[0], t->v[1], x86_flag(t, X86_FLAG_O), &out);

    x86_flags_overflow(t, out);
    t->v[0] = r;
}

/* --- Multiplication --- */

/* CF and OF say whether @overflow (I32, 0 or 1). */
static void multiply_flags(X86Trans *t, unsigned size, IrVal low, IrVal overflow)
{
    x86_flags_set(t, X86_CC_RESULT, size, low, ir_un(t->ir, IR_NEG, overflow));
}

/* A product that fits an I32 or I64: of @size bytes each. */
static IrVal product(X86Trans *t, IrVal a, IrVal b, unsigned size, bool is_signed)
{
    if (size < 4) {
        return ir_bin(t->ir, IR_MUL, is_signed ? x86_sext(t, a, size) : x86_zext(t, a, size),
                      is_signed ? x86_sext(t, b, size) : x86_zext(t, b, size));
    }
    return ir_bin(t->ir, IR_MUL, is_signed ? x86_sext64(t, a, size) : x86_zext64(t, a, size),
                  is_signed ? x86_sext64(t, b, size) : x86_zext64(t, b, size));
}

/* Does the product @r exceed @size bytes? */
static IrVal exceeds(X86Trans *t, IrVal r, unsigned size, bool is_signed)
{
    IrVal low;

    if (size == 4) {
        low = ir_un(t->ir, is_signed ? IR_SEXT32 : IR_ZEXT32, ir_un(t->ir, IR_TRUNC, r));
    } else {
        low = is_signed ? x86_sext(t, r, size) : x86_zext(t, r, size);
    }
    return ir_setcond(t->ir, IR_I32, IR_NE, r, low);
}

static void multiply_rax(X86Trans *t, bool is_signed)
{
    unsigned size = size_of(t);
    IrVal a = x86_get(t, X86_RAX, size), r, high, sign;

    if (size == 8) {
        r = ir_bin(t->ir, IR_MUL, a, t->v[0]);
        high = ir_bin(t->ir, is_signed ? IR_MULHS : IR_MULHU, a, t->v[0]);
        sign = is_signed ? ir_bin(t->ir, IR_SAR, r, ir_imm(t->ir, 63)) : ir_imm(t->ir, 0);
        multiply_flags(t, size, r, ir_setcond(t->ir, IR_I32, IR_NE, high, sign));
        x86_put(t, X86_RAX, 8, r);
        x86_put(t, X86_RDX, 8, high);
        return;
    }
    r = product(t, a, t->v[0], size, is_signed);
    multiply_flags(t, size, x86_narrow(t, r, size == 4 ? 4 : 8), exceeds(t, r, size, is_signed));
    if (size == 1) {
        x86_put(t, X86_RAX, 2, r);
        return;
    }
    high = ir_bin(t->ir, IR_SHR, r, x86_imm(t, 8 * size, size == 4 ? 8 : 4));
    x86_put(t, X86_RAX, size, size == 4 ? ir_un(t->ir, IR_TRUNC, r) : r);
    x86_put(t, X86_RDX, size, size == 4 ? ir_un(t->ir, IR_TRUNC, high) : high);
}

void x86_op_mul(X86Trans *t)
{
    multiply_rax(t, false);
}

void x86_op_imul1(X86Trans *t)
{
    multiply_rax(t, true);
}

/* Whether the product fits is seldom asked: it is computed from the factors then. */
static void multiply(X86Trans *t, IrVal a, IrVal b)
{
    t->v[0] = ir_bin(t->ir, IR_MUL, a, b);
    x86_flags_sum(t, X86_CC_IMUL, size_of(t), t->v[0], IR_NONE, a, b);
}

void x86_op_imul2(X86Trans *t)
{
    multiply(t, t->v[0], t->v[1]);
}

void x86_op_imul3(X86Trans *t)
{
    multiply(t, t->v[1], t->v[2]);
}

/* The first destination gets the high half, also when both are one register. */
void x86_op_mulx(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal a = x86_get(t, X86_RDX, size), r;

    if (size == 8) {
        t->v[1] = ir_bin(t->ir, IR_MUL, a, t->v[2]);
        t->v[0] = ir_bin(t->ir, IR_MULHU, a, t->v[2]);
    } else {
        r = product(t, a, t->v[2], size, false);
        t->v[1] = ir_un(t->ir, IR_TRUNC, r);
        t->v[0] = ir_un(t->ir, IR_TRUNC, ir_bin(t->ir, IR_SHR, r, ir_imm(t->ir, 32)));
    }
    if (t->insn.vvvv == t->insn.reg) {
        t->v[1] = t->v[0];
    }
}

/* --- Division --- */

/*
 * Where rDX:rAX is but rAX extended, and the divisor neither 0 nor (signed) -1, it is one of the IR's.
 * False: it must be the helper, which raises, and writes the registers.
 */
static bool divide_inline(X86Trans *t, bool is_signed)
{
    unsigned size = size_of(t);
    IrVal low = x86_get(t, X86_RAX, size), high = x86_get(t, X86_RDX, size), by = t->v[0];
    IrVal zero = x86_imm(t, 0, size), sign, bad, q;

    if (size < 4 || t->pc == t->start) {
        return false;
    }
    if (is_signed) {
        IrVal one = x86_imm(t, 1, size);

        sign = ir_bin(t->ir, IR_SAR, low, x86_imm(t, 8 * size - 1, size));
        bad = ir_setcond(t->ir, IR_I32, IR_LEU, ir_add(t->ir, by, one), one);
    } else {
        sign = zero;
        bad = ir_setcond(t->ir, IR_I32, IR_EQ, by, zero);
    }
    bad = ir_or(t->ir, bad, ir_setcond(t->ir, IR_I32, IR_NE, high, sign));
    x86_leave_if(t, (X86Cond){IR_NE, bad, ir_imm32(t->ir, 0)});
    q = ir_bin(t->ir, is_signed ? IR_DIVS : IR_DIVU, low, by);
    x86_put(t, X86_RAX, size, q);
    x86_put(t, X86_RDX, size, ir_bin(t->ir, IR_SUB, low, ir_bin(t->ir, IR_MUL, q, by)));
    return true;
}

static void divide(X86Trans *t, X86Helper helper)
{
    unsigned size = size_of(t);

    if (!divide_inline(t, helper == X86_H_IDIV)) {
        x86_call2(t, helper, x86_zext64(t, t->v[0], size), ir_imm(t->ir, size));
    }
}

void x86_op_div(X86Trans *t)
{
    divide(t, X86_H_DIV);
}

void x86_op_idiv(X86Trans *t)
{
    divide(t, X86_H_IDIV);
}

/* --- Decimal adjustment: AX in the low half of the helper's result, EFLAGS in the high --- */

static void decimal(X86Trans *t, X86Helper helper, IrVal arg)
{
    IrVal ax = ir_get(t->ir, X86_G_REG + X86_RAX);
    IrVal flags = ir_un(t->ir, IR_ZEXT32, x86_flags_all(t));
    IrVal r = x86_call3(t, helper, ax, flags, arg);

    x86_put(t, X86_RAX, 2, ir_un(t->ir, IR_TRUNC, r));
    x86_flags_eflags(t, ir_un(t->ir, IR_TRUNC, ir_bin(t->ir, IR_SHR, r, ir_imm(t->ir, 32))));
}

void x86_op_daa(X86Trans *t)
{
    decimal(t, X86_H_DAA, ir_imm(t->ir, 0));
}

void x86_op_das(X86Trans *t)
{
    decimal(t, X86_H_DAA, ir_imm(t->ir, 1));
}

void x86_op_aaa(X86Trans *t)
{
    decimal(t, X86_H_AAA, ir_imm(t->ir, 0));
}

void x86_op_aas(X86Trans *t)
{
    decimal(t, X86_H_AAA, ir_imm(t->ir, 1));
}

void x86_op_aam(X86Trans *t)
{
    uint8_t base = t->insn.imm[0];
    IrVal al = x86_zext(t, x86_get(t, X86_RAX, 1), 1), b, q, r;

    if (!base) {
        x86_end_raise(t, X86_EXC_DE);
        return;
    }
    b = ir_imm32(t->ir, base);
    q = ir_bin(t->ir, IR_DIVU, al, b);
    r = ir_bin(t->ir, IR_REMU, al, b);
    x86_put(t, X86_RAX, 2, ir_or(t->ir, ir_bin(t->ir, IR_SHL, q, ir_imm32(t->ir, 8)), r));
    x86_flags_set(t, X86_CC_LOGIC, 1, r, IR_NONE);
}

void x86_op_aad(X86Trans *t)
{
    IrVal ax = x86_get(t, X86_RAX, 4);
    IrVal ah = ir_bin(t->ir, IR_SHR, ax, ir_imm32(t->ir, 8));
    IrVal r =
        ir_add(t->ir, ax, ir_bin(t->ir, IR_MUL, ah, ir_imm32(t->ir, (uint8_t)t->insn.imm[0])));

    r = x86_zext(t, r, 1);
    x86_put(t, X86_RAX, 2, r);
    x86_flags_set(t, X86_CC_LOGIC, 1, r, IR_NONE);
}

void x86_op_salc(X86Trans *t)
{
    x86_put(t, X86_RAX, 1, ir_un(t->ir, IR_NEG, x86_flag(t, X86_FLAG_C)));
}
