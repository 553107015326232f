/* SPDX-License-Identifier: MIT */
/*
 * Run states and the requests that change them.  Any thread may ask; the main loop carries out, in the
 * order shutdown, reset, power button, sleep, after each of its turns.
 */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "block/block.h"
#include "rhea/log.h"
#include "rhea/opts.h"
#include "rhea/report.h"
#include "softmmu/main-loop.h"
#include "softmmu/runstate.h"

enum { REBOOT_RESET, REBOOT_SHUTDOWN };
enum { SHUTDOWN_POWEROFF, SHUTDOWN_PAUSE };
enum { PANIC_PAUSE, PANIC_SHUTDOWN, PANIC_EXIT_FAILURE, PANIC_NONE };

static const char *const reboot_actions[] = {"reset", "shutdown", NULL};
static const char *const shutdown_actions[] = {"poweroff", "pause", NULL};
static const char *const panic_actions[] = {"pause", "shutdown", "exit-failure", "none", NULL};

struct Runstate {
    RunState state;
    bool ending; /* the process is about to exit */
    bool sleeps; /* the guest does: running it is RUN_SUSPENDED */
    int on_reboot, on_shutdown, on_panic;
    /* requests: atomic, any thread */
    uint64_t shutdown; /* ShutdownCause, exit status << 32 */
    int reset;         /* ShutdownCause */
    int powerdown, suspend, wakeup, broken;
};

typedef struct RunHook {
    RunHookFn fn;
    void *opaque;
} RunHook;

static GArray *run_hooks; /* RunHook */

/* --- States --- */

const char *runstate_name(RunState s)
{
    static const char *const names[RUN_STATES] = {
        [RUN_PRELAUNCH] = "prelaunch",
        [RUN_RUNNING] = "running",
        [RUN_PAUSED] = "paused",
        [RUN_SHUTDOWN] = "shutdown",
        [RUN_SUSPENDED] = "suspended",
        [RUN_DEBUG] = "debug",
        [RUN_INTERNAL_ERROR] = "internal-error",
        [RUN_IO_ERROR] = "io-error",
        [RUN_GUEST_PANICKED] = "guest-panicked",
        [RUN_RESTORE] = "restore-vm",
        [RUN_SAVE] = "save-vm",
    };

    return names[s];
}

static struct Runstate *runstate(Machine *m)
{
    if (!m->run) {
        m->run = g_new0(struct Runstate, 1);
        m->run->on_panic = PANIC_SHUTDOWN;
    }
    return m->run;
}

RunState runstate_get(Machine *m)
{
    return runstate(m)->state;
}

bool runstate_is_running(Machine *m)
{
    return runstate(m)->state == RUN_RUNNING;
}

bool runstate_needs_reset(Machine *m)
{
    RunState s = runstate_get(m);

    return s == RUN_SHUTDOWN || s == RUN_INTERNAL_ERROR || s == RUN_GUEST_PANICKED;
}

bool runstate_is_suspended(Machine *m)
{
    return runstate(m)->state == RUN_SUSPENDED;
}

bool machine_sleeps(Machine *m)
{
    return runstate(m)->sleeps;
}

void machine_set_sleeps(Machine *m, bool sleeps)
{
    runstate(m)->sleeps = sleeps;
}

bool vm_is_started(Machine *m)
{
    return runstate_is_running(m) || runstate_is_suspended(m);
}

bool runstate_is_ending(Machine *m)
{
    return runstate(m)->ending;
}

void runstate_free(Machine *m)
{
    g_clear_pointer(&m->run, g_free);
}

void runstate_add_hook(RunHookFn fn, void *opaque)
{
    RunHook h = {fn, opaque};

    if (!run_hooks) {
        run_hooks = g_array_new(FALSE, FALSE, sizeof(RunHook));
    }
    g_array_append_val(run_hooks, h);
}

static void runstate_run_hooks(Machine *m, bool running)
{
    for (guint i = 0; run_hooks && i < run_hooks->len; i++) {
        RunHook *h = &g_array_index(run_hooks, RunHook, i);

        h->fn(h->opaque, m, running);
    }
}

void vm_start(Machine *m)
{
    struct Runstate *r = runstate(m);

    if (vm_is_started(m)) {
        return;
    }
    r->state = r->sleeps ? RUN_SUSPENDED : RUN_RUNNING;
    clock_set_running(m->clock[CLOCK_VIRTUAL], true);
    runstate_run_hooks(m, true);
    event_emit("RESUME", NULL);
    blk_retry_failed();
    if (!r->sleeps) {
        cpus_resume_all(m);
    }
}

