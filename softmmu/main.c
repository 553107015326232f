/* SPDX-License-Identifier: MIT */
/*
 * The process: from argv to a running machine and back to an exit status.  Only this file reports
 * errors to the user and ends the process.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "accel/accel.h"
#include "chardev/chardev.h"
#include "rhea/log.h"
#include "rhea/opts.h"
#include "rhea/report.h"
#include "rhea/terminal.h"
#include "snapshot/snapshot.h"
#include "softmmu/device-add.h"
#include "softmmu/main-loop.h"
#include "softmmu/runstate.h"
#include "ui/display.h"
#include "cmdline.h"
#include "process.h"

static char *pidfile_path; /* written by us: to be removed */
static pid_t pidfile_pid;

/* Atexit: every way out, also cmdline_exit_ok(), leaves the terminal and file system clean. */
static void main_cleanup(void)
{
    terminal_restore();
    if (pidfile_path && pidfile_pid == getpid()) {
        unlink(pidfile_path);
    }
}

static NORETURN void die(Error *err)
{
    display_stop(); /* the message is for the screen that was there before */
    report("%s", error_text(err));
    chr_cleanup_all();
    exit(1);
}

/* --- Signals --- */

static void main_fatal_signal(int sig)
{
    static const char bus_error[] = "\nbus error: a file that memory is mapped from has become "
                                    "shorter (of -loadvm, -mem-path), or the "
                                    "host's memory has failed\n";

    terminal_restore();
    if (sig == SIGBUS) {
        (void)!write(STDERR_FILENO, bus_error, sizeof(bus_error) - 1);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

/* The terminal comes back even when we crash. */
static void main_catch_fatal(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction sa = {.sa_handler = main_fatal_signal, .sa_flags = SA_RESETHAND};

    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
        sigaction(fatal[i], &sa, NULL);
    }
}

static gboolean main_signal_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    struct signalfd_siginfo info;
    Machine *m = opaque;

    if (read(fd, &info, sizeof(info)) != sizeof(info)) {
        return G_SOURCE_CONTINUE;
    }
    if (info.ssi_signo == SIGCONT) {
        terminal_resume();
        return G_SOURCE_CONTINUE;
    }
    display_stop();
    if (info.ssi_pid) {
        report("terminating on signal %u from pid %u", info.ssi_signo, info.ssi_pid);
    } else {
        report("terminating on signal %u", info.ssi_signo);
    }
    machine_request_shutdown(m, SHUTDOWN_HOST_SIGNAL, 0);
    return G_SOURCE_CONTINUE;
}

/* Blocked in every thread (before the first is made), read in the main loop. */
static void main_block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGCONT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the disk that meets it */
}

static void main_watch_signals(Machine *m, const sigset_t *set)
{
    int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);

    g_assert(fd >= 0);
    g_unix_fd_add(fd, G_IO_IN, main_signal_ready, m);
}

/* --- Daemon, pid file --- */

/*
 * The parent waits until the child says that set-up is done (or dies), so that a caller finds all
 * sockets listening when we return.  Returns the descriptor for main_daemon_ready().
 */
static int main_daemonize(void)
{
    int fds[2];
    pid_t pid;
    char ok;

    if (pipe2(fds, O_CLOEXEC)) {
        g_error("cannot make a pipe: %s", g_strerror(errno));
    }
    pid = fork();
    if (pid < 0) {
        g_error("cannot fork: %s", g_strerror(errno));
    }
    if (pid > 0) {
        ssize_t n;

        close(fds[1]);
        do {
            n = read(fds[0], &ok, 1);
        } while (n < 0 && errno == EINTR);
        _exit(n == 1 ? 0 : 1);
    }
    close(fds[0]);
    setsid();
    return fds[1];
}

