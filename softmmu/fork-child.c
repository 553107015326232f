/* SPDX-License-Identifier: MIT */
/*
 * A forked machine; see fork-child.h.  The process begins with one thread, in the middle of a monitor's command, and
 * never comes back to that: it runs a main loop of its own from here.
 */
#include "rhea/osdep.h"

#include "fork-child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "accel/accel.h"
#include "block/fork.h"
#include "chardev/chardev.h"
#include "memory/machine-lock.h"
#include "memory/memory.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "rhea/opts.h"
#include "softmmu/gdbstub.h"
#include "softmmu/main-loop.h"
#include "softmmu/runstate.h"
#include "ui/vnc.h"
#include "ui/web.h"
#include "process.h"

/* --- Options --- */

/* The others are about what is there already when a machine is forked. */
static bool is_for_forks(const Option *o)
{
    static const char *const names[] = {
        "chardev", "serial", "monitor", "qmp", "qmp-pretty", "mon",   "netdev", "display", "vnc",
        "gdb",     "s",      "S",       "D",   "d",          "trace", "name",   NULL};

    return g_strv_contains(names, o->names);
}

GArray *fork_options_parse(const char *const *words, Error **errp)
{
    g_autoptr(GArray) options = g_array_new(FALSE, FALSE, sizeof(ForkOption));

    for (; *words; words++) {
        ForkOption f = {.option = **words == '-' ? cmdline_find(*words) : NULL};

        if (!f.option || (f.option->arg && !words[1])) {
            error_fail(errp, "'%s' is no option%s", *words, f.option ? " without an argument" : "");
            return NULL;
        }
        if (!is_for_forks(f.option)) {
            error_fail(errp, "'%s' is no option for a machine that is there already", *words);
            return NULL;
        }
        f.arg = f.option->arg ? *++words : NULL;
        g_array_append_val(options, f);
    }
    return g_steal_pointer(&options);
}

static char *with_number(const char *text, unsigned n)
{
    g_autofree char *number = g_strdup_printf("%u", n);
    g_auto(GStrv) parts = g_strsplit(text, "{n}", -1);

    return g_strjoinv(number, parts);
}

/* The users of one with the same id get the new one. */
static bool replace_chardev(Setup *s, const Option *o, const char *arg, Error **errp)
{
    g_autoptr(Opts) opts = opts_parse("-chardev", arg, "backend", errp);
    const char *id = opts ? opts_peek(opts, "id") : NULL;
    struct CharUsers *users;

    if (!id) {
        return opts && o->run(s, arg, errp);
    }
    users = chr_take_users(id);
    return o->run(s, arg, errp) && chr_give_users(users, id, errp);
}

/* The next serial port that the machine has. */
static bool replace_serial(Setup *s, const char *arg, Error **errp)
{
    unsigned n = s->serial_count++;
    char **id = n < MACHINE_SERIAL_PORTS ? &s->m->serial[n] : NULL;
    g_autofree char *name = g_strdup_printf("serial%u", n);
    struct CharUsers *users;

    if (!id || !*id) {
        return error_fail(errp, "-serial: the machine has %u serial ports", n);
    }
    users = chr_take_users(*id);
    g_clear_pointer(id, g_free);
    return chr_new_short(arg, name, false, id, errp) && chr_give_users(users, *id, errp);
}

static bool apply(Setup *s, const ForkOption *f, unsigned n, Error **errp)
{
    g_autofree char *arg = f->arg ? with_number(f->arg, n) : NULL;

    if (!strcmp(f->option->names, "chardev")) {
        return replace_chardev(s, f->option, arg, errp);
    }
    if (!strcmp(f->option->names, "serial")) {
        return replace_serial(s, arg, errp);
    }
    if (!strcmp(f->option->names, "netdev")) {
        return net_replace_netdev(arg, errp);
    }
    return f->option->run(s, arg, errp);
}

static bool apply_all(Setup *s, const ForkChild *c, Error **errp)
{
    for (OptionPhase phase = PHASE_EARLY; phase < PHASES; phase++) {
        for (guint i = 0; i < c->options->len; i++) {
            const ForkOption *f = &g_array_index(c->options, ForkOption, i);

            if (f->option->phase == phase && !apply(s, f, c->n, errp)) {
                return false;
            }
        }
    }
    return process_start_monitors(s, errp);
}

/* --- Becoming another process --- */

/* Standard input and output are the first one's: who reads them waits for its end.  Messages go where its own go. */
static void leave_parent(const ForkChild *c)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    close(null);
    if (c->spec->keep) {
        setsid();
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != c->parent) {
        _exit(1); /* it has ended in the meantime */
    }
}

/*
 * Whoever closes a socket from here on, with whatever words it has for the other end, closes nobody's.  (Not those
 * that are standard error: who reads messages gets ours, too.)
 */
static void disown_sockets(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;
    struct stat st;

    while (dir && (name = g_dir_read_name(dir))) {
        int fd = atoi(name);

        if (fd > STDERR_FILENO && !fstat(fd, &st) && S_ISSOCK(st.st_mode)) {
            dup3(null, fd, O_CLOEXEC);
        }
    }
    if (dir) {
        g_dir_close(dir);
    }
    close(null);
}

/* What all the rest stands on. */
static void restore_base(void)
{
    machine_lock_after_fork();
    mem_after_fork();
    main_loop_after_fork();
}

/* Those who talk to the first one go on with that one. */
static bool drop_connections(Machine *m, Error **errp)
{
    chr_after_fork();
    monitor_cleanup_all();
    vnc_stop();
    web_stop();
    if (!gdbstub_start(m, "none", errp)) {
        return false;
    }
    chr_remove_unused();
    return true;
}

static void tell_devices(Machine *m)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();

    device_collect(&m->obj, devices);
    for (guint i = 0; i < devices->len; i++) {
        device_forked(devices->pdata[i]);
    }
    net_announce_self();
}

static bool become_another(Machine *m, Setup *s, const ForkChild *c, Error **errp)
{
    leave_parent(c);
    disown_sockets();
    restore_base();
    if (!drop_connections(m, errp) || !block_after_fork(c->spec->overlay, c->n, errp) ||
        !net_after_fork(errp) || !accel_after_fork(m, errp) || !apply_all(s, c, errp)) {
        return false;
    }
    tell_devices(m);
    return true;
}

/* --- Running --- */

static void say(int fd, const char *text, size_t len)
{
    (void)!write(fd, text, len);
    close(fd);
}

void fork_child_run(Machine *m, const ForkChild *c)
{
    static const char ready = FORK_READY;
    Setup s = {.m = m, .monitors = g_array_new(FALSE, FALSE, sizeof(MonitorSetup))};
    int fd = c->ready_fd;
    Error *err = NULL;

    if (!become_another(m, &s, c, &err)) {
        say(fd, error_text(err), strlen(error_text(err)));
        _exit(1);
    }
    vm_stop(m, RUN_PAUSED);
    say(fd, &ready, 1);
    if (!s.start_paused) {
        vm_start(m);
    }
    process_run(m);
}
