/* SPDX-License-Identifier: MIT */
/*
 * C functions for the IR ops that a host may lack (HELPER in ir-ops.def).  The interpreter runs them
 * too, so they are what these ops mean.  Arguments: the op's own, then its cond where it uses one.
 * Floating point is tcg/softfloat.c with fp_round and fp_flags of env.
 */
#include "rhea/osdep.h"

#include "tcg/ir-private.h"
#include "tcg/softfloat.h"

/* --- Integers: all 32-bit operands arrive zero-extended, upper halves of results are ignored --- */

/* Division by zero and MIN / -1 are excluded by front ends, but must not trap here: a dead
 * arm of a MOVCOND may be computed. */
static uint64_t op_divu(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return b ? a / b : 0;
}

static uint64_t op_remu(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return b ? a % b : a;
}

static uint64_t op_divs_i64(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    if (b + 1 <= 1) {
        return b ? -a : 0; /* -1 or 0 */
    }
    return (int64_t)a / (int64_t)b;
}

static uint64_t op_rems_i64(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    if (b + 1 <= 1) {
        return b ? 0 : a;
    }
    return (int64_t)a % (int64_t)b;
}

static uint64_t op_divs_i32(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return op_divs_i64(env, (int32_t)a, (int32_t)b, c, d);
}

static uint64_t op_rems_i32(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return op_rems_i64(env, (int32_t)a, (int32_t)b, c, d);
}

static uint64_t op_clz_i64(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return a ? __builtin_clzll(a) : 64;
}

static uint64_t op_clz_i32(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (uint32_t)a ? __builtin_clz((uint32_t)a) : 32;
}

static uint64_t op_ctz_i64(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return a ? __builtin_ctzll(a) : 64;
}

static uint64_t op_ctz_i32(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (uint32_t)a ? __builtin_ctz((uint32_t)a) : 32;
}

static uint64_t op_popcnt(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return __builtin_popcountll(a);
}

static uint64_t op_bswap_i64(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return __builtin_bswap64(a);
}

static uint64_t op_bswap_i32(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return __builtin_bswap32(a);
}

static unsigned __int128 carryless(uint64_t a, uint64_t b)
{
    unsigned __int128 r = 0;

    for (unsigned i = 0; i < 64; i++) {
        if (b >> i & 1) {
            r ^= (unsigned __int128)a << i;
        }
    }
    return r;
}

static uint64_t op_clmul(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return carryless(a, b);
}

static uint64_t op_clmulh(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return carryless(a, b) >> 64;
}

/* --- Floating point --- */

static IrRound rounding(const TcgEnv *env, uint64_t round)
{
    return round == IR_ROUND_CURRENT ? env->fp_round & IR_ROUND_MASK : round;
}

#define FP_BINARY(op, fmt, suffix, call)                                                           \
    static uint64_t op_##op##_##suffix(void *e, uint64_t a, uint64_t b, uint64_t c, uint64_t d)    \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return call(fmt, a, b, rounding(env, IR_ROUND_CURRENT), &env->fp_flags);                   \
    }