static bool main_daemon_ready(int fd, int null, Error **errp)
{
    if (null < 0 || chdir("/")) {
        return error_fail_errno(errp, errno, "-daemonize: cannot leave for the background");
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (!log_mask) { /* else somebody wants to read it */
        dup2(null, STDERR_FILENO);
    }
    close(null);
    if (write(fd, "", 1) != 1) {
        return error_fail_errno(errp, errno, "-daemonize: the parent does not listen");
    }
    close(fd);
    return true;
}

static bool main_write_pidfile(const char *path, Error **errp)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) {
        return error_fail_errno(errp, errno, "-pidfile: cannot open '%s'", path);
    }
    /* Kept open and locked as long as we live. */
    if (lockf(fd, F_TLOCK, 0)) {
        close(fd);
        return error_fail(errp, "-pidfile: '%s' is locked by another process", path);
    }
    if (ftruncate(fd, 0) || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        return error_fail_errno(errp, errno, "-pidfile: cannot write '%s'", path);
    }
    pidfile_path = g_canonicalize_filename(path, NULL);
    pidfile_pid = getpid();
    return true;
}

/* --- Giving up rights --- */

static bool main_find_user(const char *text, uid_t *uid, gid_t *gid, const char **name,
                           Error **errp)
{
    g_auto(GStrv) part = g_strsplit(text, ":", 2);
    struct passwd *pw = getpwnam(text);
    uint64_t u, g;

    *name = NULL;
    if (pw) {
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
        *name = pw->pw_name;
        return true;
    }
    if (!part[0] || !part[1] || !parse_u64("", part[0], UINT32_MAX - 1, &u, NULL) ||
        !parse_u64("", part[1], UINT32_MAX - 1, &g, NULL)) {
        return error_fail(errp,
                          "-run-with: user=%s: there is no such user (accepted: a name, or "
                          "UID:GID)",
                          text);
    }
    *uid = u;
    *gid = g;
    return true;
}

/* The user is looked up before the root directory goes, and rights go last. */
static bool main_confine(const Setup *s, Error **errp)
{
    const char *name = NULL;
    uid_t uid = 0;
    gid_t gid = 0;

    if (s->user && !main_find_user(s->user, &uid, &gid, &name, errp)) {
        return false;
    }
    if (s->chroot && (chroot(s->chroot) || chdir("/"))) {
        return error_fail_errno(errp, errno, "-run-with: chroot=%s", s->chroot);
    }
    if (s->user &&
        (setgid(gid) || (name ? initgroups(name, gid) : setgroups(1, &gid)) || setuid(uid))) {
        return error_fail_errno(errp, errno, "-run-with: user=%s", s->user);
    }
    return true;
}

/* --- Set-up --- */

static bool main_make_machine(Setup *s, Error **errp)
{
    const ObjectType *t =
        s->machine_type ? machine_type_find(s->machine_type, errp) : machine_type_default();

    if (!t) {
        return s->machine_type ? false
                               : error_fail(errp, "-machine: no machine is named, and there "
                                                  "is no default (see -machine help)");
    }
    s->m = machine_new(t);
    s->m->nodefaults = s->nodefaults;
    s->m->graphics = !s->nographic;
    main_loop_init(s->m);
    for (guint i = 0; i < s->machine_props->len; i += 2) {
        if (!qom_prop_set(&s->m->obj, g_ptr_array_index(s->machine_props, i),
                          g_ptr_array_index(s->machine_props, i + 1), errp)) {
            error_prepend(errp, "-machine: ");
            return false;
        }
    }
    return true;
}

static bool main_dump_fdt(Machine *m, Error **errp)
{
    gsize len;
    const char *data;
    FILE *f;

    if (!m->fdt) {
        return error_fail(errp, "-machine: dumpdtb=%s: this machine makes no device tree",
                          m->dumpdtb);
    }
    data = g_bytes_get_data(m->fdt, &len);
    f = fopen(m->dumpdtb, "we");
    if (!f || fwrite(data, len, 1, f) != 1 || fclose(f)) {
        return error_fail_errno(errp, errno, "-machine: dumpdtb=%s", m->dumpdtb);
    }
    return true;
}

