/* SPDX-License-Identifier: MIT */
/*
 * What the files of the x86_64 translator share.  One X86Trans is one x86_translate() call.
 *
 * A body (x86_op_add() ... declared in the generated maps.h) emits the IR of one instruction.  The core
 * has loaded the operands that the action reads into t->v[]; it stores those that the action writes
 * from there afterwards: first memory, then registers, then the flags that the body has announced, so
 * that all that may fault comes before the first PUT (tcg/ir.h).
 *
 * A value of 8 bytes is I64; all smaller ones are I32, whose bits beyond the size mean nothing.
 */
#ifndef TARGET_X86_64_TRANSLATE_TRANS_H
#define TARGET_X86_64_TRANSLATE_TRANS_H

#include "flags.h"

/* The arithmetic flags, as far as the translator knows them. */
typedef struct X86Flags {
    X86Cc kind;
    unsigned size;        /* bytes */
    IrVal dst, src, src2; /* typed by size; for EFLAGS src is I32; for DYNAMIC all are I64 */
    IrVal a;              /* of ADD, ADC, SUB, CMP, SBB: the first operand; dst is the result */
    IrVal out;            /* of ADC and SBB of 4 and 8 bytes: the new CF (I32) */
    IrVal op;             /* of DYNAMIC: I32 */
    IrVal rotated;        /* x86_flags_rotate()'s pair, while carry and overflow stand for it too */
    IrVal carry;          /* CF where it was set on its own (I32, 0 or 1), or IR_NONE ... */
    IrVal overflow;       /* ... and OF */
} X86Flags;

struct X86Trans {
    Ir *ir;
    const X86Model *model;
    CpuKey key;
    unsigned mmu; /* of data accesses */
    unsigned cpl;
    bool mode64;
    IrMem align;   /* IR_MEM_ALIGN when data accesses are checked */
    int64_t start; /* of the block, relative to pc_page */
    int64_t pc;    /* of this instruction */
    int64_t next;  /* of the instruction behind it */
    X86Insn insn;
    bool ended; /* the IR has its last op */
    IrVal v[X86_MAX_OPNDS];
    IrVal addr;  /* linear address of the memory operand, once computed; or IR_NONE */
    bool stored; /* the first operand is in memory already: a locked operation */
    X86Flags flags;
    IrVal op_value; /* CC_OP as it was stored last in the block: the number op_known */
    unsigned op_known;
    IrVal end_value, count_value; /* X86_KEY_CSLIMIT: arguments of CS_FETCH */
    bool more;                    /* another instruction may follow this one in the block */
    unsigned left;                /* the block ends after so many more; 0: no such limit */
    bool new_flags;               /* t->flags is to be stored after this instruction */
};

