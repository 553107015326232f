/* SPDX-License-Identifier: MIT */
/* What is known of a value's bits, from the few instructions that made it. */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "tcg/opt-fold.h"

enum { MAX_DEPTH = 4 }; /* definitions looked through */

static uint64_t type_mask(IrType type)
{
    return type == IR_I32 || type == IR_F32 ? 0xffffffffu : ~0ULL;
}

static uint64_t all_below_top(uint64_t bits)
{
    return bits ? MASK_ULL(64 - __builtin_clzll(bits)) : 0;
}

/* Bits that may be one. */
static uint64_t possible_bits(const Ir *ir, IrVal v, unsigned depth)
{
    const IrInsn *insn = def(ir, v);
    uint64_t all = type_mask(insn->type), c;

    if (depth == 0) {
        return all;
    }
    switch (insn->op) {
    case IR_CONST: return insn->imm & all;
    case IR_SETCOND:
    case IR_CARRY:
    case IR_BORROW:
    case IR_FCMP: return 1;
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT: return 0x7f;
    case IR_ZEXT8: return 0xff & possible_bits(ir, insn->arg[0], depth - 1);
    case IR_ZEXT16: return 0xffff & possible_bits(ir, insn->arg[0], depth - 1);
    case IR_ZEXT32:
    case IR_TRUNC: return 0xffffffff & possible_bits(ir, insn->arg[0], depth - 1);
    case IR_AND:
        return possible_bits(ir, insn->arg[0], depth - 1) &
               possible_bits(ir, insn->arg[1], depth - 1);
    case IR_OR:
    case IR_XOR:
        return possible_bits(ir, insn->arg[0], depth - 1) |
               possible_bits(ir, insn->arg[1], depth - 1);
    case IR_MOVCOND:
        return possible_bits(ir, insn->arg[2], depth - 1) |
               possible_bits(ir, insn->arg[3], depth - 1);
    case IR_SHR:
        return is_uconst(ir, insn->arg[1], &c)
                   ? possible_bits(ir, insn->arg[0], depth - 1) >> (c & (width(insn->type) - 1))
                   : all_below_top(possible_bits(ir, insn->arg[0], depth - 1));
    case IR_SHL:
        return is_uconst(ir, insn->arg[1], &c)
                   ? (possible_bits(ir, insn->arg[0], depth - 1) << (c & (width(insn->type) - 1))) &
                         all
                   : all;
    case IR_LOAD:
    case IR_LDENV:
        return insn->mem & IR_MEM_SIGNED ? all : all & MASK_ULL(8u << (insn->mem & IR_MEM_SIZE));
    default: return all;
    }
}

/* The number of low bits of which the value is the sign extension. */
static unsigned signed_bits(const Ir *ir, IrVal v, unsigned depth)
{
    const IrInsn *insn = def(ir, v);
    unsigned w = width(insn->type), a, b;
    uint64_t possible, c;

    if (depth == 0) {
        return w;
    }
    switch (insn->op) {
    case IR_CONST:
        c = insn->imm < 0 ? ~insn->imm : insn->imm;
        return c ? 65 - __builtin_clzll(c) : 1;
    case IR_SEXT8: return 8;
    case IR_SEXT16: return 16;
    case IR_SEXT32: return MIN(32, signed_bits(ir, insn->arg[0], depth - 1));
    case IR_SAR:
        a = signed_bits(ir, insn->arg[0], depth - 1);
        if (is_uconst(ir, insn->arg[1], &c)) {
            c &= w - 1;
            return a > c ? a - c : 1;
        }
        return a;
    case IR_AND:
    case IR_OR:
    case IR_XOR:
        a = signed_bits(ir, insn->arg[0], depth - 1);
        b = signed_bits(ir, insn->arg[1], depth - 1);
        if (MAX(a, b) < w) {
            return MAX(a, b);
        }
        break;
    case IR_MOVCOND:
        a = signed_bits(ir, insn->arg[2], depth - 1);
        b = signed_bits(ir, insn->arg[3], depth - 1);
        return MAX(a, b);
    case IR_LOAD:
    case IR_LDENV:
        if (insn->mem & IR_MEM_SIGNED) {
            return MIN(w, 8u << (insn->mem & IR_MEM_SIZE));
        }
        break;
    default: break;
    }
    possible = possible_bits(ir, v, depth);
    return possible ? MIN(w, 65u - __builtin_clzll(possible)) : 1;
}

uint64_t ir_possible_bits(const Ir *ir, IrVal v)
{
    return possible_bits(ir, v, MAX_DEPTH);
}

unsigned ir_signed_bits(const Ir *ir, IrVal v)
{
    return signed_bits(ir, v, MAX_DEPTH);
}
