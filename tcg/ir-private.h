/* SPDX-License-Identifier: MIT */
/* What the files of tcg/ share among themselves: scratch of the passes and properties of ops. */
#ifndef TCG_IR_PRIVATE_H
#define TCG_IR_PRIVATE_H

#include "tcg/ir.h"

#define IR_NOARGS                                                                                  \
    {                                                                                              \
        IR_NONE, IR_NONE, IR_NONE, IR_NONE                                                         \
    }

enum { IR_CSE_SLOTS = 256 };

/* What ir_opt_env() knows of a global; void unless the epoch is the pass's own. */
typedef struct IrGlobalState {
    uint32_t value_epoch;
    uint32_t put_epoch;
    IrVal value; /* that the global holds */
    IrVal put;   /* last PUT, which dies if another comes before anything can leave */
} IrGlobalState;

/* Work space, so that no pass allocates. */
typedef struct IrScratch {
    IrInsn *spare;          /* IR_MAX_INSNS: where rebuilding passes write; swapped with insns */
    IrGlobalState *globals; /* of target->nglobals */
    uint32_t epoch;
    IrVal map[IR_MAX_INSNS]; /* old value -> new value */
    IrVal cse[IR_CSE_SLOTS]; /* hash of an insn -> a value that may equal it */
} IrScratch;

static inline void ir_map_args(IrInsn *insn, const IrVal *map)
{
    for (unsigned k = 0; k < ARRAY_SIZE(insn->arg); k++) {
        if (insn->arg[k] != IR_NONE) {
            insn->arg[k] = map[insn->arg[k]];
        }
    }
}

/* Appends @insn as it stands; its value, or that of the last instruction when the block is full. */
IrVal ir_append(Ir *ir, const IrInsn *insn);
/* Empties @ir, for building anew from *old (in scratch->spare); how many were there. */
unsigned ir_rebuild_begin(Ir *ir, const IrInsn **old);
/* Debug builds: stops when a pass has broken the block. */
void ir_check_pass(const Ir *ir, const char *pass);

/* What an op uses beside args; for text and verification. */
typedef enum IrCondKind {
    IR_COND_NONE,
    IR_COND_INT,
    IR_COND_FCMP,
    IR_COND_ROUND,
    IR_COND_ATOMIC,
    IR_COND_JUMP,
    IR_COND_FMA,
    IR_COND_LANE,
    IR_COND_NKINDS
} IrCondKind;

typedef enum IrImmKind {
    IR_IMM_NONE,
    IR_IMM_INT,
    IR_IMM_BYTE, /* 0..255 */
    IR_IMM_GLOBAL,
    IR_IMM_HELPER
} IrImmKind;

typedef struct IrOpText {
    uint8_t cond; /* IrCondKind */
    uint8_t imm;  /* IrImmKind */
    bool mem, mmu;
} IrOpText;

/* Names of lanes and groups of them, as the table of vector ops has them. */
enum {
    L8 = 1 << IR_L8,
    L16 = 1 << IR_L16,
    L32 = 1 << IR_L32,
    L64 = 1 << IR_L64,
    SS = 1 << IR_SS,
    SD = 1 << IR_SD,
    PS = 1 << IR_PS,
    PD = 1 << IR_PD,
    LANES_INT = L8 | L16 | L32 | L64,
    LANES_FP = SS | SD | PS | PD,
};

static inline bool ir_is_vec(IrOp op)
{
    return op >= IR_VFROM && op <= IR_VFFROMHALF;
}

/* tcg/vec-helpers.c: lanes that an op may have (1 << IrLane), and its helper. */
uint8_t ir_vec_lanes(IrOp op);
const IrHelper *ir_vec_helper(IrOp op);

extern const IrOpText ir_op_text[IR_NOPS];
/* Names of cond values by kind, NULL-terminated; NULL for IR_COND_NONE. */
extern const char *const *const ir_cond_names[IR_COND_NKINDS];
extern const char *const ir_type_names[IR_NTYPES];

static inline unsigned ir_type_bytes(IrType type)
{
    return type == IR_V128 ? 16 : type == IR_I32 || type == IR_F32 ? 4 : 8;
}

/* Does the insn define a value? */
static inline bool ir_has_result(const IrInsn *insn)
{
    return !(ir_op_info[insn->op].props & IR_PROP_NORESULT) && insn->type != IR_VOID;
}

/* May the insn be dropped when nobody uses its value? */
static inline bool ir_droppable(const Ir *ir, const IrInsn *insn)
{
    switch (insn->op) {
    case IR_GET:
    case IR_LDENV: return true;
    case IR_CALL: return ir_helper(ir->target, insn->imm)->flags & IR_HELPER_PURE;
    default: return ir_op_info[insn->op].props & IR_PROP_PURE;
    }
}

/* Can the insn leave the block, so that all globals must be right before it? */
static inline bool ir_may_leave(const Ir *ir, const IrInsn *insn)
{
    if (insn->op == IR_CALL) {
        return ir_helper(ir->target, insn->imm)->flags & (IR_HELPER_STATE | IR_HELPER_LAST);
    }
    return insn->op == IR_EXIT_IF || ir_op_info[insn->op].props & (IR_PROP_FAULTS | IR_PROP_ENDS);
}

#endif
