/* SPDX-License-Identifier: MIT */
/* Changes to images that a transaction makes all of, or none. */
#ifndef SOFTMMU_MONITOR_BLOCK_ACTION_H
#define SOFTMMU_MONITOR_BLOCK_ACTION_H

#include "monitor-int.h"

/* What follows on an action: one of the two is called, and frees @opaque. NULL: nothing to do. */
typedef struct BlockUndo {
    void (*undo)(void *opaque);
    void (*commit)(void *opaque);
    void *opaque;
} BlockUndo;

/* Inside block_graph_change_begin(). On failure nothing follows. */
typedef bool (*BlockActionFn)(JsonObject *args, BlockUndo *undo, Error **errp);

bool bitmap_add(JsonObject *args, BlockUndo *undo, Error **errp) MUST_CHECK;
bool bitmap_remove(JsonObject *args, BlockUndo *undo, Error **errp) MUST_CHECK;
bool bitmap_clear(JsonObject *args, BlockUndo *undo, Error **errp) MUST_CHECK;
bool bitmap_enable(JsonObject *args, BlockUndo *undo, Error **errp) MUST_CHECK;
bool bitmap_disable(JsonObject *args, BlockUndo *undo, Error **errp) MUST_CHECK;
bool bitmap_merge(JsonObject *args, BlockUndo *undo, Error **errp) MUST_CHECK;

#endif
