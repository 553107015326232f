/* SPDX-License-Identifier: MIT */
/*
 * Files of translations: who may be trusted, how several machines write to one, and where in it a record is.
 * See store.h.
 *
 * A file is a header, an index of fixed size and the records.  The index is a hash table whose slots tell where
 * a record may be; whoever follows one looks at what is there, so that nothing depends on what the index says.
 */
#ifndef ACCEL_JIT_STORE_FILE_H
#define ACCEL_JIT_STORE_FILE_H

#include "accel/jit/store.h"

typedef struct StoreHeader {
    char magic[8];
    uint8_t identity[STORE_ID_SIZE];
    uint32_t index_bits; /* of the number of slots */
    uint32_t count;      /* records, for people */
    uint8_t reserved[16];
} StoreHeader;

/* A record that goes into a file. */
typedef struct StoreEntry {
    uint64_t hash;
    uint32_t offset; /* in the records that are written with it */
} StoreEntry;

/* A slot of the index: the upper half of a hash, and where its record is, in units of 8 bytes; 0: empty. */
typedef struct StoreSlot {
    uint32_t tag, at;
} StoreSlot;

enum {
    STORE_WINDOW = 16 << 10
}; /* bytes that are read together: records lie in the order of their use */

typedef struct StoreFile {
    char *folder, *path;
    StoreHeader header; /* what a new file begins with */
    uint64_t max_bytes;
    int fd;                 /* -1: there was no file when it was opened */
    uint64_t size;          /* of the file then */
    StoreHeader is;         /* what it begins with */
    const StoreSlot *index; /* mapped; another machine may enter what is behind @size */
    uint8_t *window;        /* what was read last ... */
    uint64_t window_at;     /* ... from there on */
    size_t window_len;
    bool quiet;  /* nobody has asked for it: no warnings */
    bool full;   /* nothing is appended before it is replaced */
    bool broken; /* no more writing */
} StoreFile;

/* @quiet: without warnings.  The other arguments as those of store_open(). */
void store_file_open(StoreFile *f, const char *folder, const char *arch, const uint8_t *identity,
                     uint64_t max_bytes, bool quiet);
void store_file_close(StoreFile *f);
/*
 * The offset of a record that may have this hash, 8-byte aligned and inside the file, 0: there is none
 * further.  *@probe is 0 at first and tells where to go on.
 */
uint64_t store_file_search(const StoreFile *f, uint64_t hash, unsigned *probe);
/* At most @len bytes from @offset on; how many there were. */
size_t store_file_read(StoreFile *f, uint64_t offset, void *buf, size_t len);
/* The offsets (uint64_t) of all records that the index knows, in the order of the file. */
GArray *store_file_all(const StoreFile *f);
/*
 * Appends @records (@size bytes, a multiple of 8) and enters them into the index.  False: another machine is
 * writing (@wait: or has just replaced the file), or the file would become too large.
 */
bool store_file_append(StoreFile *f, const GByteArray *records, const GArray *entries,
                       bool wait) MUST_CHECK;
/* The file anew, of @records. */
void store_file_replace(StoreFile *f, const GByteArray *records, const GArray *entries);
/* Removes the folder's files that have not been used for longest while there is too much. */
void store_file_trim(const StoreFile *f);

#endif
