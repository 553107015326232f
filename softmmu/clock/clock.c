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
    int64_t base_ns; /* a running virtual clock: offset to its source; else the time */
    /* The source of a running virtual clock: monotonic host time, or a counter. */
    int64_t (*count_ns)(void *opaque);
    void *opaque;
    bool skip_idle;
    bool idle;             /* nobody counts ... */
    int64_t idle_since_ns; /* ... since then, in host time */
    int64_t nearest_ns;    /* deadline of .first; CLOCK_NEVER: none.  Atomic */
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
    c->nearest_ns = CLOCK_NEVER;
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

/* What a reader takes a copy of. */
typedef struct ClockState {
    bool running, manual, idle;
    int64_t base_ns, idle_since_ns;
} ClockState;

static int64_t clock_counted(const Clock *c, const ClockState *s)
{
    int64_t now_ns = c->count_ns(c->opaque) + s->base_ns, nearest_ns, passed_ns;

    if (!s->idle) {
        return now_ns;
    }
    nearest_ns = __atomic_load_n(&c->nearest_ns, __ATOMIC_RELAXED);
    if (c->skip_idle) {
        return nearest_ns == CLOCK_NEVER ? now_ns : MAX(now_ns, nearest_ns);
    }
    passed_ns = host_ns(CLOCK_MONOTONIC) - s->idle_since_ns;
    return nearest_ns > now_ns + passed_ns ? now_ns + passed_ns : MAX(now_ns, nearest_ns);
}

static int64_t clock_compute(const Clock *c, const ClockState *s)
{
    if (s->manual) {
        return s->base_ns;
    }
    switch (c->kind) {
    case CLOCK_REALTIME_: return host_ns(CLOCK_MONOTONIC);
    case CLOCK_HOST: return host_ns(CLOCK_REALTIME);
    default: break;
    }
    if (!s->running) {
        return s->base_ns;
    }
    return c->count_ns ? clock_counted(c, s) : host_ns(CLOCK_MONOTONIC) + s->base_ns;
}

/* Lock held. */
static ClockState clock_state(const Clock *c)
{
    return (ClockState){c->running, c->manual, c->idle, c->base_ns, c->idle_since_ns};
}

int64_t clock_now_ns(Clock *c)
{
    for (;;) {
        uint32_t seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE);
        ClockState s = {
            .running = __atomic_load_n(&c->running, __ATOMIC_ACQUIRE),
            .manual = __atomic_load_n(&c->manual, __ATOMIC_ACQUIRE),
            .idle = __atomic_load_n(&c->idle, __ATOMIC_ACQUIRE),
            .base_ns = __atomic_load_n(&c->base_ns, __ATOMIC_ACQUIRE),
            .idle_since_ns = __atomic_load_n(&c->idle_since_ns, __ATOMIC_ACQUIRE),
        };

        if (!(seq & 1)) {
            int64_t now_ns = clock_compute(c, &s);

            /* After the host's time was read: a clock that stops meanwhile must not seem to go on. */
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (seq == __atomic_load_n(&c->seq, __ATOMIC_RELAXED)) {
                return now_ns;
            }
        }
    }
}

/* Around a change: no reader ends between them, so that none sees a later time than the change is made at. */
static void clock_change_begin(Clock *c)
{
    pthread_mutex_lock(&c->lock);
    __atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void clock_change_end(Clock *c)
{
    __atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&c->lock);
}

/* Within a change.  Each store is a release so that a reader who sees it also sees the odd count. */
static void clock_change(Clock *c, const ClockState *s)
{
    __atomic_store_n(&c->running, s->running, __ATOMIC_RELEASE);
    __atomic_store_n(&c->manual, s->manual, __ATOMIC_RELEASE);
    __atomic_store_n(&c->idle, s->idle, __ATOMIC_RELEASE);
    __atomic_store_n(&c->base_ns, s->base_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&c->idle_since_ns, s->idle_since_ns, __ATOMIC_RELEASE);
}

