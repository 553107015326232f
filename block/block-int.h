/* SPDX-License-Identifier: MIT */
/*
 * Inside the block layer: what a node consists of and what its driver does.  Drivers are straight-line
 * blocking code that worker threads call; they return 0 or a negative errno.
 */
#ifndef BLOCK_INT_H
#define BLOCK_INT_H

#include "block/block.h"
#include "block/image.h"
#include "block/node.h"

enum { BLOCK_PROBE_LEN = 512, BLOCK_CHAIN_MAX = 200 };

/* What a filter hears of, before it happens. */
typedef enum BlockFilterOp {
    BLOCK_FILTER_READ,
    BLOCK_FILTER_WRITE,
    BLOCK_FILTER_ZERO,
    BLOCK_FILTER_DISCARD,
    BLOCK_FILTER_FLUSH,
} BlockFilterOp;

typedef struct BlockDriver {
    const char *name;
    bool filter;       /* what a node of it shows is its file's */
    const char *child; /* a filter: the option that names its file; NULL: "file" */
    /* A filter with functions of filter.h: called before each request; an error ends it. */
    int (*before)(BlockNode *n, BlockFilterOp op, uint64_t offset, uint64_t len);
    bool noise;    /* a format: what nobody has written does not read as zeroes */
    bool protocol; /* stores bytes itself and grows by writes; others are formats over a node */
    const char *const *options; /* NULL-terminated; beside those of every node */
    /* A protocol: beginnings of file names that mean it (NULL-terminated).  Its filename= is what stands
     * behind them, or all of it. */
    const char *const *prefixes;
    bool whole_name;

    /* A format: whether an image that begins with @head (BLOCK_PROBE_LEN bytes) is one. */
    bool (*probe)(const uint8_t *head);
    /* Takes its options from @o; sets n->size. A format finds n->file there, and leaves the name of its
     * backing file in n->backing_file. On failure close() is not called. */
    bool (*open)(BlockNode *n, Opts *o, unsigned flags, Error **errp);
    void (*close)(BlockNode *n);
    /* Whether the backing file, which has been opened now, is the right one (NULL: any is). */
    bool (*backing_fits)(BlockNode *n, Error **errp);

    /* Any worker thread, several at once.  Ranges are inside the node's size, but for writes to protocols. */
    int (*preadv)(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
    int (*pwritev)(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
    int (*flush)(BlockNode *n);
    int (*discard)(BlockNode *n, uint64_t offset, uint64_t len);
    int (*write_zeroes)(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap);
    int (*status)(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st);

    /* It has threads or connections, which a copy of the process cannot go on with. */
    bool connected;

    /* Those that may be NULL. */
    void (*after_fork)(BlockNode *n); /* in a copy of the process: descriptors are still shared */
    int (*write_compressed)(BlockNode *n, uint64_t offset, const void *buf, size_t len);
    bool (*truncate)(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp);
    bool (*set_read_only)(BlockNode *n, bool read_only, Error **errp);
    /* n->file has taken the place of @from; NULL: the driver has no other pointer to it. */
    void (*follow_file)(BlockNode *n, const BlockNode *from);
    /*
     * Nothing is in flight.  n->direct and n->file may be others now; takes from @o what of @changeable
     * (NULL-terminated) there is, defaults for the rest, and sets n->size.  On failure nothing has changed.
     */
    bool (*reopen)(BlockNode *n, Opts *o, Error **errp);
    const char *const *changeable;
    void (*reserve)(BlockNode *n, uint64_t offset, uint64_t len); /* see block_reserve() */
    /* See block/image.h. */
    const ImageOption *create_options;
    bool (*create)(const char *what, const char *filename, Opts *o, Error **errp);
    const ImageOption *amend_options;
    bool (*amend)(BlockNode *n, Opts *o, bool force,
                  Error **errp); /* @force: what loses data, too */
    uint32_t (*cluster_size)(const BlockNode *n);
    bool (*dirty)(const BlockNode *n);
    bool (*encrypted)(const BlockNode *n);
    bool (*whole_blocks)(const BlockNode *n);
    uint64_t (*disk_size)(const BlockNode *n);
    JsonObject *(*specific)(const BlockNode *n);
    bool (*set_backing)(BlockNode *n, const char *file, const char *format, Error **errp);
    bool (*make_empty)(BlockNode *n, Error **errp);
    bool (*check)(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp);
    void (*snapshot_foreach)(BlockNode *n, void (*fn)(void *opaque, const ImageSnapshot *sn),
                             void *opaque);
    bool (*snapshot_view)(BlockNode *n, const char *name, Error **errp);
    bool (*snapshot_create)(BlockNode *n, const ImageSnapshot *like, Error **errp);
    bool (*snapshot_apply)(BlockNode *n, const char *name, Error **errp);
    bool (*snapshot_delete)(BlockNode *n, const char *name, Error **errp);
    bool (*bitmaps_possible)(const BlockNode *n, Error **errp);
    bool (*bitmaps_store)(BlockNode *n, Error **errp);
    int (*vm_state_write)(BlockNode *n, uint64_t offset, const void *buf, size_t len);
    int (*vm_state_read)(BlockNode *n, const char *snapshot, uint64_t offset, void *buf,
                         size_t len);
} BlockDriver;

typedef enum DetectZeroes {
    DETECT_ZEROES_OFF,
    DETECT_ZEROES_ON,
    DETECT_ZEROES_UNMAP,
} DetectZeroes;

/*
 * What a job does around the writes to a node (discards and zeroes too), on the thread that writes.  The list
 * of them changes inside block_graph_change_begin().
 */
typedef struct BlockHook BlockHook;
struct BlockHook {
    int (*before)(BlockHook *h, uint64_t offset, uint64_t len); /* an error fails the write */
    void (*after)(BlockHook *h, uint64_t offset, uint64_t len); /* NULL: nothing */
};

struct BlockNode {
    const BlockDriver *drv;
    char *name; /* node-name */
    char *filename;
    uint64_t size; /* bytes */
    BlockNode *file, *backing;
    char *backing_file, *backing_format; /* as the image has them, NULL: none */
    bool read_only;
    bool auto_read_only; /* becomes writable when a writer needs it */
    bool direct;         /* cache=none: without the host's page cache, where its file system can */
    bool no_flush;       /* cache=unsafe */
    bool writethrough;
    bool unmap;      /* discard=unmap */
    bool probed;     /* raw because nothing else was recognised */
    bool temporary;  /* what is written vanishes with the process */
    bool no_reserve; /* file driver: reserving has failed */
    DetectZeroes detect_zeroes;
    Opts *own;               /* the driver's options as they were given, NULL: none */
    BlockNode *writer;       /* the one node above that writes to it */
    GSList *bitmaps;         /* DirtyBitmap *, owned; see block_graph_change_begin() */
    const void *claimant;    /* a job that changes the graph around it, NULL: none */
    const char *claimed_for; /* what kind of job it is */
    GSList *hooks;           /* BlockHook * */
    int refs;
    int fd;       /* file driver */
    void *opaque; /* other drivers' state */
};

extern const BlockDriver file_driver, host_device_driver, raw_driver, qcow2_driver;
extern const BlockDriver nbd_driver, http_driver, https_driver, ftp_driver, ftps_driver;
extern const BlockDriver vmdk_driver, vpc_driver, vdi_driver, vhdx_driver, qed_driver,
    parallels_driver;
extern const BlockDriver cloop_driver, dmg_driver, luks_driver;

extern const BlockDriver null_co_driver, null_aio_driver, blkdebug_driver, copy_on_read_driver,
    power_cut_driver, throttle_driver;

/* All of them; ends with NULL. */
extern const BlockDriver *const block_drivers[];
/* The driver of that name, NULL: none. */
const BlockDriver *block_driver_find(const char *name);
/* The protocol that a file name begins with ("file" if with none); *filename becomes its filename=. */
const BlockDriver *block_driver_protocol(const char **filename);
/* The format that @head shows, NULL: none that is known. */
const BlockDriver *block_driver_probe(const uint8_t *head);
/* The first BLOCK_PROBE_LEN bytes, zeroes behind the end. */
int block_probe_head(BlockNode *n, uint8_t *head);

/* --- Nodes --- */

/* What @n itself does not have: from its backing file, zeroes where that is shorter or not there. */
int block_preadv_backing(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);

BlockNode *block_node_new(const BlockDriver *drv, const char *filename);
/* Gives it a node-name; the graph keeps a reference. */
bool block_node_set_name(const char *what, BlockNode *n, const char *name, Error **errp);
/* Those without names, too. */
void block_node_foreach_any(void (*fn)(BlockNode *n, void *opaque), void *opaque);
void block_node_foreach(void (*fn)(BlockNode *n, void *opaque), void *opaque);
/* Forgets a named node; the caller has checked that nobody uses it. */
void block_node_forget(BlockNode *n);
/* Forgets all of them. */
void block_nodes_close(void);

/* Those between block_io_begin() and _end() have left, and come in again after _go(); they nest. */
void block_users_stop(void);
void block_users_go(void);
/*
 * A worker waits, until g_get_monotonic_time() is @us or somebody is in a hurry: whoever drains.
 * @fn hears how many wait, to have other workers in their place; any thread.
 */
void block_sleep_until(int64_t us);
void block_on_sleep(void (*fn)(unsigned sleepers));
void block_hurry(bool on);
/* In a copy of the process, where only the caller is left; nobody was inside. */
void block_users_after_fork(void);

/* --- Dirty bitmaps of a node, for node.c --- */

void block_dirty_mark(BlockNode *n, uint64_t offset, uint64_t len);
/* The size of the node has changed; what else follows does in block_resized(). */
bool block_dirty_resize(BlockNode *n, Error **errp) MUST_CHECK;
void block_dirty_free_all(BlockNode *n);

/* The size of @n has changed: its bitmaps follow, and the filters in front of it. */
bool block_resized(BlockNode *n, Error **errp) MUST_CHECK;

/* A filter of that kind, without a name, in front of @file, whose reference it takes over; NULL: it did not. */
BlockNode *block_put_filter(const BlockDriver *drv, BlockNode *file, Opts *o, Error **errp);

/* --- Changing the graph; nothing is in flight --- */

/* No device, export or node writes to @n; an error names who does. */
bool block_unwritten(const BlockNode *n, Error **errp) MUST_CHECK;
/* The same, and if @n is a filter it is the one that writes to what is below. */
bool block_may_write(BlockNode *n, Error **errp) MUST_CHECK;
/* Whoever uses @from, but for @to itself, uses @to from now on. */
void block_replace(BlockNode *from, BlockNode *to);
/* @below is @n, or what @n reads from in the end. */
bool block_has_below(const BlockNode *n, const BlockNode *below);
/* @to takes the place of n->file, which the caller has released (graph.h). */
void block_swap_file(BlockNode *n, BlockNode *to);
/* For nodes alone; block_replace() does it for backends too. */
void block_replace_below(BlockNode *from, BlockNode *to);
/* @base (NULL: none) is below @n from now on, and the image says so; @text: its words for that, NULL: the name. */
bool block_set_backing(BlockNode *n, BlockNode *base, const char *text, Error **errp) MUST_CHECK;
/* Only what the image says. */
bool block_write_backing(BlockNode *n, const BlockNode *base, const char *text,
                         Error **errp) MUST_CHECK;
/* What the guest sees stays the same: no hooks, no dirty bitmaps. */
int block_write_unchanged(BlockNode *n, uint64_t offset, const void *buf, size_t len);

/* An image that is made (unless @existing) and opened, with the cache and discard modes of @like. */
typedef struct BlockImageSpec {
    const char *file, *format;
    const char *name; /* node-name, NULL: none */
    bool existing;
    uint64_t size;
    BlockNode
        *backing; /* what the image says is below; the node is opened without it; NULL: nothing */
    const BlockNode *like;
} BlockImageSpec;
BlockNode *block_new_image(const BlockImageSpec *spec, Error **errp);
/* @n, which has the size of @base, is above it from now on; @base is only read. */
bool block_put_above(BlockNode *n, BlockNode *base, Error **errp) MUST_CHECK;
/* The same, and it takes the place of @base. */
bool block_put_in_front(BlockNode *n, BlockNode *base, Error **errp) MUST_CHECK;

/* A file without a name, of zeroes, for this process alone. */
BlockNode *file_open_temporary(const char *what, uint64_t size, Error **errp);
/* A temporary image in front of @base, whose reference it takes over; NULL: it did not. */
BlockNode *block_new_temporary(const char *what, BlockNode *base, Error **errp);

#endif
