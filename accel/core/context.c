/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what guards everything that maps a virtual PC to translated code without looking at page
 * tables (jump cache, cross-page links, code pages).  TcgEnv.ctx numbers an (address space, key) pair
 * as it is mapped now; flushing is taking a new number, and going back to an unflushed space gives
 * the old number back.
 *
 * Two refinements keep numbers alive:
 *  - Spaces that have run only code from global pages share one number per key.  So a kernel keeps its
 *    links over process switches and over flushes of a process's mappings.
 *  - A page flush (guests do one after every page fault) matters only to contexts that have fetched
 *    code from that page: filters of page addresses, two hashes each, tell.
 *
 * All by the vCPU's thread, but for context_forget_*().
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"

enum { STALE_HITS = 1024 };

/* --- The numbers --- */

static uint64_t context_new_number(EngineCpu *ec)
{
    ec->stats.contexts++;
    return __atomic_add_fetch(&ec->engine->next_ctx, 1, __ATOMIC_RELAXED);
}

static unsigned context_hash(uint64_t space, CpuKey key)
{
    return (space * 0x9e3779b97f4a7c15ULL + key) * 0x9e3779b97f4a7c15ULL >> 58;
}

static Context *context_shared(EngineCpu *ec, CpuKey key)
{
    Context *c = &ec->shared[context_hash(0, key)];

    if (!c->ctx || c->key != key) {
        *c = (Context){.key = key, .ctx = context_new_number(ec)};
    }
    return c;
}

static void context_select(EngineCpu *ec)
{
    Context *c = &ec->contexts[context_hash(ec->space, ec->key)];

    if (!c->ctx || c->space != ec->space || c->key != ec->key) {
        *c = (Context){.space = ec->space, .key = ec->key};
    }
    if (!c->own) {
        c->ctx = context_shared(ec, ec->key)->ctx;
    }
    ec->context = c;
    ec->env->ctx = c->ctx;
}

void context_update(EngineCpu *ec)
{
    CpuState *cpu = ec->base.cpu;
    uint64_t space = cpu->ops->space(cpu), key = cpu->ops->key(cpu);

    if (ec->context && space == ec->space && key == ec->key) {
        return;
    }
    ec->space = space;
    ec->key = key;
    context_select(ec);
    tlb_switch(ec);
}

/* Code from a page of this space only: the number can no longer be shared. */
static void context_make_own(EngineCpu *ec)
{
    Context *c = ec->context;

    c->own = true;
    c->ctx = context_new_number(ec);
    ec->env->ctx = c->ctx;
}

/* --- Flushes --- */

void context_drop_all(EngineCpu *ec)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        ec->contexts[i].ctx = 0;
        ec->shared[i].ctx = 0;
    }
    memset(ec->all_pages, 0, sizeof(ec->all_pages));
    if (ec->context) {
        context_select(ec);
    }
}

void context_drop_space(EngineCpu *ec, uint64_t space)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        Context *c = &ec->contexts[i];

        if (c->ctx && c->own && c->space == space) {
            c->ctx = 0;
        }
    }
    if (ec->context && !ec->context->ctx) {
        context_select(ec);
    }
}

/* The bits of @va's page in a filter. */
static void context_page_bits(GuestVA va, unsigned bit[2])
{
    uint64_t hash = (va >> TCG_PAGE_BITS) * 0x9e3779b97f4a7c15ULL;

    bit[0] = hash >> (64 - PAGE_FILTER_BITS);
    bit[1] = hash >> (64 - 2 * PAGE_FILTER_BITS) & ((1 << PAGE_FILTER_BITS) - 1);
}

static void context_rest_on(EngineCpu *ec, Context *c, GuestVA va)
{
    unsigned bit[2];

    context_page_bits(va, bit);
    for (unsigned i = 0; i < 2; i++) {
        c->pages[bit[i] / 64] |= 1ULL << bit[i] % 64;
        ec->all_pages[bit[i] / 64] |= 1ULL << bit[i] % 64;
    }
}

static bool filter_has(const uint64_t *filter, const unsigned bit[2])
{
    return filter[bit[0] / 64] >> bit[0] % 64 & 1 && filter[bit[1] / 64] >> bit[1] % 64 & 1;
}

/* Forgets the pages of contexts that are gone. */
static void context_rebuild_filter(EngineCpu *ec)
{
    ec->stale_hits = 0;
    memset(ec->all_pages, 0, sizeof(ec->all_pages));
    for (unsigned i = 0; i < CONTEXTS; i++) {
        for (unsigned k = 0; k < PAGE_FILTER_WORDS; k++) {
            ec->all_pages[k] |= (ec->contexts[i].ctx ? ec->contexts[i].pages[k] : 0) |
                                (ec->shared[i].ctx ? ec->shared[i].pages[k] : 0);
        }
    }
}