/* Whoever sleeps until the earliest deadline looks again. */
static void clock_notify(Clock *c)
{
    void (*hook)(Clock * c) = __atomic_load_n(&deadline_hook, __ATOMIC_ACQUIRE);

    if (hook) {
        hook(c);
    }
}

/* Goes on from @now_ns in state @s, whose base is found here. Within a change. */
static void clock_put_now(Clock *c, ClockState s, int64_t now_ns)
{
    s.base_ns = now_ns;
    s.idle_since_ns = s.idle ? host_ns(CLOCK_MONOTONIC) : 0;
    if (s.running && !s.manual && c->kind == CLOCK_VIRTUAL) {
        s.base_ns -= c->count_ns ? c->count_ns(c->opaque) : host_ns(CLOCK_MONOTONIC);
    }
    clock_change(c, &s);
}

void clock_set_running(Clock *c, bool running)
{
    ClockState s;

    if (c->kind != CLOCK_VIRTUAL) {
        return;
    }
    clock_change_begin(c);
    s = clock_state(c);
    if (s.running != running) {
        int64_t now_ns = clock_compute(c, &s);

        s.running = running;
        clock_put_now(c, s, now_ns);
    }
    clock_change_end(c);
    clock_notify(c);
}

void clock_set_manual(Clock *c, bool manual)
{
    ClockState s;

    clock_change_begin(c);
    s = clock_state(c);
    if (s.manual != manual) {
        int64_t now_ns = clock_compute(c, &s);

        s.manual = manual;
        clock_put_now(c, s, now_ns);
    }
    clock_change_end(c);
    clock_notify(c);
}

void clock_set_ns(Clock *c, int64_t now_ns)
{
    clock_change_begin(c);
    clock_put_now(c, clock_state(c), now_ns);
    clock_change_end(c);
    clock_notify(c);
}

/* --- Counting --- */

void clock_set_counter(Clock *c, int64_t (*count_ns)(void *opaque), void *opaque, bool skip_idle)
{
    pthread_mutex_lock(&c->lock);
    g_assert(!c->running);
    c->count_ns = count_ns;
    c->opaque = opaque;
    c->skip_idle = skip_idle;
    pthread_mutex_unlock(&c->lock);
}

bool clock_is_counting(Clock *c)
{
    return c->count_ns && !__atomic_load_n(&c->idle, __ATOMIC_ACQUIRE);
}

void clock_set_idle(Clock *c, bool idle)
{
    ClockState s;
    bool change;

    clock_change_begin(c);
    s = clock_state(c);
    change = s.idle != idle;
    if (change) {
        int64_t now_ns = clock_compute(c, &s);

        s.idle = idle;
        clock_put_now(c, s, now_ns);
    }
    clock_change_end(c);
    if (change) {
        clock_notify(c);
    }
}

bool clock_idle_due(Clock *c)
{
    return __atomic_load_n(&c->idle, __ATOMIC_ACQUIRE) && clock_nearest_ns(c) <= clock_now_ns(c);
}

bool clock_skip(Clock *c)
{
    int64_t nearest_ns = clock_nearest_ns(c);

    if (nearest_ns == CLOCK_NEVER) {
        return false;
    }
    if (nearest_ns > clock_now_ns(c)) {
        clock_set_ns(c, nearest_ns);
    }
    return true;
}

int64_t clock_nearest_ns(Clock *c)
{
    return __atomic_load_n(&c->nearest_ns, __ATOMIC_ACQUIRE);
}

/* --- Timers --- */

void clock_timer_init(ClockTimer *t, Clock *c, ClockCallback cb, void *opaque)
{
    *t = (ClockTimer){.clock = c, .cb = cb, .opaque = opaque, .deadline_ns = CLOCK_NEVER};
}

/* Lock held. */
static void clock_update_nearest(Clock *c)
{
    __atomic_store_n(&c->nearest_ns, c->first ? c->first->deadline_ns : CLOCK_NEVER,
                     __ATOMIC_RELEASE);
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
    clock_update_nearest(t->clock);
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
    clock_update_nearest(c);
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
