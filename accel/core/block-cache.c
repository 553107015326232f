/* SPDX-License-Identifier: MIT */
/*
 * The block cache: translations found by (RAM page identity and offset, key), kept in regions.
 *
 * Regions.  Code goes into the active region front to back.  When it is full the next free one
 * becomes active; when the last free one is taken, the region that went longest without being seen in
 * use is retired, so that it is free by the time it is needed.  Never is everything thrown away.
 *
 * Quiescence.  Lookups, and threads that run code, hold no lock: a killed block only disappears from
 * the table of blocks, the page lists, the links and the jump caches.  Its memory is reused when the whole
 * region is: retiring takes a new epoch, and the region is free when every online vCPU has passed the
 * top of its loop (engine_online()) in that epoch or later.
 *
 * Memory protection.  The cache is one memfd mapped twice: writable, and executable.
 */
#include "rhea/osdep.h"

#include <sys/mman.h>

#include "accel/core/engine.h"
#include "rhea/bits.h"

enum {
    HEAD_SIZE = 16 * 1024,
    MIN_BLOCK_SIZE = 128,
    CODE_ALIGN = 16,
    MIN_REGION_SIZE = 256 * 1024, /* holds the largest block that there can be */
};

/* --- Quiescence --- */

void engine_online(EngineCpu *ec)
{
    uint64_t now;

    exclusive_enter(ec);
    if (ec->wrote_directly) {
        __atomic_store_n(&ec->wrote_directly, false, __ATOMIC_RELEASE);
    }
    now = __atomic_load_n(&ec->engine->epoch, __ATOMIC_SEQ_CST);
    if (ec->epoch_seen != now) {
        ec->left = NULL; /* may be reused from here on */
        __atomic_store_n(&ec->epoch_seen, now, __ATOMIC_SEQ_CST);
    }
}

void engine_offline(EngineCpu *ec)
{
    __atomic_store_n(&ec->epoch_seen, UINT64_MAX, __ATOMIC_SEQ_CST);
    exclusive_leave(ec);
}

static bool cache_quiesced(Engine *e, uint64_t epoch)
{
    for (unsigned i = 0; i < e->ncpus; i++) {
        if (__atomic_load_n(&e->cpus[i]->epoch_seen, __ATOMIC_SEQ_CST) < epoch) {
            return false;
        }
    }
    return true;
}

uint64_t cache_new_epoch(Engine *e)
{
    uint64_t epoch = __atomic_add_fetch(&e->epoch, 1, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; i < e->ncpus; i++) {
        cpu_kick(e->cpus[i]->base.cpu);
    }
    return epoch;
}

void cache_settle(EngineCpu *ec, uint64_t epoch)
{
    enum { SPINS = 64 };
    Engine *e = ec->engine;
    bool quiesced = false;

    if (ec->settled >= epoch) {
        return;
    }
    engine_offline(ec);
    for (unsigned turn = 0; !quiesced; turn++) {
        g_mutex_lock(&e->lock);
        quiesced = cache_quiesced(e, epoch);
        g_mutex_unlock(&e->lock);
        if (!quiesced && turn < SPINS) {
            g_thread_yield();
        } else if (!quiesced) {
            g_usleep(20);
        }
    }
    ec->settled = epoch;
    engine_online(ec);
}

/* --- Life --- */

static bool cache_map(Engine *e, Error **errp)
{
    e->memfd = memfd_create("rhea-code", MFD_CLOEXEC);
    if (e->memfd < 0 || ftruncate(e->memfd, e->map_size)) {
        return error_fail_errno(errp, errno,
                                "-accel tcg: cannot make a code cache of %" PRIu64 " MiB (tb-size)",
                                e->tb_size_mib);
    }
    e->rw_base = mmap(NULL, e->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, e->memfd, 0);
    e->rx_base = mmap(NULL, e->map_size, PROT_READ | PROT_EXEC, MAP_SHARED, e->memfd, 0);
    if (e->rw_base == MAP_FAILED || e->rx_base == MAP_FAILED) {
        return error_fail_errno(errp, errno,
                                "-accel tcg: cannot map a code cache of %" PRIu64 " MiB (tb-size)",
                                e->tb_size_mib);
    }
    return true;
}

static void region_set_rw(Engine *e, Region *r)
{
    r->rw = (uint8_t *)r->rx;
    for (unsigned i = 0; i < r->nblocks; i++) {
        r->blocks[i]->code.rw = (uint8_t *)r->blocks[i]->code.rx;
    }
}

/*
 * Two mappings of one file cannot be copied on write.  So the file stays as it is from now on, and each process has
 * a private mapping of it, where code is both written and run.
 */
bool cache_before_fork(Engine *e, Error **errp)
{
    if (!e->eops->has_code || e->rw_base == e->rx_base) {
        return true;
    }
    if (mmap((void *)e->rx_base, e->map_size, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, e->memfd, 0) == MAP_FAILED) {
        return error_fail_errno(errp, errno, "-accel tcg: the code cache cannot be copied");
    }
    munmap(e->rw_base, e->map_size);
    e->rw_base = (uint8_t *)e->rx_base;
    for (unsigned i = 0; i < e->nregions; i++) {
        region_set_rw(e, &e->regions[i]);
    }
    return true;
}

