/* SPDX-License-Identifier: MIT */
/*
 * Self-modifying code.  A RAM page with translations is "clean" for DIRTY_CODE, which keeps it out of
 * the inline write tables: every write to it (and DMA, through the hook of memory.h) comes here
 * afterwards and kills the blocks made from the bytes it touched, and only those.
 *
 * A page whose blocks are all gone takes plain writes again.  A page that has lost blocks to writes and
 * is written to many times more without a translation in between is being reused for data: the rest
 * of its blocks go at once.  A page of code and data that lose nothing to each other stays as it is.
 *
 * Translating and writing at the same time: the translator announces itself (smc_begin) before it
 * reads, the writer looks after it has written; one of the two sees the other.  A vCPU whose inline TLB
 * held the page when it was protected may have passed its check and not have written yet, and will not
 * look: the translator waits until that vCPU has been at the top of its loop (cache_settle) before it
 * reads.  Such pages are few: one vCPU has just written what another runs.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "rhea/bits.h"

enum { PIECE_BITS = 6, WRITES_MEAN_DATA = 16 };

static Engine *smc_engine; /* the RAM numbering is the process's, and so is its hook */

/* --- Pages --- */

static CodePage **smc_bucket(Engine *e, uint64_t ram)
{
    return &e->pages[(ram >> TCG_PAGE_BITS) * 0x9e3779b97f4a7c15ULL >> (64 - PAGE_HASH_BITS)];
}

CodePage *smc_page_find(Engine *e, uint64_t ram)
{
    CodePage *p = __atomic_load_n(smc_bucket(e, ram), __ATOMIC_ACQUIRE);

    while (p && p->ram != (ram & TCG_PAGE_MASK)) {
        p = __atomic_load_n(&p->hash_next, __ATOMIC_ACQUIRE);
    }
    return p;
}

CodePage *smc_page_get(Engine *e, RamBlock *rb, uint64_t ram)
{
    CodePage *p = smc_page_find(e, ram);

    if (!p) {
        CodePage **bucket = smc_bucket(e, ram);

        p = g_new0(CodePage, 1);
        p->ram = ram & TCG_PAGE_MASK;
        p->rb = rb;
        p->hash_next = *bucket;
        __atomic_store_n(bucket, p, __ATOMIC_RELEASE);
    }
    return p;
}

/* The 64-byte pieces of page @p that [ram, ram + len) touches. */
static uint64_t smc_pieces(const CodePage *p, uint64_t ram, uint64_t len)
{
    uint64_t first = ram > p->ram ? ram - p->ram : 0;
    uint64_t last = MIN(ram + len - 1 - p->ram, TCG_PAGE_SIZE - 1);

    return MASK_ULL((last >> PIECE_BITS) + 1) & ~MASK_ULL(first >> PIECE_BITS);
}

/* Bytes of page @half that @b was made from. */
static void smc_block_span(const Block *b, unsigned half, uint64_t *first, uint64_t *len)
{
    uint64_t in_first = TCG_PAGE_SIZE - (b->ram & ~TCG_PAGE_MASK);

    if (half) {
        *first = b->ram2;
        *len = b->size - in_first;
    } else {
        *first = b->ram;
        *len = MIN(b->size, in_first);
    }
}

static bool smc_overlaps(const Block *b, unsigned half, uint64_t ram, uint64_t len)
{
    uint64_t first, n;

    smc_block_span(b, half, &first, &n);
    return first < ram + len && ram < first + n;
}

/* --- Protection; Engine.lock --- */

static void smc_protect(EngineCpu *ec, CodePage *p)
{
    Engine *e = ec->engine;
    uint64_t off = p->ram - p->rb->ram_addr;
    bool in_flight = false;

    if (!ram_test_dirty(p->rb, off, DIRTY_CODE)) {
        return;
    }
    ram_clear_dirty(p->rb, off, TCG_PAGE_SIZE, DIRTY_CODE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < e->ncpus; i++) {
        if (tlb_protect(e->cpus[i], p->rb->host + off) && e->cpus[i] != ec) {
            in_flight = true;
        }
    }
    if (in_flight) {
        p->epoch = cache_new_epoch(e);
    }
}

static void smc_unprotect(CodePage *p)
{
    ram_mark_dirty(p->rb, p->ram - p->rb->ram_addr, TCG_PAGE_SIZE, DIRTY_CODE);
}

static void smc_unprotect_unused(CodePage *p)
{
    if (!p->blocks && !p->translating) {
        smc_unprotect(p);
    }
}

