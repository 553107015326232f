/* SPDX-License-Identifier: MIT */
/*
 * The main loop: GLib's default context, iterated by the main thread with the machine lock held except
 * while it sleeps.  Sleeps end exactly (to the nanosecond the host gives) at the next timer's deadline,
 * which GLib's millisecond timeouts could not do; so the sleep is our own poll function.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "accel/accel.h"
#include "softmmu/main-loop.h"
#include "softmmu/runstate.h"

typedef struct Deferred {
    void (*fn)(void *opaque);
    void *opaque;
} Deferred;

/* One loop per process, as there is one main thread. */
static Machine *loop_machine;
static int loop_wakeup_fd;
static int loop_sleeping; /* atomic: somebody has to wake us for a nearer deadline */
static pthread_mutex_t deferred_mutex = PTHREAD_MUTEX_INITIALIZER;
static GArray *deferred; /* Deferred; deferred_mutex */

/* --- Sleeping --- */

void main_loop_kick(void)
{
    g_main_context_wakeup(NULL);
}

static void main_loop_deadline_moved(Clock *c)
{
    if (__atomic_load_n(&loop_sleeping, __ATOMIC_SEQ_CST)) {
        main_loop_kick();
    }
}

/* Nanoseconds until the earliest timer of any clock, at most @limit_ns (-1: no limit, also returned). */
static int64_t main_loop_timeout_ns(int64_t limit_ns)
{
    for (int kind = 0; kind < CLOCK_KINDS && loop_machine; kind++) {
        Clock *c = loop_machine->clock[kind];
        int64_t deadline = clock_is_counting(c) ? CLOCK_NEVER : clock_deadline_ns(c);

        if (deadline != CLOCK_NEVER) {
            int64_t left = MAX(deadline - clock_now_ns(c), 0);

            limit_ns = limit_ns < 0 ? left : MIN(limit_ns, left);
        }
    }
    return limit_ns;
}

static gint main_loop_poll(GPollFD *fds, guint nfds, gint timeout_ms)
{
    struct timespec ts;
    int64_t ns;
    int ret, err;

    G_STATIC_ASSERT(sizeof(GPollFD) == sizeof(struct pollfd));
    __atomic_store_n(&loop_sleeping, 1, __ATOMIC_SEQ_CST);
    ns = timeout_ms ? main_loop_timeout_ns(timeout_ms < 0 ? -1 : timeout_ms * NS_PER_MS) : 0;
    ts.tv_sec = ns / NS_PER_S;
    ts.tv_nsec = ns % NS_PER_S;
    machine_unlock();
    ret = ppoll((struct pollfd *)fds, nfds, ns < 0 ? NULL : &ts, NULL);
    err = errno;
    machine_lock();
    __atomic_store_n(&loop_sleeping, 0, __ATOMIC_SEQ_CST);
    errno = err;
    return ret;
}

/* --- Deferred calls --- */

void main_loop_defer(void (*fn)(void *opaque), void *opaque)
{
    Deferred d = {fn, opaque};
    bool first;

    pthread_mutex_lock(&deferred_mutex);
    if (!deferred) {
        deferred = g_array_new(FALSE, FALSE, sizeof(Deferred));
    }
    first = deferred->len == 0;
    g_array_append_val(deferred, d);
    pthread_mutex_unlock(&deferred_mutex);
    if (first) {
        main_loop_kick();
    }
}

void machine_call(void (*fn)(void *opaque), void *opaque)
{
    machine_lock_go_first();
    machine_lock();
    fn(opaque);
    machine_unlock();
}

/* Calls deferred meanwhile run in the next turn, so that one cannot keep the loop here. */
static void main_loop_run_deferred(void)
{
    GArray *now;

    pthread_mutex_lock(&deferred_mutex);
    now = deferred;
    deferred = NULL;
    pthread_mutex_unlock(&deferred_mutex);
    if (now) {
        for (guint i = 0; i < now->len; i++) {
            Deferred *d = &g_array_index(now, Deferred, i);

            d->fn(d->opaque);
        }
        g_array_unref(now);
    }
}

/* --- The loop --- */

/* What sched_setattr(2) takes, in its first version; C libraries and the kernel's headers both declare it,
 * or neither does. */
typedef struct SchedAttr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
} SchedAttr;

enum { SCHED_RESETS_ON_FORK = 1 };

/*
 * On a busy host a thread that wakes up waits for the time slices of those that run, and the guest's timers
 * wait with it.  A thread that takes short slices itself is let in at once (Linux 6.12; older ones take no
 * notice).  Threads that it makes, the vCPUs, have slices of the usual length.
 */
static void main_loop_take_short_slices(void)
{
    SchedAttr attr = {0};

    if (!syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0)) {
        attr.runtime_ns = MAIN_LOOP_SLICE_NS;
        attr.flags |= SCHED_RESETS_ON_FORK;
        syscall(SYS_sched_setattr, 0, &attr, 0);
    }
}

/* GLib does not say which descriptor wakes a context, but a context without sources polls no other. */
static int main_loop_find_wakeup_fd(void)
{
    GPollFD only;
    gint timeout;
    gint n = g_main_context_query(g_main_context_default(), G_MAXINT, &timeout, &only, 1);

    g_assert(n == 1);
    return only.fd;
}

void main_loop_after_fork(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    dup3(fd, loop_wakeup_fd, O_CLOEXEC);
    close(fd);
    pthread_mutex_init(&deferred_mutex, NULL);
    main_loop_take_short_slices();
}

void main_loop_init(Machine *m)
{
    loop_machine = m;
    loop_wakeup_fd = main_loop_find_wakeup_fd();
    /* Timers, input and completions come by this thread only. */
    machine_lock_go_first();
    main_loop_take_short_slices();
    /* The default slack of 50 us would make every guest timer late by as much. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    g_main_context_set_poll_func(NULL, main_loop_poll);
    clock_set_deadline_hook(main_loop_deadline_moved);
}

static void main_loop_run_timers(Clock *c)
{
    if (clock_idle_due(c)) {
        accel_run_idle_timers(loop_machine, c);
    } else if (!clock_is_counting(c)) {
        clock_run_timers(c);
    }
}

void main_loop_iterate(bool block)
{
    g_main_context_iteration(NULL, block);
    for (int kind = 0; kind < CLOCK_KINDS; kind++) {
        main_loop_run_timers(loop_machine->clock[kind]);
    }
    main_loop_run_deferred();
}
