/* SPDX-License-Identifier: MIT */
/*
 * Operands: registers and their parts, effective and linear addresses, the stack, and the loads and
 * stores that are common to all instructions.  SDM vol. 1, 3.4 and 3.7.
 */
#include "rhea/osdep.h"

#include "vec.h"

/* --- Registers --- */

IrVal x86_imm(X86Trans *t, int64_t v, unsigned size)
{
    return size == 8 ? ir_imm(t->ir, v) : ir_imm32(t->ir, (int32_t)v);
}

IrVal x86_narrow(X86Trans *t, IrVal v, unsigned size)
{
    return size == 8 ? v : ir_un(t->ir, IR_TRUNC, v);
}

IrVal x86_zext(X86Trans *t, IrVal v, unsigned size)
{
    switch (size) {
    case 1: return ir_un(t->ir, IR_ZEXT8, v);
    case 2: return ir_un(t->ir, IR_ZEXT16, v);
    default: return v;
    }
}

IrVal x86_sext(X86Trans *t, IrVal v, unsigned size)
{
    switch (size) {
    case 1: return ir_un(t->ir, IR_SEXT8, v);
    case 2: return ir_un(t->ir, IR_SEXT16, v);
    default: return v;
    }
}

IrVal x86_zext64(X86Trans *t, IrVal v, unsigned size)
{
    v = x86_zext(t, v, size);
    return ir_type(t->ir, v) == IR_I64 ? v : ir_un(t->ir, IR_ZEXT32, v);
}

IrVal x86_sext64(X86Trans *t, IrVal v, unsigned size)
{
    v = x86_sext(t, v, size);
    return ir_type(t->ir, v) == IR_I64 ? v : ir_un(t->ir, IR_SEXT32, v);
}

IrVal x86_get(X86Trans *t, unsigned n, unsigned size)
{
    return x86_narrow(t, ir_get(t->ir, X86_G_REG + n), size);
}

/* AH, CH, DH or BH? */
static bool is_high_byte(const X86Trans *t, unsigned n)
{
    return n >= 4 && n < 8 && !t->insn.has_rex;
}

IrVal x86_get_byte(X86Trans *t, unsigned n)
{
    if (is_high_byte(t, n)) {
        IrVal word = ir_get(t->ir, X86_G_REG + n - 4);

        return ir_un(t->ir, IR_TRUNC, ir_bin(t->ir, IR_SHR, word, ir_imm(t->ir, 8)));
    }
    return x86_get(t, n, 1);
}

void x86_put_part(X86Trans *t, unsigned n, unsigned size, unsigned low, IrVal v)
{
    uint64_t mask = MASK_ULL(8 * size) << low;
    IrVal part = x86_zext64(t, v, size);
    IrVal rest = ir_and(t->ir, ir_get(t->ir, X86_G_REG + n), ir_imm(t->ir, (int64_t)~mask));

    if (low) {
        part = ir_bin(t->ir, IR_SHL, part, ir_imm(t->ir, low));
    }
    ir_put(t->ir, X86_G_REG + n, ir_or(t->ir, rest, part));
}

void x86_put(X86Trans *t, unsigned n, unsigned size, IrVal v)
{
    if (size >= 4) {
        ir_put(t->ir, X86_G_REG + n, x86_zext64(t, v, size));
    } else {
        x86_put_part(t, n, size, 0, v);
    }
}

void x86_put_byte(X86Trans *t, unsigned n, IrVal v)
{
    if (is_high_byte(t, n)) {
        x86_put_part(t, n - 4, 1, 8, v);
    } else {
        x86_put_part(t, n, 1, 0, v);
    }
}

static IrVal get_register(X86Trans *t, unsigned n, unsigned size)
{
    return size == 1 ? x86_get_byte(t, n) : x86_get(t, n, size);
}

/* --- Addresses --- */

