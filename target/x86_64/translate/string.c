/* SPDX-License-Identifier: MIT */
/*
 * String instructions.  SDM vol. 1, 7.3.9.3 and vol. 2, REP.
 *
 * Without a prefix they are a few IR operations; repeated ones, INS and OUTS are helpers
 * (helper/string.c), which do a part and come back when something else is due.
 */
#include "rhea/osdep.h"

#include "../strings.h"
#include "trans.h"

/* Bytes that an index moves by: the operand size, negative when DF is set. */
static IrVal step(X86Trans *t)
{
    unsigned size = t->insn.opsize, log2 = x86_log2(size);
    IrVal flags = ir_ldenv(t->ir, IR_I64, IR_MEM_32, offsetof(X86Env, eflags));
    IrVal twice = ir_bin(t->ir, IR_SHR, flags, ir_imm(t->ir, 10 - (log2 + 1)));

    twice = ir_and(t->ir, twice, ir_imm(t->ir, 2 * (int64_t)size));
    return ir_bin(t->ir, IR_SUB, ir_imm(t->ir, size), twice);
}

/* The element that an index register points to. */
static IrVal element(X86Trans *t, unsigned reg, MemAccess access)
{
    unsigned seg = reg == X86_RDI ? X86_ES : t->insn.seg;
    IrVal offset = x86_wrap(t, ir_get(t->ir, X86_G_REG + reg), t->insn.adsize);

    return x86_linear(t, seg, offset, t->insn.opsize, access);
}

static IrVal load_element(X86Trans *t, unsigned reg)
{
    return x86_load(t, element(t, reg, ACCESS_READ), 0, t->insn.opsize);
}

static void advance(X86Trans *t, unsigned reg, IrVal by)
{
    IrVal v = ir_add(t->ir, ir_get(t->ir, X86_G_REG + reg), by);

    x86_put(t, reg, t->insn.adsize, x86_narrow(t, v, t->insn.adsize));
}

/* Goes on behind the instruction when @done (I64) is not 0, else runs it again. */
static void again_unless(X86Trans *t, IrVal done, bool leaves)
{
    x86_flags_forget(t);
    if (x86_alone(t)) {
        x86_end_pc(t, IR_JUMP,
                   ir_movcond(t->ir, IR_NE, done, ir_imm(t->ir, 0), ir_pc(t->ir, t->next),
                              ir_pc(t->ir, t->pc)));
        return;
    }
    ir_exit_if(t->ir, IR_EQ, done, ir_imm(t->ir, 0), t->pc);
    if (leaves) {
        x86_end_context(t);
    }
}

static IrVal call_string(X86Trans *t, X86Helper helper)
{
    X86StringInfo info = {.size = t->insn.opsize,
                          .adsize = t->insn.adsize,
                          .seg = t->insn.seg,
                          .rep = t->insn.rep || t->insn.repne,
                          .while_zero = t->insn.rep,
                          .mode64 = t->mode64,
                          .flat = !(t->key & X86_KEY_SEGS),
                          .one = x86_alone(t),
                          .mmu = t->mmu};

    return x86_call1(t, helper, ir_imm(t->ir, x86_string_pack(info)));
}

static bool repeated(X86Trans *t, X86Helper helper)
{
    if (!t->insn.rep && !t->insn.repne) {
        return false;
    }
    again_unless(t, call_string(t, helper), false);
    return true;
}

void x86_op_movs(X86Trans *t)
{
    IrVal by, v;

    if (repeated(t, X86_H_MOVS)) {
        return;
    }
    v = load_element(t, X86_RSI);
    x86_store(t, element(t, X86_RDI, ACCESS_WRITE), 0, t->insn.opsize, v);
    by = step(t);
    advance(t, X86_RSI, by);
    advance(t, X86_RDI, by);
}

void x86_op_stos(X86Trans *t)
{
    unsigned size = t->insn.opsize;

    if (repeated(t, X86_H_STOS)) {
        return;
    }
    x86_store(t, element(t, X86_RDI, ACCESS_WRITE), 0, size, x86_get(t, X86_RAX, size));
    advance(t, X86_RDI, step(t));
}

void x86_op_lods(X86Trans *t)
{
    IrVal v;

    if (repeated(t, X86_H_LODS)) {
        return;
    }
    v = load_element(t, X86_RSI);
    x86_put(t, X86_RAX, t->insn.opsize, v);
    advance(t, X86_RSI, step(t));
}

static void compare(X86Trans *t, IrVal a, IrVal b)
{
    IrVal r = ir_bin(t->ir, IR_SUB, a, b);

    x86_flags_sum(t, X86_CC_CMP, t->insn.opsize, r, a, b, IR_NONE);
}

void x86_op_scas(X86Trans *t)
{
    IrVal v;

    if (repeated(t, X86_H_SCAS)) {
        return;
    }
    v = load_element(t, X86_RDI);
    compare(t, x86_get(t, X86_RAX, t->insn.opsize), v);
    advance(t, X86_RDI, step(t));
}

void x86_op_cmps(X86Trans *t)
{
    IrVal a, b, by;

    if (repeated(t, X86_H_CMPS)) {
        return;
    }
    a = load_element(t, X86_RSI);
    b = load_element(t, X86_RDI);
    compare(t, a, b);
    by = step(t);
    advance(t, X86_RSI, by);
    advance(t, X86_RDI, by);
}

/* Ports move 4 bytes at most. */
static void port_string(X86Trans *t, X86Helper helper)
{
    t->insn.opsize = MIN(t->insn.opsize, 4);
    again_unless(t, call_string(t, helper), true);
}

void x86_op_ins(X86Trans *t)
{
    port_string(t, X86_H_INS);
}

void x86_op_outs(X86Trans *t)
{
    port_string(t, X86_H_OUTS);
}
