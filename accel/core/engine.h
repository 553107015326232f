/* SPDX-License-Identifier: MIT */
/*
 * The translating engine: what the JIT (accel/jit) and the IR interpreter (accel/interp) share.  A
 * flavour (EngineOps) says how a block is kept and run; everything else is here.
 *
 * Locks: Engine.lock guards the block cache (blocks, links, pages, regions).  It is taken with or
 * without the machine lock, and never held while the machine lock is taken or guest code runs.
 * Lookups take no lock: see "quiescence" in block-cache.c.
 */
#ifndef ACCEL_CORE_ENGINE_H
#define ACCEL_CORE_ENGINE_H

#include <setjmp.h>

#include "accel/vcpu.h"
#include "tcg/backend.h"
#include "tcg/interp.h"

typedef struct Engine Engine;
typedef struct EngineCpu EngineCpu;
typedef struct Block Block;
typedef struct BlockTable BlockTable;
typedef struct CodePage CodePage;

#define NO_RAM (~0ULL) /* a global RAM address that is none */

/* --- Blocks --- */

typedef struct BlockLink {
    Block *to; /* NULL: not linked */
    Block *from;
    struct BlockLink *next;  /* in to->incoming */
    struct BlockLink **prev; /* what points here */
} BlockLink;

/*
 * A translation.  Written under Engine.lock before it is published, then immutable but for the links.
 * What lookups read comes first, in one cache line.
 */
struct Block {
    uint64_t ram;  /* global RAM address of the first byte */
    uint64_t ram2; /* RAM page of the last instruction's second half, or NO_RAM */
    CpuKey key;
    uint32_t size; /* guest bytes */
    uint32_t ninsns;
    bool valid; /* atomic */
    uint8_t region;
    const void *entry; /* what jump caches hold: JIT: host code, interpreter: the Block */
    CodeBlock code;    /* JIT */
    Ir *ir;            /* interpreter, or EngineOps.keeps_source */
    CodePage *page[2]; /* of ram and ram2 */
    Block *page_next[2];
    BlockLink *incoming;
    BlockLink *links; /* one per exit */
};

/* A RAM page that holds translations, or held some.  Never freed while the engine lives. */
struct CodePage {
    CodePage *hash_next; /* atomic */
    uint64_t ram;        /* page address */
    RamBlock *rb;
    uint64_t map;         /* atomic: 64-byte pieces with translated code */
    uint64_t epoch;       /* Engine.lock: nobody writes to it unseen once this epoch is quiesced */
    uint32_t translating; /* atomic: translations under way */
    uint32_t writes;      /* atomic: writes seen while translating */
    bool killed;          /* atomic: blocks died of writes since the last translation ... */
    unsigned since;       /* atomic: ... and so many writes came after that */
    Block *blocks;        /* Engine.lock */
};

typedef enum RegionState { REGION_FREE, REGION_ACTIVE, REGION_FULL, REGION_RETIRED } RegionState;

/* A piece of the code cache: filled front to back, emptied as a whole. */
typedef struct Region {
    RegionState state;
    uint8_t *rw;
    const uint8_t *rx;
    size_t used;       /* bytes of code, or what the interpreter's blocks take */
    Block **blocks;    /* in the order of their code; capacity Engine.region_blocks */
    uint32_t *starts;  /* JIT: of their code, in rx */
    unsigned nblocks;  /* atomic */
    uint64_t last_use; /* atomic: Engine.fills when a vCPU was last seen in it */
    uint64_t retire_epoch;
} Region;

enum { PAGE_HASH_BITS = 12, MAX_REGIONS = 32 };