#define FP_FORMAT(fmt, suffix)                                                                     \
    FP_BINARY(fadd, fmt, suffix, sf_add)                                                           \
    FP_BINARY(fsub, fmt, suffix, sf_sub)                                                           \
    FP_BINARY(fmul, fmt, suffix, sf_mul)                                                           \
    FP_BINARY(fdiv, fmt, suffix, sf_div)                                                           \
    static uint64_t op_fsqrt_##suffix(void *e, uint64_t a, uint64_t b, uint64_t c, uint64_t d)     \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return sf_sqrt(fmt, a, rounding(env, IR_ROUND_CURRENT), &env->fp_flags);                   \
    }                                                                                              \
    static uint64_t op_fma_##suffix(void *e, uint64_t a, uint64_t b, uint64_t c, uint64_t negate)  \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return sf_fma(fmt, a, b, c, negate, rounding(env, IR_ROUND_CURRENT), &env->fp_flags);      \
    }                                                                                              \
    static uint64_t op_fmin_##suffix(void *e, uint64_t a, uint64_t b, uint64_t c, uint64_t d)      \
    {                                                                                              \
        return sf_min(fmt, a, b, &((TcgEnv *)e)->fp_flags);                                        \
    }                                                                                              \
    static uint64_t op_fmax_##suffix(void *e, uint64_t a, uint64_t b, uint64_t c, uint64_t d)      \
    {                                                                                              \
        return sf_max(fmt, a, b, &((TcgEnv *)e)->fp_flags);                                        \
    }                                                                                              \
    static uint64_t op_fcmp_##suffix(void *e, uint64_t a, uint64_t b, uint64_t cond, uint64_t d)   \
    {                                                                                              \
        return sf_cmp(fmt, cond, a, b, &((TcgEnv *)e)->fp_flags);                                  \
    }

/* Conversions between format and integers of @bits; (c_type) gives the value of the raw operand. */
#define FP_INTEGER(fmt, suffix, bits, s_type, u_type)                                              \
    static uint64_t op_fcvt_si_##suffix##_##bits(void *e, uint64_t a, uint64_t rm, uint64_t c,     \
                                                 uint64_t d)                                       \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return sf_to_int(fmt, a, bits, rounding(env, rm), &env->fp_flags);                         \
    }                                                                                              \
    static uint64_t op_fcvt_ui_##suffix##_##bits(void *e, uint64_t a, uint64_t rm, uint64_t c,     \
                                                 uint64_t d)                                       \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return sf_to_uint(fmt, a, bits, rounding(env, rm), &env->fp_flags);                        \
    }                                                                                              \
    static uint64_t op_fcvt_sf_##suffix##_##bits(void *e, uint64_t a, uint64_t rm, uint64_t c,     \
                                                 uint64_t d)                                       \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return sf_from_int(fmt, (s_type)a, rounding(env, rm), &env->fp_flags);                     \
    }                                                                                              \
    static uint64_t op_fcvt_uf_##suffix##_##bits(void *e, uint64_t a, uint64_t rm, uint64_t c,     \
                                                 uint64_t d)                                       \
    {                                                                                              \
        TcgEnv *env = e;                                                                           \
        return sf_from_uint(fmt, (u_type)a, rounding(env, rm), &env->fp_flags);                    \
    }

FP_FORMAT(SF_32, f32)
FP_FORMAT(SF_64, f64)
FP_INTEGER(SF_32, f32, 32, int32_t, uint32_t)
FP_INTEGER(SF_32, f32, 64, int64_t, uint64_t)
FP_INTEGER(SF_64, f64, 32, int32_t, uint32_t)
FP_INTEGER(SF_64, f64, 64, int64_t, uint64_t)

static uint64_t op_fcvt_f_f32(void *e, uint64_t a, uint64_t rm, uint64_t c, uint64_t d)
{
    TcgEnv *env = e;

    return sf_convert(SF_32, SF_64, a, rounding(env, rm), &env->fp_flags);
}

static uint64_t op_fcvt_f_f64(void *e, uint64_t a, uint64_t rm, uint64_t c, uint64_t d)
{
    TcgEnv *env = e;

    return sf_convert(SF_64, SF_32, a, rounding(env, rm), &env->fp_flags);
}

/* --- The table --- */

#define I32 IR_I32
#define I64 IR_I64
#define F32 IR_F32
#define F64 IR_F64

