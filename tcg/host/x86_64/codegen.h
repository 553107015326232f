/* SPDX-License-Identifier: MIT */
/*
 * Private to the x86-64 back end: the state of one compilation, the register conventions of
 * translated code and the interface between its parts (alloc.c, select*.c, flow.c, abi.c).
 *
 * Conventions of translated code
 *   rbp            env + ENV_BIAS
 *   rsp            the frame of backend_run(), fixed: arguments of calls, then spill slots
 *   pinned         globals in their home registers, at block boundaries and wherever a block may be
 *                  left; a home holds nothing but its global, or the value of its next PUT once
 *                  nothing can observe the old one
 *   temporaries    values of the running block
 */
#ifndef TCG_HOST_X86_64_CODEGEN_H
#define TCG_HOST_X86_64_CODEGEN_H

#include "tcg/backend.h"
#include "bits.h"

enum { CLASS_GPR, CLASS_XMM, NCLASSES };

enum {
    ENV_BIAS = 128,
    NPINNED_GPR = 10,
    NPINNED_XMM = 10,
    NTEMP_XMM = 6, /* xmm0..xmm5 */

    /* The frame, from rsp. */
    FRAME_ARG0 = 0,
    FRAME_MXCSR = 40,
    FRAME_ACCESS = 48, /* an AccessFrame */
    FRAME_SLOT0 = FRAME_ACCESS + 32,
    FRAME_VEC0 = FRAME_SLOT0 + 16 * IR_MAX_INSNS, /* vectors to C: four arguments ... */
    FRAME_VEC_RESULT = FRAME_VEC0 + 4 * 16,       /* ... and the result */
    FRAME_TEMPS = FRAME_VEC_RESULT + 16,          /* temporaries during an access: XMM, then GPR */
    FRAME_SIZE = FRAME_TEMPS + 16 * NTEMP_XMM + 4 * 8 + 8, /* makes rsp a multiple of 16 */

    TEMP_GPRS = 1 << RAX | 1 << RCX | 1 << RDX | 1 << RSI,
    TEMP_XMMS = (1 << NTEMP_XMM) - 1,
};

/* Entries that the backend adds to the runtime table, behind the caller's RT_NFN. */
typedef enum Thunk {
    THUNK_ACCESS = RT_NFN, /* see access.c */
    THUNK_EXIT,            /* called by an exit's stub; rax: pc */
    THUNK_CROSS,           /* the same, after a look into the jump cache */
    THUNK_LEAVE,           /* jumped to; rax: pc */
    THUNK_LOOKUP,          /* jumped to; rax: pc */
    THUNK_STATE,           /* rax: C function */
    THUNK_PURE,
    THUNK_PURE_FP,
    THUNK_ATOMIC, /* args in the frame; result in rax */
    THUNK_CAS,
    C_ACCESS, /* two C functions, for THUNK_ACCESS */
    C_ACCESS_SLOW,
    THUNK_END, /* op helpers follow, by number */
} Thunk;

/* Flags of THUNK_ACCESS beside what the runtime functions are told (IrMem | mmu << 8 | RT_WRITE). */
enum {
    ACCESS_GROUP = 1 << 11,       /* the first of a group: asks for the group's addend too ... */
    ACCESS_GROUP_ALIGN = 1 << 12, /* ... which must be aligned to this log2: 3 bits */
};

/* What an access that misses the inline TLB shares with C, in the frame. */
typedef struct AccessFrame {
    uint8_t buffer[16];   /* stands for memory that is not plain RAM */
    uint16_t below, span; /* the group's range: from va - below on, of span + 1 bytes */
    uint64_t addend;      /* out: the group's, or 0 */
} AccessFrame;

/* What the allocator knows of a value.  Values that share bits (TRUNC) share one root. */
typedef struct Val {
    IrVal root;
    IrVal last_use; /* index of the last instruction that reads it */
    IrVal next;     /* in the list of values that equal a global */
    int16_t slot;   /* reserved frame slot (two for a vector) or -1 */
    int16_t global; /* equals this global now, or -1 */
    int16_t hint;   /* global whose home it is worth computing it into, or -1 ... */
    IrVal hint_for; /* ... because this root is PUT there */
    uint8_t reg;    /* temporary, or home before its PUT; NO_REG */
    uint8_t cls;
    bool in_slot; /* the slot holds it */
    bool fused;   /* a shift that is part of the sum which uses it: no code, no place */
} Val;

typedef enum OpndKind { OPND_REG, OPND_MEM, OPND_IMM } OpndKind;

/* Where an argument is found. */
typedef struct Opnd {
    OpndKind kind;
    uint8_t reg;
    Mem mem;
    int64_t imm;
} Opnd;

/*
 * Accesses off one base, at most constants away, whose displacements lie close together: the first one's
 * TLB probe is good for all, see select-mem.c.  The addend is a value of its own, number Cg.ir->n + group.
 */
