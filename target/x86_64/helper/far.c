/* SPDX-License-Identifier: MIT */
/*
 * Far jumps, calls and returns, through call gates and tasks too, and IRET (SDM vol. 2 under the
 * instructions' names; vol. 3, 5.8).
 *
 * All checks and memory accesses come before the first change of state.
 */
#include "rhea/osdep.h"

#include "../seg.h"
#include "helper.h"

static uint64_t size_mask(unsigned size)
{
    return MASK_ULL(8 * size);
}

/* The end of each: where to go on. */
static uint64_t transferred(X86Env *env, uint64_t ip)
{
    cpu_context_changed(env->tcg.cpu);
    return x86_linear_ip(env, ip);
}

/* --- Checks of code segments --- */

/* What a direct JMP or CALL wants of a code segment. */
static X86Seg check_direct_code(X86Env *env, uint32_t sel, X86Desc *d)
{
    unsigned cpl = env->cpl, dpl = x86_desc_dpl(d);
    X86Seg cs;

    if (x86_desc_conforming(d) ? dpl > cpl : (sel & 3) > cpl || dpl != cpl) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (x86_long_mode(env) && x86_desc_64(d) && d->hi >> 22 & 1) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (!x86_desc_present(d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    x86_desc_accessed(env, d);
    cs = x86_desc_seg(d, sel);
    return cs;
}

/* The code segment of a call gate, and in *cpl the level that it is entered at (JMP: always CPL). */
static X86Seg check_gate_code(X86Env *env, uint32_t sel, bool call, X86Desc *d, unsigned *cpl)
{
    unsigned dpl;
    bool conforming;

    x86_desc_need(env, sel, X86_EXC_GP, d);
    dpl = x86_desc_dpl(d);
    conforming = x86_desc_conforming(d);
    if (!x86_desc_is_code(d) || dpl > env->cpl || (!call && !conforming && dpl != env->cpl)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (x86_long_mode(env) && (!x86_desc_64(d) || d->hi >> 22 & 1)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (!x86_desc_present(d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    *cpl = conforming ? env->cpl : dpl;
    x86_desc_accessed(env, d);
    return x86_desc_seg(d, sel);
}

/* --- System descriptors that JMP and CALL go through --- */

typedef struct Gate {
    uint32_t sel;
    uint64_t offset;
    unsigned size; /* of what is pushed */
    unsigned params;
} Gate;

static void check_system_access(X86Env *env, uint32_t sel, const X86Desc *d)
{
    unsigned dpl = x86_desc_dpl(d);

    if (dpl < env->cpl || dpl < (sel & 3)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
}

static Gate read_call_gate(X86Env *env, uint32_t sel, const X86Desc *d)
{
    Gate g = {.sel = d->lo >> 16, .offset = (d->lo & 0xffff) | (d->hi & 0xffff0000)};

    if (!x86_desc_present(d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    if (x86_long_mode(env)) {
        g.size = 8;
        g.offset |= x86_desc_high(env, sel, d, X86_EXC_GP);
    } else if (x86_desc_type(d) == X86_DESC_CALL) {
        g.size = 4;
        g.params = d->hi & 31;
    } else {
        g.size = 2;
        g.offset &= 0xffff;
        g.params = d->hi & 31;
    }
    return g;
}

/* JMP or CALL to a TSS or a task gate. */
static void jump_to_task(X86Env *env, uint32_t sel, X86Desc *d, X86TaskKind kind, uint64_t ip)
{
    if (x86_desc_type(d) == X86_DESC_TASK_GATE) {
        if (!x86_desc_present(d)) {
            x86_raise(env, X86_EXC_NP, sel & 0xfffc);
        }
        sel = d->lo >> 16;
        if (sel & 4) {
            x86_raise_gp(env, sel & 0xfffc);
        }
        x86_desc_need(env, sel, X86_EXC_GP, d);
        if (x86_desc_is_memory(d) ||
            (x86_desc_type(d) != X86_DESC_TSS && x86_desc_type(d) != X86_DESC_TSS16)) {
            x86_raise_gp(env, sel & 0xfffc);
        }
    }
    if (!x86_desc_present(d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    x86_task_switch(env, sel, d, kind, ip);
}

/* Sorts system descriptors: true for call gates, false for tasks; others raise. */
static bool is_call_gate(X86Env *env, uint32_t sel, const X86Desc *d)
{
    const uint32_t calls = 1 << X86_DESC_CALL16 | 1 << X86_DESC_CALL;
    const uint32_t tasks = 1 << X86_DESC_TSS16 | 1 << X86_DESC_TSS | 1 << X86_DESC_TASK_GATE;
    uint32_t bit = 1u << x86_desc_type(d);

    if (x86_long_mode(env) ? bit != 1 << X86_DESC_CALL : !(bit & (calls | tasks))) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    check_system_access(env, sel, d);
    return bit & calls;
}

/* The running instruction's EIP plus @len. */
static uint64_t next_ip(X86Env *env, uint64_t len)
{
    uint64_t ip;

    cpu_sync_pc(env->tcg.cpu);
    ip = x86_ip(env) + len;
    return env->seg[X86_CS].attr & (X86_ATTR_DB | X86_ATTR_L) ? ip : ip & 0xffff;
}

/* --- JMP --- */

static uint64_t jump_through_gate(X86Env *env, uint32_t sel, const X86Desc *d)
{
    Gate g = read_call_gate(env, sel, d);
    X86Desc code;
    unsigned cpl;
    X86Seg cs = check_gate_code(env, g.sel, false, &code, &cpl);

    x86_check_ip(env, &cs, g.offset);
    x86_set_cs(env, cs, cpl);
    return g.offset;
}

uint64_t x86_helper_far_jmp(void *opaque, uint64_t sel, uint64_t offset, uint64_t size,
                            uint64_t len)
{
    X86Env *env = opaque;
    X86Desc d;
    X86Seg cs;

    sel &= 0xffff;
    offset &= size_mask(size);
    if (!x86_protected(env)) {
        cs = x86_real_seg(env, X86_CS, sel);
        x86_check_ip(env, &cs, offset);
        env->seg[X86_CS] = cs;
        return transferred(env, offset);
    }
    x86_desc_need(env, sel, X86_EXC_GP, &d);
    if (x86_desc_is_code(&d)) {
        cs = check_direct_code(env, sel, &d);
        x86_check_ip(env, &cs, offset);
        x86_set_cs(env, cs, env->cpl);
        return transferred(env, offset);
    }
    if (x86_desc_is_memory(&d)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (is_call_gate(env, sel, &d)) {
        return transferred(env, jump_through_gate(env, sel, &d));
    }
    jump_to_task(env, sel, &d, X86_TASK_JMP, next_ip(env, len));
    return env->tcg.pc;
}

/* --- CALL --- */

static void push_return(X86Env *env, X86Stack *s, uint64_t ip, unsigned size)
{
    x86_push(s, env->seg[X86_CS].sel, size);
    x86_push(s, ip, size);
}

/* Onto the stack of an inner level: old stack, parameters. */
static X86Stack gate_inner_stack(X86Env *env, const Gate *g, unsigned cpl, X86Seg *ss)
{
    X86Stack old = x86_stack(env), s;
    uint64_t params[31];
    uint32_t ss_sel;
    uint64_t sp;

    x86_tss_stack(env, cpl, &ss_sel, &sp);
    *ss = x86_long_mode(env) ? (X86Seg){.sel = cpl, .attr = cpl << X86_ATTR_DPL_SHIFT}
                             : x86_check_ss(env, ss_sel, cpl, X86_EXC_TS);
    s = x86_stack_new(env, ss, sp, cpl);
    if (x86_long_mode(env)) {
        s.long_mode = true;
        s.mask = ~0ULL;
    } else {
        s.error = ss_sel & 0xfffc;
    }
    for (unsigned i = 0; i < g->params; i++) {
        params[i] = x86_pop(&old, g->size);
    }
    x86_push(&s, env->seg[X86_SS].sel, g->size);
    x86_push(&s, env->regs[X86_RSP], g->size);
    for (unsigned i = g->params; i-- > 0;) {
        x86_push(&s, params[i], g->size);
    }
    return s;
}

static uint64_t call_through_gate(X86Env *env, uint32_t sel, const X86Desc *d, uint64_t ip)
{
    Gate g = read_call_gate(env, sel, d);
    X86Desc code;
    unsigned cpl;
    X86Seg cs = check_gate_code(env, g.sel, true, &code, &cpl), ss = env->seg[X86_SS];
    X86Stack s;

    x86_check_ip(env, &cs, g.offset);
    s = cpl < env->cpl ? gate_inner_stack(env, &g, cpl, &ss) : x86_stack(env);
    push_return(env, &s, ip, g.size);
    env->seg[X86_SS] = ss;
    x86_set_cs(env, cs, cpl);
    x86_stack_commit(&s);
    return g.offset;
}

uint64_t x86_helper_far_call(void *opaque, uint64_t sel, uint64_t offset, uint64_t size,
                             uint64_t len)
{
    X86Env *env = opaque;
    uint64_t ip = next_ip(env, len);
    X86Stack s = x86_stack(env);
    X86Desc d;
    X86Seg cs;

    sel &= 0xffff;
    offset &= size_mask(size);
    if (!x86_protected(env)) {
        cs = x86_real_seg(env, X86_CS, sel);
        x86_check_ip(env, &cs, offset);
        push_return(env, &s, ip, size);
        env->seg[X86_CS] = cs;
        x86_stack_commit(&s);
        return transferred(env, offset);
    }
    x86_desc_need(env, sel, X86_EXC_GP, &d);
    if (x86_desc_is_code(&d)) {
        cs = check_direct_code(env, sel, &d);
        x86_check_ip(env, &cs, offset);
        if (x86_long_mode(env) && cs.attr & X86_ATTR_L) {
            x86_stack_make_flat(&s); /* the frame is on 64-bit code's stack already */
        }
        push_return(env, &s, ip, size);
        x86_set_cs(env, cs, env->cpl);
        x86_stack_commit(&s);
        return transferred(env, offset);
    }
    if (x86_desc_is_memory(&d)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (is_call_gate(env, sel, &d)) {
        return transferred(env, call_through_gate(env, sel, &d, ip));
    }
    jump_to_task(env, sel, &d, X86_TASK_CALL, ip);
    return env->tcg.pc;
}

/* --- Returns --- */

/* The code segment that a far return or IRET to @sel gets. */
static X86Seg check_return_code(X86Env *env, uint32_t sel)
{
    unsigned rpl = sel & 3, dpl;
    X86Desc d;

    x86_desc_need(env, sel, X86_EXC_GP, &d);
    dpl = x86_desc_dpl(&d);
    if (!x86_desc_is_code(&d) || rpl < env->cpl ||
        (x86_desc_conforming(&d) ? dpl > rpl : dpl != rpl) ||
        (x86_long_mode(env) && x86_desc_64(&d) && d.hi >> 22 & 1)) {
        x86_raise_gp(env, sel & 0xfffc);
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    x86_desc_accessed(env, &d);
    return x86_desc_seg(&d, sel);
}

/* The stack segment of a return to @cs at level @cpl: null is allowed to 64-bit code below level 3. */
static X86Seg check_return_ss(X86Env *env, uint32_t sel, const X86Seg *cs, unsigned cpl)
{
    bool to_64 = x86_long_mode(env) && cs->attr & X86_ATTR_L;

    if (x86_sel_is_null(sel) && to_64 && cpl < 3 && (sel & 3) == cpl) {
        return (X86Seg){.sel = sel, .attr = cpl << X86_ATTR_DPL_SHIFT};
    }
    return x86_check_ss(env, sel, cpl, X86_EXC_GP);
}

/* RSP after a return to an outer level: as wide as the new stack. */
static void set_outer_sp(X86Env *env, uint64_t sp, uint64_t release)
{
    X86Stack s = x86_stack_new(env, &env->seg[X86_SS], sp, env->cpl);

    s.sp = (s.sp & ~s.mask) | ((s.sp + release) & s.mask);
    if (s.mask == 0xffff) {
        env->regs[X86_RSP] = (env->regs[X86_RSP] & ~0xffffULL) | (s.sp & 0xffff);
    } else {
        x86_stack_commit(&s);
    }
}

uint64_t x86_helper_far_ret(void *opaque, uint64_t size, uint64_t release, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    X86Stack s = x86_stack(env);
    uint64_t ip = x86_pop(&s, size), sp = 0;
    uint32_t sel = x86_pop(&s, size) & 0xffff;
    X86Seg cs, ss;

    if (!x86_protected(env)) {
        cs = x86_real_seg(env, X86_CS, sel);
        x86_check_ip(env, &cs, ip);
        env->seg[X86_CS] = cs;
        s.sp = (s.sp & ~s.mask) | ((s.sp + release) & s.mask);
        x86_stack_commit(&s);
        return transferred(env, ip);
    }
    cs = check_return_code(env, sel);
    s.sp = (s.sp & ~s.mask) | ((s.sp + release) & s.mask);
    if ((sel & 3) == env->cpl) {
        x86_check_ip(env, &cs, ip);
        x86_set_cs(env, cs, env->cpl);
        x86_stack_commit(&s);
        return transferred(env, ip);
    }
    sp = x86_pop(&s, size);
    ss = check_return_ss(env, x86_pop(&s, size) & 0xffff, &cs, sel & 3);
    x86_check_ip(env, &cs, ip);
    x86_set_cs(env, cs, sel & 3);
    env->seg[X86_SS] = ss;
    set_outer_sp(env, sp, release);
    x86_drop_data_segs(env);
    return transferred(env, ip);
}

/* --- IRET --- */

/* Loads those flags of an IRET image that level and size let it have. */
static void load_flags(X86Env *env, uint32_t image, unsigned size, unsigned old_cpl)
{
    uint32_t mask = X86_ARITH_FLAGS | X86_TF | X86_DF | X86_NT;
    unsigned iopl = extract64(env->eflags, 12, 2);

    if (size > 2) {
        mask |= X86_RF | X86_AC | X86_ID;
    }
    mask |= old_cpl <= iopl ? X86_IF : 0;
    if (old_cpl == 0) {
        mask |= X86_IOPL | (size > 2 ? X86_VIF | X86_VIP : 0);
    }
    x86_set_eflags(env, (x86_eflags(env) & ~mask) | (image & mask));
}

static void iret_done(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;

    env->nmi_blocked = false;
    cpu_context_changed(cpu);
}

static uint64_t iret_real(X86Env *env, unsigned size)
{
    X86Stack s = x86_stack(env);
    uint64_t ip = x86_pop(&s, size);
    X86Seg cs = x86_real_seg(env, X86_CS, x86_pop(&s, size) & 0xffff);
    uint32_t image = x86_pop(&s, size);

    x86_check_ip(env, &cs, ip);
    env->seg[X86_CS] = cs;
    x86_stack_commit(&s);
    load_flags(env, image, size, 0);
    iret_done(env);
    return x86_linear_ip(env, ip);
}

/* In virtual-8086 mode: IOPL 3, or with CR4.VME the flags of a virtual machine. */
static uint64_t iret_v86(X86Env *env, unsigned size)
{
    bool iopl3 = (env->eflags & X86_IOPL) == X86_IOPL;
    X86Stack s = x86_stack(env);
    uint32_t image, mask;
    uint64_t ip;
    X86Seg cs;

    if (!iopl3 && (!(env->cr4 & X86_CR4_VME) || size != 2)) {
        x86_raise_gp(env, 0);
    }
    ip = x86_pop(&s, size);
    cs = x86_real_seg(env, X86_CS, x86_pop(&s, size) & 0xffff);
    image = x86_pop(&s, size);
    x86_check_ip(env, &cs, ip);
    if (!iopl3 && (image & X86_TF || (image & X86_IF && env->eflags & X86_VIP))) {
        x86_raise_gp(env, 0);
    }
    env->seg[X86_CS] = cs;
    x86_stack_commit(&s);
    mask = X86_ARITH_FLAGS | X86_TF | X86_DF | X86_NT | (size > 2 ? X86_RF | X86_AC | X86_ID : 0);
    mask |= iopl3 ? X86_IF : X86_VIF;
    if (!iopl3) {
        image = (image & ~X86_VIF) | (image & X86_IF ? X86_VIF : 0);
    }
    x86_set_eflags(env, (x86_eflags(env) & ~mask) | (image & mask));
    iret_done(env);
    return x86_linear_ip(env, ip);
}

/* From level 0 into a virtual-8086 task; the frame's first three items are popped. */
static uint64_t iret_to_v86(X86Env *env, X86Stack *s, uint64_t ip, uint32_t sel, uint32_t image)
{
    static const uint8_t order[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    uint32_t sp = x86_pop(s, 4), ss = x86_pop(s, 4), sels[ARRAY_SIZE(order)];

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        sels[i] = x86_pop(s, 4);
    }
    x86_set_eflags(env, image & (X86_ARITH_FLAGS | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT |
                                 X86_RF | X86_VM | X86_AC | X86_VIF | X86_VIP | X86_ID));
    env->cpl = 3;
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        env->seg[order[i]] = x86_real_seg(env, order[i], sels[i] & 0xffff);
    }
    env->seg[X86_SS] = x86_real_seg(env, X86_SS, ss & 0xffff);
    env->seg[X86_CS] = x86_real_seg(env, X86_CS, sel);
    env->regs[X86_RSP] = sp;
    iret_done(env);
    return x86_linear_ip(env, ip & 0xffff);
}

/* Back to the task that the present one was called from. */
static uint64_t iret_task(X86Env *env, uint64_t len)
{
    uint32_t sel;
    X86Desc d;

    if (x86_long_mode(env)) {
        x86_raise_gp(env, 0);
    }
    sel = x86_sys_load(env, env->tr.base, 2);
    if (sel & 4) {
        x86_raise(env, X86_EXC_TS, sel & 0xfffc);
    }
    x86_desc_need(env, sel, X86_EXC_TS, &d);
    if (x86_desc_is_memory(&d) ||
        (x86_desc_type(&d) != X86_DESC_TSS_BUSY && x86_desc_type(&d) != X86_DESC_TSS16_BUSY)) {
        x86_raise(env, X86_EXC_TS, sel & 0xfffc);
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, sel & 0xfffc);
    }
    x86_task_switch(env, sel, &d, X86_TASK_IRET, next_ip(env, len));
    env->nmi_blocked = false;
    return env->tcg.pc;
}

static uint64_t iret_protected(X86Env *env, unsigned size)
{
    unsigned old_cpl = env->cpl, cpl;
    X86Stack s = x86_stack(env);
    uint64_t ip = x86_pop(&s, size), sp = 0;
    uint32_t sel = x86_pop(&s, size) & 0xffff, image = x86_pop(&s, size);
    bool outer;
    X86Seg cs, ss;

    if (image & X86_VM && size > 2 && old_cpl == 0 && !x86_long_mode(env)) {
        return iret_to_v86(env, &s, ip, sel, image);
    }
    cs = check_return_code(env, sel);
    cpl = sel & 3;
    outer = cpl != old_cpl;
    /* 64-bit code always gets its stack back. */
    if (outer || x86_code64(env)) {
        uint32_t ss_sel;

        sp = x86_pop(&s, size);
        ss_sel = x86_pop(&s, size) & 0xffff;
        x86_check_ip(env, &cs, ip);
        ss = check_return_ss(env, ss_sel, &cs, cpl);
        x86_set_cs(env, cs, cpl);
        env->seg[X86_SS] = ss;
        set_outer_sp(env, sp, 0);
    } else {
        x86_check_ip(env, &cs, ip);
        x86_set_cs(env, cs, cpl);
        x86_stack_commit(&s);
    }
    load_flags(env, image, size, old_cpl);
    if (outer) {
        x86_drop_data_segs(env);
    }
    iret_done(env);
    return x86_linear_ip(env, ip);
}

uint64_t x86_helper_iret(void *opaque, uint64_t size, uint64_t len, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (!(env->cr0 & X86_CR0_PE)) {
        return iret_real(env, size);
    }
    if (env->eflags & X86_VM) {
        return iret_v86(env, size);
    }
    if (env->eflags & X86_NT) {
        return iret_task(env, len);
    }
    return iret_protected(env, size);
}
