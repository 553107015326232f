/* SPDX-License-Identifier: MIT */
/*
 * C functions of the vector ops: what these ops mean.  Arguments are the op's own (vectors by address),
 * then cond | imm << 8; a vector result goes to *r.
 */
#ifndef TCG_VEC_HELPERS_H
#define TCG_VEC_HELPERS_H

#include "tcg/ir.h"

#define VEC_OP(name, nargs, props, sig, lanes, has_imm, fn)                                        \
    uint64_t fn(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d, IrV128 *r);
#include "tcg/vec-ops.def"
#undef VEC_OP

static inline const IrV128 *vec_arg(uint64_t a)
{
    return (const IrV128 *)(uintptr_t)a;
}

static inline unsigned vec_imm(uint64_t info)
{
    return (unsigned)info >> 8;
}

/* Bits of an integer lane. */
static inline unsigned vec_bits(uint64_t info)
{
    return 8u << (info & 3);
}

static inline uint64_t vec_get(const IrV128 *v, unsigned bits, unsigned i)
{
    switch (bits) {
    case 8: return v->u8[i];
    case 16: return v->u16[i];
    case 32: return v->u32[i];
    default: return v->u64[i];
    }
}

static inline int64_t vec_get_signed(const IrV128 *v, unsigned bits, unsigned i)
{
    return (int64_t)(vec_get(v, bits, i) << (64 - bits)) >> (64 - bits);
}

static inline void vec_set(IrV128 *v, unsigned bits, unsigned i, uint64_t x)
{
    switch (bits) {
    case 8: v->u8[i] = (uint8_t)x; break;
    case 16: v->u16[i] = (uint16_t)x; break;
    case 32: v->u32[i] = (uint32_t)x; break;
    default: v->u64[i] = x; break;
    }
}

#endif
