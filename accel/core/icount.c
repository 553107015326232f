/* SPDX-License-Identifier: MIT */
/*
 * Counting instructions (-icount): the virtual clock is the number of instructions that all vCPUs have
 * executed, times 2^shift nanoseconds; what the guest sees of time depends on nothing else, so a run can
 * be repeated.
 *
 * vCPUs take turns (accel/turns.c).  Blocks are not linked: the loop looks at the count before each one,
 * and runs single instructions when the next deadline is nearer than the block's end, so timers fire at
 * the exact instruction, on the vCPU's thread.  Within a block TcgEnv.insns says how many instructions
 * are complete, wherever it can be left.  An access to a device in the middle of a block is done again as
 * an instruction of its own (engine_need_alone()), since it may move the deadline.
 *
 * Delivering an exception takes the time of one instruction, so that a guest that does nothing else
 * still meets its timers.  While every vCPU is halted the time follows the host's up to the next
 * deadline (sleep=on) or jumps there (sleep=off).
 *
 * Not repeatable: input from outside, block and network I/O, shift=auto.
 *
 * Threading: counted by the vCPU that has the turn; read by any thread.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "memory/machine-lock.h"

enum { MAX_SHIFT = 10, START_SHIFT = 3, SLICE = 20000 };
#define ADJUST_NS (50 * NS_PER_MS)
#define AHEAD_NS  (3 * NS_PER_MS)

static int64_t icount_host_ns(void)
{
    return g_get_monotonic_time() * 1000;
}

/* ClockCounter: within a block the vCPU's own thread knows better than the others. */
static int64_t icount_ns(void *opaque)
{
    Engine *e = opaque;
    CpuState *cpu = cpu_current();
    int64_t ns = __atomic_load_n(&e->icount.ns, __ATOMIC_RELAXED);

    return cpu ? ns + ((int64_t)cpu->env->insns << e->icount.shift) : ns;
}

bool icount_init(Engine *e, Error **errp)
{
    Icount *ic = &e->icount;
    const char *name = e->parent.ops->name;
    guint64 shift;

    if (!ic->mode || !strcmp(ic->mode, "off")) {
        return true;
    }
    ic->adjust = !strcmp(ic->mode, "auto");
    ic->shift = START_SHIFT;
    if (!ic->adjust) {
        if (!g_ascii_string_to_unsigned(ic->mode, 10, 0, MAX_SHIFT, &shift, NULL)) {
            return error_fail(errp, "-accel %s: icount=%s: 'off', 'auto' or 0 to %d is expected",
                              name, ic->mode, MAX_SHIFT);
        }
        ic->shift = shift;
    }
    ic->on = true;
    ic->clock = e->parent.machine->clock[CLOCK_VIRTUAL];
    ic->host_ns = icount_host_ns();
    clock_set_counter(ic->clock, icount_ns, e, !ic->sleep);
    return true;
}

/* --- Time --- */

/* shift=auto: the count keeps step with the host, within a factor. */
static void icount_adjust(Icount *ic)
{
    int64_t host_ns = icount_host_ns() - ic->host_ns, ns = ic->ns - ic->adjusted_ns;

    if (host_ns < ADJUST_NS) {
        return;
    }
    if (ns > host_ns + host_ns / 2 && ic->shift > 0) {
        ic->shift--;
    } else if (ns < host_ns - host_ns / 3 && ic->shift < MAX_SHIFT) {
        ic->shift++;
    }
    ic->host_ns += host_ns;
    ic->adjusted_ns = ic->ns;
}

/* align=on: the guest does not run ahead of the host's time. */
static void icount_align(Icount *ic)
{
    int64_t ahead_ns = ic->ns - ic->adjusted_ns - (icount_host_ns() - ic->host_ns);

    if (ahead_ns > AHEAD_NS) {
        g_usleep(MIN(ahead_ns, 10 * AHEAD_NS) / 1000);
    } else if (ahead_ns < -10 * AHEAD_NS) { /* late, or it was idle: no catching up */
        ic->host_ns = icount_host_ns();
        ic->adjusted_ns = ic->ns;
    }
}

/* Instructions until the next deadline. */
static void icount_budget(EngineCpu *ec, int64_t nearest_ns)
{
    Icount *ic = &ec->engine->icount;
    int64_t ns;

    ec->budget_for_ns = nearest_ns;
    ec->budget = INT64_MAX;
    if (nearest_ns != CLOCK_NEVER) {
        ns = MAX(nearest_ns - clock_now_ns(ic->clock), 0);
        ec->budget = (ns >> ic->shift) + ((ns & ((1LL << ic->shift) - 1)) != 0);
    }
}

static void icount_run_timers(EngineCpu *ec)
{
    Icount *ic = &ec->engine->icount;

    machine_lock();
    clock_run_timers(ic->clock);
    machine_unlock();
    if (ic->adjust) {
        icount_adjust(ic);
    }
    if (ic->align) {
        icount_align(ic);
    }
    icount_budget(ec, clock_nearest_ns(ic->clock));
    ec->budget = MAX(ec->budget, 1); /* a timer that is always due does not stop the guest */
}

/* --- Counting --- */

static void icount_count(EngineCpu *ec, unsigned n)
{
    Icount *ic = &ec->engine->icount;

    ec->budget -= n;
    ec->slice -= n;
    __atomic_store_n(&ic->ns, ic->ns + ((int64_t)n << ic->shift), __ATOMIC_RELAXED);
}

void icount_begin(EngineCpu *ec)
{
    Icount *ic = &ec->engine->icount;

    ec->slice = SLICE;
    if (!clock_is_counting(ic->clock)) {
        machine_lock();
        clock_set_idle(ic->clock, false);
        machine_unlock();
    }
    icount_budget(ec, clock_nearest_ns(ic->clock));
}

void icount_account(EngineCpu *ec)
{
    TcgEnv *env = ec->env;
    unsigned n = env->insns;

    __atomic_store_n(&ec->base.cpu->insns, ec->base.cpu->insns + n, __ATOMIC_RELAXED);
    env->insns = 0;
    icount_count(ec, n);
}

void icount_exception(EngineCpu *ec)
{
    icount_count(ec, 1);
}

void icount_poll(EngineCpu *ec)
{
    int64_t nearest_ns = clock_nearest_ns(ec->engine->icount.clock);

    if (nearest_ns != ec->budget_for_ns) {
        icount_budget(ec, nearest_ns);
    }
    if (ec->budget <= 0) {
        icount_run_timers(ec);
    }
    if (ec->slice <= 0 && ec->engine->ncpus > 1) {
        __atomic_store_n(&ec->base.yield, true, __ATOMIC_RELAXED);
    }
}

bool icount_idle(Engine *e)
{
    Icount *ic = &e->icount;
    bool again = false;

    machine_lock();
    if (!ic->sleep && clock_skip(ic->clock)) {
        clock_run_timers(ic->clock);
        again = true;
    } else {
        clock_set_idle(ic->clock, true);
    }
    machine_unlock();
    return again;
}
