/* SPDX-License-Identifier: MIT */
/*
 * Debug registers, breakpoints and single step (SDM vol. 3, chapter 18), and INT n.
 *
 * Data breakpoints: a page with an enabled one never stays in the TLB, so that every access to it comes
 * to x86_breakpoint_fill(), which notes hits; X86_H_INSN_END turns them into the trap.
 *
 * Not modelled: last-branch recording and single-step on branches (DEBUGCTL.BTF).
 */
#include "rhea/osdep.h"

#include "../seg.h"
#include "helper.h"

enum { BP_EXEC = 0, BP_WRITE = 1, BP_IO = 2, BP_ACCESS = 3 };

static bool bp_enabled(const X86Env *env, unsigned n)
{
    return env->dr[7] >> 2 * n & 3;
}

static unsigned bp_type(const X86Env *env, unsigned n)
{
    return env->dr[7] >> (16 + 4 * n) & 3;
}

static unsigned bp_bytes(const X86Env *env, unsigned n)
{
    static const uint8_t bytes[] = {1, 2, 8, 4};

    return bytes[env->dr[7] >> (18 + 4 * n) & 3];
}

static bool ranges_meet(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
    return a - b < blen || b - a < alen;
}

/* Breakpoints of the @types (bits) whose bytes meet [at, at + len), as bits of DR6. */
static unsigned bp_match(const X86Env *env, unsigned types, uint64_t at, unsigned len)
{
    unsigned hits = 0;

    for (unsigned n = 0; n < 4; n++) {
        unsigned bytes = bp_bytes(env, n);

        if (bp_enabled(env, n) && types >> bp_type(env, n) & 1 &&
            ranges_meet(at, len, env->dr[n] & ~(uint64_t)(bytes - 1), bytes)) {
            hits |= 1u << n;
        }
    }
    return hits;
}

bool x86_breakpoint_fill(X86Env *env, GuestVA va, unsigned size, MemAccess access, bool probe,
                         TlbFill *out)
{
    const unsigned data = 1 << BP_WRITE | 1 << BP_ACCESS;
    unsigned types = access == ACCESS_WRITE ? data : 1 << BP_ACCESS;
    GuestVA page = va & TCG_PAGE_MASK;

    if (likely(!(env->dr[7] & 0xff)) || probe || access == ACCESS_EXEC) {
        return true;
    }
    env->bp_hit |= bp_match(env, types, va, MAX(size, 1));
    if (bp_match(env, data, page, TCG_PAGE_SIZE)) {
        out->page_size = 1;
    }
    return true;
}

void x86_breakpoint_io(X86Env *env, unsigned port, unsigned size)
{
    if (unlikely(env->dr[7] & 0xff) && env->cr4 & X86_CR4_DE) {
        env->bp_hit |= bp_match(env, 1 << BP_IO, port, size);
    }
}

/* --- Around instructions that are translated alone --- */

uint64_t x86_helper_insn_begin(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    CpuState *cpu = env->tcg.cpu;
    bool resume = env->eflags & X86_RF, shadow = env->inhibit_irq == X86_SHADOW_SS;
    unsigned hits;

    env->bp_hit = 0;
    env->inhibit_irq = X86_SHADOW_NONE;
    env->eflags &= ~X86_RF;
    if (env->dr[7] & 0xff && !resume && !shadow) {
        cpu_sync_pc(cpu);
        hits = bp_match(env, 1 << BP_EXEC, env->tcg.pc, 1);
        if (hits) {
            env->dr6_pending = hits;
            x86_raise(env, X86_EXC_DB, 0);
        }
    }
    cpu_context_changed(cpu);
    return 0;
}

uint64_t x86_helper_insn_end(void *opaque, uint64_t next, uint64_t key, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    unsigned pending = env->bp_hit | (key & X86_KEY_TF ? X86_DR6_BS : 0);

    env->bp_hit = 0;
    if (!pending || env->inhibit_irq == X86_SHADOW_SS) {
        return 0;
    }
    env->dr6_pending = pending;
    env->exception_kind = X86_EVENT_TRAP;
    env->error_code = 0;
    env->insn_len = 0;
    env->tcg.cpu->exception = X86_EXC_DB;
    x86_leave_at(env, next);
}