/* X(op, result type, operand type, function, flags, argument types) */
#define OP_HELPERS(X)                                                                              \
    X(DIVU, I32, I32, op_divu, IR_HELPER_PURE, I32, I32)                                           \
    X(DIVU, I64, I64, op_divu, IR_HELPER_PURE, I64, I64)                                           \
    X(DIVS, I32, I32, op_divs_i32, IR_HELPER_PURE, I32, I32)                                       \
    X(DIVS, I64, I64, op_divs_i64, IR_HELPER_PURE, I64, I64)                                       \
    X(REMU, I32, I32, op_remu, IR_HELPER_PURE, I32, I32)                                           \
    X(REMU, I64, I64, op_remu, IR_HELPER_PURE, I64, I64)                                           \
    X(REMS, I32, I32, op_rems_i32, IR_HELPER_PURE, I32, I32)                                       \
    X(REMS, I64, I64, op_rems_i64, IR_HELPER_PURE, I64, I64)                                       \
    X(CLZ, I32, I32, op_clz_i32, IR_HELPER_PURE, I32)                                              \
    X(CLZ, I64, I64, op_clz_i64, IR_HELPER_PURE, I64)                                              \
    X(CTZ, I32, I32, op_ctz_i32, IR_HELPER_PURE, I32)                                              \
    X(CTZ, I64, I64, op_ctz_i64, IR_HELPER_PURE, I64)                                              \
    X(POPCNT, I32, I32, op_popcnt, IR_HELPER_PURE, I32)                                            \
    X(POPCNT, I64, I64, op_popcnt, IR_HELPER_PURE, I64)                                            \
    X(BSWAP, I32, I32, op_bswap_i32, IR_HELPER_PURE, I32)                                          \
    X(BSWAP, I64, I64, op_bswap_i64, IR_HELPER_PURE, I64)                                          \
    X(CLMUL, I64, I64, op_clmul, IR_HELPER_PURE, I64, I64)                                         \
    X(CLMULH, I64, I64, op_clmulh, IR_HELPER_PURE, I64, I64)                                       \
    X(FADD, F32, F32, op_fadd_f32, IR_HELPER_FP, F32, F32)                                         \
    X(FADD, F64, F64, op_fadd_f64, IR_HELPER_FP, F64, F64)                                         \
    X(FSUB, F32, F32, op_fsub_f32, IR_HELPER_FP, F32, F32)                                         \
    X(FSUB, F64, F64, op_fsub_f64, IR_HELPER_FP, F64, F64)                                         \
    X(FMUL, F32, F32, op_fmul_f32, IR_HELPER_FP, F32, F32)                                         \
    X(FMUL, F64, F64, op_fmul_f64, IR_HELPER_FP, F64, F64)                                         \
    X(FDIV, F32, F32, op_fdiv_f32, IR_HELPER_FP, F32, F32)                                         \
    X(FDIV, F64, F64, op_fdiv_f64, IR_HELPER_FP, F64, F64)                                         \
    X(FSQRT, F32, F32, op_fsqrt_f32, IR_HELPER_FP, F32)                                            \
    X(FSQRT, F64, F64, op_fsqrt_f64, IR_HELPER_FP, F64)                                            \
    X(FMA, F32, F32, op_fma_f32, IR_HELPER_FP, F32, F32, F32, I32)                                 \
    X(FMA, F64, F64, op_fma_f64, IR_HELPER_FP, F64, F64, F64, I32)                                 \
    X(FMIN, F32, F32, op_fmin_f32, IR_HELPER_FP, F32, F32)                                         \
    X(FMIN, F64, F64, op_fmin_f64, IR_HELPER_FP, F64, F64)                                         \
    X(FMAX, F32, F32, op_fmax_f32, IR_HELPER_FP, F32, F32)                                         \
    X(FMAX, F64, F64, op_fmax_f64, IR_HELPER_FP, F64, F64)                                         \
    X(FCMP, I64, F32, op_fcmp_f32, IR_HELPER_FP, F32, F32, I32)                                    \
    X(FCMP, I64, F64, op_fcmp_f64, IR_HELPER_FP, F64, F64, I32)                                    \
    X(FCVT_F, F32, F64, op_fcvt_f_f32, IR_HELPER_FP, F64, I32)                                     \
    X(FCVT_F, F64, F32, op_fcvt_f_f64, IR_HELPER_FP, F32, I32)                                     \
    X(FCVT_SI, I32, F32, op_fcvt_si_f32_32, IR_HELPER_FP, F32, I32)                                \
    X(FCVT_SI, I64, F32, op_fcvt_si_f32_64, IR_HELPER_FP, F32, I32)                                \
    X(FCVT_SI, I32, F64, op_fcvt_si_f64_32, IR_HELPER_FP, F64, I32)                                \
    X(FCVT_SI, I64, F64, op_fcvt_si_f64_64, IR_HELPER_FP, F64, I32)                                \
    X(FCVT_UI, I32, F32, op_fcvt_ui_f32_32, IR_HELPER_FP, F32, I32)                                \
    X(FCVT_UI, I64, F32, op_fcvt_ui_f32_64, IR_HELPER_FP, F32, I32)                                \
    X(FCVT_UI, I32, F64, op_fcvt_ui_f64_32, IR_HELPER_FP, F64, I32)                                \
    X(FCVT_UI, I64, F64, op_fcvt_ui_f64_64, IR_HELPER_FP, F64, I32)                                \
    X(FCVT_SF, F32, I32, op_fcvt_sf_f32_32, IR_HELPER_FP, I32, I32)                                \
    X(FCVT_SF, F32, I64, op_fcvt_sf_f32_64, IR_HELPER_FP, I64, I32)                                \
    X(FCVT_SF, F64, I32, op_fcvt_sf_f64_32, IR_HELPER_FP, I32, I32)                                \
    X(FCVT_SF, F64, I64, op_fcvt_sf_f64_64, IR_HELPER_FP, I64, I32)                                \
    X(FCVT_UF, F32, I32, op_fcvt_uf_f32_32, IR_HELPER_FP, I32, I32)                                \
    X(FCVT_UF, F32, I64, op_fcvt_uf_f32_64, IR_HELPER_FP, I64, I32)                                \
    X(FCVT_UF, F64, I32, op_fcvt_uf_f64_32, IR_HELPER_FP, I32, I32)                                \
    X(FCVT_UF, F64, I64, op_fcvt_uf_f64_64, IR_HELPER_FP, I64, I32)

