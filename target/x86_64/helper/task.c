/* SPDX-License-Identifier: MIT */
/*
 * Task switches by hardware (SDM vol. 3, chapter 8), and the I/O permission bitmap of the TSS.
 *
 * Faults that belong to the old task are raised before anything changes; those of loading the new
 * task's segments are raised in the new task, with its general registers loaded.
 */
#include "rhea/osdep.h"

#include "../seg.h"
#include "helper.h"

/* Offsets in a TSS, 32-bit and 16-bit. */
typedef struct TssLayout {
    unsigned size;  /* of a register */
    unsigned limit; /* the least */
    unsigned cr3, ip, flags, regs, segs, ldt, nsegs;
    unsigned seg_step;
} TssLayout;

static const TssLayout tss32 = {
    .size = 4,
    .limit = 103,
    .cr3 = 28,
    .ip = 32,
    .flags = 36,
    .regs = 40,
    .segs = 72,
    .ldt = 96,
    .nsegs = 6,
    .seg_step = 4,
};
static const TssLayout tss16 = {
    .size = 2,
    .limit = 43,
    .ip = 14,
    .flags = 16,
    .regs = 18,
    .segs = 34,
    .ldt = 42,
    .nsegs = 4,
    .seg_step = 2,
};

enum { TSS_TRAP = 100, DESC_BUSY = 0x200 };

/* What is read from the new TSS before the switch. */
typedef struct TssImage {
    uint64_t cr3;
    uint32_t ip, flags, regs[8], segs[6], ldt;
    bool trap;
} TssImage;

static const TssLayout *tss_layout(unsigned attr)
{
    return attr & 8 ? &tss32 : &tss16;
}

static void tss_save(X86Env *env, uint64_t ip, uint32_t flags)
{
    const TssLayout *l = tss_layout(env->tr.attr);
    uint64_t base = env->tr.base;

    x86_sys_store(env, base + l->ip, ip, l->size);
    x86_sys_store(env, base + l->flags, flags, l->size);
    for (unsigned i = 0; i < 8; i++) {
        x86_sys_store(env, base + l->regs + l->size * i, env->regs[i], l->size);
    }
    for (unsigned i = 0; i < l->nsegs; i++) {
        x86_sys_store(env, base + l->segs + l->seg_step * i, env->seg[i].sel, 2);
    }
}

static void tss_read(X86Env *env, const TssLayout *l, uint64_t base, TssImage *t)
{
    *t = (TssImage){.cr3 = env->cr3};
    if (l == &tss32) {
        t->cr3 = x86_sys_load(env, base + l->cr3, 4);
        t->trap = x86_sys_load(env, base + TSS_TRAP, 2) & 1;
    }
    t->ip = x86_sys_load(env, base + l->ip, l->size);
    t->flags = x86_sys_load(env, base + l->flags, l->size);
    for (unsigned i = 0; i < 8; i++) {
        t->regs[i] = x86_sys_load(env, base + l->regs + l->size * i, l->size);
        t->regs[i] |= l->size == 2 ? 0xffff0000 : 0;
    }
    for (unsigned i = 0; i < l->nsegs; i++) {
        t->segs[i] = x86_sys_load(env, base + l->segs + l->seg_step * i, 2);
    }
    t->ldt = x86_sys_load(env, base + l->ldt, 2);
}

static void set_busy(X86Env *env, GuestVA desc, bool busy)
{
    uint32_t hi = x86_sys_load(env, desc + 4, 4);

    x86_sys_store(env, desc + 4, busy ? hi | DESC_BUSY : hi & ~(uint32_t)DESC_BUSY, 4);
}

static void load_task_ldt(X86Env *env, uint32_t sel)
{
    X86Desc d;

    env->ldt = (X86Seg){.sel = sel};
    if (x86_sel_is_null(sel)) {
        return;
    }
    if (sel & 4 || !x86_desc_read(env, sel, &d) || x86_desc_is_memory(&d) ||
        x86_desc_type(&d) != X86_DESC_LDT || !x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_TS, x86_sel_error(env, sel));
    }
    env->ldt = x86_desc_seg(&d, sel);
}

static X86Seg check_task_cs(X86Env *env, uint32_t sel)
{
    unsigned dpl, rpl = sel & 3;
    X86Desc d;

    x86_desc_need(env, sel, X86_EXC_TS, &d);
    dpl = x86_desc_dpl(&d);
    if (!x86_desc_is_code(&d) || (x86_desc_conforming(&d) ? dpl > rpl : dpl != rpl)) {
        x86_raise(env, X86_EXC_TS, x86_sel_error(env, sel));
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, x86_sel_error(env, sel));
    }
    x86_desc_accessed(env, &d);
    return x86_desc_seg(&d, sel);
}

