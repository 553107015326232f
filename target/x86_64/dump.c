/* SPDX-License-Identifier: MIT */
/* "info registers", in the layout that users and scripts know. */
#include "rhea/osdep.h"

#include "fpu.h"

static void dump_regs(const X86Env *env, GString *out)
{
    static const struct {
        const char *name;
        uint8_t reg;
    } order[] = {{"AX", X86_RAX}, {"BX", X86_RBX}, {"CX", X86_RCX}, {"DX", X86_RDX},
                 {"SI", X86_RSI}, {"DI", X86_RDI}, {"BP", X86_RBP}, {"SP", X86_RSP}};
    bool wide = x86_code64(env);

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        g_string_append_printf(out, wide ? "R%s=%016" PRIx64 "%s" : "E%s=%08" PRIx64 "%s",
                               order[i].name,
                               wide ? env->regs[order[i].reg] : (uint32_t)env->regs[order[i].reg],
                               i % 4 == 3 ? "\n" : " ");
    }
    for (unsigned i = 8; wide && i < 16; i++) {
        g_string_append_printf(out, "R%-2u=%016" PRIx64 "%s", i, env->regs[i],
                               i % 4 == 3 ? "\n" : " ");
    }
}

static void dump_flags(const X86Env *env, GString *out)
{
    CpuState *cpu = env->tcg.cpu;
    uint32_t f = x86_eflags(env);
    uint64_t ip = x86_ip(env);

    g_string_append_printf(
        out, x86_code64(env) ? "RIP=%016" PRIx64 " RFL=" : "EIP=%08" PRIx64 " EFL=", ip);
    g_string_append_printf(out, "%08x [%c%c%c%c%c%c%c] CPL=%u II=%u A20=%u SMM=%u HLT=%u\n", f,
                           f & X86_DF ? 'D' : '-', f & X86_OF ? 'O' : '-', f & X86_SF ? 'S' : '-',
                           f & X86_ZF ? 'Z' : '-', f & X86_AF ? 'A' : '-', f & X86_PF ? 'P' : '-',
                           f & X86_CF ? 'C' : '-', env->cpl, env->inhibit_irq != X86_SHADOW_NONE,
                           env->a20_mask == ~0ULL, env->smm, cpu->halted);
}

static void dump_seg_kind(const X86Env *env, const X86Seg *s, GString *out)
{
    static const char *const system[] = {"Reserved",   "TSS16-avl", "LDT",       "TSS16-busy",
                                         "CallGate16", "TaskGate",  "IntGate16", "TrapGate16",
                                         "Reserved",   "TSS32-avl", "Reserved",  "TSS32-busy",
                                         "CallGate32", "Reserved",  "IntGate32", "TrapGate32"};
    unsigned a = s->attr;

    g_string_append_printf(out, " DPL=%u ", a >> X86_ATTR_DPL_SHIFT & 3);
    if (!(a & X86_ATTR_S)) {
        g_string_append(out, system[a & X86_ATTR_TYPE]);
    } else if (a & X86_ATTR_CODE) {
        g_string_append_printf(out, "%s [%c%c%c]",
                               a & X86_ATTR_L    ? "CS64"
                               : a & X86_ATTR_DB ? "CS32"
                                                 : "CS16",
                               a & X86_ATTR_E ? 'C' : '-', a & X86_ATTR_W ? 'R' : '-',
                               a & X86_ATTR_A ? 'A' : '-');
    } else {
        g_string_append_printf(
            out, "%s [%c%c%c]", a & X86_ATTR_DB || x86_long_mode(env) ? "DS  " : "DS16",
            a & X86_ATTR_E ? 'E' : '-', a & X86_ATTR_W ? 'W' : '-', a & X86_ATTR_A ? 'A' : '-');
    }
}

static void dump_seg(const X86Env *env, const char *name, const X86Seg *s, GString *out)
{
    g_string_append_printf(out,
                           x86_long_mode(env) ? "%-3s=%04x %016" PRIx64 " %08x %08x"
                                              : "%-3s=%04x %08" PRIx64 " %08x %08x",
                           name, s->sel, s->base, s->limit, (s->attr & 0xf0ff) << 8);
    if (s->attr & X86_ATTR_P) {
        dump_seg_kind(env, s, out);
    }
    g_string_append_c(out, '\n');
}

static void dump_system(const X86Env *env, GString *out)
{
    const char *address = x86_long_mode(env) ? "%016" PRIx64 : "%08" PRIx64;

    g_string_append(out, "GDT=     ");
    g_string_append_printf(out, address, env->gdt.base);
    g_string_append_printf(out, " %08x\nIDT=     ", env->gdt.limit);
    g_string_append_printf(out, address, env->idt.base);
    g_string_append_printf(out, " %08x\nCR0=%08" PRIx64 " CR2=", env->idt.limit, env->cr0);
    g_string_append_printf(out, address, env->cr2);
    g_string_append(out, " CR3=");
    g_string_append_printf(out, address, env->cr3);
    g_string_append_printf(out, " CR4=%08" PRIx64 "\n", env->cr4);
    for (unsigned i = 0; i < 4; i++) {
        g_string_append_printf(out, "DR%u=%016" PRIx64 "%s", i, env->dr[i], i == 3 ? "\n" : " ");
    }
    g_string_append_printf(out, "DR6=%016" PRIx64 " DR7=%016" PRIx64 "\nEFER=%016" PRIx64 "\n",
                           env->dr[6], env->dr[7], env->efer);
}

static void dump_fpu(const X86Env *env, GString *out)
{
    unsigned top = env->fpu_sw >> 11 & 7, regs = x86_code64(env) ? 16 : 8;

    g_string_append_printf(out, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", env->fpu_cw,
                           env->fpu_sw, top, env->fpu_tags, x86_get_mxcsr(env));
    for (unsigned i = 0; i < 8; i++) {
        g_string_append_printf(out, "FPR%u=%016" PRIx64 " %04x%s", i, env->st[i].sig, env->st[i].se,
                               i & 1 ? "\n" : " ");
    }
    for (unsigned i = 0; i < regs; i++) {
        g_string_append_printf(out, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%s", i, env->xmm[i].q[1],
                               env->xmm[i].q[0], i & 1 ? "\n" : " ");
    }
}

void x86_dump(CpuState *cpu, GString *out)
{
    static const char *const names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    const X86Env *env = x86_env(cpu);

    dump_regs(env, out);
    dump_flags(env, out);
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        dump_seg(env, names[i], &env->seg[i], out);
    }
    dump_seg(env, "LDT", &env->ldt, out);
    dump_seg(env, "TR", &env->tr, out);
    dump_system(env, out);
    dump_fpu(env, out);
}
