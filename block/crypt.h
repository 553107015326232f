/* SPDX-License-Identifier: MIT */
/* Encryption of sectors, as disk formats use it.  Any thread. */
#ifndef BLOCK_CRYPT_H
#define BLOCK_CRYPT_H

#include "block/cipher.h"
#include "block/node.h"

enum { CRYPT_SECTOR = 512 };

/* A disk's key with the way sectors get their initial vectors; any number of threads. */
typedef struct Crypt Crypt;
/* @mode as dm-crypt names it: "xts-plain64", "cbc-essiv:sha256". */
Crypt *crypt_new(const char *algorithm, const char *mode, const uint8_t *key, size_t len,
                 Error **errp);
void crypt_free(Crypt *c);
/* Whole sectors in place; the first has number @sector. 0 or a negative errno. */
int crypt_sectors(Crypt *c, bool encrypt, uint64_t sector, void *buf, size_t len);

/*
 * Reads and writes of any alignment at @offset of @file, where the disk's sector 0 lies at @base, a multiple of
 * sectors.  Sectors behind the end of the file count as zeroes on it.
 */
int crypt_preadv(Crypt *c, BlockNode *file, uint64_t base, uint64_t offset, const struct iovec *iov,
                 int niov);
int crypt_pwritev(Crypt *c, BlockNode *file, uint64_t base, uint64_t offset,
                  const struct iovec *iov, int niov);

#endif
