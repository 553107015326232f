/* SPDX-License-Identifier: MIT */
/*
 * The guest-facing side of the block layer: asynchronous requests on a backend, completed on the main
 * loop thread under the machine lock.  Format drivers behind it are blocking code on worker threads.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include <sys/uio.h>

#include "rhea/error.h"

struct BlockNode;                         /* block/node.h */
typedef struct BlockBackend BlockBackend; /* "drive": what a device plugs in */
typedef struct BlockRequest BlockRequest;

/* 0 or a negative errno. */
typedef void (*BlockComplete)(void *opaque, int ret);

BlockBackend *blk_by_name(const char *id);
/* A device takes / gives back the backend; an error names the present owner. */
bool blk_attach(BlockBackend *blk, void *owner, const char *owner_name, Error **errp) MUST_CHECK;
void blk_detach(BlockBackend *blk, void *owner);
/* The owner hears of every change of the size, by block_resize and the like, until it detaches; the main thread. */
void blk_on_resize(BlockBackend *blk, void (*fn)(void *owner));

/* What happens when a request fails; AUTO: as -drive says, else report for reads and enospc for the rest. */
typedef enum BlockOnError {
    BLOCK_ON_ERROR_AUTO,
    BLOCK_ON_ERROR_REPORT,
    BLOCK_ON_ERROR_IGNORE,
    BLOCK_ON_ERROR_STOP,
    BLOCK_ON_ERROR_ENOSPC,
} BlockOnError;
extern const char *const block_on_error_names[]; /* in the order of BlockOnError; ends with NULL */
/* Properties of a device that has a drive; the fields are int. */
#define BLOCK_ON_ERROR_PROPS(S, read, write)                                                       \
    PROP_ENUM("rerror", S, read, BLOCK_ON_ERROR_AUTO, block_on_error_names,                        \
              "what happens when a read fails"),                                                   \
        PROP_ENUM("werror", S, write, BLOCK_ON_ERROR_AUTO, block_on_error_names,                   \
                  "what happens when a write fails; stop: the VM stops, and tries again later")
/* The wishes of these properties. */
bool blk_set_on_error(BlockBackend *blk, BlockOnError read, BlockOnError write,
                      Error **errp) MUST_CHECK;
/* Tries again what failed and stopped the VM; the VM goes on. */
void blk_retry_failed(void);
/* Or ends it with its errors, and what is under way: a load is to come, and the loaded VM knows nothing of it. */
void blk_give_up_failed(void);
/* False, with an error, while such requests wait: a saved state would not have them. */
bool blk_nothing_failed(Error **errp) MUST_CHECK;

void blk_foreach(void (*fn)(BlockBackend *blk, void *opaque), void *opaque);
/* What is behind it (block/node.h); NULL: no medium. */
struct BlockNode *blk_node(BlockBackend *blk);
uint64_t blk_size(BlockBackend *blk); /* bytes */
bool blk_read_only(BlockBackend *blk);
bool blk_inserted(BlockBackend *blk);
bool blk_is_cdrom(BlockBackend *blk); /* media=cdrom */
const char *blk_name(BlockBackend *blk);

/*
 * Offsets and lengths are in bytes, any alignment; out-of-range requests complete with -EIO, writes to a
 * read-only backend with -EPERM.  @iov is copied, the memory it points to must stay until completion.
 */
void blk_preadv(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov,
                BlockComplete done, void *opaque);
void blk_pwritev(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov, bool fua,
                 BlockComplete done, void *opaque);
void blk_flush(BlockBackend *blk, BlockComplete done, void *opaque);
void blk_discard(BlockBackend *blk, uint64_t offset, uint64_t len, BlockComplete done,
                 void *opaque);
void blk_write_zeroes(BlockBackend *blk, uint64_t offset, uint64_t len, bool may_unmap,
                      BlockComplete done, void *opaque);
/* What is where, looking down the whole backing chain. */
struct BlockStatus;
void blk_status(BlockBackend *blk, uint64_t offset, uint64_t len, struct BlockStatus *st,
                BlockComplete done, void *opaque);
/* Waits until nothing is in flight: completions have run.  For resets: what waits for a retry fails. */
void blk_drain(BlockBackend *blk);
/* The same for all, but for what waits for a retry. */
void blk_drain_all(void);
int blk_flush_all(void);

/* Blocking forms for set-up code (pflash, loaders). */
int blk_pread(BlockBackend *blk, uint64_t offset, void *buf, size_t len);
int blk_pwrite(BlockBackend *blk, uint64_t offset, const void *buf, size_t len);

/*
 * A user of a drive's or a node's image that is no device: not among the drives, and its errors are its own
 * affair.  @owner names it in messages; one that @writes shares the image with no other user.
 */
