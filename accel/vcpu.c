/* SPDX-License-Identifier: MIT */
/*
 * vCPU threads: one per vCPU, paused until cpus_resume_all().  The thread alternates between guest
 * code (AccelOps.cpu_run), work that others queue, and sleep.
 *
 * Waking: whoever wants something sets it first and then calls cpu_kick(), which sets exit_request and
 * wakes the thread when it sleeps.  The thread announces its sleep before it looks a last time.
 */
#include "rhea/osdep.h"

#include "accel/vcpu.h"

struct CpuWork {
    CpuWork *next;
    void (*fn)(CpuState *cpu, void *opaque);
    void *opaque;
    bool *done; /* the waiter's; NULL: nobody waits */
};

static __thread CpuState *current_cpu;

static void (*stop_hook)(void *opaque, CpuState *cpu, CpuStop why);
static void *stop_hook_opaque;

CpuState *cpu_current(void)
{
    return current_cpu;
}

/* --- Waking --- */

void cpu_kick(CpuState *cpu)
{
    AccelCpu *ac = cpu->accel;

    __atomic_store_n(&cpu->env->exit_request, 1, __ATOMIC_SEQ_CST);
    if (ac && cpu != current_cpu && __atomic_load_n(&ac->sleeping, __ATOMIC_SEQ_CST)) {
        g_mutex_lock(&ac->mutex);
        g_cond_signal(&ac->wake);
        g_mutex_unlock(&ac->mutex);
    }
}

void cpu_interrupt_set(CpuState *cpu, uint32_t bits)
{
    __atomic_fetch_or(&cpu->interrupt_pending, bits, __ATOMIC_SEQ_CST);
    cpu_kick(cpu);
}

void cpu_interrupt_clear(CpuState *cpu, uint32_t bits)
{
    __atomic_fetch_and(&cpu->interrupt_pending, ~bits, __ATOMIC_SEQ_CST);
}

/* --- The thread --- */

int cpu_thread_id(CpuState *cpu)
{
    return cpu->accel ? __atomic_load_n(&cpu->accel->thread_id, __ATOMIC_RELAXED) : 0;
}

static void vcpu_update_wanted(AccelCpu *ac)
{
    __atomic_store_n(&ac->wanted, ac->stop || ac->quit || ac->work, __ATOMIC_SEQ_CST);
}

void cpu_nap(CpuState *cpu, int64_t max_ns)
{
    AccelCpu *ac = cpu->accel;
    gint64 end_us = g_get_monotonic_time() + max_ns / NS_PER_US;

    if (!ac) {
        return; /* no thread: a unit test calls the helper */
    }
    if (ac->accel->turns) { /* what it waits for is done by others, who wait for their turn */
        __atomic_store_n(&ac->yield, true, __ATOMIC_RELAXED);
        __atomic_store_n(&cpu->env->exit_request, 1, __ATOMIC_SEQ_CST);
        return;
    }
    g_mutex_lock(&ac->mutex);
    __atomic_store_n(&ac->sleeping, true, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&cpu->env->exit_request, __ATOMIC_SEQ_CST)) {
        g_cond_wait_until(&ac->wake, &ac->mutex, end_us);
    }
    __atomic_store_n(&ac->sleeping, false, __ATOMIC_RELAXED);
    g_mutex_unlock(&ac->mutex);
}

/* Mutex held; released while the work runs. */
static void vcpu_do_work(AccelCpu *ac)
{
    while (ac->work) {
        CpuWork *w = ac->work;

        ac->work = w->next;
        g_mutex_unlock(&ac->mutex);
        machine_lock();
        w->fn(ac->cpu, w->opaque);
        machine_unlock();
        g_mutex_lock(&ac->mutex);
        if (w->done) {
            *w->done = true;
            g_cond_broadcast(&ac->changed);
        }
        g_free(w);
    }
    vcpu_update_wanted(ac);
}

/* Mutex held; released while @fn runs. */
static void vcpu_turns(AccelCpu *ac, void (*fn)(AccelCpu *ac))
{
    if (ac->accel->turns) {
        g_mutex_unlock(&ac->mutex);
        fn(ac);
        g_mutex_lock(&ac->mutex);
    }
}

