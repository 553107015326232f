/* SPDX-License-Identifier: MIT */
/* Images around a copy of the process; see block/fork.h. */
#include "rhea/osdep.h"

#include "block/fork.h"

#include <unistd.h>

#include "block/export.h"
#include "block/iothread.h"
#include "block/job.h"
#include "backend.h"
#include "block-int.h"

/* An image that was written to, and the overlay of the first process. */
typedef struct Frozen {
    char *disk; /* the drive's name, or that of the node */
    BlockNode *base, *top;
} Frozen;

static GArray *frozen; /* Frozen, while the process is copied */

/* --- What cannot be copied --- */

static void check_node(BlockNode *n, void *opaque)
{
    Error **errp = opaque;

    if (n->drv && n->drv->connected && !*errp) {
        error_fail(errp, "image '%s': a connection (%s) cannot be shared with another process",
                   n->filename, n->drv->name);
    }
}

static void check_job(void *opaque, const JobInfo *info)
{
    Error **errp = opaque;

    if (info->status != JOB_CONCLUDED && !*errp) {
        error_fail(errp, "job '%s' is under way", info->id);
    }
}

static bool can_fork(Error **errp)
{
    Error *err = NULL;

    job_foreach(check_job, &err);
    block_node_foreach_any(check_node, &err);
    if (!err && export_server_runs()) {
        error_fail(&err, "the NBD server has connections of its own: stop it first");
    }
    error_propagate(errp, err);
    return !err;
}

/* --- Overlays --- */

static char *expand(const char *path, const char *disk, unsigned n)
{
    g_autoptr(GString) s = g_string_new(path);
    g_autofree char *number = g_strdup_printf("%u", n);

    g_string_replace(s, "{disk}", disk, 0);
    g_string_replace(s, "{n}", number, 0);
    return g_string_free(g_steal_pointer(&s), FALSE);
}

/* Beside the image; NULL: it has no name that lasts. */
static char *default_path(const BlockNode *base)
{
    const BlockNode *file = base;
    char *path = NULL;

    while (file->file) {
        file = file->file;
    }
    if (base->temporary || file->drv != &file_driver || file->temporary) {
        return NULL;
    }
    for (unsigned i = 1; !path || g_file_test(path, G_FILE_TEST_EXISTS); i++) {
        g_free(path);
        path = g_strdup_printf("%s.fork-%u", file->filename, i);
    }
    return path;
}

static BlockNode *temporary_overlay(BlockNode *base, Error **errp)
{
    BlockNode *n = block_set_read_only(base, true, errp)
                       ? block_new_temporary("fork", block_node_ref(base), errp)
                       : NULL;

    if (!n) {
        block_node_unref(base);
    }
    return n;
}

/* @path NULL: without a name.  A reference for the caller. */
static BlockNode *new_overlay(BlockNode *base, const char *path, Error **errp)
{
    BlockImageSpec image = {
        .file = path,
        .format = "qcow2",
        .size = block_size(base),
        .backing = base,
        .like = base,
    };
    BlockNode *n;

    if (!path) {
        return temporary_overlay(base, errp);
    }
    n = block_new_image(&image, errp);
    if (n && !block_put_above(n, base, errp)) {
        g_clear_pointer(&n, block_node_unref);
    }
    return n;
}

/* --- The first process --- */

static bool is_frozen(const BlockNode *n)
{
    for (guint i = 0; i < frozen->len; i++) {
        const Frozen *f = &g_array_index(frozen, Frozen, i);

        if (f->base == n || f->top == n) {
            return true;
        }
    }
    return false;
}

static bool freeze(BlockBackend *blk, const char *template, Error **errp)
{
    BlockNode *base = block_skip_filters(blk->node);
    const char *disk = *blk->name ? blk->name : base && base->name ? base->name : "disk";
    g_autofree char *path = NULL;
    Frozen f = {.base = base};

    if (!base || base->read_only || is_frozen(base)) {
        return true;
    }
    path = template ? expand(template, disk, 0) : default_path(base);
    f.top = block_unclaimed(base, errp) && block_flush_or_fail(base, errp)
                ? new_overlay(base, path, errp)
                : NULL;
    if (!f.top) {
        error_prepend(errp, "disk '%s': ", disk);
        return false;
    }
    f.disk = g_strdup(disk);
    block_node_ref(base);
    block_replace(base, f.top);
    g_array_append_val(frozen, f);
    return true;
}

bool block_before_fork(const char *path, Error **errp)
{
    BlockBackend *blk;
    bool ok = true;

    if (!can_fork(errp)) {
        return false;
    }
    frozen = g_array_new(FALSE, FALSE, sizeof(Frozen));
    block_graph_change_begin();
    for (guint i = 0; ok && (blk = block_backend_at(i)); i++) {
        ok = freeze(blk, path, errp);
    }
    block_graph_change_end();
    if (!ok) {
        block_fork_failed();
    }
    return ok;
}

void block_fork_done(void)
{
    for (guint i = 0; i < frozen->len; i++) {
        Frozen *f = &g_array_index(frozen, Frozen, i);

        g_free(f->disk);
        block_node_unref(f->base);
        block_node_unref(f->top);
    }
    g_clear_pointer(&frozen, g_array_unref);
}

void block_fork_failed(void)
{
    for (guint i = frozen->len; i; i--) {
        const Frozen *f = &g_array_index(frozen, Frozen, i - 1);

        blk_snapshot_undo(f->top);
        if (!f->top->temporary) {
            unlink(f->top->filename);
        }
    }
    block_fork_done();
}

void block_fork_foreach(void (*fn)(const char *disk, const char *file, void *opaque), void *opaque)
{
    for (guint i = 0; i < frozen->len; i++) {
        const Frozen *f = &g_array_index(frozen, Frozen, i);

        fn(f->disk, f->top->temporary ? NULL : f->top->filename, opaque);
    }
}

/* --- A copy --- */

/* It is another process's: closing it must not write to it. */
static void disown(BlockNode *n)
{
    for (; n; n = n->file) {
        n->read_only = true;
    }
}

static void node_after_fork(BlockNode *n, void *unused)
{
    if (n->drv && n->drv->after_fork) {
        n->drv->after_fork(n);
    }
}

bool block_after_fork(const char *template, unsigned n, Error **errp)
{
    bool ok = true;

    block_users_after_fork();
    block_backends_after_fork();
    iothreads_after_fork();
    block_node_foreach_any(node_after_fork, NULL);
    for (guint i = 0; ok && i < frozen->len; i++) {
        const Frozen *f = &g_array_index(frozen, Frozen, i);
        g_autofree char *path = template ? expand(template, f->disk, n) : NULL;
        BlockNode *own = new_overlay(f->base, path, errp);

        if (own) {
            disown(f->top);
            block_replace(f->top, own);
            block_node_unref(own);
        } else {
            error_prepend(errp, "disk '%s': ", f->disk);
            ok = false;
        }
    }
    block_fork_done();
    return ok;
}
