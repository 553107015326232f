/* SPDX-License-Identifier: MIT */
/*
 * QMP transaction: several changes to images at one point in time for the guest, all or none.  An action takes
 * the arguments of the command of its name.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/job.h"
#include "block/node.h"
#include "block-action.h"
#include "qmp-type.h"

/* --- Actions that are no bitmap's --- */

static void undo_snapshot(void *opaque)
{
    blk_snapshot_undo(opaque);
}

static bool action_snapshot_sync(JsonObject *args, BlockUndo *undo, Error **errp)
{
    struct BlockNode *top = monitor_snapshot_sync(args, errp);

    *undo = (BlockUndo){.undo = undo_snapshot, .opaque = top};
    return top;
}

static bool action_snapshot(JsonObject *args, BlockUndo *undo, Error **errp)
{
    struct BlockNode *top =
        blk_snapshot_with(qmp_arg_str(args, "node"), qmp_arg_str(args, "overlay"), errp);

    *undo = (BlockUndo){.undo = undo_snapshot, .opaque = top};
    return top;
}

static void start_job(void *opaque)
{
    job_start(opaque);
}

static void abandon_job(void *opaque)
{
    job_abandon(opaque);
}

static bool prepare_backup(JsonObject *args, bool file, BlockUndo *undo, Error **errp)
{
    BackupSpec spec;
    Job *j = monitor_backup_spec(args, file, &spec, errp) ? job_backup_prepare(&spec, errp) : NULL;

    *undo = (BlockUndo){.undo = abandon_job, .commit = start_job, .opaque = j};
    return j;
}

static bool action_drive_backup(JsonObject *args, BlockUndo *undo, Error **errp)
{
    return prepare_backup(args, true, undo, errp);
}

static bool action_blockdev_backup(JsonObject *args, BlockUndo *undo, Error **errp)
{
    return prepare_backup(args, false, undo, errp);
}

static bool action_abort(JsonObject *args, BlockUndo *undo, Error **errp)
{
    return error_fail(errp, "Transaction aborted using Abort action");
}

/* --- The transaction --- */

typedef struct Action {
    const char *name;
    BlockActionFn run;
} Action;

static const Action actions[] = {
    {"abort", action_abort},
    {"block-dirty-bitmap-add", bitmap_add},
    {"block-dirty-bitmap-clear", bitmap_clear},
    {"block-dirty-bitmap-disable", bitmap_disable},
    {"block-dirty-bitmap-enable", bitmap_enable},
    {"block-dirty-bitmap-merge", bitmap_merge},
    {"block-dirty-bitmap-remove", bitmap_remove},
    {"blockdev-backup", action_blockdev_backup},
    {"blockdev-snapshot", action_snapshot},
    {"blockdev-snapshot-sync", action_snapshot_sync},
    {"drive-backup", action_drive_backup},
};

#define ACTION_NAMES                                                                               \
    "<abort|block-dirty-bitmap-add|block-dirty-bitmap-clear|block-dirty-bitmap-disable|"           \
    "block-dirty-bitmap-enable|block-dirty-bitmap-merge|block-dirty-bitmap-remove|"                \
    "blockdev-backup|blockdev-snapshot|blockdev-snapshot-sync|drive-backup>"

static const Action *action_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (!strcmp(actions[i].name, name)) {
            return &actions[i];
        }
    }
    g_assert_not_reached(); /* the type of the arguments has them all */
}

/* By the type that the command of that name has. */
static bool check_args(const char *name, JsonObject *args, Error **errp)
{
    for (const QmpCommand *const *c = __start_rhea_qmp; c < __stop_rhea_qmp; c++) {
        if (!strcmp((*c)->name, name)) {
            return qmp_type_check_args(qmp_type_get((*c)->args), args, errp);
        }
    }
    return true; /* "abort" is no command */
}

static bool run_action(JsonObject *item, BlockUndo *undo, Error **errp)
{
    const char *name = qmp_arg_str(item, "type");
    JsonNode *data = json_object_get_member(item, "data");

    *undo = (BlockUndo){0};
    if (!JSON_NODE_HOLDS_OBJECT(data)) {
        return error_fail(errp, "Invalid parameter type for 'data', expected: object");
    }
    return check_args(name, json_node_get_object(data), errp) &&
           action_find(name)->run(json_node_get_object(data), undo, errp);
}

static bool run_all(JsonArray *list, GArray *undos, Error **errp)
{
    for (guint i = 0; i < json_array_get_length(list); i++) {
        BlockUndo undo;

        if (!run_action(json_array_get_object_element(list, i), &undo, errp)) {
            return false;
        }
        g_array_append_val(undos, undo);
    }
    return true;
}

static bool transaction(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(GArray) undos = g_array_new(FALSE, FALSE, sizeof(BlockUndo));
    JsonObject *properties = json_object_has_member(args, "properties")
                                 ? json_object_get_object_member(args, "properties")
                                 : NULL;
    const char *mode = properties ? qmp_arg_str(properties, "completion-mode") : NULL;
    bool ok;

    if (mode && strcmp(mode, "individual")) {
        return error_fail(errp, "completion-mode 'grouped' is not supported: jobs end one by one");
    }
    block_graph_change_begin();
    ok = run_all(json_object_get_array_member(args, "actions"), undos, errp);
    for (guint i = undos->len; i-- > 0;) {
        const BlockUndo *u = &g_array_index(undos, BlockUndo, ok ? undos->len - 1 - i : i);
        void (*fn)(void *opaque) = ok ? u->commit : u->undo;

        if (fn) {
            fn(u->opaque);
        }
    }
    block_graph_change_end();
    return ok;
}

QMP_COMMAND(transaction_command, .name = "transaction", .run = transaction,
            .args = "{actions: [{type: " ACTION_NAMES ", data: any}], "
                    "*properties: {*completion-mode: <individual|grouped>}}");
