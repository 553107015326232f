/* SPDX-License-Identifier: MIT */
/*
 * VMDK, the disks of VMware (specification: "Virtual Disk Format 5.0").  A text, the descriptor, names extents;
 * each of them is flat, sparse (grains with two levels of tables, doubled), or zeroes.  A single sparse extent
 * has the descriptor in itself; in a stream-optimized one the grains are compressed.
 *
 *   vmdk.c         the descriptor, opening, the driver
 *   vmdk-sparse.c  sparse extents
 *   vmdk-create.c  new images
 */
#ifndef BLOCK_VMDK_H
#define BLOCK_VMDK_H

#include "blockmap.h"

#define VMDK_MAGIC     0x564d444bU /* "KDMV" */
#define VMDK_NO_PARENT 0xffffffffU
/* The grain directory is named by a copy of the header at the end. */
#define VMDK_GD_AT_END UINT64_MAX

/* The header of a sparse extent. */
enum {
    VMDK_VERSION = 4,
    VMDK_FLAGS = 8,
    VMDK_CAPACITY = 12,
    VMDK_GRAIN = 20,
    VMDK_DESC_OFFSET = 28,
    VMDK_DESC_SIZE = 36,
    VMDK_GTES = 44, /* entries of a grain table */
    VMDK_RGD = 48,
    VMDK_GD = 56,
    VMDK_OVERHEAD = 64,
    VMDK_UNCLEAN = 72,
    VMDK_LINE_ENDS = 73,
    VMDK_COMPRESSION = 77,
    VMDK_HEADER_LEN = 512,
};

enum {
    VMDK_HAS_LINE_ENDS = 1 << 0,
    VMDK_HAS_RGD = 1 << 1,
    VMDK_ZEROED_GRAIN = 1 << 2,
    VMDK_COMPRESSED = 1 << 16,
    VMDK_MARKERS = 1 << 17,
};

enum {
    VMDK_SECTOR = 512,
    VMDK_DEFAULT_GTES = 512,
    VMDK_DEFAULT_GRAIN = 128, /* sectors */
    VMDK_DESC_SECTORS = 20,
    VMDK_MAX_DESC = 1 << 20,
};

/* What all extents of an image share. */
typedef struct Vmdk {
    int refs; /* one for each extent */
    BlockNode *n;
    char *create_type;
    uint32_t cid, parent_cid;
    uint64_t desc_offset, desc_size; /* in n->file */
    GMutex lock;
    bool cid_changed; /* since opening */
} Vmdk;

/* An extent: what a map's opaque is. */
typedef struct VmdkExtent {
    Vmdk *image;
    char *type;        /* as the descriptor has it, "" for the one that is the image itself */
    uint64_t gd, rgd;  /* bytes; rgd 0: there is none */
    uint64_t overhead; /* no grain lies before */
    uint32_t gtes;
    bool sparse, zeroed, footer;
} VmdkExtent;

/* Before the first change of any extent: another content identifier.  BlockMapOps.begin. */
int vmdk_begin(BlockMap *m);
void vmdk_extent_free(BlockMap *m);
/* A sparse extent in @file for @size bytes (UINT64_MAX: as many as it says) of the disk; takes over @x. */
bool vmdk_open_sparse(BlockNode *n, BlockNode *file, VmdkExtent *x, uint64_t base, uint64_t size,
                      Error **errp);
uint32_t vmdk_content_id(const BlockNode *n);

extern const ImageOption vmdk_create_options[];
bool vmdk_create(const char *what, const char *filename, Opts *o, Error **errp);

#endif
