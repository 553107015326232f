/* SPDX-License-Identifier: MIT */
/*
 * Jumps, calls, returns, loops, software interrupts.  SDM vol. 1, 6.3 to 6.5 and 7.3.8.
 *
 * Not modelled: that a near transfer to an address that is not canonical faults as itself; here it is done,
 * and #GP is the first fetch's, with the target as the saved RIP.
 */
#include "rhea/osdep.h"

#include "trans.h"

static int64_t relative_target(const X86Trans *t)
{
    return t->next + t->insn.imm[0];
}

/* --- The limit of CS: checked before anything changes --- */

/* Can EIP leave the segment by a near transfer? */
static bool may_pass_limit(const X86Trans *t)
{
    return !t->mode64 &&
           (t->key & X86_KEY_CSLIMIT || (t->insn.opsize == 4 && !(t->key & X86_KEY_CS32)));
}

static void check_target(X86Trans *t, IrVal eip)
{
    if (may_pass_limit(t)) {
        x86_call1(t, X86_H_CS_TARGET, eip);
    }
}

/* Of a relative transfer, which happens if @c (NULL: always). */
static void check_relative(X86Trans *t, const X86Cond *c)
{
    IrVal eip;

    if (may_pass_limit(t)) {
        eip = x86_eip(t, relative_target(t), t->insn.opsize);
        if (c) {
            eip = ir_movcond(t->ir, c->cond, c->a, c->b, eip, ir_imm(t->ir, 0));
        }
        check_target(t, eip);
    }
}

/* --- Jumps --- */

void x86_op_jmp(X86Trans *t)
{
    check_relative(t, NULL);
    x86_end_jump(t, relative_target(t));
}

void x86_op_jcc(X86Trans *t)
{
    X86Cond c = x86_cond(t, t->insn.opcode & 15);

    check_relative(t, &c);
    x86_jump_if(t, c, relative_target(t));
}

/* --- Calls --- */

static void push_return(X86Trans *t)
{
    unsigned size = t->insn.opsize;

    x86_push_value(t, x86_narrow(t, x86_eip(t, t->next, size), size), size);
}

void x86_op_call(X86Trans *t)
{
    check_relative(t, NULL);
    push_return(t);
    x86_end_jump(t, relative_target(t));
}

void x86_op_call_ind(X86Trans *t)
{
    IrVal target = x86_zext64(t, t->v[0], t->insn.opsize);

    check_target(t, target);
    push_return(t);
    x86_end_eip(t, IR_CALL_JUMP, target);
}

void x86_op_jmp_ind(X86Trans *t)
{
    IrVal target = x86_zext64(t, t->v[0], t->insn.opsize);

    check_target(t, target);
    x86_end_eip(t, IR_JUMP, target);
}

static void near_return(X86Trans *t, unsigned release)
{
    unsigned size = t->insn.opsize;
    IrVal target = x86_zext64(t, x86_stack_load(t, 0, size), size);

    check_target(t, target);
    x86_add_sp(t, size + release);
    x86_end_eip(t, IR_RET, target);
}

void x86_op_ret(X86Trans *t)
{
    near_return(t, 0);
}

void x86_op_ret_n(X86Trans *t)
{
    near_return(t, (uint16_t)t->insn.imm[0]);
}

/* --- Loops --- */

/* Counts down rCX; the loop goes on while it is not 0 and @more (I32), where given, is not 0. */
static void count_down(X86Trans *t, IrVal more)
{
    unsigned size = t->insn.adsize;
    IrVal count = x86_get(t, X86_RCX, size), go;
    X86Cond c;

    count = ir_add(t->ir, count, x86_imm(t, -1, size));
    go = ir_setcond(t->ir, IR_I32, IR_NE, x86_zext(t, count, size), x86_imm(t, 0, size));
    if (more != IR_NONE) {
        go = ir_and(t->ir, go, more);
    }
    c = (X86Cond){IR_NE, go, ir_imm32(t->ir, 0)};
    check_relative(t, &c);
    x86_put(t, X86_RCX, size, count);
    x86_jump_if(t, c, relative_target(t));
}

void x86_op_loop(X86Trans *t)
{
    count_down(t, IR_NONE);
}

void x86_op_loope(X86Trans *t)
{
    count_down(t, x86_flag(t, X86_FLAG_Z));
}

void x86_op_loopne(X86Trans *t)
{
    count_down(t, ir_xor(t->ir, x86_flag(t, X86_FLAG_Z), ir_imm32(t->ir, 1)));
}

