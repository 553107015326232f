/* SPDX-License-Identifier: MIT */
/* QMP commands about dirty bitmaps; transactions run the same functions (block-transaction.c). */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/dirty-bitmap.h"
#include "block/image.h"
#include "block-action.h"

/* --- Information --- */

QMP_TYPE(dirty_info_type, .name = "BlockDirtyInfo",
         .text = "{*name: str, count: int, granularity: int, recording: bool, busy: bool, "
                 "persistent: bool, *inconsistent: bool}");

static void add_bitmap(DirtyBitmap *b, void *opaque)
{
    JsonObject *item = json_object_new();
    unsigned flags = dirty_bitmap_flags(b);

    json_object_set_string_member(item, "name", dirty_bitmap_name(b));
    json_object_set_int_member(item, "count", (gint64)dirty_bitmap_count(b));
    json_object_set_int_member(item, "granularity", (gint64)dirty_bitmap_granularity(b));
    json_object_set_boolean_member(item, "recording", !(flags & DIRTY_BITMAP_DISABLED));
    json_object_set_boolean_member(item, "busy", flags & DIRTY_BITMAP_BUSY);
    json_object_set_boolean_member(item, "persistent", flags & DIRTY_BITMAP_PERSISTENT);
    if (flags & DIRTY_BITMAP_INCONSISTENT) {
        json_object_set_boolean_member(item, "inconsistent", true);
    }
    json_array_add_object_element(opaque, item);
}

void monitor_add_bitmaps(JsonObject *obj, struct BlockNode *n)
{
    JsonArray *list = json_array_new();

    dirty_bitmap_foreach(n, add_bitmap, list);
    if (json_array_get_length(list)) {
        json_object_set_array_member(obj, "dirty-bitmaps", list);
    } else {
        json_array_unref(list);
    }
}

/* --- Actions; the graph is quiet --- */

static DirtyBitmap *bitmap_arg(JsonObject *args, const char *key, Error **errp)
{
    BlockNode *n = blk_find_node(qmp_arg_str(args, "node"), errp);

    return n ? dirty_bitmap_find_usable(n, qmp_arg_str(args, key), errp) : NULL;
}

static void undo_add(void *opaque)
{
    dirty_bitmap_free(opaque);
}

bool bitmap_add(JsonObject *args, BlockUndo *undo, Error **errp)
{
    BlockNode *n = blk_find_node(qmp_arg_str(args, "node"), errp);
    int64_t granularity = qmp_arg_int(args, "granularity", 0);
    bool persistent = qmp_arg_bool(args, "persistent", false);
    DirtyBitmap *b;

    if (json_object_has_member(args, "granularity") && granularity <= 0) {
        return error_fail(errp, "Granularity must be power of 2");
    }
    if (!n || (persistent && !image_can_keep_bitmaps(n, errp))) {
        return false;
    }
    b = dirty_bitmap_new(n, qmp_arg_str(args, "name"), (uint64_t)granularity, errp);
    if (!b) {
        return false;
    }
    dirty_bitmap_set_flag(b, DIRTY_BITMAP_PERSISTENT, persistent);
    dirty_bitmap_set_flag(b, DIRTY_BITMAP_DISABLED, qmp_arg_bool(args, "disabled", false));
    *undo = (BlockUndo){.undo = undo_add, .opaque = b};
    return true;
}

static void commit_remove(void *opaque)
{
    dirty_bitmap_free(opaque);
}

static void undo_remove(void *opaque)
{
    dirty_bitmap_set_flag(opaque, DIRTY_BITMAP_BUSY, false);
}

/* An inconsistent one may be removed; one that a job uses may not. */
bool bitmap_remove(JsonObject *args, BlockUndo *undo, Error **errp)
{
    const char *name = qmp_arg_str(args, "name");
    BlockNode *n = blk_find_node(qmp_arg_str(args, "node"), errp);
    DirtyBitmap *b = n ? dirty_bitmap_find(n, name) : NULL;

    if (!n) {
        return false;
    }
    if (!b || !(dirty_bitmap_flags(b) & DIRTY_BITMAP_INCONSISTENT)) {
        b = dirty_bitmap_find_usable(n, name, errp);
    }
    if (!b) {
        return false;
    }
    dirty_bitmap_set_flag(b, DIRTY_BITMAP_BUSY, true); /* a later action must not use it */
    *undo = (BlockUndo){.undo = undo_remove, .commit = commit_remove, .opaque = b};
    return true;
}

/* What a bitmap had before. */
typedef struct Before {
    DirtyBitmap *b, *was;
} Before;

static void drop_before(void *opaque)
{
    Before *before = opaque;

    dirty_bitmap_free(before->was);
    g_free(before);
}

static void restore_before(void *opaque)
{
    Before *before = opaque;

    dirty_bitmap_clear(before->b);
    if (!dirty_bitmap_merge(before->b, before->was, NULL)) {
        g_assert_not_reached(); /* they are of one node */
    }
    drop_before(before);
}

