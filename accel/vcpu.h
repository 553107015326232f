/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's thread and what every accelerator keeps for a vCPU.
 *
 * Lock order: machine lock, then AccelCpu.mutex.  A vCPU thread holds neither while it runs guest code.
 */
#ifndef ACCEL_VCPU_H
#define ACCEL_VCPU_H

#include "accel/accel.h"

typedef struct CpuWork CpuWork;

typedef struct AccelCpu {
    CpuState *cpu;
    Accel *accel;
    GThread *thread;
    int thread_id; /* the host's; 0 until it runs. Atomic */

    GMutex mutex;
    /* mutex */
    GCond wake;    /* the thread waits here: paused, or halted */
    GCond changed; /* others wait here for 'stopped' and for their work to be done */
    CpuWork *work; /* queue, oldest first */
    bool stop;     /* shall stand still */
    bool stopped;  /* stands still */
    bool quit;
    bool started;  /* the thread is up */
    bool sleeping; /* halted and waiting in the kernel; atomic */
    /* atomic: something above wants the thread out of guest code */
    bool wanted;
    bool yield; /* atomic: its turn is over (turns.c) */
} AccelCpu;

/* vCPU thread, after exit_request was seen: true when cpu_run() must return. */
static inline bool accel_cpu_wanted(const AccelCpu *ac)
{
    return __atomic_load_n(&ac->wanted, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&ac->yield, __ATOMIC_RELAXED);
}

/* vCPU thread, in cpu_run(): the vCPU stops for the debugger; cpu_run() then returns. */
void accel_cpu_stopped(AccelCpu *ac, CpuStop why);

/* --- turns.c: one vCPU at a time --- */

/* Before the first vCPU.  @counted: turns end when the accelerator says so; else by time, too. */
void turns_init(Accel *a, bool counted);
void turns_fini(Accel *a);
/* The vCPU's mutex held: it may run guest code now, and is the only one. */
bool turns_take(AccelCpu *ac);
/* Its mutex held, and it has not got the turn: waits a while. */
void turns_wait(AccelCpu *ac);
/* vCPU thread, no lock: if it has the turn, the next that can run gets it. */
void turns_pass(AccelCpu *ac);
/* vCPU thread, no lock: the vCPU is halted; if nobody has the turn, AccelOps.idle is asked. */
void turns_idle(AccelCpu *ac);

/* While several vCPUs are let go nobody gets the turn, so that the first does then.  Machine lock. */
void turns_hold(Accel *a);
void turns_release(Accel *a);

/* Ends the vCPU's thread. Machine lock held. */
void accel_cpu_stop(Accel *a, CpuState *cpu);

#endif
