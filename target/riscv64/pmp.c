/* SPDX-License-Identifier: MIT */
/* Physical memory protection: 16 entries of granularity 4 bytes (Privileged ISA 3.7). */
#include "rhea/osdep.h"

#include "pmp.h"

enum { PMP_R = 1, PMP_W = 2, PMP_X = 4, PMP_A = 0x18, PMP_L = 0x80 };
enum { PMP_OFF = 0x00, PMP_TOR = 0x08, PMP_NA4 = 0x10, PMP_NAPOT = 0x18 };
#define PMP_ADDR_MASK MASK_ULL(54)

/* The bytes first..last that entry @n matches; false: none. */
static bool pmp_range(const RvEnv *env, unsigned n, uint64_t *first, uint64_t *last)
{
    uint64_t addr = env->pmpaddr[n], span;

    switch (env->pmpcfg[n] & PMP_A) {
    case PMP_TOR:
        *first = n ? env->pmpaddr[n - 1] << 2 : 0;
        *last = (addr << 2) - 1;
        return *first < addr << 2;
    case PMP_NA4:
        *first = addr << 2;
        *last = *first + 3;
        return true;
    case PMP_NAPOT:
        /* k trailing ones: 2^(k+3) bytes. */
        span = (addr ^ (addr + 1)) << 2 | 3;
        *first = addr << 2 & ~span;
        *last = *first | span;
        return true;
    default: return false;
    }
}

uint8_t rv_pmp_prot(const RvEnv *env, unsigned priv, GuestPA pa, uint64_t len, bool *uniform)
{
    uint64_t end = pa + len - 1, first, last;

    *uniform = true;
    for (unsigned n = 0; n < env->pmp_used; n++) {
        uint8_t cfg = env->pmpcfg[n];

        if (!pmp_range(env, n, &first, &last) || last < pa || first > end) {
            continue;
        }
        if (first > pa || last < end) {
            *uniform = false;
            return 0; /* an access that an entry matches in part fails, in M-mode too */
        }
        if (priv == RV_PRIV_M && !(cfg & PMP_L)) {
            return PROT_R | PROT_W | PROT_X;
        }
        return (cfg & PMP_R ? PROT_R : 0) | (cfg & PMP_W ? PROT_W : 0) | (cfg & PMP_X ? PROT_X : 0);
    }
    return priv == RV_PRIV_M ? PROT_R | PROT_W | PROT_X : 0;
}

void rv_pmp_update(RvEnv *env)
{
    env->pmp_used = RV_PMP_ENTRIES;
    while (env->pmp_used && (env->pmpcfg[env->pmp_used - 1] & PMP_A) == PMP_OFF) {
        env->pmp_used--;
    }
}

uint64_t rv_pmpcfg_read(RvCpu *cpu, unsigned csr)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)cpu->env->pmpcfg[(csr & 2) * 4 + i] << 8 * i;
    }
    return v;
}

void rv_pmpcfg_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *cfg = &cpu->env->pmpcfg[(csr & 2) * 4 + i];
        uint8_t v = value >> 8 * i & (PMP_L | PMP_A | PMP_X | PMP_W | PMP_R);

        if (!(v & PMP_R)) {
            v &= ~PMP_W; /* W without R is reserved */
        }
        if (!(*cfg & PMP_L)) {
            *cfg = v;
        }
    }
    rv_pmp_update(cpu->env);
    cpu_tlb_flush(&cpu->cpu, ~0ULL);
}

uint64_t rv_pmpaddr_read(RvCpu *cpu, unsigned csr)
{
    return cpu->env->pmpaddr[csr & 15];
}

void rv_pmpaddr_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    RvEnv *env = cpu->env;
    unsigned n = csr & 15;
    /* A locked TOR entry locks the address below it, which is its lower bound. */
    bool next_locks = n + 1 < RV_PMP_ENTRIES && env->pmpcfg[n + 1] & PMP_L &&
                      (env->pmpcfg[n + 1] & PMP_A) == PMP_TOR;

    if (env->pmpcfg[n] & PMP_L || next_locks) {
        return;
    }
    env->pmpaddr[n] = value & PMP_ADDR_MASK;
    cpu_tlb_flush(&cpu->cpu, ~0ULL);
}
