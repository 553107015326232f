/* SPDX-License-Identifier: MIT */
/* Sleeping until the next timer (softmmu/main-loop.c), with real clocks and no machine around them. */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "memory/clock.h"
#include "memory/machine-lock.h"
#include "softmmu/main-loop.h"

enum { DEADLINES = 10000, NEAR_NS = 3000, STUCK_S = 120 };

void accel_run_idle_timers(Machine *m, Clock *c)
{
    g_assert_not_reached();
}

static void fire(void *opaque)
{
    ++*(unsigned *)opaque;
}

/* Deadlines so near that they pass while the loop makes up its mind how long to sleep. */
static void test_near_deadlines(void)
{
    Machine m = {0};
    ClockTimer timer;
    unsigned fired = 0;

    for (int kind = 0; kind < CLOCK_KINDS; kind++) {
        m.clock[kind] = clock_new(kind);
    }
    clock_timer_init(&timer, m.clock[CLOCK_REALTIME_], fire, &fired);
    alarm(STUCK_S); /* a loop that sleeps for ever ends the test */
    machine_lock();
    main_loop_init(&m);
    for (unsigned i = 0; i < DEADLINES; i++) {
        clock_timer_arm(&timer, clock_now_ns(timer.clock) + i % NEAR_NS);
        while (fired <= i) {
            main_loop_iterate(true);
        }
        g_assert_cmpuint(fired, ==, i + 1);
    }
    machine_unlock();
    alarm(0);
    for (int kind = 0; kind < CLOCK_KINDS; kind++) {
        clock_free(m.clock[kind]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/main-loop/near-deadlines", test_near_deadlines);
    return g_test_run();
}
