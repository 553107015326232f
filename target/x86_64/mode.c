/* SPDX-License-Identifier: MIT */
/*
 * Modes: control registers, EFER and XCR0 with their consistency rules (SDM vol. 3, 2.5, 4.1.2, 10.8.5;
 * APM vol. 2, 14), and the translation key that follows from the state.
 *
 * Not modelled: caching modes (CD and NW are stored), CET, PKS, virtualisation.
 */
#include "rhea/osdep.h"

#include "cpu.h"
#include "fpu.h"

/* --- Control registers --- */

/* EFER.LMA and all that follows from a new CR0, CR4 or EFER. */
static void mode_changed(X86Env *env, bool flush)
{
    CpuState *cpu = env->tcg.cpu;
    bool long_mode = env->efer & X86_EFER_LME && env->cr0 & X86_CR0_PG;

    env->efer = (env->efer & ~(uint64_t)X86_EFER_LMA) | (long_mode ? X86_EFER_LMA : 0);
    if (flush) {
        cpu_tlb_flush(cpu, ~0ULL);
    }
    cpu_context_changed(cpu);
}

/* May paging be turned on as CR4 and EFER stand?  Loads the PDPTEs. */
static bool paging_may_start(X86Env *env)
{
    if (env->efer & X86_EFER_LME) {
        return env->cr4 & X86_CR4_PAE && !(env->seg[X86_CS].attr & X86_ATTR_L);
    }
    return !(env->cr4 & X86_CR4_PAE) || x86_load_pdptes(env, env->cr3);
}

bool x86_write_cr0(X86Env *env, uint64_t v)
{
    const uint64_t known = X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_NE |
                           X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG;
    uint64_t old = env->cr0, changed;

    if (v >> 32 || (v & X86_CR0_PG && !(v & X86_CR0_PE)) || (v & X86_CR0_NW && !(v & X86_CR0_CD))) {
        return false;
    }
    v = (v & known) | X86_CR0_ET;
    changed = v ^ old;
    if (changed & X86_CR0_PG) {
        if (v & X86_CR0_PG ? !paging_may_start(env) : x86_code64(env) || env->cr4 & X86_CR4_PCIDE) {
            return false;
        }
    } else if (changed & (X86_CR0_CD | X86_CR0_NW) && v & X86_CR0_PG && env->cr4 & X86_CR4_PAE &&
               !x86_long_mode(env) && !x86_load_pdptes(env, env->cr3)) {
        return false;
    }
    env->cr0 = v;
    if (changed & X86_CR0_PE) {
        env->cpl = 0;
    }
    mode_changed(env, changed & (X86_CR0_PG | X86_CR0_WP));
    return true;
}

bool x86_write_cr3(X86Env *env, uint64_t v)
{
    CpuState *cpu = env->tcg.cpu;
    bool pcid = env->cr4 & X86_CR4_PCIDE, keep = pcid && v >> 63;

    if (pcid) {
        v &= ~(1ULL << 63);
    }
    if (x86_long_mode(env)) {
        if (v & ~MASK_ULL(x86_model(env)->phys_bits)) {
            return false;
        }
    } else {
        v = (uint32_t)v;
        if (env->cr0 & X86_CR0_PG && env->cr4 & X86_CR4_PAE && !x86_load_pdptes(env, v)) {
            return false;
        }
    }
    env->cr3 = v;
    if (!keep) {
        cpu_tlb_flush(cpu, x86_space(cpu));
    }
    cpu_context_changed(cpu);
    return true;
}

