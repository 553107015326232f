/* SPDX-License-Identifier: MIT */
/* Descriptors, segment registers and stacks (SDM vol. 3, chapters 3 and 5). */
#include "rhea/osdep.h"

#include "../seg.h"
#include "helper.h"

/* --- Memory of the system --- */

static IrMem mem_size(unsigned size)
{
    return size == 8 ? IR_MEM_64 : size == 4 ? IR_MEM_32 : size == 2 ? IR_MEM_16 : IR_MEM_8;
}

uint64_t x86_sys_load(X86Env *env, GuestVA va, unsigned size)
{
    return cpu_load(env->tcg.cpu, x86_long_mode(env) ? va : (uint32_t)va, mem_size(size),
                    X86_MMU_KERNEL);
}

void x86_sys_store(X86Env *env, GuestVA va, uint64_t v, unsigned size)
{
    cpu_store(env->tcg.cpu, x86_long_mode(env) ? va : (uint32_t)va, v, mem_size(size),
              X86_MMU_KERNEL);
}

/* --- Descriptors --- */

uint32_t x86_desc_limit(const X86Desc *d)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return d->hi >> 23 & 1 ? limit << 12 | 0xfff : limit;
}

uint64_t x86_desc_base(const X86Desc *d)
{
    return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}

X86Seg x86_desc_seg(const X86Desc *d, uint32_t sel)
{
    return (X86Seg){
        .base = x86_desc_base(d),
        .limit = x86_desc_limit(d),
        .attr = d->hi >> 8 & 0xf0ff,
        .sel = sel,
    };
}

/* The table of @sel; false: there is none. */
static bool desc_table(const X86Env *env, uint32_t sel, uint64_t *base, uint32_t *limit)
{
    if (sel & 4) {
        *base = env->ldt.base;
        *limit = env->ldt.limit;
        return !x86_sel_is_null(env->ldt.sel) && env->ldt.attr & X86_ATTR_P;
    }
    *base = env->gdt.base;
    *limit = env->gdt.limit;
    return true;
}

bool x86_desc_read(X86Env *env, uint32_t sel, X86Desc *d)
{
    uint64_t base, raw;
    uint32_t limit, index = sel & 0xfff8;

    if (!desc_table(env, sel, &base, &limit) || index + 7 > limit) {
        return false;
    }
    d->addr = base + index;
    raw = x86_sys_load(env, d->addr, 8);
    d->lo = raw;
    d->hi = raw >> 32;
    return true;
}

void x86_desc_need(X86Env *env, uint32_t sel, unsigned vector, X86Desc *d)
{
    if (x86_sel_is_null(sel)) {
        x86_raise(env, vector, x86_sel_error(env, 0));
    }
    if (!x86_desc_read(env, sel, d)) {
        x86_raise(env, vector, x86_sel_error(env, sel));
    }
}

uint64_t x86_desc_high(X86Env *env, uint32_t sel, const X86Desc *d, unsigned vector)
{
    uint64_t base, raw;
    uint32_t limit;

    if (!desc_table(env, sel, &base, &limit) || (sel & 0xfff8) + 15 > limit) {
        x86_raise(env, vector, x86_sel_error(env, sel));
    }
    raw = x86_sys_load(env, d->addr + 8, 8);
    if (raw >> 40 & 0x1f) { /* the type field of the upper half */
        x86_raise(env, vector, x86_sel_error(env, sel));
    }
    return raw << 32;
}

void x86_desc_accessed(X86Env *env, X86Desc *d)
{
    GuestVA at = d->addr + 5;

    if (d->hi & 0x100) {
        return;
    }
    cpu_atomic(env->tcg.cpu, x86_long_mode(env) ? at : (uint32_t)at, 1, IR_ATOMIC_OR, IR_MEM_8,
               X86_MMU_KERNEL);
    d->hi |= 0x100;
}

/* --- Segment registers --- */

X86Seg x86_real_seg(const X86Env *env, unsigned n, uint32_t sel)
{
    X86Seg s = env->seg[n]; /* real mode keeps limit and rights */

    s.sel = sel;
    s.base = (sel & 0xffff) << 4;
    if (env->eflags & X86_VM) {
        s.limit = 0xffff;
        s.attr = X86_ATTR_P | X86_ATTR_S | X86_ATTR_W | X86_ATTR_A | 3 << X86_ATTR_DPL_SHIFT;
    }
    return s;
}

X86Seg x86_flat_seg(uint32_t sel, uint32_t attr)
{
    return (X86Seg){.limit = UINT32_MAX,
                    .attr = attr | X86_ATTR_P | X86_ATTR_S | X86_ATTR_A | X86_ATTR_W | X86_ATTR_G,
                    .sel = sel};
}

