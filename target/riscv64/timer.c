/* SPDX-License-Identifier: MIT */
/*
 * Counters (Zicntr, Zihpm) and the supervisor timer (Sstc).
 *
 * cycle and instret both count nanoseconds of the virtual clock: a 1 GHz hart that retires one
 * instruction per cycle.  With -icount both count the hart's instructions, exactly.
 *
 * hpmcounter3..31 stand still, and can be written, until an event is selected: cycles (1) or
 * instructions (2).  Not modelled: other events (writes of them select none), overflow interrupts
 * (Sscofpmf), filtering by mode.
 *
 * Threading: the counters belong to the vCPU thread.  stimecmp is written there and compared in the
 * main loop too, so it, STIP and the timer change under timer_lock.
 */
#include "rhea/osdep.h"

#include "timer.h"

enum { CYCLE = 0, INSTRET = 2, HPM_FIRST = 3 };

/* --- cycle, instret and the programmable counters, by number --- */

static bool counter_there(const RvCpu *cpu, unsigned n)
{
    return n == CYCLE || n == INSTRET || (n >= HPM_FIRST && rv_has(&cpu->model, RV_EXT_ZIHPM));
}

static bool counter_counts(const RvEnv *env, unsigned n)
{
    return !(env->mcountinhibit >> n & 1) && (n < HPM_FIRST || env->hpm_event[n] != RV_HPM_NONE);
}

/* Every event counts the same; see above. */
static uint64_t counter_base(RvCpu *cpu)
{
    return cpu->cpu.counts_insns ? cpu_insns(&cpu->cpu)
                                 : (uint64_t)clock_now_ns(device_clock(&cpu->cpu.dev));
}

static uint64_t counter_get(RvCpu *cpu, unsigned n)
{
    const RvEnv *env = cpu->env;

    return counter_counts(env, n) ? counter_base(cpu) + env->counter[n] : env->counter[n];
}

static void counter_set(RvCpu *cpu, unsigned n, uint64_t value)
{
    RvEnv *env = cpu->env;

    env->counter[n] = counter_counts(env, n) ? value - counter_base(cpu) : value;
}

uint64_t rv_counter_read(RvCpu *cpu, unsigned csr)
{
    return counter_get(cpu, csr & 31);
}

void rv_counter_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    if (counter_there(cpu, csr & 31)) {
        counter_set(cpu, csr & 31, value);
    }
}

void rv_countinhibit_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    for (unsigned n = 0; n < RV_COUNTERS; n++) {
        if (counter_there(cpu, n) && (cpu->env->mcountinhibit ^ value) >> n & 1) {
            uint64_t now = counter_get(cpu, n);

            cpu->env->mcountinhibit ^= 1ULL << n;
            counter_set(cpu, n, now);
        }
    }
}

uint64_t rv_hpmevent_read(RvCpu *cpu, unsigned csr)
{
    return cpu->env->hpm_event[csr & 31];
}

void rv_hpmevent_write(RvCpu *cpu, unsigned csr, uint64_t value)
{
    unsigned n = csr & 31;
    uint64_t now = counter_get(cpu, n);

    if (counter_there(cpu, n)) {
        cpu->env->hpm_event[n] = value < RV_HPM_EVENTS ? value : RV_HPM_NONE;
        counter_set(cpu, n, now);
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