void vm_stop(Machine *m, RunState why)
{
    struct Runstate *r = runstate(m);

    if (!vm_is_started(m)) {
        r->state = why;
        return;
    }
    cpus_pause_all(m);
    /* What is due or under way ends before the VM stands still: a saved state has neither. */
    blk_drain_all();
    clock_run_timers(m->clock[CLOCK_VIRTUAL]);
    blk_drain_all();
    clock_set_running(m->clock[CLOCK_VIRTUAL], false);
    r->state = why;
    runstate_run_hooks(m, false);
    event_emit("STOP", NULL);
}

/* --- Events --- */

static bool from_guest(ShutdownCause cause)
{
    return cause == SHUTDOWN_GUEST_SHUTDOWN || cause == SHUTDOWN_GUEST_HIBERNATE ||
           cause == SHUTDOWN_GUEST_RESET || cause == SHUTDOWN_GUEST_PANIC;
}

/* {"guest": true, "reason": "guest-shutdown"} as SHUTDOWN and RESET carry it. */
static void event_emit_cause(const char *event, ShutdownCause cause)
{
    static const char *const names[] = {
        [SHUTDOWN_NONE] = "none",
        [SHUTDOWN_HOST_QMP_QUIT] = "host-qmp-quit",
        [SHUTDOWN_HOST_SIGNAL] = "host-signal",
        [SHUTDOWN_HOST_UI] = "host-ui",
        [SHUTDOWN_GUEST_SHUTDOWN] = "guest-shutdown",
        [SHUTDOWN_GUEST_HIBERNATE] = "guest-shutdown",
        [SHUTDOWN_GUEST_RESET] = "guest-reset",
        [SHUTDOWN_GUEST_PANIC] = "guest-panic",
        [SHUTDOWN_HOST_QMP_SYSTEM_RESET] = "host-qmp-system-reset",
    };
    bool guest = from_guest(cause);
    g_autofree char *data = g_strdup_printf("{\"guest\": %s, \"reason\": \"%s\"}",
                                            guest ? "true" : "false", names[cause]);

    event_emit(event, data);
}

/* --- Requests --- */

/* It comes from the guest, and the machine stays. */
static bool only_stops(const struct Runstate *r, ShutdownCause cause)
{
    if (cause == SHUTDOWN_GUEST_PANIC &&
        (r->on_panic == PANIC_PAUSE || r->on_panic == PANIC_NONE)) {
        return true;
    }
    return from_guest(cause) && r->on_shutdown == SHUTDOWN_PAUSE;
}

void machine_request_shutdown(Machine *m, ShutdownCause cause, int exit_status)
{
    struct Runstate *r = runstate(m);
    uint64_t pending = SHUTDOWN_NONE, asked = cause | (uint64_t)exit_status << 32;

    /* The first one counts: its status is the guest's answer.  But one that ends nothing gives way. */
    while (!__atomic_compare_exchange_n(&r->shutdown, &pending, asked, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST) &&
           only_stops(r, (ShutdownCause)(uint32_t)pending) && !only_stops(r, cause)) {
    }
    cpus_stop_current();
    main_loop_kick();
}

void machine_request_reset(Machine *m, ShutdownCause cause)
{
    struct Runstate *r = runstate(m);

    if (r->on_reboot == REBOOT_SHUTDOWN && cause == SHUTDOWN_GUEST_RESET) {
        machine_request_shutdown(m, cause, 0);
        return;
    }
    __atomic_store_n(&r->reset, cause, __ATOMIC_SEQ_CST);
    cpus_stop_current();
    main_loop_kick();
}

void machine_request_powerdown(Machine *m)
{
    __atomic_store_n(&runstate(m)->powerdown, 1, __ATOMIC_SEQ_CST);
    main_loop_kick();
}

void machine_request_suspend(Machine *m)
{
    __atomic_store_n(&runstate(m)->suspend, 1, __ATOMIC_SEQ_CST);
    cpus_stop_current();
    main_loop_kick();
}

void machine_request_wakeup(Machine *m)
{
    __atomic_store_n(&runstate(m)->wakeup, 1, __ATOMIC_SEQ_CST);
    main_loop_kick();
}

void machine_internal_error(Machine *m, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    report("the guest cannot go on: %s", text);
    __atomic_store_n(&runstate(m)->broken, 1, __ATOMIC_SEQ_CST);
    main_loop_kick();
}

bool runstate_set_action(Machine *m, const char *optarg, Error **errp)
{
    static const char *const accepted[] = {"reboot", "shutdown", "panic", NULL};
    struct Runstate *r = runstate(m);
    g_autoptr(Opts) o = opts_parse("-action", optarg, NULL, errp);

    return o && opts_take_enum(o, "reboot", reboot_actions, &r->on_reboot, errp) &&
           opts_take_enum(o, "shutdown", shutdown_actions, &r->on_shutdown, errp) &&
           opts_take_enum(o, "panic", panic_actions, &r->on_panic, errp) &&
           opts_done(o, accepted, errp);
}

