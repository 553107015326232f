/* SPDX-License-Identifier: MIT */
/*
 * Address translation: Sv39, Sv48, Sv57 with Svnapot, Svpbmt, Svade and Svadu, and PMP on every access
 * including those of the walk (Privileged ISA 12.3 to 12.7, 3.7).
 *
 * Memory types of Svpbmt are checked and otherwise without effect: memory here is always coherent.
 * Page tables must lie in RAM or ROM; elsewhere the walk ends in an access fault.
 *
 * Threading: vCPU threads; page-table entries are read and updated atomically.
 */
#include "rhea/osdep.h"

#include "pmp.h"
#include "rhea/log.h"

#define PTE_V        (1ULL << 0)
#define PTE_R        (1ULL << 1)
#define PTE_W        (1ULL << 2)
#define PTE_X        (1ULL << 3)
#define PTE_U        (1ULL << 4)
#define PTE_G        (1ULL << 5)
#define PTE_A        (1ULL << 6)
#define PTE_D        (1ULL << 7)
#define PTE_PPN(pte) extract64(pte, 10, 44)
#define PTE_RESERVED (0x7fULL << 54)
#define PTE_PBMT     (3ULL << 61)
#define PTE_N        (1ULL << 63)

typedef enum WalkResult { WALK_OK, WALK_PAGE_FAULT, WALK_ACCESS_FAULT } WalkResult;

/* One translation under way. */
typedef struct Walk {
    CpuState *cpu;
    RvEnv *env;
    const RvModel *model;
    GuestVA va;
    MemAccess access;
    unsigned priv; /* effective */
    bool sum;      /* S-mode may touch user pages */
    bool probe;
    /* Where the tables are: one look-up mostly does for a walk. */
    GuestPA mem_pa;
    MemSection mem;
} Walk;

static bool walk_mem_has(const Walk *w, GuestPA pa)
{
    return pa >= w->mem_pa && w->mem.len >= 8 && pa - w->mem_pa <= w->mem.len - 8;
}

static bool walk_mem_find(Walk *w, GuestPA at, GuestPA pa)
{
    w->mem_pa = at;
    if (!mem_lookup(w->cpu->as, at, &w->mem) || !w->mem.host) {
        w->mem.len = 0;
    }
    return walk_mem_has(w, pa);
}

/* The page-table entry at @pa in host memory; NULL: it cannot be read. */
static uint64_t *pte_find(Walk *w, GuestPA pa)
{
    bool uniform;

    if (!w->probe && !(rv_pmp_prot(w->env, RV_PRIV_S, pa, 8, &uniform) & PROT_R)) {
        return NULL;
    }
    /* RAM mostly starts at a multiple of 1 GiB: then all of it is found at once. */
    if (!walk_mem_has(w, pa) && !walk_mem_find(w, align_down(pa, 1 * GiB), pa) &&
        !walk_mem_find(w, pa, pa)) {
        return NULL;
    }
    return (uint64_t *)(void *)(w->mem.host + (pa - w->mem_pa));
}

static bool pte_well_formed(const Walk *w, uint64_t pte)
{
    bool pbmt = rv_has(w->model, RV_EXT_SVPBMT) && w->env->menvcfg & RV_ENVCFG_PBMTE;

    if (!(pte & PTE_V) || (pte & (PTE_R | PTE_W)) == PTE_W || pte & PTE_RESERVED) {
        return false;
    }
    if (pte & PTE_PBMT && (!pbmt || (pte & PTE_PBMT) == PTE_PBMT)) {
        return false;
    }
    return !(pte & PTE_N) || rv_has(w->model, RV_EXT_SVNAPOT);
}

/* PROT_R and PROT_W, or PROT_X, that leaf @pte gives to this kind of access. */
static uint8_t pte_prot(const Walk *w, uint64_t pte)
{
    uint8_t prot = 0;

    if (w->priv == RV_PRIV_U && !(pte & PTE_U)) {
        return 0;
    }
    if (w->access == ACCESS_EXEC) {
        return pte & PTE_X && !(w->priv == RV_PRIV_S && pte & PTE_U) ? PROT_X : 0;
    }
    if (w->priv == RV_PRIV_S && pte & PTE_U && !w->sum) {
        return 0;
    }
    if (pte & PTE_R || (pte & PTE_X && w->env->mstatus & RV_MSTATUS_MXR)) {
        prot |= PROT_R;
    }
    if (pte & PTE_W) {
        prot |= PROT_W;
    }
    return prot;
}

static uint8_t access_prot(MemAccess access)
{
    return access == ACCESS_EXEC ? PROT_X : access == ACCESS_WRITE ? PROT_W : PROT_R;
}

/*
 * Sets A (and D for a write) in the leaf.  *pte is the entry as the walk saw it and becomes the new
 * one; *retry: another hart changed it meanwhile.
 */
