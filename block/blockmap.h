/* SPDX-License-Identifier: MIT */
/*
 * What most image formats are: a disk cut into blocks of one size, and a table in the file that says where each
 * block lies.  A format brings a header and the functions that read and write its table's entries; requests,
 * allocation, zeroes, status and checks are here.
 *
 *   blockmap.c        requests on a map
 *   blockmap-node.c   the driver's functions for nodes made of maps
 *   blockmap-meta.c   the tables' sectors in memory, and the order in which they reach the file
 *   blockmap-check.c  consistency
 *   blockmap-format.c what formats need to make and open images
 *
 * What makes it safe.  New blocks are taken at the end of the file, which holds nothing; what an entry will
 * refer to (data, or a table of zeroes) is written at once, the entry into memory.  blockmap_commit() flushes
 * the file, which makes stable all that entries refer to, then writes the changed sectors of tables, and flushes
 * again.  Blocks never move and are never given back, so in whatever order the host writes these sectors, the
 * tables refer only to what is there; at worst space at the end is used by nobody.  An entry is never split by
 * the border of a sector.
 *
 * Locks, in this order: commit (one thread at a time writes tables), then lock (all that is in memory; not held
 * during transfers of data).
 */
#ifndef BLOCK_BLOCKMAP_H
#define BLOCK_BLOCKMAP_H

#include "block-int.h"

typedef enum MapKind {
    MAP_NOTHING, /* the backing file has it; zeroes without one */
    MAP_ZERO,
    MAP_DATA,
    MAP_COMPRESSED, /* stored, and replaced, as a whole */
} MapKind;

typedef struct MapEntry {
    MapKind kind;
    uint64_t host; /* DATA, COMPRESSED: where in the file */
    uint64_t span; /* NOTHING, ZERO: how many blocks from this one on are alike, 0: not known */
} MapEntry;

typedef struct BlockMap BlockMap;

typedef struct BlockMapOps {
    /* The entry of a block; -EUCLEAN: it says what cannot be (e->host: where). lock held. */
    int (*get)(BlockMap *m, uint64_t block, MapEntry *e);
    /* Changes it (NULL: never), after ready(), which makes sure that there is a table (NULL: always). lock held. */
    int (*set)(BlockMap *m, uint64_t block, const MapEntry *e);
    int (*ready)(BlockMap *m, uint64_t block);

    /* Those that may be NULL. */
    void (*free)(
        BlockMap *m); /* what is at opaque, NULL: g_free() is enough; the file itself stays */
    /* Before the first change since opening, and after the last.  No lock is held. */
    int (*begin)(BlockMap *m);
    int (*end)(BlockMap *m);
    /* Behind them: says in the file that somebody has it open for changes, or has not.  No lock is held. */
    int (*mark)(BlockMap *m, bool open);
    /* All of a compressed block.  No lock is held. */
    int (*inflate)(BlockMap *m, uint64_t block, uint64_t host, uint8_t *out);
    /* Stores a whole block in a new place, which goes to @e: all writes go this way.  No lock is held. */
    int (*store)(BlockMap *m, uint64_t block, const uint8_t *data, MapEntry *e);
    /* A block has got the space from @at on; fills in the prefix.  No lock is held. */
    int (*placed)(BlockMap *m, uint64_t at);
    /* Blocks that are there in parts: how many bytes (at most *len) from @from on are alike; and all of them
     * are there from now on. lock held. */
    int (*part)(BlockMap *m, uint64_t block, uint64_t host, uint32_t from, uint32_t *len,
                bool *there);
    int (*mark_all)(BlockMap *m, uint64_t block, uint64_t host);
    /* Makes every block MAP_NOTHING, and says where the tables that stay end. lock held. */
    int (*clear)(BlockMap *m, uint64_t *end);
    /* commit: what goes into the file with the data, before tables; and a way of its own to write those. */
    int (*before_commit)(BlockMap *m);
    int (*write_sectors)(BlockMap *m, GArray *runs); /* of MetaRun */
} BlockMapOps;

/* Consecutive sectors of tables, to be written. */
typedef struct MetaRun {
    uint64_t at;
    uint32_t len;
    uint8_t *data;
} MetaRun;

struct BlockMap {
    const BlockMapOps *ops;
    BlockNode *n;    /* the disk, with its backing file */
    BlockNode *file; /* what holds this map's part of it */
    void *opaque;    /* the format's */
    /* Fixed while open. */
    uint64_t base, size; /* the part of the disk */
    uint64_t blocks;
    uint32_t block_size, prefix;
    uint64_t data_start;        /* no block lies before it in the file */
    uint64_t align, align_base; /* where blocks may lie: a multiple of @align behind @align_base */
    uint64_t limit;             /* the longest file that entries reach */
    bool flat;                  /* blocks are an invention: it is bytes in order */
    bool can_zero;              /* entries can be MAP_ZERO */
    bool leaks_end;             /* nothing but blocks lies behind the first of them */
    bool left_open; /* the mark was there on opening; it stays until a check finds nothing */

    GMutex commit;
    bool begun; /* atomic */

    GMutex lock;
    GHashTable *sectors; /* of tables: MetaSector by offset */
    unsigned dirty;      /* of them */
    uint64_t end;        /* of what is in use in the file */
    GPtrArray *busy;     /* MapBusy *: blocks that are being made */
    GCond idle;          /* one of them is made */

    GMutex inflated_lock;
    uint64_t inflated_host; /* the compressed block that was read last, 0: none */
    uint8_t *inflated;
};