IrVal x86_wrap(X86Trans *t, IrVal offset, unsigned adsize)
{
    switch (adsize) {
    case 2: return ir_and(t->ir, offset, ir_imm(t->ir, 0xffff));
    case 4: return ir_un(t->ir, IR_ZEXT32, ir_un(t->ir, IR_TRUNC, offset));
    default: return offset;
    }
}

IrVal x86_offset(X86Trans *t)
{
    const X86Insn *insn = &t->insn;
    IrVal sum = IR_NONE, index;

    if (insn->rip_relative) {
        return x86_wrap(t, ir_pc(t->ir, t->next + insn->disp), insn->adsize);
    }
    if (insn->base >= 0) {
        sum = ir_get(t->ir, X86_G_REG + insn->base);
    }
    if (insn->index >= 0) {
        index = ir_get(t->ir, X86_G_REG + insn->index);
        if (insn->scale) {
            index = ir_bin(t->ir, IR_SHL, index, ir_imm(t->ir, insn->scale));
        }
        sum = sum == IR_NONE ? index : ir_add(t->ir, sum, index);
    }
    if (sum == IR_NONE) {
        sum = ir_imm(t->ir, insn->disp);
    } else if (insn->disp) {
        sum = ir_add(t->ir, sum, ir_imm(t->ir, insn->disp));
    }
    return x86_wrap(t, sum, insn->adsize);
}

static IrVal segment_base(X86Trans *t, unsigned seg)
{
    return ir_ldenv(t->ir, IR_I64, IR_MEM_64, offsetof(X86Env, seg[seg].base));
}

/* Outside 64-bit mode: base 0, no limit, all rights. */
static bool segment_is_flat(const X86Trans *t, unsigned seg)
{
    return !(t->key & X86_KEY_SEGS) && (seg == X86_ES || seg == X86_SS || seg == X86_DS);
}

IrVal x86_linear(X86Trans *t, unsigned seg, IrVal offset, unsigned bytes, MemAccess access)
{
    if (t->mode64) {
        return seg < X86_FS ? offset : ir_add(t->ir, offset, segment_base(t, seg));
    }
    if (segment_is_flat(t, seg)) {
        return offset;
    }
    ir_call(t->ir, X86_H_SEG_CHECK, ir_imm(t->ir, seg), offset, ir_imm(t->ir, bytes),
            ir_imm(t->ir, access));
    return x86_wrap(t, ir_add(t->ir, offset, segment_base(t, seg)), 4);
}

IrVal x86_address(X86Trans *t, unsigned bytes, MemAccess access)
{
    if (t->addr == IR_NONE) {
        t->addr = x86_linear(t, t->insn.seg, x86_offset(t), bytes, access);
    }
    return t->addr;
}

IrVal x86_load(X86Trans *t, IrVal linear, int64_t disp, unsigned size)
{
    return ir_load(t->ir, x86_type(size), x86_mem(t, size), t->mmu, linear, disp);
}

IrVal x86_load_rmw(X86Trans *t, IrVal linear, unsigned size)
{
    return ir_load(t->ir, x86_type(size), x86_mem(t, size) | IR_MEM_RMW, t->mmu, linear, 0);
}

void x86_store(X86Trans *t, IrVal linear, int64_t disp, unsigned size, IrVal v)
{
    ir_store(t->ir, x86_mem(t, size), t->mmu, linear, disp, v);
}

/* --- Operands of an instruction --- */

static IrVal operand_address(X86Trans *t, unsigned n)
{
    const X86OpndSpec *op = &t->insn.row->op[n];
    MemAccess access = op->access & X86_OPND_WRITTEN ? ACCESS_WRITE : ACCESS_READ;
    unsigned size = x86_opnd_size(&t->insn, n);

    if (t->addr == IR_NONE && op->place == X86_P_O) {
        IrVal offset = x86_wrap(t, ir_imm(t->ir, t->insn.imm[n]), t->insn.adsize);

        t->addr = x86_linear(t, t->insn.seg, offset, size, access);
    }
    return x86_address(t, size, access);
}

