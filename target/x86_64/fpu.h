/* SPDX-License-Identifier: MIT */
/*
 * Floating-point state as the guest sees it, put together from its parts: for instructions that save
 * and load it, gdb and snapshots.  All but the vCPU's thread itself may call these only while it stands.
 */
#ifndef TARGET_X86_64_FPU_H
#define TARGET_X86_64_FPU_H

#include "cpu.h"

enum {
    X86_MXCSR_FLAGS = 0x3f,
    X86_MXCSR_DAZ = 1 << 6,
    X86_MXCSR_OM = 1 << 10,
    X86_MXCSR_UM = 1 << 11,
    X86_MXCSR_RC = 3 << 13,
    X86_MXCSR_FTZ = 1 << 15,
    X86_MXCSR_VALID = 0xffff,
    X86_MXCSR_DEFAULT = 0x1f80,
};

/* Components of XSAVE, bits of XCR0. */
enum { XCOMP_X87 = 1 << 0, XCOMP_SSE = 1 << 1, XCOMP_AVX = 1 << 2, XCOMP_PKRU = 1 << 9 };

/* All of MXCSR: masks are in env->mxcsr, flags and modes in TcgEnv. */
uint32_t x86_get_mxcsr(const X86Env *env);
/* @v has no reserved bits.  The translation key may change. */
void x86_set_mxcsr(X86Env *env, uint32_t v);

/* What MXCSR is made of may be anything, out of a file: only what it can hold stays. */
void x86_check_mxcsr(X86Env *env);
/* The bits of the translation key that tell of exceptions that are not masked. */
CpuKey x86_fp_key(const X86Env *env);

/* Components (XCOMP_*) that are not in their initial state; MXCSR does not count. */
uint64_t x86_fp_in_use(const X86Env *env);

/* IR_FP_* as the flag bits of MXCSR and of the x87 status word, which agree, and back. */
uint32_t x86_fp_flags_to_x86(uint32_t flags);
uint32_t x86_fp_flags_from_x86(uint32_t bits);

#endif