static inline unsigned x86_log2(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

static inline IrType x86_type(unsigned size)
{
    return size == 8 ? IR_I64 : IR_I32;
}

/* --- operand.c: registers --- */

/* Register @n at @size; bytes are AL.. or, in instructions that say so, AH... */
IrVal x86_get(X86Trans *t, unsigned n, unsigned size);
IrVal x86_get_byte(X86Trans *t, unsigned n);
/* Writes it: 4 bytes clear the upper half, fewer leave the rest. */
void x86_put(X86Trans *t, unsigned n, unsigned size, IrVal v);
void x86_put_byte(X86Trans *t, unsigned n, IrVal v);
/* The low @size bytes of @v (I32) into it from bit @low on. */
void x86_put_part(X86Trans *t, unsigned n, unsigned size, unsigned low, IrVal v);

/* @v of @size zero- or sign-extended in its type. */
IrVal x86_zext(X86Trans *t, IrVal v, unsigned size);
IrVal x86_sext(X86Trans *t, IrVal v, unsigned size);
/* The same into 64 bits. */
IrVal x86_zext64(X86Trans *t, IrVal v, unsigned size);
IrVal x86_sext64(X86Trans *t, IrVal v, unsigned size);
/* An I64 cut to the type of @size; a constant of that type. */
IrVal x86_narrow(X86Trans *t, IrVal v, unsigned size);
IrVal x86_imm(X86Trans *t, int64_t v, unsigned size);

/* --- operand.c: memory --- */

/* ModRM's effective address, as an offset in its segment (I64). */
IrVal x86_offset(X86Trans *t);
/* @offset in @seg as a linear address, after the checks for @bytes at it. */
IrVal x86_linear(X86Trans *t, unsigned seg, IrVal offset, unsigned bytes, MemAccess access);
/* The memory operand's linear address, checked for @bytes. */
IrVal x86_address(X86Trans *t, unsigned bytes, MemAccess access);
/* An offset cut to an address size. */
IrVal x86_wrap(X86Trans *t, IrVal offset, unsigned adsize);
IrVal x86_load(X86Trans *t, IrVal linear, int64_t disp, unsigned size);
/* Of a place that is written next. */
IrVal x86_load_rmw(X86Trans *t, IrVal linear, unsigned size);
void x86_store(X86Trans *t, IrVal linear, int64_t disp, unsigned size, IrVal v);
static inline IrMem x86_mem(const X86Trans *t, unsigned size)
{
    return x86_log2(size) | t->align;
}

/* Loads what the action reads, stores what it has written; @loaded: the first operand as it was. */
void x86_load_operands(X86Trans *t);
void x86_store_operands(X86Trans *t, IrVal loaded);
void x86_store_operand(X86Trans *t, unsigned n);

/* --- operand.c: the stack --- */

unsigned x86_stack_size(const X86Trans *t);
IrVal x86_stack_offset(X86Trans *t, int64_t disp);
void x86_put_sp(X86Trans *t, IrVal offset);
/* Stores @v below the stack pointer, which follows. */
void x86_push_value(X86Trans *t, IrVal v, unsigned size);
/* What lies @disp above the stack pointer, which stays. */
IrVal x86_stack_load(X86Trans *t, int64_t disp, unsigned size);
void x86_add_sp(X86Trans *t, int64_t n);

/* --- flags.c --- */

/* After these the flags follow from the operands given.  size is theirs. */
void x86_flags_set(X86Trans *t, X86Cc kind, unsigned size, IrVal dst, IrVal src);
void x86_flags_sum(X86Trans *t, X86Cc kind, unsigned size, IrVal dst, IrVal a, IrVal b,
                   IrVal carry);
void x86_flags_eflags(X86Trans *t, IrVal i32);
/* CF becomes @carry (I32, 0 or 1), the others stay; OF likewise. */
void x86_flags_carry(X86Trans *t, IrVal carry);
void x86_flags_overflow(X86Trans *t, IrVal overflow);
/* Both from @pair (I32, 0 to 3): CF is the upper bit, OF whether the bits differ. */
void x86_flags_rotate(X86Trans *t, IrVal pair);
/* What has been set holds only if @count (I32) is not 0; else @old. */
void x86_flags_unless_zero(X86Trans *t, IrVal count, const X86Flags *old);
/* They are in the globals only: a helper has set them, or a block begins. */
void x86_flags_forget(X86Trans *t);
/* PUTs what was set. */
void x86_flags_commit(X86Trans *t);

/* All of them where EFLAGS has them (I32). */
IrVal x86_flags_all(X86Trans *t);
/* X86_FLAG_C...: 0 or 1 (I32). */
IrVal x86_flag(X86Trans *t, unsigned flag);

typedef struct X86Cond {
    IrCond cond;
    IrVal a, b;
} X86Cond;

/* Condition 0..15 of Jcc. */
X86Cond x86_cond(X86Trans *t, unsigned cc);

/* --- core.c: ends of a block --- */

static inline bool x86_alone(const X86Trans *t)
{
    return t->key & X86_KEY_ALONE;
}

/* Goes on at linear address @pc (I64), in a context that may have changed. */
void x86_end_pc(X86Trans *t, IrJumpKind kind, IrVal pc);
/* Goes on behind this instruction in such a context. */
void x86_end_context(X86Trans *t);
/* Leaves to the loop, which looks at interrupts, to go on behind this instruction. */
void x86_end_exit(X86Trans *t);
/* Goes to page_rel @target, cut to the operand size: chained where that can be. */
void x86_end_jump(X86Trans *t, int64_t target);
/* The same if @c holds, else on behind this instruction (the block may not have ended). */
void x86_jump_if(X86Trans *t, X86Cond c, int64_t target);
/* Goes on at offset @eip (I64, cut to size already) in CS. */
void x86_end_eip(X86Trans *t, IrJumpKind kind, IrVal eip);
/* The offset in CS of page_rel @target (I64), cut to @size. */
IrVal x86_eip(X86Trans *t, int64_t target, unsigned size);
/*
 * For what is rare: leaves the block if @c holds, to run this instruction again as the first of a block.
 * False, with nothing emitted, when it is the first: then it must do the rare thing, too.
 */
bool x86_leave_if(X86Trans *t, X86Cond c);
/* Raises an exception: code 0 where it has one. */
void x86_end_raise(X86Trans *t, unsigned vector);
/* After a helper that does not return. */
void x86_end_dead(X86Trans *t);

/* False, and #GP is raised, unless at CPL 0. */
bool x86_need_cpl0(X86Trans *t);

/* Calls with fewer arguments. */
static inline IrVal x86_call0(X86Trans *t, X86Helper h)
{
    return ir_call(t->ir, h, IR_NONE, IR_NONE, IR_NONE, IR_NONE);
}

static inline IrVal x86_call1(X86Trans *t, X86Helper h, IrVal a)
{
    return ir_call(t->ir, h, a, IR_NONE, IR_NONE, IR_NONE);
}

static inline IrVal x86_call2(X86Trans *t, X86Helper h, IrVal a, IrVal b)
{
    return ir_call(t->ir, h, a, b, IR_NONE, IR_NONE);
}

static inline IrVal x86_call3(X86Trans *t, X86Helper h, IrVal a, IrVal b, IrVal c)
{
    return ir_call(t->ir, h, a, b, c, IR_NONE);
}

#endif
