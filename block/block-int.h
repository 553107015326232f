/* SPDX-License-Identifier: MIT */
/*
 * Inside the block layer: nodes and their drivers.  Drivers are straight-line blocking code that worker
 * threads call; they return 0 or a negative errno.
 */
#ifndef BLOCK_INT_H
#define BLOCK_INT_H

#include "block/block.h"
#include "rhea/opts.h"

typedef struct BlockNode BlockNode;

typedef struct BlockDriver {
    const char *name;
    /* Any worker thread, several at once.  Ranges are inside the node's size. */
    int (*preadv)(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
    int (*pwritev)(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
    int (*flush)(BlockNode *n);
    int (*discard)(BlockNode *n, uint64_t offset, uint64_t len);
    int (*write_zeroes)(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap);
    void (*close)(BlockNode *n);
} BlockDriver;

struct BlockNode {
    const BlockDriver *drv;
    char *name; /* node-name */
    char *filename;
    uint64_t size; /* bytes */
    bool read_only;
    bool no_flush; /* cache=unsafe */
    bool writethrough;
    bool unmap;     /* discard=unmap */
    bool temporary; /* what is written vanishes with the process */
    int refs;
    int fd;       /* file driver */
    void *opaque; /* other drivers' state */
};

/* Opens a host file or block device; locks it. @what begins error messages. */
BlockNode *file_open(const char *what, const char *filename, bool read_only, Error **errp);

/* A file without a name, of zeroes, for this process alone. */
BlockNode *file_open_temporary(const char *what, uint64_t size, Error **errp);
/* @base (which it takes over), with writes going to a temporary file; NULL on failure. */
BlockNode *overlay_new(const char *what, BlockNode *base, Error **errp);

/*
 * Builds a node from the driver options of -blockdev, or those of -drive ("file", "format").
 * @snapshot: the image is only read, and writes are temporary.
 */
typedef enum BlockUse {
    BLOCK_USE_PLAIN,
    BLOCK_USE_TEMPORARY, /* what is written is forgotten */
    BLOCK_USE_READ_ONLY, /* whatever the options say */
} BlockUse;
BlockNode *block_node_from_opts(Opts *o, BlockUse use, Error **errp);
BlockNode *block_node_find(const char *name);
void block_node_foreach(void (*fn)(BlockNode *n, void *opaque), void *opaque);
/* Forgets a named node; the caller has checked that nobody uses it. */
void block_node_forget(BlockNode *n);
BlockNode *block_node_ref(BlockNode *n);
void block_node_unref(BlockNode *n);

#endif
