/* SPDX-License-Identifier: MIT */
/*
 * System instructions: operands, checks that follow from the translation key, and how the block ends;
 * the rest is in helpers (helpers-sys.def).  SDM vol. 3, 2.8 and 6.
 */
#include "rhea/osdep.h"

#include "trans.h"

enum { CACHE_LINE = 64 }; /* as CPUID has it */

/* --- Flags --- */

static void set_carry(X86Trans *t, IrVal carry)
{
    x86_flags_carry(t, carry);
}

void x86_op_clc(X86Trans *t)
{
    set_carry(t, ir_imm32(t->ir, 0));
}

void x86_op_stc(X86Trans *t)
{
    set_carry(t, ir_imm32(t->ir, 1));
}

void x86_op_cmc(X86Trans *t)
{
    set_carry(t, ir_xor(t->ir, x86_flag(t, X86_FLAG_C), ir_imm32(t->ir, 1)));
}

/* Clears and sets bits of EFLAGS that translated code does not depend on. */
static void change_eflags(X86Trans *t, uint32_t clear, uint32_t set)
{
    IrVal v = ir_ldenv(t->ir, IR_I32, IR_MEM_32, offsetof(X86Env, eflags));

    v = ir_and(t->ir, v, ir_imm32(t->ir, (int32_t)~clear));
    v = ir_or(t->ir, v, ir_imm32(t->ir, (int32_t)set));
    ir_stenv(t->ir, IR_MEM_32, offsetof(X86Env, eflags), v);
}

void x86_op_cld(X86Trans *t)
{
    change_eflags(t, X86_DF, 0);
}

void x86_op_std(X86Trans *t)
{
    change_eflags(t, 0, X86_DF);
}

void x86_op_cli(X86Trans *t)
{
    if (t->key & X86_KEY_IOPL && !(t->key & X86_KEY_VM86)) {
        change_eflags(t, X86_IF, 0);
    } else {
        x86_call0(t, X86_H_CLI);
    }
}

/* The next instruction is to run before interrupts are looked at: in this block, where that can be. */
void x86_op_sti(X86Trans *t)
{
    if (t->key & X86_KEY_IOPL && !(t->key & X86_KEY_VM86) && t->more) {
        x86_call0(t, X86_H_STI_NEXT);
        t->left = 2;
    } else {
        x86_call0(t, X86_H_STI);
        x86_end_exit(t);
    }
}

void x86_op_clac(X86Trans *t)
{
    x86_call0(t, X86_H_CLAC);
    x86_end_context(t);
}

void x86_op_stac(X86Trans *t)
{
    x86_call0(t, X86_H_STAC);
    x86_end_context(t);
}

/* --- Waiting, hints, fences --- */

void x86_op_nop(X86Trans *t)
{
    (void)t;
}

void x86_op_nop_ea(X86Trans *t)
{
    (void)t;
}

void x86_op_pause(X86Trans *t)
{
    x86_call0(t, X86_H_PAUSE);
    x86_end_exit(t);
}

void x86_op_hlt(X86Trans *t)
{
    x86_call0(t, X86_H_HLT);
    x86_end_exit(t);
}

void x86_op_monitor(X86Trans *t)
{
    IrVal offset = x86_wrap(t, ir_get(t->ir, X86_G_REG + X86_RAX), t->insn.adsize);

    x86_call3(t, X86_H_MONITOR, x86_linear(t, t->insn.seg, offset, 1, ACCESS_READ),
              ir_get(t->ir, X86_G_REG + X86_RCX), ir_get(t->ir, X86_G_REG + X86_RDX));
}

void x86_op_mwait(X86Trans *t)
{
    x86_call2(t, X86_H_MWAIT, ir_get(t->ir, X86_G_REG + X86_RAX),
              ir_get(t->ir, X86_G_REG + X86_RCX));
    x86_end_exit(t);
}

/* The line is in one page: its first store faults, or none does. */
void x86_op_clzero(X86Trans *t)
{
    IrVal offset = x86_wrap(t, ir_get(t->ir, X86_G_REG + X86_RAX), t->insn.adsize);
    IrVal zero = ir_emit(t->ir, IR_CONST, IR_V128, IR_NONE, IR_NONE, IR_NONE, IR_NONE, 0);
    IrVal addr = x86_linear(t, t->insn.seg, offset, 1, ACCESS_WRITE);

    addr = ir_and(t->ir, addr, ir_imm(t->ir, ~(uint64_t)(CACHE_LINE - 1)));
    for (unsigned i = 0; i < CACHE_LINE; i += 16) {
        ir_store(t->ir, IR_MEM_128, t->mmu, addr, i, zero);
    }
}

