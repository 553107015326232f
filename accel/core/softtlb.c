/* SPDX-License-Identifier: MIT */
/*
 * The soft TLB.  First level: the inline tables of TcgTables, probed by translated code, untagged but
 * for the page.  Second level: a 4-way table here, tagged with MMU index and a space *number*, so that
 * it survives address-space switches.
 *
 * Flushing a space is giving it a new number; flushing everything is new numbers for all.  The inline
 * entries of non-global pages are logged as they are filled and only those are emptied at a switch,
 * per MMU index: a kernel entered and left again costs nothing.
 *
 * All by the vCPU's thread, or with it stopped, but for tlb_protect().
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "rhea/bits.h"
#include "rhea/log.h"

enum { L1_SIZE = 1 << TCG_TLB_BITS, L1_WRITE = L1_SIZE };

/* --- Inline tables --- */

static TcgTlbEntry *l1_entry(EngineCpu *ec, unsigned mmu, unsigned slot)
{
    TcgTables *t = tcg_tables(ec->env);

    return slot & L1_WRITE ? &t->tlb_write[mmu][slot & (L1_SIZE - 1)] : &t->tlb_read[mmu][slot];
}

static void l1_clear(TcgTlbEntry *te)
{
    /* Behind the stores that went through the entry: see tlb_protect(). */
    __atomic_store_n(&te->tag, ~0ULL, __ATOMIC_RELEASE);
}

static void l1_flush_all(EngineCpu *ec, unsigned mmu)
{
    if (!ec->l1_used[mmu]) {
        return;
    }
    for (unsigned slot = 0; slot < 2 * L1_SIZE; slot++) {
        l1_clear(l1_entry(ec, mmu, slot));
    }
    ec->l1_logged[mmu] = 0;
    __atomic_store_n(&ec->l1_used[mmu], false, __ATOMIC_RELEASE);
}

static void l1_flush_nonglobal(EngineCpu *ec, unsigned mmu)
{
    if (ec->l1_logged[mmu] == ARRAY_SIZE(ec->l1_log[mmu])) {
        l1_flush_all(ec, mmu);
        return;
    }
    for (unsigned i = 0; i < ec->l1_logged[mmu]; i++) {
        l1_clear(l1_entry(ec, mmu, ec->l1_log[mmu][i]));
    }
    ec->l1_logged[mmu] = 0;
}

void tlb_own(EngineCpu *ec, unsigned mmu)
{
    if (ec->l1_space[mmu] != ec->space_number) {
        l1_flush_nonglobal(ec, mmu);
        ec->l1_space[mmu] = ec->space_number;
    }
}

static bool tlb_page_has_code(const TlbEntry *te)
{
    return !ram_test_dirty(te->rb, te->host - te->rb->host, DIRTY_CODE);
}

bool tlb_write_inline(const TlbEntry *te)
{
    return te->writable && !ram_page_watched(te->rb, te->host - te->rb->host) &&
           !tlb_page_has_code(te);
}

bool tlb_fill_inline(EngineCpu *ec, GuestVA va, unsigned mmu, MemAccess access, const TlbEntry *te)
{
    bool write = access == ACCESS_WRITE;
    unsigned slot = (va >> TCG_PAGE_BITS & (L1_SIZE - 1)) | (write ? L1_WRITE : 0);
    TcgTlbEntry *l1 = l1_entry(ec, mmu, slot);
    GuestVA page = va & TCG_PAGE_MASK;

    if (!te->host || te->watched || te == &ec->once || ec->engine->eops->alone ||
        (write && !tlb_write_inline(te))) {
        return false;
    }
    if (write && l1->tag != ~0ULL && l1->tag != page) { /* the running block may have its addend */
        __atomic_store_n(&ec->wrote_directly, true, __ATOMIC_SEQ_CST);
    }
    if (!te->global) {
        if (ec->l1_logged[mmu] < ARRAY_SIZE(ec->l1_log[mmu])) {
            ec->l1_log[mmu][ec->l1_logged[mmu]++] = slot;
        }
    }
    __atomic_store_n(&ec->l1_used[mmu], true, __ATOMIC_RELAXED);
    __atomic_store_n(&l1->addend, (uintptr_t)te->host - page, __ATOMIC_RELAXED);
    __atomic_store_n(&l1->tag, page, __ATOMIC_SEQ_CST);
    if (write && tlb_page_has_code(te)) { /* protected just now: see tlb_protect() */
        l1_clear(l1);
        return false;
    }
    return true;
}

