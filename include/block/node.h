/* SPDX-License-Identifier: MIT */
/*
 * Nodes of the block graph: a format (raw, qcow2) over a protocol (file), perhaps over a backing chain.
 * Blocking calls for worker threads, jobs and tools; devices use block/block.h.
 *
 * I/O returns 0 or a negative errno and may be called from any thread, several at once, between opening
 * and the last unref.  Opening, closing and what changes the graph: main thread.
 */
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include <sys/uio.h>

#include "rhea/error.h"
#include "rhea/opts.h"

typedef struct BlockNode BlockNode;

typedef enum BlockOpenFlags {
    BLOCK_READ_ONLY = 1 << 0,
    BLOCK_SHARED = 1 << 1,     /* no lock: the image may change under us (read-only) */
    BLOCK_NO_BACKING = 1 << 2, /* only this layer */
    BLOCK_REPAIR = 1 << 3,     /* opens what is marked as inconsistent, for check */
    BLOCK_TEMPORARY = 1 << 4,  /* what is written is forgotten (snapshot=on) */
    BLOCK_UNSAFE = 1 << 5,     /* cache=unsafe: flushes do nothing */
    BLOCK_DIRECT = 1 << 7,     /* cache.direct=on */
    BLOCK_DRIVE = 1 << 6, /* -drive spellings: file= is a file's name, format= names the format */
} BlockOpenFlags;

/*
 * Opens @filename (or "json:{...}", the options of -blockdev).  @format NULL: by its contents.  Messages
 * begin with @what.
 */
BlockNode *block_open(const char *what, const char *filename, const char *format, unsigned flags,
                      Error **errp);
/* The same from options, taking those that belong to nodes; the caller ends with block_opts_done(). */
BlockNode *block_open_opts(Opts *o, unsigned flags, Error **errp);
/* opts_done() for what made @n; @more (NULL or NULL-terminated): the caller's own names. */
bool block_opts_done(Opts *o, const BlockNode *n, const char *const *more, Error **errp) MUST_CHECK;

BlockNode *block_node_ref(BlockNode *n);
void block_node_unref(BlockNode *n); /* NULL is allowed; the last one flushes and closes */
BlockNode *block_node_find(const char *name);

uint64_t block_size(const BlockNode *n); /* bytes */
bool block_read_only(const BlockNode *n);
bool block_writethrough(const BlockNode *n); /* each write is followed by a flush */
const char *block_filename(const BlockNode *n);
const char *block_driver_name(const BlockNode *n);
BlockNode *block_file(const BlockNode *n);    /* NULL: a protocol */
BlockNode *block_backing(const BlockNode *n); /* NULL: none */
/* The first that is no filter, from @n down. */
BlockNode *block_skip_filters(BlockNode *n);

/* --- Changing the graph --- */

/*
 * A thread that uses nodes by itself, not through a backend, does it between these; briefly, and without
 * waiting for the machine lock inside.  They do not nest.
 */
void block_io_begin(void);
void block_io_end(void);
/* Nothing is in flight at any node, nor begins, until the end.  Main thread, machine lock; they nest. */
void block_graph_change_begin(void);
void block_graph_change_end(void);
/* No job works on it, that would be confused by changes of others; an error names the job. */
bool block_unclaimed(const BlockNode *n, Error **errp) MUST_CHECK;

/* --- Data: any alignment; out of range is -EIO, writing to what is read-only -EPERM --- */

int block_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int block_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int block_pread(BlockNode *n, uint64_t offset, void *buf, size_t len);
int block_pwrite(BlockNode *n, uint64_t offset, const void *buf, size_t len);
/* What has been written is on stable storage when it returns 0. */
int block_flush(BlockNode *n);
/* The same, with an error. */
bool block_flush_or_fail(BlockNode *n, Error **errp) MUST_CHECK;
/* A hint; does nothing without discard=unmap. */
int block_discard(BlockNode *n, uint64_t offset, uint64_t len);
int block_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap);
/* One cluster, stored compressed if that makes it smaller; -ENOTSUP where a format cannot. */
int block_write_compressed(BlockNode *n, uint64_t offset, const void *buf, size_t len);
/* A hint that the whole range will be written, and nothing was there before. */
void block_reserve(BlockNode *n, uint64_t offset, uint64_t len);

/* --- What is where --- */

typedef struct BlockStatus {
    uint64_t run;    /* bytes from the offset that are alike, at least 1 */
    bool allocated;  /* this layer answers, not its backing file */
    bool data, zero; /* data: bytes are stored; zero: reads as zeroes */
    bool compressed;
    bool beyond_end; /* zeroes because a backing file ends before */
    bool has_offset; /* the bytes lie at @offset of the file below */
    uint64_t offset;
    int depth; /* block_status_chain(): how many layers down the answer was found, or looked for */
} BlockStatus;

int block_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st);
/* Looks down the backing chain, as far as but without @base (NULL: all of it). */
int block_status_chain(BlockNode *n, BlockNode *base, uint64_t offset, uint64_t len,
                       BlockStatus *st);

/* --- Images as wholes --- */

typedef enum BlockPrealloc {
    BLOCK_PREALLOC_OFF,
    BLOCK_PREALLOC_METADATA,
    BLOCK_PREALLOC_FALLOC,
    BLOCK_PREALLOC_FULL,
} BlockPrealloc;
extern const char *const block_prealloc_names[]; /* in the order of BlockPrealloc */

/* Grows or shrinks; what is added reads as zeroes. */
bool block_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp) MUST_CHECK;
/* Makes what was opened read-only writable, or the reverse. */
bool block_set_read_only(BlockNode *n, bool read_only, Error **errp) MUST_CHECK;

/* A host file of @size bytes of zeroes, not there before or cut to nothing. */
bool block_create_file(const char *what, const char *filename, uint64_t size,
                       BlockPrealloc prealloc, Error **errp) MUST_CHECK;

#endif
