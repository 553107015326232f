/* SPDX-License-Identifier: MIT */
/*
 * What the integer ops mean, once: for the interpreter (which calls ir_eval() with a constant op, so
 * that the switch vanishes) and for constant folding.
 *
 * Values are held in 64 bits: I32 and F32 zero-extended.
 */
#ifndef TCG_IR_EVAL_H
#define TCG_IR_EVAL_H

#include "tcg/ir.h"

static inline uint64_t ir_narrow(IrType type, uint64_t v)
{
    return type == IR_I32 || type == IR_F32 ? (uint32_t)v : v;
}

/* The signed number that the I32 or I64 value @v stands for. */
static inline int64_t ir_signed(IrType type, uint64_t v)
{
    return type == IR_I32 ? (int32_t)v : (int64_t)v;
}

static inline __attribute__((always_inline)) bool ir_eval_cond(IrCond cond, IrType type, uint64_t a,
                                                               uint64_t b)
{
    int64_t sa = ir_signed(type, a), sb = ir_signed(type, b);

    switch (cond) {
    case IR_EQ: return a == b;
    case IR_NE: return a != b;
    case IR_LT: return sa < sb;
    case IR_GE: return sa >= sb;
    case IR_LE: return sa <= sb;
    case IR_GT: return sa > sb;
    case IR_LTU: return a < b;
    case IR_GEU: return a >= b;
    case IR_LEU: return a <= b;
    case IR_GTU: return a > b;
    }
    return false;
}

/* The F64 register image of an F32, and back. */
static inline uint64_t ir_eval_fbox(uint64_t f32)
{
    return f32 | 0xffffffff00000000u;
}

static inline uint64_t ir_eval_funbox(uint64_t f64)
{
    return f64 >> 32 == 0xffffffffu ? (uint32_t)f64 : 0x7fc00000u;
}

/* Can ir_eval() do @op? */
static inline bool ir_can_eval(IrOp op)
{
    switch (op) {
    case IR_DIVU:
    case IR_DIVS:
    case IR_REMU:
    case IR_REMS:
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT:
    case IR_BSWAP:
    case IR_CLMUL:
    case IR_CLMULH: return false;
    default: return (op >= IR_ADD && op <= IR_TRUNC) || (op >= IR_FBITS && op <= IR_FUNBOX);
    }
}

/* @op of result type @type on @a and @b (0 where the op has one operand). */
static inline __attribute__((always_inline)) uint64_t ir_eval(IrOp op, IrType type, uint64_t a,
                                                              uint64_t b)
{
    unsigned width = type == IR_I32 ? 32 : 64;
    unsigned count = b & (width - 1);
    uint64_t r = 0;

    switch (op) {
    case IR_ADD: r = a + b; break;
    case IR_SUB: r = a - b; break;
    case IR_AND: r = a & b; break;
    case IR_OR: r = a | b; break;
    case IR_XOR: r = a ^ b; break;
    case IR_SHL: r = a << count; break;
    case IR_SHR: r = a >> count; break;
    case IR_SAR: r = ir_signed(type, a) >> count; break;
    case IR_MUL: r = a * b; break;
    case IR_MULHU: r = (unsigned __int128)a * b >> 64; break;
    case IR_MULHS: r = (__int128)(int64_t)a * (int64_t)b >> 64; break;
    case IR_NEG: r = -a; break;
    case IR_NOT: r = ~a; break;
    case IR_ANDN: r = a & ~b; break;
    case IR_ROTL: r = a << count | a >> (-count & (width - 1)); break;
    case IR_ROTR: r = a >> count | a << (-count & (width - 1)); break;
    case IR_SEXT8: r = (int8_t)a; break;
    case IR_SEXT16: r = (int16_t)a; break;
    case IR_ZEXT8: r = (uint8_t)a; break;
    case IR_ZEXT16: r = (uint16_t)a; break;
    case IR_SEXT32: r = (int32_t)a; break;
    case IR_ZEXT32:
    case IR_TRUNC: r = (uint32_t)a; break;
    case IR_FBITS: r = a; break;
    case IR_FBOX: r = ir_eval_fbox(a); break;
    case IR_FUNBOX: r = ir_eval_funbox(a); break;
    default: break;
    }
    return ir_narrow(type, r);
}

/* ADC and SBB of result type @type. */
static inline uint64_t ir_eval_adc(IrType type, uint64_t a, uint64_t b, uint64_t carry)
{
    return ir_narrow(type, a + b + carry);
}

static inline uint64_t ir_eval_sbb(IrType type, uint64_t a, uint64_t b, uint64_t borrow)
{
    return ir_narrow(type, a - b - borrow);
}

/* CARRY and BORROW of operands of @type. */
static inline uint64_t ir_eval_carry(IrType type, uint64_t a, uint64_t b, uint64_t carry)
{
    return (unsigned __int128)a + b + carry > ir_narrow(type, ~0ULL);
}

static inline uint64_t ir_eval_borrow(uint64_t a, uint64_t b, uint64_t borrow)
{
    return a < (unsigned __int128)b + borrow;
}

#endif