/* The map anew, after blocks are gone. */
static void smc_update(CodePage *p)
{
    uint64_t map = 0, first, len;

    for (Block *b = p->blocks; b;) {
        unsigned half = b->page[0] != p;

        smc_block_span(b, half, &first, &len);
        map |= smc_pieces(p, first, len);
        b = b->page_next[half];
    }
    __atomic_store_n(&p->map, map, __ATOMIC_SEQ_CST);
    smc_unprotect_unused(p);
}

uint32_t smc_begin(EngineCpu *ec, CodePage *p)
{
    uint32_t cookie;

    __atomic_fetch_add(&p->translating, 1, __ATOMIC_SEQ_CST);
    cookie = __atomic_load_n(&p->writes, __ATOMIC_SEQ_CST);
    smc_protect(ec, p);
    return cookie;
}

bool smc_end(CodePage *p, uint32_t cookie)
{
    __atomic_fetch_sub(&p->translating, 1, __ATOMIC_SEQ_CST);
    smc_unprotect_unused(p);
    return __atomic_load_n(&p->writes, __ATOMIC_SEQ_CST) == cookie;
}

void smc_add_block(CodePage *p, Block *b, unsigned half)
{
    uint64_t first, len;

    b->page[half] = p;
    b->page_next[half] = p->blocks;
    p->blocks = b;
    __atomic_store_n(&p->killed, false, __ATOMIC_RELAXED);
    __atomic_store_n(&p->since, 0, __ATOMIC_RELAXED);
    smc_block_span(b, half, &first, &len);
    __atomic_fetch_or(&p->map, smc_pieces(p, first, len), __ATOMIC_SEQ_CST);
}

void smc_remove_block(CodePage *p, Block *b, unsigned half)
{
    Block **at = &p->blocks;

    while (*at != b) {
        at = &(*at)->page_next[(*at)->page[0] != p];
    }
    *at = b->page_next[half];
    b->page[half] = NULL;
    if (!p->blocks) {
        smc_update(p);
    }
}

/* --- Writes --- */

static void smc_kill(Engine *e, CodePage *p, uint64_t ram, uint64_t len)
{
    bool data = p->killed && __atomic_load_n(&p->since, __ATOMIC_RELAXED) >= WRITES_MEAN_DATA;
    Block *next;

    for (Block *b = p->blocks; b; b = next) {
        unsigned half = b->page[0] != p;

        next = b->page_next[half];
        if (data || smc_overlaps(b, half, ram, len)) {
            cache_kill(e, b);
            __atomic_store_n(&p->killed, true, __ATOMIC_RELAXED);
        }
    }
    smc_update(p);
}

void smc_written(Engine *e, uint64_t ram, uint64_t len)
{
    uint64_t end = ram + len;

    for (uint64_t page = ram & TCG_PAGE_MASK; page < end; page += TCG_PAGE_SIZE) {
        CodePage *p = smc_page_find(e, page);
        uint64_t map;

        if (!p) {
            continue;
        }
        if (__atomic_load_n(&p->translating, __ATOMIC_SEQ_CST)) {
            __atomic_fetch_add(&p->writes, 1, __ATOMIC_SEQ_CST);
        }
        map = __atomic_load_n(&p->map, __ATOMIC_SEQ_CST);
        if (map & smc_pieces(p, ram, len) ||
            (map && __atomic_load_n(&p->killed, __ATOMIC_RELAXED) &&
             __atomic_add_fetch(&p->since, 1, __ATOMIC_RELAXED) >= WRITES_MEAN_DATA)) {
            g_mutex_lock(&e->lock);
            smc_kill(e, p, ram, len);
            g_mutex_unlock(&e->lock);
        }
    }
}

bool smc_hits_running(EngineCpu *ec, uint64_t ram, uint64_t len)
{
    const Block *b = engine_running_block(ec);

    return b && b->ninsns > 1 &&
           (smc_overlaps(b, 0, ram, len) || (b->ram2 != NO_RAM && smc_overlaps(b, 1, ram, len)));
}

/* DMA, loaders and debuggers. */
static void smc_hook(uint64_t ram_addr, uint64_t len)
{
    if (smc_engine && len) {
        smc_written(smc_engine, ram_addr, len);
    }
}

/* Pages are clean for display or migration: entries through which stores would pass them by must go. */
static void smc_clean_hook(void)
{
    Machine *m = smc_engine->parent.machine;

    for (unsigned i = 0; i < smc_engine->ncpus; i++) {
        engine_flush_soon(smc_engine->cpus[i]);
    }
    if (cpus_running(m)) { /* a store that has passed its check lands before they stand still */
        cpus_pause_all(m);
        cpus_resume_all(m);
    }
}

void smc_set_engine(Engine *e)
{
    smc_engine = e;
    ram_set_code_hook(e ? smc_hook : NULL);
    ram_set_clean_hook(e ? smc_clean_hook : NULL);
}
