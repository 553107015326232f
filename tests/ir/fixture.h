/* SPDX-License-Identifier: MIT */
/*
 * A small machine to run IR on: a target with a few globals of each type and helpers of each kind,
 * RAM behind the soft TLB, runtime functions, and states that can be compared.
 *
 * Guest addresses: FX_RAM.. is RAM.  Page 0 of it is in both TLB arrays, page 1 in the read array only,
 * page 2 in none (slow path), page 3 in both.  FX_RAM + 4 pages on: every access faults, and so does
 * all else.
 */
#ifndef TESTS_IR_FIXTURE_H
#define TESTS_IR_FIXTURE_H

#include <setjmp.h>

#include "tcg/backend.h"
#include "tcg/interp.h"

enum {
    FX_X = 0,
    FX_NX = 8, /* I64 globals */
    FX_W = FX_X + FX_NX,
    FX_NW = 2, /* I32 */
    FX_D = FX_W + FX_NW,
    FX_ND = 4, /* F64 */
    FX_S = FX_D + FX_ND,
    FX_NS = 2, /* F32 */
    FX_V = FX_S + FX_NS,
    FX_NV = 5, /* V128 */
    FX_NGLOBALS = FX_V + FX_NV,
    FX_NSCRATCH = 4,
    FX_RAM_PAGES = 4,
    FX_RAM = 0x10000,
    FX_RAM_BYTES = FX_RAM_PAGES * 4096,
    FX_PC_PAGE = 0x7000,
};

enum {
    FX_H_PURE,   /* i64 (i64, i64) */
    FX_H_STATE,  /* i64 (i64): changes globals, raises for some arguments */
    FX_H_EFFECT, /* void (i32, i64): counts in scratch */
    FX_H_FP,     /* f64 (f64, f32): reads fp_round, adds to fp_flags */
    FX_H_MIX,    /* i32 (i32, f32, i64, f64), pure */
    FX_H_RAISE,  /* void (): always raises */
    FX_H_VEC,    /* v128 (v128, i64, v128), pure */
    FX_H_VTOI,   /* i64 (v128): changes v0 */
};

typedef enum FxLeave { FX_GOTO, FX_EXIT, FX_RAISED } FxLeave;

/* Everything that a run can change or tell. */
typedef struct FxState {
    uint64_t x[FX_NX];
    uint32_t w[FX_NW];
    uint64_t d[FX_ND];
    uint32_t s[FX_NS];
    uint64_t scratch[FX_NSCRATCH];
    IrV128 v[FX_NV];
    uint32_t fp_round, fp_flags;
    uint64_t pc;
    uint64_t raised; /* what the raise was for */
    FxLeave leave;
    uint8_t ram[FX_RAM_BYTES];
} FxState;

typedef struct FxEnv {
    TcgEnv env;
    uint64_t x[FX_NX];
    uint64_t d[FX_ND];
    uint32_t w[FX_NW];
    uint32_t s[FX_NS];
    uint64_t scratch[FX_NSCRATCH];
    IrV128 v[FX_NV];
    uint8_t *ram;
    uint64_t raised;
    /* Finds the page-relative guest PC behind env->host_ra; NULL: env->pc is right. */
    bool (*find_pc)(struct FxEnv *fx, int32_t *page_rel);
    void *opaque; /* of find_pc */
    jmp_buf leave;
} FxEnv;

extern const IrTarget fx_target;
extern void *const fx_runtime[RT_NFN];

FxEnv *fx_new(void);
void fx_free(FxEnv *fx);
/* Puts the machine into state @s (with the TLB as described above). */
void fx_load(FxEnv *fx, const FxState *s);
/* What the machine is in after a run that was left as @leave. */
void fx_save(const FxEnv *fx, FxLeave leave, FxState *s);
/* Runs @ir in the interpreter from @before. */
void fx_interpret(FxEnv *fx, const Ir *ir, const FxState *before, FxState *after);
/* NULL when equal, else the first difference in words, in a static buffer. */
const char *fx_difference(const FxState *a, const FxState *b);

#endif