uint64_t x86_cr4_mask(const X86Model *m)
{
    static const struct {
        X86Feature feature;
        uint64_t bits;
    } bits[] = {
        {X86_F_VME, X86_CR4_VME | X86_CR4_PVI},
        {X86_F_TSC, X86_CR4_TSD},
        {X86_F_DE, X86_CR4_DE},
        {X86_F_PSE, X86_CR4_PSE},
        {X86_F_PAE, X86_CR4_PAE},
        {X86_F_MCE, X86_CR4_MCE},
        {X86_F_PGE, X86_CR4_PGE},
        {X86_F_FXSR, X86_CR4_OSFXSR},
        {X86_F_SSE, X86_CR4_OSXMMEXCPT},
        {X86_F_UMIP, X86_CR4_UMIP},
        {X86_F_LA57, X86_CR4_LA57},
        {X86_F_FSGSBASE, X86_CR4_FSGSBASE},
        {X86_F_PCID, X86_CR4_PCIDE},
        {X86_F_XSAVE, X86_CR4_OSXSAVE},
        {X86_F_SMEP, X86_CR4_SMEP},
        {X86_F_SMAP, X86_CR4_SMAP},
        {X86_F_PKU, X86_CR4_PKE},
    };
    uint64_t mask = X86_CR4_PCE;

    for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
        mask |= x86_has(m, bits[i].feature) ? bits[i].bits : 0;
    }
    return mask;
}

static bool cr4_allowed(X86Env *env, uint64_t v)
{
    uint64_t changed = v ^ env->cr4;

    if (v & ~x86_cr4_mask(x86_model(env))) {
        return false;
    }
    if (x86_long_mode(env)) {
        if (!(v & X86_CR4_PAE) || changed & X86_CR4_LA57) {
            return false;
        }
    }
    if (changed & v & X86_CR4_PCIDE && (!x86_long_mode(env) || env->cr3 & 0xfff)) {
        return false;
    }
    return true;
}

bool x86_write_cr4(X86Env *env, uint64_t v)
{
    const uint64_t flushing = X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE |
                              X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_LA57;
    uint64_t old = env->cr4;

    if (!cr4_allowed(env, v)) {
        return false;
    }
    env->cr4 = v;
    if ((v ^ old) & (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP) && v & X86_CR4_PAE &&
        env->cr0 & X86_CR0_PG && !x86_long_mode(env) && !x86_load_pdptes(env, env->cr3)) {
        env->cr4 = old;
        return false;
    }
    mode_changed(env, (v ^ old) & flushing);
    return true;
}

bool x86_write_efer(X86Env *env, uint64_t v)
{
    const X86Model *m = x86_model(env);
    uint64_t mask = (x86_has(m, X86_F_SYSCALL) ? X86_EFER_SCE : 0) |
                    (x86_has(m, X86_F_LM) ? X86_EFER_LME | X86_EFER_LMA : 0) |
                    (x86_has(m, X86_F_NX) ? X86_EFER_NXE : 0);
    uint64_t changed = v ^ env->efer;

    if (v & ~mask || (changed & X86_EFER_LME && env->cr0 & X86_CR0_PG)) {
        return false;
    }
    env->efer = (v & ~(uint64_t)X86_EFER_LMA) | (env->efer & X86_EFER_LMA);
    mode_changed(env, changed & X86_EFER_NXE);
    return true;
}

/* XCR0: x87, SSE, AVX and PKRU state. */
enum { XCR0_X87 = 1 << 0, XCR0_SSE = 1 << 1, XCR0_AVX = 1 << 2, XCR0_PKRU = 1 << 9 };

uint64_t x86_xcr0_mask(const X86Model *m)
{
    if (!x86_has(m, X86_F_XSAVE)) {
        return XCR0_X87;
    }
    return XCR0_X87 | XCR0_SSE | (x86_has(m, X86_F_AVX) ? XCR0_AVX : 0) |
           (x86_has(m, X86_F_PKU) ? XCR0_PKRU : 0);
}

bool x86_write_xcr0(X86Env *env, uint64_t v)
{
    if (v & ~x86_xcr0_mask(x86_model(env)) || !(v & XCR0_X87) ||
        (v & XCR0_AVX && !(v & XCR0_SSE))) {
        return false;
    }
    env->xcr0 = v;
    cpu_context_changed(env->tcg.cpu);
    return true;
}

/* --- The key --- */