/* How a flavour keeps and runs blocks. */
typedef struct EngineOps {
    bool has_code;     /* blocks are host code in the cache's memory */
    bool alone;        /* every block comes back to the loop, every access takes the slow path */
    bool keeps_source; /* Block.ir is the IR as the front end made it */
    /* Engine.lock held.  Makes @b runnable from optimised @ir: sets b->entry and adds to region->used.
     * False: the region has no room. */
    bool (*compile)(Engine *e, Region *r, Block *b, Ir *ir);
    /* Engine.lock.  Blocks of earlier runs, see accel/jit/persist.c; NULL: there are none.  recall(): one that
     * @tx would make again, with its size and instructions; place(): what compile() does, from that;
     * remember(): a block that compile() made of @tx and that nothing is linked to yet. */
    const void *(*recall)(EngineCpu *ec, const Translate *tx, uint32_t *size, unsigned *ninsns);
    bool (*place)(Engine *e, Region *r, Block *b, const void *record);
    void (*remember)(Engine *e, const Block *b, const Translate *tx);
    void (*info)(Engine *e, GString *out); /* Engine.lock: more for "info jit" */
    void (*save)(Engine *e);               /* Engine.lock: for the next run */
    /* The last passes before compile(), without the lock; may set overflow.  NULL: none. */
    void (*finish_ir)(Engine *e, Ir *ir);
    /* Engine.lock: exits of compiled blocks go to a block's entry, or back to the loop. */
    bool (*link)(Engine *e, const Block *from, unsigned exit, const void *entry, uint64_t ctx);
    void (*unlink)(Engine *e, const Block *from, unsigned exit);
    /* Runs from @entry until something leaves; env->pc is where to go on. */
    const void *(*run)(EngineCpu *ec, const void *entry);
    /* After cpu_leave() out of run(); NULL: nothing to put right. */
    void (*left)(EngineCpu *ec);
    /* Engine.lock, before the first vCPU: what is made per guest architecture. NULL: nothing. */
    bool (*prepare)(Engine *e, const IrTarget *target, Error **errp);
    /* EngineCpu.flavour; NULL: none. */
    void (*cpu_init)(EngineCpu *ec);
    void (*cpu_fini)(EngineCpu *ec);
    void (*fini)(Engine *e);
} EngineOps;

/* Counters of one vCPU: its thread writes, "info jit" reads. */
typedef struct EngineStats {
    uint64_t tlb_slow; /* slow-path accesses */
    uint64_t tlb_l2_hits;
    uint64_t tlb_walks;
    uint64_t tlb_flushes, tlb_page_flushes;
    uint64_t mmio;
    uint64_t lookups; /* blocks looked up by the loop or for an indirect jump */
    uint64_t loops;   /* returns to the loop */
    uint64_t links;   /* exits linked */
    uint64_t translations;
    uint64_t recalled;             /* blocks of earlier runs */
    uint64_t guest_insns;          /* translated */
    uint64_t ir_made, ir_kept;     /* IR instructions before and after the passes */
    uint64_t decode_ns, passes_ns; /* of translate_ns */
    uint64_t translate_ns;
    uint64_t exceptions, interrupts;
    uint64_t code_writes; /* slow-path writes to pages with translations */
    uint64_t contexts;    /* new context numbers */
} EngineStats;

/* Counting instructions: icount.c. */
typedef struct Icount {
    /* properties */
    char *mode; /* NULL, "off": not counting; "auto", or the shift */
    bool align, sleep;

    bool on;
    bool adjust;    /* shift=auto */
    unsigned shift; /* log2 of nanoseconds per instruction */
    Clock *clock;
    int64_t ns;                   /* atomic: counted so far */
    int64_t host_ns, adjusted_ns; /* host's and counted time that are compared */
} Icount;

enum { THREAD_MULTI, THREAD_SINGLE };

struct Engine {
    Accel parent;
    /* properties */
    uint64_t tb_size_mib;
    bool one_insn;
    bool perfmap;
    int thread; /* THREAD_* */
    Icount icount;

