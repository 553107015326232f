/* SPDX-License-Identifier: MIT */
/*
 * The qcow2 format, versions 2 and 3 (specification: "Qcow2 Image File Format", QEMU interoperability
 * documents).  One header for the files that implement it:
 *
 *   qcow2-header.c    header and extensions, opening and closing
 *   qcow2-cache.c     L2 tables and refcount blocks in memory; qcow2_commit() writes them in order
 *   qcow2-refcount.c  refcounts and the allocation of host clusters
 *   qcow2-map.c       guest clusters to host clusters
 *   qcow2-io.c        reading, writing, zeroing, discarding
 *   qcow2-compress.c  compressed clusters (qcow2-zstd.c, or qcow2-nozstd.c without that library)
 *   qcow2-crypt.c     guest data encrypted with a key in a LUKS header
 *   qcow2-create.c    new images, their sizes, and the driver's table
 *   qcow2-bitmap.c    persistent bitmaps of what was written
 *   qcow2-amend.c     changes of version, refcounts and features
 *   qcow2-snapshot.c  internal snapshots; qcow2-snapshot-table.c: where they are listed
 *   qcow2-vmstate.c   the state of a machine in them
 *   qcow2-tree.c      all that an L1 table leads to: references and flags
 *   qcow2-check.c     consistency, and new refcounts for images that lack it
 *
 * What makes it safe.  Metadata is written by qcow2_commit() alone: refcounts of what is newly allocated,
 * then (after a flush, which covers the data too) the tables that refer to it, then a flush.  References
 * that go away are kept in a list, and taken from the refcounts after that.  So at every moment, whatever
 * the host's caches have reordered, the image on disk refers only to what is there and counted; at worst
 * something is counted that nobody refers to (a leak).  Header fields change in one write of a sector.
 *
 * Locks, in this order:
 *   commit  one thread at a time writes metadata
 *   io      shared by requests, from the lookup of a host cluster to the end of the transfer; exclusive for
 *           whoever makes host clusters free again or changes the tables as a whole
 *   meta    everything in memory; held for lookups and changes, not for the transfer of guest data
 */
#ifndef QCOW2_H
#define QCOW2_H

#include <pthread.h>

#include "block-int.h"
#include "luks.h"

#define QCOW2_MAGIC 0x514649fbU

enum {
    QCOW2_MIN_CLUSTER_BITS = 9,
    QCOW2_MAX_CLUSTER_BITS = 21,
    QCOW2_MAX_L1_BYTES = 32 << 20,
    QCOW2_MAX_RT_BYTES = 8 << 20,
    QCOW2_MAX_SNAPSHOTS = 65536,
    QCOW2_MAX_SNAPSHOT_BYTES = 64 << 20,
    QCOW2_HEADER_V2 = 72,
    QCOW2_HEADER_V3 = 104,
    QCOW2_HEADER_TYPED = 112, /* with a compression type */
    QCOW2_MAX_BACKING_NAME = 1023,
};

/* Feature bits. */
#define INCOMPAT_DIRTY       (1ULL << 0)
#define INCOMPAT_CORRUPT     (1ULL << 1)
#define INCOMPAT_DATA_FILE   (1ULL << 2)
#define INCOMPAT_COMPRESSION (1ULL << 3)
#define INCOMPAT_EXTENDED_L2 (1ULL << 4)
#define INCOMPAT_KNOWN       0x1fULL
#define COMPAT_LAZY          (1ULL << 0)
#define AUTOCLEAR_BITMAPS    (1ULL << 0)
#define AUTOCLEAR_RAW_DATA   (1ULL << 1)

/* Bits of table entries. */
#define ENTRY_COPIED     (1ULL << 63) /* the refcount is exactly one: may be changed in place */
#define ENTRY_COMPRESSED (1ULL << 62)
#define ENTRY_ZERO       (1ULL << 0)
#define ENTRY_OFFSET     0x00fffffffffffe00ULL

typedef enum Qcow2Compression { QCOW2_ZLIB, QCOW2_ZSTD } Qcow2Compression;
extern const char *const qcow2_compression_names[];

typedef struct Qcow2Cache {
    GHashTable *tables; /* by offset in the file */
    GQueue lru;         /* the least recently used first */
    unsigned max, dirty;
} Qcow2Cache;

/* One cluster of metadata, as in the file (big-endian). */
typedef struct Qcow2Table {
    uint64_t offset;
    bool dirty, writing;
    GList *link; /* in lru */
    uint8_t data[];
} Qcow2Table;