void x86_op_jcxz(X86Trans *t)
{
    unsigned size = t->insn.adsize;
    IrVal count = x86_zext(t, x86_get(t, X86_RCX, size), size);

    X86Cond c = {IR_EQ, count, x86_imm(t, 0, size)};

    check_relative(t, &c);
    x86_jump_if(t, c, relative_target(t));
}

/* --- Far transfers --- */

static IrVal len_imm(X86Trans *t)
{
    return ir_imm(t->ir, t->insn.len);
}

static IrVal size_imm(X86Trans *t)
{
    return ir_imm(t->ir, t->insn.opsize);
}

static void far_immediate(X86Trans *t, X86Helper helper)
{
    uint64_t offset = (uint64_t)t->insn.imm[0] & MASK_ULL(8 * t->insn.opsize);

    x86_end_pc(t, IR_CONTEXT_JUMP,
               ir_call(t->ir, helper, ir_imm(t->ir, t->insn.far_sel),
                       ir_imm(t->ir, (int64_t)offset), size_imm(t), len_imm(t)));
}

static void far_memory(X86Trans *t, X86Helper helper)
{
    unsigned size = t->insn.opsize;
    IrVal addr = x86_address(t, size + 2, ACCESS_READ);
    IrVal offset = x86_zext64(t, x86_load(t, addr, 0, size), size);
    IrVal selector = x86_zext64(t, x86_load(t, addr, size, 2), 2);

    x86_end_pc(t, IR_CONTEXT_JUMP,
               ir_call(t->ir, helper, selector, offset, size_imm(t), len_imm(t)));
}

void x86_op_jmpf(X86Trans *t)
{
    far_immediate(t, X86_H_FAR_JMP);
}

void x86_op_callf(X86Trans *t)
{
    far_immediate(t, X86_H_FAR_CALL);
}

void x86_op_jmpf_ind(X86Trans *t)
{
    far_memory(t, X86_H_FAR_JMP);
}

void x86_op_callf_ind(X86Trans *t)
{
    far_memory(t, X86_H_FAR_CALL);
}

static void far_return(X86Trans *t, unsigned release)
{
    x86_end_pc(t, IR_CONTEXT_JUMP,
               x86_call2(t, X86_H_FAR_RET, size_imm(t), ir_imm(t->ir, release)));
}

void x86_op_retf(X86Trans *t)
{
    far_return(t, 0);
}

void x86_op_retf_n(X86Trans *t)
{
    far_return(t, (uint16_t)t->insn.imm[0]);
}

void x86_op_iret(X86Trans *t)
{
    x86_end_pc(t, IR_CONTEXT_JUMP, x86_call2(t, X86_H_IRET, size_imm(t), len_imm(t)));
}

/* --- Software interrupts --- */

static void interrupt(X86Trans *t, unsigned vector, unsigned kind)
{
    x86_call3(t, X86_H_INT, ir_imm(t->ir, vector), len_imm(t), ir_imm(t->ir, kind));
    x86_end_dead(t);
}

void x86_op_int(X86Trans *t)
{
    interrupt(t, (uint8_t)t->insn.imm[0], X86_INT_N);
}

void x86_op_int3(X86Trans *t)
{
    interrupt(t, X86_EXC_BP, X86_INT_INT3);
}

void x86_op_int1(X86Trans *t)
{
    interrupt(t, X86_EXC_DB, X86_INT_ICEBP);
}

/* What follows happens only if @flag (I32) is not 0; else on behind the instruction. */
static void skip_unless(X86Trans *t, IrVal flag)
{
    ir_exit_if(t->ir, IR_EQ, flag, ir_imm32(t->ir, 0), t->next);
}

void x86_op_into(X86Trans *t)
{
    skip_unless(t, x86_flag(t, X86_FLAG_O));
    interrupt(t, X86_EXC_OF, X86_INT_INTO);
}

void x86_op_bound(X86Trans *t)
{
    unsigned size = t->insn.opsize;
    IrVal addr = x86_address(t, 2 * size, ACCESS_READ), index = x86_sext(t, t->v[0], size);
    IrVal low = x86_sext(t, x86_load(t, addr, 0, size), size);
    IrVal high = x86_sext(t, x86_load(t, addr, size, size), size);

    skip_unless(t, ir_or(t->ir, ir_setcond(t->ir, IR_I32, IR_LT, index, low),
                         ir_setcond(t->ir, IR_I32, IR_GT, index, high)));
    x86_end_raise(t, X86_EXC_BR);
}
