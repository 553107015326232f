/* SPDX-License-Identifier: MIT */
/*
 * x87 instructions: each is a call (helpers-fp.def), with its operand in memory loaded here.
 *
 * Whether an exception may be pending is in the key (X86_KEY_X87EXC): while the control word masks all
 * of them none can, and nothing is checked.  FIP and FOP are kept for every instruction, FCS, FDS and
 * the data pointer of registers' last operand only where an exception can be.
 */
#include "rhea/osdep.h"

#include "../x87.h"
#include "vec.h"

static unsigned reg_of(const X86Trans *t)
{
    return t->insn.modrm >> 3 & 7;
}

static IrVal number(X86Trans *t, uint64_t v)
{
    return ir_imm(t->ir, (int64_t)v);
}

/* The register that ModRM names. */
static IrVal sti(X86Trans *t)
{
    return number(t, t->insn.modrm & 7);
}

/* Opcodes D8..DF as 0..7. */
static unsigned escape(const X86Trans *t)
{
    return t->insn.opcode & 7;
}

/* --- Before an instruction --- */

void x86_x87_check(X86Trans *t)
{
    if (t->key & X86_KEY_X87EXC) {
        x86_call0(t, X86_H_X87_CHECK);
    }
}

static void store_selector(X86Trans *t, unsigned seg, int32_t where)
{
    IrVal sel = ir_ldenv(t->ir, IR_I32, IR_MEM_16, (int32_t)(offsetof(X86Env, seg[seg].sel)));

    ir_stenv(t->ir, IR_MEM_16, where, sel);
}

/* A waiting instruction that the pointers are kept for. */
static void begin(X86Trans *t)
{
    x86_x87_check(t);
    ir_stenv(t->ir, IR_MEM_64, offsetof(X86Env, fpu_ip), x86_eip(t, t->pc, t->mode64 ? 8 : 4));
    ir_stenv(t->ir, IR_MEM_16, offsetof(X86Env, fpu_op),
             ir_imm32(t->ir, (int32_t)(escape(t) << 8 | t->insn.modrm)));
    if (x86_modrm_is_mem(&t->insn)) {
        ir_stenv(t->ir, IR_MEM_64, offsetof(X86Env, fpu_dp), x86_offset(t));
    }
    if (t->key & X86_KEY_X87EXC) {
        store_selector(t, X86_CS, offsetof(X86Env, fpu_cs));
        if (x86_modrm_is_mem(&t->insn)) {
            store_selector(t, t->insn.seg, offsetof(X86Env, fpu_ds));
        }
    }
}

/* --- Arithmetic --- */

void x86_op_x87_arith_m(X86Trans *t)
{
    static const uint8_t kinds[8] = {[0] = X87_F32, [2] = X87_I32, [4] = X87_F64, [6] = X87_I16};
    IrVal v = x86_zext64(t, t->v[0], x86_opnd_size(&t->insn, 0));

    begin(t);
    x86_call3(t, X86_H_X87_ARITH_MEM, number(t, reg_of(t)), number(t, kinds[escape(t)]), v);
}

static void compare(X86Trans *t, IrVal i, unsigned pops, bool unordered)
{
    x86_call2(t, X86_H_X87_COM, i, number(t, pops | (unordered ? 16 : 0)));
}

/* D8: to ST(0); DC: to ST(i); DE: that, and pops.  In the latter two SUB and SUBR, DIV and DIVR are
 * exchanged. */
void x86_op_x87_arith(X86Trans *t)
{
    unsigned n = reg_of(t), e = escape(t);
    bool to_sti = e & 4;

    begin(t);
    if (n == 2 || n == 3) {
        compare(t, sti(t), n == 3 || e == 6, false);
        return;
    }
    n ^= to_sti && n >= 4 ? 1 : 0;
    x86_call3(t, X86_H_X87_ARITH_REG, number(t, n), sti(t),
              number(t, (to_sti ? 1 : 0) | (e == 6 ? 2 : 0)));
}

/* --- Loads and stores --- */

void x86_op_x87_load_m(X86Trans *t)
{
    static const uint8_t kinds[8] = {[1] = X87_F32, [3] = X87_I32, [5] = X87_F64, [7] = X87_I16};
    X87Kind kind = reg_of(t) == 5 ? X87_I64 : (X87Kind)kinds[escape(t)];
    IrVal v = x86_zext64(t, t->v[0], x86_opnd_size(&t->insn, 0));

    begin(t);
    x86_call3(t, X86_H_X87_LOAD, number(t, kind), v, number(t, 0));
}