/* A table that is always in memory (L1, refcount table), in host order; entries lo..hi-1 are dirty. */
typedef struct Qcow2Array {
    uint64_t *e;
    uint32_t n;
    uint64_t offset;
    uint32_t lo, hi;
} Qcow2Array;

typedef struct Qcow2Snapshot {
    char *id, *name;
    uint64_t l1_offset;
    uint32_t l1_size;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_nsec, vm_state_size, disk_size, icount;
    GBytes *more; /* extra data that is not known here */
} Qcow2Snapshot;

/* Flags of bitmaps. */
#define BITMAP_IN_USE      (1U << 0) /* not stored since it was opened for writing */
#define BITMAP_AUTO        (1U << 1) /* records what is written */
#define BITMAP_KNOWN_FLAGS 7U
enum { QCOW2_BITMAPS_EXT_LEN = 24, QCOW2_CRYPT_EXT_LEN = 16 };

/* A persistent bitmap, as it is in the file. */
typedef struct Qcow2Bitmap {
    char *name;
    uint64_t table_offset;
    uint32_t table_size; /* entries, 0: all bits are clear */
    uint32_t flags;
    uint64_t flags_at; /* where they are in the directory */
    unsigned granularity_bits;
} Qcow2Bitmap;

/* A header extension that is kept as it is. */
typedef struct Qcow2Extension {
    uint32_t type;
    GBytes *data;
} Qcow2Extension;

/* Clusters that are being written for the first time. */
typedef struct Qcow2Flight {
    uint64_t first, count; /* guest clusters */
} Qcow2Flight;

typedef struct Qcow2 {
    BlockNode *n;
    /* Fixed while open. */
    unsigned version, cluster_bits, refcount_order, header_length;
    uint32_t cluster_size;
    bool extended_l2;
    unsigned subs;     /* subclusters a cluster: 1, or 32 with extended L2 entries */
    unsigned sub_bits; /* log2 of a subcluster's bytes */
    unsigned l2_bits;  /* log2 of the entries of an L2 table */
    unsigned rb_bits;  /* log2 of the entries of a refcount block */
    Qcow2Compression compression;
    BlockNode *data;         /* where guest data lies: n->file, or the external data file */
    char *data_file;         /* its name */
    uint64_t backing_offset; /* of the backing file's name, 0: none */
    bool repairing;          /* opened for check: bitmaps are not looked into */
    bool rt_bad;             /* the refcount table names places that cannot be */
    GPtrArray *extensions;   /* Qcow2Extension */
    bool encrypted;          /* guest data is, by a key in a LUKS header */
    Luks *luks;              /* that header, NULL: a new image is being made */
    Crypt *crypt;            /* NULL: opened without the key; guest data is out of reach */
    uint64_t crypt_offset, crypt_bytes; /* of the LUKS header */

    pthread_mutex_t commit;
    pthread_rwlock_t io;
    GMutex meta;

    /* meta */
    uint64_t incompatible, compatible, autoclear;
    Qcow2Array l1, rt;
    uint32_t rt_clusters;
    bool rt_moved; /* the header has the old place */
    Qcow2Cache l2_cache, rb_cache;
    GArray *dropped;         /* uint64_t host clusters: references that go after the next commit */
    GPtrArray *flights;      /* Qcow2Flight * */
    GCond landed;            /* one of them is over */
    uint64_t free_hint;      /* no cluster below is free */
    uint64_t fresh;          /* clusters from here on have never been written */
    uint64_t compressed_end; /* where the next compressed cluster may go on, 0: nowhere */
    GPtrArray *snapshots;    /* Qcow2Snapshot * */
    uint64_t snapshots_offset;
    uint64_t snapshots_bytes;
    GPtrArray *bitmaps;                     /* Qcow2Bitmap * */
    uint64_t bitmaps_offset, bitmaps_bytes; /* of their directory */

    GMutex inflated_lock; /* the compressed cluster that was read last */
    uint64_t inflated_desc;
    uint8_t *inflated;
} Qcow2;

static inline Qcow2 *qcow2_of(BlockNode *n)
{
    return n->opaque;
}

static inline uint64_t qcow2_clusters(const Qcow2 *q, uint64_t bytes)
{
    return (bytes >> q->cluster_bits) + !!(bytes & (q->cluster_size - 1));
}

static inline bool qcow2_aligned(const Qcow2 *q, uint64_t offset)
{
    return !(offset & (q->cluster_size - 1));
}

static inline bool qcow2_external(const Qcow2 *q)
{
    return q->data != q->n->file;
}

