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
    const char *name; /* "tcg" */
    const char *help;
    const char *thread_name; /* what vCPU threads are called after: "TCG" */
    /* Sets up for @m before CPUs exist. False: cannot be used here, the next in the list is tried. */
    bool (*init)(Accel *a, Machine *m, Error **errp);
    void (*fini)(Accel *a);
    /* Gives the vCPU its accelerator data (cpu->accel, at least the size of AccelCpu); on a vCPU
     * that has none (NULL: no vCPU runs at all) nothing below is called. */
    struct AccelCpu *(*cpu_new)(Accel *a, CpuState *cpu, Error **errp);
    void (*cpu_free)(Accel *a, CpuState *cpu);
    /* vCPU thread, no lock: runs guest code until somebody wants the thread (accel_cpu_wanted()), the
     * vCPU halts or a debugger's condition stops it. */
    void (*cpu_run)(Accel *a, CpuState *cpu);
    /* With turns (accel/vcpu.h): every vCPU that is not paused is halted; the caller has the turn and no
     * lock.  True: look again.  NULL: nothing to do. */
    bool (*idle)(Accel *a);
    void (*info)(Accel *a, GString *out); /* "info jit" */
    void (*flush_code)(Accel *a);         /* drop all translations (snapshot load, breakpoints) */
    /* Writes what the next run can use, at the end of this one; vCPUs may run still.  NULL: nothing. */
    void (*save)(Accel *a);
    /* The process is about to be copied (softmmu/fork.h), vCPUs stand still.  NULL: nothing is in the way. */
    bool (*before_fork)(Accel *a, Error **errp);
} AccelOps;

struct Accel {
    Object obj;
    const AccelOps *ops;
    Machine *machine;
    struct Turns *turns; /* NULL: vCPUs run side by side */
};

/* Starts the thread of every vCPU of @m, paused: once the board is built.  Machine lock held. */
bool accel_start_cpus(Machine *m, Error **errp) MUST_CHECK;

/*
 * Chooses by "tcg", "kvm:tcg" ... (NULL: the best there is); one line on stderr when another than the
 * first was taken.  NULL on failure.
 */
Accel *accel_select(Machine *m, const char *list, Error **errp);
/* Ends the vCPU threads and frees the accelerator.  Machine lock held. */
void accel_free(Accel *a);
/* The process ends: machine lock held. */
void accel_save(Accel *a);
/*
 * Around a copy of the process (softmmu/fork.h), in the first one and in the new one: that has no thread but the
 * caller, and its vCPUs get theirs.  vCPUs stand still, machine lock held.
 */
bool accel_before_fork(Machine *m, Error **errp) MUST_CHECK;
bool accel_after_fork(Machine *m, Error **errp) MUST_CHECK;
void accel_print_help(FILE *out);
Accel *machine_accel(Machine *m);

/* All vCPUs run / are stopped at an instruction boundary. Pause returns when every one stands still;
 * machine lock held (released while waiting). */
void cpus_resume_all(Machine *m);
void cpus_pause_all(Machine *m);
bool cpus_running(Machine *m);
/* On a vCPU's thread: it runs no further until cpus_resume_all() (it has asked for a reset or the end). */
void cpus_stop_current(void);

/* Main loop: @c, which vCPUs count (memory/clock.h), is idle and a timer is due.  It counts from now on,
 * or until the vCPUs find that they are idle still.  Machine lock held. */
void accel_run_idle_timers(Machine *m, Clock *c);

/* Runs @fn on the vCPU's thread between two blocks, machine lock held; waits for it unless async. */
void cpu_run_on(CpuState *cpu, void (*fn)(CpuState *cpu, void *opaque), void *opaque, bool wait);

/* The host's id of the vCPU's thread; 0 when it has none (yet). */
int cpu_thread_id(CpuState *cpu);

/* Why a CPU stopped by itself; told to the debugger or run state through the hook. */
typedef enum CpuStop { CPU_STOP_BREAKPOINT, CPU_STOP_WATCH, CPU_STOP_STEP } CpuStop;
void cpus_set_stop_hook(Machine *m, void (*fn)(void *opaque, CpuState *cpu, CpuStop why),
                        void *opaque);

typedef struct CpuWatch {
    GuestVA addr;
    uint64_t len;
    uint8_t kinds; /* PROT_R, PROT_W */
    /* Marked by the vCPU before it stops with CPU_STOP_WATCH; whoever hears of the stop clears the mark. */
    bool hit;
    GuestVA hit_at; /* first byte that was touched */
} CpuWatch;

/* Breakpoints and watchpoints changed: drop affected translations and TLB entries. CPUs stopped. */
void cpu_debug_changed(CpuState *cpu);

#endif
