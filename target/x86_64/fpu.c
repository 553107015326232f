/* SPDX-License-Identifier: MIT */
/* Floating-point state in the guest's format: see fpu.h. */
#include "rhea/osdep.h"

#include "fpu.h"
#include "x87.h"

static const struct {
    uint8_t x86, ir;
} flag_bits[] = {
    {1 << 0, IR_FP_INVALID},  {1 << 1, IR_FP_DENORMAL},  {1 << 2, IR_FP_DIVBYZERO},
    {1 << 3, IR_FP_OVERFLOW}, {1 << 4, IR_FP_UNDERFLOW}, {1 << 5, IR_FP_INEXACT},
};

uint32_t x86_fp_flags_to_x86(uint32_t flags)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(flag_bits); i++) {
        bits |= flags & flag_bits[i].ir ? flag_bits[i].x86 : 0;
    }
    return bits;
}

uint32_t x86_fp_flags_from_x86(uint32_t bits)
{
    uint32_t flags = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(flag_bits); i++) {
        flags |= bits & flag_bits[i].x86 ? flag_bits[i].ir : 0;
    }
    return flags;
}

uint32_t x86_get_mxcsr(const X86Env *env)
{
    static const uint8_t control[] = {
        [IR_ROUND_NEAREST] = 0, [IR_ROUND_DOWN] = 1, [IR_ROUND_UP] = 2, [IR_ROUND_ZERO] = 3};
    uint32_t round = env->tcg.fp_round;

    return (env->mxcsr & X86_MXCSR_MASKS) | x86_fp_flags_to_x86(env->tcg.fp_flags) |
           (uint32_t)control[round & 3] << 13 | (round & IR_ROUND_FTZ ? X86_MXCSR_FTZ : 0) |
           (round & IR_ROUND_DAZ ? X86_MXCSR_DAZ : 0);
}

void x86_set_mxcsr(X86Env *env, uint32_t v)
{
    static const uint8_t rounds[4] = {IR_ROUND_NEAREST, IR_ROUND_DOWN, IR_ROUND_UP, IR_ROUND_ZERO};

    env->mxcsr = v & X86_MXCSR_MASKS;
    env->tcg.fp_flags = x86_fp_flags_from_x86(v & X86_MXCSR_FLAGS);
    env->tcg.fp_round = rounds[(v & X86_MXCSR_RC) >> 13] | (v & X86_MXCSR_FTZ ? IR_ROUND_FTZ : 0) |
                        (v & X86_MXCSR_DAZ ? IR_ROUND_DAZ : 0);
}

void x86_check_mxcsr(X86Env *env)
{
    x86_set_mxcsr(env, x86_get_mxcsr(env));
}

CpuKey x86_fp_key(const X86Env *env)
{
    uint32_t unmasked = ~env->mxcsr & X86_MXCSR_MASKS;
    CpuKey key = unmasked ? X86_KEY_FPEXC : 0;

    key |= unmasked & (X86_MXCSR_OM | X86_MXCSR_UM) ? X86_KEY_FPEXACT : 0;
    key |= ~env->fpu_cw & X87_EXCEPTIONS || env->fpu_sw & X87_ES ? X86_KEY_X87EXC : 0;
    return key;
}

static bool all_zero(const void *p, size_t n)
{
    const uint8_t *b = p;

    while (n && !*b) {
        b++;
        n--;
    }
    return !n;
}

uint64_t x86_fp_in_use(const X86Env *env)
{
    uint64_t used = 0;

    if (env->fpu_cw != X87_CW_DEFAULT || env->fpu_sw || env->fpu_tags || env->fpu_op ||
        env->fpu_ip || env->fpu_dp || !all_zero(env->st, sizeof(env->st))) {
        used |= XCOMP_X87;
    }
    used |= all_zero(env->xmm, sizeof(env->xmm)) ? 0 : XCOMP_SSE;
    used |= all_zero(env->ymmh, sizeof(env->ymmh)) ? 0 : XCOMP_AVX;
    return used | (env->pkru ? XCOMP_PKRU : 0);
}
