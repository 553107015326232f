/* SPDX-License-Identifier: MIT */
/* Clocks and timers (softmmu/clock/clock.c). */
#include "rhea/osdep.h"

#include "memory/clock.h"

static GString *fired;

static void fire(void *opaque)
{
    g_string_append(fired, opaque);
}

static void expect_fired(const char *text)
{
    g_assert_cmpstr(fired->str, ==, text);
    g_string_truncate(fired, 0);
}

static Clock *manual_clock(void)
{
    Clock *c = clock_new(CLOCK_VIRTUAL);

    clock_set_manual(c, true);
    clock_set_ns(c, 1000);
    clock_set_running(c, true);
    return c;
}

static void test_stop(void)
{
    Clock *c = clock_new(CLOCK_VIRTUAL);
    int64_t a, b;

    g_assert_cmpint(clock_now_ns(c), ==, 0);
    clock_set_running(c, true);
    a = clock_now_ns(c);
    g_usleep(2000);
    b = clock_now_ns(c);
    g_assert_cmpint(b - a, >=, 2 * NS_PER_MS);
    clock_set_running(c, false);
    a = clock_now_ns(c);
    g_assert_cmpint(a, >=, b);
    g_usleep(2000);
    g_assert_cmpint(clock_now_ns(c), ==, a);
    clock_set_running(c, true);
    g_assert_cmpint(clock_now_ns(c) - a, <, NS_PER_S);
    clock_set_ns(c, 5 * NS_PER_S);
    g_assert_cmpint(clock_now_ns(c), >=, 5 * NS_PER_S);
    clock_free(c);
}

static void test_host_clocks(void)
{
    Clock *real = clock_new(CLOCK_REALTIME_), *host = clock_new(CLOCK_HOST);

    clock_set_running(real, false); /* only the virtual one stops */
    g_assert_cmpint(clock_now_ns(real), >, 0);
    g_assert_cmpint(ABS(clock_now_ns(host) / 1000 - g_get_real_time()), <, 60 * 1000000);
    clock_free(real);
    clock_free(host);
}

static void test_order(void)
{
    Clock *c = manual_clock();
    ClockTimer a, b, d;

    clock_timer_init(&a, c, fire, (char *)"a");
    clock_timer_init(&b, c, fire, (char *)"b");
    clock_timer_init(&d, c, fire, (char *)"d");
    g_assert_cmpint(clock_deadline_ns(c), ==, CLOCK_NEVER);
    clock_timer_arm(&b, 1200);
    clock_timer_arm(&a, 1100);
    clock_timer_arm(&d, 1200);
    g_assert_cmpint(clock_deadline_ns(c), ==, 1100);
    g_assert_false(clock_run_timers(c));
    clock_set_ns(c, 1100);
    g_assert_true(clock_run_timers(c));
    expect_fired("a");
    g_assert_false(clock_timer_armed(&a));
    clock_timer_arm(&a, 50); /* in the past: at the next turn */
    clock_set_ns(c, 9999);
    clock_set_running(c, false);
    g_assert_cmpint(clock_deadline_ns(c), ==, CLOCK_NEVER);
    g_assert_false(clock_run_timers(c));
    clock_set_running(c, true);
    clock_timer_disarm(&b);
    clock_run_timers(c);
    expect_fired("ad");
    clock_free(c);
}

static ClockTimer again;

static void fire_again(void *opaque)
{
    g_string_append_c(fired, '*');
    clock_timer_arm(&again, 0);
}

static void test_rearm(void)
{
    Clock *c = manual_clock();
    ClockTimer later;

    clock_timer_init(&again, c, fire_again, NULL);
    clock_timer_init(&later, c, fire, (char *)"l");
    clock_timer_arm(&again, 10);
    clock_timer_arm(&later, 20);
    /* One turn: a timer that is always due cannot keep others, or the loop, from going on. */
    clock_run_timers(c);
    expect_fired("*l");
    clock_run_timers(c);
    expect_fired("*");
    clock_timer_disarm(&again);
    clock_free(c);
}

static int notified;

static void hook(Clock *c)
{
    notified++;
}

static void test_hook(void)
{
    Clock *c = manual_clock();
    ClockTimer a, b;

    clock_set_deadline_hook(hook);
    clock_timer_init(&a, c, fire, (char *)"a");
    clock_timer_init(&b, c, fire, (char *)"b");
    clock_timer_arm(&a, 5000);
    g_assert_cmpint(notified, ==, 1);
    clock_timer_arm(&b, 6000);
    g_assert_cmpint(notified, ==, 1);
    clock_timer_arm(&b, 4000);
    g_assert_cmpint(notified, ==, 2);
    clock_set_deadline_hook(NULL);
    clock_timer_disarm(&a);
    clock_timer_disarm(&b);
    clock_free(c);
}

static gpointer read_clock(gpointer opaque)
{
    int64_t last = 0;

    for (int i = 0; i < 5000; i++) {
        int64_t now_ns = clock_now_ns(opaque);

        g_assert_cmpint(now_ns, >=, last);
        last = now_ns;
    }
    return NULL;
}

static void test_threads(void)
{
    Clock *c = clock_new(CLOCK_VIRTUAL);
    GThread *reader = g_thread_new("reader", read_clock, c);

    for (int i = 0; i < 500; i++) {
        clock_set_running(c, !(i & 1)); /* time never goes back */
    }
    g_thread_join(reader);
    clock_free(c);
}

/* --- A clock that counts --- */

static int64_t counted;

static int64_t count_ns(void *opaque)
{
    return counted;
}

static void nothing(void *opaque)
{
}

static void test_counter(void)
{
    for (int skip = 0; skip < 2; skip++) {
        Clock *c = clock_new(CLOCK_VIRTUAL);
        ClockTimer t;

        counted = 0;
        clock_set_counter(c, count_ns, NULL, skip);
        clock_set_running(c, true);
        g_assert_true(clock_is_counting(c));
        counted = 1000;
        g_assert_cmpint(clock_now_ns(c), ==, 1000);

        clock_timer_init(&t, c, nothing, NULL);
        clock_timer_arm(&t, 51000);
        g_assert_cmpint(clock_nearest_ns(c), ==, 51000);
        clock_set_idle(c, true);
        g_assert_false(clock_is_counting(c));
        while (!clock_idle_due(c)) { /* the host's time, or none at all */
            g_assert_false(skip);
            g_assert_cmpint(clock_now_ns(c), <=, 51000);
        }
        g_usleep(100);
        g_assert_cmpint(clock_now_ns(c), ==, 51000); /* not beyond the deadline */
        clock_set_idle(c, false);
        counted += 10;
        g_assert_true(clock_run_timers(c));
        g_assert_cmpint(clock_now_ns(c), ==, 51010);
        g_assert_cmpint(clock_nearest_ns(c), ==, CLOCK_NEVER);

        clock_timer_arm(&t, 60000);
        g_assert_true(clock_skip(c));
        g_assert_cmpint(clock_now_ns(c), ==, 60000);
        clock_set_running(c, false);
        counted += 10;
        g_assert_cmpint(clock_now_ns(c), ==, 60000);
        clock_timer_disarm(&t);
        clock_free(c);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fired = g_string_new(NULL);
    g_test_add_func("/clock/stop", test_stop);
    g_test_add_func("/clock/host", test_host_clocks);
    g_test_add_func("/clock/order", test_order);
    g_test_add_func("/clock/rearm", test_rearm);
    g_test_add_func("/clock/hook", test_hook);
    g_test_add_func("/clock/threads", test_threads);
    g_test_add_func("/clock/counter", test_counter);
    return g_test_run();
}
