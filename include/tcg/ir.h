/* SPDX-License-Identifier: MIT */
/*
 * The translator's intermediate representation.
 *
 * A block is a straight line of typed SSA instructions with one entry, optional side exits (EXIT_IF)
 * and one final exit.  A value is the number of the instruction that defines it; it is defined before
 * it is used and lives only in the block.  State that outlives the block is in *globals* (guest
 * registers: GET, PUT) and in other fields of the CPU state (LDENV, STENV).
 *
 * Precision: PUTs are in program order.  A pass may drop a PUT only if the same global is PUT again
 * with no FAULTS op, EXIT_IF or non-pure CALL between; so at every op that can leave the block all
 * globals hold the values of the guest instruction boundary before it.  Front ends therefore do all
 * that may fault before their first PUT.
 *
 * Threading: an Ir belongs to one thread.
 */
#ifndef TCG_IR_H
#define TCG_IR_H

#include <stdio.h>

#include "rhea/base.h"
#include "tcg/env.h"

typedef enum IrType { IR_VOID, IR_I32, IR_I64, IR_F32, IR_F64, IR_V128, IR_NTYPES } IrType;

/* A V128 in memory: lane 0 first, each lane in the host's byte order. */
typedef union IrV128 {
    uint8_t u8[16];
    uint16_t u16[8];
    uint32_t u32[4];
    uint64_t u64[2];
} IrV128;

typedef enum IrOp {
#define IR_OP(name, nargs, props, lack) IR_##name,
#include "tcg/ir-ops.def"
#undef IR_OP
    IR_NOPS
} IrOp;

enum {
    IR_PROP_PURE = 1 << 0,
    IR_PROP_COMMUTES = 1 << 1,
    IR_PROP_FAULTS = 1 << 2,
    IR_PROP_NORESULT = 1 << 3,
    IR_PROP_ENDS = 1 << 4,
    IR_PROP_FP = 1 << 5, /* reads fp_round, adds to fp_flags; otherwise pure */
    IR_PROP_CALL = 1 << 6,
};

typedef enum IrCond {
    IR_EQ,
    IR_NE,
    IR_LT,
    IR_GE,
    IR_LE,
    IR_GT,
    IR_LTU,
    IR_GEU,
    IR_LEU,
    IR_GTU,
} IrCond;

typedef enum IrFcmp {
    IR_FEQ, /* quiet: INVALID for signalling NaNs only */
    IR_FLT, /* signalling: INVALID for any NaN */
    IR_FLE,
    IR_FLT_QUIET,
    IR_FLE_QUIET,
} IrFcmp;

typedef enum IrRound {
    IR_ROUND_NEAREST, /* ties to even */
    IR_ROUND_ZERO,
    IR_ROUND_DOWN,
    IR_ROUND_UP,
    IR_ROUND_NEAREST_MAX, /* ties away from zero: never in fp_round while FP ops run; helpers only */
    IR_ROUND_CURRENT,     /* in an insn: what fp_round says */
} IrRound;

typedef enum IrAtomic {
    IR_XCHG,
    IR_ATOMIC_ADD,
    IR_ATOMIC_AND,
    IR_ATOMIC_OR,
    IR_ATOMIC_XOR,
    IR_ATOMIC_MIN,
    IR_ATOMIC_MAX,
    IR_ATOMIC_MINU,
    IR_ATOMIC_MAXU,
} IrAtomic;

typedef enum IrJumpKind {
    IR_JUMP,
    IR_CALL_JUMP,
    IR_CONTEXT_JUMP, /* the translation key or the mappings may have changed: looked up anew, always */
    IR_RET,
} IrJumpKind;

enum { IR_FMA_NEG_PRODUCT = 1, IR_FMA_NEG_ADDEND = 2 };

/* Lanes of a vector op, in cond: integers by width, floating point by format. */
typedef enum IrLane { IR_L8, IR_L16, IR_L32, IR_L64, IR_SS, IR_SD, IR_PS, IR_PD } IrLane;

