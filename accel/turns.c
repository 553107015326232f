/* SPDX-License-Identifier: MIT */
/*
 * Turns: vCPUs run one after the other, in order of their index (thread=single, and counting
 * instructions).  Each keeps its thread, but only the one that has the turn runs guest code.
 *
 * The turn is passed by its owner when it comes out of guest code, to the next vCPU that is neither paused
 * nor halted.  When there is none it is free, and the first vCPU that wakes takes it.
 *
 * Lock order: AccelCpu.mutex, then Turns.lock.
 */
#include "rhea/osdep.h"

#include "accel/vcpu.h"

enum { TURN_US = 10000 };

typedef struct Turns {
    GMutex lock;
    AccelCpu *owner; /* lock */
    bool held;       /* lock: nobody gets the turn */
    bool counted;
} Turns;

void turns_init(Accel *a, bool counted)
{
    a->turns = g_new0(Turns, 1);
    a->turns->counted = counted;
    g_mutex_init(&a->turns->lock);
}

void turns_fini(Accel *a)
{
    if (a->turns) {
        g_mutex_clear(&a->turns->lock);
        g_clear_pointer(&a->turns, g_free);
    }
}

static bool turns_paused(AccelCpu *ac)
{
    return __atomic_load_n(&ac->stop, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&ac->quit, __ATOMIC_SEQ_CST);
}

static bool turns_can_run(AccelCpu *ac)
{
    CpuState *cpu = ac->cpu;

    return !turns_paused(ac) &&
           (!__atomic_load_n(&cpu->halted, __ATOMIC_SEQ_CST) || cpu->ops->has_work(cpu));
}

/* The first that can run, from CPU number @from on.  *idle: nobody, and not because all are paused. */
static AccelCpu *turns_next(Accel *a, unsigned from, bool *idle)
{
    GPtrArray *cpus = a->machine->cpus;

    *idle = false;
    for (guint i = 0; i < cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(cpus, (from + i) % cpus->len);

        if (!cpu->accel || turns_paused(cpu->accel)) {
            continue;
        }
        *idle = true;
        if (turns_can_run(cpu->accel)) {
            *idle = false;
            return cpu->accel;
        }
    }
    return NULL;
}

bool turns_take(AccelCpu *ac)
{
    Turns *t = ac->accel->turns;
    bool mine;

    g_mutex_lock(&t->lock);
    if (!t->owner && !t->held) {
        t->owner = ac;
    }
    mine = t->owner == ac;
    g_mutex_unlock(&t->lock);
    return mine;
}

static bool turns_mine(AccelCpu *ac)
{
    Turns *t = ac->accel->turns;
    bool mine;

    g_mutex_lock(&t->lock);
    mine = t->owner == ac;
    g_mutex_unlock(&t->lock);
    return mine;
}

void turns_wait(AccelCpu *ac)
{
    Turns *t = ac->accel->turns;

    if (t->counted) {
        g_cond_wait(&ac->wake, &ac->mutex);
        return;
    }
    if (!g_cond_wait_until(&ac->wake, &ac->mutex, g_get_monotonic_time() + TURN_US)) {
        g_mutex_lock(&t->lock);
        if (t->owner && t->owner != ac) {
            __atomic_store_n(&t->owner->yield, true, __ATOMIC_RELAXED);
            __atomic_store_n(&t->owner->cpu->env->exit_request, 1, __ATOMIC_SEQ_CST);
        }
        g_mutex_unlock(&t->lock);
    }
}

static void turns_hand_over(AccelCpu *ac, AccelCpu *next)
{
    if (next && next != ac) {
        g_mutex_lock(&next->mutex);
        g_cond_signal(&next->wake);
        g_mutex_unlock(&next->mutex);
    }
}

void turns_pass(AccelCpu *ac)
{
    Accel *a = ac->accel;
    Turns *t = a->turns;
    bool (*ask)(Accel * a) = a->ops->idle;
    unsigned from = ac->cpu->index + 1;
    AccelCpu *next;
    bool idle;

    __atomic_store_n(&ac->yield, false, __ATOMIC_RELAXED);
    if (!turns_mine(ac)) {
        return;
    }
    while (!turns_next(a, from, &idle) && idle && ask && ask(a)) {
    }
    /* Again under the lock: who can run by now and did not get the turn is not asleep for long. */
    g_mutex_lock(&t->lock);
    next = t->held ? NULL : turns_next(a, from, &idle);
    t->owner = next;
    g_mutex_unlock(&t->lock);
    turns_hand_over(ac, next);
}

void turns_hold(Accel *a)
{
    g_mutex_lock(&a->turns->lock);
    a->turns->held = true;
    g_mutex_unlock(&a->turns->lock);
}

void turns_release(Accel *a)
{
    GPtrArray *cpus = a->machine->cpus;
    Turns *t = a->turns;
    bool idle;

    g_mutex_lock(&t->lock);
    t->held = false;
    if (!t->owner) {
        t->owner = turns_next(a, 0, &idle);
    }
    g_mutex_unlock(&t->lock);
    for (guint i = 0; i < cpus->len;
         i++) { /* those that are halted look for somebody to run, too */
        CpuState *cpu = g_ptr_array_index(cpus, i);

        if (cpu->accel) {
            turns_hand_over(NULL, cpu->accel);
        }
    }
}

void turns_idle(AccelCpu *ac)
{
    if (turns_take(ac)) {
        turns_pass(ac);
    }
}

void accel_run_idle_timers(Machine *m, Clock *c)
{
    Accel *a = machine_accel(m);

    turns_hold(a);
    clock_set_idle(c,
                   false); /* at the deadline exactly: it does not go on before somebody counts */
    clock_run_timers(c);
    turns_release(a);
}
