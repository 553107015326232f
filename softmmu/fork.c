/* SPDX-License-Identifier: MIT */
/*
 * More machines like this one; see softmmu/fork.h.  The state goes into a file without a name, which each of the new
 * processes maps copy-on-write: they share what none of them has written.  They are started anew, not by fork(2)
 * alone: a copy of a process with threads has their locks but not them.
 */
#include "rhea/osdep.h"

#include "softmmu/fork.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "block/block.h"
#include "memory/memory.h"
#include "rhea/report.h"
#include "snapshot/snapshot.h"
#include "fork-args.h"

static unsigned last_number; /* of the last fork of this process */

/* --- What cannot be forked --- */

typedef struct Check {
    const GArray *options;
    bool ok;
    Error **errp;
} Check;

/* Its changes would reach the others. */
static void check_disk(BlockBackend *blk, void *opaque)
{
    Check *c = opaque;

    if (!c->ok || !blk_node(blk) || blk_read_only(blk) ||
        fork_options_replace_disk(c->options, blk_name(blk)) ||
        fork_options_replace_disk(c->options, blk_node_name(blk))) {
        return;
    }
    c->ok = error_fail(c->errp,
                       "disk '%s' is writable: the options must give each machine one of its own "
                       "with that id",
                       *blk_name(blk) ? blk_name(blk) : blk_node_name(blk));
}

static void check_memory(RamBlock *rb, void *opaque)
{
    Check *c = opaque;

    if (c->ok && rb->fd >= 0) {
        c->ok = error_fail(c->errp, "memory '%s' is shared with other processes", rb->id);
    }
}

static bool can_fork(const GArray *options, Error **errp)
{
    Check c = {.options = options, .ok = true, .errp = errp};

    blk_foreach(check_disk, &c);
    ram_block_foreach(check_memory, &c);
    return c.ok;
}

/* --- Processes --- */

typedef struct Child {
    int state_fd;
    pid_t parent;
    bool keep;
} Child;

/* In the new process, before it becomes the other machine: nothing but system calls. */
static void set_up_child(gpointer opaque)
{
    const Child *c = opaque;

    fcntl(c->state_fd, F_SETFD, 0);
    if (c->keep) {
        setsid();
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != c->parent) {
        _exit(1); /* it has ended in the meantime */
    }
}

static void child_ended(GPid pid, gint status, gpointer number)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        report("fork %u (pid %d) has ended with %s %d", GPOINTER_TO_UINT(number), pid,
               WIFEXITED(status) ? "status" : "signal",
               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    g_spawn_close_pid(pid);
}

/* Standard output is ours: who reads it waits for our end.  Messages go where ours go. */
#define FLAGS (G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL)

static bool start(Machine *m, const GArray *options, Child *c, GArray *forked, Error **errp)
{
    g_autofree char *state = g_strdup_printf("/proc/self/fd/%d", c->state_fd);
    Forked f = {.n = last_number + 1};
    g_auto(GStrv) argv = fork_args(m, options, f.n, state);
    g_autoptr(GError) gerr = NULL;
    GPid pid;

    if (!g_spawn_async(NULL, argv, NULL, FLAGS, set_up_child, c, &pid, &gerr)) {
        return error_fail(errp, "%s", gerr->message);
    }
    last_number++;
    f.pid = pid;
    g_array_append_val(forked, f);
    g_child_watch_add(pid, child_ended, GUINT_TO_POINTER(f.n));
    return true;
}

bool machine_fork(Machine *m, const ForkSpec *spec, GArray *forked, Error **errp)
{
    g_autoptr(GArray) options = fork_options_parse(spec->options, errp);
    Child c = {.parent = getpid(), .keep = spec->keep};
    bool ok = true;

    if (!options || !can_fork(options, errp)) {
        return false;
    }
    c.state_fd = snapshot_save_unnamed(m, errp);
    if (c.state_fd < 0) {
        return false;
    }
    for (unsigned i = 0; i < spec->count && ok; i++) {
        ok = start(m, options, &c, forked, errp);
    }
    close(c.state_fd);
    return ok;
}