/* Mutex held: halted, until something wakes the vCPU. */
static void vcpu_sleep(AccelCpu *ac)
{
    CpuState *cpu = ac->cpu;

    __atomic_store_n(&ac->sleeping, true, __ATOMIC_SEQ_CST);
    if (!cpu->ops->has_work(cpu)) {
        vcpu_turns(ac, turns_idle);
    }
    if (cpu->ops->has_work(cpu)) {
        __atomic_store_n(&cpu->halted, false, __ATOMIC_RELAXED);
    } else if (!__atomic_load_n(&ac->wanted, __ATOMIC_SEQ_CST)) {
        g_cond_wait(&ac->wake, &ac->mutex);
    }
    __atomic_store_n(&ac->sleeping, false, __ATOMIC_RELAXED);
}

/* Mutex held.  False: the thread ends. */
static bool vcpu_wait_runnable(AccelCpu *ac)
{
    CpuState *cpu = ac->cpu;

    for (;;) {
        vcpu_do_work(ac);
        if (ac->quit) {
            vcpu_turns(ac, turns_pass);
            return false;
        }
        if (ac->stop) {
            if (!ac->stopped) {
                vcpu_turns(ac, turns_pass);
                ac->stopped = ac->stop;
                g_cond_broadcast(&ac->changed);
                continue;
            }
            g_cond_wait(&ac->wake, &ac->mutex);
            continue;
        }
        ac->stopped = false;
        if (__atomic_load_n(&cpu->halted, __ATOMIC_RELAXED)) {
            vcpu_sleep(ac);
        } else if (!ac->accel->turns || turns_take(ac)) {
            return true;
        } else {
            turns_wait(ac);
        }
    }
}

static gpointer vcpu_thread(gpointer opaque)
{
    AccelCpu *ac = opaque;

    current_cpu = ac->cpu;
    __atomic_store_n(&ac->thread_id, gettid(), __ATOMIC_RELAXED);
    g_mutex_lock(&ac->mutex);
    ac->started = true;
    while (vcpu_wait_runnable(ac)) {
        g_mutex_unlock(&ac->mutex);
        ac->accel->ops->cpu_run(ac->accel, ac->cpu);
        if (ac->accel->turns) {
            turns_pass(ac);
        }
        g_mutex_lock(&ac->mutex);
    }
    ac->stopped = true;
    g_cond_broadcast(&ac->changed);
    g_mutex_unlock(&ac->mutex);
    return NULL;
}

static bool vcpu_start_thread(AccelCpu *ac, Error **errp)
{
    g_autofree char *name =
        g_strdup_printf("CPU %u/%s", ac->cpu->index, ac->accel->ops->thread_name);
    g_autoptr(GError) gerr = NULL;

    g_mutex_init(&ac->mutex);
    g_cond_init(&ac->wake);
    g_cond_init(&ac->changed);
    ac->thread = g_thread_try_new(name, vcpu_thread, ac, &gerr);
    return ac->thread ||
           error_fail(errp, "cannot start a thread for CPU %u: %s", ac->cpu->index, gerr->message);
}

static bool vcpu_start(Accel *a, CpuState *cpu, Error **errp)
{
    Error *err = NULL;
    AccelCpu *ac = a->ops->cpu_new(a, cpu, &err);

    cpu->accel = ac;
    if (!ac) {
        error_propagate(errp, err);
        return !err;
    }
    ac->cpu = cpu;
    ac->accel = a;
    ac->stop = true;
    vcpu_update_wanted(ac);
    if (!vcpu_start_thread(ac, errp)) {
        a->ops->cpu_free(a, cpu);
        cpu->accel = NULL;
        return false;
    }
    return true;
}

bool accel_start_cpus(Machine *m, Error **errp)
{
    for (guint i = 0; i < m->cpus->len; i++) {
        if (!vcpu_start(machine_accel(m), g_ptr_array_index(m->cpus, i), errp)) {
            return false;
        }
    }
    return true;
}

bool accel_before_fork(Machine *m, Error **errp)
{
    Accel *a = machine_accel(m);

    return !a || !a->ops->before_fork || a->ops->before_fork(a, errp);
}

/* Locks and conditions are made anew: threads that are not here may have held them, or wait there for ever. */
bool accel_after_fork(Machine *m, Error **errp)
{
    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);

        if (cpu->accel && !vcpu_start_thread(cpu->accel, errp)) {
            return false;
        }
    }
    return true;
}

/* Drops the machine lock for a wait; false when it was not held. */
static bool vcpu_release_lock(void)
{
    if (!machine_lock_held()) {
        return false;
    }
    machine_unlock();
    return true;
}

