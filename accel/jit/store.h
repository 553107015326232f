/* SPDX-License-Identifier: MIT */
/*
 * Translations kept on disk, see docs/translation-cache.md: a file of records, each a block of host code with
 * the guest bytes it was made from.  A file belongs to one identity; nothing else is read from it.
 *
 * Whatever a file holds, and whoever changes it meanwhile, reading it is safe.  Threading: callers exclude each
 * other.
 */
#ifndef ACCEL_JIT_STORE_H
#define ACCEL_JIT_STORE_H

#include "tcg/backend.h"

typedef struct Store Store;

/* What a block was made from: a hit needs all of it. */
typedef struct StoreKey {
    uint64_t mode;        /* the CPU's key */
    const uint8_t *bytes; /* from the block's start on ... */
    uint32_t
        nbytes; /* ... to the end of the page, or STORE_NEXT_PAGE of the next when @straddles */
    uint16_t page_off;
    bool straddles; /* the block's one instruction goes on in the second page */
} StoreKey;

/* A block of an earlier run. */
typedef struct StoreRecord {
    uint32_t size; /* of all of it, a multiple of 8 */
    uint32_t sum;  /* of all that follows */
    uint64_t mode;
    uint16_t page_off;
    uint16_t guest_size;
    uint16_t ninsns;
    uint16_t line_off; /* the code runs at addresses that are this modulo STORE_LINE */
    uint32_t code_size, hot_size, hot_ninsns;
    uint16_t npoints, nexits;
    /* CodePoint[npoints], CodeExit[nexits], code, guest bytes, zeros up to size */
} StoreRecord;

enum { STORE_LINE = 64, STORE_NEXT_PAGE = 16 };

typedef struct StoreStats {
    uint64_t loaded; /* records in the file when it was opened */
    uint64_t bytes;  /* its size then */
    uint64_t hits, added, dropped;
} StoreStats;

/*
 * Opens @folder's file for @identity (STORE_ID_SIZE bytes), named after @arch; the folder is made when
 * it is not there.  A file that cannot be trusted, or a folder that cannot be written to, is reported
 * once, unless @quiet, and does without: never NULL.  @max_bytes: of the file, and a quarter of the folder's
 * bound.
 */
enum { STORE_ID_SIZE = 32 };
Store *store_open(const char *folder, const char *arch, const uint8_t *identity, uint64_t max_bytes,
                  bool quiet);
/* Writes what is new, and what is old again without the least recently used when it has become too much. */
void store_save(Store *s);
void store_close(Store *s); /* saves first */

/* NULL: none that is whole.  Valid until the next call.  The record has been checked: its code and tables stay inside it. */
const StoreRecord *store_find(Store *s, const StoreKey *key);
/* Gives @cb its tables (g_malloc) and copies the code to cb->rw; the place is the caller's choice. */
void store_get_code(const StoreRecord *r, CodeBlock *cb);

/* Keeps a block that was just compiled and is not linked yet, made of the key's first @guest_size bytes. */
void store_add(Store *s, const StoreKey *key, uint32_t guest_size, uint32_t ninsns,
               const CodeBlock *cb);

const StoreStats *store_stats(const Store *s);

#endif