    const EngineOps *eops;
    void *flavour; /* eops' own */
    GMutex lock;
    /* lock */
    EngineCpu **cpus;  /* max_cpus places, filled before the vCPU runs; NULL-free up to ncpus */
    unsigned ncpus;    /* atomic */
    unsigned max_cpus; /* fixed: -smp's maxcpus when the engine was made */
    Backend *backend;  /* JIT: made with the first vCPU */
    void *const *runtime;
    uint8_t *rw_base;
    const uint8_t *rx_base;
    size_t map_size, head_size, region_size;
    int memfd;
    unsigned nregions, active, region_blocks;
    Region regions[MAX_REGIONS];
    uint64_t fills; /* atomic: regions filled so far: the age of use */
    FILE *perf_file;
    uint64_t blocks_live, blocks_made, blocks_killed, evictions;

    BlockTable *blocks; /* atomic */
    CodePage **pages;   /* atomic buckets */
    uint64_t epoch;     /* atomic; see block-cache.c */
    uint64_t next_ctx;  /* atomic */
    bool debugging;     /* atomic: some vCPU has breakpoints */

    /* exclusive.c; taken before Engine.lock */
    GMutex exclusive_lock;
    GCond exclusive_changed;
    EngineCpu *exclusive_owner; /* exclusive_lock */
    bool exclusive;             /* atomic: there is an owner */
};

/* --- vCPUs --- */

enum { L2_SETS = 1024, L2_WAYS = 4, EXEC_PAGES = 4096, CONTEXTS = 64, LARGE_RANGES = 8 };
enum { PAGE_FILTER_BITS = 14, PAGE_FILTER_WORDS = (1 << PAGE_FILTER_BITS) / 64 };

/* Second-level TLB entry, for one 4 KiB page, tagged with page, MMU index and the number of its space. */
typedef struct TlbEntry {
    uint64_t tag;   /* page address | mmu; ~0: empty */
    uint64_t space; /* space number, or EngineCpu.global_space */
    GuestPA pa;     /* of the page */
    uint8_t *host;  /* of the page; NULL: I/O */
    RamBlock *rb;
    uint8_t prot;  /* PROT_* that may be used without another walk */
    bool writable; /* plain RAM */
    bool watched;  /* a watchpoint lies in it: never in the inline tables */
    bool global;
} TlbEntry;

/* A page that code was fetched from, valid for one context number. */
typedef struct ExecPage {
    GuestVA va;
    uint64_t ctx;
    uint64_t ram; /* global RAM address of the page; NO_RAM: not plain memory */
    const uint8_t *host;
    RamBlock *rb;
} ExecPage;

/* A context: an address space with a translation key, as it is mapped now. */
typedef struct Context {
    uint64_t space;
    CpuKey key;
    uint64_t ctx; /* 0: no entry */
    bool own;     /* code from non-global pages: cannot share the number with other spaces */
    uint64_t pages[PAGE_FILTER_WORDS]; /* filter of the pages that code was fetched from */
} Context;

typedef struct LargeRange {
    GuestVA first, last;
} LargeRange;

struct EngineCpu {
    AccelCpu base;
    Engine *engine;
    TcgEnv *env;
    jmp_buf leave;
    bool in_loop;        /* leave is valid */
    bool in_guest;       /* atomic: between engine_online() and engine_offline(), see exclusive.c */
    bool exclusive;      /* between cpu_exclusive_begin() and _end() */
    uint64_t epoch_seen; /* atomic */
    uint64_t settled;    /* every other vCPU has been seen in this epoch */
    Ir *ir;              /* for translating */
    Ir *source;          /* with EngineOps.keeps_source: what ir was before the passes */
    void *flavour;       /* EngineOps' own */

    /* What runs now (context.c). */
    uint64_t space, key;
    Context *context;
    Context contexts[CONTEXTS];
    Context shared[CONTEXTS];
    uint64_t all_pages
        [PAGE_FILTER_WORDS]; /* the contexts' filters or-ed, and what is left of old ones */
    unsigned stale_hits;     /* how often that mattered to none of them */
    ExecPage exec[EXEC_PAGES];

