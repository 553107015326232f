/* SPDX-License-Identifier: MIT */
/*
 * Three clocks per machine: virtual (stops with the VM), realtime (monotonic host time) and host (wall
 * clock).  Timers fire in the main loop under the machine lock.  All times are nanoseconds.
 */
#ifndef MEMORY_CLOCK_H
#define MEMORY_CLOCK_H

#include "rhea/base.h"

typedef enum ClockKind { CLOCK_VIRTUAL, CLOCK_REALTIME_, CLOCK_HOST, CLOCK_KINDS } ClockKind;

#define CLOCK_NEVER INT64_MAX

typedef struct Clock Clock;
typedef struct ClockTimer ClockTimer;
typedef void (*ClockCallback)(void *opaque);

/* Embedded in the owner; zero is "not initialised". */
struct ClockTimer {
    Clock *clock;
    ClockCallback cb;
    void *opaque;
    int64_t deadline_ns; /* CLOCK_NEVER: not armed */
    ClockTimer *next;    /* the clock's list, sorted */
    uint64_t arming;     /* number of the clock's arming that put it there */
};

Clock *clock_new(ClockKind kind);
void clock_free(Clock *c);
ClockKind clock_kind(const Clock *c);

/* Any thread, no lock. */
int64_t clock_now_ns(Clock *c);

void clock_timer_init(ClockTimer *t, Clock *c, ClockCallback cb, void *opaque);
/* Any thread: fires once at or after @deadline_ns; a deadline in the past fires at the next turn of
 * the main loop; CLOCK_NEVER disarms. */
void clock_timer_arm(ClockTimer *t, int64_t deadline_ns);
void clock_timer_disarm(ClockTimer *t);
static inline bool clock_timer_armed(const ClockTimer *t)
{
    return t->deadline_ns != CLOCK_NEVER;
}

/* Earliest armed deadline; CLOCK_NEVER when there is none or the clock stands still. */
int64_t clock_deadline_ns(Clock *c);
/*
 * One hook per process, called by any thread when a clock's earliest deadline has moved nearer: the main
 * loop shortens its sleep.
 */
void clock_set_deadline_hook(void (*fn)(Clock *c));
/* Runs what is due; machine lock held. True when something ran. */
bool clock_run_timers(Clock *c);

/*
 * A virtual clock that counts: while it counts, its time is what @count_ns says (plus a constant), and
 * its timers are left to whoever counts, who runs them between two counts.  While nobody counts
 * (clock_set_idle()) the time follows the host's up to the earliest deadline and no further, or with
 * @skip_idle jumps there at once; then the main loop has the timers run (accel_run_idle_timers()).
 * Before the machine runs.
 */
void clock_set_counter(Clock *c, int64_t (*count_ns)(void *opaque), void *opaque, bool skip_idle);
/* Machine lock held. */
void clock_set_idle(Clock *c, bool idle);
/* Idle, and the earliest deadline has come. */
bool clock_idle_due(Clock *c);
/* Any thread: a counter drives the clock and its timers now. */
bool clock_is_counting(Clock *c);
/* Machine lock held, counting: on to the earliest deadline.  False: there is none. */
bool clock_skip(Clock *c);
/* The earliest armed deadline, even of a clock that stands still.  Any thread, no lock. */
int64_t clock_nearest_ns(Clock *c);

/* Run-state changes stop and start the virtual clock. */
void clock_set_running(Clock *c, bool running);
/* qtest (clock_step, clock_set) and snapshot loading: the clock is taken over / set to a time. */
void clock_set_manual(Clock *c, bool manual);
void clock_set_ns(Clock *c, int64_t now_ns);

#endif
