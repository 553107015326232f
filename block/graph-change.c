/* SPDX-License-Identifier: MIT */
/* What the monitor changes in the graph of a running machine: external snapshots, sizes, backing files' names. */
#include "rhea/osdep.h"

#include "backend.h"
#include "block-int.h"

/* --- External snapshots --- */

bool block_put_in_front(BlockNode *n, BlockNode *base, Error **errp)
{
    if (!block_put_above(n, base, errp)) {
        return false;
    }
    block_replace(base, n);
    return true;
}

/* Drops a new node, and its name. */
static void drop_new(BlockNode *n)
{
    if (n->name) {
        block_node_forget(n);
    }
    block_node_unref(n);
}

static BlockNode *snapshot_of(BlockNode *base, const BlockSnapshotSpec *spec, Error **errp)
{
    BlockImageSpec image = {
        .file = spec->file,
        .format = spec->format ? spec->format : "qcow2",
        .name = spec->new_node,
        .existing = spec->existing,
        .size = block_size(base),
        .backing = base,
        .like = base,
    };
    bool ok = block_flush_or_fail(base, errp) && block_unclaimed(base, errp);
    BlockNode *top = ok ? block_new_image(&image, errp) : NULL;

    if (top && !block_put_in_front(top, base, errp)) {
        drop_new(top);
        return NULL;
    }
    block_node_unref(top); /* whoever used the base has it */
    return top;
}

BlockNode *blk_snapshot_external(const BlockSnapshotSpec *spec, Error **errp)
{
    BlockNode *base = blk_find_node(spec->device ? spec->device : spec->node, errp), *top;

    if (!base) {
        return NULL;
    }
    block_graph_change_begin();
    top = snapshot_of(base, spec, errp);
    block_graph_change_end();
    return top;
}

BlockNode *blk_snapshot_with(const char *node, const char *overlay, Error **errp)
{
    BlockNode *base = blk_find_node(node, errp), *top;
    bool ok;

    top = base ? block_node_find(overlay) : NULL;
    if (!top) {
        if (base) {
            error_fail(errp, "Cannot find device='' nor node-name='%s'", overlay);
        }
        return NULL;
    }
    if (block_has_below(base, top)) {
        error_fail(errp, "'%s' is below '%s': it cannot be its overlay", overlay, node);
        return NULL;
    }
    block_graph_change_begin();
    ok = block_unclaimed(base, errp) && block_unclaimed(top, errp) && block_may_write(top, errp) &&
         block_flush_or_fail(base, errp) && block_set_read_only(top, false, errp) &&
         block_put_in_front(top, base, errp);
    block_graph_change_end();
    return ok ? top : NULL;
}

void blk_snapshot_undo(BlockNode *top)
{
    g_autoptr(Error) err = NULL;
    BlockNode *base = top->backing;

    block_graph_change_begin();
    top->backing = NULL;
    if (!block_set_read_only(base, false, &err)) {
        warn_user("%s", error_text(err));
    }
    block_replace(top, base);
    block_node_unref(base);
    block_graph_change_end();
}

/* --- Commit all at once --- */

static bool commit_quiet(BlockNode *n, Error **errp)
{
    BlockNode *base = n->backing;
    bool ok, read_only;

    if (!base) {
        return error_fail(errp, "'%s' has no backing file", n->filename);
    }
    read_only = base->read_only;
    if (!block_unclaimed(n, errp) || !block_unclaimed(base, errp) || !block_may_write(base, errp) ||
        !block_set_read_only(base, false, errp)) {
        return false;
    }
    ok = image_commit(n, base, false, NULL, NULL, errp);
    return block_set_read_only(base, read_only, ok ? errp : NULL) && ok;
}

bool blk_commit(const char *device, Error **errp)
{
    BlockNode *n = blk_find_node(device, errp);
    bool ok;

    if (!n) {
        return false;
    }
    block_graph_change_begin();
    ok = commit_quiet(n, errp);
    block_graph_change_end();
    return ok;
}

/* --- Images that change --- */

bool blk_resize(const char *device, uint64_t size, Error **errp)
{
    BlockNode *n = blk_find_node(device, errp);
    bool ok;

    if (!n) {
        return false;
    }
    block_graph_change_begin();
    ok = block_unclaimed(n, errp) && block_truncate(n, size, BLOCK_PREALLOC_OFF, errp);
    block_graph_change_end();
    block_backends_tell_sizes();
    return ok;
}

bool blk_change_backing_file(const char *device, const char *node, const char *backing,
                             Error **errp)
{
    BlockNode *n = blk_find_node(device, errp);
    bool ok;

    while (n && !(n->name && !strcmp(n->name, node))) {
        n = n->backing;
        if (!n) {
            error_fail(errp, "image file not found: '%s'", node);
        }
    }
    if (!n || !n->backing) {
        return n && error_fail(errp, "not allowing backing file change on an image without a "
                                     "backing file");
    }
    block_graph_change_begin();
    ok = block_unclaimed(n, errp) && block_write_backing(n, n->backing, backing, errp);
    block_graph_change_end();
    return ok;
}
