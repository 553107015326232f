/* SPDX-License-Identifier: MIT */
/*
 * Address translation: 32-bit paging with PSE and PSE-36, PAE, 4-level and 5-level paging, protection
 * keys, SMEP, SMAP (SDM vol. 3, chapter 4); the A20 gate.
 *
 * Memory types (PAT, MTRRs, PCD, PWT) are without effect: memory here is always coherent.  Page tables
 * may lie in any memory; accessed and dirty flags are not stored where it cannot be written.
 * Translations are tagged with the PCID alone, as the manual allows: whoever loads CR3 without the
 * no-flush bit flushes the PCID that it loads.
 *
 * Threading: vCPU threads; entries are read and updated atomically.
 */
#include "rhea/osdep.h"

#include "cpu.h"
#include "rhea/log.h"

#define PTE_P     (1ULL << 0)
#define PTE_W     (1ULL << 1)
#define PTE_U     (1ULL << 2)
#define PTE_A     (1ULL << 5)
#define PTE_D     (1ULL << 6)
#define PTE_PS    (1ULL << 7)
#define PTE_G     (1ULL << 8)
#define PTE_PAT_L (1ULL << 12) /* in large pages */
#define PTE_NX    (1ULL << 63)
#define PTE_ADDR  (MASK_ULL(52) & ~MASK_ULL(12))

/* Error code of a page fault. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_FETCH = 16, PF_PK = 32 };

enum { MAX_LEVELS = 5 };

/* One translation under way. */
typedef struct Walk {
    CpuState *cpu;
    X86Env *env;
    const X86Model *model;
    GuestVA va;
    MemAccess access;
    bool user, smap, probe;
    unsigned pte_bytes, index_bits;
    uint64_t reserved; /* bits that no entry may have */
    /* what the entries allow together */
    uint64_t allow, nx;
    uint32_t error; /* of the fault, but for the bits that follow from the access */
    /* Where the tables are: one look-up mostly does for a walk. */
    GuestPA mem_pa;
    MemSection mem;
} Walk;

/* An entry as the walk saw it. */
typedef struct Entry {
    GuestPA pa;
    uint64_t value;
    unsigned level;
} Entry;

/* --- Tables in memory --- */

static uint8_t *table_host(Walk *w, GuestPA pa)
{
    GuestPA at[2] = {align_down(pa, 1 * GiB), pa};

    for (unsigned i = 0; i <= ARRAY_SIZE(at); i++) {
        if (pa >= w->mem_pa && w->mem.len >= w->pte_bytes &&
            pa - w->mem_pa <= w->mem.len - w->pte_bytes) {
            return w->mem.host + (pa - w->mem_pa);
        }
        if (i == ARRAY_SIZE(at)) {
            break;
        }
        w->mem_pa = at[i];
        if (!mem_lookup(w->cpu->as, at[i], &w->mem) || !w->mem.host) {
            w->mem.len = 0;
        }
    }
    return NULL;
}

static uint64_t entry_read(Walk *w, GuestPA pa)
{
    uint8_t *host = table_host(w, pa);
    uint64_t v = 0;

    if (!host) {
        return mem_read_value(w->cpu->as, pa, w->pte_bytes, &v) == MEM_OK
                   ? v
                   : MASK_ULL(8 * w->pte_bytes);
    }
    if (w->pte_bytes == 4) {
        return GUINT32_FROM_LE(__atomic_load_n((uint32_t *)(void *)host, __ATOMIC_ACQUIRE));
    }
    return GUINT64_FROM_LE(__atomic_load_n((uint64_t *)(void *)host, __ATOMIC_ACQUIRE));
}

