/* SPDX-License-Identifier: MIT */
/*
 * Requests that fail: the guest hears of it, or the VM stands still until someone has made room and lets it
 * go on.  Without a choice of the user's a full host disk stops the VM: guests make of it a broken disk.
 */
#include "rhea/osdep.h"

#include <json-glib/json-glib.h>

#include "on-error.h"
#include "rhea/json.h"
#include "softmmu/runstate.h"

const char *const block_on_error_names[] = {"auto", "report", "ignore", "stop", "enospc", NULL};

BlockFate block_on_error_fate(BlockOnError policy, int ret)
{
    switch (policy) {
    case BLOCK_ON_ERROR_IGNORE: return BLOCK_FATE_IGNORE;
    case BLOCK_ON_ERROR_STOP: return BLOCK_FATE_STOP;
    case BLOCK_ON_ERROR_ENOSPC: return ret == -ENOSPC ? BLOCK_FATE_STOP : BLOCK_FATE_REPORT;
    default: return BLOCK_FATE_REPORT;
    }
}

static void stop_vm(void *unused)
{
    Machine *m = machine_current();

    if (runstate_is_running(m)) {
        vm_stop(m, RUN_IO_ERROR);
    }
}

void block_on_error_tell(const BlockInfo *drive, bool write, BlockFate fate, int ret)
{
    static const char *const actions[] = {"report", "ignore", "stop"};
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;
    JsonObject *data = json_object_new();

    json_object_set_string_member(data, "device", drive->drive);
    if (drive->node) {
        json_object_set_string_member(data, "node-name", drive->node);
    }
    json_object_set_string_member(data, "operation", write ? "write" : "read");
    json_object_set_string_member(data, "action", actions[fate]);
    json_object_set_boolean_member(data, "nospace", ret == -ENOSPC);
    json_object_set_string_member(data, "reason", g_strerror(-ret));
    json_node_take_object(node, data);
    text = json_text(node, false);
    event_emit_limited("BLOCK_IO_ERROR", drive->drive, text);
    if (fate == BLOCK_FATE_STOP) {
        main_loop_defer(stop_vm, NULL);
    }
}