static bool context_drop_if(Context *c, const unsigned bit[2])
{
    if (!c->ctx || !filter_has(c->pages, bit)) {
        return false;
    }
    c->ctx = 0;
    return true;
}

void context_flush_page(EngineCpu *ec, GuestVA va, uint64_t space)
{
    bool dropped = false;
    unsigned bit[2];

    context_page_bits(va, bit);
    if (likely(!filter_has(ec->all_pages, bit))) {
        return;
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        Context *c = &ec->contexts[i];

        if (c->own && (space == ~0ULL || c->space == space)) {
            dropped |= context_drop_if(c, bit);
        }
        if (space == ~0ULL) {
            dropped |= context_drop_if(&ec->shared[i], bit);
        }
    }
    if (dropped && ec->context) {
        context_select(ec);
    } else if (!dropped && ++ec->stale_hits == STALE_HITS) {
        context_rebuild_filter(ec);
    }
}

/* --- Code pages --- */

/* The same address in two processes has two places. */
static ExecPage *context_exec_slot(EngineCpu *ec, GuestVA va)
{
    return &ec->exec[((va >> TCG_PAGE_BITS) ^ ec->env->ctx * 0x9e5) % EXEC_PAGES];
}

ExecPage *context_exec_page(EngineCpu *ec, GuestVA va, bool fill)
{
    CpuState *cpu = ec->base.cpu;
    GuestVA page = va & TCG_PAGE_MASK;
    ExecPage *p = context_exec_slot(ec, va);
    TlbFill f = {0};
    MemSection sec;

    if (p->va == page && p->ctx == ec->env->ctx) {
        return p;
    }
    if (!fill) {
        return NULL;
    }
    ec->stats.tlb_walks++;
    if (!cpu->ops->tlb_fill(cpu, va, cpu->ops->min_insn_bytes, ACCESS_EXEC, ec->key & 3, false,
                            &f)) {
        return NULL;
    }
    if (!f.global && !ec->context->own) {
        context_make_own(ec);
    }
    context_rest_on(ec, ec->context->own ? ec->context : context_shared(ec, ec->key), va);
    p = context_exec_slot(ec, va); /* the number may have changed */
    *p = (ExecPage){.va = page, .ctx = ec->env->ctx, .ram = NO_RAM};
    if (f.page_size < TCG_PAGE_SIZE) {
        p->ctx = 0; /* good for this access only */
    } else if (mem_lookup(cpu->as, f.pa & TCG_PAGE_MASK, &sec) && sec.host && sec.ram &&
               sec.len >= TCG_PAGE_SIZE && !(sec.ram_offset & ~TCG_PAGE_MASK)) {
        p->ram = sec.ram->ram_addr + sec.ram_offset;
        p->host = sec.host;
        p->rb = sec.ram;
    }
    if (f.page_size > TCG_PAGE_SIZE && !f.untranslated) {
        /* A flush of any page in it flushes this one: see cpu_tlb_flush_page(). */
        tlb_note_large(ec, va, f.page_size);
    }
    return p;
}

/* --- Forgetting dead code; any thread --- */

static void context_forget_at(EngineCpu *ec, unsigned index, const void *lo, const void *hi)
{
    TcgJumpEntry *je = &tcg_tables(ec->env)->jump[index];
    const void *code = __atomic_load_n(&je->code, __ATOMIC_RELAXED);

    if (code >= lo && code < hi) {
        __atomic_store_n(&je->pc, ~0ULL, __ATOMIC_SEQ_CST);
    }
}

void context_forget_code(Engine *e, const void *lo, const void *hi)
{
    for (unsigned i = 0; i < e->ncpus; i++) {
        for (unsigned index = 0; index < 1 << TCG_JUMP_BITS; index++) {
            context_forget_at(e->cpus[i], index, lo, hi);
        }
    }
}

void context_forget_block(Engine *e, const Block *b)
{
    const void *hi = (const char *)b->entry + 1;

    /* Of the virtual address only the low 12 bits are known: those of the RAM address. */
    for (unsigned i = 0; i < e->ncpus; i++) {
        for (unsigned high = 0; high < 1 << TCG_JUMP_BITS; high += TCG_PAGE_SIZE / 2) {
            context_forget_at(e->cpus[i], engine_jump_index(b->ram & ~TCG_PAGE_MASK) + high,
                              b->entry, hi);
        }
    }
}
