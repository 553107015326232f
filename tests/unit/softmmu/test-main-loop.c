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

/* The calling thread's time slice as Linux tells it, or 0 when it does not. */
static int64_t slice_ns(void)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents("/proc/thread-self/sched", &text, NULL, NULL)) {
        return 0;
    }
    at = strstr(text, "se.slice");
    at = at ? strchr(at, ':') : NULL;
    return at ? g_ascii_strtoll(at + 1, NULL, 10) : 0;
}

static gpointer other_thread(gpointer unused)
{
    return GSIZE_TO_POINTER((gsize)slice_ns());
}

/* The main loop's slices are short, those of the threads that it makes are not. */
static void test_slices(void)
{
    int64_t usual_ns = slice_ns();
    Machine m = {0};

    if (usual_ns <= MAIN_LOOP_SLICE_NS) {
        g_test_skip("this kernel does not tell, or has short slices anyway");
        return;
    }
    main_loop_init(&m);
    if (slice_ns() == usual_ns) {
        g_test_skip("this kernel has no slices of different lengths");
        return;
    }
    g_assert_cmpint(slice_ns(), ==, MAIN_LOOP_SLICE_NS);
    g_assert_cmpint(GPOINTER_TO_SIZE(g_thread_join(g_thread_new("other", other_thread, NULL))), ==,
                    usual_ns);
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
    g_test_add_func("/main-loop/slices", test_slices);
    g_test_add_func("/main-loop/near-deadlines", test_near_deadlines);
    return g_test_run();
}
