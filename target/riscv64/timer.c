/* SPDX-License-Identifier: MIT */
/*
 * Counters (Zicntr) and the supervisor timer (Sstc).
 *
 * cycle and instret both count nanoseconds of the virtual clock: a 1 GHz hart that retires one
 * instruction per cycle.  With -icount both count the hart's instructions, exactly.
 *
 * Threading: the counters belong to the vCPU thread.  stimecmp is written there and compared in the
 * main loop too, so it, STIP and the timer change under timer_lock.
 */
#include "rhea/osdep.h"

#include "timer.h"

enum { COUNT_CY = 1 << 0, COUNT_IR = 1 << 2, COUNT_WRITABLE = COUNT_CY | COUNT_IR };

/* --- cycle and instret --- */

static bool counter_is_cycle(unsigned csr)
{
    return (csr & 0xff) == 0;
}

static uint64_t counter_base(RvCpu *cpu)
{
    return cpu->cpu.counts_insns ? cpu_insns(&cpu->cpu)
                                 : (uint64_t)clock_now_ns(device_clock(&cpu->cpu.dev));
}

uint64_t rv_counter_read(RvCpu *cpu, unsigned csr)
{
    const RvEnv *env = cpu->env;
    bool cycle = counter_is_cycle(csr);
    uint64_t offset = cycle ? env->cycle_offset : env->instret_offset;

    return env->mcountinhibit & (cycle ? COUNT_CY : COUNT_IR) ? offset : counter_base(cpu) + offset;
}

void rv_counter_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    RvEnv *env = cpu->env;
    bool cycle = counter_is_cycle(csr);
    bool stopped = env->mcountinhibit & (cycle ? COUNT_CY : COUNT_IR);

    *(cycle ? &env->cycle_offset : &env->instret_offset) =
        stopped ? value : value - counter_base(cpu);
}

void rv_countinhibit_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    RvEnv *env = cpu->env;
    uint64_t now = counter_base(cpu);
    uint64_t changed = (env->mcountinhibit ^ value) & COUNT_WRITABLE;

    env->mcountinhibit ^= changed;
    if (changed & COUNT_CY) {
        env->cycle_offset += env->mcountinhibit & COUNT_CY ? now : -now;
    }
    if (changed & COUNT_IR) {
        env->instret_offset += env->mcountinhibit & COUNT_IR ? now : -now;
    }
}

/* --- time and stimecmp --- */

uint64_t rv_time(RvCpu *cpu)
{
    return cpu->time ? cpu->time->ticks(cpu->time_opaque) : 0;
}

uint64_t rv_time_read(RvCpu *cpu, unsigned csr)
{
    return rv_time(cpu);
}

/* STIP and the timer from stimecmp; timer_lock held. */
static void stimer_update_locked(RvCpu *cpu)
{
    if (!(cpu->env->menvcfg & RV_ENVCFG_STCE)) {
        clock_timer_disarm(&cpu->stimer);
        return;
    }
    if (rv_time(cpu) >= cpu->env->stimecmp) {
        clock_timer_disarm(&cpu->stimer);
        cpu_interrupt_set(&cpu->cpu, RV_MIP_STIP);
        return;
    }
    cpu_interrupt_clear(&cpu->cpu, RV_MIP_STIP);
    clock_timer_arm(&cpu->stimer, cpu->time
                                      ? cpu->time->when_ns(cpu->time_opaque, cpu->env->stimecmp)
                                      : CLOCK_NEVER);
}

void rv_stimer_update(RvCpu *cpu)
{
    g_mutex_lock(&cpu->timer_lock);
    stimer_update_locked(cpu);
    g_mutex_unlock(&cpu->timer_lock);
}

void rv_stimecmp_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    g_mutex_lock(&cpu->timer_lock);
    cpu->env->stimecmp = value;
    stimer_update_locked(cpu);
    g_mutex_unlock(&cpu->timer_lock);
}

static void stimer_expired(void *opaque)
{
    rv_stimer_update(opaque);
}

void rv_timer_init(RvCpu *cpu)
{
    g_mutex_init(&cpu->timer_lock);
    clock_timer_init(&cpu->stimer, device_clock(&cpu->cpu.dev), stimer_expired, cpu);
}

void rv_timer_fini(RvCpu *cpu)
{
    clock_timer_disarm(&cpu->stimer);
    g_mutex_clear(&cpu->timer_lock);
}

void riscv_cpu_set_time_source(CpuState *cpu, const RiscvTimeSource *src, void *opaque)
{
    rv_cpu(cpu)->time = src;
    rv_cpu(cpu)->time_opaque = opaque;
}

void riscv_cpu_time_changed(CpuState *cpu)
{
    rv_stimer_update(rv_cpu(cpu));
}