/* -loadvm: a snapshot in the disks, or else a file. */
static bool main_load(Setup *s, Error **errp)
{
    DiskSnapshot what = {.tag = s->loadvm};

    return disk_snapshot_exists(s->loadvm) ? disk_snapshot_load(s->m, &what, errp)
                                           : snapshot_load_file(s->m, s->loadvm, errp);
}

/* --- Display --- */

static const char *main_display_state(void *opaque)
{
    Machine *m = opaque;

    return runstate_is_running(m) ? NULL : runstate_get(m) == RUN_PAUSED ? "Paused" : "Stopped";
}

static void main_display_quit(void *opaque)
{
    machine_request_shutdown(opaque, SHUTDOWN_HOST_UI, 0);
}

static bool main_open_display(Machine *m, Error **errp)
{
    static DisplayHost host;

    host = (DisplayHost){.clock = m->clock[CLOCK_REALTIME_],
                         .name = m->name,
                         .state = main_display_state,
                         .quit = main_display_quit,
                         .opaque = m};
    return display_start(&host, errp);
}

/* --- All of it --- */

static bool main_build(Setup *s, Error **errp)
{
    const char *unused;

    if (!main_make_machine(s, errp) || !cmdline_run(s, PHASE_MACHINE, errp) ||
        !cmdline_run(s, PHASE_OBJECT, errp) || !cmdline_run(s, PHASE_CHARDEV, errp) ||
        !cmdline_run(s, PHASE_BACKEND, errp) || !setup_default_backends(s, errp) ||
        !machine_check(s->m, errp) ||
        !accel_select(s->m, s->accels->len ? s->accels->str : NULL, errp) ||
        !machine_init_board(s->m, errp) || (s->m->usb && !device_add_usb(s->m, errp)) ||
        !cmdline_run(s, PHASE_DEVICE, errp) || !machine_board_ready(s->m, errp) ||
        !accel_start_cpus(s->m, errp)) {
        return false;
    }
    if (s->m->dumpdtb) {
        if (!main_dump_fdt(s->m, errp)) {
            return false;
        }
        cmdline_exit_ok();
    }
    unused = qom_global_unused();
    if (unused) {
        report("warning: -global %s: nothing here has it", unused);
    }
    s->m->restoring = s->loadvm;
    machine_reset(s->m);
    s->m->restoring = false;
    if (s->loadvm && !main_load(s, errp)) {
        error_prepend(errp, "-loadvm: ");
        return false;
    }
    return cmdline_run(s, PHASE_LATE, errp) && process_start_monitors(s, errp) &&
           main_open_display(s->m, errp);
}

/* What messages begin with. */
static void main_set_name(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    g_set_prgname(name);
}

int main(int argc, char **argv)
{
    Setup s = {
        .machine_props = g_ptr_array_new(),
        .accels = g_string_new(NULL),
        .monitors = g_array_new(FALSE, FALSE, sizeof(MonitorSetup)),
    };
    Error *err = NULL;
    sigset_t signals;
    int ready_fd = -1, null_fd = -1;

    main_set_name(argv[0]);
    atexit(main_cleanup);
    main_catch_fatal();
    machine_lock();
    if (!cmdline_parse(argc, argv, &err) || !cmdline_run(&s, PHASE_EARLY, &err)) {
        die(err);
    }
    if (s.daemonize) {
        ready_fd = main_daemonize();
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* a new root directory may have none */
    }
    main_block_signals(&signals);
    if ((s.pidfile && !main_write_pidfile(s.pidfile, &err)) || !main_build(&s, &err) ||
        !main_confine(&s, &err) || (ready_fd >= 0 && !main_daemon_ready(ready_fd, null_fd, &err))) {
        die(err);
    }
    main_watch_signals(s.m, &signals);
    if (!s.start_paused) {
        vm_start(s.m);
    }
    process_run(s.m);
}