enum {
#define X(op, type, arg, fn, flags, ...) INDEX_##op##_##type##_##arg,
    OP_HELPERS(X)
#undef X
        NOP_HELPERS
};

static const IrHelper op_helpers[NOP_HELPERS] = {
#define X(op, type, arg, fn, flags, ...)                                                           \
    {"op." #op "." #type "." #arg, fn, flags, type, {__VA_ARGS__}},
    OP_HELPERS(X)
#undef X
};

/* 1 + index in op_helpers; 0: none. */
static const uint8_t op_helper_index[IR_NOPS][IR_NTYPES][IR_NTYPES] = {
#define X(op, type, arg, fn, flags, ...) [IR_##op][type][arg] = 1 + INDEX_##op##_##type##_##arg,
    OP_HELPERS(X)
#undef X
};

/* Vector ops follow, in the order of their ops. */
unsigned ir_op_helper_count(void)
{
    return NOP_HELPERS + IR_VFFROMHALF - IR_VFROM + 1;
}

int32_t ir_op_helper(IrOp op, IrType type, IrType arg)
{
    unsigned n = op_helper_index[op][type][arg];

    if (ir_is_vec(op)) {
        return IR_OP_HELPER_BASE + NOP_HELPERS + (int32_t)(op - IR_VFROM);
    }
    return n ? IR_OP_HELPER_BASE + (int32_t)n - 1 : -1;
}

const IrHelper *ir_helper(const IrTarget *t, int64_t n)
{
    int64_t k = n - IR_OP_HELPER_BASE;

    if (k < 0) {
        return &t->helpers[n];
    }
    return k < NOP_HELPERS ? &op_helpers[k] : ir_vec_helper((IrOp)(IR_VFROM + k - NOP_HELPERS));
}
