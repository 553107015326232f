/* SPDX-License-Identifier: MIT */
/* Inside block/: what becomes of a device's request that failed (rerror=, werror=). */
#ifndef BLOCK_ON_ERROR_H
#define BLOCK_ON_ERROR_H

#include "block/block.h"

typedef enum BlockFate {
    BLOCK_FATE_REPORT, /* the guest hears of it */
    BLOCK_FATE_IGNORE, /* the guest believes that it succeeded */
    BLOCK_FATE_STOP,   /* the VM stands still; the request is tried again when it goes on */
} BlockFate;

/* By the policy for a request that ended with @ret, a negative errno. */
BlockFate block_on_error_fate(BlockOnError policy, int ret);
/* Tells clients (BLOCK_IO_ERROR), and has the VM stopped when that is its fate. Machine lock. */
void block_on_error_tell(const BlockInfo *drive, bool write, BlockFate fate, int ret);

#endif
