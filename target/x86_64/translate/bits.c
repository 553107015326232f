/* SPDX-License-Identifier: MIT */
/* Bit tests, bit scans, bit fields, byte order, CRC.  SDM vol. 1, 7.3.7; BMI1 and BMI2. */
#include "rhea/osdep.h"

#include "trans.h"

static unsigned size_of(const X86Trans *t)
{
    return x86_opnd_size(&t->insn, 0);
}

static IrVal low32(X86Trans *t, IrVal v)
{
    return ir_type(t->ir, v) == IR_I64 ? ir_un(t->ir, IR_TRUNC, v) : v;
}

static IrVal typed(X86Trans *t, IrVal i32, unsigned size)
{
    return size == 8 ? ir_un(t->ir, IR_ZEXT32, i32) : i32;
}

static IrVal is_zero(X86Trans *t, IrVal v, unsigned size)
{
    return ir_setcond(t->ir, IR_I32, IR_EQ, v, x86_imm(t, 0, size));
}

/* --- BT and its kind: a register index selects a bit of all memory around the operand --- */

typedef enum BitOp { BIT_TEST, BIT_SET, BIT_RESET, BIT_FLIP } BitOp;

/* The address of the operand's part that holds the bit. */
static IrVal bit_address(X86Trans *t, unsigned size, BitOp op)
{
    IrVal offset = x86_offset(t), units;

    if (t->insn.row->op[1].place == X86_P_G) {
        units = ir_bin(t->ir, IR_SAR, x86_sext64(t, t->v[1], size), ir_imm(t->ir, 3));
        units = ir_and(t->ir, units, ir_imm(t->ir, -(int64_t)size));
        offset = x86_wrap(t, ir_add(t->ir, offset, units), t->insn.adsize);
    }
    return x86_linear(t, t->insn.seg, offset, size, op == BIT_TEST ? ACCESS_READ : ACCESS_WRITE);
}

static IrVal with_bit(X86Trans *t, BitOp op, IrVal v, IrVal mask)
{
    switch (op) {
    case BIT_SET: return ir_or(t->ir, v, mask);
    case BIT_RESET: return ir_bin(t->ir, IR_ANDN, v, mask);
    default: return ir_xor(t->ir, v, mask);
    }
}

static IrVal locked_bit(X86Trans *t, BitOp op, IrVal addr, IrVal mask)
{
    unsigned size = size_of(t);
    IrAtomic how = op == BIT_SET ? IR_ATOMIC_OR : op == BIT_RESET ? IR_ATOMIC_AND : IR_ATOMIC_XOR;

    if (op == BIT_RESET) {
        mask = ir_un(t->ir, IR_NOT, mask);
    }
    return ir_atomic(t->ir, x86_type(size), how, x86_mem(t, size), t->mmu, addr, mask);
}

static void bit(X86Trans *t, BitOp op)
{
    unsigned size = size_of(t);
    IrVal index = ir_and(t->ir, low32(t, t->v[1]), ir_imm32(t->ir, (int32_t)size * 8 - 1));
    IrVal n = typed(t, index, size), v;
    IrVal mask = ir_bin(t->ir, IR_SHL, x86_imm(t, 1, size), n);

    if (x86_modrm_is_mem(&t->insn)) {
        IrVal addr = bit_address(t, size, op);

        if (t->insn.lock) {
            v = locked_bit(t, op, addr, mask);
        } else {
            v = op == BIT_TEST ? x86_load(t, addr, 0, size) : x86_load_rmw(t, addr, size);
            if (op != BIT_TEST) {
                x86_store(t, addr, 0, size, with_bit(t, op, v, mask));
            }
        }
    } else {
        v = x86_get(t, t->insn.rm, size);
        if (op != BIT_TEST) {
            x86_put(t, t->insn.rm, size, with_bit(t, op, v, mask));
        }
    }
    v = low32(t, ir_bin(t->ir, IR_SHR, v, n));
    x86_flags_carry(t, ir_and(t->ir, v, ir_imm32(t->ir, 1)));
}

void x86_op_bt(X86Trans *t)
{
    bit(t, BIT_TEST);
}

void x86_op_bts(X86Trans *t)
{
    bit(t, BIT_SET);
}

void x86_op_btr(X86Trans *t)
{
    bit(t, BIT_RESET);
}

void x86_op_btc(X86Trans *t)
{
    bit(t, BIT_FLIP);
}

/* --- Scans --- */

/* Without a bit the destination stays. */
static void scan(X86Trans *t, bool reverse)
{
    unsigned size = size_of(t);
    IrVal v = x86_zext(t, t->v[1], size), r;

    if (reverse) {
        r = ir_xor(t->ir, ir_un(t->ir, IR_CLZ, v), x86_imm(t, size == 8 ? 63 : 31, size));
    } else {
        r = ir_un(t->ir, IR_CTZ, v);
    }
    if (size == 4) { /* also its upper half */
        ir_put(t->ir, X86_G_REG + t->insn.reg,
               ir_movcond(t->ir, IR_EQ, v, ir_imm32(t->ir, 0),
                          ir_get(t->ir, X86_G_REG + t->insn.reg), x86_zext64(t, r, 4)));
        t->v[0] = IR_NONE;
    } else {
        t->v[0] = ir_movcond(t->ir, IR_EQ, v, x86_imm(t, 0, size), t->v[0], r);
    }
    x86_flags_set(t, X86_CC_LOGIC, size, v, IR_NONE);
}

void x86_op_bsf(X86Trans *t)
{
    scan(t, false);
}