/* Based at 0, all of 4 GiB, and readable and writable. */
static bool seg_is_flat(const X86Seg *s)
{
    const uint32_t need = X86_ATTR_P | X86_ATTR_S | X86_ATTR_W;

    return s->base == 0 && s->limit == UINT32_MAX &&
           (s->attr & (need | X86_ATTR_CODE | X86_ATTR_E)) == need;
}

static CpuKey key_segments(const X86Env *env)
{
    const X86Seg *cs = &env->seg[X86_CS];
    CpuKey key = 0;

    if (x86_code64(env)) {
        return X86_KEY_CS64;
    }
    key |= cs->attr & X86_ATTR_DB ? X86_KEY_CS32 : 0;
    key |= env->seg[X86_SS].attr & X86_ATTR_DB ? X86_KEY_SS32 : 0;
    key |= cs->base || cs->limit != UINT32_MAX ? X86_KEY_CSBASE : 0;
    key |= cs->limit < (cs->attr & X86_ATTR_DB ? UINT32_MAX : 0xffff) ? X86_KEY_CSLIMIT : 0;
    if (!seg_is_flat(&env->seg[X86_DS]) || !seg_is_flat(&env->seg[X86_ES]) ||
        !seg_is_flat(&env->seg[X86_SS])) {
        key |= X86_KEY_SEGS;
    }
    return key;
}

static CpuKey key_mmu(const X86Env *env)
{
    if (env->cpl == 3) {
        return X86_MMU_USER;
    }
    return env->cr4 & X86_CR4_SMAP && env->eflags & X86_AC ? X86_MMU_KERNEL_NOSMAP : X86_MMU_KERNEL;
}

static CpuKey key_control(const X86Env *env)
{
    const uint64_t avx = XCR0_SSE | XCR0_AVX;
    CpuKey key = 0;

    key |= env->cr0 & X86_CR0_EM ? X86_KEY_EM : 0;
    key |= env->cr0 & X86_CR0_TS ? X86_KEY_TS : 0;
    key |= env->cr0 & X86_CR0_MP ? X86_KEY_MP : 0;
    key |= env->cr0 & X86_CR0_NE ? X86_KEY_NE : 0;
    key |= env->cr4 & X86_CR4_OSFXSR ? X86_KEY_SSE : 0;
    key |= env->cr4 & X86_CR4_UMIP ? X86_KEY_UMIP : 0;
    key |= env->cr4 & X86_CR4_FSGSBASE ? X86_KEY_FSGSBASE : 0;
    key |= env->cr4 & X86_CR4_PKE ? X86_KEY_PKE : 0;
    if (env->cr4 & X86_CR4_OSXSAVE) {
        key |= X86_KEY_OSXSAVE | ((env->xcr0 & avx) == avx ? X86_KEY_AVX : 0);
    }
    return key;
}

/* DR7 enables a breakpoint. */
static bool breakpoints_on(const X86Env *env)
{
    return env->dr[7] & 0xff;
}

CpuKey x86_key(CpuState *cpu)
{
    const X86Env *env = x86_env(cpu);
    CpuKey key =
        key_mmu(env) | (CpuKey)env->cpl << X86_KEY_CPL_SHIFT | key_segments(env) | key_control(env);

    key |= x86_long_mode(env) ? X86_KEY_LMA : 0;
    key |= x86_protected(env) ? X86_KEY_PE : 0;
    key |= env->eflags & X86_VM ? X86_KEY_VM86 : 0;
    key |= env->eflags & X86_TF ? X86_KEY_TF : 0;
    key |= env->inhibit_irq ? X86_KEY_SHADOW : 0;
    key |= env->cpl <= extract64(env->eflags, 12, 2) ? X86_KEY_IOPL : 0;
    key |= x86_fp_key(env);
    key |= env->smm ? X86_KEY_SMM : 0;
    key |= breakpoints_on(env) || env->eflags & X86_RF ? X86_KEY_BP : 0;
    if (env->cr0 & X86_CR0_AM && env->eflags & X86_AC && env->cpl == 3) {
        key |= X86_KEY_AC;
    }
    return key;
}