BlockBackend *blk_new_export(const char *name, const char *owner, bool writes, Error **errp);
void blk_free_export(BlockBackend *blk);
const char *blk_node_name(BlockBackend *blk); /* "": it has none */

/* "-drive ..." (and -hda..., -cdrom as sugar): creates the backend; if=none|virtio|pflash|... is kept for the
 * board to pick up with blk_by_interface(). */
typedef enum BlockInterface {
    BLK_IF_NONE,
    BLK_IF_VIRTIO,
    BLK_IF_PFLASH,
    BLK_IF_IDE,
    BLK_IF_SCSI,
    BLK_IF_FLOPPY,
} BlockInterface;
/* -snapshot: drives from here on have snapshot=on unless they say otherwise. */
void blk_set_snapshot_default(void);
BlockBackend *blk_new_drive(const char *optarg, BlockInterface default_if, Error **errp);
/* "-blockdev" node in key=value or JSON. */
bool blk_new_blockdev(const char *optarg, Error **errp) MUST_CHECK;
BlockBackend *blk_by_interface(BlockInterface iface, int index); /* NULL: none */
/* Drives of if=@iface that no board picked up: *name of the first, for the error. */
bool blk_interface_leftover(BlockInterface iface, const char **name);
/* What is known of a node, and of the drive in front of it (NULL drive: of a node alone). */
typedef struct BlockInfo {
    const char *drive, *owner;            /* owner: the device, NULL: none */
    const char *node, *filename, *driver; /* NULL driver: nothing inserted */
    struct BlockNode *image;              /* for what block/node.h offers; NULL: nothing inserted */
    const char *backing;                  /* the file below, NULL: none */
    int depth;                            /* how many are below */
    uint64_t size;
    bool read_only, writethrough, direct, no_flush;
    uint64_t reads, writes, flushes, read_bytes, written_bytes, errors;
    uint64_t limits[6]; /* bytes a second in all, read, written; requests likewise; 0: no limit */
    int failed;         /* a negative errno: what stopped the VM; 0: nothing */
} BlockInfo;
typedef void (*BlockInfoFn)(void *opaque, const BlockInfo *info);
void blk_foreach_drive(BlockInfoFn fn, void *opaque);
void blk_foreach_node(BlockInfoFn fn, void *opaque);
/* Takes away a -blockdev node that no drive uses. */
bool blk_del_blockdev(const char *node, Error **errp) MUST_CHECK;
/* blockdev-reopen: @options (NULL-terminated) are JSON objects as for -blockdev, of nodes that are there. */
bool blk_reopen(const char *const *options, Error **errp) MUST_CHECK;
/* blockdev-snapshot-sync: a new image above the present one takes what the drive writes from now on. */
typedef struct BlockSnapshotSpec {
    const char *device, *node; /* the drive, by its name or that of its node */
    const char *file, *format; /* NULL format: qcow2 */
    const char *new_node;      /* node-name of the new image, NULL: none */
    bool existing;             /* the image is there already, and fits */
} BlockSnapshotSpec;
/* The new image's node, without a reference; NULL on failure. */
struct BlockNode *blk_snapshot_external(const BlockSnapshotSpec *spec, Error **errp);
/* blockdev-snapshot: the same with a node that is there already. */
struct BlockNode *blk_snapshot_with(const char *node, const char *overlay, Error **errp);
/* Takes such a snapshot back: what was below is in its place again. */
void blk_snapshot_undo(struct BlockNode *top);
/* The node of a drive, or of that node-name; NULL: none. */
struct BlockNode *blk_find_top(const char *device);
/* The same, NULL, with an error: none. Filters in front are passed by. */
struct BlockNode *blk_find_node(const char *device, Error **errp);
/* Devices that can tell their drivers do; others show it when these look. */
bool blk_resize(const char *device, uint64_t size, Error **errp) MUST_CHECK;
/* What the drive's image has goes into its backing file, at once; everybody waits. */
bool blk_commit(const char *device, Error **errp) MUST_CHECK;
/* What @node, in the chain of @device, says of its backing file; the graph stays. */
bool blk_change_backing_file(const char *device, const char *node, const char *backing,
                             Error **errp) MUST_CHECK;
/* Limits on what a drive does, in the order of BlockInfo.limits; @max: in a burst; @group NULL: its own. */
bool blk_set_limits(const char *drive, const uint64_t limits[6], const uint64_t max[6],
                    uint64_t iops_size, const char *group, Error **errp) MUST_CHECK;
void blk_print_info(GString *out); /* info block */
void blk_close_all(void);          /* drains, flushes, unlocks */

#endif
