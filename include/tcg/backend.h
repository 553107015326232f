/* SPDX-License-Identifier: MIT */
/*
 * A host code generator: turns an optimised, expanded Ir block into position-independent host code
 * with side tables.  Implementations: tcg/host/<h>/.  It knows nothing of block caches: chaining is
 * offered as patchable exits, slow paths call the runtime functions that accel/ supplies.
 */
#ifndef TCG_BACKEND_H
#define TCG_BACKEND_H

#include "tcg/ir.h"

/* Where guest PC can be found from a host return address: sorted by host_off. */
typedef struct CodePoint {
    uint32_t host_off; /* of the return address behind the call, from the block's entry */
    int32_t page_rel;  /* of the guest instruction */
} CodePoint;

typedef enum CodeExitKind {
    CODE_EXIT_PAGE, /* target in the same page as the block: link by patching alone */
    CODE_EXIT_CROSS, /* other page, or so near the end that it may need the next one: guarded by a compare of ctx */
} CodeExitKind;

/* One chainable exit.  Unlinked, or when somebody asks for an exit, it leaves through its own stub. */
typedef struct CodeExit {
    uint32_t jump_off; /* opaque to everyone but the backend's link functions */
    uint32_t guard_off;
    uint32_t leave_off; /* offset in the block of what backend_run() returns then; ascending */
    int32_t page_rel;   /* destination */
    uint8_t kind;       /* CodeExitKind */
    bool backward;      /* checks exit_request before it goes */
} CodeExit;

typedef struct CodeBlock {
    uint8_t *rw;       /* where the code is written ... */
    const uint8_t *rx; /* ... and where it runs (the same memory, mapped twice) */
    uint32_t size;
    uint32_t hot_size;   /* of it, what lies before the out-of-line parts ... */
    uint32_t hot_ninsns; /* ... and its host instructions */
    CodePoint *points;   /* owned by the caller's arena, see CodeArena */
    uint32_t npoints;
    CodeExit *exits;
    uint32_t nexits;
} CodeBlock;

/* C functions called from generated code; indexes into TcgEnv.runtime.  All run with every guest
 * register in its home in env, and with env->host_ra set. */
typedef enum RuntimeFn {
    RT_LOAD,     /* uint64_t (env, va, info): raw value, zero-extended; info = IrMem | mmu << 8 */
    RT_STORE,    /* void (env, va, value, info) */
    RT_LOAD128,  /* void (env, va, info, IrV128 *): 16 bytes into *value ... */
    RT_STORE128, /* ... and from it */
    RT_ATOMIC,   /* uint64_t (env, va, value, info | IrAtomic << 16) */
    RT_CAS,      /* uint64_t (env, va, expect, desired, info) */
    /* uint64_t (env, va, info; RT_WRITE: for a store or IR_MEM_RMW): the host's address less va, when the TLB knows the
     * page as RAM that may be accessed without a word; else 0.  Raises nothing and does no floating
     * point; env->host_ra is set.  NULL in the table: always 0. */
    RT_ADDEND,
    RT_LOOKUP, /* const void *(env, pc): entry of the block at pc in the present context, or NULL: go back to the loop (env->pc is set) */
    RT_NFN
} RuntimeFn;

enum { RT_WRITE = 1 << 10 };

typedef struct Backend Backend;

/* One per process and target: emits the enter/leave and call stubs into @rw (at most 16 KiB) and says
 * how much it @used.  NULL when this host's CPU is too old. */
Backend *backend_new(const IrTarget *target, uint8_t *rw, const uint8_t *rx, size_t *used);
void backend_free(Backend *be);

/* Which IR ops this host does itself (for ir_expand()). */
const bool *backend_ops(const Backend *be);

/* Adds to @sum what code depends on beside the IR: this host's abilities. */
void backend_identify(const Backend *be, GChecksum *sum);

/*
 * Generates code for @ir at cb->rw/rx (space: @room bytes).  False when it does not fit.  points and
 * exits are allocated with g_malloc.
 */
bool backend_compile(Backend *be, const Ir *ir, uint32_t block_page_off, size_t room,
                     CodeBlock *cb) MUST_CHECK;

/*
 * Makes exit @i of @cb go to @target (an rx entry), under context @ctx (never 0) when it crosses a page.
 * Safe while other vCPUs run the block; callers exclude each other.  False: not now, because the exit
 * went elsewhere before and another vCPU may be on its way there; @alone: there is no other.
 */
bool backend_link(Backend *be, const CodeBlock *cb, unsigned i, const void *target, uint64_t ctx,
                  bool alone) MUST_CHECK;
void backend_unlink(Backend *be, const CodeBlock *cb, unsigned i);

/*
 * The jump cache is probed at entry number (pc >> 1) mod its size; filling it (RT_LOOKUP, and for exits
 * that cross a page) is the accelerator's.
 */

/* Stub addresses that a new vCPU needs in TcgEnv.runtime: fills @table (RT_NFN entries are the
 * caller's C functions, the backend appends its own); returns the table to point env->runtime at. */
void *const *backend_runtime(Backend *be, void *const *rt_functions);

/* Runs translated code at @entry until something leaves it.  env->pc is valid after it.  Returns an
 * address in the block that was left through an exit's stub (CodeExit.leave_off), else NULL. */
const void *backend_run(Backend *be, TcgEnv *env, const void *entry);

/* Disassembly for -d out_asm: hex bytes, or capstone when built with it. */
void backend_print(const Backend *be, const CodeBlock *cb, FILE *out);

#endif
