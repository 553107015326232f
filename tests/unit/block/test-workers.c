/* SPDX-License-Identifier: MIT */
/* The pool of threads of block/backend.c: all work is done, by at most so many at a time. */
#include "rhea/osdep.h"

#include <sys/wait.h>
#include <unistd.h>

#include "block/workers.h"

enum { MANY = 2000 };

static int at_work, most, done; /* atomic */

static void work_a_little(void *slow)
{
    int now = __atomic_add_fetch(&at_work, 1, __ATOMIC_SEQ_CST);
    int before = __atomic_load_n(&most, __ATOMIC_SEQ_CST);

    while (now > before && !__atomic_compare_exchange_n(&most, &before, now, false,
                                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    if (slow) {
        g_usleep(1000);
    }
    __atomic_fetch_sub(&at_work, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

/* A test that waits for ever is ended by who runs it. */
static void push_and_wait(int count, bool slow)
{
    most = done = 0;
    for (int i = 0; i < count; i++) {
        workers_push(work_a_little, slow ? &done : NULL);
    }
    while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < count) {
        g_usleep(100);
    }
}

static void test_all_is_done(void)
{
    push_and_wait(MANY, false);
    g_assert_cmpint(most, <=, 16);
    push_and_wait(100, true);
    g_assert_cmpint(most, >, 1);
}

static void test_limit(void)
{
    workers_set_limit(2);
    push_and_wait(100, true);
    push_and_wait(100, true); /* those that were at work beyond the limit have gone */
    g_assert_cmpint(most, <=, 2);
    workers_set_limit(16);
}

/* The copy has none of the threads, and makes its own. */
static void test_fork(void)
{
    int status = 0;
    pid_t pid;

    push_and_wait(100, true);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        workers_after_fork();
        push_and_wait(MANY, false);
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    push_and_wait(MANY, false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/workers/all-is-done", test_all_is_done);
    g_test_add_func("/workers/limit", test_limit);
    g_test_add_func("/workers/fork", test_fork);
    return g_test_run();
}
