/* SPDX-License-Identifier: MIT */
/*
 * The three clocks and their timers.  A clock's own lock guards its list and its base; callbacks run
 * without it, so they may arm and disarm.  Reading the time takes no lock: the fields are read under a
 * sequence count.
 */
#include "rhea/osdep.h"

#include "memory/clock.h"

#include <pthread.h>
#include <time.h>

struct Clock {
    ClockKind kind;
    pthread_mutex_t lock;
    ClockTimer *first; /* sorted by deadline, equals in the order of arming */
    uint64_t armings;  /* how often a timer was armed */
    /* A change makes seq odd while it lasts; the writer holds the lock. */
    uint32_t seq;
    bool running;
    bool manual;     /* the time is base_ns, whatever the host says */
    int64_t base_ns; /* a running virtual clock: offset to monotonic host time; else the time */
};

static void (*deadline_hook)(Clock *c);

void clock_set_deadline_hook(void (*fn)(Clock *c))
{
    __atomic_store_n(&deadline_hook, fn, __ATOMIC_RELEASE);
}

static int64_t host_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

Clock *clock_new(ClockKind kind)
{
    Clock *c = g_new0(Clock, 1);

    c->kind = kind;
    c->running = kind != CLOCK_VIRTUAL;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void clock_free(Clock *c)
{
    g_assert(!c->first); /* owners disarm their timers before the clock goes */
    pthread_mutex_destroy(&c->lock);
    g_free(c);
}

ClockKind clock_kind(const Clock *c)
{
    return c->kind;
}

/* --- The time --- */

static int64_t clock_compute(const Clock *c, bool running, bool manual, int64_t base_ns)
{
    if (manual) {
        return base_ns;
    }
    switch (c->kind) {
    case CLOCK_REALTIME_: return host_ns(CLOCK_MONOTONIC);
    case CLOCK_HOST: return host_ns(CLOCK_REALTIME);
    default: return running ? host_ns(CLOCK_MONOTONIC) + base_ns : base_ns;
    }
}

int64_t clock_now_ns(Clock *c)
{
    for (;;) {
        uint32_t seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE);
        bool running = __atomic_load_n(&c->running, __ATOMIC_ACQUIRE);
        bool manual = __atomic_load_n(&c->manual, __ATOMIC_ACQUIRE);
        int64_t base_ns = __atomic_load_n(&c->base_ns, __ATOMIC_ACQUIRE);

        if (!(seq & 1) && seq == __atomic_load_n(&c->seq, __ATOMIC_RELAXED)) {
            return clock_compute(c, running, manual, base_ns);
        }
    }
}

/* Lock held.  Each store is a release so that a reader who sees it also sees the odd count. */
static void clock_change(Clock *c, bool running, bool manual, int64_t base_ns)
{
    __atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&c->running, running, __ATOMIC_RELEASE);
    __atomic_store_n(&c->manual, manual, __ATOMIC_RELEASE);
    __atomic_store_n(&c->base_ns, base_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELEASE);
}

/* Whoever sleeps until the earliest deadline looks again. */
static void clock_notify(Clock *c)
{
    void (*hook)(Clock * c) = __atomic_load_n(&deadline_hook, __ATOMIC_ACQUIRE);

    if (hook) {
        hook(c);
    }
}

/* Goes on from @now_ns in the given state. Lock held. */
static void clock_put_now(Clock *c, bool running, bool manual, int64_t now_ns)
{
    bool follows_host = running && !manual && c->kind == CLOCK_VIRTUAL;

    clock_change(c, running, manual, follows_host ? now_ns - host_ns(CLOCK_MONOTONIC) : now_ns);
}

void clock_set_running(Clock *c, bool running)
{
    if (c->kind != CLOCK_VIRTUAL) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    if (c->running != running) {
        clock_put_now(c, running, c->manual, clock_compute(c, c->running, c->manual, c->base_ns));
    }
    pthread_mutex_unlock(&c->lock);
    clock_notify(c);
}

void clock_set_manual(Clock *c, bool manual)
{
    pthread_mutex_lock(&c->lock);
    if (c->manual != manual) {
        clock_put_now(c, c->running, manual, clock_compute(c, c->running, c->manual, c->base_ns));
    }
    pthread_mutex_unlock(&c->lock);
    clock_notify(c);
}

void clock_set_ns(Clock *c, int64_t now_ns)
{
    pthread_mutex_lock(&c->lock);
    clock_put_now(c, c->running, c->manual, now_ns);
    pthread_mutex_unlock(&c->lock);
    clock_notify(c);
}

/* --- Timers --- */

void clock_timer_init(ClockTimer *t, Clock *c, ClockCallback cb, void *opaque)
{
    *t = (ClockTimer){.clock = c, .cb = cb, .opaque = opaque, .deadline_ns = CLOCK_NEVER};
}

/* Lock held. */
static void timer_unlink(ClockTimer *t)
{
    ClockTimer **link = &t->clock->first;

    if (t->deadline_ns == CLOCK_NEVER) {
        return;
    }
    while (*link != t) {
        link = &(*link)->next;
    }
    *link = t->next;
    __atomic_store_n(&t->deadline_ns, CLOCK_NEVER, __ATOMIC_RELAXED);
}

void clock_timer_arm(ClockTimer *t, int64_t deadline_ns)
{
    Clock *c = t->clock;
    ClockTimer **link;
    bool nearer;

    pthread_mutex_lock(&c->lock);
    timer_unlink(t);
    if (deadline_ns == CLOCK_NEVER) {
        pthread_mutex_unlock(&c->lock);
        return;
    }
    link = &c->first;
    while (*link && (*link)->deadline_ns <= deadline_ns) {
        link = &(*link)->next;
    }
    t->next = *link;
    t->arming = ++c->armings;
    *link = t;
    __atomic_store_n(&t->deadline_ns, deadline_ns, __ATOMIC_RELAXED);
    nearer = c->first == t;
    pthread_mutex_unlock(&c->lock);
    if (nearer) {
        clock_notify(c);
    }
}

void clock_timer_disarm(ClockTimer *t)
{
    if (t->clock) {
        clock_timer_arm(t, CLOCK_NEVER);
    }
}

int64_t clock_deadline_ns(Clock *c)
{
    int64_t deadline_ns = CLOCK_NEVER;

    pthread_mutex_lock(&c->lock);
    if (c->first && c->running) {
        deadline_ns = c->first->deadline_ns;
    }
    pthread_mutex_unlock(&c->lock);
    return deadline_ns;
}

/* Takes off the list the first timer due by @now_ns that was armed up to @arming; NULL: none. */
static ClockTimer *clock_take_due(Clock *c, int64_t now_ns, uint64_t arming)
{
    ClockTimer *t;

    pthread_mutex_lock(&c->lock);
    t = c->running ? c->first : NULL;
    while (t && t->arming > arming) {
        t = t->next;
    }
    if (t && t->deadline_ns <= now_ns) {
        timer_unlink(t);
    } else {
        t = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    return t;
}

bool clock_run_timers(Clock *c)
{
    int64_t now_ns = clock_now_ns(c);
    uint64_t arming;
    bool ran = false;
    ClockTimer *t;

    /* What a callback arms waits for the next turn, so a guest cannot keep the main loop here. */
    pthread_mutex_lock(&c->lock);
    arming = c->armings;
    pthread_mutex_unlock(&c->lock);
    while ((t = clock_take_due(c, now_ns, arming))) {
        t->cb(t->opaque);
        ran = true;
    }
    return ran;
}