/* How many L1 entries a disk of @size needs. */
uint64_t qcow2_l1_entries(const Qcow2 *q, uint64_t size);

/* --- Header --- */

bool qcow2_probe(const uint8_t *head);
bool qcow2_open(BlockNode *n, Opts *o, unsigned flags, Error **errp);
void qcow2_close(BlockNode *n);
/* The fields that change while open, as they are in memory; how many bytes of them there are. */
void qcow2_encode_header(const Qcow2 *q, uint8_t raw[static QCOW2_HEADER_V3]);
size_t qcow2_fixed_header(const Qcow2 *q);
/* The same, in one write. */
int qcow2_write_header(Qcow2 *q);
/* All of the first cluster, with extensions and the backing file's name. */
int qcow2_rewrite_header(Qcow2 *q);
void qcow2_extension_free(gpointer p);
/* What opening for writing does beyond opening. */
bool qcow2_prepare_writing(Qcow2 *q, Error **errp);

/* --- Cache (meta held, but for commit) --- */

void qcow2_cache_init(Qcow2Cache *c, unsigned max);
void qcow2_cache_fini(Qcow2Cache *c);
/* The table at @offset; valid until meta is released. */
int qcow2_table_get(Qcow2 *q, Qcow2Cache *c, uint64_t offset, Qcow2Table **out);
/* One of zeroes, dirty. */
Qcow2Table *qcow2_table_new(Qcow2 *q, Qcow2Cache *c, uint64_t offset);
void qcow2_table_dirty(Qcow2Cache *c, Qcow2Table *t);
void qcow2_table_forget(Qcow2Cache *c, uint64_t offset);
void qcow2_array_dirty(Qcow2Array *a, uint32_t i);
int qcow2_array_write(Qcow2 *q, const Qcow2Array *a, uint32_t lo, uint32_t hi);
/* @n big-endian numbers of 64 bits at @offset in the file, in host order. */
int qcow2_read_words(Qcow2 *q, uint64_t offset, uint64_t *out, uint64_t n);

/* Writes all metadata in order and flushes: what was written before is stable when it returns 0.  No lock held. */
int qcow2_commit(Qcow2 *q);
/* The same inside qcow2_exclusive_begin()/_end(), where meta is not held either. */
int qcow2_commit_exclusive(Qcow2 *q);
/* Keeps the caches and the list of dropped references within bounds.  No lock held. */
int qcow2_commit_if_needed(Qcow2 *q);
/* No request is running and none starts. */
void qcow2_exclusive_begin(Qcow2 *q);
void qcow2_exclusive_end(Qcow2 *q);

/* --- Refcounts (meta held) --- */

uint64_t qcow2_refcount_read(const Qcow2 *q, const uint8_t *block, uint64_t i);
void qcow2_refcount_write(const Qcow2 *q, uint8_t *block, uint64_t i, uint64_t value);
uint64_t qcow2_refcount_max(const Qcow2 *q);
int qcow2_refcount_get(Qcow2 *q, uint64_t cluster, uint64_t *out);
/* The block must be there. */
int qcow2_refcount_set(Qcow2 *q, uint64_t cluster, uint64_t value);
/* Adds 1 or -1; the block must be there. */
int qcow2_refcount_change(Qcow2 *q, uint64_t cluster, int delta);
/* Contiguous clusters with a refcount of 1: @want of them, or fewer (at least 1) with @got; their offset in *out. */
int qcow2_alloc(Qcow2 *q, uint64_t want, uint64_t *got, uint64_t *out);
/* Takes one more reference of a cluster that may be free. */
int qcow2_alloc_at(Qcow2 *q, uint64_t cluster);
/* Gives back what has never been referred to. */
void qcow2_unalloc(Qcow2 *q, uint64_t offset, uint64_t count);
/* One reference goes away, after the next commit. */
void qcow2_drop(Qcow2 *q, uint64_t offset, uint64_t count);
/* What the next commit does with them.  All locks held. */
int qcow2_apply_dropped(Qcow2 *q, GArray *dropped);

/* --- Mapping (meta held) --- */

/* An L2 entry.  Without extended entries, bit 0 and bit 32 of @subs say what the one subcluster is. */
typedef struct Qcow2Entry {
    uint64_t desc;
    uint64_t subs; /* bits 0-31: stored in the host cluster; 32-63: reads as zeroes */
} Qcow2Entry;

typedef enum Qcow2Kind {
    QCOW2_NOTHING, /* the backing file has it */
    QCOW2_ZERO,
    QCOW2_DATA,
    QCOW2_COMPRESSED,
} Qcow2Kind;