/* A map for a part of @n's disk, added to those that the node has; the format fills in the rest, then: */
BlockMap *blockmap_new(BlockNode *n, BlockNode *file, const BlockMapOps *ops, void *opaque);
/* The same for bytes of the file as they are, from @host on. */
enum { BLOCKMAP_FLAT_BLOCK = 64 << 20 };
int blockmap_flat_get(BlockMap *m, uint64_t block, MapEntry *e);
BlockMap *blockmap_new_flat(BlockNode *n, BlockNode *file, uint64_t host, uint64_t size);
/* Checks what the format has filled in, and finds the end of what is in use.  @tail: bytes of a trailer that new
 * blocks overwrite. */
bool blockmap_ready(BlockMap *m, uint64_t tail, Error **errp);
/* The first map, of formats that have but one. */
BlockMap *blockmap_of(const BlockNode *n);
/* Frees the maps of a node whose opening failed. */
void blockmap_discard_all(BlockNode *n);

/* What comes before the first change; formats whose check mends something do it, too. */
int blockmap_begin(BlockMap *m);

/* Space for @bytes at the end. lock held. */
int blockmap_alloc(BlockMap *m, uint64_t bytes, uint64_t *at);
/* The same filled with zeroes, as tables begin. lock held. */
int blockmap_alloc_table(BlockMap *m, uint64_t bytes, uint64_t *at);

/* Bytes of tables, inside one sector. lock held. */
int blockmap_meta_read(BlockMap *m, uint64_t at, void *buf, size_t len);
int blockmap_meta_write(BlockMap *m, uint64_t at, const void *buf, size_t len);
/* Bytes go into the file at once, past the sectors in memory. lock held. */
int blockmap_meta_direct(BlockMap *m, uint64_t at, const void *buf, size_t len);
/*
 * The bits from @first on in a table at @at: whether it is set, and how many of the next, up to @count, are alike.
 * @high: the first bit of a byte is its highest. lock held.
 */
int blockmap_meta_bits(BlockMap *m, uint64_t at, bool high, uint64_t first, uint64_t count,
                       bool *set, uint64_t *alike);
void blockmap_meta_init(BlockMap *m);
void blockmap_meta_fini(BlockMap *m);
/* Writes tables: what was written before is stable when it returns 0.  No lock is held. */
int blockmap_commit(BlockMap *m);
int blockmap_commit_if_needed(BlockMap *m);

/* --- The same as a driver's functions, for one map: offsets are its own, ranges inside it --- */

int blockmap_map_preadv(BlockMap *m, uint64_t offset, const struct iovec *iov, int niov);
int blockmap_map_pwritev(BlockMap *m, uint64_t offset, const struct iovec *iov, int niov);
int blockmap_map_zero(BlockMap *m, uint64_t offset, uint64_t len, bool may_unmap);
int blockmap_map_discard(BlockMap *m, uint64_t offset, uint64_t len);
int blockmap_map_status(BlockMap *m, uint64_t offset, uint64_t len, BlockStatus *st);
int blockmap_map_make_empty(BlockMap *m);
/* After the last change: all is in the file, and the marks are gone. */
int blockmap_map_end(BlockMap *m);

/* --- For drivers: the functions of nodes made of maps --- */

void blockmap_close(BlockNode *n);
int blockmap_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int blockmap_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int blockmap_flush(BlockNode *n);
int blockmap_discard(BlockNode *n, uint64_t offset, uint64_t len);
int blockmap_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap);
int blockmap_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st);
int blockmap_write_compressed(BlockNode *n, uint64_t offset, const void *buf, size_t len);
uint32_t blockmap_cluster_size(const BlockNode *n);
bool blockmap_dirty(const BlockNode *n); /* left open; for formats with a mark */
void blockmap_follow_file(BlockNode *n, const BlockNode *from);
bool blockmap_set_read_only(BlockNode *n, bool read_only, Error **errp);
bool blockmap_check(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp);

/* Every block is MAP_NOTHING, and what the file held is cut off behind the tables. */
bool blockmap_make_empty(BlockNode *n, Error **errp);

#define BLOCKMAP_READS                                                                             \
    .close = blockmap_close, .preadv = blockmap_preadv, .pwritev = blockmap_pwritev,               \
    .flush = blockmap_flush, .discard = blockmap_discard, .write_zeroes = blockmap_write_zeroes,   \
    .status = blockmap_status, .cluster_size = blockmap_cluster_size,                              \
    .follow_file = blockmap_follow_file
#define BLOCKMAP_WRITES BLOCKMAP_READS, .set_read_only = blockmap_set_read_only

/* --- For formats --- */

/* A host file as a node, with BlockOpenFlags. */
BlockNode *blockmap_open_file(const char *what, const char *filename, unsigned flags, Error **errp);
/* An image that is being made: an empty file, and the node that writes to it. */
BlockNode *blockmap_create_file(const char *what, const char *filename, Error **errp);
/* Formats that are only read: whether the node is. */
bool blockmap_only_read(const BlockNode *n, Error **errp);
/* Takes "size", at most @max. */
bool blockmap_take_size(Opts *o, uint64_t max, uint64_t *size, Error **errp);
/* Random bytes, marked as an identifier of that kind (RFC 4122, version 4). */
void blockmap_uuid(uint8_t uuid[static 16]);
/* @bytes bytes at @at, all of them @byte. */
int blockmap_fill(BlockNode *file, uint64_t at, uint8_t byte, uint64_t bytes);

#endif
