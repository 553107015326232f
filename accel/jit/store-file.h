/* SPDX-License-Identifier: MIT */
/* Files of translations: who may be trusted, and how several machines write to one.  See store.h. */
#ifndef ACCEL_JIT_STORE_FILE_H
#define ACCEL_JIT_STORE_FILE_H

#include "accel/jit/store.h"

typedef struct StoreHeader {
    char magic[8];
    uint8_t identity[STORE_ID_SIZE];
} StoreHeader;

typedef struct StoreFile {
    char *folder, *path;
    StoreHeader header; /* what the file must begin with */
    uint64_t max_bytes;
    const uint8_t *map; /* the file as it was when opened; NULL: there was none */
    size_t size;
    bool broken; /* no more writing */
} StoreFile;

void store_file_open(StoreFile *f, const char *folder, const char *arch, const uint8_t *identity,
                     uint64_t max_bytes);
void store_file_close(StoreFile *f);
/* False: another machine is writing (@wait: or has just replaced the file), or the file would become too
 * large. */
bool store_file_append(StoreFile *f, const void *records, size_t size, bool wait) MUST_CHECK;
/* The file anew, of @records. */
void store_file_replace(StoreFile *f, const void *records, size_t size);
/* Removes the folder's files that have not been used for longest while there is too much. */
void store_file_trim(const StoreFile *f);

#endif