/* How a locked instruction is done in one operation, where it can. */
static bool atomic_of(X86Trans *t, IrAtomic *op, IrVal *arg)
{
    void (*emit)(X86Trans *) = t->insn.row->emit;
    unsigned size = x86_opnd_size(&t->insn, 0);

    *arg = t->v[1];
    *op = IR_ATOMIC_ADD;
    if (emit == x86_op_xchg) {
        *op = IR_XCHG;
    } else if (emit == x86_op_sub) {
        *arg = ir_un(t->ir, IR_NEG, t->v[1]);
    } else if (emit == x86_op_inc || emit == x86_op_dec) {
        *arg = x86_imm(t, emit == x86_op_inc ? 1 : -1, size);
    } else if (emit == x86_op_and) {
        *op = IR_ATOMIC_AND;
    } else if (emit == x86_op_or) {
        *op = IR_ATOMIC_OR;
    } else if (emit == x86_op_xor) {
        *op = IR_ATOMIC_XOR;
    } else if (emit == x86_op_not) {
        *op = IR_ATOMIC_XOR;
        *arg = x86_imm(t, -1, size);
    } else {
        return emit == x86_op_add || emit == x86_op_xadd;
    }
    return true;
}

/* XCHG with memory is always locked. */
static bool is_locked(const X86Trans *t)
{
    return x86_opnd_is_modrm_mem(&t->insn, 0) && (t->insn.lock || t->insn.row->emit == x86_op_xchg);
}

static IrVal load_memory(X86Trans *t, unsigned n)
{
    IrVal addr = operand_address(t, n), arg;
    unsigned size = x86_opnd_size(&t->insn, n);
    IrAtomic op;

    if (n == 0 && is_locked(t) && atomic_of(t, &op, &arg)) {
        t->stored = true;
        return ir_atomic(t->ir, x86_type(size), op, x86_mem(t, size), t->mmu, addr, arg);
    }
    return t->insn.row->op[n].access & X86_OPND_WRITTEN ? x86_load_rmw(t, addr, size)
                                                        : x86_load(t, addr, 0, size);
}

static IrVal load_operand(X86Trans *t, unsigned n)
{
    const X86OpndSpec *op = &t->insn.row->op[n];
    unsigned size = x86_opnd_size(&t->insn, n);

    if (x86_vec_place(op->place)) {
        return IR_NONE; /* vec.c */
    }
    if (x86_opnd_is_modrm_mem(&t->insn, n) || op->place == X86_P_O) {
        return load_memory(t, n);
    }
    switch (op->place) {
    case X86_P_E:
    case X86_P_R: return get_register(t, t->insn.rm, size);
    case X86_P_G: return get_register(t, t->insn.reg, size);
    case X86_P_B: return get_register(t, t->insn.vvvv, size);
    case X86_P_Z:
        return get_register(t, (t->insn.opcode & 7) | (t->insn.rex & X86_REX_B ? 8 : 0), size);
    case X86_P_FIXED: return get_register(t, op->reg, size);
    case X86_P_I: return x86_imm(t, t->insn.imm[n], size < 4 ? size : t->insn.opsize);
    case X86_P_SI: return x86_imm(t, t->insn.imm[n], t->insn.opsize);
    case X86_P_ONE: return ir_imm32(t->ir, 1);
    case X86_P_S:
    case X86_P_SEG:
        return ir_ldenv(
            t->ir, IR_I32, IR_MEM_16,
            offsetof(X86Env,
                     seg[op->place == X86_P_S ? (t->insn.reg & 7) % X86_NSEGS : op->reg].sel));
    default: return IR_NONE;
    }
}

void x86_load_operands(X86Trans *t)
{
    /* Memory last: the others are what a locked operation needs. */
    for (unsigned n = t->insn.row->nops; n-- > 0;) {
        if (t->insn.row->op[n].access & X86_OPND_READ) {
            t->v[n] = load_operand(t, n);
        }
    }
}

