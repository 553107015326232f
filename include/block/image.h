/* SPDX-License-Identifier: MIT */
/*
 * Images as files: making them, describing them, checking them, their internal snapshots.  For tools and the
 * monitor; main thread.
 */
#ifndef BLOCK_IMAGE_H
#define BLOCK_IMAGE_H

#include <json-glib/json-glib.h>

#include "block/node.h"

/* --- Formats --- */

typedef struct ImageOption {
    const char *name, *help;
} ImageOption;

/* What -o of create accepts (ends with a NULL name); NULL: no such format, or it is not made here. */
const ImageOption *image_create_options(const char *format);
/* Calls @fn with the name of each driver. */
void image_foreach_format(void (*fn)(const char *name, void *opaque), void *opaque);
/* How long the header of a LUKS image is, by the options of "create", of which it takes those. */
bool image_luks_room(Opts *o, uint64_t *bytes, Error **errp) MUST_CHECK;
/* Makes an image; @o has "size" and the format's options, and is empty afterwards. */
bool image_create(const char *what, const char *format, const char *filename, Opts *o,
                  Error **errp) MUST_CHECK;

/* What -o of amend accepts; NULL: no such format, or its images stay as they are. */
const ImageOption *image_amend_options(const char *format);
/* Changes what the image is; the contents stay. */
bool image_amend(BlockNode *n, Opts *o, bool force, Error **errp) MUST_CHECK;

/* --- What an image is --- */

/* A new one reads as zeroes. */
bool image_new_is_zero(const BlockNode *n);
uint64_t image_cluster_size(const BlockNode *n); /* 0: it has none */
bool image_dirty(const BlockNode *n);            /* marked as not closed */
bool image_encrypted(const BlockNode *n);        /* the contents are */
uint64_t image_disk_size(
    const BlockNode *n); /* bytes that the host holds for this file; UINT64_MAX: not known */
bool image_whole_blocks(const BlockNode *n); /* is best written with block_write_compressed() */
const char *image_backing_file(const BlockNode *n); /* as the image has it; NULL: none */
const char *image_backing_format(const BlockNode *n);
/* Where the file is that image @image calls @backing: beside the image, unless its name says all. g_malloc'd. */
char *image_backing_path(const char *image, const char *backing);
/* What only this format has, named as management tools expect; NULL: nothing. */
JsonObject *image_specific(const BlockNode *n);
/* "1.5 GiB" in @buf. */
const char *image_size_text(uint64_t bytes, char buf[static 32]);
/* Another backing file (NULL: none) in the header; the contents stay. */
bool image_set_backing(BlockNode *n, const char *file, const char *format, Error **errp) MUST_CHECK;

/* How far something is. */
typedef void (*ImageProgress)(void *opaque, uint64_t done, uint64_t size);
/*
 * What @n has goes into @base, which is below and has become writable; then @n is empty unless @keep.  Nobody
 * writes meanwhile.  @progress may be NULL.
 */
bool image_commit(BlockNode *n, BlockNode *base, bool keep, ImageProgress progress, void *opaque,
                  Error **errp) MUST_CHECK;

/* Nothing is stored in it any more: the backing file shows through. */
bool image_make_empty(BlockNode *n, Error **errp) MUST_CHECK;

/* --- Consistency --- */

typedef struct ImageCheck {
    uint64_t check_errors; /* places that could not be read */
    uint64_t corruptions, leaks, corruptions_fixed, leaks_fixed;
    uint64_t total_clusters, allocated_clusters, fragmented_clusters, compressed_clusters;
    uint64_t end_offset;                            /* of the last cluster in use */
    void (*report)(void *opaque, const char *text); /* NULL, or called with each finding */
    void *opaque;
} ImageCheck;

typedef enum ImageFix { IMAGE_FIX_LEAKS = 1, IMAGE_FIX_ERRORS = 2 } ImageFix;

bool image_can_check(const BlockNode *n);
/* False: it could not be done; what was found is in @check. */
bool image_check(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp) MUST_CHECK;

/* --- Persistent bitmaps (block/dirty-bitmap.h): loaded when it is opened, stored when it is closed --- */

/* Whether the image can keep them. */
bool image_can_keep_bitmaps(const BlockNode *n, Error **errp) MUST_CHECK;
/* Stores them now, for who wants to know whether that works. */
bool image_store_bitmaps(BlockNode *n, Error **errp) MUST_CHECK;

/* --- Internal snapshots --- */

typedef struct ImageSnapshot {
    const char *id, *name;
    uint64_t vm_state_size, disk_size, vm_clock_nsec, icount; /* icount UINT64_MAX: not known */
    uint32_t date_sec, date_nsec;
} ImageSnapshot;

bool image_can_snapshot(const BlockNode *n);
/* A line of a list for people, NULL: its heading; g_malloc'd. */
char *image_snapshot_line(const ImageSnapshot *sn);
void image_snapshot_foreach(BlockNode *n, void (*fn)(void *opaque, const ImageSnapshot *sn),
                            void *opaque);
/* A read-only node becomes what the image was then. */
bool image_snapshot_view(BlockNode *n, const char *name, Error **errp) MUST_CHECK;
/* With the name, the VM clock and the size of the VM state in @like. */
bool image_snapshot_create(BlockNode *n, const ImageSnapshot *like, Error **errp) MUST_CHECK;
/* The disk is as it was then; what was written since is lost. @name: a name or an id. */
bool image_snapshot_apply(BlockNode *n, const char *name, Error **errp) MUST_CHECK;
bool image_snapshot_delete(BlockNode *n, const char *name, Error **errp) MUST_CHECK;

/*
 * The state of a machine, which the next snapshot takes with it: written from its start on, without gaps.
 * 0 or a negative errno.
 */
int image_vm_state_write(BlockNode *n, uint64_t offset, const void *buf, size_t len);
/* What a snapshot has of it: -EIO beyond its end. */
int image_vm_state_read(BlockNode *n, const char *snapshot, uint64_t offset, void *buf, size_t len);

#endif
