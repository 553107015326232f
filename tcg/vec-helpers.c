/* SPDX-License-Identifier: MIT */
/* The table of vector ops as helpers: their C functions (vec-int.c, vec-fp.c, vec-crypto.c) and types. */
#include "rhea/osdep.h"

#include "tcg/ir-private.h"
#include "tcg/vec-helpers.h"

/* Result and arguments by signature; what lane and imm make comes last. */
#define V IR_V128
#define L IR_I64
#define V_V                                                                                        \
    V,                                                                                             \
    {                                                                                              \
        V, IR_I32                                                                                  \
    }
#define V_L                                                                                        \
    V,                                                                                             \
    {                                                                                              \
        L, IR_I32                                                                                  \
    }
#define L_V                                                                                        \
    L,                                                                                             \
    {                                                                                              \
        V, IR_I32                                                                                  \
    }
#define V_VV                                                                                       \
    V,                                                                                             \
    {                                                                                              \
        V, V, IR_I32                                                                               \
    }
#define V_VL                                                                                       \
    V,                                                                                             \
    {                                                                                              \
        V, L, IR_I32                                                                               \
    }
#define L_VV                                                                                       \
    L,                                                                                             \
    {                                                                                              \
        V, V, IR_I32                                                                               \
    }
#define V_VVV                                                                                      \
    V,                                                                                             \
    {                                                                                              \
        V, V, V, IR_I32                                                                            \
    }

/* Properties as the flags of a call. */
#define PURE     IR_HELPER_PURE
#define FP       IR_HELPER_FP
#define COMMUTES 0

static const IrHelper vec_helpers[] = {
#define VEC_OP(name, nargs, props, sig, lanes, has_imm, fn)                                        \
    {"op." #name, IR_VEC_FN(fn), props, sig},
#include "tcg/vec-ops.def"
#undef VEC_OP
};

static const uint8_t vec_lanes[] = {
#define VEC_OP(name, nargs, props, sig, lanes, has_imm, fn) lanes,
#include "tcg/vec-ops.def"
#undef VEC_OP
};

uint8_t ir_vec_lanes(IrOp op)
{
    return vec_lanes[op - IR_VFROM];
}

const IrHelper *ir_vec_helper(IrOp op)
{
    return &vec_helpers[op - IR_VFROM];
}