static bool remember(DirtyBitmap *b, BlockUndo *undo, Error **errp)
{
    DirtyBitmap *was = dirty_bitmap_copy(b, errp);
    Before *before;

    if (!was) {
        return false;
    }
    before = g_new(Before, 1);
    *before = (Before){b, was};
    *undo = (BlockUndo){.undo = restore_before, .commit = drop_before, .opaque = before};
    return true;
}

bool bitmap_clear(JsonObject *args, BlockUndo *undo, Error **errp)
{
    DirtyBitmap *b = bitmap_arg(args, "name", errp);

    if (!b || !remember(b, undo, errp)) {
        return false;
    }
    dirty_bitmap_clear(b);
    return true;
}

static void undo_disable(void *opaque)
{
    dirty_bitmap_set_flag(opaque, DIRTY_BITMAP_DISABLED, false);
}

static void undo_enable(void *opaque)
{
    dirty_bitmap_set_flag(opaque, DIRTY_BITMAP_DISABLED, true);
}

static bool set_disabled(JsonObject *args, bool disabled, BlockUndo *undo, Error **errp)
{
    DirtyBitmap *b = bitmap_arg(args, "name", errp);

    if (!b) {
        return false;
    }
    if (!(dirty_bitmap_flags(b) & DIRTY_BITMAP_DISABLED) == disabled) {
        *undo = (BlockUndo){.undo = disabled ? undo_disable : undo_enable, .opaque = b};
    }
    dirty_bitmap_set_flag(b, DIRTY_BITMAP_DISABLED, disabled);
    return true;
}

bool bitmap_enable(JsonObject *args, BlockUndo *undo, Error **errp)
{
    return set_disabled(args, false, undo, errp);
}

bool bitmap_disable(JsonObject *args, BlockUndo *undo, Error **errp)
{
    return set_disabled(args, true, undo, errp);
}

/* A source is a name on the same node, or {node, name}. */
static bool merge_one(DirtyBitmap *to, JsonNode *source, Error **errp)
{
    JsonObject *other = JSON_NODE_HOLDS_OBJECT(source) ? json_node_get_object(source) : NULL;
    const char *name = other                           ? qmp_arg_str(other, "name")
                       : JSON_NODE_HOLDS_VALUE(source) ? json_node_get_string(source)
                                                       : NULL;
    const char *node = other ? qmp_arg_str(other, "node") : NULL;
    BlockNode *n = node ? blk_find_node(node, errp) : dirty_bitmap_node(to);
    DirtyBitmap *from;

    if (!name || (other && !node)) {
        return error_fail(errp, "Invalid parameter type for 'bitmaps', expected: string or {node, "
                                "name}");
    }
    from = n ? dirty_bitmap_find_usable(n, name, errp) : NULL;
    return from && dirty_bitmap_merge(to, from, errp);
}

bool bitmap_merge(JsonObject *args, BlockUndo *undo, Error **errp)
{
    DirtyBitmap *b = bitmap_arg(args, "target", errp);
    JsonArray *sources = json_object_get_array_member(args, "bitmaps");

    if (!b || !remember(b, undo, errp)) {
        return false;
    }
    for (guint i = 0; i < json_array_get_length(sources); i++) {
        if (!merge_one(b, json_array_get_element(sources, i), errp)) {
            restore_before(undo->opaque);
            *undo = (BlockUndo){0};
            return false;
        }
    }
    return true;
}

/* --- Commands --- */

static bool run_action(Machine *m, const void *action, JsonObject *args, Error **errp)
{
    BlockUndo undo = {0};
    bool ok;

    block_graph_change_begin();
    ok = (*(const BlockActionFn *)action)(args, &undo, errp);
    if (ok && undo.commit) {
        undo.commit(undo.opaque);
    }
    block_graph_change_end();
    return ok;
}

#define ACTION(fn)                                                                                 \
    .run_like = run_action, .like = &(const BlockActionFn)                                         \
    {                                                                                              \
        fn                                                                                         \
    }
#define ONE_BITMAP .args = "{node: str, name: str}"

QMP_COMMAND(
    bitmap_add_command, .name = "block-dirty-bitmap-add", ACTION(bitmap_add),
    .args = "{node: str, name: str, *granularity: int, *persistent: bool, *disabled: bool}");
QMP_COMMAND(bitmap_remove_command, .name = "block-dirty-bitmap-remove", ACTION(bitmap_remove),
            ONE_BITMAP);
QMP_COMMAND(bitmap_clear_command, .name = "block-dirty-bitmap-clear", ACTION(bitmap_clear),
            ONE_BITMAP);
QMP_COMMAND(bitmap_enable_command, .name = "block-dirty-bitmap-enable", ACTION(bitmap_enable),
            ONE_BITMAP);
QMP_COMMAND(bitmap_disable_command, .name = "block-dirty-bitmap-disable", ACTION(bitmap_disable),
            ONE_BITMAP);
QMP_COMMAND(bitmap_merge_command, .name = "block-dirty-bitmap-merge", ACTION(bitmap_merge),
            .args = "{node: str, target: str, bitmaps: [any]}");