void x86_op_lfence(X86Trans *t)
{
    ir_fence(t->ir, IR_FENCE_RR | IR_FENCE_RW);
}

void x86_op_sfence(X86Trans *t)
{
    ir_fence(t->ir, IR_FENCE_WW);
}

void x86_op_mfence(X86Trans *t)
{
    ir_fence(t->ir, IR_FENCE_ALL);
}

/* A load as far as faults go; caches are not modelled. */
void x86_op_clflush(X86Trans *t)
{
    x86_load(t, x86_address(t, 1, ACCESS_READ), 0, 1);
}

void x86_op_wbinvd(X86Trans *t)
{
    (void)t;
}

void x86_op_ud(X86Trans *t)
{
    x86_end_raise(t, X86_EXC_UD);
}

void x86_op_ud_ea(X86Trans *t)
{
    x86_end_raise(t, X86_EXC_UD);
}

/* --- Ports --- */

void x86_op_in(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 0);
    IrVal port = t->insn.row->op[1].place == X86_P_I ? ir_imm(t->ir, (uint8_t)t->insn.imm[1])
                                                     : x86_zext64(t, t->v[1], 2);
    IrVal v = x86_call2(t, X86_H_IN, port, ir_imm(t->ir, size));

    x86_put(t, X86_RAX, size, ir_un(t->ir, IR_TRUNC, v));
    x86_end_context(t);
}

void x86_op_out(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 1);
    IrVal port = t->insn.row->op[0].place == X86_P_I ? ir_imm(t->ir, (uint8_t)t->insn.imm[0])
                                                     : x86_zext64(t, t->v[0], 2);

    x86_call3(t, X86_H_OUT, port, x86_zext64(t, t->v[1], size), ir_imm(t->ir, size));
    x86_end_context(t);
}

/* --- Descriptor tables, segments --- */

/* SGDT, SIDT, SLDT, STR, SMSW tell user code nothing under UMIP. */
static bool umip_forbids(X86Trans *t)
{
    if (t->key & X86_KEY_UMIP && t->cpl) {
        x86_end_raise(t, X86_EXC_GP);
        return true;
    }
    return false;
}

static void store_table(X86Trans *t, size_t base, size_t limit)
{
    unsigned size = t->mode64 ? 8 : 4;
    IrVal addr, b, l;

    if (umip_forbids(t)) {
        return;
    }
    addr = x86_address(t, 2 + size, ACCESS_WRITE);
    b = ir_ldenv(t->ir, IR_I64, IR_MEM_64, (int32_t)base);
    l = ir_ldenv(t->ir, IR_I32, IR_MEM_16, (int32_t)limit);
    x86_store(t, addr, 0, 2, l);
    x86_store(t, addr, 2, size, x86_narrow(t, b, size));
}

void x86_op_sgdt(X86Trans *t)
{
    store_table(t, offsetof(X86Env, gdt.base), offsetof(X86Env, gdt.limit));
}

void x86_op_sidt(X86Trans *t)
{
    store_table(t, offsetof(X86Env, idt.base), offsetof(X86Env, idt.limit));
}

static void load_table(X86Trans *t, X86Helper helper)
{
    unsigned size = t->mode64 ? 8 : 4;
    IrVal addr = x86_address(t, 2 + size, ACCESS_READ);
    IrVal limit = x86_zext64(t, x86_load(t, addr, 0, 2), 2);
    IrVal base = x86_zext64(t, x86_load(t, addr, 2, size), size);

    if (t->insn.opsize == 2 && !t->mode64) {
        base = ir_and(t->ir, base, ir_imm(t->ir, 0xffffff));
    }
    x86_call2(t, helper, base, limit);
}

void x86_op_lgdt(X86Trans *t)
{
    load_table(t, X86_H_LGDT);
}

void x86_op_lidt(X86Trans *t)
{
    load_table(t, X86_H_LIDT);
}

static void store_selector(X86Trans *t, size_t sel)
{
    if (!umip_forbids(t)) {
        IrVal v = ir_ldenv(t->ir, IR_I32, IR_MEM_16, (int32_t)sel);

        t->v[0] = x86_opnd_size(&t->insn, 0) == 8 ? x86_zext64(t, v, 2) : v;
    }
}