bool tlb_protect(EngineCpu *ec, const uint8_t *host_page)
{
    bool found = false;

    for (unsigned mmu = 0; mmu < TCG_MMU_MODES; mmu++) {
        if (!__atomic_load_n(&ec->l1_used[mmu], __ATOMIC_RELAXED)) {
            continue;
        }
        for (unsigned slot = L1_WRITE; slot < 2 * L1_SIZE; slot++) {
            TcgTlbEntry *l1 = l1_entry(ec, mmu, slot);
            uint64_t tag = __atomic_load_n(&l1->tag, __ATOMIC_SEQ_CST);

            if (tag != ~0ULL &&
                tag + __atomic_load_n(&l1->addend, __ATOMIC_RELAXED) == (uintptr_t)host_page) {
                l1_clear(l1);
                found = true;
            }
        }
    }
    return found || __atomic_load_n(&ec->wrote_directly, __ATOMIC_SEQ_CST);
}

/* --- Space numbers --- */

static unsigned tlb_space_slot(uint64_t space)
{
    return space * 0x9e3779b97f4a7c15ULL >> 58;
}

static uint64_t tlb_space_number(EngineCpu *ec, uint64_t space)
{
    unsigned slot = tlb_space_slot(space);

    if (!ec->spaces[slot].number || ec->spaces[slot].space != space) {
        ec->spaces[slot].space = space;
        ec->spaces[slot].number = ++ec->next_space;
    }
    return ec->spaces[slot].number;
}

void tlb_switch(EngineCpu *ec)
{
    ec->space_number = tlb_space_number(ec, ec->space);
    tlb_own(ec, ec->key & 3);
}

/* --- Second level --- */

static TlbEntry *tlb_set(EngineCpu *ec, GuestVA va)
{
    return &ec->l2[((va >> TCG_PAGE_BITS) & (L2_SETS - 1)) * L2_WAYS];
}

static TlbEntry *tlb_find(EngineCpu *ec, GuestVA va, unsigned mmu)
{
    TlbEntry *set = tlb_set(ec, va);
    uint64_t tag = (va & TCG_PAGE_MASK) | mmu;

    for (unsigned i = 0; i < L2_WAYS; i++) {
        if (set[i].tag == tag &&
            (set[i].space == ec->space_number || set[i].space == ec->global_space)) {
            return &set[i];
        }
    }
    return NULL;
}

static TlbEntry *tlb_victim(EngineCpu *ec, GuestVA va)
{
    TlbEntry *set = tlb_set(ec, va);

    for (unsigned i = 0; i < L2_WAYS; i++) {
        if (set[i].tag == ~0ULL) {
            return &set[i];
        }
    }
    return &set[ec->l2_victim++ % L2_WAYS];
}

static uint8_t tlb_access_prot(MemAccess access)
{
    return access == ACCESS_READ ? PROT_R : access == ACCESS_WRITE ? PROT_W : PROT_X;
}

uint64_t tlb_addend(EngineCpu *ec, GuestVA va, MemAccess access, unsigned mmu)
{
    TlbEntry *te;

    tlb_own(ec, mmu);
    te = tlb_find(ec, va, mmu);
    if (!te || !(te->prot & tlb_access_prot(access)) || !tlb_fill_inline(ec, va, mmu, access, te)) {
        return 0;
    }
    ec->stats.tlb_l2_hits++;
    return (uintptr_t)te->host - te->tag + mmu;
}

