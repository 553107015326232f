/* SPDX-License-Identifier: MIT */
/*
 * Control registers, flags, address-translation caches, waiting, ports, counters and identification:
 * the bodies of privileged instructions (SDM vol. 2 under their names).
 */
#include "rhea/osdep.h"

#include "../fpu.h"
#include "../seg.h"
#include "hw/machine.h"
#include "helper.h"
#include "rhea/log.h"

/* --- Control registers --- */

uint64_t x86_helper_mov_to_cr(void *opaque, uint64_t n, uint64_t v, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    X86Cpu *cpu = x86_cpu(env->tcg.cpu);
    bool ok = true;

    switch (n) {
    case 0: ok = x86_write_cr0(env, v); break;
    case 2: env->cr2 = v; break;
    case 3: ok = x86_write_cr3(env, v); break;
    case 4: ok = x86_write_cr4(env, v); break;
    default:
        ok = v <= 15;
        if (ok && cpu->apic) {
            machine_lock();
            cpu->apic->set_tpr(cpu->apic_opaque, v);
            machine_unlock();
        }
        break;
    }
    if (!ok) {
        x86_raise_gp(env, 0);
    }
    return 0;
}

uint64_t x86_helper_mov_from_cr(void *opaque, uint64_t n, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    X86Cpu *cpu = x86_cpu(env->tcg.cpu);
    uint64_t v = 0;

    switch (n) {
    case 0: return env->cr0;
    case 2: return env->cr2;
    case 3: return env->cr3;
    case 4: return env->cr4;
    default:
        if (cpu->apic) {
            machine_lock();
            v = cpu->apic->get_tpr(cpu->apic_opaque);
            machine_unlock();
        }
        return v;
    }
}

