/* SPDX-License-Identifier: MIT */
/*
 * The debugger's side of the engine: breakpoints, watchpoints, memory as the vCPU sees it.
 *
 * A page with a breakpoint runs one instruction at a time, each address compared before it runs;
 * nothing is linked to it or cached for it.  A page with a watchpoint stays out of the inline TLB; the
 * instruction that hits it is completed on its own, then the vCPU stops.
 *
 * The lists change only while the vCPUs stand still.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"

bool debug_has_breakpoint(const CpuState *cpu, GuestVA pc)
{
    for (guint i = 0; cpu->breakpoints && i < cpu->breakpoints->len; i++) {
        if (g_array_index(cpu->breakpoints, GuestVA, i) == pc) {
            return true;
        }
    }
    return false;
}

bool debug_page_has_breakpoint(const CpuState *cpu, GuestVA va)
{
    for (guint i = 0; cpu->breakpoints && i < cpu->breakpoints->len; i++) {
        if ((g_array_index(cpu->breakpoints, GuestVA, i) ^ va) < TCG_PAGE_SIZE) {
            return true;
        }
    }
    return false;
}

static bool watch_touches(const CpuWatch *w, GuestVA va, uint64_t size)
{
    return w->len && va <= w->addr + (w->len - 1) && w->addr <= va + (size - 1);
}

bool debug_page_has_watchpoint(const CpuState *cpu, GuestVA va)
{
    for (guint i = 0; cpu->watchpoints && i < cpu->watchpoints->len; i++) {
        if (watch_touches(&g_array_index(cpu->watchpoints, CpuWatch, i), va & TCG_PAGE_MASK,
                          TCG_PAGE_SIZE)) {
            return true;
        }
    }
    return false;
}

/* The first hit repeats the instruction on its own, in which all that it hits are marked. */
void debug_check_watch(EngineCpu *ec, GuestVA va, unsigned size, MemAccess access)
{
    CpuState *cpu = ec->base.cpu;
    uint8_t kind = access == ACCESS_WRITE ? PROT_W : PROT_R;

    for (guint i = 0; cpu->watchpoints && i < cpu->watchpoints->len; i++) {
        CpuWatch *w = &g_array_index(cpu->watchpoints, CpuWatch, i);

        if (!(w->kinds & kind) || !watch_touches(w, va, size)) {
            continue;
        }
        if (!ec->watch_stop) {
            ec->watch_stop = true;
            engine_retry_alone(ec);
        }
        w->hit = true;
        w->hit_at = MAX(w->addr, va);
    }
}

bool debug_watch_hit(const CpuState *cpu)
{
    for (guint i = 0; cpu->watchpoints && i < cpu->watchpoints->len; i++) {
        if (g_array_index(cpu->watchpoints, CpuWatch, i).hit) {
            return true;
        }
    }
    return false;
}

void cpu_debug_changed(CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);
    bool debugging = false;

    if (!ec) {
        return;
    }
    for (unsigned i = 0; i < ec->engine->ncpus; i++) {
        const CpuState *other = ec->engine->cpus[i]->base.cpu;

        debugging |= other->breakpoints && other->breakpoints->len;
    }
    __atomic_store_n(&ec->engine->debugging, debugging, __ATOMIC_SEQ_CST);
    tlb_flush_all(ec); /* with new context numbers: no link or cache leads past the loop */
}

/* --- Memory --- */

typedef MemResult (*DebugCopy)(AddressSpace *as, GuestPA pa, uint8_t *buf, uint64_t len);

static bool debug_copy(CpuState *cpu, GuestVA va, uint8_t *buf, size_t len, DebugCopy copy)
{
    unsigned mmu = cpu->ops->key(cpu) & 3;

    while (len) {
        size_t n = MIN(len, TCG_PAGE_SIZE - (va & ~TCG_PAGE_MASK));
        TlbFill f = {0};

        if (!cpu->ops->tlb_fill(cpu, va, n, ACCESS_READ, mmu, true, &f) ||
            copy(cpu->as, f.pa, buf, n) != MEM_OK) {
            return false;
        }
        va += n;
        buf += n;
        len -= n;
    }
    return true;
}

static MemResult debug_copy_out(AddressSpace *as, GuestPA pa, uint8_t *buf, uint64_t len)
{
    return mem_read(as, pa, buf, len);
}

static MemResult debug_copy_in(AddressSpace *as, GuestPA pa, uint8_t *buf, uint64_t len)
{
    return mem_write_rom(as, pa, buf, len);
}

bool cpu_debug_read(CpuState *cpu, GuestVA va, void *buf, size_t len)
{
    return debug_copy(cpu, va, buf, len, debug_copy_out);
}

bool cpu_debug_write(CpuState *cpu, GuestVA va, const void *buf, size_t len)
{
    return debug_copy(cpu, va, (uint8_t *)buf, len, debug_copy_in);
}