enum { OPEN_GROUPS = 8 }; /* how many may get members at one time */
enum {
    GROUP_TABLE = -2
}; /* in Cg.group_of: a load from a small table, which has a probe of its own */

typedef struct Group {
    IrVal base; /* root */
    IrVal first, last;
    int32_t at;       /* displacement of the first access ... */
    int32_t lo, hi;   /* ... and of the lowest and highest byte */
    int32_t align_at; /* the sum of base and this must be a multiple ... */
    uint8_t align;    /* ... of 1 << align: the most that a member demands */
    uint8_t mmu;
    bool write;
} Group;

/* A temporary that must survive an out-of-line call. */
typedef struct SavedReg {
    uint8_t cls, reg;
    bool wide;  /* a vector */
    bool store; /* not in its frame location yet */
    Mem mem;
} SavedReg;

struct Cg;

/* Out-of-line code, emitted behind the block's main line. */
typedef struct Stub {
    void (*emit)(struct Cg *c, const struct Stub *s);
    uint32_t from;  /* displacement of the jump that leads here */
    uint32_t from2; /* others, or 0 */
    uint32_t from3;
    uint32_t back;    /* position to return to */
    int32_t page_rel; /* of the guest instruction */
    const IrInsn *insn;
    uint8_t dst, cls; /* result, or what is stored (@value) */
    uint8_t base;     /* address: register and displacement */
    int32_t disp;
    Opnd value;
    uint8_t args[3]; /* registers of arguments; of an access, [0] is for the addend */
    int16_t group;   /* of an access, or -1 */
    uint8_t nsaved;
    SavedReg *saved; /* of a stub that calls C by itself: cg_keep_temps() */
} Stub;

struct Backend {
    const IrTarget *target;
    bool ops[IR_NOPS];
    bool has_fma, has_clmul, has_aes, has_sha, has_f16c;
    uint8_t *home; /* [nglobals]: host register or NO_REG */
    unsigned npinned[NCLASSES];
    uint16_t pinned[NCLASSES][16]; /* global held by pinned_reg(cls, i) */
    const uint8_t *rx;             /* of the enter stub and thunks */
    uint32_t enter_off;
    uint32_t thunk_off[THUNK_END];
    void **runtime;
};

/* Memory of one compilation: the first piece lies on the stack, others are linked. */
typedef struct Arena {
    size_t used;
    struct ArenaPiece *more;
    _Alignas(16) uint8_t first[24 * 1024];
} Arena;

typedef struct Cg {
    Backend *be;
    const Ir *ir;
    const CodeBlock *block;
    Asm a;
    unsigned i;       /* current instruction */
    int32_t page_rel; /* of the current guest instruction */
    Val *v;
    IrVal *in_global;          /* per global: first value that equals it, or IR_NONE */
    IrVal owner[NCLASSES][16]; /* of a temporary, or IR_NONE */
    uint32_t free_temps[NCLASSES];
    uint32_t locked[NCLASSES];        /* used by the current instruction */
    int16_t *free_slots, *free_pairs; /* pairs: even slots that have the next one with them */
    unsigned nfree_slots, nfree_pairs, nslots;
    Group *groups;
    int16_t *group_of; /* per instruction, -1 for none; or GROUP_TABLE, see select-mem.c */
    unsigned ngroups;
    IrVal extra_use; /* of the current instruction beside its arguments, or IR_NONE */
    Stub *stubs;
    CodePoint *points;
    CodeExit *exits;
    struct ExitJump *exit_jumps; /* flow.c; one for each exit */
    unsigned nstubs, npoints, nexits;
    uint32_t compare_at; /* position of the last compare, moved when its jump must be */
    Arena *arena;
} Cg;

/* --- backend.c --- */

/* @n elements of @size bytes, not cleared, until the compilation ends. */
void *cg_array(Cg *c, size_t n, size_t size);

/* --- alloc.c --- */

void cg_alloc_init(Cg *c);

static inline const IrInsn *cg_insn(const Cg *c)
{
    return &c->ir->insns[c->i];
}

/* The env field at @offset. */
static inline Mem cg_env(int64_t offset)
{
    return mem_at(RBP, (int32_t)offset - ENV_BIAS);
}

static inline uint32_t cg_w(IrType type)
{
    return type == IR_I64 ? X_W : 0;
}

/* The type that an XMM register is moved as for an access of @mem's width. */
static inline IrType cg_xmm_type(IrMem mem)
{
    switch (mem & IR_MEM_SIZE) {
    case IR_MEM_32: return IR_F32;
    case IR_MEM_64: return IR_F64;
    default: return IR_V128;
    }
}

/* Is @v read by no instruction after the current one? */
static inline bool cg_dies(const Cg *c, IrVal v)
{
    return c->v[c->v[v].root].last_use <= c->i;
}