typedef struct Qcow2Run {
    Qcow2Kind kind;
    uint64_t len; /* bytes from the asked offset */
    uint64_t
        host; /* DATA: where; COMPRESSED: the descriptor; ZERO: 0, or the cluster kept for it */
} Qcow2Run;

/* Whether a host cluster belongs to the entry (not for compressed ones), and where. */
bool qcow2_entry_host(const Qcow2 *q, const Qcow2Entry *e, uint64_t *host);
/* The entry of a guest cluster. */
int qcow2_entry_get(Qcow2 *q, uint64_t cluster, Qcow2Entry *e);
/* Changes it; qcow2_l2_writable() came before. */
int qcow2_entry_set(Qcow2 *q, uint64_t cluster, const Qcow2Entry *e);
/* Makes sure that the L2 table of a guest cluster is there and nobody else's. */
int qcow2_l2_writable(Qcow2 *q, uint64_t cluster);
/* What the bytes at a guest offset are, and how many (at most @len) are the like. */
int qcow2_map(Qcow2 *q, uint64_t offset, uint64_t len, Qcow2Run *run);
/* The same by another L1 table. */
int qcow2_map_in(Qcow2 *q, const Qcow2Array *l1, uint64_t offset, uint64_t len, Qcow2Run *run);
/* Drops the reference to what the entry has in the host. */
void qcow2_entry_drop(Qcow2 *q, const Qcow2Entry *e);
/* Reads entry @i of the table @t. */
int qcow2_entry_decode(const Qcow2 *q, const uint8_t *table, uint64_t i, Qcow2Entry *e);
void qcow2_entry_encode(const Qcow2 *q, uint8_t *table, uint64_t i, const Qcow2Entry *e);
/* The host bytes of a compressed cluster. */
void qcow2_compressed_range(const Qcow2 *q, uint64_t desc, uint64_t *offset, uint64_t *len);

/* --- Requests --- */

int qcow2_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int qcow2_pwritev(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov);
int qcow2_flush(BlockNode *n);
int qcow2_discard(BlockNode *n, uint64_t offset, uint64_t len);
int qcow2_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool may_unmap);
int qcow2_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st);
/* Nothing below can show through, now or when another program opens the image. */
bool qcow2_nothing_below(const Qcow2 *q);
int qcow2_write_zero_bytes(BlockNode *n, uint64_t offset, uint64_t len);
/* Host clusters for everything that has none, without data. */
int qcow2_preallocate(Qcow2 *q, uint64_t offset, uint64_t len);

/* Reads from byte @skip of the compressed cluster @desc.  io held. */
int qcow2_read_compressed(Qcow2 *q, uint64_t desc, uint64_t skip, const struct iovec *iov,
                          int niov);
int qcow2_write_compressed(BlockNode *n, uint64_t offset, const void *buf, size_t len);
/* The codec of a library that may not be there.  All of @out is filled, or -EIO. */
bool qcow2_have_zstd(void);
int qcow2_inflate_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);
/* The compressed length, 0: it is more than @out_len. */
size_t qcow2_deflate_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

/* --- Encryption --- */

bool qcow2_read_crypt(Qcow2 *q, const uint8_t *ext, uint32_t len, Error **errp);
void qcow2_encode_crypt(const Qcow2 *q, uint8_t ext[static QCOW2_CRYPT_EXT_LEN]);
/* Takes encrypt.*; without a secret BLOCK_REPAIR opens the image without its guest data. */
bool qcow2_open_crypt(Qcow2 *q, Opts *o, unsigned flags, Error **errp);
void qcow2_close_crypt(Qcow2 *q);
void qcow2_describe_crypt(const Qcow2 *q, JsonObject *obj);
/* Guest data in the host's clusters. */
int qcow2_data_preadv(Qcow2 *q, uint64_t host, const struct iovec *iov, int niov);
int qcow2_data_pwritev(Qcow2 *q, uint64_t host, const struct iovec *iov, int niov);
/* What "create" says of it; *out stays NULL: the image is not encrypted. */
/* Changes of key slots, by the options "encrypt.*", which it takes. */
bool qcow2_amend_crypt(Qcow2 *q, Opts *o, bool force, Error **errp) MUST_CHECK;
bool qcow2_take_crypt(Opts *o, LuksSpec **out, Error **errp);
/* An image without guest data becomes an encrypted one. */
bool qcow2_create_crypt(Qcow2 *q, const LuksSpec *spec, Error **errp);

