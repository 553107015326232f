/* SPDX-License-Identifier: MIT */
/* What boards may see of the riscv64 CPU. */
#ifndef TARGET_RISCV64_H
#define TARGET_RISCV64_H

#include <stdio.h>

#include "qom/device.h"

#define TYPE_RISCV_CPU "riscv-cpu"

struct CpuState;
struct Machine;

/*
 * Interrupt inputs of the CPU device, unnamed, by number (the bits of mip): 3 machine software, 7
 * machine timer, 9 supervisor external, 11 machine external, 1 supervisor software.
 */
enum {
    RISCV_IRQ_SSI = 1,
    RISCV_IRQ_MSI = 3,
    RISCV_IRQ_MTI = 7,
    RISCV_IRQ_SEI = 9,
    RISCV_IRQ_MEI = 11,
    RISCV_IRQ_COUNT = 12,
};

/* The platform's mtime counter. */
typedef struct RiscvTimeSource {
    /* The counter now.  Any thread, no lock. */
    uint64_t (*ticks)(void *opaque);
    /* Virtual-clock time at which the counter reaches @ticks; CLOCK_NEVER when that is out of range. */
    int64_t (*when_ns)(void *opaque, uint64_t ticks);
} RiscvTimeSource;

/* Before the CPU first runs; @src lives as long as the CPU. */
void riscv_cpu_set_time_source(struct CpuState *cpu, const RiscvTimeSource *src, void *opaque);
/* The counter was set: comparisons with it are made anew.  Machine lock. */
void riscv_cpu_time_changed(struct CpuState *cpu);

/*
 * A CPU as -cpu describes it ("rv64,zba=off,sv48=on"), realized as hart @hartid in /machine/unattached
 * and appended to the machine's CPUs.  NULL with a message that names what is wrong.
 */
struct CpuState *riscv_cpu_new(struct Machine *m, const char *model, uint64_t hartid, Error **errp);

/* "-cpu help" */
void riscv_cpu_print_help(FILE *out);

/* Where the hart starts after a reset (default 0x1000). */
void riscv_cpu_set_reset_vector(struct CpuState *cpu, uint64_t pc);

/* Device-tree values; the caller frees. */
char *riscv_cpu_isa_string(struct CpuState *cpu);          /* riscv,isa: "rv64imafdc_zicbom_..." */
GPtrArray *riscv_cpu_isa_extensions(struct CpuState *cpu); /* riscv,isa-extensions: const char * */
const char *riscv_cpu_mmu_type(struct CpuState *cpu);      /* mmu-type: "riscv,sv57"; NULL: none */
#define RISCV_ISA_BASE "rv64i"                             /* riscv,isa-base */
bool riscv_cpu_has(struct CpuState *cpu, const char *ext); /* "zicbom" */
enum { RISCV_CBO_BLOCK_SIZE = 64 };                        /* riscv,cbom-block-size, cboz-, cbop- */

#endif