/* A locked operation without an IR op of its own: again from the start if memory changed meanwhile. */
static void store_locked(X86Trans *t, IrVal addr, unsigned size, IrVal old, IrVal v)
{
    IrVal now = ir_cas(t->ir, x86_type(size), x86_mem(t, size), t->mmu, addr, old, v);

    ir_exit_if(t->ir, IR_NE, now, old, t->pc);
}

static void store_memory(X86Trans *t, unsigned n, IrVal loaded)
{
    IrVal addr = operand_address(t, n);
    unsigned size = x86_opnd_size(&t->insn, n);

    if (n == 0 && is_locked(t)) {
        store_locked(t, addr, size, loaded, t->v[n]);
    } else {
        x86_store(t, addr, 0, size, t->v[n]);
    }
}

static void store_register(X86Trans *t, unsigned reg, unsigned size, IrVal v)
{
    if (size == 1) {
        x86_put_byte(t, reg, v);
    } else {
        x86_put(t, reg, size, v);
    }
}

void x86_store_operand(X86Trans *t, unsigned n)
{
    const X86OpndSpec *op = &t->insn.row->op[n];
    unsigned size = x86_opnd_size(&t->insn, n);

    switch (op->place) {
    case X86_P_E:
    case X86_P_R: store_register(t, t->insn.rm, size, t->v[n]); break;
    case X86_P_G: store_register(t, t->insn.reg, size, t->v[n]); break;
    case X86_P_B: store_register(t, t->insn.vvvv, size, t->v[n]); break;
    case X86_P_Z:
        store_register(t, (t->insn.opcode & 7) | (t->insn.rex & X86_REX_B ? 8 : 0), size, t->v[n]);
        break;
    case X86_P_FIXED: store_register(t, op->reg, size, t->v[n]); break;
    default: break; /* segment, control and debug registers: the body's */
    }
}

void x86_store_operands(X86Trans *t, IrVal loaded)
{
    const X86Row *row = t->insn.row;

    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned n = 0; n < row->nops; n++) {
            bool memory = x86_opnd_is_modrm_mem(&t->insn, n) || row->op[n].place == X86_P_O;

            if (!(row->op[n].access & X86_OPND_WRITTEN) || t->v[n] == IR_NONE) {
                continue;
            }
            if (memory && pass == 0 && !t->stored) {
                store_memory(t, n, loaded);
            } else if (!memory && pass == 1) {
                x86_store_operand(t, n);
            }
        }
    }
}

/* --- The stack --- */

unsigned x86_stack_size(const X86Trans *t)
{
    return t->mode64 ? 8 : t->key & X86_KEY_SS32 ? 4 : 2;
}

IrVal x86_stack_offset(X86Trans *t, int64_t disp)
{
    IrVal sp = ir_get(t->ir, X86_G_REG + X86_RSP);

    if (disp) {
        sp = ir_add(t->ir, sp, ir_imm(t->ir, disp));
    }
    return x86_wrap(t, sp, x86_stack_size(t));
}

void x86_put_sp(X86Trans *t, IrVal offset)
{
    unsigned size = x86_stack_size(t);

    x86_put(t, X86_RSP, size, x86_narrow(t, offset, size));
}

void x86_push_value(X86Trans *t, IrVal v, unsigned size)
{
    IrVal offset = x86_stack_offset(t, -(int64_t)size);

    x86_store(t, x86_linear(t, X86_SS, offset, size, ACCESS_WRITE), 0, size, v);
    x86_put_sp(t, offset);
}

IrVal x86_stack_load(X86Trans *t, int64_t disp, unsigned size)
{
    IrVal offset = x86_stack_offset(t, disp);

    return x86_load(t, x86_linear(t, X86_SS, offset, size, ACCESS_READ), 0, size);
}

void x86_add_sp(X86Trans *t, int64_t n)
{
    x86_put_sp(t, x86_stack_offset(t, n));
}