static WalkResult pte_set_accessed(const Walk *w, uint64_t *host, GuestPA pte_pa, uint64_t *pte,
                                   bool *retry)
{
    uint64_t want = *pte | PTE_A | (w->access == ACCESS_WRITE ? PTE_D : 0);
    uint64_t expect = GUINT64_TO_LE(*pte);
    bool uniform;

    if (want == *pte || w->probe) {
        return WALK_OK;
    }
    if (!(w->env->menvcfg & RV_ENVCFG_ADUE)) {
        return WALK_PAGE_FAULT;
    }
    if (!(rv_pmp_prot(w->env, RV_PRIV_S, pte_pa, 8, &uniform) & PROT_W) || !w->mem.writable) {
        return WALK_ACCESS_FAULT;
    }
    *retry = !__atomic_compare_exchange_n(host, &expect, GUINT64_TO_LE(want), false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (!*retry) {
        ram_set_dirty(w->mem.ram, w->mem.ram_offset + (pte_pa - w->mem_pa), 8);
        *pte = want;
    }
    return WALK_OK;
}

/* The leaf's place in memory; false when the entry is misformed for its level. */
static bool leaf_map(const Walk *w, uint64_t pte, unsigned level, TlbFill *out)
{
    uint64_t ppn = PTE_PPN(pte);

    out->page_size = 1ULL << (12 + 9 * level);
    if (pte & PTE_N) {
        if (level || (ppn & 15) != 8) {
            return false;
        }
        ppn &= ~15ULL;
        out->page_size = 64 * KiB;
    } else if (ppn & MASK_ULL(9 * level)) {
        return false;
    }
    out->pa = ppn << 12 | (w->va & (out->page_size - 1));
    out->global = pte & PTE_G;
    out->untranslated = false;
    return true;
}

static WalkResult walk_leaf(const Walk *w, uint64_t *host, GuestPA pte_pa, uint64_t pte,
                            unsigned level, TlbFill *out, bool *retry)
{
    WalkResult res;

    if (!leaf_map(w, pte, level, out)) {
        return WALK_PAGE_FAULT;
    }
    out->prot = pte_prot(w, pte);
    if (w->probe) {
        return WALK_OK;
    }
    if (!(out->prot & access_prot(w->access))) {
        return WALK_PAGE_FAULT;
    }
    res = pte_set_accessed(w, host, pte_pa, &pte, retry);
    if (!(pte & PTE_D)) {
        out->prot &= ~PROT_W;
    }
    return res;
}

static WalkResult walk(Walk *w, TlbFill *out)
{
    unsigned levels = RV_SATP_MODE(w->env->satp) - RV_SATP_SV39 + 3;
    GuestPA table = RV_SATP_PPN(w->env->satp) << 12;
    bool global = false;

    if ((uint64_t)sextract64(w->va, 0, 12 + 9 * levels) != w->va) {
        return WALK_PAGE_FAULT;
    }
    for (unsigned level = levels; level-- > 0;) {
        GuestPA pte_pa = table + extract64(w->va, 12 + 9 * level, 9) * 8;
        uint64_t *host = pte_find(w, pte_pa);
        uint64_t pte;
        bool retry;

        if (!host) {
            return WALK_ACCESS_FAULT;
        }
        do {
            retry = false;
            pte = GUINT64_FROM_LE(__atomic_load_n(host, __ATOMIC_ACQUIRE));
            if (!pte_well_formed(w, pte)) {
                return WALK_PAGE_FAULT;
            }
            if (pte & (PTE_R | PTE_W | PTE_X)) {
                WalkResult res = walk_leaf(w, host, pte_pa, pte, level, out, &retry);

                if (!retry) {
                    out->global |= global;
                    return res;
                }
            }
        } while (retry);
        if (pte & (PTE_A | PTE_D | PTE_U | PTE_PBMT | PTE_N)) {
            return WALK_PAGE_FAULT;
        }
        global |= (pte & PTE_G) != 0;
        table = PTE_PPN(pte) << 12;
    }
    return WALK_PAGE_FAULT;
}

/* Applies PMP: narrows prot, and page_size to where its answer is the same everywhere. */
static bool apply_pmp(const Walk *w, unsigned size, TlbFill *out)
{
    static const uint64_t sizes[] = {1 * GiB, 2 * MiB, 4 * KiB};
    bool uniform;
    uint8_t prot =
        rv_pmp_prot(w->env, w->priv, align_down(out->pa, out->page_size), out->page_size, &uniform);

    for (unsigned i = 0; !uniform && i < ARRAY_SIZE(sizes); i++) {
        if (sizes[i] < out->page_size) {
            out->page_size = sizes[i];
            prot = rv_pmp_prot(w->env, w->priv, align_down(out->pa, sizes[i]), sizes[i], &uniform);
        }
    }
    if (!uniform) {
        out->page_size = 1;
        prot = rv_pmp_prot(w->env, w->priv, out->pa, MAX(size, 1), &uniform);
    }
    out->prot &= prot;
    return out->prot & access_prot(w->access);
}

static void set_fault(const Walk *w, WalkResult res)
{
    static const uint8_t page_fault[] = {
        [ACCESS_READ] = RV_EXC_LOAD_PAGE,
        [ACCESS_WRITE] = RV_EXC_STORE_PAGE,
        [ACCESS_EXEC] = RV_EXC_INSN_PAGE,
    };

    if (res == WALK_ACCESS_FAULT) {
        rv_bus_error(w->cpu, w->va, 0, w->access);
        return;
    }
    w->env->trap_value = w->va;
    w->cpu->exception = page_fault[w->access];
}

static unsigned mmu_priv(unsigned mmu)
{
    return mmu == RV_MMU_M ? RV_PRIV_M : mmu == RV_MMU_U ? RV_PRIV_U : RV_PRIV_S;
}

bool rv_tlb_fill(CpuState *cpu, GuestVA va, unsigned size, MemAccess access, unsigned mmu,
                 bool probe, TlbFill *out)
{
    RvEnv *env = rv_env(cpu);
    Walk w = {
        .cpu = cpu,
        .env = env,
        .model = cpu->model,
        .va = va,
        .access = access,
        .priv = access == ACCESS_EXEC ? env->priv : mmu_priv(mmu),
        .sum = mmu == RV_MMU_S_SUM,
        .probe = probe,
    };
    WalkResult res = WALK_OK;

    if (w.priv == RV_PRIV_M || RV_SATP_MODE(env->satp) == RV_SATP_BARE) {
        *out = (TlbFill){
            .pa = va,
            .page_size = 1 * GiB,
            .prot = access == ACCESS_EXEC ? PROT_X : PROT_R | PROT_W,
            .global = w.priv == RV_PRIV_M,
            .untranslated = true,
        };
    } else {
        res = walk(&w, out);
    }
    if (probe) {
        out->page_size = MIN(out->page_size, 4 * KiB);
        out->prot = PROT_R | PROT_W | PROT_X;
        return res == WALK_OK;
    }
    if (res == WALK_OK && !apply_pmp(&w, size, out)) {
        res = WALK_ACCESS_FAULT;
    }
    if (log_enabled(LOG_MMU)) {
        log_printf("mmu hart %u: va %016" PRIx64 " access %d mmu %u: %s pa %014" PRIx64
                   " size %" PRIx64 " prot %d\n",
                   cpu->index, va, access, mmu,
                   res == WALK_OK           ? "ok"
                   : res == WALK_PAGE_FAULT ? "page fault"
                                            : "access fault",
                   res == WALK_OK ? out->pa : 0, res == WALK_OK ? out->page_size : 0,
                   res == WALK_OK ? out->prot : 0);
    }
    if (res != WALK_OK) {
        set_fault(&w, res);
    }
    return res == WALK_OK;
}

void rv_bus_error(CpuState *cpu, GuestVA va, GuestPA pa, MemAccess access)
{
    static const uint8_t access_fault[] = {
        [ACCESS_READ] = RV_EXC_LOAD_ACCESS,
        [ACCESS_WRITE] = RV_EXC_STORE_ACCESS,
        [ACCESS_EXEC] = RV_EXC_INSN_ACCESS,
    };

    rv_env(cpu)->trap_value = va;
    cpu->exception = access_fault[access];
}

void rv_misaligned(CpuState *cpu, GuestVA va, MemAccess access, unsigned size)
{
    static const uint8_t misaligned[] = {
        [ACCESS_READ] = RV_EXC_LOAD_MISALIGNED,
        [ACCESS_WRITE] = RV_EXC_STORE_MISALIGNED,
        [ACCESS_EXEC] = RV_EXC_INSN_MISALIGNED,
    };

    rv_env(cpu)->trap_value = va;
    cpu->exception = misaligned[access];
}

/* --- What the present state means for translation --- */

CpuKey rv_key(CpuState *cpu)
{
    const RvEnv *env = rv_env(cpu);
    unsigned fs = env->mstatus >> 13 & 3;
    unsigned data_priv = env->priv;
    unsigned mmu;

    if (env->mstatus & RV_MSTATUS_MPRV) {
        data_priv = env->mstatus >> 11 & 3;
    }
    switch (data_priv) {
    case RV_PRIV_M: mmu = RV_MMU_M; break;
    case RV_PRIV_S: mmu = env->mstatus & RV_MSTATUS_SUM ? RV_MMU_S_SUM : RV_MMU_S; break;
    default: mmu = RV_MMU_U; break;
    }
    fs = fs == 0 ? RV_FS_OFF : fs == 3 ? RV_FS_DIRTY : RV_FS_CLEAN;
    return mmu | fs << RV_KEY_FS_SHIFT | (CpuKey)env->frm << RV_KEY_FRM_SHIFT |
           (CpuKey)env->priv << RV_KEY_PRIV_SHIFT;
}

/* MODE and ASID, not the root: a new root under an old ASID needs an SFENCE.VMA (12.2.1). */
uint64_t rv_space(CpuState *cpu)
{
    return rv_env(cpu)->satp >> 44;
}