void x86_set_cs(X86Env *env, X86Seg cs, unsigned cpl)
{
    cs.sel = (cs.sel & ~3) | cpl;
    env->seg[X86_CS] = cs;
    env->cpl = cpl;
}

X86Seg x86_check_ss(X86Env *env, uint32_t sel, unsigned cpl, unsigned vector)
{
    X86Desc d;

    if (x86_sel_is_null(sel) && x86_code64(env) && cpl < 3 && (sel & 3) == cpl) {
        return (X86Seg){.sel = sel, .attr = cpl << X86_ATTR_DPL_SHIFT};
    }
    x86_desc_need(env, sel, vector, &d);
    if ((sel & 3) != cpl || !x86_desc_is_memory(&d) || x86_desc_is_code(&d) || !(d.hi >> 9 & 1) ||
        x86_desc_dpl(&d) != cpl) {
        x86_raise(env, vector, x86_sel_error(env, sel));
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_SS, x86_sel_error(env, sel));
    }
    x86_desc_accessed(env, &d);
    return x86_desc_seg(&d, sel);
}

/* A segment that only code may read, or that only data of less privilege. */
static bool data_seg_allowed(const X86Desc *d, unsigned cpl, unsigned rpl)
{
    if (!x86_desc_is_memory(d) || (x86_desc_is_code(d) && !(d->hi >> 9 & 1))) {
        return false;
    }
    return (x86_desc_is_code(d) && x86_desc_conforming(d)) || x86_desc_dpl(d) >= MAX(cpl, rpl);
}

void x86_load_data_seg(X86Env *env, unsigned n, uint32_t sel)
{
    X86Desc d;

    sel &= 0xffff;
    if (x86_sel_is_null(sel)) {
        env->seg[n] = (X86Seg){.sel = sel};
        return;
    }
    x86_desc_need(env, sel, X86_EXC_GP, &d);
    if (!data_seg_allowed(&d, env->cpl, sel & 3)) {
        x86_raise_gp(env, x86_sel_error(env, sel));
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, x86_sel_error(env, sel));
    }
    x86_desc_accessed(env, &d);
    env->seg[n] = x86_desc_seg(&d, sel);
}

void x86_drop_data_segs(X86Env *env)
{
    static const uint8_t data[] = {X86_ES, X86_FS, X86_GS, X86_DS};

    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        X86Seg *s = &env->seg[data[i]];
        bool conforming = (s->attr & (X86_ATTR_CODE | X86_ATTR_E)) == (X86_ATTR_CODE | X86_ATTR_E);

        if (!conforming && (s->attr >> X86_ATTR_DPL_SHIFT & 3) < env->cpl) {
            /* The base of FS and GS is for the kernel to clear. */
            *s = (X86Seg){.base = data[i] == X86_FS || data[i] == X86_GS ? s->base : 0};
        }
    }
}