void x86_op_sldt(X86Trans *t)
{
    store_selector(t, offsetof(X86Env, ldt.sel));
}

void x86_op_str(X86Trans *t)
{
    store_selector(t, offsetof(X86Env, tr.sel));
}

void x86_op_lldt(X86Trans *t)
{
    x86_call1(t, X86_H_LLDT, x86_zext64(t, t->v[0], 2));
}

void x86_op_ltr(X86Trans *t)
{
    x86_call1(t, X86_H_LTR, x86_zext64(t, t->v[0], 2));
}

/* ZF := @flag (I32), the others stay. */
static void put_zf(X86Trans *t, IrVal flag)
{
    IrVal all = ir_and(t->ir, x86_flags_all(t), ir_imm32(t->ir, ~X86_ZF));

    x86_flags_eflags(t, ir_or(t->ir, all, ir_bin(t->ir, IR_SHL, flag, ir_imm32(t->ir, 6))));
}

static void verify(X86Trans *t, X86Helper helper)
{
    put_zf(t, ir_un(t->ir, IR_TRUNC, x86_call1(t, helper, x86_zext64(t, t->v[0], 2))));
}

void x86_op_verr(X86Trans *t)
{
    verify(t, X86_H_VERR);
}

void x86_op_verw(X86Trans *t)
{
    verify(t, X86_H_VERW);
}

/* LAR and LSL: bit 32 of the helper's result is ZF, without it the register stays. */
static void descriptor_query(X86Trans *t, X86Helper helper)
{
    unsigned size = x86_opnd_size(&t->insn, 0);
    IrVal r = x86_call1(t, helper, x86_zext64(t, t->v[1], 2)), zf, old, value;

    zf = ir_un(t->ir, IR_TRUNC, ir_bin(t->ir, IR_SHR, r, ir_imm(t->ir, 32)));
    old = ir_get(t->ir, X86_G_REG + t->insn.reg);
    value = x86_wrap(t, r, 4);
    if (size == 2) {
        value = ir_or(t->ir, ir_and(t->ir, value, ir_imm(t->ir, 0xffff)),
                      ir_and(t->ir, old, ir_imm(t->ir, ~0xffffLL)));
    }
    ir_put(t->ir, X86_G_REG + t->insn.reg,
           ir_movcond(t->ir, IR_NE, zf, ir_imm32(t->ir, 0), value, old));
    t->v[0] = IR_NONE;
    put_zf(t, zf);
}

void x86_op_lar(X86Trans *t)
{
    descriptor_query(t, X86_H_LAR);
}

void x86_op_lsl(X86Trans *t)
{
    descriptor_query(t, X86_H_LSL);
}

/* Memory is read first: a page that is absent faults so. */
void x86_op_arpl(X86Trans *t)
{
    bool memory = x86_modrm_is_mem(&t->insn);
    IrVal addr = memory ? x86_address(t, 2, ACCESS_WRITE) : IR_NONE, three = ir_imm32(t->ir, 3);
    IrVal old = memory ? x86_load(t, addr, 0, 2) : x86_get(t, t->insn.rm, 2);
    IrVal have = ir_and(t->ir, old, three), want = ir_and(t->ir, t->v[1], three);
    IrVal raised = ir_or(t->ir, ir_and(t->ir, old, ir_imm32(t->ir, ~3)), want);

    raised = ir_movcond(t->ir, IR_LTU, have, want, raised, old);
    if (memory) {
        x86_store(t, addr, 0, 2, raised);
    } else {
        x86_put(t, t->insn.rm, 2, raised);
    }
    put_zf(t, ir_setcond(t->ir, IR_I32, IR_LTU, have, want));
}

/* --- Control and debug registers --- */

void x86_op_smsw(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 0);

    if (!umip_forbids(t)) {
        t->v[0] = x86_narrow(t, ir_ldenv(t->ir, IR_I64, IR_MEM_64, offsetof(X86Env, cr0)), size);
    }
}

void x86_op_lmsw(X86Trans *t)
{
    x86_call1(t, X86_H_LMSW, x86_zext64(t, t->v[0], 2));
    x86_end_exit(t);
}

void x86_op_clts(X86Trans *t)
{
    x86_call0(t, X86_H_CLTS);
    x86_end_context(t);
}

static bool is_control_register(unsigned n)
{
    return n == 0 || n == 2 || n == 3 || n == 4 || n == 8;
}