void x86_op_x87_load80(X86Trans *t)
{
    IrVal addr = x86_address(t, 10, ACCESS_READ), low, high;

    begin(t);
    low = x86_load(t, addr, 0, 8);
    high = ir_load(t->ir, IR_I64, IR_MEM_16 | t->align, t->mmu, addr, 8);
    x86_call3(t, X86_H_X87_LOAD, number(t, reg_of(t) == 4 ? X87_BCD : X87_F80), low, high);
}

/* By opcode and ModRM.reg: what is stored. */
static X87Kind store_kind(const X86Trans *t)
{
    unsigned n = reg_of(t);

    switch (escape(t)) {
    case 1: return X87_F32;
    case 3: return n == 7 ? X87_F80 : X87_I32;
    case 5: return n == 1 ? X87_I64 : X87_F64;
    default: return n == 6 ? X87_BCD : n == 7 ? X87_I64 : X87_I16;
    }
}

void x86_op_x87_store_m(X86Trans *t)
{
    unsigned n = reg_of(t), info = store_kind(t) | t->mmu << 8;
    IrVal addr = x86_address(t, x86_opnd_size(&t->insn, 0), ACCESS_WRITE);

    begin(t);
    info |= n != 2 ? 16 : 0;
    info |= n == 1 ? 32 : 0;
    x86_call2(t, X86_H_X87_STORE, addr, number(t, info));
}

/* --- Registers --- */

static void move(X86Trans *t, X86X87Move what)
{
    x86_call3(t, X86_H_X87_MOVE, number(t, what), sti(t), number(t, 0));
}

/* The rest of D9, DA, DD, DF with register operands. */
void x86_op_x87_reg(X86Trans *t)
{
    unsigned n = reg_of(t), e = escape(t);

    begin(t);
    if (e == 2 || e == 6) { /* FUCOMPP, FCOMPP */
        compare(t, number(t, 1), 2, e == 2);
    } else if (e == 5 && n >= 4) {
        compare(t, sti(t), n == 5, true);
    } else if (n == 0) {
        move(t, e == 1 ? X86_X87_LOAD : e == 5 ? X86_X87_FREE : X86_X87_FREE_POP);
    } else if (n == 1) {
        move(t, X86_X87_EXCHANGE);
    } else {
        move(t, e == 5 && n == 2 ? X86_X87_STORE : X86_X87_STORE_POP);
    }
}

void x86_op_x87_unary(X86Trans *t)
{
    begin(t);
    x86_call1(t, X86_H_X87_UNARY, number(t, t->insn.modrm));
}

void x86_op_x87_cmov(X86Trans *t)
{
    static const uint8_t codes[4] = {2, 4, 6, 10}; /* B, E, BE, P as Jcc numbers them */
    X86Cond c = x86_cond(t, codes[reg_of(t) & 3] | (escape(t) == 3 ? 1 : 0));
    IrVal taken = ir_setcond(t->ir, IR_I64, c.cond, c.a, c.b);

    begin(t);
    x86_call3(t, X86_H_X87_MOVE, number(t, X86_X87_MOVE), sti(t), taken);
}

void x86_op_x87_comi(X86Trans *t)
{
    unsigned how = (escape(t) == 7 ? 1 : 0) | (reg_of(t) == 5 ? 16 : 0);

    begin(t);
    x86_flags_eflags(t,
                     ir_un(t->ir, IR_TRUNC, x86_call2(t, X86_H_X87_COMI, sti(t), number(t, how))));
}

/* --- Control --- */

void x86_op_x87_ldcw(X86Trans *t)
{
    IrVal v = x86_zext64(t, t->v[0], 2);

    x86_x87_check(t);
    x86_call1(t, X86_H_X87_LDCW, v);
    x86_end_context(t);
}

void x86_op_x87_stcw(X86Trans *t)
{
    t->v[0] = ir_ldenv(t->ir, IR_I32, IR_MEM_16, offsetof(X86Env, fpu_cw));
}

void x86_op_x87_stsw(X86Trans *t)
{
    t->v[0] = ir_ldenv(t->ir, IR_I32, IR_MEM_16, offsetof(X86Env, fpu_sw));
}

void x86_op_x87_init(X86Trans *t)
{
    x86_call0(t, X86_H_X87_INIT);
    x86_end_context(t);
}