uint64_t x86_helper_load_seg(void *opaque, uint64_t n, uint64_t sel, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    sel &= 0xffff;
    if (!x86_protected(env)) {
        env->seg[n] = x86_real_seg(env, n, sel);
    } else if (n == X86_SS) {
        env->seg[X86_SS] = x86_check_ss(env, sel, env->cpl, X86_EXC_GP);
    } else {
        x86_load_data_seg(env, n, sel);
    }
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

uint64_t x86_helper_shadow_ss(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->inhibit_irq = X86_SHADOW_SS;
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

/* --- Limits and rights of legacy segments --- */

static bool seg_in_limit(const X86Seg *s, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;

    if ((s->attr & (X86_ATTR_CODE | X86_ATTR_E)) == X86_ATTR_E && s->attr & X86_ATTR_S) {
        return offset > s->limit && last <= (s->attr & X86_ATTR_DB ? UINT32_MAX : 0xffff);
    }
    return last <= s->limit;
}

/* In protected mode: is it there, and is this kind of access allowed? */
static bool seg_allows(const X86Seg *s, MemAccess access)
{
    if (!(s->attr & X86_ATTR_P)) {
        return false;
    }
    if (s->attr & X86_ATTR_CODE) {
        return access == ACCESS_READ && s->attr & X86_ATTR_W;
    }
    return access == ACCESS_READ || s->attr & X86_ATTR_W;
}

void x86_seg_check(X86Env *env, unsigned n, uint64_t offset, unsigned size, MemAccess access)
{
    const X86Seg *s = &env->seg[n];

    if ((x86_protected(env) && !seg_allows(s, access)) || !seg_in_limit(s, offset, size)) {
        x86_raise(env, n == X86_SS ? X86_EXC_SS : X86_EXC_GP, 0);
    }
}

uint64_t x86_helper_seg_check(void *opaque, uint64_t n, uint64_t offset, uint64_t size,
                              uint64_t access)
{
    x86_seg_check(opaque, n, offset, size, access);
    return 0;
}

void x86_check_ip(X86Env *env, const X86Seg *cs, uint64_t ip)
{
    bool code64 = x86_long_mode(env) && cs->attr & X86_ATTR_L;

    if (code64 ? !x86_canonical(env, ip) : ip > cs->limit) {
        x86_raise_gp(env, x86_sel_error(env, 0));
    }
}

uint64_t x86_helper_cs_fetch(void *opaque, uint64_t last, uint64_t ninsns, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    const X86Seg *cs = &env->seg[X86_CS];

    if ((uint32_t)(last - cs->base) > cs->limit) {
        if (ninsns > 1) {
            cpu_retry_alone(env->tcg.cpu); /* the first may be inside */
        }
        x86_raise_gp(env, 0);
    }
    return 0;
}

uint64_t x86_helper_cs_target(void *opaque, uint64_t eip, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (eip > env->seg[X86_CS].limit) {
        x86_raise_gp(env, 0);
    }
    return 0;
}

/* --- Stacks --- */

X86Stack x86_stack_new(X86Env *env, const X86Seg *ss, uint64_t sp, unsigned cpl)
{
    X86Stack s = {
        .env = env,
        .ss = *ss,
        .sp = sp,
        .mmu = cpl == 3 ? X86_MMU_USER : X86_MMU_KERNEL,
        .long_mode = x86_code64(env),
    };

    s.mask = s.long_mode ? ~0ULL : ss->attr & X86_ATTR_DB ? UINT32_MAX : 0xffff;
    s.error = x86_sel_error(env, 0);
    return s;
}

X86Stack x86_stack(X86Env *env)
{
    X86Stack s = x86_stack_new(env, &env->seg[X86_SS], env->regs[X86_RSP], env->cpl);

    /* These are the program's own accesses: SMAP is as for its others. */
    s.mmu = x86_key(env->tcg.cpu) & 3;
    return s;
}

/* The linear address of @size bytes at sp. */
static GuestVA stack_address(X86Stack *s, unsigned size)
{
    uint64_t offset = s->sp & s->mask;

    if (s->long_mode) {
        if (!x86_canonical(s->env, offset)) {
            x86_raise(s->env, X86_EXC_SS, s->error);
        }
        return offset;
    }
    if (!seg_in_limit(&s->ss, offset, size)) {
        x86_raise(s->env, X86_EXC_SS, s->error);
    }
    return (uint32_t)(s->ss.base + offset);
}

void x86_push(X86Stack *s, uint64_t v, unsigned size)
{
    s->sp = (s->sp & ~s->mask) | ((s->sp - size) & s->mask);
    cpu_store(s->env->tcg.cpu, stack_address(s, size), v, mem_size(size), s->mmu);
}

uint64_t x86_pop(X86Stack *s, unsigned size)
{
    uint64_t v = cpu_load(s->env->tcg.cpu, stack_address(s, size), mem_size(size), s->mmu);

    s->sp = (s->sp & ~s->mask) | ((s->sp + size) & s->mask);
    return v;
}

void x86_stack_commit(const X86Stack *s)
{
    s->env->regs[X86_RSP] = s->mask == UINT32_MAX ? (uint32_t)s->sp : s->sp;
}

/* --- The task-state segment --- */

static void tss_need(X86Env *env, uint32_t offset, unsigned size)
{
    if (!(env->tr.attr & X86_ATTR_P) || offset + size - 1 > env->tr.limit) {
        x86_raise(env, X86_EXC_TS, x86_sel_error(env, env->tr.sel));
    }
}

void x86_tss_stack(X86Env *env, unsigned dpl, uint32_t *ss, uint64_t *sp)
{
    bool wide = env->tr.attr & 8;

    if (x86_long_mode(env)) {
        tss_need(env, 4 + 8 * dpl, 8);
        *sp = x86_sys_load(env, env->tr.base + 4 + 8 * dpl, 8);
        *ss = dpl;
    } else if (wide) {
        tss_need(env, 4 + 8 * dpl, 6);
        *sp = x86_sys_load(env, env->tr.base + 4 + 8 * dpl, 4);
        *ss = x86_sys_load(env, env->tr.base + 8 + 8 * dpl, 2);
    } else {
        tss_need(env, 2 + 4 * dpl, 4);
        *sp = x86_sys_load(env, env->tr.base + 2 + 4 * dpl, 2);
        *ss = x86_sys_load(env, env->tr.base + 4 + 4 * dpl, 2);
    }
}

uint64_t x86_tss_ist(X86Env *env, unsigned ist)
{
    tss_need(env, 36 + 8 * (ist - 1), 8);
    return x86_sys_load(env, env->tr.base + 36 + 8 * (ist - 1), 8);
}

/* --- LLDT, LTR --- */

/* A system descriptor of @types for LLDT or LTR, 16 bytes in long mode. */
static X86Seg system_seg(X86Env *env, uint32_t sel, uint32_t types, X86Desc *d)
{
    X86Seg s;

    if (sel & 4) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    x86_desc_need(env, sel, X86_EXC_GP, d);
    if (x86_desc_is_memory(d) || !(types >> x86_desc_type(d) & 1)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    s = x86_desc_seg(d, sel);
    if (x86_long_mode(env)) {
        s.base |= x86_desc_high(env, sel, d, X86_EXC_GP);
    }
    if (!x86_desc_present(d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    if (x86_long_mode(env) && !x86_canonical(env, s.base)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    return s;
}

uint64_t x86_helper_lldt(void *opaque, uint64_t sel, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    X86Desc desc;

    sel &= 0xffff;
    if (x86_sel_is_null(sel)) {
        env->ldt = (X86Seg){.sel = sel};
    } else {
        env->ldt = system_seg(env, sel, 1 << X86_DESC_LDT, &desc);
    }
    return 0;
}

uint64_t x86_helper_ltr(void *opaque, uint64_t sel, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint32_t types = 1 << X86_DESC_TSS | (x86_long_mode(env) ? 0 : 1 << X86_DESC_TSS16);
    X86Desc desc;
    X86Seg s;

    sel &= 0xffff;
    s = system_seg(env, sel, types, &desc);
    x86_sys_store(env, desc.addr + 4, desc.hi | 0x200, 4); /* busy */
    s.attr |= 2;
    env->tr = s;
    return 0;
}

static void load_table(X86Env *env, uint64_t *base, uint16_t *limit, uint64_t b, uint64_t l)
{
    if (x86_code64(env) && !x86_canonical(env, b)) {
        x86_raise_gp(env, 0);
    }
    *base = b;
    *limit = l;
}

uint64_t x86_helper_lgdt(void *opaque, uint64_t base, uint64_t limit, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    load_table(env, &env->gdt.base, &env->gdt.limit, base, limit);
    return 0;
}

uint64_t x86_helper_lidt(void *opaque, uint64_t base, uint64_t limit, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    load_table(env, &env->idt.base, &env->idt.limit, base, limit);
    return 0;
}

/* --- LAR, LSL, VERR, VERW --- */

/* The descriptor of @sel if a program at CPL may ask about it; @types: of system descriptors. */
static bool desc_visible(X86Env *env, uint32_t sel, uint32_t types, X86Desc *d)
{
    bool conforming;

    if (x86_sel_is_null(sel) || !x86_desc_read(env, sel, d)) {
        return false;
    }
    if (!x86_desc_is_memory(d) && !(types >> x86_desc_type(d) & 1)) {
        return false;
    }
    conforming = x86_desc_is_memory(d) && x86_desc_is_code(d) && x86_desc_conforming(d);
    return conforming || x86_desc_dpl(d) >= MAX((unsigned)env->cpl, sel & 3);
}

#define LAR_ZF (1ULL << 32)

uint64_t x86_helper_lar(void *opaque, uint64_t sel, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    /* In long mode only LDT, 64-bit TSS and 64-bit call gate. */
    uint32_t types = x86_long_mode(env) ? 0x1a04 : 0x1a3e;
    X86Desc desc;

    return desc_visible(env, sel & 0xffff, types, &desc) ? (desc.hi & 0xffff00) | LAR_ZF : 0;
}

uint64_t x86_helper_lsl(void *opaque, uint64_t sel, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint32_t types = x86_long_mode(env) ? 0x0a04 : 0x0a0e;
    X86Desc desc;

    return desc_visible(env, sel & 0xffff, types, &desc) ? x86_desc_limit(&desc) | LAR_ZF : 0;
}

uint64_t x86_helper_verr(void *opaque, uint64_t sel, uint64_t b, uint64_t c, uint64_t d)
{
    X86Desc desc;

    return desc_visible(opaque, sel & 0xffff, 0, &desc) &&
           (!x86_desc_is_code(&desc) || desc.hi >> 9 & 1);
}

uint64_t x86_helper_verw(void *opaque, uint64_t sel, uint64_t b, uint64_t c, uint64_t d)
{
    X86Desc desc;

    return desc_visible(opaque, sel & 0xffff, 0, &desc) && !x86_desc_is_code(&desc) &&
           desc.hi >> 9 & 1;
}
