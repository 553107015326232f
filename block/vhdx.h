/* SPDX-License-Identifier: MIT */
/*
 * VHDX, the disks of Hyper-V's second generation (specification: Microsoft, [MS-VHDX]).  All metadata changes
 * go through a log:
 *
 *   vhdx.c      headers, regions, the block allocation table, new images
 *   vhdx-log.c  the log: replay, and entries of our own
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

typedef struct Vhdx {
    uint8_t header[VHDX_HEADER_LEN]; /* the one that counts */
    unsigned slot;                   /* which it is */
    uint64_t bat;
    uint32_t chunk_ratio;  /* blocks for each entry of another kind */
    bool pending;          /* the log says what the file does not have yet */
    uint64_t last_offset;  /* how long the log says that the file is */
    uint64_t log_sequence; /* of the next entry */
} Vhdx;

/* CRC-32C, continued from @crc (0 at the start). */
uint32_t vhdx_crc(uint32_t crc, const uint8_t *p, size_t len);

/* What the log of a file that was left open says: into the tables in memory, or (@write) into the file. */
int vhdx_log_replay(BlockMap *m, bool write);
/* An entry that says nothing: the log of the header's identifier is never empty. */
int vhdx_log_start(BlockMap *m);
/* BlockMapOps.write_sectors. */
int vhdx_log_write(BlockMap *m, GArray *runs);

#endif
