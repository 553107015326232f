/* SPDX-License-Identifier: MIT */
/* The arithmetic flags that CC_OP stands for, and EFLAGS as a whole. */
#include "rhea/osdep.h"

#include "translate/flags.h"

typedef struct CcValues {
    unsigned bits;
    uint64_t dst, src, carry; /* dst and src: with the sign bit on top; carry is SRC2 */
} CcValues;

static uint64_t sign_bit(uint64_t v)
{
    return v >> 63;
}

/* CF, AF and OF of DST = a + SRC + carry. */
static uint32_t sum_flags(const CcValues *v, bool with_carry)
{
    uint64_t one = 1ULL << (64 - v->bits), a = v->dst - v->src - (with_carry ? v->carry * one : 0);
    bool cf = v->carry && with_carry ? v->dst <= v->src : v->dst < v->src;
    uint64_t af = (a ^ v->src ^ v->dst) >> (64 - v->bits + 4) & 1;

    return (cf ? X86_CF : 0) | (af ? X86_AF : 0) |
           (sign_bit((a ^ v->dst) & (v->src ^ v->dst)) ? X86_OF : 0);
}

/* CF, AF and OF of DST = a - SRC - carry. */
static uint32_t difference_flags(const CcValues *v, bool with_carry)
{
    uint64_t one = 1ULL << (64 - v->bits), a = v->dst + v->src + (with_carry ? v->carry * one : 0);
    bool cf = v->carry && with_carry ? a <= v->src : a < v->src;
    uint64_t af = (a ^ v->src ^ v->dst) >> (64 - v->bits + 4) & 1;

    return (cf ? X86_CF : 0) | (af ? X86_AF : 0) |
           (sign_bit((a ^ v->src) & (a ^ v->dst)) ? X86_OF : 0);
}

static uint32_t step_flags(const CcValues *v, uint64_t raw_dst, uint64_t raw_src, bool inc)
{
    uint64_t overflow = inc ? 1ULL << 63 : ~(1ULL << 63) << (64 - v->bits) & ~(1ULL << 63);

    return (raw_src & 1 ? X86_CF : 0) | ((raw_dst & 15) == (inc ? 0 : 15) ? X86_AF : 0) |
           (v->dst == overflow ? X86_OF : 0);
}

/* CF and OF: does the signed product exceed the size? */
static uint32_t product_flags(const CcValues *v)
{
    unsigned unused = 64 - v->bits;
    int64_t a = (int64_t)v->src >> unused, b = (int64_t)(v->carry << unused) >> unused;

    return (__int128)a * b == (int64_t)v->dst >> unused ? 0 : X86_CF | X86_OF;
}

static uint32_t operation_flags(unsigned op, uint64_t dst, uint64_t src, uint64_t src2)
{
    unsigned bits = 8u << (op & 3);
    CcValues v = {bits, dst << (64 - bits), src << (64 - bits), src2};
    uint32_t f;

    switch ((X86Cc)(op % X86_CC_HAS_CARRY / 4)) {
    case X86_CC_ADD: f = sum_flags(&v, false); break;
    case X86_CC_ADC: f = sum_flags(&v, true); break;
    case X86_CC_CMP: dst -= src; v.dst -= v.src; /* fall through */
    case X86_CC_SUB: f = difference_flags(&v, false); break;
    case X86_CC_SBB: f = difference_flags(&v, true); break;
    case X86_CC_LOGIC: f = 0; break;
    case X86_CC_INC: f = step_flags(&v, dst, src, true); break;
    case X86_CC_DEC: f = step_flags(&v, dst, src, false); break;
    case X86_CC_SHL:
        f = (sign_bit(v.src) ? X86_CF : 0) | (sign_bit(v.src ^ v.dst) ? X86_OF : 0);
        break;
    case X86_CC_SHR: f = (src & 1 ? X86_CF : 0) | (sign_bit(v.src ^ v.dst) ? X86_OF : 0); break;
    case X86_CC_RESULT: f = (src & 1 ? X86_CF : 0) | (src & 2 ? X86_OF : 0); break;
    case X86_CC_IMUL: f = product_flags(&v); break;
    default: return src & X86_ARITH_FLAGS;
    }
    return f | (v.dst == 0 ? X86_ZF : 0) | (sign_bit(v.dst) ? X86_SF : 0) |
           (__builtin_parity(dst & 0xff) ? 0 : X86_PF);
}

uint32_t x86_cc_flags(unsigned op, uint64_t dst, uint64_t src, uint64_t src2)
{
    uint32_t f = operation_flags(op, dst, src, src2);

    if (op & X86_CC_HAS_ROTATE) {
        bool carry = op >> X86_CC_ROTATE_SHIFT & 2, other = op >> X86_CC_ROTATE_SHIFT & 1;

        f = (f & ~(X86_CF | X86_OF)) | (carry ? X86_CF : 0) | (carry != other ? X86_OF : 0);
    }
    if (op & X86_CC_HAS_CARRY) {
        f = (f & ~X86_CF) | (op >> X86_CC_CARRY_SHIFT & 1);
    }
    if (op & X86_CC_HAS_OVERFLOW) {
        f = (f & ~X86_OF) | (op >> X86_CC_OVERFLOW_SHIFT & 1 ? X86_OF : 0);
    }
    return f;
}

uint32_t x86_eflags(const X86Env *env)
{
    return env->eflags | x86_cc_flags(env->cc_op, env->cc_dst, env->cc_src, env->cc_src2);
}

void x86_set_eflags(X86Env *env, uint32_t eflags)
{
    env->eflags = (eflags & ~X86_ARITH_FLAGS) | 2;
    env->cc_src = eflags & X86_ARITH_FLAGS;
    env->cc_op = x86_cc_op(X86_CC_EFLAGS, 0);
}