static TlbEntry *tlb_walk(EngineCpu *ec, TlbEntry *te, GuestVA va, unsigned size, MemAccess access,
                          unsigned mmu)
{
    CpuState *cpu = ec->base.cpu;
    TlbFill f = {0};
    MemSection sec = {0};
    bool known;

    ec->stats.tlb_walks++;
    if (!cpu->ops->tlb_fill(cpu, va, size, access, mmu, false, &f)) {
        return NULL;
    }
    if (f.page_size < TCG_PAGE_SIZE) {
        te = &ec->once;
    } else if (!te) {
        te = tlb_victim(ec, va);
    }
    if (f.page_size > TCG_PAGE_SIZE && !f.untranslated) {
        tlb_note_large(ec, va, f.page_size);
    }
    known = mem_lookup(cpu->as, f.pa & TCG_PAGE_MASK, &sec) && sec.len >= TCG_PAGE_SIZE;
    *te = (TlbEntry){
        .tag = (va & TCG_PAGE_MASK) | mmu,
        .space = f.global ? ec->global_space : ec->space_number,
        .pa = f.pa & TCG_PAGE_MASK,
        .host = known && sec.ram && !(sec.ram_offset & ~TCG_PAGE_MASK) ? sec.host : NULL,
        .rb = known ? sec.ram : NULL,
        .prot = f.prot,
        .writable = known && sec.writable,
        .watched = cpu->watchpoints && cpu->watchpoints->len && debug_page_has_watchpoint(cpu, va),
        .global = f.global,
    };
    if (log_enabled(LOG_MMU)) {
        log_printf("CPU %u: mmu %u va 0x%" PRIx64 " -> pa 0x%" PRIx64 " size 0x%" PRIx64
                   " prot %c%c%c%s\n",
                   cpu->index, mmu, va, f.pa, f.page_size, f.prot & PROT_R ? 'r' : '-',
                   f.prot & PROT_W ? 'w' : '-', f.prot & PROT_X ? 'x' : '-',
                   f.global ? " global" : "");
    }
    return te;
}

TlbEntry *tlb_get(EngineCpu *ec, GuestVA va, unsigned size, MemAccess access, unsigned mmu)
{
    TlbEntry *te;

    tlb_own(ec, mmu);
    te = tlb_find(ec, va, mmu);
    if (te && te->prot & tlb_access_prot(access)) {
        ec->stats.tlb_l2_hits++;
        return te;
    }
    return tlb_walk(ec, te, va, size, access, mmu);
}

void tlb_init(EngineCpu *ec)
{
    ec->l2 = g_new(TlbEntry, L2_SETS * L2_WAYS);
    memset(ec->l2, 0xff, sizeof(TlbEntry) * L2_SETS * L2_WAYS);
    ec->next_space = 1;
    ec->global_space = 1;
}

/* --- Flushes --- */

void tlb_note_large(EngineCpu *ec, GuestVA va, uint64_t size)
{
    GuestVA first = align_down(va, size), last = first + (size - 1);

    for (unsigned i = 0; i < ec->nlarge; i++) {
        LargeRange *r = &ec->large[i];

        if (first >= r->first && last <= r->last) {
            return;
        }
        if ((!r->first || first >= r->first - 1) && first <= r->last && last > r->last) {
            r->last = last;
            return;
        }
        if (first == r->last + 1 && r->last != ~0ULL) {
            r->last = last;
            return;
        }
    }
    if (ec->nlarge < LARGE_RANGES) {
        ec->large[ec->nlarge++] = (LargeRange){first, last};
    } else { /* one range for all: flushes are coarser, not wrong */
        for (unsigned i = 1; i < ec->nlarge; i++) {
            ec->large[0].first = MIN(ec->large[0].first, ec->large[i].first);
            ec->large[0].last = MAX(ec->large[0].last, ec->large[i].last);
        }
        ec->large[0].first = MIN(ec->large[0].first, first);
        ec->large[0].last = MAX(ec->large[0].last, last);
        ec->nlarge = 1;
    }
}