void x86_op_bsr(X86Trans *t)
{
    scan(t, true);
}

static void count_zeros(X86Trans *t, IrVal r, IrVal v, unsigned size)
{
    t->v[0] = r;
    x86_flags_set(t, X86_CC_RESULT, size, r, is_zero(t, v, size));
}

void x86_op_tzcnt(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = x86_zext(t, t->v[1], size), stop = v;

    if (size == 2) {
        stop = ir_or(t->ir, v, ir_imm32(t->ir, 0x10000));
    }
    count_zeros(t, ir_un(t->ir, IR_CTZ, stop), v, size);
}

void x86_op_lzcnt(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = x86_zext(t, t->v[1], size), r = ir_un(t->ir, IR_CLZ, v);

    if (size == 2) {
        r = ir_add(t->ir, r, ir_imm32(t->ir, -16));
    }
    count_zeros(t, r, v, size);
}

/* ZF alone says something. */
void x86_op_popcnt(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = x86_zext(t, t->v[1], size), zero = is_zero(t, v, size);

    t->v[0] = ir_un(t->ir, IR_POPCNT, v);
    x86_flags_eflags(t, ir_bin(t->ir, IR_SHL, zero, ir_imm32(t->ir, 6)));
}

/* --- The lowest set bit --- */

void x86_op_blsr(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = t->v[1];

    t->v[0] = ir_and(t->ir, v, ir_add(t->ir, v, x86_imm(t, -1, size)));
    x86_flags_set(t, X86_CC_RESULT, size, t->v[0], is_zero(t, v, size));
}

void x86_op_blsmsk(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = t->v[1];

    t->v[0] = ir_xor(t->ir, v, ir_add(t->ir, v, x86_imm(t, -1, size)));
    x86_flags_set(t, X86_CC_RESULT, size, t->v[0], is_zero(t, v, size));
}

void x86_op_blsi(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = t->v[1];

    t->v[0] = ir_and(t->ir, v, ir_un(t->ir, IR_NEG, v));
    x86_flags_set(t, X86_CC_RESULT, size, t->v[0],
                  ir_setcond(t->ir, IR_I32, IR_NE, v, x86_imm(t, 0, size)));
}

/* --- Fields --- */

/* The low @n (I64) bits set; all for 64 and more. */
static IrVal low_bits(X86Trans *t, IrVal n)
{
    IrVal one = ir_imm(t->ir, 1), mask;

    mask = ir_bin(t->ir, IR_SUB, ir_bin(t->ir, IR_SHL, one, n), one);
    return ir_movcond(t->ir, IR_GTU, n, ir_imm(t->ir, 63), ir_imm(t->ir, -1), mask);
}

void x86_op_bextr(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal v = x86_zext64(t, t->v[1], size), control = x86_zext64(t, t->v[2], size), start, count;

    start = ir_and(t->ir, control, ir_imm(t->ir, 0xff));
    count = ir_and(t->ir, ir_bin(t->ir, IR_SHR, control, ir_imm(t->ir, 8)), ir_imm(t->ir, 0xff));
    v = ir_movcond(t->ir, IR_GTU, start, ir_imm(t->ir, 63), ir_imm(t->ir, 0),
                   ir_bin(t->ir, IR_SHR, v, start));
    t->v[0] = x86_narrow(t, ir_and(t->ir, v, low_bits(t, count)), size);
    x86_flags_set(t, X86_CC_LOGIC, size, t->v[0], IR_NONE);
}

void x86_op_bzhi(X86Trans *t)
{
    unsigned size = size_of(t);
    IrVal n = ir_and(t->ir, x86_zext64(t, t->v[2], size), ir_imm(t->ir, 0xff));
    IrVal v = x86_zext64(t, t->v[1], size);

    t->v[0] = x86_narrow(t, ir_and(t->ir, v, low_bits(t, n)), size);
    x86_flags_set(t, X86_CC_RESULT, size, t->v[0],
                  ir_setcond(t->ir, IR_I32, IR_GTU, n, ir_imm(t->ir, size * 8 - 1)));
}

static void deposit(X86Trans *t, X86Helper helper)
{
    unsigned size = size_of(t);
    IrVal v = x86_zext64(t, t->v[1], size), mask = x86_zext64(t, t->v[2], size);

    t->v[0] = x86_narrow(t, x86_call2(t, helper, v, mask), size);
}

void x86_op_pdep(X86Trans *t)
{
    deposit(t, X86_H_PDEP);
}

void x86_op_pext(X86Trans *t)
{
    deposit(t, X86_H_PEXT);
}

/* --- Bytes --- */

static IrVal byte_swap(X86Trans *t, IrVal v, unsigned size)
{
    v = ir_un(t->ir, IR_BSWAP, v);
    return size == 2 ? ir_bin(t->ir, IR_SHR, v, ir_imm32(t->ir, 16)) : v;
}

/* With 16 bits the result is undefined: 0, as processors have it. */
void x86_op_bswap(X86Trans *t)
{
    unsigned size = size_of(t);

    t->v[0] = ir_un(t->ir, IR_BSWAP, x86_zext(t, t->v[0], size));
}

void x86_op_movbe(X86Trans *t)
{
    t->v[0] = byte_swap(t, t->v[1], size_of(t));
}

void x86_op_crc32(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 1);
    IrVal crc = x86_zext64(t, t->v[0], size_of(t));
    IrVal r = x86_call3(t, X86_H_CRC32, crc, x86_zext64(t, t->v[1], size), ir_imm(t->ir, size));

    t->v[0] = x86_narrow(t, r, size_of(t));
}