    /* Soft TLB (softtlb.c). */
    uint64_t space_number; /* of .space */
    uint64_t global_space, next_space;
    struct {
        uint64_t space, number;
    } spaces[CONTEXTS];
    uint64_t l1_space[TCG_MMU_MODES]; /* space number that non-global inline entries belong to */
    uint16_t l1_log[TCG_MMU_MODES][2 << TCG_TLB_BITS]; /* inline entries filled, non-global */
    unsigned l1_logged[TCG_MMU_MODES];
    bool l1_used[TCG_MMU_MODES];
    TlbEntry once; /* the answer for a page that must not be cached */
    unsigned l2_victim;
    LargeRange large[LARGE_RANGES]; /* where pages larger than 4 KiB are cached */
    unsigned nlarge;
    bool tlb_stale; /* atomic: the memory map changed, or pages are clean */
    /* Atomic: in this turn cpu_host_ptr() was given out for writing, or a write entry gave way. */
    bool wrote_directly;
    TlbEntry *l2; /* L2_SETS * L2_WAYS */

    /* icount.c */
    int64_t budget;        /* instructions until the earliest deadline ... */
    int64_t budget_for_ns; /* ... which is that */
    int64_t slice;         /* instructions until the turn ends */

    /* The loop (exec-loop.c). */
    const void *left;     /* where translated code was last left, for linking: see backend_run() */
    const Block *running; /* interpreter: the block */
    bool one_insn;        /* next block: a single instruction, not kept */
    bool step_done;       /* it has run, and the vCPU stops */
    bool watch_stop;      /* that instruction hits a watchpoint */
    uint8_t *fetch_buf; /* two pages: code outside plain memory, or a copy of what is translated */

    EngineStats stats;
};

static inline EngineCpu *engine_cpu(CpuState *cpu)
{
    return (EngineCpu *)(void *)cpu->accel;
}

static inline EngineCpu *engine_env_cpu(TcgEnv *env)
{
    return engine_cpu(env->cpu);
}

/* The jump cache's index: must agree with what the backend emits. */
static inline unsigned engine_jump_index(GuestVA pc)
{
    return (pc >> 1) & ((1 << TCG_JUMP_BITS) - 1);
}

/* --- engine.c --- */

#define TYPE_ENGINE_ACCEL "translator-accel" /* abstract: the properties */

bool engine_init(Engine *e, const EngineOps *eops, Error **errp) MUST_CHECK;
/* For AccelOps. */
void engine_accel_fini(Accel *a);
AccelCpu *engine_accel_cpu_new(Accel *a, CpuState *cpu, Error **errp);
void engine_accel_cpu_free(Accel *a, CpuState *cpu);
void engine_info(Accel *a, GString *out);
bool engine_idle(Accel *a);
void engine_flush_code(Accel *a);
void engine_save(Accel *a);
bool engine_before_fork(Accel *a, Error **errp);
/* The vCPU drops its TLB before it runs on. */
void engine_flush_soon(EngineCpu *ec);
/* What every flavour's AccelOps have in common. */
#define ENGINE_ACCEL_OPS                                                                           \
    .fini = engine_accel_fini, .cpu_new = engine_accel_cpu_new, .cpu_free = engine_accel_cpu_free, \
    .cpu_run = engine_run, .idle = engine_idle, .info = engine_info,                               \
    .flush_code = engine_flush_code, .save = engine_save, .before_fork = engine_before_fork

/* --- block-hash.c --- */

/* Any vCPU thread between engine_online() and engine_offline(), no lock.  NULL: not translated.
 * @ram2: RAM page that follows in the address space, for blocks that run into it; NO_RAM: unknown. */
Block *cache_find(Engine *e, uint64_t ram, CpuKey key, uint64_t ram2);
void block_table_init(Engine *e);
void block_table_fini(Engine *e);
void block_table_insert(Engine *e, Block *b);       /* Engine.lock */
void block_table_remove(Engine *e, const Block *b); /* Engine.lock */

/* --- block-cache.c --- */

