/* SPDX-License-Identifier: MIT */
/*
 * Run states of the VM and the requests that change them, carried out by the main loop.
 */
#ifndef SOFTMMU_RUNSTATE_H
#define SOFTMMU_RUNSTATE_H

#include "hw/machine.h"
#include "rhea/defer.h"

typedef enum RunState {
    RUN_PRELAUNCH,
    RUN_RUNNING,
    RUN_PAUSED,
    RUN_SHUTDOWN,
    RUN_SUSPENDED,
    RUN_DEBUG,
    RUN_INTERNAL_ERROR,
    RUN_IO_ERROR, /* a disk's request failed, and is tried again when the VM goes on */
    RUN_GUEST_PANICKED,
    RUN_RESTORE,
    RUN_SAVE,
    RUN_STATES
} RunState;

const char *runstate_name(RunState s); /* "running", "paused", "prelaunch", ... as QMP says it */
RunState runstate_get(Machine *m);
bool runstate_is_running(Machine *m);
/* The guest has ended: only a reset makes it runnable again. */
bool runstate_needs_reset(Machine *m);
/* The guest sleeps: its CPUs stand still, time and devices go on.  Stopped and started it sleeps on. */
bool runstate_is_suspended(Machine *m);
/* The stop that hooks hear of is the last: the process exits. */
bool runstate_is_ending(Machine *m);
void runstate_free(Machine *m);

/* Called after the CPUs have stopped and before they start (block layer: drain; timers of devices). */
typedef void (*RunHookFn)(void *opaque, Machine *m, bool running);
void runstate_add_hook(RunHookFn fn, void *opaque);

/* Main thread, machine lock. */
void vm_start(Machine *m);
void vm_stop(Machine *m, RunState why);
bool vm_is_started(Machine *m); /* it runs, or sleeps in time that goes on */

/* QMP events ("STOP", "RESUME", "RESET", "SHUTDOWN", "POWERDOWN" ...): data is a JSON object text or NULL. */
typedef void (*EventSink)(void *opaque, const char *event, const char *data_json);
void event_add_sink(EventSink fn, void *opaque);
void event_remove_sink(EventSink fn, void *opaque);
void event_emit(const char *event, const char *data_json);
/*
 * For what a guest can cause as often as it likes: one a second at most of each @event (a constant) and
 * @subject; of those that come in between the last is sent.  @data_json is not NULL.
 */
void event_emit_limited(const char *event, const char *subject, const char *data_json);

/* -action reboot=,shutdown=,panic=,watchdog= */
bool runstate_set_action(Machine *m, const char *optarg, Error **errp) MUST_CHECK;

/* Runs until shutdown; the process's exit status. */
int main_loop_run(Machine *m);

#endif