/* imm of VFMA: IR_FMA_* or-ed with these.  Which lanes subtract arg2 instead, and which argument gives
 * the lanes that SS and SD do not compute, named after the x86 forms where it is the first operand. */
enum {
    IR_VFMA_ADDSUB = 4,   /* even lanes subtract */
    IR_VFMA_SUBADD = 8,   /* odd lanes do */
    IR_VFMA_132 = 0 << 4, /* arg0 */
    IR_VFMA_213 = 1 << 4, /* arg1 */
    IR_VFMA_231 = 2 << 4, /* arg2 */
    IR_VFMA_FORM = 3 << 4,
};

/* imm of VFTOINT, VFROMINT. */
enum { IR_VINT_TRUNCATE = 1, IR_VINT_64 = 2 };
/* IR_FENCE imm: earlier (R, W) accesses before later (R, W) ones. */
enum { IR_FENCE_RR = 1, IR_FENCE_RW = 2, IR_FENCE_WR = 4, IR_FENCE_WW = 8, IR_FENCE_ALL = 15 };

/* Memory-operation byte: width (log2 of bytes), sign extension, natural alignment demanded. */
typedef uint8_t IrMem;
enum {
    IR_MEM_8 = 0,
    IR_MEM_16 = 1,
    IR_MEM_32 = 2,
    IR_MEM_64 = 3,
    IR_MEM_128 = 4,  /* V128 only */
    IR_MEM_SIZE = 7, /* mask */
    IR_MEM_SIGNED = 1 << 3,
    /* A misaligned address faults (CpuOps.misaligned) instead of working; ATOMIC and CAS outside RAM
     * fault too.  Without it those are done with all other vCPUs stopped: slow, and right. */
    IR_MEM_ALIGN = 1 << 4,
    IR_MEM_ACQUIRE = 1 << 5,
    IR_MEM_RELEASE = 1 << 6,
    /* LOAD: the place is to be written next.  Faults are those of a write, and the two may share a look
     * into the TLB. */
    IR_MEM_RMW = 1 << 7,
};

typedef uint16_t IrVal; /* instruction number */
enum { IR_NONE = 0xffff, IR_MAX_INSNS = 4000 };

typedef struct IrInsn {
    uint8_t op;   /* IrOp */
    uint8_t type; /* IrType of the result, or of what is stored */
    uint8_t cond; /* IrCond, IrFcmp, IrRound, IrAtomic, IrJumpKind, ... by op */
    IrMem mem;
    uint8_t mmu;
    uint8_t spare[3];
    IrVal arg[4]; /* IR_NONE where absent */
    int64_t imm;
} IrInsn;

/* A guest register.  Backends keep the globals of lowest rank (0 first) of each class in host registers. */
typedef struct IrGlobal {
    const char *name;
    IrType type;
    int32_t offset; /* from env */
    uint8_t rank;   /* 255: never pinned */
} IrGlobal;

/* A helper with neither PURE nor STATE has effects elsewhere, but touches no global and cannot leave. */
enum {
    IR_HELPER_PURE = 1 << 0, /* result depends on arguments only; touches no global; cannot leave */
    IR_HELPER_STATE = 1 << 1, /* may read and write globals, may raise (not return) */
    IR_HELPER_FP = 1 << 2,    /* uses fp_round and fp_flags in env */
    IR_HELPER_LAST = 1 << 3,  /* never returns: always raises */
};

/*
 * All helpers have one C type.  Float arguments and results travel as raw bits, I32 ones zero-extended
 * (upper half of a result ignored).  A V128 argument is a pointer to a copy, IrV128 const *; a helper
 * whose result is one has the second type and stores it in *r, which no argument points to.
 */
