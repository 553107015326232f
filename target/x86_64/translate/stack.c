/* SPDX-License-Identifier: MIT */
/* PUSH, POP, procedure frames.  SDM vol. 1, 6.2 and 6.6. */
#include "rhea/osdep.h"

#include "trans.h"

void x86_op_push(X86Trans *t)
{
    x86_push_value(t, t->v[0], t->insn.opsize);
}

void x86_op_pop(X86Trans *t)
{
    unsigned size = t->insn.opsize;
    IrVal v = x86_stack_load(t, 0, size), addr;

    if (!x86_opnd_is_modrm_mem(&t->insn, 0)) {
        x86_add_sp(t, size);
        t->v[0] = v;
        x86_store_operand(t, 0); /* POP rSP: what was loaded stays */
        return;
    }
    if (t->insn.base == X86_RSP) {
        t->insn.disp += size; /* the address counts with the new stack pointer */
    }
    addr = x86_address(t, size, ACCESS_WRITE);
    x86_store(t, addr, 0, size, v);
    x86_add_sp(t, size);
}

void x86_op_pusha(X86Trans *t)
{
    unsigned size = t->insn.opsize;

    for (int n = 0; n < 8; n++) {
        IrVal offset = x86_stack_offset(t, -(int64_t)size * (n + 1));

        x86_store(t, x86_linear(t, X86_SS, offset, size, ACCESS_WRITE), 0, size,
                  x86_get(t, n, size));
    }
    x86_add_sp(t, -(int64_t)size * 8);
}

void x86_op_popa(X86Trans *t)
{
    unsigned size = t->insn.opsize;
    IrVal v[8];

    for (int n = 7; n >= 0; n--) { /* upwards: which address a fault has */
        v[n] = x86_stack_load(t, (int64_t)size * (7 - n), size);
    }
    for (int n = 0; n < 8; n++) {
        if (n != X86_RSP) {
            x86_put(t, n, size, v[n]);
        }
    }
    x86_add_sp(t, (int64_t)size * 8);
}

void x86_op_pushf(X86Trans *t)
{
    unsigned size = t->insn.opsize;
    IrVal v;

    if (t->key & X86_KEY_VM86) {
        v = x86_narrow(t, x86_call1(t, X86_H_PUSHF, ir_imm(t->ir, size)), size);
    } else { /* RF and VM are read as 0 */
        v = ir_ldenv(t->ir, IR_I32, IR_MEM_32, offsetof(X86Env, eflags));
        v = ir_or(t->ir, v, x86_flags_all(t));
        v = ir_and(t->ir, v, ir_imm32(t->ir, ~(X86_RF | X86_VM)));
        v = size == 8 ? x86_zext64(t, v, 4) : v;
    }
    x86_push_value(t, v, size);
}

void x86_op_popf(X86Trans *t)
{
    unsigned size = t->insn.opsize;
    IrVal v = x86_stack_load(t, 0, size);

    x86_call2(t, X86_H_POPF, x86_zext64(t, v, size), ir_imm(t->ir, size));
    x86_add_sp(t, size);
    x86_flags_forget(t);
    x86_end_context(t);
}

/* Stores @v at @disp from the stack pointer as it was. */
static void frame_store(X86Trans *t, int64_t disp, unsigned size, IrVal v)
{
    IrVal offset = x86_stack_offset(t, disp);

    x86_store(t, x86_linear(t, X86_SS, offset, size, ACCESS_WRITE), 0, size, v);
}

/* The display: pointers to outer frames, from below rBP. */
static void copy_display(X86Trans *t, unsigned level, unsigned size, IrVal frame)
{
    for (unsigned i = 1; i < level; i++) {
        IrVal from =
            ir_add(t->ir, ir_get(t->ir, X86_G_REG + X86_RBP), ir_imm(t->ir, -(int64_t)size * i));

        from = x86_wrap(t, from, x86_stack_size(t));
        from = x86_linear(t, X86_SS, from, size, ACCESS_READ);
        frame_store(t, -(int64_t)size * (i + 1), size, x86_load(t, from, 0, size));
    }
    frame_store(t, -(int64_t)size * (level + 1), size, x86_narrow(t, frame, size));
}

void x86_op_enter(X86Trans *t)
{
    unsigned size = t->insn.opsize, level = t->insn.imm[1] & 31;
    int64_t down = -(int64_t)size * (level + 1) - (uint16_t)t->insn.imm[0];
    IrVal frame = x86_stack_offset(t, -(int64_t)size);

    frame_store(t, -(int64_t)size, size, x86_get(t, X86_RBP, size));
    if (level) {
        copy_display(t, level, size, frame);
    }
    /* The new top of the stack is checked, though nothing is written there. */
    x86_load_rmw(t, x86_linear(t, X86_SS, x86_stack_offset(t, down), size, ACCESS_WRITE), size);
    x86_add_sp(t, down);
    x86_put(t, X86_RBP, size, x86_narrow(t, frame, size));
}

void x86_op_leave(X86Trans *t)
{
    unsigned size = t->insn.opsize, width = x86_stack_size(t);
    IrVal offset = x86_wrap(t, ir_get(t->ir, X86_G_REG + X86_RBP), width), v;

    v = x86_load(t, x86_linear(t, X86_SS, offset, size, ACCESS_READ), 0, size);
    x86_put_sp(t, x86_wrap(t, ir_add(t->ir, offset, ir_imm(t->ir, size)), width));
    x86_put(t, X86_RBP, size, v);
}
