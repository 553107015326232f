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
} AccelCpu;

/* vCPU thread, after exit_request was seen: true when cpu_run() must return. */
static inline bool accel_cpu_wanted(const AccelCpu *ac)
{
    return __atomic_load_n(&ac->wanted, __ATOMIC_SEQ_CST);
}

/* vCPU thread, in cpu_run(): the vCPU stops for the debugger; cpu_run() then returns. */
void accel_cpu_stopped(AccelCpu *ac, CpuStop why);

/* Ends the vCPU's thread. Machine lock held. */
void accel_cpu_stop(Accel *a, CpuState *cpu);

/* The vCPU whose thread this is, or NULL. */
CpuState *accel_current_cpu(void);

#endif
