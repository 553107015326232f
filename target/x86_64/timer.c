/* SPDX-License-Identifier: MIT */
/*
 * The time-stamp counter: 1 GHz of the virtual clock, so that it stops with the VM.
 *
 * Threading: the vCPU writes tsc_offset; the local APIC's deadline timer reads it under the machine lock,
 * after the write that matters to it.
 */
#include "rhea/osdep.h"

#include "cpu.h"

static uint64_t tsc_base(CpuState *cpu)
{
    return clock_now_ns(device_clock(&cpu->dev));
}

uint64_t x86_tsc(X86Env *env)
{
    return tsc_base(env->tcg.cpu) + __atomic_load_n(&env->tsc_offset, __ATOMIC_RELAXED);
}

void x86_set_tsc(X86Env *env, uint64_t tsc)
{
    __atomic_store_n(&env->tsc_offset, tsc - tsc_base(env->tcg.cpu), __ATOMIC_RELAXED);
}

uint64_t x86_cpu_tsc(CpuState *cpu)
{
    return x86_tsc(x86_env(cpu));
}

int64_t x86_cpu_tsc_when_ns(CpuState *cpu, uint64_t tsc)
{
    uint64_t ns = tsc - __atomic_load_n(&x86_env(cpu)->tsc_offset, __ATOMIC_RELAXED);

    /* A deadline that has passed is at once; one that the clock cannot hold is never. */
    if (ns > INT64_MAX) {
        return tsc <= x86_cpu_tsc(cpu) ? 0 : CLOCK_NEVER;
    }
    return ns;
}