void x86_op_x87_clex(X86Trans *t)
{
    x86_call0(t, X86_H_X87_CLEX);
    x86_end_context(t);
}

void x86_op_x87_nop(X86Trans *t)
{
    if (t->insn.opcode == 0xd9) { /* FNOP waits, what the 80287 did before does not */
        begin(t);
    }
}

/* FWAIT looks at TS only if MP is set, and never at EM. */
void x86_op_x87_wait(X86Trans *t)
{
    if (t->key & X86_KEY_TS && t->key & X86_KEY_MP) {
        x86_end_raise(t, X86_EXC_NM);
    } else {
        x86_x87_check(t);
    }
}

/* --- Environments and states --- */

static unsigned env_format(const X86Trans *t)
{
    bool protected = t->key & X86_KEY_PE;

    return (t->insn.opsize == 2 ? 0 : X86_AREA_32) | (protected ? 0 : X86_AREA_REAL) |
           (escape(t) == 5 ? X86_AREA_REGS : 0) | t->mmu << 8;
}

static unsigned env_bytes(unsigned format)
{
    return (format & X86_AREA_32 ? 28 : 14) + (format & X86_AREA_REGS ? 80 : 0);
}

void x86_op_x87_stenv(X86Trans *t)
{
    unsigned format = env_format(t);

    x86_call2(t, X86_H_X87_STENV, x86_address(t, env_bytes(format), ACCESS_WRITE),
              number(t, format));
    x86_end_context(t);
}

void x86_op_x87_ldenv(X86Trans *t)
{
    unsigned format = env_format(t);

    x86_x87_check(t);
    x86_call2(t, X86_H_X87_LDENV, x86_address(t, env_bytes(format), ACCESS_READ),
              number(t, format));
    x86_end_context(t);
}

static unsigned area_format(const X86Trans *t)
{
    return (t->insn.rex & X86_REX_W ? X86_AREA_64 : 0) | (t->mode64 ? X86_AREA_MODE64 : 0) |
           t->mmu << 8;
}

/* #UD and #NM of these instructions. */
static bool area_may_run(X86Trans *t, bool ok)
{
    if (!ok || t->key & X86_KEY_TS) {
        x86_end_raise(t, ok ? X86_EXC_NM : X86_EXC_UD);
        return false;
    }
    return true;
}

static bool fx_may_run(X86Trans *t)
{
    if (t->key & X86_KEY_EM) {
        x86_end_raise(t, X86_EXC_NM);
        return false;
    }
    return area_may_run(t, true);
}

void x86_op_fxsave(X86Trans *t)
{
    if (fx_may_run(t)) {
        x86_call2(t, X86_H_FXSAVE, x86_address(t, 512, ACCESS_WRITE), number(t, area_format(t)));
    }
}

void x86_op_fxrstor(X86Trans *t)
{
    if (fx_may_run(t)) {
        x86_call2(t, X86_H_FXRSTOR, x86_address(t, 512, ACCESS_READ), number(t, area_format(t)));
        x86_end_context(t);
    }
}

/* EDX:EAX */
static IrVal requested(X86Trans *t)
{
    IrVal high = x86_zext64(t, x86_get(t, X86_RDX, 4), 4);
    IrVal low = x86_zext64(t, x86_get(t, X86_RAX, 4), 4);

    return ir_or(t->ir, low, ir_bin(t->ir, IR_SHL, high, ir_imm(t->ir, 32)));
}

void x86_op_xsave(X86Trans *t)
{
    unsigned format = area_format(t);

    if (!area_may_run(t, t->key & X86_KEY_OSXSAVE)) {
        return;
    }
    if (t->insn.opcode == 0xc7) {
        format |= X86_AREA_COMPACT | X86_AREA_OPT;
    } else if (reg_of(t) == 6) {
        format |= X86_AREA_OPT;
    }
    x86_call3(t, X86_H_XSAVE, x86_address(t, X86_XSAVE_AVX, ACCESS_WRITE), requested(t),
              number(t, format));
}

void x86_op_xrstor(X86Trans *t)
{
    if (area_may_run(t, t->key & X86_KEY_OSXSAVE)) {
        x86_call3(t, X86_H_XRSTOR, x86_address(t, X86_XSAVE_AVX, ACCESS_READ), requested(t),
                  number(t, area_format(t)));
        x86_end_context(t);
    }
}
