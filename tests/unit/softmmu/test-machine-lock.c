/* SPDX-License-Identifier: MIT */
/* Who gets the machine lock (softmmu/machine-lock.c). */
#include "rhea/osdep.h"

#include "memory/machine-lock.h"

enum { THREADS = 3, ROUNDS = 600, MANY = 1000, UNLUCKY = 3 };

static bool over;       /* atomic */
static unsigned taken;  /* machine lock: by the pollers */
static unsigned inside; /* machine lock */

static void enter(void)
{
    machine_lock();
    g_assert_cmpuint(inside, ==, 0);
    inside++;
}

static void leave(void)
{
    inside--;
    machine_unlock();
}

/* A vCPU that polls a device register: the lock is free for moments only. */
static gpointer poller(gpointer unused)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        enter();
        __atomic_store_n(&taken, taken + 1, __ATOMIC_RELAXED);
        leave();
    }
    return NULL;
}

/*
 * The main loop's wait, counted in turns of the others.  The host may run them for a time slice between the
 * look at their count and the call, but not in many rounds.
 */
static void test_goes_first(void)
{
    GThread *threads[THREADS];
    unsigned many = 0;

    machine_lock_go_first();
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = g_thread_new("poller", poller, NULL);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned before;

        g_usleep(200);
        before = __atomic_load_n(&taken, __ATOMIC_RELAXED);
        enter();
        many += taken - before > MANY;
        leave();
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
    }
    g_test_message("%u of %u rounds with more than %u turns of others", many, ROUNDS, MANY);
    g_assert_cmpuint(many, <=, UNLUCKY);
    g_assert_cmpuint(taken, >, ROUNDS); /* and the others are not kept out */
}

static void test_held(void)
{
    g_assert_false(machine_lock_held());
    machine_lock();
    g_assert_true(machine_lock_held());
    machine_unlock();
    g_assert_false(machine_lock_held());
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine-lock/held", test_held);
    g_test_add_func("/machine-lock/goes-first", test_goes_first);
    return g_test_run();
}
