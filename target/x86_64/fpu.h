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
    X86_MXCSR_RC = 3 << 13,
    X86_MXCSR_FTZ = 1 << 15,
    X86_MXCSR_VALID = 0xffff,
    X86_MXCSR_DEFAULT = 0x1f80,
};

/* All of MXCSR: masks are in env->mxcsr, flags and modes in TcgEnv. */
uint32_t x86_get_mxcsr(const X86Env *env);
/* @v has no reserved bits.  The translation key may change. */
void x86_set_mxcsr(X86Env *env, uint32_t v);

/* IR_FP_* as the flag bits of MXCSR and of the x87 status word, which agree, and back. */
uint32_t x86_fp_flags_to_x86(uint32_t flags);
uint32_t x86_fp_flags_from_x86(uint32_t bits);

#endif
