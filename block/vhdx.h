/* SPDX-License-Identifier: MIT */
/*
 * VHDX, the disks of Hyper-V's second generation (specification: Microsoft, [MS-VHDX]).  All metadata changes
 * go through a log:
 *
 *   vhdx.c      headers, regions, the block allocation table, new images
 *   vhdx-log.c  the log: replay, and entries of our own
 *   vhdx-parent.c  differencing images: which parent, and sectors that are not there
 *
 * Opening changes nothing: what the log of an image that was left open has to say is put over the tables in
 * memory; the first write replays it into the file.
 */
#ifndef BLOCK_VHDX_H
#define BLOCK_VHDX_H

#include "blockmap.h"

enum {
    VHDX_PAGE = 4096, /* what the log is made of, and what it says */
    VHDX_MIB = 1 << 20,
    VHDX_GUID_LEN = 16,
    VHDX_HEADER_LEN = 4096,
};

/* The header. */
enum {
    VHDX_HEADER_CRC = 4,
    VHDX_HEADER_SEQUENCE = 8,
    VHDX_FILE_WRITE_GUID = 16,
    VHDX_DATA_WRITE_GUID = 32,
    VHDX_LOG_GUID = 48,
    VHDX_LOG_VERSION = 64,
    VHDX_VERSION = 66,
    VHDX_LOG_LEN = 68,
    VHDX_LOG_OFFSET = 72,
};

/* Entries of the block allocation table. */
enum {
    VHDX_STATE_MASK = 7,
    VHDX_NOT_PRESENT = 0,
    VHDX_UNDEFINED = 1,
    VHDX_ZERO = 2,
    VHDX_UNMAPPED = 3,
    VHDX_PRESENT = 6,
    VHDX_IN_PARTS = 7,
};

/* The metadata table and its entries. */
enum {
    VHDX_METADATA_COUNT = 10,
    VHDX_METADATA_FIRST = 32,
    VHDX_METADATA_ENTRY = 32,
    VHDX_METADATA_OFFSET = 16,
    VHDX_METADATA_BYTES = 20,
    VHDX_METADATA_FLAGS = 24,
    VHDX_METADATA_ITEMS = 64 << 10, /* where they begin in the region */
    VHDX_MAX_ENTRIES = 2047,
};
enum { VHDX_ITEM_USER = 1, VHDX_ITEM_VIRTUAL_DISK = 2, VHDX_ITEM_REQUIRED = 4 };
enum { VHDX_LEAVE_ALLOCATED = 1, VHDX_HAS_PARENT = 2 };

typedef struct VhdxRegion {
    uint64_t at;
    uint32_t len;
} VhdxRegion;

/* Where an item of metadata lies in their region; at 0: it is not there. */
typedef struct VhdxItem {
    uint32_t at, len;
} VhdxItem;

typedef struct Vhdx {
    uint8_t header[VHDX_HEADER_LEN]; /* the one that counts */
    unsigned slot;                   /* which it is */
    VhdxRegion bat, metadata;
    VhdxItem parameters, locator;
    uint32_t logical;      /* bytes of a sector */
    uint32_t chunk_ratio;  /* blocks for each entry of another kind */
    char *linkage[2];      /* GUIDs of the parent as text, NULL: there is none */
    bool pending;          /* the log says what the file does not have yet */
    uint64_t last_offset;  /* how long the log says that the file is */
    uint64_t log_sequence; /* of the next entry */
} Vhdx;

/* Where the entry of a block lies in the file. */
uint64_t vhdx_entry_at(const BlockMap *m, uint64_t block);
/* As the file is with what the log says. */
int vhdx_read_tables(BlockMap *m, uint64_t at, uint8_t *buf, size_t len);

/* --- Differencing images --- */

enum { VHDX_LOCATOR_MAX = 64 << 10 };
extern const uint8_t vhdx_item_locator[VHDX_GUID_LEN];
extern const BlockMapOps vhdx_ops, vhdx_child_ops;
/* Takes the parent's names and identifiers from the locator. */
bool vhdx_read_locator(BlockMap *m, Error **errp) MUST_CHECK;
/* A locator for the parent @backing of the image @filename, as long as @len says; NULL on failure. */
uint8_t *vhdx_make_locator(const char *filename, const char *backing, uint32_t *len, Error **errp);
int vhdx_part(BlockMap *m, uint64_t block, uint64_t host, uint32_t from, uint32_t *len,
              bool *there);
int vhdx_mark_all(BlockMap *m, uint64_t block, uint64_t host);
bool vhdx_backing_fits(BlockNode *n, Error **errp);
bool vhdx_set_backing(BlockNode *n, const char *file, const char *format, Error **errp);
bool vhdx_make_empty(BlockNode *n, Error **errp);

/* CRC-32C, continued from @crc (0 at the start). */
uint32_t vhdx_crc(uint32_t crc, const uint8_t *p, size_t len);

/* What the log of a file that was left open says: into the tables in memory, or (@write) into the file. */
int vhdx_log_replay(BlockMap *m, bool write);
/* An entry that says nothing: the log of the header's identifier is never empty. */
int vhdx_log_start(BlockMap *m);
/* BlockMapOps.write_sectors. */
int vhdx_log_write(BlockMap *m, GArray *runs);

#endif
