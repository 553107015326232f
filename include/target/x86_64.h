/* SPDX-License-Identifier: MIT */
/* What boards may see of the x86_64 CPU. */
#ifndef TARGET_X86_64_H
#define TARGET_X86_64_H

#include <stdio.h>

#include "memory/memory.h"
#include "qom/device.h"

#define TYPE_X86_CPU "x86_64-cpu"

struct CpuState;
struct Machine;

/*
 * Inputs of the CPU device, unnamed, by number.  Levels, but for the two edges.  Output "ferr": an x87
 * exception waits to be handled, and CR0.NE is clear.
 */
enum {
    X86_IRQ_INTR = 0,  /* a maskable interrupt is pending: its vector comes from X86ApicOps.ack */
    X86_IRQ_NMI = 1,   /* edge */
    X86_IRQ_SMI = 2,   /* edge */
    X86_IRQ_A20 = 3,   /* high: address line 20 works (the state after reset) */
    X86_IRQ_IGNNE = 4, /* x87 instructions run in spite of what "ferr" says */
    X86_IRQ_COUNT = 5,
};

/*
 * The CPU's local APIC, which is a device of the board.  Machine lock held, vCPU thread.  The MSR
 * functions return false for #GP.
 */
typedef struct X86ApicOps {
    /* Interrupt acknowledge: the vector, which is then in service; -1: none was pending any more. */
    int (*ack)(void *opaque);
    uint8_t (*get_tpr)(void *opaque); /* CR8: bits 7..4 of the TPR */
    void (*set_tpr)(void *opaque, uint8_t cr8);
    bool (*read_msr)(void *opaque, uint32_t msr,
                     uint64_t *value); /* APIC_BASE, TSC_DEADLINE, 0x800.. */
    bool (*write_msr)(void *opaque, uint32_t msr, uint64_t value);
} X86ApicOps;

/* Before the CPU first runs; without it INTR has vector 0 for ever and the MSRs are absent. */
void x86_cpu_set_apic(struct CpuState *cpu, const X86ApicOps *ops, void *opaque);

/* The CPU whose thread this is, NULL in any other. */
struct CpuState *x86_cpu_current(void);

/* The space that IN and OUT go to.  Before the CPU first runs. */
void x86_cpu_set_io(struct CpuState *cpu, AddressSpace *io);

/*
 * What the CPU sees: a container of its own that shows system memory at priority 0.  The board adds what
 * only this CPU sees (its local APIC), and to the second one what it sees in System Management Mode only.
 */
MemRegion *x86_cpu_memory(struct CpuState *cpu);
MemRegion *x86_cpu_smm_memory(struct CpuState *cpu);

/* Inter-processor signals, machine lock: INIT resets the CPU to wait for SIPI; SIPI starts it at @vector. */
void x86_cpu_init_signal(struct CpuState *cpu);
void x86_cpu_sipi(struct CpuState *cpu, uint8_t vector);

/* The time-stamp counter, and when on the virtual clock it reaches @tsc (CLOCK_NEVER: out of range). */
uint64_t x86_cpu_tsc(struct CpuState *cpu);
int64_t x86_cpu_tsc_when_ns(struct CpuState *cpu, uint64_t tsc);

/*
 * A CPU as -cpu describes it ("Haswell,-avx2"), realized in /machine/unattached with local APIC id
 * @apic_id and appended to the machine's CPUs.  NULL with a message that names what is wrong.
 */
struct CpuState *x86_cpu_new(struct Machine *m, const char *model, uint32_t apic_id, Error **errp);
/* "-cpu help" */
void x86_cpu_print_help(FILE *out);

uint32_t x86_cpu_apic_id(struct CpuState *cpu);
/* The local APIC id of CPU number @index, as -smp divides it into packages, dies, cores and threads. */
uint32_t x86_topology_apic_id(struct Machine *m, unsigned index);
/* CPUID leaf as the guest reads it; for tables that repeat it (SMBIOS, fw_cfg). */
void x86_cpu_cpuid(struct CpuState *cpu, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

/*
 * Kernels started without firmware: puts the CPU, at the next reset, into the state of a boot protocol
 * (32-bit flat protected mode, paging off, @eip, @eax, @ebx, @esi): PVH and multiboot.
 */
void x86_cpu_set_flat_start(struct CpuState *cpu, uint32_t eip, uint32_t eax, uint32_t ebx,
                            uint32_t esi);

#endif
