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
    while (graph.users) {
        g_cond_wait(&graph.changed, &graph.lock);
    }
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
