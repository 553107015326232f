/* SPDX-License-Identifier: MIT */
/*
 * A virtual CPU and the contract between CPU models (target/), accelerators (accel/) and everyone who
 * only knows "a CPU" (boards, gdbstub, monitor).
 */
#ifndef TARGET_CPU_OPS_H
#define TARGET_CPU_OPS_H

#include <stdio.h>

#include "memory/memory.h"
#include "qom/device.h"
#include "tcg/ir.h"

#define TYPE_CPU "cpu"

struct GdbArch;
typedef struct CpuState CpuState;

typedef enum MemAccess { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC } MemAccess;

/* What a page walk yields. */
typedef struct TlbFill {
    GuestPA pa;         /* of va */
    uint64_t page_size; /* naturally aligned power of two >= 4096, over which pa - va and prot hold;
                          * 1: good for this access only (PMP or watchpoint inside the page) */
    uint8_t
        prot;    /* 1 read, 2 write, 4 exec: what may go into the TLB (no write while D is clear) */
    bool global; /* survives address-space switches */
    bool untranslated; /* no translation is on: page flushes do not concern the mapping */
} TlbFill;

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };

/*
 * The state that changes what an instruction means: blocks are keyed by physical address and this.
 * Bits 0..1 are the MMU index for data accesses; the rest is the target's.
 */
typedef uint64_t CpuKey;

/* A request to translate, filled in by the accelerator. */
typedef struct Translate {
    Ir *ir;
    CpuKey key;
    const void
        *model; /* CpuState.model: the CPU's fixed features; nothing else of it may be read */
    uint32_t page_off;   /* of the first instruction in its page */
    unsigned max_insns;  /* >= 1 */
    const uint8_t *page; /* the 4096 bytes of the page */
    const uint8_t
        *next_page; /* of the virtually next page, or NULL when it cannot be fetched from */
    /* results */
    uint32_t size; /* guest bytes, may run over the page end by one instruction */
    unsigned ninsns;
    bool
        needs_next; /* an instruction straddles into next_page, and that was NULL: the block ends before it;
                              * if it is the first, size is 0 and the loop raises the fetch fault */
} Translate;

typedef struct CpuOps {
    const IrTarget *ir;
    size_t env_size; /* struct that starts with TcgEnv */
    unsigned min_insn_bytes;
    size_t model_size; /* of what CpuState.model points to: plain data, without pointers */

    /* Emits IR for guest instructions from tx->page_off until the block ends; always ends the IR with
     * an ENDS op.  Straight-line code continues across not-taken conditional branches if it pays. */
    void (*translate)(Translate *tx);
    /* Key for the CPU's present state. */
    CpuKey (*key)(CpuState *cpu);
    /* Identity of the present address space (root, ASID, privilege...) for tagging flushes: equal
     * numbers mean equal mappings unless flushed. */
    uint64_t (*space)(CpuState *cpu);

    /* Walks for @va.  False: the exception is set in env (not delivered); nothing else changed.
     * @probe: no side effects (debugger), no exception. Vcpu thread; sets A/D bits atomically. */
    bool (*tlb_fill)(CpuState *cpu, GuestVA va, unsigned size, MemAccess access, unsigned mmu,
                     bool probe, TlbFill *out);
    /* Sets the exception for an access that no memory answers, or that is misaligned.  bus_error NULL: what
     * nothing answers reads as ones, and writes are lost. */
    void (*bus_error)(CpuState *cpu, GuestVA va, GuestPA pa, MemAccess access);
    void (*misaligned)(CpuState *cpu, GuestVA va, MemAccess access, unsigned size);

    /* Delivers the exception set in env (env->pc is its pc): changes pc and mode. */
    void (*deliver)(CpuState *cpu);
    /* Takes the highest pending enabled interrupt, if any; true when it changed pc. */
    bool (*take_interrupt)(CpuState *cpu);
    /* Something to do for a halted CPU (pending interrupt, even if globally masked). */
    bool (*has_work)(CpuState *cpu);

    void (*reset)(CpuState *cpu);
    void (*set_pc)(CpuState *cpu, GuestVA pc);
    void (*dump)(CpuState *cpu, GString *out); /* info registers */
    /* The present page tables, by entry (info tlb) or joined to @ranges (info mem).  NULL: not shown. */
    void (*print_mappings)(CpuState *cpu, bool ranges, GString *out);
    /* Text of the instruction at @code (len bytes there), as @key makes it, into buf; its length, 0 when
     * undecodable. */
    unsigned (*disas)(const void *model, CpuKey key, GuestVA pc, const uint8_t *code, size_t len,
                      char *buf, size_t bufsize);
    /* How gdb is to see this CPU (target/gdb.h). */
    const struct GdbArch *(*gdb)(CpuState *cpu);
} CpuOps;

struct CpuState {
    Device dev;
    const CpuOps *ops;
    TcgEnv *env;
    const void *model; /* fixed features, what translate() may see */
    unsigned index;
    AddressSpace *as;
    struct AccelCpu *accel; /* the accelerator's per-vCPU data */

    /* vCPU thread writes, others read atomically */
    bool halted; /* WFI: waits for has_work() */
    /* Exception set by tlb_fill, helpers etc., consumed by deliver(); target numbers; -1: none */
    int32_t exception;

    /* any thread, atomic: inputs that translated code must notice (exit_request is set with them) */
    uint32_t interrupt_pending; /* bits are the target's */