static bool tlb_in_large(const EngineCpu *ec, GuestVA va)
{
    for (unsigned i = 0; i < ec->nlarge; i++) {
        if (va >= ec->large[i].first && va <= ec->large[i].last) {
            return true;
        }
    }
    return false;
}

void tlb_flush_all(EngineCpu *ec)
{
    ec->stats.tlb_flushes++;
    memset(ec->spaces, 0, sizeof(ec->spaces));
    ec->global_space = ++ec->next_space;
    ec->nlarge = 0;
    for (unsigned mmu = 0; mmu < TCG_MMU_MODES; mmu++) {
        l1_flush_all(ec, mmu);
    }
    context_drop_all(ec);
    if (ec->context) {
        tlb_switch(ec);
    }
}

static void tlb_flush_space(EngineCpu *ec, uint64_t space)
{
    unsigned slot = tlb_space_slot(space);
    uint64_t number = ec->spaces[slot].number;

    ec->stats.tlb_flushes++;
    if (number && ec->spaces[slot].space == space) {
        ec->spaces[slot].number = 0;
        for (unsigned mmu = 0; mmu < TCG_MMU_MODES; mmu++) {
            if (ec->l1_space[mmu] == number) {
                l1_flush_nonglobal(ec, mmu);
            }
        }
    }
    context_drop_space(ec, space);
    if (ec->context && space == ec->space) {
        tlb_switch(ec);
    }
}

void cpu_tlb_flush(CpuState *cpu, uint64_t space)
{
    EngineCpu *ec = engine_cpu(cpu);

    if (!ec) {
        return;
    }
    if (log_enabled(LOG_MMU)) {
        log_printf("CPU %u: flush of space 0x%" PRIx64 "\n", cpu->index, space);
    }
    if (space == ~0ULL) {
        tlb_flush_all(ec);
    } else {
        tlb_flush_space(ec, space);
    }
}

/* The one 4 KiB page; @space ~0: of every space, and global. */
static void tlb_flush_one(EngineCpu *ec, GuestVA va, uint64_t space)
{
    TlbEntry *set = tlb_set(ec, va);
    unsigned slot = va >> TCG_PAGE_BITS & (L1_SIZE - 1);
    unsigned at = tlb_space_slot(space);
    uint64_t number = space != ~0ULL && ec->spaces[at].space == space ? ec->spaces[at].number : 0;

    for (unsigned i = 0; i < L2_WAYS; i++) {
        if ((set[i].tag & TCG_PAGE_MASK) == (va & TCG_PAGE_MASK) &&
            (space == ~0ULL || set[i].space == number)) {
            set[i].tag = ~0ULL;
        }
    }
    for (unsigned mmu = 0; mmu < TCG_MMU_MODES; mmu++) {
        l1_clear(l1_entry(ec, mmu, slot));
        l1_clear(l1_entry(ec, mmu, slot | L1_WRITE));
    }
    context_flush_page(ec, va, space);
}

void cpu_tlb_flush_page(CpuState *cpu, GuestVA va, uint64_t space)
{
    EngineCpu *ec = engine_cpu(cpu);

    if (!ec) {
        return;
    }
    if (log_enabled(LOG_MMU)) {
        log_printf("CPU %u: flush of page 0x%" PRIx64 " of space 0x%" PRIx64 "\n", cpu->index,
                   (uint64_t)(va & TCG_PAGE_MASK), space);
    }
    if (tlb_in_large(ec, va)) {
        cpu_tlb_flush(cpu, space);
        return;
    }
    ec->stats.tlb_page_flushes++;
    tlb_flush_one(ec, va, space);
}