/* Adds @bits to the entry; false: it has changed since the walk saw it. */
static bool entry_set(Walk *w, Entry *e, uint64_t bits)
{
    uint8_t *host;
    bool done;

    if ((e->value & bits) == bits || w->probe) {
        return true;
    }
    host = table_host(w, e->pa);
    if (!host || !w->mem.writable) {
        return true;
    }
    if (w->pte_bytes == 4) {
        uint32_t old = GUINT32_TO_LE((uint32_t)e->value);

        done = __atomic_compare_exchange_n((uint32_t *)(void *)host, &old,
                                           GUINT32_TO_LE((uint32_t)(e->value | bits)), false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else {
        uint64_t old = GUINT64_TO_LE(e->value);

        done = __atomic_compare_exchange_n((uint64_t *)(void *)host, &old,
                                           GUINT64_TO_LE(e->value | bits), false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    if (done) {
        ram_set_dirty(w->mem.ram, w->mem.ram_offset + (e->pa - w->mem_pa), w->pte_bytes);
        e->value |= bits;
    }
    return done;
}

/* --- The walk --- */

typedef enum WalkResult { WALK_OK, WALK_FAULT, WALK_AGAIN } WalkResult;

static WalkResult walk_fault(Walk *w, uint32_t error)
{
    w->error = error;
    return WALK_FAULT;
}

static bool entry_is_leaf(const Walk *w, const Entry *e)
{
    if (e->level == 0 || !(e->value & PTE_PS)) {
        return e->level == 0;
    }
    if (w->pte_bytes == 4) {
        return w->env->cr4 & X86_CR4_PSE;
    }
    return e->level == 1 || (e->level == 2 && x86_has(w->model, X86_F_PDPE1GB));
}

/* Reserved bits of this entry, beyond Walk.reserved. */
static uint64_t entry_reserved(const Walk *w, const Entry *e, bool leaf, unsigned shift)
{
    if (w->pte_bytes == 4) {
        /* PSE-36: bits 13.. are bits 32.. of the address; bit 21 is always reserved. */
        unsigned high = MIN(w->model->phys_bits > 32 ? w->model->phys_bits - 32 : 0, 8);

        return leaf && e->level ? MASK_ULL(22) & ~MASK_ULL(13 + high) : 0;
    }
    if (leaf && e->level) {
        return MASK_ULL(shift) & ~MASK_ULL(13);
    }
    return !leaf && e->level >= 2 ? PTE_PS : 0;
}

static GuestPA leaf_address(const Walk *w, const Entry *e, unsigned shift)
{
    uint64_t base = e->value & PTE_ADDR & ~MASK_ULL(shift);

    if (w->pte_bytes == 4 && e->level) {
        base = (e->value & 0xffc00000) | extract64(e->value, 13, 8) << 32;
    }
    return base | (w->va & MASK_ULL(shift));
}

static bool walk_write_protected(const Walk *w)
{
    return !(w->allow & PTE_W) && (w->user || w->env->cr0 & X86_CR0_WP);
}

/* What protection keys leave of read and write to a user page. */
static uint8_t walk_pkey_prot(const Walk *w, uint64_t leaf)
{
    unsigned key = extract64(leaf, 59, 4);
    unsigned rights = w->env->pkru >> 2 * key & 3;

    if (!(w->env->cr4 & X86_CR4_PKE) || !x86_long_mode(w->env) || !(w->allow & PTE_U)) {
        return PROT_R | PROT_W;
    }
    if (rights & 1) {
        return 0;
    }
    return rights & 2 && (w->user || w->env->cr0 & X86_CR0_WP) ? PROT_R : PROT_R | PROT_W;
}

/* What the entries give to this kind of access; *pkey: what keys alone would. */
static uint8_t walk_prot(const Walk *w, uint64_t leaf, uint8_t *pkey)
{
    bool user_page = w->allow & PTE_U;
    uint8_t prot = PROT_R;

    *pkey = PROT_R | PROT_W | PROT_X;
    if (w->user && !user_page) {
        return 0;
    }
    if (w->access == ACCESS_EXEC) {
        bool smep = !w->user && user_page && w->env->cr4 & X86_CR4_SMEP;

        return w->nx || smep ? 0 : PROT_X;
    }
    if (w->smap && user_page) {
        return 0;
    }
    prot |= walk_write_protected(w) ? 0 : PROT_W;
    *pkey = walk_pkey_prot(w, leaf);
    return prot;
}

static uint8_t access_prot(MemAccess access)
{
    return access == ACCESS_EXEC ? PROT_X : access == ACCESS_WRITE ? PROT_W : PROT_R;
}

static WalkResult walk_leaf(Walk *w, Entry *e, unsigned shift, TlbFill *out)
{
    uint8_t want = access_prot(w->access), pkey;

    out->prot = walk_prot(w, e->value, &pkey);
    if (!w->probe && !(out->prot & want)) {
        return walk_fault(w, PF_P);
    }
    if (!w->probe && !(pkey & want)) {
        return walk_fault(w, PF_P | PF_PK);
    }
    out->prot &= pkey;
    if (!entry_set(w, e, PTE_A | (w->access == ACCESS_WRITE ? PTE_D : 0))) {
        return WALK_AGAIN;
    }
    if (!(e->value & PTE_D)) {
        out->prot &= ~PROT_W;
    }
    out->page_size = 1ULL << shift;
    out->pa = leaf_address(w, e, shift);
    out->global = e->value & PTE_G && w->env->cr4 & X86_CR4_PGE;
    out->untranslated = false;
    return WALK_OK;
}

/* From @table at @level (the lowest is 0) down. */
static WalkResult walk_tables(Walk *w, GuestPA table, unsigned level, TlbFill *out)
{
    for (;; level--) {
        unsigned shift = 12 + w->index_bits * level;
        Entry e = {.level = level};
        bool leaf;

        e.pa = (table + extract64(w->va, shift, w->index_bits) * w->pte_bytes) & w->env->a20_mask;
        e.value = entry_read(w, e.pa);
        if (!(e.value & PTE_P)) {
            return walk_fault(w, 0);
        }
        leaf = entry_is_leaf(w, &e);
        if (e.value & (w->reserved | entry_reserved(w, &e, leaf, shift))) {
            return walk_fault(w, PF_P | PF_RSVD);
        }
        w->allow &= e.value;
        w->nx |= w->pte_bytes == 8 ? e.value & PTE_NX : 0;
        if (leaf) {
            return walk_leaf(w, &e, shift, out);
        }
        if (!entry_set(w, &e, PTE_A)) {
            return WALK_AGAIN;
        }
        table = e.value & PTE_ADDR;
    }
}

static WalkResult walk_32bit(Walk *w, TlbFill *out)
{
    w->pte_bytes = 4;
    w->index_bits = 10;
    w->reserved = 0;
    return walk_tables(w, w->env->cr3 & 0xfffff000, 1, out);
}

static uint64_t reserved_address_bits(const X86Model *m)
{
    return PTE_ADDR & ~MASK_ULL(m->phys_bits);
}

static WalkResult walk_pae(Walk *w, TlbFill *out)
{
    uint64_t pdpte = w->env->pdpte[extract64(w->va, 30, 2)];

    if (!(pdpte & PTE_P)) {
        return walk_fault(w, 0);
    }
    w->reserved |= MASK_ULL(63) & ~MASK_ULL(52);
    return walk_tables(w, pdpte & PTE_ADDR, 1, out);
}

static WalkResult walk(Walk *w, TlbFill *out)
{
    X86Env *env = w->env;

    w->allow = ~0ULL;
    w->nx = 0;
    if (!(env->cr4 & X86_CR4_PAE)) {
        return walk_32bit(w, out);
    }
    w->pte_bytes = 8;
    w->index_bits = 9;
    w->reserved = reserved_address_bits(w->model) | (env->efer & X86_EFER_NXE ? 0 : PTE_NX);
    if (!x86_long_mode(env)) {
        return walk_pae(w, out);
    }
    return walk_tables(w, env->cr3 & PTE_ADDR, env->cr4 & X86_CR4_LA57 ? 4 : 3, out);
}

/* PDPTEs are checked when CR3 is loaded (SDM vol. 3, 4.4.1). */
bool x86_load_pdptes(X86Env *env, uint64_t cr3)
{
    uint64_t reserved = reserved_address_bits(x86_model(env)) | (~0ULL << 52) | 0x1e6;
    uint64_t loaded[4];

    for (unsigned i = 0; i < ARRAY_SIZE(loaded); i++) {
        GuestPA pa = ((cr3 & 0xffffffe0) + 8 * i) & env->a20_mask;

        if (mem_read_value(env->tcg.cpu->as, pa, 8, &loaded[i]) != MEM_OK) {
            loaded[i] = ~0ULL;
        }
        if (loaded[i] & PTE_P && loaded[i] & reserved) {
            return false;
        }
    }
    memcpy(env->pdpte, loaded, sizeof(loaded));
    return true;
}

/* --- Operations --- */

bool x86_canonical(const X86Env *env, uint64_t va)
{
    unsigned bits = env->cr4 & X86_CR4_LA57 ? 57 : 48;

    return (uint64_t)sextract64(va, 0, bits) == va;
}

static void set_page_fault(const Walk *w)
{
    X86Env *env = w->env;
    bool fetch_bit =
        env->cr4 & X86_CR4_SMEP || (env->cr4 & X86_CR4_PAE && env->efer & X86_EFER_NXE);

    env->fault_address = w->va;
    env->error_code = w->error | (w->access == ACCESS_WRITE ? PF_W : 0) | (w->user ? PF_U : 0) |
                      (w->access == ACCESS_EXEC && fetch_bit ? PF_FETCH : 0);
    env->exception_kind = X86_EVENT_FAULT;
    w->cpu->exception = X86_EXC_PF;
}

static void fill_untranslated(const X86Env *env, GuestVA va, TlbFill *out)
{
    *out = (TlbFill){
        .pa = va & 0xffffffff & env->a20_mask,
        .page_size = ~env->a20_mask ? 4 * KiB : 1 * GiB,
        .prot = PROT_R | PROT_W | PROT_X,
        .untranslated = true,
    };
}

bool x86_tlb_fill(CpuState *cpu, GuestVA va, unsigned size, MemAccess access, unsigned mmu,
                  bool probe, TlbFill *out)
{
    X86Env *env = x86_env(cpu);
    Walk w = {
        .cpu = cpu,
        .env = env,
        .model = cpu->model,
        .va = va,
        .access = access,
        .user = access == ACCESS_EXEC ? env->cpl == 3 : mmu == X86_MMU_USER,
        .smap = mmu == X86_MMU_KERNEL && env->cr4 & X86_CR4_SMAP,
        .probe = probe,
    };
    WalkResult res = WALK_OK;

    if (!(env->cr0 & X86_CR0_PG)) {
        fill_untranslated(env, va, out);
    } else {
        if (x86_long_mode(env) && !x86_canonical(env, va)) {
            if (!probe) {
                env->error_code = 0;
                env->exception_kind = X86_EVENT_FAULT;
                cpu->exception = x86_noncanonical_vector(cpu, access);
            }
            return false;
        }
        do {
            res = walk(&w, out);
        } while (res == WALK_AGAIN);
        if (res == WALK_OK && ~env->a20_mask) {
            out->pa &= env->a20_mask;
            out->page_size = 4 * KiB;
        }
    }
    if (res != WALK_OK && !probe) {
        set_page_fault(&w);
        if (log_enabled(LOG_MMU)) {
            log_printf("mmu CPU %u: va %016" PRIx64 " access %d mmu %u: page fault %x\n",
                       cpu->index, va, access, mmu, env->error_code);
        }
    }
    if (res == WALK_OK && probe) {
        out->prot = PROT_R | PROT_W | PROT_X;
    }
    return res == WALK_OK && x86_breakpoint_fill(env, va, size, access, probe, out);
}

void x86_misaligned(CpuState *cpu, GuestVA va, MemAccess access, unsigned size)
{
    X86Env *env = x86_env(cpu);

    env->error_code = 0;
    env->exception_kind = X86_EVENT_FAULT;
    /* Operands of SSE must be aligned whatever EFLAGS.AC says. */
    cpu->exception = size == 16 ? X86_EXC_GP : X86_EXC_AC;
}

/*
 * The PCID while paging is on.  Tables that SMM uses for itself never meet others: x86_smm_changed()
 * flushes.
 */
uint64_t x86_space(CpuState *cpu)
{
    const X86Env *env = x86_env(cpu);

    if (!(env->cr0 & X86_CR0_PG)) {
        return 0;
    }
    return X86_SPACE_PAGED | (env->cr4 & X86_CR4_PCIDE ? env->cr3 & 0xfff : 0);
}
