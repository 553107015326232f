/* SPDX-License-Identifier: MIT */
/*
 * -object iothread: see block/iothread.h.
 * Threading: the thread sleeps until a worker has put a finished request into its queue, takes the machine lock and
 * runs the completions.  Whoever drains runs them as well.  poll-* and aio-max-batch are kept for those who ask;
 * nothing polls here.
 */
#include "rhea/osdep.h"

#include <unistd.h>

#include "backend.h"
#include "block/iothread.h"
#include "rhea/defer.h"

/* What the thread uses; it goes with the last of the two that do. */
typedef struct Loop {
    gatomicrefcount refs;
    BlockFinished *finished;
    GMutex lock;
    GCond wake;
    /* under lock */
    bool work, stop;
    int64_t tid; /* 0: not there yet */
} Loop;

typedef struct IoThread {
    Object obj;
    /* properties: fixed once complete */
    uint64_t poll_max_ns, poll_grow, poll_shrink, max_batch, pool_min, pool_max;
    /* made by complete */
    Loop *loop;
} IoThread;

const char *const iothread_type_names[] = {TYPE_IOTHREAD, NULL};

static void loop_unref(Loop *l)
{
    if (g_atomic_ref_count_dec(&l->refs)) {
        block_finished_free(l->finished);
        g_mutex_clear(&l->lock);
        g_cond_clear(&l->wake);
        g_free(l);
    }
}

/* Any thread. */
static void loop_wake(void *opaque)
{
    Loop *l = opaque;

    g_mutex_lock(&l->lock);
    l->work = true;
    g_cond_broadcast(&l->wake);
    g_mutex_unlock(&l->lock);
}

static void run_finished(void *opaque)
{
    block_finished_run(opaque);
}

/* False: the object has gone. */
static bool loop_wait(Loop *l)
{
    bool stop;

    g_mutex_lock(&l->lock);
    while (!l->work && !l->stop) {
        g_cond_wait(&l->wake, &l->lock);
    }
    l->work = false;
    stop = l->stop;
    g_mutex_unlock(&l->lock);
    return !stop;
}

static void *loop_thread(void *opaque)
{
    Loop *l = opaque;

    g_mutex_lock(&l->lock);
    l->tid = gettid();
    g_cond_broadcast(&l->wake);
    g_mutex_unlock(&l->lock);
    while (loop_wait(l)) {
        machine_call(run_finished, l->finished);
    }
    loop_unref(l);
    return NULL;
}

static bool iothread_complete(Object *obj, Error **errp)
{
    IoThread *t = (IoThread *)obj;
    Loop *l = g_new0(Loop, 1);

    g_atomic_ref_count_init(&l->refs);
    g_atomic_ref_count_inc(&l->refs);
    g_mutex_init(&l->lock);
    g_cond_init(&l->wake);
    l->finished = block_finished_new(loop_wake, l);
    t->loop = l;
    g_thread_unref(g_thread_new("iothread", loop_thread, l));
    return true;
}

/* The new thread has the reference of the one that is not here. */
void iothreads_after_fork(void)
{
    GPtrArray *objects = qom_container(qom_root(), "/objects")->children;

    for (guint i = 0; objects && i < objects->len; i++) {
        Object *obj = g_ptr_array_index(objects, i);
        Loop *l = qom_is(obj, TYPE_IOTHREAD) ? ((IoThread *)obj)->loop : NULL;

        if (l) {
            g_mutex_init(&l->lock);
            g_cond_init(&l->wake);
            l->tid = 0;
            block_finished_after_fork(l->finished);
            g_thread_unref(g_thread_new("iothread", loop_thread, l));
        }
    }
}

/* No device has a link to it any more.  It is not waited for: it may wait for the lock that we hold. */
static void iothread_fini(Object *obj)
{
    Loop *l = ((IoThread *)obj)->loop;

    if (l) {
        g_mutex_lock(&l->lock);
        l->stop = true;
        g_cond_broadcast(&l->wake);
        g_mutex_unlock(&l->lock);
        loop_unref(l);
    }
}

void blk_set_iothread(BlockBackend *blk, Object *iothread)
{
    block_set_finished(blk, iothread ? ((IoThread *)iothread)->loop->finished : NULL);
}

IoThreadInfo iothread_info(Object *obj)
{
    IoThread *t = (IoThread *)obj;
    IoThreadInfo info = {
        .id = obj->name,
        .poll_max_ns = t->poll_max_ns,
        .poll_grow = t->poll_grow,
        .poll_shrink = t->poll_shrink,
        .max_batch = t->max_batch,
    };

    g_mutex_lock(&t->loop->lock);
    while (!t->loop->tid) {
        g_cond_wait(&t->loop->wake, &t->loop->lock);
    }
    info.thread_id = t->loop->tid;
    g_mutex_unlock(&t->loop->lock);
    return info;
}

#define TOLD "taken for other emulators' sake: nothing polls"

static const PropDesc iothread_props[] = {
    PROP_U64("poll-max-ns", IoThread, poll_max_ns, 32768, TOLD),
    PROP_U64("poll-grow", IoThread, poll_grow, 0, TOLD),
    PROP_U64("poll-shrink", IoThread, poll_shrink, 0, TOLD),
    PROP_U64("aio-max-batch", IoThread, max_batch, 0, TOLD),
    PROP_U64("thread-pool-min", IoThread, pool_min, 0,
             "taken; the workers are those of all drives"),
    PROP_U64("thread-pool-max", IoThread, pool_max, 64,
             "taken; the workers are those of all drives"),
    PROP_END,
};

QOM_TYPE(iothread_type, .name = TYPE_IOTHREAD, .parent = "object",
         .desc = "A thread that completes the requests of disks", .size = sizeof(IoThread),
         .user_creatable = true, .props = iothread_props, .complete = iothread_complete,
         .fini = iothread_fini);
