/* SPDX-License-Identifier: MIT */
/* Inside block/: how nodes come out of options, for those who open and reopen them. Main thread, machine lock. */
#ifndef BLOCK_GRAPH_H
#define BLOCK_GRAPH_H

#include "block-int.h"

/* Options that every node has. */
typedef struct NodeOptions {
    const BlockDriver *drv; /* NULL: to be found out */
    const char *name;
    bool read_only, auto_read_only, direct, no_flush, writethrough;
    int discard, detect_zeroes;
    unsigned flags;
} NodeOptions;

/* What a node hands on to the one below that its own options make. */
typedef struct NodeInherited {
    bool read_only, direct, no_flush;
    int discard;
} NodeInherited;

/* Takes them from @o; opt->flags is set already, the rest are zeroes. */
bool block_take_node_options(Opts *o, NodeOptions *opt, const NodeInherited *above,
                             Error **errp) MUST_CHECK;
/* All of them but read-only. */
void block_apply_node_options(BlockNode *n, const NodeOptions *opt);
/* Those of the driver's options that are left in @o, a copy. */
Opts *block_own_options(const BlockDriver *drv, const Opts *o);

/*
 * @n is the one that writes to its file, unless it is read-only; an error names who does.  Filters over what
 * others write to do this only when somebody wants to write to them.
 */
bool block_claim_file(const char *what, BlockNode *n, Error **errp) MUST_CHECK;
void block_release_file(BlockNode *n);

#endif