/* --- Carrying out --- */

/* True: the process ends with *status. */
static bool runstate_handle_panic(Machine *m, int *status)
{
    struct Runstate *r = runstate(m);

    if (r->on_panic == PANIC_NONE) {
        event_emit("GUEST_PANICKED", "{\"action\": \"run\"}");
        cpus_resume_all(m); /* the one that asked has stopped itself */
        return false;
    }
    if (r->on_panic == PANIC_PAUSE) {
        event_emit("GUEST_PANICKED", "{\"action\": \"pause\"}");
        vm_stop(m, RUN_GUEST_PANICKED);
        return false;
    }
    event_emit("GUEST_PANICKED", "{\"action\": \"poweroff\"}");
    if (r->on_panic == PANIC_EXIT_FAILURE) {
        *status = 1;
    }
    return true;
}

static bool runstate_handle_shutdown(Machine *m, ShutdownCause cause, int *status)
{
    struct Runstate *r = runstate(m);
    bool guest = from_guest(cause);

    if (cause == SHUTDOWN_GUEST_PANIC && !runstate_handle_panic(m, status)) {
        return false;
    }
    if (cause == SHUTDOWN_GUEST_HIBERNATE) {
        event_emit("SUSPEND_DISK", NULL);
    }
    event_emit_cause("SHUTDOWN", cause);
    if (guest && r->on_shutdown == SHUTDOWN_PAUSE) {
        vm_stop(m, RUN_SHUTDOWN);
        return false;
    }
    r->ending = true;
    vm_stop(m, RUN_SHUTDOWN);
    return true;
}

/* Resets by @reset and lets the guest run.  No time passes meanwhile: all that counts it begins at once. */
static void runstate_restart(Machine *m, void (*reset)(Machine *m))
{
    cpus_pause_all(m);
    clock_set_running(m->clock[CLOCK_VIRTUAL], false);
    reset(m);
    clock_set_running(m->clock[CLOCK_VIRTUAL], true);
    runstate(m)->state = RUN_RUNNING;
    runstate(m)->sleeps = false;
    cpus_resume_all(m);
}

static void runstate_handle_reset(Machine *m, ShutdownCause cause)
{
    struct Runstate *r = runstate(m);

    if (vm_is_started(m)) {
        runstate_restart(m, machine_reset);
    } else {
        machine_reset(m);
        r->sleeps = false;
        r->state = runstate_needs_reset(m) ? RUN_PRELAUNCH : r->state;
    }
    event_emit_cause("RESET", cause);
}

static void runstate_handle_sleep(Machine *m)
{
    struct Runstate *r = runstate(m);

    if (__atomic_exchange_n(&r->suspend, 0, __ATOMIC_SEQ_CST) && r->state == RUN_RUNNING) {
        cpus_pause_all(m);
        r->state = RUN_SUSPENDED;
        r->sleeps = true;
        event_emit("SUSPEND", NULL);
    }
    if (__atomic_exchange_n(&r->wakeup, 0, __ATOMIC_SEQ_CST) && r->state == RUN_SUSPENDED) {
        runstate_restart(m, machine_ops(m)->wakeup);
        event_emit("WAKEUP", NULL);
    }
}

/* The button wakes a guest that sleeps. */
static void runstate_handle_powerdown(Machine *m)
{
    if (runstate_is_suspended(m)) {
        machine_request_wakeup(m);
        return;
    }
    event_emit("POWERDOWN", NULL);
    if (machine_ops(m)->powerdown) {
        machine_ops(m)->powerdown(m);
    }
}

static bool runstate_handle_requests(Machine *m, int *status)
{
    struct Runstate *r = runstate(m);
    uint64_t shutdown = __atomic_exchange_n(&r->shutdown, SHUTDOWN_NONE, __ATOMIC_SEQ_CST);
    int cause;

    *status = (int)(shutdown >> 32);
    if (shutdown && runstate_handle_shutdown(m, (ShutdownCause)(uint32_t)shutdown, status)) {
        return true;
    }
    cause = __atomic_exchange_n(&r->reset, SHUTDOWN_NONE, __ATOMIC_SEQ_CST);
    if (cause) {
        runstate_handle_reset(m, cause);
    }
    if (__atomic_exchange_n(&r->broken, 0, __ATOMIC_SEQ_CST)) {
        vm_stop(m, RUN_INTERNAL_ERROR);
    }
    if (__atomic_exchange_n(&r->powerdown, 0, __ATOMIC_SEQ_CST)) {
        runstate_handle_powerdown(m);
    }
    runstate_handle_sleep(m);
    return false;
}

int main_loop_run(Machine *m)
{
    int status = 0;

    while (!runstate_handle_requests(m, &status)) {
        main_loop_iterate(true);
    }
    return status;
}
