/* SPDX-License-Identifier: MIT */
/*
 * A pool of threads: made when there is work and nobody waits for it, gone after a while without any.
 * See workers.h.
 */
#include "rhea/osdep.h"

#include "workers.h"

enum { FIRST_LIMIT = 16, LINGER_S = 15 };

typedef struct Work {
    void (*fn)(void *work);
    void *work;
} Work;

static struct {
    GMutex lock;
    GCond pushed;
    GQueue queue;                  /* Work * */
    unsigned threads, busy, limit; /* busy: of the threads, those that have work */
} pool = {.queue = G_QUEUE_INIT, .limit = FIRST_LIMIT};

/* Lock held.  NULL: the thread ends. */
static Work *next_work(void)
{
    gint64 end = g_get_monotonic_time() + LINGER_S * G_TIME_SPAN_SECOND;
    bool in_time = true;

    while (g_queue_is_empty(&pool.queue) && in_time && pool.threads <= pool.limit) {
        in_time = g_cond_wait_until(&pool.pushed, &pool.lock, end);
    }
    return pool.threads <= pool.limit ? g_queue_pop_head(&pool.queue) : NULL;
}

static gpointer worker_thread(gpointer unused)
{
    Work *w;

    g_mutex_lock(&pool.lock);
    while ((w = next_work())) {
        pool.busy++;
        g_mutex_unlock(&pool.lock);
        w->fn(w->work);
        g_free(w);
        g_mutex_lock(&pool.lock);
        pool.busy--;
    }
    pool.threads--;
    g_mutex_unlock(&pool.lock);
    return NULL;
}

/* Lock held.  Where the host gives no more threads, those that are there do the work. */
static bool start_thread(void)
{
    GThread *t = g_thread_try_new("worker", worker_thread, NULL, NULL);

    if (t) {
        pool.threads++;
        g_thread_unref(t);
    }
    return t;
}

/* Lock held. */
static void start_threads(void)
{
    while (pool.queue.length > pool.threads - pool.busy && pool.threads < pool.limit &&
           start_thread()) {
    }
}

void workers_push(void (*fn)(void *work), void *work)
{
    Work *w = g_new(Work, 1);

    *w = (Work){fn, work};
    g_mutex_lock(&pool.lock);
    g_queue_push_tail(&pool.queue, w);
    start_threads();
    if (!pool.threads) { /* nobody but us: it is the only one */
        g_queue_pop_tail(&pool.queue);
        g_mutex_unlock(&pool.lock);
        fn(work);
        g_free(w);
        return;
    }
    g_cond_signal(&pool.pushed);
    g_mutex_unlock(&pool.lock);
}

void workers_set_limit(unsigned limit)
{
    g_mutex_lock(&pool.lock);
    pool.limit = limit;
    start_threads();
    g_mutex_unlock(&pool.lock);
}

void workers_after_fork(void)
{
    g_mutex_init(&pool.lock);
    g_cond_init(&pool.pushed);
    g_assert(g_queue_is_empty(&pool.queue));
    pool.threads = pool.busy = 0;
}
