/* SPDX-License-Identifier: MIT */
/* More machines like this one; see softmmu/fork.h.  Here is what the first process does. */
#include "rhea/osdep.h"

#include "softmmu/fork.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "accel/accel.h"
#include "block/fork.h"
#include "memory/memory.h"
#include "rhea/report.h"
#include "ui/display.h"
#include "fork-child.h"

static unsigned last_number; /* of the last fork of this process */
static GArray *watches;      /* guint: the sources that wait for the ends of forks */

static void forked_disk_clear(gpointer p)
{
    g_free(((ForkedDisk *)p)->disk);
    g_free(((ForkedDisk *)p)->file);
}

void fork_result_init(ForkResult *r)
{
    r->machines = g_array_new(FALSE, FALSE, sizeof(Forked));
    r->disks = g_array_new(FALSE, FALSE, sizeof(ForkedDisk));
    g_array_set_clear_func(r->disks, forked_disk_clear);
}

void fork_result_fini(ForkResult *r)
{
    g_array_unref(r->machines);
    g_array_unref(r->disks);
}

/* --- What cannot be forked --- */

static void check_memory(RamBlock *rb, void *opaque)
{
    Error **errp = opaque;

    if (rb->shared && !*errp) {
        error_fail(errp, "memory '%s' is shared with other processes", rb->id);
    }
}

static bool check_shared_memory(Error **errp)
{
    Error *err = NULL;

    ram_block_foreach(check_memory, &err);
    error_propagate(errp, err);
    return !err;
}

/* A window's connection, or the terminal, has one process at its end. */
static bool check_display(Error **errp)
{
    return !display_shows_consoles() ||
           error_fail(errp, "'-display %s' belongs to one process", display_chosen());
}

/* --- Processes --- */

/* One that was started and has not said yet whether it is ready. */
typedef struct Starting {
    Forked forked;
    int fd;
} Starting;

static void child_ended(GPid pid, gint status, gpointer number)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        report("fork %u (pid %d) has ended with %s %d", GPOINTER_TO_UINT(number), pid,
               WIFEXITED(status) ? "status" : "signal",
               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    for (guint i = 0; i < watches->len; i++) {
        if (g_array_index(watches, guint, i) == g_source_get_id(g_main_current_source())) {
            g_array_remove_index_fast(watches, i);
            break;
        }
    }
}

static void watch(const Forked *f)
{
    guint id = g_child_watch_add(f->pid, child_ended, GUINT_TO_POINTER(f->n));

    watches = watches ? watches : g_array_new(FALSE, FALSE, sizeof(guint));
    g_array_append_val(watches, id);
}

/* In the new process: they are not its children. */
static void forget_watches(void)
{
    for (guint i = 0; watches && i < watches->len; i++) {
        g_source_remove(g_array_index(watches, guint, i));
    }
    g_clear_pointer(&watches, g_array_unref);
}

static bool start(Machine *m, ForkChild *c, GArray *starting, Error **errp)
{
    Starting s = {.forked.n = last_number + 1};
    int fds[2];

    if (pipe2(fds, O_CLOEXEC)) {
        return error_fail_errno(errp, errno, "no pipe");
    }
    c->n = s.forked.n;
    c->ready_fd = fds[1];
    s.fd = fds[0];
    s.forked.pid = fork();
    if (s.forked.pid == 0) {
        close(fds[0]);
        for (guint i = 0; i < starting->len; i++) {
            close(g_array_index(starting, Starting, i).fd);
        }
        forget_watches();
        fork_child_run(m, c);
    }
    close(fds[1]);
    if (s.forked.pid < 0) {
        close(fds[0]);
        return error_fail_errno(errp, errno, "no process");
    }
    last_number++;
    g_array_append_val(starting, s);
    return true;
}

/* What it says: FORK_READY, or why it has ended. */
static bool hear(Starting *s, Error **errp)
{
    char text[1024];
    size_t len = 0;
    ssize_t n;

    do {
        n = read(s->fd, text + len, sizeof(text) - 1 - len);
        len += n > 0 ? n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    close(s->fd);
    if (len && text[0] == FORK_READY) {
        return true;
    }
    text[len] = '\0';
    waitpid(s->forked.pid, NULL, 0);
    return error_fail(errp, "fork %u: %s", s->forked.n, len ? text : "it has ended at once");
}

static void end_all(GArray *forked)
{
    for (guint i = 0; i < forked->len; i++) {
        pid_t pid = g_array_index(forked, Forked, i).pid;

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    g_array_set_size(forked, 0);
}

/* All that were asked for are in @forked, or none; the error is that of the first that is not ready. */
static bool start_all(Machine *m, ForkChild *c, GArray *forked, Error **errp)
{
    g_autoptr(GArray) starting = g_array_new(FALSE, FALSE, sizeof(Starting));
    Error *err = NULL;

    fflush(NULL);
    for (unsigned i = 0; i < c->spec->count && !err; i++) {
        (void)!start(m, c, starting, &err);
    }
    for (guint i = 0; i < starting->len; i++) {
        Starting *s = &g_array_index(starting, Starting, i);

        if (hear(s, err ? NULL : &err)) {
            g_array_append_val(forked, s->forked);
        }
    }
    if (err) {
        end_all(forked);
        error_propagate(errp, err);
        return false;
    }
    for (guint i = 0; i < forked->len; i++) {
        watch(&g_array_index(forked, Forked, i));
    }
    return true;
}

static void note_disk(const char *disk, const char *file, void *opaque)
{
    ForkedDisk d = {g_strdup(disk), g_strdup(file)};

    g_array_append_val((GArray *)opaque, d);
}

bool machine_fork(Machine *m, const ForkSpec *spec, ForkResult *result, Error **errp)
{
    g_autoptr(GArray) options = fork_options_parse(spec->options, errp);
    ForkChild c = {.spec = spec, .options = options, .parent = getpid()};
    unsigned before = last_number;
    bool ok;

    if (!options || !check_shared_memory(errp) || !check_display(errp) ||
        !accel_before_fork(m, errp) || !block_before_fork(spec->overlay, errp)) {
        return false;
    }
    ok = start_all(m, &c, result->machines, errp);
    if (ok) {
        block_fork_foreach(note_disk, result->disks);
        block_fork_done();
    } else {
        block_fork_failed();
        last_number = before;
    }
    return ok;
}