/* --- MOV to and from debug registers --- */

/* DR4 and DR5 stand for DR6 and DR7 unless CR4.DE is set; DR7.GD guards them all. */
static unsigned check_dr(X86Env *env, unsigned n)
{
    if (n == 4 || n == 5) {
        if (env->cr4 & X86_CR4_DE) {
            x86_raise(env, X86_EXC_UD, 0);
        }
        n += 2;
    }
    if (env->dr[7] & X86_DR7_GD) {
        env->dr6_pending = X86_DR6_BD;
        x86_raise(env, X86_EXC_DB, 0);
    }
    return n;
}

uint64_t x86_helper_mov_to_dr(void *opaque, uint64_t n, uint64_t v, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    n = check_dr(env, n & 7);
    if (n >= 6 && v >> 32) {
        x86_raise_gp(env, 0);
    }
    if (n == 6) {
        v = (v & 0xe00f) | (uint32_t)X86_DR6_FIXED;
    } else if (n == 7) {
        v = (v & 0xffff2bff) | X86_DR7_FIXED;
    }
    env->dr[n] = v;
    cpu_tlb_flush(env->tcg.cpu, ~0ULL); /* which pages have breakpoints */
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

uint64_t x86_helper_mov_from_dr(void *opaque, uint64_t n, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    return env->dr[check_dr(env, n & 7)];
}

/* --- Exceptions --- */

uint64_t x86_helper_raise(void *opaque, uint64_t vector, uint64_t error, uint64_t c, uint64_t d)
{
    x86_raise(opaque, vector, error);
}

/*
 * INT n in virtual-8086 mode with CR4.VME: bit n of the redirection bitmap, which lies before the I/O
 * bitmap, is clear for interrupts that go to the program's own vector table (SDM vol. 3, 21.3).
 */
static bool vme_redirects(X86Env *env, unsigned vector)
{
    uint32_t offset;

    if (!(env->cr4 & X86_CR4_VME) || !(env->tr.attr & 8) || env->tr.limit < 103) {
        return false;
    }
    offset = x86_sys_load(env, env->tr.base + 102, 2);
    if (offset < 32 || offset - 32 + vector / 8 > env->tr.limit) {
        return false;
    }
    return !(x86_sys_load(env, env->tr.base + offset - 32 + vector / 8, 1) >> vector % 8 & 1);
}

static void NORETURN redirect_int(X86Env *env, unsigned vector, unsigned len)
{
    uint32_t handler = x86_sys_load(env, vector * 4, 4), flags = x86_eflags(env);
    bool iopl3 = (flags & X86_IOPL) == X86_IOPL;
    X86Stack s = x86_stack(env);

    cpu_sync_pc(env->tcg.cpu);
    if (!iopl3) {
        flags = (flags & ~X86_IF) | X86_IOPL | (flags & X86_VIF ? X86_IF : 0);
    }
    x86_push(&s, flags, 2);
    x86_push(&s, env->seg[X86_CS].sel, 2);
    x86_push(&s, (x86_ip(env) + len) & 0xffff, 2);
    x86_stack_commit(&s);
    env->eflags &= ~(X86_TF | X86_NT | X86_RF | (iopl3 ? X86_IF : X86_VIF));
    env->seg[X86_CS] = x86_real_seg(env, X86_CS, handler >> 16);
    cpu_context_changed(env->tcg.cpu);
    x86_leave_at(env, x86_linear_ip(env, handler & 0xffff));
}

uint64_t x86_helper_int(void *opaque, uint64_t vector, uint64_t len, uint64_t kind, uint64_t d)
{
    X86Env *env = opaque;

    if (env->eflags & X86_VM && kind == X86_INT_N) {
        if (vme_redirects(env, vector)) {
            redirect_int(env, vector, len);
        }
        if ((env->eflags & X86_IOPL) != X86_IOPL) {
            x86_raise_gp(env, 0);
        }
    }
    env->error_code = 0;
    env->exception_kind = kind;
    env->insn_len = len;
    cpu_raise(env->tcg.cpu, vector);
}
