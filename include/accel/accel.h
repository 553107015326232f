/* SPDX-License-Identifier: MIT */
/*
 * Ways to run vCPUs: tcg (JIT), tci (IR interpreter), qtest (none), later kvm.  -accel a:b tries them in
 * order.  One accelerator per machine.
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include "hw/machine.h"
#include "target/cpu-ops.h"

#define TYPE_ACCEL "accel"

typedef struct Accel Accel;

typedef struct AccelOps {
    const char *name;   /* "tcg" */
    const char *help;
    /* Sets up for @m before CPUs exist. False: cannot be used here, the next in the list is tried. */
    bool (*init)(Accel *a, Machine *m, Error **errp);
    void (*fini)(Accel *a);
    /* Starts the vCPU's thread, paused. */
    bool (*cpu_start)(Accel *a, CpuState *cpu, Error **errp);
    void (*cpu_stop)(Accel *a, CpuState *cpu); /* joins the thread */
    void (*info)(Accel *a, GString *out);      /* "info jit" */
    void (*flush_code)(Accel *a);              /* drop all translations (snapshot load, breakpoints) */
} AccelOps;

struct Accel {
    Object obj;
    const AccelOps *ops;
    Machine *machine;
};

/* Chooses by "tcg", "kvm:tcg" ... (NULL: the best there is); one line on stderr when a fallback was taken. */
Accel *accel_select(Machine *m, const char *list, Error **errp);
void accel_print_help(FILE *out);
Accel *machine_accel(Machine *m);

/* All vCPUs run / are stopped at an instruction boundary. Pause returns when every one stands still;
 * machine lock held (released while waiting). */
void cpus_resume_all(Machine *m);
void cpus_pause_all(Machine *m);
bool cpus_running(Machine *m);

/* Runs @fn on the vCPU's thread between two blocks, machine lock held; waits for it unless async. */
void cpu_run_on(CpuState *cpu, void (*fn)(CpuState *cpu, void *opaque), void *opaque, bool wait);

/* Why a CPU stopped by itself; told to the debugger or run state through the hook. */
typedef enum CpuStop { CPU_STOP_BREAKPOINT, CPU_STOP_WATCH, CPU_STOP_STEP } CpuStop;
void cpus_set_stop_hook(Machine *m, void (*fn)(void *opaque, CpuState *cpu, CpuStop why),
                        void *opaque);

typedef struct CpuWatch {
    GuestVA addr;
    uint64_t len;
    uint8_t kinds; /* PROT_R, PROT_W */
} CpuWatch;

/* Breakpoints and watchpoints changed: drop affected translations and TLB entries. CPUs stopped. */
void cpu_debug_changed(CpuState *cpu);

#endif