uint64_t x86_helper_clts(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->cr0 &= ~(uint64_t)X86_CR0_TS;
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

/* The low four bits, but PE cannot be cleared. */
uint64_t x86_helper_lmsw(void *opaque, uint64_t v, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (!x86_write_cr0(env, (env->cr0 & ~0xeULL) | (v & 0xf))) {
        x86_raise_gp(env, 0);
    }
    return 0;
}

uint64_t x86_helper_xgetbv(void *opaque, uint64_t xcr, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (xcr == 1 && x86_has(x86_model(env), X86_F_XGETBV1)) {
        return env->xcr0 & x86_fp_in_use(env);
    }
    if (xcr != 0) {
        x86_raise_gp(env, 0);
    }
    return env->xcr0;
}

uint64_t x86_helper_xsetbv(void *opaque, uint64_t xcr, uint64_t v, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (xcr != 0 || !x86_write_xcr0(env, v)) {
        x86_raise_gp(env, 0);
    }
    return 0;
}

uint64_t x86_helper_rdpkru(void *opaque, uint64_t ecx, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (ecx) {
        x86_raise_gp(env, 0);
    }
    return env->pkru;
}

uint64_t x86_helper_wrpkru(void *opaque, uint64_t ecx, uint64_t edx, uint64_t eax, uint64_t d)
{
    X86Env *env = opaque;

    if (ecx || edx) {
        x86_raise_gp(env, 0);
    }
    if (env->pkru != (uint32_t)eax) {
        env->pkru = eax;
        cpu_tlb_flush(env->tcg.cpu, ~0ULL); /* rights are looked up at the walk */
    }
    return 0;
}

uint64_t x86_helper_invlpg(void *opaque, uint64_t va, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    cpu_tlb_flush_page(env->tcg.cpu, va, ~0ULL);
    return 0;
}

uint64_t x86_helper_invpcid(void *opaque, uint64_t type, uint64_t at, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    CpuState *cpu = env->tcg.cpu;
    unsigned mmu = x86_key(cpu) & 3;
    uint64_t pcid = cpu_load(cpu, at, IR_MEM_64, mmu), va = cpu_load(cpu, at + 8, IR_MEM_64, mmu);
    bool pcide = env->cr4 & X86_CR4_PCIDE;
    uint64_t space = X86_SPACE_PAGED | (pcide ? pcid & 0xfff : 0);

    if (type > 3 || pcid >> 12 || (type < 2 && pcid && !pcide) ||
        (type == 0 && !x86_canonical(env, va))) {
        x86_raise_gp(env, 0);
    }
    if (type == 0) {
        cpu_tlb_flush_page(cpu, va, space);
    } else if (type == 1) {
        cpu_tlb_flush(cpu, space);
    } else {
        cpu_tlb_flush(cpu, ~0ULL);
    }
    return 0;
}

/* --- Flags --- */

static bool v86_below_iopl3(const X86Env *env)
{
    return env->eflags & X86_VM && (env->eflags & X86_IOPL) != X86_IOPL;
}

uint64_t x86_helper_pushf(void *opaque, uint64_t size, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint32_t flags = x86_eflags(env) & ~(X86_VM | X86_RF);

    if (v86_below_iopl3(env)) {
        if (!(env->cr4 & X86_CR4_VME) || size != 2) {
            x86_raise_gp(env, 0);
        }
        flags = (flags & ~X86_IF) | X86_IOPL | (flags & X86_VIF ? X86_IF : 0);
    }
    return flags;
}

/* What was pending while IF was clear is seen at the end of the block. */
static void look_at_interrupts(X86Env *env)
{
    if (env->eflags & X86_IF &&
        __atomic_load_n(&env->tcg.cpu->interrupt_pending, __ATOMIC_RELAXED)) {
        __atomic_store_n(&env->tcg.exit_request, 1, __ATOMIC_RELAXED);
    }
}

uint64_t x86_helper_sti_next(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->eflags |= X86_IF;
    look_at_interrupts(env);
    return 0;
}

uint64_t x86_helper_popf(void *opaque, uint64_t v, uint64_t size, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint32_t flags = x86_eflags(env), image = v;
    uint32_t mask = X86_ARITH_FLAGS | X86_TF | X86_DF | X86_NT;

    mask |= size > 2 ? X86_AC | X86_ID : 0;
    if (v86_below_iopl3(env)) {
        if (!(env->cr4 & X86_CR4_VME) || size != 2 || image & X86_TF ||
            (image & X86_IF && flags & X86_VIP)) {
            x86_raise_gp(env, 0);
        }
        mask |= X86_VIF;
        image = (image & ~X86_VIF) | (image & X86_IF ? X86_VIF : 0);
    } else {
        mask |= env->cpl <= extract64(flags, 12, 2) ? X86_IF : 0;
        mask |= env->cpl == 0 ? X86_IOPL : 0;
    }
    image = (flags & ~mask & ~X86_RF) | (image & mask);
    x86_set_eflags(env, image);
    if ((flags ^ image) & ~(X86_ARITH_FLAGS | X86_IF | X86_DF)) {
        cpu_context_changed(env->tcg.cpu);
    } else {
        look_at_interrupts(env);
    }
    return 0;
}

/* CLI and STI above IOPL: with VME or PVI they work on VIF, otherwise #GP. */
static bool virtual_if(const X86Env *env)
{
    return env->eflags & X86_VM ? env->cr4 & X86_CR4_VME : env->cpl == 3 && env->cr4 & X86_CR4_PVI;
}

static bool may_change_if(const X86Env *env)
{
    return !(env->cr0 & X86_CR0_PE) || env->cpl <= extract64(env->eflags, 12, 2);
}

uint64_t x86_helper_cli(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (may_change_if(env)) {
        env->eflags &= ~X86_IF;
    } else if (virtual_if(env)) {
        env->eflags &= ~X86_VIF;
    } else {
        x86_raise_gp(env, 0);
    }
    return 0;
}

uint64_t x86_helper_sti(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (may_change_if(env)) {
        if (!(env->eflags & X86_IF)) {
            env->eflags |= X86_IF;
            env->inhibit_irq = X86_SHADOW_STI;
        }
    } else if (virtual_if(env) && !(env->eflags & X86_VIP)) {
        env->eflags |= X86_VIF;
    } else {
        x86_raise_gp(env, 0);
    }
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

uint64_t x86_helper_clac(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->eflags &= ~X86_AC;
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

uint64_t x86_helper_stac(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    env->eflags |= X86_AC;
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

/* --- Waiting --- */

static void halt(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;

    env->in_hlt = true;
    __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
}

/* For the interrupt that the board makes of it, or any other. */
static NORETURN void wait_for_interrupt(X86Env *env)
{
    halt(env);
    cpu_leave(env->tcg.cpu);
}

void x86_set_ferr(X86Env *env, bool level)
{
    if (env->ferr != level) {
        env->ferr = level;
        machine_lock();
        irq_set(&x86_cpu(env->tcg.cpu)->ferr, level);
        machine_unlock();
    }
}

void x86_wait_ferr(X86Env *env)
{
    x86_set_ferr(env, true);
    if (!__atomic_load_n(&x86_cpu(env->tcg.cpu)->ignne, __ATOMIC_RELAXED)) {
        wait_for_interrupt(env);
    }
}

uint64_t x86_helper_hlt(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    halt(opaque);
    return 0;
}

uint64_t x86_helper_monitor(void *opaque, uint64_t va, uint64_t ecx, uint64_t edx, uint64_t d)
{
    X86Env *env = opaque;
    CpuState *cpu = env->tcg.cpu;

    if (ecx) {
        x86_raise_gp(env, 0);
    }
    cpu_load(cpu, va, IR_MEM_8, x86_key(cpu) & 3);
    return 0;
}

/* Stores to the monitored range are not watched: the wait is a short one, which may end at any time. */
enum { MWAIT_NS = 1000 * 1000 };

uint64_t x86_helper_mwait(void *opaque, uint64_t eax, uint64_t ecx, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    CpuState *cpu = env->tcg.cpu;

    if (ecx & ~1ULL) {
        x86_raise_gp(env, 0);
    }
    if (!__atomic_load_n(&cpu->interrupt_pending, __ATOMIC_SEQ_CST)) {
        cpu_nap(cpu, MWAIT_NS);
    }
    return 0;
}

uint64_t x86_helper_pause(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    g_thread_yield();
    return 0;
}

/* --- Ports --- */

uint64_t x86_helper_in(void *opaque, uint64_t port, uint64_t size, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    AddressSpace *io = x86_cpu(env->tcg.cpu)->io;
    uint64_t v = MASK_ULL(8 * size), got;

    port &= 0xffff;
    x86_check_io(env, port, size);
    if (io && mem_read_value(io, port, size, &got) == MEM_OK) {
        v = got;
    }
    x86_breakpoint_io(env, port, size);
    return v;
}

uint64_t x86_helper_out(void *opaque, uint64_t port, uint64_t v, uint64_t size, uint64_t d)
{
    X86Env *env = opaque;
    AddressSpace *io = x86_cpu(env->tcg.cpu)->io;

    port &= 0xffff;
    x86_check_io(env, port, size);
    if (io && mem_write_value(io, port, size, v & MASK_ULL(8 * size)) != MEM_OK) {
        log_guest("CPU %u: nothing answers at port 0x%" PRIx64 "\n", env->tcg.cpu->index, port);
    }
    x86_breakpoint_io(env, port, size);
    return 0;
}

/* --- Identification, MSRs, counters --- */

uint64_t x86_helper_cpuid(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    static const uint8_t order[] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX};
    X86Env *env = opaque;
    uint32_t regs[4];

    x86_cpuid(x86_cpu(env->tcg.cpu), env->regs[X86_RAX], env->regs[X86_RCX], regs);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        env->regs[order[i]] = regs[i];
    }
    return 0;
}

uint64_t x86_helper_rdmsr(void *opaque, uint64_t msr, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    uint64_t v = 0;

    if (!x86_read_msr(env, msr, &v)) {
        log_guest("CPU %u: RDMSR of 0x%x, which is not there\n", env->tcg.cpu->index,
                  (unsigned)msr);
        x86_raise_gp(env, 0);
    }
    return v;
}

uint64_t x86_helper_wrmsr(void *opaque, uint64_t msr, uint64_t v, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (!x86_write_msr(env, msr, v)) {
        log_guest("CPU %u: WRMSR 0x%x cannot take 0x%" PRIx64 "\n", env->tcg.cpu->index,
                  (unsigned)msr, v);
        x86_raise_gp(env, 0);
    }
    return 0;
}

uint64_t x86_helper_rdtsc(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if (env->cr4 & X86_CR4_TSD && env->cpl && env->cr0 & X86_CR0_PE) {
        x86_raise_gp(env, 0);
    }
    return x86_tsc(env);
}

/* There are no counters: those that programs may ask for read 0 where CR4.PCE lets them. */
uint64_t x86_helper_rdpmc(void *opaque, uint64_t ecx, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;

    if ((env->cpl && !(env->cr4 & X86_CR4_PCE)) || (uint32_t)ecx > 3) {
        x86_raise_gp(env, 0);
    }
    return 0;
}