void accel_cpu_stop(Accel *a, CpuState *cpu)
{
    AccelCpu *ac = cpu->accel;
    bool locked;

    if (!ac) {
        return;
    }
    g_mutex_lock(&ac->mutex);
    __atomic_store_n(&ac->quit, true, __ATOMIC_SEQ_CST); /* turns.c looks without the mutex */
    vcpu_update_wanted(ac);
    g_cond_signal(&ac->wake);
    g_mutex_unlock(&ac->mutex);
    cpu_kick(cpu);
    locked = vcpu_release_lock();
    g_thread_join(ac->thread);
    if (locked) {
        machine_lock();
    }
    g_mutex_clear(&ac->mutex);
    g_cond_clear(&ac->wake);
    g_cond_clear(&ac->changed);
    a->ops->cpu_free(a, cpu);
    cpu->accel = NULL;
}

/* --- Pausing --- */

static void vcpu_set_stop(AccelCpu *ac, bool stop)
{
    g_mutex_lock(&ac->mutex);
    __atomic_store_n(&ac->stop, stop, __ATOMIC_SEQ_CST);
    vcpu_update_wanted(ac);
    g_cond_signal(&ac->wake);
    g_mutex_unlock(&ac->mutex);
    if (stop) {
        cpu_kick(ac->cpu);
    }
}

void cpus_resume_all(Machine *m)
{
    Accel *a = machine_accel(m);
    bool turns = a && a->turns;

    if (turns) {
        turns_hold(a);
    }
    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);

        if (cpu->accel) {
            vcpu_set_stop(cpu->accel, cpu->held);
        }
    }
    if (turns) {
        turns_release(a);
    }
}

void cpus_pause_all(Machine *m)
{
    bool locked;

    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);

        if (cpu->accel) {
            vcpu_set_stop(cpu->accel, true);
        }
    }
    locked = vcpu_release_lock();
    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);
        AccelCpu *ac = cpu->accel;

        if (!ac || cpu == current_cpu) { /* the caller's own stops when it is back in its loop */
            continue;
        }
        g_mutex_lock(&ac->mutex);
        while (!ac->stopped) {
            g_cond_wait(&ac->changed, &ac->mutex);
        }
        g_mutex_unlock(&ac->mutex);
    }
    if (locked) {
        machine_lock();
    }
}

void cpus_stop_current(void)
{
    if (current_cpu && current_cpu->accel) {
        vcpu_set_stop(current_cpu->accel, true);
    }
}

bool cpus_running(Machine *m)
{
    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);
        bool running;

        if (cpu->accel) {
            g_mutex_lock(&cpu->accel->mutex);
            running = !cpu->accel->stop;
            g_mutex_unlock(&cpu->accel->mutex);
            if (running) {
                return true;
            }
        }
    }
    return false;
}

/* --- Work on the vCPU's thread --- */

void cpu_run_on(CpuState *cpu, void (*fn)(CpuState *cpu, void *opaque), void *opaque, bool wait)
{
    AccelCpu *ac = cpu->accel;
    bool done = false, locked;
    CpuWork *w, **tail;

    if (!ac || (cpu == current_cpu && wait)) { /* nobody else runs it */
        fn(cpu, opaque);
        return;
    }
    w = g_new0(CpuWork, 1);
    w->fn = fn;
    w->opaque = opaque;
    w->done = wait ? &done : NULL;
    g_mutex_lock(&ac->mutex);
    for (tail = &ac->work; *tail; tail = &(*tail)->next) {
    }
    *tail = w;
    vcpu_update_wanted(ac);
    g_cond_signal(&ac->wake);
    g_mutex_unlock(&ac->mutex);
    cpu_kick(cpu);
    if (!wait) {
        return;
    }
    locked = vcpu_release_lock();
    g_mutex_lock(&ac->mutex);
    while (!done) {
        g_cond_wait(&ac->changed, &ac->mutex);
    }
    g_mutex_unlock(&ac->mutex);
    if (locked) {
        machine_lock();
    }
}

/* --- Stops of the vCPU's own --- */

void cpus_set_stop_hook(Machine *m, void (*fn)(void *opaque, CpuState *cpu, CpuStop why),
                        void *opaque)
{
    stop_hook = fn;
    stop_hook_opaque = opaque;
}

void accel_cpu_stopped(AccelCpu *ac, CpuStop why)
{
    g_mutex_lock(&ac->mutex);
    __atomic_store_n(&ac->stop, true, __ATOMIC_SEQ_CST);
    vcpu_update_wanted(ac);
    g_mutex_unlock(&ac->mutex);
    machine_lock();
    if (stop_hook) {
        stop_hook(stop_hook_opaque, ac->cpu, why);
    }
    machine_unlock();
}