bool cg_is_const(const Cg *c, IrVal v, int64_t *imm);

/* Where @v is, without moving it: constants that fit 32 bits are immediates, all others are put into
 * a register, as is whatever will be read again and finds a free temporary. */
Opnd cg_opnd(Cg *c, IrVal v);
/* @v in a register of its class, locked for this instruction. */
unsigned cg_use(Cg *c, IrVal v);
/* A temporary for the current instruction only. */
unsigned cg_scratch(Cg *c, unsigned cls);
/* The given temporary, emptied, for the current instruction only. */
void cg_take(Cg *c, unsigned cls, unsigned reg);

/* A register for the current instruction's result.  @overlap: an argument whose register may be the
 * result's (it dies here), IR_NONE for none; CG_WRITTEN_LAST: any may. */
enum { CG_WRITTEN_LAST = 0xfffe };
unsigned cg_def(Cg *c, IrVal overlap);
/* The same, for a result that is in @reg (from cg_take). */
void cg_def_in(Cg *c, unsigned reg);
/* A register for value @v, which is no instruction's. */
unsigned cg_def_extra(Cg *c, IrVal v, IrVal last_use);

/* The current instruction is a GET or PUT. */
void cg_get(Cg *c);
void cg_put(Cg *c);

/* After every instruction: what dies here goes. */
void cg_end_insn(Cg *c);

/* The stub keeps the temporaries that hold values needed after this instruction, its own result aside:
 * see cg_save_temps().  Reserves slots for them. */
void cg_keep_temps(Cg *c, Stub *stub);
/* Before a call that keeps globals: no live value in a temporary only. */
void cg_spill_temps(Cg *c);
/* Before a call that may write globals: no live value anywhere but in its slot. */
void cg_spill_all(Cg *c);

/* Moves of a value of @type between an XMM register and memory. */
void cg_xmm_load(Cg *c, IrType type, unsigned dst, Mem m);
void cg_xmm_store(Cg *c, IrType type, Mem m, unsigned src);

/* dst := the operand, in the register class @cls; @w for integers. */
void cg_move(Cg *c, unsigned cls, uint32_t w, unsigned dst, Opnd o);
Mem cg_slot_mem(const Cg *c, int slot);
unsigned cg_pinned_reg(unsigned cls, unsigned i);

/* --- select.c, select-mem.c, select-fp.c --- */

void cg_select(Cg *c);
void cg_alu(Cg *c, unsigned alu, uint32_t w, unsigned dst, Opnd o);
/* Compares the first two arguments of the current instruction and returns the condition code. */
unsigned cg_compare(Cg *c);
void cg_find_groups(Cg *c);
void cg_load(Cg *c);
void cg_store(Cg *c);
void cg_atomic(Cg *c);
void cg_cas(Cg *c);
void cg_fence(Cg *c);
void cg_call(Cg *c);
void cg_save_temps(Cg *c, const Stub *s);
void cg_restore_temps(Cg *c, const Stub *s);
Mem cg_frame_arg(unsigned n);
bool cg_select_fp(Cg *c);
bool cg_select_vec(Cg *c);
/* Marks the vector ops that this host does itself. */
void vec_choose_ops(Backend *be);
/* The current instruction's out-of-line part, entered by the jump at @from, back to here. */
Stub *cg_add_stub(Cg *c, void (*emit)(Cg *c, const Stub *s), uint32_t from);

/* --- flow.c --- */

void cg_exit_if(Cg *c);
void cg_goto(Cg *c);
void cg_goto_ind(Cg *c);
void cg_exit(Cg *c);
/* Emits what the exits need behind the block. */
void cg_flow_tail(Cg *c);
void cg_point(Cg *c, int32_t page_rel);
void cg_flow_init(Cg *c);
/* call or jmp through the runtime table; the call clobbers @scratch, the jump rcx. */
void cg_call_runtime(Cg *c, unsigned index, unsigned scratch);
void cg_jmp_runtime(Cg *c, unsigned index);

/* --- access.c; both: host address less va --- */

/* 0: not known yet. */
uint64_t access_quick(TcgEnv *env, uint64_t va, uint32_t info, AccessFrame *f);
/* Leaves on a fault. */
uint64_t access_slow(TcgEnv *env, uint64_t va, uint32_t info, AccessFrame *f);

/* --- abi.c --- */

/* Emits enter and all thunks. */
void abi_emit(Backend *be, Asm *a);
/* Puts the jump-cache probe for the pc in rax: rcx is the entry's offset from rbp behind it; the two
 * jumps out of it are for a miss. */
typedef struct JumpProbe {
    uint32_t miss[2];
} JumpProbe;
JumpProbe abi_emit_jump_probe(Asm *a);
int32_t abi_jump_offset(size_t field);

#endif
