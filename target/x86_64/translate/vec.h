/* SPDX-License-Identifier: MIT */
/*
 * What the vector files of the translator share: operands in MMX, XMM and YMM registers, and results.
 *
 * A YMM register is two values of 128 bits; an MMX register is the low half of one, the rest zero.
 */
#ifndef TARGET_X86_64_TRANSLATE_VEC_H
#define TARGET_X86_64_TRANSLATE_VEC_H

#include "trans.h"

/* Is the operand a vector (of any kind of register, or memory in its stead)? */
bool x86_vec_place(unsigned place);

/* False, and the exception is raised, unless the state of the machine lets the instruction run. */
bool x86_vec_may_run(X86Trans *t);

/* How many halves of 128 bits the instruction works on. */
unsigned x86_vec_halves(const X86Trans *t);
/* Half @half of operand @n; of memory and registers no wider than it, zero-extended from memory. */
IrVal x86_vec_load(X86Trans *t, unsigned n, unsigned half);
/* Writes the first operand: @high is IR_NONE where the instruction has one half. */
void x86_vec_store(X86Trans *t, IrVal low, IrVal high);

/* The op of the row on up to three values. */
IrVal x86_vec_op(X86Trans *t, IrVal a, IrVal b, IrVal c, unsigned imm);
/* An op of one, two values without lanes to choose. */
static inline IrVal x86_vec2(X86Trans *t, IrOp op, IrLane lane, IrVal a, IrVal b, unsigned imm)
{
    return ir_vec(t->ir, op, lane, a, b, IR_NONE, imm);
}

/* The immediate byte, 0 where there is none. */
unsigned x86_vec_imm(const X86Trans *t);

/* Around floating-point operations, where MXCSR unmasks exceptions: raises #XM before the result is
 * written. */
void x86_vec_fp_begin(X86Trans *t);
void x86_vec_fp_end(X86Trans *t);

/* Raises #MF if an x87 exception is pending. */
void x86_x87_check(X86Trans *t);

/* An instruction of MMX (or one between MMX and SSE) puts x87 into the state that goes with it. */
void x86_mmx_enter(X86Trans *t);

#endif