    /* -icount: instructions executed before the running block, exact with TcgEnv.insns (cpu_insns()) */
    bool counts_insns; /* constant while it runs */
    uint64_t insns;

    /* gdbstub */
    bool singlestep;
    bool held;           /* stays paused at the next cpus_resume_all(); machine lock */
    GArray *breakpoints; /* GuestVA */
    GArray *watchpoints; /* CpuWatch */
};

/* With counts_insns, vCPU thread: the instructions that the CPU has executed, not counting the present. */
static inline uint64_t cpu_insns(const CpuState *cpu)
{
    return cpu->insns + cpu->env->insns;
}

/* --- Supplied by the accelerator, for CPU models, devices and boards --- */

/* The vCPU whose thread this is, or NULL. */
CpuState *cpu_current(void);

/* Any thread: sets bits in interrupt_pending and makes the CPU look at them soon. */
void cpu_interrupt_set(CpuState *cpu, uint32_t bits);
void cpu_interrupt_clear(CpuState *cpu, uint32_t bits);
/* Makes the CPU leave translated code / wake from WFI soon. */
void cpu_kick(CpuState *cpu);

/* vCPU thread, from a helper: sleeps for at most @max_ns, less when the CPU is kicked. */
void cpu_nap(CpuState *cpu, int64_t max_ns);

/* vCPU thread, from a STATE helper or tlb_fill: */
/* env->pc := pc of the guest instruction that runs. */
void cpu_sync_pc(CpuState *cpu);
/* Abandons the running block (globals are in env): the loop delivers cpu->exception if set and goes on
 * at env->pc.  Syncs pc first. */
void cpu_leave(CpuState *cpu) NORETURN;
/* Sets the exception and leaves. */
void cpu_raise(CpuState *cpu, int32_t exception) NORETURN;

/* vCPU thread: key or space has changed (mode switch, satp write): cheap when nothing changed. The
 * caller's block must end (IR_EXIT, GOTO_IND or cpu_leave). */
void cpu_context_changed(CpuState *cpu);
/* Flushes of the soft TLB. @space: only that address space's non-global entries; ~0: everything. */
void cpu_tlb_flush(CpuState *cpu, uint64_t space);
void cpu_tlb_flush_page(CpuState *cpu, GuestVA va, uint64_t space);

/* Leaves the running block before the present instruction, which is then translated and run on its own. */
void cpu_retry_alone(CpuState *cpu) NORETURN;

/*
 * Guest memory from STATE helpers, deliver() and take_interrupt(), vCPU thread without the machine
 * lock: as translated code does it, through the soft TLB, from RAM or devices, across pages.  A fault
 * sets the exception and leaves (cpu_leave()) before anything is written; so may any access whose page
 * has a watchpoint, any write to the running block's own code and any to a device (with -icount), and then
 * the instruction is run again from its start.  So a helper does what cannot be done twice last, or calls cpu_probe() first.
 * A fault in deliver() or take_interrupt() comes back as the next exception to deliver.  @mem is what
 * LOAD and STORE take; @mmu is any MMU index, of the present address space.
 *
 * A helper may also reach devices directly (mem_read_value() on an address space of the target's own,
 * port I/O say): the machine lock is taken inside.  Whoever needs the pc then calls cpu_sync_pc().
 * Such an instruction ends its block (IR_EXIT) and comes first in it or alone, so that timers that it sets
 * are exact with -icount.
 */
uint64_t cpu_load(CpuState *cpu, GuestVA va, IrMem mem, unsigned mmu);
void cpu_store(CpuState *cpu, GuestVA va, uint64_t value, IrMem mem, unsigned mmu);
/* The old value.  With IR_MEM_ALIGN a misaligned address or a place that is not RAM faults. */
uint64_t cpu_atomic(CpuState *cpu, GuestVA va, uint64_t value, IrAtomic op, IrMem mem,
                    unsigned mmu);
uint64_t cpu_cas(CpuState *cpu, GuestVA va, uint64_t expect, uint64_t desired, IrMem mem,
                 unsigned mmu);
/* 16 bytes, the low half first, anywhere; @expect becomes what was there.  True: @desired is stored. */
bool cpu_cas128(CpuState *cpu, GuestVA va, uint64_t expect[2], const uint64_t desired[2],
                unsigned mmu);
/* Faults now if an access of @access (read or write) to any of the bytes would.  Device registers may
 * still answer with a bus error. */
void cpu_probe(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu);
/*
 * Where the bytes are in host memory, for copying many at once; faults as cpu_probe() does.  NULL: not
 * all in one page of RAM that may be accessed behind the engine's back: use cpu_load() and cpu_store()
 * (after which it may work).  Good until the helper returns or anything leaves.
 */
void *cpu_host_ptr(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu);
/*
 * Between the two no other vCPU runs guest code or changes memory; devices may.  Slow: for what the
 * host cannot do atomically.  vCPU thread, without the machine lock, no nesting (ATOMIC without
 * IR_MEM_ALIGN does this itself); cpu_leave() ends it.
 */
void cpu_exclusive_begin(CpuState *cpu);
void cpu_exclusive_end(CpuState *cpu);

/* Debug access through the CPU's present translation (gdb, monitor x): any length, false on a hole. */
bool cpu_debug_read(CpuState *cpu, GuestVA va, void *buf, size_t len);
bool cpu_debug_write(CpuState *cpu, GuestVA va, const void *buf, size_t len);

#endif