void x86_op_mov_from_cr(X86Trans *t)
{
    if (!is_control_register(t->insn.reg)) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    t->v[0] = x86_narrow(t, x86_call1(t, X86_H_MOV_FROM_CR, ir_imm(t->ir, t->insn.reg)),
                         x86_opnd_size(&t->insn, 0));
}

void x86_op_mov_to_cr(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 1);

    if (!is_control_register(t->insn.reg)) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    x86_call2(t, X86_H_MOV_TO_CR, ir_imm(t->ir, t->insn.reg), x86_zext64(t, t->v[1], size));
    x86_end_exit(t);
}

void x86_op_mov_from_dr(X86Trans *t)
{
    if (t->insn.reg >= 8) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    t->v[0] = x86_narrow(t, x86_call1(t, X86_H_MOV_FROM_DR, ir_imm(t->ir, t->insn.reg)),
                         x86_opnd_size(&t->insn, 0));
}

void x86_op_mov_to_dr(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 1);

    if (t->insn.reg >= 8) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    x86_call2(t, X86_H_MOV_TO_DR, ir_imm(t->ir, t->insn.reg), x86_zext64(t, t->v[1], size));
    x86_end_exit(t);
}

/* EDX:EAX := the halves of @v (I64), upper halves cleared. */
static void put_pair(X86Trans *t, IrVal v)
{
    x86_put(t, X86_RAX, 4, ir_un(t->ir, IR_TRUNC, v));
    ir_put(t->ir, X86_G_REG + X86_RDX, ir_bin(t->ir, IR_SHR, v, ir_imm(t->ir, 32)));
}

static IrVal get_pair(X86Trans *t)
{
    IrVal high = ir_bin(t->ir, IR_SHL, ir_get(t->ir, X86_G_REG + X86_RDX), ir_imm(t->ir, 32));

    return ir_or(t->ir, high, x86_zext64(t, x86_get(t, X86_RAX, 4), 4));
}

static IrVal get_ecx(X86Trans *t)
{
    return x86_zext64(t, x86_get(t, X86_RCX, 4), 4);
}

static bool need_osxsave(X86Trans *t)
{
    if (!(t->key & X86_KEY_OSXSAVE)) {
        x86_end_raise(t, X86_EXC_UD);
        return false;
    }
    return true;
}

void x86_op_xgetbv(X86Trans *t)
{
    if (need_osxsave(t)) {
        put_pair(t, x86_call1(t, X86_H_XGETBV, get_ecx(t)));
    }
}

void x86_op_xsetbv(X86Trans *t)
{
    if (need_osxsave(t)) {
        x86_call2(t, X86_H_XSETBV, get_ecx(t), get_pair(t));
        x86_end_exit(t);
    }
}

void x86_op_rdpkru(X86Trans *t)
{
    if (!(t->key & X86_KEY_PKE)) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    put_pair(t, x86_call1(t, X86_H_RDPKRU, get_ecx(t)));
}

void x86_op_wrpkru(X86Trans *t)
{
    if (!(t->key & X86_KEY_PKE)) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    x86_call3(t, X86_H_WRPKRU, get_ecx(t), x86_zext64(t, x86_get(t, X86_RDX, 4), 4),
              x86_zext64(t, x86_get(t, X86_RAX, 4), 4));
    x86_end_context(t);
}

void x86_op_rdmsr(X86Trans *t)
{
    put_pair(t, x86_call1(t, X86_H_RDMSR, get_ecx(t)));
}

void x86_op_wrmsr(X86Trans *t)
{
    x86_call2(t, X86_H_WRMSR, get_ecx(t), get_pair(t));
    x86_end_exit(t);
}

void x86_op_rdtsc(X86Trans *t)
{
    put_pair(t, x86_call0(t, X86_H_RDTSC));
}

static IrVal tsc_aux(X86Trans *t)
{
    return ir_ldenv(t->ir, IR_I64, IR_MEM_32, offsetof(X86Env, tsc_aux));
}

void x86_op_rdtscp(X86Trans *t)
{
    put_pair(t, x86_call0(t, X86_H_RDTSC));
    ir_put(t->ir, X86_G_REG + X86_RCX, tsc_aux(t));
}

void x86_op_rdpid(X86Trans *t)
{
    t->v[0] = ir_un(t->ir, IR_TRUNC, tsc_aux(t));
}