bool cache_init(Engine *e, Error **errp) MUST_CHECK;
void cache_fini(Engine *e);
bool cache_before_fork(Engine *e, Error **errp) MUST_CHECK; /* vCPUs stand still */
/* Engine.lock.  Takes over @b, made from @record when there is one, else from @ir; false when memory had to
 * be freed first and the caller must try again after cache_wait(). */
bool cache_add(Engine *e, Block *b, Ir *ir, const void *record) MUST_CHECK;
/* vCPU thread, no lock: waits until a region can be filled. */
void cache_wait(EngineCpu *ec);
void cache_kill(Engine *e, Block *b); /* Engine.lock */
void cache_flush(Engine *e);          /* Engine.lock: everything */
void cache_link(Engine *e, Block *from, unsigned exit, Block *to, uint64_t ctx); /* Engine.lock */
/* The block that holds host code address @ra, or NULL.  No lock. */
Block *cache_block_at(Engine *e, const void *ra);
void cache_touch(Engine *e, const Block *b);
Block *block_new(void);
void block_free(Block *b);

/* Engine.lock: every vCPU is sent to the top of its loop.  The epoch in which it will have been there. */
uint64_t cache_new_epoch(Engine *e);
/* vCPU thread, between blocks, no lock: waits until every other has passed the top of its loop in @epoch. */
void cache_settle(EngineCpu *ec, uint64_t epoch);

/* Quiescence: a vCPU is online while it may hold pointers to blocks or run them.  Called again when it
 * holds none; waits while another vCPU is in an exclusive section. */
void engine_online(EngineCpu *ec);
void engine_offline(EngineCpu *ec);

/* --- exclusive.c --- */

/* vCPU thread, between blocks: waits while another vCPU is alone. */
void exclusive_enter(EngineCpu *ec);
/* vCPU thread: tells who waits that it runs no guest code. */
void exclusive_leave(EngineCpu *ec);

/* --- smc.c --- */

CodePage *smc_page_find(Engine *e, uint64_t ram);
CodePage *smc_page_get(Engine *e, RamBlock *rb, uint64_t ram); /* Engine.lock; made when new */
/* Engine.lock.  Around reading guest code: writes that begin from now on are noticed; those under way
 * when p->epoch is quiesced.  Returns a cookie for smc_end(). */
uint32_t smc_begin(EngineCpu *ec, CodePage *p);
/* Engine.lock.  False: somebody wrote to the page meanwhile. */
bool smc_end(CodePage *p, uint32_t cookie);
void smc_add_block(CodePage *p, Block *b, unsigned half);
void smc_remove_block(CodePage *p, Block *b, unsigned half);
/* After a write to RAM [ram, ram + len): kills the blocks made from it. Any thread, no Engine.lock. */
void smc_written(Engine *e, uint64_t ram, uint64_t len);
/* True when the block that @ec runs now was made from these bytes and goes on behind this instruction. */
bool smc_hits_running(EngineCpu *ec, uint64_t ram, uint64_t len);
void smc_set_engine(Engine *e);

/* --- context.c --- */

void context_update(EngineCpu *ec); /* key and space anew */
void context_drop_all(EngineCpu *ec);
void context_drop_space(EngineCpu *ec, uint64_t space);
/* The mapping of the page at @va may have changed; @space ~0: in every space. */
void context_flush_page(EngineCpu *ec, GuestVA va, uint64_t space);
/* The page that code at @va comes from.  @fill false: only if known.  With @fill: on a fault the
 * exception is set and NULL returned; ram is NO_RAM when the code is not in plain memory. */
ExecPage *context_exec_page(EngineCpu *ec, GuestVA va, bool fill);
/* Jump caches forget code in [lo, hi).  Any thread. */
void context_forget_code(Engine *e, const void *lo, const void *hi);
void context_forget_block(Engine *e, const Block *b);

/* --- softtlb.c --- */

