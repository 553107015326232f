/* SPDX-License-Identifier: MIT */
/* SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM vol. 2 under their names; APM vol. 2, 6.1). */
#include "rhea/osdep.h"

#include "../seg.h"
#include "helper.h"

enum { CODE = X86_ATTR_CODE, DPL3 = 3 << X86_ATTR_DPL_SHIFT };

static uint64_t go(X86Env *env, uint64_t ip)
{
    cpu_context_changed(env->tcg.cpu);
    return x86_linear_ip(env, ip);
}

/* CS and SS for level @cpl of @width (2 is not possible): flat. */
static void set_flat(X86Env *env, uint32_t cs, uint32_t ss, unsigned cpl, bool code64)
{
    uint32_t dpl = cpl ? DPL3 : 0;

    env->seg[X86_CS] = x86_flat_seg(cs & 0xfffc, CODE | dpl | (code64 ? X86_ATTR_L : X86_ATTR_DB));
    env->seg[X86_CS].sel |= cpl;
    env->seg[X86_SS] = x86_flat_seg((ss & 0xfffc) | cpl, dpl | X86_ATTR_DB);
    env->cpl = cpl;
}

/* @ip: of the instruction behind this one. */
uint64_t x86_helper_syscall(void *opaque, uint64_t ip, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint32_t sel = env->star >> 32 & 0xffff;
    uint64_t flags;

    if (!(env->efer & X86_EFER_SCE)) {
        x86_raise(env, X86_EXC_UD, 0);
    }
    flags = x86_eflags(env);
    if (x86_long_mode(env)) {
        bool code64 = x86_code64(env);

        env->regs[X86_RCX] = ip;
        env->regs[11] = flags & ~(uint64_t)X86_RF;
        x86_set_eflags(env, flags & ~(env->sfmask | X86_RF));
        set_flat(env, sel, sel + 8, 0, true);
        return go(env, code64 ? env->lstar : env->cstar);
    }
    env->regs[X86_RCX] = (uint32_t)ip;
    x86_set_eflags(env, flags & ~(X86_IF | X86_RF | X86_VM));
    set_flat(env, sel, sel + 8, 0, false);
    return go(env, (uint32_t)env->star);
}

uint64_t x86_helper_sysret(void *opaque, uint64_t size, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint32_t sel = env->star >> 48;
    uint64_t ip = env->regs[X86_RCX];

    if (!(env->efer & X86_EFER_SCE)) {
        x86_raise(env, X86_EXC_UD, 0);
    }
    if (env->cpl || !(env->cr0 & X86_CR0_PE)) {
        x86_raise_gp(env, 0);
    }
    if (x86_long_mode(env)) {
        if (size == 8 && !x86_canonical(env, ip)) {
            x86_raise_gp(env, 0);
        }
        x86_set_eflags(env, env->regs[11] & 0x3c7fd7);
        set_flat(env, size == 8 ? sel + 16 : sel, sel + 8, 3, size == 8);
        return go(env, size == 8 ? ip : (uint32_t)ip);
    }
    x86_set_eflags(env, x86_eflags(env) | X86_IF);
    set_flat(env, sel, sel + 8, 3, false);
    return go(env, (uint32_t)ip);
}

uint64_t x86_helper_sysenter(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    bool wide = x86_long_mode(env);

    if (!(env->cr0 & X86_CR0_PE) || x86_sel_is_null(env->sysenter_cs)) {
        x86_raise_gp(env, 0);
    }
    x86_set_eflags(env, x86_eflags(env) & ~(X86_VM | X86_IF | X86_RF));
    set_flat(env, env->sysenter_cs, env->sysenter_cs + 8, 0, wide);
    env->regs[X86_RSP] = wide ? env->sysenter_esp : (uint32_t)env->sysenter_esp;
    return go(env, wide ? env->sysenter_eip : (uint32_t)env->sysenter_eip);
}

uint64_t x86_helper_sysexit(void *opaque, uint64_t size, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint64_t ip = env->regs[X86_RDX], sp = env->regs[X86_RCX];
    bool wide = size == 8;

    if (!(env->cr0 & X86_CR0_PE) || env->cpl || x86_sel_is_null(env->sysenter_cs)) {
        x86_raise_gp(env, 0);
    }
    if (wide && (!x86_canonical(env, ip) || !x86_canonical(env, sp))) {
        x86_raise_gp(env, 0);
    }
    set_flat(env, env->sysenter_cs + (wide ? 32 : 16), env->sysenter_cs + (wide ? 40 : 24), 3,
             wide);
    env->regs[X86_RSP] = wide ? sp : (uint32_t)sp;
    return go(env, wide ? ip : (uint32_t)ip);
}
