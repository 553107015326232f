/* SPDX-License-Identifier: MIT */
/*
 * Exclusive sections: one vCPU accesses memory while no other runs guest code.  For what the host
 * cannot do atomically (misaligned read-modify-writes, two pages, device registers).
 *
 * The owner raises Engine.exclusive, kicks the others and waits until none is in_guest: each stops at
 * the top of its loop, or is in its own cpu_exclusive_begin(), or sleeps.  A vCPU that waits for the
 * machine lock inside a device access is still in_guest, so the owner comes without that lock.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "memory/machine-lock.h"

/* exclusive_lock. */
static void exclusive_set_in_guest(EngineCpu *ec, bool in)
{
    __atomic_store_n(&ec->in_guest, in, __ATOMIC_SEQ_CST);
    if (!in) {
        g_cond_broadcast(&ec->engine->exclusive_changed);
    }
}

void exclusive_enter(EngineCpu *ec)
{
    Engine *e = ec->engine;

    if (!ec->in_guest) {
        __atomic_store_n(&ec->in_guest, true, __ATOMIC_SEQ_CST);
    }
    if (likely(!__atomic_load_n(&e->exclusive, __ATOMIC_SEQ_CST))) {
        return;
    }
    g_mutex_lock(&e->exclusive_lock);
    exclusive_set_in_guest(ec, false);
    while (e->exclusive_owner) {
        g_cond_wait(&e->exclusive_changed, &e->exclusive_lock);
    }
    exclusive_set_in_guest(ec, true);
    g_mutex_unlock(&e->exclusive_lock);
}

void exclusive_leave(EngineCpu *ec)
{
    Engine *e = ec->engine;

    __atomic_store_n(&ec->in_guest, false, __ATOMIC_SEQ_CST);
    if (unlikely(__atomic_load_n(&e->exclusive, __ATOMIC_SEQ_CST))) {
        g_mutex_lock(&e->exclusive_lock);
        g_cond_broadcast(&e->exclusive_changed);
        g_mutex_unlock(&e->exclusive_lock);
    }
}

/* exclusive_lock. */
static bool exclusive_others_stopped(EngineCpu *ec)
{
    Engine *e = ec->engine;
    bool stopped = true;

    g_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->ncpus; i++) {
        stopped &= e->cpus[i] == ec || !__atomic_load_n(&e->cpus[i]->in_guest, __ATOMIC_SEQ_CST);
    }
    g_mutex_unlock(&e->lock);
    return stopped;
}

static void exclusive_kick_others(EngineCpu *ec)
{
    Engine *e = ec->engine;

    g_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->ncpus; i++) {
        if (e->cpus[i] != ec) {
            cpu_kick(e->cpus[i]->base.cpu);
        }
    }
    g_mutex_unlock(&e->lock);
}

void cpu_exclusive_begin(CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);
    Engine *e = ec->engine;

    g_assert(!ec->exclusive && !machine_lock_held());
    g_mutex_lock(&e->exclusive_lock);
    exclusive_set_in_guest(ec, false); /* for another who waits to be alone */
    while (e->exclusive_owner) {
        g_cond_wait(&e->exclusive_changed, &e->exclusive_lock);
    }
    e->exclusive_owner = ec;
    __atomic_store_n(&e->exclusive, true, __ATOMIC_SEQ_CST);
    exclusive_kick_others(ec);
    while (!exclusive_others_stopped(ec)) {
        g_cond_wait(&e->exclusive_changed, &e->exclusive_lock);
    }
    exclusive_set_in_guest(ec, true);
    ec->exclusive = true;
    g_mutex_unlock(&e->exclusive_lock);
}

void cpu_exclusive_end(CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);
    Engine *e = ec->engine;

    g_assert(ec->exclusive);
    g_mutex_lock(&e->exclusive_lock);
    ec->exclusive = false;
    e->exclusive_owner = NULL;
    __atomic_store_n(&e->exclusive, false, __ATOMIC_SEQ_CST);
    g_cond_broadcast(&e->exclusive_changed);
    g_mutex_unlock(&e->exclusive_lock);
}