static void check_task_data(X86Env *env, unsigned n, uint32_t sel)
{
    X86Desc d;
    bool code, conforming;

    if (x86_sel_is_null(sel)) {
        env->seg[n] = (X86Seg){.sel = sel};
        return;
    }
    x86_desc_need(env, sel, X86_EXC_TS, &d);
    code = x86_desc_is_code(&d);
    conforming = code && x86_desc_conforming(&d);
    if (!x86_desc_is_memory(&d) || (code && !(d.hi >> 9 & 1)) ||
        (!conforming && x86_desc_dpl(&d) < MAX((unsigned)env->cpl, sel & 3))) {
        x86_raise(env, X86_EXC_TS, x86_sel_error(env, sel));
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, x86_sel_error(env, sel));
    }
    x86_desc_accessed(env, &d);
    env->seg[n] = x86_desc_seg(&d, sel);
}

/* Segments of the new task: until each is loaded its selector is there and nothing else. */
static void load_task_segments(X86Env *env, const TssImage *t)
{
    static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] =
            env->eflags & X86_VM ? x86_real_seg(env, i, t->segs[i]) : (X86Seg){.sel = t->segs[i]};
    }
    if (env->eflags & X86_VM) {
        env->cpl = 3;
        load_task_ldt(env, t->ldt);
        return;
    }
    env->cpl = t->segs[X86_CS] & 3;
    load_task_ldt(env, t->ldt);
    env->seg[X86_CS] = check_task_cs(env, t->segs[X86_CS]);
    env->tcg.pc = x86_linear_ip(env, t->ip);
    env->seg[X86_SS] = x86_check_ss(env, t->segs[X86_SS], env->cpl, X86_EXC_TS);
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        check_task_data(env, data[i], t->segs[data[i]]);
    }
    x86_check_ip(env, &env->seg[X86_CS], t->ip);
}

/* From here on we are in the new task. */
static void enter_task(X86Env *env, const TssImage *t, bool nested)
{
    CpuState *cpu = env->tcg.cpu;
    uint32_t flags = t->flags | (nested ? X86_NT : 0);

    if (env->cr0 & X86_CR0_PG && t->cr3 != env->cr3) {
        if (env->cr4 & X86_CR4_PAE && !x86_load_pdptes(env, t->cr3)) {
            x86_raise(env, X86_EXC_TS, x86_sel_error(env, env->tr.sel));
        }
        env->cr3 = t->cr3;
        cpu_tlb_flush(cpu, x86_space(cpu));
    }
    x86_set_eflags(env, flags);
    for (unsigned i = 0; i < 8; i++) {
        env->regs[i] = t->regs[i];
    }
    env->cr0 |= X86_CR0_TS;
    env->dr[7] &= ~0x155ULL; /* local breakpoints */
    env->tcg.pc = t->ip;
    env->tcg.host_ra = 0; /* pc is the new task's from here on */
    load_task_segments(env, t);
    env->tcg.pc = x86_linear_ip(env, t->ip);
    cpu_context_changed(cpu);
}

void x86_task_switch(X86Env *env, uint32_t sel, X86Desc *d, X86TaskKind kind, uint64_t ip)
{
    bool nested = kind == X86_TASK_CALL || kind == X86_TASK_EVENT;
    const TssLayout *l = tss_layout(x86_desc_type(d));
    X86Seg tr = x86_desc_seg(d, sel);
    uint32_t flags = x86_eflags(env), old_sel = env->tr.sel;
    GuestVA old_desc = env->gdt.base + (old_sel & 0xfff8);
    TssImage t;

    if (tr.limit < l->limit) {
        x86_raise(env, X86_EXC_TS, x86_sel_error(env, sel));
    }
    tss_read(env, l, tr.base, &t);
    if (kind == X86_TASK_IRET) {
        flags &= ~(uint32_t)X86_NT;
    }
    if (kind == X86_TASK_EVENT && env->exception_kind == X86_EVENT_FAULT) {
        flags |= X86_RF;
    }
    tss_save(env, ip, flags);
    if (nested) {
        x86_sys_store(env, tr.base, old_sel, 2);
    } else {
        set_busy(env, old_desc, false);
    }
    if (kind != X86_TASK_IRET) {
        set_busy(env, d->addr, true);
    }
    tr.attr |= 2;
    env->tr = tr;
    enter_task(env, &t, nested);
    if (t.trap) {
        env->dr6_pending = X86_DR6_BT;
        env->delivering = X86_NOT_DELIVERING;
        x86_raise_event(env, X86_EXC_DB, 0, X86_EVENT_TRAP);
    }
}

/* --- The I/O permission bitmap --- */

void x86_check_io(X86Env *env, unsigned port, unsigned size)
{
    bool v86 = env->eflags & X86_VM;
    unsigned iopl = extract64(env->eflags, 12, 2);
    uint32_t offset, bits;

    if (!(env->cr0 & X86_CR0_PE) || (!v86 && env->cpl <= iopl)) {
        return;
    }
    /* Two bytes are read, so that a port range may cross a byte. */
    if (!(env->tr.attr & X86_ATTR_P) || !(env->tr.attr & 8) || env->tr.limit < 103) {
        x86_raise_gp(env, 0);
    }
    offset = x86_sys_load(env, env->tr.base + 102, 2) + port / 8;
    if (offset + 1 > env->tr.limit) {
        x86_raise_gp(env, 0);
    }
    bits = x86_sys_load(env, env->tr.base + offset, 2);
    if (bits >> port % 8 & MASK_ULL(size)) {
        x86_raise_gp(env, 0);
    }
}
