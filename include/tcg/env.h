/* SPDX-License-Identifier: MIT */
/*
 * What translated code sees of a CPU.
 *
 * Memory layout, one allocation per vCPU (tcg_env_new()):
 *
 *     TcgTables      soft TLB, jump cache                    negative offsets from env
 *     TcgEnv         the fields below                        env + 0   (the "env pointer")
 *     target state   registers etc.: the target's struct starts with a TcgEnv
 *
 * Translated code holds the env pointer (plus a bias, the backend's business) in one host register and
 * reaches everything through it: no absolute address is ever emitted.
 *
 * Guest-PC rule.  Translations are position-independent: a block is made from physical page content,
 * and the same translation serves every virtual address that maps it.  `pc_page` holds the virtual
 * address of the page that the running block starts in; every PC in the IR is relative to it
 * (see IR_PC).  `pc` is only valid outside translated code (after an exit, in the loop, in tlb_fill
 * after cpu_sync_pc()).
 */
#ifndef TCG_ENV_H
#define TCG_ENV_H

#include "rhea/base.h"

enum {
    TCG_PAGE_BITS = 12,
    TCG_MMU_MODES = 4,  /* separate TLB arrays, chosen at translation time */
    TCG_TLB_BITS = 11,  /* entries per array (log2); measured, see accel/jit/README.md */
    TCG_JUMP_BITS = 13, /* jump-cache entries (log2) */
};
#define TCG_PAGE_SIZE (1ULL << TCG_PAGE_BITS)
#define TCG_PAGE_MASK (~(TCG_PAGE_SIZE - 1))

/*
 * One soft-TLB entry: an access hits when (va & (PAGE_MASK | (size - 1))) == tag for an access that
 * must be aligned or is aligned (and for a misaligned one the backend compares the page of the last
 * byte), and then touches host memory at va + addend.  tag is all ones when the entry is empty.
 * Only plain RAM is entered; ROM enters the read array only; pages with translated code and pages
 * whose dirty state is tracked stay out of the write array until the slow path has dealt with them.
 */
typedef struct TcgTlbEntry {
    uint64_t tag;
    uint64_t addend;
} TcgTlbEntry;

/* Indirect-branch cache: exact match on pc and on the context number that TcgEnv.ctx holds. */
typedef struct TcgJumpEntry {
    uint64_t pc;
    uint64_t ctx;
    const void *code; /* block's host entry */
    uint64_t reserved;
} TcgJumpEntry;

typedef struct TcgTables {
    TcgTlbEntry tlb_read[TCG_MMU_MODES][1 << TCG_TLB_BITS];
    TcgTlbEntry tlb_write[TCG_MMU_MODES][1 << TCG_TLB_BITS];
    TcgJumpEntry jump[1 << TCG_JUMP_BITS];
} TcgTables;

/* IEEE exception flags as the IR sees them (TcgEnv.fp_flags): sticky. */
enum {
    IR_FP_INEXACT = 1 << 0,
    IR_FP_UNDERFLOW = 1 << 1,
    IR_FP_OVERFLOW = 1 << 2,
    IR_FP_DIVBYZERO = 1 << 3,
    IR_FP_INVALID = 1 << 4,
    IR_FP_DENORMAL = 1 << 5, /* of vector ops, where IrTarget.denormal_flag */
    IR_FP_FLAGS = (1 << 6) - 1,
    /* No exceptions but requests, which arithmetic in software (Ir.fp_calls) reads here: while underflow
     * traps it is raised for exact tiny results too, and nothing is flushed to zero; while underflow or
     * overflow traps, INEXACT of such a result is that of an exponent without bounds. */
    IR_FP_UNDERFLOW_TRAPS = 1 << 6,
    IR_FP_OVERFLOW_TRAPS = 1 << 7,
    IR_FP_TRAPS = IR_FP_UNDERFLOW_TRAPS | IR_FP_OVERFLOW_TRAPS,
};

/* TcgEnv.fp_round: an IrRound, and for vector ops what becomes of denormal numbers. */
enum {
    IR_ROUND_MASK = 7,
    IR_ROUND_FTZ = 1 << 3, /* tiny results become zero */
    IR_ROUND_DAZ = 1 << 4, /* operands count as zero */
};

struct IrHelper;
struct CpuState;

/*
 * Hot fields first: the backend reaches the first 256 bytes from env with one-byte displacements, so
 * targets put their register file right behind.  Owner of all fields: the vCPU thread, except
 * exit_request.
 */
typedef struct TcgEnv {
    /* Nonzero asks translated code to leave at the next back-edge or indirect jump.  Atomic. */
    uint32_t exit_request;
    /* Rounding mode (IrRound, IR_ROUND_*) and sticky flags (IR_FP_*).  While translated code runs, the backend
     * may hold both in the host's FP control register; IR_HELPER_FP helpers see them here. */
    uint32_t fp_round;
    uint32_t fp_flags;
    uint32_t
        insns; /* of the running block (Ir.counting only): guest instructions that are complete */
    uint64_t pc_page; /* see the guest-PC rule above */
    uint64_t pc;
    /* Number of the current translation context: unique over (address space, privilege and mode key,
     * generation of its mappings); a flush is a new number.  Guards jump cache and cross-page chains. */
    uint64_t ctx;
    /* Where in translated code the running helper was called; 0 when no translated code is below. */
    uintptr_t host_ra;
    void *const *runtime;           /* backend: stubs and C entry points, by index */
    const struct IrHelper *helpers; /* the target's helper table */
    struct CpuState *cpu;
} TcgEnv;

static inline TcgTables *tcg_tables(TcgEnv *env)
{
    return (TcgTables *)(void *)env - 1;
}

/* One zeroed allocation with TLB entries empty; @size is the target's whole state struct. */
TcgEnv *tcg_env_new(size_t size);
void tcg_env_free(TcgEnv *env);

#endif