/* --- Whole images --- */

extern const ImageOption qcow2_amend_options[];
bool qcow2_amend(BlockNode *n, Opts *o, bool force, Error **errp);
bool qcow2_truncate(BlockNode *n, uint64_t size, BlockPrealloc prealloc, Error **errp);
/* An L1 table of @entries (at least the present ones) in a new place.  Exclusive. */
int qcow2_grow_l1(Qcow2 *q, uint64_t entries);
/* Takes the entries of guest clusters @first.. of their L2 table away.  meta held. */
int qcow2_cut_table(Qcow2 *q, uint64_t first);

/* --- Trees: all that an L1 table leads to (exclusive) --- */

int qcow2_alloc_exclusive(Qcow2 *q, uint64_t bytes, uint64_t *offset);
void qcow2_drop_exclusive(Qcow2 *q, uint64_t offset, uint64_t bytes);
/* One more reference to everything in a tree, or to nothing. */
int qcow2_take_tree(Qcow2 *q, const uint64_t *l1, uint32_t n);
int qcow2_drop_tree(Qcow2 *q, const uint64_t *l1, uint32_t n);
/* Makes ENTRY_COPIED of the active tables say what refcounts do. */
int qcow2_update_copied(Qcow2 *q);
int qcow2_clear_copied(Qcow2 *q);
/* How many entries say otherwise: where they would do harm, and where not. */
int qcow2_count_copied(Qcow2 *q, uint64_t *set, uint64_t *missing);

/* --- Snapshots --- */

bool qcow2_read_snapshots(Qcow2 *q, uint64_t offset, uint32_t count, Error **errp);
/* The table of q->snapshots in a new place, and the header that says so.  Exclusive. */
int qcow2_write_snapshots(Qcow2 *q);
void qcow2_snapshot_free(gpointer p);
/* By its id, or else by its name. */
Qcow2Snapshot *qcow2_snapshot_find(const Qcow2 *q, const char *name, Error **errp);
/* One that is not in use; g_malloc'd. */
char *qcow2_snapshot_next_id(const Qcow2 *q);
void qcow2_snapshot_foreach(BlockNode *n, void (*fn)(void *opaque, const ImageSnapshot *sn),
                            void *opaque);
bool qcow2_snapshot_view(BlockNode *n, const char *name, Error **errp);
bool qcow2_snapshot_create(BlockNode *n, const ImageSnapshot *like, Error **errp);
bool qcow2_snapshot_apply(BlockNode *n, const char *name, Error **errp);
bool qcow2_snapshot_delete(BlockNode *n, const char *name, Error **errp);
int qcow2_vm_state_write(BlockNode *n, uint64_t offset, const void *buf, size_t len);
int qcow2_vm_state_read(BlockNode *n, const char *snapshot, uint64_t offset, void *buf, size_t len);
/* The active tables hold no state of a machine any more.  Exclusive. */
int qcow2_vm_state_forget(Qcow2 *q);

/* --- Persistent bitmaps --- */

void qcow2_bitmap_free(gpointer p);
/* The directory that the header extension leads to. */
bool qcow2_read_bitmaps(Qcow2 *q, const uint8_t *ext, uint32_t ext_len, Error **errp);
void qcow2_encode_bitmaps(const Qcow2 *q, uint8_t ext[static QCOW2_BITMAPS_EXT_LEN]);
int qcow2_read_bitmap_table(Qcow2 *q, const Qcow2Bitmap *b, uint64_t **table);
/* Makes dirty bitmaps of the node from them. */
bool qcow2_load_bitmaps(Qcow2 *q, Error **errp);
/* They are in use: not to be believed until they are stored. */
int qcow2_mark_bitmaps(Qcow2 *q);
/* Stores the node's persistent ones.  No lock held. */
int qcow2_store_bitmaps(Qcow2 *q);
bool qcow2_bitmaps_possible(const BlockNode *n, Error **errp);
bool qcow2_bitmaps_store(BlockNode *n, Error **errp);
JsonArray *qcow2_bitmaps_json(const Qcow2 *q);

bool qcow2_check(BlockNode *n, ImageCheck *check, unsigned fix, Error **errp);
/* New refcounts of 1 << @order bits. */
bool qcow2_set_refcount_width(Qcow2 *q, unsigned order, Error **errp);
/* New refcounts from what is referred to.  Exclusive, or nobody else has it yet. */
bool qcow2_rebuild_refcounts(Qcow2 *q, Error **errp);

#endif
