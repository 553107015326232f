/* SPDX-License-Identifier: MIT */
/*
 * System Management Mode: entry on SMI, the state-save map, RSM (APM vol. 2, chapter 10; its 64-bit map,
 * revision 0x20064, for every model).
 *
 * Not modelled: I/O instruction restart (the revision says so), SMM monitors.
 */
#include "rhea/osdep.h"

#include "memory/machine-lock.h"
#include "rhea/log.h"
#include "seg.h"
#include "helper/helper.h"

enum { SMM_REVISION = 0x20064, SMM_ENTRY = 0x8000, SAVE_BASE = 0x8000 };

/* Offsets from SMBASE + 0x8000. */
enum {
    SAVE_SEGS = 0x7e00, /* ES, CS, SS, DS, FS, GS, 16 bytes each */
    SAVE_GDTR = 0x7e60,
    SAVE_LDTR = 0x7e70,
    SAVE_IDTR = 0x7e80,
    SAVE_TR = 0x7e90,
    SAVE_AUTOHALT = 0x7ec9,
    SAVE_NMI_MASK = 0x7eca,
    SAVE_EFER = 0x7ed0,
    SAVE_REVISION = 0x7efc,
    SAVE_SMBASE = 0x7f00,
    SAVE_CR4 = 0x7f48,
    SAVE_CR3 = 0x7f50,
    SAVE_CR0 = 0x7f58,
    SAVE_DR7 = 0x7f60,
    SAVE_DR6 = 0x7f68,
    SAVE_RFLAGS = 0x7f70,
    SAVE_RIP = 0x7f78,
    SAVE_R15 = 0x7f80, /* R15 down to RAX, upwards */
};

void x86_smm_changed(X86Env *env)
{
    X86Cpu *cpu = x86_cpu(env->tcg.cpu);
    bool held = machine_lock_held();

    if (!held) {
        machine_lock();
    }
    if (cpu->smm.enabled != env->smm) {
        mem_set_enabled(&cpu->smm, env->smm);
    }
    if (!held) {
        machine_unlock();
    }
    cpu_tlb_flush(env->tcg.cpu, ~0ULL);
}

/* --- The map, in physical memory --- */

static void put(X86Env *env, unsigned at, uint64_t v, unsigned size)
{
    mem_write_value(env->tcg.cpu->as, (uint32_t)(env->smbase + SAVE_BASE + at), size, v);
}

static uint64_t get(X86Env *env, unsigned at, unsigned size)
{
    GuestPA pa = (uint32_t)(env->smbase + SAVE_BASE + at);
    uint64_t v = 0;

    return mem_read_value(env->tcg.cpu->as, pa, size, &v) == MEM_OK ? v : MASK_ULL(8 * size);
}

/* Attributes in the map: access rights in the low byte, AVL, L, D, G in bits 8..11. */
static void put_seg(X86Env *env, unsigned at, const X86Seg *s)
{
    put(env, at, s->sel, 2);
    put(env, at + 2, (s->attr & 0xff) | (s->attr >> 4 & 0xf00), 2);
    put(env, at + 4, s->limit, 4);
    put(env, at + 8, s->base, 8);
}

static X86Seg get_seg(X86Env *env, unsigned at)
{
    uint32_t attr = get(env, at + 2, 2);

    return (X86Seg){
        .sel = get(env, at, 2),
        .attr = (attr & 0xff) | (attr & 0xf00) << 4,
        .limit = get(env, at + 4, 4),
        .base = get(env, at + 8, 8),
    };
}

static void save_state(X86Env *env)
{
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        put_seg(env, SAVE_SEGS + 16 * i, &env->seg[i]);
    }
    put(env, SAVE_GDTR + 4, env->gdt.limit, 2);
    put(env, SAVE_GDTR + 8, env->gdt.base, 8);
    put(env, SAVE_IDTR + 4, env->idt.limit, 2);
    put(env, SAVE_IDTR + 8, env->idt.base, 8);
    put_seg(env, SAVE_LDTR, &env->ldt);
    put_seg(env, SAVE_TR, &env->tr);
    put(env, SAVE_AUTOHALT, env->in_hlt, 1);
    put(env, SAVE_NMI_MASK, env->nmi_blocked, 1);
    put(env, SAVE_EFER, env->efer, 8);
    put(env, SAVE_REVISION, SMM_REVISION, 4);
    put(env, SAVE_SMBASE, env->smbase, 4);
    put(env, SAVE_CR4, env->cr4, 8);
    put(env, SAVE_CR3, env->cr3, 8);
    put(env, SAVE_CR0, env->cr0, 8);
    put(env, SAVE_DR7, env->dr[7], 8);
    put(env, SAVE_DR6, env->dr[6], 8);
    put(env, SAVE_RFLAGS, x86_eflags(env), 8);
    put(env, SAVE_RIP, x86_ip(env), 8);
    for (unsigned i = 0; i < 16; i++) {
        put(env, SAVE_R15 + 8 * (15 - i), env->regs[i], 8);
    }
}