bool cache_init(Engine *e, Error **errp)
{
    size_t size = e->tb_size_mib * MiB;

    e->nregions = CLAMP(size / MIN_REGION_SIZE, 4, MAX_REGIONS);
    e->region_size = align_down(size / e->nregions, 4096);
    e->region_blocks = e->region_size / MIN_BLOCK_SIZE;
    e->memfd = -1;
    e->rw_base = MAP_FAILED;
    e->rx_base = MAP_FAILED;
    e->epoch = 1;
    block_table_init(e);
    e->pages = g_new0(CodePage *, 1 << PAGE_HASH_BITS);
    if (e->eops->has_code) {
        e->head_size = HEAD_SIZE;
        e->map_size = e->head_size + e->nregions * e->region_size;
        if (!cache_map(e, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < e->nregions; i++) {
        Region *r = &e->regions[i];

        if (e->eops->has_code) {
            r->rw = e->rw_base + e->head_size + i * e->region_size;
            r->rx = e->rx_base + e->head_size + i * e->region_size;
        }
        r->blocks = g_new(Block *, e->region_blocks);
        r->starts = g_new(uint32_t, e->region_blocks);
    }
    e->regions[0].state = REGION_ACTIVE;
    return true;
}

Block *block_new(void)
{
    return g_aligned_alloc0(1, sizeof(Block), 64);
}

void block_free(Block *b)
{
    if (b) {
        g_free(b->code.points);
        g_free(b->code.exits);
        g_free(b->links);
        if (b->ir) {
            ir_free(b->ir);
        }
        g_aligned_free(b);
    }
}

static void region_recycle(Region *r)
{
    for (unsigned i = 0; i < r->nblocks; i++) {
        block_free(r->blocks[i]);
    }
    r->nblocks = 0;
    r->used = 0;
    r->state = REGION_FREE;
}

void cache_fini(Engine *e)
{
    for (unsigned i = 0; i < e->nregions; i++) {
        region_recycle(&e->regions[i]);
        g_free(e->regions[i].blocks);
        g_free(e->regions[i].starts);
    }
    for (unsigned i = 0; e->pages && i < 1 << PAGE_HASH_BITS; i++) {
        for (CodePage *p = e->pages[i], *next; p; p = next) {
            next = p->hash_next;
            g_free(p);
        }
    }
    g_free(e->pages);
    block_table_fini(e);
    if (e->rx_base != MAP_FAILED) {
        munmap((void *)e->rx_base, e->map_size);
    }
    if (e->rw_base != MAP_FAILED && e->rw_base != e->rx_base) {
        munmap(e->rw_base, e->map_size);
    }
    if (e->memfd >= 0) {
        close(e->memfd);
    }
}

Block *cache_block_at(Engine *e, const void *ra)
{
    const uint8_t *at = ra;
    unsigned lo = 0, hi;
    uint32_t off;
    Region *r;
    Block *b;

    if (!e->eops->has_code || at < e->rx_base + e->head_size || at >= e->rx_base + e->map_size) {
        return NULL;
    }
    off = at - e->rx_base - e->head_size;
    r = &e->regions[off / e->region_size];
    off %= e->region_size;
    hi = __atomic_load_n(&r->nblocks, __ATOMIC_ACQUIRE);
    while (lo < hi) { /* the first block that begins behind @at */
        unsigned mid = lo + (hi - lo) / 2;

        if (r->starts[mid] <= off) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    b = lo ? r->blocks[lo - 1] : NULL;
    return b && at < b->code.rx + b->code.size ? b : NULL;
}

/* --- Links --- */

static void cache_drop_link(BlockLink *l)
{
    *l->prev = l->next;
    if (l->next) {
        l->next->prev = l->prev;
    }
    l->to = NULL;
}

static void cache_unlink_exit(Engine *e, BlockLink *l)
{
    cache_drop_link(l);
    e->eops->unlink(e, l->from, l - l->from->links);
}

void cache_link(Engine *e, Block *from, unsigned exit, Block *to, uint64_t ctx)
{
    BlockLink *l = &from->links[exit];

    if (!e->eops->link(e, from, exit, to->entry, ctx) || l->to == to) {
        return;
    }
    if (l->to) {
        cache_drop_link(l);
    }
    l->to = to;
    l->next = to->incoming;
    l->prev = &to->incoming;
    if (l->next) {
        l->next->prev = &l->next;
    }
    to->incoming = l;
}

/* --- Killing --- */

static void cache_kill_quietly(Engine *e, Block *b)
{
    __atomic_store_n(&b->valid, false, __ATOMIC_SEQ_CST);
    block_table_remove(e, b);
    while (b->incoming) {
        cache_unlink_exit(e, b->incoming);
    }
    for (unsigned i = 0; i < b->code.nexits; i++) {
        if (b->links[i].to) {
            cache_unlink_exit(e, &b->links[i]);
        }
    }
    for (unsigned half = 0; half < 2; half++) {
        if (b->page[half]) {
            smc_remove_block(b->page[half], b, half);
        }
    }
    e->blocks_live--;
}

void cache_kill(Engine *e, Block *b)
{
    cache_kill_quietly(e, b);
    context_forget_block(e, b);
    e->blocks_killed++;
}

static void cache_retire(Engine *e, Region *r)
{
    for (unsigned i = 0; i < r->nblocks; i++) {
        if (r->blocks[i]->valid) {
            cache_kill_quietly(e, r->blocks[i]);
        }
    }
    if (e->eops->has_code) {
        context_forget_code(e, r->rx, r->rx + e->region_size);
    } else {
        context_forget_code(e, NULL, (const void *)UINTPTR_MAX);
    }
    r->state = REGION_RETIRED;
    r->retire_epoch = cache_new_epoch(e);
}

void cache_flush(Engine *e)
{
    for (unsigned i = 0; i < e->nregions; i++) {
        Region *r = &e->regions[i];

        if (r->state == REGION_ACTIVE || r->state == REGION_FULL) {
            cache_retire(e, r);
        }
    }
}

/* --- Regions --- */

static uint64_t region_last_use(const Region *r)
{
    return __atomic_load_n(&r->last_use, __ATOMIC_RELAXED);
}

static void region_set_used(Region *r, uint64_t fill)
{
    __atomic_store_n(&r->last_use, fill, __ATOMIC_RELAXED);
}

void cache_touch(Engine *e, const Block *b)
{
    uint64_t now = __atomic_load_n(&e->fills, __ATOMIC_RELAXED);
    Region *r = &e->regions[b->region];

    if (region_last_use(r) != now) {
        region_set_used(r, now);
    }
}

static Region *cache_free_region(Engine *e)
{
    for (unsigned i = 0; i < e->nregions; i++) {
        Region *r = &e->regions[i];

        if (r->state == REGION_RETIRED && cache_quiesced(e, r->retire_epoch)) {
            region_recycle(r);
        }
        if (r->state == REGION_FREE) {
            return r;
        }
    }
    return NULL;
}

/* Retires the coldest full region, unless one is free or becoming free already. */
static void cache_make_room(Engine *e)
{
    Region *coldest = NULL;

    for (unsigned i = 0; i < e->nregions; i++) {
        Region *r = &e->regions[i];

        if (r->state == REGION_FREE || r->state == REGION_RETIRED) {
            return;
        }
        if (r->state == REGION_FULL &&
            (!coldest || region_last_use(r) < region_last_use(coldest))) {
            coldest = r;
        }
    }
    if (coldest) {
        e->evictions++;
        cache_retire(e, coldest);
    }
}

/* Makes a region active.  False: all are in use or still leaving use. */
static bool cache_next_region(Engine *e)
{
    Region *r = &e->regions[e->active];

    if (r->state == REGION_ACTIVE) {
        r->state = REGION_FULL;
        if (e->rw_base !=
            e->rx_base) { /* little is written to it from now on: one mapping will do */
            madvise(r->rw, e->region_size, MADV_DONTNEED);
        }
        region_set_used(r, __atomic_add_fetch(&e->fills, 1, __ATOMIC_RELAXED));
    }
    r = cache_free_region(e);
    if (r) {
        r->state = REGION_ACTIVE;
        region_set_used(r, __atomic_load_n(&e->fills, __ATOMIC_RELAXED));
        e->active = r - e->regions;
    }
    cache_make_room(e);
    return r;
}

void cache_wait(EngineCpu *ec)
{
    Engine *e = ec->engine;

    for (;;) {
        bool ready;

        engine_offline(ec);
        g_mutex_lock(&e->lock);
        ready = e->regions[e->active].state == REGION_ACTIVE || cache_next_region(e);
        g_mutex_unlock(&e->lock);
        if (ready) {
            break;
        }
        g_usleep(20); /* a vCPU is on its way to the top of its loop */
    }
    engine_online(ec);
}

static bool cache_fill(Engine *e, Region *r, Block *b, Ir *ir, const void *record)
{
    return record ? e->eops->place(e, r, b, record) : e->eops->compile(e, r, b, ir);
}

bool cache_add(Engine *e, Block *b, Ir *ir, const void *record)
{
    Region *r = &e->regions[e->active];

    while (r->state != REGION_ACTIVE || r->nblocks == e->region_blocks ||
           !cache_fill(e, r, b, ir, record)) {
        if (!cache_next_region(e)) {
            return false;
        }
        r = &e->regions[e->active];
    }
    r->used = align_up(r->used, CODE_ALIGN);
    b->region = r - e->regions;
    b->links = g_new0(BlockLink, b->code.nexits);
    for (unsigned i = 0; i < b->code.nexits; i++) {
        b->links[i].from = b;
    }
    r->blocks[r->nblocks] = b;
    r->starts[r->nblocks] = e->eops->has_code ? b->code.rx - r->rx : 0;
    __atomic_store_n(&r->nblocks, r->nblocks + 1, __ATOMIC_RELEASE);
    b->valid = true;
    block_table_insert(e, b);
    e->blocks_live++;
    e->blocks_made++;
    return true;
}