typedef uint64_t (*IrHelperFn)(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
typedef uint64_t (*IrHelperVecFn)(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                  IrV128 *r);

#define IR_VEC_FN(fn) ((IrHelperFn)(void (*)(void))(fn))

typedef struct IrHelper {
    const char *name;
    IrHelperFn fn; /* IR_VEC_FN() of one with a V128 result */
    uint8_t flags;
    uint8_t ret;     /* IrType */
    uint8_t args[4]; /* IrType; IR_VOID ends the list */
} IrHelper;

/* What a target tells the engine once.  Lives for ever. */
typedef struct IrTarget {
    const char *name;
    const IrGlobal *globals;
    unsigned nglobals;
    const IrHelper *helpers;
    unsigned nhelpers;
    bool denormal_flag;    /* fp_flags gets IR_FP_DENORMAL; scalar FP ops may raise it at random */
    bool often_misaligned; /* its programs do much of that: worth an instruction at every access */
} IrTarget;

typedef struct Ir {
    const IrTarget *target;
    IrInsn *insns; /* cap of them: IR_MAX_INSNS, or n in an ir_dup() */
    unsigned n;
    unsigned cap;
    bool overflow;             /* more than fits was emitted: translate fewer guest insns */
    bool counting;             /* TcgEnv.insns is kept right wherever the block can be left */
    bool fp_calls;             /* vector FP ops are to be done in software: see IR_FP_TRAPS */
    unsigned ninsns;           /* guest instructions so far, when counting */
    struct IrScratch *scratch; /* the passes' own */
} Ir;

typedef struct IrOpInfo {
    const char *name;
    uint8_t nargs;
    uint8_t props; /* IR_PROP_* */
    enum { IR_REQUIRED, IR_EXPAND, IR_HELPER } lack;
} IrOpInfo;

extern const IrOpInfo ir_op_info[IR_NOPS];

/* --- Life --- */

Ir *ir_new(const IrTarget *target);
void ir_free(Ir *ir);
void ir_clear(Ir *ir);
/* A copy with no room to grow, for keeping: to be run or printed, not to be built on or optimised. */
Ir *ir_dup(const Ir *ir);

/*
 * --- Building: each appends one instruction and returns its value (or nothing) ---
 *
 * Nothing here fails: when the block is full, overflow is set and some value comes back that can be
 * used in further calls.  Whoever asked for the translation looks at overflow at its end.
 */

IrVal ir_emit(Ir *ir, IrOp op, IrType type, IrVal a, IrVal b, IrVal c, IrVal d, int64_t imm);

IrVal ir_imm(Ir *ir, int64_t v);   /* I64 */
IrVal ir_imm32(Ir *ir, int32_t v); /* I32 */
IrVal ir_get(Ir *ir, unsigned global);
void ir_put(Ir *ir, unsigned global, IrVal v);
IrVal ir_ldenv(Ir *ir, IrType type, IrMem mem, int32_t offset);
void ir_stenv(Ir *ir, IrMem mem, int32_t offset, IrVal v);
IrVal ir_pc(Ir *ir, int64_t page_rel);
void ir_insn(Ir *ir, int64_t page_rel);

IrType ir_type(const Ir *ir, IrVal v);

/* Unary and binary operations: the type is that of @a (TRUNC, SEXT32, ZEXT32: the op's own). */
IrVal ir_un(Ir *ir, IrOp op, IrVal a);
IrVal ir_bin(Ir *ir, IrOp op, IrVal a, IrVal b);
static inline IrVal ir_add(Ir *ir, IrVal a, IrVal b)
{
    return ir_bin(ir, IR_ADD, a, b);
}
static inline IrVal ir_sub(Ir *ir, IrVal a, IrVal b)
{
    return ir_bin(ir, IR_SUB, a, b);
}
static inline IrVal ir_and(Ir *ir, IrVal a, IrVal b)
{
    return ir_bin(ir, IR_AND, a, b);
}
static inline IrVal ir_or(Ir *ir, IrVal a, IrVal b)
{
    return ir_bin(ir, IR_OR, a, b);
}
static inline IrVal ir_xor(Ir *ir, IrVal a, IrVal b)
{
    return ir_bin(ir, IR_XOR, a, b);
}

IrVal ir_setcond(Ir *ir, IrType type, IrCond cond, IrVal a, IrVal b);
IrVal ir_movcond(Ir *ir, IrCond cond, IrVal a, IrVal b, IrVal if_true, IrVal if_false);

IrVal ir_load(Ir *ir, IrType type, IrMem mem, unsigned mmu, IrVal base, int64_t disp);
void ir_store(Ir *ir, IrMem mem, unsigned mmu, IrVal base, int64_t disp, IrVal v);
IrVal ir_atomic(Ir *ir, IrType type, IrAtomic op, IrMem mem, unsigned mmu, IrVal addr, IrVal v);
IrVal ir_cas(Ir *ir, IrType type, IrMem mem, unsigned mmu, IrVal addr, IrVal expect, IrVal desired);
void ir_fence(Ir *ir, int kinds);

IrVal ir_fp1(Ir *ir, IrOp op, IrVal a); /* FSQRT */
IrVal ir_fp2(Ir *ir, IrOp op, IrVal a, IrVal b);
IrVal ir_fma(Ir *ir, int negate, IrVal a, IrVal b, IrVal addend);
IrVal ir_fcmp(Ir *ir, IrFcmp cond, IrVal a, IrVal b);
IrVal ir_fcvt(Ir *ir, IrOp op, IrType to, IrRound round, IrVal a);
IrVal ir_fbits(Ir *ir, IrType to, IrVal a);
IrVal ir_fbox(Ir *ir, IrVal f32);
/* A vector op (vec-ops.def), of one argument to three; absent ones are IR_NONE. */
IrVal ir_vec(Ir *ir, IrOp op, IrLane lane, IrVal a, IrVal b, IrVal c, unsigned imm);
IrVal ir_funbox(Ir *ir, IrVal f64);

/* Absent arguments are IR_NONE.  Returns IR_NONE for a VOID helper. */
IrVal ir_call(Ir *ir, unsigned helper, IrVal a, IrVal b, IrVal c, IrVal d);

void ir_exit_if(Ir *ir, IrCond cond, IrVal a, IrVal b, int64_t page_rel);
void ir_goto(Ir *ir, int64_t page_rel);
void ir_goto_ind(Ir *ir, IrJumpKind kind, IrVal pc);
void ir_exit(Ir *ir, int64_t page_rel);

/*
 * --- Passes: in place; dead instructions are removed and values renumbered by ir_dce() ---
 *
 * Of the INSNs, ir_dce() keeps those behind which something may fault or call.
 */

void ir_opt_env(Ir *ir);  /* forwards PUT to GET and GET to GET, drops dead PUTs */
void ir_opt_fold(Ir *ir); /* constants, identities, strength; displacements into LOAD/STORE */
void ir_dce(Ir *ir);
void ir_optimise(Ir *ir); /* all of them, in the order that pays */

/*
 * Rewrites ops that @has (indexed by IrOp) lacks into others, or into calls of op helpers.  Sets
 * overflow when the result does not fit.
 */
void ir_expand(Ir *ir, const bool *has);

/*
 * Op helpers: C functions that compute the HELPER ops, numbered from IR_OP_HELPER_BASE.  Arguments
 * are the op's own; ops that use cond get it as one more argument (vector ops: cond | imm << 8).
 */
enum { IR_OP_HELPER_BASE = 0x10000 };
unsigned ir_op_helper_count(void);
/* The number (IR_OP_HELPER_BASE + index) of the helper for @op with result @type, operands @arg; -1: none. */
int32_t ir_op_helper(IrOp op, IrType type, IrType arg);
/* Helper number @n of @t: the target's table, or an op helper from IR_OP_HELPER_BASE on. */
const IrHelper *ir_helper(const IrTarget *t, int64_t n);

/* NULL when well formed, else what is wrong, in a static buffer per thread. */
const char *ir_verify(const Ir *ir);
void ir_print(const Ir *ir, FILE *out);
/* Parses what ir_print() writes (tests, goldens); false with *why on bad text. */
bool ir_parse(Ir *ir, const char *text, const char **why);

#endif