void x86_op_rdpmc(X86Trans *t)
{
    put_pair(t, x86_call1(t, X86_H_RDPMC, get_ecx(t)));
}

void x86_op_cpuid(X86Trans *t)
{
    x86_call0(t, X86_H_CPUID);
}

/* CF says that there is a number: always. */
static void random_number(X86Trans *t)
{
    unsigned size = x86_opnd_size(&t->insn, 0);

    t->v[0] = x86_narrow(t, x86_call0(t, X86_H_RANDOM), size);
    x86_flags_eflags(t, ir_imm32(t->ir, X86_CF));
}

void x86_op_rdrand(X86Trans *t)
{
    random_number(t);
}

void x86_op_rdseed(X86Trans *t)
{
    random_number(t);
}

/* --- Address spaces --- */

void x86_op_invlpg(X86Trans *t)
{
    x86_call1(t, X86_H_INVLPG, x86_linear(t, t->insn.seg, x86_offset(t), 1, ACCESS_READ));
    x86_end_exit(t);
}

void x86_op_invpcid(X86Trans *t)
{
    unsigned size = t->mode64 ? 8 : 4;
    IrVal type = x86_zext64(t, x86_get(t, t->insn.reg, size), size);

    x86_call2(t, X86_H_INVPCID, type, x86_address(t, 16, ACCESS_READ));
    x86_end_exit(t);
}

/* --- Segment bases --- */

static bool need_fsgsbase(X86Trans *t)
{
    if (!(t->key & X86_KEY_FSGSBASE)) {
        x86_end_raise(t, X86_EXC_UD);
        return false;
    }
    return true;
}

static void read_base(X86Trans *t, unsigned seg)
{
    if (need_fsgsbase(t)) {
        IrVal v = ir_ldenv(t->ir, IR_I64, IR_MEM_64, offsetof(X86Env, seg[seg].base));

        t->v[0] = x86_narrow(t, v, x86_opnd_size(&t->insn, 0));
    }
}

static void write_base(X86Trans *t, unsigned seg)
{
    if (need_fsgsbase(t)) {
        x86_call2(t, X86_H_WRSEGBASE, ir_imm(t->ir, seg),
                  x86_zext64(t, t->v[0], x86_opnd_size(&t->insn, 0)));
    }
}

void x86_op_rdfsbase(X86Trans *t)
{
    read_base(t, X86_FS);
}

void x86_op_rdgsbase(X86Trans *t)
{
    read_base(t, X86_GS);
}

void x86_op_wrfsbase(X86Trans *t)
{
    write_base(t, X86_FS);
}

void x86_op_wrgsbase(X86Trans *t)
{
    write_base(t, X86_GS);
}

void x86_op_swapgs(X86Trans *t)
{
    const int32_t gs = offsetof(X86Env, seg[X86_GS].base);
    const int32_t kernel = offsetof(X86Env, seg_base_gs_kernel);
    IrVal a = ir_ldenv(t->ir, IR_I64, IR_MEM_64, gs);
    IrVal b = ir_ldenv(t->ir, IR_I64, IR_MEM_64, kernel);

    ir_stenv(t->ir, IR_MEM_64, gs, b);
    ir_stenv(t->ir, IR_MEM_64, kernel, a);
}

/* --- Fast system calls, SMM --- */

void x86_op_syscall(X86Trans *t)
{
    x86_end_pc(t, IR_CONTEXT_JUMP, x86_call1(t, X86_H_SYSCALL, x86_eip(t, t->next, 4)));
}

void x86_op_sysret(X86Trans *t)
{
    x86_end_pc(t, IR_CONTEXT_JUMP, x86_call1(t, X86_H_SYSRET, ir_imm(t->ir, t->insn.opsize)));
}

void x86_op_sysenter(X86Trans *t)
{
    x86_end_pc(t, IR_CONTEXT_JUMP, x86_call0(t, X86_H_SYSENTER));
}

void x86_op_sysexit(X86Trans *t)
{
    x86_end_pc(t, IR_CONTEXT_JUMP, x86_call1(t, X86_H_SYSEXIT, ir_imm(t->ir, t->insn.opsize)));
}

void x86_op_rsm(X86Trans *t)
{
    if (!(t->key & X86_KEY_SMM)) {
        x86_end_raise(t, X86_EXC_UD);
        return;
    }
    x86_end_pc(t, IR_CONTEXT_JUMP, x86_call0(t, X86_H_RSM));
}
