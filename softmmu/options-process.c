/* SPDX-License-Identifier: MIT */
/* Options about the process: names, files and rights that it has, messages. */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "rhea/fdset.h"
#include "rhea/opts.h"
#include "rhea/report.h"
#include "cmdline.h"

static bool set_text(char **field, const char *arg)
{
    g_free(*field);
    *field = g_strdup(arg);
    return true;
}

static bool run_name(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"guest", "process", "debug-threads", NULL};
    g_autoptr(Opts) o = opts_parse("-name", arg, "guest", errp);
    const char *guest, *process;
    bool debug_threads = true; /* vCPU threads always have names */

    if (!o) {
        return false;
    }
    guest = opts_take(o, "guest");
    process = opts_take(o, "process");
    if (!opts_take_bool(o, "debug-threads", &debug_threads, errp) ||
        !opts_done(o, accepted, errp)) {
        return false;
    }
    if (guest) {
        set_text(&s->m->name, guest);
        report_set_guest_name(guest);
    }
    if (process) {
        prctl(PR_SET_NAME, process, 0, 0, 0);
    }
    return true;
}

static bool run_uuid(Setup *s, const char *arg, Error **errp)
{
    if (!g_uuid_string_is_valid(arg)) {
        return error_fail(errp,
                          "-uuid: '%s' is not of the form "
                          "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
                          arg);
    }
    return set_text(&s->m->uuid, arg);
}

static bool run_pidfile(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->pidfile, arg);
}

static bool run_daemonize(Setup *s, const char *arg, Error **errp)
{
    s->daemonize = true;
    return true;
}

/* The set's descriptor is a copy: the caller's own may be in several sets. */
static bool run_add_fd(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"fd", "set", "opaque", NULL};
    g_autoptr(Opts) o = opts_parse("-add-fd", arg, NULL, errp);
    uint64_t fd = INT_MAX, set = 0;
    const char *opaque;
    int copy;

    if (!o || !opts_take_u64(o, "fd", INT_MAX - 1, &fd, errp) ||
        !opts_take_u64(o, "set", INT64_MAX, &set, errp)) {
        return false;
    }
    if (fd == INT_MAX || !opts_peek(o, "set")) {
        return error_fail(errp, "-add-fd: %s= is missing", fd == INT_MAX ? "fd" : "set");
    }
    opaque = opts_take(o, "opaque");
    if (!opts_done(o, accepted, errp)) {
        return false;
    }
    if (fd <= STDERR_FILENO) {
        return error_fail(errp, "-add-fd: fd=%d is standard input, output or error", (int)fd);
    }
    copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return error_fail_errno(errp, errno, "-add-fd: fd=%d", (int)fd);
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    fdset_add((int64_t)set, copy, opaque);
    return true;
}

/* --- Messages --- */

static bool run_msg(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"timestamp", "guest-name", NULL};
    g_autoptr(Opts) o = opts_parse("-msg", arg, NULL, errp);
    bool timestamp = false, name = false;

    if (!o || !opts_take_bool(o, "timestamp", &timestamp, errp) ||
        !opts_take_bool(o, "guest-name", &name, errp) || !opts_done(o, accepted, errp)) {
        return false;
    }
    report_set_prefix(timestamp, name);
    return true;
}

/* --- What the host gives and takes --- */

static bool run_overcommit(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"mem-lock", "cpu-pm", NULL};
    static const char *const locks[] = {"off", "on", "on-fault", NULL};
    static const char *const pm[] = {"off", NULL};
    g_autoptr(Opts) o = opts_parse("-overcommit", arg, NULL, errp);
    int lock = 0, cpu_pm = 0;

    if (!o || !opts_take_enum(o, "mem-lock", locks, &lock, errp) ||
        !opts_take_enum(o, "cpu-pm", pm, &cpu_pm, errp) || !opts_done(o, accepted, errp)) {
        return false;
    }
    if (lock && mlockall(MCL_CURRENT | MCL_FUTURE | (lock == 2 ? MCL_ONFAULT : 0))) {
        return error_fail_errno(errp, errno, "-overcommit: mem-lock=%s", locks[lock]);
    }
    return true;
}

static bool run_chroot(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->chroot, arg);
}

static bool run_runas(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->user, arg);
}

static bool run_run_with(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"async-teardown", "chroot", "user", NULL};
    static const char *const teardown[] = {"off", NULL};
    g_autoptr(Opts) o = opts_parse("-run-with", arg, NULL, errp);
    const char *dir = o ? opts_take(o, "chroot") : NULL, *user = o ? opts_take(o, "user") : NULL;
    int mode = 0;

    if (!o || !opts_take_enum(o, "async-teardown", teardown, &mode, errp) ||
        !opts_done(o, accepted, errp)) {
        return false;
    }
    return (!dir || set_text(&s->chroot, dir)) && (!user || set_text(&s->user, user));
}

static bool run_only_migratable(Setup *s, const char *arg, Error **errp)
{
    return true; /* every device can be saved: the build refuses others */
}

static bool run_help(Setup *s, const char *arg, Error **errp)
{
    cmdline_print_help(stdout);
    cmdline_exit_ok();
}

static bool run_version(Setup *s, const char *arg, Error **errp)
{
    cmdline_print_version(stdout);
    cmdline_exit_ok();
}

static const Option process_options[] = {
    {"h|help", NULL, PHASE_EARLY, "this text", run_help},
    {"version", NULL, PHASE_EARLY, "name and version", run_version},
    {"name", "[guest=]NAME[,process=NAME][,debug-threads=on|off]", PHASE_MACHINE,
     "the guest's name for monitors, the process's for the host", run_name},
    {"uuid", "UUID", PHASE_MACHINE, "the machine's UUID", run_uuid},
    {"msg", "[timestamp=on|off][,guest-name=on|off]", PHASE_EARLY,
     "put the time, the guest's name in front of messages", run_msg},
    {"overcommit", "[mem-lock=on|off|on-fault][,cpu-pm=off]", PHASE_LATE,
     "keep the guest's memory from being swapped out", run_overcommit},
    {"run-with", "[chroot=DIR][,user=USER|UID:GID][,async-teardown=off]", PHASE_EARLY,
     "once everything is set up, confine the process to DIR, give up rights but USER's",
     run_run_with},
    {"runas", "USER|UID:GID", PHASE_EARLY, "the same as -run-with user=", run_runas},
    {"chroot", "DIR", PHASE_EARLY, "the same as -run-with chroot=", run_chroot},
    {"only-migratable", NULL, PHASE_EARLY,
     "refuse devices whose state cannot be saved (there are none)", run_only_migratable},
    {"add-fd", "fd=N,set=ID[,opaque=TEXT]", PHASE_EARLY,
     "an open descriptor for options that take a file: /dev/fdset/ID is its name", run_add_fd},
    {"pidfile", "FILE", PHASE_EARLY, "write the process id there; removed at the end", run_pidfile},
    {"daemonize", NULL, PHASE_EARLY,
     "go to the background once everything is set up and sockets listen", run_daemonize},
    {.names = NULL},
};

OPTION_GROUP(process_group, .title = "Process", .order = 70, .options = process_options);