static void smm_segments(X86Env *env)
{
    const uint32_t data = X86_ATTR_P | X86_ATTR_S | X86_ATTR_W | X86_ATTR_A | X86_ATTR_G;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] = (X86Seg){.limit = UINT32_MAX, .attr = data};
    }
    env->seg[X86_CS].sel = env->smbase >> 4;
    env->seg[X86_CS].base = env->smbase;
}

void x86_enter_smm(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;

    if (log_enabled(LOG_INT)) {
        log_printf("int CPU %u: SMI at %016" PRIx64 ", smbase %x\n", cpu->index, env->tcg.pc,
                   env->smbase);
    }
    env->smm = true;
    x86_smm_changed(env); /* the map may lie in memory that only SMM sees */
    save_state(env);
    env->nmi_blocked = true;
    env->in_hlt = false;
    env->inhibit_irq = X86_SHADOW_NONE;
    env->efer = 0;
    env->cr0 &= ~(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG);
    env->cr4 = 0;
    env->dr[7] = X86_DR7_FIXED;
    env->cpl = 0;
    x86_set_eflags(env, 2);
    smm_segments(env);
    env->tcg.pc = (uint32_t)(env->smbase + SMM_ENTRY);
    cpu_context_changed(cpu);
}

/* --- RSM --- */

/* Control registers that no sequence of instructions could have made: shutdown (SDM vol. 3, 32.5). */
static bool saved_modes_ok(X86Env *env, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    const uint64_t efer_known = X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;

    if (cr0 >> 32 || (cr0 & X86_CR0_PG && !(cr0 & X86_CR0_PE)) ||
        (cr0 & X86_CR0_NW && !(cr0 & X86_CR0_CD)) || cr4 & ~x86_cr4_mask(x86_model(env)) ||
        efer & ~efer_known) {
        return false;
    }
    return !(cr0 & X86_CR0_PG && efer & X86_EFER_LME) || cr4 & X86_CR4_PAE;
}

static void load_state(X86Env *env)
{
    uint64_t cr0 = get(env, SAVE_CR0, 8), cr4 = get(env, SAVE_CR4, 8);
    uint64_t efer = get(env, SAVE_EFER, 8);

    if (!saved_modes_ok(env, cr0, cr4, efer)) {
        x86_shutdown(env);
    }
    env->cr0 = cr0 | X86_CR0_ET;
    env->cr4 = cr4;
    env->cr3 = get(env, SAVE_CR3, 8);
    env->efer = efer & ~(uint64_t)X86_EFER_LMA;
    env->efer |= efer & X86_EFER_LME && cr0 & X86_CR0_PG ? X86_EFER_LMA : 0;
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        env->seg[i] = get_seg(env, SAVE_SEGS + 16 * i);
    }
    env->gdt.limit = get(env, SAVE_GDTR + 4, 2);
    env->gdt.base = get(env, SAVE_GDTR + 8, 8);
    env->idt.limit = get(env, SAVE_IDTR + 4, 2);
    env->idt.base = get(env, SAVE_IDTR + 8, 8);
    env->ldt = get_seg(env, SAVE_LDTR);
    env->tr = get_seg(env, SAVE_TR);
    env->nmi_blocked = get(env, SAVE_NMI_MASK, 1) & 1;
    env->dr[7] = (get(env, SAVE_DR7, 8) & 0xffff2bff) | X86_DR7_FIXED;
    env->dr[6] = (get(env, SAVE_DR6, 8) & 0xe00f) | (uint32_t)X86_DR6_FIXED;
    for (unsigned i = 0; i < 16; i++) {
        env->regs[i] = get(env, SAVE_R15 + 8 * (15 - i), 8);
    }
    x86_set_eflags(env, (get(env, SAVE_RFLAGS, 4) & 0x3f7fd5) | 2);
    if (!(env->cr0 & X86_CR0_PE)) {
        env->cpl = 0;
    } else {
        env->cpl = env->eflags & X86_VM ? 3 : env->seg[X86_SS].attr >> X86_ATTR_DPL_SHIFT & 3;
    }
}

uint64_t x86_helper_rsm(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    X86Env *env = opaque;
    CpuState *cpu = env->tcg.cpu;
    uint64_t ip = get(env, SAVE_RIP, 8);
    uint32_t smbase = get(env, SAVE_SMBASE, 4);
    bool halt = get(env, SAVE_AUTOHALT, 1) & 1;

    load_state(env);
    env->smbase = smbase;
    env->smm = false;
    x86_smm_changed(env);
    if (env->cr0 & X86_CR0_PG && env->cr4 & X86_CR4_PAE && !x86_long_mode(env)) {
        x86_load_pdptes(env, env->cr3);
    }
    if (halt) {
        env->in_hlt = true;
        __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
        cpu_kick(cpu);
    }
    cpu_context_changed(cpu);
    return x86_linear_ip(env, ip);
}
