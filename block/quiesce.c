/* SPDX-License-Identifier: MIT */
/*
 * Nobody does I/O while the graph changes: requests of devices are drained, and the threads of jobs and
 * exports wait where they would begin.  Unlike a reader-writer lock of the host, whoever changes the graph
 * is never kept waiting by new users.
 */
#include "rhea/osdep.h"

#include "block-int.h"

static struct {
    GMutex lock;
    GCond changed;
    unsigned users;    /* threads between block_io_begin() and _end() */
    unsigned changing; /* depth of block_users_stop() */
    unsigned sleepers, hurried;
    GCond awake;
    void (*on_sleep)(unsigned sleepers);
} graph;

void block_io_begin(void)
{
    g_mutex_lock(&graph.lock);
    while (graph.changing) {
        g_cond_wait(&graph.changed, &graph.lock);
    }
    graph.users++;
    g_mutex_unlock(&graph.lock);
}

void block_io_end(void)
{
    g_mutex_lock(&graph.lock);
    if (--graph.users == 0) {
        g_cond_broadcast(&graph.changed);
    }
    g_mutex_unlock(&graph.lock);
}

void block_users_stop(void)
{
    g_mutex_lock(&graph.lock);
    graph.changing++;
    graph.hurried++; /* throttled users, too */
    g_cond_broadcast(&graph.awake);
    while (graph.users) {
        g_cond_wait(&graph.changed, &graph.lock);
    }
    graph.hurried--;
    g_mutex_unlock(&graph.lock);
}

void block_users_go(void)
{
    g_mutex_lock(&graph.lock);
    if (--graph.changing == 0) {
        g_cond_broadcast(&graph.changed);
    }
    g_mutex_unlock(&graph.lock);
}

void block_users_after_fork(void)
{
    g_mutex_init(&graph.lock);
    g_cond_init(&graph.changed);
    g_cond_init(&graph.awake);
    graph.users = graph.sleepers = 0;
}

/* --- Waiting without being in the way --- */

void block_on_sleep(void (*fn)(unsigned sleepers))
{
    g_mutex_lock(&graph.lock);
    graph.on_sleep = fn;
    g_mutex_unlock(&graph.lock);
}

static void count_sleepers(int more)
{
    graph.sleepers += (unsigned)more;
    if (graph.on_sleep) {
        graph.on_sleep(graph.sleepers);
    }
}

void block_sleep_until(int64_t us)
{
    g_mutex_lock(&graph.lock);
    count_sleepers(1);
    while (!graph.hurried && g_get_monotonic_time() < us) {
        g_cond_wait_until(&graph.awake, &graph.lock, us);
    }
    count_sleepers(-1);
    g_mutex_unlock(&graph.lock);
}

void block_hurry(bool on)
{
    g_mutex_lock(&graph.lock);
    graph.hurried += on ? 1 : -1U;
    g_cond_broadcast(&graph.awake);
    g_mutex_unlock(&graph.lock);
}