void tlb_init(EngineCpu *ec);
/* The entry for an access; NULL: exception set.  Valid until the next call. */
TlbEntry *tlb_get(EngineCpu *ec, GuestVA va, unsigned size, MemAccess access, unsigned mmu);
/* The inline entries of @mmu are for the present space from here on: before they are probed for
 * another MMU index than that of the key. */
void tlb_own(EngineCpu *ec, unsigned mmu);
/* Plain RAM whose writes nobody wants to hear of. */
bool tlb_write_inline(const TlbEntry *te);
/* Enters a page into the inline tables for @access; false: it may not be there. */
bool tlb_fill_inline(EngineCpu *ec, GuestVA va, unsigned mmu, MemAccess access, const TlbEntry *te);
/* What RT_ADDEND says for an access in one page. */
uint64_t tlb_addend(EngineCpu *ec, GuestVA va, MemAccess access, unsigned mmu);
void tlb_switch(EngineCpu *ec); /* after a change of space or key */
void tlb_flush_all(EngineCpu *ec);
/* A page of @size bytes around @va is cached in pieces: flushes of one piece must flush them all. */
void tlb_note_large(EngineCpu *ec, GuestVA va, uint64_t size);
/* Any thread: from now on @ec does not begin to write to the page without the slow path.  True: it may
 * be doing so now, until it has passed the top of its loop (engine_online()). */
bool tlb_protect(EngineCpu *ec, const uint8_t *host_page);

/* --- icount.c: with Icount.on only, vCPU thread --- */

bool icount_init(Engine *e, Error **errp) MUST_CHECK;
void icount_begin(EngineCpu *ec);     /* the vCPU has its turn */
void icount_account(EngineCpu *ec);   /* a block has been left */
void icount_exception(EngineCpu *ec); /* one is delivered */
void icount_poll(EngineCpu *ec);      /* between blocks: runs the timers that are due */
bool icount_idle(Engine *e);          /* AccelOps.idle */
/* May @n instructions run in one go? */
static inline bool icount_fits(const EngineCpu *ec, unsigned n)
{
    return n <= ec->budget;
}

/* --- access.c --- */

void *const *access_runtime(void); /* RT_NFN functions; RT_LOOKUP is the loop's */
/* The slow paths; @info as in RuntimeFn.  They fill the inline TLB, and leave on a fault. */
uint64_t access_load(TcgEnv *env, uint64_t va, uint32_t info);
void access_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info);
void access_load128(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value);
void access_store128(TcgEnv *env, uint64_t va, uint32_t info, const IrV128 *value);
uint64_t access_rmw(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info);
uint64_t access_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired, uint32_t info);
const void *engine_lookup(TcgEnv *env, GuestVA pc);

/* --- exec-loop.c --- */

void engine_run(Accel *a, CpuState *cpu);
/* The block that runs now; NULL: none, or a single instruction. */
const Block *engine_running_block(const EngineCpu *ec);
/* Every block comes back to the loop. */
static inline bool engine_unchained(const Engine *e)
{
    return e->eops->alone || e->icount.on;
}
/* The present block is left before its current instruction, which is then run on its own. */
void engine_retry_alone(EngineCpu *ec) NORETURN;
/* Does that unless the instruction is the block's only one. */
void engine_need_alone(EngineCpu *ec);

/* --- translate.c --- */

/* The block at env->pc, made when needed; NULL: exception set, or try again (region wait). */
Block *translate_block(EngineCpu *ec, ExecPage *page);
/* One instruction at env->pc into ec->ir, wherever it lies. False: exception set. */
bool translate_one(EngineCpu *ec);

/* --- debug.c --- */

bool debug_has_breakpoint(const CpuState *cpu, GuestVA pc);
bool debug_page_has_breakpoint(const CpuState *cpu, GuestVA va);
bool debug_page_has_watchpoint(const CpuState *cpu, GuestVA va);
/* An access to a watched page: leaves at the first match, and marks matches when the instruction is alone. */
void debug_check_watch(EngineCpu *ec, GuestVA va, unsigned size, MemAccess access);
bool debug_watch_hit(const CpuState *cpu);

#endif
